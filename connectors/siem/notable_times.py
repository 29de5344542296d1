"""When the events behind a notable were, from times that mostly carry no offset.

firstTime and lastTime come from the macro security_content_ctime, `%Y-%m-%dT%H:%M:%S` in the time zone of
the Splunk user who owns the search. info_min_time and info_max_time are the bounds of the search
(https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/Addinfo), seconds since the epoch, so
they leave no doubt; the events lie between them. Therefore:

1. firstTime and lastTime are read in the configured zone.
2. Where that puts them outside the search, they are read as UTC if that puts them inside.
3. Where neither does, the bounds of the search are used in their place: wide, but true.
4. Where firstTime or lastTime is missing, its bound of the search is used.

Each of 2 to 4 leaves a note. Times with an offset and epoch numbers are taken as they are.

A local search may write `05/12/2019 18:35:06`, the order of Splunk's own time picker: month, day, year
(https://docs.splunk.com/Documentation/Splunk/latest/SearchReference/SearchTimeModifiers). Where one of a
notable's times can only be day, month, year, all of them are. Where none decides, that is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from connectors.addresses import shown

#: Times outside these are taken for mistakes (year 1601, 9999999999): Sysmon is from 2014.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

_EPOCH = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE | re.ASCII,
)
_SLASHES = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})[ T](\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?(?: ?([AP])M)?",
    re.IGNORECASE | re.ASCII,
)

#: How Splunk writes the bounds of a search over all time.
_NO_BOUND = re.compile(r"0+(?:\.0*)?|[+-]?inf(?:inity)?", re.IGNORECASE)


@dataclass(slots=True)
class Times:
    """First and last event, None when unknown, and what was done to read them, one sentence each."""

    first: datetime | None = None
    last: datetime | None = None
    notes: list[str] = field(default_factory=list)


class _Zone(NamedTuple):
    """A way to read times without offset: a zone, and which of two equal clock times is meant."""

    name: str
    zone: tzinfo
    first_fold: int = 0
    last_fold: int = 0


class _Bounds(NamedTuple):
    low: datetime | None
    high: datetime | None

    def hold(self, when: datetime) -> bool:
        # firstTime and lastTime are cut to the second, the bounds are not.
        low_second = self.low.replace(microsecond=0) if self.low else None
        return (low_second is None or when >= low_second) and (self.high is None or when <= self.high)


def read_times(
    first: tuple[str, ...],
    last: tuple[str, ...],
    *,
    info_min: str,
    info_max: str,
    zone: tzinfo,
    zone_name: str,
) -> Times:
    """Read the span of a notable's events.

    Args:
        first: values of firstTime; several only where rows were merged, then the earliest counts.
        last: values of lastTime; the latest counts.
        info_min: info_min_time, "" if missing.
        info_max: info_max_time, "" if missing.
        zone: of times without offset.
        zone_name: its name, for the notes.

    Returns:
        The span in UTC. What cannot be read is None, with a note.
    """
    times = Times()
    day_first = any(_is_day_first(text) for text in (*first, *last))
    firsts = list(_parsed("firstTime", first, times.notes, day_first=day_first))
    lasts = list(_parsed("lastTime", last, times.notes, day_first=day_first))
    bounds = _Bounds(
        _bound("info_min_time", info_min, times.notes), _bound("info_max_time", info_max, times.notes)
    )
    if bounds.low and bounds.high and bounds.low > bounds.high:
        times.notes.append("info_min_time is after info_max_time; neither is used.")
        bounds = _Bounds(None, None)

    ways = [_Zone(zone_name, zone, 0, 0), _Zone(zone_name, zone, 0, 1), _Zone(zone_name, zone, 1, 1)]
    way = _way_that_fits(firsts, lasts, ways, bounds)
    if way is None and (bounds.low or bounds.high):
        utc = _Zone("UTC", UTC)
        way = _way_that_fits(firsts, lasts, [utc], bounds)
        if way:
            times.notes.append(
                f"In the time zone {zone_name}, firstTime and lastTime lie outside the search "
                "(info_min_time to info_max_time); as UTC they lie inside and are read so. "
                "Check the timezone setting."
            )
    if way is None and bounds.low and bounds.high and not _all_inside(firsts + lasts, ways[0], bounds):
        times.notes.append(
            f"Neither in the time zone {zone_name} nor as UTC do firstTime and lastTime lie inside the "
            "search; its bounds, info_min_time and info_max_time, are used. Check the timezone setting."
        )
        firsts = _naive_replaced(firsts, bounds.low)
        lasts = _naive_replaced(lasts, bounds.high)
    way = way or ways[0]
    times.first = min((_at(when, way.zone, way.first_fold) for when in firsts), default=None)
    times.last = max((_at(when, way.zone, way.last_fold) for when in lasts), default=None)
    _note_clock_changes(firsts, way.first_fold, "firstTime", way, times.notes)
    _note_clock_changes(lasts, way.last_fold, "lastTime", way, times.notes)
    _fill_and_order(times, bounds)
    return times


def parse_time(text: str, *, day_first: bool = False) -> datetime | None:
    """Read one time: seconds or milliseconds since the epoch, ISO 8601, or a date with slashes; with seconds.

    Args:
        text: the time.
        day_first: a date with slashes is day, month, year, and not month, day, year.

    Returns:
        In UTC where the text says the offset, else naive; None when it is no time, or not within
        EARLIEST and LATEST.
    """
    if _EPOCH.fullmatch(text):
        seconds = float(text)
        if seconds >= LATEST.timestamp():
            seconds /= 1000
        if not EARLIEST.timestamp() <= seconds < LATEST.timestamp():
            return None
        return datetime.fromtimestamp(seconds, UTC)
    parts = _ISO.fullmatch(text)
    if parts is None:
        return _with_slashes(text, day_first=day_first)
    date, clock, fraction, offset = parts.groups()
    try:
        when = datetime.fromisoformat(f"{date}T{clock}.{fraction or '0':0<6}{(offset or '').upper()}")
    except ValueError:
        return None
    # A day inside the limits, so that no conversion can leave what datetime holds.
    if not EARLIEST.year <= when.year < LATEST.year:
        return None
    return when if when.tzinfo is None else when.astimezone(UTC)


def _with_slashes(text: str, *, day_first: bool) -> datetime | None:
    parts = _SLASHES.fullmatch(text)
    if parts is None:
        return None
    month, day, year, hour, minute, second = map(int, parts.groups()[:6])
    if day_first:
        month, day = day, month
    fraction, half = parts[7] or "0", (parts[8] or "").upper()
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "P" else 0)
    if not EARLIEST.year <= year < LATEST.year:
        return None
    try:
        return datetime(year, month, day, hour, minute, second, int(f"{fraction:0<6}"))  # noqa: DTZ001  naive
    except ValueError:
        return None


def _is_day_first(text: str) -> bool:
    """True for a date with slashes that month, day, year cannot be."""
    parts = _SLASHES.fullmatch(text)
    return parts is not None and int(parts[1]) > 12 >= int(parts[2])


def _note_order(name: str, text: str, notes: list[str], *, day_first: bool) -> None:
    parts = _SLASHES.fullmatch(text)
    if parts is None:
        return
    if day_first:
        notes.append(f"{name} {shown(text)} is read as day, month, year.")
    elif parts[1].lstrip("0") != parts[2].lstrip("0") and int(parts[2]) <= 12:
        notes.append(f"{name} {shown(text)} is read as month, day, year; it could be day, month, year.")


def _parsed(name: str, texts: Iterable[str], notes: list[str], *, day_first: bool) -> Iterator[datetime]:
    for text in texts:
        when = parse_time(text, day_first=day_first)
        if when is None:
            notes.append(f"{name} {shown(text)} is not a time between {EARLIEST.year} and {LATEST.year}.")
        else:
            _note_order(name, text, notes, day_first=day_first)
            yield when


def _bound(name: str, text: str, notes: list[str]) -> datetime | None:
    if not text or _NO_BOUND.fullmatch(text):
        return None
    when = parse_time(text)
    if when is None:
        notes.append(f"{name} {shown(text)} is not a time between {EARLIEST.year} and {LATEST.year}.")
        return None
    # A bound without offset would bring the doubt it is here to settle.
    return when if when.tzinfo else None


def _at(when: datetime, zone: tzinfo, fold: int) -> datetime:
    """The instant, in UTC; a naive time is read in the zone."""
    return (when if when.tzinfo else when.replace(tzinfo=zone, fold=fold)).astimezone(UTC)


def _naive_replaced(whens: list[datetime], bound: datetime) -> list[datetime]:
    return [when if when.tzinfo else bound for when in whens]


def _all_inside(naive_or_not: Iterable[datetime], way: _Zone, bounds: _Bounds) -> bool:
    """True when every time without offset, read this way, lies inside the search."""
    return all(
        bounds.hold(_at(when, way.zone, way.first_fold)) for when in naive_or_not if when.tzinfo is None
    )


def _way_that_fits(
    firsts: list[datetime], lasts: list[datetime], ways: list[_Zone], bounds: _Bounds
) -> _Zone | None:
    """The first way that puts the times inside the search and in order."""
    for way in ways:
        read_first = [_at(when, way.zone, way.first_fold) for when in firsts]
        read_last = [_at(when, way.zone, way.last_fold) for when in lasts]
        inside = all(
            bounds.hold(read)
            for when, read in zip(firsts + lasts, read_first + read_last, strict=True)
            if when.tzinfo is None
        )
        if inside and (not read_first or not read_last or min(read_first) <= max(read_last)):
            return way
    return None


def _note_clock_changes(whens: list[datetime], fold: int, name: str, way: _Zone, notes: list[str]) -> None:
    """Say which clock times happen twice or never because clocks are changed."""
    for when in whens:
        if when.tzinfo is not None:
            continue
        early, late = (_at(when, way.zone, side) for side in (0, 1))
        if early == late:
            continue
        if early.astimezone(way.zone).replace(tzinfo=None) != when:
            read = (late if fold else early).isoformat()
            notes.append(f"{name} {when.isoformat()} does not exist in {way.name}; it is read as {read}.")
        else:
            which = "later" if fold else "earlier"
            notes.append(f"{name} {when.isoformat()} happens twice in {way.name}; the {which} is used.")


def _fill_and_order(times: Times, bounds: _Bounds) -> None:
    """Use the bounds of the search for what is missing, and put first before last."""
    if times.first is None and bounds.low:
        times.first = bounds.low
        times.notes.append(
            "firstTime is missing or unreadable; the start of the search, info_min_time, is used."
        )
    if times.last is None and bounds.high:
        times.last = bounds.high
        times.notes.append(
            "lastTime is missing or unreadable; the end of the search, info_max_time, is used."
        )
    if times.first and times.last and times.first > times.last:
        times.first, times.last = times.last, times.first
        times.notes.append("firstTime is after lastTime; the two are exchanged.")
