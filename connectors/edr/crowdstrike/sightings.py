"""On which agents Falcon recorded a connection: one search over all of them, and one call for their records.

Network events have the process's id on its agent and, from newer sensors, its name. What more there is of the
process stands in its start, which is not asked for here: whoever takes the machine finds it by that id.
"""

from __future__ import annotations

from datetime import datetime

from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import NamedPair, is_plain_id
from connectors.edr.crowdstrike import activity, devices, hosts_api, queries, rows
from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon
from connectors.edr.crowdstrike.search_jobs import Row, SearchJobs
from connectors.edr.sightings import Sighting, machine_seen
from connectors.errors import QueryFailed
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction
from connectors.facts.process import Connection, ProcessRef, image_name
from connectors.http.deadline import Deadline
from connectors.ports import MACHINES_NAMED, MachineSeen

#: Network events of one connection that are looked through.
MOST_EVENTS = 5000


def machines(
    falcon: Falcon, jobs: SearchJobs, pair: NamedPair, *, start: datetime, end: datetime, deadline: Deadline
) -> list[MachineSeen]:
    """The machines of a connection, the one that had it first first, MACHINES_NAMED at most.

    An agent of which Falcon has no record any more goes by the name in its events, else by its id.

    Raises:
        QueryFailed: there are more events than are looked through, or the sensors do not name the process.
    """
    found = jobs.find(
        queries.connections_between(pair, rows=MOST_EVENTS),
        start=start,
        end=end,
        fits=lambda row: _may_be_of(row, pair),
        deadline=deadline,
    ).rows
    if len(found) >= MOST_EVENTS:
        raise QueryFailed(
            CONNECTOR, f"more than {MOST_EVENTS - 1:,} network events of that connection: give a shorter time"
        )
    own = [row for row in found if _is_of(row, pair)]
    of_name = [row for row in own if image_name(activity.writer(row)).lower() == pair.name.lower()]
    if not of_name and not all(map(activity.writer, own)):
        raise QueryFailed(
            CONNECTOR,
            "the connection is recorded by sensors that do not name its process; on which machine it was the"
            " process asked for cannot be told",
        )
    seen: dict[str, list[Row]] = {}
    for row in sorted(of_name, key=_when):
        seen.setdefault(_agent(row), []).append(row)
    kept = dict(list(seen.items())[:MACHINES_NAMED])
    known = _hosts(falcon, kept, deadline)
    return [machine_seen(known[aid], map(_sighting, events)) for aid, events in kept.items()]


def _may_be_of(row: Row, pair: NamedPair) -> bool:
    """Whether a row is one that the search asks for: a network event of an agent with both addresses."""
    versions = [(end, version) for end in ("Local", "Remote") for version in ("4", "6")]
    addresses = {activity.address(row, end, version) for end, version in versions}
    return (
        activity.connection(row) is not None
        and is_plain_id(_agent(row))
        and addresses >= {pair.src_ip, pair.dest_ip}
    )


def _is_of(row: Row, pair: NamedPair) -> bool:
    fact = activity.connection(row)
    return fact is not None and (fact.src_ip, fact.dest_ip) == (pair.src_ip, pair.dest_ip)


def _hosts(falcon: Falcon, seen: dict[str, list[Row]], deadline: Deadline) -> dict[str, HostRef]:
    """The host of each agent, by one call for all of them."""
    if not seen:
        return {}
    found = hosts_api.find(falcon, queries.hosts_with_ids(seen), deadline=deadline)
    recorded = [devices.host_ref(each) for each in found]
    known = {each.host_id: each for each in recorded}
    return {aid: known.get(aid) or _unrecorded(aid, events) for aid, events in seen.items()}


def _unrecorded(aid: str, events: list[Row]) -> HostRef:
    names = (fields.text(row.get("ComputerName")).strip() for row in events)
    return HostRef(connector=CONNECTOR, host_id=aid, hostname=next(filter(None, names), aid))


def _sighting(row: Row) -> Sighting:
    fact: Connection | None = activity.connection(row)
    outbound = fact is not None and fact.initiated
    return Sighting(
        ProcessRef(
            host_id=_agent(row), guid=rows.process_id(row.get("ContextProcessId")), image=activity.writer(row)
        ),
        Direction.OUTBOUND if outbound else Direction.INBOUND,
    )


def _agent(row: Row) -> str:
    return fields.text(row.get("aid"))


def _when(row: Row) -> tuple[float, str]:
    moment = rows.event_time(row)
    return (moment.timestamp() if moment is not None else float("inf"), _agent(row))
