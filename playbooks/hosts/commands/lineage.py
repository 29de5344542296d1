"""`lineage`: one process of a Sysmon log or of an EDR, where it came from and what it did."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from actions.case_facts import Unknown
from actions.detection import Semantics
from actions.get_process_lineage import LineageSettings, Located, gather_process, locate_process
from connectors.addresses import parse_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.catalogue import EdrName
from connectors.errors import AmbiguousHost, AmbiguousProcess, ConnectorError, InputError, ProcessNotFound
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import EdrConnector
from playbooks.edr import edr_of, named_edr, remedy_of
from playbooks.hosts.given_logs import OF_OTHERS, naming_notables, tell_of_logs
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    note,
    progress,
    screen,
    write,
    write_json,
)
from playbooks.logs import check_something_was_read, read_logs
from playbooks.report import terminal
from playbooks.settings import Settings, load_settings


def run(
    *,
    logs: Sequence[Path],
    host: str,
    process: str,
    guid: str,
    peer: str,
    at: str,
    edr_name: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Print the lineage and the evidence of exactly one process.

    Raises:
        InputError: an option is missing or wrong.
        ConnectorError: the EDR did not answer.
        LogUnreadable: there is no Sysmon event in the logs.
        ProcessNotFound: nothing fits.
        AmbiguousProcess: several processes fit; they are named.
    """
    question = _question(host=host, process=process, guid=guid, peer=peer, at=at)
    settings = load_settings(config)
    asked = named_edr(edr_name, settings)
    if logs and edr_name:
        raise InputError("--edr", "was given beside Sysmon logs", "Give one of them")
    if logs:
        with _log_edr(logs, question, settings) as edr:
            _tell(edr, question, settings, as_json=as_json)
    elif asked is not None:
        with edr_of(asked, settings, os.environ) as edr:
            _tell(edr, question, settings, as_json=as_json)
    else:
        raise InputError("PATH", "no Sysmon log was given", "Give at least one file or folder, or --edr NAME")


@contextmanager
def _log_edr(logs: Sequence[Path], question: Notable, settings: Settings) -> Iterator[EdrConnector]:
    with naming_notables(logs, settings, OF_OTHERS), progress(logs) as advance:
        log_run = read_logs(
            logs,
            chosen_profiles(()),
            semantics=Semantics.STRICT,
            organisation=settings.organisation_ranges,
            watched=[question.process_name] if question.process_name else [],
            guids=question.process_guids,
            progress=advance,
        )
    tell_of_logs(log_run.report, logs, settings, OF_OTHERS)
    check_something_was_read(log_run.report)
    yield log_run.edr


def _tell(edr: EdrConnector, question: Notable, settings: Settings, *, as_json: bool) -> None:
    if question.process_guids and not edr.sysmon_guids and not question.process_name:
        raise InputError(
            "--guid",
            f"is Sysmon's, and {edr.name} has ids of its own, so it cannot be found by it",
            "Give --process NAME with --at TIME, and --peer IP where it is known",
        )
    located = _exactly_one(edr, question, settings.lineage)
    if located.host is None:
        raise ProcessNotFound(edr.name, "the host is not known")
    found = gather_process(edr, located.host, located.processes[0], [question], settings.lineage)
    if found.lineage is None:
        raise ProcessNotFound(edr.name, _reasons(edr, found.problems))
    if as_json:
        document = {
            "schema_version": "1.0",
            "host": located.host.model_dump(mode="json"),
            "lineage": found.lineage.model_dump(mode="json"),
            "evidence": found.evidence.model_dump(mode="json") if found.evidence else None,
            "problems": [each.model_dump(mode="json") for each in (*located.problems, *found.problems)],
        }
        write_json(document)
        return
    for each in located.problems:
        note(f"{each.what}: {each.why}")
    how = screen()
    write(
        terminal.render_lineage(
            found.lineage, found.evidence, width=how.width, color=how.color, unicode=how.unicode
        )
    )


def _reasons(edr: EdrConnector, problems: Sequence[Unknown]) -> str:
    """The reasons without the connector's name: its own error has it, and so has the one that is raised."""
    return "; ".join(each.why.removeprefix(f"{edr.name}: ") for each in problems)


def _question(*, host: str, process: str, guid: str, peer: str, at: str) -> Notable:
    """The options as a notable: the same search serves both."""
    if not host:
        raise InputError("--host", "is missing", "Name the host, short or full")
    if not process and not guid:
        raise InputError("--process", "neither --process nor --guid was given", "Give one of them")
    wanted = fields.guid(guid) if guid else None
    if guid and wanted is None:
        raise InputError("--guid", f"{guid!r} is no ProcessGuid", "Copy it from the report or the log")
    when: datetime | None = None
    if at:
        when = fields.instant(at)
        if when is None:
            raise InputError("--at", f"{at!r} is no time", "Write it as 2026-09-24T07:41:00Z")
    return Notable(
        source=NotableSource.DETECTION,
        event_id="asked",
        dest=host,
        process_name=process,
        dest_ip=parse_ip(peer, field="--peer").text if peer else None,
        first_time=when,
        last_time=when,
        process_guids=(wanted,) if wanted is not None else (),
    )


def _exactly_one(edr: EdrConnector, question: Notable, settings: LineageSettings) -> Located:
    located = locate_process(edr, question, settings)
    if len(located.processes) == 1:
        return located
    text = _reasons(edr, located.problems) or "no process fits"
    if located.failed:
        asked = next((each for each in EdrName if each.value == edr.name), None)
        remedy = f". {remedy_of(asked)}" if asked is not None else ""
        raise ConnectorError(edr.name, f"{text.rstrip('.')}{remedy}")
    if located.process_candidates:
        raise AmbiguousProcess(edr.name, text, candidates=located.process_candidates)
    if located.host_candidates:
        raise AmbiguousHost(edr.name, text, candidates=located.host_candidates)
    raise ProcessNotFound(edr.name, text)
