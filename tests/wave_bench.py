"""For waves, reconciling and status: a ledger in memory, and a vendor that holds its limits against callers.

The ledger keeps the port's rules by connectors/state/ledger_rules.py, as the one over SQLite does, without a
file and an audit, so that thousands of orders take seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from actions.containment import Tools
from actions.isolation import IsolationMode
from actions.isolation_policy import Caps, IsolationPolicy
from actions.vendor_pace import Pace
from connectors.errors import ConnectorError, NotSupported, RateLimited
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import (
    CapLimits,
    HostKey,
    Intent,
    IntentKind,
    IntentState,
    Lease,
    Order,
    Standing,
)
from connectors.ports import Capability, EdrConnector, IsolatedHosts
from connectors.state import ledger_rules as rules
from connectors.state.ledger import Ledger, Stale
from tests.http_clients import Clock

RUN = "run-20261124T080000Z-ab12"
POLICY = IsolationPolicy(mode=IsolationMode.APPROVE, caps=Caps(per_run=9000, per_hour=9000, per_day=9000))
WIDE = POLICY.limits


class MemoryLedger:
    """Orders and leases as the port has them, in memory.

    Attributes:
        writes: how often something was written.
        before_write: is called with that number before each write; what it raises is a death.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.writes = 0
        self.before_write: Callable[[int], None] = lambda _: None
        self._intents: dict[str, Intent] = {}
        self._active: dict[HostKey, str] = {}
        self._leases: dict[str, Lease] = {}
        self._standing: dict[HostKey, str] = {}
        self._hosts: dict[HostKey, list[str]] = {}

    def standing(self, host: HostKey, *, run_id: str = "", site: str = "") -> Standing:
        del run_id, site
        return Standing(
            in_run=0,
            in_hour=0,
            in_day=0,
            at_site_in_day=0,
            intent=self._intents.get(self._active.get(host, "")),
            lease=self._leases.get(self._standing.get(host, "")),
        )

    def begin(self, order: Order, caps: CapLimits, *, quiet_s: float) -> Intent:
        self._write()
        refused = rules.refusal(
            order, caps, self.standing(order.host), None, now=self._clock(), quiet_s=quiet_s
        )
        if refused is not None:
            raise refused
        unknown = rules.takes_place_of(order, self.standing(order.host).intent)
        assert unknown is None, "what a release supersedes is kept by the ledger over SQLite alone"
        intent = Intent(
            intent_id=f"{order.kind.value}-{len(self._intents)}",
            order=order,
            state=IntentState.REQUESTED,
            version=1,
            requested_at=self._clock(),
            changed_at=self._clock(),
        )
        self._hosts.setdefault(order.host, []).append(intent.intent_id)
        return self._keep(intent)

    def calling(self, intent: Intent) -> Intent:
        self._write()
        present = self._present(intent)
        if present.state is not IntentState.REQUESTED or present.called_at is not None:
            raise Stale(present)
        return self._keep(rules.changed(present, called_at=self._clock()))

    def move(
        self,
        intent: Intent,
        state: IntentState,
        *,
        detail: str,
        by: str,
        lease_s: float | None = None,
        **more: Any,
    ) -> Intent:
        self._write()
        now, host = self._clock(), intent.order.host
        after = rules.moved(self._present(intent), state, now=now, detail=detail, **more)
        if state is IntentState.VERIFIED and after.order.kind is IntentKind.ISOLATE:
            self._leases[after.intent_id] = rules.lease_of(after, began_at=now, lease_s=lease_s)
            self._standing[host] = after.intent_id
        elif state is IntentState.VERIFIED and host in self._standing:
            self._end(self._standing[host], by)
        return self._keep(after)

    def intent(self, intent_id: str) -> Intent | None:
        return self._intents.get(intent_id)

    def intents(
        self, *, active: bool | None = None, host: HostKey | None = None, run_id: str | None = None
    ) -> Sequence[Intent]:
        if active:
            known: Iterable[str] = self._active.values()
        else:
            known = self._intents if host is None else self._hosts.get(host, [])
        return [
            each
            for each in map(self._intents.__getitem__, known)
            if active in (None, each.active)
            and host in (None, each.order.host)
            and run_id in (None, each.order.run_id)
        ]

    def leases(self, *, standing: bool | None = True, run_id: str | None = None) -> Sequence[Lease]:
        return [
            each
            for each in self._leases.values()
            if standing in (None, each.ended_at is None) and run_id in (None, each.run_id)
        ]

    def end_lease(self, lease: Lease, *, by: str, why: str) -> Lease:
        del why
        self._write()
        if self._leases[lease.intent_id].ended_at is None:
            self._end(lease.intent_id, by)
        return self._leases[lease.intent_id]

    def _write(self) -> None:
        self.writes += 1
        self.before_write(self.writes)

    def _end(self, intent_id: str, by: str) -> None:
        lease = self._leases[intent_id]
        self._leases[intent_id] = lease.model_copy(update={"ended_at": self._clock(), "ended_by": by})
        del self._standing[lease.host]

    def _present(self, intent: Intent) -> Intent:
        present = self._intents[intent.intent_id]
        if present.version != intent.version:
            raise Stale(present)
        return present

    def _keep(self, intent: Intent) -> Intent:
        self._intents[intent.intent_id] = intent
        if intent.active:
            self._active[intent.order.host] = intent.intent_id
        elif self._active.get(intent.order.host) == intent.intent_id:
            del self._active[intent.order.host]
        return intent


class Counted:
    """A vendor's limit on one operation, over closed windows; `over` counts the calls beyond it."""

    def __init__(self, paces: Sequence[Pace], now: Callable[[], float]) -> None:
        self._now = now
        self._windows = [(pace, deque[float]()) for pace in paces]
        self.calls = 0
        self.over = 0

    def call(self) -> bool:
        """Count a call; False where it is one too many."""
        self.calls += 1
        now, allowed = self._now(), True
        for pace, made in self._windows:
            while made and made[0] < now - pace.seconds:
                made.popleft()
            made.append(now)
            allowed = allowed and len(made) <= pace.calls
        self.over += not allowed
        return allowed


class Machine:
    """A machine at the vendor.

    Attributes:
        settles_s: seconds that a release takes; None never ends.
        refuses: raised by the next calls to release, one each.
        unreadable: raised by readings; None for none.
    """

    def __init__(self, state: IsolationState) -> None:
        self.state = state
        self.changed_at: datetime | None = None
        self.how_known = HowKnown.REPORTED
        self.settles_s: float | None = 3.0
        self.refuses: list[ConnectorError] = []
        self.unreadable: ConnectorError | None = None
        self.due: datetime | None = None
        self.released = 0


class Vendor:
    """An EDR in memory that holds its limits, for releases and readings each, and never forgives.

    Attributes:
        machines: by their ids; any that is asked for is there, and isolated.
        call_s: seconds that a call takes.
        limited: releases refused for the quota from here on, by how long; emptied one by one.
        lists: what isolated_hosts raises; None answers.
        before_call: is called before each release; what it raises is a death.
    """

    name = "defender"
    sysmon_guids = False
    capabilities = frozenset(Capability)

    def __init__(self, clock: Clock, paces: Sequence[Pace] = ()) -> None:
        self.clock = clock
        self.paces = tuple(paces)
        self.machines: dict[str, Machine] = {}
        self.writes = Counted(paces, clock.monotonic)
        self.reads = Counted(paces, clock.monotonic)
        self.call_s = 0.0
        self.limited: list[RateLimited] = []
        self.lists: ConnectorError | None = None
        self.complete = True
        self.comments: list[str] = []
        self.keys: Counter[str] = Counter()
        self.before_call: Callable[[], None] = lambda: None

    def machine(self, host_id: str) -> Machine:
        return self.machines.setdefault(host_id, Machine(IsolationState.ISOLATED))

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        self.before_call()
        self.clock.advance(self.call_s)
        if self.limited:
            raise self.limited.pop(0)
        if not self.writes.call():
            raise RateLimited(self.name, "too many calls")
        machine = self.machine(host.host_id)
        if machine.refuses:
            raise machine.refuses.pop(0)
        machine.released += 1
        machine.state = IsolationState.RELEASING
        if machine.settles_s is not None:
            machine.due = self.clock.now + timedelta(seconds=machine.settles_s)
        self.comments.append(comment)
        self.keys[idempotency_key] += 1
        return ActionHandle(
            connector=self.name, host_id=host.host_id, action_id="a1", accepted_at=self.clock.now
        )

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        del handle
        self.clock.advance(self.call_s)
        if not self.reads.call():
            raise RateLimited(self.name, "too many calls")
        machine, now = self.machine(host.host_id), self.clock.now
        if machine.unreadable is not None:
            raise machine.unreadable
        if machine.state is IsolationState.RELEASING and machine.due is not None and machine.due <= now:
            machine.state, machine.changed_at = IsolationState.NOT_ISOLATED, machine.due
        return IsolationStatus(
            state=machine.state, how_known=machine.how_known, as_of=now, changed_at=machine.changed_at
        )

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        if self.lists is not None:
            raise self.lists
        assert limit > 0
        shown = {IsolationState.ISOLATED, IsolationState.ISOLATING, IsolationState.RELEASING}
        return IsolatedHosts(
            tuple(
                HostRef(
                    connector=self.name, host_id=each, hostname=f"{each}.corp.example", isolation=one.state
                )
                for each, one in self.machines.items()
                if one.state in shown
            ),
            complete=self.complete,
        )


class Bench(NamedTuple):
    """A clock, a vendor and a ledger."""

    clock: Clock
    vendor: Vendor
    ledger: Any

    @property
    def tools(self) -> Tools:
        """What the actions want."""
        return Tools(
            edr=cast("EdrConnector", self.vendor),
            ledger=cast("Ledger", self.ledger),
            sleep=self.clock.sleep,
            clock=self.clock,
        )


def isolate_order(number: int, **fields: Any) -> Order:
    """An order of the run to isolate one of its hosts."""
    values: dict[str, Any] = {
        "connector": "defender",
        "host_id": f"m{number}",
        "hostname": f"m{number}.corp.example",
        "case_id": f"case-{number}",
        "run_id": RUN,
        "by": "playbook",
        "by_person": False,
        "reason": "RegSvcs.exe called home",
        "deadline_s": 300.0,
    }
    return Order(kind=IntentKind.ISOLATE, **{**values, **fields})


def isolated(bench: Bench, count: int, *, age_s: float = 900.0, **fields: Any) -> list[Lease]:
    """Hosts that the run isolated so many seconds ago, verified."""
    for number in range(count):
        called = bench.ledger.calling(
            bench.ledger.begin(isolate_order(number, **fields), WIDE, quiet_s=3600.0)
        )
        bench.ledger.move(called, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=24 * 3600.0)
        bench.vendor.machine(called.order.host_id)
    bench.clock.advance(age_s)
    return list(bench.ledger.leases(run_id=RUN))


def bench_of(ledger: Callable[[Clock], Any] = MemoryLedger, paces: Sequence[Pace] = ()) -> Bench:
    """A bench; the vendor has no limits unless given."""
    clock = Clock()
    return Bench(clock, Vendor(clock, paces), ledger(clock))


def no_list() -> NotSupported:
    """What a connector raises that cannot list."""
    return NotSupported("defender", "it cannot list isolated hosts")
