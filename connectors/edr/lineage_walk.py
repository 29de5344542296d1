"""Lineage of one process over a vendor's records, asked for as few times as may be; every hole is named.

The words of gaps are in connectors/edr/lineage_gaps.py, for the Sysmon files as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from connectors.edr import lineage_gaps as gap
from connectors.edr.lineage_gaps import UNKNOWN_PARENT
from connectors.facts.process import Gap, KnownFrom, Lineage, Process, ProcessRef

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ChildrenPage(NamedTuple):
    """What some processes started.

    Attributes:
        processes: in any order; each with the parent_guid that was asked for.
        more: True when the limit left some out.
    """

    processes: Sequence[Process]
    more: bool


class ProcessRecords(Protocol):
    """One vendor's records of the processes of one host. Every method may raise a ConnectorError."""

    @property
    def connector(self) -> str:
        """Its name, such as "defender"."""

    @property
    def queries(self) -> Sequence[str]:
        """What was asked so far, for the record."""

    def by_key(self, keys: Sequence[str]) -> Sequence[Process]:
        """The processes with these ids (ref.guid), in one call; unknown ones are missing.

        Ancestors may come along: they are not asked for again, unless they are known only from a child.
        """

    def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
        """What these processes started, oldest first, `limit` at most, in one call."""


def walk(
    records: ProcessRecords,
    target: ProcessRef,
    *,
    max_depth: int,
    max_nodes: int,
    recorder: str = "the source",
) -> Lineage | None:
    """The lineage of a process; None when it has no id, or neither it nor a child of it is recorded.

    `by_key` is called once for each ancestor and once for the target, less what came along; `children_of`
    once, and once more where the siblings alone fill the limit.

    Args:
        target: with the vendor's id (guid).
        max_depth: ancestors at most.
        max_nodes: processes at most, the target included.
        recorder: who did not know a parent, in the words of a gap, such as "Sysmon".
    """
    if target.guid is None:
        return None
    pool: dict[str, Process] = {}
    _take(pool, records.by_key([target.guid]))
    found = pool.get(target.guid)
    if found is None or found.known_from is not KnownFrom.CREATION:
        return _without_creation(records, target, found, max_nodes=max_nodes)
    gaps: list[Gap] = []
    ancestors, truncated = _ancestors(
        records, pool, found, max_depth=max_depth, max_nodes=max_nodes, gaps=gaps, recorder=recorder
    )
    room = max(0, max_nodes - 1 - len(ancestors))
    children, siblings, more = _relatives(records, found, room=room)
    kept_children, kept_siblings, left_out = gap.kept(children, siblings, room)
    if left_out or more:
        gaps.append(gap.relatives_left_out(_label(found), None if more else left_out))
    return Lineage(
        target=found,
        ancestors=tuple(ancestors),
        siblings=tuple(kept_siblings),
        children=tuple(kept_children),
        truncated=truncated or bool(left_out) or more,
        gaps=tuple(gaps),
        source_queries=tuple(records.queries),
    )


def _take(pool: dict[str, Process], processes: Iterable[Process]) -> None:
    """Keep each process once; its own record counts more than what another says of it."""
    for each in processes:
        guid = each.ref.guid
        if guid is None:
            continue
        known = pool.get(guid)
        if known is None or (known.known_from is not KnownFrom.CREATION is each.known_from):
            pool[guid] = each


def _ancestors(
    records: ProcessRecords,
    pool: dict[str, Process],
    target: Process,
    *,
    max_depth: int,
    max_nodes: int,
    gaps: list[Gap],
    recorder: str,
) -> tuple[list[Process], bool]:
    found: list[Process] = []
    seen = {target.ref.guid}
    row = target
    while True:
        key = row.parent_guid
        if key is not None and key in seen:
            gaps.append(gap.cycle(_label(row)))
            return found, False
        if key is None and row.parent_image in UNKNOWN_PARENT:
            gaps.append(gap.parent_unknown(_label(row), recorder))
            return found, False
        cap = _cap(row, len(found), max_depth=max_depth, max_nodes=max_nodes)
        if cap is not None:
            gaps.append(cap)
            return found, True
        parent = _parent(records, pool, key)
        if parent is None or parent.known_from is not KnownFrom.CREATION:
            found.extend(_last_ancestor(row, parent, gaps, recorder))
            return found, False
        found.append(parent)
        seen.add(key)
        row = parent


def _cap(row: Process, ancestors: int, *, max_depth: int, max_nodes: int) -> Gap | None:
    """The gap, when no further ancestor may be taken."""
    if ancestors >= max_depth:
        return gap.depth_cap(_label(row), max_depth)
    if ancestors >= max_nodes - 1:
        return gap.ancestors_left_out(_label(row), max_nodes)
    return None


def _parent(records: ProcessRecords, pool: dict[str, Process], key: str | None) -> Process | None:
    """The parent's record: one that came along, else asked for, with the incomplete ones above it."""
    if key is None:
        return None
    known = pool.get(key)
    if known is not None and known.known_from is KnownFrom.CREATION:
        return known
    keys = [key]
    while known is not None and known.parent_guid is not None and known.parent_guid not in keys:
        known = pool.get(known.parent_guid)
        if known is None or known.known_from is KnownFrom.CREATION or known.ref.guid is None:
            break
        keys.append(known.ref.guid)
    _take(pool, records.by_key(keys))
    return pool.get(key)


def _last_ancestor(row: Process, parent: Process | None, gaps: list[Gap], recorder: str) -> list[Process]:
    """What the last known process says of its parent, and why there is no more."""
    if parent is None and row.parent_image in UNKNOWN_PARENT:
        if row.parent_image:
            gaps.append(gap.parent_unknown(_label(row), recorder))
            return []
        gaps.append(gap.parent_nameless(_label(row)))
        return []
    if parent is None and row.parent_guid is None and row.parent_pid is None:
        gaps.append(gap.parent_unknown(_label(row), recorder))
        return []
    last = parent or Process(
        ref=ProcessRef(
            host_id=row.ref.host_id, guid=row.parent_guid, pid=row.parent_pid, image=row.parent_image
        ),
        known_from=KnownFrom.CHILD,
        command_line=row.parent_command_line,
        source=row.source,
    )
    pid = row.parent_pid if row.parent_pid is not None else last.ref.pid
    gaps.append(gap.parent_not_recorded(gap.label(last.ref.image, pid)))
    return [last]


def _relatives(
    records: ProcessRecords, target: Process, *, room: int
) -> tuple[list[Process], list[Process], bool]:
    """Children and siblings, oldest first, and whether the source left some out."""
    own, parents = target.ref.guid, target.parent_guid
    keys = [each for each in dict.fromkeys((own, parents)) if each is not None]
    # The target itself is among what its parent started.
    page = records.children_of(keys, limit=room + 1)
    processes, more = list(page.processes), page.more
    if more and parents is not None and parents != own:
        # A parent with very many children must not hide the few of the target.
        processes += records.children_of([own] if own is not None else [], limit=room + 1).processes
    others = [each for each in _distinct(processes) if each.ref.guid is None or each.ref.guid != own]
    children = [each for each in others if each.parent_guid == own]
    siblings = [each for each in others if each.parent_guid == parents and parents not in (None, own)]
    return children, siblings, more


def _distinct(processes: Iterable[Process]) -> list[Process]:
    """Each once, oldest first."""
    once: dict[object, Process] = {}
    for each in processes:
        once.setdefault(each.ref.guid or (each.ref.pid, each.ref.start_time, each.ref.image), each)
    return sorted(once.values(), key=lambda each: each.ref.start_time or _LONG_AGO)


def _without_creation(
    records: ProcessRecords, target: ProcessRef, found: Process | None, *, max_nodes: int
) -> Lineage | None:
    """A process known only from what it did or from a child: its children can still be named."""
    room = max(0, max_nodes - 1)
    page = records.children_of([target.guid] if target.guid is not None else [], limit=room + 1)
    children = [
        each
        for each in _distinct(page.processes)
        if each.parent_guid == target.guid and each.ref.guid != target.guid
    ]
    if found is None and not children:
        return None
    image = target.image or (found.ref.image if found is not None else "")
    command_line = found.command_line if found is not None else None
    if children:
        image = image or children[0].parent_image
        command_line = command_line if command_line is not None else children[0].parent_command_line
    known = found or Process(ref=target)
    own = known.model_copy(
        update={
            "ref": target.model_copy(update={"image": image}),
            "known_from": KnownFrom.ACTIVITY,
            "command_line": command_line,
        }
    )
    return Lineage(
        target=own,
        children=tuple(children[:room]),
        truncated=page.more or len(children) > room,
        gaps=(gap.target_not_recorded(gap.label(own.ref.image, target.pid)),),
        source_queries=tuple(records.queries),
    )


def _label(process: Process) -> str:
    return gap.label(process.ref.image, process.ref.pid)
