"""Reading vendors' JSON by type, and what becomes of a name, a word or an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    RateLimited,
    TimedOut,
    Transient,
)
from connectors.facts.reputation import EvidenceDirection, SourceStatus
from connectors.reputation.answering import MAX_DETAIL, plural, status_of
from connectors.reputation.authors import author_mentioned, author_on_trusted_server, known_author
from connectors.reputation.directions import direction_of
from connectors.reputation.fields import MAX_ENTRIES, Fields

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def fields(**values: object) -> Fields:
    return Fields("vendor", values)


@pytest.mark.parametrize(("value", "count"), [(0, 0), (7, 7), ("12", 12), (None, None), (10**9, 10**9)])
def test_counts(value: object, count: int | None) -> None:
    assert fields(n=value).maybe_count("n") == count


@pytest.mark.parametrize(
    "value", [-1, 10**9 + 1, 10**30, 1.0, True, "-1", "1e3", "\u0661", "", [], {}, "9" * 17]
)
def test_bad_counts_are_named(value: object) -> None:
    with pytest.raises(BadResponse, match=r"the field n is not"):
        fields(n=value).maybe_count("n")


def test_a_nested_field_is_named_by_its_path() -> None:
    with pytest.raises(BadResponse, match=r"the field a\.b is missing"):
        fields(a={}).child("a").count("b")


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (1_767_225_600, datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600000000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01 10:00:00 UTC", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00.5Z", datetime(2026, 1, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-01T10:00:00+02:00", datetime(2026, 1, 1, 8, tzinfo=UTC)),
        ("2026-01-02T12:00:05Z", NOW),  # a fast clock
        (None, None),
        ("", None),
    ],
)
def test_times(value: object, when: datetime | None) -> None:
    assert fields(t=value).maybe_time("t", now=NOW) == when


@pytest.mark.parametrize(
    "value", [-1, True, 1.5, [], "yesterday", 10**30, "9" * 30, "0000-01-01", "2026-01-04"]
)
def test_bad_times_are_named(value: object) -> None:
    with pytest.raises(BadResponse, match=r"the field t (is not a time|lies in the future)"):
        fields(t=value).maybe_time("t", now=NOW)


@given(json_values)
def test_any_json_gives_a_typed_value_or_a_named_error(value: object) -> None:
    body = fields(x=value)
    for read in (
        lambda: body.maybe_count("x"),
        lambda: body.maybe_flag("x"),
        lambda: body.text("x"),
        lambda: body.shown("x"),
        lambda: body.maybe_time("x", now=NOW),
        lambda: list(body.objects("x")),
        lambda: body.maybe_child("x"),
    ):
        try:
            result = read()
        except BadResponse:
            continue
        assert not isinstance(result, datetime) or result <= NOW


@given(st.text(max_size=300))
def test_shown_text_is_bounded_printable_ascii(text: str) -> None:
    shown = fields(x=text).shown("x")
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 70


def test_entries_are_bounded_and_others_passed_over() -> None:
    entries: list[object] = [{"n": 1}, "x", None, *({} for _ in range(2 * MAX_ENTRIES))]
    assert len(list(fields(x=entries).objects("x"))) == MAX_ENTRIES - 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AuthRejected("x", "no"), SourceStatus.AUTH),
        (RateLimited("x", "no"), SourceStatus.RATE_LIMITED),
        (TimedOut("x", "no"), SourceStatus.TIMEOUT),
        (Transient("x", "no"), SourceStatus.ERROR),
        (BadResponse("x", "no"), SourceStatus.ERROR),
        (NotFound("x", "no"), SourceStatus.ERROR),
    ],
)
def test_errors_become_statuses(error: ConnectorError, status: SourceStatus) -> None:
    assert status_of(error)[0] is status


def test_a_404_is_not_found_only_where_it_means_that() -> None:
    assert status_of(NotFound("x", "404"), not_found="unknown") == (SourceStatus.NOT_FOUND, "unknown")
    assert status_of(NotFound("x", "404"))[1] == "the service is not at this URL: 404"


def test_a_limit_says_when_to_ask_again() -> None:
    error = RateLimited("x", "slow down", retry_at=NOW + timedelta(hours=1))
    assert status_of(error)[1] == "slow down; ask again after 2026-01-02 13:00 UTC"


def test_a_long_error_is_cut() -> None:
    assert len(status_of(Transient("x", "y" * 1_000))[1]) == MAX_DETAIL


@pytest.mark.parametrize(
    ("name", "lineage"),
    [
        ("AlienVault", "alienvault"),
        ("abuse_ch", "abuse.ch"),
        (" ThreatFox ", "abuse.ch"),
        ("alienvault2", ""),
    ],
)
def test_known_authors(name: str, lineage: str) -> None:
    assert known_author(name) == lineage


def test_authors_that_a_title_mentions() -> None:
    assert author_mentioned("nothing", "Daily URLhaus feed") == "abuse.ch"
    assert author_mentioned("Feodo Tracker: C2") == "abuse.ch"
    assert author_mentioned("notthreatfoxed") == ""
    assert author_on_trusted_server("CIRCL") == "circl"
    assert author_on_trusted_server("abuse.ch") == "abuse.ch"
    assert author_on_trusted_server("a\u202eb\n") == "ab"
    assert len(author_on_trusted_server("x" * 500)) == 64


@pytest.mark.parametrize(
    ("texts", "direction"),
    [
        (["Remcos C2"], EvidenceDirection.OUTBOUND),
        (["command-and-control"], EvidenceDirection.OUTBOUND),
        (["SSH honeypot hits"], EvidenceDirection.INBOUND),
        (["C2", "scanner"], EvidenceDirection.INBOUND),
        (["strategy", "rational"], EvidenceDirection.CONTEXT),
        ([], EvidenceDirection.CONTEXT),
    ],
)
def test_directions(texts: list[str], direction: EvidenceDirection) -> None:
    assert direction_of(texts) is direction


def test_plurals() -> None:
    assert [plural(1, "entry"), plural(2, "entry"), plural(1_000, "pulse")] == [
        "1 entry",
        "2 entries",
        "1,000 pulses",
    ]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "0001-01-01", "1601-01-01T00:00:00Z", "1600-06-01"])
def test_a_time_before_every_fact_is_not_known(text: str) -> None:
    read = fields(t=text)
    assert read.maybe_moment("t") is None
    assert read.maybe_time("t", now=datetime(2026, 1, 1, tzinfo=UTC)) is None
