"""What the actions of an asset of purpose contain work with: its EDR, the app's ledger, and the kept cases.

Both assets of the app share the folder in which the platform keeps its files, and so one ledger. On a cluster
each node has one of its own: the EDR's state is read before every call, and isolations belong on one node.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actions.containment import Tools
from connectors.clock import utc_now
from connectors.ports import EdrConnector
from connectors.state.ledger import Ledger
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.sources import containing_edr
from playbooks.isolation import Containing
from playbooks.kept_cases import KeptCases
from playbooks.ledger_settings import ledger_of
from playbooks.settings import Settings

#: The ledger's folder in the app's state folder. The policy's own [ledger] is for the command line.
LEDGER_FOLDER = "ledger"


def app_ledger(settings: Settings, state_folder: Path) -> Ledger:
    """The app's ledger. Nothing is made before it is used."""
    ledger: Ledger = ledger_of(settings, folder=state_folder / LEDGER_FOLDER, clock=_now)
    return ledger


@contextmanager
def containing(asset: Asset, settings: Settings, state_folder: Path, *, run_id: str) -> Iterator[Containing]:
    """What isolating and releasing need. Nothing is sent or written yet.

    Raises:
        ConfigError: the policy names no EDR, or the asset lacks its secret.
    """
    with containing_edr(asset, settings) as edr:
        yield Containing(
            tools=tools_of(edr, app_ledger(settings, state_folder)),
            cases=KeptCases(state_folder / LEDGER_FOLDER),
            run_id=run_id,
        )


def tools_of(edr: EdrConnector, ledger: Ledger) -> Tools:
    """The same EDR and ledger, with the clock of this machine."""
    return Tools(edr=edr, ledger=ledger, sleep=_sleep, clock=_now)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


_now = utc_now
