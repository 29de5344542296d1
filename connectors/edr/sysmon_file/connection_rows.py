"""Network connections (Sysmon EID 3) as compact rows: one for all events between the same two ends."""

from __future__ import annotations

from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sightings import LONGEST_PEER_NAME, PEER_NAMES_KEPT
from connectors.edr.sysmon_file.event import RawEvent
from connectors.edr.sysmon_file.event_clock import event_utc
from connectors.facts.base import SourceRef
from connectors.facts.notable import Direction
from connectors.facts.process import Connection

#: Characters of an account that are kept of a connection: Windows ends its name at 256, and a domain's.
LONGEST_ACCOUNT = 520


class ConnectionRow(NamedTuple):
    """Connections of one process between the same two ends.

    Attributes:
        guid: of the process; None where the log has a null one.
        pid, image: as logged.
        src_port, protocol, source, record: of the earliest event.
        first_utc, last_utc: texts of event_clock.event_utc, "" where none is readable.
        user: as logged, of the earliest event that has one; "" where none has.
        peer_names: what the events call the other end, PEER_NAMES_KEPT at most; empty without a direction,
            which says who of the two is the other end.
    """

    guid: str | None
    pid: int | None
    image: str
    src_ip: str
    src_port: int | None
    dest_ip: str
    dest_port: int | None
    protocol: str
    initiated: bool | None
    first_utc: str
    last_utc: str
    events: int
    source: str
    record: int
    user: str = ""
    peer_names: tuple[str, ...] = ()

    @property
    def peer_ip(self) -> str:
        """The other end by direction; where the direction is not recorded, DestinationIp."""
        return self.src_ip if self.initiated is False else self.dest_ip

    @property
    def local_ip(self) -> str:
        """The host's own end by direction; where the direction is not recorded, SourceIp."""
        return self.dest_ip if self.initiated is False else self.src_ip

    @property
    def direction(self) -> Direction:
        """Who opened it, from Initiated."""
        if self.initiated is None:
            return Direction.UNKNOWN
        return Direction.OUTBOUND if self.initiated else Direction.INBOUND

    def with_event(self, other: ConnectionRow) -> ConnectionRow:
        """This row with another event between the same two ends, in whichever order they are read."""
        first, later = sorted((self, other), key=ConnectionRow.time_order)
        names = dict.fromkeys((*first.peer_names, *later.peer_names))
        return first._replace(
            first_utc=fields.earlier(self.first_utc, other.first_utc),
            last_utc=max(self.last_utc, other.last_utc),
            events=self.events + other.events,
            user=first.user or later.user,
            peer_names=tuple(names)[:PEER_NAMES_KEPT],
        )

    def time_order(self) -> tuple[object, ...]:
        """To sort by: the earliest first, those without a time last."""
        return (not self.first_utc, self.first_utc, self.record, self.source)

    def fact(self) -> Connection:
        """The connection as a fact."""
        return Connection(
            time=fields.instant(self.first_utc),
            last_time=fields.instant(self.last_utc),
            count=self.events,
            src_ip=self.src_ip,
            src_port=self.src_port,
            dest_ip=self.dest_ip,
            dest_port=self.dest_port,
            protocol=self.protocol,
            initiated=self.initiated,
            source=SourceRef(source=self.source, record=self.record, event_id="3"),
        )


def canonical(value: object) -> str:
    """Canonical text of an address; as logged where it is none."""
    logged = fields.text(value)
    return canonical_ip(logged) or logged


def connection_row(event: RawEvent) -> ConnectionRow:
    """The row of one network connection event (EID 3)."""
    get = event.data.get
    utc = event_utc(event)
    return ConnectionRow(
        guid=fields.guid(get("ProcessGuid")),
        pid=fields.integer(get("ProcessId")),
        image=fields.text(get("Image")),
        src_ip=canonical(get("SourceIp")),
        src_port=fields.port(get("SourcePort")),
        dest_ip=canonical(get("DestinationIp")),
        dest_port=fields.port(get("DestinationPort")),
        protocol=fields.text(get("Protocol")),
        initiated=fields.boolean(get("Initiated")),
        first_utc=utc,
        last_utc=utc,
        events=1,
        source=event.source,
        record=event.record,
        user=fields.text(get("User"))[:LONGEST_ACCOUNT],
        peer_names=_peer_names(event),
    )


def _peer_names(event: RawEvent) -> tuple[str, ...]:
    initiated = fields.boolean(event.data.get("Initiated"))
    if initiated is None:
        return ()
    name = fields.text(event.data.get("DestinationHostname" if initiated else "SourceHostname"))
    return (name[:LONGEST_PEER_NAME],) if name else ()
