"""What of isolation waits for a person: reviews that are due, questions that are open or ran out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from actions.isolation_policy import IsolationPolicy
from actions.reconciliation import Review, WaitingQuestion
from connectors.facts.ledger import Approval, ApprovalState, HostKey
from connectors.state.ledger import Ledger

#: The warning before a review is due: this part of a lease's length, within these bounds.
_WARNING_PART = 12
_SHORTEST_WARNING = timedelta(minutes=15)
_LONGEST_WARNING = timedelta(hours=24)

#: How long a question that nobody answered in time is told.
_TOLD_FOR = timedelta(hours=24)


def warning_time(policy: IsolationPolicy) -> timedelta:
    """How long before a review is due it is told: 2 hours of a lease of 24."""
    part = timedelta(hours=policy.lease_hours) / _WARNING_PART
    return min(max(part, _SHORTEST_WARNING), _LONGEST_WARNING)


def reviews_due(
    ledger: Ledger, *, policy: IsolationPolicy, now: datetime, wanted: Callable[[HostKey], bool]
) -> tuple[Review, ...]:
    """Isolations that somebody has to look at within the warning time, or had to; the earliest first."""
    until = now + warning_time(policy)
    due = [each for each in ledger.leases(standing=True) if wanted(each.host) and each.review_by <= until]
    due.sort(key=lambda each: each.review_by)
    return tuple(Review(lease=each, overdue=each.review_by <= now) for each in due)


def questions_open(ledger: Ledger, *, wanted: Callable[[HostKey], bool]) -> tuple[WaitingQuestion, ...]:
    """Questions that wait for an answer. Asking for them expires those that are due."""
    return _told(ledger.approvals(state=ApprovalState.ASKED), wanted)


def questions_expired(
    ledger: Ledger, *, now: datetime, wanted: Callable[[HostKey], bool]
) -> tuple[WaitingQuestion, ...]:
    """Questions that nobody answered in time, in the last 24 hours."""
    expired = ledger.approvals(state=ApprovalState.EXPIRED)
    return _told([each for each in expired if each.expires_at >= now - _TOLD_FOR], wanted)


def _told(approvals: Sequence[Approval], wanted: Callable[[HostKey], bool]) -> tuple[WaitingQuestion, ...]:
    return tuple(WaitingQuestion.of(each) for each in approvals if wanted(each.question.host))
