"""Text of an attacker in artifacts and answers: it stays text in every note of the playbook."""

from __future__ import annotations

import json

import pytest
from markdown_it import MarkdownIt

from tests.fakes.phantom_platform import Answer, Json, Platform
from tests.playbook_runs import ALL_FAILED, FOUND, canned, notable_of, platform_of, play
from tests.unit.test_playbook_questions import decision, risk

#: Stands for markup, a link, an end of a code span, and an end of a line.
MARKUP = (
    "x`<img src=x onerror=alert(1)>`[a](http://evil.example)\n"
    "# heading\n![b](//evil.example/p) www.evil.example"
)

#: `br` is the parser's name for the end of a line.
HARMLESS = {"br", "code", "em", "h1", "h2", "h3", "li", "ol", "p", "pre", "strong", "ul", "blockquote", "hr"}
HARMLESS |= {"table", "thead", "tbody", "tr", "th", "td"}


def tags(markdown: str) -> set[str]:
    """The elements a note becomes."""
    found: set[str] = set()
    waiting = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown)
    while waiting:
        token = waiting.pop()
        if token.type.startswith("html"):
            found.add(token.content)
        if token.tag:
            found.add(token.tag)
        waiting += token.children or []
    return found


def test_the_measure_sees_markup() -> None:
    assert {"a", "img", "<b>"} <= tags("[a](http://evil.example) ![b](c) <b>")


@pytest.mark.parametrize(
    ("field", "first"),
    [
        ("dest", "Regsvcs response: malicious, "),
        ("user", "Regsvcs response: malicious, "),
        ("process_name", "Regsvcs response: "),
        ("src_ip", "Regsvcs response: malicious, "),
        ("dest_ip", "Regsvcs response: "),
        ("search_name", "Regsvcs response: malicious, "),
        ("urgency", "Regsvcs response: malicious, "),
    ],
)
def test_markup_in_a_field_is_text_in_every_note(field: str, first: str) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer") | {field: MARKUP}}])

    play(platform, case, Answer("Decline", MARKUP, MARKUP))

    assert platform.titles(case)[0].startswith(first)
    for note in platform.notes[case]:
        assert tags(note.content) <= HARMLESS, note.title
        assert "evil" not in note.title


def test_markup_in_an_answer_is_text() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case, Answer("Approve", MARKUP, "<b>ic</b>"))

    note = platform.notes[case][-1]
    begins = (
        "**Approved** by `<b>ic</b>`. Reason: `x'<img src=x onerror=alert(1)>'[a](http://evil.example) # head"
    )
    assert note.content.startswith(begins)
    assert tags(note.content) == {"p", "strong", "em", "code", "ol", "li"}


def test_markup_in_the_message_of_a_failed_action_is_text() -> None:
    platform = canned(dict.fromkeys(ALL_FAILED, MARKUP))
    case = platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])

    play(platform, case)

    (note,) = platform.notes[case]
    assert tags(note.content) == {"ul", "li", "p", "strong", "code", "br"}


@pytest.mark.parametrize(
    "cef",
    [
        {"dest": "WS01", "dest_ip": "[" * 50_000},
        {"dest": "WS01", "dest_ip": [["8.8.8.8"]]},
        {"dest": "WS01", "dest_ip": {"a": 1}},
        {"dest": "WS01", "dest_ip": 8},
        {"dest": "WS01", "dest_ip": ["999.1.1.1", None, ""]},
    ],
    ids=["deep", "nested", "object", "number", "no_address"],
)
def test_a_value_of_no_known_shape_gives_no_address_and_no_error(cef: Json) -> None:
    platform = canned(ALL_FAILED)
    case = platform.add_container([{"cef": cef}, {"cef": None}, {"cef": "text"}])

    play(platform, case)

    assert platform.actions[0] == ("check ip", [{"ip": ""}])
    (note,) = platform.notes[case]
    assert "`the notable holds no destination address`" in note.content


def handed_on(platform: Platform) -> list[Json]:
    """The artifacts that the app was given."""
    (text,) = [sets[0]["notable"] for action, sets in platform.actions if action == "get process lineage"]
    artifacts: list[Json] = json.loads(text)["artifacts"]
    return artifacts


def test_what_the_app_does_not_read_is_not_handed_on() -> None:
    platform = canned(ALL_FAILED)
    cef = {"dest": "WS01", "dest_ip": "8.8.8.8"}
    junk = {f"x{i}": "A" * 1_000_000 for i in range(9)}
    case = platform.add_container([{"cef": cef | junk | {"_raw": "B" * 9_000_000}}])

    play(platform, case)

    assert handed_on(platform) == [{"cef": cef}]
    assert sum("read notable" in title for title in platform.titles(case)) == 0


def test_an_artifact_that_is_too_long_is_named_and_costs_the_others_nothing() -> None:
    platform = canned(ALL_FAILED)
    good = {"dest": "WS01", "dest_ip": "8.8.8.8"}
    long: Json = good | {"user": "A" * 9_000_000}
    many: Json = good | {"dest_ip": ["1.1.1.1"] * 9000}
    case = platform.add_container([{"cef": each} for each in (long, many, good)])

    play(platform, case)

    assert [each["cef"]["dest"] for each in handed_on(platform)] == ["WS01", "WS01"]
    assert len(handed_on(platform)[0]["cef"]["dest_ip"]) == 1001  # the parser says itself that these are many
    assert platform.titles(case)[0].startswith("Regsvcs response: failed: read notable, check ip, ")
    assert (
        "- **read notable** failed: `1 of 3 artifacts are too long to be read`. "
        "What they say is in no report."
    ) in platform.notes[case][0].content


def test_many_artifacts_stay_below_what_the_parser_takes_at_once() -> None:
    platform = canned(ALL_FAILED)
    cef = {"dest": "WS01", "user": "u" * 60_000}
    case = platform.add_container([{"cef": cef} for _ in range(2500)])

    play(platform, case)

    assert 90 < len(handed_on(platform)) < 105
    assert "`the container has 2,000 artifacts or more; the others were not read`" in (
        platform.notes[case][0].content
    )


def test_only_artifacts_that_are_too_long_are_said_to_be() -> None:
    platform = canned(ALL_FAILED)
    case = platform.add_container([{"cef": {"dest": "A" * 100_000}}])

    play(platform, case)

    assert platform.titles(case) == ["Regsvcs response: no notable in this container"]
    assert "Besides, `1 of 1 artifacts are too long to be read`." in platform.notes[case][0].content


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("WS\ud800", "WS?"),
        (float("nan"), None),
        (10**400, None),
        (True, True),
        (4, 4),
        ({"a": 1}, {}),
        ([[[[[[["x"]]]]]]], [[[[[{}]]]]]),
    ],
    ids=["surrogate", "nan", "huge", "bool", "number", "object", "deep"],
)
def test_what_json_cannot_carry_is_left_out(value: object, kept: object) -> None:
    platform = canned(ALL_FAILED)
    case = platform.add_container([{"cef": {"dest": "WS01", "count": value}}])

    play(platform, case)

    assert handed_on(platform) == [{"cef": {"dest": "WS01", "count": kept}}]


def test_the_zone_of_an_address_brings_no_other_address() -> None:
    platform = canned(ALL_FAILED)
    case = platform.add_container([{"cef": {"dest": "WS01", "dest_ip": ["fe80::1%8,1.1.1.1", "8.8.8.8"]}}])

    play(platform, case)

    assert platform.actions[0] == ("check ip", [{"ip": "8.8.8.8"}])


def test_long_titles_of_rows_are_cut() -> None:
    row = decision("Z" * 3000, "WS01", "by_hand")
    platform = canned(
        {
            **FOUND,
            "assess risk": [risk("Y" * 3000)],
            "decide isolation": [row, decision("case-b", "WS02", "none")],
        }
    )
    case = platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])

    play(platform, case, Answer("Approve"))

    assert [len(title) for title in platform.titles(case)[:3]] == [250, 46, 250]
    assert max(len(title) for title in platform.titles(case)) == 250
    assert platform.titles(case)[-1].startswith("Approved: malicious, score 90 (ZZZ")
