"""Lineage of one process from a host's log: pure walking over the index, every hole named."""

from __future__ import annotations

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.process_index import UNKNOWN_PARENT, ProcessIndex
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
    ancestors, truncated = _ancestors(log, host_id, row, max_depth=max_depth, gaps=gaps)
    room = max(0, max_nodes - 1 - len(ancestors))
    children, siblings = index.children(row), _siblings(index, row)
    kept_children = children[:room]
    kept_siblings = siblings[: room - len(kept_children)]
    left_out = len(children) + len(siblings) - len(kept_children) - len(kept_siblings)
    if left_out:
        gaps.append(
            Gap(kind=GapKind.NODE_CAP, at=_label(row), detail=f"{left_out} further relatives left out")
        )
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
        host_id, row, signature=log.evidence.signature(row.guid), end=log.processes.ended(row)
    )


def _ancestors(
    log: HostLog, host_id: str, target: ProcessRow, *, max_depth: int, gaps: list[Gap]
) -> tuple[list[Process], bool]:
    found: list[Process] = []
    seen = {id(target)}
    row = target
    while True:
        parent, doubt = log.processes.parent(row)
        if parent is not None and id(parent) in seen:
            gaps.append(
                Gap(
                    kind=GapKind.CYCLE,
                    at=_label(row),
                    detail="its recorded parent is one of its own descendants; the walk stops here",
                )
            )
            return found, False
        if len(found) >= max_depth and (parent is not None or row.parent_image not in UNKNOWN_PARENT):
            gaps.append(
                Gap(
                    kind=GapKind.DEPTH_CAP,
                    at=_label(row),
                    detail=f"more ancestors exist than the {max_depth} asked for",
                )
            )
            return found, True
        if parent is None:
            found.extend(_last_ancestor(log, host_id, row, doubt, gaps))
            return found, False
        if doubt is GapKind.PARENT_BY_PID:
            gaps.append(
                Gap(
                    kind=doubt,
                    at=_label(row),
                    detail="null ParentProcessGuid; the parent was found by pid, image and time",
                )
            )
        found.append(_fact(log, host_id, parent))
        seen.add(id(parent))
        row = parent


def _last_ancestor(
    log: HostLog, host_id: str, row: ProcessRow, doubt: GapKind | None, gaps: list[Gap]
) -> list[Process]:
    """What the last known process says of its parent, and why there is no more."""
    if doubt is GapKind.PARENT_ID_MISSING or row.parent_image in UNKNOWN_PARENT:
        gaps.append(
            Gap(
                kind=GapKind.PARENT_ID_MISSING,
                at=_label(row),
                detail="telemetry ends here: Sysmon did not know the parent",
            )
        )
        return []
    parent = parent_fact(
        host_id,
        row,
        signature=log.evidence.signature(row.parent_guid),
        end=log.processes.ended_guid(row.parent_guid),
    )
    gaps.append(
        Gap(
            kind=GapKind.PARENT_NOT_RECORDED,
            at=_name_and_pid(parent.name, row.parent_pid),
            detail=(
                "telemetry ends here: its creation is not in the log; image and command line are as its "
                "child recorded them, and what started it is unknown"
            ),
        )
    )
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
    if not activity and not children:
        return None
    image = process.image or next((each.image for each in activity if each.image), "")
    if not image and children:
        image = children[0].parent_image
    end = log.processes.ended_guid(process.guid)
    target = Process(
        ref=process.model_copy(update={"host_id": host_id, "image": image}),
        known_from=KnownFrom.ACTIVITY,
        command_line=children[0].parent_command_line if children else None,
        signature=log.evidence.signature(process.guid),
        end_time=end.time if end is not None else None,
        end_source=end.ref if end is not None else None,
    )
    gap = Gap(
        kind=GapKind.TARGET_NOT_RECORDED,
        at=_name_and_pid(target.name, process.pid),
        detail="telemetry ends here: its creation is not in the log; command line and parent are unknown",
    )
    return Lineage(
        target=target,
        children=tuple(_fact(log, host_id, each) for each in children[: max_nodes - 1]),
        truncated=len(children) > max_nodes - 1,
        gaps=(gap,),
        source_queries=_queries(log),
    )


def _label(row: ProcessRow) -> str:
    name = row.image.replace("/", "\\").rpartition("\\")[2]
    return _name_and_pid(name, row.pid)


def _name_and_pid(name: str, pid: int | None) -> str:
    return f"{name or 'unknown process'} (pid {'unknown' if pid is None else pid})"


def _queries(log: HostLog) -> tuple[str, ...]:
    kinds = ", ".join(str(number) for number in sorted(log.event_ids))
    return (f"Sysmon events {kinds} of {log.computer} in the given logs, {len(log.processes)} creations",)
