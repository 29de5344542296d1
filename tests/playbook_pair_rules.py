"""What holds of every playbook pair of the visual editor: of its graph, its code, and the two together."""

from __future__ import annotations

import ast
import re
from typing import Any

type Document = dict[str, Any]

ENVELOPE = {"blockly", "blockly_xml", "category", "coa", "create_time", "draft_mode", "labels", "tags"}
COA = {
    "data",
    "input_spec",
    "output_spec",
    "playbook_trigger",
    "playbook_type",
    "python_version",
    "schema",
    "version",
}
NODE = {"data", "errors", "id", "type", "warnings", "x", "y"}
COMMON = {"advanced", "functionName", "id", "type"}
#: What a node of a type holds beyond that.
OF_TYPE = {
    "start": set(),
    "end": set(),
    "action": {
        "action",
        "actionType",
        "connector",
        "connectorConfigs",
        "connectorId",
        "connectorVersion",
        "functionId",
        "loop",
        "parameters",
        "requiredParameters",
    },
    "code": {"functionId", "inputParameters", "outputVariables"},
    "decision": {"conditions", "functionId"},
    "prompt": {"approver", "functionId", "message", "parameters", "responseTime", "responses"},
}
GLUE = re.compile(r"^join_|_callback$")
NOT_IN_BLOCKS = {"requests", "socket", "subprocess", "urllib", "http", "httpx", "time", "os", "pathlib"}


def structure(code: str, document: Document) -> list[str]:
    """What is wrong with the graph, and with its nodes against the functions."""
    bad = [f"the envelope lacks {name}" for name in ENVELOPE - document.keys()]
    bad += [f"coa lacks {name}" for name in COA - document["coa"].keys()]
    nodes, edges = _graph(document)
    functions = _functions(code)
    if nodes["0"]["type"] != "start" or nodes["1"]["type"] != "end":
        bad.append("node 0 is not the start, or node 1 not the end")
    names = [node["data"]["functionName"] for node in nodes.values()]
    bad += [f"{name} stands in two nodes" for name in set(names) if names.count(name) > 1]
    for key, node in nodes.items():
        bad += _node(key, node, code, functions)
    seen = set()
    for edge in edges:
        bad += _edge(edge, nodes)
        if edge["id"] in seen:
            bad.append(f"edge {edge['id']} twice")
        seen.add(edge["id"])
    bad += [f"node {key} is not reachable" for key in nodes.keys() - _reachable(edges)]
    return bad + [
        f"def {name} has no node" for name in functions if name not in names and not GLUE.search(name)
    ]


def calls_against_edges(code: str, document: Document) -> list[str]:
    """Where the calls between blocks, through joins and callbacks, and the edges differ."""
    functions = _functions(code)
    nodes, edges = _graph(document)
    names = {key: node["data"]["functionName"] for key, node in nodes.items()}
    blocks = set(names.values())

    def called(name: str) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(functions[name]):
            target = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                target = node.func.id
            if isinstance(node, ast.keyword) and node.arg == "callback" and isinstance(node.value, ast.Name):
                target = node.value.id
            if target in functions and target != name:
                found |= {target} if target in blocks else called(target)
        return found

    calls = {(name, target) for name in blocks for target in called(name)}
    drawn = {(names[e["sourceNode"]], names[e["targetNode"]]) for e in edges if e["targetNode"] != "1"}
    missing = [f"{a} calls {b} without an edge" for a, b in sorted(calls - drawn)]
    return missing + [f"an edge {a} -> {b} without a call" for a, b in sorted(drawn - calls)]


def joins(code: str, document: Document) -> list[str]:
    """Where a join waits for other actions than it would after it was saved in the editor.

    The editor waits for the last actions before a block that several others call, except for those the block
    names as not required. An action that a decision may leave out has to be one of these.
    """
    nodes, edges = _graph(document)
    names = {key: node["data"]["functionName"] for key, node in nodes.items()}
    sources: dict[str, set[str]] = {}
    for edge in edges:
        sources.setdefault(edge["targetNode"], set()).add(edge["sourceNode"])

    def last_actions(key: str) -> set[str]:
        found: set[str] = set()
        for source in sources.get(key, set()):
            waited_for = nodes[source]["type"] in ("action", "prompt")
            found |= {names[source]} if waited_for else last_actions(source)
        return found

    bad = []
    functions = _functions(code)
    for key, name in names.items():
        optional = set(nodes[key]["data"]["advanced"].get("notRequiredJoins", []))
        bad += [f"{name}: {each} does not lead here" for each in sorted(optional - last_actions(key))]
        join = functions.get(f"join_{name}")
        if (join is not None) != (len(sources.get(key, set())) > 1) and nodes[key]["type"] != "end":
            bad.append(f"{name}: a join where one block calls it, or none where several do")
        if join is not None:
            waits = _waits(join)
            wanted = last_actions(key) - optional
            bad += [f"{name}: waits for {sorted(waits)} instead of {sorted(wanted)}"] * (waits != wanted)
            skippable = {each for each in waits if _reached_without(document, each, key)}
            bad += [f"{name}: waits for {each}, which may never run" for each in sorted(skippable)]
    return bad


def _waits(join: ast.FunctionDef) -> set[str]:
    """The actions a join waits for."""
    return {
        element.value
        for node in ast.walk(join)
        if isinstance(node, ast.keyword) and node.arg == "action_names" and isinstance(node.value, ast.List)
        for element in node.value.elts
        if isinstance(element, ast.Constant) and isinstance(element.value, str)
    }


def _reached_without(document: Document, action: str, key: str) -> bool:
    """Whether a decision can lead to a block on a way around an action."""
    nodes, edges = _graph(document)
    targets: dict[str, list[str]] = {}
    for edge in edges:
        targets.setdefault(edge["sourceNode"], []).append(edge["targetNode"])

    def leads(start: str, goal: str) -> bool:
        return start == goal or any(leads(each, goal) for each in targets.get(start, []))

    (name,) = [each for each, node in nodes.items() if node["data"]["functionName"] == action]
    for decision in (each for each, node in nodes.items() if node["type"] == "decision"):
        by_branch: dict[int, list[str]] = {}
        for edge in edges:
            if edge["sourceNode"] == decision:
                for condition in edge["conditions"]:
                    by_branch.setdefault(condition["index"], []).append(edge["targetNode"])
        there = [any(leads(each, name) for each in branch) for branch in by_branch.values()]
        around = [any(leads(each, key) for each in branch) for branch in by_branch.values()]
        if any(there) and any(on and not by for on, by in zip(around, there, strict=True)):
            return True
    return False


def forbidden(code: str) -> list[str]:
    """What a block must not do: it may run on another runner than the one before, and may run twice."""
    tree, bad = ast.parse(code), []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if [ast.unparse(each) for each in node.decorator_list] != ["phantom.playbook_block()"]:
                bad.append(f"{node.name} is not decorated")
        elif not isinstance(node, ast.Import | ast.ImportFrom) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            bad.append(f"line {node.lineno}: code at module level")
    for each in ast.walk(tree):
        if isinstance(each, ast.Global):
            bad.append(f"line {each.lineno}: global")
        if isinstance(each, ast.Import | ast.ImportFrom):
            modules = (
                [each.module or ""] if isinstance(each, ast.ImportFrom) else [n.name for n in each.names]
            )
            bad += [f"line {each.lineno}: import {m}" for m in modules if m.split(".")[0] in NOT_IN_BLOCKS]
        if isinstance(each, ast.Attribute) and each.attr in ("sleep", "requests"):
            bad.append(f"line {each.lineno}: {each.attr}")
        if isinstance(each, ast.Name) and each.id in ("open", "eval", "exec", "__import__"):
            bad.append(f"line {each.lineno}: {each.id}")
    return bad


def _graph(document: Document) -> tuple[dict[str, Any], list[Any]]:
    data = document["coa"]["data"]
    return data["nodes"], data["edges"]


def _functions(code: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}


def _node(key: str, node: Any, code: str, functions: dict[str, ast.FunctionDef]) -> list[str]:
    data = node["data"]
    wanted = COMMON | OF_TYPE[node["type"]]
    bad = [f"node {key} lacks {name}" for name in NODE - node.keys()]
    bad += [f"node {key} lacks data.{name}" for name in wanted - data.keys()]
    if not key == node["id"] == data["id"] or node["type"] != data["type"]:
        bad.append(f"node {key}: ids or types differ")
    if data["functionName"] not in functions:
        bad.append(f"node {key}: no def {data['functionName']}")
    if node.get("userCode", "") not in code:
        bad.append(f"node {key}: its userCode is not in the code")
    return bad


def _edge(edge: Any, nodes: dict[str, Any]) -> list[str]:
    source, target = edge["sourceNode"], edge["targetNode"]
    if source not in nodes or target not in nodes:
        return [f"edge {edge['id']}: no such node"]
    bad = []
    ports = (edge["sourcePort"], edge["targetPort"])
    if edge["id"] != f"port_{source}_to_port_{target}" or ports != (f"{source}_out", f"{target}_in"):
        bad.append(f"edge {edge['id']}: id or ports")
    conditions = nodes[source]["data"].get("conditions")
    indexes = [each["index"] for each in edge.get("conditions", [])]
    if (conditions is not None) != bool(indexes) or any(i >= len(conditions or []) for i in indexes):
        bad.append(f"edge {edge['id']}: conditions")
    return bad


def _reachable(edges: list[Any]) -> set[str]:
    reached, waiting = set(), ["0"]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += [edge["targetNode"] for edge in edges if edge["sourceNode"] == key]
    return reached
