"""What a person is asked: nothing unless the case itself carries it, and nobody has decided already."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.assess_risk import assess_risk
from actions.containment_question import CASE_GUARDS, ContainmentQuestion, containment_question
from actions.decide_isolation import decide_isolation
from actions.isolation import (
    Guard,
    GuardOutcome,
    IsolationDecision,
    IsolationMode,
    IsolationVerdict,
)
from actions.isolation_guards import GUARDS
from actions.risk import RiskPolicy
from tests.case_builders import after, installer_case, live_policy, ready_request, stealer_case

GUARD_IDS = tuple(row.id for row in GUARDS)
ABOUT_THE_CASE = {"mode", "one_host", "direction_outbound", "score", "verdict", "strong_findings"}
DECIDED = ("kill_switch", "not_isolated", "not_released_recently", "no_active_lease")
NONE, BY_HAND, ISOLATE = ContainmentQuestion.NONE, ContainmentQuestion.BY_HAND, ContainmentQuestion.ISOLATE


def decision(
    outcomes: dict[str, GuardOutcome] | None = None,
    *,
    mode: IsolationMode = IsolationMode.APPROVE,
    verdict: IsolationVerdict | None = None,
) -> IsolationDecision:
    """A decision whose guards pass, but for those given."""
    given_outcomes = outcomes or {}
    guards = tuple(
        Guard(id=each, outcome=given_outcomes.get(each, GuardOutcome.PASS), value="", limit="", detail="")
        for each in GUARD_IDS
    )
    passes = all(each.outcome is GuardOutcome.PASS for each in guards)
    all_pass = {
        IsolationMode.OFF: IsolationVerdict.REFUSE,
        IsolationMode.SHADOW: IsolationVerdict.SHADOW,
        IsolationMode.APPROVE: IsolationVerdict.ASK,
        IsolationMode.AUTO: IsolationVerdict.ISOLATE,
    }
    return IsolationDecision(
        verdict=verdict or (all_pass[mode] if passes else IsolationVerdict.REFUSE),
        effective_mode=mode,
        summary="",
        guards=guards,
    )


def test_the_guards_it_names_exist() -> None:
    assert CASE_GUARDS == ABOUT_THE_CASE
    assert set(GUARD_IDS) >= CASE_GUARDS
    assert set(GUARD_IDS) >= set(DECIDED)
    assert CASE_GUARDS.isdisjoint(DECIDED)


@pytest.mark.parametrize(
    ("mode", "question"),
    [
        (IsolationMode.OFF, NONE),
        (IsolationMode.SHADOW, NONE),
        (IsolationMode.APPROVE, ISOLATE),
        (IsolationMode.AUTO, NONE),
    ],
)
def test_all_guards_pass(mode: IsolationMode, question: ContainmentQuestion) -> None:
    assert containment_question(decision(mode=mode)) is question


@pytest.mark.parametrize("outcome", [GuardOutcome.REFUSE, GuardOutcome.UNKNOWN])
@pytest.mark.parametrize("guard", GUARD_IDS)
def test_one_guard_in_the_way(guard: str, outcome: GuardOutcome) -> None:
    if guard in ABOUT_THE_CASE or (guard in DECIDED and outcome is GuardOutcome.REFUSE):
        expected = NONE
    else:
        expected = BY_HAND
    assert containment_question(decision({guard: outcome})) is expected


@pytest.mark.parametrize("mode", [IsolationMode.OFF, IsolationMode.SHADOW, IsolationMode.AUTO])
@pytest.mark.parametrize("guard", GUARD_IDS)
def test_no_other_mode_asks(guard: str, mode: IsolationMode) -> None:
    assert containment_question(decision({guard: GuardOutcome.REFUSE}, mode=mode)) is NONE


_OUTCOMES = st.dictionaries(
    st.sampled_from(GUARD_IDS), st.sampled_from([GuardOutcome.REFUSE, GuardOutcome.UNKNOWN]), max_size=6
)


@given(_OUTCOMES, _OUTCOMES, st.sampled_from(IsolationMode))
def test_a_further_obstacle_never_asks_more(
    some: dict[str, GuardOutcome], more: dict[str, GuardOutcome], mode: IsolationMode
) -> None:
    rank = {NONE: 0, BY_HAND: 1, ISOLATE: 2}
    fewer = containment_question(decision(some, mode=mode))
    # A refusal may stand where the value was not known before, not the other way round.
    added = dict.fromkeys(some, GuardOutcome.REFUSE) | {k: v for k, v in more.items() if k not in some}
    assert rank[containment_question(decision(added, mode=mode))] <= rank[fewer]


@given(_OUTCOMES, st.randoms())
def test_the_order_of_guards_changes_nothing(outcomes: dict[str, GuardOutcome], random: Random) -> None:
    whole = decision(outcomes)
    shuffled = list(whole.guards)
    random.shuffle(shuffled)
    other = whole.model_copy(update={"guards": tuple(shuffled)})
    assert containment_question(whole) is containment_question(other)


@pytest.mark.parametrize(
    ("policy_mode", "caller_mode", "question"),
    [
        (IsolationMode.APPROVE, IsolationMode.APPROVE, ISOLATE),
        (IsolationMode.AUTO, IsolationMode.APPROVE, ISOLATE),
        (IsolationMode.APPROVE, IsolationMode.SHADOW, NONE),
        (IsolationMode.OFF, IsolationMode.APPROVE, NONE),
    ],
)
def test_real_decisions_on_the_stealer(
    policy_mode: IsolationMode, caller_mode: IsolationMode, question: ContainmentQuestion
) -> None:
    facts = stealer_case()
    risk = assess_risk(facts, RiskPolicy(), after(120))
    request = ready_request(facts, risk, caller_mode=caller_mode)
    made = decide_isolation(request, live_policy(policy_mode), after(120))
    assert containment_question(made) is question
    without_ledger = request.model_copy(update={"ledger": None, "capabilities": frozenset()})
    made = decide_isolation(without_ledger, live_policy(policy_mode), after(120))
    assert containment_question(made) is (BY_HAND if question is ISOLATE else NONE)


def test_nobody_is_asked_about_a_signed_installer() -> None:
    facts = installer_case()
    risk = assess_risk(facts, RiskPolicy(), after(120))
    request = ready_request(facts, risk, caller_mode=IsolationMode.APPROVE)
    assert containment_question(decide_isolation(request, live_policy(), after(120))) is NONE
