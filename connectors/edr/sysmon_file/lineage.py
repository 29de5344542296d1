"""Lineage of one process from a host's log: pure walking over the index, every hole named."""

from __future__ import annotations

from connectors.edr import lineage_gaps as gap
from connectors.edr import sysmon_fields as fields
from connectors.edr.lineage_gaps import UNKNOWN_PARENT
from connectors.edr.sysmon_file.process_index import ProcessIndex
from connectors.edr.sysmon_file.rows import ProcessRow, parent_fact, process_fact
from connectors.edr.sysmon_file.store import HostLog
from connectors.facts.process import Gap, GapKind, KnownFrom, Lineage, Process, ProcessRef


def build_lineage(
    log: HostLog, host_id: str, process: ProcessRef, *, max_depth: int, max_nodes: int
) -> Lineage | None:
    """The lineage of a process; None when neither its creation nor any activity names it.

    Args:
        max_depth: ancestors at most.
        max_nodes: processes at most, the target included.
    """
    index = log.processes
    row = index.get(process.guid) or _by_pid(index, process)
    if row is None:
        return _without_creation(log, host_id, process, max_nodes=max_nodes)
    gaps: list[Gap] = []
    ancestors, truncated = _ancestors(log, host_id, row, max_depth=max_depth, max_nodes=max_nodes, gaps=gaps)
    room = max(0, max_nodes - 1 - len(ancestors))
    children, siblings = index.children(row), _siblings(index, row)
    kept_children, kept_siblings, left_out = gap.kept(children, siblings, room)
    if left_out:
        gaps.append(gap.relatives_left_out(_label(row), left_out))
    return Lineage(
        target=_fact(log, host_id, row),
        ancestors=tuple(ancestors),
        siblings=tuple(_fact(log, host_id, each) for each in kept_siblings),
        children=tuple(_fact(log, host_id, each) for each in kept_children),
        truncated=truncated or bool(left_out),
        gaps=tuple(gaps),
        source_queries=_queries(log),
    )


def _by_pid(index: ProcessIndex, process: ProcessRef) -> ProcessRow | None:
    """The row of a process without a guid: same pid, same start time; never the pid alone."""
    if process.guid is not None or process.pid is None or process.start_time is None:
        return None
    row = index.with_pid(process.pid, process.start_time)
    return row if row is not None and fields.instant(row.utc) == process.start_time else None


def _fact(log: HostLog, host_id: str, row: ProcessRow) -> Process:
    return process_fact(
        host_id, row, signature=log.evidence.signature(row.guid, row.image), end=log.processes.ended(row)
    )


def _ancestors(
    log: HostLog, host_id: str, target: ProcessRow, *, max_depth: int, max_nodes: int, gaps: list[Gap]
) -> tuple[list[Process], bool]:
    found: list[Process] = []
    seen = {id(target)}
    row = target
    while True:
        parent, doubt = log.processes.parent(row)
        if parent is not None and id(parent) in seen:
            gaps.append(gap.cycle(_label(row)))
            return found, False
        more = parent is not None or row.parent_image not in UNKNOWN_PARENT
        if len(found) + 1 >= max_nodes and len(found) < max_depth and more:
            gaps.append(gap.ancestors_left_out(_label(row), max_nodes))
            return found, True
        if len(found) >= max_depth and more:
            gaps.append(gap.depth_cap(_label(row), max_depth))
            return found, True
        if parent is None:
            found.extend(_last_ancestor(log, host_id, row, doubt, gaps))
            return found, False
        if doubt is GapKind.PARENT_BY_PID:
            gaps.append(gap.parent_by_pid(_label(row)))
        found.append(_fact(log, host_id, parent))
        seen.add(id(parent))
        row = parent


def _last_ancestor(
    log: HostLog, host_id: str, row: ProcessRow, doubt: GapKind | None, gaps: list[Gap]
) -> list[Process]:
    """What the last known process says of its parent, and why there is no more."""
    if doubt is GapKind.PARENT_ID_MISSING or row.parent_image in UNKNOWN_PARENT:
        gaps.append(gap.parent_unknown(_label(row), "Sysmon"))
        return []
    parent = parent_fact(
        host_id,
        row,
        signature=log.evidence.signature(row.parent_guid, row.parent_image),
        end=log.processes.ended_guid(row.parent_guid),
    )
    gaps.append(gap.parent_not_recorded(gap.label(parent.ref.image, row.parent_pid)))
    return [parent]


def _siblings(index: ProcessIndex, row: ProcessRow) -> list[ProcessRow]:
    parent, _ = index.parent(row)
    brothers = index.children(parent) if parent is not None else index.children_of(row.parent_guid)
    return [each for each in brothers if each is not row]


def _without_creation(log: HostLog, host_id: str, process: ProcessRef, *, max_nodes: int) -> Lineage | None:
    """A process known only from what it did: its children can still be named."""
    if process.guid is None and process.pid is None:
        return None
    activity = [
        each
        for each in log.evidence.connections()
        if (each.guid == process.guid if process.guid is not None else each.pid == process.pid)
    ]
    children = log.processes.children_of(process.guid)
    if not activity and not children and not log.evidence.knows(process.guid):
        return None
    image = process.image or next((each.image for each in activity if each.image), "")
    if not image and children:
        image = children[0].parent_image
    end = log.processes.ended_guid(process.guid)
    target = Process(
        ref=process.model_copy(update={"host_id": host_id, "image": image}),
        known_from=KnownFrom.ACTIVITY,
        command_line=children[0].parent_command_line if children else None,
        signature=log.evidence.signature(process.guid, image),
        end_time=end.time if end is not None else None,
        end_source=end.ref if end is not None else None,
    )
    return Lineage(
        target=target,
        children=tuple(_fact(log, host_id, each) for each in children[: max_nodes - 1]),
        truncated=len(children) > max_nodes - 1,
        gaps=(gap.target_not_recorded(gap.label(target.ref.image, process.pid)),),
        source_queries=_queries(log),
    )


def _label(row: ProcessRow) -> str:
    return gap.label(row.image, row.pid)


def _queries(log: HostLog) -> tuple[str, ...]:
    kinds = ", ".join(str(number) for number in sorted(log.event_ids))
    return (f"Sysmon events {kinds} of {log.computer} in the given logs, {len(log.processes)} creations",)
