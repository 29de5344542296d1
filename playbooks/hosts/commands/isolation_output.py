"""How the commands of isolation print one case."""

from __future__ import annotations

from pathlib import Path

from actions.containment import ContainmentOutcome
from playbooks.case import CaseReport
from playbooks.hosts.commands.containment_told import report_lines
from playbooks.hosts.commands.isolation_tools import SCHEMA_VERSION
from playbooks.hosts.terminal_output import write, write_json
from playbooks.report.display import visible


def print_lines(lines: list[str]) -> None:
    """Print lines, each made safe."""
    write("\n".join(visible(each, keep_blanks=True) for each in lines))


def print_case(report: CaseReport, config: Path | None, *, outcome: str, as_json: bool) -> None:
    """What was done about the host of a case.

    Args:
        report: the case, with what was done.
        config: the settings file, for the commands that are named.
        outcome: what came of this command, one word; of the JSON document.
        as_json: print JSON.
    """
    if not as_json:
        print_lines(report_lines(report, config))
        return
    write_json(
        {
            "schema_version": SCHEMA_VERSION,
            "outcome": outcome,
            "case_id": report.case_id,
            "decision": report.decision.model_dump(mode="json"),
            "containment": report.containment.model_dump(mode="json") if report.containment else None,
        }
    )


def outcome_of(report: CaseReport) -> str:
    """What an order came to; "not_sent" where none was made."""
    result = report.containment.result if report.containment is not None else None
    return (result.outcome if result is not None else ContainmentOutcome.NOT_SENT).value


def well(report: CaseReport) -> bool:
    """Whether what was wanted of the host was done: its step did not fail."""
    return all(each.ok for each in report.steps if each.step == "isolate_host")
