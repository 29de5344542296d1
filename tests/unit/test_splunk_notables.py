"""Notables out of a Splunk with Enterprise Security: each once, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import Ambiguous, BadResponse, InputError, NotFound, QueryFailed
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import Checkpoint
from connectors.siem.notable import RejectedNotable
from connectors.siem.splunk import notables
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.jobs import Rows
from connectors.siem.splunk.notables import NotableStore, by_id_query, by_job_query, poll_query
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import bench
from tests.fakes.splunk_siem_spl import unquoted
from tests.fakes.splunk_spl import Row, pipeline
from tests.http_clients import START

GUID = "5E6DE97D-B137-47AB-8905-8C4F42998937"
NAME = "ESCU - Detect Regsvcs with Network Connection - Rule"
HOSTILE = st.text(
    alphabet=st.sampled_from("\"\\|[]`$*%(){}=, \n\t'<>aé")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=60,
)


def notable(number: int, indexed_s: float, **changes: Any) -> Row:
    """A row of the macro, indexed so many seconds after START."""
    when = START.timestamp() + indexed_s
    return {
        "event_id": f"{GUID}@@notable@@{number:032x}",
        "_time": when - 5,
        "_indextime": int(when),
        "search_name": NAME,
        "dest": f"WS-{number}",
        "user": r"CORP\sam",
        "process_name": "regsvcs.exe",
        "src_ip": "10.0.0.5",
        "dest_ip": "203.0.113.7",
        "orig_sid": "scheduler__admin__SplunkEnterpriseSecuritySuite__RMD5aa_at_1795507200_1",
        "orig_rid": str(number),
        "urgency": "high",
        "status": "1",
        "status_label": "New",
        "status_default": "true",
        "owner": "unassigned",
        **changes,
    }


def test_the_first_poll_looks_back_for_a_day_and_no_further() -> None:
    assert NotableStore().first_look == timedelta(hours=24)
    with bench() as at:
        at.fake.notables = [notable(number, -86_400 + second) for number, second in ((1, -1), (2, 0), (3, 1))]
        found, _ = at.siem.fetch_notables(None, limit=10)
    assert [each.dest for each in found] == ["WS-2", "WS-3"]


class Poller:
    """A caller that keeps its checkpoint only after a page, as the service does."""

    def __init__(self, siem: SplunkSiem) -> None:
        self.siem = siem
        self.token: str | None = None
        self.got: list[Notable] = []

    def poll(self, limit: int = 100) -> int:
        since = Checkpoint(self.token) if self.token else None
        page, after = self.siem.fetch_notables(since, limit=limit)
        self.got += page
        self.token = after.token
        return len(page)

    @property
    def hosts(self) -> list[str]:
        return [each.dest for each in self.got]


def test_a_notable_is_read_by_the_parser_of_every_other_input() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -60, dest_port="443", firstTime="2026-11-24T07:00:00")]
        poller = Poller(at.siem)
        poller.poll()
    (got,) = poller.got
    assert (got.source, got.event_id) == (NotableSource.ES_NOTABLE, f"{GUID}@@notable@@{1:032x}")
    assert (got.dest, got.user, got.dest_ip, got.dest_ports) == ("WS-1", r"CORP\sam", "203.0.113.7", (443,))
    assert (got.status, got.owner, got.urgency, got.search_name) == ("New", "unassigned", "high", NAME)


def test_each_notable_is_given_once_in_order_of_index_time() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -600 + 10 * n) for n in (3, 1, 2)]
        poller = Poller(at.siem)
        assert [poller.poll(), poller.poll()] == [3, 0]
        at.clock.advance(60)
        at.fake.notables.append(notable(4, 30))
        assert [poller.poll(), poller.poll()] == [1, 0]
    assert poller.hosts == ["WS-1", "WS-2", "WS-3", "WS-4"]


def test_a_notable_that_becomes_searchable_late_is_not_lost() -> None:
    with bench() as at:
        late = notable(1, -30, _visible=START.timestamp() + 400)
        at.fake.notables = [late, notable(2, -10)]
        poller = Poller(at.siem)
        poller.poll()
        at.clock.advance(410)
        poller.poll()
        poller.poll()
    assert poller.hosts == ["WS-2", "WS-1"]


def test_a_notable_whose_own_time_is_long_ago_is_found_by_its_index_time() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -10, _time=START.timestamp() - 40 * 86400)]
        poller = Poller(at.siem)
        poller.poll()
    assert poller.hosts == ["WS-1"]


def test_pages_lose_none_and_repeat_none_even_within_one_second() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n // 5) for n in range(23)]
        poller = Poller(at.siem)
        counts = [poller.poll(limit=4) for _ in range(8)]
    assert counts == [4, 4, 4, 4, 4, 3, 0, 0]
    assert sorted(poller.hosts) == sorted(f"WS-{n}" for n in range(23))


def test_a_failed_page_moves_nothing() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n) for n in range(4)]
        poller = Poller(at.siem)
        poller.poll(limit=2)
        before = poller.token
        at.fake.failing = 1
        with pytest.raises(QueryFailed, match="disk space"):
            poller.poll(limit=2)
        assert poller.token == before
        poller.poll(limit=2)
        poller.poll(limit=2)
    assert poller.hosts == ["WS-0", "WS-1", "WS-2", "WS-3"]


def test_rows_of_a_search_peer_that_did_not_answer_are_not_taken_for_all() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n) for n in range(4)]
        poller = Poller(at.siem)
        at.fake.peer_down = True
        with pytest.raises(QueryFailed, match=r"did not see everything.*idx2"):
            poller.poll()
        at.fake.peer_down = False
        poller.poll()
    assert len(poller.got) == 4


def test_a_search_that_splunk_ended_early_is_an_error_and_loses_none() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n) for n in range(5)]
        poller = Poller(at.siem)
        poller.poll(limit=1)
        before = poller.token
        # As Splunk finalizes a search: done, fewer rows, and not a word about it.
        at.fake.finalized, at.fake.finds_at_most = True, 2
        with pytest.raises(QueryFailed, match="did not see everything"):
            poller.poll()
        assert poller.token == before
        at.fake.finalized, at.fake.finds_at_most = False, None
        poller.poll()
    assert poller.hosts == [f"WS-{n}" for n in range(5)]


def test_a_skipped_poll_late_notables_a_restart_and_a_failed_page_yield_each_once() -> None:
    """The whole of it, as the issue words it for the analytic."""
    with bench() as at:
        late = notable(3, 900, _visible=START.timestamp() + 1500)
        at.fake.notables = [notable(1, -60), notable(2, 300), late, notable(4, 1200)]
        poller = Poller(at.siem)
        assert poller.poll() == 1
        at.clock.advance(1300)  # polls were skipped; one notable cannot be found yet
        at.fake.failing = 1
        with pytest.raises(QueryFailed):
            poller.poll(limit=1)
        poller.siem = at.again()  # a restart
        assert poller.poll(limit=1) == 1
        at.fake.failing = 1
        with pytest.raises(QueryFailed):
            poller.poll(limit=1)
        assert poller.poll(limit=1) == 1
        at.clock.advance(300)
        assert [poller.poll(limit=1) for _ in range(3)] == [1, 0, 0]
    assert poller.hosts == ["WS-1", "WS-2", "WS-4", "WS-3"]


def test_a_restart_goes_on_from_the_token() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n) for n in range(5)]
        poller = Poller(at.siem)
        poller.poll(limit=3)
        poller.siem = at.again()
        poller.poll(limit=3)
        poller.poll(limit=3)
    assert poller.hosts == [f"WS-{n}" for n in range(5)]


def test_a_crash_before_the_token_is_kept_gives_the_same_page_again() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -100 + n) for n in range(3)]
        first, _ = at.siem.fetch_notables(None, limit=10)
        again, _ = at.again().fetch_notables(None, limit=10)
    assert first == again


def test_a_clock_of_splunk_that_is_set_back_a_little_loses_and_repeats_nothing() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -20)]
        poller = Poller(at.siem)
        poller.poll()
        at.clock.advance(-240)
        assert poller.poll() == 0
        at.clock.advance(240 + 60)
        at.fake.notables.append(notable(2, 30))
        assert poller.poll() == 1
    assert poller.hosts == ["WS-1", "WS-2"]


@pytest.mark.parametrize("kind", [NotablesFrom.NOTABLE_MACRO, NotablesFrom.ESCU])
def test_a_checkpoint_in_the_future_is_told_with_what_to_do_and_is_no_empty_page(kind: NotablesFrom) -> None:
    with bench(notables_from=kind) as at:
        poller = Poller(at.siem)
        at.clock.advance(400 * 86_400)
        poller.poll()
        at.clock.advance(-400 * 86_400)
        with pytest.raises(
            InputError, match=r"checkpoint: is of 2027-12-29 .* would never be given"
        ) as refused:
            poller.poll()
        assert "begin anew without a checkpoint" in refused.value.remedy


@pytest.mark.parametrize("minutes", [-300, -20, 20, 300, 600_000])
@pytest.mark.parametrize("kind", [NotablesFrom.NOTABLE_MACRO, NotablesFrom.NOTABLE_INDEX])
def test_a_machine_whose_clock_is_wrong_misses_no_notable(minutes: int, kind: NotablesFrom) -> None:
    with bench() as at:
        siem = at.again(notables_from=kind, clock=lambda: at.clock() + timedelta(minutes=minutes))
        poller = Poller(siem)
        poller.poll()
        for n in range(4):
            at.fake.notables.append(notable(n, n * 300 + 299))
            at.clock.advance(300)
            poller.poll()
        at.clock.advance(60)
        poller.poll()
    assert poller.hosts == ["WS-0", "WS-1", "WS-2", "WS-3"]


def test_pages_that_repeat_the_first_one_are_refused_and_lose_nothing() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -600) for n in range(1500)]
        poller = Poller(at.siem)
        honest = at.fake._results

        def offset_ignored(sid: str, form: Any) -> Any:
            given = orjson.loads(honest(sid, {**form, "offset": "0"}).body)
            return answer({**given, "init_offset": None})

        at.fake._results = offset_ignored  # type: ignore[method-assign]
        with pytest.raises(BadResponse, match="repeats the first one"):
            poller.poll(limit=5000)
        at.fake._results = honest  # type: ignore[method-assign]
        assert poller.poll(limit=5000) == 1500
    assert len({each.event_id for each in poller.got}) == 1500


@pytest.mark.parametrize("indexed", [99_999_999_999, int(START.timestamp()) + 1, 1_500_000_000])
def test_a_row_of_another_time_than_was_searched_is_refused_and_moves_nothing(indexed: int) -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -600) for n in range(3)]
        poller = Poller(at.siem)
        honest = at.fake._results

        def lying(sid: str, form: Any) -> Any:
            given = orjson.loads(honest(sid, form).body)
            for row in given["results"]:
                row.update({"indexed": str(indexed)} if "indexed" in row else {})
            return answer(given)

        at.fake._results = lying  # type: ignore[method-assign]
        with pytest.raises(BadResponse, match="index time"):
            poller.poll()
        at.fake._results = honest  # type: ignore[method-assign]
        assert poller.poll() == 3


def test_a_row_with_several_ids_is_rejected_once_and_named_and_stops_no_other() -> None:
    kept: list[RejectedNotable] = []
    with bench(on_rejected=kept.append) as at:
        at.fake.notables = [notable(1, -30), notable(2, -20, event_id=["a", "b"]), notable(3, -10)]
        poller = Poller(at.siem)
        poller.poll()
        at.fake.notables[1]["owner"] = "kim"  # a review makes no other row of it
        at.clock.advance(60)
        poller.poll()
        again = Poller(at.again(on_rejected=kept.append))
        again.token = poller.token
        again.poll()
    assert poller.hosts == ["WS-1", "WS-3"]
    assert [(each.error.field, "WS-2" in each.raw) for each in kept] == [("event_id", True)]


@settings(max_examples=12)
@given(st.data())
def test_any_order_of_polls_failures_restarts_and_late_events_gives_each_once(data: st.DataObject) -> None:
    number = st.integers(0, 25)
    rows = [notable(n, 60 * data.draw(st.integers(0, 40)), _visible=None) for n in range(data.draw(number))]
    for row in rows:  # searchable up to ten minutes after it was indexed
        row["_visible"] = row["_indextime"] + data.draw(st.integers(0, 600))
    with bench() as at:
        at.fake.notables = rows
        poller = Poller(at.siem)
        for _ in range(12):
            at.clock.advance(data.draw(st.integers(0, 400)))
            if data.draw(st.booleans()):
                poller.siem = at.again()
            at.fake.failing = data.draw(st.integers(0, 1))
            try:
                poller.poll(limit=data.draw(st.integers(1, 6)))
            except QueryFailed:
                continue
        at.fake.failing = 0
        at.clock.advance(60 * 60)
        while poller.poll(limit=6):
            pass
    assert sorted(poller.hosts) == sorted(row["dest"] for row in rows)


def test_notables_of_other_searches_are_left_out_unless_all_are_wanted() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -20), notable(2, -10, search_name="Other - Rule")]
        assert [each.dest for each in at.siem.fetch_notables(None, limit=9)[0]] == ["WS-1"]
        everything = at.again(search_names=())
        assert len(everything.fetch_notables(None, limit=9)[0]) == 2


def test_a_row_that_makes_no_notable_is_kept_aside_once_and_spoils_no_other() -> None:
    kept: list[RejectedNotable] = []
    with bench(on_rejected=kept.append) as at:
        at.fake.notables = [notable(1, -30, dest="not a host!", src_ip=""), notable(2, -20)]
        poller = Poller(at.siem)
        poller.poll()
        poller.poll()
    assert poller.hosts == ["WS-2"]
    assert [each.error.field for each in kept] == ["dest"]
    assert "not a host!" in kept[0].raw


def test_the_index_alone_gives_no_status_or_owner() -> None:
    with bench(notables_from=NotablesFrom.NOTABLE_INDEX) as at:
        at.fake.notables = [notable(1, -20, owner="unassigned", status="1")]
        ((got,), _) = at.siem.fetch_notables(None, limit=9)
    assert (got.dest, got.owner, got.status) == ("WS-1", "", "")
    assert "event_hash=md5(_time._raw)" in at.fake.queries[-1]


@pytest.mark.parametrize("limit", [0, -1, notables.MAX_LIMIT + 1])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with bench() as at, pytest.raises(InputError, match="limit"):
        at.siem.fetch_notables(None, limit=limit)


def test_a_token_of_the_other_kind_of_poll_is_refused() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        _, token = at.siem.fetch_notables(None, limit=9)
        with pytest.raises(InputError, match="not of a poll of notables"):
            at.again(notables_from=NotablesFrom.NOTABLE_MACRO).fetch_notables(token, limit=9)


def test_a_row_without_index_time_or_out_of_order_stops_the_poll_and_loses_nothing() -> None:
    row = notable(1, -20)
    with pytest.raises(BadResponse, match="index time"):
        notables._dated([{**row, "indexed": "soon"}], 0, 9, cut=False)
    rows = [{**row, "indexed": "1800000002"}, {**row, "event_id": "x", "indexed": "1800000001"}]
    with pytest.raises(BadResponse, match="not in order"):
        notables._dated(rows, 0, 1_900_000_000, cut=True)


def test_rows_that_were_cut_for_another_reason_than_their_number_are_refused() -> None:
    with pytest.raises(QueryFailed):
        notables.refuse_partial(Rows(({},), True, "sid", "q"), 5)
    notables.refuse_partial(Rows(({},) * 5, True, "sid", "q"), 5)


# --- one notable -----------------------------------------------------------------------------------------


def test_one_notable_by_its_event_id() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -600) for n in range(3)]
        assert at.siem.notables_of(f"{GUID}@@notable@@{1:032x}")[0].dest == "WS-1"
        with pytest.raises(NotFound, match="in the last 90 days"):
            at.siem.notables_of(f"{GUID}@@notable@@{9:032x}")


def test_sid_and_rid_are_the_same_case_as_the_event_id() -> None:
    with bench() as at:
        at.fake.notables = [notable(n, -600) for n in range(3)]
        row = at.fake.notables[2]
        by_job = at.siem.notables_of(f"{row['orig_sid']}+{row['orig_rid']}")
        assert by_job == at.siem.notables_of(row["event_id"])


def test_sid_and_rid_that_made_several_notables_are_refused_with_the_candidates() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600), notable(2, -600, orig_rid="1")]
        with pytest.raises(Ambiguous) as refused:
            at.siem.notables_of(f"{at.fake.notables[0]['orig_sid']}+1")
    assert len(refused.value.candidates) == 2


def test_a_row_that_another_result_made_is_not_taken_for_the_one_asked_for() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600, orig_rid="2")]
        honest = at.fake._rows
        liar = lambda form: honest(form) or [dict(each) for each in at.fake.notables]  # noqa: E731
        at.fake._rows = liar  # type: ignore[method-assign]
        with pytest.raises(NotFound):
            at.siem.notables_of(f"{at.fake.notables[0]['orig_sid']}+1")


def test_a_notable_with_several_destinations_is_not_cut_to_one() -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600, dest_ip=["203.0.113.7", "198.51.100.9"])]
        found = at.siem.notables_of(at.fake.notables[0]["event_id"])
    assert [each.dest_ip for each in found] == ["203.0.113.7", "198.51.100.9"]
    assert len({each.event_id for each in found}) == 1


def test_a_finding_of_es8_is_looked_for_at_the_time_in_its_id() -> None:
    when = int((START - timedelta(days=400)).timestamp())
    event_id = f"2008e99d-af14-4fec-89da-b9b17a81820a@@notable@@time{when}"
    with bench() as at:
        at.fake.notables = [notable(1, 0, event_id=event_id, _time=when, _indextime=when)]
        assert at.siem.notables_of(event_id)[0].event_id == event_id


def test_an_id_made_from_fields_is_not_searched_for() -> None:
    with bench() as at:
        with pytest.raises(NotFound, match="without an id"):
            at.siem.notables_of("derived:abc")
        assert not at.fake.queries


def test_not_everything_searched_is_not_the_same_as_not_there() -> None:
    with bench() as at:
        at.fake.peer_down = True
        with pytest.raises(QueryFailed, match="did not see everything"):
            at.siem.notables_of(f"{GUID}@@notable@@{1:032x}")


# --- hostile text ----------------------------------------------------------------------------------------


@given(HOSTILE)
def test_no_text_changes_a_query(text: str) -> None:
    store = NotableStore(search_names=(text, NAME))
    plain = NotableStore(search_names=("x", NAME))
    assert len(commands(poll_query(store, 1, 2))) == len(commands(poll_query(plain, 1, 2)))
    where = commands(by_id_query(store, text))[1]
    assert unquoted(where.removeprefix("where event_id=")) == text
    assert len(commands(by_job_query(store, text, text))) == len(commands(by_job_query(store, "a", "b")))


def commands(query: str) -> list[str]:
    return pipeline(query, macros=True)


@pytest.mark.parametrize(
    "text", ['x" | delete | where a="', "x`notable`", "*", 'a" OR event_id="*', "[search index=*]", "\\"]
)
def test_a_hostile_id_finds_nothing_and_runs_nothing_else(text: str) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -600)]
        with pytest.raises(NotFound):
            at.siem.notables_of(text)
        assert len(at.fake.queries) == 1


def test_an_id_that_no_query_can_hold_is_refused_by_name() -> None:
    with bench() as at, pytest.raises(InputError, match="NUL"):
        at.siem.notables_of("x\0y")


def test_hostile_fields_of_a_notable_stay_fields() -> None:
    with bench() as at:
        hostile = '"; | delete index=* `x` $y$ [z]'
        at.fake.notables = [notable(1, -60, user=hostile, artifacts=[{}], cef={}, results=[])]
        ((got,), _) = at.siem.fetch_notables(None, limit=9)
    assert got.user == hostile
