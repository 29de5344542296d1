"""A source that fails: the app's own playbook and the command line's come to the same case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actions.profile_catalog import shipped_profiles
from connectors.errors import Transient
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.ports import ConnectionClue, MachineSeen, Window
from connectors.siem.notable import parse_notables
from playbooks.case import CaseReport
from playbooks.hosts.soar import sources, sources_of_reputation
from playbooks.hosts.soar.answers import response
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.case_states import matched
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.sources_of_reputation import reputation_for
from playbooks.reenrich import CaseState
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.events import REGSVCS, connected, created
from tests.soar_app import app, run_action
from tests.unit.test_respond import sysmon
from tests.unit.test_soar_actions import untimed

NOW = datetime(2026, 9, 24, 8, 30, tzinfo=UTC)
NOTABLE = json.dumps(
    {"dest": "WS01", "process_name": "RegSvcs.exe", "dest_ip": "149.154.167.220", "event_id": "e1"}
)


class _Silent:
    """An EDR that knows the host and answers nothing else; `last` says up to which question it answers."""

    name = "sysmon_file"

    def __init__(self, last: str) -> None:
        self._edr = sysmon((created(1, None, REGSVCS), connected(1, second=1)))
        self.capabilities = self._edr.capabilities
        self._last = last

    def resolve_host(self, **question: Any) -> Any:
        return self._edr.resolve_host(**question)

    def find_process(self, *question: Any, **more: Any) -> Sequence[ProcessRef]:
        if self._last == "host":
            raise Transient(self.name, "no answer")
        return self._edr.find_process(*question, **more)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        return self._edr.find_machines(clue, window=window)

    def get_lineage(self, *_: Any, **__: Any) -> Lineage:
        raise Transient(self.name, "no answer")

    def get_process_evidence(self, *_: Any, **__: Any) -> ProcessEvidence:
        raise Transient(self.name, "no answer")


@pytest.mark.parametrize("last", ["host", "process"])
def test_an_outage_gives_the_same_case_in_one_action_and_on_the_command_line(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edr: Any = _Silent(last)
    monkeypatch.setattr(sources, "edr_for", lambda *_, **__: edr)
    for module in (response, sources_of_reputation):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)
    (answer,) = run_action("respond to notable", [{"notable": NOTABLE}])
    row: Any = answer.data[0]
    (told,) = unpack(row["facts"], CaseReport, field="facts")
    settings = Settings()
    (wanted,) = respond(
        InProcess(),
        parse_notables(NOTABLE, settings=settings.notable).notables,
        edr=edr,
        profiles=shipped_profiles(),
        settings=settings,
        clock=lambda: NOW,
        reputation=reputation_for(Asset(), settings, state_folder=Path(app.actions_manager.get_state_dir())),
    )
    told, wanted = untimed(told), untimed(wanted)
    assert told == wanted
    assert told.facts.host is not None
    assert "no answer" in row["note"]


def test_a_case_seen_during_an_outage_goes_on_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    edr: Any = _Silent("nothing")
    (lineage,) = run_action("get process lineage", [{"notable": NOTABLE}])
    assert not lineage.status
    (risk,) = run_action("assess risk", [{"notable": NOTABLE, "process_problem": lineage.message}])
    (decided,) = run_action("decide isolation", [{"case_facts": risk.data[0]["facts"]}])
    before: Any = decided.data[0]
    kept = CaseState.model_validate_json(before["state"])
    monkeypatch.setattr(sources, "edr_for", lambda *_, **__: edr)
    (after,) = run_action("respond to notable", [{"notable": NOTABLE}])
    row: Any = after.data[0]
    (report,) = unpack(row["facts"], CaseReport, field="facts")
    assert report.case_id != kept.case_id
    ((_, previous),) = matched([report], [kept])
    assert previous is not None
