"""Lineage of one process over a vendor's records, asked for as few times as may be; every hole is named.

The words of gaps are those of the Sysmon files (connectors/edr/sysmon_file/lineage.py): a case must not read
differently for where it was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from connectors.facts.process import Gap, GapKind, KnownFrom, Lineage, Process, ProcessRef

#: A ParentImage that names nothing; Sysmon writes "?" when it does not know the parent.
UNKNOWN_PARENT = frozenset({"", "?"})

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
    kept_children = children[:room]
    kept_siblings = siblings[: room - len(kept_children)]
    left_out = len(children) + len(siblings) - len(kept_children) - len(kept_siblings)
    if left_out or more:
        number = f"{left_out} " if left_out and not more else ""
        gaps.append(
            Gap(kind=GapKind.NODE_CAP, at=_label(found), detail=f"{number}further relatives left out")
        )
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
            gaps.append(
                Gap(
                    kind=GapKind.CYCLE,
                    at=_label(row),
                    detail="its recorded parent is one of its own descendants; the walk stops here",
                )
            )
            return found, False
        if key is None and row.parent_image in UNKNOWN_PARENT:
            gaps.append(_no_parent(row, recorder))
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
        detail = f"more ancestors exist than the {max_depth} asked for"
        return Gap(kind=GapKind.DEPTH_CAP, at=_label(row), detail=detail)
    if ancestors >= max_nodes - 1:
        detail = f"more ancestors exist than the {max_nodes} processes asked for"
        return Gap(kind=GapKind.NODE_CAP, at=_label(row), detail=detail)
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


def _no_parent(row: Process, recorder: str) -> Gap:
    return Gap(
        kind=GapKind.PARENT_ID_MISSING,
        at=_label(row),
        detail=f"telemetry ends here: {recorder} did not know the parent",
    )


def _last_ancestor(row: Process, parent: Process | None, gaps: list[Gap], recorder: str) -> list[Process]:
    """What the last known process says of its parent, and why there is no more."""
    if parent is None and row.parent_image in UNKNOWN_PARENT:
        if row.parent_image:
            gaps.append(_no_parent(row, recorder))
            return []
        gaps.append(
            Gap(
                kind=GapKind.PARENT_NOT_RECORDED,
                at=_label(row),
                detail="telemetry ends here: its parent has an id, but no record and no name",
            )
        )
        return []
    if parent is None and row.parent_guid is None and row.parent_pid is None:
        gaps.append(_no_parent(row, recorder))
        return []
    last = parent or Process(
        ref=ProcessRef(
            host_id=row.ref.host_id, guid=row.parent_guid, pid=row.parent_pid, image=row.parent_image
        ),
        known_from=KnownFrom.CHILD,
        command_line=row.parent_command_line,
        source=row.source,
    )
    gaps.append(
        Gap(
            kind=GapKind.PARENT_NOT_RECORDED,
            at=_name_and_pid(last.name, row.parent_pid if row.parent_pid is not None else last.ref.pid),
            detail=(
                "telemetry ends here: its creation is not in the log; image and command line are as its "
                "child recorded them, and what started it is unknown"
            ),
        )
    )
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
    gap = Gap(
        kind=GapKind.TARGET_NOT_RECORDED,
        at=_name_and_pid(own.name, target.pid),
        detail="telemetry ends here: its creation is not in the log; command line and parent are unknown",
    )
    return Lineage(
        target=own,
        children=tuple(children[:room]),
        truncated=page.more or len(children) > room,
        gaps=(gap,),
        source_queries=tuple(records.queries),
    )


def _label(process: Process) -> str:
    return _name_and_pid(process.name, process.ref.pid)


def _name_and_pid(name: str, pid: int | None) -> str:
    return f"{name or 'unknown process'} (pid {'unknown' if pid is None else pid})"
