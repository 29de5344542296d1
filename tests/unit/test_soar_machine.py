"""Notables in which dest is the peer, on SOAR: in containers (CIM and CEF names), polled, and by webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.clock import utc_now
from connectors.facts.notable import DestMeaning, Notable
from connectors.siem.generations import VERSION_7, VERSION_15, AddOn, Generation
from connectors.siem.notable import NotableSettings, notables_from_object
from playbooks.hosts.soar.container_notables import container_notables
from playbooks.hosts.soar.notable_artifact import notable_parcel
from playbooks.hosts.soar.poll import candidate_of
from tests.fakes.splunk_server import FakeSplunk
from tests.notable_ways import Conn, Form, raw_of, row_of
from tests.playbook_runs import platform_of, play
from tests.soar_app import app, run_action
from tests.soar_platform import Platform, soar_client
from tests.soar_splunk import notable_row, splunk_asset

GUID = "A1C5D0E2-000F-66F4-000F-000000002B00"
HOST, OWN, PEER, FAR = "WS01.corp.example", "10.20.4.17", "149.154.167.220", "api.far.example"
#: The connection of examples/stealer, as the supported add-on names it.
STEALER = Conn(1, HOST, OWN, PEER, FAR, minute=42)
BOTH = (VERSION_7, VERSION_15)


@pytest.fixture
def platform() -> Iterator[Platform]:
    app.actions_manager.save_state({})
    with Platform().running() as running:
        yield running
    app.actions_manager.save_state({})


def cef_of(generation: Generation, form: Form) -> dict[str, object]:
    """The artifact's fields, with the ProcessGuid of the example's process."""
    container = json.loads(raw_of(STEALER, generation, AddOn.SUPPORTED, form))
    (artifact,) = container["artifacts"]
    cef: dict[str, object] = artifact["cef"]
    return cef | ({"process_guid": f"{{{GUID}}}", "process_id": "7516"} if "process_guid" in cef else {})


@pytest.mark.parametrize("form", [Form.CIM, Form.CEF])
@pytest.mark.parametrize("generation", BOTH, ids=["version 7", "version 15"])
def test_the_playbook_works_the_case_of_the_machine(generation: Generation, form: Form) -> None:
    platform = platform_of("stealer")
    case = platform.add_container([{"cef": cef_of(generation, form)}])
    play(platform, case)
    (title, *_) = platform.titles(case)
    assert title.startswith("Regsvcs response: malicious, score 100 ")
    report = next(each.content for each in platform.notes[case] if each.title == title)
    assert HOST.replace(".", "\\.") in report or HOST in report or "WS01" in report
    handed = [sets for action, sets in platform.actions if action == "get process lineage"]
    assert handed, "the notable was not taken"


@pytest.mark.parametrize("generation", BOTH, ids=["version 7", "version 15"])
def test_what_is_polled_is_read_back_with_its_machine(generation: Generation, platform: Platform) -> None:
    row = row_of(STEALER, generation, AddOn.SUPPORTED)
    with FakeSplunk([], utc_now) as splunk:
        splunk.notables = [{**notable_row(1), **row}]
        (answer,) = run_action(
            "on poll",
            [{"container_count": 100, "artifact_count": 100}],
            asset=splunk_asset(splunk),
            session="session",
        )
    assert answer.status, answer.message
    with platform.running():
        read = container_notables(soar_client(), 1, NotableSettings())
    (notable,) = read.notables
    assert facts(notable) == facts(parsed({**notable_row(1), **row}))
    assert notable.dest == (HOST if generation is VERSION_15 else "")
    assert notable.dest_meaning is (DestMeaning.PEER if generation is VERSION_15 else DestMeaning.UNTOLD)


def test_what_is_kept_of_a_webhook_reads_as_what_was_sent() -> None:
    sent = parsed(json.loads(raw_of(STEALER, VERSION_15, AddOn.SUPPORTED, Form.WEBHOOK)))
    parcel = notable_parcel(candidate_of([sent]), [sent], label="events")
    kept = parsed({"container": parcel.container, "artifacts": [parcel.artifact]})
    assert facts(kept) == facts(sent)


def parsed(data: Any) -> Notable:
    (notable,) = notables_from_object(data).notables
    return notable


def facts(notable: Notable) -> tuple[object, ...]:
    """What leads to machine, peer and process."""
    return (
        notable.dest,
        notable.dest_meaning,
        notable.peer_ip,
        notable.own_ip,
        notable.direction,
        notable.process_guids,
        notable.process_ids,
        notable.generation,
        notable.risk_object,
    )
