"""The fake Splunk, filled from an example: one server gives the notable, the lineage and the analytic."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.edr.sysmon_splunk.connector import SysmonSplunk
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import NotableUpdate, RiskWritten, Window
from connectors.siem.notable import notables_from_object
from connectors.siem.splunk.settings import NotablesFrom
from tests.estate import estate_of
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_events import connections_of, events_of, notable_rows
from tests.fakes.splunk_server import TOKEN

EXAMPLES = sorted(Path("examples").glob("*/notable.json"))
CASE = {"dest", "user", "process_name", "src_ip", "dest_ip", "count", "first_time", "last_time"}


def given(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def filled(at: Bench, folder: Path) -> Notable:
    """The example in the fake Splunk, ten minutes after its last event; the notable as the file has it."""
    (log,) = folder.glob("sysmon.*")
    estate = estate_of(log)
    at.fake.events = events_of(estate)
    at.fake.connections = connections_of(estate)
    at.fake.notables = notable_rows(given(folder / "notable.json"))
    last = max(*(each.time for each in at.fake.events), *(each["_indextime"] for each in at.fake.notables))
    at.clock.advance(last + 600 - at.clock.now.timestamp())
    (notable, *_) = notables_from_object(given(folder / "notable.json")).notables
    return notable


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_a_notable_of_an_example_comes_out_of_splunk_with_the_same_facts(path: Path) -> None:
    with bench() as at:
        expected = filled(at, path.parent)
        (got, *_), _ = at.siem.fetch_notables(None, limit=9)
        assert got in at.siem.notables_of(got.event_id)
    assert got.source is NotableSource.ES_NOTABLE
    assert got.model_dump(include=CASE) == expected.model_dump(include=CASE)


def test_one_splunk_gives_the_notable_and_the_lineage_and_takes_the_way_back() -> None:
    with bench() as at:
        filled(at, Path("examples/stealer"))
        ((notable,), _) = at.siem.fetch_notables(None, limit=9)
        edr = SysmonSplunk(
            at.http,
            at.fake.edr_settings(),
            SecretStr(TOKEN),
            clock=at.clock,
            sleep=at.clock.sleep,
            monotonic=at.clock.monotonic,
        )
        window = Window(at.clock.now - timedelta(days=2), at.clock.now)
        host = edr.resolve_host(hostname=notable.dest)
        found = edr.find_process(host, name=notable.process_name, remote_ip=notable.peer_ip, window=window)
        lineage = edr.get_lineage(host, found[0], window=window)
        assert lineage.ancestors
        at.siem.update_notable(notable.event_id, NotableUpdate("malicious", status="In Progress"))
        sent = at.siem.add_risk(
            notable, score=95, base_score=80, techniques=(), message="malicious", case_id="case-1"
        )
        assert sent is RiskWritten.ACCEPTED
    assert at.fake.notables[0]["status_label"] == "In Progress"
    assert [each["risk_object"] for each in at.fake.risk_rows()] == [notable.dest]


def test_the_analytic_over_the_same_events_raises_what_the_notable_says() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        expected = filled(at, Path("examples/stealer"))
        at.clock.advance(-4 * 3600)
        nothing, since = at.siem.fetch_notables(None, limit=99)
        at.clock.advance(5 * 3600)
        got, _ = at.siem.fetch_notables(since, limit=99)
    assert not nothing
    keys = {(each.dest.lower(), each.process_name.lower(), each.dest_ip) for each in got}
    assert (expected.dest.lower(), expected.process_name.lower(), expected.dest_ip) in keys


def test_a_request_that_is_not_documented_is_refused() -> None:
    with bench() as at:
        for path in ("/services/nothing", "/servicesNS/nobody/search/saved/nothing/x"):
            with pytest.raises(Exception, match="404"):
                at.rest.get(path, {}, at.clock.deadline())
        with pytest.raises(Exception, match="400"):
            at.rest.post("/services/notable_update", {"ruleUIDs": "x", "bogus": "y"}, at.clock.deadline())
