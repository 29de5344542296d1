"""Who the process talked to: one entry per peer address, from notables and, failing those, telemetry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from actions.case_facts import CaseFacts
from actions.check_ip import check_ip
from connectors.addresses import canonical_ip
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import Connection, ProcessEvidence


class Talk(NamedTuple):
    """All connections with one peer. Raw text: `ip` and `names` are escaped where they are shown.

    Attributes:
        ports: peer ports, ascending; empty when unknown.
        names: names the process had resolved to it.
        connections: how many; None when unknown.
        first, last: None when unknown.
        only_said: True where a notable alone names it, and the process's telemetry holds no connection with
            it; count and times are then the notable's.
    """

    ip: str
    ports: tuple[int, ...]
    names: tuple[str, ...]
    direction: Direction
    connections: int | None
    first: datetime | None
    last: datetime | None
    only_said: bool = False


#: What is told of a peer that is only said.
ONLY_SAID = "as the notable says; not in the telemetry"


class Others(NamedTuple):
    """Connections of the process that no destination of the case stands for, by the kind of their peer.

    Attributes:
        not_public: with addresses that are not public.
        own: with public addresses, which are then the organisation's own.
        unreadable: with what is no address.
    """

    not_public: int
    own: int
    unreadable: int


def talks(facts: CaseFacts) -> tuple[Talk, ...]:
    """One per peer: the case's destinations in order, then peers that only a notable names."""
    destinations = {each.ip: each for each in facts.destinations}
    notables_of: dict[str, list[Notable]] = {}
    for notable in facts.notables:
        if notable.peer_ip:
            notables_of.setdefault(notable.peer_ip, []).append(notable)
    connections_of: dict[str, list[Connection]] = {}
    for connection in facts.evidence.connections if facts.evidence else ():
        connections_of.setdefault(peer_of(connection), []).append(connection)
    found = []
    for ip in dict.fromkeys((*destinations, *notables_of)):
        notables, connections = notables_of.get(ip, []), connections_of.get(ip, [])
        destination = destinations.get(ip)
        ports = {
            port for each in notables if each.direction is not Direction.INBOUND for port in each.dest_ports
        }
        first, last = _bounds(notables, connections)
        found.append(
            Talk(
                ip=ip,
                ports=(destination.ports if destination else ()) or tuple(sorted(ports)),
                names=destination.dns_names if destination else (),
                direction=_direction(notables, connections),
                connections=_count(notables, connections),
                first=first,
                last=last,
                only_said=_only_said(facts.evidence, connections),
            )
        )
    return tuple(found)


def others(facts: CaseFacts) -> Others:
    """The connections seen that `talks` does not tell of."""
    told = {each.ip for each in talks(facts)}
    counted = {True: 0, False: 0, None: 0}
    for each in facts.evidence.connections if facts.evidence else ():
        if (peer := peer_of(each)) not in told:
            ip = canonical_ip(peer)
            counted[None if ip is None else check_ip(ip).public] += each.count
    return Others(not_public=counted[False], own=counted[True], unreadable=counted[None])


def _only_said(evidence: ProcessEvidence | None, connections: list[Connection]) -> bool:
    """What was cut off may have held the connection, hence a cut telemetry denies nothing."""
    return evidence is not None and not evidence.truncated and not connections


def peer_of(connection: Connection) -> str:
    """The other end, by direction, as logged."""
    return connection.src_ip if connection.initiated is False else connection.dest_ip


def _direction(notables: list[Notable], connections: list[Connection]) -> Direction:
    said = {each.direction for each in notables} - {Direction.UNKNOWN}
    if not said:
        said = {
            Direction.OUTBOUND if each.initiated else Direction.INBOUND
            for each in connections
            if each.initiated is not None
        }
    return said.pop() if len(said) == 1 else Direction.UNKNOWN


def _count(notables: list[Notable], connections: list[Connection]) -> int | None:
    """What the notables count, or telemetry where it has more; None where neither counts.

    A notable of version 15 is one connection: telemetry knows of the others.
    """
    return max(filter(None, (_told(notables), sum(each.count for each in connections))), default=None)


def _told(notables: list[Notable]) -> int | None:
    """How many connections the notables count; None where one has no count."""
    counts = [each.count for each in notables if each.count is not None]
    return sum(counts) if counts and len(counts) == len(notables) else None


def _bounds(
    notables: list[Notable], connections: list[Connection]
) -> tuple[datetime | None, datetime | None]:
    """Of the notables; of the connections where these are more, or a notable has no count."""
    told = _told(notables)
    firsts = _known(each.first_time for each in notables)
    lasts = _known(each.last_time for each in notables)
    more = told is None or sum(each.count for each in connections) > told
    if connections and (more or not (firsts and lasts)):
        firsts = _known(each.time for each in connections) or firsts
        lasts = _known(each.last_time or each.time for each in connections) or lasts
    return min(firsts, default=None), max(lasts, default=None)


def _known(times: Iterable[datetime | None]) -> list[datetime]:
    return [each for each in times if each is not None]
