"""From a notable to its process, and from notables to cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actions.describe_destinations import describe_destinations, with_direction
from actions.detection import Semantics
from actions.get_process_lineage import LineageSettings, Located, gather_process, locate_process
from actions.organisation_ranges import NONE, OrganisationRanges
from actions.profile_catalog import shipped_profiles
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.errors import TimedOut
from connectors.facts.host import HostRef, same_host_name
from connectors.facts.notable import Direction, Notable, NotableSource
from connectors.facts.process import Connection, DnsAnswer, ProcessEvidence, ProcessRef
from connectors.ports import Window
from playbooks.grouping import group_cases
from playbooks.logs import read_logs
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid

SETTINGS = LineageSettings()
PEER = "149.154.167.220"


def notable(**fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": "e1",
        "dest": HOST,
        "process_name": "RegSvcs.exe",
        "dest_ip": PEER,
        "first_time": datetime(2026, 9, 24, 7, 0, 5, tzinfo=UTC),
        "last_time": datetime(2026, 9, 24, 7, 0, 9, tzinfo=UTC),
    }
    return Notable.model_validate({**base, **fields})


def sysmon(events: Sequence[RawEvent]) -> SysmonFileEdr:
    store = SysmonStore(["regsvcs.exe"])
    for each in events:
        store.add(each)
    return SysmonFileEdr(store, ReadReport())


def test_found_by_name_peer_and_time_with_skew() -> None:
    edr = sysmon([created(3, None, REGSVCS, second=1), connected(3, second=4)])
    late = notable(
        first_time=datetime(2026, 9, 24, 7, 4, tzinfo=UTC), last_time=datetime(2026, 9, 24, 7, 4, tzinfo=UTC)
    )
    found = locate_process(edr, late, SETTINGS)
    assert [each.guid for each in found.processes] == [bare(3)]
    assert found.problems == ()
    tight = LineageSettings(skew_s=0)
    assert locate_process(edr, late, tight).problems[0].what == "the connection itself"


def test_two_that_fit_are_named_and_neither_is_picked() -> None:
    edr = sysmon(
        [
            created(3, None, REGSVCS, second=1),
            created(4, None, REGSVCS, second=2),
            connected(3, second=5),
            connected(4, second=6),
        ]
    )
    found = locate_process(edr, notable(), SETTINGS)
    assert found.processes == ()
    assert found.host is not None
    assert bare(3) in found.problems[0].why
    assert bare(4) in found.problems[0].why


def test_guids_of_the_notable_settle_it() -> None:
    edr = sysmon([created(3, None, REGSVCS), created(4, None, REGSVCS), connected(3), connected(4)])
    found = locate_process(edr, notable(process_guids=(bare(3), bare(4), bare(9))), SETTINGS)
    assert [each.guid for each in found.processes] == [bare(3), bare(4)]
    assert bare(9) in found.problems[0].why


def test_an_edr_with_ids_of_its_own_says_how_it_was_found_and_only_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(*events: RawEvent) -> tuple[Located, str]:
        edr = sysmon(events)
        monkeypatch.setattr(type(edr), "sysmon_guids", False)
        located = locate_process(edr, notable(process_guids=(bare(9),)), SETTINGS)
        return located, "; ".join(each.why for each in located.problems)

    first, second = created(3, None, REGSVCS, second=1), created(4, None, REGSVCS, second=2)
    one, words = found(first, connected(3, second=5))
    assert [each.guid for each in one.processes] == [bare(3)]
    assert "it was found by name, peer and time" in words
    assert "it was found by name and time" in found(first)[1]
    two, words = found(first, connected(3, second=5), second, connected(4, second=6))
    assert (two.processes, len(two.process_candidates)) == ((), 2)
    assert "it was found" not in words
    assert "--guid" not in two.problems[-1].remedy
    assert "it was found" not in found()[1]


def test_without_its_connection_by_name_and_time_and_says_so() -> None:
    edr = sysmon([created(3, None, REGSVCS, second=1)])
    found = locate_process(edr, notable(), SETTINGS)
    assert [each.guid for each in found.processes] == [bare(3)]
    assert "by name and time only" in found.problems[0].why
    missing = locate_process(edr, notable(dest_ip=None), SETTINGS)
    assert [each.guid for each in missing.processes] == [bare(3)]


def test_only_what_was_asked_is_told() -> None:
    edr = sysmon([created(3, None, REGSVCS, second=1)])
    no_times = {"first_time": None, "last_time": None}
    (asked,) = locate_process(edr, notable(dest_ip=None), SETTINGS).problems
    assert asked.why == (
        "no peer address was given, so none was looked for; the process was found by name and time only"
    )
    assert asked.remedy == ""
    (asked,) = locate_process(edr, notable(dest_ip=None, **no_times), SETTINGS).problems
    assert asked.why.endswith("; the process was found by name only")
    (asked,) = locate_process(edr, notable(**no_times), SETTINGS).problems
    assert asked.why == (
        "no connection of RegSvcs.exe to 149.154.167.220 is in the telemetry; the process was found by name"
        " only"
    )
    assert asked.remedy == "Collect Sysmon event 3"
    (absent,) = locate_process(sysmon([created(3, None)]), notable(**no_times), SETTINGS).problems
    assert "at that time" not in absent.why


def test_nothing_fits() -> None:
    found = locate_process(sysmon([created(3, None)]), notable(), SETTINGS)
    assert found.processes == ()
    assert "no RegSvcs.exe is recorded" in found.problems[0].why


ENDED = (created(3, None, REGSVCS, second=1), connected(3, second=3), event(5, second=4, ProcessGuid=guid(3)))


def at_time(hour: int, minute: int, second: int = 0) -> Notable:
    when = datetime(2026, 9, 24, hour, minute, second, tzinfo=UTC)
    return notable(first_time=when, last_time=when, dest_ip="93.184.220.29")


def test_a_process_that_ended_before_is_no_candidate() -> None:
    found = locate_process(sysmon(ENDED), at_time(14, 0), SETTINGS)
    assert found.processes == ()
    (problem,) = found.problems
    assert problem.what == "process"
    assert problem.why == (
        f"no RegSvcs.exe is recorded on {HOST} at that time; "
        "an earlier one (pid 1003) ended at 2026-09-24 07:00:04 UTC"
    )


def test_the_installers_process_is_not_blamed_for_a_connection_hours_later() -> None:
    log = Path(__file__).parents[2] / "examples" / "installer" / "sysmon.ndjson"
    read = read_logs([log], shipped_profiles(), semantics=Semantics.STRICT, organisation=NONE)
    asked = notable(
        dest="WS02",
        dest_ip="93.184.220.29",
        first_time=datetime(2026, 9, 24, 14, tzinfo=UTC),
        last_time=datetime(2026, 9, 24, 14, 5, tzinfo=UTC),
    )
    found = locate_process(read.edr, asked, SETTINGS)
    assert found.processes == ()
    assert found.problems[0].why == (
        "no RegSvcs.exe is recorded on WS02.corp.example at that time; "
        "an earlier one (pid 5588) ended at 2026-09-24 11:05:24 UTC"
    )


@pytest.mark.parametrize(("second", "wanted"), [(4, [bare(3)]), (5, [])])
def test_the_clock_skew_counts_for_the_end_too(second: int, wanted: list[str]) -> None:
    found = locate_process(sysmon(ENDED), at_time(7, 5, second), SETTINGS)
    assert [each.guid for each in found.processes] == wanted


def test_a_process_of_unknown_end_may_still_run() -> None:
    found = locate_process(sysmon(ENDED[:2]), at_time(14, 0), SETTINGS)
    assert [each.guid for each in found.processes] == [bare(3)]
    assert found.problems[0].what == "the connection itself"


def test_connections_outside_the_window_make_no_candidate() -> None:
    edr = sysmon([*ENDED, connected(4, "1.1.1.1", second=7 * 3600)])
    found = locate_process(edr, at_time(14, 0), SETTINGS)
    assert [each.guid for each in found.processes] == [bare(4)]


def test_no_process_of_the_name_and_a_connector_that_breaks_meanwhile() -> None:
    class Breaks(SysmonFileEdr):
        def get_lineage(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
            raise TimedOut("slow", "no answer within 30 s")

    store = SysmonStore(["regsvcs.exe"])
    for each in ENDED:
        store.add(each)
    found = locate_process(Breaks(store, ReadReport()), at_time(14, 0), SETTINGS)
    assert [each.why for each in found.problems] == [f"no RegSvcs.exe is recorded on {HOST} at that time"]
    assert not found.failed


def test_many_candidates_are_counted() -> None:
    edr = sysmon([created(number, None, REGSVCS, second=number) for number in range(1, 131)])
    found = locate_process(edr, notable(dest_ip=None), SETTINGS)
    assert len(found.process_candidates) == 101
    assert found.process_candidates[-1] == "and 30 more"


def test_host_problems_are_unknowns_not_errors() -> None:
    edr = sysmon([created(1, None, host="WS1.a.example"), created(2, None, host="WS1.b.example")])
    ambiguous = locate_process(edr, notable(dest="ws1"), SETTINGS)
    assert ambiguous.host is None
    assert "WS1.a.example, WS1.b.example" in ambiguous.problems[0].why
    assert locate_process(edr, notable(dest="WS9"), SETTINGS).host is None
    short = sysmon([created(1, None, host="WS1"), created(2, None, host="WS1.b.example")])
    assert locate_process(short, notable(dest="WS1.c.example"), SETTINGS).host_candidates == (
        "WS1",
        "WS1.b.example",
    )
    several = locate_process(edr, notable(dest="WS1.a.example", other_dests=("X",)), SETTINGS)
    assert "names 2 hosts" in several.problems[0].why
    assert locate_process(None, notable(), SETTINGS).problems[0].what == "host and process"


def test_a_dest_that_is_an_address_is_resolved_as_one() -> None:
    edr = sysmon([created(3, None, REGSVCS), connected(3, second=5)])
    found = locate_process(edr, notable(dest="10.20.4.17"), SETTINGS)
    assert found.host is not None
    assert found.host.host_id == HOST
    assert [each.guid for each in found.processes] == [bare(3)]


def test_evidence_is_asked_for_even_when_lineage_fails() -> None:
    class Slow(SysmonFileEdr):
        def get_lineage(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
            raise TimedOut("slow", "no answer within 30 s")

    store = SysmonStore(["regsvcs.exe"])
    for each in [created(3, None, REGSVCS), connected(3)]:
        store.add(each)
    edr = Slow(store, ReadReport())
    host = edr.resolve_host(hostname=HOST)
    found = gather_process(edr, host, ProcessRef(host_id=HOST, guid=bare(3)), [notable()], SETTINGS)
    assert found.lineage is None
    assert found.evidence is not None
    assert len(found.evidence.connections) == 1
    assert found.problems[0].why == "slow: no answer within 30 s"


def test_a_notable_without_times_is_searched_over_everything() -> None:
    edr = sysmon([created(3, None, REGSVCS), connected(3)])
    found = locate_process(edr, notable(first_time=None, last_time=None), SETTINGS)
    assert [each.guid for each in found.processes] == [bare(3)]


class TestGrouping:
    host = HostRef(connector="c", host_id=HOST, hostname=HOST)

    def located(self, number: int) -> Located:
        return Located(host=self.host, processes=(ProcessRef(host_id=HOST, guid=bare(number)),))

    def test_one_case_per_process_whatever_the_destination_and_hour(self) -> None:
        drafts = group_cases(
            [
                (notable(event_id="b", last_time=datetime(2026, 9, 24, 9, tzinfo=UTC),
                         first_time=datetime(2026, 9, 24, 9, tzinfo=UTC)), self.located(3)),
                (notable(event_id="a", dest_ip="1.1.1.1"), self.located(3)),
                (notable(event_id="c"), self.located(4)),
            ]
        )  # fmt: skip
        assert [[each.event_id for each in draft.notables] for draft in drafts] == [["a", "b"], ["c"]]

    def test_the_same_notable_twice_is_one(self) -> None:
        drafts = group_cases([(notable(), self.located(3)), (notable(), self.located(3))])
        assert [len(draft.notables) for draft in drafts] == [1]

    def test_case_id_is_stable_and_holds_no_text_of_the_notable(self) -> None:
        hostile = notable(dest="../../etc", process_name="a/../b")
        (draft,) = group_cases([(hostile, Located())])
        (again,) = group_cases([(hostile.model_copy(update={"event_id": "other"}), Located())])
        assert draft.case_id == again.case_id
        assert draft.case_id.removeprefix("case-").isalnum()

    def test_without_a_process_by_host_name_and_day(self) -> None:
        next_day = datetime(2026, 9, 25, 1, tzinfo=UTC)
        drafts = group_cases(
            [
                (notable(), Located()),
                (notable(dest=HOST.upper(), event_id="2"), Located()),
                (notable(first_time=next_day, last_time=next_day, event_id="3"), Located()),
                (notable(process_name="RegAsm.exe", event_id="4"), Located()),
            ]
        )
        assert [len(draft.notables) for draft in drafts] == [2, 1, 1]


class TestDestinations:
    inbound = ProcessEvidence(
        connections=(Connection(src_ip="8.8.8.8", dest_ip="10.20.4.17", initiated=False, dest_port=8080),)
    )

    def test_direction_comes_from_the_connections(self) -> None:
        asked = notable(src_ip="8.8.8.8", dest_ip="10.20.4.17")
        turned = with_direction(asked, self.inbound)
        assert turned.direction is Direction.INBOUND
        assert [each.ip for each in describe_destinations([turned], self.inbound, NONE)] == ["8.8.8.8"]
        assert with_direction(asked, None).direction is Direction.UNKNOWN

    def test_both_directions_stay_unknown(self) -> None:
        both = ProcessEvidence(
            connections=(
                Connection(src_ip="1.1.1.1", dest_ip="10.0.0.1", initiated=False),
                Connection(src_ip="1.1.1.1", dest_ip="10.0.0.1", initiated=True),
            )
        )
        asked = notable(src_ip="1.1.1.1", dest_ip="10.0.0.1")
        assert with_direction(asked, both).direction is Direction.UNKNOWN

    def test_names_come_from_dns_answers_only(self) -> None:
        evidence = ProcessEvidence(
            dns=(
                DnsAnswer(name="api.telegram.org", addresses=(PEER,)),
                DnsAnswer(name="api.telegram.org", addresses=(PEER,)),
                DnsAnswer(name="other.example", addresses=("1.1.1.1",)),
            ),
            connections=(Connection(dest_ip=PEER, dest_port=443, initiated=True),),
        )
        own = OrganisationRanges(["149.154.160.0/20"])
        (found,) = describe_destinations([notable()], evidence, own)
        assert (found.dns_names, found.ports) == (("api.telegram.org",), (443,))
        assert found.check.organisation_owned

    def test_a_notable_without_a_destination_has_none(self) -> None:
        assert describe_destinations([notable(dest_ip=None)], None, NONE) == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("APP1", "app1.corp.example", True),
        ("app1.corp.example.", "APP1.CORP.EXAMPLE", True),
        ("APP1", "APP10", False),
        ("app1.a.example", "app1.b.example", False),
        ("", "", False),
    ],
)
def test_host_names(one: str, other: str, same: bool) -> None:
    assert same_host_name(one, other) is same


def test_window_is_closed() -> None:
    at = datetime(2026, 9, 24, tzinfo=UTC)
    assert Window(at, at).holds(at)
