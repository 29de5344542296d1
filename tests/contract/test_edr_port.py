"""What every EDR connector has to do, over each vendor's fake: the contract of the port EdrConnector."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from actions.check_ip import OrganisationRanges
from actions.detection import Semantics
from actions.profile_catalog import shipped_profiles
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
from connectors.facts.host import HostRef, HostType
from connectors.facts.isolation import IsolationState
from connectors.facts.notable import Notable
from connectors.facts.process import CoverageState, EvidenceKind, ProcessRef
from connectors.ports import Capability, EdrConnector, Window
from playbooks.case import CaseReport
from playbooks.logs import LogRun, read_logs
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.edr_backends import BACKENDS, Backend, Running, running
from tests.estate import Estate, EstateHost, estate_of, host_id_of
from tests.fakes.http_server import Answer, Seen

NAME = "regsvcs.exe"
DAY = timedelta(days=1)
EXAMPLES = ("stealer/sysmon.xml", "installer/sysmon.ndjson", "local-only/sysmon.ndjson")

pytestmark = pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])


@pytest.fixture
def estate(examples: Path) -> Estate:
    return estate_of(examples / EXAMPLES[0])


@pytest.fixture
def ready(backend: Backend, estate: Estate) -> Iterator[Running]:
    with running(backend, estate, at=_after(estate)) as found:
        yield found


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
    assert not ready.edr.sysmon_guids
    assert backend.isolated(ready.fake) == 0


def test_a_wrong_secret_is_told_without_it(backend: Backend, estate: Estate) -> None:
    wrong = "planted-wrong-secret-0123456789"
    with running(backend, estate, secret=wrong) as found:
        health = found.edr.check()
        with pytest.raises(AuthRejected) as caught:
            found.edr.resolve_host(hostname=estate.hosts[0].name)
    assert health.state is HealthState.FAILED
    assert wrong not in f"{health!r}{caught.value!r}{found.edr!r}"


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
    with (
        running(backend, estate.with_hosts(one, other)) as found,
        pytest.raises(AmbiguousHost) as caught,
    ):
        found.edr.resolve_host(hostname="APP1")
    assert len(caught.value.candidates) == 2


def test_what_a_rebuilt_machine_left_behind_is_not_meant(backend: Backend, estate: Estate) -> None:
    with running(backend, estate) as probe:
        now = probe.clock.now
    old = EstateHost(host_id_of("old"), "APP1.corp.example", last_seen=now - timedelta(days=20), active=False)
    new = EstateHost(host_id_of("new"), "APP1.corp.example", last_seen=now - timedelta(minutes=1))
    with running(backend, estate.with_hosts(old, new)) as found:
        assert found.edr.resolve_host(hostname="APP1").last_seen == new.last_seen


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


def test_a_lineage_costs_the_same_in_a_larger_estate(backend: Backend, estate: Estate) -> None:
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


def test_a_failing_vendor_is_an_error_of_ours(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    ready.fake.failures = [500] * 20
    with pytest.raises(Transient):
        ready.edr.find_process(host, name=NAME, window=_window(estate))


def test_a_used_up_quota_says_when_to_ask_again(ready: Running, estate: Estate) -> None:
    host = _host(ready, estate)
    if hasattr(ready.fake, "limited_s"):
        ready.fake.limited_s = 90_000
    else:
        ready.fake.limited_until = ready.clock.now + timedelta(seconds=90_000)
    with pytest.raises(RateLimited) as caught:
        ready.edr.find_process(host, name=NAME, window=_window(estate))
    assert caught.value.retry_at is not None
    assert caught.value.retry_at > ready.clock.now


# --- isolation -------------------------------------------------------------------------------


def test_an_accepted_isolation_is_not_yet_one(ready: Running, estate: Estate, backend: Backend) -> None:
    if not ready.edr.capabilities >= {Capability.ISOLATE, Capability.VERIFY, Capability.RELEASE}:
        with pytest.raises(NotSupported):
            ready.edr.isolate(_host(ready, estate), comment="c", idempotency_key="k")
        return
    host = _host(ready, estate)
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
    ready.fake.settle_after = None
    handle = ready.edr.isolate(host, comment="c", idempotency_key="key")
    states = set()
    for _ in range(5):
        states.add(ready.edr.get_isolation(host, handle).state)
        ready.clock.advance(60)
    assert IsolationState.ISOLATED not in states


def test_a_write_that_fails_is_sent_once(ready: Running, estate: Estate, backend: Backend) -> None:
    host = _host(ready, estate)
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
    assert told.facts.host is not None
    assert told.facts.host.host_type in set(HostType)


# --- secrets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 409, 500])
@pytest.mark.parametrize("signed_in", [False, True])
def test_a_refusal_that_repeats_what_was_sent_tells_no_secret(
    backend: Backend, estate: Estate, status: int, *, signed_in: bool
) -> None:
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
