"""Runs of the SOAR playbooks over the examples, with the app behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.fakes.phantom_platform import Answer, Answered, Json, Platform, Responses
from tests.fakes.phantom_rules import Run
from tests.soar_app import ActionAnswer, run_action

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "playbooks/splunk_soar"
NETWORK_CONNECTION = FOLDER / "regsvcs_network_connection.py"
REENRICH = FOLDER / "regsvcs_reenrich.py"

#: A policy under which a person may be asked.
APPROVE = '[isolation]\nmode = "approve"\ncaps = { per_run = 1, per_hour = 1, per_day = 1 }\n'

QUESTION = "ask_about_containment"


def asset_of(example: str, policy: str = APPROVE) -> dict[str, object]:
    """The asset whose logs are those of an example."""
    (log,) = (ROOT / "examples" / example).glob("sysmon.*")
    return {"policy": policy, "sysmon_path": str(log)}


def notable_of(example: str) -> Json:
    """The fields of an example's notable, as they stand in an artifact's cef."""
    notable: Json = json.loads((ROOT / "examples" / example / "notable.json").read_text())
    if "artifacts" in notable:
        (notable,) = notable["artifacts"]
    fields: Json = notable.get("cef") or notable.get("result") or notable
    return fields


def platform_of(example: str, policy: str = APPROVE) -> Platform:
    """A platform whose app reads the logs of an example."""
    asset = asset_of(example, policy)

    def act(action: str, parameters: list[Json], container_id: int) -> Sequence[ActionAnswer]:
        return run_action(action, parameters, asset=asset, container_id=container_id)

    return Platform(act)


#: Rows, or the sentence of a failure.
type Given = Sequence[Mapping[str, object]] | str

#: What the app answers before the risk is assessed, where only that it answers matters.
FOUND: Mapping[str, Given] = {
    "check ip": [{"ip": "8.8.8.8", "external": True, "facts": "facts"}],
    "lookup ip": [{"ip": "8.8.8.8", "facts": "facts"}],
    "get process lineage": [{"facts": "facts", "peers": ["8.8.8.8"]}],
}

#: An app that fails in everything.
ALL_FAILED: Mapping[str, Given] = dict.fromkeys([*FOUND, "assess risk", "decide isolation"], "no")


def canned(answers: Mapping[str, Given | Callable[[list[Json]], Given]]) -> Platform:
    """A platform whose app answers an action with rows, or fails with a sentence.

    Args:
        answers: what it answers, or what gives that for the parameter sets.
    """

    def act(action: str, parameters: list[Json], _container_id: int) -> Sequence[Answered]:
        known = answers[action]
        given = known(parameters) if callable(known) else known
        failed = isinstance(given, str)
        message, rows = (given, ()) if failed else ("done", given)
        answer: Any = SimpleNamespace(status=not failed, message=message, param={}, summary={}, data=rows)
        return [answer]

    return Platform(act)


def titles(platform: Platform, container_id: int) -> list[str]:
    """The titles of a container's notes without digests of states and failures, and without times."""
    return [_without_digests(title) for title in platform.titles(container_id)]


def note(platform: Platform, container_id: int, title: str) -> str:
    """The content of the last note of a title as `titles` gives it."""
    *_, found = [each for each in platform.notes[container_id] if _without_digests(each.title) == title]
    return found.content


def _without_digests(title: str) -> str:
    title = re.sub(r"Question \(until \d{4}-\d\d-\d\d \d\d:\d\d UTC\): ", "Question: ", title)
    return re.sub(r", state [0-9a-f]{8}\)|(?<=[a-z]) \([0-9a-f]{8}\)", _end, title)


def _end(found: re.Match[str]) -> str:
    return ")" if found[0].startswith(",") else ""


def play(platform: Platform, container_id: int, answer: Answer | Responses | None = None, **how: Any) -> Run:
    """Run regsvcs_network_connection; without an answer the question expires."""
    answers = {} if answer is None else {QUESTION: answer}
    return Run(platform, NETWORK_CONNECTION, container_id, answers=answers, **how).play()
