"""Process records of one host in Elasticsearch, as the lineage walk and find_process ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.edr import sysmon_fields as fields
from connectors.edr.elastic import activity, queries, rows
from connectors.edr.elastic.queries import Question, Span
from connectors.edr.elastic.refusals import CONNECTOR
from connectors.edr.elastic.search import Found, Row, Search
from connectors.edr.lineage_walk import ChildrenPage
from connectors.edr.narrowing import Fitting
from connectors.errors import QueryFailed
from connectors.facts.process import Process, ProcessEvidence, ProcessRef, image_name
from connectors.http.deadline import Deadline

#: Events of the processes that are asked for by id: a start, an end, and one for each start of the agent.
MOST_OF_IDS = 5000

#: Events of one name, and network events with one address, that are looked through.
MOST_OF_A_NAME = 5000
MOST_CONNECTIONS = 5000

#: Events of what one process did, and of what wrote its files.
MOST_ACTIVITY = 5000
MOST_WRITES = 1000


class HostRecords:
    """Searches about one host between two times. Remembers what it asked in `queries`."""

    connector = CONNECTOR

    def __init__(self, search: Search, host_id: str, span: Span, *, deadline: Deadline) -> None:
        """Ask nothing yet."""
        self._search = search
        self._host_id = host_id
        self._span = span
        self._deadline = deadline
        self._asked: set[str] = set()
        self._above: dict[str, tuple[str, ...]] = {}
        self.queries: list[str] = []

    def by_key(self, keys: Sequence[str], *, with_ancestors: bool = True) -> Sequence[Process]:
        """The processes with these ids and their ancestors, as far as their events name them.

        An event names 20 ancestors at most (process.Ext.ancestry). They come with one further search, and 20
        more with each search for one that was not named yet. An id is not asked for twice.
        """
        above = [each for key in keys for each in self._above.get(key, ())]
        found = self._by_ids([*keys, *above])
        if with_ancestors and not above:
            found += self._by_ids([each for key in keys for each in self._above.get(key, ())])
        return found

    def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
        """The processes that these ones started, oldest first, `limit` at most."""
        keys = [each for each in keys if _can_be_asked(each)]
        if not keys:
            return ChildrenPage((), more=False)
        most = 3 * limit + 2  # of each a start and an end, perhaps one more for a restart of the agent
        found = self._find(queries.children_of(self._host_id, keys, self._span, most=most))
        wanted = frozenset(keys)
        children = [each for each in rows.processes(self._host_id, found.rows) if each.parent_guid in wanted]
        more = found.truncated or bool(found.partial) or len(children) > limit
        return ChildrenPage(tuple(children[:limit]), more=more)

    def connected(self, ip: str, port: int | None) -> Sequence[Fitting]:
        """The processes that were connected with an address, as far as network events name them.

        With their accounts and the host's own end of those connections.

        Raises:
            QueryFailed: there are more events than are looked through.
        """
        question = queries.connected_with(self._host_id, ip, self._span, most=MOST_CONNECTIONS)
        known: dict[object, ProcessRef] = {}
        users: dict[object, set[str]] = {}
        own_ends: dict[object, set[str]] = {}
        for row in self._all(question, "network events with that address"):
            fact = activity.connection(row)
            if fact is None or (port is not None and port != fact.dest_port):
                continue
            if ip not in (activity.peer(fact), fact.dest_ip):
                continue
            key = rows.entity(row)
            pid = fields.integer(rows.at(row, "process.pid"))
            image = rows.image(row)
            which = key or (pid, image)
            known.setdefault(which, ProcessRef(host_id=self._host_id, guid=key, pid=pid, image=image))
            users.setdefault(which, set()).add(rows.user(row))
            own_ends.setdefault(which, set()).update(activity.own_ends(fact, peer=ip))
        return [Fitting(ref, users[which], own_ends[which]) for which, ref in known.items()]

    def named(self, name: str) -> Sequence[Process]:
        """The processes of this name with an event in the time searched.

        Raises:
            QueryFailed: there are more events than are looked through.
        """
        question = queries.processes_named(self._host_id, name, self._span, most=MOST_OF_A_NAME)
        found = rows.processes(self._host_id, self._all(question, f"events of processes named {name[:80]!r}"))
        return [each for each in found if image_name(each.ref.image).lower() == name.lower()]

    def evidence(self, key: str, image: str) -> tuple[ProcessEvidence, bool, bool]:
        """What a process did, without coverage; whether its end is recorded; whether rows may be missing."""
        did = self._find(queries.activity_of(self._host_id, key, self._span, most=MOST_ACTIVITY))
        own = [row for row in did.rows if rows.entity(row) == key]
        paths = activity.named_paths(image, own)
        wrote: Sequence[Row] = ()
        truncated, partial = did.truncated, bool(did.partial)
        if paths:
            files = self._find(queries.writers_of(self._host_id, paths, self._span, most=MOST_WRITES))
            wrote = files.rows
            truncated, partial = truncated or files.truncated, partial or bool(files.partial)
        found = activity.evidence(own, wrote, truncated=truncated or partial)
        return found, activity.ended(own), partial

    def recorded_actions(self) -> frozenset[str]:
        """The actions that the agent reported at all in the time searched; others are unknown."""
        found = self._find(queries.recorded_actions(self._host_id, self._span))
        return frozenset(rows.action(row) for row in found.rows)

    def _by_ids(self, ids: Sequence[str]) -> list[Process]:
        """The processes with these ids, without those that were asked for before."""
        asked = [each for each in dict.fromkeys(ids) if each not in self._asked and _can_be_asked(each)]
        asked = asked[: queries.MOST_IDS]
        if not asked:
            return []
        self._asked.update(asked)
        question = queries.processes_by_id(self._host_id, asked, self._span, most=MOST_OF_IDS)
        found = [
            row
            for row in self._all(question, "events of the processes asked for")
            if rows.entity(row) in self._asked
        ]
        for row in found:
            self._remember(row)
        return rows.processes(self._host_id, found)

    def _remember(self, row: Row) -> None:
        """Who is above whom: each ancestor of an event has the rest of the list above it."""
        chain = (rows.entity(row) or "", *rows.ancestry(row))
        for place, key in enumerate(chain):
            above = chain[place + 1 :]
            if len(above) >= len(self._above.get(key, ())):
                self._above[key] = above

    def _all(self, question: Question, what: str) -> Sequence[Row]:
        """Every row: one that was cut off could be the one that is meant, so a cut answer is none."""
        found = self._recorded(self._search.whole(question, deadline=self._deadline))
        if found.truncated:
            raise QueryFailed(CONNECTOR, f"more than {question.most:,} {what}: give a shorter time")
        return [row for row in found.rows if self._is_own(row)]

    def _find(self, question: Question) -> Found:
        found = self._recorded(self._search.find(question, deadline=self._deadline))
        return found._replace(rows=tuple(row for row in found.rows if self._is_own(row)))

    def _recorded(self, found: Found) -> Found:
        self.queries.append(found.record)
        return found

    def _is_own(self, row: Row) -> bool:
        return rows.text(row, "agent.id") == self._host_id


def _can_be_asked(key: str) -> bool:
    return rows.entity({"id": key}, "id") is not None
