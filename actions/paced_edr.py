"""An EDR that is asked no more often than its vendor allows. It does what the connector does, only later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from actions.vendor_pace import Limiter
from connectors.errors import RateLimited
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.ports import Capability, ConnectionClue, EdrConnector, IsolatedHosts, MachineSeen, Window

#: Seconds to hold back after a refusal for a quota that does not say when to ask again.
UNTOLD_HOLD_S = 60.0


class PacedEdr:
    """The EDR port over another one, whose calls about isolation wait for their turn.

    Attributes:
        limited: the last refusal for a quota; None where there was none. Whoever looks sets it back.
    """

    def __init__(
        self, edr: EdrConnector, *, reads: Limiter, writes: Limiter, clock: Callable[[], datetime]
    ) -> None:
        """Set up.

        Args:
            edr: who is asked.
            reads: for the state of a host, and for the list of hosts.
            writes: for isolations and releases.
            clock: the time, which a vendor's "not before" is held against.
        """
        self._edr = edr
        self._reads = reads
        self._writes = writes
        self._clock = clock
        self.limited: RateLimited | None = None

    @property
    def name(self) -> str:
        """The connector's."""
        return self._edr.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """The connector's."""
        return self._edr.capabilities

    @property
    def sysmon_guids(self) -> bool:
        """The connector's."""
        return self._edr.sysmon_guids

    def check(self) -> Health:
        """As the connector does."""
        return self._edr.check()

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """As the connector does."""
        return self._edr.resolve_host(hostname=hostname, ip=ip, at=at)

    def find_process(
        self,
        host: HostRef,
        *,
        guid: str | None = None,
        pid: int | None = None,
        name: str | None = None,
        remote_ip: str | None = None,
        remote_port: int | None = None,
        local_ip: str | None = None,
        user: str | None = None,
        window: Window,
    ) -> Sequence[ProcessRef]:
        """As the connector does."""
        return self._edr.find_process(
            host,
            guid=guid,
            pid=pid,
            name=name,
            remote_ip=remote_ip,
            remote_port=remote_port,
            local_ip=local_ip,
            user=user,
            window=window,
        )

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """As the connector does."""
        return self._edr.find_machines(clue, window=window)

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """As the connector does."""
        return self._edr.get_lineage(host, process, window=window, max_depth=max_depth, max_nodes=max_nodes)

    def get_process_evidence(self, host: HostRef, process: ProcessRef, *, window: Window) -> ProcessEvidence:
        """As the connector does."""
        return self._edr.get_process_evidence(host, process, window=window)

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """As the connector does, in its turn."""
        with self._turn(self._writes):
            return self._edr.isolate(host, comment=comment, idempotency_key=idempotency_key)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """As the connector does, in its turn."""
        with self._turn(self._writes):
            return self._edr.release(host, comment=comment, idempotency_key=idempotency_key)

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """As the connector does, in its turn."""
        with self._turn(self._reads):
            return self._edr.get_isolation(host, handle)

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """As the connector does, in its turn."""
        with self._turn(self._reads):
            return self._edr.isolated_hosts(limit=limit)

    @contextmanager
    def _turn(self, limiter: Limiter) -> Iterator[None]:
        """A turn of a limiter; a refusal for the quota holds its further calls back."""
        with limiter.turn():
            try:
                yield
            except RateLimited as limited:
                self.limited = limited
                limiter.hold(self._hold_s(limited))
                raise

    def _hold_s(self, limited: RateLimited) -> float:
        if limited.retry_at is None:
            return UNTOLD_HOLD_S
        return max(0.0, (limited.retry_at - self._clock()).total_seconds())
