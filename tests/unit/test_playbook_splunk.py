"""What the playbooks write to Splunk: one comment a notable and state, one risk event a case, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from connectors.clock import utc_now
from tests.fakes.phantom_platform import Answer, Json, Platform
from tests.fakes.phantom_rules import Run
from tests.fakes.splunk_server import FakeSplunk
from tests.playbook_runs import (
    APPROVE,
    NETWORK_CONNECTION,
    QUESTION,
    REENRICH,
    asset_of,
    canned,
    notable_of,
    note,
    play,
    titles,
)
from tests.soar_app import ActionAnswer, run_action
from tests.soar_splunk import GUID, forget_writes, notable_row, splunk_asset
from tests.unit.test_playbook_reenrich import row, timer

EVENT = f"{GUID}@@notable@@{1:032x}"
OTHER = f"{GUID}@@notable@@{2:032x}"
WRITE_BACK = '[write_back]\nstatus = "In Progress"\nowner = "soar"\n'
STEALER = "Regsvcs response: malicious, score 100 (case-7d2678510007df6c)"
ASKED = "malicious, score 100 (case-7d2678510007df6c)"
WRITTEN, NOT_WRITTEN = f"Written to Splunk: {STEALER}", f"Not written to Splunk: {STEALER}"
NOT_ON = "Nothing written to Splunk: not switched on (case-7d2678510007df6c)"


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    forget_writes()
    with FakeSplunk([], utc_now) as fake:
        fake.notables = [notable_row(n, dest="WS01.corp.example") for n in (1, 2)]
        yield fake


def setting(splunk: FakeSplunk | None, *event_ids: str, writing: bool = True) -> tuple[Platform, int]:
    """A platform whose app reads the stealer's logs and writes to the Splunk, and a case of its notables."""
    asset = asset_of("stealer")
    if splunk is not None:
        asset |= splunk_asset(splunk, APPROVE + WRITE_BACK, write_to_splunk=writing)

    def act(action: str, parameters: list[Json], container_id: int) -> Sequence[ActionAnswer]:
        return run_action(action, parameters, asset=asset, container_id=container_id)

    platform = Platform(act)
    notables = [{"cef": {**notable_of("stealer"), "event_id": each}} for each in event_ids or (EVENT,)]
    return platform, platform.add_container(notables)


def comments(splunk: FakeSplunk) -> list[tuple[str, bool]]:
    """The notable of each comment, and whether it is the case's."""
    return [
        (each["ruleUIDs"], "case case-7d2678510007df6c: malicious" in each["comment"])
        for each in splunk.updates
    ]


def asked(platform: Platform) -> int:
    return len(platform.prompts)


def test_each_notable_gets_one_comment_and_the_case_its_risk_and_the_question_comes(
    splunk: FakeSplunk,
) -> None:
    platform, case = setting(splunk, EVENT, OTHER)
    play(platform, case, Answer("Approve"))
    assert comments(splunk) == [(EVENT, True), (OTHER, True)]
    assert [each["status_label"] for each in splunk.notables] == ["In Progress"] * 2
    assert len(splunk.risk) == 1
    assert titles(platform, case) == [STEALER, WRITTEN, f"Question: {ASKED}", f"Approved: {ASKED}"]
    assert note(platform, case, WRITTEN) == (
        f"- notable `{EVENT}`: written; comment, status, owner written\n"
        f"- notable `{OTHER}`: written; comment, status, owner written\n"
        "- risk of the host: written; `taken by the SIEM; not proven to be indexed`"
    )


def test_a_second_trigger_and_a_later_run_add_nothing(splunk: FakeSplunk) -> None:
    platform, case = setting(splunk)
    play(platform, case, Answer("Decline"))
    before = titles(platform, case)
    play(platform, case)
    assert titles(platform, case) == before
    assert comments(splunk) == [(EVENT, True)]
    assert len(splunk.risk) == 1
    assert [action for action, _ in platform.actions].count("update notable") == 1


@pytest.mark.parametrize("behind", [0, 1, 2, 6, 7, 8])
def test_two_triggers_at_once_write_once(splunk: FakeSplunk, behind: int) -> None:
    platform, case = setting(splunk)
    answers = {QUESTION: Answer("Decline")}
    runs = [Run(platform, NETWORK_CONNECTION, case, answers=answers) for _ in range(2)]
    for run in runs:
        run.start()
    for _ in range(behind):
        runs[0].step()
    going = [True, True]
    while any(going):
        going = [run.step() for run in runs]
    assert comments(splunk) == [(EVENT, True)]
    assert len(splunk.risk) == 1
    assert asked(platform) == 1


def test_a_run_that_broke_off_behind_its_report_is_made_up_for(splunk: FakeSplunk) -> None:
    platform, case = setting(splunk)
    run = Run(platform, NETWORK_CONNECTION, case)
    run.start()
    while "update_notable" not in run.called:
        run.step()
    assert comments(splunk) == []  # the runner ends here: the action was asked for and never ran
    play(platform, case, Answer("Decline"))
    assert comments(splunk) == [(EVENT, True)]
    assert titles(platform, case)[:2] == [STEALER, WRITTEN]


def test_a_failure_stops_no_question_and_the_next_run_makes_up_for_it(splunk: FakeSplunk) -> None:
    platform, case = setting(splunk)
    play(platform, case, Answer("Decline", "known", "ic01"), fail=["update notable"])
    assert titles(platform, case) == [STEALER, NOT_WRITTEN, f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert (
        "**update notable** failed: `Action failure in update notable: the source did not answer`."
        in note(platform, case, NOT_WRITTEN)
    )
    play(platform, case, fail=["update notable"])
    assert titles(platform, case).count(NOT_WRITTEN) == 1
    play(platform, case)
    play(platform, case)
    assert titles(platform, case)[-1] == WRITTEN
    assert comments(splunk) == [(EVENT, True)]
    assert asked(platform) == 1


def test_one_notable_that_splunk_does_not_have_is_named_and_costs_the_other_nothing(
    splunk: FakeSplunk,
) -> None:
    del splunk.notables[1]
    platform, case = setting(splunk, EVENT, OTHER)
    play(platform, case, Answer("Decline"))
    assert comments(splunk) == [(EVENT, True)]
    said = note(platform, case, NOT_WRITTEN)
    assert f"- notable `{EVENT}`: written; " in said
    assert f"- notable `{OTHER}`: failed; " in said
    assert asked(platform) == 1


def test_a_notable_that_a_person_owns_keeps_owner_and_status(splunk: FakeSplunk) -> None:
    splunk.notables[0] |= {
        "owner": "kim",
        "status": "2",
        "status_label": "In Progress",
        "status_default": "false",
    }
    platform, case = setting(splunk)
    play(platform, case, Answer("Decline"))
    assert comments(splunk) == [(EVENT, True)]
    assert splunk.notables[0]["owner"] == "kim"
    assert "; owner left; " in note(platform, case, WRITTEN)


def test_without_a_splunk_no_note_claims_a_write_and_the_question_comes() -> None:
    platform, case = setting(None)
    play(platform, case, Answer("Decline"))
    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert asked(platform) == 1


def test_where_writing_is_not_switched_on_it_is_told_once_and_made_up_for_later(splunk: FakeSplunk) -> None:
    platform, case = setting(splunk, writing=False)
    play(platform, case, Answer("Decline"))
    play(platform, case)
    assert titles(platform, case) == [STEALER, NOT_ON, f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert "`write_to_splunk` is off" in note(platform, case, NOT_ON)
    assert (splunk.updates, splunk.risk) == ([], [])
    allowed, _ = setting(splunk)
    platform.run_action = allowed.run_action
    play(platform, case)
    assert titles(platform, case)[-1] == WRITTEN
    assert comments(splunk) == [(EVENT, True)]


def test_a_case_without_a_decision_writes_nothing_to_splunk(splunk: FakeSplunk) -> None:
    platform, case = setting(splunk)
    play(platform, case, fail=["decide isolation"])
    assert "update notable" not in [action for action, _ in platform.actions]
    assert splunk.updates == []
    assert not any("Splunk" in each for each in titles(platform, case))


# --- re-enrichment


def rounds(splunk: FakeSplunk | None = None, *, writing: bool = True) -> tuple[dict[str, Any], Platform, int]:
    """Rows that re-enrichment gives, the platform, and a case; what is written goes to the Splunk."""
    answers: dict[str, Any] = {}
    looked = canned(answers)
    asset = asset_of("stealer")
    if splunk is not None:
        asset |= splunk_asset(splunk, WRITE_BACK, write_to_splunk=writing)

    def act(action: str, parameters: list[Json], container_id: int) -> Sequence[Any]:
        if action == "update notable":
            return run_action(action, parameters, asset=asset, container_id=container_id)
        return looked.run_action(action, parameters, container_id)

    platform = Platform(act)
    return answers, platform, platform.add_container([])


@pytest.fixture(scope="module")
def decided() -> Json:
    """A row of a decided case of the first notable."""
    given: dict[str, object] = {"case_facts": ""}
    lineage: dict[str, object] = {"notable": _notable()}
    asset = asset_of("stealer")
    (found,) = run_action("get process lineage", [lineage], asset=asset)
    (assessed,) = run_action("assess risk", [{"process_facts": found.data[0]["facts"]}], asset=asset)
    given["case_facts"] = assessed.data[0]["facts"]
    (answer,) = run_action("decide isolation", [given], asset=asset)
    names = ("case_id", "facts", "note_title", "state", "note", "severity")
    return {name: answer.data[0][name] for name in names}


def _notable() -> str:
    return json.dumps({**notable_of("stealer"), "event_id": EVENT})


def looked_again(platform: Platform, **how: Any) -> Run:
    return Run(platform, REENRICH, timer(platform), **how).play()


CHANGES = {"changed": True, "changes": ["verdict: undetermined before, malicious now"]}


def test_a_change_is_written_back_once_and_an_unchanged_case_is_not(
    splunk: FakeSplunk, decided: Json
) -> None:
    answers, platform, case = rounds(splunk)
    answers["reenrich case"] = [row(case, **decided)]
    looked_again(platform)
    assert splunk.updates == []
    answers["reenrich case"] = [row(case, **decided, **CHANGES)]
    looked_again(platform)
    assert comments(splunk) == [(EVENT, True)]
    assert WRITTEN in titles(platform, case)
    looked_again(platform)  # the timer fired twice
    answers["reenrich case"] = [row(case, **decided)]
    looked_again(platform)
    assert len(splunk.updates) == len(splunk.risk) == 1
    assert [action for action, _ in platform.actions].count("update notable") == 1


def test_what_could_not_be_written_back_is_tried_in_the_next_round(splunk: FakeSplunk, decided: Json) -> None:
    answers, platform, case = rounds(splunk)
    answers["reenrich case"] = [row(case, **decided, **CHANGES)]
    looked_again(platform, fail=["update notable"])
    assert titles(platform, case)[-1] == NOT_WRITTEN
    answers["reenrich case"] = [row(case, **decided)]
    looked_again(platform)
    looked_again(platform)
    assert titles(platform, case)[-1] == WRITTEN
    assert len(splunk.updates) == 1


def test_rounds_tell_once_that_writing_is_not_switched_on(splunk: FakeSplunk, decided: Json) -> None:
    answers, platform, case = rounds(splunk, writing=False)
    answers["reenrich case"] = [row(case, **decided, **CHANGES)]
    looked_again(platform)
    answers["reenrich case"] = [row(case, **decided)]
    looked_again(platform)  # nothing changed, so nothing is tried
    answers["reenrich case"] = [row(case, **{**decided, "note_title": f"{STEALER} again"}, **CHANGES)]
    looked_again(platform)
    assert titles(platform, case).count(NOT_ON) == 1
    assert [action for action, _ in platform.actions].count("update notable") == 2
    assert splunk.updates == []


def test_a_state_that_comes_back_is_written_again(splunk: FakeSplunk, decided: Json) -> None:
    answers, platform, case = rounds(splunk)
    other = {
        **decided,
        "note_title": decided["note_title"].replace("malicious, score 100", "suspicious, score 60"),
    }
    for each in (decided, other, decided):
        answers["reenrich case"] = [row(case, **each, **CHANGES)]
        looked_again(platform)
    assert [action for action, _ in platform.actions].count("update notable") == 3


def test_a_changed_case_without_a_splunk_leaves_no_note_of_one(decided: Json) -> None:
    answers, platform, case = rounds()
    answers["reenrich case"] = [row(case, **decided, **CHANGES)]
    looked_again(platform)
    assert not any("Splunk" in each for each in titles(platform, case))


def test_a_case_that_is_closed_or_was_not_written_goes_not_to_splunk(
    splunk: FakeSplunk, decided: Json
) -> None:
    answers, platform, case = rounds(splunk)
    platform.containers[case]["status"] = "closed"
    answers["reenrich case"] = [row(case, **decided, **CHANGES), row(99, **decided, **CHANGES)]
    looked_again(platform)
    assert splunk.updates == []
