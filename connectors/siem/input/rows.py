"""Search results whose rows are lists of values: json_rows and json_cols of Splunk's REST interface.

`{"fields": ["dest", ...], "rows": [["WS01", ...], ...]}` and, column by column, `{"fields": [...],
"columns": [["WS01", ...], ...]}`; a field is a name or an object with one. A cell may be a list.
https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch (output_mode)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from connectors.errors import NotableError
from connectors.siem.input.candidate import Candidate, refused
from connectors.siem.notable_fields import Fields

#: Most columns of a table; a notable of ES has a few hundred.
MAX_COLUMNS = 4096

#: Longest names of all columns together, in characters.
MAX_HEADER = 64 * 1024

#: Most cells of a table, its rows times its columns. An input of the largest size has room for hardly more,
#: unless its rows or columns are short.
MAX_CELLS = 2_000_000

#: Most rows of a table that are rejected for their form one by one; the others are rejected together.
MAX_BROKEN_ROWS = 1_000

#: Rows times header as JSON, in bytes: each row that is rejected is kept with the names of its columns.
_MOST_KEPT = 128 * 1024 * 1024

_SPLIT = "Split it into several files"
_EXPORT_AGAIN = "Export the search results again"


def has_rows(item: Fields) -> bool:
    """True for json_rows."""
    return isinstance(item.get("fields"), list) and isinstance(item.get("rows"), list)


def has_columns(item: Fields) -> bool:
    """True for json_cols."""
    return isinstance(item.get("fields"), list) and isinstance(item.get("columns"), list)


def open_rows(item: Fields) -> Iterator[Candidate]:
    """One candidate a row of json_rows; one more for all that are broken beyond MAX_BROKEN_ROWS."""
    preview, rows = item.get("preview") is True, cast("list[object]", item["rows"])
    try:
        names = _names_in(item)
        check_rows(len(rows), columns=len(names), header=header_size(names))
    except NotableError as error:
        yield Candidate({}, None, item, problem=error)
        return
    broken = 0
    others: list[object] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list | tuple) and len(row) == len(names):
            fields = fields_of(names, row)
            yield Candidate(fields, None, fields, preview=preview)
            continue
        broken += 1
        if broken > MAX_BROKEN_ROWS:
            others.append(row)
            continue
        problem = (
            wrong_length(number, len(row), len(names))
            if isinstance(row, list | tuple)
            else f"row {number} is not a list of values"
        )
        bad = refused({"fields": names, "rows": [row]}, "rows", problem, _EXPORT_AGAIN)
        yield bad._replace(preview=preview)
    if others:
        bad = refused({"fields": names, "rows": others}, "rows", more_broken(len(others)), _EXPORT_AGAIN)
        yield bad._replace(preview=preview)


def open_columns(item: Fields) -> Iterator[Candidate]:
    """One candidate a row of json_cols, and one for all rows for which a column is too short."""
    preview, columns = item.get("preview") is True, cast("list[object]", item["columns"])
    lists = [column for column in columns if isinstance(column, list | tuple)]
    count = max((len(column) for column in lists), default=0)
    try:
        names = _names_in(item)
        check_rows(count, columns=len(names), header=header_size(names))
    except NotableError as error:
        yield Candidate({}, None, item, problem=error)
        return
    if len(lists) != len(names):
        problem = f"holds {len(lists)} lists of values for {len(names)} fields"
        yield refused(item, "columns", problem, _EXPORT_AGAIN)
        return
    whole = min((len(column) for column in lists), default=0)
    for index in range(whole):
        fields = fields_of(names, [column[index] for column in lists])
        yield Candidate(fields, None, fields, preview=preview)
    if whole == count:
        return
    rest = [column[whole:] for column in lists]
    problem = (
        wrong_length(count, sum(map(len, rest)), len(names))
        if count == whole + 1
        else f"rows {whole + 1} to {count} have fewer values than the {len(names)} fields"
    )
    bad = refused({"fields": names, "columns": rest}, "columns", problem, _EXPORT_AGAIN)
    yield bad._replace(preview=preview)


def fields_of(names: Sequence[str], values: Sequence[object]) -> Fields:
    """A row by its names; of a name that stands twice both values count, where they differ."""
    if len(set(names)) == len(names):
        return dict(zip(names, values, strict=True))
    held: dict[str, dict[object, object]] = {}
    for name, value in zip(names, values, strict=True):
        # By what is equal and can be looked up: a name may stand thousands of times.
        plain = value is None or isinstance(value, str | int | float)
        held.setdefault(name, {}).setdefault(value if plain else (repr(value),), value)
    return {
        name: next(iter(cells.values())) if len(cells) == 1 else list(cells.values())
        for name, cells in held.items()
    }


def header_size(names: Sequence[str]) -> int:
    """What the names of the columns take as JSON, at most, in bytes.

    Raises:
        NotableError: they are too many or too long.
    """
    if len(names) > MAX_COLUMNS:
        raise _too_many_columns()
    if sum(map(len, names)) > MAX_HEADER:
        raise NotableError("fields", f"has names of more than {MAX_HEADER:,} characters", "Shorten them")
    return len(json.dumps(names))


def check_rows(rows: int, *, columns: int, header: int) -> None:
    """See that a table is within the bounds.

    Args:
        rows: how many it has.
        columns: how many it has.
        header: their names, as header_size counts.

    Raises:
        NotableError: it has too many cells, or too long names for so many rows.
    """
    if rows * columns > MAX_CELLS:
        raise NotableError("fields", f"times rows are more than {MAX_CELLS:,} cells", _SPLIT)
    if rows * header > _MOST_KEPT:
        raise NotableError("fields", "has names too long for so many rows", _SPLIT)


def more_broken(rows: int) -> str:
    """What is wrong with the rows beyond MAX_BROKEN_ROWS."""
    return f"has {rows:,} more rows that do not fit its fields; they are kept together"


def wrong_length(row: int, values: int, names: int) -> str:
    """What is wrong with a row, by its number from 1."""
    held = f"{values} value" if values == 1 else f"{values} values"
    return f"row {row} has {held} for {names} field{'' if names == 1 else 's'}"


def _names_in(item: Fields) -> list[str]:
    fields = cast("list[object]", item["fields"])
    if len(fields) > MAX_COLUMNS:
        raise _too_many_columns()
    names = []
    for each in fields:
        name = each.get("name") if isinstance(each, Mapping) else each
        if not isinstance(name, str):
            raise NotableError("fields", "holds something that is neither a name nor has one", _EXPORT_AGAIN)
        names.append(name)
    return names


def _too_many_columns() -> NotableError:
    return NotableError(
        "fields", f"names more than {MAX_COLUMNS:,} columns", "Keep the columns of the notable"
    )
