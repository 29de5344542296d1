"""An EDR that plays a script, orders, and a ledger in a file, all on one clock that only pauses move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, NoReturn

from actions.containment import Tools
from actions.isolation import IsolationMode
from actions.isolation_policy import Caps, IsolationPolicy
from connectors.errors import HostNotFound
from connectors.facts.health import Health, HealthState
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import IntentKind, Order
from connectors.ports import Capability, ConnectionClue, IsolatedHosts
from connectors.state.ledger import Ledger, LedgerUnusable
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.http_clients import Clock

NAME = "scripted"
HOST_ID, HOSTNAME = "agent-1", "WS01.corp.example"
COMMENT = "case-1, run-1: isolated by ann"

POLICY = IsolationPolicy(
    mode=IsolationMode.AUTO, caps=Caps(per_run=1000, per_hour=1000, per_day=1000), deadline_s=60
)

#: What is read once: a state that was observed, a state and how it is known, an error, or what a call gives.
type Line = (
    IsolationState
    | tuple[IsolationState, HowKnown]
    | BaseException
    | Callable[[], IsolationState | tuple[IsolationState, HowKnown] | BaseException]
)

FREE = IsolationState.NOT_ISOLATED
ISOLATING, ISOLATED = IsolationState.ISOLATING, IsolationState.ISOLATED
RELEASING = IsolationState.RELEASING
VENDOR_FAILED, NOT_KNOWN = IsolationState.FAILED, (IsolationState.UNKNOWN, HowKnown.NOT_KNOWN)


class Write(NamedTuple):
    """A call that changes a host."""

    kind: IntentKind
    host_id: str
    comment: str
    key: str


class ScriptedEdr:
    """An EDR whose answers were written before.

    Attributes:
        readings: what each reading gives, in order; the last one for ever. By host id where hosts differ.
        answer: what a call gives: None accepts it, an error is raised, a handle is returned.
        on_write: done when a call arrives, before it is answered.
        writes: the calls.
        read: the handles of the readings.
        after: what was told after the first call, an error as None.
        hosts: those that are resolved by name.
    """

    sysmon_guids = False

    def __init__(
        self,
        clock: Clock,
        *readings: Line,
        answer: BaseException | ActionHandle | None = None,
        action_id: str = "action-1",
    ) -> None:
        self.name = NAME
        self.capabilities = frozenset(Capability)
        self.clock = clock
        self.readings: list[Line] = list(readings)
        self.of_host: dict[str, list[Line]] = {}
        self.answer = answer
        self.action_id = action_id
        self.on_write: Callable[[], None] = lambda: None
        self.writes: list[Write] = []
        self.read: list[ActionHandle | None] = []
        self.after: list[IsolationStatus | None] = []
        self.hosts: list[HostRef] = [HostRef(connector=NAME, host_id=HOST_ID, hostname=HOSTNAME)]

    def check(self) -> Health:
        return Health(connector=NAME, state=HealthState.OK, detail="")

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        for each in self.hosts:
            if each.hostname == hostname:
                return each
        raise HostNotFound(NAME, "no such host")

    def find_process(self, host: HostRef, **_: Any) -> NoReturn:
        raise AssertionError("no process is looked for")

    def find_machines(self, clue: ConnectionClue, **_: Any) -> NoReturn:
        raise AssertionError("no machine is looked for")

    def get_lineage(self, host: HostRef, process: Any, **_: Any) -> NoReturn:
        raise AssertionError("no lineage is looked for")

    def get_process_evidence(self, host: HostRef, process: Any, **_: Any) -> NoReturn:
        raise AssertionError("no evidence is looked for")

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        return self._write(IntentKind.ISOLATE, host, comment, idempotency_key)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        return self._write(IntentKind.RELEASE, host, comment, idempotency_key)

    def _write(self, kind: IntentKind, host: HostRef, comment: str, key: str) -> ActionHandle:
        self.writes.append(Write(kind, host.host_id, comment, key))
        self.on_write()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer or ActionHandle(
            connector=NAME, host_id=host.host_id, action_id=self.action_id, accepted_at=self.clock()
        )

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        self.read.append(handle)
        script = self.of_host.get(host.host_id, self.readings)
        line = script.pop(0) if len(script) > 1 else script[0]
        told = line() if callable(line) else line
        if isinstance(told, BaseException):
            self._remember(None)
            raise told
        state, how = told if isinstance(told, tuple) else (told, HowKnown.OBSERVED)
        return self._remember(IsolationStatus(state=state, how_known=how, as_of=self.clock()))

    def _remember[S: IsolationStatus | None](self, told: S) -> S:
        if self.writes:
            self.after.append(told)
        return told

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        raise AssertionError("no list is asked for")


def order(kind: IntentKind = IntentKind.ISOLATE, **fields: Any) -> Order:
    """An isolation that the policy alone decided, or a release by a person."""
    released = kind is IntentKind.RELEASE
    values: dict[str, Any] = {
        "connector": NAME,
        "host_id": HOST_ID,
        "hostname": HOSTNAME,
        "case_id": "case-1",
        "run_id": "run-1",
        "by": "ann" if released else "playbook",
        "by_person": released,
        "reason": "RegSvcs.exe called home",
        "deadline_s": 60.0,
    }
    return Order(kind=kind, **{**values, **fields})


def release(**fields: Any) -> Order:
    """A release by a person."""
    return order(IntentKind.RELEASE, **fields)


class Bench(NamedTuple):
    """Everything on one clock."""

    clock: Clock
    edr: ScriptedEdr
    ledger: SqliteLedger

    @property
    def tools(self) -> Tools:
        return tools(self.edr, self.ledger, self.clock)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def soon(self, seconds: float) -> datetime:
        """A moment to come."""
        return self.clock() + timedelta(seconds=seconds)


def tools(edr: Any, ledger: Ledger, clock: Clock) -> Tools:
    """Tools whose pauses move the clock."""
    return Tools(edr=edr, ledger=ledger, sleep=clock.sleep, clock=clock)


def bench(folder: Path, *readings: Line, clock: Clock | None = None, **more: Any) -> Bench:
    """A scripted EDR beside a ledger in a folder.

    Args:
        readings: what each reading of a host gives.
        more: of ScriptedEdr.
    """
    clock = clock or Clock()
    ledger = SqliteLedger(folder / FILE_NAME, clock=clock)
    return Bench(clock, ScriptedEdr(clock, *readings, **more), ledger)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: a ledger waits for its disk at every step."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


class Watched:
    """Something whose method calls are told to a test, which may let the process die or the call fail.

    Attributes:
        before, after: called with the method's name; what they raise is raised in its place.
    """

    def __init__(
        self,
        inner: Any,
        *,
        before: Callable[[str], None] = lambda _: None,
        after: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.inner, self.before, self.after = inner, before, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def called(*arguments: Any, **more: Any) -> Any:
            self.before(name)
            answer = found(*arguments, **more)
            self.after(name)
            return answer

        return called


def failing(ledger: Ledger, *calls: str, times: int = 1_000) -> Any:
    """The ledger, of which some methods cannot be used for so many calls."""
    left = [times]

    def before(name: str) -> None:
        if name in calls and left[0] > 0:
            left[0] -= 1
            raise LedgerUnusable("the disk is full")

    return Watched(ledger, before=before)
