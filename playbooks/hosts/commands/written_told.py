"""What a run wrote back to the SIEM, in lines for a person."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from playbooks.case import CaseReport, StepOutcome
from playbooks.report.display import visible
from playbooks.write_back_rows import STEPS

#: Outcomes of one case told one by one; the JSON report has all.
_TOLD = 10


def write_back_lines(reports: Sequence[CaseReport]) -> list[str]:
    """A line for each outcome, by case; not yet made safe to show."""
    lines = []
    for report in reports:
        outcomes = outcomes_of(report)
        for each in outcomes[:_TOLD]:
            failed = "" if each.ok else "FAILED: "
            lines.append(f"{report.case_id}: {each.step}: {failed}{each.detail}")
        if len(outcomes) > _TOLD:
            lines.append(f"{report.case_id}: and {len(outcomes) - _TOLD} more outcomes in the JSON report")
    return lines


def tell_not_written(reports: Sequence[CaseReport]) -> bool:
    """Say on stderr what could not be written back; True when there is something."""
    failed = [(report.case_id, each) for report in reports for each in outcomes_of(report) if not each.ok]
    for case_id, each in failed:
        sys.stderr.write(visible(f"regsvcs-response: not written back: {case_id}: {each.detail}") + "\n")
    return bool(failed)


def outcomes_of(report: CaseReport) -> list[StepOutcome]:
    """The outcomes of writing back, those that failed first."""
    return sorted((each for each in report.steps if each.step in STEPS), key=lambda each: each.ok)
