"""Network connections (Sysmon EID 3) as compact rows: one for all events between the same two ends."""

from __future__ import annotations

from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.base import SourceRef
from connectors.facts.process import Connection


class ConnectionRow(NamedTuple):
    """Connections of one process between the same two ends.

    Attributes:
        guid: of the process; None where the log has a null one.
        pid, image: as logged.
        first_utc, last_utc: UtcTime texts, "" where none is readable.
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

    @property
    def peer_ip(self) -> str:
        """The other end by direction; where the direction is not recorded, DestinationIp."""
        return self.src_ip if self.initiated is False else self.dest_ip

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
    utc = fields.utc_text(get("UtcTime"))
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
    )
