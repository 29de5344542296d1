"""What is asked of Falcon's Hosts API: device records, and containment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon, Services
from connectors.edr.crowdstrike.refusals import Scope
from connectors.errors import BadResponse, HostNotFound, NotFound
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle
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
        found += _resources(answer)
        offset = _next_page(answer)
        if not offset:
            return found
    raise BadResponse(CONNECTOR, f"more than {MOST_PAGES * PAGE_DEVICES:,} devices for one host")


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
    for each in _resources(answer):
        if each.get("device_id") == device_id:
            return each
    raise HostNotFound(CONNECTOR, unknown)


def act(
    falcon: Falcon, host: HostRef, action: str, *, deadline: Deadline, clock: Callable[[], datetime]
) -> ActionHandle:
    """One action on one agent (POST /devices/entities/devices-actions/v2), sent once.

    Args:
        action: "contain" or "lift_containment".

    Raises:
        HostNotFound: the host is not one of Falcon's.
        Conflict: another action on it is under way.
        TimedOut: the outcome is unknown.
        BadResponse: the answer does not name the host.
    """
    device_id = host.host_id
    if not device_id or host.connector != CONNECTOR:
        raise HostNotFound(CONNECTOR, "the host was not resolved by this connector")
    answer = falcon.ask(
        Scope.HOSTS_WRITE,
        lambda services: services.hosts.perform_action(action_name=action, body={"ids": [device_id]}),
        deadline=deadline,
        repeatable=False,
    )
    if not any(each.get("id") == device_id for each in _resources(answer)):
        message = f"the answer to {action} does not name the host; read its state before asking again"
        raise BadResponse(CONNECTOR, message)
    return ActionHandle(connector=CONNECTOR, host_id=device_id, accepted_at=clock())


def _page(given: Mapping[str, Any]) -> Callable[[Services], object]:
    return lambda services: services.hosts.query_devices_by_filter_combined(**given)


def _resources(answer: Mapping[str, Any]) -> list[Device]:
    resources = answer.get("resources")
    if resources is None:
        return []
    if not isinstance(resources, list) or not all(isinstance(each, dict) for each in resources):
        raise BadResponse(CONNECTOR, "the resources of an answer are not a list of records")
    return resources


def _next_page(answer: Mapping[str, Any]) -> str:
    meta = answer.get("meta")
    pagination = meta.get("pagination") if isinstance(meta, dict) else None
    following = pagination.get("next") if isinstance(pagination, dict) else None
    return following if isinstance(following, str) else ""
