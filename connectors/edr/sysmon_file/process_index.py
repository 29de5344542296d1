"""The process index of one host: who started whom, over compact rows.

Keyed by ProcessGuid. Where a guid is null, by pid and time: the nearest earlier start that had not ended.
Never by the pid alone, which Windows reuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from connectors.edr import sysmon_fields as fields
from connectors.edr.lineage_gaps import UNKNOWN_PARENT
from connectors.edr.sysmon_file.rows import ProcessEnd, ProcessRow
from connectors.facts.process import GapKind, image_name


class ProcessIndex:
    """Processes of one host."""

    __slots__ = ("_by_guid", "_by_pid", "_children", "_ended", "_unkeyed")

    def __init__(self) -> None:
        self._by_guid: dict[str, ProcessRow] = {}
        self._unkeyed: list[ProcessRow] = []
        self._ended: dict[str, ProcessEnd] = {}
        # Built when first asked for, dropped when a row is added: most logs are read once and then asked.
        self._children: dict[str | None, list[ProcessRow]] | None = None
        self._by_pid: dict[int, list[ProcessRow]] | None = None

    def __len__(self) -> int:
        return len(self._by_guid) + len(self._unkeyed)

    def __iter__(self) -> Iterator[ProcessRow]:
        yield from self._by_guid.values()
        yield from self._unkeyed

    def add(self, row: ProcessRow) -> None:
        """Add a process creation. The same guid again (a log read twice) changes nothing."""
        self.extend((row,))

    def extend(self, rows: Iterable[ProcessRow]) -> None:
        """Add many process creations."""
        self._children = self._by_pid = None
        keep = self._by_guid.setdefault
        for row in rows:
            if row.guid is None:
                self._unkeyed.append(row)
            else:
                keep(row.guid, row)

    def end(self, guid: str, end: ProcessEnd) -> None:
        """Record a termination (EID 5). Of several of one process, the earliest readable one counts."""
        row = self._by_guid.get(guid)
        key = guid if row is None or row.guid is None else row.guid
        known = self._ended.get(key)
        if known is None or known.time is None or (end.time is not None and end.time < known.time):
            self._ended[key] = end

    def get(self, guid: str | None) -> ProcessRow | None:
        """The process with this guid, if its creation was logged."""
        return None if guid is None else self._by_guid.get(guid)

    def ended(self, row: ProcessRow) -> ProcessEnd | None:
        """The process's end; None when it was not logged."""
        return None if row.guid is None else self._ended.get(row.guid)

    def ended_guid(self, guid: str | None) -> ProcessEnd | None:
        """As `ended`, for a process of which only the guid is known."""
        return None if guid is None else self._ended.get(guid)

    def named(self, name: str) -> list[ProcessRow]:
        """Every process whose image has this name (case-insensitive), in order of start."""
        wanted = name.lower()
        found = [row for row in self if image_name(row.image).lower() == wanted]
        return sorted(found, key=lambda row: (row.utc, row.record))

    def with_pid(self, pid: int, at: datetime, *, late: timedelta = timedelta()) -> ProcessRow | None:
        """The process that had this pid at that time: the latest start not after it, and not ended before.

        Args:
            pid: the process id.
            at: the time.
            late: by how much `at` may be late, such as the time at which a connection was logged.
        """
        best: tuple[datetime, ProcessRow] | None = None
        for row in self._pids().get(pid, ()):
            started = fields.instant(row.utc)
            if started is None or started > at or (best is not None and started <= best[0]):
                continue
            best = (started, row)
        if best is None:
            return None
        end = self.ended(best[1])
        ended = end.time if end is not None else None
        return None if ended is not None and ended < at - late else best[1]

    def parent(self, row: ProcessRow) -> tuple[ProcessRow | None, GapKind | None]:
        """The parent's row, and how certain that is.

        Returns:
            (row, None) by guid; (row, PARENT_BY_PID) by pid and time where the guid is null;
            (None, PARENT_NOT_RECORDED) when its creation was not logged; (None, PARENT_ID_MISSING) when
            the log does not say who it was.
        """
        if row.parent_guid is not None:
            found = self._by_guid.get(row.parent_guid)
            return found, (None if found is not None else GapKind.PARENT_NOT_RECORDED)
        started = fields.instant(row.utc)
        if row.parent_pid is None or started is None or row.parent_image in UNKNOWN_PARENT:
            return None, GapKind.PARENT_ID_MISSING
        found = self.with_pid(row.parent_pid, started)
        if found is None or found.image.lower() != row.parent_image.lower():
            return None, GapKind.PARENT_NOT_RECORDED
        return found, GapKind.PARENT_BY_PID

    def children(self, row: ProcessRow) -> list[ProcessRow]:
        """What the process started, in order of start."""
        return self.children_of(row.guid)

    def children_of(self, guid: str | None) -> list[ProcessRow]:
        """As `children`, for a process of which only the guid is known."""
        if guid is None:
            return []
        children = self._children
        if children is None:
            children = {}
            for rows in (self._by_guid.values(), self._unkeyed):
                for each in rows:
                    brothers = children.get(each.parent_guid)
                    if brothers is None:
                        children[each.parent_guid] = [each]
                    else:
                        brothers.append(each)
            # Assigned whole: several cases are looked up on threads at once.
            self._children = children
        return sorted(children.get(guid, ()), key=lambda child: (child.utc, child.record))

    def _pids(self) -> dict[int, list[ProcessRow]]:
        by_pid = self._by_pid
        if by_pid is None:
            by_pid = {}
            for row in self:
                if row.pid is not None:
                    by_pid.setdefault(row.pid, []).append(row)
            self._by_pid = by_pid
        return by_pid
