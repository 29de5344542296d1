"""`run`: the whole playbook over notables, Sysmon logs, or both."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from connectors.clock import utc_now
from connectors.edr.catalogue import EdrName
from connectors.errors import InputError
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.case import CaseReport, with_log_notes
from playbooks.case_findings import notables_left
from playbooks.edr import edr_of, named_edr
from playbooks.hosts.commands.warnings_told import tell_unreadable, warnings_as_notes
from playbooks.hosts.given_notables import GivenNotables, read_notables
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
from playbooks.report.display import visible
from playbooks.report.document import summary_row
from playbooks.report.run_document import run_document
from playbooks.report.wording import count
from playbooks.reputation import reputation_of
from playbooks.respond import respond
from playbooks.settings import Settings, load_settings
from playbooks.steps import InProcess

#: Reports printed in full; the table lists all cases, and --out writes all.
SHOWN_IN_FULL = 10

#: Hosts named of what was not worked.
HOSTS_NAMED = 5


def run(
    *,
    logs: Sequence[Path],
    notables: Sequence[str],
    config: Path | None,
    profiles: Sequence[str],
    semantics: str,
    out: Path | None,
    lookup: bool,
    fresh: bool,
    edr_name: str,
    as_json: bool,
) -> None:
    """Work everything given; print the cases, write them to `out`.

    Args:
        logs: Sysmon logs, files or folders.
        notables: files of notables, "-" for standard input.
        config: the settings file.
        profiles: names or files.
        semantics: the reading of the analytic.
        out: where reports go.
        lookup: False asks nobody about addresses, and no list on this machine either.
        fresh: True asks sources past what was kept of their answers.
        edr_name: the EDR that is asked where no log is given; "" takes the settings' own, if any.
        as_json: print JSON.

    Raises:
        InputError: nothing was given, or a path, profile, setting or key is wrong.
        SystemExit: 2 after all else was done, when a notable was rejected.
    """
    _check_options(logs, notables, lookup=lookup, fresh=fresh, edr_name=edr_name)
    settings = load_settings(config)
    asked_edr = None if logs else named_edr(edr_name, settings)
    # Made first, so that a key that cannot be read is told before any work; it opens nothing until asked.
    reputation = reputation_of(settings, os.environ) if lookup else None
    unreadable = tell_unreadable(reputation.unreadable) if reputation is not None else False
    chosen = chosen_profiles(profiles)
    folder = OutputFolder(out) if out is not None else None
    given = read_notables(notables, settings, chosen) if notables else None
    if folder is not None and given is not None:
        folder.keep_rejected(given.rejected)
        folder.keep_inputs(given.unread)
    log_run: LogRun | None = None
    if logs:
        with progress(logs) as advance:
            log_run = read_logs(
                logs,
                chosen,
                semantics=chosen_semantics(semantics),
                organisation=settings.organisation_ranges,
                watched=sorted({notable.process_name for notable in given.notables} if given else ()),
                progress=advance,
            )
        tell_problems(log_run.report)
    raised = [alert.notable for alert in log_run.detection.raised] if log_run else []
    telemetry = _telemetry(log_run, asked_edr, settings)
    with warnings_as_notes(), reputation or nullcontext(), telemetry as edr:
        reports = respond(
            InProcess(),
            given.notables if given else raised,
            edr=edr,
            profiles=chosen,
            settings=settings,
            clock=utc_now,
            reputation=reputation,
            fresh=fresh,
        )
    if log_run is not None:
        reports = tuple(with_log_notes(report, log_run.report) for report in reports)
    notes = _left(raised, reports, log_run.edr, settings) if log_run is not None and given else []
    if folder is not None:
        folder.write(reports)
    if as_json:
        write_json(
            run_document(
                reports,
                log_run.detection if log_run else None,
                log_run.report if log_run else None,
                given.errors if given else (),
                notes,
            )
        )
    else:
        _print(reports, log_run, screen(), folder, notes)
    for each in notes:
        note(each)
    if given is not None:
        _tell(given, kept=folder is not None)
    if log_run is not None:
        check_something_was_read(log_run.report)
    if unreadable:
        sys.stdout.flush()
        sys.exit(EXIT_BAD_INPUT)


def _check_options(
    logs: Sequence[Path], notables: Sequence[str], *, lookup: bool, fresh: bool, edr_name: str
) -> None:
    if not logs and not notables:
        raise InputError(
            "run", "neither --notable nor --sysmon was given", "Give one of them; see run --help"
        )
    if fresh and not lookup:
        raise InputError("--fresh", "asks anew, and --no-lookup asks nobody", "Give one of them")
    if logs and edr_name:
        raise InputError("--edr", "was given beside Sysmon logs", "Give one of them")


def _telemetry(
    log_run: LogRun | None, asked: EdrName | None, settings: Settings
) -> AbstractContextManager[EdrConnector | None]:
    """Where processes are looked up: the logs that were given, else the EDR."""
    if asked is not None:
        return edr_of(asked, settings, os.environ)
    return nullcontext(log_run.edr if log_run is not None else None)


def _tell(given: GivenNotables, *, kept: bool) -> None:
    """What could not be used, on stderr.

    Raises:
        SystemExit: 2, when anything could not.
    """
    if not given.errors:
        if not given.notables:
            note("no notable was in the input")
        return
    for error in given.errors:
        complain(error)
    if not kept:
        note("rejected notables are kept only with --out DIR")
    elif given.too_large:
        note(f"{count(given.too_large, 'input')} over the limit not kept")
    sys.stdout.flush()
    sys.exit(EXIT_BAD_INPUT)


def _left(
    raised: Sequence[Notable], reports: Sequence[CaseReport], edr: EdrConnector, settings: Settings
) -> list[str]:
    """What the log raises besides the cases of the given notables, in a sentence; empty where nothing."""
    worked = {report.case_id for report in reports}
    left = notables_left(InProcess(), edr, raised, settings, worked=worked)
    if not left:
        return []
    hosts = sorted({each.dest for each in left})
    more = f" and {len(hosts) - HOSTS_NAMED} more hosts" if len(hosts) > HOSTS_NAMED else ""
    detections = f"{count(len(left), 'detection')} of the log on {', '.join(hosts[:HOSTS_NAMED])}{more}"
    remedy = "run without --notable to work what the log raises"
    return [f"not worked: {detections}, beside the notables that were given; {remedy}"]


def _print(
    reports: Sequence[CaseReport],
    log_run: LogRun | None,
    how: Screen,
    folder: OutputFolder | None,
    notes: Sequence[str],
) -> None:
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
    for each in notes:
        write(f"\n{visible(each)}")
    if folder is not None:
        note(f"{count(len(reports), 'report')} written to {folder.path}")
