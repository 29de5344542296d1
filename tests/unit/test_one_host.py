"""Which host record is meant: exactly one, never a substring, never a guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.one_host import ADDRESS_SLACK, MOST_NAMED, STALE_AFTER, Candidate, one_host
from connectors.errors import AmbiguousHost, HostNotFound
from connectors.facts.host import AddressSeen, HostRef, HostType

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def record(
    name: str,
    host_id: str = "",
    *,
    last: datetime | None = NOW,
    active: bool = False,
    first: datetime | None = None,
    addresses: tuple[AddressSeen, ...] = (),
    host_type: HostType = HostType.UNKNOWN,
) -> Candidate:
    host = HostRef(
        connector="edr",
        host_id=host_id or f"id-{name}",
        hostname=name,
        first_seen=first,
        last_seen=last,
        addresses=addresses,
        host_type=host_type,
    )
    return Candidate(host, active)


def found(asked: str, *candidates: Candidate, at: datetime | None = None) -> str:
    return one_host("edr", asked, candidates, at=at, now=NOW).host_id


def ambiguous(asked: str, *candidates: Candidate, at: datetime | None = None) -> tuple[str, ...]:
    with pytest.raises(AmbiguousHost) as failure:
        one_host("edr", asked, candidates, at=at, now=NOW)
    assert repr(asked) in failure.value.message
    return failure.value.candidates


@pytest.mark.parametrize(
    ("asked", "names", "meant"),
    [
        ("APP1", ["APP1", "APP10", "XAPP1"], "APP1"),
        ("app1", ["APP1"], "APP1"),
        ("APP1.corp.example", ["APP1"], "APP1"),
        ("APP1", ["APP1.corp.example", "APP10.corp.example"], "APP1.corp.example"),
        ("APP1.corp.example.", ["APP1.CORP.EXAMPLE", "APP1.lab.example"], "APP1.CORP.EXAMPLE"),
        ("APP1.corp.example", ["APP1", "APP1.corp.example"], "APP1.corp.example"),
        (" APP1 ", ["APP1"], "APP1"),
    ],
)
def test_an_exact_match_is_found(asked: str, names: list[str], meant: str) -> None:
    assert found(asked, *(record(name) for name in names)) == f"id-{meant}"


@pytest.mark.parametrize("asked", ["APP", "APP1", "", ".", "corp.example", "APP10.lab.example", "APP10*"])
def test_nothing_else_is(asked: str) -> None:
    with pytest.raises(HostNotFound):
        found(asked, record("APP10.corp.example"), record("XAPP1"))
    with pytest.raises(HostNotFound):
        found(asked)


def test_a_short_name_of_two_domains_is_ambiguous_and_both_are_named() -> None:
    one = record("APP1.corp.example", "a1", host_type=HostType.DOMAIN_CONTROLLER)
    two = record("APP1.lab.example", "b2", last=None)
    assert ambiguous("app1", one, two) == (
        "APP1.corp.example (id a1, last seen 2026-11-24 08:00:00 UTC, domain controller)",
        "APP1.lab.example (id b2, last seen unknown, type unknown)",
    )


def test_a_recorded_short_name_fits_every_domain() -> None:
    assert len(ambiguous("APP1", record("APP1"), record("APP1.lab.example"))) == 2
    assert len(ambiguous("APP1.corp.example", record("APP1"), record("APP1.lab.example"))) == 2


def test_two_agents_named_alike_are_ambiguous() -> None:
    assert len(ambiguous("APP1", record("APP1", "a"), record("APP1", "b", last=NOW - DAY))) == 2


def test_one_agent_on_two_pages_is_one() -> None:
    assert found("APP1", record("APP1", "a", last=NOW - DAY), record("APP1", "a")) == "a"


def test_of_an_agent_on_two_pages_the_record_seen_last_counts() -> None:
    old, new, never = record("OLD", "a", last=NOW - DAY), record("NEW", "a"), record("NONE", "a", last=None)
    for order in permutations((old, new, never)):
        assert one_host("edr", "NEW", order, at=None, now=NOW) == new.host
        with pytest.raises(HostNotFound):
            found("OLD", *order)


def test_what_a_rebuilt_machine_left_behind_is_not_meant() -> None:
    stale = record("APP1", "old", last=NOW - STALE_AFTER - timedelta(seconds=1))
    assert found("APP1", stale, record("APP1", "new")) == "new"
    recent = record("APP1", "old", last=NOW - STALE_AFTER)
    assert len(ambiguous("APP1", recent, record("APP1", "new"))) == 2
    assert len(ambiguous("APP1", stale, record("APP1", "x"), record("APP1", "y"))) == 3


def test_two_stale_records_are_not_told_apart() -> None:
    old, older = record("APP1", "a", last=NOW - 10 * DAY), record("APP1", "b", last=NOW - 40 * DAY)
    assert len(ambiguous("APP1", old, older)) == 2


def test_a_stale_record_alone_is_the_host() -> None:
    assert found("APP1", record("APP1", "old", last=NOW - 30 * DAY)) == "old"


def test_unknown_is_not_stale_and_neither_is_active() -> None:
    unknown = record("APP1", "a", last=None)
    assert len(ambiguous("APP1", unknown, record("APP1", "b"))) == 2
    active = record("APP1", "a", last=NOW - 30 * DAY, active=True)
    assert len(ambiguous("APP1", active, record("APP1", "b"))) == 2


def test_a_record_that_was_there_at_the_time_is_not_stale_for_it() -> None:
    old = record("APP1", "old", last=NOW - 8 * DAY)
    new = record("APP1", "new", first=NOW - 7 * DAY)
    assert found("APP1", old, new, at=NOW - DAY) == "new"
    assert len(ambiguous("APP1", old, new, at=NOW - 9 * DAY)) == 2


def test_an_address_means_who_had_it_then() -> None:
    seen = AddressSeen(ip="10.20.4.22", first_seen=NOW - 2 * DAY, last_seen=NOW - DAY)
    later = AddressSeen(ip="10.20.4.22", first_seen=NOW)
    one, two = record("APP1", "a", addresses=(seen,)), record("APP2", "b", addresses=(later,))
    other = record("10.20.4.22", "c", addresses=(AddressSeen(ip="10.20.4.2"),))
    assert found("10.20.4.22", one, two, other, at=NOW - 1.5 * DAY) == "a"
    assert found("10.20.4.22", one, two, other) == "b"
    assert len(ambiguous("10.20.4.22", one, two, other, at=NOW - 0.6 * DAY + timedelta(hours=2.4))) == 2
    with pytest.raises(HostNotFound):
        found("10.20.4.22", one, two, other, at=NOW - 3 * DAY)


IP = "10.20.4.22"


@pytest.mark.parametrize(
    ("first", "last"), [(None, None), (None, NOW), (NOW, None), (NOW - timedelta(hours=1), NOW)]
)
def test_an_address_of_now_proves_nothing_of_another_time(
    first: datetime | None, last: datetime | None
) -> None:
    host = record("APP1", "a", addresses=(AddressSeen(ip=IP, first_seen=first, last_seen=last),))
    assert found(IP, host) == found(IP, host, at=NOW - ADDRESS_SLACK) == "a"
    for at in (NOW - ADDRESS_SLACK - timedelta(hours=1, seconds=1), NOW - 30 * DAY, NOW + DAY):
        with pytest.raises(HostNotFound, match="not who had it at that time"):
            found(IP, host, at=at)


def test_an_address_whose_beginning_is_unknown_was_the_hosts_when_it_was_last_seen() -> None:
    seen = AddressSeen(ip=IP, last_seen=NOW - 5 * DAY)
    host = record("APP1", "a", last=NOW - 5 * DAY, addresses=(seen,))
    assert found(IP, host, at=NOW - 5 * DAY) == "a"
    for at in (None, NOW - 6 * DAY, NOW - 4 * DAY):
        with pytest.raises(HostNotFound):
            found(IP, host, at=at)


def test_an_address_counts_for_twelve_hours_around_when_it_was_seen_and_no_second_more() -> None:
    first, last = NOW - 5 * DAY, NOW - 3 * DAY
    host = record("APP1", "a", addresses=(AddressSeen(ip=IP, first_seen=first, last_seen=last),))
    slack, second = timedelta(hours=12), timedelta(seconds=1)
    for at in (first - slack, first, last, last + slack):
        assert found(IP, host, at=at) == "a"
    for outside in (first - slack - second, last + slack + second, None):
        with pytest.raises(HostNotFound):
            found(IP, host, at=outside)


def test_an_address_that_no_record_has_is_not_said_to_be_known_now() -> None:
    with pytest.raises(HostNotFound) as failure:
        found(IP, record("APP1", addresses=(AddressSeen(ip="10.20.4.23"),)), at=NOW - DAY)
    assert "The vendor" not in failure.value.message


@given(st.datetimes(timezones=st.just(UTC)), st.booleans())
def test_no_time_is_too_early_or_too_late(at: datetime, named: bool) -> None:
    host = record("APP1", "a", addresses=(AddressSeen(ip=IP, last_seen=NOW),))
    try:
        assert found("APP1" if named else IP, host, at=at) == "a"
    except HostNotFound:
        assert not named


def test_an_address_may_be_written_in_another_way() -> None:
    host = record("APP1", "a", addresses=(AddressSeen(ip="2001:DB8:0::1"),))
    assert found("2001:db8::1", host) == "a"


def test_an_error_names_no_endless_list() -> None:
    lines = ambiguous("APP1", *(record("APP1", f"{number:03}") for number in range(100)))
    assert len(lines) == MOST_NAMED + 1
    assert lines[-1] == "and 80 more"


NAMES = st.sampled_from(["ws1", "WS1", "ws10", "ws1.a.example", "WS1.B.example", "ws1.a.example.", "", "a.b"])


@settings(max_examples=150)
@given(
    asked=NAMES,
    names=st.lists(st.tuples(NAMES, st.integers(0, 30), st.booleans()), max_size=5),
    days=st.none() | st.integers(0, 30),
    order=st.randoms(use_true_random=False),
)
def test_the_answer_fits_and_does_not_depend_on_the_order(
    asked: str, names: list[tuple[str, int, bool]], days: int | None, order: object
) -> None:
    at = None if days is None else NOW - days * DAY
    records = [
        record(name, str(number), last=NOW - old * DAY, active=active)
        for number, (name, old, active) in enumerate(names)
    ]

    def answer() -> str:
        try:
            return found(asked, *records, at=at)
        except AmbiguousHost as exc:
            return f"ambiguous {exc.candidates}"
        except HostNotFound:
            return "none"

    first = answer()
    order.shuffle(records)  # type: ignore[attr-defined]
    assert answer() == first
    if first.isdigit():
        name = names[int(first)][0].rstrip(".").lower()
        assert name.partition(".")[0] == asked.rstrip(".").lower().partition(".")[0]
