"""Parsers of feeds: what they read, and that nothing a feed holds makes them raise."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.facts.reputation import Leaning
from connectors.reputation.offline import feed_formats, feed_readers
from connectors.reputation.offline.feed_entries import FeedEntry, FeedFormat, ParsedFeed
from connectors.reputation.offline.feed_formats import parse_feed
from connectors.reputation.offline.feed_readers import MAX_DETAIL, WIDEST


def parse(text: str, feed_format: FeedFormat) -> ParsedFeed:
    return parse_feed(text.encode(), feed_format)


def ranges(parsed: ParsedFeed) -> list[str]:
    return [entry.network.text for entry in parsed.entries]


def test_feodo() -> None:
    document = [
        {
            "ip_address": "192.0.2.44",
            "port": 443,
            "status": "online",
            "malware": "QakBot",
            "first_seen": "2026-08-10 00:00:00",
            "last_online": "2026-08-11",
        },
        {"ip_address": "198.51.100.5"},
    ]
    parsed = parse(json.dumps(document), FeedFormat.FEODO)
    assert parsed.entries[0] == FeedEntry(
        parsed.entries[0].network, datetime(2026, 8, 11, tzinfo=UTC), None, "QakBot", ""
    )
    assert ranges(parsed) == ["192.0.2.44/32", "198.51.100.5/32"]
    assert parsed.entries[1].last_seen is None
    assert parsed.entries[1].detail == "botnet command server"


@pytest.mark.parametrize(("text", "feed_format"), [("[]", FeedFormat.FEODO), ("{}", FeedFormat.THREATFOX)])
def test_feeds_that_may_be_empty(text: str, feed_format: FeedFormat) -> None:
    assert parse(text, feed_format) == ParsedFeed()


def test_threatfox() -> None:
    document = {
        "1836307": [
            {
                "ioc_value": "192.0.2.27:7802",
                "ioc_type": "ip:port",
                "threat_type": "botnet_cc",
                "malware_printable": "Remus",
                "first_seen_utc": "2026-01-02 03:04:05",
                "last_seen_utc": None,
                "confidence_level": 75,
            }
        ],
        "1836306": [{"ioc_value": "evil.example", "ioc_type": "domain", "confidence_level": 100}],
        "1836305": [{"ioc_value": "[2001:db8::1]:443", "ioc_type": "ip:port", "confidence_level": 50}],
        "1836304": [{"ioc_value": "2001:db8::2", "ioc_type": "ip:port", "confidence_level": True}],
    }
    parsed = parse(json.dumps(document), FeedFormat.THREATFOX)
    assert ranges(parsed) == ["192.0.2.27/32", "2001:db8::1/128", "2001:db8::2/128"]
    first, second, _ = parsed.entries
    assert first.last_seen == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (first.leaning, first.reference) == (Leaning.MALICIOUS, "1836307")
    assert first.detail == "Remus, confidence 75 %"
    assert second.leaning is Leaning.SUSPICIOUS
    assert parsed.refused == 0


def test_an_answer_of_the_api_in_place_of_the_export_is_refused() -> None:
    parsed = parse('{"query_status": "unknown_auth_key"}', FeedFormat.THREATFOX)
    assert "unknown_auth_key" in parsed.unusable


def test_spamhaus_drop() -> None:
    lines = [
        {"cidr": "192.0.2.0/24", "sblid": "SBL256894", "rir": "apnic"},
        {"cidr": "2001:db8::/29", "sblid": "SBL1 <b>", "rir": "ripencc"},
        {
            "type": "metadata",
            "timestamp": 1786614242,
            "records": 2,
            "copyright": "(c) 2026 The Spamhaus Project SLU",
        },
    ]
    parsed = parse("\n".join(map(json.dumps, lines)), FeedFormat.SPAMHAUS_DROP)
    assert ranges(parsed) == ["192.0.2.0/24", "2001:db8::/29"]
    assert [entry.reference for entry in parsed.entries] == ["SBL256894", ""]
    assert parsed.credit == "(c) 2026 The Spamhaus Project SLU"
    assert parsed.published_at == datetime.fromtimestamp(1786614242, UTC)


def test_ipsum() -> None:
    parsed = parse("# comment\n192.0.2.1\t10\n192.0.2.2\t2\n", FeedFormat.IPSUM)
    assert [entry.leaning for entry in parsed.entries] == [Leaning.SUSPICIOUS, Leaning.NONE]
    assert parsed.entries[0].detail == "on 10 public block lists"


def test_misp_warninglist() -> None:
    document = {"name": "Known", "type": "cidr", "list": ["192.0.2.0/24"], "version": 1}
    assert parse(json.dumps(document), FeedFormat.MISP_WARNINGLIST).entries[0].detail == "Known"
    wrong = parse(json.dumps({**document, "type": "hostname"}), FeedFormat.MISP_WARNINGLIST)
    assert "of type 'hostname'" in wrong.unusable


def test_plain() -> None:
    text = "\ufeff# a comment\n\n192.0.2.1\r\n192.0.2.128/25 ; note\n2001:db8::/32,x\n// other\n; other\n"
    assert ranges(parse(text, FeedFormat.PLAIN)) == ["192.0.2.1/32", "192.0.2.128/25", "2001:db8::/32"]


@pytest.mark.parametrize("feed_format", FeedFormat)
@pytest.mark.parametrize(
    "text", ["", " \n ", "<!DOCTYPE html><html>\n192.0.2.1\n</html>", "  <html>", "nonsense\nmore nonsense"]
)
def test_what_is_no_feed_is_said_to_be_none(feed_format: FeedFormat, text: str) -> None:
    parsed = parse(text, feed_format)
    assert parsed.entries == ()
    assert parsed.unusable


def test_a_web_page_is_called_one() -> None:
    assert parse("<html>", FeedFormat.PLAIN).unusable == "it is a web page, not a list"


def test_bytes_that_are_no_text() -> None:
    assert parse_feed(b"\xff\xfe1", FeedFormat.PLAIN).unusable == "it is not UTF-8 text"


def test_comments_alone_are_no_list() -> None:
    assert parse("# nothing\n", FeedFormat.PLAIN).unusable == "it holds no address"


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3", "2000::/15"])
def test_a_range_that_is_too_wide_is_refused_and_named(wide: str) -> None:
    parsed = parse(f"{wide}\n192.0.2.1\n", FeedFormat.PLAIN)
    assert ranges(parsed) == ["192.0.2.1/32"]
    assert parsed.refused == 1
    assert parsed.problems[0].startswith(f"{wide} is wider than /")


def test_few_bad_entries_are_named_and_many_make_the_feed_unusable() -> None:
    good = "\n".join(f"192.0.2.{n}" for n in range(9))
    some = parse(f"{good}\n" + "bad\n" * 8, FeedFormat.PLAIN)
    assert (len(some.entries), some.refused, len(some.problems)) == (9, 8, 5)
    assert parse(f"{good}\n" + "bad\n" * 10, FeedFormat.PLAIN).unusable


def test_foreign_text_is_shortened_and_has_no_control_characters() -> None:
    document = [{"ip_address": "192.0.2.1", "malware": "a\x1b[31m\n\u202e" + "b" * 500}]
    detail = parse(json.dumps(document), FeedFormat.FEODO).entries[0].detail
    assert detail.isprintable()
    assert len(detail) == MAX_DETAIL


def check(parsed: ParsedFeed) -> None:
    """What holds of any result: entries, or a named problem."""
    assert bool(parsed.unusable) <= (parsed.entries == ())
    assert len(parsed.problems) <= parsed.refused
    for entry in parsed.entries:
        assert entry.network.length >= WIDEST[entry.network.version]
        assert entry.detail.isprintable()
        assert len(entry.detail) <= MAX_DETAIL + len(", confidence 100 %") + 20
        assert entry.last_seen is None or entry.last_seen.tzinfo is not None
    json.dumps([parsed.unusable, *parsed.problems]).encode()


@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from(FeedFormat))
def test_any_bytes_give_entries_or_a_problem(content: bytes, feed_format: FeedFormat) -> None:
    check(parse_feed(content, feed_format))


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["192.0.2.1", "192.0.2.1:443", "0.0.0.0/0", "2001:db8::/32", "ip:port", "cidr", "2026-01-01", "9" * 9]
)
KEYS = TEXTS | st.sampled_from(
    [
        *("ip_address", "malware", "last_online", "first_seen", "ioc_value", "ioc_type", "confidence_level"),
        *(
            "first_seen_utc",
            "last_seen_utc",
            "cidr",
            "sblid",
            "type",
            "timestamp",
            "copyright",
            "list",
            "name",
        ),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=150)
@given(VALUES, st.sampled_from(FeedFormat))
def test_any_json_gives_entries_or_a_problem(value: object, feed_format: FeedFormat) -> None:
    check(parse(json.dumps(value), feed_format))


LINES = st.lists(st.tuples(TEXTS, st.sampled_from(["", "\t3", " ; x", ",1", "#"])).map("".join), max_size=8)


@settings(max_examples=100)
@given(LINES, st.sampled_from([FeedFormat.PLAIN, FeedFormat.IPSUM, FeedFormat.SPAMHAUS_DROP]))
def test_any_lines_give_entries_or_a_problem(lines: list[str], feed_format: FeedFormat) -> None:
    check(parse("\n".join(lines), feed_format))


@pytest.mark.parametrize("feed_format", [FeedFormat.IPSUM])
def test_a_range_in_a_feed_of_addresses_is_refused(feed_format: FeedFormat) -> None:
    found = parse_feed(b"203.0.113.9\t3\n203.0.113.10\t3\n45.0.0.0/8\t5\n", feed_format)
    assert [each.network.text for each in found.entries] == ["203.0.113.9/32", "203.0.113.10/32"]
    assert found.problems == ("45.0.0.0/8 is no single address",)


def test_a_list_that_covers_much_of_the_internet_is_no_list() -> None:
    wide = "\n".join(f"{number}.0.0.0/8" for number in range(40, 45)).encode()
    assert parse_feed(wide, FeedFormat.PLAIN).unusable == "it covers more than 67,108,864 IPv4 addresses"


def test_more_entries_than_are_taken_make_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_formats, "MAX_ENTRIES", 3)
    three = "".join(f"192.0.2.{n}\n" for n in range(3))
    assert len(parse(three, FeedFormat.PLAIN).entries) == 3
    assert parse(f"{three}192.0.2.3\n", FeedFormat.PLAIN).unusable == "it has more than 3 entries"


def test_too_many_lines_are_not_read_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_readers, "MAX_LINES", 3)
    for text in ("192.0.2.1\n#\n#\n", "192.0.2.1\r\n#\r\n#\r\n"):
        assert ranges(parse(text, FeedFormat.PLAIN)) == ["192.0.2.1/32"]
    for text in ("192.0.2.1\n" * 4, "#\n" * 4, "\r" * 4 + "x", "x\n" * 4):
        assert parse(text, FeedFormat.PLAIN).unusable == "it has more than 3 lines"


@pytest.mark.parametrize("text", ["[1,2,3,4]", '{"a":{"b":{"c":{}}}}', "[[[[]]]]"])
@pytest.mark.parametrize(
    "feed_format",
    [FeedFormat.FEODO, FeedFormat.THREATFOX, FeedFormat.MISP_WARNINGLIST, FeedFormat.SPAMHAUS_DROP],
)
def test_json_of_too_many_values_is_not_parsed(
    monkeypatch: pytest.MonkeyPatch, text: str, feed_format: FeedFormat
) -> None:
    monkeypatch.setattr(feed_readers, "MAX_JSON_VALUES", 3)
    assert parse(text, feed_format).unusable == "it is JSON of more than 3 values"


def test_one_range_listed_over_and_over_is_kept_a_few_times() -> None:
    parsed = parse("192.0.2.1\n" * 500 + "192.0.2.2\n", FeedFormat.PLAIN)
    assert (len(parsed.entries), parsed.refused) == (feed_formats.MAX_OF_ONE_RANGE + 1, 0)


def test_a_wide_range_listed_over_and_over_covers_no_more() -> None:
    assert parse("11.0.0.0/8\n" * 9, FeedFormat.PLAIN).unusable == ""
