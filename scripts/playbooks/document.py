"""The .json of a playbook: the graph the visual editor shows, with the same custom code as the .py."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from playbooks.hosts.soar.identity import APP_ID, APP_NAME
from scripts.playbooks.blocks import Action, Block, Code, Decision, Playbook, Prompt, targets
from scripts.playbooks.code import user_code
from scripts.playbooks.layout import positions

#: What the platform writes today: the schema of the graph, and its own version.
SCHEMA = "5.0.24"
PLATFORM = "8.4.0.154"
PYTHON = "3.13"

#: Fixed, so that the same description gives the same file.
_CREATED = "2026-01-01T00:00:00.000000+00:00"

_LOOP = {
    "enabled": False,
    "exitAfterUnit": "m",
    "exitAfterValue": 10,
    "exitConditionEnabled": False,
    "exitLoopAfter": 2,
    "pauseUnit": "m",
    "pauseValue": 2,
}

type Json = dict[str, object]


def document(playbook: Playbook, code: str) -> Json:
    """The whole document.

    Args:
        playbook: the description.
        code: the text of the .py; its hash stands in the document.
    """
    links = _links(playbook)
    keys = {name: str(index) for index, name in enumerate(_names(playbook))}
    places = positions(_names(playbook), [(source, target) for source, target, _ in links])
    nodes: Json = {
        "0": _terminal("0", "start", "on_start", places["on_start"]),
        "1": _terminal("1", "end", "on_finish", places["on_finish"]),
    }
    counts: Counter[str] = Counter()
    for block in playbook.blocks:
        kind, data = _data(block)
        counts[kind] += 1
        numbered: Json = {"functionId": counts[kind], "id": keys[block.name], "type": kind, **data}
        nodes[keys[block.name]] = _node(block, numbered, places[block.name])
    return {
        "blockly": False,
        "blockly_xml": "<xml></xml>",
        "category": "Use Cases",
        "coa": {
            "data": {
                "description": playbook.description,
                "edges": _edges(links, keys),
                # The editor's own digest of the code; it tells versions apart and protects nothing.
                "hash": hashlib.sha1(code.encode(), usedforsecurity=False).hexdigest(),
                "nodes": nodes,
                "notes": "",
            },
            "input_spec": None,
            "output_spec": None,
            "playbook_trigger": "artifact_created",
            "playbook_type": "automation",
            "python_version": PYTHON,
            "schema": SCHEMA,
            "version": PLATFORM,
        },
        "create_time": _CREATED,
        "draft_mode": False,
        "labels": [playbook.label],
        "tags": list(playbook.tags),
    }


def _names(playbook: Playbook) -> list[str]:
    return ["on_start", "on_finish", *(block.name for block in playbook.blocks)]


def _links(playbook: Playbook) -> list[tuple[str, str, tuple[int, ...]]]:
    """Source, target, and the branches of a decision that lead there."""
    links: dict[tuple[str, str], tuple[int, ...]] = {("on_start", playbook.start): ()}
    for block in playbook.blocks:
        found = targets(block) or [("on_finish", None)]
        for target, index in found:
            before = links.get((block.name, target), ())
            links[block.name, target] = before if index is None else (*before, index)
    return [(source, target, indexes) for (source, target), indexes in links.items()]


def _edges(links: Sequence[tuple[str, str, tuple[int, ...]]], keys: Mapping[str, str]) -> list[Json]:
    edges: list[Json] = []
    for source, target, indexes in links:
        a, b = keys[source], keys[target]
        edge: Json = {"conditions": [{"index": index} for index in indexes]} if indexes else {}
        edge |= {
            "id": f"port_{a}_to_port_{b}",
            "sourceNode": a,
            "sourcePort": f"{a}_out",
            "targetNode": b,
            "targetPort": f"{b}_in",
        }
        edges.append(edge)
    return edges


def _terminal(key: str, kind: str, name: str, place: tuple[int, int]) -> Json:
    data: Json = {"advanced": {"join": []}, "functionName": name, "id": key, "type": kind}
    return {
        "data": data,
        "errors": {},
        "id": key,
        "type": kind,
        "warnings": {},
        "x": place[0],
        "y": place[1],
    }


def _node(block: Block, data: Json, place: tuple[int, int]) -> Json:
    advanced: Json = {
        "customName": block.name.replace("_", " "),
        "customNameId": 0,
        "description": block.about,
        "join": [],
        "note": block.about,
        **({"notRequiredJoins": list(block.skipped)} if block.skipped else {}),
    }
    code = user_code(block)
    return {
        "data": {"advanced": advanced, "functionName": block.name, **data},
        "errors": {},
        "id": data["id"],
        "type": data["type"],
        **({} if code is None else {"userCode": code}),
        "warnings": {},
        "x": place[0],
        "y": place[1],
    }


def _data(block: Block) -> tuple[str, Json]:
    """The type of a node, and what it holds beside what every node holds."""
    match block:
        case Action():
            return "action", {
                "action": block.action,
                "actionType": block.type.value,
                "connector": APP_NAME,
                "connectorConfigs": [block.asset],
                "connectorId": APP_ID,
                "connectorVersion": "v1",
                "loop": dict(_LOOP),
                "parameters": dict(block.parameters),
                "requiredParameters": [{"data_type": "string", "field": name} for name in block.required],
            }
        case Code():
            return "code", {"inputParameters": list(block.inputs), "outputVariables": list(block.outputs)}
        case Decision():
            return "decision", {"conditions": _conditions(block)}
        case Prompt():
            return "prompt", {
                "approver": {"type": "role", "value": block.role},
                "message": block.message,
                "parameters": list(block.parameters),
                "responseTime": block.minutes,
                "responses": [
                    {
                        "responseOptions": list(block.choices),
                        "responsePrompt": block.choice,
                        "responseType": "customList",
                    },
                    {"responsePrompt": block.comment, "responseType": "message"},
                ],
            }
    raise TypeError(f"{block.name}: no kind of block")


def _conditions(block: Decision) -> list[Json]:
    conditions: list[Json] = []
    for index, branch in enumerate(block.branches):
        rows = branch.rows or (("", "==", ""),)
        display, kind = ("If", "if") if index == 0 else ("Else If", "elseif")
        if not branch.rows:
            display, kind = "Else", "else"
        conditions.append(
            {
                "comparisons": [
                    {"conditionIndex": index, "op": op, "param": left, "value": right}
                    for left, op, right in rows
                ],
                "conditionIndex": index,
                "customName": branch.label,
                "display": display,
                "logic": branch.logic,
                "type": kind,
            }
        )
    return conditions
