"""Text of an attacker in artifacts and answers: it stays text in every note of the playbook."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from tests.fakes.phantom_platform import Answer, Json
from tests.playbook_runs import canned, notable_of, platform_of, play

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
        ("dest", "Regsvcs response: failed: "),
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
    failed = dict.fromkeys(["check ip", "get process lineage", "assess risk", "decide isolation"], MARKUP)
    platform = canned(failed)
    case = platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])

    play(platform, case)

    (note,) = platform.notes[case]
    assert tags(note.content) == {"ul", "li", "p", "strong", "code", "br"}


@pytest.mark.parametrize(
    "cef",
    [
        {"dest": "WS01", "dest_ip": "[" * 100_000},
        {"dest": "WS01", "dest_ip": [["8.8.8.8"]]},
        {"dest": "WS01", "dest_ip": {"a": 1}},
        {"dest": "WS01", "dest_ip": 8},
        {"dest": "WS01", "dest_ip": ["999.1.1.1", None, ""]},
    ],
    ids=["deep", "nested", "object", "number", "no_address"],
)
def test_a_value_of_no_known_shape_gives_no_address_and_no_error(cef: Json) -> None:
    failed = dict.fromkeys(["check ip", "get process lineage", "assess risk", "decide isolation"], "no")
    platform = canned(failed)
    case = platform.add_container([{"cef": cef}, {"cef": None}, {"cef": "text"}])

    play(platform, case)

    assert platform.actions[0] == ("check ip", [{"ip": ""}])
    (note,) = platform.notes[case]
    assert "`the notable holds no destination address`" in note.content
