"""XmlWinEventLog text: what is well-formed is read, what is not is told, nothing is expanded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.edr.sysmon_file.xml_event import DOCTYPE_REFUSED, all_plain, read_event, read_plain
from tests import sysmon_samples as samples
from tests.sysmon_reading import read_bytes, told
from tests.sysmon_samples import HOST, LOGGED_AT, lines

GOOD = samples.xml(3, HOST, **samples.network())
DECLARATION = b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>'


@pytest.mark.parametrize(
    "text_of",
    [
        lambda events: lines(*events),
        lambda events: lines(*events, end=b"\r\n"),
        b"".join,
        lambda events: DECLARATION + b"\n<Events>" + b"".join(events) + b"</Events>",
        lambda events: b"".join(b"Record 7\n" + DECLARATION + b"\n" + event + b"\n" for event in events),
        lambda events: b"<!-- exported -->\n<Events>\n" + lines(*events) + b"</Events>\n",
    ],
    ids=["lines", "CRLF", "one line", "root", "evtx_dump", "comment"],
)
@pytest.mark.parametrize("count", [1, 2, 500])
def test_ways_to_write_events_down(
    tmp_path: Path, text_of: Callable[[list[bytes]], bytes], count: int
) -> None:
    events = [samples.xml(3, HOST, **samples.network(SourcePort=str(port))) for port in range(count)]
    found, report = read_bytes(tmp_path, text_of(events))
    assert [event.data for event in found] == [samples.network(SourcePort=str(port)) for port in range(count)]
    assert {(event.event_id, event.computer, event.logged_at) for event in found} == {(3, HOST, LOGGED_AT)}
    assert (report.sysmon_events, report.other_records, report.problems) == (count, 0, [])


def test_other_providers_and_other_ids_are_left_out(tmp_path: Path) -> None:
    log = lines(samples.other_xml(1), GOOD, samples.xml(10, HOST, **samples.access()), samples.other_xml(3))
    events, report = read_bytes(tmp_path, log, frozenset({1, 3}))
    assert [event.record for event in events] == [2]
    assert (report.sysmon_events, report.other_records, report.problems) == (2, 2, [])


def test_channel_or_another_spelling_of_the_provider_is_sysmon(tmp_path: Path) -> None:
    by_channel = samples.xml(3, HOST, provider="Renamed", **samples.network())
    folded = samples.xml(
        3, HOST, provider="microsoft-windows-SYSMON", channel="ForwardedEvents", **samples.network()
    )
    events, report = read_bytes(tmp_path, lines(GOOD, by_channel, folded))
    assert [event.record for event in events] == [1, 2, 3]
    assert report.problems == []


def test_text_between_events_is_counted_not_told(tmp_path: Path) -> None:
    between = (
        b"01/14/2021 11:41:39 PM\nLogName=Microsoft-Windows-PowerShell/Operational\nif ($a <b) & {c} </d>\n"
    )
    events, report = read_bytes(tmp_path, between + lines(GOOD) + between + lines(GOOD, GOOD) + between)
    assert [event.record for event in events] == [4, 8, 9]
    assert (report.other_records, report.problems) == (3, [])


def test_events_over_many_lines(tmp_path: Path) -> None:
    spread = GOOD.replace(b"><", b">\r\n  <").replace(b"'/>", b"' />")
    events, report = read_bytes(tmp_path, b"<Events>\r\n" + lines(spread, spread, end=b"\r\n") + b"</Events>")
    assert [event.data for event in events] == [samples.network()] * 2
    assert [event.record for event in events] == [2, 3 + spread.count(b"\n")]
    assert report.problems == []


def test_line_ends_in_values_are_as_xml_has_them(tmp_path: Path) -> None:
    event = samples.xml(1, HOST, **samples.process(CommandLine="a\r\nb\rc")).replace(
        b"c</Data>", b"c&#13;d</Data>"
    )
    events, _ = read_bytes(tmp_path, event)
    assert events[0].data["CommandLine"] == "a\nb\nc\rd"


def test_double_quotes_empty_elements_and_no_namespace(tmp_path: Path) -> None:
    event = GOOD.replace(b"'", b'"').replace(b'<Data Name="RuleName">-</Data>', b'<Data Name="RuleName" />')
    events, _ = read_bytes(tmp_path, event.replace(b"<Event xmlns=", b"<Event x="))
    assert events[0].data == samples.network(RuleName="")


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        (b"&lt;unknown process&gt;", "<unknown process>"),
        (b"&amp;lt;unknown process&amp;gt;", "&lt;unknown process&gt;"),
        (b"&quot;a&apos;&amp;&#65;&#x42;&#x1F600;", "\"a'&AB\U0001f600"),
        (b"<![CDATA[<a> & b]]>", "<a> & b"),
        (b"a<!-- no -->b", "ab"),
        (b"a<?no thing?>b", "ab"),
        ("Microsoft® 例".encode(), "Microsoft® 例"),
    ],
)
def test_what_a_value_may_hold(tmp_path: Path, inner: bytes, value: str) -> None:
    event = samples.xml(3, HOST, **samples.network(Image="@@")).replace(b"@@", inner)
    events, report = read_bytes(tmp_path, lines(GOOD, event, GOOD))
    assert [found.data["Image"] for found in events] == [samples.REGSVCS, value, samples.REGSVCS]
    assert report.problems == []


def test_unusual_but_valid_heads(tmp_path: Path) -> None:
    log = lines(
        GOOD.replace(b"<EventID>3<", b"<EventID Qualifiers='0'>3<"),
        GOOD.replace(b"<EventID>3<", b"<EventID>003<"),
        GOOD.replace(b"<System><Provider ", b"<System><!-- head --><Provider "),
        GOOD.replace(b"<Event ", b"<e:Event xmlns:e='u' ").replace(b"</Event>", b"</e:Event>"),
        GOOD.replace(b"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>", b"<Event>"),
    )
    events, report = read_bytes(tmp_path, log)
    # A prefixed event ends in no </Event>: it is told, not read.
    assert [event.record for event in events] == [1, 2, 3, 5]
    assert {event.event_id for event in events} == {3}
    assert report.other_records == 1


# --- broken events ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (GOOD.replace(b"</Data>", b"</Date>", 1), "an event that is no well-formed XML: mismatched tag"),
        (
            GOOD.replace(b"tcp", b"t&cp"),
            "an event that is no well-formed XML: not well-formed (invalid token)",
        ),
        (GOOD.replace(b"tcp", b"t&lol;cp"), "an event that is no well-formed XML: undefined entity"),
        (
            GOOD.replace(b"tcp", b"t\x01cp"),
            "an event that is no well-formed XML: not well-formed (invalid token)",
        ),
        (
            GOOD.replace(b"tcp", b"t\xffcp"),
            "an event that is no well-formed XML: not well-formed (invalid token)",
        ),
        (
            GOOD.replace(b"tcp", b"t\x00cp"),
            "an event that is no well-formed XML: not well-formed (invalid token)",
        ),
        (GOOD.replace(b">3<", b">three<", 1), "a Sysmon event without a usable EventID"),
        (GOOD.replace(b">3<", b">70000<", 1), "a Sysmon event without a usable EventID"),
        (samples.xml(3, HOST), "a Sysmon event without readable EventData"),
        (b"</Event>", "the end of an event whose beginning is missing"),
        (b"<Event/></Event>", "an event that is no well-formed XML: not well-formed (invalid token)"),
    ],
    ids=range(11),
)
def test_a_broken_event_is_told_and_the_rest_is_read(tmp_path: Path, broken: bytes, reason: str) -> None:
    events, report = read_bytes(tmp_path, lines(GOOD, broken, GOOD))
    assert [event.record for event in events] == [1, 3]
    assert told(report) == [(2, reason)]


def test_a_broken_event_that_nobody_wants_is_told_too(tmp_path: Path) -> None:
    broken = samples.xml(10, HOST, **samples.access()).replace(b"</Data>", b"", 1)
    _, report = read_bytes(tmp_path, lines(GOOD, broken, GOOD), frozenset({3}))
    assert [problem.record for problem in report.problems] == [2]


def test_one_bad_event_spoils_none_of_its_neighbours(tmp_path: Path) -> None:
    log = [GOOD] * 300
    log[150] = GOOD[:-1].replace(b"</System>", b"")
    events, report = read_bytes(tmp_path, lines(*log))
    # The end tag is cut too, so that the bad event runs into the next one, which is found again.
    assert [event.record for event in events] == [*range(1, 151), *range(152, 301)]
    assert [problem.record for problem in report.problems] == [151]


def test_pieces_that_are_only_together_well_formed_are_not_taken(tmp_path: Path) -> None:
    log = lines(
        GOOD.replace(b"<Protocol>", b"").replace(b"tcp", b"<!-- "),
        GOOD.replace(b"tcp", b" -->"),
        GOOD.replace(b"</EventData></Event>", b"<Event><x></x></Event>"),
        GOOD + b"</x></Event>",
        GOOD,
    )
    events, report = read_bytes(tmp_path, log)
    assert [event.record for event in events] == [2, 4, 5][-len(events) :]
    assert report.problem_count >= 3


def test_a_cut_text(tmp_path: Path) -> None:
    events, report = read_bytes(tmp_path, lines(GOOD) + GOOD[:-40])
    assert [event.record for event in events] == [1]
    assert told(report) == [(2, "the event that begins here has no end: the text is cut")]


def test_an_event_over_the_cap(tmp_path: Path) -> None:
    big = samples.xml(1, HOST, **samples.process(CommandLine="x" * 9000))
    for size in (2000, 5000, 8000):
        events, report = read_bytes(
            tmp_path, lines(GOOD, big, GOOD, GOOD), limits=ReadLimits(record_bytes=size)
        )
        assert [event.record for event in events] == [1, 3, 4], size
        assert [problem.record for problem in report.problems] == [2]
        assert report.problems[0].reason.startswith("an event of more than")


def test_an_event_that_never_ends_costs_only_itself(tmp_path: Path) -> None:
    endless = GOOD[:500] + b"x" * 9000
    events, report = read_bytes(
        tmp_path, lines(GOOD, endless, GOOD, GOOD), limits=ReadLimits(record_bytes=3000)
    )
    assert [event.record for event in events] == [1, 3, 4]
    assert [problem.record for problem in report.problems] == [2]


def test_long_text_between_events(tmp_path: Path) -> None:
    events, report = read_bytes(
        tmp_path, lines(GOOD, b"text\n" * 5000, GOOD), limits=ReadLimits(record_bytes=3000)
    )
    assert [event.record for event in events] == [1, 5003]
    assert (report.other_records, report.problems) == (1, [])


def test_many_beginnings_without_an_end_are_quick(tmp_path: Path) -> None:
    log = lines(GOOD) + b"<Event >" * 200_000 + lines(GOOD)
    events, report = read_bytes(tmp_path, log, limits=ReadLimits(record_bytes=100_000))
    assert len(events) == 2
    assert 1 <= report.problem_count < 100


# --- DOCTYPE -----------------------------------------------------------------------------------------

BOMB = (
    b'<?xml version="1.0"?>\n<!DOCTYPE Events [\n <!ENTITY a "ha">\n <!ENTITY b "&a;&a;&a;&a;">\n'
    b' <!ENTITY c SYSTEM "file:///etc/passwd">\n]>\n<Events>\n'
)


def test_a_doctype_is_refused_and_nothing_is_expanded(tmp_path: Path) -> None:
    bombs = [GOOD.replace(b"tcp", b"&b;"), GOOD.replace(b"tcp", b"&c;")]
    events, report = read_bytes(tmp_path, BOMB + lines(*bombs, GOOD) + b"</Events>")
    assert [event.record for event in events] == [10]
    assert told(report) == [
        (2, DOCTYPE_REFUSED),
        (8, "an event that is no well-formed XML: undefined entity"),
        (9, "an event that is no well-formed XML: undefined entity"),
    ]


def test_a_doctype_in_other_text_is_just_text(tmp_path: Path) -> None:
    events, report = read_bytes(tmp_path, b"Message=wrote <!DOCTYPE html>\n" + lines(GOOD))
    assert (len(events), report.other_records, report.problems) == (1, 1, [])


# --- the two ways of reading agree -------------------------------------------------------------------

xml_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("<>&'\"\n\t"),
    max_size=40,
)


@given(data=st.dictionaries(st.from_regex(r"\A[A-Za-z]{1,12}\Z"), xml_text, min_size=1, max_size=8))
@settings(max_examples=75)
def test_pattern_parser_and_elementtree_agree(data: dict[str, str]) -> None:
    event = samples.xml(3, "h&<>" + HOST, **{f"x{name}": value for name, value in data.items()})
    part = event.removesuffix(b"</Event>")
    tree = ET.fromstring(event)  # noqa: S314  written by this test
    space = "{http://schemas.microsoft.com/win/2004/08/events/event}"
    expected = {item.get("Name"): item.text or "" for item in tree.iter(f"{space}Data")}
    assert all_plain([part])
    assert read_plain(part) == ("h&<>" + HOST, LOGGED_AT, expected, 16792)
    assert read_event(event).decoded() == ("h&<>" + HOST, LOGGED_AT, expected, 16792)


@given(
    at=st.integers(0, len(GOOD) - 1),
    change=st.one_of(
        st.binary(max_size=3), st.sampled_from([b"<", b">", b"</Event>", b"<Event>", b"&", b"<!--", b"]]>"])
    ),
    length=st.integers(0, 20),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_is_read_or_told(tmp_path: Path, at: int, change: bytes, length: int) -> None:
    changed = GOOD[:at] + change + GOOD[at + length :]
    events, report = read_bytes(tmp_path, lines(GOOD, changed, GOOD))
    assert [event.data for event in (events[0], events[-1])] == [samples.network()] * 2
    assert report.sysmon_events + report.other_records + report.problem_count >= 3
