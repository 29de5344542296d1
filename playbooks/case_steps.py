"""The steps of a case, each with a result that can be handed on as text: facts in, facts out.

`respond` runs them in one process; the Splunk SOAR app runs each as an action of its own, and hands the
results on as JSON. Both therefore come to the same report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import Field

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, Unknown
from actions.check_ip import IpCheck
from actions.decide_isolation import decide_isolation
from actions.describe_destinations import describe_destinations, with_direction, with_user
from actions.get_process_lineage import Located, gather_process, locate_process
from actions.isolation import IsolationMode, IsolationRequest
from actions.next_steps import next_steps
from actions.profile import Profile
from actions.risk import RiskAssessment
from connectors.facts.base import Fact
from connectors.facts.host import HostRef
from connectors.facts.notable import Notable
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.ports import Capability, EdrConnector
from playbooks.case import CaseId, CaseReport, LogNote, StepOutcome
from playbooks.grouping import CaseDraft, group_cases
from playbooks.settings import Settings
from playbooks.steps import Call, StepFailed, Steps


class CaseFindings(Fact):
    """What telemetry gives for one case.

    Attributes:
        case_id: stable: the same host and process give the same id.
        notables: the notables of the case, the earliest first.
        host: None when it is not exactly one.
        process: None when it was not found, or not exactly one fits.
        host_candidates: the machines that fit, where more than one does.
        process_candidates: the processes that fit, a line each, where more than one does.
        connector: short name of the EDR connector that was asked; "" if there is none.
        capabilities: what that connector can do, in the order of their names.
        lineage, evidence: None where they were not obtained.
        problems: what could not be told, and why.
        failed: True when the connector could not answer; False when it answered, whatever it found.
        log_notes, log_problem_count: what could not be read in the logs behind it, as in CaseReport.
    """

    case_id: CaseId
    notables: Annotated[tuple[Notable, ...], Field(min_length=1)]
    host: HostRef | None = None
    process: ProcessRef | None = None
    host_candidates: tuple[str, ...] = ()
    process_candidates: tuple[str, ...] = ()
    connector: str = ""
    capabilities: tuple[Capability, ...] = ()
    lineage: Lineage | None = None
    evidence: ProcessEvidence | None = None
    problems: tuple[Unknown, ...] = ()
    failed: bool = False
    log_notes: tuple[LogNote, ...] = ()
    log_problem_count: int = 0


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


def gather_cases(
    steps: Steps, edr: EdrConnector | None, notables: Sequence[Notable], settings: Settings
) -> tuple[CaseFindings, ...]:
    """Find host and process of each notable, join the notables into cases, and gather for each case.

    Args:
        steps: what runs the look-ups side by side.
        edr: where processes are looked up; None when there is none.
        notables: any number.
        settings: how a process is searched.

    Returns:
        One a case, in the order of their first notable. What failed stands among the problems.
    """
    drafts = _drafts(steps, edr, notables, settings)
    gathered = steps.parallel(
        [Call("get_process_lineage", partial(_gather, edr, draft, settings)) for draft in drafts]
    )
    return tuple(
        _without_process(draft, edr, findings) if isinstance(findings, StepFailed) else findings
        for draft, findings in zip(drafts, gathered, strict=True)
    )


def notables_left(
    steps: Steps,
    edr: EdrConnector,
    notables: Sequence[Notable],
    settings: Settings,
    *,
    worked: Collection[str],
) -> tuple[Notable, ...]:
    """Those of the notables whose case is not among the worked ones; nothing is gathered for them.

    Args:
        steps, edr, settings: as gather_cases.
        notables: any number.
        worked: ids of cases.
    """
    drafts = _drafts(steps, edr, notables, settings)
    left = (notable for draft in drafts if draft.case_id not in worked for notable in draft.notables)
    return tuple(dict.fromkeys(left))


def ungathered_cases(notables: Sequence[Notable], why: str) -> tuple[CaseFindings, ...]:
    """The cases of notables whose host and process nobody could be asked about.

    Args:
        notables: any number.
        why: the reason, one sentence.
    """
    nowhere = Located(problems=(Unknown(what="host and process", why=why),))
    drafts = group_cases((notable, nowhere) for notable in notables)
    return tuple(_findings(draft, None) for draft in drafts)


def without_telemetry(found: CaseFindings, why: str) -> CaseFindings:
    """The same case without what telemetry gave.

    Args:
        found: what telemetry gave.
        why: the fault that it led to, a few words.
    """
    lacking = Unknown(
        what="lineage and evidence", why=f"left out, since the assessment failed with it: {why}"
    )
    return found.model_copy(
        update={"lineage": None, "evidence": None, "problems": (*found.problems, lacking), "failed": True}
    )


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


def _drafts(
    steps: Steps, edr: EdrConnector | None, notables: Sequence[Notable], settings: Settings
) -> list[CaseDraft]:
    found = steps.parallel(
        [
            Call("locate_process", partial(locate_process, edr, notable, settings.lineage))
            for notable in notables
        ]
    )
    located = [where if isinstance(where, Located) else _not_located(where) for where in found]
    return group_cases(zip(notables, located, strict=True))


def _not_located(failure: StepFailed) -> Located:
    return Located(problems=(Unknown(what="host and process", why=failure.reason),), failed=True)


def _gather(edr: EdrConnector | None, draft: CaseDraft, settings: Settings) -> CaseFindings:
    found = _findings(draft, edr)
    if edr is None or draft.host is None or draft.process is None:
        return found
    gathered = gather_process(edr, draft.host, draft.process, draft.notables, settings.lineage)
    return found.model_copy(
        update={
            "lineage": gathered.lineage,
            "evidence": gathered.evidence,
            "problems": (*found.problems, *gathered.problems),
            "failed": found.failed or (gathered.lineage is None and gathered.evidence is None),
        }
    )


def _without_process(draft: CaseDraft, edr: EdrConnector | None, failure: StepFailed) -> CaseFindings:
    found = _findings(draft, edr)
    lacking = Unknown(what="lineage and evidence", why=failure.reason)
    return found.model_copy(update={"problems": (*found.problems, lacking), "failed": True})


def _findings(draft: CaseDraft, edr: EdrConnector | None) -> CaseFindings:
    return CaseFindings(
        case_id=draft.case_id,
        notables=tuple(draft.notables),
        host=draft.host,
        process=draft.process,
        host_candidates=draft.host_candidates,
        process_candidates=draft.process_candidates,
        connector=edr.name if edr is not None else "",
        capabilities=_in_order(edr.capabilities) if edr is not None else (),
        problems=tuple(draft.problems),
        failed=draft.failed,
    )


def _in_order(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(capabilities))


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
