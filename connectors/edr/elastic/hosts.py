"""A record of Kibana's host list as a host. Pure.

GET /api/endpoint/metadata gives `{data: [{metadata, host_status, last_checkin}], total, page, pageSize}`:
elastic/kibana, security_solution/docs/openapi/ess/security_solution_endpoint_management_api_2023_10_31.
Pages count from 0 (server/endpoint/routes/metadata/query_builders.ts: `from: page * pageSize`), although
the document says 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import ip_address

from connectors.addresses import canonical_ip
from connectors.edr import sysmon_fields as fields
from connectors.edr.elastic.refusals import CONNECTOR
from connectors.edr.elastic.rows import Row, at, text, when
from connectors.errors import BadResponse
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import IsolationState

#: host_status. Any other value, and none, says nothing.
_ACTIVE = {"healthy": True, "unhealthy": True, "updating": True, "offline": False, "inactive": False}

_MOST_ADDRESSES = 200


def agent_id(record: Mapping[str, object]) -> str:
    """The id of the endpoint, by which it is isolated and which its events carry.

    Raises:
        BadResponse: there is none.
    """
    found = text(record, "metadata.agent.id")
    if not found or not found.isprintable():
        raise BadResponse(CONNECTOR, "a host record without agent id")
    return found


def host_ref(record: Mapping[str, object], seen: Iterable[AddressSeen] = ()) -> HostRef:
    """The host of a record.

    Args:
        record: one of `data`.
        seen: addresses that its events carried, with their times.

    Raises:
        BadResponse: it has no id.
    """
    metadata = at(record, "metadata")
    own = addresses(at(metadata, "host.ip"), when(metadata))
    return HostRef(
        connector=CONNECTOR,
        host_id=agent_id(record),
        hostname=host_name(metadata),
        host_type=host_type(metadata),
        addresses=(*own, *seen)[:_MOST_ADDRESSES],
        last_seen=fields.instant(record.get("last_checkin")) or when(metadata),
        active=_ACTIVE.get(text(record, "host_status").strip().lower()),
        isolation=isolation(metadata),
    )


def host_name(metadata: object) -> str:
    """The name with a domain where either field has one."""
    names = [text(metadata, path).strip().rstrip(".") for path in ("host.hostname", "host.name")]
    return next((name for name in names if "." in name), "") or names[0] or names[1]


def host_type(metadata: object) -> HostType:
    """Server or workstation by the edition of Windows; UNKNOWN for any other system.

    Which server is a domain controller Elastic does not say: it shows as a server.
    """
    if "windows" not in (text(metadata, "host.os.type").lower(), text(metadata, "host.os.family").lower()):
        return HostType.UNKNOWN
    edition = text(metadata, "host.os.Ext.variant") or text(metadata, "host.os.full")
    words = edition.lower().split()
    if words[:1] != ["windows"] or len(words) < 2:
        return HostType.UNKNOWN
    if "server" in words:
        return HostType.SERVER
    return HostType.WORKSTATION if words[1] in {"7", "8", "8.1", "10", "11"} else HostType.UNKNOWN


def isolation(metadata: object) -> IsolationState:
    """What the agent itself says (Endpoint.state), not what it was told (Endpoint.configuration)."""
    state = at(metadata, "Endpoint.state.isolation")
    if not isinstance(state, bool):
        return IsolationState.UNKNOWN
    return IsolationState.ISOLATED if state else IsolationState.NOT_ISOLATED


def addresses(value: object, moment: datetime | None) -> tuple[AddressSeen, ...]:
    """The addresses of a host.ip, had at a moment. Those that every host has are left out."""
    listed = value[:_MOST_ADDRESSES] if isinstance(value, list) else [value]
    found = (canonical_ip(each) for each in listed if isinstance(each, str))
    return tuple(
        AddressSeen(ip=ip, first_seen=moment, last_seen=moment)
        for ip in dict.fromkeys(found)
        if ip is not None and not ip_address(ip).is_loopback
    )


def addresses_over_time(rows: Iterable[Row]) -> tuple[AddressSeen, ...]:
    """First and last time of each address that events carry; events without a time tell nothing."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for row in rows:
        moment = when(row)
        if moment is None:
            continue
        for each in addresses(at(row, "host.ip"), moment):
            first, last = spans.get(each.ip, (moment, moment))
            spans[each.ip] = (min(first, moment), max(last, moment))
    return tuple(
        AddressSeen(ip=ip, first_seen=first, last_seen=last) for ip, (first, last) in sorted(spans.items())
    )
