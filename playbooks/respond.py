"""The playbook: from notables to case reports, in the order of docs/architecture.md.

notable -> locate host and process -> group into cases -> evidence and lineage -> public check and names
-> risk -> isolation decision -> report. What another system does not answer becomes an unknown in the
report; it never stops the others and never lowers a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from actions.isolation import IsolationMode
from actions.profile import Profile
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.case import CaseReport
from playbooks.case_steps import (
    CaseFindings,
    assess_case,
    decide_case,
    gather_cases,
    without_telemetry,
)
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
    """

    return report_cases(
        steps,
        gather_cases(steps, edr, notables, settings),
        profiles=profiles,
        settings=settings,
        clock=clock,
        caller_mode=caller_mode,
    )


def report_cases(
    steps: Steps,
    found: Iterable[CaseFindings],
    *,
    profiles: Sequence[Profile],
    settings: Settings,
    clock: Callable[[], datetime],
    caller_mode: IsolationMode,
) -> tuple[CaseReport, ...]:
    """What was gathered, assessed and decided: the second half of `respond`, with the same arguments."""

    def report_of(case: CaseFindings) -> CaseReport:
        now = clock()
        assessed = assess_case(case, profiles=profiles, settings=settings, now=now)
        return decide_case(assessed, settings=settings, caller_mode=caller_mode, now=now)

    reports = []
    for case in found:
        (report,) = steps.parallel([Call("assess_case", partial(report_of, case))])
        reports.append(
            report_of(without_telemetry(case, report.reason)) if isinstance(report, StepFailed) else report
        )
    return tuple(reports)
