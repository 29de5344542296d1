"""A Falcon device record as a host.

Fields: `/devices/entities/devices/v2` and `/devices/combined/devices/v1`, as the recorded answers in
stix-shifter have them (stix_shifter_modules/crowdstrike and crowdstrike_logscale, tests/stix_translation).
A list of one can arrive as a bare text there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.errors import BadResponse
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import IsolationState

CONNECTOR = "crowdstrike"

_TYPES = {
    "workstation": HostType.WORKSTATION,
    "server": HostType.SERVER,
    "domain controller": HostType.DOMAIN_CONTROLLER,
    # product_type, where the description is missing: wProductType of Windows' OSVERSIONINFOEX
    "1": HostType.WORKSTATION,
    "2": HostType.DOMAIN_CONTROLLER,
    "3": HostType.SERVER,
}

#: `status` of a device. A detection's record has a `status` of its own, such as "in_progress".
_ISOLATION = {
    "normal": IsolationState.NOT_ISOLATED,
    "containment_pending": IsolationState.ISOLATING,
    "contained": IsolationState.ISOLATED,
    "lift_containment_pending": IsolationState.RELEASING,
}

#: The values of `status` with which a device is cut off, is about to be, or still is.
CONTAINED = tuple(text for text, state in _ISOLATION.items() if state is not IsolationState.NOT_ISOLATED)

#: Addresses of the machine itself. `external_ip` is that of the network's way out and stands for many.
_ADDRESS_FIELDS = ("local_ip", "connection_ip")

_MOST_TAGS = 200


def host_ref(device: Mapping[str, object]) -> HostRef:
    """The host of a device record.

    Raises:
        BadResponse: the record has no device_id.
    """
    device_id = fields.text(device.get("device_id"))
    if not device_id:
        raise BadResponse(CONNECTOR, "a device record without device_id")
    last_seen = fields.instant(device.get("last_seen"))
    return HostRef(
        connector=CONNECTOR,
        host_id=device_id,
        hostname=full_name(device),
        host_type=host_type(device),
        addresses=tuple(
            AddressSeen(ip=ip, last_seen=last_seen) for ip in dict.fromkeys(device_addresses(device))
        ),
        first_seen=fields.instant(device.get("first_seen")),
        last_seen=last_seen,
        tags=tuple(dict.fromkeys([*_texts(device.get("tags")), *_texts(device.get("groups"))])),
        isolation=isolation(device),
    )


def full_name(device: Mapping[str, object]) -> str:
    """The host name, with the domain where the record names a DNS domain."""
    name = fields.text(device.get("hostname")).strip().rstrip(".")
    domain = fields.text(device.get("machine_domain")).strip().strip(".")
    if name and "." not in name and "." in domain:
        return f"{name}.{domain}"
    return name


def host_type(device: Mapping[str, object]) -> HostType:
    """Workstation, server or domain controller; UNKNOWN for what Falcon does not say, or says of others."""
    said = fields.text(device.get("product_type_desc")) or fields.text(device.get("product_type"))
    return _TYPES.get(said.strip().lower(), HostType.UNKNOWN)


def isolation(device: Mapping[str, object]) -> IsolationState:
    """The state of network containment as the device record says it."""
    return _ISOLATION.get(fields.text(device.get("status")).strip().lower(), IsolationState.UNKNOWN)


def device_addresses(device: Mapping[str, object]) -> Iterable[str]:
    """The machine's own addresses in the record, canonical."""
    for name in _ADDRESS_FIELDS:
        for text in _texts(device.get(name)):
            if (ip := canonical_ip(text)) is not None:
                yield ip


def _texts(value: object) -> list[str]:
    """A list of texts, which may arrive as one bare text."""
    values = value if isinstance(value, list) else [value]
    return [text for each in values[:_MOST_TAGS] if (text := fields.text(each).strip())]
