"""Whom the playbook looks up, in which order, and what of it reaches the risk: over canned answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakes.phantom_platform import Json, Platform
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import NETWORK_CONNECTION, canned, notable_of, note, platform_of, play, titles
from tests.unit.test_playbook_questions import decision, risk

NOTABLE, FURTHER, THIRD = "8.8.8.8", "1.1.1.1", "9.9.9.9"
UNKNOWN = "The reputation is unknown. That lowered nothing."
FURTHER_UNKNOWN = "The reputation of further addresses is unknown. That lowered nothing."


def answered(parameters: list[Json]) -> list[Json]:
    """What the app says of each address."""
    ips = [each.strip() for each in parameters[0]["ip"].split(",")]
    return [{"ip": ip, "external": True, "facts": f"facts of {ip}"} for ip in ips]


def platform_with(
    *peers: Sequence[str] | str | None, ips: Sequence[str] = (NOTABLE,), **answers: Any
) -> tuple[Platform, int]:
    """A platform with one container; the processes of its cases talked to these peers."""
    given: dict[str, Any] = {
        "check ip": answered,
        "lookup ip": answered,
        "get process lineage": [{"facts": f"case {i}", "peers": each} for i, each in enumerate(peers)],
        "assess risk": [risk("case-a")],
        "decide isolation": [decision("case-a", "WS01", "none")],
    }
    platform = canned(given | {name.replace("_", " "): each for name, each in answers.items()})
    return platform, platform.add_container([{"cef": {"dest": "WS01", "dest_ip": list(ips)}}])


def looked_up(platform: Platform) -> list[str]:
    return [parameters[0]["ip"] for action, parameters in platform.actions if action == "lookup ip"]


def handed_on(platform: Platform) -> list[str]:
    (text,) = [given[0]["reputation_facts"] for action, given in platform.actions if action == "assess risk"]
    return json.loads(text) if text else []


def failures(platform: Platform, case: int) -> list[str]:
    return [title for title in titles(platform, case) if "failed" in title]


def test_further_peers_are_looked_up_after_the_join_and_all_facts_reach_the_risk() -> None:
    platform, case = platform_with([NOTABLE, FURTHER])

    run = play(platform, case)

    assert [action for action, _ in platform.actions] == [
        "check ip",
        "get process lineage",
        "lookup ip",
        "lookup ip",
        "assess risk",
        "decide isolation",
    ]
    assert looked_up(platform) == [NOTABLE, FURTHER]
    assert handed_on(platform) == [f"facts of {NOTABLE}", f"facts of {FURTHER}"]
    assert run.called[3:15] == [
        "check_ip",
        "get_process_lineage",
        "lookup_ip",
        "join_gather_facts",
        "join_gather_facts",
        "gather_facts",
        "further_ips_due",
        "lookup_further_ips",
        "join_gather_reputation",
        "gather_reputation",
        "assess_risk",
        "decide_isolation",
    ]
    assert failures(platform, case) == []


@pytest.mark.parametrize("peers", [[NOTABLE], [], None], ids=["the notable's", "none", "not known"])
def test_where_nothing_further_is_known_the_second_lookup_is_left_out(peers: list[str] | None) -> None:
    platform, case = platform_with(peers)

    run = play(platform, case)

    assert looked_up(platform) == [NOTABLE]
    assert handed_on(platform) == [f"facts of {NOTABLE}"]
    assert run.called[9:13] == [
        "further_ips_due",
        "join_gather_reputation",
        "gather_reputation",
        "assess_risk",
    ]
    assert "lookup_further_ips" not in run.called
    assert failures(platform, case) == []


@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("last_first", [False, True], ids=["check_ip_first", "lineage_first"])
@pytest.mark.parametrize("fail", [[], ["lookup_ip"], ["lookup_further_ips"], ["lookup ip"]])
def test_in_any_order_of_callbacks_each_block_runs_once(
    fail: list[str], last_first: bool, together: bool
) -> None:
    platform, case = platform_with([NOTABLE, FURTHER])

    run = play(platform, case, fail=fail, last_first=last_first, together=together)

    assert looked_up(platform) == [NOTABLE, FURTHER]
    for block in ("gather_facts", "gather_reputation", "assess_risk", "write_case"):
        assert run.called.count(block) == 1
    assert run.called.index("lookup_ip") < run.called.index("gather_facts")
    assert len(failures(platform, case)) == bool(fail)


def test_lineage_that_ends_while_the_lookup_is_under_way_waits_for_it() -> None:
    platform, case = platform_with([NOTABLE, FURTHER])
    run = Run(platform, NETWORK_CONNECTION, case)
    run.start()
    run.step()  # check ip
    assert run.called[-1] == "lookup_ip"
    run.step()  # get process lineage
    assert run.called[-1] == "join_gather_facts"
    run.step()  # lookup ip

    assert run.called[-4:] == ["join_gather_facts", "gather_facts", "further_ips_due", "lookup_further_ips"]


@pytest.mark.parametrize(
    ("fail", "known", "lines"),
    [
        (["lookup_ip"], [FURTHER], [("lookup ip", UNKNOWN)]),
        (["lookup_further_ips"], [NOTABLE], [("lookup further ips", FURTHER_UNKNOWN)]),
        (["lookup ip"], [], [("lookup ip", UNKNOWN), ("lookup further ips", FURTHER_UNKNOWN)]),
    ],
    ids=["the first", "the second", "both"],
)
def test_a_failed_lookup_is_named_and_costs_the_other_nothing(
    fail: list[str], known: list[str], lines: list[tuple[str, str]]
) -> None:
    platform, case = platform_with([NOTABLE, FURTHER])

    play(platform, case, fail=fail)

    assert looked_up(platform) == [NOTABLE, FURTHER]
    assert handed_on(platform) == [f"facts of {ip}" for ip in known]
    title = f"Regsvcs response: failed: {', '.join(step for step, _ in lines)}"
    assert failures(platform, case) == [title]
    said = "`Action failure in lookup ip: the source did not answer`"
    assert note(platform, case, title).splitlines()[: len(lines) + 1] == [
        *(f"- **{step}** failed: {said}. {effect}" for step, effect in lines),
        "",
    ]
    assert platform.containers[case]["severity"] == "high"


def test_without_lineage_the_notables_addresses_are_looked_up_alone() -> None:
    platform, case = platform_with(get_process_lineage="no")

    run = play(platform, case)

    assert looked_up(platform) == [NOTABLE]
    assert "lookup_further_ips" not in run.called
    assert failures(platform, case) == ["Regsvcs response: failed: get process lineage"]


def test_peers_of_several_cases_are_looked_up_once_and_together() -> None:
    platform, case = platform_with([NOTABLE, FURTHER], None, THIRD, [FURTHER, "2001:4860:4860::8888"])

    play(platform, case)

    assert looked_up(platform) == [NOTABLE, f"{FURTHER}, {THIRD}, 2001:4860:4860::8888"]


def test_without_an_address_in_the_notable_what_telemetry_shows_is_looked_up() -> None:
    def refused(parameters: list[Json]) -> list[Json] | str:
        return answered(parameters) if parameters[0]["ip"] else "ip: names no address"

    platform, case = platform_with([FURTHER], ips=(), check_ip=refused, lookup_ip=refused)

    play(platform, case)

    assert looked_up(platform) == ["", FURTHER]
    assert handed_on(platform) == [f"facts of {FURTHER}"]
    assert failures(platform, case) == ["Regsvcs response: failed: check ip"]


def test_more_addresses_than_the_app_takes_are_looked_up_in_the_second_step_or_counted() -> None:
    ips = [f"8.8.{i // 250}.{i % 250}" for i in range(450)]
    platform, case = platform_with([FURTHER], ips=ips)

    play(platform, case)

    first, second = (each.split(", ") for each in looked_up(platform))
    assert (first, second) == (ips[:200], ips[200:400])
    title = "Regsvcs response: failed: lookup further ips"
    assert failures(platform, case) == [title]
    assert note(platform, case, title).splitlines()[0] == (
        "- **lookup further ips** failed: `51 addresses are more than it takes, and were not looked up`."
        " Their reputation is unknown. That lowered nothing."
    )


def test_an_address_that_is_not_external_is_no_further_one() -> None:
    def internal(parameters: list[Json]) -> list[Json]:
        return [each | {"external": False} for each in answered(parameters)]

    ips = [f"10.0.{i // 250}.{i % 250}" for i in range(250)]
    platform, case = platform_with([], ips=ips, check_ip=internal)

    play(platform, case)

    assert [each.split(", ") for each in looked_up(platform)] == [ips[:200]]
    assert failures(platform, case) == []


def test_about_a_private_destination_nobody_is_asked_and_the_action_says_so() -> None:
    platform = platform_of("local-only")
    answer = platform.run_action
    said: list[str] = []

    def listen(action: str, parameters: list[Json], container_id: int) -> Any:
        answers = answer(action, parameters, container_id)
        said.extend(each.message for each in answers if action == "lookup ip")
        return answers

    platform.run_action = listen
    case = platform.add_container([{"cef": notable_of("local-only")}])

    run = play(platform, case)

    assert said == [
        (
            "100.64.12.8: not public."
            " It is not public (Shared Address Space, RFC 6598); reputation does not apply."
        )
    ]
    assert "lookup_further_ips" not in run.called
    assert failures(platform, case) == []
