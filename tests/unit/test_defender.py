"""The Defender connector over a fake tenant: each of Defender's traps, and what a lineage costs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.edr.defender.connector import Defender
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.errors import (
    AmbiguousHost,
    AuthRejected,
    BadResponse,
    Conflict,
    ConnectorError,
    HostNotFound,
    NotSent,
    PermissionMissing,
    ProcessNotFound,
    QueryFailed,
    RateLimited,
    TimedOut,
)
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.health import HealthState
from connectors.facts.host import HostRef, HostType
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState
from connectors.facts.process import (
    Connection,
    CoverageState,
    EvidenceKind,
    GapKind,
    KnownFrom,
    Process,
    ProcessRef,
    SignatureState,
)
from connectors.ports import Capability, Window
from tests.estate import Estate, EstateHost, estate_of
from tests.fakes.defender_server import GRAPH, SECRET, FakeDefender
from tests.fakes.http_server import Answer, Seen
from tests.http_clients import Clock, client

REGSVCS = "regsvcs.exe"


class Tenant:
    """A connector, its fake tenant and their clock."""

    def __init__(self, edr: Defender, fake: FakeDefender, clock: Clock, estate: Estate) -> None:
        self.edr, self.fake, self.clock, self.estate = edr, fake, clock, estate

    @property
    def host(self) -> HostRef:
        return self.edr.resolve_host(hostname=self.estate.hosts[0].name)

    @property
    def window(self) -> Window:
        return Window(self.clock.now - timedelta(days=1), self.clock.now)

    def process(self, host: HostRef) -> ProcessRef:
        (found,) = self.edr.find_process(host, name=REGSVCS, window=self.window)
        return found


@contextmanager
def tenant(estate: Estate, *, read_s: float = 10.0, **settings: Any) -> Iterator[Tenant]:
    clock = Clock()
    clock.now = max(host.last_seen for host in estate.hosts if host.last_seen is not None) + timedelta(
        hours=1
    )
    started = clock.now

    def monotonic() -> float:
        return (clock.now - started).total_seconds()

    with FakeDefender(estate, clock) as fake, client(clock, read_s=read_s) as http:
        edr = Defender(
            http,
            fake.settings(**settings),
            SecretStr(SECRET),
            clock=clock,
            sleep=clock.sleep,
            monotonic=monotonic,
        )
        yield Tenant(edr, fake, clock, estate)


@pytest.fixture(scope="module")
def stealer(examples: Path) -> Estate:
    return estate_of(examples / "stealer" / "sysmon.xml")


@pytest.fixture
def case(stealer: Estate) -> Iterator[Tenant]:
    with tenant(stealer) as opened:
        yield opened


# --- hosts -------------------------------------------------------------------------------------


def named(host: EstateHost, *names: str) -> tuple[EstateHost, ...]:
    return tuple(replace(host, host_id=f"{number:032d}", name=name) for number, name in enumerate(names))


def test_a_name_is_matched_whole(stealer: Estate) -> None:
    estate = replace(stealer, hosts=named(stealer.hosts[0], "APP10.corp.example", "APP1.corp.example"))
    with tenant(estate) as opened:
        for asked in ("APP1", "app1", "app1.corp.example", "APP1.CORP.EXAMPLE."):
            assert opened.edr.resolve_host(hostname=asked).hostname == "app1.corp.example"
        with pytest.raises(HostNotFound):
            opened.edr.resolve_host(hostname="app")
        with pytest.raises(HostNotFound):
            opened.edr.resolve_host(hostname="app1' or startswith(computerDnsName,'a")
        with pytest.raises(HostNotFound):
            opened.edr.resolve_host(hostname="a\0b")


def test_two_agents_of_one_name_are_both_named(stealer: Estate) -> None:
    estate = replace(stealer, hosts=named(stealer.hosts[0], "APP1.corp.example", "APP1.corp.example"))
    with tenant(estate) as opened, pytest.raises(AmbiguousHost) as told:
        opened.edr.resolve_host(hostname="APP1")
    assert len(told.value.candidates) == 2


def test_what_is_left_of_a_reinstalled_machine_is_not_meant(stealer: Estate) -> None:
    one, other = named(stealer.hosts[0], "APP1.corp.example", "APP1.corp.example")
    assert one.last_seen is not None
    old = replace(other, active=False, last_seen=one.last_seen - timedelta(days=20))
    with tenant(replace(stealer, hosts=(one, old))) as opened:
        assert opened.edr.resolve_host(hostname="APP1").host_id == one.host_id


def test_a_discovered_device_is_no_agent(case: Tenant) -> None:
    case.fake.machines[0]["onboardingStatus"] = "CanBeOnboarded"
    with pytest.raises(HostNotFound):
        _ = case.host


def test_an_empty_list_may_be_a_404(case: Tenant) -> None:
    case.fake.empty_is_404 = True
    with pytest.raises(HostNotFound):
        case.edr.resolve_host(hostname="nobody")


def test_a_present_address_does_not_tell_who_had_it_then(case: Tenant) -> None:
    """The record says that the machine has it now; that it had it then is Defender's to say."""
    record = case.fake.machines[0]
    record["lastIpAddress"] = "10.20.4.99"
    record["lastSeen"] = f"{case.clock.now:%Y-%m-%dT%H:%M:%SZ}"
    for days in (1, 29):
        with pytest.raises(HostNotFound):
            case.edr.resolve_host(ip="10.20.4.99", at=case.clock.now - timedelta(days=days))


def test_the_host_of_an_address_at_a_time(case: Tenant) -> None:
    at = min(
        each.fact.time
        for each in case.estate.events
        if isinstance(each.fact, Connection)
        and each.fact.time is not None
        and each.fact.src_ip == "10.20.4.17"
    )
    assert case.edr.resolve_host(ip="10.20.4.17", at=at).host_id == case.host.host_id
    case.fake.machines[0]["lastIpAddress"] = "10.99.0.1"
    case.fake.machines[0]["ipAddresses"] = []
    assert case.edr.resolve_host(ip="10.20.4.17", at=at).host_id == case.host.host_id, (
        "it has another one now"
    )
    had = case.edr.resolve_host(ip="10.20.4.17", at=at).addresses[0]
    assert (had.ip, had.first_seen, had.last_seen) == (
        "10.20.4.17",
        at - timedelta(minutes=15),
        at + timedelta(minutes=15),
    ), "the span in which Defender looked for it, and no more"
    for ip in ("10.20.4.1", "not an address", ""):
        with pytest.raises(HostNotFound):
            case.edr.resolve_host(ip=ip, at=at)
    asked = case.fake.calls["findbyip"]
    with pytest.raises(HostNotFound, match="30 days"):
        case.edr.resolve_host(ip="10.20.4.17", at=at - timedelta(days=31))
    assert case.fake.calls["findbyip"] == asked


def test_servers_and_unknown_platforms(stealer: Estate) -> None:
    for kind, expected in (
        (HostType.SERVER, HostType.SERVER),
        (HostType.DOMAIN_CONTROLLER, HostType.SERVER),
        (HostType.WORKSTATION, HostType.WORKSTATION),
    ):
        estate = stealer.with_host_as(stealer.hosts[0].host_id, host_type=kind)
        with tenant(estate) as opened:
            assert opened.host.host_type is expected


# --- processes ---------------------------------------------------------------------------------


def test_a_process_by_its_connection(case: Tenant) -> None:
    host = case.host
    for ip, port in (("149.154.167.220", None), ("149.154.167.220", 443), ("::ffff:149.154.167.220", 443)):
        found = case.edr.find_process(
            host, name="RegSvcs.exe", remote_ip=ip, remote_port=port, window=case.window
        )
        assert [each.pid for each in found] == [7516]
        assert found[0].image.lower().endswith("regsvcs.exe")
    for changed in (
        {"remote_ip": "198.51.100.1"},
        {"remote_port": 8443},
        {"name": "svcs.exe"},
        {"pid": 1},
        {"name": 'regsvcs.exe" or "a" == "a'},
    ):
        asked: dict[str, Any] = {
            "name": REGSVCS,
            "remote_ip": "149.154.167.220",
            "remote_port": 443,
        } | changed
        assert not case.edr.find_process(host, window=case.window, **asked)


def test_an_address_in_mapped_form_is_the_same_address(case: Tenant) -> None:
    for row in case.fake.tables["DeviceNetworkEvents"]:
        row["RemoteIP"] = f"::ffff:{row['RemoteIP']}"
    found = case.edr.find_process(case.host, remote_ip="149.154.167.220", window=case.window)
    assert [each.pid for each in found] == [7516]
    evidence = case.edr.get_process_evidence(case.host, found[0], window=case.window)
    assert "149.154.167.220" in {each.dest_ip for each in evidence.connections}


def test_an_attempt_is_no_connection(case: Tenant) -> None:
    for row in case.fake.tables["DeviceNetworkEvents"]:
        row["ActionType"] = "ConnectionFailed"
    assert not case.edr.find_process(case.host, remote_ip="149.154.167.220", window=case.window)


def test_a_process_by_its_key(case: Tenant) -> None:
    host = case.host
    process = case.process(host)
    (found,) = case.edr.find_process(host, guid=process.guid, window=case.window)
    assert found == process
    asked = case.fake.calls["hunt"]
    assert not case.edr.find_process(host, guid="365ABB72-1C25-5CE9-0000-0010C5B80000", window=case.window)
    assert case.fake.calls["hunt"] == asked, "a Sysmon ProcessGuid is not asked for"
    assert process.guid is not None
    assert not case.edr.find_process(host, guid=process.guid.replace("7516@", "7517@"), window=case.window)


def test_a_reused_pid_is_told_apart_by_the_time(case: Tenant, stealer: Estate) -> None:
    ours = next(each for each in stealer.processes if each.ref.pid == 7516)
    assert ours.ref.start_time is not None
    before = ours.model_copy(
        update={
            "ref": ours.ref.model_copy(
                update={"guid": "EARLIER", "start_time": ours.ref.start_time - timedelta(days=3)}
            ),
            "parent_guid": None,
            "command_line": "another",
        }
    )
    with tenant(stealer.with_processes(before)) as opened:
        host = opened.host
        (found,) = opened.edr.find_process(host, name=REGSVCS, remote_ip="208.95.112.1", window=opened.window)
        lineage = opened.edr.get_lineage(host, found, window=opened.window)
        assert lineage.target.command_line == ours.command_line
        assert opened.edr.find_process(host, name=REGSVCS, window=opened.window) == [found]


def test_what_happened_longer_ago_than_is_kept_is_not_asked(case: Tenant) -> None:
    host = case.host
    long_ago = Window(case.clock.now - timedelta(days=90), case.clock.now - timedelta(days=60))
    asked = case.fake.calls["hunt"]
    with pytest.raises(QueryFailed, match="over 30 days ago"):
        case.edr.find_process(host, name=REGSVCS, window=long_ago)
    assert case.fake.calls["hunt"] == asked


# --- lineage -----------------------------------------------------------------------------------


def test_a_lineage_is_one_query(case: Tenant, examples: Path) -> None:
    host = case.host
    process = case.process(host)
    asked = case.fake.calls["hunt"]
    lineage = case.edr.get_lineage(host, process, window=case.window)
    assert case.fake.calls["hunt"] - asked == 1
    assert lineage.source_queries == (case.fake.queries[-1],)
    file = _file_lineage(examples / "stealer" / "sysmon.xml")
    assert _story(lineage.target) == _story(file.target)
    assert [_story(each) for each in lineage.ancestors[:-1]] == [_story(each) for each in file.ancestors[:-1]]
    assert [each.name.lower() for each in lineage.ancestors] == [each.name.lower() for each in file.ancestors]
    assert [_story(each) for each in lineage.siblings] == [_story(each) for each in file.siblings]
    assert [_story(each) for each in lineage.children] == [_story(each) for each in file.children]
    assert [each.kind for each in lineage.gaps] == [each.kind for each in file.gaps]
    assert lineage.target.end_time is None
    assert lineage.ancestors[-1].known_from is KnownFrom.CHILD


def _file(path: Path) -> tuple[SysmonFileEdr, SysmonStore]:
    store, report = SysmonStore({REGSVCS}), ReadReport()
    for event in read_events([path], CASE_EVENTS, report):
        store.add(event)
    return SysmonFileEdr(store, report), store


def _file_lineage(path: Path) -> Any:
    edr, store = _file(path)
    host = edr.resolve_host(hostname=next(iter(store.hosts)).computer)
    window = Window(EARLIEST_INSTANT, LATEST_INSTANT)
    (process,) = edr.find_process(host, name=REGSVCS, window=window)
    return edr.get_lineage(host, process, window=window)


def _story(process: Process) -> tuple[object, ...]:
    """What Defender can know as Sysmon does."""
    return (
        process.ref.pid,
        process.ref.start_time,
        process.ref.image,
        process.command_line,
        process.user,
        process.integrity,
        process.original_file_name,
        process.signature,
        {each for each in process.hashes if each.algorithm != "IMPHASH"},
    )


def chain(stealer: Estate, generations: int, *, brothers: int = 0) -> Estate:
    """A regsvcs.exe under so many ancestors, with so many siblings."""
    host = stealer.hosts[0]
    assert host.last_seen is not None
    begin = host.last_seen - timedelta(hours=2)

    def process(number: int, name: str, parent: int, pid: int) -> Process:
        return Process(
            ref=ProcessRef(
                host_id=host.host_id,
                guid=f"G{number}",
                pid=pid,
                start_time=begin + timedelta(seconds=number),
                image=f"C:\\{name}",
            ),
            command_line=name,
            parent_guid=f"G{parent}",
            parent_pid=100 + parent,
            parent_image=f"C:\\p{parent}.exe",
        )

    line = [process(n, f"p{n}.exe", n - 1, 100 + n) for n in range(1, generations + 1)]
    last = process(generations + 1, REGSVCS, generations, 100 + generations + 1)
    others = [process(1000 + n, "brother.exe", generations, 1000 + n) for n in range(brothers)]
    return Estate(hosts=(host,), processes=(*line, last, *others))


@pytest.mark.parametrize(("generations", "queries"), [(1, 1), (6, 1), (7, 2), (14, 2), (15, 3), (19, 3)])
def test_the_cost_grows_with_the_depth_alone(stealer: Estate, generations: int, queries: int) -> None:
    for brothers in (0, 50):
        with tenant(chain(stealer, generations, brothers=brothers)) as opened:
            host = opened.host
            process = opened.process(host)
            asked = opened.fake.calls["hunt"]
            lineage = opened.edr.get_lineage(host, process, window=opened.window)
            # The last one is known from its child only.
            assert len(lineage.ancestors) == generations + 1
            assert [each.known_from for each in lineage.ancestors].count(KnownFrom.CHILD) == 1
            assert len(lineage.siblings) == brothers
            assert opened.fake.calls["hunt"] - asked == queries
            assert not lineage.truncated


def test_caps_are_said(stealer: Estate) -> None:
    with tenant(chain(stealer, 9, brothers=30)) as opened:
        host = opened.host
        process = opened.process(host)
        lineage = opened.edr.get_lineage(host, process, window=opened.window, max_depth=3)
        assert (len(lineage.ancestors), lineage.truncated) == (3, True)
        assert GapKind.DEPTH_CAP in {each.kind for each in lineage.gaps}
        lineage = opened.edr.get_lineage(host, process, window=opened.window, max_nodes=15)
        assert 1 + len(lineage.ancestors) + len(lineage.siblings) + len(lineage.children) <= 15
        assert lineage.truncated
        assert GapKind.NODE_CAP in {each.kind for each in lineage.gaps}


def test_a_process_whose_creation_is_not_recorded(case: Tenant) -> None:
    host = case.host
    process = case.process(host)
    case.fake.tables["DeviceProcessEvents"] = [
        row for row in case.fake.tables["DeviceProcessEvents"] if row["ProcessId"] != 7516
    ]
    (found,) = case.edr.find_process(host, guid=process.guid, window=case.window)
    assert found.pid == 7516
    evidence = case.edr.get_process_evidence(host, found, window=case.window)
    assert evidence.connections
    with pytest.raises(ProcessNotFound):
        case.edr.get_lineage(host, found, window=case.window)
    with pytest.raises(ProcessNotFound, match="no such key"):
        case.edr.get_lineage(host, found.model_copy(update={"guid": None}), window=case.window)


def test_a_certificate_that_is_not_recorded_is_unknown(case: Tenant) -> None:
    case.fake.tables["DeviceFileCertificateInfo"].clear()
    host = case.host
    lineage = case.edr.get_lineage(host, case.process(host), window=case.window)
    assert lineage.target.signature.state is SignatureState.UNKNOWN


# --- evidence ----------------------------------------------------------------------------------


def test_the_evidence_is_one_query_and_says_what_the_log_says(case: Tenant, examples: Path) -> None:
    host = case.host
    process = case.process(host)
    asked = case.fake.calls["hunt"]
    evidence = case.edr.get_process_evidence(host, process, window=case.window)
    assert case.fake.calls["hunt"] - asked == 1
    file, _ = _file(examples / "stealer" / "sysmon.xml")
    there = file.resolve_host(hostname=host.hostname)
    (same,) = file.find_process(there, name=REGSVCS, window=case.window)
    logged = file.get_process_evidence(there, same, window=case.window)

    def ends(of: Any) -> set[tuple[object, ...]]:
        return {(each.src_ip, each.dest_ip, each.dest_port, each.count, each.initiated) for each in of}

    assert ends(evidence.connections) == ends(logged.connections)
    assert [(each.name, each.addresses) for each in evidence.dns] == [
        (each.name, each.addresses) for each in logged.dns
    ]
    assert [each.path for each in evidence.modules] == [each.path for each in logged.modules]
    assert [each.signature for each in evidence.modules] == [each.signature for each in logged.modules]
    assert [each.path for each in evidence.files_written] == [each.path for each in logged.files_written]
    assert {each.path for each in evidence.image_writers} == {each.path for each in logged.image_writers}
    assert [(each.granted_access, each.source_is_creator) for each in evidence.accesses] == [
        (each.granted_access, each.source_is_creator) for each in logged.accesses
    ]
    assert evidence.state_of(EvidenceKind.TAMPERING) is CoverageState.NOT_SUPPORTED
    assert evidence.state_of(EvidenceKind.TERMINATION) is CoverageState.NOT_SUPPORTED
    assert {each.kind for each in evidence.coverage} == set(EvidenceKind)


def test_an_image_that_no_query_can_hold_is_left_out_of_it(case: Tenant) -> None:
    host = case.host
    process = case.process(host).model_copy(update={"image": "C:\\a\0.exe"})
    assert case.edr.get_process_evidence(host, process, window=case.window).connections


# --- isolation ---------------------------------------------------------------------------------


def test_isolation_there_and_back(case: Tenant) -> None:
    host = case.host
    case.fake.settle_after = 2
    assert case.edr.get_isolation(host).state is IsolationState.NOT_ISOLATED
    handle = case.edr.isolate(host, comment="case 7\nsee the report", idempotency_key="key-1")
    sent = json.loads(case.fake.seen[-1].body)
    assert sent == {"Comment": "case 7 see the report [key-1]", "IsolationType": "Full"}
    states = [case.edr.get_isolation(host, handle) for _ in range(3)]
    assert [each.state for each in states] == [
        IsolationState.ISOLATING,
        IsolationState.ISOLATING,
        IsolationState.ISOLATED,
    ]
    assert states[-1].how_known is HowKnown.REPORTED
    case.clock.advance(60)
    back = case.edr.release(host, comment="done", idempotency_key="key-2")
    assert json.loads(case.fake.seen[-1].body) == {"Comment": "done [key-2]"}
    states = [case.edr.get_isolation(host, back) for _ in range(3)]
    assert [each.state for each in states][::2] == [IsolationState.RELEASING, IsolationState.NOT_ISOLATED]


def test_an_action_that_hangs_is_never_isolated(case: Tenant) -> None:
    host = case.host
    case.fake.settle_after = None
    handle = case.edr.isolate(host, comment="c", idempotency_key="k")
    assert {case.edr.get_isolation(host, handle).state for _ in range(5)} == {IsolationState.ISOLATING}


def test_an_action_that_fails_is_said(case: Tenant) -> None:
    host = case.host
    case.fake.settle_after, case.fake.ends_as = 0, "TimeOut"
    handle = case.edr.isolate(host, comment="c", idempotency_key="k")
    assert case.edr.get_isolation(host, handle).state is IsolationState.FAILED


def test_an_action_that_no_list_shows_yet_is_read_by_its_id(case: Tenant) -> None:
    host = case.host
    handle = case.edr.isolate(host, comment="c", idempotency_key="k")
    case.fake.lagging, case.fake.settle_after = True, None
    assert case.edr.get_isolation(host, handle).state is IsolationState.ISOLATING
    lost = handle.model_copy(update={"action_id": "99999999-0000-0000-0000-000000000000"})
    assert case.edr.get_isolation(host, lost).state is IsolationState.UNKNOWN


def test_a_handle_of_another_machine_tells_nothing(stealer: Estate) -> None:
    estate = stealer.with_hosts(*named(stealer.hosts[0], "other.corp.example"))
    with tenant(estate) as opened:
        opened.fake.settle_after = 0
        other = opened.edr.resolve_host(hostname="other.corp.example")
        handle = opened.edr.isolate(other, comment="c", idempotency_key="k")
        assert opened.edr.get_isolation(other, handle).state is IsolationState.ISOLATED
        assert opened.edr.get_isolation(opened.host, handle).state is IsolationState.NOT_ISOLATED


@pytest.mark.parametrize("action_id", ["own", ""])
def test_an_emptied_list_does_not_end_an_isolation_of_ours(case: Tenant, action_id: str) -> None:
    host = case.host
    handle = case.edr.isolate(host, comment="c", idempotency_key="k")
    for _ in range(3):
        case.edr.get_isolation(host, handle)
    assert case.edr.get_isolation(host, handle).state is IsolationState.ISOLATED
    case.fake.actions.clear()
    if not action_id:
        handle = handle.model_copy(update={"action_id": ""})
    found = case.edr.get_isolation(host, handle)
    assert (found.state, found.proved) == (IsolationState.UNKNOWN, False)
    assert case.edr.get_isolation(host).state is IsolationState.NOT_ISOLATED


@pytest.mark.parametrize("recorded", [False, True])
def test_of_a_machine_without_a_record_nothing_is_proved(case: Tenant, recorded: bool) -> None:
    """Its device group is not shown to us any more, or it was forgotten: its actions may be gone too."""
    host, now = case.host, case.clock.now
    if recorded:
        case.fake.record("Unisolate", host.host_id, created=now - timedelta(hours=1), ended=now)
    assert case.edr.get_isolation(host).state is IsolationState.NOT_ISOLATED
    case.fake.machines[0]["mergedIntoMachineId"] = "1" * 40
    with pytest.raises(HostNotFound):
        case.edr.get_isolation(host)
    case.fake.machines.clear()
    with pytest.raises(HostNotFound):
        case.edr.get_isolation(host)


def test_an_action_under_way_is_a_conflict(case: Tenant) -> None:
    host = case.host
    case.edr.isolate(host, comment="c", idempotency_key="k")
    with pytest.raises(Conflict, match="ActiveRequestAlreadyExists"):
        case.edr.release(host, comment="c", idempotency_key="k")
    assert (case.fake.calls["isolate"], case.fake.calls["unisolate"]) == (1, 1)


def test_an_isolation_that_ended_after_the_release_holds(case: Tenant) -> None:
    host, now = case.host, case.clock.now
    case.fake.record("Isolate", host.host_id, created=now - timedelta(minutes=9), ended=now)
    case.fake.record(
        "Unisolate", host.host_id, created=now - timedelta(minutes=8), ended=now - timedelta(minutes=7)
    )
    assert case.edr.get_isolation(host).state is IsolationState.ISOLATED


def test_a_cut_list_of_actions_proves_nothing(case: Tenant) -> None:
    host, now = case.host, case.clock.now
    for _ in range(4):
        case.fake.record("Isolate", host.host_id, created=now, ended=now)
    case.fake.page = 3
    assert case.edr.get_isolation(host).state is IsolationState.UNKNOWN


def test_a_write_without_an_answer_is_unknown_and_not_sent_again(case: Tenant) -> None:
    host = case.host
    case.edr.get_isolation(host)
    case.fake.failures = [503] * 3
    with pytest.raises(TimedOut):
        case.edr.isolate(host, comment="c", idempotency_key="k")
    assert case.fake.calls["isolate"] == 1


@pytest.mark.parametrize("signed_in", [False, True])
@pytest.mark.parametrize("answer", [Answer(503), Answer(429), Answer(200, b'{"access_token": "t"}')])
def test_without_a_token_nothing_is_sent(
    case: Tenant, monkeypatch: pytest.MonkeyPatch, answer: Answer, signed_in: bool
) -> None:
    host = HostRef(connector="defender", host_id=case.fake.machines[0]["id"], hostname="x")
    if signed_in:
        case.edr.get_isolation(host)
        case.fake.expire_tokens()
    monkeypatch.setattr(case.fake, "_token", lambda _: answer)
    for act in (case.edr.isolate, case.edr.release):
        with pytest.raises(NotSent):
            act(host, comment="c", idempotency_key="k")
    assert not case.fake.actions


def test_a_write_that_is_never_answered_is_unknown_and_not_sent_again(stealer: Estate) -> None:
    with tenant(stealer, read_s=0.2) as opened:
        host = opened.host
        opened.fake.holds.add("isolate")
        with pytest.raises(TimedOut):
            opened.edr.isolate(host, comment="c", idempotency_key="k")
        assert opened.fake.calls["isolate"] == 1


def test_a_read_that_fails_once_is_asked_again(case: Tenant) -> None:
    host = case.host
    case.fake.failures = [503]
    assert case.process(host).pid == 7516
    assert case.clock.slept


def test_isolating_a_machine_that_is_gone(case: Tenant) -> None:
    gone = case.host.model_copy(update={"host_id": "0" * 32})
    with pytest.raises(HostNotFound):
        case.edr.isolate(gone, comment="c", idempotency_key="k")


def test_an_answer_about_another_action_is_refused(case: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    host = case.host
    made = case.fake._action
    monkeypatch.setattr(case.fake, "_action", lambda *given: made(*given) | {"machineId": "another"})
    with pytest.raises(BadResponse):
        case.edr.isolate(host, comment="c", idempotency_key="k")


# --- tokens, quotas and refusals ---------------------------------------------------------------


def test_each_interface_gets_its_own_token(case: Tenant) -> None:
    host = case.host
    case.process(host)
    case.edr.get_isolation(host)
    assert case.fake.calls["token"] == 2
    used = {
        seen.path.partition("?")[0]: seen.headers["authorization"]
        for seen in case.fake.seen
        if "authorization" in seen.headers
    }
    hunting = used.pop("/v1.0/security/runHuntingQuery")
    assert hunting not in used.values()
    assert len(set(used.values())) == 1


def test_a_token_for_the_wrong_interface_is_a_missing_permission(stealer: Estate) -> None:
    with tenant(stealer, api_audience=GRAPH) as opened, pytest.raises(PermissionMissing) as told:
        _ = opened.host
    assert told.value.scope == "Machine.Read.All"


def test_a_token_that_runs_out_is_renewed_once_for_reads_and_writes(case: Tenant) -> None:
    host = case.host
    case.fake.expire_tokens()
    assert case.edr.resolve_host(hostname=host.hostname) == host
    case.fake.expire_tokens()
    case.edr.isolate(host, comment="c", idempotency_key="k")
    assert len(case.fake.actions) == 1, "a 401 was not carried out, so it may be repeated"
    case.clock.advance(3600)
    before = case.fake.calls["token"]
    case.edr.get_isolation(host)
    assert case.fake.calls["token"] == before + 1, "renewed before it is refused"


def test_a_wrong_secret_is_said_without_it(stealer: Estate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with tenant(stealer) as opened:
        opened.fake.secret = "another"
        with pytest.raises(AuthRejected, match="AADSTS7000215") as told:
            _ = opened.host
        shown = f"{told.value!r} {told.value} {caplog.text} {opened.edr!r} {vars(opened.edr)!r}"
        assert SECRET not in shown
        health = opened.edr.check()
        assert health.state is HealthState.FAILED
        assert SECRET not in repr(health)


def test_an_unknown_tenant_is_said(stealer: Estate) -> None:
    with tenant(stealer, tenant_id="nobody") as opened, pytest.raises(AuthRejected, match="tenant"):
        _ = opened.host


def test_a_used_up_quota_says_when_to_ask_again(case: Tenant) -> None:
    host = case.host
    case.fake.limited_s = 90
    with pytest.raises(RateLimited) as told:
        case.edr.find_process(host, name=REGSVCS, window=case.window)
    assert told.value.retry_at == case.clock.now + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("scope", "ask"),
    [
        ("Machine.Read.All", lambda case, host: case.edr.get_isolation(host)),
        ("ThreatHunting.Read.All", lambda case, host: case.process(host)),
        ("Machine.Isolate", lambda case, host: case.edr.isolate(host, comment="c", idempotency_key="k")),
    ],
)
def test_a_missing_permission_is_named(
    case: Tenant, scope: str, ask: Callable[[Tenant, HostRef], object]
) -> None:
    host = case.host
    case.fake.missing.add(scope)
    with pytest.raises(PermissionMissing) as told:
        ask(case, host)
    assert told.value.scope == scope


def test_a_refused_query_is_said(case: Tenant) -> None:
    host = case.host
    case.fake.tables.pop("DeviceFileEvents")
    with pytest.raises(QueryFailed, match="DeviceFileEvents"):
        case.process(host)


def test_rows_are_read_without_what_graph_adds(case: Tenant) -> None:
    host = case.host
    case.fake.row_extras = {"@odata.type": "#row", "SHA1@odata.type": "#String"}
    assert case.process(host).pid == 7516


# --- check -------------------------------------------------------------------------------------


def test_check_changes_nothing_and_is_content(case: Tenant) -> None:
    health = case.edr.check()
    assert health.state is HealthState.OK
    assert not case.fake.actions
    assert dict(case.fake.calls) == {"discovery": 2, "token": 2, "machines": 1, "hunt": 1}


@pytest.mark.parametrize("scope", ["Machine.Read.All", "Machine.Isolate", "ThreatHunting.Read.All"])
def test_check_names_the_missing_permission(case: Tenant, scope: str) -> None:
    case.fake.missing.add(scope)
    health = case.edr.check()
    state = HealthState.OK if scope == "Machine.Isolate" else HealthState.FAILED
    assert (health.state, health.missing_scopes) == (state, (scope,))
    assert scope in health.detail


def test_check_says_what_it_cannot_see(case: Tenant) -> None:
    case.fake.opaque = True
    health = case.edr.check()
    assert health.state is HealthState.OK
    assert "cannot be read from its token" in health.detail


def test_check_of_a_failing_tenant(case: Tenant) -> None:
    case.fake.failures = [500] * 6
    assert case.edr.check().state is HealthState.FAILED


def test_what_it_can_do(case: Tenant) -> None:
    assert case.edr.name == "defender"
    assert case.edr.capabilities == frozenset(Capability)
    handle = ActionHandle(connector="other", host_id="h", action_id="a", accepted_at=case.clock.now)
    assert case.edr.get_isolation(case.host, handle).state is IsolationState.NOT_ISOLATED


# --- whose host, and whose login -----------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"connector": "other"}, {"host_id": ""}, {"host_id": ".."}, {"host_id": "x/y"}]
)
def test_a_host_of_another_is_neither_isolated_nor_called_free(case: Tenant, changes: dict[str, str]) -> None:
    stranger = case.host.model_copy(update=changes)
    for ask in (
        lambda: case.edr.isolate(stranger, comment="c", idempotency_key="k"),
        lambda: case.edr.release(stranger, comment="c", idempotency_key="k"),
        lambda: case.edr.get_isolation(stranger),
    ):
        with pytest.raises(HostNotFound):
            ask()
    assert case.fake.actions == []


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"1",
        b"null",
        b'{"access_token": "t", "expires_in": null}',
        b'{"token_endpoint": 1}',
        b"[" * 50_000,
    ],
)
def test_a_login_service_that_lies_is_an_error_of_ours(case: Tenant, answer: bytes) -> None:
    honest = case.fake._decide
    assert honest is not None

    def lying(seen: Seen) -> Answer:
        told = honest(seen)
        at_login = "oauth2" in seen.path or "openid" in seen.path
        return told._replace(status=200, body=answer) if at_login else told

    case.fake._decide = lying
    with pytest.raises(ConnectorError):
        case.edr.resolve_host(hostname=case.estate.hosts[0].name)
