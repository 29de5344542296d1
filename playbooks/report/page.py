"""A page of terminal text: wraps with hanging indents, styles, and lets nothing of a log be obeyed.

Every text goes through display.visible and into a rich Text, which knows no markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from playbooks.report.display import visible

#: Narrower screens are treated as this wide; their terminal wraps.
MIN_WIDTH = 60
#: Text is no wider than this on any screen: longer lines are hard to follow.
MAX_WIDTH = 140
#: Room that text keeps however deep its indent.
_LEAST_ROOM = 20
#: Above any limit of the view: nothing is shortened a second time.
_NO_LIMIT = 20_000
#: A long word may be broken after one of these, but not after the slash that begins an option.
_SEPARATOR = re.compile(r"[\\,;&=?]|(?<! )/")


class Page:
    """Collects lines, then gives them as one text. Asks the environment nothing.

    Args:
        width: columns of the screen.
        color: with ANSI colours, else plain text.
        unicode: False escapes every character outside ASCII.
    """

    def __init__(self, *, width: int, color: bool, unicode: bool) -> None:
        self.width = min(max(width, MIN_WIDTH), MAX_WIDTH)
        self.unicode = unicode
        self._content: list[Text | Table] = []
        self._buffer = StringIO()
        self._console = Console(
            file=self._buffer,
            width=self.width,
            color_system="standard" if color else None,
            force_terminal=color,
            no_color=not color,
            force_interactive=False,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )

    def styled(self, text: str, style: str = "") -> Text:
        """The one way of text onto the page."""
        shown = visible(text, limit=_NO_LIMIT, ascii_only=not self.unicode, keep_blanks=True)
        return Text(shown, style=style, end="")

    def add(self, table: Table) -> None:
        """A table, fitted to the width."""
        self._content.append(table)

    def unbroken(self, *parts: Text) -> None:
        """A line that may be longer than the screen, so that it can be copied whole."""
        self._content.append(Text.assemble(*parts))

    def section(self, title: str, aside: str = "") -> None:
        """A blank line and a heading."""
        self.blank()
        heading = self.styled(title.upper(), "bold underline")
        self.unbroken(heading, self.styled(f"  {aside}" if aside else ""))

    def blank(self) -> None:
        """An empty line."""
        self._content.append(Text(""))

    def hang(
        self,
        lead: str,
        text: str | Text,
        style: str = "",
        *,
        lead_style: str = "",
        hang: str | None = None,
    ) -> None:
        """Text after a lead, wrapped under itself.

        Args:
            hang: what stands in front of the further lines; blanks of the lead's width unless given.
        """
        body = text if isinstance(text, Text) else self.styled(text, style)
        first = self.styled(lead, lead_style)
        further = self.styled(" " * first.cell_len if hang is None else hang, lead_style)
        room = max(self.width - max(first.cell_len, further.cell_len), _LEAST_ROOM)
        for number, line in enumerate(body.divide(_breaks(body.plain, room))):
            line.rstrip()
            self.unbroken(further if number else first, line)

    def text(self) -> str:
        """All lines, without blanks at their ends."""
        lines: list[Text] = []
        for each in (*self._content, None):
            if isinstance(each, Text):
                lines.append(each)
                continue
            if lines:
                self._console.print(Text("\n").join(lines), soft_wrap=True)
                lines = []
            if each is not None:
                self._console.print(each)
        return "".join(f"{line.rstrip(' ')}\n" for line in self._buffer.getvalue().splitlines())


def _breaks(text: str, room: int) -> Iterable[int]:
    """Where to break: at a blank; a word too long for any line at a separator, else where room ends."""
    start = 0
    while (end := _fits(text, start, room)) < len(text):
        blank = text.rfind(" ", start, end + 1) + 1
        too_long = _fits(text, blank, room) < _word_end(text, blank)
        if blank <= start or (too_long and blank <= end):
            half = start + (end - start) // 2
            separators = [each.end() for each in _SEPARATOR.finditer(text, half, end)]
            blank = separators[-1] if separators else blank if blank > half else end
        start = blank
        while text[start : start + 1] == " ":
            start += 1
        if start < len(text):
            yield start


def _word_end(text: str, start: int) -> int:
    end = text.find(" ", start)
    return len(text) if end < 0 else end


def _fits(text: str, start: int, room: int) -> int:
    """The end of what fits into the room, in columns; at least one character."""
    if text.isascii():
        return min(start + room, len(text))
    used = 0
    for position in range(start, len(text)):
        used += cell_len(text[position])
        if used > room:
            return max(position, start + 1)
    return len(text)
