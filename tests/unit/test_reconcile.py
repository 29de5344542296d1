"""Reconciling: what was begun is settled, strays are named both ways, nothing is released, twice is once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.containment import ContainmentOutcome
from actions.reconcile import LONGEST_WAIT_S, reconcile
from actions.reconciliation import Reconciliation
from actions.vendor_pace import Pace
from actions.waiting_on_people import warning_time
from connectors.errors import BadResponse, RateLimited, TimedOut
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.ledger import HostKey, Intent, IntentKind, IntentState, Question
from connectors.state.ledger import LedgerUnusable
from connectors.state.sqlite_ledger import SqliteLedger
from tests.http_clients import Clock
from tests.wave_bench import POLICY, WIDE, Bench, bench_of, isolate_order, isolated, no_list

AGE_S = 900.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with the real ledger."""
    return bench_of(lambda clock: SqliteLedger(tmp_path / "ledger.sqlite", clock=clock))


def _reconcile(bench: Bench, **more: Any) -> Reconciliation:
    return reconcile(
        bench.tools, **{"policy": POLICY, "by": "ann", "monotonic": bench.clock.monotonic, **more}
    )


def _sent(bench: Bench, number: int, kind: IntentKind = IntentKind.ISOLATE, **fields: Any) -> Intent:
    """An order that the vendor was called for, whose run died."""
    by = {"by": "ann", "by_person": True} if kind is IntentKind.RELEASE else {}
    order = isolate_order(number, **by, **fields).model_copy(update={"kind": kind})
    called: Intent = bench.ledger.calling(bench.ledger.begin(order, WIDE, quiet_s=1.0))
    return called


def _state(bench: Bench, number: int, state: IsolationState) -> None:
    machine = bench.vendor.machine(f"m{number}")
    machine.state, machine.changed_at = state, bench.clock.now


def _all(bench: Bench) -> tuple[Any, ...]:
    """Everything the ledger holds but the audit."""
    ledger = bench.ledger
    return (ledger.intents(), ledger.leases(standing=None), ledger.approvals(), ledger.breaker())


def test_where_ledger_and_edr_agree_nothing_is_told_or_changed(bench: Bench) -> None:
    isolated(bench, 3)
    before, head = _all(bench), bench.ledger.head()
    found = _reconcile(bench)
    assert (found.settled, found.ended, found.strays, found.unread, found.reviews) == ((), (), (), (), ())
    assert found.listed == ""
    assert not found.needs_a_person
    assert _all(bench) == before
    assert bench.ledger.head() == head


def test_orders_of_runs_that_died_are_settled_by_reading(bench: Bench) -> None:
    isolated(bench, 2)
    _sent(bench, 0, IntentKind.RELEASE)
    _sent(bench, 3)
    _sent(bench, 4)
    never = bench.ledger.begin(isolate_order(5), WIDE, quiet_s=1.0)
    bench.clock.advance(400)
    _state(bench, 0, IsolationState.NOT_ISOLATED)
    _state(bench, 3, IsolationState.ISOLATED)
    _state(bench, 4, IsolationState.ISOLATING)
    found = _reconcile(bench)
    assert {each.host_id: each.after for each in found.settled} == {
        "m0": IntentState.VERIFIED,
        "m3": IntentState.VERIFIED,
        "m4": IntentState.UNKNOWN,
        "m5": IntentState.FAILED,
    }
    assert {each.host_id: each.outcome for each in found.settled}["m0"] is ContainmentOutcome.RELEASED
    assert all(each.sentence for each in found.settled)
    # m0, m3 and m4 once each, and m1; none of them a second time for its lease.
    assert bench.vendor.reads.calls == 4
    assert bench.ledger.intent(never.intent_id).called_at is None
    assert {each.host_id for each in bench.ledger.leases()} == {"m1", "m3"}
    assert found.needs_a_person


def test_a_host_that_was_released_elsewhere_ends_its_lease(bench: Bench) -> None:
    isolated(bench, 2)
    _state(bench, 1, IsolationState.NOT_ISOLATED)
    found = _reconcile(bench)
    assert [each.host_id for each in found.ended] == ["m1"]
    assert found.ended[0].ended_by == "ann"
    assert [each.host_id for each in bench.ledger.leases()] == ["m0"]
    assert bench.ledger.standing(HostKey("defender", "m1")).last_release_at is not None
    assert found.needs_a_person


def _wished(bench: Bench) -> None:
    bench.vendor.machine("m0").how_known = HowKnown.DESIRED


def _not_known(bench: Bench) -> None:
    bench.vendor.machine("m0").how_known = HowKnown.NOT_KNOWN


def _before_the_isolation(bench: Bench) -> None:
    machine = bench.vendor.machine("m0")
    machine.changed_at = bench.clock.now - timedelta(seconds=AGE_S + 60)


@pytest.mark.parametrize("spoil", [_wished, _not_known, _before_the_isolation])
def test_what_is_no_proof_of_a_release_ends_no_lease(bench: Bench, spoil: Callable[[Bench], None]) -> None:
    isolated(bench, 1, age_s=AGE_S)
    _state(bench, 0, IsolationState.NOT_ISOLATED)
    spoil(bench)
    found = _reconcile(bench)
    assert found.ended == ()
    assert len(bench.ledger.leases()) == 1
    assert [each.host_id for each in found.unread] == ["m0"]
    assert "not_isolated" in found.unread[0].sentence


@pytest.mark.parametrize(("age_s", "ends"), [(30.0, False), (299.0, False), (300.0, True)])
def test_a_list_that_lags_behind_ends_no_lease(bench: Bench, age_s: float, ends: bool) -> None:
    isolated(bench, 1, age_s=age_s)
    bench.vendor.machine("m0").state = IsolationState.NOT_ISOLATED
    assert bool(_reconcile(bench).ended) is ends


@pytest.mark.parametrize(
    "state",
    [IsolationState.RELEASING, IsolationState.ISOLATING, IsolationState.FAILED, IsolationState.UNKNOWN],
)
def test_any_other_state_is_named_and_ends_nothing(bench: Bench, state: IsolationState) -> None:
    isolated(bench, 1)
    _state(bench, 0, state)
    found = _reconcile(bench)
    assert (found.ended, len(bench.ledger.leases())) == ((), 1)
    assert state.value in found.unread[0].sentence


def test_a_host_that_cannot_be_read_is_named_and_stops_nobody(bench: Bench) -> None:
    isolated(bench, 3)
    bench.vendor.machine("m0").unreadable = TimedOut("defender", "no answer")
    _state(bench, 1, IsolationState.NOT_ISOLATED)
    found = _reconcile(bench)
    assert [(each.host_id, each.sentence) for each in found.unread] == [("m0", "defender: no answer.")]
    assert [each.host_id for each in found.ended] == ["m1"]


def test_an_isolated_host_that_is_not_ours_is_named_and_noted(bench: Bench) -> None:
    isolated(bench, 1)
    bench.vendor.machine("m7")
    found = _reconcile(bench)
    assert [(each.host_id, each.intent_id, each.state) for each in found.strays] == [
        ("m7", "", IsolationState.ISOLATED)
    ]
    notes = [each for each in bench.ledger.audit() if each.event == "stray_isolated"]
    assert [(each.subject, each.by) for each in notes] == [("defender:m7", "ann")]
    assert "m7" not in {each.host_id for each in bench.ledger.leases(standing=None)}


def test_an_isolation_of_ours_that_came_late_is_named_with_the_stray(bench: Bench) -> None:
    late = _sent(bench, 4)
    bench.clock.advance(4000)
    _state(bench, 4, IsolationState.NOT_ISOLATED)
    assert _reconcile(bench).settled[0].after is IntentState.EXPIRED
    _state(bench, 4, IsolationState.ISOLATED)
    (stray,) = _reconcile(bench).strays
    assert stray.intent_id == late.intent_id
    assert "expired" in stray.sentence


def test_an_isolation_that_was_released_is_not_blamed_for_a_stray(bench: Bench) -> None:
    isolated(bench, 1)
    released = _sent(bench, 0, IntentKind.RELEASE)
    bench.ledger.move(released, IntentState.VERIFIED, detail="seen", by="ann")
    (stray,) = _reconcile(bench).strays
    assert (stray.host_id, stray.intent_id) == ("m0", "")


def test_a_release_that_came_to_nothing_is_not_blamed_for_a_stray(bench: Bench) -> None:
    released = _sent(bench, 4, IntentKind.RELEASE, foreign=True)
    bench.ledger.move(released, IntentState.EXPIRED, detail="unchanged", by="ann")
    _state(bench, 4, IsolationState.ISOLATED)
    assert [(each.host_id, each.intent_id) for each in _reconcile(bench).strays] == [("m4", "")]


def _over_an_unknown_one(bench: Bench) -> tuple[Intent, Intent]:
    """An isolation that is queued, of unknown outcome, and a release that was called for over it."""
    unknown = bench.ledger.move(_sent(bench, 4), IntentState.UNKNOWN, detail="queued", by="playbook")
    _state(bench, 4, IsolationState.ISOLATING)
    return unknown, _sent(bench, 4, IntentKind.RELEASE)


def test_a_release_and_the_isolation_that_it_supersedes_are_both_settled(bench: Bench) -> None:
    isolation, over = _over_an_unknown_one(bench)
    bench.clock.advance(4000)
    found = _reconcile(bench)
    assert [(each.intent_id, each.after) for each in found.settled] == [
        (over.intent_id, IntentState.UNKNOWN),
        (isolation.intent_id, IntentState.UNKNOWN),
    ]
    assert found.needs_a_person
    assert found.strays == ()
    _state(bench, 4, IsolationState.NOT_ISOLATED)
    reads = bench.vendor.reads.calls
    found = _reconcile(bench)
    assert [(each.intent_id, each.after) for each in found.settled] == [
        (over.intent_id, IntentState.VERIFIED),
        (isolation.intent_id, IntentState.FAILED),
    ]
    assert found.settled[1].before is IntentState.UNKNOWN
    assert "a release took its place" in found.settled[1].sentence
    assert bench.vendor.reads.calls == reads + 1, "the proof of the release is the end of both"
    assert not found.needs_a_person


def test_an_isolation_whose_release_was_refused_is_found_and_owned(bench: Bench) -> None:
    isolation, over = _over_an_unknown_one(bench)
    bench.ledger.move(over, IntentState.FAILED, detail="an isolation already waits", by="ann")
    bench.clock.advance(4000)
    found = _reconcile(bench)
    assert [(each.intent_id, each.after) for each in found.settled] == [
        (isolation.intent_id, IntentState.UNKNOWN)
    ]
    assert found.needs_a_person
    _state(bench, 4, IsolationState.ISOLATED)
    found = _reconcile(bench)
    assert [each.after for each in found.settled] == [IntentState.VERIFIED]
    assert [each.intent_id for each in bench.ledger.leases()] == [isolation.intent_id]
    assert found.strays == ()


@pytest.mark.parametrize("after", ["nothing", "a failed release", "a verified release"])
@pytest.mark.parametrize("state", [IsolationState.ISOLATING, IsolationState.ISOLATED])
def test_a_stray_that_may_be_ours_is_named_with_its_release(
    state: IsolationState, after: str, bench: Bench
) -> None:
    if after == "a verified release":
        own, over = _over_an_unknown_one(bench)
        bench.ledger.move(over, IntentState.VERIFIED, detail="seen", by="ann")
    else:
        own = bench.ledger.move(_sent(bench, 4), IntentState.EXPIRED, detail="unchanged", by="playbook")
    if after == "a failed release":
        failed = _sent(bench, 4, IntentKind.RELEASE, foreign=True)
        bench.ledger.move(failed, IntentState.FAILED, detail="refused", by="ann")
    _state(bench, 4, state)
    (stray,) = _reconcile(bench).strays
    assert (stray.intent_id, stray.state) == (own.intent_id, state)
    assert stray.sentence.startswith(
        f"The EDR says {state.value}, and no isolation of ours stands. It may be"
    )
    assert own.intent_id in stray.sentence
    assert "`release m4.corp.example --not-ours --why REASON`" in stray.sentence


def test_a_lease_whose_release_is_under_way_is_read_once(bench: Bench) -> None:
    isolated(bench, 1)
    _sent(bench, 0, IntentKind.RELEASE)
    _state(bench, 0, IsolationState.RELEASING)
    found = _reconcile(bench)
    assert bench.vendor.reads.calls == 1
    assert (len(found.settled), found.unread) == (1, ())


def test_a_host_with_an_order_of_ours_under_way_is_no_stray(bench: Bench) -> None:
    _sent(bench, 4)
    _state(bench, 4, IsolationState.ISOLATING)
    found = _reconcile(bench)
    assert found.strays == ()
    assert [each.after for each in found.settled] == [IntentState.REQUESTED]


def test_what_is_not_seen_of_the_vendors_list_is_said(bench: Bench) -> None:
    isolated(bench, 1)
    bench.vendor.lists = no_list()
    assert "cannot list" in _reconcile(bench).listed
    bench.vendor.lists = BadResponse("defender", "HTML")
    assert "HTML" in _reconcile(bench).listed
    bench.vendor.lists, bench.vendor.complete = None, False
    assert "not complete" in _reconcile(bench).listed


def test_a_second_run_changes_nothing(bench: Bench) -> None:
    isolated(bench, 3)
    _sent(bench, 0, IntentKind.RELEASE)
    _sent(bench, 3)
    _sent(bench, 4)
    bench.ledger.begin(isolate_order(5), WIDE, quiet_s=1.0)
    bench.vendor.machine("m7")
    bench.ledger.ask(_question(60.0))
    bench.clock.advance(400)
    for number, state in (
        (0, IsolationState.RELEASING),
        (1, IsolationState.NOT_ISOLATED),
        (3, IsolationState.ISOLATED),
        (4, IsolationState.NOT_ISOLATED),
    ):
        _state(bench, number, state)
    _reconcile(bench)
    after = _all(bench)
    second = _reconcile(bench)
    assert _all(bench) == after
    third = _reconcile(bench)
    assert third.model_copy(update={"told_at": second.told_at}) == second
    assert all(each.before is each.after for each in second.settled)
    assert second.ended == ()
    assert bench.vendor.writes.calls == 0


def test_hosts_that_are_named_are_the_only_ones(bench: Bench) -> None:
    isolated(bench, 2)
    _state(bench, 0, IsolationState.NOT_ISOLATED)
    _state(bench, 1, IsolationState.NOT_ISOLATED)
    bench.vendor.machine("m7")
    found = _reconcile(bench, hosts=[HostKey("defender", "m1")])
    assert [each.host_id for each in found.ended] == ["m1"]
    assert found.strays == ()
    assert "not asked for" in found.listed


def test_hosts_of_another_connector_are_named_and_not_read(bench: Bench) -> None:
    other = _sent(bench, 0, connector="elastic")
    bench.ledger.move(other, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=86_400.0)
    _sent(bench, 1, connector="elastic")
    bench.clock.advance(900)
    found = _reconcile(bench)
    assert {each.host_id for each in found.unread} == {"m0", "m1"}
    assert all("elastic" in each.sentence for each in found.unread)
    assert bench.vendor.reads.calls == 0
    assert len(bench.ledger.leases()) == 1


def test_reviews_are_told_when_they_are_near_or_past(bench: Bench) -> None:
    isolated(bench, 2, age_s=0)
    bench.clock.advance(3600)
    late = _sent(bench, 2)
    bench.ledger.move(late, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=24 * 3600.0)
    _state(bench, 2, IsolationState.ISOLATED)
    bench.clock.advance(21 * 3600 - 1)
    assert _reconcile(bench).reviews == ()
    bench.clock.advance(1)
    assert [(each.lease.host_id, each.overdue) for each in _reconcile(bench).reviews] == [
        ("m0", False),
        ("m1", False),
    ]
    bench.clock.advance(2 * 3600)
    assert [(each.lease.host_id, each.overdue) for each in _reconcile(bench).reviews] == [
        ("m0", True),
        ("m1", True),
        ("m2", False),
    ]
    assert len(bench.ledger.leases()) == 3


@pytest.mark.parametrize(("hours", "minutes"), [(1, 15), (3, 15), (24, 120), (720, 24 * 60)])
def test_the_warning_is_a_part_of_a_leases_length(hours: int, minutes: int) -> None:
    policy = POLICY.model_copy(update={"lease_hours": hours})
    assert warning_time(policy) == timedelta(minutes=minutes)


def _question(expires_in_s: float) -> Question:
    return Question(
        connector="defender",
        host_id="m9",
        hostname="m9.corp.example",
        case_id="case-9",
        run_id="run-9",
        evidence="score 97",
        expires_in_s=expires_in_s,
    )


def test_questions_are_open_then_expired_and_then_forgotten(bench: Bench) -> None:
    asked, _ = bench.ledger.ask(_question(600.0))
    found = _reconcile(bench)
    assert [each.approval_id for each in found.open_questions] == [asked.approval_id]
    assert found.expired_questions == ()
    bench.clock.advance(600)
    found = _reconcile(bench)
    assert found.open_questions == ()
    assert [each.approval_id for each in found.expired_questions] == [asked.approval_id]
    bench.clock.advance(86_401)
    assert _reconcile(bench).expired_questions == ()


def test_readings_keep_to_the_pace(bench: Bench) -> None:
    isolated(bench, 5)
    _reconcile(bench, paces=[Pace(2, 60)])
    assert bench.vendor.reads.calls == 5
    assert sum(bench.clock.slept) == pytest.approx(120, abs=1)


def test_what_the_limits_put_off_for_long_is_named(bench: Bench) -> None:
    isolated(bench, 3)
    found = _reconcile(bench, paces=[Pace(2, LONGEST_WAIT_S + 60)])
    assert bench.vendor.reads.calls == 2
    assert [each.host_id for each in found.unread] == ["m2"]
    assert "not read" in found.listed
    assert bench.clock.slept == []


def test_what_is_over_the_number_of_one_run_is_named(bench: Bench) -> None:
    isolated(bench, 3)
    found = _reconcile(bench, most=1)
    assert [each.host_id for each in found.unread] == ["m1", "m2"]
    assert bench.vendor.reads.calls == 1


def test_a_quota_that_is_used_up_ends_the_reading(bench: Bench) -> None:
    isolated(bench, 3)
    until = bench.clock.now + timedelta(hours=1)
    bench.vendor.machine("m0").unreadable = RateLimited("defender", "later", retry_at=until)
    found = _reconcile(bench)
    assert [each.host_id for each in found.unread] == ["m0", "m1", "m2"]
    assert bench.vendor.reads.calls == 1


def test_a_ledger_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("not a ledger, and longer than a header of such a file is\n" * 9)

    def broken(clock: Clock) -> SqliteLedger:
        return SqliteLedger(tmp_path / "ledger.sqlite", clock=clock)

    with pytest.raises(LedgerUnusable):
        _reconcile(bench_of(broken))


def test_a_reconciliation_is_stable_json(bench: Bench) -> None:
    isolated(bench, 2)
    _state(bench, 1, IsolationState.NOT_ISOLATED)
    bench.vendor.machine("m7")
    found = _reconcile(bench)
    assert set(found.model_dump(mode="json")) == {
        "connector",
        "told_at",
        "settled",
        "ended",
        "strays",
        "unread",
        "reviews",
        "open_questions",
        "expired_questions",
        "listed",
        "list_failed",
    }
    assert Reconciliation.model_validate_json(found.model_dump_json()) == found
