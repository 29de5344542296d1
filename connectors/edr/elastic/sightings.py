"""On which agents Elastic Defend recorded a connection: one search over all, one call for their records."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import NamedPair, is_plain_id
from connectors.edr.elastic import activity, hosts, queries, rows
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.queries import Span
from connectors.edr.elastic.refusals import CONNECTOR
from connectors.edr.elastic.search import Row, Search
from connectors.edr.sightings import Sighting, machine_seen
from connectors.errors import QueryFailed
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction
from connectors.facts.process import ProcessRef, image_name
from connectors.http.deadline import Deadline
from connectors.ports import MACHINES_NAMED, MachineSeen

#: Processes of one connection that are looked through; they come in one page.
MOST_PROCESSES = 500

_DIRECTIONS = {True: Direction.OUTBOUND, False: Direction.INBOUND, None: Direction.UNKNOWN}


def machines(
    kibana: Kibana, search: Search, pair: NamedPair, span: Span, *, deadline: Deadline
) -> list[MachineSeen]:
    """The machines of a connection, the one that had it first first, MACHINES_NAMED at most.

    An agent of which Kibana has no record any more goes by the name in its events, else by its id.

    Raises:
        QueryFailed: there are more processes than are looked through; part of the index did not answer; or
            an event names its process by no id, behind which others may be hidden.
    """
    found = search.whole(queries.connected_between(pair, span, most=MOST_PROCESSES), deadline=deadline)
    if found.truncated:
        raise QueryFailed(
            CONNECTOR, f"{MOST_PROCESSES} processes or more had that connection: give a shorter time"
        )
    seen: dict[str, list[Row]] = {}
    for row in found.rows:
        if not _is_of(row, pair):
            continue
        if rows.entity(row) is None or not is_plain_id(_agent(row)):
            # A collapsed search gives one event for all of those without an id.
            raise QueryFailed(CONNECTOR, "an event of that connection does not name its process and agent")
        seen.setdefault(_agent(row), []).append(row)
    kept = dict(list(seen.items())[:MACHINES_NAMED])
    known = _hosts(kibana, kept, deadline)
    return [machine_seen(known[agent], map(_sighting, events)) for agent, events in kept.items()]


def _is_of(row: Row, pair: NamedPair) -> bool:
    fact = activity.connection(row)
    names = {rows.text(row, "process.name").lower(), image_name(rows.image(row)).lower()}
    return (
        fact is not None
        and (fact.src_ip, fact.dest_ip) == (pair.src_ip, pair.dest_ip)
        and pair.name.lower() in names
    )


def _hosts(kibana: Kibana, seen: dict[str, list[Row]], deadline: Deadline) -> dict[str, HostRef]:
    """The host of each agent, by one call for all of them."""
    if not seen:
        return {}
    found = kibana.hosts(queries.hosts_kuery(agent_ids=seen), deadline=deadline)
    known = {each.host_id: each for each in map(hosts.host_ref, found)}
    return {agent: known.get(agent) or _unrecorded(agent, events) for agent, events in seen.items()}


def _unrecorded(agent: str, events: Iterable[Row]) -> HostRef:
    names = (hosts.host_name(row) for row in events)
    return HostRef(connector=CONNECTOR, host_id=agent, hostname=next(filter(None, names), agent))


def _sighting(row: Row) -> Sighting:
    fact = activity.connection(row)
    return Sighting(
        ProcessRef(
            host_id=_agent(row),
            guid=rows.entity(row),
            pid=fields.integer(rows.at(row, "process.pid")),
            image=rows.image(row),
        ),
        _DIRECTIONS[fact.initiated if fact is not None else None],
    )


def _agent(row: Row) -> str:
    return rows.text(row, "agent.id")
