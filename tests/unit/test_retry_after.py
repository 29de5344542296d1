"""Retry-After and its relatives, in every form that is met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.retry_after import read_moment, retry_at

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("Tue, 24 Nov 2026 08:02:00 GMT", 120),
        ("Tuesday, 24-Nov-26 08:02:00 GMT", 120),
        ("Tue Nov 24 08:02:00 2026", 120),
        ("Tue, 24 Nov 2026 09:02:00 +0100", 120),
        (str(int(NOW.timestamp()) + 90), 90),
        (str((int(NOW.timestamp()) + 90) * 1000), 90),
        ("Mon, 23 Nov 2026 08:00:00 GMT", 0),
        (str(int(NOW.timestamp()) - 90), 0),
    ],
)
def test_every_form_is_read(text: str, seconds: float) -> None:
    assert read_moment(text, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "-5", "1e9", "nan", "9" * 16, "9" * 17, "9" * 5000, "٣", "1;2"]
)
def test_garbage_is_not_said(text: str) -> None:
    assert read_moment(text, NOW) is None


def test_the_first_readable_header_counts() -> None:
    assert retry_at({"retry-after": "soon", "x-ratelimit-reset": "30"}, NOW) == NOW + timedelta(seconds=30)
    assert retry_at({"x-ratelimit-reset": "30", "retry-after": "5"}, NOW) == NOW + timedelta(seconds=5)
    assert retry_at({"date": "Tue, 24 Nov 2026 08:02:00 GMT"}, NOW) is None


@given(st.text(max_size=80))
def test_any_text_is_a_moment_not_before_now_or_nothing(text: str) -> None:
    moment = read_moment(text, NOW)
    assert moment is None or moment >= NOW


@given(st.integers(min_value=0, max_value=10**7))
def test_seconds_and_dates_agree(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert read_moment(str(seconds), NOW) == read_moment(date, NOW)
