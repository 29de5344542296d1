"""Process records of one host in NG-SIEM, as the lineage walk and the search for a process ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from connectors.addresses import canonical_ip
from connectors.edr.crowdstrike import activity, queries, rows
from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.search_jobs import Found, Row, SearchJobs
from connectors.edr.lineage_walk import ChildrenPage
from connectors.edr.narrowing import Fitting
from connectors.errors import QueryFailed
from connectors.facts.process import Process, ProcessEvidence, ProcessRef, image_name
from connectors.http.deadline import Deadline

#: Starts of one name, and network events with one address, that are looked through.
MOST_OF_A_NAME = 1000
MOST_CONNECTIONS = 5000

#: Different processes that are looked at by id.
MOST_PROCESSES = 200

#: Rows of what one process did.
MOST_ACTIVITY = 5000

#: Searches are recorded up to this length.
_LONGEST_QUERY = 2000


class HostRecords:
    """Searches about one host between two times. Remembers what it asked in `queries`."""

    connector = CONNECTOR

    def __init__(
        self, jobs: SearchJobs, host_id: str, *, start: datetime, end: datetime, deadline: Deadline
    ) -> None:
        self._jobs = jobs
        self._host_id = host_id
        self._start = start
        self._end = end
        self._deadline = deadline
        self.queries: list[str] = []

    def by_key(self, keys: Sequence[str]) -> Sequence[Process]:
        """The processes with these ids, with one search for all of them.

        Raises:
            QueryFailed: there are more rows of them than are looked through.
        """
        known = list(dict.fromkeys(key for key in keys if rows.process_id(key) is not None))
        found: list[Process] = []
        for first in range(0, len(known), queries.MOST_IDS):
            asked = known[first : first + queries.MOST_IDS]
            search = queries.processes_by_id(self._host_id, asked)
            answered = self._find(search, _has_id("TargetProcessId", frozenset(asked)))
            if answered.truncated:
                raise QueryFailed(CONNECTOR, "more rows of the processes asked for than are looked through")
            found += rows.processes(self._host_id, answered.rows)
        return found

    def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
        """The processes that these ones started, oldest first, `limit` at most."""
        asked = list(dict.fromkeys(key for key in keys if rows.process_id(key) is not None))[
            : queries.MOST_IDS
        ]
        if not asked:
            return ChildrenPage((), more=False)
        wanted = frozenset(asked)
        most = min(queries.MOST_ROWS, 3 * limit + 2)  # a start, perhaps a synthetic one, and an end of each
        search = queries.children_of(self._host_id, asked, rows=most)
        found = self._find(search, _has_id("ParentProcessId", wanted))
        children = [each for each in rows.processes(self._host_id, found.rows) if each.parent_guid in wanted]
        more = found.truncated or len(found.rows) >= most or len(children) > limit
        return ChildrenPage(tuple(children[:limit]), more=more)

    def connected(self, ip: str, port: int | None) -> Sequence[Fitting]:
        """The processes that were connected with an address, as far as network events name them.

        With the host's own end of those connections; whose account it was, network events do not say.

        Raises:
            QueryFailed: there are more network events or processes than are looked through.
        """
        search = queries.connections_with(self._host_id, ip, rows=MOST_CONNECTIONS)
        found = self._find(search, lambda row: activity.connection(row) is not None).rows
        self._refuse_more(len(found), MOST_CONNECTIONS, "network events with that address")
        peer = canonical_ip(ip)
        known: dict[str, ProcessRef] = {}
        own_ends: dict[str, set[str]] = {}
        for row in found:
            fact, key = activity.connection(row), rows.process_id(row.get("ContextProcessId"))
            if fact is None or key is None or (port is not None and port != fact.dest_port):
                continue
            other = fact.dest_ip if fact.initiated else fact.src_ip
            if peer in (other, fact.dest_ip):
                image = activity.writer(row)
                known.setdefault(key, ProcessRef(host_id=self._host_id, guid=key, image=image))
                own_ends.setdefault(key, set()).add(activity.own_end(fact))
        self._refuse_more(len(known), MOST_PROCESSES + 1, "processes with that address")
        return [Fitting(ref, local_ips=own_ends[key]) for key, ref in known.items()]

    def named(self, name: str) -> Sequence[Process]:
        """The processes of this name that started in the time searched, with their ends.

        Raises:
            QueryFailed: there are more than are looked through.
        """
        search = queries.processes_named(self._host_id, name, rows=MOST_OF_A_NAME)
        found = self._find(search, lambda row: rows.process_id(row.get("TargetProcessId")) is not None).rows
        self._refuse_more(len(found), MOST_OF_A_NAME, f"processes named {name[:80]!r}")
        started = [
            each
            for each in rows.processes(self._host_id, found)
            if image_name(each.ref.image).lower() == name.lower() and each.ref.guid is not None
        ]
        self._refuse_more(len(started), MOST_PROCESSES + 1, f"processes named {name[:80]!r}")
        whole = {each.ref.guid: each for each in self.by_key([each.ref.guid or "" for each in started])}
        return [whole.get(each.ref.guid, each) for each in started]

    def evidence(self, key: str, images: Sequence[str]) -> tuple[ProcessEvidence, bool]:
        """What a process did and who wrote these images, without coverage; whether its end is recorded."""
        search = queries.activity_of(self._host_id, key, images, rows=MOST_ACTIVITY)
        paths = frozenset(each.lower() for each in images)
        found = self._find(search, lambda row: _is_about(row, key, paths))
        evidence = activity.evidence(
            found.rows,
            process=key,
            images=images,
            truncated=len(found.rows) >= MOST_ACTIVITY or bool(found.warnings),
        )
        return evidence, activity.ended(found.rows, process=key)

    def recorded_kinds(self) -> frozenset[str]:
        """The names of the events that the host sent at all in the time searched."""
        found = self._find(queries.recorded_kinds(self._host_id), _names_an_event, of_agent=False)
        return frozenset(rows.event_name(row) for row in found.rows)

    def named_originally(self, processes: Iterable[Process]) -> Callable[[Process], Process]:
        """How to fill in OriginalFileName for these processes: Falcon has it apart, by the image's hash."""
        wanted = {
            each.digest
            for process in processes
            if not process.original_file_name
            for each in process.hashes
            if each.algorithm == "SHA256"
        }
        asked = sorted(wanted)[: queries.MOST_IDS]
        if not asked:
            return lambda process: process
        found = self._find(
            queries.version_infos(self._host_id, asked),
            lambda row: str(row.get("SHA256HashData") or "").upper() in wanted,
        )
        names = rows.original_names(found.rows)
        return lambda process: rows.with_original_name(process, names)

    def _refuse_more(self, number: int, most: int, what: str) -> None:
        """One that was cut off could be the one that is meant, so a cut answer is none."""
        if number >= most:
            raise QueryFailed(CONNECTOR, f"more than {most - 1:,} {what}: give a shorter time")

    def _find(self, search: str, fits: Callable[[Row], bool], *, of_agent: bool = True) -> Found:
        def is_asked_for(row: Row) -> bool:
            return (not of_agent or row.get("aid") == self._host_id) and fits(row)

        found = self._jobs.find(
            search, start=self._start, end=self._end, fits=is_asked_for, deadline=self._deadline
        )
        recorded = search if len(search) <= _LONGEST_QUERY else f"{search[:_LONGEST_QUERY]}..."
        self.queries.append(" ".join([recorded, *(f"[warning: {each}]" for each in found.warnings)]))
        return found


def _has_id(field: str, wanted: frozenset[str]) -> Callable[[Row], bool]:
    return lambda row: rows.process_id(row.get(field)) in wanted


def _names_an_event(row: Row) -> bool:
    return any(rows.event_name(row) in each for each in activity.EVENTS_OF_KIND.values())


def _is_about(row: Row, key: str, paths: frozenset[str]) -> bool:
    return (
        rows.process_id(row.get("ContextProcessId")) == key
        or rows.process_id(row.get("TargetProcessId")) == key
        or str(row.get("TargetFileName") or "").lower() in paths
    )
