"""What is asked of a vendor and written to it: times that can be reckoned with, texts and ids, comments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.edr.askable import LONGEST, LONGEST_HOST_NAME, can_be_asked, can_name_a_host, is_plain_id
from connectors.edr.comment import LONGEST_COMMENT, LONGEST_KEY, action_comment
from connectors.edr.time_bounds import FIRST, LAST, bounded, bounded_window
from connectors.ports import Window
from connectors.query.path import segment
from connectors.query.text import holdable

#: With halves of surrogate pairs, which hypothesis leaves out of a text unless told otherwise.
ANY_TEXT = st.text(st.characters(codec=None), max_size=300)
ZONES = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)


@given(st.datetimes(timezones=ZONES))
@example(datetime.min.replace(tzinfo=timezone(timedelta(hours=23))))
@example(datetime.max.replace(tzinfo=timezone(timedelta(hours=-23))))
def test_any_instant_can_be_reckoned_with(when: datetime) -> None:
    near = bounded(when)
    assert FIRST <= near <= LAST
    assert near == when or not FIRST <= when <= LAST
    assert near.astimezone(UTC) - timedelta(days=20 * 366) < near < near + timedelta(days=20 * 366)


@given(st.datetimes(timezones=ZONES), st.datetimes(timezones=ZONES))
def test_a_window_keeps_its_direction(start: datetime, end: datetime) -> None:
    window = bounded_window(Window(start, end))
    assert (start <= end) <= (window.start <= window.end)


@given(ANY_TEXT, ANY_TEXT)
def test_a_comment_fits_and_can_be_sent(comment: str, key: str) -> None:
    told = action_comment(comment, key)
    assert len(told) <= LONGEST_COMMENT
    assert told.isprintable()
    told.encode()
    assert action_comment(told, "k") == f"{told} [k]"


def test_a_comment_is_cut_and_its_key_is_not() -> None:
    told = action_comment("x" * 5000, "case-0123456789abcdef")
    assert len(told) == LONGEST_COMMENT
    assert told.endswith("x [case-0123456789abcdef]")
    assert len(action_comment("x" * 5000, "k" * 5000)) == LONGEST_COMMENT
    assert action_comment("", "k" * 5000) == f"[{'k' * LONGEST_KEY}]"


@pytest.mark.parametrize(
    ("comment", "sent"),
    [
        ("case 7\nsee the report", "case 7 see the report [k]"),
        ("a\0b\x1b[31m\u202ec", "a b [31m c [k]"),
        ("\ud83d alone", "alone [k]"),
        ("réseau 網路 🔒", "réseau 網路 🔒 [k]"),
        (" \t\r\n", "[k]"),
    ],
)
def test_a_comment_is_one_line_of_what_can_be_read(comment: str, sent: str) -> None:
    assert action_comment(comment, "k") == sent


@given(ANY_TEXT)
def test_what_can_be_asked_can_be_held_and_sent(text: str) -> None:
    if can_be_asked(text):
        holdable("any language", text).encode()
    if is_plain_id(text):
        assert segment(text) == text


def test_lengths_are_bounded() -> None:
    assert can_be_asked(None, "", "x" * LONGEST)
    assert not can_be_asked("x", "x" * (LONGEST + 1))
    assert can_name_a_host("x" * LONGEST_HOST_NAME)
    assert not can_name_a_host("x" * (LONGEST_HOST_NAME + 1))


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "a/b", "a b", "a\n", "é", "١٢", "a" * 201, "a\0"])
def test_what_is_no_id(text: str) -> None:
    assert not is_plain_id(text)


@pytest.mark.parametrize(
    "text", ["a1" * 16, "2f9a3b1c-0d4e-4f5a-8b6c-7d8e9f0a1b2c", "0a3250e0693a109f1affc9217be9459028aa8426"]
)
def test_what_is_an_id(text: str) -> None:
    assert is_plain_id(text)
