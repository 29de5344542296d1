"""The playbook: from notables to case reports, in the order of docs/architecture.md.

notable -> locate host and process -> group into cases -> evidence and lineage -> public check and names
-> risk -> isolation decision -> report. What another system does not answer becomes an unknown in the
report; it never stops the others and never lowers a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts, Unknown
from actions.decide_isolation import decide_isolation
from actions.describe_destinations import describe_destinations, with_direction, with_user
from actions.get_process_lineage import Located, ProcessFindings, gather_process, locate_process
from actions.isolation import IsolationMode, IsolationRequest
from actions.next_steps import next_steps
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.case import CaseReport, StepOutcome
from playbooks.grouping import CaseDraft, group_cases
from playbooks.settings import Settings
from playbooks.steps import Call, StepFailed, Steps


def respond(
    steps: Steps,
    notables: Sequence[Notable],
    *,
    edr: EdrConnector | None,
    profiles: Sequence[Profile],
    settings: Settings,
    clock: Callable[[], datetime],
) -> tuple[CaseReport, ...]:
    """Work the notables up to the isolation decision. Nothing is isolated here.

    Args:
        steps: what runs the steps.
        notables: any number; later ones of the same process join its case.
        edr: where processes are looked up; None when there is none.
        profiles: the profiles a notable may belong to; the first is used for a process name of none.
        settings: policy and limits.
        clock: the time.

    Returns:
        One report per case, in the order of their first notable.
    """
    located = steps.parallel(
        [
            Call("locate_process", partial(locate_process, edr, notable, settings.lineage))
            for notable in notables
        ]
    )
    drafts = group_cases(
        (notable, where if isinstance(where, Located) else _not_located(where))
        for notable, where in zip(notables, located, strict=True)
    )
    gathered = steps.parallel(
        [Call("get_process_lineage", partial(_gather, edr, draft, settings)) for draft in drafts]
    )
    organisation = settings.organisation_ranges
    return tuple(
        _report(
            draft,
            findings,
            edr=edr,
            profiles=profiles,
            settings=settings,
            organisation=organisation,
            now=clock(),
        )
        for draft, findings in zip(drafts, gathered, strict=True)
    )


def _not_located(failure: StepFailed) -> Located:
    return Located(problems=(Unknown(what="host and process", why=failure.reason),))


def _gather(edr: EdrConnector | None, draft: CaseDraft, settings: Settings) -> ProcessFindings:
    if edr is None or draft.host is None or draft.process is None:
        return ProcessFindings()
    return gather_process(edr, draft.host, draft.process, draft.notables, settings.lineage)


def _report(
    draft: CaseDraft,
    gathered: ProcessFindings | StepFailed,
    *,
    edr: EdrConnector | None,
    profiles: Sequence[Profile],
    settings: Settings,
    organisation: OrganisationRanges,
    now: datetime,
) -> CaseReport:
    if isinstance(gathered, StepFailed):
        gathered = ProcessFindings(problems=(Unknown(what="lineage and evidence", why=gathered.reason),))
    notables = tuple(
        with_user(with_direction(each, gathered.evidence), gathered.lineage) for each in draft.notables
    )
    facts = CaseFacts(
        profile=_profile_of(notables[0], profiles),
        notables=notables,
        destinations=describe_destinations(notables, gathered.evidence, organisation),
        host=draft.host,
        lineage=gathered.lineage,
        evidence=gathered.evidence,
        problems=(*draft.problems, *gathered.problems),
    )
    risk = assess_risk(facts, settings.risk, now)
    request = IsolationRequest(
        facts=facts,
        risk=risk,
        caller_mode=IsolationMode.APPROVE,
        connector=edr.name if edr is not None else "",
        capabilities=edr.capabilities if edr is not None else frozenset(),
        host_candidates=draft.host_candidates,
    )
    decision = decide_isolation(request, settings.isolation, now)
    return CaseReport(
        case_id=draft.case_id,
        generated_at=now,
        facts=facts,
        risk=risk,
        decision=decision,
        steps=_outcomes(facts),
        next_steps=next_steps(facts, settings.risk, risk, decision),
    )


def _profile_of(notable: Notable, profiles: Sequence[Profile]) -> Profile:
    name = notable.process_name.lower()
    return next((each for each in profiles if name in each.process_names), profiles[0])


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
        StepOutcome(step="decide_isolation", ok=True, detail="done; nothing is isolated by this command"),
    )
