"""Compare the ledger with the EDR, and say where they differ. It isolates nothing and releases nothing.

What was begun and not finished is settled by reading; a lease ends where the EDR proves that its host was
released. All else is told to a person. A second run right after the first changes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable

from actions.containment import ContainmentOutcome, Tools
from actions.isolation_policy import IsolationPolicy
from actions.lease_reading import proves_release, read_lease
from actions.paced_edr import PacedEdr
from actions.reconciliation import Reconciliation, Settled, Stray, Unread
from actions.settle_intent import settle
from actions.vendor_pace import Limiter, Pace, paces_of
from actions.waiting_on_people import questions_expired, questions_open, reviews_due
from connectors.errors import ConnectorError, NotSupported, ResponseError
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import HostKey, Intent, IntentKind, IntentState, Lease
from connectors.state.ledger import Ledger, LedgerUnusable

#: Hosts read in one run at most, and hosts of the vendor's list.
MOST_READ = 1000
MOST_LISTED = 10_000

#: Seconds to wait at most for the next reading; what needs longer is named as not read.
LONGEST_WAIT_S = 120.0

_FOUND_RELEASED = "the EDR shows the host as not isolated"


def reconcile(
    tools: Tools,
    *,
    policy: IsolationPolicy,
    by: str,
    hosts: Collection[HostKey] | None = None,
    paces: Iterable[Pace] | None = None,
    most: int = MOST_READ,
    monotonic: Callable[[], float] | None = None,
) -> Reconciliation:
    """Settle what is open, end leases of hosts that were released, and name what does not fit.

    Args:
        tools: the EDR, the ledger, the clock and the pause.
        policy: freshness, and the length of a lease.
        by: who asked for it; stands in the audit.
        hosts: only these; None is all, and the vendor's list with them.
        paces: limits of the vendor's readings; None takes those of the connector.
        most: readings at most.
        monotonic: seconds of a clock that `tools.sleep` moves and that never runs backwards; None takes
            `tools.clock`.

    Raises:
        LedgerUnusable: the ledger cannot be read or written.
    """
    now_s = monotonic or (lambda: tools.clock().timestamp())
    kept = tuple(paces_of(tools.edr.name) if paces is None else paces)
    reads = Limiter(kept, now=now_s, sleep=tools.sleep)
    writes = Limiter(kept, now=now_s, sleep=tools.sleep)
    edr = PacedEdr(tools.edr, reads=reads, writes=writes, clock=tools.clock)
    own = tools._replace(edr=edr)
    return _Reconciling(own, policy, by=by, hosts=hosts, reads=reads, most=most).run()


class _Reconciling:
    """One comparison."""

    def __init__(
        self,
        tools: Tools,
        policy: IsolationPolicy,
        *,
        by: str,
        hosts: Collection[HostKey] | None,
        reads: Limiter,
        most: int,
    ) -> None:
        self._tools = tools
        self._ledger: Ledger = tools.ledger
        self._policy = policy
        self._by = by
        self._hosts = None if hosts is None else frozenset(hosts)
        self._reads = reads
        self._left = most
        self._settled: list[Settled] = []
        self._strays: list[Stray] = []
        self._unreadable: list[Unread] = []

    def run(self) -> Reconciliation:
        """Compare, in an order in which each step knows what the one before has found."""
        self._settle_all()
        ended = self._leases()
        listed, list_failed = (
            self._listed()
            if self._hosts is None
            else ("The EDR's list was not asked for: hosts were named.", False)
        )
        now = self._tools.clock()
        return Reconciliation(
            connector=self._tools.edr.name,
            told_at=now,
            settled=tuple(self._settled),
            ended=tuple(ended),
            strays=tuple(self._strays),
            unread=tuple(self._unreadable),
            reviews=reviews_due(self._ledger, policy=self._policy, now=now, wanted=self._wanted),
            open_questions=questions_open(self._ledger, wanted=self._wanted),
            expired_questions=questions_expired(self._ledger, now=now, wanted=self._wanted),
            listed=listed,
            list_failed=list_failed,
        )

    def _wanted(self, host: HostKey) -> bool:
        return self._hosts is None or host in self._hosts

    def _not_now(self) -> str:
        """Why no further reading is made; "" where one may be."""
        if self._left <= 0:
            return "It was not read: there are more hosts than one run reads. Run reconcile again."
        if self._reads.wait_s() > LONGEST_WAIT_S:
            return (
                "It was not read: the vendor's limits allow no more for a while. Run reconcile again later."
            )
        self._left -= 1
        return ""

    def _unread(self, host: HostKey, hostname: str, sentence: str) -> None:
        self._unreadable.append(
            Unread(connector=host.connector, host_id=host.host_id, hostname=hostname, sentence=sentence)
        )

    # --- what was begun ------------------------------------------------------------------------

    def _settle_all(self) -> None:
        """A release before the isolation that it supersedes, whose end it may be."""
        for intent in sorted(self._ledger.intents(active=True), key=lambda each: bool(each.superseded_by)):
            if self._wanted(intent.order.host):
                self._settle(intent)

    def _settle(self, before: Intent) -> None:
        order = before.order
        intent = (self._ledger.intent(before.intent_id) or before) if before.superseded_by else before
        if order.connector != self._tools.edr.name:
            sentence = f"It is a host of {order.connector}, and {self._tools.edr.name} is asked."
            self._unread(order.host, order.hostname, sentence)
            return
        # One that has ended, or that the vendor was not called for, is settled without a reading.
        reads = intent.active and intent.called_at is not None
        problem = self._not_now() if reads else ""
        if problem:
            self._unread(order.host, order.hostname, problem)
            return
        try:
            result = settle(intent, self._tools, policy=self._policy, wait=False)
        except LedgerUnusable:
            raise
        except ResponseError as error:
            self._unread(order.host, order.hostname, _sentence(error))
            return
        after = result.intent or intent
        self._settled.append(
            Settled(
                intent_id=intent.intent_id,
                kind=order.kind,
                connector=order.connector,
                host_id=order.host_id,
                hostname=order.hostname,
                before=before.state,
                after=after.state,
                outcome=result.outcome,
                sentence=_settled_sentence(after, result.outcome, result.sentence),
            )
        )

    # --- leases --------------------------------------------------------------------------------

    def _leases(self) -> list[Lease]:
        """Those that ended, because their host was released."""
        known = {each.intent_id for each in self._settled}
        active = {each.order.host for each in self._ledger.intents(active=True)}
        ended = []
        for lease in self._ledger.leases(standing=True):
            # One whose isolation was seen a moment ago, or whose release is under way, has been read already.
            if lease.intent_id in known or lease.host in active or not self._wanted(lease.host):
                continue
            after = self._lease(lease)
            if after is not None:
                ended.append(after)
        return ended

    def _lease(self, lease: Lease) -> Lease | None:
        """The lease as it ended; None where it stands."""
        other = lease.connector != self._tools.edr.name
        problem = "" if other else self._not_now()
        status, problem = (None, problem) if problem else read_lease(self._tools.edr, self._ledger, lease)
        if status is None:
            self._unread(lease.host, lease.hostname, problem)
            return None
        if proves_release(status, lease, policy=self._policy, now=self._tools.clock()):
            return self._ledger.end_lease(lease, by=self._by, why=f"reconcile: {_FOUND_RELEASED}")
        if status.state is not IsolationState.ISOLATED:
            said = f"{status.state.value} ({status.how_known.value})"
            detail = f": {status.detail.rstrip('.')}" if status.detail else ""
            sentence = f"Its isolation by us stands in the ledger, and the EDR says {said}{detail}."
            self._unread(lease.host, lease.hostname, sentence)
        return None

    # --- the vendor's list ---------------------------------------------------------------------

    def _listed(self) -> tuple[str, bool]:
        """Look for hosts that the EDR says are isolated and that no lease of ours covers.

        Returns:
            What was not seen, one sentence, "" where the whole list was; and whether that is a failure.
        """
        problem = self._not_now()
        if problem:
            return (
                "The EDR's list of isolated hosts was not read: its limits allow no more for a while.",
                True,
            )
        try:
            found = self._tools.edr.isolated_hosts(limit=MOST_LISTED)
        except NotSupported:
            name = self._tools.edr.name
            return f"{name} cannot list isolated hosts: one that is not ours does not show.", False
        except ConnectorError as error:
            return f"The EDR's list of isolated hosts was not read: {_sentence(error)}", True
        leased = {each.host for each in self._ledger.leases(standing=True)}
        active = {each.order.host for each in self._ledger.intents(active=True)}
        for host in found.hosts:
            key = HostKey(host.connector, host.host_id)
            if key not in leased and key not in active:
                self._stray(key, host)
        if found.complete:
            return "", False
        return "The EDR's list of isolated hosts is not complete: more may be isolated.", True

    def _stray(self, key: HostKey, host: HostRef) -> None:
        own = self._own(key)
        state = host.isolation
        sentence = f"The EDR says {state.value.replace('_', ' ')}, and no isolation of ours stands."
        if own is not None:
            sentence += _perhaps_ours(own, host)
        self._strays.append(
            Stray(
                connector=key.connector,
                host_id=key.host_id,
                hostname=host.hostname,
                state=state,
                intent_id=own.intent_id if own else "",
                sentence=sentence,
            )
        )
        self._ledger.note(
            "stray_isolated",
            subject=f"{key.connector}:{key.host_id}",
            by=self._by,
            data={
                "hostname": host.hostname,
                "state": state.value,
                "intent_id": own.intent_id if own else "",
            },
        )

    def _own(self, host: HostKey) -> Intent | None:
        """An isolation of ours that the vendor may have carried out after it had ended; None if none.

        It is the last order that the vendor was called for, but for releases that came to nothing; or a
        verified release took its place. One that was seen, and then released, says nothing about the
        isolation that stands.
        """
        fruitless = (IntentState.EXPIRED, IntentState.FAILED)
        for each in reversed(self._ledger.intents(host=host)):
            if each.called_at is None:
                continue
            if each.order.kind is IntentKind.ISOLATE:
                return each if each.state in fruitless else None
            if each.state not in fruitless:
                return self._superseded_by(each)
        return None

    def _superseded_by(self, release: Intent) -> Intent | None:
        beside = self._ledger.intents(host=release.order.host)
        return next((each for each in beside if each.superseded_by == release.intent_id), None)


def _perhaps_ours(own: Intent, host: HostRef) -> str:
    """Of a stray: which isolation of ours it may be, and how it is released."""
    carries = "may be carrying" if host.isolation is IsolationState.ISOLATING else "may have carried"
    name = shlex.quote(host.hostname or own.order.hostname)
    return (
        f" It may be ours: {own.intent_id} ended {own.state.value} at {own.changed_at:%Y-%m-%d %H:%M} UTC"
        f" ({own.detail.rstrip('.') or 'no reason'}), and the vendor {carries} it out after that. To release"
        f" it: `release {name} --not-ours --why REASON`."
    )


def _settled_sentence(intent: Intent, outcome: ContainmentOutcome, sentence: str) -> str:
    if outcome is ContainmentOutcome.PENDING and intent.called_at is None:
        return f"{sentence.rstrip('.')}. The vendor was not called so far."
    return sentence


def _sentence(error: ResponseError) -> str:
    return f"{str(error).rstrip('.')}."
