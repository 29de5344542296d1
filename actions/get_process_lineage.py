"""From a notable to its process: the host, the process again, its lineage and its evidence.

A ProcessGuid settles the process. Version 7 of the analytic carries none, so it is found again from host,
name, peer and time; user, own address and process id then narrow what fits, and none of them ever suffices.
Two that fit are both named and neither is picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from actions.bounded_process import bounded_evidence, bounded_lineage
from actions.case_facts import Unknown
from actions.locate_machine import FoundBy, Machine, locate_machine
from actions.long_text import LONGEST_KEPT, shortened
from actions.source_words import SourceKind, words_for
from connectors.errors import AmbiguousHost, ConnectorError, HostNotFound
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT, Fact
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import EvidenceKind, Lineage, ProcessEvidence, ProcessRef
from connectors.ports import EdrConnector, Window

_REMEDY_LOGS = "Give the host's Sysmon log or an EDR connector"

#: Processes named where several fit; the rest is counted.
CANDIDATES_LISTED = 100


class LineageSettings(Fact):
    """How a process is searched and how far its lineage is walked.

    Attributes:
        skew_s: seconds by which clocks may differ: a connection is timed by when it was logged, some seconds
            late, or by a UtcTime before that of its own process (0.7 s seen); a SIEM's times can be rounded.
        max_depth: ancestors at most.
        max_nodes: processes of one lineage at most.
    """

    skew_s: Annotated[int, Field(ge=0, le=3600)] = 300
    max_depth: Annotated[int, Field(ge=1, le=100)] = 20
    max_nodes: Annotated[int, Field(ge=2, le=10_000)] = 200


class Located(Fact):
    """Where a notable's process is.

    Attributes:
        host: None when it is not exactly one.
        processes: the processes behind the notable. More than one only where the notable itself names
            several ProcessGuids; two that merely fit are a problem, not a choice.
        host_candidates: the machines that fit, where more than one does; else empty.
        process_candidates: the processes that fit, a line each, where more than one does; else empty.
        found_by: how the machine became known; None where it is not.
        direction: of the connection, where it was looked for to find the machine.
        problems: what could not be told, and why.
        failed: True when the connector could not answer; False when it answered, whatever it found.
    """

    host: HostRef | None = None
    found_by: FoundBy | None = None
    direction: Direction = Direction.UNKNOWN
    processes: tuple[ProcessRef, ...] = ()
    host_candidates: tuple[str, ...] = ()
    process_candidates: tuple[str, ...] = ()
    problems: tuple[Unknown, ...] = ()
    failed: bool = False


class ProcessFindings(Fact):
    """Lineage and evidence of one process; None where the connector did not give them."""

    lineage: Lineage | None = None
    evidence: ProcessEvidence | None = None
    problems: tuple[Unknown, ...] = ()


def locate_process(edr: EdrConnector | None, notable: Notable, settings: LineageSettings) -> Located:
    """The host and the process of a notable. Never raises for what a connector answers."""
    if edr is None:
        why = "no EDR connector and no log was given"
        return Located(problems=(_unknown("host and process", why, _REMEDY_LOGS),))
    window = search_window(notable, settings)
    try:
        machine = locate_machine(edr, notable, window)
    except AmbiguousHost as error:
        why = f"{error.message}: {', '.join(error.candidates)}"
        problem = _unknown("host", why, "Tell which one is meant, by its full name")
        return Located(host_candidates=error.candidates, problems=(problem,))
    except HostNotFound as error:
        return Located(problems=(_unknown("host", error.message, _elsewhere(edr)),))
    except ConnectorError as error:
        return Located(problems=(_unknown("host", str(error)),), failed=True)
    known = {"host": machine.host, "found_by": machine.by, "direction": machine.direction}
    if notable.direction is Direction.UNKNOWN:
        notable = notable.model_copy(update={"direction": machine.direction})
    try:
        found = _find(edr, machine, notable, window)
    except ConnectorError as error:
        found = Located(problems=(_unknown("process", str(error)),), failed=True)
    return found.model_copy(update=known)


def gather_process(
    edr: EdrConnector,
    host: HostRef,
    process: ProcessRef,
    notables: Sequence[Notable],
    settings: LineageSettings,
) -> ProcessFindings:
    """Lineage and evidence of a located process. Each is asked for even when the other failed."""
    windows = [search_window(notable, settings) for notable in notables]
    window = Window(min(each.start for each in windows), max(each.end for each in windows))
    problems = []
    lineage: Lineage | None = None
    evidence: ProcessEvidence | None = None
    try:
        lineage = edr.get_lineage(
            host, process, window=window, max_depth=settings.max_depth, max_nodes=settings.max_nodes
        )
    except ConnectorError as error:
        problems.append(_unknown("lineage", str(error)))
    try:
        evidence = edr.get_process_evidence(host, process, window=window)
    except ConnectorError as error:
        problems.append(_unknown("evidence of the process", str(error)))
    if lineage is not None:
        lineage, cut = bounded_lineage(lineage)
        if cut:
            why = f"{cut} of siblings and children are longer than {LONGEST_KEPT:,} characters and were cut"
            problems.append(_unknown("the rest of some command lines", why, "Read them in the log"))
    if evidence is not None:
        evidence = bounded_evidence(evidence, notables)
    return ProcessFindings(lineage=lineage, evidence=evidence, problems=tuple(problems))


def search_window(notable: Notable, settings: LineageSettings) -> Window:
    """The time span in which the process was at work, widened for clock skew.

    A notable without times is searched over everything.
    """
    skew = timedelta(seconds=settings.skew_s)
    times = _times(notable)
    if times is None:
        return Window(EARLIEST_INSTANT, LATEST_INSTANT)
    return Window(min(times) - skew, max(times) + skew)


def _times(notable: Notable) -> tuple[datetime, datetime] | None:
    """First and last time; None where the notable has neither, so that all times are searched."""
    first = notable.first_time or notable.last_time
    last = notable.last_time or notable.first_time
    return None if first is None or last is None else (first, last)


def _find(edr: EdrConnector, machine: Machine, notable: Notable, window: Window) -> Located:
    host = machine.host
    if notable.process_guids and edr.sysmon_guids:
        return _by_guid(edr, host, notable, window)
    problems: list[Unknown] = []
    found: Sequence[ProcessRef] = machine.processes
    if len(found) != 1:
        found = _by_peer(edr, host, notable, window)
    if not found:
        found = edr.find_process(host, name=notable.process_name, window=window, user=notable.user or None)
        if found:
            problems.append(_connection_unproved(edr, notable))
    if not found:
        when = "" if _times(notable) is None else " at that time"
        why = f"no {notable.process_name} is recorded on {host.hostname}{when}"
        why += _earlier_one(edr, host, notable, window)
        return Located(problems=(_unknown("process", why, _elsewhere(edr)),))
    found = _of_ids(found, notable)
    if notable.process_guids:
        how = "what fits was looked for by name, peer and time instead"
        if len(found) == 1:
            how = f"it was found by {_found_by(notable, peer_seen=not problems)}"
        why = f"{edr.name} has process ids of its own and does not know Sysmon's ProcessGuids; {how}"
        problems.insert(0, _unknown("the process that the notable names by ProcessGuid", why))
    if len(found) > 1:
        named = "; ".join(_describe(each) for each in found[:10])
        why = f"{len(found)} processes fit and none is picked: {named}"
        remedy = (
            "Run `lineage` with the --guid of the one that is meant"
            if edr.sysmon_guids
            else "Run `lineage` with --at, the time at which the one that is meant was at work, and --peer"
        )
        return Located(
            process_candidates=_described(found),
            problems=(*problems, _unknown("process", why, remedy)),
        )
    return Located(processes=tuple(found), problems=tuple(problems))


def _by_peer(edr: EdrConnector, host: HostRef, notable: Notable, window: Window) -> Sequence[ProcessRef]:
    """The processes that had a connection with the peer; of several those of the user and the address."""
    if notable.peer_ip is None:
        return ()
    return edr.find_process(
        host,
        name=notable.process_name,
        remote_ip=notable.peer_ip,
        local_ip=notable.own_ip,
        user=notable.user or None,
        window=window,
    )


def _of_ids(found: Sequence[ProcessRef], notable: Notable) -> Sequence[ProcessRef]:
    """Of several processes those whose pid the notable names, where there is any."""
    named = [each for each in found if each.pid is not None and each.pid in notable.process_ids]
    return named if len(found) > 1 and named else found


def _elsewhere(edr: EdrConnector) -> str:
    """Where else to look for what the connector does not have."""
    vendor = words_for(edr.name).kind is SourceKind.VENDOR
    return "Give the host's Sysmon log, or ask another EDR" if vendor else _REMEDY_LOGS


def _connection_unproved(edr: EdrConnector, notable: Notable) -> Unknown:
    """The process fits, and no connection of it was seen, or none was asked for."""
    by = _found_by(notable, peer_seen=False)
    if notable.peer_ip:
        why = (
            f"no connection of {notable.process_name} to {notable.peer_ip} is in the telemetry; the process"
            f" was found by {by} only"
        )
        return _unknown("the connection itself", why, words_for(edr.name).collect(EvidenceKind.CONNECTION))
    return _unknown(
        "the connection itself",
        f"no peer address was given, so none was looked for; the process was found by {by} only",
    )


def _found_by(notable: Notable, *, peer_seen: bool) -> str:
    """What the process was found by: `name`, `name and time`, `name, peer and time`."""
    parts = ["name", *(["peer"] if peer_seen and notable.peer_ip else [])]
    parts += ["time"] if _times(notable) is not None else []
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _by_guid(edr: EdrConnector, host: HostRef, notable: Notable, window: Window) -> Located:
    found: list[ProcessRef] = []
    problems: list[Unknown] = []
    for guid in notable.process_guids:
        fitting = edr.find_process(host, guid=guid, name=notable.process_name, window=window)
        if len(fitting) == 1:
            found.append(fitting[0])
        else:
            why = f"{len(fitting)} processes have the ProcessGuid {guid}"
            problems.append(_unknown("process", why, _elsewhere(edr)))
    return Located(processes=tuple(found), problems=tuple(problems))


def _earlier_one(edr: EdrConnector, host: HostRef, notable: Notable, window: Window) -> str:
    """When an earlier process of the name ended, the latest that can be found; "" where that is not told."""
    before = Window(EARLIEST_INSTANT, window.start)
    try:
        found = edr.find_process(host, name=notable.process_name, window=before)
        started = [each for each in found if each.start_time is not None]
        if not started:
            return ""
        latest = max(started, key=lambda each: (each.start_time or EARLIEST_INSTANT, each.guid or ""))
        ended = edr.get_lineage(host, latest, window=before, max_depth=1, max_nodes=2).target.end_time
    except ConnectorError:
        return ""  # the plain sentence stands without it
    if ended is None or ended >= window.start:
        return ""
    return f"; an earlier one (pid {latest.pid}) ended at {ended.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _described(processes: Sequence[ProcessRef]) -> tuple[str, ...]:
    lines = tuple(_describe(each) for each in processes[:CANDIDATES_LISTED])
    more = len(processes) - len(lines)
    return (*lines, f"and {more} more") if more else lines


def _describe(process: ProcessRef) -> str:
    started = process.start_time.isoformat() if process.start_time is not None else "start unknown"
    return shortened(f"{process.name} pid {process.pid} guid {process.guid or 'none'} ({started})")


def _unknown(what: str, why: str, remedy: str = "") -> Unknown:
    return Unknown(what=what, why=why, remedy=remedy)
