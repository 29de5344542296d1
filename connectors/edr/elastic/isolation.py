"""What is known of a host's isolation, from its record, an action and what is pending. Pure.

The agent reports its state in its metadata document (Endpoint.state.isolation); an action's details say
whether the agent did it: elastic/kibana, security_solution openapi, ResponseActionDetails. Elastic's
servers put `event.ingested` and `startedAt` on their own clocks, so a record can be told to be older than
an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.edr.elastic import hosts
from connectors.edr.elastic.rows import at, text
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus


class Command(StrEnum):
    """The response actions that are used."""

    ISOLATE = "isolate"
    UNISOLATE = "unisolate"


#: A record can be written before an action and arrive after it; later than this after its end, none does.
ECHO = timedelta(minutes=15)

_WANTED = {Command.ISOLATE: IsolationState.ISOLATED, Command.UNISOLATE: IsolationState.NOT_ISOLATED}
_UNDER_WAY = {Command.ISOLATE: IsolationState.ISOLATING, Command.UNISOLATE: IsolationState.RELEASING}


class Observed(NamedTuple):
    """What the agent said of itself.

    Attributes:
        recorded_at: when the record arrived; None if unknown.
    """

    state: IsolationState
    recorded_at: datetime | None


class Action(NamedTuple):
    """A response action as far as it concerns one host."""

    command: Command
    started_at: datetime | None
    completed: bool
    successful: bool
    expired: bool
    completed_at: datetime | None


class Pending(NamedTuple):
    """Numbers of actions that the agent has not answered yet.

    Attributes:
        isolate, unisolate: None where Kibana does not say, which is not 0.
    """

    isolate: int | None
    unisolate: int | None

    @property
    def known(self) -> bool:
        """Whether both numbers are."""
        return self.isolate is not None and self.unisolate is not None


def observed(record: Mapping[str, object]) -> Observed:
    """What a host record says."""
    metadata = at(record, "metadata")
    moments = (at(metadata, path) for path in ("event.ingested", "event.created", "@timestamp"))
    found = (fields.instant(each) for each in moments)
    return Observed(hosts.isolation(metadata), next((each for each in found if each is not None), None))


def action(details: object, host_id: str) -> Action | None:
    """The action of an answer's `data`; None where it is not about isolating or releasing this host."""
    agents = at(details, "agents")
    name = text(details, "command")
    if not isinstance(agents, list) or host_id not in agents or name not in set(Command):
        return None
    # The action's own fields are about all its hosts together; agentState is about each.
    states = at(details, "agentState")
    own = states.get(host_id) if isinstance(states, Mapping) else None
    told = own if isinstance(own, Mapping) else details
    return Action(
        Command(name),
        fields.instant(at(details, "startedAt")),
        completed=at(told, "isCompleted") is True,
        successful=at(told, "wasSuccessful") is True,
        expired=at(details, "isExpired") is True,
        completed_at=fields.instant(at(told, "completedAt")),
    )


#: What an answer says that says nothing.
NOT_TOLD = Pending(None, None)


def pending(answer: object, host_id: str) -> Pending:
    """The entry of one host in the answer of the action status route.

    Kibana leaves out the commands of which none waits: `{}` and `{"isolate": 1}` are whole answers, and its
    own interface reads `pendingActions?.isolate ?? 0` (elastic/kibana, security_solution, getPendingActions).
    A count that is none, and an answer without the host or its counts, tell nothing.
    """
    entries = at(answer, "data")
    for each in entries if isinstance(entries, list) else [entries]:
        if text(each, "agent_id") == host_id:
            waiting = at(each, "pending_actions")
            if not isinstance(waiting, Mapping):
                return NOT_TOLD
            return Pending(_count(waiting, Command.ISOLATE), _count(waiting, Command.UNISOLATE))
    return NOT_TOLD


def _count(waiting: Mapping[str, object], command: Command) -> int | None:
    if command.value not in waiting:
        return 0
    number = waiting[command.value]
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def by_action(seen: Observed, done: Action, *, accepted_at: datetime, now: datetime) -> IsolationStatus:
    """The state after an action: observed only where the agent's word is younger than the action.

    Whether something else has ended what the action did, `superseded` tells.

    Args:
        seen: what the agent said of itself.
        done: the action.
        accepted_at: when it was accepted, by our clock; counts where Kibana does not say.
        now: timezone-aware.
    """
    wanted = _WANTED[done.command]
    younger = seen.recorded_at is not None and seen.recorded_at >= (done.started_at or accepted_at)
    if seen.state is wanted and younger:
        return _status(wanted, HowKnown.OBSERVED, now, "the agent reports it", done.completed_at)
    if done.completed and not done.successful:
        return _status(IsolationState.FAILED, HowKnown.REPORTED, now, "the agent reports that it failed")
    if done.expired and not done.completed:
        told = "the agent did not take up the action in time; it has expired"
        return _status(IsolationState.FAILED, HowKnown.REPORTED, now, told)
    told = (
        "the action is done, but the agent's own record does not show it yet" if done.completed else "waiting"
    )
    return _status(_UNDER_WAY[done.command], HowKnown.REPORTED, now, told)


def superseded(seen: Observed, done: Action) -> bool:
    """Whether the agent says the opposite of an action that succeeded, too long after it for an echo."""
    if not (done.completed and done.successful) or done.completed_at is None or seen.recorded_at is None:
        return False
    settled = done.completed_at + ECHO
    return seen.recorded_at > settled and seen.state not in (_WANTED[done.command], IsolationState.UNKNOWN)


def by_record(seen: Observed, waiting: Pending, *, now: datetime) -> IsolationStatus:
    """The state without an action of ours."""
    if not waiting.known:
        told = "Kibana does not say what waits for the agent"
        return _status(IsolationState.UNKNOWN, HowKnown.NOT_KNOWN, now, told)
    if waiting.isolate and waiting.unisolate:
        told = "an isolation and a release are both waiting for the agent"
        return _status(IsolationState.UNKNOWN, HowKnown.NOT_KNOWN, now, told)
    if waiting.isolate and seen.state is not IsolationState.ISOLATED:
        return _status(IsolationState.ISOLATING, HowKnown.REPORTED, now, "an isolation waits for the agent")
    if waiting.unisolate and seen.state is not IsolationState.NOT_ISOLATED:
        return _status(IsolationState.RELEASING, HowKnown.REPORTED, now, "a release waits for the agent")
    if seen.state is IsolationState.UNKNOWN:
        return _status(seen.state, HowKnown.NOT_KNOWN, now, "the agent's record does not tell its isolation")
    at_time = f" at {seen.recorded_at:%Y-%m-%d %H:%M:%S} UTC" if seen.recorded_at is not None else ""
    return _status(seen.state, HowKnown.OBSERVED, now, f"the agent reported it{at_time}")


def _status(
    state: IsolationState, how: HowKnown, now: datetime, detail: str, changed_at: datetime | None = None
) -> IsolationStatus:
    return IsolationStatus(state=state, how_known=how, as_of=now, changed_at=changed_at, detail=detail)
