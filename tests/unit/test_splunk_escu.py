"""The analytic over plain Splunk: the schedule of ESCU, and each group once whatever happens in between."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import ConnectorError, InputError, NotSupported, QueryFailed
from connectors.facts.notable import Direction, Notable, NotableSource
from connectors.ports import Checkpoint, NotableUpdate
from connectors.siem.generations import VERSION_15
from connectors.siem.splunk import escu
from connectors.siem.splunk.checkpoint import Kind, Progress
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.escu import EscuAnalytic, EscuPoll, EscuWindow, due_windows, poll_spl, shipped_spl
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_spl import Row
from tests.http_clients import START

HOUR = 3600
#: START is 08:00; the run of 08:00 looks at 06:50 to 07:50.
RUN = int(START.timestamp())


def event(number: int, at_s: float, lag_s: float = 30, **changes: Any) -> Row:
    """A connection so many seconds after START, indexed `lag_s` later."""
    when = RUN + at_s
    return {
        "_time": float(when),
        "_indextime": int(when + lag_s),
        "dest": f"WS-{number}",
        "user": r"CORP\sam",
        "process_name": "RegSvcs.exe",
        "src_ip": "10.0.0.5",
        "dest_ip": "203.0.113.7",
        "dest_port": 443,
        "ProcessGuid": "{5E6DE97D-B137-47AB-8905-8C4F42998937}",
        "Initiated": "true",
        **changes,
    }


class Poller:
    """A caller that keeps its checkpoint after each page."""

    def __init__(self, siem: SplunkSiem) -> None:
        self.siem = siem
        self.token: str | None = None
        self.got: list[Notable] = []

    def poll(self, limit: int = 100) -> int:
        page, after = self.siem.fetch_notables(Checkpoint(self.token) if self.token else None, limit=limit)
        self.got += page
        self.token = after.token
        return len(page)

    @property
    def hosts(self) -> list[str]:
        return [each.dest for each in self.got]


@pytest.fixture
def at() -> Iterator[Bench]:
    with bench(notables_from=NotablesFrom.ESCU) as made:
        yield made


# --- planning ------------------------------------------------------------


def when(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-24T{text}:00+00:00")


def progress(ran: str, since: str) -> Progress:
    return Progress(
        Kind.ESCU, int(when(since).timestamp()), int(when(since).timestamp()), {}, int(when(ran).timestamp())
    )


def test_the_first_poll_searches_the_window_of_the_last_run() -> None:
    planned = due_windows(None, when("08:25"))
    assert planned.windows == (EscuWindow(when("06:50"), when("07:50")),)
    assert planned.ran == when("08:00").timestamp()


def test_a_second_poll_in_the_same_hour_only_looks_back() -> None:
    planned = due_windows(progress("08:00", "08:10"), when("08:40"))
    assert planned.windows == (EscuWindow(when("06:50") - timedelta(hours=24), when("07:50"), when("08:10")),)
    assert planned.ran == when("08:00").timestamp()


def test_every_skipped_run_has_its_window_and_they_meet() -> None:
    planned = due_windows(progress("04:00", "04:00"), when("08:05"))
    late, *new = planned.windows
    assert late.end == new[0].start == when("03:50")
    assert [each.start for each in new] == [when("03:50"), when("04:50"), when("05:50"), when("06:50")]
    assert all(one.end == other.start for one, other in pairwise(new))
    assert all(each.indexed_since is None for each in new)


def test_a_long_absence_is_made_up_for_in_several_polls() -> None:
    done = progress("08:00", "08:00")
    later = when("08:00") + timedelta(days=3)
    runs = []
    while done.ran < later.timestamp():
        planned = due_windows(done, later)
        runs += [each.start for each in planned.windows if each.indexed_since is None]
        assert len(planned.windows) <= escu.MAX_WINDOWS + 1
        done = done._replace(ran=planned.ran)
    assert runs == [when("07:50") + timedelta(hours=n) for n in range(72)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 48))
def test_windows_tile_the_time_whenever_polls_come(start_s: int, gap_s: int, first_runs: int) -> None:
    now = START + timedelta(seconds=start_s)
    poll = EscuPoll(first_runs=first_runs)
    first = due_windows(None, now, poll)
    after = Progress(Kind.ESCU, int(now.timestamp()), int(now.timestamp()), {}, first.ran)
    second = due_windows(after, now + timedelta(seconds=gap_s), poll)
    new = [each for each in (*first.windows, *second.windows) if each.indexed_since is None]
    assert all(one.end == other.start for one, other in pairwise(new))
    assert all(each.end - each.start == timedelta(hours=1) and each.start.minute == 50 for each in new)
    assert all(each.end <= now + timedelta(seconds=gap_s) - timedelta(minutes=10) for each in new)


# --- the search ------------------------------------------------------------


def test_the_shipped_search_is_word_for_word_that_of_escu() -> None:
    assert shipped_spl() == (
        "`sysmon` EventID=3 dest_ip!=10.0.0.0/8 dest_ip!=172.16.0.0/12 dest_ip!=192.168.0.0/16 "
        "process_name=regsvcs.exe | stats count min(_time) as firstTime max(_time) as lastTime by dest, "
        "user, process_name, src_ip, dest_ip | `security_content_ctime(firstTime)` | "
        "`security_content_ctime(lastTime)` | `detect_regsvcs_with_network_connection_filter`"
    )


def test_version_15_is_word_for_word_that_of_escu_on_one_line() -> None:
    regasm = EscuAnalytic("Detect Regasm with Network Connection", "regasm.exe", filter_macro="f")
    assert shipped_spl(regasm, VERSION_15) == (
        '`sysmon` EventID=3 NOT dest_ip IN ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", '
        '"100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.0.0/29", '
        '"192.0.0.8/32", "192.0.0.9/32", '
        '"192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", '
        '"192.52.193.0/24", "192.88.99.0/24", "224.0.0.0/4", "192.175.48.0/24", "198.18.0.0/15", '
        '"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4") process_name=regasm.exe | stats count '
        "min(_time) as firstTime max(_time) as lastTime by action app dest dest_ip dest_port direction dvc "
        "protocol protocol_version src src_ip src_port transport user vendor_product process_name "
        "process_exec process_guid process_id | `security_content_ctime(firstTime)` | "
        "`security_content_ctime(lastTime)` | `f`"
    )


def test_the_poll_drops_no_event_for_a_field_that_an_add_on_does_not_make() -> None:
    query = poll_spl(EscuAnalytic(), EscuWindow(START, START + timedelta(hours=1)))
    (stats,) = (each for each in query.split(" | ") if each.startswith("stats "))
    assert stats.partition(" by ")[2] == (
        "escu_window, dest, user, process_name, src_ip, dest_ip, escu_machine"
    )
    assert 'escu_machine=coalesce(Computer, dvc, "-")' in query
    for name in (
        "dvc",
        "Computer",
        "src",
        "direction",
        "process_guid",
        "process_id",
        "src_port",
        "dest_host",
    ):
        assert f"values({name}) as {name}" in stats


@pytest.mark.parametrize(
    "changes",
    [
        {"process_name": "regsvcs.exe | delete"},
        {"process_name": "regsvcs.exe OR x"},
        {"process_name": ""},
        {"sysmon": "index=x | delete"},
        {"sysmon": "index=x [search y]"},
        {"sysmon": 'index="x'},
        {"sysmon": "index=x\n| delete"},
        {"filter_macro": "x` | delete | `y"},
    ],
)
def test_a_name_that_would_change_the_search_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InputError):
        poll_spl(EscuAnalytic()._replace(**changes), EscuWindow(START, START + timedelta(hours=1)))
    with pytest.raises(InputError):
        shipped_spl(EscuAnalytic()._replace(**changes))


# --- polling ------------------------------------------------------------


def test_a_group_is_a_notable_with_what_its_events_say(at: Bench) -> None:
    at.fake.connections = [
        event(1, -3600),
        event(1, -3000, dest_port=8443),
        event(2, -3000, dest_ip="10.1.2.3"),
    ]
    poller = Poller(at.siem)
    assert poller.poll() == 1
    (got,) = poller.got
    assert (got.source, got.search_name) == (
        NotableSource.DETECTION,
        "Detect Regsvcs with Network Connection",
    )
    assert (got.dest, got.process_name, got.count, got.dest_ports) == ("WS-1", "RegSvcs.exe", 2, (443, 8443))
    assert (got.first_time, got.last_time) == (START - timedelta(hours=1), START - timedelta(minutes=50))
    assert got.process_guids == ("5E6DE97D-B137-47AB-8905-8C4F42998937",)
    assert got.direction is Direction.OUTBOUND
    assert got.event_id.startswith("escu:")


#: What the add-on that Splunk supports makes of a connection: dest is the peer.
def supported(number: int, at_s: float, **changes: Any) -> Row:
    names: Row = dict.fromkeys(("dvc", "Computer", "src"), f"WS-{number}")
    said: Row = {"direction": "outbound", "process_id": 4000 + number, "src_port": 50_000 + number}
    return event(number, at_s, dest="c2.example", **names, **said, **changes)


def test_two_victims_of_one_server_are_two_groups_each_with_its_own(at: Bench) -> None:
    at.fake.connections = [supported(1, -3600), supported(1, -3500), supported(2, -3000)]
    poller = Poller(at.siem)
    assert [poller.poll(), poller.poll()] == [2, 0]
    assert len({each.event_id for each in poller.got}) == 2
    assert {each.dest: each.count for each in poller.got} == {"WS-1": 2, "WS-2": 1}
    assert {each.dest_given for each in poller.got} == {"c2.example"}
    assert {each.process_ids for each in poller.got} == {(4001,), (4002,)}
    assert {each.src_ports for each in poller.got} == {(50_001,), (50_002,)}
    # A victim whose event comes late raises, and the other not again.
    at.fake.connections.append({**supported(3, -3000), "_indextime": RUN + HOUR})
    at.clock.advance(2 * HOUR)
    assert [poller.poll(), poller.poll()] == [1, 0]


def test_an_id_is_as_before_where_dest_is_the_machine_or_there_is_none() -> None:
    analytic = EscuAnalytic()
    row = {
        **dict.fromkeys(escu.BY, "x"),
        "dest": "WS-1",
        "dest_ip": "203.0.113.7",
        "escu_window": "1",
        "first_indexed": "1",
    }
    text = '["Detect Regsvcs with Network Connection",1,"WS-1","x","x","x","203.0.113.7"]'
    before = f"escu:{hashlib.sha256(text.encode()).hexdigest()}"
    ids = [escu._group(analytic, {**row, **more})[0] for more in ({}, {"escu_machine": "-"})]
    assert [*ids, escu._group(analytic, {**row, "escu_machine": "WS-1"})[0]] == [before] * 3
    apart = {escu._group(analytic, {**row, "escu_machine": name})[0] for name in ("WS-2", "WS-3", "ws-1")}
    assert len(apart | {before}) == 4


def test_what_a_group_says_is_handed_on_under_the_names_of_a_notable() -> None:
    row = {
        **dict.fromkeys(escu.BY, "x"),
        "count": "2",
        "escu_machine": "WS-1",
        "Computer": "WS-1",
        "dvc": "WS-1",
        "src": ["WS-1", "ws-1"],
        "Initiated": "true",
        "ProcessGuid": "{A}",
        "ProcessId": "7",
        "process_guid": "{B}",
        "src_port": ["1", "2"],
    }
    assert escu.notable_fields(EscuAnalytic(), row, "escu:1") == {
        **dict.fromkeys(escu.BY, "x"),
        "count": "2",
        "Computer": "WS-1",
        "dvc": "WS-1",
        "src": ["WS-1", "ws-1"],
        "direction": "true",
        "process_guid": "{B}",
        "process_id": "7",
        "src_port": ["1", "2"],
        "event_id": "escu:1",
        "search_name": "Detect Regsvcs with Network Connection",
    }


def test_the_window_ends_ten_minutes_before_the_run(at: Bench) -> None:
    at.fake.connections = [event(1, -600 - 1), event(2, -600), event(3, -4200), event(4, -4200 - 1)]
    poller = Poller(at.siem)
    poller.poll()
    assert poller.hosts == ["WS-1", "WS-3"]
    at.clock.advance(HOUR)
    poller.poll()
    assert poller.hosts == ["WS-1", "WS-3", "WS-2"]


def test_polling_again_within_the_hour_doubles_nothing(at: Bench) -> None:
    at.fake.connections = [event(1, -3600)]
    poller = Poller(at.siem)
    counts = []
    for _ in range(5):
        counts.append(poller.poll())
        at.clock.advance(600)
    assert counts == [1, 0, 0, 0, 0]


def test_skipped_runs_are_made_up_for(at: Bench) -> None:
    poller = Poller(at.siem)
    poller.poll()
    at.fake.connections = [event(n, n * HOUR) for n in range(6)]
    at.clock.advance(7 * HOUR)
    assert poller.poll() == 6
    assert poller.hosts == [f"WS-{n}" for n in range(6)]
    searches = [each for each in at.fake.queries if not each.startswith("| makeresults")]
    assert len(searches) == 3  # the first; then the look back, and all skipped windows in one


def test_an_event_indexed_after_its_window_was_searched_raises_once(at: Bench) -> None:
    at.fake.connections = [event(1, -3600)]
    poller = Poller(at.siem)
    poller.poll()
    at.fake.connections.append(event(2, -3600, lag_s=3 * HOUR))
    for _ in range(5):
        at.clock.advance(HOUR)
        poller.poll()
    assert poller.hosts == ["WS-1", "WS-2"]


def test_a_late_event_of_a_group_that_was_raised_does_not_raise_it_again(at: Bench) -> None:
    at.fake.connections = [event(1, -3600)]
    poller = Poller(at.siem)
    poller.poll()
    at.fake.connections.append(event(1, -3500, lag_s=2 * HOUR))
    for _ in range(4):
        at.clock.advance(HOUR)
        poller.poll()
    assert poller.hosts == ["WS-1"]


def test_an_event_that_is_searchable_later_than_it_was_indexed_is_not_lost(at: Bench) -> None:
    at.fake.connections = [event(1, -601, lag_s=500, _visible=RUN + 700.0)]
    at.clock.advance(10)
    poller = Poller(at.siem)
    assert poller.poll() == 0
    at.clock.advance(HOUR)
    assert poller.poll() == 1


def test_the_same_group_in_another_hour_is_another_notable(at: Bench) -> None:
    at.fake.connections = [event(1, -3600), event(1, -3600 + HOUR)]
    poller = Poller(at.siem)
    poller.poll()
    at.clock.advance(HOUR)
    poller.poll()
    assert len({each.event_id for each in poller.got}) == 2


def test_a_crash_before_the_token_is_kept_gives_the_same_ids(at: Bench) -> None:
    at.fake.connections = [event(1, -3600)]
    ((first,), _) = at.siem.fetch_notables(None, limit=9)
    at.clock.advance(300)
    ((again,), _) = at.again(notables_from=NotablesFrom.ESCU).fetch_notables(None, limit=9)
    assert first.event_id == again.event_id


def test_pages_of_one_poll_lose_none_and_repeat_none(at: Bench) -> None:
    at.fake.connections = [event(n, -3600 + n) for n in range(10)]
    poller = Poller(at.siem)
    counts = [poller.poll(limit=4) for _ in range(5)]
    assert counts == [4, 4, 2, 0, 0]
    assert sorted(poller.hosts) == [f"WS-{n}" for n in range(10)]


def test_a_skipped_run_late_events_a_restart_and_a_failed_page_yield_each_once(at: Bench) -> None:
    """The whole of it, as the issue words it."""
    poller = Poller(at.siem)
    at.fake.connections = [event(1, -3600), event(2, -3000, lag_s=2 * HOUR), event(3, 0), event(4, HOUR)]
    assert poller.poll() == 1
    at.clock.advance(3 * HOUR)  # two runs were skipped
    at.fake.failing = 1
    with pytest.raises(QueryFailed):
        poller.poll()
    poller.siem = at.again(notables_from=NotablesFrom.ESCU)  # a restart
    assert poller.poll(limit=2) == 2
    at.fake.failing = 1
    with pytest.raises(QueryFailed):
        poller.poll(limit=2)
    assert poller.poll(limit=2) == 1
    for _ in range(3):
        at.clock.advance(HOUR)
        assert poller.poll() == 0
    assert sorted(poller.hosts) == ["WS-1", "WS-2", "WS-3", "WS-4"]
    assert len({each.event_id for each in poller.got}) == 4


def test_a_search_that_splunk_ended_early_is_an_error_and_loses_none(at: Bench) -> None:
    at.fake.connections = [event(n, -3600 + n) for n in range(6)]
    at.fake.finalized, at.fake.finds_at_most = True, 2
    poller = Poller(at.siem)
    with pytest.raises(QueryFailed, match="did not see everything"):
        poller.poll()
    assert poller.token is None
    at.fake.finalized, at.fake.finds_at_most = False, None
    assert poller.poll() == 6


def test_more_groups_than_a_token_can_hold_are_refused_before_any_is_taken(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escu, "MAX_PAGED", 3)
    at.fake.connections = [event(n, -3600 + n) for n in range(9)]
    poller = Poller(at.siem)
    poller.poll(limit=3)
    with pytest.raises(QueryFailed, match="none was taken"):
        poller.poll(limit=3)


@settings(max_examples=12)
@given(st.data())
def test_any_order_of_polls_failures_restarts_and_late_events_gives_each_once(data: st.DataObject) -> None:
    events = [
        event(
            data.draw(st.integers(0, 5)),
            data.draw(st.integers(0, 5 * HOUR)),
            lag_s=data.draw(st.integers(0, 4 * HOUR)),
        )
        for _ in range(data.draw(st.integers(0, 25)))
    ]
    for each in events:
        each["_visible"] = float(each["_indextime"] + data.draw(st.integers(0, 600)))
    with bench(notables_from=NotablesFrom.ESCU) as at:
        poller = Poller(at.siem)
        poller.poll()
        at.fake.connections = events
        for _ in range(10):
            at.clock.advance(data.draw(st.integers(0, 2 * HOUR)))
            if data.draw(st.booleans()):
                poller.siem = at.again(notables_from=NotablesFrom.ESCU)
            at.fake.failing = data.draw(st.integers(0, 1))
            try:
                poller.poll(limit=data.draw(st.integers(1, 5)))
            except QueryFailed:
                continue
        at.fake.failing = 0
        at.clock.advance(12 * HOUR)
        while poller.poll(limit=5):
            pass
    windows = {(each["dest"], (each["_time"] - 3000) // HOUR) for each in events}
    assert len(poller.got) == len({each.event_id for each in poller.got}) == len(windows)


def test_more_groups_than_a_search_may_give_are_searched_in_parts(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escu, "MAX_ROWS", 3)
    poller = Poller(at.siem)
    poller.poll()
    at.fake.connections = [event(n, (n // 3) * HOUR + n) for n in range(9)]
    at.clock.advance(4 * HOUR)
    assert poller.poll() == 9
    at.fake.connections += [event(n, 4 * HOUR) for n in range(4)]
    at.clock.advance(2 * HOUR)
    with pytest.raises(QueryFailed, match="none was taken"):
        poller.poll()


def test_hostile_text_in_every_field_of_an_event_is_text(at: Bench) -> None:
    hostile = '"; | delete `x` [y] $z$ \\'
    at.fake.connections = [
        event(1, -3600, user=hostile, dest_port=hostile, ProcessGuid=hostile, Initiated=hostile)
    ]
    poller = Poller(at.siem)
    poller.poll()
    (got,) = poller.got
    assert (got.user, got.dest_ports, got.process_guids, got.direction) == (
        hostile,
        (),
        (),
        Direction.UNKNOWN,
    )


def test_a_group_that_makes_no_notable_is_kept_aside_once() -> None:
    kept: list[Any] = []
    with bench(notables_from=NotablesFrom.ESCU, on_rejected=kept.append) as at:
        at.fake.connections = [event(1, -3600, dest_ip="not an address")]
        poller = Poller(at.siem)
        assert [poller.poll(), poller.poll()] == [0, 0]
    assert [each.error.field for each in kept] == ["dest_ip"]


def test_without_enterprise_security_there_is_nothing_to_write_to(at: Bench) -> None:
    for ask in (
        lambda: at.siem.notables_of("escu:1"),
        lambda: at.siem.update_notable("escu:1", NotableUpdate("x")),
    ):
        with pytest.raises(NotSupported):
            ask()
    assert not at.fake.calls


def test_a_row_that_is_not_of_the_search_is_refused() -> None:
    with pytest.raises(ConnectorError, match="lacks"):
        escu._group(EscuAnalytic(), {"dest": "a"})
