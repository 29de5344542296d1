"""The commands of isolation in a test: a vendor's fake, a policy, a ledger, and one clock for all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.edr.catalogue import EdrName
from connectors.facts.host import HostType
from connectors.facts.isolation import IsolationState
from connectors.ports import EdrConnector
from connectors.state.sqlite_ledger import SqliteLedger
from playbooks.edr import edr_of
from playbooks.hosts.commands import isolation_tools
from playbooks.ledger_settings import ledger_of
from playbooks.settings import load_settings
from tests.cli_runs import Invoke, Result, invoking
from tests.edr_backends import BACKENDS, Backend, environ_of
from tests.estate import EstateHost, estate_of
from tests.http_clients import Clock

#: Who runs the commands in a test.
ANALYST = "ana.lyst"

_POLICY = """
[ledger]
folder = {folder}

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


def backend_of(name: EdrName) -> Backend:
    """One vendor."""
    (found,) = (each for each in BACKENDS if each.name is name)
    return found


@dataclass
class Bench:
    """One estate at one vendor's fake, and the command line over it.

    Attributes:
        invoke: runs a command.
        fake: the vendor.
        clock: of the commands, the ledger and the vendor.
        folder: of the settings; the ledger is in a folder below it.
        notable: of the example, about the estate's first host.
    """

    invoke: Invoke
    backend: Backend
    fake: Any
    clock: Clock
    folder: Path
    notable: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.folder / "policy.toml"

    def policy(self, mode: str, more: str = "") -> None:
        """Write the settings."""
        settings = self.backend.settings(self.fake)
        lines = ["[edr]", f'connector = "{settings.connector}"']
        for name, section in settings.model_dump(mode="json", exclude={"connector", "http"}).items():
            if section is not None:
                lines += [
                    f"[edr.{name}]",
                    *(f"{key} = {json.dumps(value)}" for key, value in section.items()),
                ]
        ledger = json.dumps(str(self.folder / "ledger"))
        text = _POLICY.format(folder=ledger, mode=mode, more=more)
        self.config.write_text("\n".join(lines) + "\n" + text, encoding="utf-8")

    def call(self, *arguments: object) -> Result:
        """Run a command with the settings."""
        return self.invoke(*arguments, "--config", self.config)

    def json(self, *arguments: object, code: int = 0) -> Any:
        """Run a command and read what it prints."""
        result = self.call(*arguments, "--json")
        assert result.code == code, result.err + result.out
        return json.loads(result.out)

    def run(self, *options: str, code: int = 0) -> Any:
        """The case of the example."""
        found = self.json("run", "--notable", self.notable, "--no-lookup", *options, code=code)
        (case,) = found["cases"]
        return case

    @property
    def isolated(self) -> int:
        """Isolations that the vendor has accepted."""
        return self.backend.isolated(self.fake)

    @property
    def ledger(self) -> SqliteLedger:
        """The ledger that the commands use."""
        return ledger_of(load_settings(self.config), clock=self.clock)

    @contextmanager
    def edr(self) -> Iterator[EdrConnector]:
        """The vendor, asked past the commands."""
        settings = load_settings(self.config)
        with edr_of(EdrName(self.backend.name), settings, os.environ, clock=self.clock) as edr:
            yield edr

    def read(self, hostname: str) -> IsolationState:
        """How the vendor says a host stands; a fake goes on with an action when it is asked."""
        with self.edr() as edr:
            return edr.get_isolation(edr.resolve_host(hostname=hostname)).state

    def events(self) -> list[str]:
        """What the audit tells of, in order."""
        return [each.event for each in self.ledger.audit()]


@contextmanager
def bench(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    folder: Path,
    examples: Path,
    *,
    name: EdrName = EdrName.ELASTIC,
    more: Sequence[EstateHost] = (),
) -> Iterator[Bench]:
    """A vendor with the example's host, a workstation that was just seen, a minute after the notable.

    Args:
        name: the vendor.
        more: further hosts.
    """
    notable = examples / "stealer/notable.json"
    estate = estate_of(examples / "stealer/sysmon.xml")
    clock = Clock()
    clock.now = datetime.fromisoformat(json.loads(notable.read_bytes())["lastTime"]).replace(tzinfo=UTC)
    clock.now += timedelta(minutes=1)
    (host,) = estate.hosts
    estate = estate.with_host_as(host.host_id, host_type=HostType.WORKSTATION, last_seen=clock.now)
    estate = estate.with_hosts(*more)
    backend = backend_of(name)
    invoke = invoking(monkeypatch, capfdbinary, data=folder / "data")
    for variable, value in environ_of(backend).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(isolation_tools, "utc_now", clock)
    monkeypatch.setattr(isolation_tools, "_pause", clock.sleep)
    monkeypatch.setattr(isolation_tools, "_seconds", clock.monotonic)
    monkeypatch.setattr(isolation_tools, "_account", lambda: ANALYST)
    with backend.fake(estate, clock) as fake:
        made = Bench(invoke, backend, fake, clock, folder, notable)
        made.policy("approve")
        yield made
