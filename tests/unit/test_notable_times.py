"""firstTime and lastTime: zones, bounds of the search, clock changes, nonsense."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.siem.notable_times import EARLIEST, LATEST, Times, parse_time, read_times


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def epoch(text: str) -> str:
    return f"{utc(text).timestamp():.9f}"


def read(first: str = "", last: str = "", info: tuple[str, str] = ("", ""), zone: str = "UTC") -> Times:
    return read_times(
        (first,) if first else (),
        (last,) if last else (),
        info_min=info[0],
        info_max=info[1],
        zone=UTC if zone == "UTC" else ZoneInfo(zone),
        zone_name=zone,
    )


HOUR = (epoch("2026-03-02T10:00:00.5"), epoch("2026-03-02T11:00:00"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T10:00:00Z", utc("2026-03-02T10:00:00")),
        ("2026-03-02t10:00:00z", utc("2026-03-02T10:00:00")),
        ("2026-03-02T10:00:00+02:00", utc("2026-03-02T08:00:00")),
        ("2026-03-02 10:00:00.123456789 +0200", utc("2026-03-02T08:00:00.123456")),
        ("1772445600", utc("2026-03-02T10:00:00")),
        ("1772445600.250000000", utc("2026-03-02T10:00:00.25")),
        ("1772445600250", utc("2026-03-02T10:00:00.25")),
        ("2026-03-02T10:00:00", datetime(2026, 3, 2, 10)),  # noqa: DTZ001 - that it is naive is the point
        ("05/12/2019 18:35:06", datetime(2019, 5, 12, 18, 35, 6)),  # noqa: DTZ001
        ("5/2/2019 8:05:06.25", datetime(2019, 5, 2, 8, 5, 6, 250_000)),  # noqa: DTZ001
        ("05/12/2019 06:35:06 pm", datetime(2019, 5, 12, 18, 35, 6)),  # noqa: DTZ001
        ("05/12/2019 12:35:06 AM", datetime(2019, 5, 12, 0, 35, 6)),  # noqa: DTZ001
        ("25/12/2019 18:35:06", None),
        ("02/30/2019 18:35:06", None),
        ("05/12/2019 18:35:06 PM", None),
        ("05/12/2019 00:35:06 AM", None),
        ("05/12/1999 18:35:06", None),
        ("05/12/0000 18:35:06", None),
        ("05/12/19 18:35:06", None),
        ("05/12/2019", None),
        ("05-12-2019 18:35:06", None),
        ("1601-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-02T25:00:00Z", None),
        ("2026-03-02T10:00:00+99:99", None),
        ("9223372036854775808", None),
        ("9" * 400, None),
        ("0", None),
        ("-1772445600", None),
        ("nan", None),
        ("Infinity", None),
        ("1e9", None),
        ("20260302", None),
        ("2026-03-02", None),
        ("yesterday", None),
        ("\u0662026-03-02T10:00:00", None),
    ],
)
def test_one_time(text: str, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("first", "last", "span", "notes"),
    [
        (
            "05/12/2019 18:35:06",
            "05/13/2019 18:35:06",
            ("2019-05-12", "2019-05-13"),
            ["month, day, year; it"],
        ),
        ("05/05/2019 18:35:06", "05/13/2019 18:35:06", ("2019-05-05", "2019-05-13"), []),
        (
            "05/12/2019 18:35:06",
            "13/12/2019 18:35:06",
            ("2019-12-05", "2019-12-13"),
            ["day, month, year"] * 2,
        ),
        ("13/12/2019 18:35:06", "05/14/2019 18:35:06", ("2019-12-13", None), ["day, month", "is not a time"]),
    ],
)
def test_a_date_with_slashes_is_read_in_one_order_and_noted(
    first: str, last: str, span: tuple[str, str | None], notes: list[str]
) -> None:
    times = read(first, last)
    assert (times.first, times.last) == tuple(day and utc(f"{day}T18:35:06") for day in span)
    assert [want in note for want, note in zip(notes, times.notes, strict=True)] == [True] * len(notes)


def test_without_offset_the_zone_decides() -> None:
    times = read("2026-03-02T10:00:00", "2026-03-02T10:30:00", zone="America/New_York")
    assert (times.first, times.last) == (utc("2026-03-02T15:00:00"), utc("2026-03-02T15:30:00"))
    assert times.notes == []


def test_a_span_inside_the_search_is_taken() -> None:
    """The first event was in the second in which the search begins."""
    times = read("2026-03-02T11:00:00", "2026-03-02T11:30:00", info=HOUR, zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00"), utc("2026-03-02T10:30:00"))
    assert times.notes == []


def test_a_wrong_zone_is_repaired_where_utc_fits_the_search() -> None:
    times = read("2026-03-02T10:10:00", "2026-03-02T10:30:00", info=HOUR, zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-03-02T10:10:00"), utc("2026-03-02T10:30:00"))
    assert len(times.notes) == 1
    assert "Europe/Berlin" in times.notes[0]
    assert "UTC" in times.notes[0]


def test_one_of_two_outside_is_outside() -> None:
    times = read("2026-03-02T10:10:00", "2026-03-02T11:30:00", info=HOUR, zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00.5"), utc("2026-03-02T11:00:00"))


def test_where_no_zone_fits_the_search_gives_the_span() -> None:
    times = read("2026-03-02T18:10:00", "2026-03-02T18:30:00", info=HOUR)
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00.5"), utc("2026-03-02T11:00:00"))
    assert "bounds" in times.notes[0]


def test_the_search_replaces_only_what_is_in_doubt() -> None:
    times = read("2026-03-02T18:10:00", "2026-03-02T10:45:00Z", info=HOUR)
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00.5"), utc("2026-03-02T10:45:00"))


def test_the_bounds_themselves_lie_inside() -> None:
    times = read("2026-03-02T10:00:00", "2026-03-02T11:00:00", info=HOUR)
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00"), utc("2026-03-02T11:00:00"))
    assert times.notes == []


def test_bounds_without_offset_settle_nothing() -> None:
    times = read("2026-03-02T18:10:00", info=("2026-03-02T10:00:00", "2026-03-02T11:00:00"))
    assert (times.first, times.last) == (utc("2026-03-02T18:10:00"), None)


def test_half_a_search_does_not_replace_a_time() -> None:
    times = read("2026-03-02T18:10:00", "2026-03-02T18:30:00", info=("0.000", HOUR[1]))
    assert (times.first, times.last) == (utc("2026-03-02T18:10:00"), utc("2026-03-02T18:30:00"))


def test_a_time_that_says_its_offset_is_not_doubted() -> None:
    times = read("2026-03-02T18:10:00Z", epoch("2026-03-02T18:30:00"), info=HOUR, zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-03-02T18:10:00"), utc("2026-03-02T18:30:00"))


def test_the_search_gives_what_is_missing() -> None:
    times = read(info=HOUR)
    assert (times.first, times.last) == (utc("2026-03-02T10:00:00.5"), utc("2026-03-02T11:00:00"))
    assert [note.split()[0] for note in times.notes] == ["firstTime", "lastTime"]
    times = read("2026-03-02T10:10:00", info=HOUR)
    assert (times.first, times.last) == (utc("2026-03-02T10:10:00"), utc("2026-03-02T11:00:00"))


@pytest.mark.parametrize("info", [("0.000", "+Infinity"), ("", ""), ("0", "inf")])
def test_a_search_over_all_time_bounds_nothing(info: tuple[str, str]) -> None:
    times = read("2026-03-02T10:10:00", "2026-03-02T10:30:00", info=info)
    assert (times.first, times.last, times.notes) == (
        utc("2026-03-02T10:10:00"),
        utc("2026-03-02T10:30:00"),
        [],
    )
    assert read(info=info) == Times()


@pytest.mark.parametrize("info", [("x", "y"), ("-5", "1e99"), ("9999999998.000000000", "9999999999")])
def test_bounds_that_are_no_times_are_noted(info: tuple[str, str]) -> None:
    times = read(info=info)
    assert (times.first, times.last) == (None, None)
    assert len(times.notes) == 2


def test_bounds_in_the_wrong_order_are_not_used() -> None:
    times = read(info=(HOUR[1], HOUR[0]))
    assert (times.first, times.last) == (None, None)
    assert times.notes == ["info_min_time is after info_max_time; neither is used."]


def test_what_is_no_time_is_noted() -> None:
    times = read("soon\x1b[2J", "2026-03-02T10:30:00")
    assert (times.first, times.last) == (None, utc("2026-03-02T10:30:00"))
    assert times.notes == ["firstTime 'soon\\x1b[2J' is not a time between 2000 and 2100."]


def test_the_wrong_order_is_exchanged() -> None:
    times = read("2026-03-02T10:30:00", "2026-03-02T10:10:00")
    assert (times.first, times.last) == (utc("2026-03-02T10:10:00"), utc("2026-03-02T10:30:00"))
    assert times.notes == ["firstTime is after lastTime; the two are exchanged."]


def test_of_several_the_outermost_count() -> None:
    texts = ("2026-03-02T10:20:00", "2026-03-02T10:10:00", "2026-03-02T10:30:00Z")
    times = read_times(texts, texts, info_min="", info_max="", zone=UTC, zone_name="UTC")
    assert (times.first, times.last) == (utc("2026-03-02T10:10:00"), utc("2026-03-02T10:30:00"))


def test_a_clock_time_that_happens_twice_is_the_earlier_one() -> None:
    times = read("2026-10-25T02:30:00", "2026-10-25T03:10:00", zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-10-25T00:30:00"), utc("2026-10-25T02:10:00"))
    assert times.notes == [
        "firstTime 2026-10-25T02:30:00 happens twice in Europe/Berlin; the earlier is used."
    ]


def test_the_search_tells_which_of_two_is_meant() -> None:
    info = (epoch("2026-10-25T01:00:00"), epoch("2026-10-25T02:00:00"))
    times = read("2026-10-25T02:30:00", "2026-10-25T02:40:00", info=info, zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-10-25T01:30:00"), utc("2026-10-25T01:40:00"))
    assert all("the later is used" in note for note in times.notes)


def test_the_order_tells_that_the_clock_was_set_back_between() -> None:
    times = read("2026-10-25T02:50:00", "2026-10-25T02:10:00", zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-10-25T00:50:00"), utc("2026-10-25T01:10:00"))


def test_a_clock_time_that_never_was_is_noted() -> None:
    times = read("2026-03-29T02:30:00", "2026-03-29T03:40:00", zone="Europe/Berlin")
    assert (times.first, times.last) == (utc("2026-03-29T01:30:00"), utc("2026-03-29T01:40:00"))
    (note,) = times.notes
    assert note.startswith("firstTime 2026-03-29T02:30:00 does not exist in Europe/Berlin;")
    assert note.endswith("it is read as 2026-03-29T01:30:00+00:00.")


TEXTS = st.one_of(
    st.text(max_size=12),
    st.datetimes().map(lambda when: when.isoformat(timespec="seconds")),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    st.integers().map(str),
    st.floats().map(str),
    st.integers(1_772_000_000, 1_773_000_000).map(str),
)


@given(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]))
@settings(max_examples=100)
def test_any_text_gives_a_span_in_order_or_none(texts: tuple[str, str, str, str], zone: str) -> None:
    times = read(texts[0], texts[1], (texts[2], texts[3]), zone)
    for when in (times.first, times.last):
        assert when is None or (when.tzinfo is UTC and EARLIEST.year - 1 <= when.year <= LATEST.year)
    if times.first and times.last:
        assert times.first <= times.last
