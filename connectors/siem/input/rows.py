"""Search results whose rows are lists of values: json_rows and json_cols of Splunk's REST interface.

`{"fields": ["dest", ...], "rows": [["WS01", ...], ...]}` and, column by column, `{"fields": [...],
"columns": [["WS01", ...], ...]}`; a field is a name or an object with one. A cell may be a list.
https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch (output_mode)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from connectors.errors import NotableError
from connectors.siem.input.candidate import Candidate, refused
from connectors.siem.notable_fields import Fields

#: Most columns of a table; a notable of ES has a few hundred.
MAX_COLUMNS = 4096

#: Longest names of all columns together, in characters.
MAX_HEADER = 64 * 1024

#: Rows times header, in characters: each row that is rejected is kept with the names of its columns.
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
    """One candidate a row of json_rows."""
    preview, rows = item.get("preview") is True, cast("list[object]", item["rows"])
    try:
        names = _names_in(item)
        check_size(names, len(rows))
    except NotableError as error:
        yield Candidate({}, None, item, problem=error)
        return
    for number, row in enumerate(rows, start=1):
        kept = {"fields": names, "rows": [row]}
        if not isinstance(row, list | tuple):
            bad = refused(kept, "rows", f"row {number} is not a list of values", _EXPORT_AGAIN)
            yield bad._replace(preview=preview)
        elif len(row) != len(names):
            bad = refused(kept, "rows", wrong_length(number, len(row), len(names)), _EXPORT_AGAIN)
            yield bad._replace(preview=preview)
        else:
            fields = fields_of(names, row)
            yield Candidate(fields, None, fields, preview=preview)


def open_columns(item: Fields) -> Iterator[Candidate]:
    """One candidate a row of json_cols; a column may be too short for the last ones."""
    preview, columns = item.get("preview") is True, cast("list[object]", item["columns"])
    lists = [column for column in columns if isinstance(column, list | tuple)]
    count = max((len(column) for column in lists), default=0)
    try:
        names = _names_in(item)
        check_size(names, count)
    except NotableError as error:
        yield Candidate({}, None, item, problem=error)
        return
    if len(lists) != len(names):
        problem = f"holds {len(lists)} lists of values for {len(names)} fields"
        yield refused(item, "columns", problem, _EXPORT_AGAIN)
        return
    for index in range(count):
        cells = [column[index : index + 1] for column in lists]
        row = [cell[0] for cell in cells if cell]
        if len(row) != len(names):
            kept = {"fields": names, "columns": cells}
            bad = refused(kept, "columns", wrong_length(index + 1, len(row), len(names)), _EXPORT_AGAIN)
            yield bad._replace(preview=preview)
        else:
            fields = fields_of(names, row)
            yield Candidate(fields, None, fields, preview=preview)


def fields_of(names: Sequence[str], values: Sequence[object]) -> Fields:
    """A row by its names; of a name that stands twice both values count, where they differ."""
    if len(set(names)) == len(names):
        return dict(zip(names, values, strict=True))
    held: dict[str, list[object]] = {}
    for name, value in zip(names, values, strict=True):
        cells = held.setdefault(name, [])
        if value not in cells:
            cells.append(value)
    return {name: cells[0] if len(cells) == 1 else cells for name, cells in held.items()}


def check_size(names: Sequence[str], rows: int) -> None:
    """See that a table is within the bounds.

    Raises:
        NotableError: it has too many columns, too long names, or too many rows for them.
    """
    if len(names) > MAX_COLUMNS:
        raise _too_many_columns()
    header = sum(map(len, names))
    if header > MAX_HEADER:
        raise NotableError("fields", f"has names of more than {MAX_HEADER:,} characters", "Shorten them")
    if header * rows > _MOST_KEPT:
        raise NotableError("fields", "has names too long for so many rows", _SPLIT)


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
