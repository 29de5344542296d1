"""What `run` prints: the cases on standard output, and what could not be used on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from playbooks.case import CaseReport
from playbooks.hosts.commands.written_told import write_back_lines
from playbooks.hosts.given_notables import GivenNotables
from playbooks.hosts.outcome import EXIT_BAD_INPUT, complain
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.terminal_output import Screen, note, write
from playbooks.logs import LogRun
from playbooks.report import detection as detection_report
from playbooks.report import terminal
from playbooks.report.display import visible
from playbooks.report.document import summary_row
from playbooks.report.wording import count

#: Said where files and standard input held no notable.
NOTHING_GIVEN = "no notable was in the input"

#: Reports printed in full; the table lists all cases, and --out writes all.
SHOWN_IN_FULL = 10


def print_cases(
    reports: Sequence[CaseReport],
    log_run: LogRun | None,
    how: Screen,
    folder: OutputFolder | None,
    notes: Sequence[str],
) -> None:
    """The detection of the logs, the cases, their table, and what was written back.

    Args:
        reports: the cases.
        log_run: what was read of logs; None when none was given.
        how: the screen.
        folder: where the reports are written; None when nowhere.
        notes: what the reader should know of the run, one sentence each.
    """
    if log_run is not None:
        write(detection_report.as_text(log_run.detection, log_run.report))
    shown = sorted(reports, key=lambda report: -report.risk.score)[:SHOWN_IN_FULL]
    for report in shown:
        write("\n" + terminal.render(report, width=how.width, color=how.color, unicode=how.unicode))
    if len(reports) > len(shown):
        further = count(len(reports) - len(shown), "further case is", "further cases are")
        note(f"{further} in the table; --out DIR writes all")
    if reports:
        rows = [summary_row(report) for report in reports]
        write("\n" + terminal.render_table(rows, width=how.width, color=how.color, unicode=how.unicode))
    if lines := write_back_lines(reports):
        write("\n" + "\n".join(visible(each) for each in lines))
    for each in notes:
        write(f"\n{visible(each)}")
    if folder is not None:
        note(f"{count(len(reports), 'report')} written to {folder.path}")


def tell_given(given: GivenNotables, *, kept: bool, nothing: str) -> None:
    """What could not be used, on stderr.

    Args:
        given: what the inputs held.
        kept: whether there is a folder that keeps what was rejected.
        nothing: what is said where there is no notable at all.

    Raises:
        SystemExit: 2, when anything could not.
    """
    for missing in given.not_found:
        complain(missing)
    if not given.errors:
        if not given.notables and not given.not_found:
            note(nothing)
        return
    for error in given.errors:
        complain(error)
    if not kept:
        note("rejected notables are kept only with --out DIR")
    elif given.too_large:
        note(f"{count(given.too_large, 'input')} over the limit not kept")
    sys.stdout.flush()
    sys.exit(EXIT_BAD_INPUT)
