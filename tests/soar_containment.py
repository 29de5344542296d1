"""The SOAR app over a vendor's fake with both of its assets, on one clock, with a ledger of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from connectors.edr.catalogue import EdrName, made
from connectors.facts.host import HostType
from connectors.state.sqlite_ledger import SqliteLedger
from playbooks.hosts.soar import app as shim
from playbooks.hosts.soar import containing, deciding, sources
from playbooks.hosts.soar.answers import contained_case, decision
from playbooks.ledger_settings import ledger_of
from playbooks.settings import settings_from_text
from tests.cli_isolation_bench import backend_of
from tests.containment_bench import quick_folder
from tests.edr_backends import Backend
from tests.estate import Estate, estate_of
from tests.fakes.phantom_platform import Json, Platform
from tests.http_clients import Clock
from tests.playbook_runs import notable_of
from tests.soar_app import ActionAnswer, run_action

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "stealer"
NOTABLE = (EXAMPLE / "notable.json").read_text(encoding="utf-8")
HOST = "WS01.corp.example"

#: The actions that run on the asset of purpose contain.
ON_CONTAIN = ("isolate host", "release host", "get isolation status")

_POLICY = """
[isolation]
mode = "{mode}"
deadline_s = 60
{more}
[isolation.caps]
per_run = 5
per_hour = 10
per_day = 20

[isolation.protected]
allow_unknown_priority = true
"""


@dataclass
class Bench:
    """Both assets at one vendor, a minute after the notable.

    Attributes:
        fake: the vendor.
        clock: of app, ledger and vendor.
        folder: the app's state folder.
        mode, more: of the policy.
        contain: fields of the containment asset that differ; None = there is no such asset.
    """

    backend: Backend
    fake: Any
    clock: Clock
    folder: Path
    mode: str = "approve"
    more: str = ""
    contain: dict[str, object] | None = field(default_factory=dict)

    @property
    def policy(self) -> str:
        """The TOML of both assets."""
        settings = self.backend.settings(self.fake)
        lines = ["[edr]", f'connector = "{settings.connector}"']
        for name, section in settings.model_dump(mode="json", exclude={"connector", "http"}).items():
            if section is not None:
                lines += [
                    f"[edr.{name}]",
                    *(f"{key} = {json.dumps(value)}" for key, value in section.items()),
                ]
        return "\n".join(lines) + "\n" + _POLICY.format(mode=self.mode, more=self.more)

    def run(self, action: str, *, container_id: int = 1, **parameters: Any) -> ActionAnswer:
        """Run an action with one parameter set, on the asset it belongs on."""
        (answer,) = self.act(action, [parameters], container_id)
        return answer

    def act(self, action: str, parameters: Sequence[Json], container_id: int) -> Sequence[ActionAnswer]:
        """Run an action as a playbook does."""
        asset: dict[str, object] = {"policy": self.policy, "edr_secret": self.backend.secret}
        if action in ON_CONTAIN:
            asset = {"policy": self.policy, "purpose": "contain", "edr_contain_secret": self.backend.secret}
            asset |= self.contain or {}
        if self.contain is None and action in ON_CONTAIN:
            message = "the asset regsvcs_containment is not configured"
            return [ActionAnswer(status=False, message=message, param={}, summary={}, data=[])]
        return run_action(action, list(parameters), asset=asset, container_id=container_id)

    def decided(self) -> dict[str, Any]:
        """The row of decide isolation for the example's case."""
        lineage = self.run("get process lineage", notable=NOTABLE)
        assert lineage.status, lineage.message
        assessed = self.run("assess risk", process_facts=str(lineage.data[0]["facts"]))
        decided = self.run("decide isolation", case_facts=str(assessed.data[0]["facts"]), caller_mode="auto")
        assert decided.status, decided.message
        return decided.data[0]

    def isolate(self, **parameters: Any) -> ActionAnswer:
        """Isolate the example's host, approved by an analyst unless it is said otherwise."""
        given: Json = {"host": HOST, "case_facts": _facts(self.backend.name), "approved_by": "ic01"}
        return self.run("isolate host", **{**given, "why": "seen on the proxy", **parameters})

    @property
    def isolated(self) -> int:
        """Isolations that the vendor has accepted."""
        return self.backend.isolated(self.fake)

    @property
    def ledger(self) -> SqliteLedger:
        """The app's ledger."""
        settings = settings_from_text(self.policy, source="policy")
        return ledger_of(settings, folder=self.folder / "ledger", clock=self.clock)

    def platform(self, **how: Any) -> tuple[Platform, int]:
        """A platform with the example's container, on the clock of the app."""
        platform = Platform(self.act, **how)
        platform.now = self.clock.now
        return platform, platform.add_container([{"cef": notable_of("stealer")}])


@contextmanager
def bench(monkeypatch: pytest.MonkeyPatch, name: EdrName = EdrName.DEFENDER) -> Iterator[Bench]:
    """A vendor with the example's host, a workstation that was just seen."""
    backend, clock = backend_of(name), Clock()
    estate, clock.now = _scene()
    clocked = partial(made, clock=clock, sleep=clock.sleep, monotonic=clock.monotonic)
    monkeypatch.setattr(sources, "made", clocked)
    for module in (deciding, contained_case, decision):
        monkeypatch.setattr(module, "utc_now", clock)
    monkeypatch.setattr(containing, "_now", clock)
    monkeypatch.setattr(containing, "_sleep", clock.sleep)
    with quick_folder() as folder, backend.fake(estate, clock) as fake:
        monkeypatch.setattr(shim, "_state_folder", lambda: folder)
        yield Bench(backend, fake, clock, folder)


@cache
def _scene() -> tuple[Estate, datetime]:
    """The estate of the example, and the time of the test."""
    now = datetime.fromisoformat(json.loads(NOTABLE)["lastTime"]).replace(tzinfo=UTC) + timedelta(minutes=1)
    estate = estate_of(EXAMPLE / "sysmon.xml")
    (host,) = estate.hosts
    return estate.with_host_as(host.host_id, host_type=HostType.WORKSTATION, last_seen=now), now


@cache
def _facts(name: EdrName) -> str:
    """The facts output of decide isolation for the example's case; the same in every test."""
    with pytest.MonkeyPatch.context() as patched, bench(patched, name) as made:
        return str(made.decided()["facts"])
