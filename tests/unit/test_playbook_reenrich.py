"""The playbook regsvcs_reenrich: what a round on the timer writes into the cases, over canned answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playbooks.hosts.soar.outputs import ReenrichRow
from tests.fakes.phantom_platform import Json, Platform
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import REENRICH, canned

CASE = "case-00000000000000aa"
KEY = f"malicious, score 100 ({CASE})"
TITLE = f"Regsvcs response: malicious, score 100 ({CASE})"
LOOKED_AT = "2026-09-25T07:00:00.123456Z"


def row(container_id: int, **fields: Any) -> Json:
    """A row of reenrich case."""
    state = json.dumps({"case_id": CASE, "looked_at": LOOKED_AT})
    texts = dict.fromkeys(
        ("user", "process", "decision", "effective_mode", "decision_reason", "prompt", "facts"), ""
    )
    lists: Json = {"obstacles": [], "guards": [], "next_steps": []}
    values: Json = {
        "case_id": CASE,
        "host": "WS01",
        "case_verdict": "malicious",
        "score": 100.0,
        "severity": "high",
        "question": "none",
        "note_title": TITLE,
        "question_title": KEY,
        "host_id": "ws01",
        "not_known": [],
        "note": "the report",
        "state": state,
        "container_id": container_id,
        "changed": False,
        "changes": [],
        "stop": "",
    }
    given = {**texts, **lists, **values, **fields}
    return ReenrichRow.model_validate(given).model_dump()


def timer(platform: Platform) -> int:
    return platform.add_container([], label="timer", name="tick")


def setting(**case_fields: Any) -> tuple[dict[str, Any], Platform, int]:
    answers: dict[str, Any] = {}
    platform = canned(answers)
    return answers, platform, platform.add_container([], **case_fields)


def states(platform: Platform, case: int) -> list[str]:
    return [each["cef"]["regsvcsState"] for each in platform.artifacts[case]]


def test_a_change_is_written_once_and_raises_the_severity() -> None:
    answers, platform, case = setting(severity="low", status="open")
    changed = row(case, changed=True, changes=["verdict: undetermined before, malicious now"])
    answers["reenrich case"] = [changed]
    first, second = timer(platform), timer(platform)

    Run(platform, REENRICH, first).play()
    Run(platform, REENRICH, second).play()

    title = f"Changed at 2026-09-25T07:00:00: {TITLE}"
    assert platform.titles(case) == [title]
    assert platform.note(case, title) == (
        "Looked at again; this changed:\n\n- `verdict: undetermined before, malicious now`\n\nthe report"
    )
    assert platform.containers[case]["severity"] == "high"
    assert states(platform, case) == [changed["state"]] * 2
    assert platform.titles(first) == ["Regsvcs re-enrichment: 1 case, 1 changed"]
    assert platform.notes[first][0].content == (
        f"`done`\n\n- `{CASE}` in container {case}: `verdict: undetermined before, malicious now`"
    )
    assert platform.actions[0] == ("reenrich case", [{"scope": "open cases"}])


def test_an_unchanged_case_only_keeps_its_state() -> None:
    answers, platform, case = setting(severity="low")
    answers["reenrich case"] = [row(case)]
    tick = timer(platform)

    Run(platform, REENRICH, tick).play()

    assert platform.titles(case) == []
    assert platform.containers[case]["severity"] == "low"
    assert len(states(platform, case)) == 1
    assert platform.titles(tick) == ["Regsvcs re-enrichment: 1 case, 0 changed"]


def test_a_first_look_writes_the_report_unless_it_stands_there() -> None:
    answers, platform, case = setting()
    answers["reenrich case"] = [row(case, changed=True)]

    Run(platform, REENRICH, timer(platform)).play()
    Run(platform, REENRICH, timer(platform)).play()

    assert platform.titles(case) == [TITLE]
    assert platform.note(case, TITLE) == "the report"


def test_a_question_is_not_asked_here_but_pointed_out() -> None:
    answers, platform, case = setting()
    answers["reenrich case"] = [
        row(case, changed=True, changes=["score: 80 before, 100 now"], question="by_hand")
    ]

    Run(platform, REENRICH, timer(platform)).play()

    assert platform.prompts == []
    assert (
        "**The case calls for a decision about containment.** Run the playbook `regsvcs_network_connection`"
        " on this container to be asked."
    ) in platform.notes[case][0].content


def test_the_end_of_re_enrichment_is_said_once() -> None:
    answers, platform, case = setting()
    answers["reenrich case"] = [row(case, stop="14 days are over")]

    Run(platform, REENRICH, timer(platform)).play()
    Run(platform, REENRICH, timer(platform)).play()

    title = f"Not looked at again: {CASE}"
    assert platform.titles(case) == [title]
    assert platform.note(case, title) == (
        "Re-enrichment of this case ends: `14 days are over`. A new notable starts it again."
    )


def test_a_closed_case_is_left_alone() -> None:
    answers, platform, case = setting(status="closed", severity="low")
    answers["reenrich case"] = [row(case, changed=True, changes=["x"], stop="the case is closed")]

    Run(platform, REENRICH, timer(platform)).play()

    assert platform.titles(case) == []
    assert platform.artifacts[case] == []
    assert platform.containers[case]["severity"] == "low"


def test_a_case_that_could_not_be_looked_at_is_listed_and_costs_the_others_nothing() -> None:
    answers, platform, case = setting()
    answers["reenrich case"] = [
        row(4711, changed=True),
        row(case, changes=["not looked at: the platform did not answer"], note_title="", note=""),
        row(case, case_id="case-b", state="", stop="its container is gone"),
    ]
    tick = timer(platform)

    Run(platform, REENRICH, tick).play()

    assert platform.titles(tick) == ["Regsvcs re-enrichment: 3 cases, 0 changed"]
    assert platform.notes[tick][0].content == (
        "`done`\n\n"
        f"- `{CASE}` in container 4711: the container could not be read; nothing was written.\n"
        f"- `{CASE}` in container {case}: `not looked at: the platform did not answer`\n"
        f"- `case-b` in container {case}: `its container is gone`"
    )
    assert len(states(platform, case)) == 1


def test_a_failed_round_says_so_and_writes_nothing_else() -> None:
    answers, platform, case = setting()
    answers["reenrich case"] = "Action failure in reenrich case: the platform did not answer"
    tick = timer(platform)

    Run(platform, REENRICH, tick).play()

    assert platform.titles(case) == []
    assert platform.titles(tick) == ["Regsvcs re-enrichment failed"]
    assert platform.notes[tick][0].content == (
        "- **reenrich case** failed: `Action failure in reenrich case: the platform did not answer`. "
        "What is known stays, for the next round."
    )
    assert platform.containers[tick]["status"] == "new"


def test_a_row_that_cannot_be_written_is_named_and_costs_the_others_nothing() -> None:
    answers, platform, case = setting()
    broken = row(case, case_id="case-b", changed=True, changes=["x"], state="no JSON")
    answers["reenrich case"] = [broken, row(case, changed=True, changes=["verdict: worse"])]
    tick = timer(platform)

    Run(platform, REENRICH, tick).play()

    assert platform.titles(tick) == ["Regsvcs re-enrichment: 2 cases, 1 changed"]
    _, first, second = platform.notes[tick][0].content.split("\n- ")
    assert first.startswith(f"`case-b` in container {case}: **not written, or not whole**: `Expecting value")
    assert second == f"`{CASE}` in container {case}: `verdict: worse`"
    assert platform.titles(case) == [f"Changed at 2026-09-25T07:00:00: {TITLE}"]
    assert len(states(platform, case)) == 1


def test_long_ids_and_titles_of_forged_rows_are_cut() -> None:
    answers, platform, case = setting()
    long = {"case_id": "Z" * 3000, "note_title": "T" * 3000, "question_title": "Q" * 3000}
    changed = row(case, changed=True, changes=["x"], stop="14 days are over", **long)
    answers["reenrich case"] = [changed, row(case, changed=True, note_title="U" * 3000)]
    tick = timer(platform)

    Run(platform, REENRICH, tick).play()

    assert [len(title) for title in platform.titles(case)] == [232, 250, 250]
    assert platform.titles(tick) == ["Regsvcs re-enrichment: 2 cases, 2 changed"]
    assert len(platform.notes[tick][0].content) < 1000


@pytest.mark.parametrize("outcome", ["Approved", "Declined"])
def test_a_question_that_was_answered_is_not_pointed_out(outcome: str) -> None:
    answers, platform, case = setting()
    changed = row(case, changed=True, changes=["a new destination"], question="by_hand")
    answers["reenrich case"] = [changed]
    tick = Run(platform, REENRICH, timer(platform))
    tick.add_note(container=case, note_type="general", title=f"{outcome}: {KEY}", content="")

    tick.play()

    assert "calls for a decision" not in platform.notes[case][-1].content
    assert platform.notes[case][-1].content.startswith("Looked at again")
