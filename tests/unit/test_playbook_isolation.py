"""The approved branch of regsvcs_network_connection, with the real app and a vendor's fake behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from playbooks.hosts.soar import containing
from tests.fakes.defender_tables import time_text
from tests.fakes.phantom_platform import Answer, Json, Platform
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import FOUND, NETWORK_CONNECTION, QUESTION, canned, note, play, titles
from tests.soar_containment import Bench, bench
from tests.unit.test_playbook_questions import contained, decision, risk

APPROVE = Answer("Approve", "seen on the proxy", "ic01")
KEY = "malicious, score 100 (case-42f1ad9de8cfb98e)"
REPORT = f"Regsvcs response: {KEY}"
OUTCOMES = ("Isolated: ", "Not isolated: ", "Isolation not certain: ", "Isolation failed: ")


class Killed(BaseException):
    """The process ends here: no handler of the app or of the playbook sees it."""


@pytest.fixture
def defender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(monkeypatch) as made:
        yield made


def told(platform: Platform, case: int) -> list[str]:
    """The titles of what followed the question, without times."""
    wanted = ("Approved: ", "Declined: ", "Nobody answered: ", "Isolating: ", *OUTCOMES)
    plain = [re.sub(r" \(until [-0-9: ]+ UTC\)", "", title) for title in titles(platform, case)]
    return [title for title in plain if title.startswith(wanted)]


def together(*runs: Run) -> None:
    """Let runs go on step by step, by turns."""
    for run in runs:
        run.start()
    going = list(runs)
    while going:
        going = [run for run in going if run.step()]


def outcome(platform: Platform, case: int) -> str:
    """The content of the one note that tells what became of it."""
    (title,) = [each for each in titles(platform, case) if each.startswith(OUTCOMES)]
    return note(platform, case, title)


def ran(platform: Platform, action: str) -> list[Json]:
    """The parameter sets of an action, of all of its calls."""
    return [each for name, parameters in platform.actions if name == action for each in parameters]


def later(made: Bench, platform: Platform, **span: float) -> None:
    """Let time pass for app, vendor and platform."""
    made.clock.advance(timedelta(**span).total_seconds())
    platform.now = made.clock.now
    for machine in made.fake.machines:  # the agent stays in contact
        machine["lastSeen"] = time_text(made.clock.now)


def test_approve_isolates_once_and_verifies(defender: Bench) -> None:
    platform, case = defender.platform()

    run = play(platform, case, APPROVE)

    (prompt,) = platform.prompts
    assert prompt["role"] == "Incident Commander"
    assert run.called[-4:] == ["order_isolation", "isolate_host", "note_isolation", "on_finish"]
    assert told(platform, case) == [f"Approved: {KEY}", f"Isolating: {KEY}", f"Isolated: {KEY}"]
    assert "**Approved** by `ic01`. Reason: `seen on the proxy`." in note(platform, case, f"Approved: {KEY}")
    content = outcome(platform, case)
    assert content.startswith(
        "**`ws01.corp.example` is isolated**: `ws01.corp.example is isolated: defender "
    )
    assert "`ic01` answers for it" in content
    assert [(pin["message"], pin["data"]) for pin in platform.pins] == [("Isolated", "ws01.corp.example")]
    (given,) = ran(platform, "isolate host")
    assert (given["host"], given["approved_by"]) == ("ws01.corp.example", "ic01")
    assert given["why"] == "seen on the proxy"
    assets = dict(platform.on_assets)
    assert {name for name, on in assets.items() if on == ("regsvcs_containment",)} == {"isolate host"}
    assert defender.isolated == 1
    (intent,) = defender.ledger.intents()
    assert (intent.order.by, intent.order.run_id) == ("ic01", f"container-{case}")

    before = platform.titles(case)
    play(platform, case, APPROVE)
    later(defender, platform, hours=1)
    play(platform, case, APPROVE)

    assert (len(platform.prompts), defender.isolated, len(platform.pins)) == (1, 1, 1)
    new = platform.titles(case)[len(before) :]
    assert all(title.startswith("Regsvcs response: ") for title in new), new


@pytest.mark.parametrize("answer", [Answer("Decline", "a test", "ic01"), None])
def test_decline_and_expire_isolate_nothing(defender: Bench, answer: Answer | None) -> None:
    platform, case = defender.platform()

    play(platform, case, answer)

    word = "Declined" if answer else "Nobody answered"
    assert told(platform, case) == [f"{word}: {KEY}"]
    assert (ran(platform, "isolate host"), defender.isolated, platform.pins) == ([], 0, [])
    assert not defender.ledger.intents()


def test_two_triggers_at_once_ask_once_and_isolate_once(defender: Bench) -> None:
    platform, case = defender.platform()
    runs = [Run(platform, NETWORK_CONNECTION, case, answers={QUESTION: APPROVE}) for _ in range(2)]
    together(*runs)

    assert (len(platform.prompts), defender.isolated) == (1, 1)
    assert told(platform, case).count(f"Isolated: {KEY}") == 1


def test_two_containers_of_one_host_isolate_it_once(defender: Bench) -> None:
    platform, case = defender.platform()
    other = platform.add_container([dict(platform.artifacts[case][0], id=99)])
    runs = [Run(platform, NETWORK_CONNECTION, each, answers={QUESTION: APPROVE}) for each in (case, other)]
    together(*runs)

    assert (len(platform.prompts), len(ran(platform, "isolate host")), defender.isolated) == (2, 2, 1)
    for each in (case, other):
        assert f"Isolated: {KEY}" in told(platform, each)


@pytest.mark.parametrize("moment", ["asked", "approved", "begun", "called", "done"])
def test_a_killed_run_is_followed_up_and_isolates_once(
    defender: Bench, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, case = defender.platform()
    act = platform.run_action

    def dying(action: str, parameters: list[Json], container_id: int) -> Any:
        if action == "isolate host" and moment == "approved":
            raise Killed
        answer = act(action, parameters, container_id)
        if action == "isolate host" and moment == "done":
            raise Killed
        return answer

    def no_time(_seconds: float) -> None:
        raise Killed

    def no_call(*_: object, **__: object) -> None:
        raise Killed

    platform.run_action = dying
    with monkeypatch.context() as patched:
        if moment == "called":
            patched.setattr(containing, "_sleep", no_time)
        if moment == "begun":
            patched.setattr("connectors.edr.defender.connector.Defender.isolate", no_call)
        run = Run(platform, NETWORK_CONNECTION, case, answers={QUESTION: APPROVE})
        run.start()
        try:
            while not (moment == "asked" and platform.prompts) and run.step():
                pass
        except Killed:
            pass
    calls = defender.isolated
    assert calls == (1 if moment in ("called", "done") else 0)
    assert not any(title.startswith(OUTCOMES) for title in told(platform, case))

    platform.run_action = act
    play(platform, case)  # at once: whoever was at it may still be
    assert not any(title.startswith(OUTCOMES) for title in told(platform, case))
    assert defender.isolated == calls
    # A call of which no answer is known may still come, from a run that is held up.
    later(defender, platform, minutes=70 if moment == "begun" else 40)
    play(platform, case, APPROVE)
    play(platform, case, APPROVE)

    if moment == "asked":
        assert (len(platform.prompts), defender.isolated) == (2, 1)
        assert f"Isolated: {KEY}" in told(platform, case)
        return
    assert (len(platform.prompts), defender.isolated) == (1, calls)
    word = "Isolated" if calls else "Not isolated"
    assert [each for each in told(platform, case) if each.startswith(OUTCOMES)] == [f"{word}: {KEY}"]
    assert ("**`ws01.corp.example` is isolated**" in outcome(platform, case)) == bool(calls)
    assert not list(defender.ledger.intents(active=True))


def test_mode_auto_isolates_without_a_question_and_once(defender: Bench) -> None:
    defender.mode = "auto"
    platform, case = defender.platform()
    runs = [Run(platform, NETWORK_CONNECTION, case) for _ in range(2)]
    together(*runs)
    play(platform, case)

    assert (platform.prompts, defender.isolated) == ([], 1)
    (given,) = ran(platform, "isolate host")
    assert given["approved_by"] == ""
    assert told(platform, case).count(f"Isolated: {KEY}") == 1
    (intent,) = defender.ledger.intents()
    assert (intent.order.by, intent.order.by_person) == ("playbook", False)


def test_the_kill_switch_between_question_and_call_stops_it(defender: Bench) -> None:
    platform, case = defender.platform()
    run = Run(platform, NETWORK_CONNECTION, case, answers={QUESTION: APPROVE})
    run.start()
    while not platform.prompts:
        run.step()
    defender.ledger.set_kill_switch(on=True, by="boss", why="outage")
    while run.step():
        pass

    assert defender.isolated == 0
    content = outcome(platform, case)
    assert content.startswith("**`ws01.corp.example` is not isolated** by this playbook")
    assert "kill_switch" in content
    assert "**Task: contain `ws01.corp.example` by hand**" in content
    assert [pin["message"] for pin in platform.pins] == ["Not isolated: contain this host by hand"]


def test_what_is_not_proved_is_a_task_and_no_claim(defender: Bench) -> None:
    defender.fake.settle_after = None
    platform, case = defender.platform()

    play(platform, case, APPROVE)
    play(platform, case, APPROVE)

    assert told(platform, case)[-1] == f"Isolation not certain: {KEY}"
    content = outcome(platform, case)
    assert content.startswith("**Whether `ws01.corp.example` is isolated is not certain**")
    assert "**Task: look at the host in the EDR console**" in content
    assert [pin["message"] for pin in platform.pins] == ["Isolation not certain: look in the EDR console"]
    assert defender.isolated == 1


@pytest.mark.parametrize(
    ("contain", "title", "says"),
    [
        (None, "Isolation failed", "the asset regsvcs_containment is not configured"),
        (
            {"purpose": "investigate"},
            "Isolation failed",
            "does not belong on an asset of purpose",
        ),
        ({"edr_contain_secret": ""}, "Not isolated", "edr_contain_secret: is empty"),
    ],
)
def test_without_a_working_containment_asset_nothing_is_isolated_and_said_so(
    defender: Bench, contain: dict[str, object] | None, title: str, says: str
) -> None:
    defender.contain = contain
    platform, case = defender.platform()

    play(platform, case, APPROVE)

    assert told(platform, case)[-1] == f"{title}: {KEY}"
    content = outcome(platform, case)
    assert says in content
    assert "not isolated" in content
    assert "**Task: " in content
    assert len(platform.pins) == 1
    assert defender.isolated == 0


def platform_over(rows: list[Json], **answers: Any) -> tuple[Platform, int]:
    """A platform whose app decides these rows, and answers what is given by the action's name."""
    given = {name.replace("_", " "): each for name, each in answers.items()}
    risks = [risk(str(row["case_id"])) for row in rows]
    written: Json = {"assess risk": risks, "decide isolation": rows, "update notable": "no Splunk"}
    platform = canned({**FOUND, **written, **given})
    return platform, platform.add_container([{"cef": {"dest": "WS01", "dest_ip": "8.8.8.8"}}])


def test_of_several_cases_of_a_host_the_worst_is_ordered() -> None:
    rows = [
        decision("case-a", "WS01", "isolate", facts="a"),
        decision("case-b", "ws01", "isolate", 95, facts="b"),
        decision("case-c", "WS02", "isolate", 80, facts="c"),
    ]
    platform, case = platform_over(rows, isolate_host=[contained("isolated")])

    play(platform, case, APPROVE)

    (given,) = ran(platform, "isolate host")
    assert (given["host"], given["case_facts"]) == ("ws01", "b")
    done = [title for title in platform.titles(case) if title.startswith("Isolated: ")]
    assert done == ["Isolated: malicious, score 95 (case-b)", "Isolated: malicious, score 90 (case-a)"]
    assert "1 more host waits: WS02." in platform.note(case, done[0])


def test_guards_in_the_way_of_one_case_of_a_host_leave_it_to_a_person() -> None:
    rows = [decision("case-a", "WS01", "isolate"), decision("case-b", "ws01", "by_hand", 95)]
    platform, case = platform_over(rows)

    play(platform, case, APPROVE)

    assert ran(platform, "isolate host") == []
    assert [pin["message"] for pin in platform.pins] == ["Approved: contain this host by hand"]


def test_an_approval_without_a_name_is_not_taken_for_none() -> None:
    platform, case = platform_over(
        [decision("case-a", "WS01", "isolate")], isolate_host=[contained("isolated")]
    )
    play(platform, case, Answer("Approve", "", ""))
    (given,) = ran(platform, "isolate host")
    assert given["approved_by"] == "a member of the role Incident Commander"


@pytest.mark.parametrize("outcome", ["refused", "not_sent", "failed", "expired", "not_isolated"])
def test_only_what_was_read_is_called_isolated(outcome: str) -> None:
    for claimed in (outcome, "isolated"):
        row = contained(claimed, verified=False)
        platform, case = platform_over([decision("case-a", "WS01", "isolate")], isolate_host=[row])
        play(platform, case, APPROVE)
        (title,) = [each for each in platform.titles(case) if each.startswith(OUTCOMES)]
        assert title.startswith("Not isolated: ")
        assert "is not isolated** by this playbook" in platform.note(case, title)


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ([contained("pending")], ""),
        ([contained("unknown")], "Isolation not certain: "),
        ([contained("failed")], "Not isolated: "),
        ([contained("ours_stands")], "Isolated: "),
        ([], "Not isolated: "),
        ("the ledger cannot be read", "Isolation failed: "),
    ],
)
def test_an_order_without_an_outcome_is_asked_about_first(answer: Any, title: str) -> None:
    platform, case = platform_over(
        [decision("case-a", "WS01", "isolate")],
        isolate_host="the process was killed",
        get_isolation_status=answer,
    )
    run = Run(platform, NETWORK_CONNECTION, case, answers={QUESTION: APPROVE})
    run.start()
    while ("isolate host") not in [name for name, _ in platform.actions]:
        run.step()
    platform.containers[case]["status"] = "closed"
    platform.now += timedelta(minutes=11)

    play(platform, case, APPROVE)

    (given,) = ran(platform, "get isolation status")
    assert given == {"host": "WS01", "case_id": "case-a"}
    found = [each for each in platform.titles(case) if each.startswith(OUTCOMES)]
    assert found == ([f"{title}malicious, score 90 (case-a)"] if title else [])
    assert len(platform.pins) == bool(title)
    if title:
        assert "The container is closed by now" in platform.note(case, found[0])
        play(platform, case, APPROVE)
    assert len(ran(platform, "isolate host")) == 1
    assert len(platform.prompts) == 1


def test_a_hostile_host_is_no_markup_in_what_is_written() -> None:
    hostile = "<img src=x onerror=alert(1)>`x`[y](//evil.example)"
    row = contained("unknown", sentence=f"`{hostile}`", owner=hostile)
    platform, case = platform_over([decision("case-a", hostile, "isolate")], isolate_host=[row])
    play(platform, case, APPROVE)
    for each in platform.notes[case]:
        if each.title.startswith(("Isolat", "Approved")):
            code = each.content.split("`")[::2]
            assert not any("<img" in part or "](" in part for part in code), each.content
    assert platform.pins[-1]["data"] == "_img_src_x_onerror_alert_1___x__y____evil.example_"
