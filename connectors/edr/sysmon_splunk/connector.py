"""Sysmon's events in Splunk as an EDR: searched for, then read as the Sysmon files are. No containment.

What is found is put into the store of the files' connector, which gives the facts: the same events make the
same case wherever they are kept.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NoReturn

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr import sysmon_fields as fields
from connectors.edr.askable import can_be_asked, can_name_a_host
from connectors.edr.lineage_gaps import label, relatives_left_out
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.lineage import build_lineage
from connectors.edr.sysmon_splunk import hosts, queries
from connectors.edr.sysmon_splunk.ancestry import Ancestry, image_paths
from connectors.edr.sysmon_splunk.finding import MOST_EVENTS, FilesInSplunk, Finding, Wanted
from connectors.edr.sysmon_splunk.gathering import AHEAD, SKEW, Gathering, searched
from connectors.edr.sysmon_splunk.health import health_of
from connectors.edr.sysmon_splunk.machines import machines_of
from connectors.edr.sysmon_splunk.settings import SysmonSplunkSettings
from connectors.edr.time_bounds import bounded, bounded_window
from connectors.errors import (
    HostNotFound,
    NotSupported,
    ProcessNotFound,
)
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from connectors.facts.process import Gap, GapKind, Lineage, Process, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, ConnectionClue, IsolatedHosts, MachineSeen, Window
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.rest import SplunkRest

#: Kinds of events are counted over this time before the window: what a host does not log in a day, it does
#: not collect.
COVERAGE_SPAN = timedelta(days=1)

#: Sysmon has about 30 kinds of events.
MOST_KINDS = 300

#: Ancestors whose images' writers are looked for.
EVIDENCE_DEPTH = 20

#: Lineages whose ancestors are remembered for the evidence of the same process.
REMEMBERED = 32


class SysmonSplunk:
    """The EDR port over Sysmon's events in Splunk. Safe to use from many threads at once."""

    name = FilesInSplunk.name
    sysmon_guids = True
    capabilities = frozenset({Capability.RESOLVE, Capability.LINEAGE, Capability.EVIDENCE})

    def __init__(
        self,
        http: Http,
        settings: SysmonSplunkSettings,
        token: SecretStr,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends everything.
            settings: where and how far back.
            token: an authentication token of Splunk.
            clock: the time of day.
            sleep: waits between polls, in seconds.
            monotonic: seconds, for deadlines.
        """
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        rest = SplunkRest(http, settings, token, source=self.name)
        self._jobs = SearchJobs(rest, clock=clock, sleep=sleep, monotonic=monotonic)
        self._lock = threading.Lock()
        self._walked: OrderedDict[tuple[object, ...], tuple[RawEvent, ...]] = OrderedDict()

    def check(self) -> Health:
        """Whether Sysmon's events of the last day can be searched and read."""
        return health_of(self._gathering(), self._settings.sysmon, now=self._clock())

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one host of this name (FQDN and short name understood) or, without a name, of this address.

        Raises:
            HostNotFound: no host fits.
            AmbiguousHost: several do.
            QueryFailed: the search did not give all that fit.
        """
        gathering, now = self._gathering(), self._clock()
        moment = bounded(at) if at is not None else None
        sysmon, asked = self._settings.sysmon, (hostname or "").strip()
        if not can_name_a_host(asked):
            raise HostNotFound(self.name, f"no host {asked!r}: no host has such a name")
        if not asked:
            asked = hosts.with_address(gathering, self.name, sysmon, ip or "", at=moment, now=now).hostname
        return hosts.named(gathering, self.name, sysmon, asked, at=moment, now=now, history=self._history)

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
        """As the files' connector: by guid; else whose connections fit; else of the name and alive then.

        Raises:
            QueryFailed: more fits than can be looked through, or Splunk did not give all; none is picked.
        """
        computer, peer = self._computer(host), canonical_ip(remote_ip.strip()) if remote_ip else None
        if not can_be_asked(name, guid) or (remote_ip is not None and peer is None):
            return ()
        wanted = Wanted(guid, pid, name, peer, remote_port, local_ip, user)
        finding = Finding(
            self._gathering(computer),
            self._settings.sysmon,
            host,
            window=bounded_window(window),
            history=self._history,
            clock=self._clock,
        )
        return finding.find(wanted)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """As the files' connector, in one search; in one more where a process is not named in what it gave.

        A host is as its connections show it: with the addresses that it had in them.

        Raises:
            QueryFailed: more fits than can be looked through, or Splunk did not give all; none is named.
        """
        return machines_of(
            self._gathering(),
            self._settings.sysmon,
            clue,
            window=bounded_window(window),
            history=self._history,
            clock=self._clock,
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
        """Ancestors, siblings and children of a process, in at most ancestors + 4 searches (see ancestry).

        Raises:
            ProcessNotFound: neither its creation nor anything it did is in Splunk.
        """
        computer = self._computer(host)
        gathering = self._gathering(computer)
        self._see_key(process)
        more = self._ancestry(gathering, computer, window).gather(
            process, max_depth=max_depth, max_nodes=max_nodes, relatives=True
        )
        lineage = build_lineage(
            gathering.log(computer), host.host_id, process, max_depth=max_depth, max_nodes=max_nodes
        )
        if lineage is None:
            message = "neither the process's creation nor its activity is in Splunk"
            raise ProcessNotFound(self.name, message)
        self._remember(host, process, gathering)
        holes = more or gathering.partial or gathering.cut_events > 0
        return lineage.model_copy(
            update={
                "source_queries": (*gathering.queries, *gathering.notes()),
                "truncated": lineage.truncated or holes,
                "gaps": _uncounted(lineage.gaps, lineage.target) if more else lineage.gaps,
            }
        )

    def get_process_evidence(self, host: HostRef, process: ProcessRef, *, window: Window) -> ProcessEvidence:
        """What else Splunk has of the process, its whole life long; coverage by what the host logs at all.

        Raises:
            ProcessNotFound: its guid can be none of Sysmon's.
        """
        computer, now = self._computer(host), self._clock()
        gathering = self._gathering(computer)
        self._see_key(process)
        sysmon = self._settings.sysmon
        span = searched(window, now=now, history=self._history)
        with self._lock:
            known = self._walked.get(_key(host, process))
        if known is None:
            self._ancestry(gathering, computer, window).gather(
                process, max_depth=EVIDENCE_DEPTH, max_nodes=1, relatives=False
            )
        else:
            gathering.events += known
        began = process.start_time - SKEW if process.start_time is not None else span.start - self._history
        life = Window(began, now + AHEAD)
        more = False
        if process.guid is not None:
            query = queries.evidence(sysmon, computer, process.guid)
            more = gathering.search(query, life, most=queries.MOST_EVIDENCE)
        elif process.pid is not None:
            query = queries.with_pids(sysmon, computer, [process.pid], connections=True)
            more = gathering.search(query, Window(began, span.end), most=MOST_EVENTS)
        paths = image_paths(gathering.log(computer), process)
        if paths:
            query = queries.writers(sysmon, computer, paths)
            back = Window(span.start - self._history, now + AHEAD)
            more = gathering.search(query, back, most=queries.MOST_OF_KIND) or more
        day = Window(span.start - COVERAGE_SPAN, span.end)
        counted = gathering.rows(queries.kinds(sysmon, computer), day, most=MOST_KINDS)
        store = gathering.store(computer)
        log = store.host(computer)
        if log is not None:
            log.event_ids |= {number for row in counted.rows if (number := fields.integer(row.get("rr_eid")))}
        evidence = FilesInSplunk(store, ReadReport(), clock=self._clock).get_process_evidence(
            host, process, window=window
        )
        many = sum(each.count for each in evidence.connections) >= queries.MOST_CONNECTIONS
        if more or many or gathering.partial or gathering.cut_events:
            evidence = evidence.model_copy(update={"truncated": True})
        return evidence

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Refused: Splunk cannot isolate."""
        del host, comment, idempotency_key
        self._refuse("isolate")

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Refused: Splunk cannot release."""
        del host, comment, idempotency_key
        self._refuse("release")

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """Unknown: Sysmon's events do not say whether the host is isolated now."""
        del host, handle
        return IsolationStatus(
            state=IsolationState.UNKNOWN,
            how_known=HowKnown.NOT_KNOWN,
            as_of=self._clock(),
            detail="Sysmon's events do not say whether the host is isolated",
        )

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Refused: Sysmon's events do not tell which hosts are isolated."""
        del limit
        raise NotSupported(
            self.name, "Sysmon's events do not tell which hosts are isolated; let an EDR do it"
        )

    # --- parts -----------------------------------------------------------------------------------

    @property
    def _history(self) -> timedelta:
        return timedelta(days=self._settings.history_days)

    def _refuse(self, what: str) -> NoReturn:
        raise NotSupported(self.name, f"Splunk cannot {what} a host; let an EDR do it")

    def _gathering(self, computer: str = "") -> Gathering:
        deadline = Deadline.after(self._settings.deadline_s, clock=self._monotonic)
        return Gathering(self._jobs, deadline, self.name, computer=computer)

    def _ancestry(self, gathering: Gathering, computer: str, window: Window) -> Ancestry:
        span = searched(window, now=self._clock(), history=self._history)
        return Ancestry(gathering, self._settings.sysmon, computer, window=span, history=self._history)

    def _computer(self, host: HostRef) -> str:
        if host.connector != self.name or not host.host_id or not can_name_a_host(host.host_id):
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id

    def _see_key(self, process: ProcessRef) -> None:
        if process.guid is not None and (fields.guid(process.guid) is None or not can_be_asked(process.guid)):
            raise ProcessNotFound(self.name, "the process has a guid that is none of Sysmon's")

    def _remember(self, host: HostRef, process: ProcessRef, gathering: Gathering) -> None:
        """Keep the starts, which do not change, so that the evidence need not walk up again."""
        starts = tuple(each for each in gathering.events if each.event_id == 1)
        with self._lock:
            self._walked[_key(host, process)] = starts
            self._walked.move_to_end(_key(host, process))
            while len(self._walked) > REMEMBERED:
                self._walked.popitem(last=False)


def _key(host: HostRef, process: ProcessRef) -> tuple[object, ...]:
    return host.host_id.lower(), process.guid, process.pid, process.start_time


def _uncounted(gaps: tuple[Gap, ...], target: Process) -> tuple[Gap, ...]:
    """Gaps where Splunk had more relatives than were asked for: how many is not known."""
    others = tuple(each for each in gaps if each.kind is not GapKind.NODE_CAP)
    return (*others, relatives_left_out(label(target.ref.image, target.ref.pid), None))
