"""A machine on which a connection was seen, from the events that show it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from connectors.facts.host import HostRef
from connectors.facts.notable import Direction
from connectors.facts.process import ProcessRef
from connectors.ports import MachineSeen

#: Names of one peer that are kept: a reverse look-up gives one, and a log may hold any number.
PEER_NAMES_KEPT = 10

#: Characters of a peer's name that are kept; a DNS name has 255.
LONGEST_PEER_NAME = 255


class Sighting(NamedTuple):
    """One event of the connection.

    Attributes:
        process: whose connection it is.
        direction: as the event says.
        peer_name: what the event calls the other end; "" where it says nothing.
    """

    process: ProcessRef
    direction: Direction = Direction.UNKNOWN
    peer_name: str = ""


def machine_seen(host: HostRef, sightings: Iterable[Sighting]) -> MachineSeen:
    """What the events of one machine say together: each process and each name once, in their order."""
    processes: dict[object, ProcessRef] = {}
    directions: set[Direction] = set()
    names: dict[str, str] = {}
    for process, direction, peer_name in sightings:
        processes.setdefault(process.guid or (process.pid, process.start_time, process.image), process)
        directions.add(direction)
        name = peer_name.strip()[:LONGEST_PEER_NAME]
        if name and len(names) < PEER_NAMES_KEPT:
            names.setdefault(name.lower(), name)
    directions.discard(Direction.UNKNOWN)
    return MachineSeen(
        host=host,
        processes=tuple(processes.values()),
        direction=directions.pop() if len(directions) == 1 else Direction.UNKNOWN,
        peer_names=tuple(names.values()),
    )
