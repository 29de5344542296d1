"""One change of the ledger under way: each method writes a change and the audit line that tells of it."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import NamedTuple

from connectors.facts.ledger import Approval, ApprovalState, Intent, KillSwitch, Lease, Order
from connectors.state import ledger_rows as rows
from connectors.state import ledger_rules as rules
from connectors.state.audit import kept_text, next_line
from connectors.state.ledger import Refused


class Writing(NamedTuple):
    """A transaction under way.

    Attributes:
        now: the one time of all that it writes.
    """

    db: sqlite3.Connection
    now: datetime

    def line(self, event: str, *, subject: str, by: str, data: object) -> None:
        """The next line of the audit."""
        head = rows.head(self.db)
        rows.append(self.db, next_line(head, at=self.now, by=by, event=event, subject=subject, data=data))

    def refused(self, order: Order, refused: Refused) -> None:
        """Tell of an order that was not taken."""
        data = {"order": order.model_dump(mode="json"), "why": refused.why.value, "sentence": str(refused)}
        subject = f"{order.connector}:{order.host_id}"
        self.line(f"{order.kind.value}_refused", subject=subject, by=order.by, data=data)

    def new_intent(self, intent: Intent) -> None:
        """Write a new intent down."""
        rows.insert_intent(self.db, intent)
        self._intent_line("intent_requested", intent, by=intent.order.by)

    def intent(self, before: Intent, after: Intent, *, by: str, most: int, event: str = "") -> None:
        """Write a changed intent, and what it means for the breaker, which `most` failures open."""
        rows.update_intent(self.db, after)
        self._intent_line(event or f"intent_{after.state.value}", after, by=by)
        breaker = rows.read_breaker(self.db, most=most)
        new = rules.breaker_after(breaker, before, after)
        if new != breaker:
            rows.write_breaker(self.db, new)
        if new.open and not breaker.open:
            self.line("breaker_opened", subject=after.intent_id, by=by, data=new._asdict())

    def release_changed(self, release: Intent, *, by: str, most: int) -> None:
        """Write what the change of a release means for the isolation that it supersedes."""
        for each in rows.intents(self.db, active=True, host=release.order.host):
            if each.superseded_by != release.intent_id:
                continue
            after = rules.after_its_release(each, release, now=self.now)
            if after is not None:
                event = "intent_unknown_again" if after.active else ""
                self.intent(each, after, by=by, most=most, event=event)

    def new_lease(self, lease: Lease, *, by: str) -> None:
        """Write a new lease down."""
        rows.insert_lease(self.db, lease)
        self._lease_line("lease_began", lease, by=by)

    def lease_ended(self, lease: Lease, *, by: str, why: str) -> Lease:
        """End a lease that stands."""
        ended = lease.model_copy(update={"ended_at": self.now, "ended_by": kept_text(by)})
        rows.update_lease(self.db, ended)
        self._lease_line("lease_ended", ended, by=by, why=why)
        return ended

    def lease_extended(self, lease: Lease, *, by: str, why: str) -> Lease:
        """Write a lease with a later review."""
        rows.update_lease(self.db, lease)
        self._lease_line("lease_extended", lease, by=by, why=why)
        return lease

    def new_approval(self, approval: Approval) -> None:
        """Write a new question down."""
        rows.insert_approval(self.db, approval)
        self._approval_line("approval_asked", approval, by="playbook")

    def approval(self, approval: Approval, *, event: str, by: str) -> None:
        """Write a question that has changed."""
        rows.update_approval(self.db, approval)
        self._approval_line(event, approval, by=by)

    def not_counted(self, approval: Approval, *, approve: bool, by: str, why: str) -> None:
        """Tell of a late or second answer."""
        data = {"approve": approve, "why": kept_text(why), "state": approval.state.value}
        self.line("answer_not_counted", subject=approval.approval_id, by=by, data=data)

    def expire_due(self) -> None:
        """End the questions that take no answer any more."""
        for approval in rows.approvals(self.db, state=ApprovalState.ASKED):
            if rules.is_due(approval, self.now):
                expired = approval.model_copy(update={"state": ApprovalState.EXPIRED})
                self.approval(expired, event="approval_expired", by="ledger")

    def kill_switch(self, *, on: bool, by: str, why: str) -> None:
        """Set or lift the kill switch."""
        switch = KillSwitch(on=on, by=kept_text(by), why=kept_text(why), at=self.now)
        rows.write_kill_switch(self.db, switch)
        event = "kill_switch_set" if on else "kill_switch_lifted"
        self.line(event, subject="kill_switch", by=by, data={"on": on, "why": switch.why})

    def breaker_closed(self, *, by: str, why: str, most: int) -> None:
        """Close the breaker, and count from 0 again."""
        breaker = rows.read_breaker(self.db, most=most)
        rows.write_breaker(self.db, breaker._replace(failures=0, open=False))
        data = {"why": kept_text(why), "failures": breaker.failures}
        self.line("breaker_closed", subject="breaker", by=by, data=data)

    def _intent_line(self, event: str, intent: Intent, *, by: str) -> None:
        self.line(event, subject=intent.intent_id, by=by, data=intent.model_dump(mode="json"))

    def _lease_line(self, event: str, lease: Lease, *, by: str, why: str = "") -> None:
        data = {**lease.model_dump(mode="json"), "why": kept_text(why)}
        self.line(event, subject=lease.intent_id, by=by, data=data)

    def _approval_line(self, event: str, approval: Approval, *, by: str) -> None:
        self.line(event, subject=approval.approval_id, by=by, data=approval.model_dump(mode="json"))
