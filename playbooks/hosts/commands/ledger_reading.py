"""The ledger for commands that only read: where its file is not there, none is made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from connectors.facts.ledger import Approval, AuditHead, AuditLine, Breaker, Intent, KillSwitch, Lease
from connectors.state.audit import NO_DIGEST
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.isolation_tools import ledger_here
from playbooks.hosts.terminal_output import note
from playbooks.settings import Settings


class LedgerToRead(NamedTuple):
    """The ledger of the settings.

    Attributes:
        file: where it is kept.
        new: whether the file was not there: then all that is read is that of an empty ledger.
    """

    file: Path
    ledger: Ledger
    new: bool

    @property
    def line(self) -> str:
        """For people."""
        return f"ledger: {self.file}" + (", new and empty" if self.new else "")

    def tell_new(self) -> None:
        """Say on stderr where there is no file: another folder may have been meant."""
        if self.new:
            note(self.line)


def ledger_to_read(settings: Settings) -> LedgerToRead:
    """The ledger, for what asks it about the past. Nothing may be written through it."""
    from connectors.state.sqlite_ledger import FILE_NAME

    file = settings.ledger.place / FILE_NAME
    if os.path.lexists(file):
        return LedgerToRead(file, ledger_here(settings), new=False)
    empty = _Empty(settings.isolation.breaker_failures)
    return LedgerToRead(file, cast("Ledger", empty), new=True)


class _Empty:
    """What is asked of a ledger by those who only read, where nothing is in it."""

    def __init__(self, most: int) -> None:
        self._most = most

    def kill_switch(self) -> KillSwitch:
        return KillSwitch(on=False)

    def breaker(self) -> Breaker:
        return Breaker(failures=0, most=self._most, open=False)

    def leases(self, **_: object) -> Sequence[Lease]:
        return ()

    def intents(self, **_: object) -> Sequence[Intent]:
        return ()

    def approvals(self, **_: object) -> Sequence[Approval]:
        return ()

    def audit(self, **_: object) -> Iterator[AuditLine]:
        return iter(())

    def head(self) -> AuditHead:
        return AuditHead(number=0, digest=NO_DIGEST)
