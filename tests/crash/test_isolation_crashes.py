"""The process dies at every point of an isolation and of a release, on each vendor's fake. Enumerated.

A point lies before and after every call of the ledger, each of which is one transaction, and before and after
every request to the vendor. What comes after is what a playbook does: settle what is open, and order again.
Dying is an exception that nothing here catches; dying inside a transaction is tested with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from actions.containment import ContainmentOutcome as Outcome
from actions.containment import ContainmentResult, Tools
from actions.follow_intent import LATE_CALL
from actions.isolate_host import isolate_host
from actions.release_host import release_host
from actions.settle_intent import settle
from connectors.edr.catalogue import EdrName, made
from connectors.facts.host import HostRef
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import IntentKind, IntentState, Order
from connectors.http.client import Http
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.containment_bench import COMMENT, POLICY, Watched, order, quick_folder, tools
from tests.edr_backends import BACKENDS, Backend
from tests.estate import Estate, EstateHost, host_id_of
from tests.http_clients import Clock, client

VENDORS = tuple(each for each in BACKENDS if each.name is not EdrName.SYSMON_SPLUNK)
ISOLATE, RELEASE = IntentKind.ISOLATE, IntentKind.RELEASE

#: Hosts of an estate: one for each point, and some to spare.
HOSTS = 90

#: Those of the releases over a queued isolation.
QUEUED = 60

DEADLINE_S = 60.0

#: How long an isolation is waited for that is queued.
SHORT_S = 1.0


class Died(BaseException):
    """The process is gone."""


class Points:
    """Where a process can die, and where it does.

    Attributes:
        passed: the points so far.
    """

    def __init__(self, die_at: int | None = None) -> None:
        self.passed: list[str] = []
        self._die_at = die_at

    def at(self, point: str) -> None:
        self.passed.append(point)
        if len(self.passed) - 1 == self._die_at:
            raise Died(point)

    def around(self, inner: Any, what: str) -> Any:
        """Something with a point before and after each of its calls."""
        return Watched(
            inner,
            before=lambda name: self.at(f"before {what}.{name}"),
            after=lambda name: self.at(f"after {what}.{name}"),
        )


class Vendor(NamedTuple):
    """A vendor's fake, which outlives every process.

    Attributes:
        http: sends for all processes: certificates take long to load. It remembers no token and no answer.
    """

    backend: Backend
    fake: Any
    clock: Clock
    http: Http

    def host(self, number: int) -> HostRef:
        """One of its hosts, as the connector resolves it."""
        name = self.backend.name
        host_id = _HOST_IDS[EdrName(name)](self.fake, number)
        return HostRef(connector=name.value, host_id=host_id, hostname=f"WS{number:03d}.corp.example")

    def accepted(self, kind: IntentKind, host: HostRef) -> int:
        """How many calls of this kind the vendor has accepted for a host."""
        return _ACCEPTED[EdrName(self.backend.name)](self.fake, kind, host)

    def isolated(self, host: HostRef) -> bool:
        """Whether the host is really isolated."""
        return _ISOLATED[EdrName(self.backend.name)](self.fake, host)

    def process(self, points: Points, ledger: SqliteLedger) -> Tools:
        """A process with nothing in memory of what others did."""
        edr = made(
            EdrName(self.backend.name),
            self.backend.settings(self.fake),
            points.around(self.http, "http"),
            SecretStr(self.backend.secret),
            clock=self.clock,
            sleep=self.clock.sleep,
            monotonic=self.clock.monotonic,
        )
        return tools(edr, points.around(ledger, "ledger"), self.clock)


_ACTION = {
    EdrName.CROWDSTRIKE: {ISOLATE: "contain", RELEASE: "lift_containment"},
    EdrName.DEFENDER: {ISOLATE: "Isolate", RELEASE: "Unisolate"},
    EdrName.ELASTIC: {ISOLATE: "isolate", RELEASE: "unisolate"},
}

_HOST_IDS: dict[EdrName, Callable[[Any, int], str]] = {
    EdrName.CROWDSTRIKE: lambda fake, number: fake.devices[number]["device_id"],
    EdrName.DEFENDER: lambda fake, number: fake.machines[number]["id"],
    EdrName.ELASTIC: lambda fake, number: fake.records[number]["metadata"]["agent"]["id"],
}

_ACCEPTED: dict[EdrName, Callable[[Any, IntentKind, HostRef], int]] = {
    EdrName.CROWDSTRIKE: lambda fake, kind, host: fake.actions.count(
        (_ACTION[EdrName.CROWDSTRIKE][kind], host.host_id)
    ),
    EdrName.DEFENDER: lambda fake, kind, host: sum(
        (each["type"], each["machineId"]) == (_ACTION[EdrName.DEFENDER][kind], host.host_id)
        for each in fake.actions
    ),
    EdrName.ELASTIC: lambda fake, kind, host: sum(
        (each.command, each.agent_id) == (_ACTION[EdrName.ELASTIC][kind], host.host_id)
        for each in fake.actions
    ),
}


def _last_of_defender(fake: Any, host: HostRef) -> bool:
    done = [
        each["type"]
        for each in fake.actions
        if (each["machineId"], each["status"]) == (host.host_id, "Succeeded")
    ]
    return done[-1:] == ["Isolate"]


_ISOLATED: dict[EdrName, Callable[[Any, HostRef], bool]] = {
    EdrName.CROWDSTRIKE: lambda fake, host: fake.device(host.host_id)["status"] == "contained",
    EdrName.DEFENDER: _last_of_defender,
    EdrName.ELASTIC: lambda fake, host: fake.record(host.host_id)["metadata"]["Endpoint"]["state"][
        "isolation"
    ],
}


class Scene(NamedTuple):
    """One host of a vendor and a ledger of its own."""

    vendor: Vendor
    host: HostRef
    ledger: SqliteLedger

    def wanted(self, kind: IntentKind) -> Order:
        """The order, as the playbook or a person would give it each time."""
        host = self.host
        return order(
            kind,
            connector=host.connector,
            host_id=host.host_id,
            hostname=host.hostname,
            deadline_s=DEADLINE_S,
        )

    def queue(self) -> None:
        """Isolate the host, which is offline: the vendor takes the order and keeps it."""
        self.vendor.fake.settle_after = None
        asked = self.wanted(ISOLATE).model_copy(update={"deadline_s": SHORT_S})
        at_hand = self.vendor.process(Points(), self.ledger)
        found = isolate_host(asked, at_hand, policy=POLICY, comment=COMMENT)
        assert found.outcome is Outcome.UNKNOWN

    def carry_out(self) -> None:
        """The host is back: the vendor carries out what it has."""
        self.vendor.fake.settle_after = 1
        edr = self.vendor.process(Points(), self.ledger).edr
        while edr.get_isolation(self.host).state is IsolationState.ISOLATING:
            pass  # each reading lets time pass at the vendor

    def run(self, kind: IntentKind, points: Points | None = None) -> ContainmentResult:
        """A process that orders it."""
        return self.order(kind, self.vendor.process(points or Points(), self.ledger))

    def order(self, kind: IntentKind, at_hand: Tools) -> ContainmentResult:
        """One order."""
        act = isolate_host if kind is ISOLATE else release_host
        return act(self.wanted(kind), at_hand, policy=POLICY, comment=COMMENT)

    def restart(self, kind: IntentKind) -> Tools:
        """A process long after the deadline: it settles what is open, then orders again."""
        self.vendor.clock.advance(DEADLINE_S + LATE_CALL.total_seconds() + 1)
        at_hand = self.vendor.process(Points(), self.ledger)
        for left in self.ledger.intents(active=True):
            found = settle(left, at_hand, policy=POLICY, wait=False)
            assert found.intent is not None
            assert not found.intent.active or found.intent.state is IntentState.UNKNOWN
        self.order(kind, at_hand)
        return at_hand


@pytest.fixture(scope="module", params=VENDORS, ids=[each.name.value for each in VENDORS])
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    backend: Backend = request.param
    names = [f"WS{number:03d}.corp.example" for number in range(2 * HOSTS + 2 * QUEUED)]
    clock = Clock()
    estate = Estate(tuple(EstateHost(host_id_of(each), each) for each in names))
    with backend.fake(estate, clock) as fake, client(clock) as http:
        yield Vendor(backend, fake, clock, http)


@contextmanager
def scenes(vendor: Vendor, kind: IntentKind) -> Iterator[Callable[[], Scene]]:
    """New hosts, each with a ledger; for a release, isolated by us before."""
    first = HOSTS if kind is RELEASE else 0
    left = iter(range(first, first + HOSTS))
    with quick_folder() as folder:

        def scene() -> Scene:
            number = next(left)
            ledger = SqliteLedger(folder / str(number) / FILE_NAME, clock=vendor.clock)
            made_ready = Scene(vendor, vendor.host(number), ledger)
            if kind is RELEASE:
                assert made_ready.run(ISOLATE).outcome is Outcome.ISOLATED
                vendor.clock.advance(3600)
            return made_ready

        yield scene


def _tells_the_truth(it: Scene, kind: IntentKind, point: str) -> None:
    """What the ledger says of the host against what the vendor's fake knows."""
    isolated = it.vendor.isolated(it.host)
    found = it.ledger.intents()
    assert not [each for each in found if each.active], point
    leases = it.ledger.leases()
    assert len(leases) == isolated, point
    verified = [each for each in found if each.state is IntentState.VERIFIED]
    last = verified[-1].order.kind if verified else None
    assert (last is ISOLATE) is isolated, point
    for each in (ISOLATE, RELEASE):
        assert it.vendor.accepted(each, it.host) <= 1, f"{point}: {each.value} was called for twice"
    assert it.vendor.accepted(ISOLATE, it.host) == 1 or kind is ISOLATE, point


@pytest.mark.parametrize("kind", IntentKind)
def test_wherever_it_dies_nothing_happens_twice_and_the_ledger_tells_the_truth(
    vendor: Vendor, kind: IntentKind
) -> None:
    with scenes(vendor, kind) as scene:
        whole = Points()
        done = scene().run(kind, whole)
        assert done.outcome is (Outcome.ISOLATED if kind is ISOLATE else Outcome.RELEASED)
        _has_every_kind_of_point(whole.passed)

        ends = []
        for number, point in enumerate(whole.passed):
            it, points = scene(), Points(number)
            with pytest.raises(Died, match=point):
                it.run(kind, points)
            assert points.passed == whole.passed[: number + 1], "it went another way before"
            it.restart(kind)
            at_hand = it.restart(kind)
            if kind is RELEASE:
                again = it.order(ISOLATE, at_hand)
                assert again.outcome is Outcome.REFUSED, f"{point}: released a short while ago"
            _tells_the_truth(it, kind, point)
            ends.append(it.vendor.accepted(kind, it.host))
        assert len(ends) == len(whole.passed)
        if kind is ISOLATE:
            # Dying between the note of the call and the call: the one case that is left to a person.
            assert ends.count(0) == _between(whole.passed) > 0
        else:
            assert set(ends) == {1}, "a person orders again until it is released"


@pytest.mark.parametrize("refused", [True, False])
def test_a_release_over_a_queued_isolation_never_lets_it_be_forgotten(vendor: Vendor, refused: bool) -> None:
    """The vendor refuses the release while the isolation waits; or it has carried that out, and takes it."""
    left = iter(range(2 * HOSTS + (QUEUED if refused else 0), 2 * HOSTS + (2 if refused else 1) * QUEUED))
    with quick_folder() as folder:

        def scene() -> Scene:
            number = next(left)
            it = Scene(
                vendor,
                vendor.host(number),
                SqliteLedger(folder / str(number) / FILE_NAME, clock=vendor.clock),
            )
            it.queue()
            if not refused:
                it.carry_out()
            return it

        whole = Points()
        first = scene()
        assert first.run(RELEASE, whole).outcome is (Outcome.FAILED if refused else Outcome.RELEASED)
        assert bool(first.ledger.intents(active=True)) is refused
        begins = whole.passed.index(
            "before ledger.begin"
        )  # what is before is no different from other releases
        for number, point in list(enumerate(whole.passed))[begins:]:
            if not refused and "ledger" not in point:
                continue  # the requests of a release that is taken are died at above
            it = scene()
            with pytest.raises(Died, match=point):
                it.run(RELEASE, Points(number))
            _knows_of_it(it, point)
            it.carry_out()
            it.restart(RELEASE)
            _tells_the_truth(it, RELEASE, point)
            assert it.vendor.accepted(RELEASE, it.host) == 1, point


def _knows_of_it(it: Scene, point: str) -> None:
    """The isolation is in the ledger until the release is proved, and keeps the host closed."""
    active = it.ledger.intents(active=True)
    proved = [each for each in it.ledger.intents() if each.state is IntentState.VERIFIED]
    assert bool(proved) is not bool(active), point
    if not proved:
        assert active[0].order.kind is ISOLATE, point
        assert active[0].state is IntentState.UNKNOWN, point
        again = it.run(ISOLATE)
        assert again.outcome in (Outcome.UNKNOWN, Outcome.PENDING), point
        assert it.vendor.accepted(ISOLATE, it.host) == 1, point
    elif it.vendor.isolated(it.host):
        raise AssertionError(f"{point}: a release is called proved, and the host is isolated")


def _has_every_kind_of_point(passed: list[str]) -> None:
    assert len(passed) % 2 == 0
    for call in ("standing", "begin", "calling", "move"):
        assert f"before ledger.{call}" in passed
        assert f"after ledger.{call}" in passed
    assert passed.count("before http.send") == passed.count("after http.send") >= 3
    assert passed.count("before ledger.move") >= 2


def _between(passed: list[str]) -> int:
    """Points from the note of the call to the request that carries it out: the last before a move."""
    noted, answered = passed.index("after ledger.calling"), passed.index("before ledger.move")
    return 2 * passed[noted:answered].count("before http.send")
