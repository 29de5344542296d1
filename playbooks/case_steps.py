"""The steps of a case, each with a result that can be handed on as text: facts in, facts out.

`respond` runs them in one process; the Splunk SOAR app runs each as an action of its own, and hands the
results on as JSON. Both therefore come to the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts
from actions.check_ip import IpCheck
from actions.decide_isolation import decide_isolation
from actions.describe_destinations import describe_destinations, with_direction, with_user
from actions.isolation import IsolationMode, IsolationRequest
from actions.next_steps import next_steps
from actions.profile import Profile
from actions.risk import RiskAssessment
from connectors.facts.base import Fact
from connectors.facts.notable import Notable
from connectors.ports import Capability
from playbooks.case import CaseId, CaseReport, LogNote, StepOutcome
from playbooks.case_findings import CaseFindings
from playbooks.settings import Settings


class AssessedCase(Fact):
    """A case with its risk, before anything is decided.

    Attributes:
        case_id, host_candidates, connector, capabilities, log_notes, log_problem_count: as in CaseFindings.
        facts: everything gathered.
        risk: what it comes to.
    """

    case_id: CaseId
    facts: CaseFacts
    risk: RiskAssessment
    host_candidates: tuple[str, ...] = ()
    connector: str = ""
    capabilities: tuple[Capability, ...] = ()
    log_notes: tuple[LogNote, ...] = ()
    log_problem_count: int = 0


def assess_case(
    found: CaseFindings,
    *,
    profiles: Sequence[Profile],
    settings: Settings,
    now: datetime,
    checks: Mapping[str, IpCheck] | None = None,
) -> AssessedCase:
    """Destinations and risk of a case.

    Args:
        found: what telemetry gave.
        profiles: the profiles a notable may belong to; the first is used for a process name of none.
        settings: policy and the organisation's ranges.
        now: the time of the assessment.
        checks: public checks already made, by canonical address; the others are made here.
    """
    notables = tuple(
        with_user(with_direction(each, found.evidence), found.lineage) for each in found.notables
    )
    facts = CaseFacts(
        profile=profile_of(notables[0], profiles),
        notables=notables,
        destinations=describe_destinations(
            notables, found.evidence, settings.organisation_ranges, checks=checks or {}
        ),
        host=found.host,
        lineage=found.lineage,
        evidence=found.evidence,
        problems=found.problems,
        not_looked_up=_not_looked_up(found),
    )
    return AssessedCase(
        case_id=found.case_id,
        facts=facts,
        risk=assess_risk(facts, settings.risk, now),
        host_candidates=found.host_candidates,
        connector=found.connector,
        capabilities=found.capabilities,
        log_notes=found.log_notes,
        log_problem_count=found.log_problem_count,
    )


def decide_case(
    case: AssessedCase, *, settings: Settings, caller_mode: IsolationMode, now: datetime
) -> CaseReport:
    """The isolation decision and the report of a case. Nothing is isolated here.

    Args:
        case: the case with its risk.
        settings: the policy.
        caller_mode: the highest mode the caller allows.
        now: the time of the decision.
    """
    request = IsolationRequest(
        facts=case.facts,
        risk=case.risk,
        caller_mode=caller_mode,
        connector=case.connector,
        capabilities=frozenset(case.capabilities),
        host_candidates=case.host_candidates,
    )
    decision = decide_isolation(request, settings.isolation, now)
    return CaseReport(
        case_id=case.case_id,
        generated_at=now,
        facts=case.facts,
        risk=case.risk,
        decision=decision,
        steps=_outcomes(case.facts),
        next_steps=next_steps(case.facts, settings.risk, case.risk, decision),
        log_notes=case.log_notes,
        log_problem_count=case.log_problem_count,
    )


def profile_of(notable: Notable, profiles: Sequence[Profile]) -> Profile:
    """The profile that claims the notable's process name; the first where none does."""
    name = notable.process_name.casefold()
    return next(
        (each for each in profiles if name in {one.casefold() for one in each.process_names}), profiles[0]
    )


def _not_looked_up(found: CaseFindings) -> str:
    """Why no source has answered for host or process; "" where one has."""
    if found.connector and not found.failed:
        return ""
    return "; ".join(dict.fromkeys(problem.why.rstrip(".") for problem in found.problems))


def _outcomes(facts: CaseFacts) -> tuple[StepOutcome, ...]:
    """What each step gave, for the report: a step without a result says so."""
    checked = len(facts.destinations)
    external = sum(each.check.external for each in facts.destinations)
    lineage = facts.lineage
    known = f"{len(lineage.ancestors)} ancestors, {len(lineage.children)} children" if lineage else "none"
    reasons = "; ".join(problem.why for problem in facts.problems)
    return (
        StepOutcome(
            step="check_ip",
            ok=checked > 0,
            detail=f"{checked} destinations, {external} outside the organisation",
        ),
        StepOutcome(step="lookup_reputation", ok=False, detail="no reputation source configured"),
        StepOutcome(step="get_process_lineage", ok=lineage is not None, detail=known if lineage else reasons),
        StepOutcome(step="assess_risk", ok=True, detail="done"),
        StepOutcome(step="decide_isolation", ok=True, detail="done; nothing is isolated by this step"),
    )
