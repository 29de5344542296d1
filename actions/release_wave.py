"""Undo the isolations of a run, as fast as the vendor allows, so that it can be killed and taken up again.

The ledger alone says what is done: a release that was sent is followed, and is sent again only where it is
certain that nothing came of it. A release is sent only where there is room to read what became of it, so that
those that are out are seen before their deadline as a rule.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from actions.containment import ContainmentOutcome, ContainmentResult, Tools
from actions.isolation_policy import IsolationPolicy
from actions.paced_edr import PacedEdr
from actions.release_host import follow_once, submit_release
from actions.settle_intent import settle
from actions.vendor_pace import Limiter, Pace, paces_of
from actions.wave_history import LOOKS_S, calls_before
from actions.wave_report import WaveReport, wave_report
from connectors.errors import ResponseError
from connectors.facts.ledger import HostKey, Intent, IntentKind, IntentState, Lease, Order
from connectors.state.ledger import LedgerUnusable

#: Looks at one release at most. The intent's own deadline ends it long before that.
MOST_LOOKS = 200

#: Releases of one host that the vendor may refuse for its quota before the host counts as failed.
MOST_TRIES = 5

#: Seconds that a wave waits at most because the vendor says so. Then it stops, to be taken up again.
LONGEST_HOLD_S = 2 * 3600.0

#: Seconds of a pause that is told.
TOLD_PAUSE_S = 5.0


class WaveProgress(NamedTuple):
    """How far a wave has come.

    Attributes:
        done: hosts of which the outcome is known, of `total`.
        underway: releases that were sent and are not proved.
        hostname: the host that this is about; "" for none. May hold text from outside.
        sentence: what has just happened.
        wait_s: seconds until something happens again, where that is long; 0 otherwise.
    """

    done: int
    total: int
    underway: int
    hostname: str
    sentence: str
    wait_s: float = 0.0


def _untold(_: WaveProgress) -> None:
    """Tell nobody."""


def release_wave(
    leases: Sequence[Lease],
    tools: Tools,
    *,
    policy: IsolationPolicy,
    by: str,
    why: str,
    run_id: str,
    paces: Sequence[Pace] | None = None,
    progress: Callable[[WaveProgress], None] = _untold,
    monotonic: Callable[[], float] | None = None,
) -> WaveReport:
    """Release the hosts of a run that stand isolated, and read what became of each.

    Interrupted or killed at any moment, it loses nothing: run again, it follows what was sent and sends the
    rest; `wave_report` tells how far it came.

    Args:
        leases: those of the run that stand.
        tools: the EDR, the ledger, the clock and the pause.
        policy: deadline and freshness.
        by: the person who wants it.
        why: the reason, for the ledger and the vendor's comment.
        run_id: the run that is undone. Its releases get the same id, by which they are found again.
        paces: the vendor's limits, for writes and for readings each; None takes those of the connector.
        progress: is told of each host and of each longer pause. What it raises ends the wave.
        monotonic: seconds of a clock that `tools.sleep` moves and that never runs backwards; None takes
            `tools.clock`.

    Raises:
        LedgerUnusable: the ledger cannot be read or written; what was sent is in it as far as it was told.
    """
    wave = _Wave(
        tools,
        policy=policy,
        order=_Orderer(by, why, run_id),
        paces=paces_of(tools.edr.name) if paces is None else paces,
        progress=progress,
        now=monotonic or (lambda: tools.clock().timestamp()),
    )
    wave.take_up(leases)
    wave.run()
    return wave_report(tools.ledger, run_id, since=wave.since, results=wave.results, stopped=wave.stopped)


class _Orderer(NamedTuple):
    by: str
    why: str
    run_id: str


class _Flight(NamedTuple):
    """A release that was ordered and is looked at again at `next_s`. `number` keeps two apart."""

    next_s: float
    number: int
    intent_id: str
    host: HostKey
    looks: int


class _Wave:
    """One attempt at a wave."""

    def __init__(
        self,
        tools: Tools,
        *,
        policy: IsolationPolicy,
        order: _Orderer,
        paces: Sequence[Pace],
        progress: Callable[[WaveProgress], None],
        now: Callable[[], float],
    ) -> None:
        self.since = tools.clock()
        self.results: dict[HostKey, ContainmentResult] = {}
        self.stopped = ""
        self._policy = policy
        self._order = order
        self._progress = progress
        self._now = now
        writes, reads = calls_before(tools, order.run_id, paces, now=now())
        self._writes = Limiter(paces, now=now, sleep=tools.sleep, made=writes)
        self._reads = Limiter(paces, now=now, sleep=tools.sleep, made=reads)
        self._edr = PacedEdr(tools.edr, reads=self._reads, writes=self._writes, clock=tools.clock)
        self._tools = tools._replace(edr=self._edr)
        self._leases: dict[HostKey, Lease] = {}
        self._queue: deque[Lease] = deque()
        self._flying: list[_Flight] = []
        self._tries: Counter[HostKey] = Counter()
        self._numbers = count()
        self._done = 0

    def take_up(self, leases: Sequence[Lease]) -> None:
        """Follow what was ordered already; queue the rest."""
        self._leases = {lease.host: lease for lease in leases if lease.ended_at is None}
        ordered = {
            each.order.host: each
            for each in self._tools.ledger.intents(active=True)
            if each.order.kind is IntentKind.RELEASE
        }
        for host, lease in self._leases.items():
            if lease.connector != self._edr.name:
                self._conclude(host, self._refused(lease, f"It is a host of {lease.connector}."))
            elif host in ordered:
                self._fly(ordered[host], looks=0, after_s=0)
            else:
                self._queue.append(lease)

    def run(self) -> None:
        """Send and follow until nothing is left, or the vendor wants it to stop."""
        while self._queue or self._flying:
            if self._flying and self._flying[0].next_s <= self._now():
                if self._too_long(self._reads, "is read"):
                    return
                self._told_wait(self._reads)
                self._follow(heappop(self._flying))
            elif self._queue and self._room_s() <= 0:
                self._send(self._queue.popleft())
            elif self._queue and not self._flying and self._too_long(self._writes, "is released"):
                return
            else:
                self._pause()

    def _room_s(self) -> float:
        """Seconds until a release may be sent: there has to be room for two looks at each that is out."""
        return max(self._writes.wait_s(), self._reads.wait_s(2 * len(self._flying) + 2))

    def _too_long(self, limiter: Limiter, what: str) -> bool:
        """Whether the vendor wants a longer wait than a wave takes; then it is over."""
        wait_s = limiter.wait_s()
        if wait_s <= max(LONGEST_HOLD_S, limiter.longest_s):
            return False
        self.stopped = f"The vendor's quota is used up: nothing {what} for another {wait_s / 60:.0f} minutes."
        return True

    def _pause(self) -> None:
        waits = [self._flying[0].next_s - self._now()] if self._flying else []
        waits += [self._room_s()] if self._queue else []
        wait_s = max(min(waits), 0.001)
        self._tell_pause(wait_s)
        self._tools.sleep(wait_s)

    def _told_wait(self, limiter: Limiter) -> None:
        self._tell_pause(limiter.wait_s())
        limiter.wait()

    # --- sending -------------------------------------------------------------------------------

    def _send(self, lease: Lease) -> None:
        self._edr.limited = None
        order, host = self._order_for(lease), lease.host
        self._tries[host] += 1
        try:
            sent = submit_release(order, self._tools, policy=self._policy, comment=_comment(order))
        except LedgerUnusable:
            raise
        except ResponseError as error:
            self._conclude(host, self._refused(lease, _sentence(error)))
            return
        if isinstance(sent, Intent):
            self._fly(sent, looks=0)
            self._tell(lease.hostname, "The release was sent.")
        elif self._over_the_quota(sent) and self._tries[host] < MOST_TRIES:
            self._queue.append(lease)
            self._tell(lease.hostname, "The vendor's quota is used up; the release is sent later.")
        elif sent.intent is not None and sent.intent.active and sent.intent.order.kind is IntentKind.RELEASE:
            self._fly(sent.intent, looks=0)
            self._tell(lease.hostname, sent.sentence)
        else:
            self._conclude(host, sent)

    def _over_the_quota(self, sent: ContainmentResult) -> bool:
        """Whether nothing was done only because the vendor was asked too often."""
        certain = sent.outcome in (ContainmentOutcome.FAILED, ContainmentOutcome.NOT_SENT)
        return self._edr.limited is not None and certain

    def _order_for(self, lease: Lease) -> Order:
        return Order(
            kind=IntentKind.RELEASE,
            connector=lease.connector,
            host_id=lease.host_id,
            hostname=lease.hostname,
            site=lease.site,
            case_id=lease.case_id,
            run_id=self._order.run_id,
            by=self._order.by,
            by_person=True,
            reason=self._order.why,
            deadline_s=self._policy.deadline_s,
        )

    # --- following -----------------------------------------------------------------------------

    def _fly(self, intent: Intent, *, looks: int, after_s: float | None = None) -> None:
        wait_s = LOOKS_S[min(looks, len(LOOKS_S) - 1)] if after_s is None else after_s
        flight = _Flight(
            self._now() + wait_s, next(self._numbers), intent.intent_id, intent.order.host, looks
        )
        heappush(self._flying, flight)

    def _follow(self, flight: _Flight) -> None:
        intent = self._tools.ledger.intent(flight.intent_id)
        if intent is None or not intent.active:
            self._ended(flight, intent)
            return
        try:
            result = self._look(intent)
        except LedgerUnusable:
            raise
        except ResponseError:
            result = None  # another run has gone on with it, or it could not be read: looked at again
        if result is not None and result.outcome is ContainmentOutcome.PENDING:
            result = None
        if result is None and flight.looks + 1 < MOST_LOOKS:
            self._fly(intent, looks=flight.looks + 1)
        elif result is not None and self._never_called(result):
            self._queue.append(self._leases[flight.host])
        else:
            self._conclude(flight.host, result)

    def _look(self, intent: Intent) -> ContainmentResult | None:
        """One look; None where it is not over."""
        if intent.called_at is not None:
            return follow_once(intent, self._tools, policy=self._policy)
        return settle(intent, self._tools, policy=self._policy, wait=False)

    def _never_called(self, result: ContainmentResult) -> bool:
        """Whether an order of a run that died did not get as far as the vendor."""
        intent = result.intent
        if intent is None or intent.state is not IntentState.FAILED or intent.called_at is not None:
            return False
        return self._tries[intent.order.host] < MOST_TRIES and intent.order.host in self._leases

    def _ended(self, flight: _Flight, intent: Intent | None) -> None:
        """Somebody else has ended it. What the ledger says of the host is all there is to report."""
        called = intent is not None and intent.called_at is not None
        if not called and self._tries[flight.host] < MOST_TRIES and flight.host in self._leases:
            self._queue.append(self._leases[flight.host])
            return
        self._conclude(flight.host, None)

    # --- telling -------------------------------------------------------------------------------

    def _conclude(self, host: HostKey, result: ContainmentResult | None) -> None:
        self._done += 1
        if result is not None:
            self.results[host] = result
        lease = self._leases[host]
        self._tell(lease.hostname, result.sentence if result else "Another run has ended this release.")

    def _refused(self, lease: Lease, sentence: str) -> ContainmentResult:
        return ContainmentResult(
            outcome=ContainmentOutcome.REFUSED,
            hostname=lease.hostname,
            host_id=lease.host_id,
            connector=lease.connector,
            sentence=f"{sentence} Nothing was sent.",
            lease=lease,
            told_at=self._tools.clock(),
        )

    def _tell(self, hostname: str, sentence: str, wait_s: float = 0.0) -> None:
        told = WaveProgress(
            self._done, len(self._leases), len(self._flying), hostname, sentence, wait_s=wait_s
        )
        self._progress(told)

    def _tell_pause(self, wait_s: float) -> None:
        if wait_s >= TOLD_PAUSE_S and (self._queue or self._reads.wait_s() > 0):
            self._tell("", "Waiting, to keep to the vendor's limits.", wait_s)


def _comment(order: Order) -> str:
    case = f"case {order.case_id}, " if order.case_id else ""
    return f"{case}run {order.run_id}: released by {order.by}: {order.reason}"


def _sentence(error: ResponseError) -> str:
    return f"{str(error).rstrip('.')}."
