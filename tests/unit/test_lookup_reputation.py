"""The look-up: who is asked about what, until when, and what is made of it. No test waits for time."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.case_facts import Destination, DestinationVerdict
from actions.check_ip import OrganisationRanges, check_ip
from actions.ip_facts import IpCheck
from actions.lookup_reputation import as_one, lookup, reputation_of, with_reputation
from actions.reputation_change import explain
from actions.reputation_facts import DestinationReputation
from actions.reputation_fanout import Arrival, Arrivals, receive_from_queue
from actions.reputation_policy import ReputationPolicy
from actions.reputation_wording import STATUS_WORDS
from connectors.facts.reputation import Reliability, SourceAnswer, SourceStatus
from tests.conftest import ROOT
from tests.reputation_builders import (
    NOW,
    TELEGRAM,
    RecordingSource,
    answer,
    failed,
    fused,
    hangs,
    not_found,
    override,
)

V = DestinationVerdict
GOOGLE, QUAD9 = "8.8.8.8", "9.9.9.9"
OWN = "8.8.4.4"
RANGES = OrganisationRanges(["8.8.4.0/24"])
POLICY = ReputationPolicy()


class Time:
    """A monotonic clock that moves when told, and the end of a wait for answers that will not come."""

    def __init__(self, answers_to_come: int) -> None:
        self.now = 0.0
        self._to_come = answers_to_come

    def monotonic(self) -> float:
        return self.now

    def receive(self, arrivals: Arrivals, wait_s: float) -> Arrival | None:
        """The answers that come, then the deadline."""
        if self._to_come:
            self._to_come -= 1
            return arrivals.get(timeout=30)
        self.now += wait_s
        return receive_from_queue(arrivals, 0)


def ask(
    sources: list[RecordingSource],
    *ips: str,
    time: Time | None = None,
    fresh: bool = False,
    before: Mapping[str, DestinationReputation] | None = None,
    policy: ReputationPolicy = POLICY,
) -> Mapping[str, DestinationReputation]:
    checks = [check_ip(ip, organisation=RANGES) for ip in ips or (GOOGLE,)]
    time = time or Time(1_000_000)
    return lookup(
        checks,
        sources,
        policy=policy,
        clock=lambda: NOW,
        monotonic=time.monotonic,
        receive=time.receive,
        fresh=fresh,
        before=before or {},
    )


def statuses(reputation: DestinationReputation) -> dict[str, SourceStatus]:
    return {a.source: a.status for a in reputation.answers}


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Lets hung sources go when the test is over."""
    event = threading.Event()
    yield event
    event.set()


# --- who is asked about what -----------------------------------------------------------------

NOBODYS = ("10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.1.1", "224.0.0.1", "::1", "fe80::1", "fd00::1")


@pytest.mark.parametrize("ip", [*NOBODYS, "::ffff:10.0.0.1", "2002:808:808::1", "0.0.0.0"])  # noqa: S104
def test_nobody_is_asked_about_an_address_that_is_not_public(ip: str) -> None:
    online, offline = RecordingSource("online"), RecordingSource("offline", online=False)
    found = ask([online, offline], ip)[ip]
    assert (online.asked, offline.asked) == ([], [])
    assert found.verdict is V.UNDETERMINED
    # 2002:808:808::1 holds a public IPv4 address, which is another one to look up.
    wanted = "nobody was asked; 8.8.8.8 inside" if ip.startswith("2002:") else "reputation does not apply"
    assert wanted in found.reason
    assert found.coverage.not_asked == ("offline", "online")


def test_no_third_party_is_asked_about_the_organisations_own_address() -> None:
    online, offline = RecordingSource("online"), RecordingSource("offline", online=False)
    found = ask([online, offline], OWN, GOOGLE)
    assert [ip for ip, _ in online.asked] == [GOOGLE]
    assert {ip for ip, _ in offline.asked} == {OWN, GOOGLE}
    assert found[OWN].coverage.not_asked == ("online",)
    assert "It is the organisation's own address: no third party was asked." in found[OWN].reason
    assert found[OWN].would_change == ()


def test_an_own_address_written_as_ipv6_reaches_no_third_party_either() -> None:
    online = RecordingSource("online")
    ask([online], f"::ffff:{OWN}", f"64:ff9b::{OWN}")
    assert online.asked == []


@given(st.lists(st.ip_addresses().map(str) | st.sampled_from((*NOBODYS, OWN, GOOGLE)), max_size=6))
def test_only_external_addresses_leave(ips: list[str]) -> None:
    online = RecordingSource("online")
    found = ask([online], *ips) if ips else {}
    checks = [check_ip(ip, organisation=RANGES) for ip in ips]
    assert {ip for ip, _ in online.asked} <= {
        c.embedded.ip if c.embedded and c.embedded.decides else c.ip for c in checks if c.external
    }
    assert found.keys() == {c.ip for c in checks}


def test_the_ipv4_inside_is_asked_about_and_once() -> None:
    online = RecordingSource("online", lambda ip: (answer("online", ip=ip),))
    found = ask([online], f"::ffff:{GOOGLE}", GOOGLE, GOOGLE)
    assert online.asked == [(GOOGLE, False)]
    assert {(ip, r.ip, r.verdict) for ip, r in found.items()} == {
        (f"::ffff:{GOOGLE}", GOOGLE, V.SUSPICIOUS),
        (GOOGLE, GOOGLE, V.SUSPICIOUS),
    }


def test_only_volatile_sources_are_asked_past_their_cache() -> None:
    volatile, steady = RecordingSource("volatile"), RecordingSource("steady", volatile=False)
    ask([volatile, steady], fresh=True)
    assert (volatile.asked, steady.asked) == ([(GOOGLE, True)], [(GOOGLE, False)])
    ask([volatile, steady])
    assert volatile.asked[-1] == (GOOGLE, False)


def test_of_two_sources_with_one_name_one_is_asked() -> None:
    first, second = RecordingSource("same"), RecordingSource("same")
    ask([first, second])
    assert (len(first.asked), second.asked) == (1, [])


def test_no_sources_and_no_addresses() -> None:
    assert ask([])[GOOGLE].reason == "No reputation source is configured."
    assert lookup([], [RecordingSource("online")], policy=POLICY) == {}


# --- until when ------------------------------------------------------------------------------


def test_a_hung_source_is_a_timeout_and_the_others_have_answered(end: threading.Event) -> None:
    others = [RecordingSource(f"source_{n}") for n in range(8)]
    time = Time(8)
    found = ask([RecordingSource("hung", hangs(end)), *others], time=time)[GOOGLE]
    assert time.now == POLICY.deadline_s
    assert statuses(found) == {"hung": SourceStatus.TIMEOUT} | {
        s.info.name: SourceStatus.NOT_FOUND for s in others
    }
    assert found.verdict is V.NO_FINDING
    assert [(f.source, f.status) for f in found.coverage.failed] == [("hung", SourceStatus.TIMEOUT)]


def test_one_deadline_holds_for_all_addresses(end: threading.Event) -> None:
    ips = [f"8.8.8.{n}" for n in range(1, 20)]
    quick, time = RecordingSource("quick"), Time(len(ips))
    found = ask([quick, RecordingSource("hung", hangs(end))], *ips, time=time)
    assert time.now == POLICY.deadline_s
    assert all(statuses(found[ip])["quick"] is SourceStatus.NOT_FOUND for ip in ips)
    assert all(statuses(found[ip])["hung"] is SourceStatus.TIMEOUT for ip in ips)


def test_a_late_answer_counts_as_a_timeout() -> None:
    time = Time(1)

    def late(ip: str) -> tuple[SourceAnswer, ...]:
        time.now = POLICY.deadline_s + 1
        return (answer("late", ip=ip, reliability=Reliability.A),)

    found = ask([RecordingSource("late", late)], time=time)[GOOGLE]
    assert statuses(found) == {"late": SourceStatus.TIMEOUT}
    assert found.verdict is V.UNDETERMINED


def test_an_answer_in_time_counts_even_when_it_is_read_late() -> None:
    arrived = threading.Event()

    class Slow(Time):
        def receive(self, arrivals: Arrivals, wait_s: float) -> Arrival | None:
            arrival = arrivals.get(timeout=30)
            arrivals.put(arrival)
            arrived.set()
            self.now = POLICY.deadline_s + 1
            return receive_from_queue(arrivals, 0)

    found = ask([RecordingSource("quick")], time=Slow(0))[GOOGLE]
    assert arrived.is_set()
    assert statuses(found) == {"quick": SourceStatus.NOT_FOUND}


def test_nobody_is_asked_anything_after_the_deadline() -> None:
    time = Time(1)

    def slow(ip: str) -> tuple[SourceAnswer, ...]:
        time.now = POLICY.deadline_s + 1
        return (not_found("slow", ip=ip),)

    source = RecordingSource("slow", slow, online=False)  # one thread: one address after the other
    found = ask([source], GOOGLE, QUAD9, time=time)
    assert source.asked == [(GOOGLE, False)]
    assert statuses(found[QUAD9]) == {"slow": SourceStatus.TIMEOUT}


def test_a_source_is_given_a_little_less_than_the_deadline() -> None:
    """So that its own answer to running out of time, an expired one at best, still arrives."""
    source = RecordingSource("source")
    ask([source])
    assert source.given_s == [POLICY.deadline_s - 0.5]
    ask([source], policy=ReputationPolicy(deadline_s=2))
    assert source.given_s[1] == pytest.approx(1.9)


def test_a_hung_source_does_not_keep_the_process() -> None:
    program = """
import threading
from actions.check_ip import check_ip
from actions.lookup_reputation import lookup
from actions.reputation_policy import ReputationPolicy
from tests.reputation_builders import RecordingSource, hangs
hung = RecordingSource("hung", lambda ip: threading.Event().wait())
found = lookup([check_ip("8.8.8.8")], [hung], policy=ReputationPolicy(deadline_s=0.01))
print(found["8.8.8.8"].answers[0].status, hung.asked)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("timeout")


# --- what goes wrong -------------------------------------------------------------------------


def raises(error: Exception) -> Callable[[str], tuple[SourceAnswer, ...]]:
    def fail(ip: str) -> tuple[SourceAnswer, ...]:
        raise error

    return fail


def test_an_exception_is_an_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    sources = [RecordingSource("broken", raises(ValueError("planted-key"))), RecordingSource("good")]
    with caplog.at_level(logging.DEBUG):
        found = ask(sources)[GOOGLE]
    assert statuses(found) == {"broken": SourceStatus.ERROR, "good": SourceStatus.NOT_FOUND}
    assert "ValueError" in caplog.text
    assert "planted-key" not in caplog.text + found.model_dump_json()


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: (),
        lambda ip: (answer("other", ip=ip, reliability=Reliability.A),),
        lambda _: (answer("wrong", ip="9.9.9.9", reliability=Reliability.A),),
        lambda _: None,
        lambda _: ("text",),
    ],
    ids=["nothing", "another source", "another address", "no tuple", "no answers"],
)
def test_what_is_no_answer_is_an_error(reply: Callable[[str], tuple[SourceAnswer, ...]]) -> None:
    found = ask([RecordingSource("wrong", reply)])[GOOGLE]
    assert statuses(found) == {"wrong": SourceStatus.ERROR}
    assert found.verdict is V.UNDETERMINED


def test_no_threads_to_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = ask([RecordingSource("source")], GOOGLE, QUAD9)
    assert {statuses(r)["source"] for r in found.values()} == {SourceStatus.ERROR}


# --- again -----------------------------------------------------------------------------------


def threatfox(ip: str) -> tuple[SourceAnswer, ...]:
    return (answer("threatfox", ip=ip, reliability=Reliability.A, lineage="abuse.ch"),)


@pytest.mark.parametrize(
    "status", [SourceStatus.TIMEOUT, SourceStatus.RATE_LIMITED, SourceStatus.AUTH, SourceStatus.ERROR]
)
def test_a_failure_does_not_lower_what_was_known(status: SourceStatus) -> None:
    before = ask([RecordingSource("threatfox", threatfox)])
    failing = [RecordingSource("threatfox", lambda ip: (failed("threatfox", status, ip=ip),))]
    after = ask(failing, before=before)
    assert (before[GOOGLE].verdict, after[GOOGLE].verdict) == (V.MALICIOUS, V.MALICIOUS)
    assert [f.status for f in after[GOOGLE].coverage.failed] == [status]
    assert "expired answer" in after[GOOGLE].votes[0].reason
    assert explain(before[GOOGLE], after[GOOGLE]) == (
        f"abuse.ch ThreatFox did not answer this time ({STATUS_WORDS[status]}).",
    )
    assert ask(failing, before=after)[GOOGLE].verdict is V.MALICIOUS
    assert ask(failing)[GOOGLE].verdict is V.UNDETERMINED


def test_what_a_source_takes_back_is_gone() -> None:
    before = ask([RecordingSource("threatfox", threatfox)])
    after = ask([RecordingSource("threatfox")], before=before)
    assert after[GOOGLE].verdict is V.NO_FINDING
    told = explain(before[GOOGLE], after[GOOGLE])
    assert told[0].startswith("The verdict was malicious and is no finding: ")
    assert told[1] == "Gone: abuse.ch (by abuse.ch ThreatFox) said malicious; it is no longer reported."


def test_explain_tells_each_kind_of_change() -> None:
    drop = answer("drop", lineage="spamhaus")
    seen_before = drop.model_copy(update={"last_seen": datetime(2026, 11, 1, tzinfo=NOW.tzinfo)})
    old = drop.model_copy(update={"last_seen": datetime(2026, 1, 1, tzinfo=NOW.tzinfo)})
    allowed = ReputationPolicy(overrides=(override("198.51.100.7"),))

    assert explain(fused(drop), fused(drop)) == ()
    assert "seen it again, on 2026-11-23" in explain(fused(seen_before), fused(drop))[0]
    assert (
        "weighs otherwise (convicts with a second author, now suspicion)"
        in explain(fused(drop), fused(old))[0]
    )
    assert "New: spamhaus (by drop) says malicious" in explain(fused(), fused(drop))[1]
    assert "did not answer" in explain(fused(drop), fused(failed("drop")))[1]
    assert "drop has answered this time" in explain(fused(failed("drop")), fused(drop))[-1]
    assert "Now applied: override allow" in explain(fused(drop), fused(drop, policy=allowed))[1]
    assert "No longer applied" in explain(fused(drop, policy=allowed), fused(drop))[1]


# --- into the case ---------------------------------------------------------------------------


def destination(ip: str = GOOGLE) -> Destination:
    return Destination(ip=ip, check=check_ip(ip), ports=(443,), roles=(TELEGRAM,))


def test_the_destination_takes_the_verdict_and_all_it_rests_on() -> None:
    known = destination()
    found = lookup(
        [known.check],
        [RecordingSource("threatfox", threatfox)],
        policy=POLICY,
        roles={known.ip: known.roles},
        clock=lambda: NOW,
    )[known.ip]
    told = with_reputation(known, found)
    assert told.verdict is V.SUSPICIOUS_SHARED
    assert told.verdict_reason == found.reason
    assert told.answers == found.answers
    assert (told.ports, told.roles) == (known.ports, known.roles)
    assert reputation_of(told) == found
    assert Destination.model_validate_json(told.model_dump_json()) == told


def test_a_destination_of_before_reads_as_not_looked_up() -> None:
    old = destination().model_dump(mode="json")
    del old["reputation"]
    read = Destination.model_validate(old)
    assert read.verdict is V.UNDETERMINED
    assert reputation_of(read) is None


def test_checks_of_public_addresses_only_are_needed() -> None:
    """The check decides, not the text: a caller's judgement of what is its own is kept."""
    owned: IpCheck = check_ip(GOOGLE).model_copy(update={"organisation_owned": True})
    online = RecordingSource("online")
    lookup([owned], [online], policy=POLICY)
    assert online.asked == []


def test_an_address_that_one_check_calls_own_reaches_no_third_party_by_another() -> None:
    owned = check_ip(f"::ffff:{GOOGLE}").model_copy(update={"organisation_owned": True})
    online = RecordingSource("online")
    for checks in ([owned, check_ip(GOOGLE)], [check_ip(GOOGLE), owned]):
        lookup(checks, [online], policy=POLICY)
    assert online.asked == []


# --- several look-ups of one address


def looked_up(*answers: SourceAnswer, at: datetime = NOW) -> DestinationReputation:
    return fused(*answers).model_copy(update={"decided_at": at, "answers": answers})


@given(st.permutations([0, 1, 2, 3]))
def test_as_one_keeps_an_answer_before_a_failure_in_any_order(order: list[int]) -> None:
    found = (
        looked_up(answer("threatfox", lineage="abuse.ch")),
        looked_up(failed("threatfox"), failed("otx")),
        looked_up(not_found("virustotal"), at=NOW + timedelta(hours=1)),
        looked_up(),
    )

    one = as_one([found[i] for i in order])

    assert {(each.source, each.status) for each in one.answers} == {
        ("threatfox", SourceStatus.OK),
        ("otx", SourceStatus.TIMEOUT),
        ("virustotal", SourceStatus.NOT_FOUND),
    }
    assert one.decided_at == NOW + timedelta(hours=1)


def test_as_one_keeps_an_answer_though_the_failure_is_later() -> None:
    bad = answer("otx").model_copy(update={"retrieved_at": NOW - timedelta(hours=2)})
    refused = failed("otx", SourceStatus.AUTH).model_copy(update={"retrieved_at": NOW})

    for found in ([bad, refused], [refused, bad]):
        assert as_one([looked_up(each) for each in found]).answers == (bad,)


def test_as_one_keeps_each_author_of_a_source() -> None:
    one, other = answer("otx", lineage="abuse.ch"), answer("otx", lineage="Cisco Talos")
    assert set(as_one([looked_up(one), looked_up(other)]).answers) == {one, other}


def test_as_one_takes_the_worse_of_two_fetched_together() -> None:
    at = {"retrieved_at": NOW}
    bad, gone = answer("otx").model_copy(update=at), not_found("otx").model_copy(update=at)
    for found in ([bad, gone], [gone, bad]):
        assert as_one([looked_up(each) for each in found]).answers == (bad,)


def test_as_one_takes_the_later_answer_of_a_source() -> None:
    bad = answer("otx").model_copy(update={"retrieved_at": NOW - timedelta(hours=2)})
    gone = not_found("otx").model_copy(update={"retrieved_at": NOW})

    assert as_one([looked_up(bad), looked_up(gone)]).answers == (gone,)
    assert as_one([looked_up(gone), looked_up(bad)]).answers == (gone,)
