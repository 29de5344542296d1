"""What is asked of Falcon's Hosts API: device records. For containment see containment.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.edr import sysmon_fields as fields
from connectors.edr.crowdstrike import devices, queries
from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon, Services
from connectors.edr.crowdstrike.refusals import Scope
from connectors.errors import BadResponse, HostNotFound, NotFound
from connectors.http.deadline import Deadline

#: Devices of one page, and pages, of a search for one name: more is no search for one host.
PAGE_DEVICES = 1000
MOST_PAGES = 5

type Device = Mapping[str, Any]


def find(falcon: Falcon, wanted: str, *, deadline: Deadline) -> list[Device]:
    """All device records of an FQL filter (GET /devices/combined/devices/v1, page by page).

    Raises:
        BadResponse: there are more pages than a search for one host can have.
    """
    found: list[Device] = []
    offset = ""
    for _ in range(MOST_PAGES):
        given: dict[str, Any] = {"filter": wanted, "limit": PAGE_DEVICES}
        if offset:
            given["offset"] = offset
        answer = falcon.ask(Scope.HOSTS_READ, _page(given), deadline=deadline)
        found += resources(answer)
        offset = _next_page(answer)
        if not offset:
            return found
    raise BadResponse(CONNECTOR, f"more than {MOST_PAGES * PAGE_DEVICES:,} devices for one host")


def isolated(falcon: Falcon, *, limit: int, deadline: Deadline) -> tuple[list[Device], bool]:
    """Devices that are contained, being contained or being released, and whether these are all.

    GET /devices/combined/devices/v1, page by page. What Falcon gives beside them is left out.
    """
    found: dict[str, Device] = {}
    offset = ""
    for _ in range(limit // PAGE_DEVICES + MOST_PAGES):
        given: dict[str, Any] = {"filter": queries.hosts_isolated(), "limit": PAGE_DEVICES}
        if offset:
            given["offset"] = offset
        answer = falcon.ask(Scope.HOSTS_READ, _page(given), deadline=deadline)
        for each in resources(answer):
            if fields.text(each.get("status")).strip().lower() in devices.CONTAINED:
                found.setdefault(fields.text(each.get("device_id")), each)
        offset = _next_page(answer)
        if not offset or len(found) > limit:
            break
    return list(found.values())[:limit], len(found) <= limit and not offset


def address_history(falcon: Falcon, device_id: str, *, deadline: Deadline) -> Device | None:
    """The recorded addresses of one device; None where there is no record of it.

    POST /devices/combined/devices/network-address-history/v1
    """
    answer = falcon.ask(
        Scope.HOSTS_READ,
        lambda services: services.hosts.query_network_address_history(ids=[device_id]),
        deadline=deadline,
    )
    return next((each for each in resources(answer) if each.get("device_id") == device_id), None)


def probe(falcon: Falcon, *, deadline: Deadline) -> None:
    """See whether hosts can be read.

    Raises:
        PermissionMissing: they cannot.
    """
    falcon.ask(Scope.HOSTS_READ, _page({"limit": 1}), deadline=deadline)


def get(falcon: Falcon, device_id: str, *, deadline: Deadline) -> Device:
    """One device record (POST /devices/entities/devices/v2).

    Raises:
        HostNotFound: Falcon does not know it.
    """
    unknown = f"Falcon does not know the agent {device_id!r}"
    try:
        answer = falcon.ask(
            Scope.HOSTS_READ,
            lambda services: services.hosts.get_device_details(ids=[device_id]),
            deadline=deadline,
        )
    except NotFound as exc:
        raise HostNotFound(CONNECTOR, unknown) from exc
    for each in resources(answer):
        if each.get("device_id") == device_id:
            return each
    raise HostNotFound(CONNECTOR, unknown)


def _page(given: Mapping[str, Any]) -> Callable[[Services], object]:
    return lambda services: services.hosts.query_devices_by_filter_combined(**given)


def resources(answer: Mapping[str, Any]) -> list[Device]:
    """The records of an answer; none where it has no list of them.

    Raises:
        BadResponse: it has something else.
    """
    found = answer.get("resources")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadResponse(CONNECTOR, "the resources of an answer are not a list of records")
    return found


def _next_page(answer: Mapping[str, Any]) -> str:
    meta = answer.get("meta")
    pagination = meta.get("pagination") if isinstance(meta, dict) else None
    following = pagination.get("next") if isinstance(pagination, dict) else None
    return following if isinstance(following, str) else ""
