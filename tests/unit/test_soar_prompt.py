"""The question to an analyst: what it says, how long it gets, and that nothing in it steers or links."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actions.containment_question import ContainmentQuestion
from actions.isolation import Guard, GuardOutcome
from connectors.facts.process import Lineage
from playbooks.case import CaseReport
from playbooks.report.prompt import PROMPT_LIMIT, prompt
from tests.report_cases import benign, every_text, hostile, malicious, undetermined, with_ancestors

BY_HAND = ContainmentQuestion.BY_HAND
ISOLATE = ContainmentQuestion.ISOLATE


def lines_of(report: CaseReport, question: ContainmentQuestion = BY_HAND) -> list[str]:
    return prompt(report, question).splitlines()


def with_guards(report: CaseReport, outcome: GuardOutcome, number: int) -> CaseReport:
    guards = tuple(
        Guard(id=f"guard_{n}", outcome=outcome, value="v", limit="l", detail="Why not.")
        for n in range(number)
    )
    return report.model_copy(update={"decision": report.decision.model_copy(update={"guards": guards})})


def test_where_nothing_is_asked_there_is_no_text() -> None:
    assert prompt(malicious(), ContainmentQuestion.NONE) == ""


def test_it_asks_first_and_says_that_nothing_was_done() -> None:
    report = malicious()
    host = report.facts.host
    assert host is not None
    by_hand, isolate = lines_of(report, BY_HAND), lines_of(report, ISOLATE)
    assert by_hand[0] == f"Contain {host.hostname} by hand?"
    assert isolate[0] == f"Isolate {host.hostname}?"
    assert "Nothing has been isolated" in by_hand[1]
    assert "Nothing has been isolated" in isolate[1]
    assert by_hand[2:] == isolate[2:]


def test_it_holds_who_what_and_where() -> None:
    report = malicious()
    assert report.facts.lineage is not None
    target = report.facts.lineage.target
    text = prompt(report, BY_HAND)
    assert f"Verdict: malicious, score {report.risk.score:g} of 100. " in text
    assert f"User: {report.facts.notables[0].user}" in text
    assert f"Process: {target.name} (pid {target.ref.pid}), {target.ref.image}" in text
    assert f"Started by: {report.facts.lineage.ancestors[0].name} < " in text
    assert report.case_id in text
    for indicator in report.risk.indicators:
        assert (f"- {indicator.sentence}" in text) == (indicator.strength == "strong")
    assert "Do first:\n- " in text


def test_each_obstacle_says_whether_it_refuses_or_is_not_known() -> None:
    refused = with_guards(malicious(), GuardOutcome.REFUSE, 2)
    assert "- guard_0, refuses: Why not." in lines_of(refused)
    unknown = with_guards(malicious(), GuardOutcome.UNKNOWN, 9)
    lines = lines_of(unknown)
    assert "- guard_5, not known: Why not." in lines
    assert "- guard_6, not known: Why not." not in lines
    assert "- and 3 more, in the note" in lines
    passed = with_guards(malicious(), GuardOutcome.PASS, 3)
    assert f"Guards: all 3 pass (mode {passed.decision.effective_mode.value})" in lines_of(passed)


def test_addresses_and_names_are_defanged_wherever_they_stand() -> None:
    report = malicious()
    addresses = [each.ip for each in report.facts.destinations if each.check.external]
    names = [name for each in report.facts.destinations for name in each.dns_names]
    assert addresses
    assert names
    assert report.facts.lineage is not None
    target = report.facts.lineage.target.model_copy(
        update={"command_line": f"regsvcs.exe https://{names[0]}/x HTTP://{addresses[0]}/y"}
    )
    lineage = report.facts.lineage.model_copy(update={"target": target})
    facts = report.facts.model_copy(update={"lineage": lineage})
    text = prompt(report.model_copy(update={"facts": facts}), BY_HAND)
    for each in (*addresses, *names, "https://", "HTTP://", "http://"):
        assert each not in text, each
    assert "hxxps[:]//" in text


def test_what_is_not_known_is_said() -> None:
    text = prompt(undetermined(), BY_HAND)
    assert ", not found in telemetry" in text
    empty = undetermined()
    notable = empty.facts.notables[0].model_copy(update={"dest_ip": None, "src_ip": None, "user": ""})
    facts = empty.facts.model_copy(
        update={"notables": (notable,), "destinations": (), "lineage": None, "evidence": None}
    )
    text = prompt(empty.model_copy(update={"facts": facts, "next_steps": ()}), BY_HAND)
    assert "User: unknown" in text
    assert "Talked to: unknown" in text
    assert "Strong findings: none" in text
    assert "Do first: no step is proposed" in text


def test_a_command_line_that_was_not_recorded_is_not_shown_as_empty() -> None:
    report = malicious()
    lineage = report.facts.lineage
    assert isinstance(lineage, Lineage)
    target = lineage.target.model_copy(update={"command_line": None})
    facts = report.facts.model_copy(update={"lineage": lineage.model_copy(update={"target": target})})
    assert "Command line: not recorded" in lines_of(report.model_copy(update={"facts": facts}))


@pytest.mark.parametrize("make", [malicious, benign, undetermined, hostile])
def test_every_line_is_printable_and_the_whole_is_short(make: Callable[[], CaseReport]) -> None:
    for question in (BY_HAND, ISOLATE):
        text = prompt(make(), question)
        assert len(text) <= PROMPT_LIMIT
        assert all(line.isprintable() for line in text.split("\n"))


def test_the_longest_texts_do_not_make_it_long() -> None:
    report = every_text(malicious(), lambda text: text + "\n\u202e" + "a" * 3000)
    text = prompt(report, BY_HAND)
    assert len(text) <= PROMPT_LIMIT
    assert all(line.isprintable() for line in text.split("\n"))
    assert "in the note" in text


def test_a_long_ancestry_is_cut() -> None:
    (line,) = [each for each in lines_of(with_ancestors(40)) if each.startswith("Started by: ")]
    assert line.endswith(" < ...")
    assert line.count(" < ") == 6
