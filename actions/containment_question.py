"""What a person is asked about containment: nothing, to contain by hand, or to let the playbook isolate.

A question costs an analyst's attention, so it is asked only where the effective mode is `approve` and the
case itself carries it. `off` and `shadow` ask nothing: their report says what would be done. `auto` asks
nothing either.
"""

from __future__ import annotations

from enum import StrEnum

from actions.isolation import GuardOutcome, IsolationDecision, IsolationMode, IsolationVerdict


class ContainmentQuestion(StrEnum):
    """What is asked."""

    NONE = "none"
    BY_HAND = "by_hand"
    """The case calls for containment; guards stand in the playbook's way, so that a person would do it."""
    ISOLATE = "isolate"
    """All guards pass; after an approval the playbook isolates."""


#: Guards about the case. Where one of them stands in the way there is nothing to ask.
CASE_GUARDS = frozenset({"mode", "one_host", "direction_outbound", "score", "verdict", "strong_findings"})

#: Guards that end the question where they refuse: someone has decided already.
_DECIDED = frozenset({"kill_switch", "not_isolated", "not_released_recently", "no_active_lease"})


def containment_question(decision: IsolationDecision) -> ContainmentQuestion:
    """The question that a decision leads to."""
    if decision.verdict is IsolationVerdict.ASK:
        return ContainmentQuestion.ISOLATE
    if decision.effective_mode is not IsolationMode.APPROVE:
        return ContainmentQuestion.NONE
    for guard in decision.obstacles:
        if guard.id in CASE_GUARDS:
            return ContainmentQuestion.NONE
        if guard.id in _DECIDED and guard.outcome is GuardOutcome.REFUSE:
            return ContainmentQuestion.NONE
    return ContainmentQuestion.BY_HAND
