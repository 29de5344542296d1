"""The playbook: from notables to case reports, in the order of docs/architecture.md.

notable -> locate host and process -> group into cases -> evidence and lineage -> public check and names
-> risk -> isolation decision -> report. What another system does not answer becomes an unknown in the
report; it never stops the others and never lowers a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from actions.isolation import IsolationMode
from actions.profile import Profile
from connectors.errors import ResponseError
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings, gather_cases, without_telemetry
from playbooks.case_steps import assess_case, decide_case
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
    caller_mode: IsolationMode = IsolationMode.APPROVE,
) -> tuple[CaseReport, ...]:
    """Work the notables up to the isolation decision. Nothing is isolated here.

    Args:
        steps: what runs the steps.
        notables: any number; later ones of the same process join its case.
        edr: where processes are looked up; None when there is none.
        profiles: the profiles a notable may belong to; the first is used for a process name of none.
        settings: policy and limits.
        clock: the time.
        caller_mode: the highest isolation mode the caller allows.

    Returns:
        One report per case, in the order of their first notable. Where a fault of ours stops an assessment,
        the report of that case leaves out its telemetry and says so.

    Raises:
        ResponseError: a case could not be worked even so.
    """
    done = report_cases(
        steps,
        gather_cases(steps, edr, notables, settings),
        profiles=profiles,
        settings=settings,
        clock=clock,
        caller_mode=caller_mode,
    )
    lost = [fault for fault in done.faults if not fault.reported]
    if lost:
        raise ResponseError(f"{lost[0].case_id} could not be worked: {lost[0].reason}")
    return done.reports


class CaseFault(NamedTuple):
    """A fault of ours while a case was assessed.

    Attributes:
        reported: True when the case has a report that leaves out its telemetry; False when it has none.
    """

    case_id: str
    reason: str
    reported: bool


class Reported(NamedTuple):
    """The reports of cases, and what went wrong on the way."""

    reports: tuple[CaseReport, ...]
    faults: tuple[CaseFault, ...] = ()


def report_cases(
    steps: Steps,
    found: Iterable[CaseFindings],
    *,
    profiles: Sequence[Profile],
    settings: Settings,
    clock: Callable[[], datetime],
    caller_mode: IsolationMode,
) -> Reported:
    """Assess and decide what was gathered: the second half of `respond`, with the same arguments.

    A fault in one case costs the others nothing.
    """

    def report_of(case: CaseFindings) -> CaseReport:
        now = clock()
        assessed = assess_case(case, profiles=profiles, settings=settings, now=now)
        return decide_case(assessed, settings=settings, caller_mode=caller_mode, now=now)

    reports: list[CaseReport] = []
    faults: list[CaseFault] = []
    for case in found:
        (report,) = steps.parallel([Call("assess_case", partial(report_of, case))])
        if isinstance(report, StepFailed):
            # The class of the exception alone: its text may hold anything.
            reason = report.reason.partition(":")[0]
            without = without_telemetry(case, reason)
            (report,) = steps.parallel([Call("assess_case", partial(report_of, without))])
            faults.append(CaseFault(case.case_id, reason, reported=not isinstance(report, StepFailed)))
        if not isinstance(report, StepFailed):
            reports.append(report)
    return Reported(tuple(reports), tuple(faults))
