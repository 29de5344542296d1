"""Reads the fields of a vendor's JSON by type; one of another type or out of bounds is named and refused.

The text in these answers was written by strangers. It leaves here only as a number, a flag, a time, a word of
a known list, or an ASCII literal of bounded length.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from connectors.addresses import shown
from connectors.errors import BadResponse
from connectors.facts.base import EARLIEST_INSTANT

#: No count in an answer can honestly be larger.
MAX_COUNT = 1_000_000_000

#: Entries of one list that are read at most; more are counted only.
MAX_ENTRIES = 1_000

#: Longest text that is looked at, characters.
MAX_TEXT = 4_096

#: A source's clock may be this far ahead of ours, or name a day of which only the beginning has passed.
CLOCK_TOLERANCE = timedelta(days=1)


class Fields:
    """One JSON object of an answer. A missing or null field is None, never a default that looks like a fact.

    Every method raises BadResponse when the field has another type or a value out of bounds.
    """

    __slots__ = ("_path", "_source", "_values")

    def __init__(self, source: str, body: object, path: str = "") -> None:
        if not isinstance(body, dict):
            raise BadResponse(source, f"{path or 'the answer'} is not an object, as the vendor documents")
        self._source = source
        self._path = path
        self._values: dict[object, object] = body

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def wrong(self, name: str, problem: str) -> BadResponse:
        """The error that names a field of this object."""
        return BadResponse(self._source, f"the field {self._name(name)} {problem}")

    def _name(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def maybe_child(self, name: str) -> Fields | None:
        """The object in a field; None when it is missing or null."""
        value = self._values.get(name)
        return None if value is None else Fields(self._source, value, self._name(name))

    def child(self, name: str) -> Fields:
        """The object in a field that must be there."""
        found = self.maybe_child(name)
        if found is None:
            raise self.wrong(name, "is missing")
        return found

    def entries(self, name: str) -> list[object]:
        """The raw entries of a list; empty when it is missing or null."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "is not a list")
        return value

    def is_empty_list(self, name: str) -> bool:
        """True when the field is a list without entries; never raises."""
        return self._values.get(name) == []

    def objects(self, name: str) -> Iterator[Fields]:
        """The entries of a list that are objects, MAX_ENTRIES at most.

        Anyone may have written an entry, so one of another type is passed over: a single bad entry must not
        silence the whole source.
        """
        for entry in self.entries(name)[:MAX_ENTRIES]:
            if isinstance(entry, dict):
                yield Fields(self._source, entry, f"{self._name(name)}[]")

    def maybe_count(self, name: str, *, most: int = MAX_COUNT) -> int | None:
        """A whole number from 0 to `most`, also written as decimal text; None when missing or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 16:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, "is not a whole number")
        if not 0 <= value <= most:
            raise self.wrong(name, f"is not between 0 and {most}")
        return value

    def count(self, name: str, *, most: int = MAX_COUNT) -> int:
        """As maybe_count, of a field that must be there."""
        found = self.maybe_count(name, most=most)
        if found is None:
            raise self.wrong(name, "is missing")
        return found

    def maybe_flag(self, name: str) -> bool | None:
        """A truth value; None when missing or null."""
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(name, "is neither true nor false")

    def flag(self, name: str) -> bool:
        """As maybe_flag, of a field that must be there."""
        found = self.maybe_flag(name)
        if found is None:
            raise self.wrong(name, "is missing")
        return found

    def text(self, name: str) -> str:
        """Text as the vendor sent it, to compare or parse, never to show; "" when missing or null."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, "is not text")
        if len(value) > MAX_TEXT:
            raise self.wrong(name, f"is longer than {MAX_TEXT} characters")
        return value

    def shown(self, name: str) -> str:
        """Text as an ASCII literal in quotes, cut to a bounded length; "" when missing or empty."""
        value = self.text(name)
        return shown(value) if value else ""

    def maybe_time(self, name: str, *, now: datetime) -> datetime | None:
        """A time, as Unix seconds, ISO 8601 or "2020-12-08 13:36:27 UTC"; without an offset it is UTC.

        Args:
            name: the field.
            now: when the answer was fetched. A time up to a day later is taken as that moment.
        """
        when = self.maybe_moment(name)
        if when is None:
            return None
        if when > now + CLOCK_TOLERANCE:
            raise self.wrong(name, "lies in the future")
        return min(when, now)

    def maybe_latest_time(self, name: str, *, now: datetime) -> datetime | None:
        """As maybe_time, of a field that holds one time or a list of them, of which the latest counts.

        Of a list, MAX_ENTRIES are looked at; an entry that is no time is passed over.

        Raises:
            BadResponse: it is neither, or a list of which no entry is a time that can be.
        """
        value = self._values.get(name)
        if not isinstance(value, list):
            return self.maybe_time(name, now=now)
        kept = [each for each in value[:MAX_ENTRIES] if each not in (None, "")]
        times = [when for each in kept if (when := _as_time(each)) is not None]
        if kept and not times:
            raise self.wrong(name, "is not a time")
        known = [when for when in times if when >= EARLIEST_INSTANT]
        past = [when for when in known if when <= now + CLOCK_TOLERANCE]
        if known and not past:
            raise self.wrong(name, "lies in the future")
        return min(max(past), now) if past else None

    def maybe_moment(self, name: str) -> datetime | None:
        """As maybe_time, of a moment that may lie in the future.

        A time before every fact, such as the year 1 that .NET writes for "none", is one that is not known.
        """
        value = self._values.get(name)
        if value is None or value == "":
            return None
        when = _as_time(value)
        if when is None:
            raise self.wrong(name, "is not a time")
        return when if when >= EARLIEST_INSTANT else None


def _as_time(value: object) -> datetime | None:
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 16:
            value = int(value)
        if isinstance(value, int):
            # MISP writes microseconds in the same fields; no second count of this age has 14 digits.
            seconds = value / 1_000_000 if value >= 10**13 else float(value)
            return datetime.fromtimestamp(seconds, UTC) if value >= 0 else None
        if isinstance(value, str) and len(value) <= 40:
            when = datetime.fromisoformat(value.removesuffix(" UTC"))
            return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
