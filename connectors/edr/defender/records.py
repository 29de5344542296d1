"""The processes of one machine for the lineage walk: eight generations and all relatives in one query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from connectors.edr.defender import queries
from connectors.edr.defender.keys import ProcessKey, parse_key
from connectors.edr.defender.rows import created_process, initiating_process, signatures
from connectors.edr.lineage_walk import ChildrenPage
from connectors.facts.process import KnownFrom, Process

CONNECTOR = "defender"


class DefenderRecords:
    """Asks for what it does not know yet, and remembers both what is there and what is not."""

    connector = CONNECTOR

    def __init__(
        self,
        hunt: Callable[[str], list[dict[str, object]]],
        host_id: str,
        *,
        relatives: int,
    ) -> None:
        """Ask nothing yet.

        Args:
            hunt: runs a query.
            host_id: the machine's id.
            relatives: children and siblings wanted at most, of each.
        """
        self._hunt = hunt
        self._host_id = host_id
        self._relatives = relatives
        self.queries: list[str] = []
        self._known: dict[str, Process] = {}
        self._asked: set[str] = set()
        self._brood: dict[str, dict[str, Process]] = {}
        self._cut: set[str] = set()

    def by_key(self, keys: Sequence[str]) -> Sequence[Process]:
        """The processes, and what else the query told; what was asked before is not asked again."""
        wanted = [key for guid in keys if guid not in self._asked and (key := parse_key(guid)) is not None]
        if wanted:
            # Only the first query is about the target, whose relatives are wanted.
            relatives = 0 if self.queries else self._relatives
            self._ask(queries.lineage(self._host_id, wanted, relatives=relatives))
            for key in wanted:
                self._settle(key, relatives=relatives)
        return tuple(self._known.values())

    def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
        """What the processes started, oldest first."""
        missing = [key for guid in keys if guid not in self._brood and (key := parse_key(guid)) is not None]
        if missing:
            self._ask(queries.children(self._host_id, missing, limit=limit + 1))
            started = [
                each for each in self._known.values() if each.parent_guid in {key.guid for key in missing}
            ]
            for key in missing:
                self._brood[key.guid] = _of(started, key.guid)
                if len(started) > limit:
                    self._cut.add(key.guid)
        found = sorted(
            (each for guid in keys for each in self._brood.get(guid, {}).values()),
            key=lambda each: each.ref.guid.partition("@")[2] if each.ref.guid else "",
        )
        more = len(found) > limit or any(guid in self._cut for guid in keys)
        return ChildrenPage(found[:limit], more)

    def _ask(self, query: str) -> None:
        rows = self._hunt(query)
        self.queries.append(query)
        known = signatures(rows)
        for number, row in enumerate(rows, 1):
            if row.get("Row") != "process":
                continue
            created = created_process(self._host_id, row, known, number)
            if created is not None and created.ref.guid is not None:
                self._known[created.ref.guid] = created
            above = initiating_process(self._host_id, row, known, number)
            if above is not None and above.ref.guid is not None:
                self._known.setdefault(above.ref.guid, above)

    def _settle(self, key: ProcessKey, *, relatives: int) -> None:
        """Note what the query was about: the process, the generations above it, its children and siblings."""
        guid: str | None = key.guid
        for _ in range(queries.GENERATIONS):
            if guid is None:
                break
            self._asked.add(guid)
            process = self._known.get(guid)
            if process is None or process.known_from is not KnownFrom.CREATION:
                break
            guid = process.parent_guid
        if relatives <= 0:
            return
        target = self._known.get(key.guid)
        parents = [key.guid]
        if target is not None and target.known_from is KnownFrom.CREATION and target.parent_guid is not None:
            parents.append(target.parent_guid)
        for parent in parents:
            brood = _of(self._known.values(), parent)
            self._brood[parent] = brood
            if len(brood) >= relatives:
                self._cut.add(parent)


def _of(processes: Iterable[Process], parent: str) -> dict[str, Process]:
    """Those that a process started, by their own keys."""
    return {
        each.ref.guid: each
        for each in processes
        if each.ref.guid is not None and each.parent_guid == parent and each.known_from is KnownFrom.CREATION
    }
