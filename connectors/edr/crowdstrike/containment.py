"""Network containment by Falcon: asked for once, and read back from the device record.

There is no place for a comment or for our key: both stay in our own record. `PerformActionV2` takes `ids` and
a list `action_parameters` of names and values (CrowdStrike/falconpy, hosts.py), and nothing says which names
containment knows; that file's docstring has a `note`, which its code does not send, and PSFalcon's
Invoke-FalconHostAction (its wiki) has none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from connectors.edr import sysmon_fields as fields
from connectors.edr.crowdstrike import devices, hosts_api
from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon
from connectors.edr.crowdstrike.refusals import Scope
from connectors.errors import BadResponse
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationStatus
from connectors.http.deadline import Deadline

_LONGEST_STATUS = 80


class Action(StrEnum):
    """The actions of `PerformActionV2` that are used."""

    CONTAIN = "contain"
    LIFT = "lift_containment"


def act(
    falcon: Falcon, device_id: str, action: Action, *, deadline: Deadline, clock: Callable[[], datetime]
) -> ActionHandle:
    """One action on one agent (POST /devices/entities/devices-actions/v2), sent once.

    Raises:
        NotFound: Falcon does not know the agent.
        Conflict: another action on it is under way.
        TimedOut: the outcome is unknown.
        BadResponse: the answer does not name the host.
    """
    answer = falcon.ask(
        Scope.HOSTS_WRITE,
        lambda services: services.hosts.perform_action(action_name=action.value, body={"ids": [device_id]}),
        deadline=deadline,
        repeatable=False,
    )
    if not any(each.get("id") == device_id for each in hosts_api.resources(answer)):
        message = f"the answer to {action} does not name the host; read its state before asking again"
        raise BadResponse(CONNECTOR, message)
    return ActionHandle(connector=CONNECTOR, host_id=device_id, accepted_at=clock())


def state(falcon: Falcon, device_id: str, *, deadline: Deadline, now: datetime) -> IsolationStatus:
    """The containment state of the device record, which the agent keeps: observed.

    Raises:
        HostNotFound: Falcon no longer knows the agent.
    """
    device = hosts_api.get(falcon, device_id, deadline=deadline)
    said = fields.text(device.get("status"))[:_LONGEST_STATUS]
    return IsolationStatus(
        state=devices.isolation(device),
        how_known=HowKnown.OBSERVED,
        as_of=now,
        detail=f"the status of the device is {said!r}",
    )
