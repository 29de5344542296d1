"""Where each process of the tree is drawn: boxes, lines of text and links. Pure; the template writes the SVG.

Three pictures are made of one tree, for a screen, for a widget and for a phone: text in a picture cannot be
wrapped anew, and shrunk text cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from playbooks.report.content import Tone
from playbooks.report.process_nodes import ProcessNode, ProcessTree, Role
from playbooks.report.svg_text import cut, width_of, wrap

_PAD_X, _PAD_Y, _GAP = 12, 9, 8
_NAME, _TEXT, _MONO = 13.0, 12.0, 11.5
_LINE = 16
_MARGIN = 1.5


class Size(StrEnum):
    """The sizes a tree is drawn in; the style sheet shows the one that fits."""

    WIDE = "wide"
    MEDIUM = "medium"
    NARROW = "narrow"


#: Pixels of each picture, and pixels a level is indented at most.
WIDTH = {Size.WIDE: 900, Size.MEDIUM: 560, Size.NARROW: 340}
_STEP = {Size.WIDE: 22.0, Size.MEDIUM: 16.0, Size.NARROW: 10.0}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line of text. `css` is the class that styles it."""

    text: str
    css: str


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line: pieces that follow each other from x on, and one that ends at `end_x`."""

    x: float
    y: float
    pieces: tuple[Piece, ...]
    end_x: float = 0.0
    end: Piece | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One node's rectangle and its text."""

    x: float
    y: float
    width: float
    height: float
    role: Role
    lines: tuple[TextLine, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """From a node down to one that hangs on it: an SVG path. `css` styles it."""

    path: str
    css: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The whole picture, pixels."""

    size: Size
    width: float
    height: float
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]


def picture(tree: ProcessTree, size: Size) -> Picture:
    """The boxes one below the other, indented by depth."""
    width = WIDTH[size]
    step = _step(tree.nodes, size)
    boxes: list[Box] = []
    y = _MARGIN
    for node in tree.nodes:
        x = _MARGIN + node.depth * step
        box = _box(node, _Pen(x, y, width - _MARGIN - x), size)
        boxes.append(box)
        y += box.height + _GAP
    links = [
        _link(boxes[node.parent], box, step)
        for node, box in zip(tree.nodes, boxes, strict=True)
        if node.parent is not None
    ]
    return Picture(size, width, max(y - _GAP, 0) + _MARGIN, tuple(boxes), tuple(links))


def _step(nodes: Sequence[ProcessNode], size: Size) -> float:
    """Pixels a level is indented: less for deep trees, so that text keeps its room."""
    deepest = max((node.depth for node in nodes), default=0)
    return min(_STEP[size], 0.3 * WIDTH[size] / deepest) if deepest else _STEP[size]


def _link(above: Box, below: Box, step: float) -> Link:
    if above.role is Role.END:
        x = below.x + step / 2
        return Link(f"M{x:g} {above.y + above.height:g}V{below.y:g}", "rr-dash")
    x = above.x + step / 2
    middle = below.y + _PAD_Y + _LINE / 2
    css = "rr-dash" if Role.LEFT_OUT in (above.role, below.role) else "rr-link"
    return Link(f"M{x:g} {above.y + above.height:g}V{middle:g}H{below.x:g}", css)


def _box(node: ProcessNode, pen: _Pen, size: Size) -> Box:
    wide = size is not Size.NARROW
    if not node.is_process:
        pen.say(node.name, "rr-q", _TEXT, most=5 if size is Size.NARROW else 3)
        return pen.box(node.role)
    if wide:
        _head(pen, node)
    else:
        pen.say(node.name, "rr-n", _NAME)
        if node.role is Role.TARGET:
            pen.say(node.role_words, "rr-t", _TEXT)
        pen.say(f"{node.pid}, {node.times}", "rr-q", _TEXT, most=2)
        pen.say(node.who, "rr-q", _TEXT)
        pen.say(node.signature, _tone(node.signature_tone), _TEXT)
    brief = node.role in (Role.SIBLING, Role.CHILD)
    pen.say(node.command, "rr-m", _MONO, most=1 if brief else 3 if size is Size.NARROW else 2, mono=True)
    pen.say(node.unknown, "rr-u", _TEXT, most=2)
    return pen.box(node.role)


class _Pen:
    """Writes the lines of one box, from the top."""

    def __init__(self, x: float, y: float, width: float) -> None:
        self.x, self.y, self.width = x, y, width
        self.room = width - 2 * _PAD_X
        self.lines: list[TextLine] = []

    def say(self, text: str, css: str, size: float, *, most: int = 1, mono: bool = False) -> None:
        """A text on at most so many lines."""
        for part in wrap(text, self.room, size, lines=most, mono=mono):
            self.line((Piece(part, css),))

    def line(self, pieces: tuple[Piece, ...], end: Piece | None = None) -> None:
        """Pieces from the left, and one at the right end."""
        baseline = self.y + _PAD_Y + len(self.lines) * _LINE + 12
        self.lines.append(TextLine(self.x + _PAD_X, baseline, pieces, self.x + self.width - _PAD_X, end))

    def box(self, role: Role) -> Box:
        """The box around what was written."""
        height = len(self.lines) * _LINE + 2 * _PAD_Y
        return Box(self.x, self.y, self.width, height, role, tuple(self.lines))


def _head(pen: _Pen, node: ProcessNode) -> None:
    """Name, pid and role from the left, times at the right end; below them user and signature."""
    times = cut(node.times, pen.room * 0.5, _TEXT)
    mark = node.role_words if node.role is Role.TARGET else ""
    taken = sum(width_of(text, _TEXT) + 8 for text in (node.pid, mark, times))
    name = cut(node.name, max(pen.room - taken, 60), _NAME)
    marked = (Piece(mark, "rr-t"),) if mark else ()
    pen.line((Piece(name, "rr-n"), Piece(node.pid, "rr-q"), *marked), Piece(times, "rr-q"))
    signature = cut(node.signature, pen.room * 0.6, _TEXT)
    who = cut(node.who, pen.room - width_of(signature, _TEXT) - 10, _TEXT)
    known = (Piece(who, "rr-q"),) if who else ()
    pen.line((*known, Piece(signature, _tone(node.signature_tone))))


def _tone(tone: Tone) -> str:
    return {Tone.BAD: "rr-b", Tone.UNKNOWN: "rr-u"}.get(tone, "rr-q")
