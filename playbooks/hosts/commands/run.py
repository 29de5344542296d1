"""`run`: the whole playbook over notables, Sysmon logs, or both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from connectors.clock import utc_now
from connectors.errors import InputError, NotableError
from connectors.facts.notable import Notable
from connectors.siem.notable import RejectedNotable, parse_notables
from connectors.siem.notable_input import MAX_INPUT
from playbooks.case import CaseReport, with_log_notes
from playbooks.hosts.outcome import EXIT_BAD_INPUT, complain
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.terminal_output import (
    Screen,
    chosen_profiles,
    chosen_semantics,
    note,
    progress,
    screen,
    tell_problems,
    write,
    write_json,
)
from playbooks.logs import LogRun, check_something_was_read, read_logs
from playbooks.report import detection as detection_report
from playbooks.report import terminal
from playbooks.report.document import summary_row
from playbooks.report.run_document import run_document
from playbooks.respond import respond
from playbooks.settings import Settings, load_settings
from playbooks.steps import InProcess

#: Reports printed in full; the table lists all cases, and --out writes all.
SHOWN_IN_FULL = 10

_STDIN = "-"


def run(
    *,
    logs: Sequence[Path],
    notables: Sequence[str],
    config: Path | None,
    profiles: Sequence[str],
    semantics: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Work everything given; print the cases, write them to `out`.

    Raises:
        InputError: nothing was given, or a path, profile or setting is wrong.
        SystemExit: 2 after all else was done, when a notable was rejected.
    """
    if not logs and not notables:
        raise InputError(
            "run", "neither --notable nor --sysmon was given", "Give one of them; see run --help"
        )
    settings = load_settings(config)
    chosen = chosen_profiles(profiles)
    folder = OutputFolder(out) if out is not None else None
    given, rejected = _read_notables(notables, settings)
    if folder is not None:
        folder.keep_rejected(rejected)
    log_run: LogRun | None = None
    if logs:
        with progress(logs) as advance:
            log_run = read_logs(
                logs,
                chosen,
                semantics=chosen_semantics(semantics),
                organisation=settings.organisation_ranges,
                watched=sorted({notable.process_name for notable in given}),
                progress=advance,
            )
        tell_problems(log_run.report)
    raised = [alert.notable for alert in log_run.detection.raised] if log_run and not notables else []
    reports = respond(
        InProcess(),
        [*given, *raised],
        edr=log_run.edr if log_run else None,
        profiles=chosen,
        settings=settings,
        clock=utc_now,
    )
    if log_run is not None:
        reports = tuple(with_log_notes(report, log_run.report) for report in reports)
    if folder is not None:
        folder.write(reports)
    if as_json:
        write_json(
            run_document(
                reports, log_run.detection if log_run else None, log_run.report if log_run else None, rejected
            )
        )
    else:
        _print(reports, log_run, screen(), folder)
    if notables and not given and not rejected:
        note("no notable was in the input")
    for each in rejected:
        complain(each.error)
    if rejected:
        if folder is None:
            note("rejected notables are kept only with --out DIR")
        sys.stdout.flush()
        sys.exit(EXIT_BAD_INPUT)
    if log_run is not None:
        check_something_was_read(log_run.report)


def _read_notables(names: Sequence[str], settings: Settings) -> tuple[list[Notable], list[RejectedNotable]]:
    found: list[Notable] = []
    rejected: list[RejectedNotable] = []
    for name in names:
        try:
            parsed = parse_notables(_read(name), settings=settings.notable)
        except NotableError as error:
            where = f"--notable {name}"
            raise NotableError(where, f"{error.field}: {error.problem}", error.remedy) from error
        found.extend(parsed.notables)
        rejected.extend(parsed.rejected)
    return found, rejected


def _read(name: str) -> bytes:
    if name == _STDIN:
        return sys.stdin.buffer.read(MAX_INPUT + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_INPUT + 1)  # the parser refuses what is larger
    except OSError as error:
        raise InputError(
            "--notable", f"{name} cannot be read ({error.strerror})", "Check the path"
        ) from error


def _print(
    reports: Sequence[CaseReport], log_run: LogRun | None, how: Screen, folder: OutputFolder | None
) -> None:
    if log_run is not None:
        write(detection_report.as_text(log_run.detection, log_run.report))
    shown = sorted(reports, key=lambda report: -report.risk.score)[:SHOWN_IN_FULL]
    for report in shown:
        write("\n" + terminal.render(report, width=how.width, color=how.color, unicode=how.unicode))
    if len(reports) > len(shown):
        note(f"{len(reports) - len(shown)} further cases are in the table; --out DIR writes all")
    if reports:
        rows = [summary_row(report) for report in reports]
        write("\n" + terminal.render_table(rows, width=how.width, color=how.color, unicode=how.unicode))
    if folder is not None:
        note(f"{len(reports)} reports written to {folder.path}")
