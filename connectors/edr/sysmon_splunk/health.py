"""Whether Sysmon's events in Splunk can be searched and read."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.finding import FilesInSplunk
from connectors.edr.sysmon_splunk.gathering import AHEAD, Gathering
from connectors.errors import ConnectorError, PermissionMissing
from connectors.facts.health import Health, HealthState
from connectors.ports import Window

#: Events are looked for so far back to see whether there are any.
PROBE_SPAN = timedelta(days=1)


def health_of(gathering: Gathering, sysmon: str, *, now: datetime) -> Health:
    """Whether the start of a process of the last day is found: without such events there is no lineage.

    Args:
        gathering: of any host.
        sysmon: search terms for Sysmon's events.
        now: timezone-aware.
    """
    try:
        gathering.search(queries.probe(sysmon), Window(now - PROBE_SPAN, now + AHEAD), most=1)
    except PermissionMissing as exc:
        detail = f"the role of the token's user lacks the capability {exc.scope}; grant it"
        return _health(HealthState.FAILED, detail, (exc.scope,))
    except ConnectorError as exc:
        return _health(HealthState.FAILED, exc.message)
    if not gathering.events:
        what = "no start of a process (Sysmon event 1) of the last day"
        return _health(HealthState.FAILED, f"{what}: look at the setting sysmon and at the role's indexes")
    return _health(HealthState.OK, "Sysmon's events can be searched; containment is not possible here")


def _health(state: HealthState, detail: str, missing: tuple[str, ...] = ()) -> Health:
    return Health(connector=FilesInSplunk.name, state=state, detail=detail, missing_scopes=missing)
