"""Cases that take the place of others, once more is known of their machine or process."""

from __future__ import annotations

from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.story import another_machine


def warning_of(report: CaseReport) -> str:
    """What puts the whole case in doubt: that another one counts, or that the machine may differ; else ""."""
    if report.replaced_by is not None:
        by = wording.name(report.replaced_by)
        return f"Replaced by {by}: more has become known of its machine or process, and that case counts."
    return another_machine(report.facts)


def replaces_words(report: CaseReport) -> str:
    """Which cases it takes the place of, "" as a rule."""
    return f"takes the place of {wording.names(report.replaces)}" if report.replaces else ""
