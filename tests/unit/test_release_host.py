"""Releasing a host: ours or named, one call, proved; and a release that overtakes an isolation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.containment import ContainmentOutcome as Outcome
from actions.containment import ContainmentResult
from actions.isolate_host import isolate_host
from actions.release_host import follow_once, release_host, submit_release
from actions.settle_intent import settle
from connectors.errors import Conflict, NotSent, TimedOut, Transient
from connectors.facts.isolation import HowKnown
from connectors.facts.ledger import Intent, IntentKind, IntentState, Order
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


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as found:
        yield found


def isolated(folder: Path, *then: Line, **more: Any) -> Bench:
    """A host that is isolated by us, and what is read of it from then on."""
    it = bench(folder, FREE, ISOLATED)
    assert isolate_host(order(), it.tools, policy=POLICY, comment=COMMENT).outcome is Outcome.ISOLATED
    it.later(600)
    it.edr.readings = [ISOLATED, *then]
    it.edr.answer = more.get("answer")
    it.edr.writes.clear()
    it.edr.read.clear()
    it.clock.slept.clear()
    return it


def unknown(folder: Path, *then: Line) -> Bench:
    """A host whose isolation is queued and was given up waiting for."""
    it = bench(folder, FREE, ISOLATING)
    assert isolate_host(order(), it.tools, policy=POLICY, comment=COMMENT).outcome is Outcome.UNKNOWN
    it.later(600)
    it.edr.readings = list(then)
    it.edr.writes.clear()
    return it


def let_go(it: Bench, wanted: Order | None = None, *, ledger: Any = None) -> ContainmentResult:
    at_hand = tools(it.edr, ledger or it.ledger, it.clock)
    return release_host(wanted or release(), at_hand, policy=POLICY, comment=COMMENT)


# --- ours ------------------------------------------------------------------------------------


def test_released_is_said_only_after_it_was_read(folder: Path) -> None:
    it = isolated(folder, RELEASING, FREE)

    found = let_go(it)

    assert found.outcome is Outcome.RELEASED
    assert found.sentence == (
        f"{HOSTNAME} is released, and read as not isolated: its agent says so, read at 2026-11-24 08:10:01"
        " UTC. Ordered by ann."
    )
    assert found.intent is not None
    assert it.edr.writes == [(IntentKind.RELEASE, HOST_ID, COMMENT, found.intent.intent_id)]
    assert it.ledger.leases() == []
    (ended,) = it.ledger.leases(standing=False)
    assert ended.ended_by == "ann"


def test_accepted_and_never_released(folder: Path) -> None:
    it = isolated(folder, ISOLATED)
    found = let_go(it)
    assert found.outcome is Outcome.EXPIRED
    assert found.sentence.startswith(f"{HOSTNAME} is still isolated, read at ")
    assert len(it.ledger.leases()) == 1, "the isolation is still ours"


def test_an_isolation_that_ends_after_the_release_is_not_called_a_release(folder: Path) -> None:
    """As with Defender, where the one that ended last counts."""
    it = isolated(folder, RELEASING, ISOLATED)
    found = let_go(it)
    assert found.outcome is Outcome.FAILED
    assert found.sentence.startswith(f"{HOSTNAME} is still isolated, read at ")
    assert "the release was under way, and nothing is under way any more" in found.sentence
    assert len(it.ledger.leases()) == 1


def test_a_release_that_the_vendor_fails(folder: Path) -> None:
    it = isolated(folder, VENDOR_FAILED)
    found = let_go(it)
    assert (found.outcome, found.sentence) == (
        Outcome.FAILED,
        f"{HOSTNAME} was not released: scripted says that it failed.",
    )


def test_an_offline_host_is_released_when_it_comes_back(folder: Path) -> None:
    it = isolated(folder, RELEASING)
    found = let_go(it)
    assert found.outcome is Outcome.UNKNOWN
    assert f"Whether {HOSTNAME} is released is not known" in found.sentence
    assert let_go(it).outcome is Outcome.UNKNOWN, "no second release while one is open"
    it.later(3600)
    it.edr.readings = [FREE]
    (left,) = it.ledger.intents(active=True)
    later = settle(left, it.tools, policy=POLICY, wait=False)
    assert later.outcome is Outcome.RELEASED
    assert "only after the deadline of 60 s" in later.sentence
    assert (len(it.edr.writes), it.ledger.leases()) == (1, [])


@pytest.mark.parametrize("line", [(FREE, HowKnown.DESIRED), NOT_KNOWN])
def test_a_flag_proves_no_release(folder: Path, line: Line) -> None:
    it = isolated(folder, line)
    assert let_go(it).outcome is Outcome.UNKNOWN
    assert len(it.ledger.leases()) == 1


def test_a_lost_answer_is_made_up_for_by_reading(folder: Path) -> None:
    it = isolated(folder, ISOLATED, FREE, answer=TimedOut(NAME, "no answer"))
    found = let_go(it)
    assert found.outcome is Outcome.RELEASED
    assert "The answer to the call was lost (no answer)" in found.sentence
    assert len(it.edr.writes) == 1


def test_a_conflict_is_certainly_no_release(folder: Path) -> None:
    it = isolated(folder, ISOLATED, answer=Conflict(NAME, "busy"))
    found = let_go(it)
    assert found.outcome is Outcome.FAILED
    assert found.sentence == (
        f"{HOSTNAME} was not released: another action on the host is under way, and scripted did not take the"
        " order (busy)."
    )
    assert len(it.edr.writes) == 1


def test_what_the_connector_did_not_send_is_certainly_no_release(folder: Path) -> None:
    it = isolated(folder, ISOLATED, answer=NotSent(NAME, "what waits cannot be read"))
    found = let_go(it)
    assert found.outcome is Outcome.FAILED
    assert (it.clock.slept, len(it.ledger.leases())) == ([], 1)


def test_kill_switch_and_policy_stop_no_release(folder: Path) -> None:
    it = isolated(folder, FREE)
    it.ledger.set_kill_switch(on=True, by="ann", why="drill")
    found = release_host(
        release(), it.tools, policy=POLICY.model_copy(update={"kill_switch": True}), comment=COMMENT
    )
    assert found.outcome is Outcome.RELEASED


@pytest.mark.parametrize(
    "line", [(ISOLATED, HowKnown.DESIRED), (FREE, HowKnown.DESIRED), NOT_KNOWN, VENDOR_FAILED]
)
def test_ours_is_released_where_the_state_is_uncertain(folder: Path, line: Line) -> None:
    it = isolated(folder)
    it.edr.readings = [line, FREE]
    assert let_go(it).outcome is Outcome.RELEASED
    assert len(it.edr.writes) == 1


# --- nothing is sent -------------------------------------------------------------------------


def test_what_is_not_ours_is_left_unless_named(folder: Path) -> None:
    it = bench(folder, ISOLATED)
    found = let_go(it)
    assert found.outcome is Outcome.REFUSED
    assert "no isolation of ours stands on this host; name it to release it all the same" in found.sentence
    assert it.edr.writes == []
    it.edr.readings = [ISOLATED, FREE]
    assert let_go(it, release(foreign=True)).outcome is Outcome.RELEASED
    assert len(it.edr.writes) == 1


def test_the_lease_of_one_of_two_hosts_of_a_name_is_not_the_others(folder: Path) -> None:
    it = isolated(folder)
    found = let_go(it, release(host_id="agent-2"))
    assert found.outcome is Outcome.REFUSED
    assert it.edr.writes == []


@pytest.mark.parametrize("foreign", [False, True])
def test_a_host_that_is_not_isolated_needs_no_release(folder: Path, foreign: bool) -> None:
    it = bench(folder, FREE)
    found = let_go(it, release(foreign=foreign))
    assert found.outcome is Outcome.NOT_ISOLATED
    assert found.sentence == (
        f"{HOSTNAME} is not isolated; nothing was sent. Read as not isolated (observed)."
    )
    assert (it.edr.writes, it.ledger.intents()) == ([], [])


def test_one_that_somebody_else_released_ends_its_lease(folder: Path) -> None:
    it = isolated(folder)
    it.edr.readings = [FREE]
    found = let_go(it)
    assert found.outcome is Outcome.NOT_ISOLATED
    assert "Somebody else has released it; the lease of playbook is ended." in found.sentence
    assert (it.edr.writes, it.ledger.leases()) == ([], [])


def test_a_lease_that_cannot_be_ended_is_told(folder: Path) -> None:
    it = isolated(folder)
    it.edr.readings = [FREE]
    found = let_go(it, ledger=failing(it.ledger, "end_lease"))
    assert found.outcome is Outcome.NOT_ISOLATED
    assert found.sentence.endswith("The ledger still says otherwise: the disk is full.")
    assert "is ended" not in found.sentence


def test_a_release_of_somebody_else_is_waited_out(folder: Path) -> None:
    it = isolated(folder)
    it.edr.readings = [RELEASING]
    found = let_go(it)
    assert found.outcome is Outcome.NOT_SENT
    assert "another action on it is under way, releasing (observed)" in found.sentence
    assert it.edr.writes == []


def test_unreadable_or_without_a_ledger_nothing_is_sent(folder: Path) -> None:
    it = isolated(folder)
    for call in ("standing", "begin", "calling"):
        found = let_go(it, ledger=failing(it.ledger, call))
        assert (found.outcome, found.sentence) == (
            Outcome.NOT_SENT,
            f"Nothing was sent to release {HOSTNAME}: the disk is full.",
        )
    it.edr.readings = [Transient(NAME, "away")]
    assert "its state cannot be read (away)" in let_go(it).sentence
    assert it.edr.writes == []


def test_nothing_releases_by_itself(folder: Path) -> None:
    it = isolated(folder)
    found = let_go(it, release(by="playbook", by_person=False))
    assert found.outcome is Outcome.REFUSED
    assert found.sentence == f"Nothing was sent to release {HOSTNAME}: only a person releases a host."
    assert (it.edr.read, it.edr.writes) == ([], [])


def test_an_order_of_the_other_kind_is_a_mistake_of_the_caller(folder: Path) -> None:
    with pytest.raises(ValueError, match="not a release"):
        let_go(bench(folder, FREE), order())


# --- a release and an isolation --------------------------------------------------------------


def test_a_release_takes_the_place_of_an_isolation_of_unknown_outcome(folder: Path) -> None:
    it = unknown(folder, ISOLATING, ISOLATING, FREE)
    found = let_go(it, release(foreign=True))
    assert found.outcome is Outcome.RELEASED
    assert [each.state for each in it.ledger.intents()] == [IntentState.FAILED, IntentState.VERIFIED]
    assert it.ledger.intents()[0].detail == "a release took its place"
    assert [each.kind for each in it.edr.writes] == [IntentKind.RELEASE]


def test_a_release_that_overtook_and_is_overtaken_again_claims_nothing(folder: Path) -> None:
    """The queued isolation is carried out after the release was."""
    it = unknown(folder, ISOLATING, RELEASING, ISOLATED)
    found = let_go(it, release(foreign=True))
    assert found.outcome is Outcome.FAILED
    assert "is still isolated" in found.sentence
    (left,) = it.ledger.intents(active=True)
    assert f"The outcome of the isolation of {HOSTNAME} ({left.intent_id}" in found.sentence
    assert settle(left, it.tools, policy=POLICY, wait=False).outcome is Outcome.ISOLATED
    assert [each.intent_id for each in it.ledger.leases()] == [left.intent_id]


def test_a_vendor_that_refuses_the_release_still_holds_the_isolation(folder: Path) -> None:
    """As Defender and Elastic do, where the isolation waits for the agent."""
    it = unknown(folder, ISOLATING)
    (before,) = it.ledger.intents()
    it.edr.answer = Conflict(NAME, "an isolation already waits for the agent")

    found = let_go(it)

    assert found.outcome is Outcome.FAILED
    assert found.sentence.startswith(f"{HOSTNAME} was not released: another action on the host is under way")
    assert f"The outcome of the isolation of {HOSTNAME} ({before.intent_id}" in found.sentence
    (left,) = it.ledger.intents(active=True)
    assert (left.intent_id, left.state) == (before.intent_id, IntentState.UNKNOWN)
    again = isolate_host(order(by="ann", by_person=True), it.tools, policy=POLICY, comment=COMMENT)
    assert again.outcome is Outcome.UNKNOWN, "the host stays closed"
    it.edr.readings, it.edr.answer = [ISOLATED], None
    assert settle(left, it.tools, policy=POLICY, wait=False).outcome is Outcome.ISOLATED
    assert [each.intent_id for each in it.ledger.leases()] == [before.intent_id]


def test_a_release_of_unknown_outcome_keeps_the_isolation_too(folder: Path) -> None:
    it = unknown(folder, ISOLATING)
    found = let_go(it)
    assert found.outcome is Outcome.UNKNOWN
    assert "has an isolation under way" in found.sentence
    isolation, release_ = it.ledger.intents(active=True)
    assert isolation.superseded_by == release_.intent_id
    it.edr.readings = [FREE]
    assert settle(release_, it.tools, policy=POLICY, wait=False).outcome is Outcome.RELEASED
    late = settle(isolation, it.tools, policy=POLICY, wait=False)
    assert late.outcome is Outcome.FAILED, "as the ledger says: a release took its place"
    assert it.ledger.leases() == []


@pytest.mark.parametrize("beside", [ISOLATING, NOT_KNOWN, Transient(NAME, "away")])
def test_a_release_is_not_proved_by_itself_while_an_isolation_may_be_queued(
    folder: Path, beside: Line
) -> None:
    """The vendor tells of the release by its receipt, and of the isolation only without one."""
    it = unknown(folder, ISOLATING)
    receipts = it.edr.read

    def told() -> Any:
        free = len(receipts) < 2 or receipts[-1] is not None
        return FREE if free and it.edr.writes else ISOLATING if not it.edr.writes else beside

    it.edr.readings = [told]
    found = let_go(it)
    assert found.outcome is Outcome.UNKNOWN
    assert len(it.ledger.intents(active=True)) == 2
    it.edr.readings = [FREE]
    left = it.ledger.standing(order().host).intent
    assert left is not None
    assert settle(left, it.tools, policy=POLICY, wait=False).outcome is Outcome.RELEASED
    assert it.ledger.intents(active=True) == []


def test_one_of_unknown_outcome_that_turns_out_undone_needs_no_release(folder: Path) -> None:
    it = unknown(folder, FREE)
    found = let_go(it, release(foreign=True))
    assert found.outcome is Outcome.NOT_ISOLATED
    assert "shows nothing under way" in found.sentence
    assert it.edr.writes == []
    assert [each.state for each in it.ledger.intents()] == [IntentState.EXPIRED]


def test_one_of_unknown_outcome_that_cannot_be_settled_is_released_all_the_same(folder: Path) -> None:
    it = unknown(folder, FREE, Transient(NAME, "away"), FREE)
    found = let_go(it, release(foreign=True))
    assert found.outcome is Outcome.RELEASED
    assert len(it.edr.writes) == 1


def test_an_isolation_at_work_is_waited_for(folder: Path) -> None:
    it = bench(folder, ISOLATING)
    it.ledger.calling(it.ledger.begin(order(), POLICY.limits, quiet_s=1))
    found = let_go(it, release(foreign=True))
    assert found.outcome is Outcome.PENDING
    assert "Another run is at the isolation of" in found.sentence
    assert it.edr.writes == []


def test_nothing_is_isolated_while_its_release_is_open(folder: Path) -> None:
    it = isolated(folder, RELEASING)
    let_go(it)
    found = isolate_host(order(by="bob", by_person=True), it.tools, policy=POLICY, comment=COMMENT)
    assert found.outcome is Outcome.UNKNOWN
    assert "The outcome of the release of" in found.sentence
    assert len(it.edr.writes) == 1


# --- in two halves ---------------------------------------------------------------------------


def test_a_wave_sends_first_and_reads_later(folder: Path) -> None:
    it = isolated(folder, RELEASING, Transient(NAME, "away"), FREE)
    sent = submit_release(release(), it.tools, policy=POLICY, comment=COMMENT)
    assert isinstance(sent, Intent)
    assert (sent.state, it.clock.slept) == (IntentState.ACCEPTED, [])
    assert follow_once(sent, it.tools, policy=POLICY) is None
    assert follow_once(sent, it.tools, policy=POLICY) is None
    found = follow_once(sent, it.tools, policy=POLICY)
    assert found is not None
    assert found.outcome is Outcome.RELEASED
    assert [each.action_id for each in it.edr.read[-3:] if each] == ["action-1"] * 3
    again = follow_once(sent, it.tools, policy=POLICY)
    assert again is not None
    assert again.outcome is Outcome.RELEASED, "as the ledger says"
    assert len(it.edr.writes) == 1


def test_a_wave_ends_one_at_its_deadline(folder: Path) -> None:
    it = isolated(folder, RELEASING)
    sent = submit_release(release(), it.tools, policy=POLICY, comment=COMMENT)
    assert isinstance(sent, Intent)
    it.later(60)
    found = follow_once(sent, it.tools, policy=POLICY)
    assert found is not None
    assert found.outcome is Outcome.UNKNOWN
    it.edr.readings = [FREE]
    (left,) = it.ledger.intents(active=True)
    ended = follow_once(left, it.tools, policy=POLICY)
    assert ended is not None
    assert ended.outcome is Outcome.RELEASED


def test_a_wave_gets_the_result_where_nothing_was_sent(folder: Path) -> None:
    it = bench(folder, FREE)
    found = submit_release(release(), it.tools, policy=POLICY, comment=COMMENT)
    assert isinstance(found, ContainmentResult)
    assert found.outcome is Outcome.NOT_ISOLATED


def test_a_list_that_lags_does_not_end_the_lease(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    assert isolate_host(order(), it.tools, policy=POLICY, comment=COMMENT).outcome is Outcome.ISOLATED
    it.edr.writes.clear()
    it.edr.readings = [FREE, RELEASING, FREE]

    found = let_go(it)

    assert found.outcome is Outcome.RELEASED
    assert [each.kind for each in it.edr.writes] == [IntentKind.RELEASE], "the vendor was asked all the same"


def test_a_record_that_lags_does_not_prove_a_release(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    assert isolate_host(order(), it.tools, policy=POLICY, comment=COMMENT).outcome is Outcome.ISOLATED
    it.edr.readings = [FREE, FREE, FREE, ISOLATED]

    found = let_go(it)

    assert found.outcome is Outcome.EXPIRED, "the host was free in a record of before, and is still isolated"
    assert [each.intent_id for each in it.ledger.leases()], "its lease stands"


def test_a_record_that_stays_young_is_believed_only_when_it_is_old_enough(folder: Path) -> None:
    it = bench(folder, FREE, ISOLATED)
    assert isolate_host(order(), it.tools, policy=POLICY, comment=COMMENT).outcome is Outcome.ISOLATED
    it.edr.readings = [FREE]
    assert let_go(it).outcome is Outcome.UNKNOWN
    assert it.ledger.leases()
    it.later(300)
    (left,) = it.ledger.intents(active=True)
    assert settle(left, it.tools, policy=POLICY, wait=False).outcome is Outcome.RELEASED
    assert not it.ledger.leases()
