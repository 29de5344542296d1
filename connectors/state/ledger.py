"""The ledger: what was done to hosts, who approved, and how much may still be done. A port.

One contract suite (tests/contract/test_ledger.py) runs on every implementation. Each method is one
transaction, with its audit line in it, exact over all threads and processes that share the ledger. A ledger
that cannot be read or written raises LedgerUnusable: then nothing may be isolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connectors.errors import ResponseError
from connectors.facts.ledger import (
    Answered,
    Approval,
    ApprovalState,
    AuditHead,
    AuditLine,
    Breaker,
    CapLimits,
    HostKey,
    Intent,
    IntentState,
    KillSwitch,
    Lease,
    Order,
    Question,
    Standing,
)


class LedgerUnusable(ResponseError):
    """The ledger cannot be read or written. Nothing was changed, and nothing may be isolated."""


class Stale(ResponseError):
    """Somebody else has changed the intent meanwhile. Nothing was changed; read it again.

    Attributes:
        intent: as it is now.
    """

    def __init__(self, intent: Intent) -> None:
        self.intent = intent
        super().__init__(
            f"{intent.intent_id} is {intent.state.value} by now: another run has gone on with it"
        )


class Why(StrEnum):
    """Why the ledger refuses an order. Stable ids."""

    KILL_SWITCH = "kill_switch"
    BREAKER = "breaker"
    CAP_PER_RUN = "cap_per_run"
    CAP_PER_HOUR = "cap_per_hour"
    CAP_PER_DAY = "cap_per_day"
    CAP_PER_SITE = "cap_per_site"
    ACTIVE_INTENT = "active_intent"
    """An order for this host is not finished, or its outcome is not known."""
    ACTIVE_LEASE = "active_lease"
    """The host is isolated by us."""
    FRUITLESS = "fruitless"
    """An isolation of this host came to nothing a short while ago: only a person orders it again."""
    RELEASED_RECENTLY = "released_recently"
    """Somebody released this host a short while ago: only a person isolates it again."""
    APPROVAL = "approval"
    """The approval is not there, not approved, of another host or case, used already, or expired."""
    NOT_OURS = "not_ours"
    """A release of an isolation that is not ours, and not named as such."""


class Refused(ResponseError):
    """The ledger does not take the order. Nothing was changed but the audit, which tells of it.

    Attributes:
        why: the rule.
        intent: the active intent, where that is the reason.
    """

    def __init__(self, why: Why, sentence: str, *, intent: Intent | None = None) -> None:
        self.why = why
        self.intent = intent
        super().__init__(sentence)


class Ledger(Protocol):
    """The port. Every method may raise LedgerUnusable. The clock is the implementation's own."""

    def standing(self, host: HostKey, *, run_id: str = "", site: str = "") -> Standing:
        """What is known of a host now, with the counts of a run and a site."""

    def begin(self, order: Order, caps: CapLimits, *, quiet_s: float) -> Intent:
        """Write an order down, in state requested, before anything else is done.

        For an isolation, in this one transaction: kill switch, breaker, active intent or lease, caps, the
        approval (which it uses up), and, unless a person decided, no release and no fruitless isolation of
        this host within quiet_s. A release is bound by none of these but the active intent and NOT_OURS: one
        by a person supersedes an isolation whose outcome is unknown, which stays active beside it (see
        move); without either of ours it needs `foreign`.

        Args:
            order: what is wanted.
            caps: limits of the policy; a missing one refuses an isolation.
            quiet_s: seconds for which a host is left to people after a release or a fruitless isolation.

        Raises:
            Refused: a rule stands in the way.
        """

    def calling(self, intent: Intent) -> Intent:
        """Note that the vendor is about to be called. Only the one who gets the answer may call, once.

        Raises:
            Refused: KILL_SWITCH, for an isolation: it was set meanwhile. The intent has ended failed.
            Stale: somebody else got it, or has ended it.
        """

    def move(
        self,
        intent: Intent,
        state: IntentState,
        *,
        detail: str,
        by: str,
        action_id: str = "",
        accepted_at: datetime | None = None,
        lease_s: float | None = None,
    ) -> Intent:
        """Change the state of an intent.

        A verified isolation begins a lease of lease_s seconds (needed then); a verified release ends the
        host's lease. The isolation that a release supersedes ends failed, "a release took its place", when
        the release is verified; when the release ends otherwise, it is unknown as before, superseded by
        nothing. An isolation that ends failed, expired or unknown although it was called counts for the
        breaker; a verified one sets its count back.

        Raises:
            Stale: the intent has changed since it was read.
            ValueError: this state cannot follow, or a verified isolation has no lease_s.
        """

    def intent(self, intent_id: str) -> Intent | None:
        """An intent; None where there is none of this id."""

    def intents(
        self, *, active: bool | None = None, host: HostKey | None = None, run_id: str | None = None
    ) -> Sequence[Intent]:
        """Intents that fit, the oldest first.

        Active is at most one of a host, or a release and the isolation of unknown outcome that it supersedes.
        """

    def leases(self, *, standing: bool | None = True, run_id: str | None = None) -> Sequence[Lease]:
        """Leases, the oldest first: those that stand, those that ended (False), or all (None)."""

    def end_lease(self, lease: Lease, *, by: str, why: str) -> Lease:
        """End a lease whose host was found released by somebody else. It counts as a release of the host.

        One that has ended already is returned as it is.
        """

    def extend_lease(self, lease: Lease, *, review_by: datetime, by: str, why: str) -> Lease:
        """Set a later review of a lease that stands."""

    def ask(self, question: Question) -> tuple[Approval, bool]:
        """Ask, or the question about this host that is open already. The second part: whether it is new."""

    def answer(self, approval_id: str, *, approve: bool, by: str, why: str) -> Answered | None:
        """Answer a question; None where there is none of this id. Late and second answers are recorded."""

    def approvals(self, *, state: ApprovalState | None = None) -> Sequence[Approval]:
        """Questions, the oldest first. Those that are due are expired first, each with an audit line."""

    def set_kill_switch(self, *, on: bool, by: str, why: str) -> None:
        """Stop all isolation, or let it go on."""

    def kill_switch(self) -> KillSwitch:
        """Whether all isolation is stopped, by whom and why."""

    def breaker(self) -> Breaker:
        """How many isolations in a row came to nothing, and whether that stops all further ones."""

    def close_breaker(self, *, by: str, why: str) -> None:
        """Let isolation go on after a person has looked."""

    def note(self, event: str, *, subject: str, by: str, data: dict[str, str]) -> None:
        """An audit line about something that changed nothing here, such as a stray that was found."""

    def audit(self, *, after: int = 0) -> Iterator[AuditLine]:
        """The audit from line `after` + 1, in order."""

    def head(self) -> AuditHead:
        """Where the audit ends."""
