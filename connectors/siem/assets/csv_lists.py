"""Lists of machines and accounts in CSV files, for those without Enterprise Security.

The columns are those of its tables. A line that cannot be used is left out and named: what it says is not
known. Nothing in a file is run or interpreted: it is text.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from connectors.addresses import shown
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.facts.health import Health, HealthState
from connectors.ports import Listed, NotRead
from connectors.siem.assets.columns import (
    ASSET_COLUMNS,
    ASSET_KEYS,
    IDENTITY_COLUMNS,
    IDENTITY_KEYS,
    AssetRow,
    BadRow,
    IdentityRow,
    Values,
    asset_row,
    identity_row,
    parts_of,
)
from connectors.siem.assets.matching import AssetIndex, IdentityIndex, listed

#: Larger files, and more rows, are refused: bytes, and rows of one file.
MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 500_000

#: Most columns of a file; the tables of Enterprise Security have about 30.
MAX_COLUMNS = 1_024

#: Lines named of those that were left out, and the reasons told of them.
_LINES_NAMED = 5

_MEND = "Mend them in the file"


class ListKind(StrEnum):
    """What a file lists; the name of its section in the settings."""

    ASSETS = "assets"
    IDENTITIES = "identities"


class ListFile[Row](NamedTuple):
    """A list that was read.

    Attributes:
        path: the file.
        rows: those that can be used.
        bad: the lines that cannot, such as "4" or "4-900", with the reason of each.
        changed: when the file was last written.
    """

    path: Path
    rows: tuple[Row, ...]
    bad: tuple[tuple[str, str], ...]
    changed: datetime

    @property
    def not_read(self) -> tuple[NotRead, ...]:
        """The lines that were left out, as what is not known."""
        if not self.bad:
            return ()
        lines = ", ".join(line for line, _ in self.bad[:_LINES_NAMED])
        more = len(self.bad) - _LINES_NAMED
        lines += f" and {more:,} more" if more > 0 else ""
        line, why = self.bad[0]
        return (NotRead(f"{self.path.name}, line {lines}", f"line {line}: {why}", _MEND),)


def read_assets(path: Path) -> ListFile[AssetRow]:
    """The rows of an asset list.

    Raises:
        InputError: the file cannot be read, is none of this kind, or over a limit.
    """
    return _read(path, ASSET_KEYS, asset_row)


def read_identities(path: Path) -> ListFile[IdentityRow]:
    """The rows of an identity list.

    Raises:
        InputError: as read_assets.
    """
    return _read(path, IDENTITY_KEYS, identity_row)


class CsvList:
    """One list in one file. Read when first asked, and once."""

    def __init__(self, path: Path, kind: ListKind, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Read nothing yet.

        Args:
            path: the file.
            kind: what it lists.
            clock: the time, for its age.
        """
        self._path = path
        self._kind = kind
        self._clock = clock
        self._indexed: tuple[AssetIndex, IdentityIndex, tuple[NotRead, ...]] | None = None

    @property
    def name(self) -> str:
        """As people know it."""
        return f"the list of {self._kind.value} {self._path.name}"

    def check(self) -> Health:
        """Whether the file can be read, its rows, its age, and the lines that were left out."""
        try:
            file: ListFile[AssetRow] | ListFile[IdentityRow] = (
                read_assets(self._path) if self._kind is ListKind.ASSETS else read_identities(self._path)
            )
        except InputError as error:
            return self._health(HealthState.FAILED, f"{error.field} {error.problem}")
        days = max(0, (self._clock() - file.changed).days)
        said = (
            f"{self._path}: {len(file.rows):,} rows, last written {days} {'day' if days == 1 else 'days'} ago"
        )
        if not file.not_read:
            return self._health(HealthState.OK, said)
        left_out = "; ".join(f"left out: {each.what} ({each.why})" for each in file.not_read)
        return self._health(HealthState.FAILED, f"{said}; {left_out}")

    def facts_of(self, hosts: Sequence[str], users: Sequence[str]) -> Listed:
        """The rows that fit. A file that cannot be read is named as not read."""
        if self._indexed is None:
            self._indexed = self._index()
        assets, identities, not_read = self._indexed
        return listed(assets, identities, hosts, users, not_read=not_read)

    def _index(self) -> tuple[AssetIndex, IdentityIndex, tuple[NotRead, ...]]:
        try:
            if self._kind is ListKind.ASSETS:
                machines = read_assets(self._path)
                return AssetIndex(machines.rows), IdentityIndex(), machines.not_read
            people = read_identities(self._path)
            return AssetIndex(), IdentityIndex(people.rows), people.not_read
        except InputError as error:
            return AssetIndex(), IdentityIndex(), (NotRead(self._path.name, error.problem, error.remedy),)

    def _health(self, state: HealthState, detail: str) -> Health:
        return Health(connector=self._kind.value, state=state, detail=detail)


def _read[Row](path: Path, keys: Sequence[str], row_of: Callable[[Values, str], Row]) -> ListFile[Row]:
    text, changed = _text(path)
    rows: list[Row] = []
    bad: list[tuple[str, str]] = []
    for lines, found in _records(text, str(path), keys):
        if len(rows) + len(bad) >= MAX_ROWS:
            raise InputError(str(path), f"has more than {MAX_ROWS:,} rows", "Leave out what is not needed")
        if isinstance(found, str):
            bad.append((lines, found))
            continue
        try:
            rows.append(row_of(parts_of(found), f"{path.name}, line {lines}"))
        except BadRow as wrong:
            bad.append((lines, str(wrong)))
    return ListFile(path, tuple(rows), tuple(bad), changed)


def _text(path: Path) -> tuple[str, datetime]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})", "Check the path") from error
    if len(data) > MAX_BYTES:
        raise InputError(str(path), f"is larger than {MAX_BYTES:,} bytes", "Leave out what is not needed")
    try:
        return data.decode("utf-8-sig"), changed
    except UnicodeDecodeError as error:
        raise InputError(str(path), "is not UTF-8 text", "Save it as UTF-8") from error


def _records(text: str, source: str, keys: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str] | str]]:
    """Each row with its lines: its fields by column, or why it has none.

    Raises:
        InputError: the first line names none of the columns by which a row is found.
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    header = _header(reader, source, keys)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _lines(first, reader.line_num), f"it is no line of a CSV ({error})"
            continue
        lines = _lines(first, reader.line_num)
        if not any(each.strip() for each in cells):
            continue
        if len(cells) != len(header):
            yield lines, f"it has {len(cells)} fields, and the first line {len(header)}"
            continue
        yield lines, dict(zip(header, cells, strict=True))


def _header(reader: Iterator[list[str]], source: str, keys: Sequence[str]) -> list[str]:
    remedy = f"The first line names the columns, between commas: at least one of {', '.join(keys)}"
    spelled = {each.casefold(): each for each in (*ASSET_COLUMNS, *IDENTITY_COLUMNS)}
    try:
        names = [spelled.get(each.strip().casefold(), each.strip()) for each in next(reader, [])]
    except csv.Error as error:
        raise InputError(source, f"is no CSV ({error})", remedy) from error
    if len(names) > MAX_COLUMNS:
        raise InputError(source, f"has more than {MAX_COLUMNS:,} columns", "Leave out what is not needed")
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise InputError(source, f"has the column {shown(twice[0])} twice", remedy)
    if not set(names).intersection(keys):
        raise InputError(source, "has none of the columns that name a row", remedy)
    return names


def _lines(first: int, last: int) -> str:
    return f"{first}-{last}" if last > first else str(first)
