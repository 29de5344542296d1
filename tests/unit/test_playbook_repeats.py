"""What a further run of the playbook writes and asks: what is new once, never what a note says already."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.phantom_platform import Answer, Json, Platform
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import NETWORK_CONNECTION, notable_of, note, platform_of, play, titles
from tests.unit.test_playbook_questions import decision, platform_with

KEY = "malicious, score 90 (case-a)"
REPORT = f"Regsvcs response: {KEY}"
OTHER: Json = {"dest_ip": "45.9.148.108", "event_id": "B@@notable@@2"}


def add_notable(platform: Platform, case: int, **fields: object) -> None:
    cef = notable_of("stealer") | fields
    platform.keep_artifact(case, {"label": "event", "severity": "low", "cef": cef})


def states(platform: Platform, case: int) -> int:
    return sum(each["label"] == "regsvcs_case" for each in platform.artifacts[case])


def die_with_the_question_open(platform: Platform, case: int) -> None:
    run = Run(platform, NETWORK_CONNECTION, case)
    run.start()
    while not platform.prompts and run.step():
        pass


def test_a_new_destination_of_a_known_case_reaches_a_report_and_asks_nobody_again() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    play(platform, case, Answer("Decline"))
    before = platform.titles(case)
    add_notable(platform, case, **OTHER)

    play(platform, case, Answer("Approve"))
    play(platform, case, Answer("Approve"))

    (new,) = platform.titles(case)[len(before) :]
    assert new not in before
    assert titles(platform, case)[-1] == titles(platform, case)[0]
    assert "45.9.148.108" in platform.note(case, new).replace("[.]", ".")
    assert len(platform.prompts) == 1
    assert states(platform, case) == 2


def test_a_report_that_re_enrichment_wrote_is_not_written_again() -> None:
    row = decision("case-a", "WS01", "none", state="{}")
    platform, case = platform_with([row])
    title = f"Changed at 2026-09-25T07:00:00: {row['note_title']}"
    writer = Run(platform, NETWORK_CONNECTION, case)
    writer.add_note(container=case, note_type="general", title=title, content="the report")

    play(platform, case)

    assert titles(platform, case) == [title, f"Nothing asked: {KEY}"]
    assert states(platform, case) == 0


def test_another_failure_or_a_new_notable_while_it_lasts_is_written() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    failure = "Regsvcs response: failed: get process lineage"
    answer = platform.run_action

    def failures() -> list[str]:
        return [title for title in platform.titles(case) if title.startswith(failure)]

    play(platform, case, fail=["get process lineage"])
    play(platform, case, fail=["get process lineage"])
    assert len(failures()) == 1

    add_notable(platform, case, **OTHER)
    play(platform, case, fail=["get process lineage"])
    assert len(set(failures())) == 2

    def refused(action: str, parameters: list[Json], container_id: int) -> object:
        lineage = action == "get process lineage"
        return answer(action, [{"host": ""}] if lineage else parameters, container_id)

    platform.run_action = refused  # type: ignore[assignment]  # an app that fails for another reason
    play(platform, case)
    assert len(set(failures())) == 3


def test_a_failure_that_is_mended_is_said_once_and_the_next_one_is_written() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    failure = "Regsvcs response: failed: check ip"
    play(platform, case, Answer("Decline"), fail=["check ip"])
    before = len(platform.notes[case])

    play(platform, case)
    play(platform, case)
    play(platform, case, fail=["check ip"])
    play(platform, case)

    after = titles(platform, case)[before:]
    assert after == [f"Mended: {failure}", failure, f"Mended: {failure}"]
    assert note(platform, case, f"Mended: {failure}") == (
        "A later run went through without a failure. The newest report of the case counts."
    )


def test_a_question_whose_runner_ended_is_asked_again_when_its_time_is_over() -> None:
    platform, case = platform_with([decision("case-a", "WS01", "by_hand")])
    die_with_the_question_open(platform, case)
    assert platform.titles(case) == [REPORT, f"Question (until 2026-09-25 07:31 UTC): {KEY}"]

    platform.now += timedelta(minutes=36)
    play(platform, case, Answer("Approve"))
    assert len(platform.prompts) == 1

    platform.now += timedelta(minutes=1)
    play(platform, case, Answer("Approve"))
    play(platform, case, Answer("Approve"))

    assert len(platform.prompts) == 2
    assert platform.titles(case)[2:] == [f"Question (until 2026-09-25 08:08 UTC): {KEY}", f"Approved: {KEY}"]
    assert note(platform, case, f"Question: {KEY}").endswith(
        "An earlier question ended without an outcome: its time is over, and no note says what came of it. "
        "The run that asked it did not go on."
    )


@pytest.mark.parametrize("answer", ["Approve", "Decline"])
def test_an_answered_question_is_never_asked_again_by_itself(answer: str) -> None:
    platform, case = platform_with([decision("case-a", "WS01", "by_hand")])
    play(platform, case, Answer(answer))

    platform.now += timedelta(days=3)
    play(platform, case, Answer("Approve"))

    assert len(platform.prompts) == 1


def test_a_person_can_have_a_declined_question_asked_again() -> None:
    platform, case = platform_with([decision("case-a", "WS01", "by_hand")])
    play(platform, case, Answer("Decline"))
    assert "add a note with the title `Ask again`" in note(platform, case, f"Declined: {KEY}")
    analyst = Run(platform, NETWORK_CONNECTION, case)
    analyst.add_note(container=case, note_type="general", title="Ask again ", content="new evidence")

    play(platform, case, Answer("Approve"))
    play(platform, case, Answer("Decline"))

    assert titles(platform, case)[3:] == ["Ask again ", f"Question: {KEY}", f"Approved: {KEY}"]
    assert len(platform.prompts) == 2


def test_a_container_that_a_person_has_closed_gets_its_report_and_no_question() -> None:
    for status in ("closed", "resolved"):
        for question in ("by_hand", "none"):
            platform, case = platform_with([decision("case-a", "WS01", question)])
            platform.containers[case]["status"] = status

            play(platform, case, Answer("Approve"))

            assert platform.titles(case) == [REPORT]
            assert platform.prompts == []
            assert platform.containers[case]["status"] == status


@pytest.mark.parametrize("answer", [Answer("Approve"), Answer("Decline"), None])
def test_an_outcome_says_that_the_container_was_closed_meanwhile(answer: Answer | None) -> None:
    platform, case = platform_with([decision("case-a", "WS01", "by_hand")])
    answers = {} if answer is None else {"ask_about_containment": answer}
    run = Run(platform, NETWORK_CONNECTION, case, answers=answers)
    run.start()
    while run.step():
        if platform.prompts:
            platform.containers[case]["status"] = "closed"

    last = platform.notes[case][-1].content
    assert last.endswith("\n\nThe container is closed by now: make sure that this still counts.")
    assert "his playbook has isolated nothing" in last
    assert "the case is open" not in last
