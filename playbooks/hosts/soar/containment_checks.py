"""`test connectivity` of an asset of purpose contain: its EDR, what that can do, and the ledger."""

from __future__ import annotations

from pathlib import Path

from actions.guards.state import NEEDED_CAPABILITIES
from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.errors import InputError, ResponseError
from connectors.facts.health import HealthState
from connectors.state.ledger import Ledger
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.containing import app_ledger
from playbooks.hosts.soar.source_lines import STATES, SourceLine, SourceState
from playbooks.hosts.soar.sources import containing_edr
from playbooks.report import wording
from playbooks.report.display import safe_error
from playbooks.settings import Settings


def containment_lines(asset: Asset, state_folder: Path | None) -> list[SourceLine]:
    """The EDR, what it can do, and the ledger, which is made where there is none."""
    try:
        settings = settings_of(asset)
    except InputError:  # the policy's own line says it
        return [SourceLine("containment", SourceState.NOT_CONFIGURED, "the policy cannot be read")]
    return [*_edr(asset, settings), _ledger(settings, state_folder)]


def _edr(asset: Asset, settings: Settings) -> list[SourceLine]:
    name = settings.edr.connector
    title = EDRS[name].title if name is not None else "EDR"
    try:
        with containing_edr(asset, settings) as edr:
            health, missing = edr.check(), [c.value for c in NEEDED_CAPABILITIES if c not in edr.capabilities]
    except ResponseError as error:
        return [SourceLine(title, SourceState.WRONG, safe_error(error))]
    lacking = bool(health.missing_scopes) and health.state is HealthState.OK
    state = SourceState.WRONG if lacking else STATES[health.state]
    if missing:
        can = SourceLine("containment", SourceState.WRONG, f"{title} cannot {' or '.join(missing)}")
    else:
        can = SourceLine("containment", SourceState.OK, f"{title} can isolate, verify and release")
    return [SourceLine(title, state, health.detail), can]


def _ledger(settings: Settings, state_folder: Path | None) -> SourceLine:
    if state_folder is None:
        return SourceLine("ledger", SourceState.WRONG, "there is no folder for it: nothing is isolated")
    try:
        detail = _stand(app_ledger(settings, state_folder))
    except ResponseError as error:
        return SourceLine(
            "ledger", SourceState.WRONG, f"{safe_error(error).rstrip('.')}: nothing is isolated"
        )
    return SourceLine("ledger", SourceState.OK, detail)


def _stand(ledger: Ledger) -> str:
    switch, breaker = ledger.kill_switch(), ledger.breaker()
    standing = wording.count(len(ledger.leases()), "isolation")
    told = [f"{standing} of this app {'stands' if standing.startswith('1 ') else 'stand'}"]
    if switch.on:
        told.append(f"the kill switch is set by {wording.name(switch.by)}: nothing is isolated")
    if breaker.open:
        told.append(f"the breaker is open after {breaker.failures} failures: nothing is isolated")
    return "; ".join(told)
