"""The lineage as a list of nodes, root first: what the picture draws and the list beside it tells.

Every process is shown or counted, what is known only from another process is marked, and every gap is told
where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from connectors.facts.process import KnownFrom, Lineage, Process, SignatureState
from playbooks.report import wording
from playbooks.report.content import Row, Tone
from playbooks.report.display import visible
from playbooks.report.tree import ENDS, gap_text, tree_day

#: Ancestors shown at the top and next to the process; those between are counted.
TOP_SHOWN, NEAR_SHOWN = 4, 16
SIBLINGS_SHOWN = 8
CHILDREN_SHOWN = 20
#: Characters of a command line in the list. Windows allows 32,767; the JSON report has them all.
FULL_COMMAND = 4000
#: Characters of a command line that a picture can show at best.
_PICTURE_COMMAND = 600
_GAPS_SHOWN = 20

_SIGNATURE_TONE = {
    SignatureState.VALID: Tone.PLAIN,
    SignatureState.UNSIGNED: Tone.BAD,
    SignatureState.INVALID: Tone.BAD,
    SignatureState.UNKNOWN: Tone.UNKNOWN,
}


class Role(StrEnum):
    """What a node is."""

    ANCESTOR = "ancestor"
    TARGET = "target"
    SIBLING = "sibling"
    CHILD = "child"
    LEFT_OUT = "left_out"
    """Stands for processes that are only counted."""
    END = "end"
    """Where telemetry ends, above the first process known."""


_ROLE_WORDS = {
    Role.ANCESTOR: "ancestor",
    Role.TARGET: "raised the notable",
    Role.SIBLING: "started by the same parent",
    Role.CHILD: "started by the process",
    Role.LEFT_OUT: "",
    Role.END: "",
}


@dataclass(frozen=True, slots=True)
class ProcessNode:
    """One node. All text is safe to show.

    Attributes:
        parent: position in the list of the node it hangs on; None for a root.
        name: of the process; for the other roles what the node says.
        pid, times, who, signature, command, unknown: in words, "" where there is nothing to say.
        role_words: what the process is to the case.
        rows: everything known, for the list beside the picture.
    """

    role: Role
    depth: int
    parent: int | None
    name: str
    pid: str = ""
    times: str = ""
    who: str = ""
    signature: str = ""
    signature_tone: Tone = Tone.PLAIN
    command: str = ""
    unknown: str = ""
    role_words: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def is_process(self) -> bool:
        """False for a node that stands for a gap or for processes left out."""
        return self.role not in (Role.LEFT_OUT, Role.END)


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """The nodes, the day of the times without a date ("" if unknown), and gaps at no node shown."""

    nodes: tuple[ProcessNode, ...]
    day: str
    gaps: tuple[str, ...]
    summary: str


def process_tree(lineage: Lineage) -> ProcessTree:
    """The nodes from the root down, siblings before and after the process by their start."""
    growing = _Growing(lineage)
    level = growing.add_ancestors()
    growing.add_target(level)
    gaps = (gap_text(each) for each in growing.gaps)
    return ProcessTree(
        tuple(growing.nodes),
        f"{growing.day} UTC" if growing.day else "",
        tuple(islice(gaps, _GAPS_SHOWN)),
        _summary(lineage),
    )


class _Level(NamedTuple):
    """Where nodes hang: how deep, and on which one."""

    depth: int
    parent: int | None


class _Growing:
    """The list while it is made, with the gaps that no node has told yet."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.nodes: list[ProcessNode] = []
        self.day = tree_day(lineage)
        self.gaps = [each for each in lineage.gaps if each.kind not in ENDS]

    def add_ancestors(self) -> _Level:
        """Where telemetry ends, then the ancestors; gives the level of the process itself."""
        level = _Level(0, None)
        for gap in islice((each for each in self.lineage.gaps if each.kind in ENDS), _GAPS_SHOWN):
            level = _Level(0, self._add(ProcessNode(Role.END, 0, None, gap_text(gap))))
        for ancestor in _ancestors(self.lineage):
            if isinstance(ancestor, int):
                own = self._add(ProcessNode(Role.LEFT_OUT, *level, _more(ancestor, "ancestor")))
            else:
                own = self._add_process(ancestor, Role.ANCESTOR, level)
            level = _Level(level.depth + 1, own)
        return level

    def add_target(self, level: _Level) -> None:
        """The process with its children, among its siblings."""
        lineage = self.lineage
        if not lineage.ancestors and lineage.siblings:
            level = _Level(0, None)  # of brothers without a known parent none hangs on what ends above them
        start = lineage.target.ref.start_time
        shown = lineage.siblings[:SIBLINGS_SHOWN]
        older = [each for each in shown if start and each.ref.start_time and each.ref.start_time <= start]
        for each in older:
            self._add_process(each, Role.SIBLING, level)
        own = self._add_process(lineage.target, Role.TARGET, level)
        below = _Level(level.depth + 1, own)
        for each in lineage.children[:CHILDREN_SHOWN]:
            self._add_process(each, Role.CHILD, below)
        self._add_count(len(lineage.children) - CHILDREN_SHOWN, below, "child", "children")
        for each in shown:
            if not any(each is other for other in older):
                self._add_process(each, Role.SIBLING, level)
        self._add_count(len(lineage.siblings) - SIBLINGS_SHOWN, level, "sibling")

    def _add_count(self, number: int, level: _Level, singular: str, plural: str = "") -> None:
        if number > 0:
            self._add(ProcessNode(Role.LEFT_OUT, *level, _more(number, singular, plural)))

    def _add_process(self, process: Process, role: Role, level: _Level) -> int:
        label = wording.process_label(process)
        here = [each for each in self.gaps if each.at == label]
        for each in here:
            self.gaps.remove(each)
        details = tuple(wording.sentence(each.detail) for each in here)
        return self._add(_node(process, role, level, self.day, details))

    def _add(self, node: ProcessNode) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1


def _ancestors(lineage: Lineage) -> Iterator[Process | int]:
    """Root first; a number stands for those left out."""
    root_first = lineage.ancestors[::-1]
    skipped = len(root_first) - TOP_SHOWN - NEAR_SHOWN
    if skipped <= 0:
        yield from root_first
        return
    yield from root_first[:TOP_SHOWN]
    yield skipped
    yield from root_first[-NEAR_SHOWN:]


def _more(number: int, singular: str, plural: str = "") -> str:
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{number} more {noun} in the JSON report"


def _summary(lineage: Lineage) -> str:
    parts = [
        wording.count(len(lineage.ancestors), "ancestor"),
        wording.count(len(lineage.siblings), "sibling"),
        wording.count(len(lineage.children), "child", "children"),
    ]
    cut = "; a cap of the look-up cut some of it off" if lineage.truncated else ""
    return f"{wording.process_label(lineage.target)} with {', '.join(parts)}{cut}"


def _node(
    process: Process, role: Role, level: _Level, day: date | None, gaps: tuple[str, ...]
) -> ProcessNode:
    unknown = "; ".join((*_missing(process), *gaps))
    line = process.command_line
    return ProcessNode(
        role=role,
        depth=level.depth,
        parent=level.parent,
        name=wording.name(process.name, unknown="unknown process"),
        pid=_pid(process),
        times=_times(process, day),
        who=_who(process),
        signature=wording.signature(process.signature),
        signature_tone=_SIGNATURE_TONE[process.signature.state],
        command=visible(line, limit=_PICTURE_COMMAND) if line else "",
        unknown=unknown,
        role_words=_ROLE_WORDS[role],
        rows=tuple(_rows(process, unknown)),
    )


def _pid(process: Process) -> str:
    return "pid unknown" if process.ref.pid is None else f"pid {process.ref.pid}"


def _times(process: Process, day: date | None) -> str:
    start, end = process.ref.start_time, process.end_time
    text = wording.clock(start, day) if start else "start unknown"
    if end is None:
        return text
    lasted = f" after {wording.duration(end - start)}" if start else ""
    return f"{text}, exited {wording.clock(end, day)}{lasted}"


def _who(process: Process) -> str:
    parts = [wording.name(process.user)] if process.user else []
    if process.integrity:
        parts.append(f"{wording.name(process.integrity)} integrity")
    return ", ".join(parts)


def _missing(process: Process) -> Iterator[str]:
    if process.known_from is not KnownFrom.CREATION:
        yield f"known only from {'its child' if process.known_from is KnownFrom.CHILD else 'what it did'}"
    lacking = [
        word for word, value in (("user", process.user), ("integrity", process.integrity)) if not value
    ]
    if lacking:
        yield f"{' and '.join(lacking)} unknown"
    if process.command_line is None:
        yield "command line not recorded, which is not the same as none"
    elif not process.command_line.strip():
        yield "command line recorded as empty"


def _rows(process: Process, unknown: str) -> Iterable[Row]:
    if process.command_line:
        yield Row("Command line", visible(process.command_line, limit=FULL_COMMAND))
    if process.ref.image:
        yield Row("Image", wording.path(process.ref.image))
    original = process.original_file_name
    if original not in ("", "-") and original.lower() != process.name.lower():
        yield Row("Original name", wording.name(original), Tone.WARN)
    if (behind := process.effective_parent) is not None:
        place = f", {wording.path(behind.image)}" if behind.image != behind.name else ""
        yield Row("Started on behalf of", f"{wording.ref_label(behind)}{place}")
    if process.created_suspended:
        yield Row("Created", "suspended")
    if process.current_directory:
        yield Row("Started in", wording.path(process.current_directory))
    if (who := _who(process)) != "":
        yield Row("User", who)
    yield Row("Signature", wording.signature(process.signature), _SIGNATURE_TONE[process.signature.state])
    for each in process.hashes[:4]:
        yield Row(wording.name(each.algorithm), wording.path(each.digest.lower()))
    if unknown:
        yield Row("Not known", unknown, Tone.UNKNOWN)
    if process.ref.guid:
        yield Row("ProcessGuid", wording.name(process.ref.guid))
    if place := wording.position(process.source, process.ref.start_time, None):
        yield Row("Recorded", place)
