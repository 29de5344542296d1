"""`run`: the whole playbook over notables, Sysmon logs, or both."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from actions.profile import Profile
from connectors.edr.catalogue import EdrName
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.asset_sources import asset_lists_of
from playbooks.case import CaseReport, with_log_notes
from playbooks.case_findings import notables_left
from playbooks.edr import edr_of, named_edr
from playbooks.hosts.commands.isolation_tools import clock
from playbooks.hosts.commands.run_isolation import RunIsolation
from playbooks.hosts.commands.run_options import (
    DEFAULT_MODE,
    NO_SPLUNK,
    SplunkOptions,
    check_options,
    chosen_mode,
)
from playbooks.hosts.commands.run_output import NOTHING_GIVEN, print_cases, tell_given
from playbooks.hosts.commands.run_splunk import RunSplunk, keep, run_splunk
from playbooks.hosts.commands.warnings_told import tell_unreadable, warnings_as_notes
from playbooks.hosts.commands.written_told import tell_not_written
from playbooks.hosts.given_logs import OF_RUN, naming_notables, tell_of_logs
from playbooks.hosts.given_notables import GivenNotables, read_notables
from playbooks.hosts.outcome import EXIT_BAD_INPUT, EXIT_FAILED
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.splunk_intake import notables_by_id, nothing_new
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    chosen_semantics,
    note,
    progress,
    screen,
    write_json,
)
from playbooks.logs import LogRun, check_something_was_read, read_logs
from playbooks.report.run_document import run_document
from playbooks.report.wording import count
from playbooks.reputation import Reputation, reputation_of
from playbooks.respond import respond
from playbooks.settings import Settings, load_settings
from playbooks.siem import told_with_remedy
from playbooks.steps import InProcess

#: Hosts named of what was not worked.
HOSTS_NAMED = 5


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
    mode: str = DEFAULT_MODE,
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
        mode: how far isolation may go at most; the policy and the site may hold it lower.

    Raises:
        InputError: nothing was given, or a path, profile, setting or key is wrong.
        ConnectorError: Splunk gave no notables.
        SystemExit: after all else was done: 2, when a notable was rejected; 1, when one was not found in
            Splunk, one of `--new` could not be worked (the EDR failed), something could not be written
            back, or an isolation of this run came to nothing or is not known. A notable that was named is a
            case without its EDR too, and ends with 0.
    """
    check_options(
        logs=logs, notables=notables, splunk=splunk, out=out, lookup=lookup, fresh=fresh, edr_name=edr_name
    )
    caller_mode = chosen_mode(mode)
    settings = load_settings(config)
    asked_edr = None if logs else named_edr(edr_name, settings)
    # Made first, so that a key that cannot be read is told before any work; it opens nothing until asked.
    reputation = reputation_of(settings, os.environ) if lookup else None
    unreadable = tell_unreadable(reputation.unreadable) if reputation is not None else False
    chosen = chosen_profiles(profiles)
    isolation = RunIsolation(settings, caller_mode, asks_edr=asked_edr is not None)
    folder = OutputFolder(out) if out is not None else None
    with warnings_as_notes(), run_splunk(splunk, settings, folder, chosen) as of_splunk:
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
            isolation=isolation,
        )
        worked = reports
        if log_run is not None:
            reports = tuple(with_log_notes(report, log_run.report) for report in reports)
        beside = log_run is not None and given is not None and bool(given.notables or not splunk.new)
        notes = (
            _left(raised, reports, log_run.edr, settings, splunk) if log_run is not None and beside else []
        )
        notes += given.notes if given else []
        asked = log_run is not None or asked_edr is not None
        kept = keep(reports, folder, of_splunk, settings, asked=asked, edr=asked_edr, back=splunk.write_back)
        reports = kept.reports
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
        isolation.print_done(worked, config)
    for each in notes:
        note(each)
    isolation.tell_nothing_done()
    failed = tell_not_written(reports) or kept.failed or isolation.failed(worked)
    if given is not None:
        nothing = nothing_new(settings.splunk) if splunk.new and settings.splunk else NOTHING_GIVEN
        tell_given(given, kept=folder is not None, nothing=nothing)
    if log_run is not None:
        check_something_was_read(log_run.report)
    sys.stdout.flush()
    if unreadable:
        sys.exit(EXIT_BAD_INPUT)
    if failed or (given is not None and given.not_found):
        sys.exit(EXIT_FAILED)


def _given(
    names: Sequence[str],
    options: SplunkOptions,
    splunk: RunSplunk,
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
    with naming_notables(logs, settings, OF_RUN), progress(logs) as advance:
        log_run = read_logs(
            logs,
            profiles,
            semantics=chosen_semantics(semantics),
            organisation=settings.organisation_ranges,
            watched=sorted({notable.process_name for notable in given.notables} if given else ()),
            guids={guid for notable in given.notables for guid in notable.process_guids} if given else (),
            progress=advance,
        )
    tell_of_logs(log_run.report, logs, settings, OF_RUN)
    return log_run


def _worked(
    notables: Sequence[Notable],
    telemetry: AbstractContextManager[EdrConnector | None],
    reputation: Reputation | None,
    profiles: Sequence[Profile],
    settings: Settings,
    *,
    fresh: bool,
    isolation: RunIsolation,
) -> tuple[CaseReport, ...]:
    with (
        reputation or nullcontext(),
        telemetry as edr,
        isolation.containing(edr) as containing,
        asset_lists_of(settings, os.environ) as lists,
    ):
        return respond(
            InProcess(),
            notables,
            edr=edr,
            profiles=profiles,
            settings=settings,
            clock=clock,
            caller_mode=isolation.caller_mode,
            reputation=reputation,
            fresh=fresh,
            containing=containing,
            lists=lists,
        )


def _telemetry(
    log_run: LogRun | None, asked: EdrName | None, settings: Settings
) -> AbstractContextManager[EdrConnector | None]:
    """Where processes are looked up: the logs that were given, else the EDR."""
    if asked is not None:
        return edr_of(asked, settings, os.environ, clock=clock)
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
    hosts = sorted({each.machine_label for each in left})
    more = f" and {len(hosts) - HOSTS_NAMED} more hosts" if len(hosts) > HOSTS_NAMED else ""
    detections = f"{count(len(left), 'detection')} of the log on {', '.join(hosts[:HOSTS_NAMED])}{more}"
    given = "--new" if splunk.new else "--event-id" if splunk.event_ids else "--notable"
    remedy = f"run without {given} to work what the log raises"
    return [f"not worked: {detections}, beside the notables that were given; {remedy}"]
