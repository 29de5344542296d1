"""The process tree as lines with guides: one layout for the terminal and for Markdown.

Root first, down to the process that raised the notable, with its siblings and children. What is known
only from another process is marked, and every gap is named where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date
from enum import StrEnum
from typing import NamedTuple

from connectors.facts.process import Gap, GapKind, KnownFrom, Lineage, Process, SignatureState
from playbooks.report import wording
from playbooks.report.display import visible

#: Ancestors drawn at the top and next to the target; those between are counted.
_TOP_SHOWN, _NEAR_SHOWN = 4, 14
_SIBLINGS_SHOWN = 6
_CHILDREN_SHOWN = 12
#: From this many levels on the guides are narrower, so that text keeps its room.
_DEEP = 8

#: Gaps above the process they are at; the others concern the process or its link to its parent.
ENDS = {GapKind.PARENT_NOT_RECORDED, GapKind.PARENT_ID_MISSING, GapKind.DEPTH_CAP, GapKind.CYCLE}
#: Said where there is no lineage, and the telemetry was searched.
NO_TREE = "The process was not found in any telemetry; its lineage is unknown."
_ENDS_WORDS = "telemetry ends here"


class Part(StrEnum):
    """What a line says."""

    HEAD = "head"
    DETAIL = "detail"
    COMMAND = "command"
    UNKNOWN = "unknown"
    """A gap, a missing field, or what was left out."""
    BAD = "bad"
    """Unsigned, or a signature that does not hold."""


class TreeLine(NamedTuple):
    """One line; it may be longer than the screen.

    Attributes:
        lead: guides in front of it.
        hang: guides in front of its continuation when it is wrapped.
        target: True for the process that raised the notable.
        text: safe to show.
        tag: said after it on the same line, "" if nothing; safe to show.
        tag_part: what the tag says.
    """

    lead: str
    hang: str
    part: Part
    target: bool
    text: str
    tag: str = ""
    tag_part: Part = Part.DETAIL

    @property
    def plain(self) -> str:
        """Text and tag, without guides."""
        return f"{self.text}  {self.tag}" if self.tag else self.text


class _Said(NamedTuple):
    part: Part
    text: str
    tag: str = ""
    tag_part: Part = Part.DETAIL


class _Guides(NamedTuple):
    branch: str
    last: str
    pipe: str
    blank: str
    mark: str


@dataclass(slots=True)
class _Node:
    lines: list[_Said]
    target: bool = False
    children: list[_Node] = field(default_factory=list)


def no_tree(not_looked_up: str) -> str:
    """What is said where there is no lineage.

    Args:
        not_looked_up: why nothing was searched; "" where it was.
    """
    if not not_looked_up:
        return NO_TREE
    return f"The process was not looked up: {wording.sentence(not_looked_up)}; its lineage is unknown."


def layout(lineage: Lineage, *, unicode: bool) -> list[TreeLine]:
    """All lines of the tree, from the root down, then the gaps that fit no process shown."""
    guides = _guides(len(lineage.ancestors), unicode=unicode)
    day = tree_day(lineage)
    gaps = list(lineage.gaps)
    roots = _nodes(lineage, day, gaps, guides.mark)
    lines = [line for root in roots for line in _walk(root, "", "", guides)]
    ends = [TreeLine("", "  ", Part.UNKNOWN, False, text) for text in _ends(lineage.gaps)]
    rest = [TreeLine("", "  ", Part.UNKNOWN, False, gap_text(gap)) for gap in gaps if gap.kind not in ENDS]
    return ends + lines + rest


def tree_day(lineage: Lineage) -> date | None:
    """The day of the target's start; times of other days carry their date."""
    start = lineage.target.ref.start_time
    return start.astimezone(UTC).date() if start else None


def _guides(depth: int, *, unicode: bool) -> _Guides:
    if unicode:
        wide = _Guides("├─ ", "└─ ", "│  ", "   ", "» ")
        narrow = _Guides("├ ", "└ ", "│ ", "  ", "» ")
    else:
        wide = _Guides("|- ", "+- ", "|  ", "   ", "> ")
        narrow = _Guides("|-", "+-", "| ", "  ", "> ")
    return narrow if depth > _DEEP else wide


def _ends(gaps: tuple[Gap, ...]) -> Iterator[str]:
    for gap in gaps:
        if gap.kind in ENDS:
            yield gap_text(gap)


def gap_text(gap: Gap) -> str:
    """One hole in the lineage, in a line."""
    detail = wording.sentence(gap.detail)
    where = wording.name(gap.at)
    if gap.kind in ENDS:
        why = detail.removeprefix(_ENDS_WORDS).lstrip(": ")
        return f"{_ENDS_WORDS}, above {where}: {why}"
    return f"gap at {where}: {detail}"


def _nodes(lineage: Lineage, day: date | None, gaps: list[Gap], mark: str) -> list[_Node]:
    """The top nodes: one, unless siblings are known and their parent is not."""
    target = _node(lineage.target, lineage.ancestors[0] if lineage.ancestors else None, day, gaps, mark)
    target.children = [_node(each, lineage.target, day, gaps) for each in lineage.children[:_CHILDREN_SHOWN]]
    target.children += _more(len(lineage.children) - _CHILDREN_SHOWN, "child", "children")
    level = _brothers(lineage, target, day, gaps)
    nearest_first = lineage.ancestors
    skipped = len(nearest_first) - _TOP_SHOWN - _NEAR_SHOWN
    for number, ancestor in enumerate(nearest_first):
        if skipped > 0 and _NEAR_SHOWN <= number < _NEAR_SHOWN + skipped:
            if number == _NEAR_SHOWN:
                (gap_node,) = _more(skipped, "ancestor")
                gap_node.children = level
                level = [gap_node]
            continue
        above = nearest_first[number + 1] if number + 1 < len(nearest_first) else None
        node = _node(ancestor, above, day, gaps)
        node.children = level
        level = [node]
    return level


def _brothers(lineage: Lineage, target: _Node, day: date | None, gaps: list[Gap]) -> list[_Node]:
    """The target among its siblings, oldest first; those of unknown start last."""
    parent = lineage.ancestors[0] if lineage.ancestors else None
    start = lineage.target.ref.start_time
    shown = lineage.siblings[:_SIBLINGS_SHOWN]
    nodes = [(each, _node(each, parent, day, gaps)) for each in shown]
    older = [
        node
        for each, node in nodes
        if start is not None and each.ref.start_time is not None and each.ref.start_time <= start
    ]
    younger = [node for _, node in nodes if node not in older]
    return [*older, target, *younger, *_more(len(lineage.siblings) - len(shown), "sibling")]


def _more(left_out: int, singular: str, plural: str = "") -> list[_Node]:
    if left_out <= 0:
        return []
    noun = singular if left_out == 1 else plural or f"{singular}s"
    text = f"{left_out} more {noun} in the JSON report"
    return [_Node([_Said(Part.UNKNOWN, text)])]


def _node(
    process: Process, parent: Process | None, day: date | None, gaps: list[Gap], mark: str = ""
) -> _Node:
    lines = [_head(process, day, mark)]
    lines += _details(process, parent, always=bool(mark))
    lines += _command(process)
    label = wording.process_label(process)
    for gap in [each for each in gaps if each.kind not in ENDS and each.at == label]:
        gaps.remove(gap)
        lines.append(_Said(Part.UNKNOWN, wording.sentence(gap.detail)))
    return _Node(lines, target=bool(mark))


_SIGNATURE_PART = {
    SignatureState.VALID: Part.DETAIL,
    SignatureState.UNSIGNED: Part.BAD,
    SignatureState.INVALID: Part.BAD,
    SignatureState.UNKNOWN: Part.UNKNOWN,
}


def _head(process: Process, day: date | None, mark: str) -> _Said:
    start, end = process.ref.start_time, process.end_time
    text = mark + wording.process_label(process)
    text += f"  {wording.clock(start, day)}" if start else "  start unknown"
    if end is not None:
        lasted = f" after {wording.duration(end - start)}" if start else ""
        text += f", exited {wording.clock(end, day)}{lasted}"
    state = process.signature.state
    return _Said(Part.HEAD, text, wording.signature(process.signature), _SIGNATURE_PART[state])


def _details(process: Process, parent: Process | None, *, always: bool) -> Iterator[_Said]:
    """User and integrity where they differ from the parent's, and what is not known."""
    facts, missing = [], []
    for word, own, above in (
        ("user", process.user, parent.user if parent else ""),
        ("integrity", process.integrity, parent.integrity if parent else ""),
    ):
        if not own:
            missing.append(word)
        elif always or own != above:
            facts.append(wording.name(own) + (" integrity" if word == "integrity" else ""))
    original = process.original_file_name
    if original not in ("", "-") and original.lower() != process.name.lower():
        facts.append(f"original name {wording.name(original)}")
    if process.effective_parent is not None:
        facts.append(f"started on behalf of {wording.ref_label(process.effective_parent)}")
    if process.created_suspended:
        facts.append("created suspended")
    if facts:
        yield _Said(Part.DETAIL, ", ".join(facts))
    unknown = [f"{' and '.join(missing)} unknown"] if missing else []
    if process.known_from is not KnownFrom.CREATION:
        source = "its child" if process.known_from is KnownFrom.CHILD else "what it did"
        unknown.insert(0, f"known only from {source}")
    if unknown:
        yield _Said(Part.UNKNOWN, "; ".join(unknown))


def _command(process: Process) -> Iterator[_Said]:
    line, image = process.command_line, process.ref.image
    if image and image.lower() not in (line or "")[: 2 * len(image) + 200].lower():
        yield _Said(Part.DETAIL, f"image {wording.path(image)}")
    if line is None:
        yield _Said(Part.UNKNOWN, "command line not recorded, which is not the same as none")
    elif not line.strip():
        yield _Said(Part.DETAIL, "command line recorded as empty")
    else:
        yield _Said(Part.COMMAND, visible(line, limit=wording.COMMAND_LIMIT))


def _walk(node: _Node, first: str, rest: str, guides: _Guides) -> Iterator[TreeLine]:
    body = rest + (guides.pipe if node.children else guides.blank)
    for number, said in enumerate(node.lines):
        hang = body + "  " if said.part is Part.COMMAND else body
        yield TreeLine(first if number == 0 else body, hang, said.part, node.target, *said[1:])
    for number, child in enumerate(node.children):
        if number == len(node.children) - 1:
            yield from _walk(child, rest + guides.last, rest + guides.blank, guides)
        else:
            yield from _walk(child, rest + guides.branch, rest + guides.pipe, guides)
