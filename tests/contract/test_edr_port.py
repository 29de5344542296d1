"""What every EDR connector has to do, over each vendor's fake: the contract of the port EdrConnector."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.check_ip import OrganisationRanges
from actions.detection import Semantics
from actions.profile_catalog import shipped_profiles
from connectors.edr.catalogue import EdrName
from connectors.edr.comment import LONGEST_COMMENT
from connectors.errors import (
    AmbiguousHost,
    AuthRejected,
    ConnectorError,
    HostNotFound,
    NotSupported,
    ProcessNotFound,
    RateLimited,
    Transient,
)
from connectors.facts.health import HealthState
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import ActionHandle, IsolationState
from connectors.facts.notable import Notable
from connectors.facts.process import (
    Connection,
    CoverageState,
    EvidenceKind,
    GapKind,
    Lineage,
    Process,
    ProcessRef,
    image_name,
)
from connectors.ports import Capability, EdrConnector, Window
from playbooks.case import CaseReport
from playbooks.logs import LogRun, read_logs
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.edr_backends import BACKENDS, FILE, Backend, Running, running
from tests.estate import Estate, EstateHost, estate_of, host_id_of
from tests.events import HOST, REGSVCS, created
from tests.fakes import elastic_server
from tests.fakes.http_server import Answer, Seen
from tests.fakes.splunk_events import xml_of

NAME = "regsvcs.exe"
DAY = timedelta(days=1)
EXAMPLES = ("stealer/sysmon.xml", "installer/sysmon.ndjson", "local-only/sysmon.ndjson")

EVERY = (*BACKENDS, FILE)

pytestmark = pytest.mark.parametrize("backend", EVERY, ids=[each.name.value for each in EVERY])


@pytest.fixture
def estate(examples: Path) -> Estate:
    return estate_of(examples / EXAMPLES[0])


@pytest.fixture
def ready(backend: Backend, estate: Estate) -> Iterator[Running]:
    with running(backend, estate, at=_after(estate)) as found:
        yield found


def _needs_server(backend: Backend) -> None:
    """Skip what only a server can do: refuse a secret, withhold a right, fail, be counted."""
    if not backend.server:
        pytest.skip(f"{backend.name.value} has no server (Backend.server)")


def _after(estate: Estate) -> datetime:
    return max(each.ref.start_time for each in estate.processes if each.ref.start_time) + timedelta(minutes=5)


def _host(ready: Running, estate: Estate) -> HostRef:
    return ready.edr.resolve_host(hostname=estate.hosts[0].name)


def _window(estate: Estate) -> Window:
    last = max(each.ref.start_time for each in estate.processes if each.ref.start_time)
    return Window(last - DAY, last + DAY)


# --- what it is ------------------------------------------------------------------------------


def test_it_says_what_it_is_and_works(ready: Running, backend: Backend) -> None:
    health = ready.edr.check()
    assert (ready.edr.name, health.connector) == (backend.name.value, backend.name.value)
    assert health.state is HealthState.OK, health.detail
    assert ready.edr.capabilities >= {Capability.RESOLVE, Capability.LINEAGE, Capability.EVIDENCE}
    assert ready.edr.sysmon_guids is backend.sysmon_guids
    assert backend.isolated(ready.fake) == 0


def test_a_wrong_secret_is_told_without_it(backend: Backend, estate: Estate) -> None:
    _needs_server(backend)
    wrong = "planted-wrong-secret-0123456789"
    with running(backend, estate, secret=wrong) as found:
        health = found.edr.check()
        with pytest.raises(AuthRejected) as caught:
            found.edr.resolve_host(hostname=estate.hosts[0].name)
    assert health.state is HealthState.FAILED
    assert wrong not in f"{health!r}{caught.value!r}{found.edr!r}"


#: What each vendor's fake can withhold, and whether nothing can be read without it.
WITHHELD: dict[StrEnum, dict[str, bool]] = {
    EdrName.CROWDSTRIKE: {"Hosts: read": True, "NGSIEM: write": True, "Hosts: write": False},
    EdrName.DEFENDER: {"Machine.Read.All": True, "ThreatHunting.Read.All": True, "Machine.Isolate": False},
    EdrName.ELASTIC: {elastic_server.HOSTS: True, elastic_server.EVENTS: True, elastic_server.ACTIONS: False},
    EdrName.SYSMON_SPLUNK: {"search": True},
}


def _withhold(found: Running, scopes: Iterable[str]) -> None:
    if hasattr(found.fake, "missing"):
        found.fake.missing = set(scopes)
    else:
        found.fake.capable = "search" not in scopes


def test_check_fails_only_where_reading_does_not_work_and_names_all_it_sees_missing(
    backend: Backend, estate: Estate
) -> None:
    _needs_server(backend)
    needed = WITHHELD[backend.name]
    for scopes in ([each] for each in needed):
        with running(backend, estate) as found:
            _withhold(found, scopes)
            health = found.edr.check()
            reads = not any(needed[each] for each in scopes)
            assert health.state is (HealthState.OK if reads else HealthState.FAILED), (scopes, health)
            assert all(each in health.detail for each in health.missing_scopes)
            assert health.missing_scopes or scopes == ["Hosts: write"]  # cannot be seen without containing
            if reads:
                assert found.edr.resolve_host(hostname=estate.hosts[0].name)
    with running(backend, estate) as found:
        _withhold(found, needed)
        health = found.edr.check()
        assert health.state is HealthState.FAILED
        assert len(health.missing_scopes) >= sum(needed.values())


# --- hosts -----------------------------------------------------------------------------------


def test_a_host_is_found_by_its_full_and_its_short_name_in_any_case(ready: Running, estate: Estate) -> None:
    name = estate.hosts[0].name
    short = name.partition(".")[0]
    found = {ready.edr.resolve_host(hostname=each).host_id for each in (name, name.upper(), short)}
    assert len(found) == 1


def test_a_name_is_never_a_part_of_another(backend: Backend, estate: Estate) -> None:
    more = [EstateHost(host_id_of(each), each) for each in ("APP1.corp.example", "APP10.corp.example")]
    with running(backend, estate.with_hosts(*more)) as found:
        assert found.edr.resolve_host(hostname="APP1").hostname.upper() == "APP1.CORP.EXAMPLE"
        assert found.edr.resolve_host(hostname="app10").hostname.upper() == "APP10.CORP.EXAMPLE"
        for name in ("APP", "APP100", "PP1", "APP1.other.example", "APP*", "A'PP1", 'APP1" or "1"="1'):
            with pytest.raises(HostNotFound):
                found.edr.resolve_host(hostname=name)


def test_two_agents_named_alike_are_refused_with_both_named(backend: Backend, estate: Estate) -> None:
    with running(backend, estate) as probe:
        now = probe.clock.now
    one, other = (
        EstateHost(host_id_of(f"app1{suffix}"), "APP1.corp.example", last_seen=now) for suffix in "ab"
    )
    with running(backend, estate.with_hosts(one, other)) as found:
        if not backend.ids_apart:
            assert found.edr.resolve_host(hostname="APP1").host_id == one.name
            return
        with pytest.raises(AmbiguousHost) as caught:
            found.edr.resolve_host(hostname="APP1")
    assert len(caught.value.candidates) == 2


def test_what_a_rebuilt_machine_left_behind_is_not_meant(backend: Backend, estate: Estate) -> None:
    with running(backend, estate) as probe:
        now = probe.clock.now
    old = EstateHost(host_id_of("old"), "APP1.corp.example", last_seen=now - timedelta(days=20), active=False)
    new = EstateHost(host_id_of("new"), "APP1.corp.example", last_seen=now)
    with running(backend, estate.with_hosts(old, new)) as found:
        assert found.edr.resolve_host(hostname="APP1").last_seen == new.last_seen


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "0.0.0.0", "169.254.7.7", "255.255.255.255", "224.0.0.251"),  # noqa: S104
        *("::1", "::", "fe80::1"),
    ],
)
def test_an_address_that_every_machine_has_or_none_names_no_host(
    backend: Backend, estate: Estate, ip: str
) -> None:
    after = _after(estate)
    seen = AddressSeen(ip=ip, first_seen=after - timedelta(hours=2), last_seen=after)
    host = estate.hosts[0]
    reported = estate.with_host_as(host.host_id, addresses=(*host.addresses, seen), last_seen=after)
    with running(backend, reported, at=after) as found, pytest.raises(HostNotFound):
        found.edr.resolve_host(ip=ip, at=after - timedelta(minutes=5))


def test_an_address_of_today_does_not_prove_who_had_it_long_ago(backend: Backend, estate: Estate) -> None:
    """DHCP gives an address to another machine; the one that has it now need not have had it then."""
    after = _after(estate)
    own = next(
        each.fact.src_ip
        for each in estate.events
        if isinstance(each.fact, Connection) and each.fact.initiated and each.fact.src_ip
    )
    with running(backend, estate, at=after) as found:
        host = _host(found, estate)
        assert found.edr.resolve_host(ip=own, at=after - timedelta(minutes=5)).host_id == host.host_id
        for days in (3, 20, 300):
            with pytest.raises(HostNotFound):
                found.edr.resolve_host(ip=own, at=after - timedelta(days=days))


# --- what nobody should ask, and somebody does -----------------------------------------------

EXTREME = (
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.min.replace(tzinfo=UTC),
    datetime(1601, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9000, 1, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
)
INSTANTS = st.sampled_from(EXTREME) | st.datetimes(timezones=st.just(UTC))


def test_no_time_is_too_early_or_too_late_to_be_asked_about(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    (real,) = ready.edr.find_process(host, name=NAME, window=_window(estate))
    peers = {each.fact.dest_ip for each in estate.events if isinstance(each.fact, Connection)}

    @settings(max_examples=5, deadline=None)
    @given(INSTANTS, INSTANTS)
    @example(EXTREME[0], EXTREME[-1])
    @example(EXTREME[-1], EXTREME[0])
    @example(EXTREME[1], EXTREME[1])
    @example(EXTREME[-2], EXTREME[-2])
    def asked(start: datetime, end: datetime) -> None:
        edr, window = ready.edr, Window(start, end)
        calls: tuple[Callable[[], object], ...] = (
            lambda: edr.resolve_host(hostname=host.hostname, at=start),
            lambda: edr.resolve_host(ip="192.0.2.10", at=end),
            lambda: edr.find_process(host, name=NAME, window=window),
            lambda: edr.find_process(host, remote_ip=min(peers), window=window),
            lambda: edr.find_process(host, guid=real.guid, window=window),
            lambda: edr.get_lineage(host, real, window=window),
            lambda: edr.get_process_evidence(host, real, window=window),
        )
        for call in calls:
            with suppress(ConnectorError):
                call()

    asked()


HOSTILE = (
    "\0",
    "app1\0",
    "\ud800",
    "a\udfffb",
    "\x01\x1f\x7f\x85",
    "a\r\nX-Other: 1",
    "\u202e\u2028\ufeff",
    "..",
    ".",
    "/../../",
    "%00",
    "$where$",
    "`macro`",
    "[subsearch]",
    "x" * 40_000,
)

#: Each costs a server for each connector; every second one is for `make soak`.
SOME_HOSTILE = [
    pytest.param(text, id=str(number), marks=[pytest.mark.soak] if number % 2 else [])
    for number, text in enumerate(HOSTILE)
]


@pytest.mark.parametrize("text", SOME_HOSTILE)
def test_hostile_text_anywhere_finds_nothing_or_is_refused(ready: Running, estate: Estate, text: str) -> None:
    """Never an error of another family, never another host or process."""
    edr, host, window = ready.edr, _host(ready, estate), _window(estate)
    (real,) = edr.find_process(host, name=NAME, window=window)
    with pytest.raises(HostNotFound):
        edr.resolve_host(hostname=text)
    with pytest.raises(HostNotFound):
        edr.resolve_host(ip=text)
    for wanted in ({"name": text}, {"guid": text}, {"name": NAME, "remote_ip": text}):
        try:
            found = edr.find_process(host, window=window, **wanted)  # type: ignore[arg-type]
        except ConnectorError:
            continue
        assert list(found) == [], wanted
    strange = host.model_copy(update={"host_id": text})
    odd = real.model_copy(update={"guid": text})
    calls: tuple[Callable[[], object], ...] = (
        lambda: edr.find_process(strange, name=NAME, window=window),
        lambda: edr.get_lineage(strange, real, window=window),
        lambda: edr.get_lineage(host, odd, window=window),
        lambda: edr.isolate(strange, comment="c", idempotency_key="k"),
        lambda: edr.release(strange, comment="c", idempotency_key="k"),
    )
    for call in calls:
        with suppress(ConnectorError):
            assert call() == []
    for call in (
        lambda: edr.get_process_evidence(strange, real, window=window),
        lambda: edr.get_process_evidence(host, odd, window=window),
        lambda: edr.get_process_evidence(host, real.model_copy(update={"image": text}), window=window),
        lambda: edr.get_isolation(strange),
        lambda: edr.get_isolation(
            host,
            ActionHandle(
                connector=edr.name, host_id=host.host_id, action_id=text, accepted_at=ready.clock.now
            ),
        ),
    ):
        with suppress(ConnectorError):
            call()


@pytest.mark.parametrize("text", SOME_HOSTILE)
def test_a_comment_is_cleaned_and_cut_and_never_lost(
    ready: Running, estate: Estate, backend: Backend, text: str
) -> None:
    host = _host(ready, estate)
    if not _contains(ready, host):
        return
    before = len(ready.fake.seen)
    ready.edr.isolate(host, comment=f"case {text}", idempotency_key="key-1")
    assert backend.isolated(ready.fake) == 1
    sent = b"".join(each.body for each in ready.fake.seen[before:] if each.method == "POST").decode()
    assert len(sent) < 3 * LONGEST_COMMENT
    assert all(each.isprintable() for each in json.dumps(json.loads(sent or "{}"), ensure_ascii=False))


# --- processes -------------------------------------------------------------------------------


def test_a_process_is_found_by_name_peer_and_time(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    window = _window(estate)
    (found,) = ready.edr.find_process(host, name=NAME, window=window)
    assert found.name.lower() == NAME
    assert found.guid is not None
    early = Window(window.start - 10 * DAY, window.start - 5 * DAY)
    assert list(ready.edr.find_process(host, name=NAME, remote_ip="203.0.113.77", window=window)) == []
    assert list(ready.edr.find_process(host, name=NAME, window=early)) == []
    assert list(ready.edr.find_process(host, name=NAME, guid=found.guid, window=window)) == [found]


@pytest.mark.parametrize("name", ['x" or "1"="1', "x' | union y", "x*", "\\", "x]) // y", "réġ\u202esvcs"])
def test_hostile_names_find_nothing_and_break_nothing(ready: Running, estate: Estate, name: str) -> None:
    host = _host(ready, estate)
    assert list(ready.edr.find_process(host, name=name, window=_window(estate))) == []


def test_a_process_nobody_recorded_is_not_found(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    (real,) = ready.edr.find_process(host, name=NAME, window=_window(estate))
    assert real.guid is not None
    stranger = ProcessRef(host_id=host.host_id, guid=real.guid[:-1] + ("1" if real.guid[-1] != "1" else "2"))
    with pytest.raises(ProcessNotFound):
        ready.edr.get_lineage(host, stranger, window=_window(estate))


def test_caps_cut_and_say_so(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    (real,) = ready.edr.find_process(host, name=NAME, window=_window(estate))
    whole = ready.edr.get_lineage(host, real, window=_window(estate))
    cut = ready.edr.get_lineage(host, real, window=_window(estate), max_depth=1)
    assert not whole.truncated
    assert len(whole.ancestors) > 1
    assert len(cut.ancestors) == 1
    assert cut.truncated
    assert whole.source_queries


def test_processes_beyond_the_cap_are_cut_and_told(ready: Running, estate: Estate) -> None:
    """Whatever the cap: never more processes, the nearest ancestors first, and what is left out is named."""
    host = _host(ready, estate)
    (real,) = ready.edr.find_process(host, name=NAME, window=_window(estate))
    whole = ready.edr.get_lineage(host, real, window=_window(estate))
    assert _count(whole) > 3, "the test is void"
    for most in range(1, _count(whole) + 2):
        cut = ready.edr.get_lineage(host, real, window=_window(estate), max_nodes=most)
        assert _count(cut) == min(most, _count(whole))
        assert _refs(cut.ancestors) == _refs(whole.ancestors[: most - 1])
        assert cut.truncated is (most < _count(whole))
        assert any(each.kind is GapKind.NODE_CAP for each in cut.gaps) is cut.truncated


def test_a_chain_longer_than_the_cap_is_cut_and_told(backend: Backend, tmp_path: Path) -> None:
    """Longer, too, than what a vendor gives of a process's ancestors in one answer."""
    log = tmp_path / "sysmon.xml"
    length = 30
    start = datetime(2026, 9, 24, 7, tzinfo=UTC)
    events = [
        *(created(number, number - 1 if number else None, second=number) for number in range(length - 1)),
        created(length - 1, length - 2, REGSVCS, second=length),
    ]
    log.write_text("\n".join(xml_of(each, number) for number, each in enumerate(events, 1)))
    chain, window = estate_of(log), Window(start - DAY, start + DAY)
    with running(backend, chain, at=start + timedelta(hours=1)) as found:
        edr, host = found.edr, found.edr.resolve_host(hostname=HOST)
        (real,) = edr.find_process(host, name=NAME, window=window)
        for depth, nodes in ((5, 500), (500, 6), (500, 1), (1, 500), (25, 26), (500, 23)):
            cut = edr.get_lineage(host, real, window=window, max_depth=depth, max_nodes=nodes)
            assert [each.ref.pid for each in cut.ancestors] == [
                1000 + length - 2 - number for number in range(min(depth, nodes - 1))
            ]
            assert cut.truncated
            kinds = {each.kind for each in cut.gaps}
            assert kinds == {GapKind.DEPTH_CAP if depth < nodes else GapKind.NODE_CAP}, (depth, nodes)
        all_of_it = edr.get_lineage(host, real, window=window, max_depth=length, max_nodes=length)
    assert len(all_of_it.ancestors) == length - 1
    assert not all_of_it.truncated


def _count(lineage: Lineage) -> int:
    return 1 + len(lineage.ancestors) + len(lineage.siblings) + len(lineage.children)


def _refs(processes: Sequence[Process]) -> list[tuple[str | None, int | None]]:
    return [(each.ref.guid, each.ref.pid) for each in processes]


def test_a_lineage_costs_the_same_in_a_larger_estate(backend: Backend, estate: Estate) -> None:
    _needs_server(backend)

    def calls(among: Estate) -> int:
        with running(backend, among, at=_after(estate)) as found:
            host = _host(found, estate)
            (real,) = found.edr.find_process(host, name=NAME, window=_window(estate))
            before = len(found.fake.seen)
            found.edr.get_lineage(host, real, window=_window(estate))
            return len(found.fake.seen) - before

    others = [EstateHost(host_id_of(f"other{i}"), f"OTHER{i}.corp.example") for i in range(40)]
    elsewhere = [
        each.model_copy(update={"ref": each.ref.model_copy(update={"host_id": host.host_id})})
        for host in others
        for each in estate.processes
    ]
    assert calls(estate) == calls(estate.with_hosts(*others).with_processes(*elsewhere)) > 0


def test_what_a_vendor_cannot_know_is_not_called_absent(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    (real,) = ready.edr.find_process(host, name=NAME, window=_window(estate))
    evidence = ready.edr.get_process_evidence(host, real, window=_window(estate))
    assert {each.kind for each in evidence.coverage} == set(EvidenceKind)
    assert evidence.state_of(EvidenceKind.CONNECTION) is CoverageState.OBSERVED
    assert evidence.state_of(EvidenceKind.TAMPERING) is not CoverageState.NONE_OBSERVED


# --- failures --------------------------------------------------------------------------------


def test_a_failing_vendor_is_an_error_of_ours(backend: Backend, ready: Running, estate: Estate) -> None:
    _needs_server(backend)
    host = _host(ready, estate)
    ready.fake.failures = [500] * 20
    with pytest.raises(Transient):
        ready.edr.find_process(host, name=NAME, window=_window(estate))


def test_a_used_up_quota_says_when_to_ask_again(ready: Running, estate: Estate, backend: Backend) -> None:
    _needs_server(backend)
    host = _host(ready, estate)
    backend.use_up(ready.fake, ready.clock, 90_000)
    with pytest.raises(RateLimited) as caught:
        ready.edr.find_process(host, name=NAME, window=_window(estate))
    again = caught.value.retry_at
    assert (again is not None and again > ready.clock.now) is backend.tells_retry


# --- isolation -------------------------------------------------------------------------------


CONTAINMENT = frozenset({Capability.ISOLATE, Capability.VERIFY, Capability.RELEASE})


def _contains(ready: Running, host: HostRef) -> bool:
    """Whether it can contain; where not, it says so beforehand, refuses by name and asks nobody."""
    if ready.edr.capabilities >= CONTAINMENT:
        return True
    assert not ready.edr.capabilities & CONTAINMENT
    before = len(ready.fake.seen)
    for act in (ready.edr.isolate, ready.edr.release):
        with pytest.raises(NotSupported):
            act(host, comment="c", idempotency_key="k")
    assert ready.edr.get_isolation(host).state is IsolationState.UNKNOWN
    assert len(ready.fake.seen) == before
    return False


def test_an_accepted_isolation_is_not_yet_one(ready: Running, estate: Estate, backend: Backend) -> None:
    host = _host(ready, estate)
    if not _contains(ready, host):
        return
    assert ready.edr.get_isolation(host).state is IsolationState.NOT_ISOLATED
    ready.fake.settle_after = 3
    handle = ready.edr.isolate(host, comment="case-0123456789abcdef", idempotency_key="key-1")
    assert handle.host_id == host.host_id
    seen = []
    for _ in range(8):
        seen.append(ready.edr.get_isolation(host, handle).state)
        ready.clock.advance(5)
    assert seen[0] in {IsolationState.ISOLATING, IsolationState.NOT_ISOLATED, IsolationState.UNKNOWN}
    assert seen.pop() is IsolationState.ISOLATED
    assert backend.isolated(ready.fake) == 1
    release = ready.edr.release(host, comment="case-0123456789abcdef", idempotency_key="key-2")
    after = []
    for _ in range(8):
        after.append(ready.edr.get_isolation(host, release).state)
        ready.clock.advance(5)
    assert after[-1] is IsolationState.NOT_ISOLATED


def test_a_stuck_isolation_is_never_called_one(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    if not _contains(ready, host):
        return
    ready.fake.settle_after = None
    handle = ready.edr.isolate(host, comment="c", idempotency_key="key")
    states = set()
    for _ in range(5):
        states.add(ready.edr.get_isolation(host, handle).state)
        ready.clock.advance(60)
    assert IsolationState.ISOLATED not in states


def test_a_write_that_fails_is_sent_once(ready: Running, estate: Estate, backend: Backend) -> None:
    host = _host(ready, estate)
    if not _contains(ready, host):
        return
    before = len(ready.fake.seen)
    ready.fake.failures = [500] * 9
    with pytest.raises(ConnectorError):
        ready.edr.isolate(host, comment="c", idempotency_key="key")
    asked = [each for each in ready.fake.seen[before:] if each.method == "POST"]
    writes = [each for each in asked if "isolate" in each.path or "devices-actions" in each.path]
    assert len(writes) <= 1, "a second attempt was made"
    assert backend.isolated(ready.fake) == 0


# --- a case ----------------------------------------------------------------------------------


def _worked(run: LogRun, notables: list[Notable], edr: EdrConnector) -> tuple[CaseReport, ...]:
    return respond(
        InProcess(),
        notables,
        edr=edr,
        profiles=shipped_profiles(),
        settings=Settings(),
        clock=lambda: _last(run, notables),
    )


def _last(run: LogRun, notables: list[Notable]) -> datetime:
    last = run.edr.resolve_host(hostname=notables[0].dest).last_seen
    assert last is not None
    return last


def _contradictions(mine: Lineage, theirs: Lineage) -> list[str]:
    """What the vendor says of a process and the log says otherwise. Unknown is no contradiction.

    Images are compared by name: Falcon has that of a parent alone.
    """
    wrong = []
    pairs = zip(
        (mine.target, *mine.ancestors, *mine.children, *mine.siblings),
        (theirs.target, *theirs.ancestors, *theirs.children, *theirs.siblings),
        strict=True,
    )
    for own, logged in pairs:
        said = {
            name: (getattr(own, name), getattr(logged, name))
            for name in ("command_line", "original_file_name", "user", "integrity", "parent_pid")
        }
        said |= {
            "image": (image_name(own.ref.image), image_name(logged.ref.image)),
            "parent": (image_name(own.parent_image), image_name(logged.parent_image)),
            "pid": (own.ref.pid, logged.ref.pid),
            "start": (_second(own.ref.start_time), _second(logged.ref.start_time)),
        }
        wrong += [
            f"{own.name}: {name} is {here!r}, logged {there!r}"
            for name, (here, there) in said.items()
            if here not in (None, "") and there not in (None, "") and str(here).lower() != str(there).lower()
        ]
        digests = {each.algorithm: each.digest for each in logged.hashes}
        wrong += [
            f"{own.name}: {each}"
            for each in own.hashes
            if digests.get(each.algorithm, each.digest).lower() != each.digest.lower()
        ]
    return wrong


def _second(when: datetime | None) -> datetime | None:
    return when.replace(microsecond=0) if when is not None else None


def _without_place(lineage: Lineage) -> dict[str, Any]:
    """A lineage without where it was read and which searches found it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: plain(each)
                for name, each in value.items()
                if name not in {"source", "end_source", "source_queries", "host_id"}
            }
        return [plain(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = plain(lineage.model_dump(mode="json"))
    return found


@pytest.mark.parametrize("log", EXAMPLES[:2])
def test_a_case_is_the_one_of_the_sysmon_file(backend: Backend, examples: Path, log: str) -> None:
    """Names, tree, peers and score; what a vendor cannot know is unknown and not another finding."""
    run = read_logs(
        [examples / log],
        shipped_profiles(),
        semantics=Semantics.STRICT,
        organisation=OrganisationRanges(()),
        watched=[NAME],
    )
    notables = [each.notable.model_copy(update={"process_guids": ()}) for each in run.detection.raised]
    estate = estate_of(examples / log)
    (wanted,) = _worked(run, notables, run.edr)
    with running(backend, estate, at=_after(estate)) as found:
        (told,) = _worked(run, notables, found.edr)
    mine, theirs = told.facts.lineage, wanted.facts.lineage
    assert mine is not None
    assert theirs is not None
    assert [each.name.lower() for each in mine.ancestors] == [each.name.lower() for each in theirs.ancestors]
    assert [each.name.lower() for each in mine.children] == [each.name.lower() for each in theirs.children]
    assert mine.target.command_line == theirs.target.command_line
    assert {each.ip for each in told.facts.destinations} == {each.ip for each in wanted.facts.destinations}
    assert told.risk.case_verdict is wanted.risk.case_verdict
    assert {each.id for each in told.risk.indicators} <= {each.id for each in wanted.risk.indicators}
    assert _contradictions(mine, theirs) == []
    if backend.sysmon_guids:  # the same events: nothing may be missing either
        assert told.risk.score == wanted.risk.score
        assert [each.id for each in told.risk.indicators] == [each.id for each in wanted.risk.indicators]
        assert _without_place(mine) == _without_place(theirs)
    assert told.facts.host is not None
    assert told.facts.host.host_type in set(HostType)


# --- secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_refusal_that_repeats_what_was_sent_tells_no_secret(
    backend: Backend, estate: Estate, status: int, *, signed_in: bool
) -> None:
    _needs_server(backend)
    with running(backend, estate, at=_after(estate)) as found:
        if signed_in:
            found.edr.resolve_host(hostname=estate.hosts[0].name)
        sent: list[str] = []
        honest = found.fake._decide

        def repeating(seen: Seen) -> Answer:
            """What was sent, wherever a vendor writes why it refuses."""
            bearer = seen.headers.get("authorization", "").rpartition(" ")[2]
            form = parse_qs(seen.body.decode())
            secrets = [each for each in (bearer, *form.get("client_secret", ())) if each]
            if not secrets:
                found_at: Answer = honest(seen)  # where the login service is found
                return found_at
            sent.extend(secrets)
            told = " ".join(secrets)
            error = {"code": told, "message": told, "reason": told, "type": told}
            body = {
                "error": error if "authorization" in seen.headers else told,
                "errors": [error],
                "error_description": told,
                "message": told,
                "statusCode": status,
            }
            return Answer(status, json.dumps(body).encode())

        found.fake._decide = repeating
        with pytest.raises(ConnectorError) as caught:
            found.edr.resolve_host(hostname="other")
        health = found.edr.check()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(health)
    assert sent, "the test is void"
    assert backend.secret in sent or signed_in
    for secret in {backend.secret, *sent}:
        assert secret not in told
