"""Who the process talked to: one entry per peer address, from notables and, failing those, telemetry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from actions.case_facts import CaseFacts
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import Connection


class Talk(NamedTuple):
    """All connections with one peer. Raw text: `ip` and `names` are escaped where they are shown.

    Attributes:
        ports: peer ports, ascending; empty when unknown.
        names: names the process had resolved to it.
        connections: how many; None when unknown.
        first, last: None when unknown.
    """

    ip: str
    ports: tuple[int, ...]
    names: tuple[str, ...]
    direction: Direction
    connections: int | None
    first: datetime | None
    last: datetime | None


def talks(facts: CaseFacts) -> tuple[Talk, ...]:
    """One per peer: the case's destinations in order, then peers that only a notable names."""
    destinations = {each.ip: each for each in facts.destinations}
    peers = dict.fromkeys((*destinations, *(each.peer_ip for each in facts.notables if each.peer_ip)))
    found = []
    for ip in peers:
        notables = [each for each in facts.notables if each.peer_ip == ip]
        connections = [
            each for each in (facts.evidence.connections if facts.evidence else ()) if _peer(each) == ip
        ]
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
            )
        )
    return tuple(found)


def _peer(connection: Connection) -> str:
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
    """What the notables count; a notable without a count makes the sum unknown, then telemetry counts."""
    counts = [each.count for each in notables]
    known = [each for each in counts if each is not None]
    if counts and len(known) == len(counts):
        return sum(known)
    return sum(each.count for each in connections) or None


def _bounds(
    notables: list[Notable], connections: list[Connection]
) -> tuple[datetime | None, datetime | None]:
    """Of the notables; of the connections where a notable has no count, as one naming several peers."""
    told = bool(notables) and all(each.count is not None for each in notables)
    firsts = _known(each.first_time for each in notables)
    lasts = _known(each.last_time for each in notables)
    if connections and not (told and firsts and lasts):
        firsts = _known(each.time for each in connections) or firsts
        lasts = _known(each.last_time or each.time for each in connections) or lasts
    return min(firsts, default=None), max(lasts, default=None)


def _known(times: Iterable[datetime | None]) -> list[datetime]:
    return [each for each in times if each is not None]
