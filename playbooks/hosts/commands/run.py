"""`run`: the whole playbook over notables, Sysmon logs, or both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from actions.profile import Profile
from connectors.clock import utc_now
from connectors.edr.catalogue import EdrName
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector, SiemConnector
from connectors.siem.notable import RejectedNotable
from playbooks.case import CaseReport, with_log_notes
from playbooks.case_findings import notables_left
from playbooks.edr import edr_of, named_edr
from playbooks.hosts.commands.run_options import NO_SPLUNK, SplunkOptions, check_options
from playbooks.hosts.commands.run_output import print_cases, tell_given
from playbooks.hosts.commands.warnings_told import tell_unreadable, warnings_as_notes
from playbooks.hosts.commands.written_told import tell_not_written
from playbooks.hosts.given_notables import GivenNotables, read_notables
from playbooks.hosts.outcome import EXIT_BAD_INPUT, EXIT_FAILED
from playbooks.hosts.output_folder import BEFORE, OutputFolder
from playbooks.hosts.splunk_intake import Intake, intake_of, notables_by_id
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    chosen_semantics,
    note,
    progress,
    screen,
    tell_problems,
    write_json,
)
from playbooks.logs import LogRun, check_something_was_read, read_logs
from playbooks.report.run_document import run_document
from playbooks.report.wording import count
from playbooks.reputation import Reputation, reputation_of
from playbooks.respond import respond
from playbooks.settings import Settings, load_settings
from playbooks.siem import splunk_of, told_with_remedy
from playbooks.steps import InProcess
from playbooks.write_back import write_back

#: Hosts named of what was not worked.
HOSTS_NAMED = 5


class _Splunk(NamedTuple):
    """Splunk while a run needs it.

    Attributes:
        siem: None where it is not asked.
        intake: where the next notables are taken; else None.
        rows: filled with rows that make no notable.
    """

    siem: SiemConnector | None = None
    intake: Intake | None = None
    rows: Sequence[RejectedNotable] = ()


def run(
    *,
    logs: Sequence[Path],
    notables: Sequence[str],
    splunk: SplunkOptions = NO_SPLUNK,
    config: Path | None,
    profiles: Sequence[str],
    semantics: str,
    out: Path | None,
    lookup: bool,
    fresh: bool,
    edr_name: str,
    as_json: bool,
) -> None:
    """Work everything given; print the cases, write them to `out`, write them back where that is asked for.

    Args:
        logs: Sysmon logs, files or folders.
        notables: files of notables, "-" for standard input.
        splunk: notables out of Splunk, and what is written to it.
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
        ConnectorError: Splunk gave no notables.
        SystemExit: after all else was done: 2, when a notable was rejected; 1, when one was not found in
            Splunk or something could not be written back.
    """
    check_options(
        logs=logs, notables=notables, splunk=splunk, out=out, lookup=lookup, fresh=fresh, edr_name=edr_name
    )
    settings = load_settings(config)
    asked_edr = None if logs else named_edr(edr_name, settings)
    # Made first, so that a key that cannot be read is told before any work; it opens nothing until asked.
    reputation = reputation_of(settings, os.environ) if lookup else None
    unreadable = tell_unreadable(reputation.unreadable) if reputation is not None else False
    chosen = chosen_profiles(profiles)
    folder = OutputFolder(out) if out is not None else None
    with warnings_as_notes(), _splunk(splunk, settings, folder) as of_splunk:
        given = _given(notables, splunk, of_splunk, settings, chosen)
        if folder is not None and given is not None:
            folder.keep_rejected(given.rejected)
            folder.keep_inputs(given.unread)
        log_run = _log_run(logs, given, settings, chosen, semantics) if logs else None
        raised = [alert.notable for alert in log_run.detection.raised] if log_run else []
        reports = _worked(
            given.notables if given else raised,
            _telemetry(log_run, asked_edr, settings),
            reputation,
            chosen,
            settings,
            fresh=fresh,
        )
        if log_run is not None:
            reports = tuple(with_log_notes(report, log_run.report) for report in reports)
        beside = log_run is not None and given is not None and bool(given.notables or not splunk.new)
        notes = (
            _left(raised, reports, log_run.edr, settings, splunk) if log_run is not None and beside else []
        )
        reports = _kept(reports, folder, of_splunk, settings, back=splunk.write_back)
    if as_json:
        write_json(
            run_document(
                reports,
                log_run.detection if log_run else None,
                log_run.report if log_run else None,
                given.errors if given else (),
                [*notes, *(str(each) for each in (given.not_found if given else ()))],
            )
        )
    else:
        print_cases(reports, log_run, screen(), folder, notes)
    for each in notes:
        note(each)
    failed = tell_not_written(reports)
    if given is not None:
        tell_given(given, kept=folder is not None, new=splunk.new)
    if log_run is not None:
        check_something_was_read(log_run.report)
    sys.stdout.flush()
    if unreadable:
        sys.exit(EXIT_BAD_INPUT)
    if failed or (given is not None and given.not_found):
        sys.exit(EXIT_FAILED)


@contextmanager
def _splunk(options: SplunkOptions, settings: Settings, folder: OutputFolder | None) -> Iterator[_Splunk]:
    """Splunk where it is asked, and the folder's lock where its next notables are taken."""
    if not options.used:
        yield _Splunk()
        return
    rows: list[RejectedNotable] = []
    with ExitStack() as opened:
        siem = opened.enter_context(splunk_of(settings, os.environ, on_rejected=rows.append))
        intake = None
        if options.new and folder is not None and settings.splunk is not None:
            intake = opened.enter_context(intake_of(folder, settings.splunk, clock=utc_now, tell=note))
        yield _Splunk(siem, intake, rows)


def _given(
    names: Sequence[str],
    options: SplunkOptions,
    splunk: _Splunk,
    settings: Settings,
    profiles: Sequence[Profile],
) -> GivenNotables | None:
    """The notables of files and of Splunk; None where none were asked for."""
    given = read_notables(names, settings, profiles) if names else None
    if splunk.siem is None or not (options.new or options.event_ids):
        return given
    with told_with_remedy():
        if splunk.intake is not None:
            return splunk.intake.take(
                splunk.siem, splunk.rows, profiles, limit=options.most, again=options.write_back
            )
        found = notables_by_id(splunk.siem, options.event_ids, profiles)
    if given is not None:
        found.add(given)
    return found


def _log_run(
    logs: Sequence[Path],
    given: GivenNotables | None,
    settings: Settings,
    profiles: Sequence[Profile],
    semantics: str,
) -> LogRun:
    with progress(logs) as advance:
        log_run = read_logs(
            logs,
            profiles,
            semantics=chosen_semantics(semantics),
            organisation=settings.organisation_ranges,
            watched=sorted({notable.process_name for notable in given.notables} if given else ()),
            progress=advance,
        )
    tell_problems(log_run.report)
    return log_run


def _worked(
    notables: Sequence[Notable],
    telemetry: AbstractContextManager[EdrConnector | None],
    reputation: Reputation | None,
    profiles: Sequence[Profile],
    settings: Settings,
    *,
    fresh: bool,
) -> tuple[CaseReport, ...]:
    with reputation or nullcontext(), telemetry as edr:
        return respond(
            InProcess(),
            notables,
            edr=edr,
            profiles=profiles,
            settings=settings,
            clock=utc_now,
            reputation=reputation,
            fresh=fresh,
        )


def _kept(
    reports: tuple[CaseReport, ...],
    folder: OutputFolder | None,
    splunk: _Splunk,
    settings: Settings,
    *,
    back: bool,
) -> tuple[CaseReport, ...]:
    """The reports, after they were written, written back where that is asked for, and counted as done.

    In this order: a crash in between has the same notables worked again.
    """
    intake = splunk.intake
    if intake is not None:
        reports = intake.with_new(reports)
        if missing := intake.unreported(reports):
            note(f"{count(missing, 'notable')} made no report; kept in {intake.journal.path}")
    # A run that found nothing new leaves the list of the last one.
    kept_in = folder if reports or intake is None else None
    for case_id in kept_in.write(reports) if kept_in is not None else ():
        note(f"{case_id}: no lineage this time; the earlier report is kept as {case_id}{BEFORE}")
    if splunk.siem is not None and back:
        siem, written = splunk.siem, intake.written if intake is not None else None
        reports = tuple(write_back(siem, each, settings.write_back, written=written) for each in reports)
        if kept_in is not None:
            kept_in.write(reports)
    if intake is not None:
        intake.done()
    return reports


def _telemetry(
    log_run: LogRun | None, asked: EdrName | None, settings: Settings
) -> AbstractContextManager[EdrConnector | None]:
    """Where processes are looked up: the logs that were given, else the EDR."""
    if asked is not None:
        return edr_of(asked, settings, os.environ)
    return nullcontext(log_run.edr if log_run is not None else None)


def _left(
    raised: Sequence[Notable],
    reports: Sequence[CaseReport],
    edr: EdrConnector,
    settings: Settings,
    splunk: SplunkOptions,
) -> list[str]:
    """What the log raises besides the cases of the given notables, in a sentence; empty where nothing."""
    worked = {report.case_id for report in reports}
    left = notables_left(InProcess(), edr, raised, settings, worked=worked)
    if not left:
        return []
    hosts = sorted({each.dest for each in left})
    more = f" and {len(hosts) - HOSTS_NAMED} more hosts" if len(hosts) > HOSTS_NAMED else ""
    detections = f"{count(len(left), 'detection')} of the log on {', '.join(hosts[:HOSTS_NAMED])}{more}"
    given = "--new" if splunk.new else "--event-id" if splunk.event_ids else "--notable"
    remedy = f"run without {given} to work what the log raises"
    return [f"not worked: {detections}, beside the notables that were given; {remedy}"]
