"""Elastic Defend as an EDR: hosts and isolation by Kibana, processes by Elasticsearch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr.elastic import activity, hosts, isolation, queries, refusals, rows
from connectors.edr.elastic.isolation import Command
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.queries import Span
from connectors.edr.elastic.records import HostRecords
from connectors.edr.elastic.refusals import Scope
from connectors.edr.elastic.search import Search
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.fitting import is_named, was_alive
from connectors.edr.lineage_walk import walk
from connectors.edr.one_host import ADDRESS_SLACK, Candidate, one_host
from connectors.errors import (
    BadResponse,
    Conflict,
    ConnectorError,
    HostNotFound,
    NotFound,
    PermissionMissing,
    ProcessNotFound,
    TimedOut,
    Transient,
)
from connectors.facts.health import Health, HealthState
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, Window

#: Clocks differ, and events arrive late: "now" is searched up to this much later.
LATE = timedelta(minutes=15)

#: Agents that may share a name or an address in the time searched.
MOST_AGENTS = 100

#: Addresses of a host are read from its events this long before and after a notable.
ADDRESS_SPAN = timedelta(minutes=30)
MOST_ADDRESS_EVENTS = 500


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
        """Whether hosts, actions and events can be read. The right to isolate is not tried."""
        deadline = self._deadline()
        probes: tuple[Callable[[], object], ...] = (
            lambda: self._kibana.probe_hosts(deadline=deadline),
            lambda: self._kibana.probe_actions(deadline=deadline),
            lambda: self._search.whole(queries.probe(), deadline=deadline),
        )
        missing: list[str] = []
        for probe in probes:
            try:
                probe()
            except PermissionMissing as exc:
                missing.append(exc.scope)
            except ConnectorError as exc:
                return Health(connector=self.name, state=HealthState.FAILED, detail=exc.message)
        if missing:
            return Health(
                connector=self.name,
                state=HealthState.FAILED,
                detail=f"the API key lacks {'; '.join(missing)}; grant it to its role",
                missing_scopes=tuple(missing),
            )
        return Health(
            connector=self.name,
            state=HealthState.OK,
            detail="hosts, actions and process events can be read; isolating needs "
            f"{Scope.ISOLATE.value!r}, which cannot be tried without isolating",
        )

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one agent of this name (FQDN and short name understood) or, without a name, of this address.

        Kibana's list compares names with case and knows present addresses only, so the events are asked first
        which agents had the name or the address. With `at`, the addresses around that time come along.

        Raises:
            HostNotFound: none fits.
            AmbiguousHost: several do.
        """
        deadline, now = self._deadline(), self._clock()
        if hostname is not None and hostname.strip():
            asked = hostname.strip()
            question = queries.agents_named(asked, self._past(now), most=MOST_AGENTS)
            seen = self._agents(question, deadline)
            wanted = queries.hosts_kuery(names=[asked], agent_ids=seen)
        else:
            asked = canonical_ip((ip or "").strip()) or ""
            if not asked:
                raise HostNotFound(self.name, "neither a host name nor an address was given")
            moment = at or now
            span = Span(moment - ADDRESS_SLACK, moment + ADDRESS_SLACK)
            seen = self._agents(queries.agents_with_address(asked, span, most=MOST_AGENTS), deadline)
            wanted = queries.hosts_kuery(ip=asked, agent_ids=seen)
        candidates = []
        for record in self._kibana.hosts(wanted, deadline=deadline):
            # The record has present addresses only; an event tells when the agent had the one asked for.
            own = seen.get(hosts.agent_id(record), ())
            ref = hosts.host_ref(record, [each for each in own if each.ip == asked])
            candidates.append(Candidate(ref, active=ref.active is True))
        found = one_host(self.name, asked, candidates, at=at, now=now)
        return self._with_addresses(found, at, deadline) if at is not None else found

    def find_process(
        self,
        host: HostRef,
        *,
        guid: str | None = None,
        pid: int | None = None,
        name: str | None = None,
        remote_ip: str | None = None,
        remote_port: int | None = None,
        window: Window,
    ) -> Sequence[ProcessRef]:
        """Processes that fit: by Elastic's entity id; else by the peer; else those of the name alive then.

        A guid of another product is not known here: nothing is found. A pid only narrows.

        Raises:
            QueryFailed: more fit than can be looked through, or part of the index did not answer.
        """
        if guid is not None:
            found = self._records(host, window).by_key([guid], with_ancestors=False)
            return [each.ref for each in found if each.ref.guid == guid]
        if remote_ip is not None:
            peer = canonical_ip(remote_ip.strip())
            if peer is None:
                return []
            connected = self._records(host, window, before=False).connected(peer, remote_port)
            # A process may have started long before it was connected: its start is looked for further back.
            refs = self._with_starts(host, connected, window)
            return [each for each in refs if is_named(each, name) and (pid is None or each.pid == pid)]
        if name is None or not name.strip():
            return []
        started = self._records(host, window).named(name.strip())
        return [
            each.ref for each in started if (pid is None or each.ref.pid == pid) and was_alive(each, window)
        ]

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
        found, ended, partial = records.evidence(key, process.image)
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
        return self._act(Command.ISOLATE, host, f"{comment} [{idempotency_key}]")

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of isolation; as isolate, and without a licence."""
        return self._act(Command.UNISOLATE, host, f"{comment} [{idempotency_key}]")

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """What the agent itself reports, where that is younger than the action; else the action's outcome.

        Raises:
            HostNotFound: Kibana no longer knows the agent.
        """
        deadline = self._deadline()
        seen = isolation.observed(self._kibana.host(self._own(host), deadline=deadline))
        if handle is not None and self._is_about(handle, host):
            done = self._action(handle, deadline)
            if done is not None:
                return isolation.by_action(seen, done, accepted_at=handle.accepted_at, now=self._clock())
        waiting = self._kibana.pending(host.host_id, deadline=deadline)
        return isolation.by_record(seen, waiting, now=self._clock())

    # --- one step each -------------------------------------------------------------------------

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)

    def _past(self, now: datetime) -> Span:
        return Span(now - timedelta(days=self._settings.history_days), now + LATE)

    def _agents(
        self, question: queries.Question, deadline: Deadline
    ) -> Mapping[str, tuple[AddressSeen, ...]]:
        """The agents of a search that gives one event of each, with the addresses of that event.

        Raises:
            BadResponse: there are more than a search for one host can have.
        """
        found = self._search.whole(question, deadline=deadline)
        if found.truncated:
            raise BadResponse(self.name, f"{MOST_AGENTS} agents or more for one host")
        return {
            agent: hosts.addresses(rows.at(row, "host.ip"), rows.when(row))
            for row in found.rows
            if (agent := rows.text(row, "agent.id")) and agent.isprintable()
        }

    def _with_addresses(self, host: HostRef, at: datetime, deadline: Deadline) -> HostRef:
        """The host with the addresses that its events around that time carry; without, those it has."""
        span = Span(at - ADDRESS_SPAN, at + ADDRESS_SPAN)
        question = queries.addresses_of(host.host_id, span, most=MOST_ADDRESS_EVENTS)
        found = self._search.find(question, deadline=deadline)
        own = (row for row in found.rows if rows.text(row, "agent.id") == host.host_id)
        known = dict.fromkeys((*host.addresses, *hosts.addresses_over_time(own)))
        return host.model_copy(update={"addresses": tuple(known)})

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
        now = self._clock() + LATE
        last = min(window.end, now)
        start = max(min(window.start, last), last - history)
        span = Span(start - history if before else start, min(now, last + history) if after else last)
        return HostRecords(self._search, self._own(host), span, deadline=self._deadline())

    def _with_starts(self, host: HostRef, refs: Sequence[ProcessRef], window: Window) -> list[ProcessRef]:
        """The same processes as their starts name them, where these are recorded."""
        ids = [each.guid for each in refs if each.guid is not None]
        started = self._records(host, window).by_key(ids, with_ancestors=False) if ids else ()
        known = {each.ref.guid: each.ref for each in started}
        return [known.get(each.guid, each) for each in refs]

    def _act(self, command: Command, host: HostRef, comment: str) -> ActionHandle:
        """One action on one agent, sent once, where none waits for it: Kibana itself would take a second."""
        deadline, agent_id = self._deadline(), self._own(host)
        try:
            waiting = self._kibana.pending(agent_id, deadline=deadline)
        except TimedOut as exc:
            raise Transient(self.name, f"{command.value} was not sent: {exc.message}") from exc
        if waiting.isolate or waiting.unisolate:
            what = "an isolation" if waiting.isolate else "a release"
            raise Conflict(self.name, f"{what} already waits for the agent of {host.hostname!r}")
        action_id = self._kibana.act(command, agent_id, comment, deadline=deadline)
        return ActionHandle(
            connector=self.name, host_id=agent_id, action_id=action_id, accepted_at=self._clock()
        )

    def _action(self, handle: ActionHandle, deadline: Deadline) -> isolation.Action | None:
        """What became of an action; None where it cannot be read or is another host's."""
        try:
            return self._kibana.action(handle.action_id, handle.host_id, deadline=deadline)
        except (NotFound, PermissionMissing):
            return None  # the agent's own record and what is pending still tell the state

    def _is_about(self, handle: ActionHandle, host: HostRef) -> bool:
        return bool(handle.action_id) and handle.connector == self.name and handle.host_id == host.host_id

    def _own(self, host: HostRef) -> str:
        if not host.host_id or host.connector != self.name:
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id
