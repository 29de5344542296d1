"""The .py and .json of each playbook: the invariants of the visual editor, and the outputs they read."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from connectors.siem.notable_fields import CANDIDATES
from playbooks.hosts.soar.answers.check_ip import MAX_ADDRESSES
from playbooks.hosts.soar.containment_outputs import ContainmentRow
from playbooks.hosts.soar.outputs import (
    DecisionRow,
    IpCheckRow,
    LineageRow,
    LookupRow,
    ReenrichRow,
    RiskRow,
    WriteBackRow,
)
from playbooks.hosts.soar.params import (
    CheckIpParams,
    DecisionParams,
    IsolateParams,
    IsolationStatusParams,
    LineageParams,
    LookupIpParams,
    ReenrichParams,
    RiskParams,
    UpdateNotableParams,
)
from playbooks.hosts.soar.shapes import MAX_LOOKUPS
from scripts.playbook_pairs import PLAYBOOKS, drifted, files, main
from scripts.playbooks.blocks import ASSETS, Action, ActionType, Playbook
from scripts.playbooks.case_code import CHECKED, LOOKED_UP
from scripts.playbooks.code import python
from scripts.playbooks.document import document
from tests.playbook_pair_rules import calls_against_edges, forbidden, joins, structure
from tests.playbook_runs import FOLDER
from tests.soar_app import app
from tests.soar_containment import ON_CONTAIN

NAMES = [playbook.name for playbook in PLAYBOOKS]

ROWS: dict[str, type[BaseModel]] = {
    "check ip": IpCheckRow,
    "lookup ip": LookupRow,
    "get process lineage": LineageRow,
    "assess risk": RiskRow,
    "decide isolation": DecisionRow,
    "reenrich case": ReenrichRow,
    "update notable": WriteBackRow,
    "isolate host": ContainmentRow,
    "get isolation status": ContainmentRow,
}
PARAMETERS: dict[str, type[BaseModel]] = {
    "check ip": CheckIpParams,
    "lookup ip": LookupIpParams,
    "get process lineage": LineageParams,
    "assess risk": RiskParams,
    "decide isolation": DecisionParams,
    "reenrich case": ReenrichParams,
    "update notable": UpdateNotableParams,
    "isolate host": IsolateParams,
    "get isolation status": IsolationStatusParams,
}


def pair(name: str) -> tuple[str, dict[str, Any]]:
    return (FOLDER / f"{name}.py").read_text(), json.loads((FOLDER / f"{name}.json").read_text())


def nodes(name: str, kind: str) -> list[dict[str, Any]]:
    _, document = pair(name)
    return [each["data"] for each in document["coa"]["data"]["nodes"].values() if each["type"] == kind]


@pytest.mark.parametrize("name", NAMES)
def test_the_pair_keeps_the_editors_invariants(name: str) -> None:
    code, document = pair(name)

    assert structure(code, document) == []
    assert calls_against_edges(code, document) == []
    assert joins(code, document) == []
    assert forbidden(code) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_envelope_is_that_of_the_current_schema(name: str) -> None:
    _, document = pair(name)
    coa = document["coa"]

    assert (coa["schema"], coa["version"], coa["python_version"]) == ("5.0.24", "8.4.0.154", "3.13")
    assert (coa["playbook_type"], coa["playbook_trigger"]) == ("automation", "artifact_created")
    assert document["blockly"] is False
    assert document["draft_mode"] is False
    assert re.fullmatch(r"[0-9a-f]{40}", coa["data"]["hash"])


@pytest.mark.parametrize("name", NAMES)
def test_the_code_compiles_on_the_platforms_python(name: str) -> None:
    code, _ = pair(name)

    compile(code, name, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_no_two_blocks_overlap_and_every_edge_leads_down(name: str) -> None:
    _, document = pair(name)
    data = document["coa"]["data"]
    places = {key: (each["x"], each["y"]) for key, each in data["nodes"].items()}

    for (x1, y1), (x2, y2) in combinations(places.values(), 2):
        assert abs(x1 - x2) >= 300 or abs(y1 - y2) >= 150
    for edge in data["edges"]:
        assert places[edge["sourceNode"]][1] < places[edge["targetNode"]][1]


@pytest.mark.parametrize("name", NAMES)
def test_every_output_that_is_read_exists(name: str) -> None:
    code, _ = pair(name)
    actions = {each["functionName"]: each["action"] for each in nodes(name, "action")}

    read = {
        (actions[block], field)
        for block, field in re.findall(r"(\w+):action_result\.data\.\*\.(\w+)", code)
        if block in actions
    }

    assert read
    assert [(action, field) for action, field in read if field not in ROWS[action].model_fields] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_action_and_parameter_exists_in_the_app(name: str) -> None:
    known = {each.meta.action for each in app.get_actions().values()}

    for each in nodes(name, "action"):
        assert each["action"] in known
        assert set(each["parameters"]) <= set(PARAMETERS[each["action"]].model_fields)
        kind = ActionType.CONTAIN if each["action"] in ON_CONTAIN else ActionType(each["actionType"])
        assert each["connectorConfigs"] == [ASSETS[kind]]
        assert each["actionType"] == next(
            meta.type for meta in app.actions_manager.get_actions_meta_list() if meta.action == each["action"]
        )
        assert each["connector"] == app.app_meta_info["name"]
        assert each["connectorId"] == str(app.app_meta_info["appid"])


def test_the_fields_the_playbook_looks_for_are_those_the_parser_reads() -> None:
    code, _ = pair("regsvcs_network_connection")
    hosts = set(re.findall(r'"(\w+)"', re.findall(r"hosts = \[(.*?)\]", code, re.DOTALL)[0]))
    peers = re.findall(r'"(\w+)"', re.findall(r"peers = (\[.*\])", code)[0])

    def names(key: str) -> list[str]:
        return [name.partition("[")[0] for tier in CANDIDATES[key] for name in tier]

    leading = ("machine", "device", "dest", "src_ip", "process_guid")
    assert hosts - {"_raw"} == {name for key in leading for name in names(key)}
    assert peers == names("dest_ip")


def test_no_more_addresses_are_handed_on_than_the_app_takes() -> None:
    assert (CHECKED, LOOKED_UP) == (MAX_ADDRESSES, MAX_LOOKUPS)


def test_the_files_are_what_the_description_gives() -> None:
    assert drifted(FOLDER) == []
    assert main(["--check"]) == 0
    assert dict(files()) == dict(files())


@pytest.mark.parametrize("change", ["edited", "missing", "stray"])
def test_a_drift_is_found(tmp_path: Path, change: str) -> None:
    for file, text in files():
        (tmp_path / file).write_text(text)
    assert drifted(tmp_path) == []
    if change == "edited":
        path = tmp_path / "regsvcs_reenrich.py"
        path.write_text(path.read_text().replace("1000", "1001", 1))
    elif change == "missing":
        (tmp_path / "regsvcs_reenrich.py").unlink()
    else:
        (tmp_path / "regsvcs_other.json").write_text("{}")

    assert drifted(tmp_path) == ["regsvcs_other.json" if change == "stray" else "regsvcs_reenrich.py"]


def test_the_rules_see_what_they_forbid() -> None:
    code, document = pair("regsvcs_reenrich")
    edges = document["coa"]["data"]["edges"]

    assert calls_against_edges(code.replace("callback=write_changes", "callback=None"), document) != []
    assert structure(code.replace("def quoted", "def quote"), document) != []
    assert forbidden(code + "\nphantom.debug('x')\n") != []
    assert forbidden(code.replace("looked += 1", "import requests")) != []
    edges.pop()
    assert structure(code, document) == ["node 1 is not reachable"]


def test_a_join_that_waits_for_an_action_that_may_not_run_is_found() -> None:
    code, document = pair("regsvcs_network_connection")
    waits = 'completed(action_names=["lookup_ip", "get_process_lineage"])'
    (node,) = [
        each["data"]
        for each in document["coa"]["data"]["nodes"].values()
        if each["data"]["functionName"] == "gather_reputation"
    ]
    assert node["advanced"]["notRequiredJoins"] == ["lookup_further_ips"]
    before, _, after = code.rpartition(waits)
    three = ["get_process_lineage", "lookup_further_ips", "lookup_ip"]
    longer = waits.replace('"]', '", "lookup_further_ips"]')

    assert joins(before + longer + after, document) == [
        f"gather_reputation: waits for {three} instead of ['get_process_lineage', 'lookup_ip']",
        "gather_reputation: waits for lookup_further_ips, which may never run",
    ]
    assert joins(code.replace("def join_gather_facts", "def gather"), document) == [
        "gather_facts: a join where one block calls it, or none where several do"
    ]
    node["advanced"]["notRequiredJoins"] = []
    assert joins(code, document) != []
    node["advanced"]["notRequiredJoins"] = ["check_ip"]
    assert "gather_reputation: check_ip does not lead here" in joins(code, document)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_between_blocks_crosses_a_block(name: str) -> None:
    _, document = pair(name)
    data = document["coa"]["data"]
    places = {key: (each["x"], each["y"]) for key, each in data["nodes"].items()}

    for edge in data["edges"]:
        source, target = edge["sourceNode"], edge["targetNode"]
        (x1, y1), (x2, y2) = places[source], places[target]
        for key in places.keys() - {source, target}:
            x, y = places[key]
            if target != "1" and y1 < y < y2:
                # Where the line is at the height of the block, from its upper to its lower edge, both 250
                # wide and 100 high.
                at = [x1 + (x2 - x1) * (level - y1 - 100) / (y2 - y1 - 100) for level in (y, y + 100)]
                assert all(each + 125 < x or each + 125 > x + 250 for each in at), f"{edge['id']} and {key}"


def test_an_action_that_contains_runs_on_the_asset_for_containment() -> None:
    block = Action(
        name="isolate",
        about="Isolates the host",
        action="isolate host",
        type=ActionType.CONTAIN,
        parameters={"host": "here"},
    )
    playbook = Playbook(name="p", description="d", label="events", start="isolate", blocks=(block,))
    written: Any = document(playbook, "")
    (node,) = [each for each in written["coa"]["data"]["nodes"].values() if each["type"] == "action"]
    assert (node["data"]["actionType"], node["data"]["connectorConfigs"]) == (
        "contain",
        ["regsvcs_containment"],
    )
    assert 'assets=["regsvcs_containment"]' in python(playbook)
