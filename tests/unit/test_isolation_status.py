"""How isolation stands: the ledger's view, with what the EDR says where it is asked."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from actions.isolation_status import IsolationView, read_hosts, standings
from actions.vendor_pace import Pace
from connectors.errors import TimedOut
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.ledger import HostKey, IntentState, Question
from connectors.state.sqlite_ledger import SqliteLedger
from tests.wave_bench import RUN, WIDE, Bench, bench_of, isolate_order, isolated


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with the real ledger."""
    return bench_of(lambda clock: SqliteLedger(tmp_path / "ledger.sqlite", clock=clock))


def _view(bench: Bench) -> IsolationView:
    return standings(bench.ledger, now=bench.clock.now)


def test_an_empty_ledger_has_nothing_and_nothing_stopped(bench: Bench) -> None:
    view = _view(bench)
    assert (view.isolations, view.unfinished, view.open_questions) == ((), (), ())
    assert not view.kill_switch.on
    assert (view.breaker.failures, view.breaker.open) == (0, False)


def test_a_row_says_who_why_since_when_and_until_when(bench: Bench) -> None:
    began = bench.clock.now
    isolated(bench, 1, site="north")
    (row,) = _view(bench).isolations
    assert (row.connector, row.host_id, row.hostname, row.site) == (
        "defender",
        "m0",
        "m0.corp.example",
        "north",
    )
    assert (row.owner, row.reason, row.case_id, row.run_id) == (
        "playbook",
        "RegSvcs.exe called home",
        "case-0",
        RUN,
    )
    assert (row.began_at, row.review_by, row.overdue) == (began, began + timedelta(hours=24), False)
    assert row.intent_id


def test_without_a_reading_the_state_is_the_verified_one_of_its_time(bench: Bench) -> None:
    began = bench.clock.now
    isolated(bench, 1)
    (row,) = _view(bench).isolations
    assert (row.state, row.how_known, row.read_at, row.told) == (IsolationState.ISOLATED, None, began, "")


def test_with_a_reading_the_state_is_the_edrs(bench: Bench) -> None:
    leases = isolated(bench, 2)
    bench.vendor.machine("m0").state = IsolationState.NOT_ISOLATED
    bench.vendor.machine("m1").unreadable = TimedOut("defender", "no answer")
    readings = read_hosts(leases, bench.tools, monotonic=bench.clock.monotonic)
    first, second = standings(bench.ledger, now=bench.clock.now, readings=readings).isolations
    assert (first.state, first.how_known) == (IsolationState.NOT_ISOLATED, HowKnown.REPORTED)
    assert first.read_at == bench.clock.now
    assert (second.state, second.how_known, second.told) == (
        IsolationState.UNKNOWN,
        None,
        "defender: no answer.",
    )
    # A look changes nothing: ending the lease is for reconcile.
    assert len(bench.ledger.leases()) == 2


def test_readings_are_paced_and_bounded(bench: Bench) -> None:
    leases = isolated(bench, 5)
    readings = read_hosts(leases, bench.tools, paces=[Pace(2, 60)], most=3, monotonic=bench.clock.monotonic)
    assert bench.vendor.reads.calls == 3
    assert sum(bench.clock.slept) == pytest.approx(60, abs=1)
    assert [bool(reading.problem) for reading in readings.values()] == [False, False, False, True, True]


def test_limits_that_put_a_reading_off_for_long_leave_it_out(bench: Bench) -> None:
    leases = isolated(bench, 3)
    readings = read_hosts(leases, bench.tools, paces=[Pace(1, 3600)], monotonic=bench.clock.monotonic)
    assert bench.vendor.reads.calls == 1
    assert [bool(reading.problem) for reading in readings.values()] == [False, True, True]
    assert bench.clock.slept == []


def test_a_host_of_another_connector_is_not_read(bench: Bench) -> None:
    leases = isolated(bench, 1, connector="elastic")
    readings = read_hosts(leases, bench.tools, monotonic=bench.clock.monotonic)
    assert "elastic" in readings[HostKey("elastic", "m0")].problem
    assert bench.vendor.reads.calls == 0


def test_a_review_that_is_past_is_overdue(bench: Bench) -> None:
    isolated(bench, 1, age_s=24 * 3600)
    assert _view(bench).isolations[0].overdue


def test_orders_questions_and_stops_are_in_it(bench: Bench) -> None:
    intent = bench.ledger.calling(bench.ledger.begin(isolate_order(3), WIDE, quiet_s=1.0))
    bench.ledger.move(intent, IntentState.UNKNOWN, detail="lost", by="playbook")
    question = Question(
        connector="defender",
        host_id="m9",
        hostname="m9.corp.example",
        case_id="case-9",
        run_id=RUN,
        evidence="evidence that is long and not for a list",
        expires_in_s=600.0,
    )
    asked, _ = bench.ledger.ask(question)
    bench.ledger.set_kill_switch(on=True, by="ann", why="outage")
    view = _view(bench)
    assert [each.intent_id for each in view.unfinished] == [intent.intent_id]
    assert [each.approval_id for each in view.open_questions] == [asked.approval_id]
    assert (view.kill_switch.on, view.kill_switch.by, view.kill_switch.why) == (True, "ann", "outage")
    assert not view.kill_switch.in_policy
    assert (view.breaker.failures, view.breaker.most) == (1, 3)
    assert "evidence" not in view.model_dump_json()
    bench.clock.advance(600)
    assert _view(bench).open_questions == ()


def test_the_policys_own_switch_stops_too(bench: Bench) -> None:
    view = standings(bench.ledger, now=bench.clock.now, policy_stops=True)
    assert (view.kill_switch.on, view.kill_switch.in_policy) == (True, True)


def test_the_view_is_stable_json(bench: Bench) -> None:
    isolated(bench, 1)
    view = _view(bench)
    document = json.loads(view.model_dump_json())
    assert set(document) == {
        "told_at",
        "isolations",
        "unfinished",
        "open_questions",
        "kill_switch",
        "breaker",
    }
    assert set(document["breaker"]) == {"failures", "most", "open"}
    assert set(document["kill_switch"]) == {"on", "in_policy", "by", "why", "at"}
    assert IsolationView.model_validate_json(view.model_dump_json()) == view
