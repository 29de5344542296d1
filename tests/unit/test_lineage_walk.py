"""The walk over a vendor's records: few calls, no loop, no cap exceeded, every hole named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.lineage_walk import ChildrenPage, walk
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.lineage import build_lineage
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.facts.process import GapKind, KnownFrom, Lineage, Process, ProcessRef
from tests.estate import estate_of, host_id_of

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def process(
    guid: str | None,
    parent: str | None = None,
    *,
    at: int = 0,
    known: KnownFrom = KnownFrom.CREATION,
    image: str | None = None,
    parent_image: str | None = None,
) -> Process:
    """A process started `at` seconds after the start, with a parent of a name unless told otherwise."""
    name = f"C:\\{guid}.exe" if image is None else image
    above = (f"C:\\{parent}.exe" if parent else "") if parent_image is None else parent_image
    return Process(
        ref=ProcessRef(host_id="h", guid=guid, pid=at, start_time=START + timedelta(seconds=at), image=name),
        known_from=known,
        parent_guid=parent,
        parent_pid=4 if parent else None,
        parent_image=above,
        parent_command_line=f"{parent} -x" if parent else None,
    )


class Records:
    """Records that count their calls. `along` gives that many ancestors with each answer."""

    connector = "fake"

    def __init__(self, *processes: Process, along: int = 0, page: int = 10_000) -> None:
        self.by_guid: dict[str | None, Process] = {}
        self.all = processes
        for each in processes:
            self.by_guid.setdefault(each.ref.guid, each)
        self.along = along
        self.page = page
        self.keys: list[tuple[str, ...]] = []
        self.children: list[tuple[str, ...]] = []
        self.queries: list[str] = []

    def by_key(self, keys: Sequence[str]) -> Sequence[Process]:
        self.keys.append(tuple(keys))
        self.queries.append(f"by_key {keys}")
        found = []
        for key in keys:
            each = self.by_guid.get(key)
            for _ in range(self.along + 1):
                if each is None:
                    break
                found.append(each)
                each = self.by_guid.get(each.parent_guid) if each.parent_guid else None
        return found

    def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
        self.children.append(tuple(keys))
        self.queries.append(f"children_of {keys}")
        fitting = sorted(
            (each for each in self.all if each.parent_guid in keys),
            key=lambda each: each.ref.start_time or START,
        )
        most = min(limit, self.page)
        return ChildrenPage(fitting[:most], len(fitting) > most)


def walked(
    records: Records, guid: str | None = "t", *, depth: int = 20, nodes: int = 500, recorder: str = "Sysmon"
) -> Lineage:
    lineage = walk(
        records, ProcessRef(host_id="h", guid=guid), max_depth=depth, max_nodes=nodes, recorder=recorder
    )
    assert lineage is not None
    return lineage


def guids(processes: Sequence[Process]) -> list[str | None]:
    return [each.ref.guid for each in processes]


def gaps(lineage: Lineage) -> list[tuple[GapKind, str]]:
    return [(gap.kind, gap.at) for gap in lineage.gaps]


CHAIN = (process("a"), process("b", "a", at=1), process("c", "b", at=2), process("t", "c", at=3))


def test_a_whole_lineage() -> None:
    family = (
        process("s", "c", at=4),
        process("k", "t", at=6),
        process("l", "t", at=5),
        process("n", "a", at=9),
    )
    records = Records(*CHAIN, *family)
    lineage = walked(records)
    assert lineage.target is CHAIN[3]
    assert guids(lineage.ancestors) == ["c", "b", "a"]
    assert guids(lineage.siblings) == ["s"]
    assert guids(lineage.children) == ["l", "k"]
    assert gaps(lineage) == [(GapKind.PARENT_ID_MISSING, "a.exe (pid 0)")]
    assert lineage.gaps[0].detail == "telemetry ends here: Sysmon did not know the parent"
    assert not lineage.truncated
    assert records.keys == [("t",), ("c",), ("b",), ("a",)]
    assert records.children == [("t", "c")]
    assert lineage.source_queries == tuple(records.queries)


@pytest.mark.parametrize(("along", "calls"), [(0, 4), (1, 2), (2, 2), (3, 1), (9, 1)])
def test_what_came_along_is_not_asked_again(along: int, calls: int) -> None:
    records = Records(*CHAIN, along=along)
    assert guids(walked(records).ancestors) == ["c", "b", "a"]
    assert len(records.keys) == calls


def test_what_came_along_known_from_a_child_only_is_asked_for_at_once() -> None:
    class Rich(Records):
        """Each record says of its parent and grandparent what a child knows, as Defender's do."""

        def by_key(self, keys: Sequence[str]) -> Sequence[Process]:
            found = list(super().by_key(keys))
            for each in tuple(found):
                above = self.by_guid.get(each.parent_guid)
                if above is not None:
                    found.append(process(above.ref.guid, above.parent_guid, known=KnownFrom.CHILD))
                    grand = self.by_guid.get(above.parent_guid) if above.parent_guid else None
                    if grand is not None:
                        found.append(process(grand.ref.guid, known=KnownFrom.CHILD))
            return found

    records = Rich(*CHAIN)
    lineage = walked(records)
    assert guids(lineage.ancestors) == ["c", "b", "a"]
    assert {each.known_from for each in lineage.ancestors} == {KnownFrom.CREATION}
    assert records.keys == [("t",), ("c", "b"), ("a",)]


def test_a_parent_without_a_record_is_known_from_its_child() -> None:
    records = Records(*CHAIN[1:])
    lineage = walked(records)
    last = lineage.ancestors[-1]
    assert guids(lineage.ancestors) == ["c", "b", "a"]
    assert (last.known_from, last.command_line, last.ref.image) == (KnownFrom.CHILD, "a -x", "C:\\a.exe")
    assert last.ref.pid == 4
    assert gaps(lineage) == [(GapKind.PARENT_NOT_RECORDED, "a.exe (pid 4)")]
    assert "its creation was not found" in lineage.gaps[0].detail
    assert len(records.keys) == len(lineage.ancestors) + 1


def test_what_the_vendor_says_of_that_parent_is_kept() -> None:
    said = process("c", known=KnownFrom.CHILD, image="C:\\Windows\\explorer.exe", at=77)
    lineage = walked(Records(process("t", "c"), said))
    assert lineage.ancestors == (said,)
    assert gaps(lineage) == [(GapKind.PARENT_NOT_RECORDED, "explorer.exe (pid 4)")]


def test_a_parent_with_an_id_and_no_name() -> None:
    lineage = walked(Records(process("t", "c", parent_image="")))
    assert lineage.ancestors == ()
    assert gaps(lineage) == [(GapKind.PARENT_NOT_RECORDED, "t.exe (pid 0)")]
    assert gaps(walked(Records(process("t", "c", parent_image="?")))) == [
        (GapKind.PARENT_ID_MISSING, "t.exe (pid 0)")
    ]


def test_a_parent_with_a_name_and_no_id() -> None:
    nameless = process("t", None, parent_image="C:\\x.exe")
    assert gaps(walked(Records(nameless))) == [(GapKind.PARENT_ID_MISSING, "t.exe (pid 0)")]
    by_pid = nameless.model_copy(update={"parent_pid": 44})
    lineage = walked(Records(by_pid))
    assert [(each.ref.image, each.ref.pid) for each in lineage.ancestors] == [("C:\\x.exe", 44)]
    assert gaps(lineage) == [(GapKind.PARENT_NOT_RECORDED, "x.exe (pid 44)")]
    assert "the source did not know" in walked(Records(process("t")), recorder="the source").gaps[0].detail


@pytest.mark.parametrize(
    "processes",
    [
        (process("t", "t"),),
        (process("t", "a"), process("a", "t", at=1)),
        (process("t", "a"), process("a", "b"), process("b", "a")),
    ],
    ids=["itself", "two", "above"],
)
def test_a_cycle_ends_the_walk(processes: tuple[Process, ...]) -> None:
    records = Records(*processes)
    lineage = walked(records)
    assert GapKind.CYCLE in [gap.kind for gap in lineage.gaps]
    assert len(set(guids(lineage.ancestors))) == len(lineage.ancestors) < len(processes)
    assert "t" not in guids([*lineage.ancestors, *lineage.siblings, *lineage.children])


def test_the_depth_cap() -> None:
    records = Records(*CHAIN)
    lineage = walked(records, depth=2)
    assert guids(lineage.ancestors) == ["c", "b"]
    assert gaps(lineage) == [(GapKind.DEPTH_CAP, "b.exe (pid 1)")]
    assert lineage.gaps[0].detail == "more ancestors exist than the 2 asked for"
    assert lineage.truncated
    assert len(records.keys) == 3
    assert not walked(Records(*CHAIN), depth=3).truncated


def test_the_node_cap_takes_children_first() -> None:
    family = [process(f"k{number}", "t", at=10 + number) for number in range(3)]
    family += [process(f"s{number}", "c", at=20 + number) for number in range(4)]
    lineage = walked(Records(*CHAIN, *family), nodes=9)
    assert len(lineage.children) == 3
    assert guids(lineage.siblings) == ["s0", "s1"]
    assert gaps(lineage)[-1] == (GapKind.NODE_CAP, "t.exe (pid 3)")
    assert lineage.truncated
    whole = walked(Records(*CHAIN, *family), nodes=11)
    assert len(whole.siblings) == 4
    assert not whole.truncated


def test_ancestors_are_nodes_too() -> None:
    lineage = walked(Records(*CHAIN), nodes=2)
    assert guids(lineage.ancestors) == ["c"]
    assert gaps(lineage)[0] == (GapKind.NODE_CAP, "c.exe (pid 2)")


def test_many_siblings_do_not_hide_the_children() -> None:
    siblings = [process(f"s{number:03}", "c", at=number) for number in range(300)]
    child = process("k", "t", at=900)
    records = Records(*CHAIN, *siblings, child, page=100)
    lineage = walked(records)
    assert guids(lineage.children) == ["k"]
    assert records.children == [("t", "c"), ("t",)]
    assert lineage.truncated
    assert lineage.gaps[-1].detail == "further relatives left out"


def test_what_was_not_asked_for_is_left_out() -> None:
    class Careless(Records):
        def children_of(self, keys: Sequence[str], *, limit: int) -> ChildrenPage:
            return ChildrenPage([process("x", "other"), process("k", "t"), process("k", "t")], more=False)

    lineage = walked(Careless(*CHAIN))
    assert guids(lineage.children) == ["k"]
    assert lineage.siblings == ()


def test_a_target_without_a_record() -> None:
    ref = ProcessRef(host_id="h", guid="t", pid=9, image="C:\\t.exe")
    children = (process("k", "t", at=2), process("l", "t", at=1))
    lineage = walk(Records(*children), ref, max_depth=20, max_nodes=2)
    assert lineage is not None
    assert (lineage.target.known_from, lineage.target.command_line) == (KnownFrom.ACTIVITY, "t -x")
    assert (guids(lineage.children), lineage.truncated) == (["l"], True)
    assert gaps(lineage) == [(GapKind.TARGET_NOT_RECORDED, "t.exe (pid 9)")]
    assert walk(Records(), ref, max_depth=20, max_nodes=500) is None
    assert walk(Records(), ProcessRef(host_id="h", pid=9), max_depth=20, max_nodes=500) is None


def test_a_target_known_from_what_it_did() -> None:
    seen = process("t", None, known=KnownFrom.ACTIVITY, image="C:\\seen.exe")
    lineage = walked(Records(seen))
    assert (lineage.target.ref.image, lineage.target.known_from) == ("C:\\seen.exe", KnownFrom.ACTIVITY)
    assert gaps(lineage) == [(GapKind.TARGET_NOT_RECORDED, "seen.exe (pid unknown)")]


# --- properties ------------------------------------------------------------------------------

KEYS = st.sampled_from("tabcdefg")


@settings(max_examples=250)
@given(
    rows=st.lists(
        st.tuples(KEYS, st.none() | KEYS | st.just("gone"), st.sampled_from(KnownFrom), st.booleans()),
        max_size=14,
    ),
    along=st.integers(0, 3),
    page=st.integers(1, 20),
    depth=st.integers(0, 6),
    nodes=st.integers(1, 12),
)
def test_no_records_make_the_walk_loop_or_exceed_a_cap(
    rows: list[tuple[str, str | None, KnownFrom, bool]], along: int, page: int, depth: int, nodes: int
) -> None:
    processes = [
        process(guid, parent, at=at, known=known, parent_image=None if named else "")
        for at, (guid, parent, known, named) in enumerate(rows)
    ]
    records = Records(*processes, along=along, page=page)
    lineage = walk(records, ProcessRef(host_id="h", guid="t"), max_depth=depth, max_nodes=nodes)
    assert len(records.keys) <= depth + 1
    assert len(records.children) <= 2
    if lineage is None:
        return
    others = [*lineage.ancestors, *lineage.siblings, *lineage.children]
    assert len(lineage.ancestors) <= depth
    assert 1 + len(others) <= nodes
    assert lineage.target.ref.guid == "t"
    assert "t" not in guids(others)
    assert len(set(guids(lineage.ancestors))) == len(lineage.ancestors)
    assert all(each.known_from is KnownFrom.CREATION for each in lineage.ancestors[:-1])
    assert all(each.parent_guid == "t" for each in lineage.children)
    assert all(each.parent_guid == lineage.target.parent_guid for each in lineage.siblings)
    below = lineage.target
    for each in lineage.ancestors:
        assert each.ref.guid == below.parent_guid
        below = each
    capped = {GapKind.DEPTH_CAP, GapKind.NODE_CAP} & {gap.kind for gap in lineage.gaps}
    assert not capped or lineage.truncated
    # The end of the line is never silent.
    assert lineage.gaps


# --- against the files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["installer/sysmon.ndjson", "local-only/sysmon.ndjson", "stealer/sysmon.xml"]
)
def test_the_walk_says_what_the_file_says(name: str, examples: Path) -> None:
    path = examples / name
    store = SysmonStore(())
    for event in read_events([path], CASE_EVENTS, ReadReport()):
        store.add(event)
    estate = estate_of(path)
    asked = 0
    for log in store.hosts:
        host_id = host_id_of(log.computer)
        for one in estate.on(host_id):
            for depth, nodes in ((20, 500), (1, 3)):
                expected = build_lineage(log, host_id, one.ref, max_depth=depth, max_nodes=nodes)
                records = Records(*estate.on(host_id))
                lineage = walked(records, one.ref.guid, depth=depth, nodes=nodes)
                assert expected is not None
                plain = {"source_queries": (), "gaps": ()}
                assert lineage.model_copy(update=plain) == expected.model_copy(update=plain)
                if nodes == 500:
                    assert lineage.gaps == expected.gaps
                # A source that gives no more than was asked for does not say how many it left out.
                assert gaps(lineage) == gaps(expected)
                assert len(records.keys) <= len(lineage.ancestors) + 1
                asked += 1
    assert asked >= 8
