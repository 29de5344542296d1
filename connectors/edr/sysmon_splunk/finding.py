"""Finds the process behind a notable: gathered by searches, chosen by the files' connector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields
from connectors.edr.narrowing import Fitting, narrowed
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.ancestry import OWN_ROWS
from connectors.edr.sysmon_splunk.gathering import AHEAD, Gathering, searched
from connectors.errors import QueryFailed
from connectors.facts.host import HostRef
from connectors.facts.process import ProcessRef
from connectors.ports import Window

#: Connections, or starts of one name, that are looked through for a process.
MOST_EVENTS = 5000


class FilesInSplunk(SysmonFileEdr):
    """The files' connector under the name of this one."""

    name = "sysmon_splunk"


class Wanted(NamedTuple):
    """What is known of the process, as EdrConnector.find_process has it."""

    guid: str | None
    pid: int | None
    name: str | None
    remote_ip: str | None
    remote_port: int | None
    local_ip: str | None = None
    user: str | None = None


class Finding:
    """One search for a process on one host."""

    def __init__(
        self,
        gathering: Gathering,
        sysmon: str,
        host: HostRef,
        *,
        window: Window,
        history: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._gathering = gathering
        self._sysmon = sysmon
        self._host = host
        self._computer = host.host_id
        self._window = window
        self._clock = clock
        self._span = searched(window, now=clock(), history=history)
        self._before = Window(self._span.start - history, self._span.end)

    def find(self, wanted: Wanted) -> Sequence[ProcessRef]:
        """Every process that fits: by guid; else whose connections fit; else of the name and alive then.

        Raises:
            QueryFailed: more fits than can be looked through, or Splunk did not give all; none is picked.
        """
        if wanted.guid is not None:
            return self._with_guid(wanted.guid)
        connected = self._connected(wanted)
        if connected or wanted.remote_ip is not None or wanted.name is None:
            return narrowed(connected, user=wanted.user, local_ip=wanted.local_ip)
        return self._alive(wanted.name, wanted.pid, wanted.user)

    def _with_guid(self, asked: str) -> Sequence[ProcessRef]:
        guid = fields.guid(asked)
        if guid is None:
            return ()
        query = queries.of_guids(self._sysmon, self._computer, [guid], 1, 3)
        self._gathering.search(query, Window(self._before.start, self._clock() + AHEAD), most=OWN_ROWS)
        return self._whole().find_process(self._host, guid=guid, window=self._window)

    def _connected(self, wanted: Wanted) -> Sequence[Fitting]:
        query = queries.connections(self._sysmon, self._computer, name=wanted.name, ip=wanted.remote_ip)
        self._refuse_part(more=self._gathering.search(query, self._span, most=MOST_EVENTS))
        self._starts()
        return self._whole().connected(
            self._host,
            pid=wanted.pid,
            name=wanted.name,
            remote_ip=wanted.remote_ip,
            remote_port=wanted.remote_port,
            window=self._window,
        )

    def _starts(self) -> None:
        """Gather the starts of the processes that connected; by pid and time where a guid is null."""
        events = tuple(self._gathering.events)
        guids = {found for each in events if (found := fields.guid(each.data.get("ProcessGuid")))}
        pids = {
            number
            for each in events
            if fields.guid(each.data.get("ProcessGuid")) is None
            and (number := fields.integer(each.data.get("ProcessId"))) is not None
        }
        self._refuse_part(more=max(len(guids), len(pids)) > queries.MOST_KEYS)
        if guids:
            query = queries.of_guids(self._sysmon, self._computer, sorted(guids), 1)
            self._gathering.search(query, self._before, most=2 * len(guids) + OWN_ROWS)
        if pids:
            query = queries.with_pids(self._sysmon, self._computer, sorted(pids))
            self._refuse_part(more=self._gathering.search(query, self._before, most=MOST_EVENTS))

    def _alive(self, name: str, pid: int | None, user: str | None) -> Sequence[ProcessRef]:
        query = queries.named(self._sysmon, self._computer, name)
        self._refuse_part(more=self._gathering.search(query, self._before, most=MOST_EVENTS))
        alive = self._whole().find_process(self._host, pid=pid, name=name, window=self._window)
        guids = [each.guid for each in alive if each.guid is not None]
        if guids:
            self._refuse_part(more=len(guids) > queries.MOST_KEYS)
            # An end that names no image was not found by name.
            query = queries.of_guids(self._sysmon, self._computer, guids, 5)
            self._gathering.search(query, self._before, most=2 * len(guids) + OWN_ROWS)
        return self._whole().find_process(self._host, pid=pid, name=name, user=user, window=self._window)

    def _whole(self) -> SysmonFileEdr:
        """The files' connector over what was gathered, if that is all there is."""
        if self._gathering.partial:
            message = "Splunk did not give all events of that time; none is picked"
            raise QueryFailed(FilesInSplunk.name, message)
        return FilesInSplunk(self._gathering.store(self._computer), ReadReport(), clock=self._clock)

    def _refuse_part(self, *, more: bool) -> None:
        if more:
            raise QueryFailed(FilesInSplunk.name, f"more than {MOST_EVENTS:,} events fit; none is picked")
