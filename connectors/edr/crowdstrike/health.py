"""Whether Falcon answers and what the API client may do. Containing is not tried."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.edr.crowdstrike import hosts_api, queries, rows
from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon
from connectors.edr.crowdstrike.refusals import Scope
from connectors.edr.crowdstrike.search_jobs import SearchJobs
from connectors.errors import ConnectorError, PermissionMissing
from connectors.facts.health import Health, HealthState
from connectors.http.deadline import Deadline

#: Time searched for one event.
PROBE_SPAN = timedelta(minutes=5)


def health_of(
    falcon: Falcon, jobs: SearchJobs, *, repository: str, now: datetime, deadline: Deadline
) -> Health:
    """Whether a token is issued, hosts can be read and a search runs."""
    probes: tuple[Callable[[], object], ...] = (
        lambda: hosts_api.probe(falcon, deadline=deadline),
        lambda: jobs.find(
            queries.probe(),
            start=now - PROBE_SPAN,
            end=now,
            fits=lambda row: rows.event_name(row) in rows.STARTS,
            deadline=deadline,
        ),
    )
    missing: list[str] = []
    try:
        falcon.sign_in(deadline=deadline)
        for probe in probes:
            try:
                probe()
            except PermissionMissing as exc:
                missing.append(exc.scope)
    except ConnectorError as exc:
        detail = "; ".join([exc.message, *(f"the API client lacks {each}" for each in missing)])
        return Health(
            connector=CONNECTOR, state=HealthState.FAILED, detail=detail, missing_scopes=tuple(missing)
        )
    if missing:
        return Health(
            connector=CONNECTOR,
            state=HealthState.FAILED,
            detail=f"the API client lacks {', '.join(missing)}; grant it in the Falcon console",
            missing_scopes=tuple(missing),
        )
    return Health(
        connector=CONNECTOR,
        state=HealthState.OK,
        detail=f"hosts can be read and {repository} can be searched; containing needs "
        f"{Scope.HOSTS_WRITE.value!r}, which cannot be tried without containing",
    )
