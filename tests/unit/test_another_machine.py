"""A notable that may be of another machine: every report says so in its head, in one line."""

from __future__ import annotations

import pytest

from actions.containment_question import ContainmentQuestion
from playbooks.case import CaseReport
from playbooks.report import case_page, markdown, prompt, terminal
from playbooks.report.notable_comment import comment
from playbooks.report.story import another_machine
from tests import html_reading
from tests.report_cases import every_text, malicious

STRANGER = "10.99.0.5"


@pytest.fixture
def strange() -> CaseReport:
    report = malicious()
    own = report.facts.notables[0].model_copy(update={"src_ip": STRANGER})
    return report.model_copy(update={"facts": report.facts.model_copy(update={"notables": (own,)})})


WORDS = (
    "May be about another machine: the notable says that it had 10.99.0.5, and WS-042.corp.example is known"
    " by 10.20.30.42."
)


def test_one_sentence_and_only_where_it_is_so(strange: CaseReport) -> None:
    assert another_machine(strange.facts) == WORDS
    assert another_machine(malicious().facts) == ""


def test_the_terminal_says_it_under_the_verdict(strange: CaseReport) -> None:
    lines = terminal.render(strange, width=140, color=False, unicode=True).splitlines()
    assert lines[1] == WORDS
    assert lines[2] == ""


def test_the_page_says_it_before_the_story(strange: CaseReport) -> None:
    page = html_reading.read(case_page.render(strange))
    (told,) = [each for each in page.of("p") if "rr-doubt" in str(each.attributes.get("class"))]
    assert told.text.strip().endswith(WORDS)
    assert "rr-doubt" not in case_page.render(malicious()).partition("<body")[2]


def test_markdown_prompt_and_comment_say_it_in_their_heads(strange: CaseReport) -> None:
    assert "May be about another machine" in markdown.render(strange).split("\n\n")[2]
    asked = prompt.prompt(strange, ContainmentQuestion.BY_HAND).splitlines()
    assert asked[2].startswith("May be about another machine: ")
    assert comment(strange).splitlines()[1].startswith("May be about another machine: ")
    for text in ("\n".join(asked), comment(strange)):
        assert STRANGER in text


def test_a_hostile_name_stays_in_its_line(strange: CaseReport) -> None:
    hostile = every_text(strange, lambda old: f"{old}\n<script>\x1b[2J")
    lines = comment(hostile).splitlines()
    assert [each for each in lines if each.startswith("<script>")] == []
