"""What the analyst should do next, most urgent first: from facts, findings and guards, nothing invented."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from actions.assess_risk import first_notable
from actions.case_facts import CaseFacts
from actions.indicators.case_view import view_of
from actions.isolation import IsolationDecision
from actions.risk import RiskAssessment, RiskPolicy
from actions.steps import investigate, listed, respond
from actions.steps.case import Contained, StepCase

#: In order of urgency.
_STEPS: tuple[Callable[[StepCase], Iterator[str]], ...] = (
    respond.another_machine,
    respond.volatile,
    listed.critical_machine,
    respond.containment,
    listed.standing_users,
    respond.look_up,
    respond.candidates,
    respond.benign,
    respond.loader,
    respond.image,
    respond.tasks,
    respond.credentials,
    respond.fleet,
    investigate.shared_services,
    investigate.sinkholes,
    investigate.channels,
    investigate.inbound,
    investigate.internal,
    investigate.find_process,
    investigate.find_parent,
    investigate.read_command_line,
    investigate.direction,
    investigate.collect,
    investigate.unsigned_unknown,
    investigate.reputation,
    investigate.not_external,
)


def next_steps(
    facts: CaseFacts,
    policy: RiskPolicy,
    risk: RiskAssessment,
    decision: IsolationDecision,
    *,
    contained: Contained | None = None,
) -> tuple[str, ...]:
    """One sentence or two per step; each step once.

    Args:
        facts: the case.
        policy: the organisation's settings, the same that assess_risk had.
        risk: what assess_risk said of it.
        decision: what decide_isolation said of it.
        contained: what was done about its host since; None where nothing was.
    """
    case = StepCase(facts, view_of(facts, policy), risk, decision, first_notable(facts), contained)
    steps = (step for collect in _STEPS for step in collect(case))
    return tuple(dict.fromkeys(steps))
