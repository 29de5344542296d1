"""On which hosts a connection was seen, over log files and over the same events in Splunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.edr.sysmon_file import evidence, machines
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.edr.sysmon_splunk import machines as splunk_machines
from connectors.edr.sysmon_splunk import queries
from connectors.edr.sysmon_splunk.connector import SysmonSplunk
from connectors.errors import QueryFailed
from connectors.facts.base import EARLIEST_INSTANT, LATEST_INSTANT
from connectors.facts.notable import Direction
from connectors.ports import ConnectionClue, EdrConnector, MachineSeen, Window
from tests.events import REGSVCS, bare, connected, created, guid
from tests.fakes.splunk_events import indexed
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.fakes.splunk_spl import pipeline
from tests.http_clients import Clock, client

NAME = "regsvcs.exe"
SRC, PEER = "10.0.0.11", "198.51.100.7"
UNKNOWN = "<unknown process>"
NOW = datetime.fromisoformat("2026-09-24T09:00:00+00:00")
WHOLE = Window(EARLIEST_INSTANT, LATEST_INSTANT)
CLUE = ConnectionClue(NAME, SRC, PEER)


def _connected(number: int | None, host: str = "WS01", **data: object) -> RawEvent:
    ends: dict[str, object] = {"SourceIp": SRC, "DestinationIp": PEER}
    second = data.pop("second", 60)
    assert isinstance(second, int | float)
    return connected(number, second=second, host=host, **{**ends, **data})


def file_edr(events: Sequence[RawEvent]) -> SysmonFileEdr:
    store = SysmonStore({NAME, "notepad.exe"})
    for each in events:
        store.add(each)
    return SysmonFileEdr(store, ReadReport())


class InSplunk:
    """A connector, and the Splunk that it asks."""

    def __init__(self, edr: SysmonSplunk, fake: FakeSplunk) -> None:
        self.edr, self.fake = edr, fake

    @property
    def searches(self) -> int:
        return self.fake.calls["start"]


@contextmanager
def splunk(events: Sequence[RawEvent], **told: object) -> Iterator[InSplunk]:
    clock = Clock()
    clock.now = NOW

    def monotonic() -> float:
        return (clock.now - NOW).total_seconds()

    held = [indexed(each, number) for number, each in enumerate(events, start=1)]
    with FakeSplunk(held, clock) as fake, client(clock) as http:
        edr = SysmonSplunk(
            http,
            fake.edr_settings(**told),
            SecretStr(TOKEN),
            clock=clock,
            sleep=clock.sleep,
            monotonic=monotonic,
        )
        yield InSplunk(edr, fake)


@contextmanager
def _file(events: Sequence[RawEvent]) -> Iterator[EdrConnector]:
    yield file_edr(events)


@contextmanager
def _splunk(events: Sequence[RawEvent]) -> Iterator[EdrConnector]:
    with splunk(events) as case:
        yield case.edr


over_both = pytest.mark.parametrize("opened", [_file, _splunk], ids=["file", "splunk"])
type Opened = Callable[[Sequence[RawEvent]], AbstractContextManager[EdrConnector]]


def _told(found: Sequence[MachineSeen]) -> list[tuple[str, list[str | None], Direction, tuple[str, ...]]]:
    return [
        (each.host.hostname, [one.guid for one in each.processes], each.direction, each.peer_names)
        for each in found
    ]


# --- both --------------------------------------------------------------------------------------


@over_both
def test_what_the_source_calls_the_peer_is_told_by_direction(opened: Opened) -> None:
    out = {"SourceHostname": "ws01.corp.example", "DestinationHostname": "c2.example"}
    events = [
        _connected(1, **out),
        _connected(1, **{**out, "DestinationHostname": "C2.example"}, second=61),
        _connected(1, **{**out, "DestinationHostname": "second.example"}, second=62),
        _connected(1, **{**out, "DestinationHostname": "-"}, second=63),
        _connected(1, **{**out, "DestinationHostname": ""}, second=64),
        _connected(
            2,
            "WS02",
            SourceIp=PEER,
            DestinationIp=SRC,
            Initiated=False,
            SourceHostname="scanner.example",
            DestinationHostname="ws02.corp.example",
        ),
        _connected(3, "WS03", Initiated=None, DestinationIp="198.51.100.8", **out),
    ]
    with opened(events) as edr:
        (one,) = edr.find_machines(CLUE, window=WHOLE)
        assert one.peer_names == ("c2.example", "second.example")
        (other,) = edr.find_machines(ConnectionClue(NAME, PEER, SRC), window=WHOLE)
        assert (other.direction, other.peer_names) == (Direction.INBOUND, ("scanner.example",))
        # Without a direction neither of the two names is certainly the peer's.
        (third,) = edr.find_machines(ConnectionClue(NAME, SRC, "198.51.100.8"), window=WHOLE)
        assert (third.host.hostname, third.direction, third.peer_names) == ("WS03", Direction.UNKNOWN, ())


@over_both
@pytest.mark.parametrize("null", [False, True])
def test_a_process_that_sysmon_lost_is_the_one_that_was_started(opened: Opened, null: bool) -> None:
    """By its guid, or where that is null by its pid there; on another host the pid is of another process."""
    lost = _connected(None if null else 1, Image=UNKNOWN, ProcessId=1001)
    elsewhere = _connected(None if null else 5, "WS02", Image=UNKNOWN, ProcessId=1001)
    events = [
        created(1, None, REGSVCS, second=30, host="WS01", pid=1001),
        created(2, None, r"C:\Windows\notepad.exe", second=90, host="WS01", pid=1001),
        created(5, None, r"C:\Windows\notepad.exe", second=30, host="WS02", pid=1001),
        lost,
        elsewhere,
    ]
    with opened(events) as edr:
        found = edr.find_machines(CLUE, window=WHOLE)
        assert _told(found) == [("WS01", [bare(1)], Direction.OUTBOUND, ("not.used.example",))]
        assert found[0].processes[0].start_time is not None


@over_both
def test_a_lost_process_whose_start_is_not_there_is_nobodys(opened: Opened) -> None:
    with opened([_connected(1, Image=UNKNOWN), _connected(None, Image=UNKNOWN)]) as edr:
        assert list(edr.find_machines(CLUE, window=WHOLE)) == []


@over_both
def test_a_guid_is_found_by_its_start_alone_and_says_no_direction(opened: Opened) -> None:
    clue = ConnectionClue(NAME, None, None, (guid(1).lower(),))
    with opened([created(1, None, REGSVCS, second=30, host="WS01")]) as edr:
        found = edr.find_machines(clue, window=Window(NOW, NOW))
        assert _told(found) == [("WS01", [bare(1)], Direction.UNKNOWN, ())]


@over_both
def test_of_a_guid_only_the_connection_asked_for_says_direction_and_names(opened: Opened) -> None:
    events = [
        _connected(1, DestinationHostname="c2.example"),
        _connected(
            1, SourceIp="203.0.113.5", DestinationIp=SRC, Initiated=False, SourceHostname="other.example"
        ),
    ]
    with opened(events) as edr:
        for src_ip, dest_ip in ((SRC, PEER), (None, PEER), (SRC, None)):
            (one,) = edr.find_machines(ConnectionClue(NAME, src_ip, dest_ip, (bare(1),)), window=WHOLE)
            assert (one.direction, one.peer_names) == (Direction.OUTBOUND, ("c2.example",))
        (all_of_it,) = edr.find_machines(ConnectionClue(NAME, None, None, (bare(1),)), window=WHOLE)
        assert all_of_it.direction is Direction.UNKNOWN


@over_both
def test_a_guid_on_two_machines_is_two_machines(opened: Opened) -> None:
    """Machines that were copied with Sysmon in them make the same guids."""
    with opened([_connected(1, "WS01"), _connected(1, "WS02")]) as edr:
        clue = ConnectionClue(NAME, None, None, (bare(1),))
        assert [each.host.hostname for each in edr.find_machines(clue, window=WHOLE)] == ["WS01", "WS02"]


@over_both
def test_addresses_are_one_however_they_are_written(opened: Opened) -> None:
    logged = {"SourceIp": "2001:db8:0:0:0:0:0:11", "DestinationIp": "2001:0DB8:0000:0000:0000:0000:0000:0007"}
    with opened([_connected(1, **logged)]) as edr:
        (one,) = edr.find_machines(ConnectionClue(NAME, "2001:DB8::11", "2001:db8::7"), window=WHOLE)
        assert one.host.hostname == "WS01"
        assert [each.ip for each in one.host.addresses] == ["2001:db8::11"]


@over_both
def test_processes_stand_in_the_order_of_their_connections(opened: Opened) -> None:
    with opened([_connected(3, second=90), _connected(1, second=30), _connected(2, second=60)]) as edr:
        (one,) = edr.find_machines(CLUE, window=WHOLE)
        assert [each.guid for each in one.processes] == [bare(1), bare(2), bare(3)]


#: Process 2 is another one. Where a guid is null the pid stays.
_IMAGES = {1: REGSVCS, 2: r"C:\Windows\notepad.exe"}


def _logged(
    number: int,
    host: str,
    *,
    lost: bool,
    null: bool,
    ends: tuple[str, str],
    initiated: bool | None,
    second: int,
) -> RawEvent:
    return _connected(
        None if null else number,
        host,
        ProcessId=1000 + number,
        Image=UNKNOWN if lost else _IMAGES[number],
        SourceIp=ends[0],
        DestinationIp=ends[1],
        Initiated=initiated,
        second=second,
    )


_EVENT = st.builds(
    _logged,
    st.sampled_from([1, 2]),
    st.sampled_from(["WS01", "WS02", "ws01"]),
    lost=st.booleans(),
    null=st.booleans(),
    ends=st.sampled_from([(SRC, PEER), (PEER, SRC), ("10.0.0.12", PEER)]),
    initiated=st.sampled_from([True, False, None]),
    second=st.sampled_from([30, 60, 90]),
)
_START = st.builds(
    lambda number, host: created(number, None, _IMAGES[number], host=host, second=45 * (number - 1)),
    st.sampled_from([1, 2]),
    st.sampled_from(["WS01", "WS02"]),
)


def _plain(found: Sequence[MachineSeen]) -> list[object]:
    """Without what the order of reading and the one search leave open."""
    return [
        (
            each.host.hostname.lower(),
            each.direction,
            {(one.guid, one.pid, one.name) for one in each.processes},
            each.peer_names,
        )
        for each in found
    ]


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.one_of(_EVENT, _START), max_size=8),
    st.sampled_from([(SRC, PEER), (PEER, SRC), (None, PEER)]),
    st.sampled_from([(), (bare(1),), (bare(1), bare(2))]),
)
def test_splunk_tells_the_machines_that_the_file_tells(
    events: list[RawEvent], ends: tuple[str | None, str | None], guids: tuple[str, ...]
) -> None:
    clue = ConnectionClue(NAME, *ends, guids)
    expected = file_edr(events).find_machines(clue, window=WHOLE)
    with splunk(events) as case:
        found = case.edr.find_machines(clue, window=WHOLE)
        assert case.searches <= 2
    assert _plain(found) == _plain(expected)


# --- log files ---------------------------------------------------------------------------------


def test_a_connection_between_two_others_of_a_long_one_is_not_in_their_time() -> None:
    events = [
        *(_connected(1, "LONG", second=second) for second in (0, 600)),
        _connected(2, "SHORT", second=60),
        _connected(3, "LATE", second=300),
    ]
    at = datetime.fromisoformat("2026-09-24T07:00:00+00:00")
    for first, last, names in ((200, 250, ["LONG"]), (50, 70, ["LONG", "SHORT"]), (700, 800, [])):
        window = Window(at + timedelta(seconds=first), at + timedelta(seconds=last))
        found = file_edr(events).find_machines(CLUE, window=window)
        assert [each.host.hostname for each in found] == names


def test_a_log_that_was_kept_in_part_does_not_say_that_there_is_no_other_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (evidence, machines):
        monkeypatch.setattr(module, "KEPT_CONNECTIONS", 2)
    full = [_connected(10 + n, "BUSY", DestinationIp="203.0.113.1") for n in range(2)]
    ours = _connected(1, "WS01")
    for events in ([*full], [*full, ours]):
        with pytest.raises(QueryFailed, match="BUSY"):
            file_edr(events).find_machines(CLUE, window=WHOLE)
    two = file_edr([*full, ours, _connected(2, "WS02")]).find_machines(CLUE, window=WHOLE)
    assert [each.host.hostname for each in two] == [
        "WS01",
        "WS02",
    ]  # two are ambiguous, whatever else there is
    by_guid = file_edr([*full, ours]).find_machines(CLUE._replace(guids=(bare(1),)), window=WHOLE)
    assert [each.host.hostname for each in by_guid] == ["WS01"]


def test_a_thousand_notables_of_one_server_do_not_search_the_log_a_thousand_times() -> None:
    """Eight times the machines, each with a notable: about eight times the work, and never 64 times."""

    def work(count: int, *, one_address: bool) -> float:
        def own(number: int) -> str:
            return SRC if one_address else f"10.1.{number // 250}.{number % 250}"

        events = [
            _connected(n, f"WS{n}", SourceIp=own(n), ProcessGuid=f"{{{n:08X}-0-0-0-0}}") for n in range(count)
        ]
        edr = file_edr(events)
        began = process_time()
        for number in range(count):
            clue = ConnectionClue(NAME, own(number), PEER, (f"{number:08X}-0-0-0-1",))
            assert edr.find_machines(clue, window=WHOLE)
        return process_time() - began

    for one_address in (False, True):
        small = min(work(100, one_address=one_address) for _ in range(2))
        assert work(800, one_address=one_address) < 32 * small


# --- Splunk ------------------------------------------------------------------------------------


def test_one_search_tells_the_machine_and_a_beacon_does_not_fill_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splunk_machines, "MOST_EVENTS", 3)
    beacon = [_connected(1, SourcePort=50_000 + n, second=n, DestinationPort=n) for n in range(40)]
    with splunk([created(1, None, REGSVCS, host="WS01"), *beacon, _connected(2, "WS02")]) as case:
        for clue in (CLUE, CLUE._replace(guids=(bare(1),))):
            before = case.searches
            found = case.edr.find_machines(clue, window=WHOLE)
            assert case.searches == before + 1
        assert _told(found) == [("WS01", [bare(1)], Direction.OUTBOUND, ("not.used.example",))]
        assert [each.host.hostname for each in case.edr.find_machines(CLUE, window=WHOLE)] == ["WS01", "WS02"]


def test_more_than_can_be_looked_through_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splunk_machines, "MOST_EVENTS", 3)
    with (
        splunk([_connected(n, f"WS{n}") for n in range(4)]) as case,
        pytest.raises(QueryFailed, match="none is named"),
    ):
        case.edr.find_machines(CLUE, window=WHOLE)


def test_the_other_way_round_does_not_fill_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splunk_machines, "MOST_EVENTS", 3)
    others = [_connected(n, f"WS{n}", SourceIp=PEER, DestinationIp=SRC) for n in range(2, 9)]
    for odd in ({"SourceIp": "10.0.0.12"}, {"DestinationIp": "198.51.100.8"}):
        others += [_connected(n, f"WS{n}", CommandLine=f"{SRC} {PEER}", **odd) for n in range(20, 29)]
    with splunk([*others, _connected(1)]) as case:
        assert [each.host.hostname for each in case.edr.find_machines(CLUE, window=WHOLE)] == ["WS01"]


def test_an_answer_that_is_not_all_names_none() -> None:
    with splunk([_connected(1)]) as case:
        case.fake.messages = [("ERROR", "[idx2] the peer did not answer")]
        with pytest.raises(QueryFailed, match="none is named"):
            case.edr.find_machines(CLUE, window=WHOLE)


def test_nothing_is_asked_where_nothing_can_be_found() -> None:
    with splunk([_connected(1)]) as case:
        for clue in (
            ConnectionClue(NAME, None, PEER),
            ConnectionClue(NAME, SRC, "c2.example"),
            ConnectionClue(" ", SRC, PEER),
            ConnectionClue(NAME, None, None, ("", "-", "{00000000-0000-0000-0000-000000000000}")),
        ):
            assert list(case.edr.find_machines(clue, window=WHOLE)) == []
        assert case.searches == 0


def test_a_search_looks_no_further_back_than_the_history() -> None:
    with splunk([_connected(1, Image=UNKNOWN)], history_days=30) as case:
        assert list(case.edr.find_machines(CLUE, window=WHOLE)) == []
        spans = [
            float(form["latest_time"]) - float(form["earliest_time"])
            for form in case.fake.forms
            if "earliest_time" in form
        ]
        assert len(spans) == 2
        assert max(spans) < timedelta(days=63).total_seconds()


def test_the_index_narrows_a_search_over_all_hosts() -> None:
    query = queries.seen_on_any("index=sysmon", guids=[bare(1)], name=NAME, ends=(SRC, PEER))
    terms, *_ = pipeline(query)
    assert terms == (
        f'search (index=sysmon) (("{bare(1)}") OR ("{SRC}" "{PEER}" (("{NAME}") OR ("unknown process"))))'
    )


_TEXT = st.text(st.sampled_from("\"\\|[]`*%$'<> =()aZ."), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(_TEXT, st.lists(_TEXT, max_size=2))
def test_no_text_of_a_clue_leaves_its_literal(name: str, ids: list[str]) -> None:
    """The commands are the same whatever the texts are, and a search term holds letters and digits only."""
    for query in (
        queries.seen_on_any("index=sysmon", guids=ids, name=name, ends=(SRC, PEER)),
        queries.starts("index=sysmon", guids=ids or [bare(1)], pids=[(name, 4)]),
    ):
        terms, *commands = pipeline(query)
        assert {each.partition(" ")[0] for each in commands} <= {
            "rex",
            "eval",
            "where",
            "sort",
            "dedup",
            "table",
        }
        for term in re.findall(r'"([^"]*)"', terms):
            assert re.fullmatch(r"[A-Za-z0-9 ._:-]+", term)


def test_telling_processes_apart_costs_no_search() -> None:
    events = [
        *(created(n, None, REGSVCS, host="WS01", User=rf"CORP\user{n}") for n in (1, 2)),
        *(_connected(n, User=rf"CORP\user{n}", SourceIp=f"10.0.0.{n}") for n in (1, 2)),
    ]
    with splunk(events) as case:
        host = case.edr.resolve_host(hostname="WS01")

        def found(**told: str) -> tuple[list[str | None], int]:
            before = case.searches
            processes = case.edr.find_process(host, name=NAME, remote_ip=PEER, window=WHOLE, **told)  # type: ignore[arg-type]  # texts alone
            return [each.guid for each in processes], case.searches - before

        both, searches = found()
        assert both == [bare(1), bare(2)]
        assert found(user="user2") == ([bare(2)], searches)
        assert found(local_ip="10.0.0.1") == ([bare(1)], searches)
