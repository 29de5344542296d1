"""Isolating a host: every outcome and its words, one call at most, and settling what was left open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.containment import ContainmentOutcome as Outcome
from actions.containment import ContainmentResult
from actions.isolate_host import isolate_host
from actions.isolation import IsolationMode
from actions.isolation_policy import SitePolicy
from actions.release_host import release_host
from actions.settle_intent import settle
from connectors.errors import (
    AuthRejected,
    BadResponse,
    Conflict,
    NotFound,
    NotSupported,
    PermissionMissing,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState
from connectors.facts.ledger import Intent, IntentKind, IntentState, Order
from connectors.ports import Capability
from connectors.state.ledger import LedgerUnusable, Stale
from tests.containment_bench import (
    COMMENT,
    FREE,
    HOST_ID,
    HOSTNAME,
    ISOLATED,
    ISOLATING,
    NAME,
    NOT_KNOWN,
    POLICY,
    RELEASING,
    VENDOR_FAILED,
    Bench,
    Line,
    bench,
    failing,
    order,
    quick_folder,
    release,
    tools,
)

OPEN_STATES = {IntentState.REQUESTED, IntentState.ACCEPTED, IntentState.PENDING}
UNREADABLE = Transient(NAME, "the service is away")
LATE = "only after the deadline of 60 s"


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as found:
        yield found


def isolate(
    it: Bench, wanted: Order | None = None, *, ledger: Any = None, **policy: Any
) -> ContainmentResult:
    with_ledger = tools(it.edr, ledger or it.ledger, it.clock)
    rules = POLICY.model_copy(update=policy)
    return isolate_host(wanted or order(), with_ledger, policy=rules, comment=COMMENT)


def settled(it: Bench, *, wait: bool = False) -> list[ContainmentResult]:
    left = it.ledger.intents(active=True)
    return [settle(each, it.tools, policy=POLICY, wait=wait) for each in left]


# --- proof -----------------------------------------------------------------------------------


def test_isolated_is_said_only_after_it_was_read(folder: Path) -> None:
    it = bench(folder, FREE, FREE, ISOLATING, ISOLATED)

    found = isolate(it)

    assert found.outcome is Outcome.ISOLATED
    assert found.sentence == (
        f"{HOSTNAME} is isolated: its agent says so, read at 2026-11-24 08:00:03 UTC. Ordered by playbook."
    )
    (write,) = it.edr.writes
    assert found.intent is not None
    assert write == (IntentKind.ISOLATE, HOST_ID, COMMENT, found.intent.intent_id)
    assert found.intent.state is IntentState.VERIFIED
    assert (found.intent.action_id, found.intent.detail) == ("action-1", found.sentence)
    assert found.lease is not None
    assert found.lease.review_by == it.clock() + timedelta(hours=POLICY.lease_hours)
    assert it.ledger.leases() == [found.lease]
    handles = [each.action_id if each else None for each in it.edr.read]
    assert handles == [None, "action-1", "action-1", "action-1"]


def test_reported_is_proof_and_says_who_reports(folder: Path) -> None:
    found = isolate(bench(folder, FREE, (ISOLATED, HowKnown.REPORTED)))
    assert found.outcome is Outcome.ISOLATED
    assert "isolated: scripted reports it done, read at" in found.sentence


@pytest.mark.parametrize("how", [HowKnown.DESIRED, HowKnown.NOT_KNOWN])
def test_a_flag_of_what_should_be_is_never_proof(folder: Path, how: HowKnown) -> None:
    it = bench(folder, FREE, (ISOLATED, how))
    found = isolate(it)
    assert found.outcome is Outcome.UNKNOWN
    assert "what scripted says proves nothing (isolated" in found.sentence
    assert it.ledger.leases() == []


def test_a_state_read_before_the_call_proves_nothing(folder: Path) -> None:
    it = bench(folder, FREE)
    honest = it.edr.get_isolation

    def old(host: HostRef, handle: ActionHandle | None = None) -> Any:
        status = honest(host, handle)
        return status.model_copy(update={"state": ISOLATED, "as_of": status.as_of - timedelta(days=1)})

    it.edr.on_write = lambda: setattr(it.edr, "get_isolation", old)
    found = isolate(it)
    assert found.outcome is Outcome.UNKNOWN
    assert it.ledger.leases() == []


# --- what does not come about ----------------------------------------------------------------


def test_accepted_and_never_isolated(folder: Path) -> None:
    it = bench(folder, FREE)

    found = isolate(it)

    assert found.outcome is Outcome.EXPIRED
    assert found.sentence == (
        f"{HOSTNAME} is not isolated, read at 2026-11-24 08:01:00 UTC: the deadline of 60 s after the call"
        " has passed, and scripted shows nothing under way."
    )
    again = isolate(it)
    assert again.outcome is Outcome.REFUSED
    assert "only a person orders it again" in again.sentence
    assert len(it.edr.writes) == 1
    it.edr.readings = [FREE, ISOLATED]
    assert isolate(it, order(by="ann", by_person=True)).outcome is Outcome.ISOLATED
    assert len(it.edr.writes) == 2


def test_pauses_grow_and_end_with_the_deadline(folder: Path) -> None:
    it = bench(folder, FREE)
    isolate(it)
    assert it.clock.slept == [1, 2, 4, 8, 15, 15, 15]
    assert sum(it.clock.slept) == order().deadline_s


def test_the_deadline_counts_from_the_call(folder: Path) -> None:
    it = bench(folder, FREE)
    watched = failing(it.ledger)

    def slow(name: str) -> None:
        if name == "begin":
            it.later(50)

    watched.after = slow
    isolate(it, ledger=watched)
    assert sum(it.clock.slept) == order().deadline_s


def test_a_clock_that_stands_still_does_not_make_it_wait_for_ever(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING)
    slept: list[float] = []
    stuck = it.tools._replace(sleep=slept.append)
    found = isolate_host(order(), stuck, policy=POLICY, comment=COMMENT)
    assert found.outcome is Outcome.UNKNOWN
    assert sum(slept) == order().deadline_s


def test_an_offline_host_is_queued_and_settles_when_it_comes_back(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING)

    found = isolate(it)

    assert found.outcome is Outcome.UNKNOWN
    assert found.sentence == (
        f"Whether {HOSTNAME} is isolated is not known: scripted was called; the deadline of 60 s has passed,"
        " and scripted still has it under way, as for a host that is offline (isolating (observed)). scripted"
        " may still carry it out. The host stays closed to other orders until its state settles it or a"
        " person decides."
    )
    it.later(3600)
    assert isolate(it).outcome is Outcome.UNKNOWN
    it.edr.readings = [ISOLATED]
    (later,) = settled(it)
    assert later.outcome is Outcome.ISOLATED
    assert LATE in later.sentence
    assert later.lease is not None
    assert later.lease.owner == "playbook"
    assert len(it.edr.writes) == 1
    assert isolate(it).outcome is Outcome.OURS_STANDS


def test_a_queued_one_that_the_vendor_drops_ends(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING)
    isolate(it)
    it.edr.readings = [VENDOR_FAILED]
    (found,) = settled(it)
    assert found.outcome is Outcome.FAILED
    assert found.sentence == f"{HOSTNAME} was not isolated: scripted says that it failed."


def test_a_queued_one_that_is_gone_expires(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING)
    isolate(it)
    it.edr.readings = [FREE]
    (found,) = settled(it)
    assert found.outcome is Outcome.EXPIRED
    assert it.ledger.intents(active=True) == []


def test_released_by_somebody_during_the_wait(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING, RELEASING, FREE)
    found = isolate(it)
    assert found.outcome is Outcome.FAILED
    assert found.sentence == (
        f"{HOSTNAME} is not isolated, read at 2026-11-24 08:01:00 UTC: the isolation was under way, and"
        " nothing is under way any more. Somebody reversed it meanwhile, or scripted gave it up."
    )


def test_a_record_that_lags_is_waited_for(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING, FREE, FREE, ISOLATED)
    assert isolate(it).outcome is Outcome.ISOLATED


def test_a_release_under_way_at_the_deadline_is_unknown(folder: Path) -> None:
    found = isolate(bench(folder, FREE, RELEASING))
    assert found.outcome is Outcome.UNKNOWN
    assert "scripted has a release under way (releasing (observed))" in found.sentence


def test_the_vendor_says_that_it_failed(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING, VENDOR_FAILED)
    assert isolate(it).outcome is Outcome.FAILED
    assert len(it.clock.slept) == 1, "nothing is left to wait for"


def test_a_failure_without_our_receipt_may_be_of_an_older_action(folder: Path) -> None:
    it = bench(folder, FREE, VENDOR_FAILED, ISOLATED, answer=TimedOut(NAME, "no answer in 20 s"))
    assert isolate(it).outcome is Outcome.ISOLATED


# --- the answer to the call ------------------------------------------------------------------

LOST = [
    TimedOut(NAME, "HTTP 500; whether it was carried out is not known"),
    Transient(NAME, "the connection broke"),
    BadResponse(NAME, "the answer is no JSON object"),
    ActionHandle(connector=NAME, host_id="agent-2", accepted_at=bench(Path("unused")).clock()),
]


@pytest.mark.parametrize("answer", LOST, ids=lambda each: type(each).__name__)
def test_a_lost_answer_is_made_up_for_by_reading(folder: Path, answer: Any) -> None:
    it = bench(folder, FREE, FREE, ISOLATED, answer=answer)
    found = isolate(it)
    assert found.outcome is Outcome.ISOLATED
    assert "The answer to the call was lost (" in found.sentence
    assert len(it.edr.writes) == 1
    assert set(it.edr.read) == {None}


@pytest.mark.parametrize("answer", LOST[:-1], ids=lambda each: type(each).__name__)
def test_a_lost_answer_without_effect_is_not_sent_again(folder: Path, answer: Any) -> None:
    it = bench(folder, FREE, answer=answer)
    found = isolate(it)
    assert found.outcome is Outcome.EXPIRED
    assert "the answer to the call was lost (" in found.sentence
    assert len(it.edr.writes) == 1


def test_an_answer_that_names_another_host_says_so(folder: Path) -> None:
    it = bench(folder, FREE, answer=LOST[-1])
    found = isolate(it)
    assert found.outcome is Outcome.UNKNOWN, "what was asked for, and of whom, cannot be told"
    assert "the receipt names another host, scripted agent-2: look at that one too" in found.sentence
    (noted,) = (each for each in it.ledger.audit() if each.event == "receipt_of_another_host")
    assert "scripted:agent-2" in noted.data


def test_a_run_that_was_held_up_before_the_call_does_not_call(folder: Path) -> None:
    it = bench(folder, FREE)
    real = it.ledger.calling

    class Suspended:
        """The ledger of a run that is suspended right behind its note."""

        def __getattr__(self, name: str) -> Any:
            return getattr(it.ledger, name)

        def calling(self, intent: Intent) -> Intent:
            noted = real(intent)
            it.later(6)
            return noted

    found = isolate(it, ledger=Suspended())
    assert found.outcome is Outcome.NOT_SENT
    assert "held up before the call" in found.sentence
    assert it.edr.writes == []
    assert [each.state for each in it.ledger.intents()] == [IntentState.FAILED]


def test_an_order_without_an_answer_closes_the_host_beyond_its_deadline(folder: Path) -> None:
    it = bench(folder, FREE)
    intent = it.ledger.calling(it.ledger.begin(order(), POLICY.limits, quiet_s=0))
    it.later(61)
    assert [each.outcome for each in settled(it)] == [Outcome.UNKNOWN], "the run may only be suspended"
    it.later(3600)
    assert [each.outcome for each in settled(it)] == [Outcome.EXPIRED]
    with pytest.raises(Stale):
        it.ledger.move(intent, IntentState.ACCEPTED, detail="", by="playbook")


def test_a_call_after_its_order_was_ended_claims_nothing(folder: Path) -> None:
    it = bench(folder, FREE)

    class EndsMeanwhile:
        """Somebody else ends the order while the vendor is called."""

        def __getattr__(self, name: str) -> Any:
            return getattr(it.ledger, name)

        def move(self, intent: Intent, state: IntentState, **more: Any) -> Intent:
            if state is IntentState.ACCEPTED:
                it.ledger.move(intent, IntentState.FAILED, detail="closed by hand", by="ann")
            return it.ledger.move(intent, state, **more)

    found = isolate(it, ledger=EndsMeanwhile())
    assert found.outcome is Outcome.UNKNOWN
    assert "was called for" in found.sentence
    assert "after this order had been ended (failed)" in found.sentence
    assert [each.event for each in it.ledger.audit()][-1] == "called_after_end"


NOT_DONE = [
    (
        Conflict(NAME, "ActiveRequestAlreadyExists"),
        "another action on the host is under way, and scripted did",
    ),
    (AuthRejected(NAME, "the token was refused"), "(the token was refused)"),
    (PermissionMissing(NAME, "lacks Machine.Isolate", scope="Machine.Isolate"), "(lacks Machine.Isolate)"),
    (NotFound(NAME, "no such machine"), "(no such machine)"),
    (NotSupported(NAME, "cannot isolate"), "(cannot isolate)"),
    (RateLimited(NAME, "the quota is used up"), "(the quota is used up)"),
    (Rejected(NAME, "HTTP 400."), "(HTTP 400)"),
]


@pytest.mark.parametrize(("answer", "said"), NOT_DONE, ids=lambda each: type(each).__name__)
def test_what_is_refused_is_certainly_not_done(folder: Path, answer: Exception, said: str) -> None:
    it = bench(folder, FREE, ISOLATED, answer=answer)
    found = isolate(it)
    assert found.outcome is Outcome.FAILED
    assert said in found.sentence
    assert found.sentence.startswith(f"{HOSTNAME} was not isolated: ")
    assert len(it.edr.read) == 1, "nothing is waited for"
    assert len(it.edr.writes) == 1


# --- nothing is sent -------------------------------------------------------------------------


def test_isolated_before_is_not_ours_and_is_noted(folder: Path) -> None:
    it = bench(folder, ISOLATED)
    found = isolate(it)
    assert found.outcome is Outcome.ALREADY_ISOLATED
    assert "not by an order in this ledger; nothing was sent" in found.sentence
    assert (found.intent, found.lease, it.edr.writes) == (None, None, [])
    assert [each.event for each in it.ledger.audit()] == ["already_isolated"]


def test_ours_stands(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    first = isolate(it)
    second = isolate(it, order(case_id="case-2", run_id="run-2"))
    assert second.outcome is Outcome.OURS_STANDS
    assert second.lease == first.lease
    assert "which playbook answers for; review by 2026-11-25" in second.sentence
    assert len(it.edr.writes) == 1


@pytest.mark.parametrize("line", [ISOLATING, RELEASING])
def test_an_action_of_somebody_else_is_waited_out(folder: Path, line: Line) -> None:
    it = bench(folder, line)
    found = isolate(it)
    assert found.outcome is Outcome.NOT_SENT
    assert "another action on it is under way" in found.sentence
    assert (it.edr.writes, it.ledger.intents()) == ([], [])


@pytest.mark.parametrize(
    "line", [NOT_KNOWN, (FREE, HowKnown.DESIRED), (ISOLATED, HowKnown.DESIRED), VENDOR_FAILED]
)
def test_an_uncertain_state_sends_nothing(folder: Path, line: Line) -> None:
    it = bench(folder, line)
    found = isolate(it)
    assert found.outcome is Outcome.NOT_SENT
    assert "whether it is isolated is not certain" in found.sentence
    assert it.edr.writes == []


def test_an_unreadable_state_sends_nothing(folder: Path) -> None:
    it = bench(folder, UNREADABLE)
    found = isolate(it)
    assert found.outcome is Outcome.NOT_SENT
    assert found.sentence == (
        f"Nothing was sent to isolate {HOSTNAME}: its state cannot be read (the service is away)."
    )


def test_of_two_hosts_of_one_name_the_id_decides(folder: Path) -> None:
    it = bench(folder)
    it.edr.of_host = {"agent-1": [ISOLATED], "agent-2": [FREE, ISOLATED]}
    found = isolate(it, order(host_id="agent-2"))
    assert found.outcome is Outcome.ISOLATED
    assert [each.host_id for each in it.edr.writes] == ["agent-2"]
    assert isolate(it).outcome is Outcome.ALREADY_ISOLATED, "the lease of one is not the other's"


def test_released_an_hour_ago_only_a_person_isolates(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    isolate(it)
    (lease,) = it.ledger.leases()
    it.ledger.end_lease(lease, by="bob", why="found released")
    it.later(3600)
    it.edr.readings = [FREE, FREE, ISOLATED]
    found = isolate(it)
    assert found.outcome is Outcome.REFUSED
    assert "bob released this host at" in found.sentence
    assert len(it.edr.writes) == 1
    assert isolate(it, order(by="ann", by_person=True)).outcome is Outcome.ISOLATED


def test_the_kill_switch_set_before_stops_it(folder: Path) -> None:
    it = bench(folder, FREE)
    it.ledger.set_kill_switch(on=True, by="ann", why="drill")
    found = isolate(it)
    assert found.outcome is Outcome.REFUSED
    assert "all isolation is stopped by ann: drill" in found.sentence
    assert (it.edr.writes, it.ledger.intents()) == ([], [])


def test_the_kill_switch_set_after_it_was_written_down_stops_the_call(folder: Path) -> None:
    it = bench(folder, FREE)
    watched = failing(it.ledger)

    def after(name: str) -> None:
        if name == "begin":
            it.ledger.set_kill_switch(on=True, by="ann", why="drill")

    watched.after = after
    found = isolate(it, ledger=watched)
    assert found.outcome is Outcome.REFUSED
    assert "all isolation is stopped by ann: drill" in found.sentence
    assert it.edr.writes == []
    assert found.intent is not None
    assert (found.intent.state, found.intent.called_at) == (IntentState.FAILED, None)


@pytest.mark.parametrize(
    ("policy", "by_person", "said"),
    [
        ({"kill_switch": True}, True, "the policy has stopped all isolation"),
        ({"mode": IsolationMode.OFF}, True, "mode is off"),
        ({"mode": IsolationMode.SHADOW}, True, "mode is shadow"),
        ({"mode": IsolationMode.APPROVE}, False, "mode is approve, and it takes auto, as no person decided"),
        ({"sites": (SitePolicy(name="hq", mode=IsolationMode.AUTO),)}, True, "mode is off"),
    ],
)
def test_the_policy_as_it_is_now_stops_it(
    folder: Path, policy: dict[str, Any], by_person: bool, said: str
) -> None:
    it = bench(folder, FREE)
    found = isolate(it, order(by_person=by_person), **policy)
    assert found.outcome is Outcome.REFUSED
    assert said in found.sentence
    assert (it.edr.read, it.edr.writes) == ([], [])


def test_a_person_isolates_in_mode_approve(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    found = isolate(it, order(by="ann", by_person=True), mode=IsolationMode.APPROVE)
    assert found.outcome is Outcome.ISOLATED


def test_a_cap_stops_it(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    isolate(it)
    it.edr.readings = [FREE]
    caps = POLICY.caps.model_copy(update={"per_run": 1})
    found = isolate(it, order(host_id="agent-2"), caps=caps)
    assert found.outcome is Outcome.REFUSED
    assert "1 isolations in this run, and 1 are allowed" in found.sentence


def test_another_connector_and_one_that_cannot_verify(folder: Path) -> None:
    it = bench(folder, FREE)
    found = isolate(it, order(connector="defender"))
    assert found.outcome is Outcome.NOT_SENT
    assert "defender knows the host, and this is scripted" in found.sentence
    it.edr.capabilities = frozenset({Capability.ISOLATE})
    assert "scripted cannot verify" in isolate(it).sentence
    assert it.edr.read == []


def test_an_order_of_the_other_kind_is_a_mistake_of_the_caller(folder: Path) -> None:
    it = bench(folder, FREE)
    with pytest.raises(ValueError, match="not an isolation"):
        isolate(it, release())
    assert it.edr.read == []


# --- another run -----------------------------------------------------------------------------


def test_another_run_is_at_it(folder: Path) -> None:
    it = bench(folder, FREE)
    first = it.ledger.begin(order(), POLICY.limits, quiet_s=1)
    for state in ("requested", "calling"):
        found = isolate(it, order(case_id="case-2"))
        assert found.outcome is Outcome.PENDING, state
        assert found.sentence.startswith(
            f"Another run is at the isolation of {HOSTNAME} ({first.intent_id}, "
        )
        first = it.ledger.calling(first) if state == "requested" else first
    assert it.edr.writes == []


def test_another_run_that_begins_a_moment_before_has_it(folder: Path) -> None:
    it = bench(folder, FREE)
    watched = failing(it.ledger)

    def before(name: str) -> None:
        if name == "begin":
            it.ledger.begin(order(case_id="case-2"), POLICY.limits, quiet_s=1)

    watched.before = before
    found = isolate(it, ledger=watched)
    assert found.outcome is Outcome.PENDING
    assert found.intent is not None
    assert found.intent.order.case_id == "case-2"
    assert it.edr.writes == []


def test_only_one_of_two_that_begin_at_once_calls(folder: Path) -> None:
    it = bench(folder, FREE)
    watched = failing(it.ledger)

    def before(name: str) -> None:
        if name == "calling":
            (mine,) = it.ledger.intents()
            it.ledger.calling(mine)

    watched.before = before
    found = isolate(it, ledger=watched)
    assert found.outcome is Outcome.PENDING
    assert it.edr.writes == []


def test_what_another_run_concluded_meanwhile_is_what_is_said(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    done: list[list[ContainmentResult]] = []

    def settle_first() -> IsolationState:
        if not done:
            done.append(settled(it))
        return ISOLATED

    it.edr.readings = [FREE, settle_first, ISOLATED]
    found = isolate(it)
    assert found.outcome is Outcome.ISOLATED
    assert found.intent == it.ledger.intents()[0]
    assert [each.event for each in it.ledger.audit()].count("intent_verified") == 1


# --- the ledger ------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["standing", "begin", "calling"])
def test_without_the_ledger_nothing_is_sent(folder: Path, call: str) -> None:
    it = bench(folder, FREE)
    found = isolate(it, ledger=failing(it.ledger, call))
    assert found.outcome is Outcome.NOT_SENT
    assert found.sentence == f"Nothing was sent to isolate {HOSTNAME}: the disk is full."
    assert it.edr.writes == []
    it.later(61)
    assert [each.outcome for each in settled(it)] == ([Outcome.NOT_SENT] if call == "calling" else [])


def test_what_the_ledger_could_not_note_is_not_claimed(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    found = isolate(it, ledger=failing(it.ledger, "move"))
    assert found.outcome is Outcome.UNKNOWN
    assert found.sentence == (
        f"scripted was called to isolate {HOSTNAME}, and the ledger could not note what came of it (the disk"
        " is full). Nothing is claimed. Last read: isolated (observed). Run `reconcile` once that works"
        " again: it reads the host's state and goes on with the order."
    )
    assert found.lease is None
    it.later(1)
    assert [each.outcome for each in settled(it)] == [Outcome.ISOLATED]
    assert len(it.edr.writes) == 1


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_ledger_that_comes_back_notes_it_after_all(folder: Path, times: int) -> None:
    it = bench(folder, FREE, ISOLATED)
    found = isolate(it, ledger=failing(it.ledger, "move", times=times))
    assert found.outcome is Outcome.ISOLATED
    assert found.intent is not None
    assert found.intent.action_id == "action-1", "the receipt is noted late, and not lost"


def test_a_refusal_that_cannot_be_noted_is_still_told(folder: Path) -> None:
    it = bench(folder, FREE, answer=Conflict(NAME, "busy"))
    found = isolate(it, ledger=failing(it.ledger, "move"))
    assert found.outcome is Outcome.FAILED
    assert found.sentence.endswith("The ledger could not note that (the disk is full).")
    it.later(3661)
    assert [each.outcome for each in settled(it)] == [Outcome.EXPIRED]


# --- reading fails ---------------------------------------------------------------------------


def test_a_failed_reading_is_read_again(folder: Path) -> None:
    it = bench(folder, FREE, UNREADABLE, AuthRejected(NAME, "expired"), BadResponse(NAME, "html"), ISOLATED)
    assert isolate(it).outcome is Outcome.ISOLATED


def test_unreadable_to_the_end_is_unknown(folder: Path) -> None:
    it = bench(folder, FREE, UNREADABLE)
    found = isolate(it)
    assert found.outcome is Outcome.UNKNOWN
    assert (
        "its state cannot be read (the service is away). scripted may still carry it out." in found.sentence
    )
    assert [each.outcome for each in settled(it)] == [Outcome.UNKNOWN]
    it.edr.readings = [ISOLATED]
    assert [each.outcome for each in settled(it)] == [Outcome.ISOLATED]


def test_a_vendor_that_asks_to_be_left_alone_is(folder: Path) -> None:
    it = bench(folder, FREE)
    it.edr.readings = [FREE, RateLimited(NAME, "quota", retry_at=it.soon(25)), ISOLATED]
    assert isolate(it).outcome is Outcome.ISOLATED
    assert it.clock.slept == [25]


def test_a_quota_that_lasts_beyond_the_deadline_is_not_asked_again(folder: Path) -> None:
    it = bench(folder, FREE)
    it.edr.readings = [FREE, RateLimited(NAME, "quota", retry_at=it.soon(600)), ISOLATED]
    found = isolate(it)
    assert found.outcome is Outcome.UNKNOWN
    assert it.clock.slept == [60]
    assert len(it.edr.read) == 2


# --- broken off ------------------------------------------------------------------------------


def test_ctrl_c_during_the_wait_leaves_what_can_be_settled(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATING)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolate_host(order(), it.tools._replace(sleep=interrupted), policy=POLICY, comment=COMMENT)
    (left,) = it.ledger.intents(active=True)
    assert left.state is IntentState.PENDING
    assert [each.outcome for each in settled(it)] == [Outcome.PENDING], "within its deadline: untouched"
    assert it.ledger.intents() == [left]
    it.edr.readings = [ISOLATING, ISOLATED]
    assert [each.outcome for each in settled(it, wait=True)] == [Outcome.ISOLATED]
    assert len(it.edr.writes) == 1


@pytest.mark.parametrize("where", ["call", "reading"])
def test_a_defect_leaves_it_unknown_and_is_raised(folder: Path, where: str) -> None:
    it = bench(folder, FREE, ZeroDivisionError("secret text"))
    if where == "call":
        it.edr.answer = ZeroDivisionError("secret text")
    with pytest.raises(ZeroDivisionError):
        isolate(it)
    (left,) = it.ledger.intents(active=True)
    assert left.state is IntentState.UNKNOWN
    assert left.detail == (
        f"Whether {HOSTNAME} is isolated is not known: scripted was called, and this program broke off"
        " (ZeroDivisionError)."
    )
    it.edr.readings = [FREE]
    assert [each.outcome for each in settled(it)] == [Outcome.UNKNOWN], "the deadline has not passed"
    it.later(3661)
    assert [each.outcome for each in settled(it)] == [Outcome.EXPIRED]
    assert len(it.edr.writes) == 1


# --- settling --------------------------------------------------------------------------------


def test_one_that_nobody_called_for_is_left_until_its_time_is_over(folder: Path) -> None:
    it = bench(folder, FREE)
    intent = it.ledger.begin(order(), POLICY.limits, quiet_s=1)
    it.later(59)
    assert [each.outcome for each in settled(it)] == [Outcome.PENDING]
    assert it.ledger.intents() == [intent]
    it.later(1)
    (found,) = settled(it)
    assert found.outcome is Outcome.NOT_SENT
    assert "the vendor was not called" in found.sentence
    assert it.edr.read == []
    it.edr.readings = [FREE, ISOLATED]
    assert isolate(it).outcome is Outcome.ISOLATED, "nothing was done, so the playbook may order it again"


def test_one_that_has_ended_is_told_as_it_ended(folder: Path) -> None:
    it = bench(folder, FREE)
    isolate(it)
    (ended,) = it.ledger.intents()
    before = len(it.edr.read)
    found = settle(ended, it.tools, policy=POLICY, wait=True)
    assert (found.outcome, found.sentence) == (Outcome.EXPIRED, ended.detail)
    assert len(it.edr.read) == before


def test_one_of_another_connector_is_left_alone(folder: Path) -> None:
    it = bench(folder, ISOLATED)
    intent = it.ledger.calling(it.ledger.begin(order(connector="defender"), POLICY.limits, quiet_s=1))
    it.later(3600)
    (found,) = settled(it)
    assert found.outcome is Outcome.PENDING
    assert found.sentence.endswith("It was sent through defender, and this is scripted.")
    assert it.ledger.intents() == [intent]
    assert it.edr.read == []


@pytest.mark.parametrize("called", [True, False])
def test_settling_without_a_ledger_claims_nothing(folder: Path, called: bool) -> None:
    it = bench(folder, ISOLATED)
    intent = it.ledger.begin(order(), POLICY.limits, quiet_s=1)
    intent = it.ledger.calling(intent) if called else intent
    it.later(61)
    broken = tools(it.edr, failing(it.ledger, "move"), it.clock)
    found = settle(intent, broken, policy=POLICY, wait=False)
    assert found.outcome is Outcome.UNKNOWN
    assert found.lease is None
    assert "the disk is full" in found.sentence
    assert it.ledger.intents() == [intent]


# --- whatever happens ------------------------------------------------------------------------

_STATUSES: st.SearchStrategy[Line] = st.tuples(st.sampled_from(IsolationState), st.sampled_from(HowKnown))
_FAILURES: st.SearchStrategy[Line] = st.sampled_from(
    [UNREADABLE, RateLimited(NAME, "quota"), BadResponse(NAME, "html"), KeyboardInterrupt(), ValueError()]
)
_ANSWERS = st.sampled_from([None, None, *LOST, *(each for each, _ in NOT_DONE), KeyboardInterrupt()])


@given(
    kind=st.sampled_from(IntentKind),
    readings=st.lists(_STATUSES | _FAILURES, min_size=1, max_size=8),
    answer=_ANSWERS,
    unusable=st.lists(st.booleans(), max_size=6),
    later=st.lists(_STATUSES | _FAILURES, min_size=1, max_size=3),
)
def test_whatever_happens_one_call_and_nothing_without_proof(
    kind: IntentKind, readings: list[Line], answer: Any, unusable: list[bool], later: list[Line]
) -> None:
    before = {IntentKind.ISOLATE: FREE, IntentKind.RELEASE: ISOLATED}[kind]
    with quick_folder() as folder:
        it = bench(folder, before, *readings, answer=answer)
        shaky = failing(it.ledger)
        plan = list(unusable)

        def before_move(name: str) -> None:
            if name == "move" and plan and plan.pop(0):
                raise LedgerUnusable("the disk is full")

        shaky.before = before_move
        wanted = order(kind, foreign=True, by="ann", by_person=True)
        try:
            result = _ordered(it, wanted, shaky)
        except (KeyboardInterrupt, ValueError):
            result = None
        _claims_only_what_was_read(it, result, wanted)
        it.later(wanted.deadline_s + 1)
        it.edr.readings = list(later)
        for left in it.ledger.intents(active=True):
            try:
                after: ContainmentResult | None = settle(left, it.tools, policy=POLICY, wait=True)
            except (KeyboardInterrupt, ValueError):
                it.edr.readings = [UNREADABLE]
                after = settle(left, it.tools, policy=POLICY, wait=True)
            _claims_only_what_was_read(it, after, wanted)
        assert len(it.edr.writes) <= 1
        assert not [each for each in it.ledger.intents() if each.state in OPEN_STATES]
        ours = [each for each in it.ledger.intents() if each.state is IntentState.VERIFIED]
        assert len(it.ledger.leases()) == (len(ours) if kind is IntentKind.ISOLATE else 0)


def _ordered(it: Bench, wanted: Order, ledger: Any) -> ContainmentResult:
    at_hand = tools(it.edr, ledger, it.clock)
    act = isolate_host if wanted.kind is IntentKind.ISOLATE else release_host
    return act(wanted, at_hand, policy=POLICY, comment=COMMENT)


def _claims_only_what_was_read(it: Bench, result: ContainmentResult | None, wanted: Order) -> None:
    """What is verified, in the ledger or in words, was proved by the last reading, after the call."""
    goal = {IntentKind.ISOLATE: ISOLATED, IntentKind.RELEASE: FREE}[wanted.kind]
    claimed = result is not None and result.outcome in (Outcome.ISOLATED, Outcome.RELEASED)
    verified = [each for each in it.ledger.intents() if each.state is IntentState.VERIFIED]
    assert bool(verified) >= claimed, "what is claimed is in the ledger"
    if verified:
        last = it.edr.after[-1]
        assert last is not None
        assert (last.state, last.how_known) in {(goal, HowKnown.OBSERVED), (goal, HowKnown.REPORTED)}
