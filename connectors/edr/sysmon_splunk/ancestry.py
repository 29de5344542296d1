"""Gathers what a lineage is made of, level by level; the walk over it is that of the Sysmon files.

Searches: one for the target with its children, one for each parent (the first with the siblings), one for
ends and signatures of relatives for each MOST_KEYS of them; one more where a ParentProcessGuid is null and
siblings are wanted, and one where the target's own start is not recorded. So at most ancestors + 4 for up to
MOST_KEYS relatives.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import batched

from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import can_be_asked
from connectors.edr.lineage_gaps import UNKNOWN_PARENT
from connectors.edr.sysmon_file.rows import ProcessRow
from connectors.edr.sysmon_file.store import HostLog
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.gathering import AHEAD, SKEW, Gathering
from connectors.facts.process import ProcessRef
from connectors.ports import Window

#: Starts and ends of processes with one id that are looked through for the one that had it at a time.
MOST_WITH_PID = 500

#: Rows besides children: start, end and signature of each process asked for, several where a log is doubled.
OWN_ROWS = 20

#: Files whose writers are looked for, and characters of each: those of the nearest ancestors come first.
MOST_PATHS = 100
LONGEST_PATH = 1000


class Ancestry:
    """The gathering for one process of one host."""

    def __init__(
        self, gathering: Gathering, sysmon: str, computer: str, *, window: Window, history: timedelta
    ) -> None:
        """Search nothing yet.

        Args:
            gathering: does the searches.
            sysmon: search terms for Sysmon's events.
            computer: the host.
            window: searched, as gathering.searched gives it.
            history: how long before it processes may have started.
        """
        self._gathering = gathering
        self._sysmon = sysmon
        self._computer = computer
        self._window = window
        self._history = history
        self._all = Window(window.start - history, window.end + AHEAD)
        self._asked: set[str] = set()

    def gather(self, process: ProcessRef, *, max_depth: int, max_nodes: int, relatives: bool) -> bool:
        """Gather target and ancestors, and with `relatives` children and siblings.

        True when some of these were left out.

        Args:
            process: with its guid, or with pid and start time.
            max_depth: ancestors at most.
            max_nodes: relatives at most.
            relatives: False only goes up.
        """
        if process.guid is not None:
            more = self._level(process.guid, children=relatives, most=max_nodes)
        else:
            more = self._unkeyed(process)
        row = self._target(process)
        if row is None:
            if process.guid is not None:
                query = queries.of_guids(self._sysmon, self._computer, [process.guid], 3)
                self._gathering.search(query, self._all, most=OWN_ROWS)
        else:
            more = self._up(row, max_depth=max_depth, max_nodes=max_nodes, relatives=relatives) or more
        if relatives:
            self._ends(max_nodes)
        return more

    def _target(self, process: ProcessRef) -> ProcessRow | None:
        index = self._log().processes
        if process.guid is not None:
            return index.get(process.guid)
        if process.pid is None or process.start_time is None:
            return None
        return index.with_pid(process.pid, process.start_time)

    def _up(self, target: ProcessRow, *, max_depth: int, max_nodes: int, relatives: bool) -> bool:
        more = False
        row, depth, seen = target, 0, {_key(target)}
        # A parent without a name is looked for even at the cap: whether there is one tells what the gap is.
        while depth < max_depth or (depth == max_depth and row.parent_image in UNKNOWN_PARENT):
            siblings = relatives and row is target
            more = self._parent(row, siblings=siblings, most=max_nodes) or more
            parent, _ = self._log().processes.parent(row)
            if parent is None or _key(parent) in seen:
                break
            seen.add(_key(parent))
            row, depth = parent, depth + 1
        return more

    def _parent(self, row: ProcessRow, *, siblings: bool, most: int) -> bool:
        """Gather a parent, by its guid or, where that is null, by pid and time."""
        if row.parent_guid is not None:
            return self._level(row.parent_guid, children=siblings, most=most)
        started = fields.instant(row.utc)
        if row.parent_pid is None or started is None or row.parent_image in UNKNOWN_PARENT:
            return False
        self._with_pid(row.parent_pid, started)
        parent, _ = self._log().processes.parent(row)
        if parent is None or parent.guid is None or not siblings:
            return False
        return self._level(parent.guid, children=True, most=most)

    def _level(self, guid: str, *, children: bool, most: int) -> bool:
        self._asked.add(guid)
        query = queries.level(self._sysmon, self._computer, [guid], children=children)
        return self._gathering.search(query, self._all, most=OWN_ROWS + (most + 1 if children else 0))

    def _with_pid(self, pid: int, at: datetime) -> None:
        query = queries.with_pids(self._sysmon, self._computer, [pid])
        self._gathering.search(query, Window(at - self._history, at + SKEW), most=MOST_WITH_PID)

    def _unkeyed(self, process: ProcessRef) -> bool:
        """A process without a guid: what has its pid around the time."""
        if process.pid is None:
            return False
        start = self._window.start if process.start_time is None else process.start_time - SKEW
        query = queries.with_pids(self._sysmon, self._computer, [process.pid], connections=True)
        return self._gathering.search(query, Window(start, self._window.end), most=queries.MOST_CONNECTIONS)

    def _ends(self, most: int) -> None:
        """Ends and signatures of the processes whose level was not asked for."""
        known = {row.guid for row in self._log().processes if row.guid is not None}
        for guids in batched(sorted(known - self._asked)[: most + 1], queries.MOST_KEYS, strict=False):
            query = queries.level(self._sysmon, self._computer, guids, children=False)
            self._gathering.search(query, self._all, most=4 * len(guids) + OWN_ROWS)

    def _log(self) -> HostLog:
        return self._gathering.log(self._computer)


def _key(row: ProcessRow) -> object:
    return row.guid or (row.pid, row.utc)


def image_paths(log: HostLog, process: ProcessRef) -> list[str]:
    """The images of a process and its ancestors, and files that its command line names, as written there."""
    row = log.processes.get(process.guid)
    paths = [process.image]
    if row is not None and row.command_line:
        paths += [part.strip('"') for part in row.command_line.split() if "\\" in part]
    seen: set[object] = set()
    while row is not None and _key(row) not in seen:
        seen.add(_key(row))
        paths += [row.image, row.parent_image]
        row, _ = log.processes.parent(row)
    distinct = {each.lower(): each for each in reversed(paths) if each not in UNKNOWN_PARENT}
    kept = [each for each in reversed(distinct.values()) if len(each) <= LONGEST_PATH and can_be_asked(each)]
    return kept[:MOST_PATHS]
