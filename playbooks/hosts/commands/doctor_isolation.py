"""What `doctor` finds out of isolation, where it is not off: whether the EDR can, and how the ledger is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from actions.guards.state import NEEDED_CAPABILITIES
from actions.isolation import IsolationMode
from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.facts.health import Health, HealthState
from connectors.state.audit import verify
from connectors.state.ledger import Ledger, LedgerUnusable
from playbooks.hosts.commands.doctor_connectors import ConnectorChecks
from playbooks.hosts.commands.doctor_finding import Area, Finding
from playbooks.hosts.commands.isolation_tools import clock, ledger_here
from playbooks.hosts.commands.writable import can_be_written
from playbooks.report.wording import count
from playbooks.settings import Settings

#: Lines of the audit that are verified here; a longer one is for `audit verify`.
MOST_LINES = 20_000


def isolation_findings(
    settings: Settings, connectors: ConnectorChecks, health: Mapping[str, Health]
) -> list[Finding]:
    """Whether hosts can be isolated and what stands in the way; nothing where the mode is off.

    Args:
        settings: the policy, and which EDR isolates.
        connectors: the EDRs.
        health: what they answered, by the names of their checks.
    """
    if settings.isolation.mode is IsolationMode.OFF:
        return []
    return [_edr(settings, connectors, health), _ledger(settings)]


def _edr(settings: Settings, connectors: ConnectorChecks, health: Mapping[str, Health]) -> Finding:
    mode, name = settings.isolation.mode, settings.edr.connector

    def found(state: HealthState, detail: str, remedy: str = "") -> Finding:
        return Finding(
            area=Area.ISOLATION,
            name="containment",
            state=state,
            detail=f"mode {mode.value}: {detail}",
            remedy=remedy,
        )

    if name is None:
        return found(
            HealthState.NOT_CONFIGURED,
            "no EDR is named",
            "Set edr.connector, or give --edr with each command",
        )
    title, can = EDRS[name].title, connectors.can(name)
    answered = connectors.edr_health(name, health)
    if answered is None or answered.state is HealthState.FAILED:
        return found(HealthState.FAILED, f"{title} cannot be asked, and so nothing is isolated")
    lacking = [each.value for each in NEEDED_CAPABILITIES if each not in can]
    if lacking:
        return found(
            HealthState.FAILED,
            f"{title} cannot {' or '.join(lacking)}, and so nothing is isolated",
            "Name another one in edr.connector, or set isolation.mode to off",
        )
    if answered.missing_scopes:
        live = mode in (IsolationMode.APPROVE, IsolationMode.AUTO)
        return found(
            HealthState.FAILED if live else HealthState.OK,
            f"{title} could isolate, verify and release, and the credential lacks permissions",
            f"Grant {', '.join(answered.missing_scopes)}" + ("" if live else " before a live mode"),
        )
    return found(HealthState.OK, f"{title} can isolate, verify and release")


def _ledger(settings: Settings) -> Finding:
    from connectors.state.sqlite_ledger import FILE_NAME

    def found(state: HealthState, detail: str, remedy: str = "") -> Finding:
        return Finding(area=Area.ISOLATION, name="ledger", state=state, detail=detail, remedy=remedy)

    file = settings.ledger.place / FILE_NAME
    if not os.path.lexists(file):
        return _not_made(file, found(HealthState.OK, f"{file} is made when it is first needed"))
    ledger = ledger_here(settings)
    try:
        told, problem = _stand(ledger, settings)
    except LedgerUnusable as error:
        return found(HealthState.FAILED, f"{error}, and so nothing is isolated")
    detail = "; ".join([str(file), *told])
    return found(HealthState.FAILED if problem else HealthState.OK, detail, problem)


def _not_made(file: Path, fine: Finding) -> Finding:
    """Whether it can be made, without making it: the nearest folder that is there has to take a file."""
    nearest = next(each for each in file.absolute().parents if os.path.lexists(each))
    if can_be_written(nearest):
        return fine
    return fine.model_copy(
        update={
            "state": HealthState.FAILED,
            "detail": f"{file} cannot be made ({nearest}), and so nothing is isolated",
            "remedy": "Let this user write it, or name another folder in ledger.folder",
        }
    )


def _stand(ledger: Ledger, settings: Settings) -> tuple[list[str], str]:
    """What the ledger says, and what to do where something is wrong; "" where nothing is."""
    head, switch, breaker = ledger.head(), ledger.kill_switch(), ledger.breaker()
    leases, now = ledger.leases(), clock()
    due = sum(lease.review_by <= now for lease in leases)
    told = [f"{count(len(leases), 'isolation')} of ours on record, {due} due for review"]
    if switch.on or settings.isolation.kill_switch:
        by = f" by {switch.by}" if switch.on else " in the settings"
        told.append(f"the kill switch is set{by}: nothing is isolated")
    problem = ""
    if breaker.open:
        told.append(
            f"the breaker is open: {breaker.failures} isolations in a row came to nothing, none goes on"
        )
        problem = "Look why, then run regsvcs-response breaker close"
    if head.number > MOST_LINES:
        told.append(f"the audit of {head.number:,} lines was not verified here: run audit verify")
        return told, problem
    verdict = verify(ledger.audit())
    if verdict.ok:
        told.append(f"the audit is intact, {count(verdict.lines, 'line')}")
        return told, problem
    told.append(f"the audit is broken: {verdict.problem}")
    return told, "Keep the file and compare it with your last export; see audit verify"
