"""The CrowdStrike connector over a fake tenant: each of Falcon's traps, and what a lineage costs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.edr.crowdstrike.connector import CrowdStrike
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.sysmon_file.event import RawEvent
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
    Transient,
)
from connectors.facts.health import HealthState
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.process import (
    Connection,
    CoverageState,
    DnsAnswer,
    EvidenceKind,
    FileHash,
    FileWritten,
    GapKind,
    KnownFrom,
    Process,
    ProcessRef,
)
from connectors.ports import Capability, Window
from tests.estate import Estate, EstateHost, Happened
from tests.fakes.crowdstrike_events import falcon_id
from tests.fakes.crowdstrike_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    READ_HOSTS,
    READ_SEARCH,
    WRITE_HOSTS,
    WRITE_SEARCH,
    FakeCrowdStrike,
)
from tests.fakes.http_server import Answer
from tests.http_clients import START, Clock, client

AID = "a1" * 16
OTHER_AID = "b2" * 16
ROOT = Path(__file__).resolve().parents[2]
PEER = "203.0.113.9"
REGSVCS = "C:\\Windows\\Microsoft.NET\\Framework64\\v4.0.30319\\RegSvcs.exe"
HOUR = timedelta(hours=1)
WINDOW = Window(START - HOUR, START)

#: From the root down; each was started by the one before it.
CHAIN = ("wininit.exe", "services.exe", "svchost.exe", "winword.exe", "powershell.exe", "RegSvcs.exe")
TARGET = CHAIN[-1]


HOST = EstateHost(
    AID,
    "APP1.corp.example",
    HostType.SERVER,
    (AddressSeen(ip="10.0.0.5"),),
    START - timedelta(days=90),
    START - timedelta(minutes=1),
    ("FalconGroupingTags/lab",),
)


def process(name: str, parent: str | None, *, minutes: int, pid: int = 100, **changes: Any) -> Process:
    image = REGSVCS if name == TARGET else f"C:\\Windows\\System32\\{name}"
    made = Process(
        ref=ProcessRef(
            host_id=AID, guid=name, pid=pid, start_time=START - timedelta(minutes=minutes), image=image
        ),
        command_line=f'"{name}"',
        user="CORP\\jdoe",
        integrity="Medium",
        original_file_name=name,
        hashes=(FileHash(algorithm="SHA256", digest=f"{sum(name.encode()):04X}" * 16),),
        parent_guid=parent,
        parent_image=f"C:\\Windows\\System32\\{parent}" if parent else "",
    )
    return made.model_copy(update=changes)


def happened(fact: Any, name: str = TARGET) -> Happened:
    raw = RawEvent(0, HOST.name, "", {}, "made up", 1)
    return Happened(AID, name, 100, f"C:\\Windows\\System32\\{name}", fact, raw)


def connected(
    *, minutes: float = 10, ip: str = PEER, name: str = TARGET, port: int = 443, outbound: bool = True
) -> Happened:
    near, far = ("10.0.0.5", 50000), (ip, port)
    source, target = (near, far) if outbound else (far, near)
    return happened(
        Connection(
            time=START - timedelta(minutes=minutes),
            src_ip=source[0],
            src_port=source[1],
            dest_ip=target[0],
            dest_port=target[1],
            protocol="tcp",
            initiated=outbound,
        ),
        name,
    )


def chain(depth: int = len(CHAIN)) -> list[Process]:
    names = CHAIN[-depth:]
    return [
        # The root started before the window, and before the sensor had a parent for it.
        process(name, names[each - 1] if each else None, minutes=(depth - each) * 60 * 24, pid=100 + each)
        for each, name in enumerate(names)
    ]


ESTATE = Estate(
    (HOST,),
    (
        *chain(),
        process("conhost.exe", TARGET, minutes=9, end_time=START - timedelta(minutes=8)),
        process("whoami.exe", "powershell.exe", minutes=20),
        process("notepad.exe", "explorer.exe", minutes=5),
    ),
    (
        connected(),
        connected(minutes=9),
        happened(
            DnsAnswer(time=START - timedelta(minutes=11), name="cdn.example", addresses=(PEER,), status="0")
        ),
        happened(
            FileWritten(time=START - timedelta(minutes=7), path="C:\\Temp\\x.exe", writer_image=REGSVCS)
        ),
    ),
)


class Asked:
    """The connector, its tenant and its clock."""

    def __init__(self, edr: CrowdStrike, fake: FakeCrowdStrike, clock: Clock) -> None:
        self.edr = edr
        self.fake = fake
        self.clock = clock

    @property
    def host(self) -> HostRef:
        return HostRef(connector="crowdstrike", host_id=AID, hostname="APP1.corp.example")

    def target(self, name: str = TARGET) -> ProcessRef:
        return ProcessRef(
            host_id=AID, guid=falcon_id(AID, name), image="\\Device\\HarddiskVolume3" + REGSVCS[2:]
        )

    def since(self, run: Callable[[], object]) -> dict[str, int]:
        """What one question of ours asked Falcon."""
        before = self.fake.calls.copy()
        run()
        return dict(self.fake.calls - before)


@contextmanager
def asked(estate: Estate = ESTATE, *, secret: str = CLIENT_SECRET, deadline_s: float = 60) -> Iterator[Asked]:
    clock = Clock()
    with client(clock) as http, FakeCrowdStrike(estate, clock) as fake:
        settings = CrowdStrikeSettings(base_url=fake.url, client_id=CLIENT_ID, deadline_s=deadline_s)
        edr = CrowdStrike(
            http, settings, SecretStr(secret), clock=clock, sleep=clock.sleep, monotonic=clock.monotonic
        )
        yield Asked(edr, fake, clock)


# --- hosts -----------------------------------------------------------------------------------------


def test_a_host_by_name() -> None:
    with asked() as it:
        for name in ("APP1", "app1", "app1.corp.example", "APP1.CORP.EXAMPLE."):
            host = it.edr.resolve_host(hostname=name)
            assert host.host_id == AID
    assert host.hostname == "APP1.corp.example"
    assert host.host_type is HostType.SERVER
    assert host.tags == ("FalconGroupingTags/lab",)
    assert host.isolation is IsolationState.NOT_ISOLATED
    assert [each.ip for each in host.addresses] == ["10.0.0.5"]
    assert host.last_seen == START - timedelta(minutes=1)


def test_app1_is_found_beside_app10() -> None:
    estate = ESTATE.with_hosts(replace(HOST, host_id=OTHER_AID, name="APP10.corp.example"))
    with asked(estate) as it:
        assert it.edr.resolve_host(hostname="APP1").host_id == AID
        with pytest.raises(HostNotFound):
            it.edr.resolve_host(hostname="APP")


def test_two_of_one_name_are_refused_with_both_named() -> None:
    estate = ESTATE.with_hosts(replace(HOST, host_id=OTHER_AID))
    with asked(estate) as it, pytest.raises(AmbiguousHost) as caught:
        it.edr.resolve_host(hostname="APP1")
    assert len(caught.value.candidates) == 2
    assert all(each in " ".join(caught.value.candidates) for each in (AID, OTHER_AID))


def test_a_stale_duplicate_is_not_meant() -> None:
    old = replace(HOST, host_id=OTHER_AID, last_seen=START - timedelta(days=30))
    with asked(ESTATE.with_hosts(old)) as it:
        assert it.edr.resolve_host(hostname="APP1").host_id == AID


def test_another_domain_is_another_host() -> None:
    with asked() as it, pytest.raises(HostNotFound):
        it.edr.resolve_host(hostname="app1.lab.example")


def test_a_host_by_address() -> None:
    with asked() as it:
        assert it.edr.resolve_host(ip="10.0.0.5").host_id == AID
        with pytest.raises(HostNotFound):
            it.edr.resolve_host(ip="10.0.0.50")


def test_a_present_address_does_not_tell_who_had_it_then() -> None:
    """A device record has the addresses of when the agent was last seen, and not since when."""
    with asked() as it:
        assert it.edr.resolve_host(ip="10.0.0.5", at=START - timedelta(hours=2)).host_id == AID
        for days in (1, 30):
            with pytest.raises(HostNotFound, match="not who had it at that time"):
                it.edr.resolve_host(ip="10.0.0.5", at=START - timedelta(days=days))
    silent = replace(HOST, last_seen=START - timedelta(days=5))
    with asked(replace(ESTATE, hosts=(silent,))) as it:
        assert it.edr.resolve_host(ip="10.0.0.5", at=START - timedelta(days=5)).host_id == AID
        with pytest.raises(HostNotFound, match="not who had it at that time"):
            it.edr.resolve_host(ip="10.0.0.5")


def test_candidates_of_further_pages_count() -> None:
    others = [replace(HOST, host_id=f"{each:032x}") for each in range(3)]
    with asked(ESTATE.with_hosts(*others)) as it:
        it.fake.page_devices = 1
        with pytest.raises(AmbiguousHost) as caught:
            it.edr.resolve_host(hostname="APP1")
        assert it.fake.calls["CombinedDevicesByFilter"] == 4
    assert len(caught.value.candidates) == 4


def test_pages_without_end_are_given_up() -> None:
    others = [replace(HOST, host_id=f"{each:032x}") for each in range(9)]
    with asked(ESTATE.with_hosts(*others)) as it:
        it.fake.page_devices = 1
        with pytest.raises(BadResponse):
            it.edr.resolve_host(hostname="APP1")


# --- processes -------------------------------------------------------------------------------------


def found(it: Asked, **how: Any) -> list[str]:
    return [each.name for each in it.edr.find_process(it.host, window=how.pop("window", WINDOW), **how)]


def test_a_process_by_its_peer() -> None:
    with asked() as it:
        (ref,) = it.edr.find_process(it.host, name="regsvcs.exe", remote_ip=PEER, window=WINDOW)
        assert ref.guid == falcon_id(AID, TARGET)
        assert ref.pid == 105
        assert ref.start_time == START - timedelta(days=1)  # before the window
        assert found(it, remote_ip=PEER, remote_port=443) == [TARGET]
        assert found(it, remote_ip=PEER, remote_port=80) == []
        assert found(it, remote_ip=PEER, name="winword.exe") == []
        assert found(it, remote_ip="203.0.113.90") == []
        assert found(it, remote_ip=PEER, pid=7) == []


def test_two_that_fit_are_both_given() -> None:
    estate = replace(ESTATE, events=(*ESTATE.events, connected(name="powershell.exe")))
    with asked(estate) as it:
        assert sorted(found(it, remote_ip=PEER)) == [TARGET, "powershell.exe"]


def test_an_inbound_peer() -> None:
    estate = replace(ESTATE, events=(connected(outbound=False),))
    with asked(estate) as it:
        assert found(it, remote_ip=PEER) == [TARGET]
        assert found(it, remote_ip="10.0.0.5") == [TARGET]


def test_a_connected_process_without_a_start_is_known_from_what_it_did() -> None:
    estate = replace(ESTATE, events=(connected(name="unseen.exe"),))
    with asked(estate) as it:
        (ref,) = it.edr.find_process(it.host, name="unseen.exe", remote_ip=PEER, window=WINDOW)
    assert ref.guid == falcon_id(AID, "unseen.exe")
    assert ref.pid is None
    assert ref.start_time is None


def test_a_process_by_name_and_time() -> None:
    with asked() as it:
        assert found(it, name="regsvcs.EXE") == [TARGET]
        assert found(it, name="conhost.exe") == ["conhost.exe"]
        late = Window(START - timedelta(minutes=5), START)
        assert found(it, name="conhost.exe", window=late) == []  # it had ended
        assert found(it, name="svcs.exe") == []  # never a part of a name
        assert found(it, name="") == []
        assert found(it) == []


def test_a_process_by_id() -> None:
    key = falcon_id(AID, TARGET)
    with asked() as it:
        assert found(it, guid=key) == [TARGET]
        assert found(it, guid=f"pid:{AID}:{key}") == [TARGET]
        assert found(it, guid=falcon_id(AID, "none")) == []
        calls = it.fake.calls.copy()
        for guid in (f"pid:{OTHER_AID}:{key}", "5B1C63F0-2F0B-6643-0B02-000000001A00", "", "*", "0"):
            assert found(it, guid=guid) == []
        assert it.fake.calls == calls  # ids of others are not asked for


def test_a_window_without_ends_is_searched_for_some_days() -> None:
    from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT  # noqa: PLC0415

    with asked() as it:
        assert found(it, name=TARGET, window=Window(EARLIEST_INSTANT, LATEST_INSTANT)) == [TARGET]
        assert found(it, remote_ip=PEER, window=Window(EARLIEST_INSTANT, LATEST_INSTANT)) == [TARGET]
        assert found(it, name=TARGET, window=Window(EARLIEST_INSTANT, EARLIEST_INSTANT + HOUR)) == []


def test_more_than_can_be_looked_through_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.edr.crowdstrike.records.MOST_CONNECTIONS", 2)
    monkeypatch.setattr("connectors.edr.crowdstrike.records.MOST_OF_A_NAME", 1)
    with asked() as it:
        with pytest.raises(QueryFailed, match="shorter time"):
            found(it, remote_ip=PEER)
        with pytest.raises(QueryFailed, match="shorter time"):
            found(it, name=TARGET)


def test_lineage() -> None:
    with asked() as it:
        lineage = it.edr.get_lineage(it.host, it.target(), window=WINDOW)
    assert lineage.target.name == TARGET
    assert [each.name for each in lineage.ancestors] == [*reversed(CHAIN[:-1])]
    assert [each.name for each in lineage.children] == ["conhost.exe"]
    assert [each.name for each in lineage.siblings] == ["whoami.exe"]
    assert lineage.children[0].end_time == START - timedelta(minutes=8)
    assert lineage.target.command_line == f'"{TARGET}"'
    assert lineage.target.user == "CORP\\jdoe"
    assert lineage.target.integrity == "Medium"
    assert lineage.target.original_file_name == TARGET  # of the image's version resource
    assert not lineage.truncated
    assert [each.kind for each in lineage.gaps] == [GapKind.PARENT_ID_MISSING]
    assert len(lineage.source_queries) == 8
    assert all(AID in each for each in lineage.source_queries)


@pytest.mark.parametrize("depth", [2, 4, 6])
def test_a_lineage_costs_a_search_for_each_ancestor(depth: int) -> None:
    estate = Estate((HOST,), tuple(chain(depth)))
    big = estate.with_hosts(*(replace(HOST, host_id=f"{each:032x}", name=f"ws{each}") for each in range(50)))
    costs = []
    for each in (estate, big):
        with asked(each) as it:
            it.edr.check()
            costs.append(it.since(lambda: it.edr.get_lineage(it.host, it.target(), window=WINDOW)))
    # the target, its ancestors, siblings with children, version resources; one start and one poll each
    searches = 1 + (depth - 1) + 1 + 1
    assert costs == [{"StartSearchV1": searches, "GetSearchStatusV1": searches}] * 2


def test_a_parent_that_is_not_recorded_is_a_gap() -> None:
    estate = Estate((HOST,), (process(TARGET, "powershell.exe", minutes=9),))
    with asked(estate) as it:
        lineage = it.edr.get_lineage(it.host, it.target(), window=WINDOW)
    (parent,) = lineage.ancestors
    assert parent.known_from is KnownFrom.CHILD
    assert parent.command_line is None
    assert parent.name == "powershell.exe"
    assert [each.kind for each in lineage.gaps] == [GapKind.PARENT_NOT_RECORDED]


def test_caps_are_told() -> None:
    with asked() as it:
        lineage = it.edr.get_lineage(it.host, it.target(), window=WINDOW, max_depth=2)
        assert [each.name for each in lineage.ancestors] == ["powershell.exe", "winword.exe"]
        assert lineage.truncated
        assert GapKind.DEPTH_CAP in {each.kind for each in lineage.gaps}


def test_a_process_that_is_not_recorded() -> None:
    with asked() as it, pytest.raises(ProcessNotFound):
        it.edr.get_lineage(it.host, it.target("none"), window=WINDOW)


def test_evidence() -> None:
    with asked() as it:
        evidence = it.edr.get_process_evidence(it.host, it.target(), window=WINDOW)
    (connection,) = evidence.connections
    assert (connection.dest_ip, connection.dest_port, connection.count) == (PEER, 443, 2)
    assert [each.addresses for each in evidence.dns] == [(PEER,)]
    assert [each.path[-6:] for each in evidence.files_written] == ["\\x.exe"]
    assert evidence.state_of(EvidenceKind.CONNECTION) is CoverageState.OBSERVED
    assert (
        evidence.state_of(EvidenceKind.TERMINATION) is CoverageState.NONE_OBSERVED
    )  # another one's is recorded
    assert evidence.state_of(EvidenceKind.MODULE) is CoverageState.NOT_SUPPORTED
    assert not evidence.truncated


def test_evidence_of_a_host_that_sends_nothing_is_unknown() -> None:
    with asked(Estate((HOST,))) as it:
        evidence = it.edr.get_process_evidence(it.host, it.target(), window=WINDOW)
    assert evidence.state_of(EvidenceKind.CONNECTION) is CoverageState.NOT_COLLECTED


def test_evidence_of_a_process_of_another_product() -> None:
    with asked() as it, pytest.raises(ProcessNotFound):
        it.edr.get_process_evidence(it.host, ProcessRef(host_id=AID, pid=4), window=WINDOW)


# --- searches --------------------------------------------------------------------------------------


def test_a_search_that_was_read_as_text_is_no_none() -> None:
    with asked() as it:
        it.fake.reads_as_text = True
        for echo in (True, False):
            it.fake.echo = echo
            with pytest.raises(QueryFailed, match="cannot be relied on"):
                found(it, remote_ip=PEER)
            with pytest.raises(QueryFailed):
                it.edr.get_lineage(it.host, it.target(), window=WINDOW)


def test_rows_of_another_host_are_no_answer() -> None:
    with asked() as it:
        it.fake.echo = False
        for event in it.fake.events:
            event["aid"] = it.host.host_id
        real = it.fake._start

        def other_rows(body: Any) -> Any:
            answer = real(body)
            for job in it.fake._jobs.values():
                job["rows"] = [row | {"aid": OTHER_AID} for row in job["rows"]]
            return answer

        it.fake._start = other_rows  # type: ignore[method-assign]
        with pytest.raises(QueryFailed, match="not asked for"):
            found(it, remote_ip=PEER)


def test_a_refused_search_fails_as_a_query() -> None:
    with asked() as it:
        it.fake.failures = [400]
        with pytest.raises(QueryFailed, match="refused"):
            found(it, remote_ip=PEER)


def test_a_search_is_polled_with_pauses_that_grow() -> None:
    with asked() as it:
        it.edr.check()
        it.clock.slept.clear()
        it.fake.polls_until_done = 6
        found(it, guid=falcon_id(AID, TARGET))
    pauses = it.clock.slept
    assert len(pauses) == 6
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]


def test_a_search_that_is_not_done_is_stopped_at_the_deadline() -> None:
    with asked(deadline_s=20) as it:
        it.fake.polls_until_done = None
        with pytest.raises(TimedOut):
            found(it, remote_ip=PEER)
        assert sum(it.clock.slept) == pytest.approx(20)
        assert len(it.fake.stopped) == 1
        assert it.fake.calls["StopSearchV1"] == 1


def test_a_search_whose_poll_fails_is_stopped() -> None:
    with asked() as it:
        it.edr.check()
        it.fake.missing = {READ_SEARCH}
        with pytest.raises(PermissionMissing):
            found(it, remote_ip=PEER)
        assert len(it.fake.stopped) == 1


def test_a_finished_search_is_not_stopped() -> None:
    with asked() as it:
        found(it, remote_ip=PEER)
        assert it.fake.stopped == []


def test_a_cancelled_search_fails() -> None:
    with asked() as it:
        it.fake.cancels = True
        with pytest.raises(QueryFailed, match="cancelled"):
            found(it, remote_ip=PEER)


def test_a_dropped_search_fails() -> None:
    with asked() as it:
        it.fake.polls_until_done = None
        sleep = it.clock.sleep

        def forget(seconds: float) -> None:
            sleep(seconds)
            it.fake._jobs.clear()

        it.edr._jobs._sleep = forget
        with pytest.raises(QueryFailed, match="dropped"):
            found(it, remote_ip=PEER)


def test_all_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.edr.crowdstrike.search_jobs.PAGE_ROWS", 2)
    events = tuple(connected(minutes=each, port=1000 + each) for each in range(1, 8))
    with asked(replace(ESTATE, events=events)) as it:
        evidence = it.edr.get_process_evidence(it.host, it.target(), window=WINDOW)
    assert len(evidence.connections) == 7


def test_a_search_without_end_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ignores the offset gives the same full page for ever."""
    monkeypatch.setattr("connectors.edr.crowdstrike.search_jobs.PAGE_ROWS", 2)
    monkeypatch.setattr("connectors.edr.crowdstrike.search_jobs.MOST_ROWS", 6)
    events = tuple(connected(minutes=each, port=1000 + each) for each in range(1, 4))
    with asked(replace(ESTATE, events=events)) as it:
        target = it.target()
        honest = it.fake._poll

        def first_page(job: str, query: Mapping[str, str]) -> Answer:
            return honest(job, {**query, "paginationOffset": "0"})

        monkeypatch.setattr(it.fake, "_poll", first_page)
        evidence = it.edr.get_process_evidence(it.host, target, window=WINDOW)
        assert evidence.truncated
        assert it.fake.calls["GetSearchStatusV1"] < 20


def test_warnings_are_recorded() -> None:
    with asked() as it:
        it.fake.warnings = [{"category": "x", "message": "some segments are\nmissing"}]
        lineage = it.edr.get_lineage(it.host, it.target(), window=WINDOW)
        assert all("[warning: some segments are missing]" in each for each in lineage.source_queries)
        assert it.edr.get_process_evidence(it.host, it.target(), window=WINDOW).truncated


# --- containment -----------------------------------------------------------------------------------


def state(it: Asked) -> IsolationState:
    status = it.edr.get_isolation(it.host)
    assert status.how_known is HowKnown.OBSERVED
    return status.state


def test_isolation_and_release() -> None:
    with asked() as it:
        it.fake.settle_after = 2
        assert state(it) is IsolationState.NOT_ISOLATED
        handle = it.edr.isolate(it.host, comment="case 1", idempotency_key="k1")
        assert (handle.connector, handle.host_id) == ("crowdstrike", AID)
        assert [state(it) for _ in range(3)] == [
            IsolationState.ISOLATING,
            IsolationState.ISOLATING,
            IsolationState.ISOLATED,
        ]
        assert it.edr.resolve_host(hostname="APP1").isolation is IsolationState.ISOLATED
        it.edr.release(it.host, comment="case 1", idempotency_key="k2")
        assert [state(it) for _ in range(3)] == [
            IsolationState.RELEASING,
            IsolationState.RELEASING,
            IsolationState.NOT_ISOLATED,
        ]
        assert it.fake.actions == [("contain", AID), ("lift_containment", AID)]


def test_an_action_that_is_stuck_never_counts_as_done() -> None:
    with asked() as it:
        it.fake.settle_after = None
        it.edr.isolate(it.host, comment="", idempotency_key="k")
        assert {state(it) for _ in range(5)} == {IsolationState.ISOLATING}


def test_an_action_under_way_is_a_conflict() -> None:
    with asked() as it:
        it.fake.settle_after = None
        it.edr.isolate(it.host, comment="", idempotency_key="k")
        with pytest.raises(Conflict):
            it.edr.release(it.host, comment="", idempotency_key="k")
        assert len(it.fake.actions) == 1


@pytest.mark.parametrize("code", [409, 400, 404])
def test_an_error_under_a_good_status_is_an_error(code: int) -> None:
    with asked() as it:
        it.fake.partial_error = {"code": code, "message": "not this one"}
        with pytest.raises(ConnectorError, match="not this one") as caught:
            it.edr.isolate(it.host, comment="", idempotency_key="k")
    assert isinstance(caught.value, Conflict) is (code == 409)


def test_a_failed_write_is_sent_once_and_its_outcome_is_unknown() -> None:
    with asked() as it:
        it.edr.check()
        it.fake.failures = [500]
        with pytest.raises(TimedOut):
            it.edr.isolate(it.host, comment="", idempotency_key="k")
        assert it.fake.calls["PerformActionV2"] == 1
        assert it.fake.actions == []


@pytest.mark.parametrize(
    ("answer", "signed_in"), [(Answer(503), False), (Answer(503), True), (Answer(200, b"<html>"), False)]
)
def test_without_a_token_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, signed_in: bool
) -> None:
    with asked() as it:
        if signed_in:
            state(it)
            it.fake.expire_tokens()
        monkeypatch.setattr(it.fake, "_token", lambda _: answer)
        for act in (it.edr.isolate, it.edr.release):
            with pytest.raises(NotSent):
                act(it.host, comment="", idempotency_key="k")
        assert it.fake.actions == []


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([AID, OTHER_AID], f"other hosts \\({OTHER_AID}\\)"),
        ([AID, "x\x1b[2J\n" + "y" * 500], r"other hosts \(x \[2J y{58}\)"),
        ([AID, *(f"{each:032x}" for each in range(9))], "4 more"),
        ([AID, None], "without id"),
        ([OTHER_AID], "other hosts"),
        ([], "does not name the host"),
    ],
)
def test_an_answer_names_our_host_and_no_other(ids: list[str | None], told: str) -> None:
    with asked() as it:
        body = {"meta": {}, "resources": [{"id": each} if each else {} for each in ids], "errors": []}
        sent = Answer(202, json.dumps(body).encode(), (("Content-Type", "application/json"),))
        it.fake._act = lambda *_: sent  # type: ignore[method-assign]
        with pytest.raises(BadResponse, match=told) as caught:
            it.edr.isolate(it.host, comment="", idempotency_key="k")
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 600


def test_a_failed_read_is_asked_again() -> None:
    with asked() as it:
        it.fake.failures = [500, 503]
        assert state(it) is IsolationState.NOT_ISOLATED
        it.fake.failures = [500] * 9
        with pytest.raises(Transient):
            state(it)


def test_an_agent_that_is_gone() -> None:
    with asked() as it:
        gone = it.host.model_copy(update={"host_id": OTHER_AID})
        with pytest.raises(HostNotFound):
            it.edr.get_isolation(gone)
        with pytest.raises(ConnectorError):
            it.edr.isolate(gone, comment="", idempotency_key="k")


def test_a_host_of_another_connector_is_not_isolated() -> None:
    with asked() as it:
        other = it.host.model_copy(update={"connector": "defender"})
        with pytest.raises(HostNotFound):
            it.edr.isolate(other, comment="", idempotency_key="k")
        assert it.fake.calls["PerformActionV2"] == 0


# --- tokens, scopes, quota -------------------------------------------------------------------------


def test_one_token_for_many_calls() -> None:
    with asked() as it:
        for _ in range(3):
            state(it)
        found(it, remote_ip=PEER)
        assert it.fake.calls["oauth2AccessToken"] == 1


def test_an_expired_token_is_renewed_once() -> None:
    with asked() as it:
        state(it)
        it.fake.expire_tokens()
        assert state(it) is IsolationState.NOT_ISOLATED
        assert it.fake.calls["oauth2AccessToken"] == 2


def test_a_write_is_repeated_after_a_401_only() -> None:
    with asked() as it:
        state(it)
        it.fake.expire_tokens()
        it.edr.isolate(it.host, comment="", idempotency_key="k")
        assert it.fake.actions == [("contain", AID)]


def test_a_token_that_expires_in_the_middle_of_a_search() -> None:
    with asked() as it:
        it.fake.polls_until_done = 3
        sleep = it.clock.sleep

        def expire(seconds: float) -> None:
            sleep(seconds)
            it.fake.expire_tokens()

        it.edr._jobs._sleep = expire
        assert found(it, guid=falcon_id(AID, TARGET)) == [TARGET]


def test_tokens_that_are_never_good() -> None:
    with asked() as it:
        state(it)
        issue = it.fake._token

        def useless(seen: Any) -> Any:
            answer = issue(seen)
            it.fake.expire_tokens()
            return answer

        it.fake._token = useless  # type: ignore[method-assign]
        it.fake.expire_tokens()
        with pytest.raises(AuthRejected):
            state(it)
        assert it.fake.calls["oauth2AccessToken"] == 2


def test_many_threads_fetch_one_token() -> None:
    with asked() as it, ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            it.fake.expire_tokens()
            states = list(pool.map(lambda _: state(it), range(16)))
            assert set(states) == {IsolationState.NOT_ISOLATED}
        assert it.fake.calls["oauth2AccessToken"] == 2


def test_the_sdk_is_not_loaded_before_it_is_used() -> None:
    code = (
        "import sys, connectors.edr.crowdstrike.connector;"
        "sys.exit(bool({'falconpy', 'requests', 'urllib3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_a_wrong_secret_is_sent_once() -> None:
    with asked(secret="planted-wrong-secret") as it:
        for _ in range(3):
            with pytest.raises(AuthRejected, match="id or secret"):
                state(it)
        assert it.fake.calls["oauth2AccessToken"] == 1


@pytest.mark.parametrize(
    ("scope", "ask"),
    [
        (READ_HOSTS, lambda it: it.edr.resolve_host(hostname="APP1")),
        (READ_HOSTS, lambda it: it.edr.get_isolation(it.host)),
        (WRITE_HOSTS, lambda it: it.edr.isolate(it.host, comment="", idempotency_key="k")),
        (WRITE_SEARCH, lambda it: it.edr.find_process(it.host, remote_ip=PEER, window=WINDOW)),
        (READ_SEARCH, lambda it: it.edr.find_process(it.host, remote_ip=PEER, window=WINDOW)),
    ],
)
def test_a_missing_scope_is_named(scope: str, ask: Callable[[Asked], object]) -> None:
    with asked() as it:
        it.fake.missing = {scope}
        with pytest.raises(PermissionMissing) as caught:
            ask(it)
        assert caught.value.scope == scope
        it.fake.missing = set()
        ask(it)  # it is asked again when the scope may have been granted


def test_a_quota_says_until_when_in_epoch_seconds() -> None:
    with asked() as it:
        state(it)
        it.fake.limited_until = START + timedelta(minutes=3)
        with pytest.raises(RateLimited) as caught:
            state(it)
        assert caught.value.retry_at == START + timedelta(minutes=3)
        calls = it.fake.calls.copy()
        with pytest.raises(RateLimited):
            state(it)
        assert it.fake.calls == calls  # left alone until then
        it.clock.advance(181)
        assert state(it) is IsolationState.NOT_ISOLATED


def test_check() -> None:
    with asked() as it:
        health = it.edr.check()
        assert health.state is HealthState.OK
        assert it.fake.actions == []
        it.fake.missing = {READ_HOSTS, WRITE_SEARCH}
        health = it.edr.check()
        assert health.state is HealthState.FAILED
        assert health.missing_scopes == (READ_HOSTS, WRITE_SEARCH)
    with asked(secret="planted-wrong-secret") as it:
        health = it.edr.check()
    assert health.state is HealthState.FAILED
    assert "id or secret" in health.detail


def test_what_it_can_do() -> None:
    assert CrowdStrike.capabilities == frozenset(Capability)
    assert CrowdStrike.name == "crowdstrike"


def test_secrets_stay_inside(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    with asked() as it:
        state(it)
        it.fake.missing = {READ_HOSTS}
        for ask in (lambda: state(it), it.edr.check):
            try:
                shown.append(repr(ask()))
            except ConnectorError as exc:
                shown += [str(exc), repr(exc), repr(exc.__context__)]
        shown += [repr(it.edr), repr(it.edr.__dict__)]
    text = " ".join([caplog.text, *shown])
    assert "planted" not in text


def test_what_falcon_says_cannot_break_a_line() -> None:
    with asked() as it:
        it.fake.partial_error = {"code": 400, "message": "a\nb\x1b[31m" + "x" * 5000}
        with pytest.raises(ConnectorError) as caught:
            it.edr.isolate(it.host, comment="", idempotency_key="k")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
