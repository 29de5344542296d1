"""CrowdStrike Falcon as an EDR: hosts and containment by the Hosts API, processes by NG-SIEM searches.

Containment has no place for a comment or for our key: they stay in our own record (see containment.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr.askable import can_be_asked, can_name_a_host, is_plain_id, named_pair
from connectors.edr.crowdstrike import activity, containment, devices, hosts_api, queries, rows, sightings
from connectors.edr.crowdstrike.address_history import with_history
from connectors.edr.crowdstrike.containment import Action
from connectors.edr.crowdstrike.falcon import Falcon
from connectors.edr.crowdstrike.health import health_of
from connectors.edr.crowdstrike.records import HostRecords
from connectors.edr.crowdstrike.search_jobs import SearchJobs
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.fitting import is_named, was_alive
from connectors.edr.lineage_walk import walk
from connectors.edr.narrowing import Fitting, narrowed
from connectors.edr.one_host import Candidate, one_host
from connectors.edr.time_bounds import bounded, bounded_window
from connectors.errors import (
    ConnectorError,
    HostNotFound,
    InputError,
    ProcessNotFound,
)
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, ConnectionClue, IsolatedHosts, MachineSeen, Window

#: Falcon's clock and ours may differ, and events arrive late: "now" is searched up to this much later.
LATE = timedelta(minutes=15)

#: Processes whose ancestors' images are remembered, and images of each that are asked for.
REMEMBERED = 100
MOST_IMAGES = 20


class CrowdStrike:
    """The EDR port over CrowdStrike Falcon."""

    name = devices.CONNECTOR
    sysmon_guids = False
    capabilities = frozenset(Capability)

    def __init__(
        self,
        http: Http,
        settings: CrowdStrikeSettings,
        secret: SecretStr,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends everything.
            settings: where and how long.
            secret: the API client's secret.
            clock: the time of day.
            sleep: waits for a number of seconds between polls.
            monotonic: seconds, for deadlines.
        """
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._images: dict[tuple[str, str], tuple[str, ...]] = {}
        self._falcon = Falcon(http, settings, secret, clock=clock)
        self._jobs = SearchJobs(self._falcon, settings.repository, sleep=sleep, monotonic=monotonic)

    def check(self) -> Health:
        """Whether a token is issued, hosts can be read and a search runs. Containing is not tried."""
        return health_of(
            self._falcon,
            self._jobs,
            repository=self._settings.repository,
            now=self._clock(),
            deadline=self._deadline(),
        )

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one agent of this name (FQDN and short name understood) or, without a name, of this address.

        Falcon's device record has the addresses of when the agent was last seen, and not since when it has
        them: they tell nothing of another time. With `at`, the history of its addresses is asked for as well,
        in one call more; where that fails, the addresses stay those of the record.

        Raises:
            HostNotFound: none fits, or who had the address then is not known.
            AmbiguousHost: several do.
        """
        asked = (hostname or ip or "").strip()
        if not asked:
            raise HostNotFound(self.name, "neither a host name nor an address was given")
        if not can_name_a_host(asked):
            raise HostNotFound(self.name, f"no host {asked!r}: no host has such a name")
        try:
            wanted = queries.hosts_named(asked) if hostname else queries.hosts_with_address(asked)
        except InputError as exc:  # what FQL cannot hold is in no host name either
            raise HostNotFound(self.name, f"no host {asked!r}: no host name holds such characters") from exc
        deadline = self._deadline()
        found = hosts_api.find(self._falcon, wanted, deadline=deadline)
        # The record does not say whether the agent is in contact; last_seen does what can be done.
        candidates = [Candidate(devices.host_ref(each), active=False) for each in found]
        moment = bounded(at) if at is not None else None
        host = one_host(self.name, asked, candidates, at=moment, now=self._clock())
        return self._with_history(host, moment, deadline) if moment is not None else host

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
        """Processes that fit: by Falcon's process id; else by the peer; else those of the name alive then.

        A guid of another product is not known here: nothing is found. A pid only narrows. The account is that
        of a process's start, the own address that of its connections with the peer; neither costs a call.

        Raises:
            QueryFailed: more fit than can be looked through.
        """
        if guid is not None:
            key = _own_key(host, guid)
            found = self._records(host, window).by_key([key]) if key is not None else ()
            return [each.ref for each in found if each.ref.guid == key]
        if not can_be_asked(name):
            return []
        if remote_ip is not None:
            if canonical_ip(remote_ip) is None:
                return []
            connected = self._records(host, window, before=False).connected(remote_ip, remote_port)
            # A process may have started long before it was connected: its start is looked for further back.
            fitting = [
                each
                for each in self._with_starts(host, connected, window)
                if is_named(each.process, name) and (pid is None or each.process.pid == pid)
            ]
            return narrowed(fitting, user=user, local_ip=local_ip)
        if name is None or not name.strip():
            return []
        started = self._records(host, window).named(name.strip())
        fitting = [
            Fitting(each.ref, users=(each.user,))
            for each in started
            if (pid is None or each.ref.pid == pid) and was_alive(each, window)
        ]
        return narrowed(fitting, user=user, local_ip=local_ip)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """The machines on which a process of the name was connected from src_ip to dest_ip.

        Falcon knows no guids of Sysmon. One search over all agents and, where it finds any, one call for
        their records. A process has its id, which find_process takes, and its image; the rest stands in its
        start.

        Raises:
            QueryFailed: there are more events than can be looked through, or none of them names its process.
        """
        pair = named_pair(clue)
        if pair is None:
            return []
        start, end = self._span(window)
        deadline = self._deadline()
        return sightings.machines(self._falcon, self._jobs, pair, start=start, end=end, deadline=deadline)

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """Ancestors, siblings and children of a process.

        One search for the process, one for each ancestor, one for siblings and children, and one for the
        version resources of the images.

        Raises:
            ProcessNotFound: the process is not recorded at all.
        """
        records = self._records(host, window, after=True)
        lineage = walk(records, process, max_depth=max_depth, max_nodes=max_nodes, recorder="Falcon")
        if lineage is None:
            raise ProcessNotFound(self.name, "the process's start is not recorded in the time searched")
        self._remember(host, lineage)
        relatives = (*lineage.ancestors, *lineage.siblings, *lineage.children)
        fill = records.named_originally((lineage.target, *relatives))
        return lineage.model_copy(
            update={
                "target": fill(lineage.target),
                "ancestors": tuple(map(fill, lineage.ancestors)),
                "siblings": tuple(map(fill, lineage.siblings)),
                "children": tuple(map(fill, lineage.children)),
                "source_queries": tuple(records.queries),
            }
        )

    def get_process_evidence(self, host: HostRef, process: ProcessRef, *, window: Window) -> ProcessEvidence:
        """Connections, DNS answers, written executables and the end of a process, with coverage.

        Who wrote the images of its ancestors is told as well when its lineage was asked for before.

        Raises:
            ProcessNotFound: the process has no id of Falcon.
        """
        key = _own_key(host, process.guid or "")
        if key is None:
            raise ProcessNotFound(self.name, "the process has no process id of Falcon")
        records = self._records(host, window, after=True)
        known = self._images.get((host.host_id, key), ())
        images = dict.fromkeys(
            each for each in (process.image, *known) if "\\" in each and can_be_asked(each)
        )
        found, ended = records.evidence(key, tuple(images))
        kinds = records.recorded_kinds()
        return found.model_copy(
            update={"coverage": activity.coverage(found, has_ended=ended, recorded=kinds)}
        )

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for network containment. A handle means accepted.

        Raises:
            Conflict: another action on the host is under way.
            TimedOut: the outcome is unknown; read the state.
        """
        del comment, idempotency_key  # Falcon has no place for them
        return self._act(Action.CONTAIN, host)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of containment; as isolate."""
        del comment, idempotency_key
        return self._act(Action.LIFT, host)

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """The containment state of the device record, which the agent keeps: observed. No handle is needed.

        Raises:
            HostNotFound: Falcon no longer knows the agent.
        """
        del handle
        return containment.state(self._falcon, self._own(host), deadline=self._deadline(), now=self._clock())

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Devices whose record says contained, containment pending or lift containment pending.

        Raises:
            PermissionMissing: hosts cannot be read.
        """
        found, complete = hosts_api.isolated(self._falcon, limit=limit, deadline=self._deadline())
        return IsolatedHosts(tuple(devices.host_ref(each) for each in found), complete)

    # --- one step each -------------------------------------------------------------------------

    def _remember(self, host: HostRef, lineage: Lineage) -> None:
        """Keep the paths of the ancestors' images, for the question who wrote them."""
        key = lineage.target.ref.guid
        if key is None:
            return
        if len(self._images) >= REMEMBERED:
            self._images.clear()
        images = (each.ref.image for each in lineage.ancestors[:MOST_IMAGES])
        self._images[host.host_id, key] = tuple(images)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)

    def _with_history(self, host: HostRef, at: datetime, deadline: Deadline) -> HostRef:
        """The host with its addresses over time, where Falcon tells them; else as it is."""
        try:
            record = hosts_api.address_history(self._falcon, host.host_id, deadline=deadline)
        except ConnectorError:
            return host
        return host if record is None else with_history(host, record, at=at)

    def _act(self, action: Action, host: HostRef) -> ActionHandle:
        return containment.act(
            self._falcon, self._own(host), action, deadline=self._deadline(), clock=self._clock
        )

    def _own(self, host: HostRef) -> str:
        if host.connector != self.name or not is_plain_id(host.host_id):
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id

    def _records(
        self, host: HostRef, window: Window, *, before: bool = True, after: bool = False
    ) -> HostRecords:
        """Searches of a host in a window, of which `history_days` up to its end are searched at most.

        Args:
            before: also look as many days before it, for starts.
            after: also look as many days after it, for what a process started or did later.
        """
        history = timedelta(days=self._settings.history_days)
        start, last = self._span(window)
        return HostRecords(
            self._jobs,
            self._own(host),
            start=bounded(start - history if before else start),
            end=min(self._clock() + LATE, last + history) if after else last,
            deadline=self._deadline(),
        )

    def _span(self, window: Window) -> tuple[datetime, datetime]:
        """The part of a window that is searched: of what lies before now, `history_days` up to its end."""
        asked = bounded_window(window)
        last = min(asked.end, self._clock() + LATE)
        return max(min(asked.start, last), last - timedelta(days=self._settings.history_days)), last

    def _with_starts(self, host: HostRef, found: Sequence[Fitting], window: Window) -> list[Fitting]:
        """The same processes as their starts name them, where these are recorded, and their accounts."""
        if not found:
            return []
        started = self._records(host, window).by_key([each.process.guid or "" for each in found])
        known = {each.ref.guid: each for each in started}
        return [
            each if start is None else each._replace(process=start.ref, users=(start.user,))
            for each in found
            for start in (known.get(each.process.guid),)
        ]


def _own_key(host: HostRef, guid: str) -> str | None:
    """Falcon's process id in a guid, alone or as a graph id of this host; None for any other guid."""
    graph = rows.graph_process(guid.strip())
    if graph is not None:
        return graph[1] if graph[0] == host.host_id else None
    return rows.process_id(guid)
