"""Whether Elastic answers and what the API key may do. Isolating is not tried."""

from __future__ import annotations

from collections.abc import Callable

from connectors.edr.elastic import queries
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.refusals import CONNECTOR, Scope
from connectors.edr.elastic.search import Search
from connectors.errors import ConnectorError, PermissionMissing
from connectors.facts.health import Health, HealthState
from connectors.http.deadline import Deadline

_ISOLATING = f"isolating needs {Scope.ISOLATE.value!r}, which cannot be tried without isolating"


def health_of(kibana: Kibana, search: Search, deadline: Deadline) -> Health:
    """Ask for one host, one action and one event; without the right to read actions the rest works."""
    probes: tuple[tuple[bool, Callable[[], object]], ...] = (
        (True, lambda: kibana.probe_hosts(deadline=deadline)),
        (False, lambda: kibana.probe_actions(deadline=deadline)),
        (True, lambda: search.whole(queries.probe(), deadline=deadline)),
    )
    missing: list[str] = []
    problems: list[str] = []
    reads = True
    for needed, probe in probes:
        try:
            probe()
        except PermissionMissing as exc:
            missing.append(exc.scope)
            reads = reads and not needed
        except ConnectorError as exc:
            problems.append(exc.message)
            break
    lacking = f"the API key lacks {'; '.join(missing)}; grant it to its role"
    if problems or not reads:
        detail = "; ".join([*problems, *([lacking] if missing else [])])
        return _health(HealthState.FAILED, detail, missing)
    if missing:
        works = "hosts and process events can be read"
        lost = "no isolation can be started or followed without it"
        return _health(HealthState.OK, f"{works}; {lacking}: {lost}", missing)
    return _health(HealthState.OK, f"hosts, actions and process events can be read; {_ISOLATING}", missing)


def _health(state: HealthState, detail: str, missing: list[str]) -> Health:
    return Health(connector=CONNECTOR, state=state, detail=detail, missing_scopes=tuple(missing))
