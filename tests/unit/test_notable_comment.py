"""The comment on a notable: what a person needs in a few lines, and nothing in it is live."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from actions.case_facts import Unknown
from actions.risk import Strength
from playbooks.report.notable_comment import COMMENT_LIMIT, comment
from tests.report_cases import HOSTILE, benign, every_text, hostile, malicious, undetermined

PARTS = ("regsvcs-response, case case-", "Why: ", "Not known:", "Do next:")
LIVE = re.compile(r"https?://|www\.|[<>`]|\]\(|!\[|javascript:\S*\(.*\)\)", re.IGNORECASE)


def test_it_names_verdict_score_why_what_is_not_known_and_what_to_do() -> None:
    report = malicious()
    text = comment(report)
    lines = text.splitlines()
    assert lines[0] == f"regsvcs-response, case {report.case_id}: malicious, score 100 of 100."
    assert lines[1] == f"Why: {report.risk.verdict_reason}"
    assert "api.telegram[.]org" in lines[2]
    assert lines[3].startswith("Score: 80 by ESCU itself, +")
    assert "document or script ancestor" in lines[3]
    assert lines[4] == "Telemetry: Sysmon, from a log file (host, process and its lineage, what it did)."
    assert lines[5].startswith("Reputation: ")
    strong = [each.sentence for each in report.risk.indicators if each.strength is Strength.STRONG]
    assert all(f"- {each}" in lines for each in strong)
    assert [each for each in PARTS if each not in text] == []


@pytest.mark.parametrize("make", [malicious, benign, undetermined, hostile])
def test_the_same_findings_give_the_same_text_whenever_it_was_made(make: object) -> None:
    assert callable(make)
    report = make()
    later = report.model_copy(update={"generated_at": report.generated_at.replace(year=2027)})
    assert comment(report) == comment(later)


def controls(text: str) -> set[str]:
    return {
        char
        for char in text
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    }


def test_hostile_text_is_not_live_makes_no_line_and_pushes_nothing_out() -> None:
    text = comment(hostile())
    assert len(text) <= COMMENT_LIMIT
    assert [each for each in PARTS if each not in text] == []
    assert controls(text) == set()
    assert LIVE.search(text) is None
    heads = [each.partition(":")[0] for each in text.splitlines()[3:] if not each.startswith("- ")]
    assert heads == ["Score", "Telemetry", "Reputation", "Strong findings", "Not known", "Do next"]


@hypothesis_settings(max_examples=30, deadline=None)
@given(
    text=st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
        st.sampled_from([HOSTILE * 3, "\n- Do next:\n" * 50, "]" * 2000, "<@" * 900]),
    )
)
def test_whatever_stands_in_the_case_it_is_bounded_and_not_live(text: str) -> None:
    told = comment(every_text(malicious(), lambda _: text))
    assert len(told) <= COMMENT_LIMIT
    assert controls(told) == set()
    assert LIVE.search(told) is None
    assert "Do next:" in told


def test_many_findings_are_counted() -> None:
    report = malicious()
    strong = next(each for each in report.risk.indicators if each.strength is Strength.STRONG)
    unknowns = tuple(Unknown(what=f"thing {each}", why="not collected") for each in range(9))
    risk = report.risk.model_copy(update={"indicators": (strong,) * 8, "unknowns": unknowns})
    steps = tuple(f"Step {each}." for each in range(7))
    text = comment(report.model_copy(update={"risk": risk, "next_steps": steps}))
    more = re.findall(r"and (\d) more, in the report of (\S+)", text)
    assert more == [(number, report.case_id) for number in ("2", "6", "3")]
