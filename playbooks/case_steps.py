"""The steps of a case, each with a result that can be handed on as text: facts in, facts out.

`respond` runs them in one process; the Splunk SOAR app runs each as an action of its own, and hands the
results on as JSON. Both therefore come to the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, Destination, Unknown
from actions.check_ip import IpCheck
from actions.decide_isolation import decide_isolation
from actions.describe_destinations import describe_destinations, with_direction, with_user
from actions.isolation import IsolationMode, IsolationRequest
from actions.listed_facts import NOTHING_LISTED, with_listed
from actions.next_steps import next_steps
from actions.profile import Profile
from actions.risk import RiskAssessment
from connectors.facts.base import Fact
from connectors.facts.notable import Notable
from connectors.ports import Capability, Listed
from connectors.reputation.answering import plural
from playbooks.case import CaseId, CaseReport, LogNote, StepOutcome
from playbooks.case_findings import CaseFindings
from playbooks.settings import Settings


class AssessedCase(Fact):
    """A case with its risk, before anything is decided.

    Attributes:
        case_id, earlier_ids, host_candidates, connector, capabilities, log_notes, log_problem_count: as in
            CaseFindings.
        facts: everything gathered.
        risk: what it comes to.
    """

    case_id: CaseId
    facts: CaseFacts
    risk: RiskAssessment
    earlier_ids: tuple[CaseId, ...] = ()
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
    destinations: Sequence[Destination] | None = None,
    unknowns: Sequence[Unknown] = (),
    listed: Listed = NOTHING_LISTED,
) -> AssessedCase:
    """The risk of a case.

    Args:
        found: what telemetry gave.
        profiles: the profiles a notable may belong to; the first is used for a process name of none.
        settings: policy and the organisation's ranges.
        now: the time of the assessment.
        destinations: the case's, as destinations_of gives them, with what is known of their reputation; None
            when nobody was asked.
        unknowns: what is not known beside what `found` says, such as addresses that were not looked up.
        listed: what asset and identity lists say, of this case's machine and users among others.
    """
    notables = _notables(found)
    if destinations is None:
        destinations = destinations_of(found, settings)
    gathered = CaseFacts(
        profile=profile_of(notables[0], profiles),
        notables=notables,
        destinations=tuple(destinations),
        host=found.host,
        found_by=found.found_by,
        lineage=found.lineage,
        evidence=found.evidence,
        problems=(*found.problems, *unknowns),
        not_looked_up=_not_looked_up(found),
    )
    facts = with_listed(gathered, listed)
    return AssessedCase(
        case_id=found.case_id,
        facts=facts,
        risk=assess_risk(facts, settings.risk, now),
        earlier_ids=found.earlier_ids,
        host_candidates=found.host_candidates,
        connector=found.connector,
        capabilities=found.capabilities,
        log_notes=found.log_notes,
        log_problem_count=found.log_problem_count,
    )


def destinations_of(
    found: CaseFindings, settings: Settings, *, checks: Mapping[str, IpCheck] | None = None
) -> tuple[Destination, ...]:
    """The other ends of a case's connections, with their public check and without a reputation.

    Args:
        found: what telemetry gave.
        settings: the organisation's ranges.
        checks: public checks already made, by canonical address; the others are made here.
    """
    return describe_destinations(
        _notables(found), found.evidence, settings.organisation_ranges, checks=checks or {}
    )


def _notables(found: CaseFindings) -> tuple[Notable, ...]:
    return tuple(with_user(with_direction(each, found.evidence), found.lineage) for each in found.notables)


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
    return decided(case, request_of(case, caller_mode), settings=settings, now=now)


def request_of(case: AssessedCase, caller_mode: IsolationMode) -> IsolationRequest:
    """What a case alone says to the isolation decision: neither host nor ledger is read."""
    return IsolationRequest(
        facts=case.facts,
        risk=case.risk,
        caller_mode=caller_mode,
        connector=case.connector,
        capabilities=frozenset(case.capabilities),
        host_candidates=case.host_candidates,
        asset=case.facts.asset,
    )


def decided(
    case: AssessedCase,
    request: IsolationRequest,
    *,
    settings: Settings,
    now: datetime,
    read: Sequence[StepOutcome] = (),
) -> CaseReport:
    """The report of a case with the decision on a request.

    Args:
        case, settings, now: as decide_case.
        request: what the decision looks at.
        read: how reading the host and the ledger went, where they were read.
    """
    decision = decide_isolation(request, settings.isolation, now)
    *before, last = _outcomes(case.facts)
    return CaseReport(
        case_id=case.case_id,
        earlier_ids=case.earlier_ids,
        generated_at=now,
        facts=case.facts,
        risk=case.risk,
        decision=decision,
        steps=(*before, *read, last),
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
        _lookup_outcome(facts.destinations),
        StepOutcome(step="get_process_lineage", ok=lineage is not None, detail=known if lineage else reasons),
        StepOutcome(step="assess_risk", ok=True, detail="done"),
        StepOutcome(step="decide_isolation", ok=True, detail="done; nothing is isolated by this step"),
    )


def _lookup_outcome(destinations: Sequence[Destination]) -> StepOutcome:
    coverages = [each.reputation.coverage for each in destinations if each.reputation is not None]
    asked = {name for each in coverages for name in each.asked}
    judging = {name for each in coverages for name in each.judging}
    failed = sorted({failure.source for each in coverages for failure in each.failed})
    described = asked - set(failed)
    left = sum(each.check.external and each.reputation is None for each in destinations)
    ok = bool(judging)
    if not coverages:
        said = ["no source was asked"]
    elif judging:
        number = plural(len(asked), "source")
        said = [f"{number} asked; of those that can report bad addresses, {len(judging)} answered"]
    elif not any(each.check.external for each in destinations):
        # Nothing is missing: of such addresses nobody else knows anything.
        ok, said = True, ["no address is one that others are asked about"]
    else:
        lacking = "answered" if failed else "is configured"
        said = [f"no source that can report bad addresses {lacking}"]
        if described:
            said.append("lists and sources that were asked described the addresses")
    if failed:
        said.append(f"no answer from {', '.join(failed)}")
    if coverages and left:
        said.append(f"{left:,} {'address' if left == 1 else 'addresses'} not looked up")
    return StepOutcome(step="lookup_reputation", ok=ok, detail="; ".join(said))
