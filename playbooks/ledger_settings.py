"""Where the ledger is kept: what was done to hosts, who approved, and the cases it was decided on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from connectors.clock import utc_now
from connectors.facts.base import Fact
from playbooks.reputation_settings import FOLDER_NAME

if TYPE_CHECKING:
    from connectors.state.sqlite_ledger import SqliteLedger
    from playbooks.settings import Settings

#: The ledger's folder below FOLDER_NAME in the user's data folder, where the settings name none.
LEDGER = "ledger"


class LedgerSettings(Fact):
    """Where the ledger is kept.

    Attributes:
        folder: for the ledger and the kept cases; None is a folder in the user's data folder. Everybody who
            may isolate the same hosts has to use the same one.
    """

    folder: Path | None = None

    @property
    def place(self) -> Path:
        """The folder in use; it need not exist."""
        return self.folder or user_data_path(FOLDER_NAME, appauthor=False) / LEDGER


def ledger_of(
    settings: Settings, *, folder: Path | None = None, clock: Callable[[], datetime] = utc_now
) -> SqliteLedger:
    """The ledger of the settings. Nothing is made before it is used.

    Args:
        settings: its place, and how many fruitless isolations in a row stop all others.
        folder: takes the place of the settings' own.
        clock: the time.
    """
    # Not loaded by who only reads settings.
    from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger  # noqa: PLC0415

    place = folder or settings.ledger.place
    return SqliteLedger(place / FILE_NAME, clock=clock, breaker_failures=settings.isolation.breaker_failures)
