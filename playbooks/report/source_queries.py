"""What was read or asked, for a person to repeat it: short on a line, whole in a fold-out."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.facts.process import Lineage
from playbooks.report.display import visible

#: Queries shown of one lineage, characters of one that is shown whole, and of one that is named in a line.
QUERIES_SHOWN = 10
WHOLE_LIMIT = 8000
NAMED_LIMIT = 140


@dataclass(frozen=True, slots=True)
class Query:
    """One query or one reading. All text is safe to show.

    Attributes:
        named: in a line; with how many lines it has, where that is more than one.
        whole: its text with its own line breaks, cut in its middle past WHOLE_LIMIT; "" where `named` is all.
    """

    named: str
    whole: str


def queries(lineage: Lineage | None) -> tuple[Query, ...]:
    """What was read or asked for the lineage, the first ones."""
    return tuple(query(each) for each in (lineage.source_queries if lineage else ())[:QUERIES_SHOWN])


def query(text: str) -> Query:
    """One query for a line, and whole."""
    lines = text.replace("\r\n", "\n").strip("\n").split("\n")
    first = visible(lines[0], limit=NAMED_LIMIT)
    if len(lines) == 1 and len(text) <= NAMED_LIMIT:
        return Query(first, "")
    number = f"{len(lines):,} lines, " if len(lines) > 1 else ""
    return Query(f"{first} ({number}{len(text):,} characters)", _whole(lines))


def _whole(lines: list[str]) -> str:
    """The text line by line; nothing of it but a line break is obeyed."""
    shown: list[str] = []
    room = WHOLE_LIMIT
    for number, line in enumerate(lines):
        safe = visible(line, limit=WHOLE_LIMIT - 1, keep_blanks=True)
        room -= len(safe) + 1
        if room < 0:
            left = len(lines) - number
            shown.append(f"[... {left:,} more {'line' if left == 1 else 'lines'}, in the JSON report ...]")
            break
        shown.append(safe)
    return "\n".join(shown)
