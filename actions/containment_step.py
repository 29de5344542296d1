"""What a reading of a host's state means for an intent. Pure: no I/O, no clock.

Proof is the wanted state, observed or reported, read after the call. A flag that says what should be proves
nothing, neither that it was done nor that it was not.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from connectors.errors import (
    AuthRejected,
    ConnectorError,
    NotFound,
    NotSent,
    NotSupported,
    PermissionMissing,
    RateLimited,
    Rejected,
)
from connectors.facts.isolation import IsolationState, IsolationStatus
from connectors.facts.ledger import Intent, IntentKind, IntentState

#: Seconds before the second reading; doubled before each further one, at most LONGEST_PAUSE_S.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0


#: Answers to a call that say that nothing was done.
CERTAINLY_NOT = (
    NotSent, NotSupported, AuthRejected, PermissionMissing, NotFound, RateLimited, Rejected,
)  # fmt: skip

WANTED = {
    IntentKind.ISOLATE: IsolationState.ISOLATED,
    IntentKind.RELEASE: IsolationState.NOT_ISOLATED,
}

_DURING = {
    IntentKind.ISOLATE: IsolationState.ISOLATING,
    IntentKind.RELEASE: IsolationState.RELEASING,
}


class Reading(NamedTuple):
    """One attempt to read a host's state.

    Attributes:
        status: None where it could not be read.
        problem: why not; "" where it was read.
        retry_at: when the vendor lets itself be asked again; None where it did not say.
    """

    status: IsolationStatus | None
    problem: str = ""
    retry_at: datetime | None = None


class Finding(StrEnum):
    """What a reading says about an intent."""

    SEEN = "seen"
    """The wanted state, proved."""
    VENDOR_FAILED = "vendor_failed"
    """The vendor says that the action failed."""
    UNDER_WAY = "under_way"
    """The vendor has it under way."""
    OTHER_UNDER_WAY = "other_under_way"
    """The vendor has the opposite under way."""
    WENT_BACK = "went_back"
    """It was under way, and the host is proved as before with nothing under way."""
    UNCHANGED = "unchanged"
    """The host is proved as before, with nothing under way."""
    UNCERTAIN = "uncertain"
    """The vendor answered, and that proves nothing."""
    UNREADABLE = "unreadable"
    """The vendor did not answer."""


class Step(NamedTuple):
    """What follows from a reading.

    Attributes:
        state: where the intent goes; None leaves it where it is.
    """

    state: IntentState | None
    finding: Finding


def is_proved(status: IsolationStatus, state: IsolationState) -> bool:
    """Whether a status proves a state."""
    return status.state is state and status.proved


def step_of(
    intent: Intent, reading: Reading, *, accepted: bool, over: bool, may_come_late: bool = False
) -> Step:
    """The next step of an intent that the vendor was called for.

    Args:
        accepted: whether the vendor has taken the call, as far as is known.
        over: whether the deadline has passed.
        may_come_late: whether the call itself may still be made, by a run that is held up. An unchanged host
            then proves nothing.
    """
    finding = _finding(intent, reading, accepted=accepted)
    if may_come_late and over and finding in (Finding.UNCHANGED, Finding.WENT_BACK):
        return Step(None if intent.state is IntentState.UNKNOWN else IntentState.UNKNOWN, Finding.UNCERTAIN)
    return Step(_next(intent.state, finding, over=over), finding)


def _finding(intent: Intent, reading: Reading, *, accepted: bool) -> Finding:
    status, called_at = reading.status, intent.called_at
    if status is None:
        return Finding.UNREADABLE
    if called_at is None or status.as_of < called_at or not status.proved:
        return Finding.UNCERTAIN
    return _by_state(intent, status, called_at, accepted=accepted)


def _by_state(intent: Intent, status: IsolationStatus, called_at: datetime, *, accepted: bool) -> Finding:
    kind, state = intent.order.kind, status.state
    if state is IsolationState.FAILED:
        # Without our receipt it may be the failure of an older action.
        ours = accepted or (status.changed_at is not None and status.changed_at >= called_at)
        return Finding.VENDOR_FAILED if ours else Finding.UNCERTAIN
    if state is IsolationState.UNKNOWN:
        return Finding.UNCERTAIN
    if state in _DURING.values():
        return Finding.UNDER_WAY if state is _DURING[kind] else Finding.OTHER_UNDER_WAY
    if state is WANTED[kind]:
        return Finding.SEEN
    return Finding.WENT_BACK if intent.state is IntentState.PENDING else Finding.UNCHANGED


def _next(state: IntentState, finding: Finding, *, over: bool) -> IntentState | None:
    """Where an intent goes. That it came to nothing is concluded only at the deadline: records lag."""
    if finding is Finding.SEEN:
        return IntentState.VERIFIED
    if finding is Finding.VENDOR_FAILED:
        return IntentState.FAILED
    if not over:
        begun = state in (IntentState.REQUESTED, IntentState.ACCEPTED)
        return IntentState.PENDING if finding is Finding.UNDER_WAY and begun else None
    if finding is Finding.UNCHANGED:
        return IntentState.EXPIRED
    if finding is Finding.WENT_BACK:
        return IntentState.FAILED
    return None if state is IntentState.UNKNOWN else IntentState.UNKNOWN


def is_certainly_not_done(error: ConnectorError) -> bool:
    """Whether the answer to a call says that it had no effect. Any other leaves that open."""
    return isinstance(error, CERTAINLY_NOT)


def ends_at(intent: Intent) -> datetime:
    """The deadline: counted from the call, or from the request where there was none."""
    return (intent.called_at or intent.requested_at) + timedelta(seconds=intent.order.deadline_s)


def may_read(last: Reading | None, now: datetime) -> bool:
    """Whether the vendor lets itself be asked."""
    return last is None or last.retry_at is None or last.retry_at <= now


def pause_s(number: int, reading: Reading, *, now: datetime, left_s: float) -> float:
    """Seconds until the next reading, never past the deadline.

    Args:
        number: readings so far, 1 or more.
        left_s: seconds until the deadline, more than 0.
    """
    wanted = min(FIRST_PAUSE_S * 2.0 ** min(number - 1, 10), LONGEST_PAUSE_S)
    if reading.retry_at is not None:
        wanted = max(wanted, (reading.retry_at - now).total_seconds())
    return min(wanted, left_s)
