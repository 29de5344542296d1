"""The playbook regsvcs_network_connection, over the app and the examples: what it leaves in the case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.siem.notable_fields import KNOWN_NAMES
from tests.fakes.phantom_platform import Answer, Json
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import (
    APPROVE,
    NETWORK_CONNECTION,
    QUESTION,
    asset_of,
    notable_of,
    note,
    platform_of,
    play,
    titles,
)
from tests.soar_app import run_action
from tests.soar_reputation import vendors

STEALER = "Regsvcs response: malicious, score 100 (case-7d2678510007df6c)"
ASKED = "malicious, score 100 (case-7d2678510007df6c)"
UNLOCATED_ASKED = "undetermined, score 80 (case-dd61637ed45a9d5d)"
UNLOCATED = "Regsvcs response: undetermined, score 80 (case-dd61637ed45a9d5d)"
STEPS = ["check ip", "get process lineage", "lookup ip", "assess risk", "decide isolation"]
#: What failed, in the order in which a note names it.
ALL_STEPS = ["check ip", "lookup ip", *STEPS[1:2], *STEPS[3:]]
FURTHER = "208.95.112.1"
RERUN = (
    "\n\nThe playbook went on without an answer. Mend the cause, then run\n"
    "`regsvcs_network_connection` on this container again."
)
QUESTION_NOTE = (
    "The role `Incident Commander` is asked whether to contain `WS01.corp.example`. "
    "The answer is awaited for 30 minutes; without one nothing is done."
    "\n\nNot known:\n"
)
NOTHING_ASKED = (
    "The run is complete. Nobody was asked about containment; the report says why, under *Isolation*. This"
    " run has isolated nothing. A person closes the case, after the next steps of the report."
)
CEF_ONLY: Json = {
    "destinationHostName": "WS01.corp.example",
    "destinationAddress": "149.154.167.220",
    "destinationProcessName": "RegSvcs.exe",
    "destinationUserName": "CORP\\user01",
    "sourceAddress": "10.20.4.17",
    "startTime": "2026-09-24T07:41:41",
    "endTime": "2026-09-24T07:44:42",
}


def test_approved_ends_in_a_task_for_the_analyst() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    run = play(platform, case, Answer("Approve", "seen on the proxy too", "ic01"))

    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Approved: {ASKED}"]
    assert note(platform, case, STEALER).startswith("# Malicious: RegSvcs.exe on WS01.corp.example\n")
    assert note(platform, case, f"Question: {ASKED}").startswith(QUESTION_NOTE)
    assert note(platform, case, f"Approved: {ASKED}") == (
        "**Approved** by `ic01`. Reason: `seen on the proxy too`.\n\n"
        "**Task: contain `WS01.corp.example` by hand.** Guards stand in the way of the playbook (see"
        " *Isolation* in the report)."
        " This playbook has isolated nothing.\n\n"
        "1. First do the steps of the report that come before isolating, such as getting the memory of the"
        " process: isolating or restarting may lose it.\n"
        "2. Make sure in the EDR console that `WS01.corp.example` is the machine of this case.\n"
        "3. Isolate it there, and wait until the console shows it as isolated.\n"
        "4. Write into this case who isolated it, when, and when that is to be reviewed.\n"
        "5. Go on with the next steps of the report."
    )
    assert platform.pins == [
        {"container": case, "message": "Approved: contain this host by hand", "data": "WS01.corp.example"}
    ]
    assert platform.containers[case]["severity"] == "high"
    assert platform.containers[case]["status"] == "open"
    done = [*STEPS[:3], "lookup ip", *STEPS[3:], "update notable"]
    assert [action for action, _ in platform.actions] == done
    assert run.called[-3:] == ["answer", "approved", "on_finish"]


def test_the_question_carries_the_evidence_to_the_role() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case, Answer("Decline"))

    (prompt,) = platform.prompts
    assert (prompt["role"], prompt["minutes"]) == ("Incident Commander", 30)
    assert prompt["message"].startswith("Contain WS01.corp.example by hand?\n")
    assert "Verdict: malicious, score 100 of 100." in prompt["message"]
    assert "149.154.167[.]220:443" in prompt["message"]


def test_declined_says_who_and_why() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case, Answer("Decline", "a test of ours", "ic01"))

    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert note(platform, case, f"Declined: {ASKED}") == (
        "**Declined** by `ic01`. Reason: `a test of ours`.\n\n"
        "This playbook has isolated nothing: not `WS01.corp.example`, and no other host. "
        "Go on with the next steps of the report.\n\n"
        "Another verdict or score of the case is asked about again. To be asked about this one again, add a "
        "note with the title `Ask again` to this container and run `regsvcs_network_connection`. To act "
        "without the question, contain the host by hand and write into this case who did it, and when."
    )
    assert platform.pins == []
    assert platform.containers[case]["status"] == "open"


def test_an_expired_question_is_neither_approved_nor_declined() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    run = play(platform, case)

    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Nobody answered: {ASKED}"]
    assert note(platform, case, f"Nobody answered: {ASKED}") == (
        "The question about `WS01.corp.example` ended without an answer: "
        "`The prompt expired before anyone answered it`.\n\n"
        "**Nothing has been decided, and this playbook has isolated nothing.** "
        "That is neither an approval nor a refusal.\n\n"
        "To be asked again, run `regsvcs_network_connection` on this container. To act without the question, "
        "contain the host by hand and write into this case who did it, and when."
    )
    assert "approved" not in run.called
    assert "declined" not in run.called


def test_in_the_default_mode_nobody_is_asked() -> None:
    platform = platform_of("stealer", policy="")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case)

    assert titles(platform, case) == [STEALER, f"Nothing asked: {ASKED}"]
    assert note(platform, case, f"Nothing asked: {ASKED}") == NOTHING_ASKED
    assert platform.prompts == []
    assert platform.containers[case]["severity"] == "high"


def test_a_reason_that_was_not_given_is_said() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case, Answer("Approve"))

    assert "Reason: `none given`." in note(platform, case, f"Approved: {ASKED}")


@pytest.mark.parametrize(
    ("example", "verdict"),
    [("installer", "likely benign"), ("local-only", "undetermined")],
    ids=["benign", "private"],
)
def test_a_benign_or_private_case_asks_nothing_and_keeps_the_severity(example: str, verdict: str) -> None:
    platform = platform_of(example)
    case = platform.add_container([{"cef": notable_of(example)}])

    play(platform, case)

    report, closing = titles(platform, case)
    assert report.startswith(f"Regsvcs response: {verdict}, score ")
    assert closing == f"Nothing asked: {report.removeprefix('Regsvcs response: ')}"
    assert note(platform, case, closing) == NOTHING_ASKED
    assert platform.containers[case]["severity"] == "medium"
    assert platform.containers[case]["status"] == "open"


def test_cef_names_give_the_case_of_the_cim_names() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": CEF_ONLY}])

    play(platform, case)

    assert titles(platform, case)[0] == STEALER
    assert platform.actions[0] == ("check ip", [{"ip": "149.154.167.220"}])


@pytest.mark.parametrize(
    ("fields", "ip"),
    [
        ({"dest_ip": "149.154.167.220"}, "149.154.167.220"),
        ({"dest_ip": ["149.154.167.220", "::1"]}, "149.154.167.220, ::1"),
        ({"dest_ip": '["149.154.167.220"]'}, "149.154.167.220"),
        ({"dest_ip": "149.154.167.220\n149.154.167.220"}, "149.154.167.220"),
        ({"dest_ip": "WS01.corp.example", "DestinationIp": "1.1.1.1"}, "1.1.1.1"),
    ],
)
def test_a_host_name_in_destination_address_is_no_peer(fields: Json, ip: str) -> None:
    platform = platform_of("stealer")
    cef = {"destinationAddress": "WS01.corp.example", "process_name": "RegSvcs.exe", **fields}
    case = platform.add_container([{"cef": cef}])

    play(platform, case)

    assert platform.actions[0] == ("check ip", [{"ip": ip}])
    assert titles(platform, case)[0].startswith("Regsvcs response: ")
    assert not any("failed" in title for title in titles(platform, case))


def test_without_an_address_the_note_says_so_and_the_case_is_worked() -> None:
    platform = platform_of("stealer")
    cef = {"destinationAddress": "WS01.corp.example", "process_name": "RegSvcs.exe"}
    case = platform.add_container([{"cef": cef}])

    play(platform, case)

    assert titles(platform, case)[:2] == [STEALER, "Regsvcs response: failed: check ip"]
    assert note(platform, case, "Regsvcs response: failed: check ip") == (
        "- **check ip** failed: `the notable holds no destination address`. "
        f"`assess risk` judged the addresses by itself.{RERUN}"
    )


FAILURES: list[tuple[list[str], list[str], str, list[str]]] = [
    (
        ["check ip"],
        [
            STEALER,
            "Regsvcs response: failed: check ip",
            f"Question: {ASKED}",
            f"Nobody answered: {ASKED}",
        ],
        "high",
        ["`assess risk` judged the addresses by itself."],
    ),
    (
        ["lookup_ip"],
        [
            STEALER,
            "Regsvcs response: failed: lookup ip",
            f"Question: {ASKED}",
            f"Nobody answered: {ASKED}",
        ],
        "high",
        ["The reputation is unknown. That lowered nothing."],
    ),
    (
        ["lookup_further_ips"],
        [
            STEALER,
            "Regsvcs response: failed: lookup further ips",
            f"Question: {ASKED}",
            f"Nobody answered: {ASKED}",
        ],
        "high",
        ["The reputation of further addresses is unknown. That lowered nothing."],
    ),
    (
        ["lookup_ip", "lookup_further_ips"],
        [
            STEALER,
            "Regsvcs response: failed: lookup ip, lookup further ips",
            f"Question: {ASKED}",
            f"Nobody answered: {ASKED}",
        ],
        "high",
        [
            "The reputation is unknown. That lowered nothing.",
            "The reputation of further addresses is unknown. That lowered nothing.",
        ],
    ),
    (
        ["get process lineage"],
        [
            UNLOCATED,
            "Regsvcs response: failed: get process lineage",
            f"Nothing asked: {UNLOCATED_ASKED}",
        ],
        "medium",
        ["The process tree is unknown. That lowered nothing."],
    ),
    (
        ["decide isolation"],
        [
            "Regsvcs risk: malicious, score 100 (case-7d2678510007df6c)",
            "Regsvcs response: failed: decide isolation",
        ],
        "high",
        ["Nothing was decided and nobody is asked."],
    ),
]


@pytest.mark.parametrize(
    ("fail", "wanted", "severity", "effects"), FAILURES, ids=[" and ".join(f[0]) for f in FAILURES]
)
def test_an_action_that_fails_stops_nothing_and_is_named(
    fail: list[str], wanted: list[str], severity: str, effects: list[str]
) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}], severity="low")

    play(platform, case, fail=fail)

    assert titles(platform, case) == wanted
    lines = []
    for block, effect in zip(fail, effects, strict=True):
        action = "lookup ip" if block.startswith("lookup") else block
        failed = f"`Action failure in {action}: the source did not answer`"
        lines.append(f"- **{block.replace('_', ' ')}** failed: {failed}. {effect}")
    assert note(platform, case, wanted[1]) == "\n".join(lines) + RERUN
    assert platform.containers[case]["severity"] == severity
    assert platform.containers[case]["status"] == "open"


@pytest.mark.parametrize("fail", [["assess risk"], STEPS], ids=["risk", "all"])
def test_without_a_risk_the_notable_still_leaves_a_note_and_an_open_case(fail: list[str]) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}], severity="low")

    run = play(platform, case, fail=fail)

    steps = ALL_STEPS if fail == STEPS else ["assess risk", "decide isolation"]
    title = f"Regsvcs response: failed: {', '.join(steps)}"
    assert titles(platform, case) == [title]
    failure = note(platform, case, title)
    assert "- **assess risk** failed: `Action failure in assess risk: the source did not answer`." in failure
    assert "- **decide isolation** failed: `there is no risk assessment to decide on`." in failure
    assert ("**check ip** failed" in failure) == (fail == STEPS)
    assert ("**lookup ip** failed" in failure) == (fail == STEPS)
    assert platform.containers[case]["severity"] == "medium"
    assert platform.containers[case]["status"] == "open"
    assert run.called[-1] == "on_finish"


def test_nothing_usable_says_what_is_missing_and_runs_no_action() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": {"fileName": "a.docx"}}, {"cef": {}}])

    play(platform, case)
    play(platform, case)

    title = "Regsvcs response: no notable in this container"
    assert titles(platform, case) == [title]
    assert note(platform, case, title).startswith(
        "No artifact of this container leads to the machine the process ran on, so nothing was looked up and"
        " nothing was decided. The container stays as it is.\n\nLooked for: `dvc`, `dest`, "
    )
    assert platform.actions == []
    assert platform.containers[case]["status"] == "new"


def test_an_artifact_that_comes_later_and_is_no_notable_leaves_no_note() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    play(platform, case, Answer("Decline"))
    before = titles(platform, case)
    platform.keep_artifact(case, {"label": "file", "severity": "low", "cef": {"fileName": "a.docx"}})

    play(platform, case)
    assert titles(platform, case) == before
    del platform.artifacts[case][0]

    play(platform, case)

    assert titles(platform, case) == before


def test_a_later_notable_joins_the_case_of_its_process() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    play(platform, case, Answer("Decline"))
    later = notable_of("stealer") | {"dest_ip": "208.95.112.1", "event_id": "B@@notable@@2"}
    platform.keep_artifact(case, {"label": "event", "severity": "low", "cef": later})

    play(platform, case)

    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert [p[0]["ip"] for action, p in platform.actions if action == "check ip"] == [
        "149.154.167.220",
        "149.154.167.220, 208.95.112.1",
    ]


def test_only_an_identifier_of_the_siem_is_handed_on() -> None:
    platform = platform_of("stealer")
    cef = notable_of("stealer")
    made = platform.add_container(
        [{"cef": cef, "source_data_identifier": "notable:1f"}], source_data_identifier="sha256:2e"
    )
    given = platform.add_container(
        [{"cef": cef, "source_data_identifier": "A@@notable@@1"}], source_data_identifier="B@@notable@@2"
    )

    play(platform, made)
    play(platform, given)

    read = {name: value for name, value in cef.items() if name in KNOWN_NAMES}
    assert read != cef
    name = {"name": "Detect Regsvcs with Network Connection"}
    handed_on = [json.loads(p[0]["notable"]) for action, p in platform.actions if action == STEPS[1]]
    assert handed_on == [
        {"container": name, "artifacts": [{"cef": read}]},
        {
            "container": {**name, "source_data_identifier": "B@@notable@@2"},
            "artifacts": [{"cef": read, "source_data_identifier": "A@@notable@@1"}],
        },
    ]


def test_the_first_state_is_kept_for_re_enrichment() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    play(platform, case)

    (kept,) = [each for each in platform.artifacts[case] if each["label"] == "regsvcs_case"]
    assert kept["cef"]["regsvcsCaseId"] == "case-7d2678510007df6c"
    state = json.loads(kept["cef"]["regsvcsState"])
    assert (state["case_verdict"], state["score"], state["unchanged_rounds"]) == ("malicious", 100.0, 0)
    assert kept["severity"] == "low"


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("last_first", [False, True], ids=["check_ip_first", "lineage_first"])
def test_either_branch_may_end_first_or_both_at_once(last_first: bool, together: bool) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])

    run = play(platform, case, Answer("Decline"), last_first=last_first, together=together)

    assert run.called.count("join_gather_facts") == 2
    assert run.called.count("gather_facts") == 1
    assert run.called.index("lookup_ip") < run.called.index("gather_facts")
    assert run.called.count("gather_reputation") == 1
    assert titles(platform, case) == [STEALER, f"Question: {ASKED}", f"Declined: {ASKED}"]


def test_a_second_trigger_adds_nothing_and_keeps_what_a_person_set() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    play(platform, case, Answer("Decline"))
    before = titles(platform, case)
    platform.containers[case] |= {"severity": "low", "status": "new"}

    play(platform, case, Answer("Approve"))

    assert titles(platform, case) == before
    assert len(platform.prompts) == 1
    assert platform.containers[case]["severity"] == "low"
    assert platform.containers[case]["status"] == "new"
    assert sum(each["label"] == "regsvcs_case" for each in platform.artifacts[case]) == 1


@pytest.mark.parametrize("policy", ["", None], ids=["off", "approve"])
def test_two_triggers_at_once_ask_once(policy: str | None) -> None:
    platform = platform_of("stealer") if policy is None else platform_of("stealer", policy=policy)
    case = platform.add_container([{"cef": notable_of("stealer")}])
    answers = {QUESTION: Answer("Decline")}
    runs = [Run(platform, NETWORK_CONNECTION, case, answers=answers) for _ in range(2)]
    for run in runs:
        run.start()
    going = True
    while going:
        # Each has its turn, whether or not another one has ended.
        steps = [run.step() for run in runs]
        going = any(steps)

    ending = [f"Question: {ASKED}", f"Declined: {ASKED}"]
    assert titles(platform, case) == [STEALER, *(ending if policy is None else [f"Nothing asked: {ASKED}"])]
    assert len(platform.prompts) == (1 if policy is None else 0)


def test_a_trigger_between_reading_and_writing_the_question_note_asks_once() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    second = Run(platform, NETWORK_CONNECTION, case, answers={QUESTION: Answer("Decline")})

    def other_run_comes_in(title: str) -> None:
        if title.startswith("Question "):
            platform.before_note = lambda _title: None
            second.play()

    platform.before_note = other_run_comes_in
    first = play(platform, case, Answer("Approve"))

    assert len(platform.prompts) == 1
    assert "approved" not in first.called
    assert "declined" in second.called
    question = f"Question: {ASKED}"
    assert titles(platform, case) == [STEALER, question, f"Declined: {ASKED}", question]


def test_after_a_question_that_expired_the_next_run_asks_again() -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}])
    play(platform, case)

    play(platform, case, Answer("Approve"))
    play(platform, case, Answer("Approve"))

    assert titles(platform, case) == [
        STEALER,
        f"Question: {ASKED}",
        f"Nobody answered: {ASKED}",
        f"Question: {ASKED}",
        f"Approved: {ASKED}",
    ]


@pytest.mark.parametrize("status", ["closed", "resolved", "open"])
def test_a_status_that_is_not_new_stays(status: str) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": notable_of("stealer")}], status=status)

    play(platform, case)

    assert platform.containers[case]["status"] == status


@pytest.mark.parametrize(
    ("example", "broken", "looked_up"),
    [
        ("stealer", {}, {"149.154.167.220", FURTHER}),
        ("installer", {}, {"93.184.220.29"}),
        ("local-only", {}, set()),
        ("stealer", {"sysmon_path": "/nowhere/at/all"}, {"149.154.167.220"}),
    ],
    ids=["stealer", "installer", "local-only", "a source that fails"],
)
def test_the_playbook_gives_the_report_of_respond_to_notable(
    tmp_path: Path, example: str, broken: Json, looked_up: set[str]
) -> None:
    # A folder of its own: the quota of another test would leave sources out.
    own = f'[reputation]\nfolder = "{tmp_path}"\n'
    known = {FURTHER, "93.184.220.29"}
    with vendors(*known) as asked:
        asset = asset_of(example, APPROVE + own + asked.policy) | asked.fields | broken
        platform = platform_of(example)
        case = platform.add_container([{"cef": notable_of(example)}])
        reports: list[Json] = []

        def listen(action: str, parameters: list[Json], container_id: int) -> object:
            answers = run_action(action, parameters, asset=asset, container_id=container_id)
            if action == "decide isolation":
                reports.extend(json.loads(str(row["facts"])) for each in answers for row in each.data)
            return answers

        platform.run_action = listen  # type: ignore[assignment]  # a listener in between
        play(platform, case)
        assert asked.asked == looked_up
        (notable,) = [given[0]["notable"] for action, given in platform.actions if action == STEPS[1]]

        (answer,) = run_action("respond to notable", [{"notable": notable}], asset=asset)

    (row,) = answer.data
    whole = json.loads(str(row["facts"]))
    assert bool(whole["facts"]["facts"]["problems"]) == bool(broken)
    votes = [each["reputation"]["votes"] for each in whole["facts"]["facts"]["destinations"]]
    assert any(votes) == bool(looked_up & known)
    assert without_times(reports) == without_times([whole])
    assert row["note_title"] == platform.titles(case)[0]


def without_times(value: Any) -> Any:
    """The same without when something was looked up, decided and written, and how long it took."""
    if isinstance(value, list):
        return [without_times(each) for each in value]
    if isinstance(value, dict):
        times = {"generated_at", "decided_at", "retrieved_at", "took_ms"}
        return {name: without_times(each) for name, each in value.items() if name not in times}
    # The playbook leaves the mode to the policy; `respond to notable` goes up to approve.
    return value.replace("caller auto", "caller approve") if isinstance(value, str) else value
