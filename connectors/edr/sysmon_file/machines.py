"""On which hosts of a log a connection was seen.

A log may have a thousand hosts with the same peer and a notable of each. So connections are found by their
ends and hosts by the first part of a guid, and none is searched through for each notable.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate, islice
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sightings import Sighting
from connectors.edr.sysmon_file.connection_rows import ConnectionRow
from connectors.edr.sysmon_file.event_clock import LOGGED_LATE
from connectors.edr.sysmon_file.evidence import KEPT_CONNECTIONS
from connectors.edr.sysmon_file.rows import ProcessRow, process_ref
from connectors.edr.sysmon_file.store import HostLog
from connectors.errors import QueryFailed
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.process import ProcessRef, image_name
from connectors.ports import MACHINES_NAMED, ConnectionClue, Window

#: Characters of a guid that Sysmon makes of the machine, mostly one text a host.
#: https://learn.microsoft.com/sysinternals/downloads/sysmon (ProcessGuid)
_MACHINE_PART = 8


class _Seen(NamedTuple):
    """A connection of a host, with its times; what cannot be read excludes no time."""

    log: HostLog
    row: ConnectionRow
    first: datetime
    last: datetime


class _Between:
    """The connections of one process name between two ends, which may be those of a thousand hosts."""

    def __init__(self, seen: Iterable[_Seen]) -> None:
        self._seen = sorted(seen, key=lambda each: each.first)
        self._firsts = [each.first for each in self._seen]
        #: The latest end of each and all before it: these never fall, so that they can be searched.
        self._ends = list(accumulate((each.last for each in self._seen), max))

    def in_window(self, window: Window) -> Iterator[_Seen]:
        """Those of a time, the earliest first."""
        start = bisect_left(self._ends, window.start)
        for each in islice(self._seen, start, bisect_right(self._firsts, window.end)):
            if each.last >= window.start:
                yield each


class MachineIndex:
    """The connections and guids of all hosts of a log, which has to be read whole before."""

    def __init__(self, hosts: Collection[HostLog]) -> None:
        """Index what was kept of the hosts."""
        between: dict[tuple[str, str, str], list[_Seen]] = {}
        self._of_guid: dict[str, list[_Seen]] = {}
        self._with_part: dict[str, dict[str, HostLog]] = {}
        self._cut: list[str] = []
        for log in hosts:
            for process in log.processes:
                self._note(process.guid, log)
            rows = log.evidence.connections()
            if len(rows) >= KEPT_CONNECTIONS:
                self._cut.append(log.computer)
            for row in rows:
                self._note(row.guid, log)
                first = fields.instant(row.first_utc) or EARLIEST_INSTANT
                seen = _Seen(log, row, first, fields.instant(row.last_utc) or LATEST_INSTANT)
                ends = (_name_of(log, row), row.src_ip, row.dest_ip)
                between.setdefault(ends, []).append(seen)
                if row.guid is not None:
                    self._of_guid.setdefault(row.guid, []).append(seen)
        self._between = {ends: _Between(seen) for ends, seen in between.items()}

    def _note(self, guid: str | None, log: HostLog) -> None:
        if guid is not None:
            self._with_part.setdefault(guid[:_MACHINE_PART], {}).setdefault(log.computer, log)

    def machines(
        self, connector: str, clue: ConnectionClue, window: Window
    ) -> list[tuple[HostLog, list[Sighting]]]:
        """The hosts by name, MACHINES_NAMED at most, with what was seen on each.

        Raises:
            QueryFailed: a host has more connections than were kept, so that it may be one more.
        """
        name = clue.process_name.strip().lower()
        if not name:
            return []
        ends = canonical_ip(clue.src_ip or ""), canonical_ip(clue.dest_ip or "")
        found = self._by_guid(clue, name, ends)
        if not found and ends[0] and ends[1]:
            found = self._by_ends((name, ends[0], ends[1]), window)
            cut = [each for each in self._cut if each not in found]
            if cut and len(found) < 2:
                why = f"of {cut[0]} only {KEPT_CONNECTIONS:,} connections were kept"
                raise QueryFailed(connector, f"{why}, and the one asked for may be among the others")
        return [found[computer] for computer in sorted(found, key=str.lower)]

    def _by_guid(
        self, clue: ConnectionClue, name: str, ends: tuple[str | None, str | None]
    ) -> dict[str, tuple[HostLog, list[Sighting]]]:
        found: dict[str, tuple[HostLog, list[Sighting]]] = {}
        for guid in dict.fromkeys(fields.guid(each) for each in clue.guids):
            if guid is None:
                continue
            for log in self._with_part.get(guid[:_MACHINE_PART], {}).values():
                seen = [each for each in self._of_guid.get(guid, ()) if each.log is log]
                process = _named(log, guid, seen, name)
                if process is None:
                    continue
                if log.computer not in found and len(found) == MACHINES_NAMED:
                    return found
                fitting = [each for each in seen if _has_ends(each.row, ends)]
                sightings = found.setdefault(log.computer, (log, []))[1]
                sightings += _sightings(process, fitting) if fitting else [Sighting(process)]
        return found

    def _by_ends(
        self, ends: tuple[str, str, str], window: Window
    ) -> dict[str, tuple[HostLog, list[Sighting]]]:
        found: dict[str, tuple[HostLog, list[Sighting]]] = {}
        between = self._between.get(ends)
        for each in between.in_window(window) if between is not None else ():
            computer = each.log.computer
            if computer not in found and len(found) == MACHINES_NAMED:
                break  # none of so many is the one: what else they did adds nothing
            process = process_of(each.log, computer, each.row)
            found.setdefault(computer, (each.log, []))[1].extend(_sightings(process, [each]))
        return found


def process_of(log: HostLog, host_id: str, row: ConnectionRow) -> ProcessRef:
    """The process behind a connection, as its creation has it, where that was logged."""
    created = _created(log, row)
    if created is not None:
        return process_ref(host_id, created)
    return ProcessRef(host_id=host_id, guid=row.guid, pid=row.pid, image=row.image)


def _created(log: HostLog, row: ConnectionRow) -> ProcessRow | None:
    if row.guid is not None or row.pid is None:
        return log.processes.get(row.guid)
    seen_at = fields.instant(row.first_utc)
    return log.processes.with_pid(row.pid, seen_at, late=LOGGED_LATE) if seen_at is not None else None


def _name_of(log: HostLog, row: ConnectionRow) -> str:
    """As `process_of` has it, lower case."""
    created = _created(log, row)
    return image_name(row.image if created is None else created.image).lower()


def overlaps(window: Window, first_utc: str, last_utc: str) -> bool:
    """True when the span touches the window; an unreadable time does not exclude."""
    first, last = fields.instant(first_utc), fields.instant(last_utc)
    return not (first is not None and first > window.end) and not (last is not None and last < window.start)


def _named(log: HostLog, guid: str, seen: Sequence[_Seen], name: str) -> ProcessRef | None:
    """The process of a guid, if it has this name."""
    created = log.processes.get(guid)
    if created is not None:
        return process_ref(log.computer, created) if image_name(created.image).lower() == name else None
    fitting = (each.row for each in seen if image_name(each.row.image).lower() == name)
    return next((process_of(log, log.computer, row) for row in fitting), None)


def _has_ends(row: ConnectionRow, ends: tuple[str | None, str | None]) -> bool:
    return all(end is None or end == own for end, own in zip(ends, (row.src_ip, row.dest_ip), strict=True))


def _sightings(process: ProcessRef, seen: Sequence[_Seen]) -> Iterator[Sighting]:
    for each in seen:
        yield Sighting(process, each.row.direction)
        for name in each.row.peer_names:
            yield Sighting(process, each.row.direction, name)
