"""Lineage and processes from Elasticsearch, over the fake: past the cap of 20, no part taken for all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.edr.elastic import search
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.errors import HostNotFound, ProcessNotFound, QueryFailed, RateLimited, Transient
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.process import GapKind, KnownFrom, Lineage, Process
from connectors.ports import Window
from tests.estate import Estate, estate_of
from tests.fakes.elastic_case import (
    BEGIN,
    WINDOW,
    Case,
    a_host,
    a_process,
    case,
    chain,
    connected,
    ref,
)
from tests.fakes.elastic_documents import entity_id
from tests.fakes.http_server import Answer
from tests.http_clients import START, Clock

APP1 = a_host("APP1")
ALWAYS = Window(EARLIEST_INSTANT, LATEST_INSTANT)


def lineage(it: Case, guid: str, **caps: int) -> Lineage:
    host = it.host()
    return it.edr.get_lineage(host, ref(APP1, guid), window=WINDOW, **caps)


@pytest.mark.parametrize(("depth", "searches"), [(1, 2), (2, 3), (20, 3), (21, 3), (22, 4), (41, 4), (61, 5)])
def test_past_the_cap_of_20_with_one_search_for_each_20(depth: int, searches: int) -> None:
    """One search for the process, one for each 20 ancestors, one for children and siblings."""
    with case(Estate((APP1,), chain(APP1, depth))) as it:
        found = lineage(it, f"P{depth - 1}", max_depth=100)
        assert [each.ref.pid for each in found.ancestors] == list(range(depth - 2, -1, -1))
        assert it.fake.calls == {"search": searches}
        assert len(found.source_queries) == searches
        assert not found.truncated


def test_who_was_behind_a_start_and_that_it_was_suspended_come_with_the_lineage() -> None:
    root, own = chain(APP1, 2)
    wmic = a_process(APP1, "WMIC", None)
    behind = own.model_copy(update={"effective_parent": wmic.ref, "created_suspended": True})
    with case(Estate((APP1,), (root, behind, wmic))) as it:
        found = lineage(it, "P1")
    assert found.target.created_suspended is True
    assert found.target.effective_parent is not None
    assert found.target.effective_parent.pid == wmic.ref.pid
    assert [each.ref.pid for each in found.ancestors] == [root.ref.pid]
    assert found.ancestors[0].created_suspended is None


def test_the_cost_does_not_grow_with_the_estate() -> None:
    others = tuple(a_host(f"OTHER{each}") for each in range(30))
    noise = tuple(process for host in others for process in chain(host, 30))
    with case(Estate((APP1, *others), (*chain(APP1, 10), *noise))) as it:
        found = lineage(it, "P9")
        assert len(found.ancestors) == 9
        assert it.fake.calls == {"search": 3}


def test_the_same_ids_on_another_host_are_not_mixed_in() -> None:
    twin = a_host("APP2")
    stranger = a_process(twin, "stranger", None)
    with case(Estate((APP1, twin), (*chain(APP1, 3), stranger))) as it:
        for each in it.fake.documents:
            if each["process"]["name"] == "stranger.exe":
                each["process"]["parent"] = {"entity_id": entity_id(APP1.host_id, "P1")}
        assert not lineage(it, "P1").children[1:]


def test_children_and_siblings_are_told_apart() -> None:
    more = (
        a_process(APP1, "brother", "P1", start=BEGIN),
        a_process(APP1, "child", "P2", end_time=BEGIN + timedelta(minutes=75)),
    )
    with case(Estate((APP1,), (*chain(APP1, 3), *more))) as it:
        found = lineage(it, "P2")
        assert [each.name for each in found.siblings] == ["brother.exe"]
        assert [each.name for each in found.children] == ["child.exe"]
        assert found.children[0].end_time == BEGIN + timedelta(minutes=75)


def test_caps_are_reported() -> None:
    kin = tuple(a_process(APP1, f"K{each}", "P2") for each in range(30))
    with case(Estate((APP1,), (*chain(APP1, 3), *kin))) as it:
        few = lineage(it, "P2", max_nodes=10)
        assert few.truncated
        assert len(few.children) == 7
        short = lineage(it, "P2", max_depth=1)
        assert short.truncated
        assert [each.kind for each in short.gaps] == [GapKind.DEPTH_CAP]


def test_where_the_record_of_a_parent_is_missing_its_child_still_tells_of_it() -> None:
    whole = chain(APP1, 4)
    with case(Estate((APP1,), (*whole[:1], *whole[2:]))) as it:
        found = lineage(it, "P3")
        assert [each.name for each in found.ancestors] == ["P2.exe", "P1.exe"]
        assert found.ancestors[-1].known_from is KnownFrom.CHILD
        assert [each.kind for each in found.gaps] == [GapKind.PARENT_NOT_RECORDED]
        assert it.fake.calls == {"search": 3}  # what is known to be missing is not asked for again


def test_a_process_that_is_not_recorded_is_not_found() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it, pytest.raises(ProcessNotFound):
        lineage(it, "nobody")


def test_a_start_before_the_time_searched_is_not_claimed() -> None:
    old = a_process(APP1, "old", None, start=START - timedelta(days=40))
    with case(Estate((APP1,), (old, *chain(APP1, 2))), history_days=10) as it:
        with pytest.raises(ProcessNotFound):
            lineage(it, "old")
        assert len(lineage(it, "P1").ancestors) == 1


# --- part of an answer is never the whole one ------------------------------------------------------


@pytest.mark.parametrize("what", ["failed_shards", "timed_out", "skipped_clusters"])
def test_a_part_of_the_records_is_no_lineage(what: str) -> None:
    """A shard that failed may hold the parent: 'not recorded' would be a false word."""
    with case(Estate((APP1,), chain(APP1, 3))) as it:
        host = it.host()
        setattr(it.fake, what, 1)
        it.fake.hides = lambda document: document["process"]["name"] == "P1.exe"
        with pytest.raises(QueryFailed, match="not whole"):
            it.edr.get_lineage(host, ref(APP1, "P2"), window=WINDOW)
        with pytest.raises(QueryFailed, match="not whole"):
            it.edr.find_process(host, name="P1.exe", window=WINDOW)
        with pytest.raises(QueryFailed, match="not whole"):
            it.edr.get_process_evidence(host, ref(APP1, "nobody"), window=WINDOW)


def test_shards_that_need_not_be_looked_at_have_not_failed() -> None:
    with case(Estate((APP1,), chain(APP1, 3))) as it:
        host = it.host()
        it.fake.skipped_shards = 2
        assert len(it.edr.get_lineage(host, ref(APP1, "P2"), window=WINDOW).ancestors) == 2


def test_a_full_page_is_read_on_from_a_point_in_time_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE_ROWS", 3)
    kin = tuple(a_process(APP1, f"K{each}", "P1") for each in range(10))
    with case(Estate((APP1,), (*chain(APP1, 2), *kin))) as it:
        found = lineage(it, "P1", max_nodes=50)
        assert len(found.children) == 10
        assert it.fake.calls["open-point-in-time"] == 1
        assert it.fake.calls["search-pit"] == 4
        assert it.fake.calls["close-point-in-time"] == 1
        assert not it.fake.open_points


@pytest.mark.parametrize("what", ["expires", "fails", "is not whole"])
def test_a_point_in_time_is_closed_when_its_pages_are_abandoned(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(search, "PAGE_ROWS", 3)
    kin = tuple(a_process(APP1, f"K{each}", None, image=r"C:\K.exe") for each in range(10))
    with case(Estate((APP1,), kin)) as it:
        host = it.host()
        opened = it.fake._open

        def then(names: str) -> Answer:
            it.fake.points_expire = what == "expires"
            it.fake.failures = [400] if what == "fails" else []
            it.fake.failed_shards = 1 if what == "is not whole" else 0
            return opened(names)

        monkeypatch.setattr(it.fake, "_open", then)
        with pytest.raises(QueryFailed):
            it.edr.find_process(host, name="K.exe", window=WINDOW)
        assert it.fake.calls["open-point-in-time"] == it.fake.calls["close-point-in-time"] == 1
        assert not it.fake.open_points


def test_relatives_of_which_a_part_is_missing_are_reported_as_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    kin = tuple(a_process(APP1, f"K{each}", "P1") for each in range(3))
    with case(Estate((APP1,), (*chain(APP1, 2), *kin))) as it:
        host = it.host()
        whole = search.Search.whole

        def then_fail(self: search.Search, *given: object, **named: object) -> search.Found:
            found = whole(self, *given, **named)  # type: ignore[arg-type]
            it.fake.failed_shards = 1 if it.fake.calls["search"] == 2 else 0
            return found

        monkeypatch.setattr(search.Search, "whole", then_fail)
        found = it.edr.get_lineage(host, ref(APP1, "P1"), window=WINDOW)
        assert len(found.children) == 3
        assert found.truncated
        assert any("shards failed" in each for each in found.source_queries)


def test_a_quota_is_told_with_its_time() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it:
        host = it.host()
        it.fake.limited_until = START + timedelta(seconds=90)
        with pytest.raises(RateLimited) as caught:
            it.edr.get_lineage(host, ref(APP1, "P1"), window=WINDOW)
        assert caught.value.retry_at == START + timedelta(seconds=90)


def test_a_failure_that_passes_is_asked_again_and_one_that_stays_is_told() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it:
        host = it.host()
        it.fake.failures = [503]
        assert it.edr.get_lineage(host, ref(APP1, "P1"), window=WINDOW).ancestors
        it.fake.failures = [503] * 9
        with pytest.raises(Transient):
            it.edr.get_lineage(host, ref(APP1, "P1"), window=WINDOW)


def test_a_search_that_is_refused_is_a_failed_query_with_its_reason() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it:
        host = it.host()
        it.fake.failures = [400]
        with pytest.raises(QueryFailed, match="it failed"):
            it.edr.get_lineage(host, ref(APP1, "P1"), window=WINDOW)


# --- finding the process ---------------------------------------------------------------------------


def test_a_guid_is_an_entity_id_with_its_case() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it:
        host, key = it.host(), entity_id(APP1.host_id, "P1")
        (found,) = it.edr.find_process(host, guid=key, window=WINDOW)
        assert found.guid == key
        assert it.fake.calls == {"search": 1}
        assert it.edr.find_process(host, guid=key.swapcase(), window=WINDOW) == []
        assert it.edr.find_process(host, guid="F9A8B7C6-0000-0000-0000-000000000001", window=WINDOW) == []


def test_by_peer_with_the_start_from_long_before() -> None:
    began = START - timedelta(days=5)
    owner = a_process(APP1, "P1", None, start=began)
    events = (connected(APP1, "P1"), connected(APP1, "other", "203.0.113.9"))
    with case(Estate((APP1,), (owner,), events)) as it:
        host = it.host()
        (found,) = it.edr.find_process(
            host, name="p1.EXE", remote_ip="198.51.100.7", remote_port=443, window=WINDOW
        )
        assert found.start_time == began
        assert it.fake.calls == {"search": 2}
        for asked in ({"name": "x.exe"}, {"remote_port": 80}, {"pid": 7}):
            told = {"remote_ip": "198.51.100.7", **asked}
            assert it.edr.find_process(host, window=WINDOW, **told) == []  # type: ignore[arg-type]
        assert it.edr.find_process(host, remote_ip="198.51.100.0/24", window=WINDOW) == []


def test_two_processes_with_the_peer_are_both_named() -> None:
    events = (connected(APP1, "P0"), connected(APP1, "P1"), connected(APP1, "P1"))
    with case(Estate((APP1,), chain(APP1, 2), events)) as it:
        assert len(it.edr.find_process(it.host(), remote_ip="198.51.100.7", window=WINDOW)) == 2


def test_an_inbound_peer_is_the_source() -> None:
    with case(Estate((APP1,), chain(APP1, 2), (connected(APP1, "P1", initiated=False),))) as it:
        (found,) = it.edr.find_process(it.host(), remote_ip="198.51.100.7", window=WINDOW)
        assert found.guid == entity_id(APP1.host_id, "P1")


def test_by_name_those_that_ran_then() -> None:
    def run(guid: str, start: int, end: int | None) -> Process:
        return a_process(
            APP1,
            guid,
            None,
            image=r"C:\Tools\RegSvcs.exe",
            start=START - timedelta(minutes=start),
            end_time=None if end is None else START - timedelta(minutes=end),
        )

    runs = (run("before", 300, 200), run("across", 200, 30), run("still", 2000, None), run("in", 40, 20))
    with case(Estate((APP1,), runs)) as it:
        found = it.edr.find_process(it.host(), name="regsvcs.exe", window=WINDOW)
        names = {entity_id(APP1.host_id, each) for each in ("across", "still", "in")}
        assert {each.guid for each in found} == names
        assert it.edr.find_process(it.host(), name="regsvcs", window=WINDOW) == []
        assert it.edr.find_process(it.host(), window=WINDOW) == []


def test_a_host_of_another_connector_is_not_asked_about() -> None:
    with case(Estate((APP1,), chain(APP1, 2))) as it:
        foreign = it.host().model_copy(update={"connector": "defender"})
        with pytest.raises(HostNotFound):
            it.edr.get_lineage(foreign, ref(APP1, "P1"), window=WINDOW)
        assert not it.fake.calls


# --- the same story as the Sysmon file ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["stealer/sysmon.xml", "installer/sysmon.ndjson", "local-only/sysmon.ndjson"]
)
def test_the_same_story_as_the_file(examples: Path, name: str) -> None:
    path = examples / name
    events = list(read_events([path], CASE_EVENTS, ReadReport()))
    store = SysmonStore({"regsvcs.exe"})
    for event in events:
        store.add(event)
    file = SysmonFileEdr(store, ReadReport())
    estate = estate_of(path)
    (known,) = estate.hosts
    clock = Clock()
    assert known.last_seen is not None
    clock.now = known.last_seen + timedelta(hours=1)
    with case(estate, clock=clock) as it:
        mine, theirs = it.host(known.name), file.resolve_host(hostname=known.name)
        (own,) = it.edr.find_process(mine, name="RegSvcs.exe", window=ALWAYS)
        (other,) = file.find_process(theirs, name="RegSvcs.exe", window=ALWAYS)
        here = it.edr.get_lineage(mine, own, window=ALWAYS)
        there = file.get_lineage(theirs, other, window=ALWAYS)

        def plain(process: Process) -> tuple[object, ...]:
            return (
                process.name,
                process.ref.pid,
                process.ref.start_time,
                process.command_line,
                process.user,
                process.integrity,
                process.original_file_name,
                frozenset(process.hashes),
                process.end_time,
                process.known_from,
            )

        for part in ("ancestors", "siblings", "children"):
            assert [plain(each) for each in getattr(here, part)] == [
                plain(each) for each in getattr(there, part)
            ]
        assert plain(here.target) == plain(there.target)
        assert [each.kind for each in here.gaps] == [each.kind for each in there.gaps]
        seen = it.edr.get_process_evidence(mine, own, window=ALWAYS)
        told = file.get_process_evidence(theirs, other, window=ALWAYS)
        assert [(c.dest_ip, c.dest_port, c.time, c.count, c.initiated) for c in seen.connections] == [
            (c.dest_ip, c.dest_port, c.time, c.count, c.initiated) for c in told.connections
        ]
        assert [(d.name, d.addresses, d.time) for d in seen.dns] == [
            (d.name, d.addresses, d.time) for d in told.dns
        ]
        assert {m.path for m in seen.modules} == {m.path for m in told.modules}
        assert {f.path for f in seen.files_written} == {f.path for f in told.files_written}
        assert {(f.path, f.writer_image) for f in seen.image_writers} == {
            (f.path, f.writer_image) for f in told.image_writers
        }
