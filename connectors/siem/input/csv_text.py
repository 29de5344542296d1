"""CSV: search results, an alert action's results.csv, and lookup files.

A value in quotes may hold commas and line breaks, and a quote is doubled (RFC 4180). Several values stand
in one cell, one a line; results.csv has them a second time, in a column `__mv_NAME`, as `$a$;$b$` with a
dollar sign doubled. That column is empty where there is one value.

Read here and not with the module csv, which has one limit for the whole process and does not say where a
row stands. What is read is only text: `=1+1` stays `=1+1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from connectors.errors import NotableError
from connectors.siem.input.candidate import INPUT, MAX_NOTABLES, BrokenLine, Candidate
from connectors.siem.input.rows import (
    MAX_BROKEN_ROWS,
    MAX_COLUMNS,
    check_rows,
    fields_of,
    header_size,
    more_broken,
    wrong_length,
)
from connectors.siem.notable_fields import KNOWN_NAMES, Fields

#: How the columns begin that hold several values a second time.
_MULTIVALUE = "__mv_"

_CELL = re.compile(r'(?:"((?:[^"]++|"")*+)"([^,\r\n]*+)|([^,\r\n]*+))(,|\r\n|\n|\r|\Z)')
_ENCODED = re.compile(r"\$((?:[^$]|\$\$)*+)\$(?:;|\Z)")

_EXPORT_AGAIN = "Export the search results again"


class _Line(NamedTuple):
    """One row as it stands in the text: its values, where it ends, and why it is broken ("")."""

    values: list[str]
    cells: int
    end: int
    problem: str


def is_csv(text: str) -> bool:
    """True when the first line names a notable's fields, and more than one column or row is there."""
    header = _line(text, 0, MAX_COLUMNS + 1, stop=True)
    known = KNOWN_NAMES | {"_raw"}
    names = [name.strip() for name in header.values]
    return not known.isdisjoint(names) and (len(names) > 1 or bool(text[header.end :].strip()))


def read_csv(text: str) -> Iterator[Candidate]:
    """One candidate a row below the header, and one for all broken rows beyond MAX_BROKEN_ROWS.

    Empty lines are none.

    Raises:
        NotableError: the header is over a limit, or there are too many rows.
    """
    header = _line(text, 0, MAX_COLUMNS + 1, stop=True)
    names = [name.strip() for name in header.values]
    size = header_size(names)
    head = text[: header.end].rstrip("\r\n")
    at, row = header.end, 0
    broken = 0
    others: list[str] = []
    line = 1 + text.count("\n", 0, at)
    while at < len(text):
        found = _line(text, at, len(names))
        begun, own = line, text[at : found.end]
        line += text.count("\n", at, found.end)
        at = found.end
        if not own.strip():
            continue
        row += 1
        if row > MAX_NOTABLES:
            raise NotableError(
                INPUT, f"holds more than {MAX_NOTABLES:,} notables", "Split it into several files"
            )
        check_rows(row, columns=len(names), header=size)
        problem = found.problem
        if not problem and found.cells != len(names):
            problem = wrong_length(row, found.cells, len(names))
        if not problem:
            fields = _fields(names, found.values)
            yield Candidate(fields, None, fields)
            continue
        broken += 1
        if broken > MAX_BROKEN_ROWS:
            others.append(own.rstrip("\r\n"))
            continue
        kept = f"{head}\n{own}"
        yield BrokenLine(kept, f"{problem} (line {begun})", "row", _EXPORT_AGAIN).refused
    if others:
        kept = "\n".join([head, *others])
        yield BrokenLine(kept, more_broken(len(others)), "row", _EXPORT_AGAIN).refused


def _line(text: str, at: int, most: int, *, stop: bool = False) -> _Line:
    """The row that begins at a position; values beyond `most` are counted alone, or stopped at."""
    values: list[str] = []
    count, problem = 0, ""
    while True:
        cell = _CELL.match(text, at)
        if cell is None or (cell[3] or "").startswith('"'):
            # Nothing in it can be trusted to be a row: it may be the inside of a value.
            return _Line(values, count, len(text), "is cut: a quote is never closed")
        quoted, after, bare, separator = cell.groups()
        if after:
            problem = "has text after a closing quote"
        count += 1
        if len(values) < most:
            values.append(bare if quoted is None else quoted.replace('""', '"'))
        at = cell.end()
        if separator != "," or (stop and count == most):
            return _Line(values, count, at, problem)


def _fields(names: list[str], values: list[str]) -> Fields:
    fields = fields_of(names, values)
    several: dict[str, object] = {}
    for name, value in fields.items():
        if name.startswith(_MULTIVALUE) and name.removeprefix(_MULTIVALUE) in fields:
            decoded = _decoded(value) if isinstance(value, str) else None
            if decoded is not None:
                several[name] = decoded
    # An encoded column goes, once its values stand in the column itself.
    own = {name: value for name, value in fields.items() if name not in several}
    return {
        **own,
        **{name.removeprefix(_MULTIVALUE): decoded for name, decoded in several.items() if decoded},
    }


def _decoded(text: str) -> list[str] | None:
    """The values of `$a$;$b$`, [] of an empty text; None when it is not of that form."""
    values, at = [], 0
    while at < len(text):
        found = _ENCODED.match(text, at)
        if found is None:
            return None
        values.append(found[1].replace("$$", "$"))
        at = found.end()
    return values
