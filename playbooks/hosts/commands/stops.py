"""`kill-switch` and `breaker`: what stops all isolation, and what lets it go on. No release is stopped."""

from __future__ import annotations

from pathlib import Path

from connectors.errors import InputError
from connectors.facts.ledger import Breaker, KillSwitch
from connectors.state.ledger import Ledger
from playbooks.hosts.commands.isolation_output import print_lines
from playbooks.hosts.commands.isolation_tools import (
    SCHEMA_VERSION,
    check_approver,
    given_why,
    ledger_here,
    person,
)
from playbooks.hosts.commands.ledger_reading import ledger_to_read
from playbooks.hosts.terminal_output import write_json
from playbooks.report import wording
from playbooks.settings import Settings, load_settings


def kill_switch(action: str, *, why: str, config: Path | None, as_json: bool) -> None:
    """Set it, take it back, or show it. Whoever may run this may set it; taking it back is for approvers.

    Raises:
        InputError: the action or the reason is missing or wrong, or this account may not take it back.
        LedgerUnusable: nothing was changed.
    """
    _check(action, ("on", "off", "show"))
    settings = load_settings(config)
    ledger = _ledger(settings, only_shown=action == "show")
    if action != "show":
        by, why = person(), given_why(why)
        if action == "off":
            check_approver(by, settings, ledger, subject="kill_switch", wanted="take back the kill switch")
        ledger.set_kill_switch(on=action == "on", by=by.name, why=by.reason(why))
    found = ledger.kill_switch()
    policy = settings.isolation.kill_switch
    if as_json:
        write_json(
            {
                "schema_version": SCHEMA_VERSION,
                "on": found.on or policy,
                "ledger": {
                    "on": found.on,
                    "by": found.by,
                    "why": found.why,
                    "at": found.at.isoformat() if found.at else None,
                },
                "policy": policy,
            }
        )
        return
    print_lines(switch_lines(found, policy=policy))


def breaker(action: str, *, why: str, config: Path | None, as_json: bool) -> None:
    """Show it, or close it after a look.

    Raises:
        InputError: the action or the reason is missing or wrong, or this account may not close it.
        LedgerUnusable: nothing was changed.
    """
    _check(action, ("show", "close"))
    settings = load_settings(config)
    ledger = _ledger(settings, only_shown=action == "show")
    if action == "close":
        by, why = person(), given_why(why)
        check_approver(by, settings, ledger, subject="breaker", wanted="close the breaker")
        ledger.close_breaker(by=by.name, why=by.reason(why))
    found = ledger.breaker()
    if as_json:
        write_json({"schema_version": SCHEMA_VERSION, **found._asdict()})
        return
    print_lines([breaker_line(found)])


def switch_lines(found: KillSwitch, *, policy: bool) -> list[str]:
    """Whether all isolation is stopped, and by whom."""
    last = f"{found.by} at {wording.moment(found.at)}: {found.why}" if found.by else ""
    lines = []
    if found.on:
        lines.append(f"kill switch: on, nothing is isolated; set by {last}")
    else:
        lines.append("kill switch: off" + (f"; taken back by {last}" if last else ""))
    if policy:
        lines.append("isolation.kill_switch is true in the settings: nothing is isolated")
    return lines


def breaker_line(found: Breaker) -> str:
    """How many isolations in a row came to nothing."""
    row = f"{found.failures} of {found.most} isolations in a row came to nothing"
    if not found.open:
        return f"breaker: closed; {row}"
    return f"breaker: open, nothing is isolated until a person closes it; {row}"


def _ledger(settings: Settings, *, only_shown: bool) -> Ledger:
    if not only_shown:
        return ledger_here(settings)
    there = ledger_to_read(settings)
    there.tell_new()
    return there.ledger


def _check(action: str, known: tuple[str, ...]) -> None:
    if action not in known:
        raise InputError("action", f"{action!r} is not known", f"Give one of {', '.join(known)}")
