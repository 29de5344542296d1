"""What a comparison of the ledger with the EDR found. Facts with stable names."""

from __future__ import annotations

from typing import Self

from actions.containment import ContainmentOutcome
from connectors.facts.base import Fact, Instant
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import Approval, IntentKind, IntentState, Lease


class Settled(Fact):
    """An order that was not finished, and how it stands by now.

    Attributes:
        before, after: its state; equal where nothing could be told.
        outcome: what may be said of the host by it.
    """

    intent_id: str
    kind: IntentKind
    connector: str
    host_id: str
    hostname: str
    before: IntentState
    after: IntentState
    outcome: ContainmentOutcome
    sentence: str


class Stray(Fact):
    """A host that the EDR says is isolated or being isolated, and that no isolation of ours covers.

    Attributes:
        state: as the EDR's list says.
        intent_id: an isolation of ours that may be the cause although it has ended; "" for none.
    """

    connector: str
    host_id: str
    hostname: str
    state: IsolationState
    intent_id: str = ""
    sentence: str


class Unread(Fact):
    """A host of which nothing certain could be read, and why."""

    connector: str
    host_id: str
    hostname: str
    sentence: str


class Review(Fact):
    """An isolation of ours that somebody has to look at again soon, or had to."""

    lease: Lease
    overdue: bool


class WaitingQuestion(Fact):
    """A question to a person, without its evidence."""

    approval_id: str
    connector: str
    host_id: str
    hostname: str
    case_id: str
    run_id: str
    asked_at: Instant
    expires_at: Instant

    @classmethod
    def of(cls, approval: Approval) -> Self:
        """That of an approval."""
        asked = approval.question
        return cls(
            approval_id=approval.approval_id,
            connector=asked.connector,
            host_id=asked.host_id,
            hostname=asked.hostname,
            case_id=asked.case_id,
            run_id=asked.run_id,
            asked_at=approval.asked_at,
            expires_at=approval.expires_at,
        )


class Reconciliation(Fact):
    """Everything that was found.

    Attributes:
        connector: the EDR that was asked.
        settled: orders that were not finished.
        ended: leases that ended, because the EDR proves that their host is isolated no more.
        strays: hosts that are isolated and not ours.
        unread: hosts of ours of which nothing certain was read.
        reviews: of isolations that stand, those due within the warning time; the earliest first.
        open_questions: questions that wait for an answer.
        expired_questions: questions that nobody answered in time, in the last 24 hours.
        listed: what was not seen of the EDR's list of isolated hosts, one sentence; "" where all of it was.
        list_failed: whether strays may be missing because of that; having no list at all is no failure.
    """

    connector: str
    told_at: Instant
    settled: tuple[Settled, ...] = ()
    ended: tuple[Lease, ...] = ()
    strays: tuple[Stray, ...] = ()
    unread: tuple[Unread, ...] = ()
    reviews: tuple[Review, ...] = ()
    open_questions: tuple[WaitingQuestion, ...] = ()
    expired_questions: tuple[WaitingQuestion, ...] = ()
    listed: str = ""
    list_failed: bool = False

    @property
    def needs_a_person(self) -> bool:
        """Whether something is left that no program decides."""
        unclear = any(each.after is IntentState.UNKNOWN for each in self.settled)
        return bool(unclear or self.list_failed or self.ended or self.strays or self.unread or self.reviews)
