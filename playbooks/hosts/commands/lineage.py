"""`lineage`: one process of a Sysmon log, where it came from and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from actions.detection import Semantics
from actions.get_process_lineage import LineageSettings, Located, gather_process, locate_process
from connectors.addresses import parse_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.errors import AmbiguousHost, AmbiguousProcess, InputError, ProcessNotFound
from connectors.facts.notable import Notable, NotableSource
from playbooks.hosts.terminal_output import (
    chosen_profiles,
    progress,
    screen,
    tell_problems,
    write,
    write_json,
)
from playbooks.logs import read_logs
from playbooks.report import terminal
from playbooks.settings import load_settings


def run(
    *,
    logs: Sequence[Path],
    host: str,
    process: str,
    guid: str,
    peer: str,
    at: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Print the lineage and the evidence of exactly one process.

    Raises:
        InputError: an option is missing or wrong.
        ProcessNotFound: nothing fits.
        AmbiguousProcess: several processes fit; they are named.
    """
    question = _question(host=host, process=process, guid=guid, peer=peer, at=at)
    if not logs:
        raise InputError("PATH", "no Sysmon log was given", "Give at least one file or folder")
    settings = load_settings(config)
    with progress(logs) as advance:
        log_run = read_logs(
            logs,
            chosen_profiles(()),
            semantics=Semantics.STRICT,
            organisation=settings.organisation_ranges,
            watched=[process] if process else [],
            progress=advance,
        )
    tell_problems(log_run.report)
    located = _exactly_one(log_run.edr, question, settings.lineage)
    if located.host is None:
        raise ProcessNotFound(log_run.edr.name, "the host is not in the logs")
    found = gather_process(log_run.edr, located.host, located.processes[0], [question], settings.lineage)
    if found.lineage is None:
        raise ProcessNotFound(log_run.edr.name, "; ".join(each.why for each in found.problems))
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
    how = screen()
    write(
        terminal.render_lineage(
            found.lineage, found.evidence, width=how.width, color=how.color, unicode=how.unicode
        )
    )


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


def _exactly_one(edr: SysmonFileEdr, question: Notable, settings: LineageSettings) -> Located:
    located = locate_process(edr, question, settings)
    if len(located.processes) == 1:
        return located
    reasons = tuple(problem.why for problem in located.problems)
    text = "; ".join(reasons) or "no process fits"
    if located.process_candidates:
        raise AmbiguousProcess(edr.name, text, candidates=located.process_candidates)
    if located.host_candidates:
        raise AmbiguousHost(edr.name, text, candidates=located.host_candidates)
    raise ProcessNotFound(edr.name, text)
