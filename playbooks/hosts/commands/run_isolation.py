"""`run` and isolation: what it may do, what it did, and what a person has to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actions.isolation import IsolationMode
from connectors.errors import ResponseError
from connectors.ports import Capability, EdrConnector
from connectors.state.ledger import LedgerUnusable
from playbooks.case import CaseReport
from playbooks.hosts.commands.containment_told import run_failed, run_lines
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    BROKEN_OFF,
    clock,
    containing_of,
    ledger_here,
    new_run_id,
    tools_of,
)
from playbooks.hosts.outcome import complain
from playbooks.hosts.terminal_output import note
from playbooks.settings import Settings

if TYPE_CHECKING:
    from playbooks.isolation import Containing


class RunIsolation:
    """Isolation in one run.

    Attributes:
        caller_mode: how far this run may go at most.
        run_id: of the run.
    """

    def __init__(self, settings: Settings, caller_mode: IsolationMode, *, asks_edr: bool) -> None:
        """Set up; nothing is read or made yet.

        Args:
            settings: the policy.
            caller_mode: how far this run may go at most.
            asks_edr: False with Sysmon logs, or without any telemetry: then nothing is contained.
        """
        self.caller_mode = caller_mode
        self.run_id = new_run_id(clock())
        self._settings = settings
        off = IsolationMode.OFF in (settings.isolation.mode, caller_mode)
        self._wanted = not off
        self._asks_edr = asks_edr
        self._contained = False

    @contextmanager
    def containing(self, edr: EdrConnector | None) -> Iterator[Containing | None]:
        """What containing needs; None where nothing is contained.

        Where the block is interrupted while an order of this run is not finished, stderr says what becomes
        of it.
        """
        self._asks_edr = self._asks_edr and edr is not None and Capability.ISOLATE in edr.capabilities
        if edr is None or not (self._wanted and self._asks_edr):
            yield None
            return
        self._contained = True
        ledger = ledger_here(self._settings)
        try:
            yield containing_of(tools_of(edr, ledger), self._settings, self.run_id)
        except KeyboardInterrupt:
            try:
                unfinished = ledger.intents(active=True, run_id=self.run_id)
            except ResponseError:
                note(BROKEN_OFF)
            else:
                if unfinished:
                    hosts = ", ".join(each.order.hostname for each in unfinished)
                    note(f"{BROKEN_OFF}. It is of {hosts}")
            raise

    def print_done(self, reports: Sequence[CaseReport], config: Path | None) -> None:
        """Print what was asked and done; nothing where nothing was."""
        if lines := run_lines(reports, self.run_id, config):
            print_lines(["", *lines])

    def tell_nothing_done(self) -> None:
        """Say on stderr, once, where nothing could be contained although it was wanted."""
        if self._wanted and not self._asks_edr:
            mode = self._settings.isolation.mode.value
            note(
                f"isolation.mode is {mode}, and nothing was asked or isolated: that takes an EDR that can"
                " isolate (--edr NAME without Sysmon logs)"
            )

    def failed(self, reports: Sequence[CaseReport]) -> bool:
        """Whether an isolation of this run came to nothing, or is not known, or the ledger was not usable."""
        unread = any(
            each.step == "read_ledger" and not each.ok for report in reports for each in report.steps
        )
        if unread and self._contained:
            try:
                ledger_here(self._settings).head()
            except LedgerUnusable as error:
                complain(error)
                return True
        return run_failed(reports, self.run_id)
