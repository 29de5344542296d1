"""The report as Markdown, read back with a real parser: only the template's own markup exists."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from playbooks.case import CaseReport
from playbooks.report import markdown
from tests.report_cases import HOSTILE, TELEGRAM, benign, every_text, hostile, malicious, undetermined
from tests.unit.test_display import AUTOLINK

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"text", "strong_open", "strong_close"}

ANYTHING = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.text(alphabet="`*_[]<>&|~$#!\\-+=.:/@()1w \n", max_size=20),
        st.sampled_from([HOSTILE, "www.a.example", "`", "|", "\\", "```\n", "---", "x@y.example"]),
    ),
    max_size=4,
).map("".join)


def blocks(text: str) -> list[str]:
    """The document's skeleton: which blocks there are, in order."""
    return [token.type for token in PARSER.parse(text)]


def inline(text: str) -> list[Token]:
    return [child for token in PARSER.parse(text) for child in token.children or ()]


def prose(text: str) -> list[str]:
    """Text outside code, a string for each paragraph, cell or heading."""
    found = (token.children or [] for token in PARSER.parse(text) if token.type == "inline")
    return ["".join(child.content for child in children) for children in found]


@pytest.mark.parametrize("case", [malicious, benign, undetermined, hostile])
def test_only_our_own_markup_exists(case: Callable[[], CaseReport]) -> None:
    text = markdown.render(case())
    assert {token.type for token in inline(text)} <= OURS
    assert not {"html_block", "code_block", "hr"} & set(blocks(text))
    assert [each for each in prose(text) if AUTOLINK.search(each)] == []


@given(ANYTHING, st.booleans())
@hypothesis_settings(max_examples=40)
def test_no_text_of_a_log_becomes_markup(words: str, keep: bool) -> None:
    text = markdown.render(every_text(malicious(), lambda old: words + old if keep else words or "x"))
    assert {token.type for token in inline(text)} <= OURS
    assert [each for each in prose(text) if AUTOLINK.search(each)] == []
    known = set(blocks(markdown.render(malicious())))
    assert set(blocks(text)) <= known


@given(ANYTHING)
@hypothesis_settings(max_examples=25)
def test_text_of_a_log_does_not_change_the_skeleton(words: str) -> None:
    """Same facts, other texts: same headings, tables, rows and lists."""
    other = markdown.render(every_text(malicious(), lambda old: f"b{words}{old}"))
    same = markdown.render(every_text(malicious(), lambda old: "a" + old))
    assert blocks(other) == blocks(same)


def test_addresses_are_defanged_in_prose_and_raw_in_the_code_block() -> None:
    text = markdown.render(malicious())
    said = "\n".join(prose(text))
    assert "149.154.167[.]220:443, api.telegram[.]org, outbound, 3 connections" in said
    assert "reputation of 149.154.167[.]220" in said
    assert TELEGRAM not in said
    assert "api.telegram.org" not in said
    tree, raw = (token.content for token in PARSER.parse(text) if token.type == "fence")
    assert raw.splitlines()[:3] == [
        "ip      149.154.167.220",
        "domain  api.telegram.org",
        "domain  api.ipify.org",
    ]
    assert "» RegSvcs.exe (pid 7188)  08:14:01  signature unknown" in tree


def test_the_same_content_as_on_the_terminal() -> None:
    said = prose(markdown.render(malicious()))
    assert said[0] == "Malicious: RegSvcs.exe on WS-042.corp.example"
    for heading in (
        "Risk message",
        "Process tree",
        "Why the score",
        "Destinations",
        "What is not known",
        "Isolation",
        "What to do next",
        "What could not be read or done",
        "Observables",
    ):
        assert heading in said
    assert (
        "would not isolate (mode off): 3 of 9 guards stand in the way; the first: isolation is switched off"
        in said
    )


def test_a_case_of_nothing_says_so() -> None:
    said = prose(markdown.render(undetermined()))
    assert "The process was not found in any telemetry; its lineage is unknown." in said
    assert "No address is known." in said
    assert said[-1] == "None."
