"""From a Sysmon EID 3 to the CIM fields that the analytic searches, as the two add-ons of Splunk map them.

As the community's add-on has it (version 7 of the analytic):

| CIM          | Sysmon                                                              |
|--------------|---------------------------------------------------------------------|
| dest         | System/Computer (not DestinationHostname, which is dest_host)       |
| user         | User, with its domain                                               |
| process_name | last part of Image                                                  |
| src_ip       | SourceIp                                                            |
| dest_ip      | DestinationIp                                                       |
| _time        | System/TimeCreated; UtcTime where a log shape carries no TimeCreated (event_clock) |

As the add-on that Splunk supports has it (Splunkbase 5709; version 15 of the analytic):

| CIM                       | Sysmon                                                          |
|---------------------------|-----------------------------------------------------------------|
| dest                      | DestinationHostname, else DestinationIp                         |
| src                       | SourceHostname, else SourceIp                                   |
| dvc                       | System/Computer                                                 |
| user                      | User without its domain                                         |
| app                       | Image                                                           |
| process_name, process_exec | last part of Image                                             |
| direction                 | outbound or inbound, by Initiated                               |
| transport                 | Protocol                                                        |
| protocol_version          | ipv4 or ipv6, by DestinationIp                                  |
| action, protocol, vendor_product | the same for every event                                 |
| process_guid, process_id, src_ip, src_port, dest_ip, dest_port | as logged                  |

data_sources/sysmon_eventid_3.yml of splunk/security_content lists these fields. What they hold where Sysmon
logged nothing was not seen; an empty text and, for names, "-" count as no value here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.edr.sysmon_file.event_clock import event_time
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
        time=event_time(event),
    )


def supported_fields(event: RawEvent) -> Mapping[str, str | None]:
    """The by-fields of version 15 for an EID 3, as the add-on that Splunk supports gives them.

    None: the field is not there, and `stats by` drops the event.
    """
    get = event.data.get
    image = _field(get("Image"))
    name = (image_name(image) or None) if image else None
    way = direction(event)
    dest_ip, src_ip = _field(get("DestinationIp")), _field(get("SourceIp"))
    user = _field(get("User"))
    return {
        "action": "allowed",
        "app": image,
        "dest": fields.text(get("DestinationHostname")) or dest_ip,
        "dest_ip": dest_ip,
        "dest_port": _field(get("DestinationPort")),
        "direction": None if way is Direction.UNKNOWN else way.value,
        "dvc": event.computer or None,
        "protocol": "ip",
        "protocol_version": ("ipv6" if ":" in dest_ip else "ipv4") if dest_ip else None,
        "src": fields.text(get("SourceHostname")) or src_ip,
        "src_ip": src_ip,
        "src_port": _field(get("SourcePort")),
        "transport": _field(get("Protocol")),
        "user": (user.rpartition("\\")[2] or None) if user else None,
        "vendor_product": "Microsoft Sysmon",
        "process_name": name,
        "process_exec": name,
        "process_guid": _field(get("ProcessGuid")),
        "process_id": _field(get("ProcessId")),
    }


def direction(event: RawEvent) -> Direction:
    """Who opened the connection, from Initiated."""
    initiated = fields.boolean(event.data.get("Initiated"))
    if initiated is None:
        return Direction.UNKNOWN
    return Direction.OUTBOUND if initiated else Direction.INBOUND


def _field(value: object) -> str | None:
    text = fields.recorded(value)
    return text or None
