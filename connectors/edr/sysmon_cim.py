"""From a Sysmon EID 3 to the CIM fields that the analytic searches, as Splunk's add-on maps them.

| CIM          | Sysmon                                                              |
|--------------|---------------------------------------------------------------------|
| dest         | System/Computer (not DestinationHostname, which is dest_host)       |
| user         | User, with its domain                                               |
| process_name | last part of Image                                                  |
| src_ip       | SourceIp                                                            |
| dest_ip      | DestinationIp                                                       |
| _time        | System/TimeCreated; UtcTime where a log shape carries no TimeCreated |
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.notable import Direction
from connectors.facts.process import image_name


class CimConnection(NamedTuple):
    """One network connection in CIM terms. None: the field is not there, as a Splunk field is null."""

    dest: str | None
    user: str | None
    process_name: str | None
    src_ip: str | None
    dest_ip: str | None
    time: datetime | None

    @property
    def absent(self) -> tuple[str, ...]:
        """The by-fields that are missing; `stats ... by` drops the event when there is any."""
        return tuple(name for name in BY_FIELDS if getattr(self, name) is None)


#: The by-fields of the analytic's `stats`.
BY_FIELDS = ("dest", "user", "process_name", "src_ip", "dest_ip")


def cim_connection(event: RawEvent) -> CimConnection:
    """The CIM view of an EID 3. Texts stay as logged; an empty one is no field."""
    get = event.data.get
    image = fields.recorded(get("Image"))
    return CimConnection(
        dest=event.computer or None,
        user=_field(get("User")),
        process_name=(image_name(image) or None) if image else None,
        src_ip=_field(get("SourceIp")),
        dest_ip=_field(get("DestinationIp")),
        time=fields.instant(event.logged_at) or fields.instant(get("UtcTime")),
    )


def direction(event: RawEvent) -> Direction:
    """Who opened the connection, from Initiated."""
    initiated = fields.boolean(event.data.get("Initiated"))
    if initiated is None:
        return Direction.UNKNOWN
    return Direction.OUTBOUND if initiated else Direction.INBOUND


def _field(value: object) -> str | None:
    text = fields.recorded(value)
    return text or None
