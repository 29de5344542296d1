"""When a machine had which address, by what hunting recorded around a time. Pure.

The machine record has its addresses of when it was last seen. Connections name the machine's own end
(DeviceNetworkEvents.LocalIP), and the configuration of its adapters is reported again and again
(DeviceNetworkInfo.IPAddresses, a JSON array of objects with IPAddress):
https://learn.microsoft.com/defender-xdr/advanced-hunting-devicenetworkinfo-table
Microsoft's own hunting query for a machine's addresses at a time looks 15 minutes around it at adapters that
are up (Azure/Azure-Sentinel, Hunting Queries/Microsoft 365 Defender, Network info of machine).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import orjson

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.defender.rows import address
from connectors.edr.one_host import names_a_host
from connectors.facts.host import AddressSeen, HostRef

#: Addresses are looked for this long before and after a time.
SPAN = timedelta(minutes=30)

MOST_ADDRESSES = 200
_LONGEST_LIST = 65_536


def with_history(host: HostRef, rows: Iterable[Mapping[str, object]]) -> HostRef:
    """The host with the addresses that the rows of `queries.addresses` tell.

    Where they tell any, an address of the record counts for when the machine was last seen alone.
    """
    spans: dict[str, tuple[datetime, datetime]] = {}
    for ip, first, last in _sightings(rows):
        known = spans.get(ip, (first, last))
        spans[ip] = (min(known[0], first), max(known[1], last))
    if not spans:
        return host
    then = (
        AddressSeen(ip=ip, first_seen=first, last_seen=last) for ip, (first, last) in sorted(spans.items())
    )
    latest = (
        each.model_copy(update={"first_seen": each.first_seen or each.last_seen}) for each in host.addresses
    )
    return host.model_copy(update={"addresses": tuple(dict.fromkeys((*then, *latest)))[:MOST_ADDRESSES]})


def _sightings(rows: Iterable[Mapping[str, object]]) -> Iterator[tuple[str, datetime, datetime]]:
    for row in rows:
        first, last = fields.instant(row.get("FirstSeen")), fields.instant(row.get("LastSeen"))
        if first is None or last is None:
            continue
        listed = [row.get("LocalIP"), *_assigned(row.get("IPAddresses"))]
        for text in listed[:MOST_ADDRESSES]:
            ip = canonical_ip(address(text)) if isinstance(text, str) else None
            if ip is not None and names_a_host(ip):
                yield ip, first, last


def _assigned(value: object) -> list[object]:
    """The addresses of an adapter."""
    if not isinstance(value, str) or not value or len(value) > _LONGEST_LIST:
        return []
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    return (
        [each.get("IPAddress") for each in read if isinstance(each, dict)] if isinstance(read, list) else []
    )
