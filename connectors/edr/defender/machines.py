"""A machine record of the Defender for Endpoint API as a host.

Fields: https://learn.microsoft.com/defender-endpoint/api/machine
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.errors import BadResponse
from connectors.facts.host import AddressSeen, HostRef, HostType

CONNECTOR = "defender"

_MOST_TAGS = 200
_MOST_ADDRESSES = 200

#: healthStatus. Any other value, and none, says nothing.
_ACTIVE = {
    "active": True,
    "inactive": False,
    "impairedcommunication": False,
    "nosensordata": False,
    "nosensordataimpairedcommunication": False,
}

#: osPlatform of clients, such as Windows10 and Windows11. A domain controller is a WindowsServer like any
#: other.
_CLIENTS = frozenset({"windows7", "windows8", "windows8blue", "windows10", "windows11", "macos"})


def host_ref(machine: Mapping[str, object]) -> HostRef:
    """The host of a machine record.

    Raises:
        BadResponse: it has no id.
    """
    machine_id = fields.text(machine.get("id"))
    if not machine_id:
        raise BadResponse(CONNECTOR, "a machine record without id")
    last_seen = fields.instant(machine.get("lastSeen"))
    return HostRef(
        connector=CONNECTOR,
        host_id=machine_id,
        hostname=fields.text(machine.get("computerDnsName")).strip().rstrip("."),
        host_type=host_type(fields.text(machine.get("osPlatform"))),
        addresses=tuple(AddressSeen(ip=ip, last_seen=last_seen) for ip in dict.fromkeys(_addresses(machine)))[
            :_MOST_ADDRESSES
        ],
        first_seen=fields.instant(machine.get("firstSeen")),
        last_seen=last_seen,
        tags=tuple(dict.fromkeys(_tags(machine))),
        active=_ACTIVE.get(fields.text(machine.get("healthStatus")).strip().lower()),
    )


def host_type(platform: str) -> HostType:
    """Workstation or server by osPlatform; UNKNOWN for any other.

    Which server is a domain controller Defender does not say: it shows as a server.
    """
    name = platform.strip().lower()
    if name.startswith("windowsserver"):
        return HostType.SERVER
    return HostType.WORKSTATION if name in _CLIENTS else HostType.UNKNOWN


def is_agent(machine: Mapping[str, object]) -> bool:
    """False for a record that is no agent: a device that was only discovered, or one merged into another."""
    status = fields.text(machine.get("onboardingStatus")).strip().lower()
    return status in {"", "onboarded"} and not fields.text(machine.get("mergedIntoMachineId"))


def _addresses(machine: Mapping[str, object]) -> Iterable[str]:
    """Addresses of its own interfaces; lastExternalIpAddress is that of its network's way out."""
    entries = machine.get("ipAddresses")
    listed = (
        [each.get("ipAddress") for each in entries if isinstance(each, dict)]
        if isinstance(entries, list)
        else []
    )
    for value in (machine.get("lastIpAddress"), *listed):
        ip = canonical_ip(value) if isinstance(value, str) else None
        if ip is not None:
            yield ip


def _tags(machine: Mapping[str, object]) -> Iterable[str]:
    tags = machine.get("machineTags")
    group = fields.text(machine.get("rbacGroupName"))
    named = [fields.text(each) for each in tags[:_MOST_TAGS]] if isinstance(tags, list) else []
    return (each for each in (*named, group) if each)
