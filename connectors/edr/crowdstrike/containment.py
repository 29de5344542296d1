"""Network containment by Falcon: asked for once, and read back from the device record.

There is no place for a comment or for our key: both stay in our own record. `PerformActionV2` takes `ids` and
a list `action_parameters` of names and values (CrowdStrike/falconpy, hosts.py), and nothing says which names
containment knows; that file's docstring has a `note`, which its code does not send, and PSFalcon's
Invoke-FalconHostAction (its wiki) has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

#: Of other hosts that an answer names: how many are told, and characters of each.
_MOST_NAMED = 5
_LONGEST_ID = 64


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
        NotSent: no token was issued, or there was no connection.
        BadResponse: the answer does not name this host and no other.
    """
    answer = falcon.ask(
        Scope.HOSTS_WRITE,
        lambda services: services.hosts.perform_action(action_name=action.value, body={"ids": [device_id]}),
        deadline=deadline,
        repeatable=False,
    )
    named = [fields.text(each.get("id")) for each in hosts_api.resources(answer)]
    others = list(dict.fromkeys(each for each in named if each != device_id))
    if others or device_id not in named:
        what = f"names other hosts ({_told(others)})" if others else "does not name the host"
        message = f"the answer to {action} {what}; read the host's state before asking again"
        raise BadResponse(CONNECTOR, message)
    return ActionHandle(connector=CONNECTOR, host_id=device_id, accepted_at=clock())


def _told(ids: Sequence[str]) -> str:
    """Ids from outside, cut and without what cannot be printed."""
    texts = ["".join(c if c.isprintable() else " " for c in each[:_LONGEST_ID]) for each in ids[:_MOST_NAMED]]
    more = len(ids) - _MOST_NAMED
    return ", ".join(
        [*(each.strip() or "without id" for each in texts), *([f"{more} more"] if more > 0 else [])]
    )


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
