"""What a person may decide against, and what nobody may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.isolation import Guard, GuardOutcome, IsolationDecision, IsolationMode, IsolationVerdict
from actions.isolation_by_hand import WAIVABLE, refusal
from actions.isolation_guards import GUARDS

IDS = [row.id for row in GUARDS]
FIRM = frozenset(IDS) - WAIVABLE
LIVE = (IsolationMode.APPROVE, IsolationMode.AUTO)

names = st.sets(st.sampled_from(IDS))
waivable = st.sets(st.sampled_from(sorted(WAIVABLE)))


def decision(failing: set[str], mode: IsolationMode = IsolationMode.APPROVE) -> IsolationDecision:
    outcomes = {each: GuardOutcome.REFUSE if each in failing else GuardOutcome.PASS for each in IDS}
    guards = tuple(
        Guard(id=each, outcome=outcome, value="v", limit="l", detail=f"On {each}.")
        for each, outcome in outcomes.items()
    )
    return IsolationDecision(verdict=IsolationVerdict.REFUSE, effective_mode=mode, summary="s", guards=guards)


def test_what_keeps_an_order_from_the_wrong_host_and_from_a_second_time_is_firm() -> None:
    assert {
        *(
            "mode",
            "kill_switch",
            "one_host",
            "address_belongs",
            "agent_seen",
            "not_isolated",
            "no_active_lease",
        ),
        *("connector_capable", "cap_per_run", "cap_per_hour", "cap_per_day", "cap_per_site", "breaker"),
    } == FIRM


@pytest.mark.parametrize("guard", IDS)
def test_each_guard_alone(guard: str) -> None:
    assert guard in refusal(decision({guard}), ())
    named = refusal(decision({guard}), (guard,))
    assert (named == "") is (guard in WAIVABLE)
    assert refusal(decision(set()), ()) == ""


@given(failing=names, despite=waivable, mode=st.sampled_from(IsolationMode))
def test_only_what_is_named_and_may_be_is_decided_against(
    failing: set[str], despite: set[str], mode: IsolationMode
) -> None:
    goes_on = refusal(decision(failing, mode), despite) == ""
    assert goes_on is (failing <= despite and mode in LIVE)


@given(failing=names, despite=names, more=st.sampled_from(IDS))
def test_one_more_failing_guard_never_lets_an_order_through(
    failing: set[str], despite: set[str], more: str
) -> None:
    if refusal(decision(failing), despite):
        assert refusal(decision(failing | {more}), despite)


def test_names_that_are_no_guard_and_guards_that_are_firm_are_refused_even_where_nothing_is_in_the_way() -> (
    None
):
    assert refusal(decision(set()), ("scor",)) == "There is no guard scor."
    assert refusal(decision(set()), ("kill_switch",)) == "Nobody may decide against kill_switch."
    assert refusal(decision(set()), ("score",)) == ""


def test_the_sentence_says_whether_naming_would_help() -> None:
    assert "have to be named" in refusal(decision({"score", "verdict"}), ("score",))
    assert "have to be named" not in refusal(decision({"score", "breaker"}), ())
