"""A plain table for the small commands."""

from __future__ import annotations

from collections.abc import Sequence

from playbooks.report.display import visible

_GAP = "  "


def aligned(heading: Sequence[str], rows: Sequence[Sequence[str]], *, below: Sequence[str]) -> str:
    """The table as text; what stands below a row is indented, "" is nothing. All is made safe to show."""
    table = [tuple(visible(cell) for cell in row) for row in (heading, *rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(heading))]
    lines: list[str] = []
    for row, text in zip(table, ("", *below), strict=True):
        lines.append(_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if text:
            lines.append(f"{_GAP * 2}{visible(text)}")
    return "\n".join(lines)
