"""The playbook: from notables to case reports, in the order of docs/architecture.md.

notable -> locate host and process -> group into cases -> evidence and lineage -> public check and names
-> risk -> isolation decision -> report. What another system does not answer becomes an unknown in the
report; it never stops the others and never lowers a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from actions.isolation import IsolationMode
from actions.profile import Profile
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.case import CaseReport
from playbooks.case_steps import assess_case, decide_case, gather_cases
from playbooks.settings import Settings
from playbooks.steps import Steps


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
        One report per case, in the order of their first notable.
    """
    reports = []
    for found in gather_cases(steps, edr, notables, settings):
        now = clock()
        case = assess_case(found, profiles=profiles, settings=settings, now=now)
        reports.append(decide_case(case, settings=settings, caller_mode=caller_mode, now=now))
    return tuple(reports)
