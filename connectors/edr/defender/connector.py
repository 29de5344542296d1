"""Microsoft Defender for Endpoint as an EDR.

Machines and isolation come from the Defender for Endpoint API, processes from hunting over Microsoft Graph.
The state of an isolation is REPORTED: the outcome of the last action, since a machine record does not say it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr.askable import can_be_asked, can_name_a_host, is_plain_id, named_pair
from connectors.edr.comment import action_comment
from connectors.edr.defender import containment, host_search, queries, sightings
from connectors.edr.defender.api import CONNECTOR, DefenderApi
from connectors.edr.defender.evidence_rows import evidence_of
from connectors.edr.defender.health import health_of
from connectors.edr.defender.isolated import isolated_hosts
from connectors.edr.defender.isolation import ActionType
from connectors.edr.defender.keys import ProcessKey, kusto_time, parse_key
from connectors.edr.defender.records import DefenderRecords
from connectors.edr.defender.rows import address, found_processes, found_ref
from connectors.edr.defender.settings import DefenderSettings
from connectors.edr.lineage_walk import walk
from connectors.edr.narrowing import narrowed
from connectors.edr.time_bounds import bounded, bounded_window
from connectors.errors import HostNotFound, ProcessNotFound, QueryFailed
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, ConnectionClue, IsolatedHosts, MachineSeen, Window


class Defender:
    """The EDR port over Microsoft Defender for Endpoint."""

    name = CONNECTOR
    sysmon_guids = False
    capabilities = frozenset(Capability)

    def __init__(
        self,
        http: Http,
        settings: DefenderSettings,
        secret: SecretStr,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load and ask nothing yet.

        Args:
            http: sends the calls.
            settings: where and as whom.
            secret: the application's client secret.
            clock: the time of day.
            sleep: not needed here: no answer of Defender has to be waited for with further calls.
            monotonic: seconds, for deadlines.
        """
        del sleep
        self._api = DefenderApi(http, settings, secret, clock=clock)
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic

    def check(self) -> Health:
        """Ask for one machine and one hunting row; what may be done to a machine stands in the token."""
        return health_of(self._api, self._deadline())

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one machine with an agent of this name or, without one, of this internal address at that time.

        With a name and `at`, the addresses around that time come along, by one hunting query more; where that
        fails, the addresses stay those of the record.

        Raises:
            HostNotFound: none fits; of an address also when it is no address, or longer ago than is known.
            AmbiguousHost: several do.
        """
        now, moment = self._clock(), bounded(at) if at is not None else None
        if hostname:
            if not can_name_a_host(hostname):
                raise HostNotFound(self.name, f"no host {hostname!r}: no host has such a name")
            deadline = self._deadline()
            host = host_search.named(self._api, hostname, at=moment, now=now, deadline=deadline)
            if moment is None:
                return host
            return host_search.with_history(self._api, host, at=moment, deadline=deadline)
        wanted = canonical_ip(ip.strip()) if ip else None
        if wanted is None:
            raise HostNotFound(self.name, "no host without a name or an address")
        return host_search.with_address(self._api, wanted, at=moment, now=now, deadline=self._deadline())

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
        """Processes that fit: by key; else those whose connections fit; else those of the name.

        `guid` is the key of this connector (pid and creation time); a Sysmon ProcessGuid is not known here
        and fits nothing. Without a connection, processes of the name that did something in the window, else
        all that were created before it: Defender does not record when a process ended. Account and own
        address stand in the same rows and cost no call.
        """
        own, window = self._own(host), bounded_window(window)
        if guid is not None:
            return self._with_key(own, guid)
        if not can_be_asked(name, remote_ip):
            return ()
        self._refuse_older(window)
        if remote_ip is not None or remote_port is not None:
            query = queries.connected(
                own,
                addresses=queries.spellings(address(remote_ip.strip())) if remote_ip is not None else (),
                port=remote_port,
                name=name,
                pid=pid,
                window=window,
            )
            found = found_processes(own, self._hunt(query))
            if found or remote_ip is not None:
                return narrowed(found, user=user, local_ip=local_ip)
        if name is None:
            return ()
        rows = self._hunt(queries.named(own, name=name, pid=pid, window=window))
        found = found_processes(own, rows, start=kusto_time(window.start))
        return narrowed(found, user=user, local_ip=local_ip)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """The machines on which a process of the name was connected from src_ip to dest_ip.

        Defender knows no guids of Sysmon. One hunting query over all devices and, where it finds any, one
        call for their records. RemoteUrl is what was asked for and no reverse name: it is left out.

        Raises:
            QueryFailed: the time is further back than hunting looks, or there are too many processes.
        """
        pair = named_pair(clue)
        if pair is None:
            return ()
        window = bounded_window(window)
        self._refuse_older(window)
        return sightings.machines(self._api, pair, window, self._deadline())

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002  (the device's whole recorded past is asked: ancestors are old)
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """Ancestors, siblings and children; one query for each eight generations.

        Raises:
            ProcessNotFound: it is not recorded at all.
        """
        self._key(process)
        records = DefenderRecords(self._hunter(), self._own(host), relatives=max_nodes + 1)
        lineage = walk(records, process, max_depth=max_depth, max_nodes=max_nodes, recorder="Defender")
        if lineage is None:
            raise ProcessNotFound(self.name, "neither the process's creation nor its activity is recorded")
        return lineage

    def get_process_evidence(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002  (its whole life is asked)
    ) -> ProcessEvidence:
        """Everything else recorded of the process, in one query.

        Raises:
            ProcessNotFound: the process has no key of this connector.
        """
        image = process.image if can_be_asked(process.image) else ""
        return evidence_of(self._hunt(queries.evidence(self._own(host), self._key(process), image)))

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for full isolation; sent once.

        Raises:
            Conflict: an action on the machine is under way.
            TimedOut: outcome unknown; the state has to be read.
            HostNotFound, PermissionMissing, RateLimited, ConnectorError.
        """
        return self._act(ActionType.ISOLATE, host, comment, idempotency_key)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of isolation; same contract as isolate."""
        return self._act(ActionType.UNISOLATE, host, comment, idempotency_key)

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """The state by the recorded actions: REPORTED at best.

        With a handle, the outcome of its action; one that was given for another machine tells nothing. Where
        the action of a handle is not recorded, the state is unknown. A machine that is not isolated costs a
        call more, for its record.

        Raises:
            HostNotFound: Defender no longer knows the machine.
        """
        deadline = self._deadline()
        return containment.state(self._api, self._own(host), handle, deadline=deadline, clock=self._clock)

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Machines whose last action that succeeded isolated them, or that have such an action under way.

        Actions of the last 180 days are read, 10,000 at most; an isolation that is older does not show. One
        call more for each 25 machines, for their names.
        """
        return isolated_hosts(self._api, limit=limit, deadline=self._deadline(), clock=self._clock)

    def _act(self, kind: ActionType, host: HostRef, comment: str, idempotency_key: str) -> ActionHandle:
        text = action_comment(comment, idempotency_key)
        return containment.act(
            self._api, self._own(host), kind, text, deadline=self._deadline(), clock=self._clock
        )

    def _own(self, host: HostRef) -> str:
        """The machine's id. That no action is recorded of an unknown machine would prove nothing."""
        if host.connector != self.name or not is_plain_id(host.host_id):
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id

    def _with_key(self, machine_id: str, guid: str) -> Sequence[ProcessRef]:
        key = parse_key(guid)
        if key is None:
            return ()
        found = [
            ref
            for row in self._hunt(queries.known(machine_id, key))
            if (ref := found_ref(machine_id, row)) is not None and ref.guid == key.guid
        ]
        return found[:1]

    def _key(self, process: ProcessRef) -> ProcessKey:
        key = parse_key(process.guid)
        if key is None:
            raise ProcessNotFound(
                self.name,
                "Defender knows a process by its pid and creation time, and this one has no such key",
            )
        return key

    def _refuse_older(self, window: Window) -> None:
        """Refuse a time of which hunting knows nothing any more: that is not "none"."""
        days = self._settings.history_days
        if window.end < self._clock() - timedelta(days=days):
            raise QueryFailed(
                self.name,
                f"the time asked for is over {days} days ago, further back than hunting looks;"
                " see the setting history_days",
            )

    def _hunter(self) -> Callable[[str], list[dict[str, object]]]:
        deadline = self._deadline()
        return lambda query: self._api.hunt(query, deadline)

    def _hunt(self, query: str) -> list[dict[str, object]]:
        return self._hunter()(query)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)
