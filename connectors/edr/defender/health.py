"""Whether Defender answers and what the application may do. Isolating is not tried."""

from __future__ import annotations

from connectors.edr.defender import queries
from connectors.edr.defender.api import (
    CONNECTOR,
    HUNTING_READ,
    MACHINE_ISOLATE,
    MACHINE_READ,
    DefenderApi,
)
from connectors.errors import ConnectorError, NotFound, PermissionMissing
from connectors.facts.health import Health, HealthState
from connectors.http.deadline import Deadline

_SCOPES = (MACHINE_READ, MACHINE_ISOLATE, HUNTING_READ)


def health_of(api: DefenderApi, deadline: Deadline) -> Health:
    """Ask for one machine and one hunting row; what may be done to a machine stands in the token."""
    missing: list[str] = []
    problems: list[str] = []
    for probe in (lambda: api.any_machine(deadline), lambda: api.hunt(queries.PROBE, deadline)):
        try:
            probe()
        except PermissionMissing as exc:
            missing.append(exc.scope)
        except NotFound:
            continue  # the list of a tenant without recent machines is a 404
        except ConnectorError as exc:
            problems.append(exc.message)
    granted = api.granted
    if granted is not None:
        missing += [each for each in _SCOPES if each not in granted and each not in _implied(granted)]
    missing = list(dict.fromkeys(missing))
    unreadable = [each for each in missing if each != MACHINE_ISOLATE]
    if unreadable:
        problems.insert(0, f"the application lacks {', '.join(missing)}")
    if problems:
        return Health(
            connector=CONNECTOR,
            state=HealthState.FAILED,
            detail="; ".join(dict.fromkeys(problems)),
            missing_scopes=tuple(missing),
        )
    if missing:
        told = f"; without {MACHINE_ISOLATE} no machine can be isolated: grant it to the application"
    else:
        told = "" if granted is not None else "; whether it may isolate cannot be read from its token"
    return Health(
        connector=CONNECTOR,
        state=HealthState.OK,
        detail=f"machines and hunting can be read{told}",
        missing_scopes=tuple(missing),
    )


def _implied(granted: frozenset[str]) -> frozenset[str]:
    """Permissions that others include: who may write machine information may read it."""
    return frozenset({MACHINE_READ}) if "Machine.ReadWrite.All" in granted else frozenset()
