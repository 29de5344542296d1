"""The ledger in one SQLite file, for all threads and processes of one machine.

What holds even if this program were wrong is in the file itself: one active intent a host, and at most one
isolation of unknown outcome beside the release that supersedes it; one standing lease and one open question a
host; and an audit without changes or deletions (ledger_schema.py). A file that is lost or empty is a new
ledger: only an audit head that was kept elsewhere shows that.

The audit's chain is over the audit alone. The other tables can be compared with it, line by line, as each
line holds what was written; connectors/state/audit.py says what a chain proves and what not.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from connectors.clock import utc_now
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
    IntentKind,
    IntentState,
    KillSwitch,
    Lease,
    Order,
    Question,
    Standing,
)
from connectors.state import ledger_rows as rows
from connectors.state import ledger_rules as rules
from connectors.state.audit import kept_text
from connectors.state.ledger import LedgerUnusable, Refused, Stale
from connectors.state.ledger_file import LedgerFile
from connectors.state.ledger_standing import standing_of
from connectors.state.ledger_writing import Writing

#: The ledger's file in its folder.
FILE_NAME = "ledger.sqlite"

#: Lines of the audit read in one transaction.
_AUDIT_PAGE = 1_000

_PREFIX = {IntentKind.ISOLATE: "iso-", IntentKind.RELEASE: "rel-"}


class SqliteLedger:
    """The port of connectors/state/ledger.py over a file. Nothing is made or opened until it is used."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        breaker_failures: int = 3,
        wait_s: float = 10.0,
    ) -> None:
        """Set up.

        Args:
            path: the file; made with its folders when absent, for its owner alone.
            clock: the time, timezone-aware. It may be set back: what is dated in the future still counts.
            breaker_failures: isolations in a row that come to nothing until the breaker opens.
            wait_s: seconds to wait for other threads and processes.
        """
        self._file = LedgerFile(path, wait_s=wait_s)
        self._clock = clock
        self._most = breaker_failures

    def standing(self, host: HostKey, *, run_id: str = "", site: str = "") -> Standing:
        """See Ledger.standing."""
        return self._read(
            lambda db: standing_of(db, host, run_id=run_id, site=site, now=self._clock(), most=self._most)
        )

    def begin(self, order: Order, caps: CapLimits, *, quiet_s: float) -> Intent:
        """See Ledger.begin."""
        kept = _kept_order(order)

        def work(writing: Writing) -> Intent | Refused:
            db, now = writing.db, writing.now
            standing = standing_of(
                db, kept.host, run_id=kept.run_id, site=kept.site, now=now, most=self._most
            )
            approval = rows.approval_of(db, kept.approval_id) if kept.approval_id else None
            refused = rules.refusal(kept, caps, standing, approval, now=now, quiet_s=quiet_s)
            if refused is not None:
                writing.refused(kept, refused)
                return refused
            intent_id = _PREFIX[kept.kind] + secrets.token_hex(16)
            unknown = rules.takes_place_of(kept, standing.intent)
            if unknown is not None:
                beside = rules.changed(unknown, superseded_by=intent_id)
                writing.intent(unknown, beside, by=kept.by, most=self._most, event="intent_superseded")
            intent = Intent(
                intent_id=intent_id,
                order=kept,
                state=IntentState.REQUESTED,
                version=1,
                requested_at=now,
                changed_at=now,
            )
            writing.new_intent(intent)
            if approval is not None and kept.kind is IntentKind.ISOLATE:
                used = approval.model_copy(update={"used_by": intent.intent_id})
                writing.approval(used, event="approval_used", by=kept.by)
            return intent

        return _or_raise(self._write(work))

    def calling(self, intent: Intent) -> Intent:
        """See Ledger.calling."""

        def work(writing: Writing) -> Intent | Refused:
            present = self._present(writing.db, intent)
            if present.state is not IntentState.REQUESTED or present.called_at is not None:
                raise Stale(present)
            switch = rows.kill_switch(writing.db)
            if switch.on and present.order.kind is IntentKind.ISOLATE:
                refused = rules.kill_switch_refusal(switch.by, switch.why)
                detail = kept_text(f"the vendor was not called: {refused}")
                ended = rules.moved(present, IntentState.FAILED, now=writing.now, detail=detail)
                writing.intent(present, ended, by=present.order.by, most=self._most)
                return refused
            called = rules.changed(present, called_at=writing.now)
            writing.intent(present, called, by=present.order.by, most=self._most, event="intent_calling")
            return called

        return _or_raise(self._write(work))

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
        """See Ledger.move."""

        def work(writing: Writing) -> Intent:
            present = self._present(writing.db, intent)
            after = rules.moved(
                present,
                state,
                now=writing.now,
                detail=kept_text(detail),
                action_id=kept_text(action_id),
                accepted_at=accepted_at,
            )
            writing.intent(present, after, by=by, most=self._most)
            if after.order.kind is IntentKind.RELEASE:
                writing.release_changed(after, by=by, most=self._most)
            if state is IntentState.VERIFIED:
                if after.order.kind is IntentKind.ISOLATE:
                    writing.new_lease(rules.lease_of(after, began_at=writing.now, lease_s=lease_s), by=by)
                else:
                    for lease in rows.leases(writing.db, standing=True, host=after.order.host):
                        writing.lease_ended(lease, by=after.order.by, why=f"released by {after.intent_id}")
            return after

        return self._write(work)

    def intent(self, intent_id: str) -> Intent | None:
        """See Ledger.intent."""
        return self._read(lambda db: rows.intent_of(db, intent_id))

    def intents(
        self, *, active: bool | None = None, host: HostKey | None = None, run_id: str | None = None
    ) -> Sequence[Intent]:
        """See Ledger.intents."""
        return self._read(lambda db: rows.intents(db, active=active, host=host, run_id=run_id))

    def leases(self, *, standing: bool | None = True, run_id: str | None = None) -> Sequence[Lease]:
        """See Ledger.leases."""
        return self._read(lambda db: rows.leases(db, standing=standing, run_id=run_id))

    def end_lease(self, lease: Lease, *, by: str, why: str) -> Lease:
        """See Ledger.end_lease."""

        def work(writing: Writing) -> Lease:
            present = _there(rows.lease_of(writing.db, lease.intent_id), lease.intent_id)
            return present if present.ended_at is not None else writing.lease_ended(present, by=by, why=why)

        return self._write(work)

    def extend_lease(self, lease: Lease, *, review_by: datetime, by: str, why: str) -> Lease:
        """See Ledger.extend_lease. One that has ended is returned as it is.

        Raises:
            ValueError: the review would not be later.
        """

        def work(writing: Writing) -> Lease:
            present = _there(rows.lease_of(writing.db, lease.intent_id), lease.intent_id)
            if present.ended_at is not None:
                return present
            return writing.lease_extended(rules.extended(present, review_by=review_by), by=by, why=why)

        return self._write(work)

    def ask(self, question: Question) -> tuple[Approval, bool]:
        """See Ledger.ask. An approval of this host and case that can still be used is returned as well."""
        kept = question.model_copy(
            update={"hostname": kept_text(question.hostname), "evidence": kept_text(question.evidence)}
        )

        def work(writing: Writing) -> tuple[Approval, bool]:
            writing.expire_due()
            for known in rows.approvals(writing.db, host=kept.host):
                usable = rules.is_usable(known, writing.now) and known.question.case_id == kept.case_id
                if usable or known.state is ApprovalState.ASKED:
                    return known, False
            asked = Approval(
                approval_id="ask-" + secrets.token_hex(16),
                question=kept,
                state=ApprovalState.ASKED,
                asked_at=writing.now,
                expires_at=writing.now + timedelta(seconds=kept.expires_in_s),
            )
            writing.new_approval(asked)
            return asked, True

        return self._write(work)

    def answer(self, approval_id: str, *, approve: bool, by: str, why: str) -> Answered | None:
        """See Ledger.answer."""

        def work(writing: Writing) -> Answered | None:
            writing.expire_due()
            present = rows.approval_of(writing.db, approval_id)
            if present is None:
                return None
            if present.state is not ApprovalState.ASKED:
                writing.not_counted(present, approve=approve, by=by, why=why)
                return Answered(present, counted=False)
            answered = rules.answered(
                present, approve=approve, by=kept_text(by), why=kept_text(why), now=writing.now
            )
            writing.approval(answered, event=f"approval_{answered.state.value}", by=by)
            return Answered(answered, counted=True)

        return self._write(work)

    def approvals(self, *, state: ApprovalState | None = None) -> Sequence[Approval]:
        """See Ledger.approvals."""

        def work(writing: Writing) -> Sequence[Approval]:
            writing.expire_due()
            return rows.approvals(writing.db, state=state)

        return self._write(work)

    def set_kill_switch(self, *, on: bool, by: str, why: str) -> None:
        """See Ledger.set_kill_switch."""
        self._write(lambda writing: writing.kill_switch(on=on, by=by, why=why))

    def kill_switch(self) -> KillSwitch:
        """See Ledger.kill_switch."""
        return self._read(rows.kill_switch)

    def breaker(self) -> Breaker:
        """See Ledger.breaker."""
        return self._read(lambda db: rows.read_breaker(db, most=self._most))

    def close_breaker(self, *, by: str, why: str) -> None:
        """See Ledger.close_breaker."""
        self._write(lambda writing: writing.breaker_closed(by=by, why=why, most=self._most))

    def note(self, event: str, *, subject: str, by: str, data: dict[str, str]) -> None:
        """See Ledger.note."""
        kept = {kept_text(name): kept_text(text) for name, text in data.items()}
        self._write(lambda writing: writing.line(event, subject=subject, by=by, data=kept))

    def audit(self, *, after: int = 0) -> Iterator[AuditLine]:
        """See Ledger.audit. Read page by page: a slow reader holds nobody up."""
        while page := self._audit_page(after):
            yield from page
            after = page[-1].number

    def head(self) -> AuditHead:
        """See Ledger.head."""
        return self._read(rows.head)

    def _audit_page(self, after: int) -> list[AuditLine]:
        return self._read(lambda db: rows.audit_lines(db, after=after, most=_AUDIT_PAGE))

    def _present(self, db: sqlite3.Connection, intent: Intent) -> Intent:
        present = _there(rows.intent_of(db, intent.intent_id), intent.intent_id)
        if present.version != intent.version:
            raise Stale(present)
        return present

    def _read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._file.run(work, write=False)

    def _write[T](self, work: Callable[[Writing], T]) -> T:
        return self._file.run(lambda db: work(Writing(db, self._clock())), write=True)


def _or_raise(outcome: Intent | Refused) -> Intent:
    """What was written; a refusal is raised only here, after its audit line was committed."""
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def _there[F](fact: F | None, intent_id: str) -> F:
    if fact is None:
        raise LedgerUnusable(
            f"the ledger does not hold {intent_id}: it is not the file that this was read from"
        )
    return fact


def _kept_order(order: Order) -> Order:
    return order.model_copy(
        update={name: kept_text(getattr(order, name)) for name in ("hostname", "by", "reason")}
    )
