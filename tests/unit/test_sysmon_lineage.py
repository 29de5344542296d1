"""Finding a process again and walking its lineage, with every hole named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.errors import AmbiguousHost, HostNotFound, NotSupported, ProcessNotFound
from connectors.facts.base import SourceRef
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.process import CoverageState, EvidenceKind, GapKind, KnownFrom, Lineage, SignatureState
from connectors.ports import Window
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid

ALWAYS = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def edr(events: Iterable[RawEvent], *, watched: tuple[str, ...] = ("regsvcs.exe",)) -> SysmonFileEdr:
    store = SysmonStore(watched)
    for each in events:
        store.add(each)
    now = datetime(2026, 9, 24, 8, tzinfo=UTC)
    return SysmonFileEdr(store, ReadReport(), clock=lambda: now)


def lineage(events: Iterable[RawEvent], number: int, *, max_depth: int = 20, max_nodes: int = 500) -> Lineage:
    sysmon = edr(events)
    host = sysmon.resolve_host(hostname=HOST)
    (process,) = sysmon.find_process(host, guid=guid(number), window=ALWAYS)
    return sysmon.get_lineage(host, process, window=ALWAYS, max_depth=max_depth, max_nodes=max_nodes)


def names(found: Lineage) -> list[str]:
    return [each.ref.guid or "" for each in found.ancestors]


def test_an_address_counts_for_twelve_hours_around_when_it_was_seen_and_no_second_more() -> None:
    sysmon = edr([connected(1, second=0), connected(1, second=600)])
    first, last = (datetime(2026, 9, 24, 7, minute, tzinfo=UTC) for minute in (0, 10))
    slack, second = timedelta(hours=12), timedelta(seconds=1)
    for at in (first - slack, first, last, last + slack):
        assert sysmon.resolve_host(ip="10.20.4.17", at=at).host_id == HOST
    for at in (first - slack - second, last + slack + second):
        with pytest.raises(HostNotFound):
            sysmon.resolve_host(ip="10.20.4.17", at=at)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "fe80::1", "0.0.0.0", "224.0.0.251", "WS01", "-"])  # noqa: S104
def test_an_address_that_every_machine_has_names_no_host_although_it_is_logged(ip: str) -> None:
    sysmon = edr([connected(1, SourceIp=ip), connected(1)])
    for at in (None, datetime(2026, 9, 24, 7, tzinfo=UTC)):
        with pytest.raises(HostNotFound):
            sysmon.resolve_host(ip=ip, at=at)


def test_ancestors_nearest_first_siblings_and_children() -> None:
    found = lineage(
        [
            created(1, None, second=0),
            created(2, 1, second=1),
            created(4, 2, second=4),
            created(3, 2, REGSVCS, second=3),
            created(6, 3, second=6),
            created(5, 3, second=5),
        ],
        3,
    )
    assert names(found) == [bare(2), bare(1)]
    assert [each.ref.guid for each in found.siblings] == [bare(4)]
    assert [each.ref.guid for each in found.children] == [bare(5), bare(6)]
    assert [gap.kind for gap in found.gaps] == [GapKind.PARENT_ID_MISSING]
    assert not found.truncated


def test_parent_logged_after_its_child_is_found() -> None:
    assert names(lineage([created(3, 2, REGSVCS, second=3), created(2, None, second=1)], 3)) == [bare(2)]


def test_parent_known_only_from_its_child_is_marked_and_its_brothers_are_siblings() -> None:
    found = lineage([created(3, 2, REGSVCS), created(4, 2, second=1)], 3)
    parent = found.ancestors[0]
    assert (parent.known_from, parent.ref.image) == (KnownFrom.CHILD, r"C:\Windows\System32\cmd.exe")
    assert parent.command_line == "cmd.exe /run"
    assert [gap.kind for gap in found.gaps] == [GapKind.PARENT_NOT_RECORDED]
    assert "telemetry ends here" in found.gaps[0].detail
    assert [each.ref.guid for each in found.siblings] == [bare(4)]


def test_null_parent_guid_is_resolved_by_pid_image_and_time() -> None:
    parent = created(2, None, second=1, pid=40)
    child = created(
        3, None, REGSVCS, second=5, ParentProcessId=40, ParentImage=r"C:\Windows\System32\cmd.exe"
    )
    found = lineage([parent, child], 3)
    assert names(found) == [bare(2)]
    assert GapKind.PARENT_BY_PID in {gap.kind for gap in found.gaps}


def test_reused_pid_is_not_taken_for_the_parent() -> None:
    ended = created(2, None, second=1, pid=40)
    end = event(5, second=3, ProcessGuid=guid(2))
    other_image = created(4, None, r"C:\Windows\notepad.exe", second=4, pid=40)
    later = created(5, None, second=9, pid=40)
    child = created(
        3, None, REGSVCS, second=5, ParentProcessId=40, ParentImage=r"C:\Windows\System32\cmd.exe"
    )
    found = lineage([ended, end, later, child], 3)
    assert [each.known_from for each in found.ancestors] == [KnownFrom.CHILD]
    found = lineage([ended, end, other_image, later, child], 3)
    assert [each.known_from for each in found.ancestors] == [KnownFrom.CHILD]


def test_an_end_is_known_with_its_place() -> None:
    parent = created(2, 1, second=1, record=15)
    ends = [
        event(5, second=3, ProcessGuid=guid(2), record=20),
        event(5, second=9, ProcessGuid=guid(2), record=40),
        event(5, second=4, ProcessGuid=guid(1), record=21),
    ]
    found = lineage([parent, *ends, created(3, 2, REGSVCS, second=2)], 3)
    recorded, named = found.ancestors
    assert (recorded.source, recorded.end_time) == (
        SourceRef(source="test.log", record=15, event_id="1"),
        datetime(2026, 9, 24, 7, 0, 3, tzinfo=UTC),
    )
    assert recorded.end_source == SourceRef(source="test.log", record=20, event_id="5")
    assert (named.known_from, named.end_source) == (
        KnownFrom.CHILD,
        SourceRef(source="test.log", record=21, event_id="5"),
    )
    assert (found.target.end_time, found.target.end_source) == (None, None)
    active = lineage([connected(3), event(5, ProcessGuid=guid(3), record=8)], 3).target
    assert active.end_source == SourceRef(source="test.log", record=8, event_id="5")


def test_an_unreadable_end_gives_way_to_a_readable_one() -> None:
    ends = [
        event(5, ProcessGuid=guid(3), UtcTime="9999-12-31 23:59:59.999", record=7),
        event(5, second=9, ProcessGuid=guid(3), record=8),
    ]
    target = lineage([created(3, None, REGSVCS), *ends], 3).target
    assert (target.end_time, target.end_source and target.end_source.record) == (
        datetime(2026, 9, 24, 7, 0, 9, tzinfo=UTC),
        8,
    )
    only = lineage([created(3, None, REGSVCS), ends[0]], 3).target
    assert (only.end_time, only.end_source and only.end_source.record) == (None, 7)


def test_cycle_ends_the_walk_and_is_named() -> None:
    found = lineage([created(1, 3), created(2, 1), created(3, 2, REGSVCS)], 3)
    assert names(found) == [bare(2), bare(1)]
    assert GapKind.CYCLE in {gap.kind for gap in found.gaps}
    own_parent = lineage([created(3, 3, REGSVCS)], 3)
    assert own_parent.ancestors == ()
    assert own_parent.gaps[0].kind is GapKind.CYCLE


def test_depth_and_node_caps_are_reported() -> None:
    chain = [created(number, number - 1 or None, second=number) for number in range(1, 12)]
    found = lineage(chain, 11, max_depth=4)
    assert names(found) == [bare(10), bare(9), bare(8), bare(7)]
    assert found.truncated
    assert GapKind.DEPTH_CAP in {gap.kind for gap in found.gaps}
    whole = lineage(chain, 11, max_depth=10)
    assert not whole.truncated
    many = [created(1, None), *(created(number, 1, second=number) for number in range(2, 60))]
    found = lineage(many, 1, max_nodes=10)
    assert len(found.children) == 9
    assert found.truncated
    assert any(gap.kind is GapKind.NODE_CAP and "49" in gap.detail for gap in found.gaps)


def test_process_without_a_creation_event_is_known_from_its_activity() -> None:
    found = lineage([connected(3), created(4, 3)], 3)
    assert found.target.known_from is KnownFrom.ACTIVITY
    assert found.target.ref.image == REGSVCS
    assert found.ancestors == ()
    assert [each.ref.guid for each in found.children] == [bare(4)]
    assert found.gaps[0].kind is GapKind.TARGET_NOT_RECORDED


def test_missing_command_line_is_unknown_and_an_empty_one_is_not() -> None:
    missing = created(3, None, REGSVCS)
    del missing.data["CommandLine"]  # type: ignore[attr-defined]
    assert lineage([missing], 3).target.command_line is None
    assert lineage([created(3, None, REGSVCS, CommandLine="")], 3).target.command_line == ""


def test_a_log_read_twice_changes_nothing() -> None:
    events = [created(1, None), created(2, 1), created(3, 1, REGSVCS)]
    assert lineage([*events, *events], 3) == lineage(events, 3)


@given(st.lists(st.tuples(st.integers(1, 12), st.one_of(st.none(), st.integers(0, 12))), max_size=14))
def test_any_parentage_ends_without_repeating_a_process(pairs: list[tuple[int, int | None]]) -> None:
    events = [created(number, parent, second=index) for index, (number, parent) in enumerate(pairs)]
    found = lineage([*events, created(99, 1, REGSVCS, second=50)], 99)
    chain = [found.target.ref.guid, *names(found)]
    assert len(chain) == len(set(chain))
    assert found.gaps


class TestResolveHost:
    def test_short_name_and_fqdn_but_never_a_substring(self) -> None:
        sysmon = edr(
            [created(1, None, host="APP1.corp.example"), created(2, None, host="APP10.corp.example")]
        )
        assert sysmon.resolve_host(hostname="app1").host_id == "APP1.corp.example"
        assert sysmon.resolve_host(hostname="APP10.corp.example.").host_id == "APP10.corp.example"
        for other in ("APP", "corp.example", "1.corp.example", "app1.other.example"):
            with pytest.raises(HostNotFound):
                sysmon.resolve_host(hostname=other)

    def test_two_hosts_of_one_short_name_are_ambiguous(self) -> None:
        sysmon = edr([created(1, None, host="WS1.a.example"), created(2, None, host="ws1.b.example")])
        with pytest.raises(AmbiguousHost) as caught:
            sysmon.resolve_host(hostname="WS1")
        assert caught.value.candidates == ("WS1.a.example", "ws1.b.example")
        assert sysmon.resolve_host(hostname="ws1.B.example").host_id == "ws1.b.example"

    def test_exact_short_name_wins_over_an_fqdn(self) -> None:
        sysmon = edr([created(1, None, host="WS1"), created(2, None, host="WS1.b.example")])
        assert sysmon.resolve_host(hostname="ws1").host_id == "WS1"

    def test_by_address_and_time(self) -> None:
        sysmon = edr([connected(1, second=0), connected(2, host="WS02", SourceIp="10.20.4.18")])
        assert sysmon.resolve_host(ip="10.20.4.18").host_id == "WS02"
        with pytest.raises(HostNotFound):
            sysmon.resolve_host(ip="10.20.4.18", at=datetime(2026, 9, 26, tzinfo=UTC))
        with pytest.raises(HostNotFound):
            sysmon.resolve_host(ip="149.154.167.220")

    def test_addresses_come_from_the_hosts_own_end(self) -> None:
        sysmon = edr([connected(1), connected(1, "10.20.4.99", initiated=False, SourceIp="8.8.8.8")])
        host = sysmon.resolve_host(hostname=HOST)
        assert [address.ip for address in host.addresses] == ["10.20.4.17", "10.20.4.99"]


class TestFindProcess:
    def test_by_name_peer_and_time_with_both_that_fit(self) -> None:
        sysmon = edr(
            [
                created(3, None, REGSVCS, second=1),
                created(4, None, REGSVCS, second=2),
                connected(3, second=5),
                connected(4, second=6),
                connected(4, "1.1.1.1", second=7),
            ]
        )
        host = sysmon.resolve_host(hostname=HOST)
        by_peer = sysmon.find_process(host, name="REGSVCS.exe", remote_ip="149.154.167.220", window=ALWAYS)
        assert [each.guid for each in by_peer] == [bare(3), bare(4)]
        only = sysmon.find_process(host, name="regsvcs.exe", remote_ip="1.1.1.1", window=ALWAYS)
        assert [each.guid for each in only] == [bare(4)]
        early = Window(datetime(2026, 9, 24, 7, tzinfo=UTC), datetime(2026, 9, 24, 7, 0, 5, tzinfo=UTC))
        timed = sysmon.find_process(host, name="regsvcs.exe", remote_ip="149.154.167.220", window=early)
        assert [each.guid for each in timed] == [bare(3)]
        assert sysmon.find_process(host, name="regasm.exe", remote_ip="1.1.1.1", window=ALWAYS) == []

    def test_pid_alone_finds_nothing(self) -> None:
        sysmon = edr([created(3, None, REGSVCS)])
        host = sysmon.resolve_host(hostname=HOST)
        assert sysmon.find_process(host, pid=1003, window=ALWAYS) == []

    def test_without_connections_by_name_and_life_time(self) -> None:
        sysmon = edr([created(3, None, REGSVCS, second=1), event(5, second=4, ProcessGuid=guid(3))])
        host = sysmon.resolve_host(hostname=HOST)
        at = datetime(2026, 9, 24, 7, 0, 3, tzinfo=UTC)
        assert len(sysmon.find_process(host, name="regsvcs.exe", window=Window(at, at))) == 1
        after = datetime(2026, 9, 24, 7, 0, 5, tzinfo=UTC)
        assert sysmon.find_process(host, name="regsvcs.exe", window=Window(after, after)) == []

    def test_unknown_process_is_named_by_its_creation(self) -> None:
        sysmon = edr([connected(3, image="<unknown process>"), created(3, None, REGSVCS, second=2)])
        host = sysmon.resolve_host(hostname=HOST)
        found = sysmon.find_process(host, name="regsvcs.exe", remote_ip="149.154.167.220", window=ALWAYS)
        assert [each.image for each in found] == [REGSVCS]

    def test_null_guid_is_joined_by_pid_and_time(self) -> None:
        events = [created(3, None, REGSVCS, second=1, pid=77), connected(None, second=4, ProcessId=77)]
        sysmon = edr(events)
        host = sysmon.resolve_host(hostname=HOST)
        found = sysmon.find_process(host, name="regsvcs.exe", remote_ip="149.154.167.220", window=ALWAYS)
        assert [each.guid for each in found] == [bare(3)]


class TestEvidence:
    def evidence(self, events: list[RawEvent], number: int = 3):  # type: ignore[no-untyped-def]
        sysmon = edr(events)
        host = sysmon.resolve_host(hostname=HOST)
        (process,) = sysmon.find_process(host, guid=guid(number), window=ALWAYS)
        return sysmon.get_process_evidence(host, process, window=ALWAYS)

    def test_everything_of_the_process_and_nothing_of_others(self) -> None:
        found = self.evidence(
            [
                created(2, None, r"C:\Users\u\AppData\Local\Temp\l.exe"),
                created(3, 2, REGSVCS, second=1),
                event(
                    22,
                    ProcessGuid=guid(3),
                    Image=REGSVCS,
                    QueryName="api.telegram.org",
                    QueryStatus="0",
                    QueryResults="type:  5 alias.example;::ffff:149.154.167.220;2606:4700::1;",
                ),
                event(
                    22, ProcessGuid=guid(9), Image=REGSVCS, QueryName="other.example", QueryResults="1.1.1.1;"
                ),
                event(25, ProcessGuid=guid(3), Image=REGSVCS, Type="Image is replaced"),
                event(
                    8,
                    SourceImage=r"C:\x.exe",
                    SourceProcessGuid=guid(2),
                    TargetImage=REGSVCS,
                    TargetProcessGuid=guid(3),
                ),
                event(
                    10,
                    SourceImage=r"C:\x.exe",
                    SourceProcessGUID=guid(2),
                    TargetImage=REGSVCS,
                    TargetProcessGUID=guid(3),
                    GrantedAccess="0x1fffff",
                ),
                event(
                    10,
                    SourceImage=r"C:\y.exe",
                    SourceProcessGUID=guid(5),
                    TargetImage=REGSVCS,
                    TargetProcessGUID=guid(3),
                    GrantedAccess="0x1000",
                ),
                event(
                    7,
                    ProcessGuid=guid(3),
                    Image=REGSVCS,
                    ImageLoaded=REGSVCS.upper(),
                    Signed="true",
                    Signature="Microsoft Corporation",
                    SignatureStatus="Valid",
                ),
                event(11, ProcessGuid=guid(3), Image=REGSVCS, TargetFilename=r"C:\Users\u\k.bin"),
                event(
                    11,
                    ProcessGuid=guid(1),
                    Image=r"C:\ps.exe",
                    TargetFilename=r"C:\Users\u\AppData\Local\TEMP\l.exe",
                ),
                connected(3, second=2),
                connected(3, second=9),
            ]
        )
        assert [(answer.name, answer.addresses) for answer in found.dns] == [
            ("api.telegram.org", ("149.154.167.220", "2606:4700::1"))
        ]
        assert [each.type for each in found.tampering] == ["Image is replaced"]
        assert [each.source_guid for each in found.remote_threads] == [bare(2)]
        assert [(each.granted_access, each.source_is_creator) for each in found.accesses] == [
            (0x1FFFFF, True)
        ]
        assert found.modules[0].signature.state is SignatureState.VALID
        assert [each.path for each in found.files_written] == [r"C:\Users\u\k.bin"]
        assert [each.writer_image for each in found.image_writers] == [r"C:\ps.exe"]
        assert [(each.count, each.dest_ip) for each in found.connections] == [(2, "149.154.167.220")]
        assert {entry.state for entry in found.coverage if entry.kind is not EvidenceKind.TERMINATION} == {
            CoverageState.OBSERVED
        }

    def test_coverage_tells_not_collected_from_none_observed(self) -> None:
        found = self.evidence(
            [created(3, None, REGSVCS), event(25, ProcessGuid=guid(8), Image=r"C:\other.exe", Type="x")]
        )
        assert found.state_of(EvidenceKind.TAMPERING) is CoverageState.NONE_OBSERVED
        assert found.state_of(EvidenceKind.REMOTE_THREAD) is CoverageState.NOT_COLLECTED

    def test_signature_reaches_the_lineage(self) -> None:
        events = [
            created(2, None, r"C:\x\l.exe"),
            event(
                7,
                ProcessGuid=guid(2),
                Image=r"C:\x\l.exe",
                ImageLoaded=r"C:\x\l.exe",
                Signed="false",
                SignatureStatus="Unavailable",
            ),
            created(3, 2, REGSVCS),
        ]
        found = lineage(events, 3)
        assert found.ancestors[0].signature.state is SignatureState.UNSIGNED
        assert found.target.signature.state is SignatureState.UNKNOWN


def test_a_log_file_cannot_isolate_and_knows_no_state() -> None:
    sysmon = edr([created(1, None)])
    host = sysmon.resolve_host(hostname=HOST)
    with pytest.raises(NotSupported):
        sysmon.isolate(host, comment="c", idempotency_key="k")
    with pytest.raises(NotSupported):
        sysmon.release(host, comment="c", idempotency_key="k")
    status = sysmon.get_isolation(host)
    assert (status.state, status.how_known) == (IsolationState.UNKNOWN, HowKnown.NOT_KNOWN)


def test_lineage_of_a_process_that_never_was() -> None:
    sysmon = edr([created(1, None)])
    host = sysmon.resolve_host(hostname=HOST)
    (process,) = sysmon.find_process(host, guid=guid(1), window=ALWAYS)
    with pytest.raises(ProcessNotFound):
        sysmon.get_lineage(host, process.model_copy(update={"guid": bare(50), "pid": None}), window=ALWAYS)


@pytest.mark.parametrize("most", [1, 4, 11, 12])
def test_ancestors_count_among_the_processes_at_most(most: int) -> None:
    """A limit that is reached is told; one that is not is not."""
    chain = [created(each, each - 1 or None, second=each) for each in range(1, 12)]
    found = lineage(chain, 11, max_nodes=most)
    assert 1 + len(found.ancestors) + len(found.children) + len(found.siblings) == min(most, 11)
    assert found.truncated is (most < 11)
    assert (GapKind.NODE_CAP in {each.kind for each in found.gaps}) is (most < 11)
