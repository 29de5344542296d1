"""Which host the playbook asks about when a container has several cases, over canned answers of the app."""

from __future__ import annotations

from tests.fakes.phantom_platform import Answer, Json, Platform
from tests.playbook_runs import canned, play


def decision(case: str, host: str, question: str, score: float = 90.0) -> Json:
    """A row of decide isolation, with the fields the playbook reads."""
    return {
        "case_id": case,
        "host": host,
        "question": question,
        "score": score,
        "severity": "high",
        "prompt": f"Contain {host}? ({case})",
        "note_title": f"Regsvcs response: malicious, score {score:g} ({case})",
        "note": f"report of {case}",
        "state": "",
    }


def risk(case: str) -> Json:
    """A row of assess risk, with the fields the playbook reads."""
    return {
        "case_id": case,
        "case_verdict": "malicious",
        "score": 90.0,
        "severity": "high",
        "verdict_reason": "A strong finding, and more.",
        "facts": f"facts of {case}",
    }


def platform_with(rows: list[Json], risks: list[Json] | None = None) -> tuple[Platform, int]:
    """A platform with one container, whose app decides these cases."""
    facts = [{"facts": "facts"}]
    known = [risk(str(row["case_id"])) for row in rows] if risks is None else risks
    platform = canned(
        {"check ip": facts, "get process lineage": facts, "assess risk": known, "decide isolation": rows}
    )
    return platform, platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])


def test_cases_of_one_host_are_asked_about_together() -> None:
    rows = [decision("case-a", "WS01", "by_hand"), decision("case-b", "ws01", "isolate", 95)]
    platform, case = platform_with([*rows, decision("case-c", "WS01", "none", 99)])

    play(platform, case, Answer("Approve"))

    (prompt,) = platform.prompts
    assert prompt["message"] == "Contain ws01? (case-b)\n\nContain WS01? (case-a)"
    a, b, c = (
        f"Regsvcs response: malicious, score {n} (case-{x})" for n, x in ((90, "a"), (95, "b"), (99, "c"))
    )
    asked = [f"Question: {b}", f"Question: {a}"]
    assert platform.titles(case) == [a, b, c, *asked, f"Approved: {b}", f"Approved: {a}"]
    assert len(platform.pins) == 1


def test_one_answer_is_for_one_host_and_the_next_run_asks_about_the_other() -> None:
    platform, case = platform_with(
        [decision("case-a", "WS01", "by_hand"), decision("case-b", "WS02", "by_hand", 95)]
    )

    play(platform, case, Answer("Approve"))

    assert [each["message"] for each in platform.prompts] == ["Contain WS02? (case-b)"]
    question = "Question: Regsvcs response: malicious, score 95 (case-b)"
    assert platform.note(case, question).endswith("Not asked yet: `WS01`. Run the playbook again for it.")
    assert [pin["data"] for pin in platform.pins] == ["WS02"]

    play(platform, case, Answer("Decline"))
    play(platform, case, Answer("Decline"))

    assert [each["message"] for each in platform.prompts][1:] == ["Contain WS01? (case-a)"]


def test_where_no_guard_stands_in_the_way_the_task_says_so() -> None:
    platform, case = platform_with([decision("case-a", "WS01", "isolate")])

    play(platform, case, Answer("Approve"))

    note = platform.note(case, "Approved: Regsvcs response: malicious, score 90 (case-a)")
    assert "No guard stands in the way, but this version of the playbook has no isolation action yet." in note


def test_a_case_that_was_not_decided_keeps_its_risk() -> None:
    platform, case = platform_with(
        [decision("case-a", "WS01", "none")], risks=[risk("case-a"), risk("case-b")]
    )

    play(platform, case)

    assert "Regsvcs risk: malicious, score 90 (case-b)" in platform.titles(case)
    assert "Regsvcs risk: malicious, score 90 (case-a)" not in platform.titles(case)


def test_each_case_is_decided_with_its_own_facts() -> None:
    rows = [decision("case-a", "WS01", "none"), decision("case-b", "WS02", "none")]
    platform, case = platform_with(rows)

    play(platform, case)

    (_, parameters) = platform.actions[-1]
    assert [each["case_facts"] for each in parameters] == ["facts of case-a", "facts of case-b"]
    assert {each["caller_mode"] for each in parameters} == {"approve"}
