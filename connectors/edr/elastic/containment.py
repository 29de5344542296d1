"""Isolation by Kibana: asked for once where nothing waits, and read back from the agent and the action."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from connectors.edr.askable import is_plain_id
from connectors.edr.elastic import isolation
from connectors.edr.elastic.isolation import Action, Command
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.refusals import CONNECTOR
from connectors.errors import Conflict, NotFound, NotSent, PermissionMissing
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.http.deadline import Deadline
from connectors.unsent import before_the_write


def act(
    kibana: Kibana,
    command: Command,
    agent_id: str,
    comment: str,
    *,
    deadline: Deadline,
    clock: Callable[[], datetime],
) -> ActionHandle:
    """One action on one agent, sent once, where none waits for it: Kibana itself would take a second.

    Args:
        comment: as action_comment made it.

    Raises:
        Conflict: another action on the host waits for its agent.
        NotSent: what waits cannot be read, or Kibana cannot be reached: nothing was sent.
        TimedOut: the outcome is unknown; read the state.
    """
    with before_the_write():
        waiting = kibana.pending(agent_id, deadline=deadline)
    if not waiting.known:
        raise NotSent(CONNECTOR, "not sent: Kibana does not say what waits for the agent")
    if waiting.isolate or waiting.unisolate:
        what = "an isolation" if waiting.isolate else "a release"
        raise Conflict(CONNECTOR, f"{what} already waits for the agent")
    action_id = kibana.act(command, agent_id, comment, deadline=deadline)
    return ActionHandle(connector=CONNECTOR, host_id=agent_id, action_id=action_id, accepted_at=clock())


def state(
    kibana: Kibana, agent_id: str, handle: ActionHandle | None, *, deadline: Deadline, now: datetime
) -> IsolationStatus:
    """What the agent itself reports, where that is younger than the action; else the action's outcome.

    Raises:
        HostNotFound: Kibana no longer knows the agent.
    """
    seen = isolation.observed(kibana.host(agent_id, deadline=deadline))
    if handle is not None and _is_about(handle, agent_id):
        done = _action(kibana, handle, deadline)
        if done is not None and not isolation.superseded(seen, done):
            return isolation.by_action(seen, done, accepted_at=handle.accepted_at, now=now)
    waiting = kibana.pending(agent_id, deadline=deadline)
    return isolation.by_record(seen, waiting, now=now)


def _is_about(handle: ActionHandle, agent_id: str) -> bool:
    return is_plain_id(handle.action_id) and handle.connector == CONNECTOR and handle.host_id == agent_id


def _action(kibana: Kibana, handle: ActionHandle, deadline: Deadline) -> Action | None:
    """What became of an action; None where it cannot be read or is another host's."""
    try:
        return kibana.action(handle.action_id, handle.host_id, deadline=deadline)
    except (NotFound, PermissionMissing):
        return None  # the agent's own record and what is pending still tell the state
