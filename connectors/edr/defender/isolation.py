"""The isolation state of a machine, read from the actions that Defender recorded. Pure.

A machine record has no isolation field. An action is Pending, InProgress, Succeeded, Failed, TimeOut or
Cancelled: https://learn.microsoft.com/defender-endpoint/api/machineaction
An isolation and a release that were asked for in quick succession can end in the other order, so that of the
ones that succeeded the one that ended last counts, not the one that was asked for last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus


class ActionType(StrEnum):
    """Actions that change a machine's isolation."""

    ISOLATE = "Isolate"
    UNISOLATE = "Unisolate"


class ActionStatus(StrEnum):
    """Where an action stands."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIME_OUT = "TimeOut"
    CANCELLED = "Cancelled"


_ACTIVE = frozenset({ActionStatus.PENDING, ActionStatus.IN_PROGRESS})
_WITHOUT_EFFECT = frozenset({ActionStatus.FAILED, ActionStatus.TIME_OUT, ActionStatus.CANCELLED})

_BEGINNING = datetime(1602, 1, 1, tzinfo=UTC)

#: What an action does while it runs, and when it has succeeded.
_DURING = {ActionType.ISOLATE: IsolationState.ISOLATING, ActionType.UNISOLATE: IsolationState.RELEASING}
_AFTER = {ActionType.ISOLATE: IsolationState.ISOLATED, ActionType.UNISOLATE: IsolationState.NOT_ISOLATED}


class MachineAction(NamedTuple):
    """One action that isolates or releases.

    Attributes:
        status: None where the vendor says something that is not documented.
        created, updated: None where unreadable.
        scope: "Full", "Selective" or "".
    """

    action_id: str
    machine_id: str
    type: ActionType
    status: ActionStatus | None
    created: datetime | None
    updated: datetime | None
    scope: str


def machine_action(record: Mapping[str, object]) -> MachineAction | None:
    """The action of a record; None for one that neither isolates nor releases."""
    try:
        kind = ActionType(fields.text(record.get("type")))
    except ValueError:
        return None
    # Spelled lastUpdateDateTimeUtc in the resource's description and lastUpdateTimeUtc in its examples.
    updated = fields.instant(record.get("lastUpdateDateTimeUtc") or record.get("lastUpdateTimeUtc"))
    return MachineAction(
        action_id=fields.text(record.get("id")),
        machine_id=fields.text(record.get("machineId")),
        type=kind,
        status=_status(fields.text(record.get("status"))),
        created=fields.instant(record.get("creationDateTimeUtc")),
        updated=updated,
        scope=fields.text(record.get("scope")),
    )


def status_of(
    actions: Sequence[MachineAction],
    *,
    machine_id: str,
    action_id: str,
    complete: bool,
    now: datetime,
    acted: bool = False,
) -> IsolationStatus:
    """The state of a machine. That no isolation is recorded proves something only where none is known of.

    Args:
        actions: what was recorded, in any order; those of other machines count for nothing.
        machine_id: the machine.
        action_id: the action whose outcome is wanted; "" for none.
        complete: False when there are more actions than were read.
        now: when they were read.
        acted: whether an action of this machine is known of, whatever its id.
    """
    mine = sorted(
        (each for each in actions if each.machine_id == machine_id),
        key=lambda each: each.created or _BEGINNING,
    )
    asked = next((each for each in mine if action_id and each.action_id == action_id), None)
    active = [each for each in mine if each.status in _ACTIVE]
    if active:
        last = active[-1]
        return _reported(_DURING[last.type], now, last.created, f"action {last.type} is {last.status}")
    if action_id and asked is None:
        return _unknown(now, "the action is not recorded for this machine")
    if asked is not None and asked.status in _WITHOUT_EFFECT and asked is mine[-1]:
        detail = f"action {asked.type} ended as {asked.status}"
        return _reported(IsolationState.FAILED, now, asked.updated, detail)
    if any(each.status is None for each in mine):
        return _unknown(now, "an action has a status that is not documented")
    if acted and asked is None and not any(each.status is ActionStatus.SUCCEEDED for each in mine):
        return _unknown(now, "no isolation of this machine is recorded, and an action was accepted")
    return _by_the_last_success(mine, complete=complete, now=now)


def _by_the_last_success(mine: Sequence[MachineAction], *, complete: bool, now: datetime) -> IsolationStatus:
    done = [each for each in mine if each.status is ActionStatus.SUCCEEDED]
    if not complete:
        return _unknown(now, "there are more actions of this machine than were read")
    if not done and any(each.type is ActionType.UNISOLATE for each in mine):
        return _unknown(now, "a release was asked for, and the isolation that it was to end is not recorded")
    if not done:
        return _reported(IsolationState.NOT_ISOLATED, now, None, "no isolation of this machine is recorded")
    last = max(done, key=_end)
    if any(each.type is not last.type and _end(each) == _end(last) for each in done):
        return _unknown(now, "an isolation and a release ended at the same time")
    detail = f"action {last.type} succeeded"
    if last.type is ActionType.ISOLATE and last.scope.lower() == "selective":
        detail = "selective isolation: some programs may still use the network"
    if last is not done[-1]:
        detail += "; it was asked for before another one and ended after it"
    return _reported(_AFTER[last.type], now, last.updated or last.created, detail)


def _end(action: MachineAction) -> tuple[datetime, datetime]:
    """When an action ended; of two that ended together, the one asked for later ended later."""
    created = action.created or _BEGINNING
    return action.updated or created, created


def _reported(
    state: IsolationState, now: datetime, changed_at: datetime | None, detail: str
) -> IsolationStatus:
    return IsolationStatus(
        state=state, how_known=HowKnown.REPORTED, as_of=now, changed_at=changed_at, detail=detail
    )


def _status(text: str) -> ActionStatus | None:
    try:
        return ActionStatus(text)
    except ValueError:
        return None


def _unknown(now: datetime, why: str) -> IsolationStatus:
    return IsolationStatus(state=IsolationState.UNKNOWN, how_known=HowKnown.NOT_KNOWN, as_of=now, detail=why)
