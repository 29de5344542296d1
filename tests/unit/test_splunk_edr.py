"""Sysmon in Splunk as an EDR: the same facts as from the file, each trap, and what a lineage costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from actions.get_process_lineage import LineageSettings, gather_process, locate_process
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.connector import SysmonSplunk
from connectors.errors import (
    AmbiguousHost,
    BadResponse,
    HostNotFound,
    NotSupported,
    ProcessNotFound,
    QueryFailed,
)
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.health import HealthState
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationState
from connectors.facts.process import (
    CoverageState,
    EvidenceKind,
    GapKind,
    KnownFrom,
    Lineage,
    ProcessEvidence,
    ProcessRef,
)
from connectors.ports import Capability, Window
from connectors.siem.notable import parse_notables
from tests.estate import Estate, estate_of
from tests.fakes.splunk_events import META, events_of, indexed
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.fakes.splunk_spl import Event, pipeline, run
from tests.http_clients import Clock, client

REGSVCS = "regsvcs.exe"
NOW = datetime.fromisoformat("2026-09-24T12:00:00+00:00")
WHOLE = Window(EARLIEST_INSTANT, LATEST_INSTANT)


class Case:
    """A connector, its fake Splunk and their clock."""

    def __init__(self, edr: SysmonSplunk, fake: FakeSplunk, clock: Clock) -> None:
        self.edr, self.fake, self.clock = edr, fake, clock

    @property
    def window(self) -> Window:
        return Window(self.clock.now - timedelta(hours=12), self.clock.now)

    def host(self, name: str = "WS01") -> HostRef:
        return self.edr.resolve_host(hostname=name)

    def lineage(self, process: ProcessRef, **caps: int) -> Lineage:
        return self.edr.get_lineage(self.host(), process, window=self.window, **caps)

    def searches(self) -> int:
        return self.fake.calls["start"]


@contextmanager
def splunk(events: Iterable[Event], *, now: datetime = NOW, **told: Any) -> Iterator[Case]:
    clock = Clock()
    clock.now = now

    def monotonic() -> float:
        return (clock.now - now).total_seconds()

    with FakeSplunk(events, clock) as fake, client(clock) as http:
        edr = SysmonSplunk(
            http,
            fake.edr_settings(**told),
            SecretStr(TOKEN),
            clock=clock,
            sleep=clock.sleep,
            monotonic=monotonic,
        )
        yield Case(edr, fake, clock)


def at(minute: float) -> str:
    return f"{NOW - timedelta(hours=2) + timedelta(minutes=minute):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def event(kind: int, minute: float, /, computer: str = "WS01.corp.example", **data: Any) -> RawEvent:
    logged = at(minute).replace(" ", "T") + "Z"
    return RawEvent(kind, computer, logged, {"UtcTime": at(minute), **data}, "", 0)


def guid(number: int) -> str:
    return f"{{A1C5D0E2-0000-66F4-0000-{number:012d}}}"


def bare(number: int) -> str:
    return guid(number).strip("{}")


NULL_GUID = "{00000000-0000-0000-0000-000000000000}"


def started(number: int, parent: int | None, minute: float, name: str = "", **data: Any) -> RawEvent:
    image = rf"C:\Windows\{name or f'p{number}.exe'}"
    told: dict[str, Any] = {
        "ProcessGuid": guid(number),
        "ProcessId": 1000 + number,
        "Image": image,
        "CommandLine": f'"{image}" -x',
        "ParentProcessGuid": NULL_GUID if parent is None else guid(parent),
        "ParentProcessId": 0 if parent is None else 1000 + parent,
        "ParentImage": "?" if parent is None else rf"C:\Windows\p{parent}.exe",
        "ParentCommandLine": "-",
    }
    return event(1, minute, **{**told, **data})


def chain(depth: int) -> list[RawEvent]:
    """Process 0 starts 1, which starts 2 and so on; the last is regsvcs."""
    return [started(n, n - 1 if n else None, n / 10, REGSVCS if n == depth else "") for n in range(depth + 1)]


def connected(number: int, minute: float, **data: Any) -> RawEvent:
    told: dict[str, Any] = {
        "ProcessGuid": guid(number),
        "ProcessId": 1000 + number,
        "Image": rf"C:\Windows\{REGSVCS}",
        "Initiated": True,
        "SourceIp": "192.0.2.10",
        "SourcePort": 50000,
        "DestinationIp": "198.51.100.7",
        "DestinationPort": 443,
        "Protocol": "tcp",
    }
    return event(3, minute, **{**told, **data})


def ref(number: int, name: str = REGSVCS) -> ProcessRef:
    return ProcessRef(host_id="WS01.corp.example", guid=bare(number), image=rf"C:\Windows\{name}")


def index(*events: RawEvent) -> list[Event]:
    return [indexed(each, number) for number, each in enumerate(events, start=1)]


# --- the same facts as from the file -----------------------------------------------------------


def file_edr(estate: Estate) -> SysmonFileEdr:
    store = SysmonStore({REGSVCS, "regasm.exe"})
    for each in estate.sysmon:
        store.add(each)
    return SysmonFileEdr(store, ReadReport())


def without_sources[F: (Lineage, ProcessEvidence)](fact: F) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {name: each for name, each in value.items() if name not in _WHERE}
            return {name: plain(each) for name, each in kept.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return plain(fact.model_dump(mode="json"))  # type: ignore[no-any-return]


_WHERE = {"source", "end_source", "source_queries"}


@pytest.mark.parametrize("name", ["stealer", "installer", "local-only"])
def test_a_case_is_the_same_as_from_the_file(examples: Path, name: str) -> None:
    (log,) = (examples / name).glob("sysmon.*")
    estate = estate_of(log)
    (notable,) = parse_notables((examples / name / "notable.json").read_bytes()).notables
    last = max(host.last_seen for host in estate.hosts if host.last_seen is not None)
    told = LineageSettings()
    with splunk(events_of(estate), now=last + timedelta(hours=1)) as case:
        found = locate_process(case.edr, notable, told)
        expected = locate_process(file_edr(estate), notable, told)
        assert found.host is not None
        assert expected.host is not None
        # Found by its connection, a process is known by its guid; when it began says its lineage.
        assert [each.guid for each in found.processes] == [each.guid for each in expected.processes]
        assert found.problems == expected.problems
        assert {each.ip for each in found.host.addresses} <= {each.ip for each in expected.host.addresses}
        for process in found.processes:
            ours = gather_process(case.edr, found.host, process, [notable], told)
            theirs = gather_process(file_edr(estate), expected.host, process, [notable], told)
            assert ours.problems == ()
            assert ours.lineage is not None
            assert theirs.lineage is not None
            assert ours.evidence is not None
            assert theirs.evidence is not None
            assert without_sources(ours.lineage) == without_sources(theirs.lineage)
            assert without_sources(ours.evidence) == without_sources(theirs.evidence)


def test_a_fact_names_index_and_record() -> None:
    with splunk(index(*chain(2))) as case:
        source = case.lineage(ref(2)).target.source
        assert source is not None
        assert (source.source, source.record, source.event_id) == ("Splunk, index sysmon", 3, "1")


# --- hosts -------------------------------------------------------------------------------------


def hosts(*seen: tuple[str, float]) -> list[Event]:
    return index(*(event(5, minute, computer=name) for name, minute in seen))


def test_a_name_is_matched_whole_and_not_by_the_collector() -> None:
    with splunk(hosts(("APP10.corp.example", 1), ("app1.corp.example", 2))) as case:
        for asked in ("APP1", "app1.corp.example", "APP1.CORP.EXAMPLE."):
            assert case.edr.resolve_host(hostname=asked).hostname == "app1.corp.example"
        for asked in ("APP", "PP1", "APP1.other.example", META["host"], "app*", "", '" | delete'):
            with pytest.raises(HostNotFound):
                case.edr.resolve_host(hostname=asked)


def test_a_short_name_of_two_domains_is_ambiguous() -> None:
    with splunk(hosts(("WS01.a.example", 1), ("WS01.b.example", -3 * 24 * 60))) as case:
        with pytest.raises(AmbiguousHost) as raised:
            case.edr.resolve_host(hostname="ws01")
        assert len(raised.value.candidates) == 2
        assert case.edr.resolve_host(hostname="ws01.b.example").hostname == "WS01.b.example"


def test_a_host_that_was_long_silent_is_not_meant_where_another_is_active() -> None:
    with splunk(hosts(("WS01.a.example", 1), ("WS01.b.example", -20 * 24 * 60))) as case:
        assert case.edr.resolve_host(hostname="ws01").hostname == "WS01.a.example"


def test_a_host_that_was_long_silent_is_found() -> None:
    with splunk(hosts(("WS01.a.example", -20 * 24 * 60))) as case:
        assert case.edr.resolve_host(hostname="ws01").hostname == "WS01.a.example"
        assert case.edr.resolve_host(hostname="ws01.a.example").hostname == "WS01.a.example"


def test_spellings_of_one_host_are_one() -> None:
    with splunk(hosts(("WS01.corp.example", 1), ("ws01.corp.example", 2))) as case:
        assert case.edr.resolve_host(hostname="WS01").last_seen is not None


def test_an_address_is_the_hosts_own_end() -> None:
    other = connected(9, 3, computer="WS02.corp.example", SourceIp="192.0.2.11", DestinationIp="192.0.2.10")
    inbound = connected(
        8, 3, computer="SRV.corp.example", Initiated=False, SourceIp="192.0.2.10", DestinationIp="192.0.2.99"
    )
    with splunk(index(connected(1, 2), other, inbound)) as case:
        assert case.edr.resolve_host(ip="192.0.2.10").hostname == "WS01.corp.example"
        assert case.edr.resolve_host(ip="192.0.2.99").hostname == "SRV.corp.example"
        for nobody in ("192.0.2.1", "198.51.100.7", "none"):
            with pytest.raises(HostNotFound):
                case.edr.resolve_host(ip=nobody)
        with pytest.raises(HostNotFound):
            case.edr.resolve_host(ip="192.0.2.10", at=NOW - timedelta(days=3))


@pytest.mark.parametrize(
    "logged", ["2001:db8:0:0:0:0:0:1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:DB8::1"]
)
def test_ipv6_is_found_however_sysmon_writes_it(logged: str) -> None:
    mine = connected(2, 5, SourceIp=logged, DestinationIp="2001:db8:0:0:0:0:0:2")
    with splunk(index(*chain(2), mine)) as case:
        host = case.edr.resolve_host(ip="2001:db8::1")
        assert [each.ip for each in host.addresses] == ["2001:db8::1"]
        (found,) = case.edr.find_process(host, name=REGSVCS, remote_ip="2001:db8::2", window=case.window)
        assert found.guid == bare(2)


def test_a_search_for_a_host_that_is_not_all_picks_none() -> None:
    with splunk(hosts(("WS01.corp.example", 1))) as case:
        case.fake.messages = [("ERROR", "[idx2] the peer did not answer")]
        with pytest.raises(QueryFailed, match="none is picked"):
            case.host()


# --- processes ---------------------------------------------------------------------------------


def test_a_process_is_found_by_its_connection_within_the_window() -> None:
    second = started(7, 1, 3, REGSVCS)
    events = index(*chain(2), second, connected(2, 5), connected(7, 40))
    with splunk(events) as case:
        host = case.host()

        def found(first: float, last: float, **more: Any) -> list[str | None]:
            window = Window(NOW - timedelta(minutes=120 - first), NOW - timedelta(minutes=120 - last))
            return [each.guid for each in case.edr.find_process(host, name=REGSVCS, window=window, **more)]

        assert found(0, 10, remote_ip="198.51.100.7") == [bare(2)]
        assert found(5.001, 10, remote_ip="198.51.100.7") == []
        assert found(0, 60, remote_ip="198.51.100.7", remote_port=443) == [bare(2), bare(7)]
        assert found(0, 60, remote_ip="198.51.100.7", remote_port=80) == []
        assert found(0, 60, remote_ip="198.51.100.8") == []
        assert found(0, 10) == [bare(2)]
        assert found(6, 20) == [bare(2), bare(7)]  # no connection then: those of the name, alive
        (one,) = case.edr.find_process(host, guid=guid(2), window=case.window)
        assert (one.guid, one.pid, one.image) == (bare(2), 1002, rf"C:\Windows\{REGSVCS}")
        assert one.start_time is not None


def test_a_process_that_had_ended_is_not_alive() -> None:
    unnamed = event(5, 4, ProcessGuid=guid(2), ProcessId=1002, Image="<unknown process>")
    with splunk(index(*chain(2), started(7, 1, 3, REGSVCS), unnamed)) as case:
        window = Window(NOW - timedelta(minutes=100), NOW)
        found = case.edr.find_process(case.host(), name=REGSVCS, window=window)
        assert [each.guid for each in found] == [bare(7)]


def test_a_connection_of_an_unknown_process_is_given_to_the_one_that_had_the_pid() -> None:
    lost = connected(2, 5, ProcessGuid=NULL_GUID, Image="<unknown process>")
    reused = started(9, 0, 60, "notepad.exe", ProcessId=1002)
    with splunk(index(*chain(2), lost, reused)) as case:
        (found,) = case.edr.find_process(
            case.host(), name=REGSVCS, remote_ip="198.51.100.7", window=case.window
        )
        assert found.guid == bare(2)


def test_a_window_without_end_is_bounded_by_the_history() -> None:
    with splunk(index(*chain(2), connected(2, 5)), history_days=30) as case:
        found = case.edr.find_process(case.host(), name=REGSVCS, remote_ip="198.51.100.7", window=WHOLE)
        assert [each.guid for each in found] == [bare(2)]
        span = [float(case.fake.forms[-1][each]) for each in ("earliest_time", "latest_time")]
        assert span[1] - span[0] < timedelta(days=62).total_seconds()


def test_an_answer_that_is_not_all_picks_none() -> None:
    with splunk(index(*chain(2), connected(2, 5))) as case:
        host = case.host()
        case.fake.messages = [("ERROR", "[idx2] the peer did not answer")]
        with pytest.raises(QueryFailed, match="none is picked"):
            case.edr.find_process(host, name=REGSVCS, window=case.window)


def test_hostile_names_find_nothing_and_change_nothing() -> None:
    with splunk(index(*chain(2), connected(2, 5))) as case:
        host = case.host()
        for name in ('a" | delete', "*", "a&b (1).exe", "\u202eexe.scvsger", "'", "\\", "[search *]", "`x`"):
            assert list(case.edr.find_process(host, name=name, window=case.window)) == []


# --- lineage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_a_lineage_costs_a_search_for_each_ancestor_and_a_few(depth: int) -> None:
    children = [started(100 + n, depth, 50 + n) for n in range(20)]
    siblings = [started(200 + n, depth - 1, 50 + n) for n in range(20)]
    estate = [started(1000 + n, 0, 50 + n / 100) for n in range(200)]  # what else there is costs nothing
    with splunk(index(*chain(depth), *children, *siblings, *estate)) as case:
        host = case.host()
        before, calls = case.searches(), sum(case.fake.calls.values())
        lineage = case.edr.get_lineage(host, ref(depth), window=case.window)
        assert len(lineage.ancestors) == depth
        assert len(lineage.children) == 20
        assert len(lineage.siblings) >= 20
        searches = case.searches() - before
        assert searches <= len(lineage.ancestors) + 4
        assert searches == depth + 2
        assert sum(case.fake.calls.values()) - calls == 3 * searches
        assert len(lineage.source_queries) == searches


def test_evidence_does_not_walk_up_again() -> None:
    with splunk(index(*chain(12), connected(12, 20))) as case:
        host = case.host()
        case.edr.get_lineage(host, ref(12), window=case.window)
        before = case.searches()
        case.edr.get_process_evidence(host, ref(12), window=case.window)
        assert case.searches() - before == 3


def test_ends_and_signatures_come_along() -> None:
    image = rf"C:\Windows\{REGSVCS}"
    signed: dict[str, Any] = {"Signed": True, "SignatureStatus": "Valid", "Signature": "Example Corporation"}
    loaded = event(7, 4, ProcessGuid=guid(2), Image=image, ImageLoaded=image.upper(), **signed)
    other = event(7, 4, ProcessGuid=guid(2), Image=image, ImageLoaded=r"C:\x.dll", Signed=False)
    ended = event(5, 30, ProcessGuid=guid(8), Image=r"C:\Windows\p8.exe")
    with splunk(index(*chain(2), loaded, other, started(8, 2, 6), ended)) as case:
        lineage = case.lineage(ref(2))
        assert lineage.target.signature.signer == "Example Corporation"
        (child,) = lineage.children
        assert child.end_time is not None


def test_a_null_parent_is_found_by_pid_and_time() -> None:
    events = [
        started(0, None, 0),
        started(1, 0, 1),
        started(2, None, 2, REGSVCS, ParentProcessId=1001, ParentImage=r"C:\Windows\p1.exe"),
        started(3, 1, 3),
        started(9, 0, 60, ProcessId=1001),  # the id again, later
    ]
    with splunk(index(*events)) as case:
        lineage = case.lineage(ref(2))
        assert [each.ref.guid for each in lineage.ancestors] == [bare(1), bare(0)]
        assert [each.ref.guid for each in lineage.siblings] == [bare(3)]
        assert GapKind.PARENT_BY_PID in {each.kind for each in lineage.gaps}
        assert lineage.ancestors[1].parent_guid is None


def test_a_null_guid_names_no_one() -> None:
    odd = started(5, None, 5, ProcessGuid=NULL_GUID)
    with splunk(index(*chain(1), odd)) as case:
        assert list(case.edr.find_process(case.host(), guid=NULL_GUID, window=case.window)) == []


def test_a_process_without_a_guid_is_found_by_pid_and_start() -> None:
    events = [started(0, None, 0), started(1, 0, 1, REGSVCS, ProcessGuid=NULL_GUID)]
    lost = connected(1, 2, ProcessGuid=NULL_GUID)
    with splunk(index(*events, lost)) as case:
        (found,) = case.edr.find_process(
            case.host(), name=REGSVCS, remote_ip="198.51.100.7", window=case.window
        )
        assert found.guid is None
        assert [each.ref.guid for each in case.lineage(found).ancestors] == [bare(0)]
        evidence = case.edr.get_process_evidence(case.host(), found, window=case.window)
        assert [each.dest_ip for each in evidence.connections] == ["198.51.100.7"]


def test_a_target_without_its_start_is_known_by_what_it_did() -> None:
    with splunk(index(connected(2, 5), started(3, 2, 6, ParentImage=rf"C:\Windows\{REGSVCS}"))) as case:
        lineage = case.lineage(ref(2))
        assert lineage.target.known_from is KnownFrom.ACTIVITY
        assert len(lineage.children) == 1
        with pytest.raises(ProcessNotFound):
            case.lineage(ref(77))


def test_only_a_connection_is_known() -> None:
    with splunk(index(connected(2, 5))) as case:
        assert case.lineage(ref(2)).target.known_from is KnownFrom.ACTIVITY


def test_a_cycle_ends() -> None:
    events = [started(1, 2, 1), started(2, 1, 2, REGSVCS)]
    with splunk(index(*events)) as case:
        lineage = case.lineage(ref(2))
        assert GapKind.CYCLE in {each.kind for each in lineage.gaps}


def test_caps_are_reported() -> None:
    many = [started(100 + n, 3, 10 + n / 10) for n in range(60)]
    with splunk(index(*chain(3), *many)) as case:
        deep = case.lineage(ref(3), max_depth=1)
        assert (len(deep.ancestors), deep.truncated) == (1, True)
        assert [each.kind for each in deep.gaps] == [GapKind.DEPTH_CAP]
        wide = case.lineage(ref(3), max_nodes=10)
        assert (len(wide.children), wide.truncated) == (6, True)
        (gap,) = [each for each in wide.gaps if each.kind is GapKind.NODE_CAP]
        assert gap.detail == "further relatives left out"
        assert wide.target.command_line is not None


def test_nameless_parents_do_not_lengthen_the_walk() -> None:
    events = [started(n, n - 1 if n else None, n / 10, ParentImage="?") for n in range(30)]
    with splunk(index(*events)) as case:
        before = case.searches()
        case.lineage(ref(29), max_depth=3)
        assert case.searches() - before <= 8


def test_an_answer_that_is_not_all_is_reported_in_the_lineage() -> None:
    with splunk(index(*chain(2))) as case:
        host = case.host()
        case.fake.messages = [("ERROR", "[idx2] the peer did not answer")]
        lineage = case.edr.get_lineage(host, ref(2), window=case.window)
        assert lineage.truncated
        assert lineage.source_queries[-1] == "Splunk says that its answer is not complete"
        evidence = case.edr.get_process_evidence(host, ref(2), window=case.window)
        assert evidence.truncated


def test_a_name_in_another_hosts_event_is_not_this_host() -> None:
    other = started(2, 1, 2, REGSVCS, computer="WS02.corp.example", User=r"WS01.corp.example\bob")
    with splunk(index(*chain(1), other)) as case, pytest.raises(ProcessNotFound):
        case.lineage(ref(2))


def test_logged_text_cannot_pass_for_a_field() -> None:
    fake = f"<Data Name='ParentProcessGuid'>{guid(2)}</Data><Computer>WS09</Computer>"
    child = started(4, 1, 4, CommandLine=fake)
    with splunk(index(*chain(2), child)) as case:
        lineage = case.lineage(ref(2))
        assert lineage.children == ()
        assert [each.ref.guid for each in lineage.siblings] == [bare(4)]
        assert lineage.siblings[0].command_line == fake


# --- what Splunk may hold ------------------------------------------------------------------------


# --- hostile text in _raw --------------------------------------------------------------------------

BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
    "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>"
)


def raw(each: RawEvent, change: Callable[[str], str]) -> Event:
    """An event whose text was changed on its way into the index."""
    told = indexed(each, 7)
    return told._replace(raw=change(told.raw))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: BOMB + text.replace("-x", "&c;"),
        lambda text: text.replace("-x", "&f;"),
        lambda text: text.replace("<EventData>", f"<EventData>{BOMB}"),
        lambda text: text.replace("-x", "&#0;"),
        lambda text: text.replace("-x", "\ud800"),
        lambda text: text.replace("<EventData>", "<EventData>" + "<a>" * 50_000),
    ],
    ids=["entities", "file", "late", "null", "surrogate", "deep"],
)
def test_no_entity_is_expanded_and_what_is_no_xml_is_told(change: Callable[[str], str]) -> None:
    events = [*index(*chain(2)[:-1]), raw(chain(2)[-1], change)]
    with splunk(events) as case:
        try:
            lineage = case.lineage(ref(2))
        except (BadResponse, ProcessNotFound):
            return
        told = lineage.model_dump_json()
        assert "aaaaaaaaaa" not in told
        assert "root:" not in told
        assert lineage.truncated or lineage.target.command_line is not None


def test_two_events_in_one_text_are_of_their_own_hosts() -> None:
    """Splunk that does not break lines indexes both as one; SPL sees the first Computer alone."""
    other = started(1, None, 0.05, "evil.exe", CommandLine="of another host")
    other = other._replace(computer="WS02.corp.example")
    mine = indexed(chain(2)[2], 9)
    merged = mine._replace(raw=mine.raw + indexed(other, 3).raw)
    with splunk([*index(*chain(2)[:-1]), merged]) as case:
        lineage = case.lineage(ref(2))
        assert "evil.exe" not in lineage.model_dump_json()
        assert [each.name for each in lineage.ancestors] == ["p1.exe", "p0.exe"]
        assert not lineage.truncated


def test_rows_of_another_host_are_not_taken_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Splunk whose answer is not what was asked for, or a Computer that XML and SPL read differently."""
    stranger = chain(2)[2]._replace(computer="WS02.corp.example")
    odd = raw(stranger, lambda text: f"<!--<Computer>WS01.corp.example</Computer>-->{text}")
    with splunk([*index(*chain(1)), odd, *index(connected(1, 1))]) as case:
        host = case.host()
        with pytest.raises((BadResponse, ProcessNotFound)):
            case.edr.get_lineage(host, ref(2), window=case.window)
        (parent,) = case.edr.find_process(host, guid=bare(1), window=case.window)
        lineage = case.edr.get_lineage(host, parent, window=case.window)
        assert lineage.children == ()
        assert lineage.truncated


def test_a_host_of_another_connector_is_not_asked_about() -> None:
    with splunk(index(*chain(2))) as case:
        other = case.host().model_copy(update={"connector": "elastic"})
        before = len(case.fake.seen)
        with pytest.raises(HostNotFound):
            case.edr.find_process(other, name=REGSVCS, window=case.window)
        assert len(case.fake.seen) == before


@pytest.mark.parametrize(
    "name",
    [
        'WS01" | delete | where "1"="1',
        "WS01) OR (index=*",
        "WS01 [search index=* | head 1]",
        "WS01`notable`",
        "*",
        "WS*",
        "WS01$x$",
        "ws01\\",
        "<Computer>WS01",
    ],
)
def test_a_host_name_cannot_change_a_search(name: str) -> None:
    with splunk(index(*chain(2))) as case:
        with pytest.raises(HostNotFound):
            case.edr.resolve_host(hostname=name)
        strange = case.host().model_copy(update={"host_id": name})
        assert list(case.edr.find_process(strange, name=REGSVCS, window=case.window)) == []
        known = {"search", "rex", "eval", "where", "stats", "sort", "table", "head"}
        for query in case.fake.queries:
            assert {each.partition(" ")[0] for each in pipeline(query)} <= known


def test_an_event_that_was_cut_at_indexing_is_read_up_to_there() -> None:
    events = index(*chain(2), started(3, 2, 4, CommandLine="x" * 20_000))
    whole = events[2].raw
    events[2] = events[2]._replace(raw=whole[: whole.index("CommandLine") + 20])
    with splunk([*events, *index(connected(2, 5))]) as case:
        (found,) = case.edr.find_process(
            case.host(), name=REGSVCS, remote_ip="198.51.100.7", window=case.window
        )
        assert found.start_time is not None
        lineage = case.lineage(found)
        assert lineage.target.command_line is None
        assert lineage.truncated
        assert "cut when Splunk indexed them" in lineage.source_queries[-1]


def test_events_that_are_no_xml_say_what_to_set() -> None:
    text = (
        f"LogName=Microsoft-Windows-Sysmon/Operational EventCode=1 ProcessGuid: {guid(2)} WS01.corp.example"
    )
    text += f" <Computer>WS01.corp.example</Computer><EventID>1</EventID><Data Name='ProcessGuid'>{guid(2)}"
    events = [indexed(chain(1)[1])._replace(raw=text)]
    with splunk(events) as case, pytest.raises(BadResponse, match="renderXml"):
        case.lineage(ref(2))


def test_an_event_that_was_indexed_twice_counts_once() -> None:
    events = index(*chain(2), connected(2, 5))
    with splunk([*events, *events]) as case:
        host = case.host()
        evidence = case.edr.get_process_evidence(host, ref(2), window=case.window)
        assert [each.count for each in evidence.connections] == [1]


# --- evidence ------------------------------------------------------------------------------------


def injected(kind: int, spelling: str, granted: str = "0x1FFFFF") -> RawEvent:
    return event(
        kind,
        6,
        SourceImage=r"C:\evil.exe",
        **{f"SourceProcess{spelling}": guid(50), f"TargetProcess{spelling}": guid(2).lower()},
        TargetImage=rf"C:\Windows\{REGSVCS}",
        GrantedAccess=granted,
    )


@pytest.mark.parametrize("spelling", ["Guid", "GUID"])
def test_both_spellings_of_a_target_are_known(spelling: str) -> None:
    with splunk(index(*chain(2), injected(8, spelling), injected(10, spelling))) as case:
        evidence = case.edr.get_process_evidence(case.host(), ref(2), window=case.window)
        assert [each.source_guid for each in evidence.remote_threads] == [bare(50)]
        assert [each.granted_access for each in evidence.accesses] == [0x1FFFFF]


def test_reads_do_not_hide_a_write() -> None:
    reads = [
        injected(10, "GUID", "0x1410")._replace(logged_at=f"2026-09-24T10:05:00.{n:06d}Z")
        for n in range(1100)
    ]
    events = [*chain(2), *reads, injected(10, "GUID", "0x28")]
    with splunk(index(*events)) as case:
        evidence = case.edr.get_process_evidence(case.host(), ref(2), window=case.window)
        assert [each.granted_access for each in evidence.accesses] == [0x28]
        assert not evidence.truncated


def test_a_flood_of_one_kind_does_not_hide_another_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_EVIDENCE", queries.MOST_OF_KIND + 50)
    image = rf"C:\Windows\{REGSVCS}"
    flood = [
        event(11, 4, ProcessGuid=guid(2), Image=image, TargetFilename=rf"C:\t\{n}.tmp") for n in range(1300)
    ]
    tampered = event(25, 50, ProcessGuid=guid(2), Image=image, Type="Image is replaced")
    with splunk(index(*chain(2), *flood, tampered)) as case:
        evidence = case.edr.get_process_evidence(case.host(), ref(2), window=case.window)
        assert len(evidence.files_written) == 1000
        assert [each.type for each in evidence.tampering] == ["Image is replaced"]
        assert evidence.truncated


def test_who_wrote_the_images_and_arguments() -> None:
    path = r"C:\Users\o'neil & co\a (1).dll"
    events = [
        *chain(1),
        started(2, 1, 2, REGSVCS, CommandLine=r"regsvcs C:\tools\x.dll"),
        event(11, -5000, ProcessGuid=guid(40), Image=r"C:\drop.exe", TargetFilename=r"C:\WINDOWS\P1.EXE"),
        event(11, -10, ProcessGuid=guid(41), Image=r"C:\drop.exe", TargetFilename=r"C:\tools\X.dll"),
        event(11, -10, ProcessGuid=guid(42), Image=r"C:\drop.exe", TargetFilename=r"C:\tools\xx.dll"),
        started(3, 1, 3, ParentImage=path),
        event(11, -10, ProcessGuid=guid(43), Image=r"C:\drop.exe", TargetFilename=path),
    ]
    with splunk(index(*events)) as case:
        evidence = case.edr.get_process_evidence(case.host(), ref(2), window=case.window)
        assert [each.writer_guid for each in evidence.image_writers] == [bare(40), bare(41)]
        evidence = case.edr.get_process_evidence(case.host(), ref(3, "p3.exe"), window=case.window)
        assert bare(43) in [each.writer_guid for each in evidence.image_writers]


def test_a_path_is_found_whether_quotes_are_escaped_or_not() -> None:
    path = r"C:\o'neil\x.dll"
    wrote = event(11, -10, ProcessGuid=guid(43), Image=r"C:\drop.exe", TargetFilename=path)
    events = index(started(3, 1, 3, ParentImage=path), wrote)
    for written in ("'", "&apos;"):
        raw = events[1].raw.replace("o'neil", f"o{written}neil")
        with splunk([events[0], events[1]._replace(raw=raw)]) as case:
            evidence = case.edr.get_process_evidence(case.host(), ref(3, "p3.exe"), window=case.window)
            assert [each.writer_guid for each in evidence.image_writers] == [bare(43)]


def test_coverage_is_what_the_host_logs_then() -> None:
    elsewhere = event(22, 5, ProcessGuid=guid(60), Image=r"C:\x.exe", QueryName="example.org")
    other = event(
        25,
        5,
        computer="WS02.corp.example",
        ProcessGuid=guid(61),
        Image=r"C:\x.exe",
        Type="of WS01.corp.example",
    )
    old = event(11, -3 * 24 * 60, ProcessGuid=guid(60), Image=r"C:\x.exe", TargetFilename=r"C:\x.txt")
    with splunk(index(*chain(2), connected(2, 5), elsewhere, other, old)) as case:
        evidence = case.edr.get_process_evidence(case.host(), ref(2), window=case.window)
        assert evidence.state_of(EvidenceKind.CONNECTION) is CoverageState.OBSERVED
        assert evidence.state_of(EvidenceKind.DNS) is CoverageState.NONE_OBSERVED
        assert evidence.state_of(EvidenceKind.TAMPERING) is CoverageState.NOT_COLLECTED
        assert evidence.state_of(EvidenceKind.FILE) is CoverageState.NOT_COLLECTED


# --- what it cannot do, and health -----------------------------------------------------------------


def test_containment_is_refused_by_name() -> None:
    with splunk(hosts(("WS01.corp.example", 1))) as case:
        host = case.host()
        assert case.edr.capabilities == {Capability.RESOLVE, Capability.LINEAGE, Capability.EVIDENCE}
        before = len(case.fake.seen)
        with pytest.raises(NotSupported):
            case.edr.isolate(host, comment="x", idempotency_key="k")
        with pytest.raises(NotSupported):
            case.edr.release(host, comment="x", idempotency_key="k")
        assert case.edr.get_isolation(host).state is IsolationState.UNKNOWN
        assert len(case.fake.seen) == before


def test_health() -> None:
    registry = [event(13, 60 + minute, TargetObject="HKLM\\x") for minute in range(5)]
    with splunk(index(*chain(1), *registry)) as case:
        assert case.edr.check().state is HealthState.OK, "what is no start of a process came last"
        case.fake.capable = False
        lacking = case.edr.check()
        assert (lacking.state, lacking.missing_scopes) == (HealthState.FAILED, ("search",))
        case.fake.capable = True
        case.fake.events = []
        assert "look at the setting sysmon" in case.edr.check().detail
        case.fake.token = "another"
        assert case.edr.check().state is HealthState.FAILED


def test_no_secret_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with splunk(index(*chain(2), connected(2, 5))) as case:
        lineage = case.lineage(ref(2))
        case.fake.token = "another"
        told = f"{case.edr.check()!r} {lineage!r} {case.edr!r}"
    assert TOKEN not in told + caplog.text


# --- searches as text ------------------------------------------------------------------------------


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_words_of_a_text_are_words_of_its_event(text: str) -> None:
    """Narrowing never leaves out an event that holds the text."""
    terms = queries.words(text)
    raw = f"<Data Name='Image'>{text}</Data>"
    if terms:
        assert run(f"search {terms}", [Event(raw, 0, 0, META)])


@settings(max_examples=150)
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_hostile_text_stays_text(host: str, name: str, path: str) -> None:
    for query in (
        queries.hosts_named("index=a", host.replace("\0", "")),
        queries.connections("index=a", host.replace("\0", ""), name=name.replace("\0", "") or None, ip=None),
        queries.writers("index=a", "ws01", [path.replace("\0", "") or "x"]),
    ):
        commands = [each.partition(" ")[0] for each in pipeline(query)]
        assert set(commands) <= {"search", "rex", "eval", "where", "stats", "sort", "table"}
