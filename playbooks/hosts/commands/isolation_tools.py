"""What the commands of isolation work with: ledger, EDR, the person at the keyboard, the id of a run."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from actions.containment import Tools
from connectors.clock import utc_now
from connectors.edr.catalogue import CATALOGUE, EdrName
from connectors.errors import ConfigError, InputError
from connectors.ports import EdrConnector
from connectors.state.ledger import Ledger
from playbooks.approvers import check_approver as permitted
from playbooks.edr import edr_of, named_edr
from playbooks.hosts.outcome import Interrupted
from playbooks.ledger_settings import ledger_of
from playbooks.settings import Settings

if TYPE_CHECKING:
    from playbooks.isolation import Containing

#: Version of the JSON documents; see playbooks/case.py.
SCHEMA_VERSION = "1.0"

#: Said where a command is interrupted while an order may be on its way.
BROKEN_OFF = (
    "interrupted: what was ordered stays in the ledger, and the EDR may still carry it out; "
    "`regsvcs-response reconcile` or the next run reads what became of it"
)

#: The name that sudo gives, which anybody could set.
_SUDO_NAME = re.compile(r"[A-Za-z0-9._@\\-]{1,64}")


class Person(NamedTuple):
    """Who is at the keyboard, as the operating system knows them.

    Attributes:
        name: of the account that runs this.
        through: how they came to it, for the reason; "" for nothing to tell. It proves nothing.
    """

    name: str
    through: str = ""

    def reason(self, why: str) -> str:
        """The reason, with how the person came to the account."""
        return f"{why} ({self.through})" if self.through else why


def person() -> Person:
    """The account that runs this. Nothing in the environment can give another one.

    Raises:
        InputError: the account has no name.
    """
    name = _account()
    behind = os.environ.get("SUDO_USER", "") if name == "root" else ""
    return Person(name, f"sudo says by {behind}" if _SUDO_NAME.fullmatch(behind) else "")


def given_why(why: str) -> str:
    """The reason without the blanks around it.

    Raises:
        InputError: there is none.
    """
    if not why.strip():
        raise InputError("--why", "is missing or empty", "Say why; it is kept in the audit")
    return why.strip()


def check_approver(by: Person, settings: Settings, ledger: Ledger, *, subject: str, wanted: str) -> None:
    """Let only those decide who may; who else tried is recorded.

    Raises:
        InputError: the policy names others.
    """
    permitted(by.name, settings.isolation, ledger, field="account", subject=subject, wanted=wanted)


def new_run_id(now: datetime) -> str:
    """An id for a run of this command."""
    return f"run-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def wanted_edr(option: str, settings: Settings, *, of: str = "") -> EdrName:
    """The EDR to ask.

    Args:
        option: what was given; "" for nothing.
        settings: name one, or not.
        of: the connector that a question or an order is of; "" where there is none. No other one knows
            its host.

    Raises:
        ConfigError: none is named, there is none of this name, or it is another than the order's.
    """
    named = named_edr(option, settings)
    if of in CATALOGUE:
        if option and named != of:
            raise ConfigError("--edr", f"{option} was given, and the order is of {of}", "Leave --edr out")
        return EdrName(of)
    if named is None:
        raise ConfigError("--edr", "no EDR is named", "Give --edr NAME, or set edr.connector in the settings")
    return named


@contextmanager
def opened(name: EdrName, settings: Settings, ledger: Ledger) -> Iterator[Tools]:
    """The EDR and the ledger, with the clock of this machine.

    Raises:
        ConfigError: the EDR's section or its secret is missing or wrong.
    """
    with edr_of(name, settings, os.environ, clock=clock) as edr:
        yield tools_of(edr, ledger)


def tools_of(edr: EdrConnector, ledger: Ledger) -> Tools:
    """An EDR and a ledger, with the clock of this machine."""
    return Tools(edr=edr, ledger=ledger, sleep=_pause, clock=clock)


def ledger_here(settings: Settings) -> Ledger:
    """The ledger of the settings, with the clock of this machine."""
    ledger: Ledger = ledger_of(settings, clock=clock)
    return ledger


def containing_of(tools: Tools, settings: Settings, run_id: str = "") -> Containing:
    """What containing needs; a new run where none is named."""
    from playbooks.isolation import Containing  # not for a run that isolates nothing
    from playbooks.kept_cases import KeptCases

    return Containing(tools, KeptCases(settings.ledger.place), run_id or new_run_id(tools.clock()))


@contextmanager
def told_when_interrupted() -> Iterator[None]:
    """Say what becomes of an order where the block is interrupted.

    Raises:
        Interrupted: it was.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Interrupted(BROKEN_OFF) from stop


def clock() -> datetime:
    """The time."""
    return utc_now()


def monotonic() -> float:
    """Seconds of a clock that is never set back."""
    return _seconds()


def _seconds() -> float:
    return time.monotonic()


def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _account() -> str:
    try:
        import pwd
    except ImportError:  # not there on Windows, whose os.getlogin() asks the system
        return os.getlogin()
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError as error:
        raise InputError("account", f"number {uid} has no name here", "Use an account of a person") from error
