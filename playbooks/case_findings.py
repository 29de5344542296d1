"""What telemetry gives for the cases of notables: host, process, lineage, evidence, every gap named."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from actions.case_facts import Unknown
from actions.get_process_lineage import Located, gather_process, locate_process
from actions.locate_machine import FoundBy
from connectors.facts.base import Fact
from connectors.facts.host import HostRef
from connectors.facts.notable import Notable
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.ports import Capability, EdrConnector
from playbooks.case import CaseId, LogNote
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
        found_by: how the machine became known; None where it is not.
        earlier_ids: ids under which its notables stand where less is known of machine or process: a case
            of an earlier run that has one of them is replaced by this one.
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
    found_by: FoundBy | None = None
    earlier_ids: tuple[CaseId, ...] = ()
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
        found_by=draft.found_by,
        earlier_ids=tuple(draft.earlier_ids),
        host_candidates=draft.host_candidates,
        process_candidates=draft.process_candidates,
        connector=edr.name if edr is not None else "",
        capabilities=_in_order(edr.capabilities) if edr is not None else (),
        problems=tuple(draft.problems),
        failed=draft.failed,
    )


def _in_order(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    return tuple(sorted(capabilities))
