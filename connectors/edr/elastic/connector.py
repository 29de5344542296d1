"""Elastic Defend as an EDR: hosts and isolation by Kibana, processes by Elasticsearch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr.askable import can_be_asked, is_plain_id, named_pair
from connectors.edr.comment import action_comment
from connectors.edr.elastic import activity, containment, hosts, refusals, rows, sightings
from connectors.edr.elastic.health import health_of
from connectors.edr.elastic.host_search import HostSearch
from connectors.edr.elastic.isolation import Command
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.queries import Span
from connectors.edr.elastic.records import HostRecords
from connectors.edr.elastic.search import Search
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.fitting import is_named, was_alive
from connectors.edr.lineage_walk import walk
from connectors.edr.narrowing import Fitting, narrowed
from connectors.edr.time_bounds import bounded, bounded_window
from connectors.errors import HostNotFound, ProcessNotFound
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, ConnectionClue, IsolatedHosts, MachineSeen, Window

#: Clocks differ, and events arrive late: "now" is searched up to this much later.
LATE = timedelta(minutes=15)


class Elastic:
    """The EDR port over Elastic Defend."""

    name = refusals.CONNECTOR
    sysmon_guids = False
    capabilities = frozenset(Capability)

    def __init__(
        self,
        http: Http,
        settings: ElasticSettings,
        key: SecretStr,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends everything.
            settings: where and how long.
            key: the API key in its encoded form, for Kibana and Elasticsearch.
            clock: the time of day.
            sleep: not used: nothing of this connector waits.
            monotonic: seconds, for deadlines.
        """
        del sleep
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._kibana = Kibana(http, settings, key)
        self._search = Search(http, settings, key)

    def check(self) -> Health:
        """Whether hosts and events can be read, and actions. The right to isolate is not tried."""
        return health_of(self._kibana, self._search, self._deadline())

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one agent of this name (FQDN and short name understood) or, without a name, of this address.

        With `at`, the addresses around that time come along.

        Raises:
            HostNotFound: none fits.
            AmbiguousHost: several do.
        """
        now, moment = self._clock(), bounded(at) if at is not None else None
        search = HostSearch(self._kibana, self._search, now=now, deadline=self._deadline())
        if hostname is not None and hostname.strip():
            past = Span(now - timedelta(days=self._settings.history_days), now + LATE)
            return search.named(hostname, past, at=moment)
        return search.with_address(ip or "", at=moment)

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
        """Processes that fit: by Elastic's entity id; else by the peer; else those of the name alive then.

        A guid of another product is not known here: nothing is found. A pid only narrows. Account and own
        address stand in the same events and cost no call.

        Raises:
            QueryFailed: more fit than can be looked through, or part of the index did not answer.
        """
        if guid is not None:
            found = self._records(host, window).by_key([guid], with_ancestors=False)
            return [each.ref for each in found if each.ref.guid == guid]
        if not can_be_asked(name):
            return []
        if remote_ip is not None:
            peer = canonical_ip(remote_ip.strip())
            if peer is None:
                return []
            connected = self._records(host, window, before=False).connected(peer, remote_port)
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

        Elastic knows no guids of Sysmon. One search over all agents and, where it finds any, one call to
        Kibana for their records. When a process started stands in its start, which is not asked for here.

        Raises:
            QueryFailed: there are too many processes, or part of the index did not answer.
        """
        pair = named_pair(clue)
        if pair is None:
            return []
        return sightings.machines(
            self._kibana, self._search, pair, self._span(window), deadline=self._deadline()
        )

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

        One search for the process, one for each 20 ancestors, and one for siblings and children.

        Raises:
            ProcessNotFound: the process is not recorded at all.
        """
        records = self._records(host, window, after=True)
        lineage = walk(records, process, max_depth=max_depth, max_nodes=max_nodes, recorder="Elastic Defend")
        if lineage is None:
            raise ProcessNotFound(self.name, "the process's start is not recorded in the time searched")
        return lineage

    def get_process_evidence(self, host: HostRef, process: ProcessRef, *, window: Window) -> ProcessEvidence:
        """Connections, DNS answers, modules, written files and the end of a process, with coverage.

        Raises:
            ProcessNotFound: the process has no entity id of Elastic.
        """
        key = rows.entity({"id": process.guid}, "id")
        if key is None:
            raise ProcessNotFound(self.name, "the process has no entity id of Elastic")
        records = self._records(host, window, after=True)
        found, ended, partial = records.evidence(key, process.image if can_be_asked(process.image) else "")
        actions = records.recorded_actions()
        coverage = activity.coverage(found, has_ended=ended, recorded=actions, partial=partial)
        return found.model_copy(update={"coverage": coverage})

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for isolation. A handle means accepted.

        Raises:
            Conflict: another action on the host waits for its agent.
            PermissionMissing: the privilege or the Platinum licence is missing.
            TimedOut: the outcome is unknown; read the state.
        """
        return self._act(Command.ISOLATE, host, comment, idempotency_key)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of isolation; as isolate, and without a licence."""
        return self._act(Command.UNISOLATE, host, comment, idempotency_key)

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """What the agent itself reports, where that is younger than the action; else the action's outcome.

        Raises:
            HostNotFound: Kibana no longer knows the agent.
        """
        return containment.state(
            self._kibana, self._own(host), handle, deadline=self._deadline(), now=self._clock()
        )

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Hosts whose agent says that it is isolated.

        An isolation that waits for its agent does not show: no list of Kibana's tells it. One that waits for
        its release does.
        """
        found, complete = self._kibana.isolated(limit=limit, deadline=self._deadline())
        return IsolatedHosts(tuple(hosts.host_ref(each) for each in found), complete)

    # --- one step each -------------------------------------------------------------------------

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)

    def _records(
        self, host: HostRef, window: Window, *, before: bool = True, after: bool = False
    ) -> HostRecords:
        """Searches of a host in a window, of which `history_days` up to its end are searched at most.

        Args:
            host: as this connector resolved it.
            window: when the process was at work.
            before: also look as many days before it, for starts.
            after: also look as many days after it, for what a process started or did later.
        """
        history = timedelta(days=self._settings.history_days)
        asked = self._span(window)
        start = bounded(asked.start - history if before else asked.start)
        last = min(self._clock() + LATE, asked.end + history) if after else asked.end
        return HostRecords(self._search, self._own(host), Span(start, last), deadline=self._deadline())

    def _span(self, window: Window) -> Span:
        """The part of a window that is searched: of what lies before now, `history_days` up to its end."""
        asked = bounded_window(window)
        last = min(asked.end, self._clock() + LATE)
        start = max(min(asked.start, last), last - timedelta(days=self._settings.history_days))
        return Span(bounded(start), last)

    def _with_starts(self, host: HostRef, found: Sequence[Fitting], window: Window) -> list[Fitting]:
        """The same processes as their starts name them, where these are recorded, and their accounts."""
        ids = [each.process.guid for each in found if each.process.guid is not None]
        started = self._records(host, window).by_key(ids, with_ancestors=False) if ids else ()
        known = {each.ref.guid: each for each in started}
        return [
            each if start is None else each._replace(process=start.ref, users=(*each.users, start.user))
            for each in found
            for start in (known.get(each.process.guid),)
        ]

    def _act(self, command: Command, host: HostRef, comment: str, idempotency_key: str) -> ActionHandle:
        text = action_comment(comment, idempotency_key)
        return containment.act(
            self._kibana, command, self._own(host), text, deadline=self._deadline(), clock=self._clock
        )

    def _own(self, host: HostRef) -> str:
        if host.connector != self.name or not is_plain_id(host.host_id):
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id
