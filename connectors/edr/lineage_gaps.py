"""The holes of a lineage in words, and which relatives are kept: one home for every walk. Pure.

A case must not read differently for where it was asked. The walk over a vendor's records (lineage_walk.py)
and that over a log (sysmon_file/lineage.py) differ in how they find a parent, and in nothing a person sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.facts.process import Gap, GapKind, image_name

#: A ParentImage that names nothing; Sysmon writes "?" when it does not know the parent.
UNKNOWN_PARENT = frozenset({"", "?"})


def label(image: str, pid: int | None) -> str:
    """A process as a gap names it: `regsvcs.exe (pid 4120)`.

    Args:
        image: its path, or its name alone; "" is unknown.
        pid: None is unknown.
    """
    return f"{image_name(image) or 'unknown process'} (pid {'unknown' if pid is None else pid})"


def cycle(at: str) -> Gap:
    """The walk came to where it had been."""
    detail = "its recorded parent is one of its own descendants; the walk stops here"
    return Gap(kind=GapKind.CYCLE, at=at, detail=detail)


def depth_cap(at: str, max_depth: int) -> Gap:
    """More ancestors than were asked for."""
    detail = f"more ancestors exist than the {max_depth} asked for"
    return Gap(kind=GapKind.DEPTH_CAP, at=at, detail=detail)


def ancestors_left_out(at: str, max_nodes: int) -> Gap:
    """More ancestors than processes were asked for."""
    detail = f"more ancestors exist than the {max_nodes} processes asked for"
    return Gap(kind=GapKind.NODE_CAP, at=at, detail=detail)


def relatives_left_out(at: str, number: int | None) -> Gap:
    """More children and siblings than processes were asked for.

    Args:
        at: the target.
        number: how many; None where the source itself left some out, so that it is not known.
    """
    many = "" if number is None else f"{number} "
    return Gap(kind=GapKind.NODE_CAP, at=at, detail=f"{many}further relatives left out")


def parent_unknown(at: str, recorder: str) -> Gap:
    """Who recorded the process did not know its parent.

    Args:
        at: the process.
        recorder: such as "Sysmon".
    """
    detail = f"telemetry ends here: {recorder} did not know the parent"
    return Gap(kind=GapKind.PARENT_ID_MISSING, at=at, detail=detail)


def parent_nameless(at: str) -> Gap:
    """The parent has an id and nothing else."""
    detail = "telemetry ends here: its parent has an id, but no record and no name"
    return Gap(kind=GapKind.PARENT_NOT_RECORDED, at=at, detail=detail)


def parent_not_recorded(at: str) -> Gap:
    """The parent is known by what its child recorded of it.

    Args:
        at: the parent.
    """
    detail = (
        "telemetry ends here: its creation was not found; image and command line are as its "
        "child recorded them, and what started it is unknown"
    )
    return Gap(kind=GapKind.PARENT_NOT_RECORDED, at=at, detail=detail)


def parent_by_pid(at: str) -> Gap:
    """The parent was found without its id."""
    detail = "null ParentProcessGuid; the parent was found by pid, image and time"
    return Gap(kind=GapKind.PARENT_BY_PID, at=at, detail=detail)


def target_not_recorded(at: str) -> Gap:
    """The process itself is known by what it did, or by a child."""
    detail = "telemetry ends here: its creation was not found; command line and parent are unknown"
    return Gap(kind=GapKind.TARGET_NOT_RECORDED, at=at, detail=detail)


def kept[P](children: Sequence[P], siblings: Sequence[P], room: int) -> tuple[Sequence[P], Sequence[P], int]:
    """The relatives that there is room for, children first, and how many others there are."""
    most = max(0, room)
    own = children[:most]
    beside = siblings[: most - len(own)]
    return own, beside, len(children) + len(siblings) - len(own) - len(beside)
