"""Isolation by Defender: asked for once, and read back from the actions that were recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from connectors.edr.askable import is_plain_id
from connectors.edr.defender import filters
from connectors.edr.defender.api import CONNECTOR, DefenderApi, page_of
from connectors.edr.defender.isolation import ActionType, machine_action, status_of
from connectors.edr.defender.machines import is_agent
from connectors.errors import BadResponse, HostNotFound, NotFound
from connectors.facts.isolation import ActionHandle, IsolationState, IsolationStatus
from connectors.http.deadline import Deadline

_VERBS = {ActionType.ISOLATE: "isolate", ActionType.UNISOLATE: "unisolate"}


def act(
    api: DefenderApi,
    machine_id: str,
    kind: ActionType,
    comment: str,
    *,
    deadline: Deadline,
    clock: Callable[[], datetime],
) -> ActionHandle:
    """Full isolation of a machine, or its end; sent once.

    Args:
        comment: as action_comment made it.

    Raises:
        Conflict: an action on the machine is under way.
        NotSent: no token could be had, or there was no connection.
        TimedOut: outcome unknown; the state has to be read.
        BadResponse: accepted, but not as this action of this machine.
    """
    body = {"Comment": comment}
    if kind is ActionType.ISOLATE:
        body["IsolationType"] = "Full"
    action = machine_action(api.act(_VERBS[kind], machine_id, body, deadline))
    if (
        action is None
        or action.type is not kind
        or action.machine_id != machine_id
        or not is_plain_id(action.action_id)
    ):
        # Accepted, but as something else: whoever reads the state next must not take it for this one.
        raise BadResponse(CONNECTOR, f"the answer to {_VERBS[kind]} is not that action of that machine")
    return ActionHandle(
        connector=CONNECTOR, host_id=machine_id, action_id=action.action_id, accepted_at=clock()
    )


def state(
    api: DefenderApi,
    machine_id: str,
    handle: ActionHandle | None,
    *,
    deadline: Deadline,
    clock: Callable[[], datetime],
) -> IsolationStatus:
    """The state by the recorded actions: REPORTED at best.

    With a handle, the outcome of its action; one that was given for another machine tells nothing. That a
    machine is not isolated counts only while Defender knows the machine: of one that it has forgotten, and of
    one that is not shown to us any more, the list of actions is empty too.

    Raises:
        HostNotFound: by its actions the machine is not isolated, and its record is gone or no agent's.
    """
    page = page_of(lambda: api.actions(machine_id, deadline))
    records: list[Mapping[str, object]] = list(page.records)
    meant = handle is not None and handle.host_id == machine_id and handle.connector == CONNECTOR
    action_id = handle.action_id if handle is not None and meant else ""
    if is_plain_id(action_id) and all(record.get("id") != action_id for record in records):
        # The list can lag behind what was just accepted.
        with suppress(NotFound):
            records.append(api.action(action_id, deadline))
    actions = [action for record in records if (action := machine_action(record)) is not None]
    found = status_of(
        actions,
        machine_id=machine_id,
        action_id=action_id,
        acted=meant,
        complete=page.complete,
        now=clock(),
    )
    if found.state is IsolationState.NOT_ISOLATED and not _is_known(api, machine_id, deadline):
        raise HostNotFound(CONNECTOR, f"Defender does not know the machine {machine_id!r} as an agent's")
    return found


def _is_known(api: DefenderApi, machine_id: str, deadline: Deadline) -> bool:
    page = page_of(lambda: api.machines(filters.machines_with_ids([machine_id]), deadline))
    return any(each.get("id") == machine_id and is_agent(each) for each in page.records)
