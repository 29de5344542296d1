"""Which host the playbook asks about when a container has several cases, over canned answers of the app."""

from __future__ import annotations

import pytest

from tests.fakes.phantom_platform import Answer, Json, Platform, Responses
from tests.playbook_runs import FOUND, canned, note, play, titles


def decision(case: str, host: str, question: str, score: float = 90.0, **fields: object) -> Json:
    """A row of decide isolation, with the fields the playbook reads."""
    return {
        "host_id": host.lower(),
        "question_title": f"malicious, score {score:g} ({case})",
        "not_known": [],
        "case_id": case,
        "host": host,
        "question": question,
        "decision": "ask" if question == "isolate" else "refuse",
        "score": score,
        "severity": "high",
        "prompt": f"Contain {host}? ({case})",
        "note_title": f"Regsvcs response: malicious, score {score:g} ({case})",
        "note": f"report of {case}",
        "state": "",
        "facts": "",
        **fields,
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


def contained(outcome: str, **fields: object) -> Json:
    """A row of isolate host or get isolation status, with the fields the playbook reads."""
    isolated = outcome in ("isolated", "ours_stands", "already_isolated")
    return {
        "outcome": outcome,
        "verified": isolated,
        "ours": True,
        "sentence": f"the host: {outcome}",
        "owner": "analyst01",
        "review_by": "2026-09-26 07:00 UTC",
        "intent_id": "intent-1",
        **fields,
    }


def platform_with(rows: list[Json], risks: list[Json] | None = None) -> tuple[Platform, int]:
    """A platform with one container, whose app decides these cases."""
    known = [risk(str(row["case_id"])) for row in rows] if risks is None else risks
    decided = {"assess risk": known, "decide isolation": rows, "isolate host": [contained("isolated")]}
    platform = canned({**FOUND, **decided})
    return platform, platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])


def test_cases_of_one_host_are_asked_about_together() -> None:
    rows = [decision("case-a", "WS01", "by_hand"), decision("case-b", "ws01", "isolate", 95)]
    platform, case = platform_with([*rows, decision("case-c", "WS01", "none", 99)])

    play(platform, case, Answer("Approve"))

    (prompt,) = platform.prompts
    assert prompt["message"] == "Contain ws01? (case-b)\n\nContain WS01? (case-a)"
    a, b, c = (f"malicious, score {n} (case-{x})" for n, x in ((90, "a"), (95, "b"), (99, "c")))
    reports = [f"Regsvcs response: {each}" for each in (a, b, c)]
    asked = [f"Question: {b}", f"Question: {a}"]
    assert titles(platform, case) == [*reports, *asked, f"Approved: {b}", f"Approved: {a}"]
    assert len(platform.pins) == 1


def test_one_answer_is_for_one_host_and_the_next_run_asks_about_the_other() -> None:
    platform, case = platform_with(
        [decision("case-a", "WS01", "by_hand"), decision("case-b", "WS02", "by_hand", 95)]
    )

    play(platform, case, Answer("Approve"))

    waits = "1 more host waits: WS01. Run the playbook again to be asked about it."
    assert [each["message"] for each in platform.prompts] == [f"Contain WS02? (case-b)\n\n{waits}"]
    for word in ("Question", "Approved"):
        assert note(platform, case, f"{word}: malicious, score 95 (case-b)").endswith(f"\n\n{waits}")
    assert [pin["data"] for pin in platform.pins] == ["WS02"]

    play(platform, case, Answer("Decline"))
    play(platform, case, Answer("Decline"))

    assert [each["message"] for each in platform.prompts][1:] == ["Contain WS01? (case-a)"]


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
    assert {each["caller_mode"] for each in parameters} == {"auto"}


def test_cases_are_joined_by_their_host_and_not_by_its_shown_name() -> None:
    rows = [
        decision("case-a", "WS01", "by_hand", 95, host_id="ws01.a.example"),
        decision("case-b", "WS01", "by_hand", 90, host_id="ws01.b.example"),
        decision("case-c", "ws01.a.example", "by_hand", 85, host_id="WS01.a.example"),
    ]
    platform, case = platform_with(rows)

    play(platform, case, Answer("Approve"))

    approved = [title for title in platform.titles(case) if title.startswith("Approved: ")]
    assert approved == [
        "Approved: malicious, score 95 (case-a)",
        "Approved: malicious, score 85 (case-c)",
    ]
    (prompt,) = platform.prompts
    assert "case-b" not in prompt["message"]
    assert prompt["message"].endswith("1 more host waits: WS01. Run the playbook again to be asked about it.")


def test_cases_whose_host_is_not_known_share_no_answer() -> None:
    platform, case = platform_with(
        [decision("case-a", "", "by_hand", 95, host_id=""), decision("case-b", "", "by_hand", host_id="")]
    )

    play(platform, case, Answer("Approve"))

    assert [title for title in platform.titles(case) if title.startswith("Approved: ")] == [
        "Approved: malicious, score 95 (case-a)"
    ]


def test_a_question_about_many_cases_stays_readable() -> None:
    rows = [decision(f"case-{i:03}", "WS01", "isolate") for i in range(100)]
    short, case = platform_with(rows)
    long, other = platform_with([row | {"prompt": "E" * 6000} for row in rows])

    play(short, case, Answer("Approve"))
    play(long, other, Answer("Approve"))

    shown = short.prompts[0]["message"].split("\n\n")
    assert shown[:20] == [row["prompt"] for row in rows[:20]]
    rest = "more cases of this host: the evidence is in the notes. The answer is for them as well."
    assert shown[20:] == [f"80 {rest}"]
    assert len(long.prompts[0]["message"]) < 20_200
    assert long.prompts[0]["message"].endswith(f"\n\n97 {rest}")
    assert sum(title.startswith("Approved: ") for title in short.titles(case)) == 100


def test_a_hundred_hosts_that_wait_are_counted() -> None:
    platform, case = platform_with([decision(f"case-{i:03}", f"WS{i:03}", "isolate") for i in range(100)])

    play(platform, case, Answer("Approve"))

    assert platform.prompts[0]["message"] == (
        "Contain WS000? (case-000)\n\n"
        "99 more hosts wait: WS001, WS002, WS003, WS004, WS005 and 94 more. "
        "Run the playbook again to be asked about it."
    )


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        ([], "it was answered without a choice, by `ic01`"),
        (None, "it was answered without a choice, by `ic01`"),
        ([None, None], "it was answered without a choice, by `ic01`"),
        (["", "why"], "it was answered without a choice, by `ic01`"),
        (["approve", ""], "the answer was `approve`, by `ic01`"),
        (["Approve ", ""], "the answer was `Approve`, by `ic01`"),
        ([["Approve"], ""], "the answer was `['Approve']`, by `ic01`"),
        (["Decline\nApprove", ""], "the answer was `Decline Approve`, by `ic01`"),
    ],
)
def test_only_the_exact_answers_count(responses: object, says: str) -> None:
    platform, case = platform_with([decision("case-a", "WS01", "by_hand")])

    play(platform, case, Responses(responses, [{"user": "ic01"}]))

    key = "malicious, score 90 (case-a)"
    assert titles(platform, case)[-1] == f"No valid answer: {key}"
    content = note(platform, case, f"No valid answer: {key}")
    assert content.startswith(f"The question about `WS01` ended without a valid answer: {says}.\n\n")
    assert "That is neither an approval nor a refusal." in content
    assert platform.pins == []

    play(platform, case, Answer("Approve"))

    assert titles(platform, case)[-1] == f"Approved: {key}"


def test_a_pin_and_a_prompt_name_a_hostile_host_without_markup() -> None:
    hostile = "<img src=x onerror=alert(1)> [x](//evil.example)"
    rows = [decision("case-a", hostile, "by_hand", 95), decision("case-b", hostile + "2", "by_hand")]
    platform, case = platform_with(rows)

    play(platform, case, Answer("Approve"))

    shown = "_img_src_x_onerror_alert_1____x____evil.example_"
    assert [pin["data"] for pin in platform.pins] == [shown]
    assert f"1 more host waits: {shown}2." in platform.prompts[0]["message"]
