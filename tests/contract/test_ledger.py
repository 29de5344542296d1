"""What every ledger keeps to, whatever it is stored in. Another implementation is one line in LEDGERS."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.ledger import (
    ACTIVE_STATES,
    NEXT_STATES,
    ApprovalState,
    CapLimits,
    HostKey,
    Intent,
    IntentKind,
    IntentState,
    Order,
    Standing,
)
from connectors.state import audit
from connectors.state.ledger import Ledger, LedgerUnusable, Refused, Stale, Why
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.http_clients import Clock
from tests.ledger_builders import (
    DAY_S,
    HOST,
    HOUR_S,
    LEASE_S,
    WIDE,
    begun,
    called,
    ended,
    isolated,
    order,
    question,
    release,
)

type Opened = Callable[[], Ledger]

OTHER = HostKey("defender", "agent-2")
ENDED = sorted(frozenset(IntentState) - ACTIVE_STATES)

#: Name of an implementation -> a ledger over what is stored in a folder; opened twice, it is the same ledger.
LEDGERS: dict[str, Callable[[Path, Callable[[], datetime]], Ledger]] = {
    "sqlite": lambda folder, clock: SqliteLedger(folder / "state" / FILE_NAME, clock=clock),
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(LEDGERS))
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Opened:
    return lambda: LEDGERS[request.param](tmp_path, clock)


@pytest.fixture
def ledger(opened: Opened) -> Ledger:
    return opened()


@pytest.fixture(autouse=True)
def _audit_is_whole(ledger: Ledger) -> Any:
    """Whatever a test did, the audit is an unbroken chain up to its head."""
    yield
    verdict = audit.verify(ledger.audit(), head=ledger.head())
    assert verdict.ok, verdict.problem
    assert verdict.head == ledger.head()


def why_refused(
    ledger: Ledger, wanted: Order, *, caps: CapLimits = WIDE, quiet_s: float = DAY_S
) -> Why | None:
    """Why an order is refused; None where it is taken. A refusal changes nothing but the audit."""
    before, intents, approvals = ledger.head(), ledger.intents(), ledger.approvals()
    try:
        ledger.begin(wanted, caps, quiet_s=quiet_s)
    except Refused as refused:
        why = refused.why
    else:
        return None
    assert (ledger.intents(), ledger.approvals()) == (intents, approvals)
    (line,) = ledger.audit(after=before.number)
    assert f'"why":"{why.value}"' in line.data
    assert line.event == f"{wanted.kind.value}_refused"
    return why


def events(ledger: Ledger, *, after: int = 0) -> list[str]:
    return [line.event for line in ledger.audit(after=after)]


# --- one order from its start to its end -----------------------------------------------------


def test_an_empty_ledger_knows_nothing(ledger: Ledger) -> None:
    standing = ledger.standing(HOST, run_id="run-1", site="hq")
    assert standing == Standing(in_run=0, in_hour=0, in_day=0, at_site_in_day=0)
    assert ledger.head() == audit.verify([]).head
    assert (ledger.intents(), ledger.leases(standing=None), ledger.approvals()) == ([], [], [])
    assert ledger.intent("iso-none") is None
    assert ledger.answer("ask-none", approve=True, by="ann", why="") is None


def test_an_isolation_from_order_to_lease(opened: Opened, clock: Clock) -> None:
    ledger = opened()
    first = begun(ledger)
    assert (first.state, first.called_at, first.requested_at) == (IntentState.REQUESTED, None, clock.now)
    clock.advance(1)
    calling = ledger.calling(first)
    assert (calling.called_at, calling.state) == (clock.now, IntentState.REQUESTED)
    clock.advance(1)
    accepted = ledger.move(
        calling, IntentState.ACCEPTED, detail="taken", by="playbook", action_id="m-1", accepted_at=clock.now
    )
    clock.advance(1)
    pending = ledger.move(accepted, IntentState.PENDING, detail="queued", by="playbook")
    assert (pending.action_id, pending.accepted_at) == ("m-1", accepted.accepted_at)
    clock.advance(1)
    verified = ledger.move(pending, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=LEASE_S)
    assert (verified.changed_at, verified.detail, verified.active) == (clock.now, "seen", False)
    versions = [intent.version for intent in (first, calling, accepted, pending, verified)]
    assert versions == sorted(set(versions))
    again = opened()  # as another process reads it
    assert again.intent(first.intent_id) == verified
    (lease,) = again.leases()
    assert (lease.intent_id, lease.owner, lease.host) == (first.intent_id, "playbook", HOST)
    assert (lease.began_at, lease.review_by) == (clock.now, clock.now + timedelta(seconds=LEASE_S))
    assert again.standing(HOST).lease == lease
    assert again.standing(OTHER).lease is None
    assert events(again) == [
        "intent_requested", "intent_calling", "intent_accepted", "intent_pending", "intent_verified",
        "lease_began",
    ]  # fmt: skip


def test_a_release_ends_the_lease(ledger: Ledger, clock: Clock) -> None:
    isolated(ledger)
    clock.advance(60)
    isolated(ledger, release(by="ann"))
    assert ledger.leases() == []
    (lease,) = ledger.leases(standing=False)
    assert (lease.ended_at, lease.ended_by) == (clock.now, "ann")
    standing = ledger.standing(HOST)
    assert (standing.last_release_at, standing.last_release_by) == (clock.now, "ann")


def test_ids_are_random_and_say_what_they_are_of(ledger: Ledger) -> None:
    ids = [
        begun(ledger).intent_id,
        begun(ledger, order(host=OTHER)).intent_id,
        begun(ledger, release(host=HostKey("defender", "agent-3"), foreign=True)).intent_id,
        ledger.ask(question())[0].approval_id,
    ]
    assert len(set(ids)) == len(ids)
    for intent_id, prefix in zip(ids, ("iso", "iso", "rel", "ask"), strict=True):
        assert re.fullmatch(prefix + r"-[0-9a-f]{32}", intent_id)


def test_lists_are_in_order_and_filtered(ledger: Ledger, clock: Clock) -> None:
    first = isolated(ledger, order(run_id="run-a"))
    clock.advance(-HOUR_S)  # the order is of writing, not of the clock
    second = begun(ledger, order(host=OTHER, run_id="run-b"))
    assert ledger.intents() == [first, second]
    assert ledger.intents(active=True) == [second]
    assert ledger.intents(active=False) == [first]
    assert ledger.intents(host=HOST) == [first]
    assert ledger.intents(run_id="run-b") == [second]
    assert ledger.intents(active=True, run_id="run-a") == []
    assert [lease.run_id for lease in ledger.leases(run_id="run-a")] == ["run-a"]
    assert ledger.leases(run_id="run-b") == []


def test_text_from_outside_is_kept_as_far_as_it_can_be(ledger: Ledger) -> None:
    evil = "\x1b[31m<script>\x00 ünï\udce4 "
    intent = begun(ledger, order(reason=evil + "x" * 10_000, hostname=evil))
    assert intent.order.hostname == evil.replace("\udce4", "")
    assert intent.order.reason.startswith(evil.replace("\udce4", ""))
    assert len(intent.order.reason) == 4_000
    assert ledger.intents() == [intent]
    moved = ledger.move(intent, IntentState.FAILED, detail=evil * 1_000, by=evil, action_id="")
    assert len(moved.detail) <= 4_000
    asked, _ = ledger.ask(question(evidence=evil, hostname=evil))
    assert ledger.answer(asked.approval_id, approve=True, by=evil, why=evil) is not None
    ledger.set_kill_switch(on=True, by=evil, why=evil)
    ledger.note("stray_found", subject=evil, by=evil, data={evil: evil})
    assert ledger.kill_switch().why == evil.replace("\udce4", "")


@pytest.mark.parametrize("field", ["case_id", "run_id", "site", "approval_id"])
def test_an_id_that_is_no_text_is_refused_rather_than_changed(field: str, ledger: Ledger) -> None:
    with pytest.raises(LedgerUnusable, match="not valid text"):
        begun(ledger, order().model_copy(update={field: "a\udc00"}))
    with pytest.raises(LedgerUnusable, match="not valid text"):
        begun(ledger, order().model_copy(update={"host_id": "a\udc00"}))
    assert ledger.intents() == []


# --- one active intent a host ----------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(IntentState))
@pytest.mark.parametrize("kind", sorted(IntentKind))
def test_a_host_takes_one_order_at_a_time(kind: IntentKind, state: IntentState, ledger: Ledger) -> None:
    if kind is IntentKind.RELEASE:
        isolated(ledger)
    wanted = order(kind)
    intent = called(ledger, wanted)
    if state is not IntentState.REQUESTED:
        intent = ledger.move(intent, state, detail="", by="playbook", lease_s=LEASE_S)
    for other in (order(case_id="case-2", run_id="run-2", by_person=True), order(by_person=True)):
        why = why_refused(ledger, other)
        if state in ACTIVE_STATES:
            assert why is Why.ACTIVE_INTENT
            assert ledger.standing(HOST).intent == intent
    assert len(ledger.intents(active=True, host=HOST)) <= 1
    assert why_refused(ledger, order(host=OTHER)) is None


def test_a_refusal_names_the_intent_that_is_at_it(ledger: Ledger) -> None:
    intent = begun(ledger)
    with pytest.raises(Refused, match=intent.intent_id) as refused:
        begun(ledger)
    assert refused.value.intent == intent


def test_the_same_id_at_another_connector_is_another_host(ledger: Ledger) -> None:
    begun(ledger)
    assert why_refused(ledger, order(host=HostKey("crowdstrike", HOST.host_id))) is None


def test_a_host_that_we_isolated_is_not_isolated_again(ledger: Ledger) -> None:
    isolated(ledger)
    assert why_refused(ledger, order(by_person=True)) is Why.ACTIVE_LEASE


# --- only one may call, once -----------------------------------------------------------------


def test_only_the_first_may_call(opened: Opened) -> None:
    ledger = opened()
    intent = begun(ledger)
    won = ledger.calling(intent)
    for stale in (intent, won):
        with pytest.raises(Stale) as lost:
            opened().calling(stale)
        assert lost.value.intent == won
    assert events(ledger).count("intent_calling") == 1


def test_an_intent_that_has_ended_is_not_called(ledger: Ledger) -> None:
    intent = begun(ledger)
    failed = ledger.move(intent, IntentState.FAILED, detail="the vendor was not called", by="settle")
    for given in (intent, failed):
        with pytest.raises(Stale):
            ledger.calling(given)


def test_a_kill_switch_between_order_and_call_stops_the_call(ledger: Ledger) -> None:
    intent = begun(ledger)
    ledger.set_kill_switch(on=True, by="ann", why="wrong hosts")
    with pytest.raises(Refused, match="ann: wrong hosts") as refused:
        ledger.calling(intent)
    assert refused.value.why is Why.KILL_SWITCH
    stopped = ledger.intent(intent.intent_id)
    assert stopped is not None
    assert (stopped.state, stopped.called_at) == (IntentState.FAILED, None)
    standing = ledger.standing(HOST, run_id="run-1")
    assert (standing.in_run, standing.in_day, standing.last_fruitless_at) == (0, 0, None)
    assert ledger.breaker().failures == 0
    with pytest.raises(Stale):
        ledger.calling(intent)


def test_an_intent_of_another_ledger_is_not_called(ledger: Ledger) -> None:
    intent = begun(ledger)
    foreign = intent.model_copy(update={"intent_id": "iso-of-another-file"})
    for use in (ledger.calling, lambda it: ledger.move(it, IntentState.FAILED, detail="", by="x")):
        with pytest.raises(LedgerUnusable, match="iso-of-another-file"):
            use(foreign)


# --- states ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(IntentState))
def test_only_listed_states_follow(state: IntentState, ledger: Ledger) -> None:
    intent = called(ledger)
    if state is not IntentState.REQUESTED:
        intent = ledger.move(intent, state, detail="", by="playbook", lease_s=LEASE_S)
    head = ledger.head()
    for wanted in sorted(frozenset(IntentState) - NEXT_STATES[state]):
        with pytest.raises(ValueError, match="cannot follow"):
            ledger.move(intent, wanted, detail="", by="playbook", lease_s=LEASE_S)
    assert (ledger.intent(intent.intent_id), ledger.head()) == (intent, head)


@pytest.mark.parametrize("state", [IntentState.ACCEPTED, IntentState.PENDING, IntentState.VERIFIED])
def test_nothing_is_proved_of_what_was_never_called_for(state: IntentState, ledger: Ledger) -> None:
    intent = begun(ledger)
    with pytest.raises(ValueError, match="was not called"):
        ledger.move(intent, state, detail="", by="playbook", lease_s=LEASE_S)
    assert ledger.intents() == [intent]


@pytest.mark.parametrize("lease_s", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_a_verified_isolation_needs_a_lease(lease_s: float | None, ledger: Ledger) -> None:
    intent = called(ledger)
    with pytest.raises(ValueError, match="lease_s"):
        ledger.move(intent, IntentState.VERIFIED, detail="", by="playbook", lease_s=lease_s)
    assert (ledger.intents(), ledger.leases(standing=None)) == ([intent], [])


def test_a_change_from_an_old_reading_is_refused(ledger: Ledger) -> None:
    old = called(ledger)
    new = ledger.move(old, IntentState.PENDING, detail="queued", by="run-2")
    head = ledger.head()
    with pytest.raises(Stale, match="pending") as stale:
        ledger.move(old, IntentState.FAILED, detail="", by="playbook")
    assert stale.value.intent == new
    assert ledger.head() == head


# --- caps ------------------------------------------------------------------------------------

CAPS = [
    (Why.CAP_PER_RUN, "per_run", order(site="hq")),
    (Why.CAP_PER_HOUR, "per_hour", order(run_id="run-2")),
    (Why.CAP_PER_DAY, "per_day", order(run_id="run-2")),
    (Why.CAP_PER_SITE, "per_site_per_day", order(run_id="run-2", site="HQ")),
]


def hosts(number: int) -> list[HostKey]:
    return [HostKey("defender", f"agent-{each}") for each in range(number)]


@pytest.mark.parametrize(("why", "cap", "one_more"), CAPS)
def test_a_cap_is_exact(why: Why, cap: str, one_more: Order, ledger: Ledger) -> None:
    caps = WIDE.model_copy(update={cap: 3})
    for host in hosts(3):
        begun(ledger, order(host=host, site="hq"), caps=caps)
    for by_person in (False, True):
        wanted = one_more.model_copy(update={"host_id": "agent-9", "by_person": by_person})
        assert why_refused(ledger, wanted, caps=caps) is why
    assert why_refused(ledger, wanted, caps=WIDE.model_copy(update={cap: 4})) is None


@pytest.mark.parametrize(("why", "cap"), [each[:2] for each in CAPS[:3]])
def test_a_cap_that_is_not_set_refuses(why: Why, cap: str, ledger: Ledger) -> None:
    assert why_refused(ledger, order(), caps=WIDE.model_copy(update={cap: None})) is why


def test_another_run_or_site_has_a_cap_of_its_own(ledger: Ledger) -> None:
    caps = WIDE.model_copy(update={"per_run": 1, "per_site_per_day": 1})
    begun(ledger, order(site="hq"), caps=caps)
    assert why_refused(ledger, order(host=OTHER, run_id="run-2", site="north"), caps=caps) is None


def test_what_was_certainly_not_done_does_not_count(ledger: Ledger) -> None:
    for host in hosts(4):
        intent = begun(ledger, order(host=host), caps=WIDE.model_copy(update={"per_run": 1}))
        ledger.move(intent, IntentState.FAILED, detail="the vendor was not called", by="playbook")


@pytest.mark.parametrize("state", ENDED)
def test_what_may_have_been_done_counts(state: IntentState, ledger: Ledger) -> None:
    ended(ledger, state)
    caps = WIDE.model_copy(update={"per_run": 1})
    assert why_refused(ledger, order(host=OTHER), caps=caps) is Why.CAP_PER_RUN


@pytest.mark.parametrize(("cap", "window_s"), [("per_hour", HOUR_S), ("per_day", DAY_S)])
def test_a_window_ends_on_the_second(cap: str, window_s: float, ledger: Ledger, clock: Clock) -> None:
    caps = WIDE.model_copy(update={cap: 1})
    isolated(ledger)
    clock.advance(window_s - 0.000001)
    assert why_refused(ledger, order(host=OTHER), caps=caps) is Why(f"cap_{cap}")
    clock.advance(0.000001)
    assert why_refused(ledger, order(host=OTHER), caps=caps) is None


@pytest.mark.parametrize("back_s", [1.0, HOUR_S, 400 * DAY_S])
def test_a_clock_that_was_set_back_opens_no_cap(back_s: float, ledger: Ledger, clock: Clock) -> None:
    caps = WIDE.model_copy(update={"per_hour": 1})
    isolated(ledger)
    clock.advance(-back_s)
    assert why_refused(ledger, order(host=OTHER, run_id="run-2"), caps=caps) is Why.CAP_PER_HOUR


def test_releases_count_for_nothing(ledger: Ledger) -> None:
    for host in hosts(3):
        isolated(ledger, release(host=host, foreign=True))
    none = CapLimits(per_run=None, per_hour=None, per_day=None)
    assert why_refused(ledger, release(host=HOST, foreign=True), caps=none) is None
    assert ledger.standing(HOST, run_id="run-1").in_run == 0


# --- hosts that are left to people -----------------------------------------------------------


@pytest.mark.parametrize("state", [IntentState.FAILED, IntentState.EXPIRED])
def test_after_a_fruitless_isolation_only_a_person_orders(
    state: IntentState, ledger: Ledger, clock: Clock
) -> None:
    ended(ledger, state)
    assert ledger.standing(HOST).last_fruitless_at == clock.now
    clock.advance(DAY_S - 1)
    assert why_refused(ledger, order()) is Why.FRUITLESS
    assert why_refused(ledger, order(), quiet_s=HOUR_S) is None


@pytest.mark.parametrize("by_vendor", [False, True])
def test_after_a_release_only_a_person_orders(by_vendor: bool, ledger: Ledger, clock: Clock) -> None:
    isolated(ledger)
    if by_vendor:
        (lease,) = ledger.leases()
        ledger.end_lease(lease, by="reconcile", why="found released")
    else:
        isolated(ledger, release())
    clock.advance(DAY_S - 1)
    assert why_refused(ledger, order()) is Why.RELEASED_RECENTLY
    clock.advance(-2 * DAY_S)  # a release in the future is a recent one
    assert why_refused(ledger, order()) is Why.RELEASED_RECENTLY
    assert why_refused(ledger, order(by="ann", by_person=True)) is None


def test_the_last_release_is_the_one_that_counts(ledger: Ledger, clock: Clock) -> None:
    isolated(ledger)
    isolated(ledger, release(by="ann"))
    clock.advance(DAY_S)
    isolated(ledger, release(by="bob", foreign=True))
    standing = ledger.standing(HOST)
    assert (standing.last_release_at, standing.last_release_by) == (clock.now, "bob")


def test_the_quiet_time_ends(ledger: Ledger, clock: Clock) -> None:
    ended(ledger, IntentState.EXPIRED)
    isolated(ledger, release(foreign=True))
    clock.advance(DAY_S)
    assert why_refused(ledger, order()) is None


def test_an_order_that_never_reached_the_vendor_is_not_fruitless(ledger: Ledger) -> None:
    ledger.move(begun(ledger), IntentState.FAILED, detail="the vendor was not called", by="playbook")
    assert why_refused(ledger, order()) is None


# --- releases --------------------------------------------------------------------------------


def test_what_is_not_ours_is_released_only_when_named(ledger: Ledger) -> None:
    assert why_refused(ledger, release()) is Why.NOT_OURS
    assert why_refused(ledger, release(foreign=True)) is None


def test_nothing_but_an_order_under_way_stops_a_release(ledger: Ledger) -> None:
    isolated(ledger)
    for host in hosts(5)[2:]:
        ended(ledger, IntentState.FAILED, order(host=host))
    ledger.set_kill_switch(on=True, by="ann", why="stop")
    assert ledger.breaker().open
    intent = begun(ledger, release(), caps=CapLimits(per_run=None, per_hour=None, per_day=None))
    assert ledger.calling(intent).called_at is not None
    assert why_refused(ledger, release()) is Why.ACTIVE_INTENT


def over_an_unknown_isolation(ledger: Ledger) -> tuple[Intent, Intent]:
    """An isolation of unknown outcome, and a release of the host that was called for."""
    unknown = ended(ledger, IntentState.UNKNOWN)
    over = called(ledger, release())
    beside = ledger.intent(unknown.intent_id)
    assert beside is not None
    return beside, over


def closed(ledger: Ledger) -> bool:
    return why_refused(ledger, order(by_person=True, by="ann")) is Why.ACTIVE_INTENT


def test_a_release_by_a_person_stands_beside_an_unknown_isolation(opened: Opened) -> None:
    ledger = opened()
    unknown = ended(ledger, IntentState.UNKNOWN)
    assert why_refused(ledger, release(by_person=False)) is Why.ACTIVE_INTENT
    assert ledger.intents() == [unknown]
    over = begun(ledger, release())
    beside, second = opened().intents(active=True)
    assert (beside.state, beside.superseded_by, second) == (IntentState.UNKNOWN, over.intent_id, over)
    assert beside.detail == unknown.detail
    assert ledger.standing(HOST).intent == over
    assert ledger.standing(HOST, run_id="run-1").in_run == 1
    assert closed(ledger)
    assert why_refused(ledger, release()) is Why.ACTIVE_INTENT
    with pytest.raises(Stale):
        ledger.move(unknown, IntentState.VERIFIED, detail="", by="playbook", lease_s=LEASE_S)


def test_a_verified_release_takes_the_place_of_the_isolation(ledger: Ledger) -> None:
    beside, over = over_an_unknown_isolation(ledger)
    ledger.move(over, IntentState.VERIFIED, detail="seen", by="ann")
    given_up = ledger.intent(beside.intent_id)
    assert given_up is not None
    assert (given_up.state, given_up.detail, given_up.superseded_by) == (
        IntentState.FAILED, "a release took its place", over.intent_id,
    )  # fmt: skip
    assert (ledger.intents(active=True), ledger.leases()) == ([], [])
    assert ledger.breaker().failures == 1  # counted once, when it became unknown
    assert events(ledger)[-3:] == ["intent_calling", "intent_verified", "intent_failed"]


@pytest.mark.parametrize("state", [IntentState.FAILED, IntentState.EXPIRED])
@pytest.mark.parametrize("by_way_of_unknown", [False, True])
def test_after_a_release_that_came_to_nothing_the_isolation_is_unknown_again(
    state: IntentState, by_way_of_unknown: bool, opened: Opened
) -> None:
    ledger = opened()
    beside, over = over_an_unknown_isolation(ledger)
    if by_way_of_unknown:
        over = ledger.move(over, IntentState.UNKNOWN, detail="lost", by="ann")
        assert ledger.intents(active=True) == [beside, over]
        assert closed(ledger)
    ledger.move(over, state, detail="the vendor refused", by="ann")
    (again,) = opened().intents(active=True)
    assert (again.intent_id, again.state, again.superseded_by) == (
        beside.intent_id, IntentState.UNKNOWN, "",
    )  # fmt: skip
    assert ledger.standing(HOST).intent == again
    assert events(ledger)[-1] == "intent_unknown_again"
    assert closed(ledger)
    assert ledger.breaker().failures == 1
    second = called(ledger, release())
    ledger.move(second, IntentState.VERIFIED, detail="seen", by="ann")
    assert ledger.intents(active=True) == []


def test_a_release_that_was_never_called_for_leaves_the_isolation_unknown(ledger: Ledger) -> None:
    unknown = ended(ledger, IntentState.UNKNOWN)
    ledger.move(begun(ledger, release()), IntentState.FAILED, detail="the vendor was not called", by="settle")
    (again,) = ledger.intents(active=True)
    assert (again.intent_id, again.superseded_by) == (unknown.intent_id, "")


@pytest.mark.parametrize("end", [IntentState.VERIFIED, IntentState.FAILED, IntentState.EXPIRED])
def test_a_reading_settles_the_isolation_beside_its_release(end: IntentState, ledger: Ledger) -> None:
    beside, over = over_an_unknown_isolation(ledger)
    settled = ledger.move(beside, end, detail="as read", by="settle", lease_s=LEASE_S)
    assert (settled.state, settled.superseded_by) == (end, "")
    assert len(ledger.leases()) == (end is IntentState.VERIFIED)
    assert ledger.standing(HOST).intent == over
    assert closed(ledger)
    ledger.move(over, IntentState.VERIFIED, detail="seen", by="ann")
    assert (ledger.leases(), ledger.intents(active=True)) == ([], [])
    assert ledger.intent(beside.intent_id) == settled


def test_a_release_does_not_take_the_place_of_a_release(ledger: Ledger) -> None:
    ended(ledger, IntentState.UNKNOWN, release(foreign=True))
    assert why_refused(ledger, release(foreign=True)) is Why.ACTIVE_INTENT


# --- leases ----------------------------------------------------------------------------------


def test_a_lease_is_extended_and_ended(ledger: Ledger, clock: Clock) -> None:
    isolated(ledger)
    (lease,) = ledger.leases()
    later = lease.review_by + timedelta(hours=1)
    longer = ledger.extend_lease(lease, review_by=later, by="ann", why="still looking")
    assert longer.review_by == later
    assert ledger.leases() == [longer]
    with pytest.raises(ValueError, match="later"):
        ledger.extend_lease(lease, review_by=later, by="ann", why="")
    with pytest.raises(ValueError, match="later"):
        ledger.extend_lease(lease, review_by=later.replace(tzinfo=None) + timedelta(days=9), by="ann", why="")
    clock.advance(5)
    gone = ledger.end_lease(lease, by="reconcile", why="found released")
    assert (gone.ended_at, gone.ended_by, gone.review_by) == (clock.now, "reconcile", later)
    head = ledger.head()
    clock.advance(5)
    assert ledger.end_lease(lease, by="bob", why="") == gone
    assert ledger.extend_lease(lease, review_by=later + timedelta(hours=1), by="bob", why="") == gone
    assert ledger.head() == head


def test_a_lease_never_ends_by_itself(ledger: Ledger, clock: Clock) -> None:
    isolated(ledger)
    clock.advance(400 * DAY_S)
    assert len(ledger.leases()) == 1
    assert why_refused(ledger, order()) is Why.ACTIVE_LEASE


# --- breaker and kill switch -----------------------------------------------------------------


def test_the_breaker_opens_and_only_a_person_closes_it(ledger: Ledger) -> None:
    states = [IntentState.FAILED, IntentState.EXPIRED, IntentState.UNKNOWN]
    late = called(ledger, order(host=HostKey("defender", "late")))
    later = called(ledger, order(host=HostKey("defender", "later")))
    for number, (host, state) in enumerate(zip(hosts(3), states, strict=True), start=1):
        assert not ledger.breaker().open
        last = ended(ledger, state, order(host=host))
        assert ledger.breaker().failures == number
    assert ledger.breaker().open
    assert ledger.standing(OTHER).breaker_open
    another = order(host=HostKey("defender", "agent-9"), by_person=True)
    assert why_refused(ledger, another) is Why.BREAKER
    ledger.move(late, IntentState.VERIFIED, detail="", by="playbook", lease_s=LEASE_S)
    assert (ledger.breaker().failures, ledger.breaker().open) == (0, True)
    ledger.move(later, IntentState.FAILED, detail="", by="playbook")
    assert (ledger.breaker().failures, ledger.breaker().open) == (1, True)
    assert events(ledger).count("breaker_opened") == 1
    ledger.close_breaker(by="ann", why="the vendor is back")
    assert (ledger.breaker().failures, ledger.breaker().open) == (0, False)
    ledger.move(last, IntentState.FAILED, detail="", by="settle")  # was counted as unknown
    assert ledger.breaker().failures == 0
    assert why_refused(ledger, another) is None


def test_failures_count_in_a_row_only(ledger: Ledger) -> None:
    for host in hosts(2):
        ended(ledger, IntentState.FAILED, order(host=host))
    isolated(ledger, order(host=HostKey("defender", "agent-5")))
    assert ledger.breaker().failures == 0


def test_the_breaker_is_about_isolations_that_were_called_for(ledger: Ledger) -> None:
    for host in hosts(4):
        ended(ledger, IntentState.FAILED, release(host=host, foreign=True))
        intent = begun(ledger, order(host=host, by_person=True))
        ledger.move(intent, IntentState.FAILED, detail="the vendor was not called", by="playbook")
    assert ledger.breaker() == (0, 3, False)


def test_the_kill_switch_says_who_and_why(opened: Opened, clock: Clock) -> None:
    ledger = opened()
    assert ledger.kill_switch() == (False, "", "", None)
    ledger.set_kill_switch(on=True, by="ann", why="wrong hosts")
    assert opened().kill_switch() == (True, "ann", "wrong hosts", clock.now)
    standing = ledger.standing(HOST)
    assert (standing.kill_switch_by, standing.kill_switch_why) == ("ann", "wrong hosts")
    assert why_refused(ledger, order(by_person=True)) is Why.KILL_SWITCH
    ledger.set_kill_switch(on=False, by="bob", why="found it")
    assert ledger.kill_switch() == (False, "bob", "found it", clock.now)
    assert ledger.standing(HOST).kill_switch_by == ""
    assert why_refused(ledger, order()) is None


# --- approvals -------------------------------------------------------------------------------


def approved(ledger: Ledger, **fields: Any) -> str:
    asked, _ = ledger.ask(question(**fields))
    answer = ledger.answer(asked.approval_id, approve=True, by="ann", why="seen it")
    assert answer is not None
    assert answer.counted
    return asked.approval_id


def test_an_approval_is_good_for_one_intent(ledger: Ledger) -> None:
    approval_id = approved(ledger)
    wanted = order(approval_id=approval_id, by="ann", by_person=True)
    intent = begun(ledger, wanted)
    (approval,) = ledger.approvals()
    assert approval.used_by == intent.intent_id
    ledger.move(intent, IntentState.FAILED, detail="", by="playbook")
    assert why_refused(ledger, wanted) is Why.APPROVAL


def test_a_refused_order_uses_no_approval_up(ledger: Ledger) -> None:
    wanted = order(approval_id=approved(ledger), by_person=True)
    assert why_refused(ledger, wanted, caps=WIDE.model_copy(update={"per_run": 0})) is Why.CAP_PER_RUN
    assert why_refused(ledger, wanted) is None


def test_a_release_uses_no_approval_up(ledger: Ledger) -> None:
    approval_id = approved(ledger)
    begun(ledger, release(foreign=True, approval_id=approval_id))
    assert [each.used_by for each in ledger.approvals()] == [""]


def test_an_approval_fits_one_host_and_case(ledger: Ledger) -> None:
    approval_id = approved(ledger)
    for wanted in (order(host=OTHER), order(case_id="case-2"), order(host=HostKey("elastic", HOST.host_id))):
        given = wanted.model_copy(update={"approval_id": approval_id})
        assert why_refused(ledger, given) is Why.APPROVAL
    assert why_refused(ledger, order(approval_id="ask-none")) is Why.APPROVAL


@pytest.mark.parametrize("approve", [None, False])
def test_what_is_not_approved_is_no_approval(approve: bool | None, ledger: Ledger) -> None:
    asked, _ = ledger.ask(question())
    if approve is not None:
        ledger.answer(asked.approval_id, approve=approve, by="ann", why="no")
    assert why_refused(ledger, order(approval_id=asked.approval_id)) is Why.APPROVAL


def test_an_approval_runs_out(ledger: Ledger, clock: Clock) -> None:
    wanted = order(approval_id=approved(ledger), by_person=True)
    clock.advance(600)
    assert why_refused(ledger, wanted) is Why.APPROVAL
    clock.advance(-0.001)
    assert why_refused(ledger, wanted) is None


def test_an_approval_from_the_future_is_none(ledger: Ledger, clock: Clock) -> None:
    wanted = order(approval_id=approved(ledger), by_person=True)
    clock.advance(-DAY_S)
    assert why_refused(ledger, wanted) is Why.APPROVAL
    clock.advance(DAY_S - 60)  # a small step back is no matter
    assert why_refused(ledger, wanted) is None


def test_a_question_is_asked_once_a_host(opened: Opened, clock: Clock) -> None:
    ledger = opened()
    first, new = ledger.ask(question())
    assert new
    assert (first.asked_at, first.expires_at) == (clock.now, clock.now + timedelta(seconds=600))
    assert opened().ask(question(case_id="case-2", run_id="run-2")) == (first, False)
    assert ledger.ask(question(host=OTHER))[1]
    assert ledger.approvals()[0] == first
    assert events(ledger) == ["approval_asked", "approval_asked"]


def test_an_answer_that_can_still_be_used_is_not_asked_for_again(ledger: Ledger, clock: Clock) -> None:
    approval_id = approved(ledger)
    known, new = ledger.ask(question())
    assert (known.approval_id, known.state, new) == (approval_id, ApprovalState.APPROVED, False)
    assert ledger.ask(question(case_id="case-2"))[1]
    clock.advance(600)
    assert ledger.ask(question())[1]


def test_a_used_or_declined_question_is_asked_anew(ledger: Ledger) -> None:
    begun(ledger, order(approval_id=approved(ledger)))
    asked, new = ledger.ask(question())
    assert new
    ledger.answer(asked.approval_id, approve=False, by="ann", why="no")
    assert ledger.ask(question())[1]


@pytest.mark.parametrize("approve", [True, False])
def test_the_first_answer_counts(approve: bool, ledger: Ledger, clock: Clock) -> None:
    asked, _ = ledger.ask(question())
    first = ledger.answer(asked.approval_id, approve=approve, by="ann", why="seen it")
    assert first is not None
    state = ApprovalState.APPROVED if approve else ApprovalState.DECLINED
    assert (first.approval.state, first.approval.answered_by, first.approval.why, first.counted) == (
        state, "ann", "seen it", True,
    )  # fmt: skip
    clock.advance(1)
    second = ledger.answer(asked.approval_id, approve=not approve, by="bob", why="other view")
    assert second is not None
    assert (second.approval, second.counted) == (first.approval, False)
    assert ledger.approvals() == [first.approval]
    assert events(ledger)[-1] == "answer_not_counted"


def test_a_late_answer_changes_nothing_and_is_recorded(ledger: Ledger, clock: Clock) -> None:
    asked, _ = ledger.ask(question())
    clock.advance(600)
    late = ledger.answer(asked.approval_id, approve=True, by="ann", why="on leave")
    assert late is not None
    assert (late.approval.state, late.counted, late.approval.answered_by) == (
        ApprovalState.EXPIRED,
        False,
        "",
    )
    assert events(ledger) == ["approval_asked", "approval_expired", "answer_not_counted"]
    assert why_refused(ledger, order(approval_id=asked.approval_id)) is Why.APPROVAL


def test_questions_that_are_due_expire_when_they_are_listed(ledger: Ledger, clock: Clock) -> None:
    asked, _ = ledger.ask(question())
    clock.advance(599.999)
    assert ledger.approvals(state=ApprovalState.ASKED) == [asked]
    clock.advance(0.001)
    assert ledger.approvals(state=ApprovalState.ASKED) == []
    assert [each.approval_id for each in ledger.approvals(state=ApprovalState.EXPIRED)] == [asked.approval_id]
    ledger.approvals()
    assert events(ledger) == ["approval_asked", "approval_expired"]
    assert ledger.ask(question())[1]


def test_a_question_from_the_future_takes_no_answer(ledger: Ledger, clock: Clock) -> None:
    asked, _ = ledger.ask(question())
    clock.advance(-DAY_S)
    late = ledger.answer(asked.approval_id, approve=True, by="ann", why="")
    assert late is not None
    assert not late.counted


# --- audit -----------------------------------------------------------------------------------


def test_notes_and_pages_of_the_audit(ledger: Ledger, clock: Clock) -> None:
    for number in range(5):
        ledger.note("stray_found", subject=f"defender:{number}", by="reconcile", data={"n": str(number)})
    lines = list(ledger.audit())
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert [line.subject for line in ledger.audit(after=3)] == ["defender:3", "defender:4"]
    assert (lines[0].at, lines[0].by, lines[0].data) == (clock.now, "reconcile", '{"n":"0"}')
    assert (ledger.head().number, ledger.head().digest) == (5, lines[-1].digest)


def test_what_was_written_is_in_the_audit(ledger: Ledger) -> None:
    intent = begun(ledger)
    (line,) = ledger.audit()
    assert (line.subject, line.by) == (intent.intent_id, "playbook")
    assert Intent.model_validate_json(line.data) == intent
