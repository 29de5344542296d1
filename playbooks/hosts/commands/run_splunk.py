"""`run` with Splunk: open while it is needed, and what becomes of the reports at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from actions.profile import Profile
from connectors.clock import utc_now
from connectors.edr.catalogue import EdrName
from connectors.ports import SiemConnector
from connectors.siem.notable import RejectedNotable
from playbooks.case import CaseReport
from playbooks.edr import remedy_of
from playbooks.hosts.commands.run_options import SplunkOptions
from playbooks.hosts.outcome import Interrupted
from playbooks.hosts.output_folder import BEFORE, OutputFolder
from playbooks.hosts.splunk_intake import Intake, Unfinished, intake_of
from playbooks.hosts.terminal_output import note
from playbooks.hosts.unworked import Identity
from playbooks.report.display import visible
from playbooks.report.wording import count
from playbooks.settings import Settings
from playbooks.siem import splunk_of
from playbooks.write_back import NOT_LOOKED_UP, write_back
from playbooks.write_back_patience import Patience
from playbooks.write_back_rows import left_alone

#: Notables or cases named one by one on stderr; the rest is counted.
_NAMED = 10

_AGAIN = "interrupted; the next run takes these notables again"


class RunSplunk(NamedTuple):
    """Splunk while a run needs it.

    Attributes:
        siem: None where it is not asked.
        intake: where the next notables are taken; else None.
        rows: filled with rows that make no notable.
    """

    siem: SiemConnector | None = None
    intake: Intake | None = None
    rows: Sequence[RejectedNotable] = ()


class Kept(NamedTuple):
    """The reports of a run after its end.

    Attributes:
        reports: with what was written back.
        failed: True where a notable of `--new` could not be worked.
    """

    reports: tuple[CaseReport, ...]
    failed: bool = False


@contextmanager
def run_splunk(
    options: SplunkOptions, settings: Settings, folder: OutputFolder | None, profiles: Sequence[Profile]
) -> Iterator[RunSplunk]:
    """Splunk where it is asked, and the folder's lock where its next notables are taken.

    Raises:
        ConfigError: Splunk's section or token is missing or wrong.
        InputError: another run is at work in the folder, or a file of an earlier run cannot be used.
        Interrupted: the block was interrupted before its notables were counted as done.
    """
    if not options.used:
        yield RunSplunk()
        return
    rows: list[RejectedNotable] = []
    with ExitStack() as opened:
        siem = opened.enter_context(
            splunk_of(settings, os.environ, on_rejected=rows.append, profiles=profiles)
        )
        intake = None
        if options.new and folder is not None and settings.splunk is not None:
            intake = opened.enter_context(intake_of(folder, settings.splunk, clock=utc_now, tell=note))
        try:
            yield RunSplunk(siem, intake, rows)
        except KeyboardInterrupt as stop:
            if intake is not None and not intake.ended:
                raise Interrupted(_AGAIN) from stop
            raise


def keep(
    reports: tuple[CaseReport, ...],
    folder: OutputFolder | None,
    splunk: RunSplunk,
    settings: Settings,
    *,
    asked: bool,
    edr: EdrName | None,
    back: bool,
) -> Kept:
    """The reports, after they were written, written back where that is asked for, and counted as done.

    In this order: a crash in between has the same notables worked again.

    Args:
        reports: of all cases.
        folder: where they are written; None where nowhere.
        splunk: where the notables came from.
        settings: what is written back.
        asked: whether somebody was asked about processes, an EDR or a log.
        edr: the EDR that was asked; None for a log.
        back: whether anything is written back.
    """
    intake = splunk.intake
    unfinished = Unfinished()
    everything = reports
    if intake is not None:
        reports = intake.with_new(reports)
    if folder is not None:
        reports = folder.replacing(reports)
    lacking = {each.case_id: each.facts.not_looked_up for each in reports if asked}
    failed = {case_id: why for case_id, why in lacking.items() if why}
    _tell_not_looked_up(failed, edr, new=intake is not None)
    if intake is not None:
        unfinished = intake.unfinished(everything, failed=failed)
        _tell_unfinished(unfinished)
    # A run that found nothing new leaves the list of the last one.
    kept_in = folder if reports or intake is None else None
    for case_id in kept_in.write(reports) if kept_in is not None else ():
        note(f"{case_id}: no lineage this time; the earlier report is kept as {case_id}{BEFORE}")
    if splunk.siem is not None and back:
        patience = Patience()
        reports = tuple(
            _written_back(splunk.siem, each, settings, intake, failed, patience) for each in reports
        )
        if kept_in is not None:
            kept_in.write(reports)
    if intake is not None:
        intake.done(unfinished)
    return Kept(reports, failed=any(unfinished))


def _written_back(
    siem: SiemConnector,
    report: CaseReport,
    settings: Settings,
    intake: Intake | None,
    failed: dict[str, str],
    patience: Patience,
) -> CaseReport:
    if report.case_id in failed:
        # Nothing, rather than a comment alone: a case without its process has another id and says that it
        # does not know; the next look-up would leave a second comment that contradicts the first. And a
        # notable that nobody could look at must go on looking new.
        why = NOT_LOOKED_UP
        return left_alone(report, f"{why}; the next run tries again" if intake is not None else why)
    if intake is None:
        return write_back(siem, report, settings.write_back, patience=patience)
    done = write_back(siem, report, settings.write_back, patience=patience, written=intake.written)
    intake.written.passed(each.event_id for each in report.facts.notables)
    return done


def _tell_not_looked_up(failed: dict[str, str], edr: EdrName | None, *, new: bool) -> None:
    """Say on stderr why cases could not be looked up, each reason once with its cases."""
    cases: dict[str, list[str]] = {}
    for case_id, why in failed.items():
        cases.setdefault(why, []).append(case_id)
    remedy = f" {remedy_of(edr)}." if edr is not None else ""
    again = " The next run works the notables again." if new else ""
    for why, ids in cases.items():
        told = f"regsvcs-response: not looked up: {_some(ids)}: {why.rstrip('.')}.{remedy}{again}"
        sys.stderr.write(visible(told) + "\n")


def _tell_unfinished(unfinished: Unfinished) -> None:
    for each in unfinished.no_report[:_NAMED]:
        what = "is in no report, which is a fault of this program, and is worked again by the next run"
        _tell_of(each, what)
    if (more := len(unfinished.no_report) - _NAMED) > 0:
        sys.stderr.write(f"regsvcs-response: {count(more, 'further notable')} in no report\n")
    for each in unfinished.given_up:
        _tell_of(
            each, "could not be worked by any run of the last days and is given up; work it by --event-id"
        )


def _tell_of(notable: Identity, what: str) -> None:
    named = f"{notable.event_id} ({notable.process_name} on {notable.dest or 'an unnamed machine'})"
    sys.stderr.write(visible(f"regsvcs-response: {named} {what}") + "\n")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
