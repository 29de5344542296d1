"""Events that are given twice count once; events that only look alike all count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.detection import Semantics
from actions.organisation_ranges import NONE
from actions.profile_catalog import shipped_profiles
from connectors.edr.sysmon_file import repeats
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.repeats import SeenEvents, each_once
from playbooks.logs import LogRun, detect_in_logs, read_logs
from tests import sysmon_samples as samples
from tests.events import connected
from tests.sysmon_samples import HOST, lines

TIMES = st.sampled_from(["2024-05-14 09:31:05.118", "2024-05-21 09:31:05.118"])
SHAPES = (samples.xml, samples.evtx_json, samples.winlogbeat, samples.elastic_hit)


def given_twice(folder: Path, *texts: bytes) -> LogRun:
    paths = [folder / f"{number}.log" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    found, report = detect_in_logs(paths, shipped_profiles(), semantics=Semantics.STRICT, organisation=NONE)
    run = read_logs(paths, shipped_profiles(), semantics=Semantics.STRICT, organisation=NONE)
    assert (run.detection, run.report.repeated) == (found, report.repeated)
    return run


@pytest.mark.parametrize("other", SHAPES)
def test_overlapping_exports_of_any_shape_count_once(tmp_path: Path, other: Callable[..., bytes]) -> None:
    # TimeCreated has seven digits in one export and three in the other.
    one = lines(samples.xml(3, HOST, logged_at="2024-05-14T09:31:07.5120001Z", **samples.network()))
    run = given_twice(tmp_path, one, lines(other(3, HOST.upper(), **samples.network())))
    (alert,) = run.detection.raised
    assert (alert.notable.count, run.report.repeated, run.report.sysmon_events) == (1, 1, 2)
    (row,) = next(iter(run.edr._store.hosts)).evidence.connections()
    assert row.events == 1


def test_the_same_record_id_of_another_time_or_host_is_another_event(tmp_path: Path) -> None:
    fields = samples.network()
    later = samples.network(UtcTime="2024-05-21 09:31:05.118")  # the log was cleared in between
    run = given_twice(
        tmp_path,
        lines(samples.xml(3, HOST, **fields), samples.xml(3, "ws-0143.corp.example", **fields)),
        lines(samples.xml(3, HOST, **later)),
    )
    assert run.report.repeated == 0
    assert sum(alert.notable.count or 0 for alert in run.detection.raised) == 3


def test_events_without_a_record_id_all_count(tmp_path: Path) -> None:
    text = lines(samples.flat(3, HOST, **samples.network()))
    run = given_twice(tmp_path, text, text)
    assert (run.report.repeated, run.detection.raised[0].notable.count) == (0, 2)


def test_a_time_that_is_no_text_is_no_failure() -> None:
    event = connected(3, UtcTime=["x"])._replace(record_id=7)
    report = ReadReport()
    assert list(each_once([event, event], report)) == [event]
    assert report.repeated == 1


EVENTS = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30) | st.integers(0, 2**64 - 1), TIMES)


@given(st.lists(EVENTS, max_size=60), st.integers(0, 3000), st.booleans())
@settings(max_examples=60)
def test_what_was_seen_is_a_set(events: list[tuple[str, int, str]], run: int, backwards: bool) -> None:
    export = [("a", number, "x") for number in range(run)]
    table, seen = SeenEvents(), set[tuple[str, int, str]]()
    for event in [*events, *(reversed(export) if backwards else export), *events, *export]:
        assert table.is_new(*event) is (event not in seen)
        seen.add(event)


@pytest.mark.parametrize("backwards", [False, True])
def test_beyond_what_is_remembered_it_says_so_once_and_loses_nothing(*, backwards: bool) -> None:
    events = [connected(3)._replace(record_id=number, record=number) for number in range(40)]
    if backwards:
        events.reverse()
    report = ReadReport()
    passed: list[RawEvent] = list(each_once([*events, *events], report, seen=SeenEvents(most_events=16)))
    assert passed == [*events, *events[16:]]
    (problem,) = report.problems
    assert "given twice may count twice" in problem.reason


def test_of_very_many_hosts_none_is_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_MOST_HOSTS", 2)
    table = SeenEvents()
    events = [(str(host), number, "x") for number in (1, 2) for host in range(5)]
    assert all(table.is_new(*event) for event in events)
    assert not any(table.is_new(*event) for event in events)
