"""What an adversary puts into rows, ids, settings and answers: no crash, no other query, no secret told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from connectors.errors import BadResponse, ConnectorError, InputError, ResponseError
from connectors.facts.health import Health, HealthState
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import NotableUpdate
from connectors.siem.notable import NotableSettings
from connectors.siem.splunk import escu, notables, reviews
from connectors.siem.splunk.checkpoint import Kind, Progress, progress_of, seconds, token_of
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.escu import SHIPPED, EscuAnalytic
from connectors.siem.splunk.jobs import Rows
from connectors.siem.splunk.notable_update import current_of, signs_of_a_person
from connectors.siem.splunk.notable_write import check_answer
from connectors.siem.splunk.notables import NotableStore
from connectors.siem.splunk.rest import is_true, messages_of, sized
from connectors.siem.splunk.risk_event import risk_event, risk_id
from connectors.siem.splunk.saved_search import Detection
from connectors.siem.splunk.settings import SEARCH_NAMES, NotablesFrom, SplunkSettings
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import bench
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN
from tests.unit.test_splunk_notables import notable

ANY_TEXT = st.text(alphabet=st.characters(), max_size=30)  # half surrogates too
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["9" * 5000, "-1", "1e999", "9" * 12, "٣", "x" * 100_000]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(ANY_TEXT, each, max_size=3),
    max_leaves=5,
)
ROW = st.dictionaries(st.sampled_from([*notables.FIELDS, "comment", "_time", "rule_id"]), ANY)
GROUP = st.dictionaries(
    st.sampled_from(
        [*escu.BY, "escu_window", "first_indexed", "count", "firstTime", "dest_port", "ProcessGuid"]
    ),
    ANY,
)
PLAIN_GROUP = {
    **dict.fromkeys(escu.BY, "x"),
    "dest_ip": "203.0.113.7",
    "escu_window": "1",
    "first_indexed": "1",
}


@given(st.lists(ROW, max_size=3))
def test_rows_of_any_values_make_notables_or_are_rejected_or_refused(rows: list[dict[str, object]]) -> None:
    found, rejected = notables._read(rows, NotableSettings())
    assert len(found) + len(rejected) >= len(rows) - sum(not row for row in rows)
    with suppress(ConnectorError):
        notables._dated(rows, 0, 10**10, cut=False)
    for row in rows:
        signs_of_a_person(current_of(row), ())
        reviews._review(row)
        reviews._last_of(row)


@given(GROUP, st.booleans())
def test_groups_of_any_values_make_a_notable_or_are_refused(group: dict[str, object], whole: bool) -> None:
    row = {**PLAIN_GROUP, **group} if whole else group
    try:
        identity, indexed, _ = escu._group(EscuAnalytic(), row)
    except ConnectorError:
        return
    # What was taken can be remembered.
    progress = Progress(Kind.ESCU, indexed, indexed, {identity: indexed}, indexed)
    assert progress_of(token_of(progress), Kind.ESCU) == progress


@given(ANY)
def test_a_time_of_any_value_is_one_that_a_token_holds_or_none(value: object) -> None:
    when = seconds(value)
    assert when is None or progress_of(token_of(Progress(Kind.NOTABLES, when, when, {})), Kind.NOTABLES)


@given(ANY)
def test_answers_of_any_shape_are_read_or_refused(body: object) -> None:
    messages_of(body)
    messages_of({"messages": body})
    sized(body)
    for given_body in (body, {"success": True, "details": body, "failure_count": body, "message": body}):
        held = given_body if isinstance(given_body, dict) else {}
        said = refusal_of(partial(check_answer, held, "ID"))
        assert len(said) < 1000


def refusal_of(ask: Callable[[], object]) -> str:
    """What one of our errors says; "" for none. Any other error comes through."""
    try:
        ask()
    except ResponseError as exc:
        return f"{type(exc).__name__} {exc}"
    return ""


@settings(max_examples=25)
@given(st.lists(ANY, max_size=2), ANY)
def test_answers_of_any_shape_over_the_wire_raise_nothing_but_our_errors(items: list[Any], body: Any) -> None:
    def json_of(value: Any) -> Any:
        try:
            return orjson.loads(orjson.dumps(value))
        except (TypeError, orjson.JSONDecodeError):
            return "x"

    given_items, given_body = json_of(items), json_of(body)
    with bench() as at:
        at.fake.notables = [notable(1, -60)]
        at.fake._results = lambda *_: answer({"preview": False, "results": given_items})  # type: ignore[method-assign]
        at.fake._statuses = lambda *_: answer({"entry": given_items})  # type: ignore[method-assign]
        at.fake._context = lambda *_: answer(given_body)  # type: ignore[method-assign]
        for ask in (
            lambda: at.siem.fetch_notables(None, limit=5),
            lambda: at.siem.notables_of("x"),
            lambda: at.siem.update_notable("x", NotableUpdate("x", status="New")),
            at.siem.check,
        ):
            said = refusal_of(ask)
            assert len(said) < 5000
            assert TOKEN not in said


@given(ANY_TEXT)
def test_any_event_id_is_searched_for_or_refused(text: str) -> None:
    try:
        query = notables.by_id_query(NotableStore(), text)
        reviews.reviews_query(text)
    except InputError:
        assert "\0" in text or any("\ud800" <= each <= "\udfff" for each in text)
        return
    query.encode()


def test_an_id_without_end_is_refused_before_anything_is_asked() -> None:
    with bench() as at:
        for ask in (
            lambda: at.siem.notables_of("x" * 10**6),
            lambda: at.siem.update_notable("x" * 10**6, NotableUpdate("x")),
        ):
            with pytest.raises(InputError, match="event_id") as refused:
                ask()
            assert len(str(refused.value)) < 200
        assert not at.fake.seen


NOTABLE = Notable(
    source=NotableSource.ES_NOTABLE,
    event_id="x",
    dest="WS-1",
    process_name="regsvcs.exe",
    dest_ip="203.0.113.7",
)


@given(ANY_TEXT, ANY_TEXT, st.floats() | st.integers(-(10**400), 10**400))
def test_any_risk_is_one_line_of_text_or_refused(case_id: str, message: str, score: float) -> None:
    risk_id(case_id)
    try:
        event = risk_event(
            NOTABLE,
            score=score,
            message=message,
            case_id=case_id,
            techniques=(),
            base_score=80,
            now=datetime(2026, 11, 24, tzinfo=UTC),
        )
    except InputError:
        return
    if event is not None:
        event.text.encode()
        assert len(event.text.splitlines()) == 1


@pytest.mark.parametrize("score", [float("inf"), float("nan"), 1e300, -1e300])
def test_a_score_that_is_none_is_refused_and_nothing_is_sent(score: float) -> None:
    with bench() as at:
        with pytest.raises(InputError, match="score"):
            at.siem.add_risk(NOTABLE, score=score, base_score=80, techniques=(), message="x", case_id="c")
        assert not at.fake.seen


@pytest.mark.parametrize("number", ["9" * 5000, "99999999999999", "-5", "", "1e9"])
def test_an_index_time_that_is_none_stops_the_poll_and_keeps_the_checkpoint(number: str) -> None:
    row = {**notable(1, -20), "indexed": number}
    with pytest.raises(ConnectorError, match="index time"):
        notables._dated([row], 0, 10**10, cut=False)


@pytest.mark.parametrize("at_year", [1, 1969, 2100, 9000])
@pytest.mark.parametrize("notables_from", NotablesFrom)
def test_a_clock_of_this_machine_far_off_does_not_matter_to_the_intake(
    at_year: int, notables_from: NotablesFrom
) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -20)]
        siem = at.again(notables_from=notables_from, clock=lambda: datetime(at_year, 1, 1, tzinfo=UTC))
        got, since = siem.fetch_notables(None, limit=5)
        assert len(got) == (notables_from is not NotablesFrom.ESCU)
        assert siem.fetch_notables(since, limit=5)[0] == ()


@pytest.mark.parametrize("told", [None, "soon", "5", "-1", ["1", "2"], {}, "9" * 15, True, 1e300])
def test_a_time_of_splunk_that_is_none_is_refused(told: object) -> None:
    with bench() as at:
        given = answer({"preview": False, "results": [{"splunk_now": told}]})
        at.fake._results = lambda *_: given  # type: ignore[method-assign]
        with pytest.raises(BadResponse, match="its own time"):
            at.siem.fetch_notables(None, limit=5)


SWITCHES = st.one_of(ANY, st.sampled_from([True, False, None, 0, 1, "0", "1", "true", "f", ""]))


@settings(max_examples=60)
@given(value=SWITCHES, name=st.sampled_from(["isDone", "isFailed", "isFinalized", "preview", "disabled"]))
def test_a_switch_of_any_type_is_read_or_refused(value: Any, name: str) -> None:
    with suppress(BadResponse):
        assert is_true(value, name) in {True, False}


SHAPES = st.sampled_from([{"a": 1}, [], ["notable"], 7, 1.5, None, "x", "", True, {"entry": [None]}])
ENDPOINTS = st.sampled_from(["_context", "_statuses", "_state", "_results", "_start", "_update", "_receive"])


@settings(max_examples=40)
@given(endpoint=ENDPOINTS, shape=SHAPES, data=st.data())
def test_a_field_of_any_shape_in_any_answer_raises_nothing_but_our_errors(
    endpoint: str, shape: Any, data: st.DataObject
) -> None:
    with bench() as at:
        at.fake.notables = [notable(1, -20)]
        honest = getattr(at.fake, endpoint)

        def odd(*args: Any) -> Any:
            body = orjson.loads(honest(*args).body)
            paths = [*_paths(body)]
            *way, last = data.draw(st.sampled_from(paths))
            held = body
            for step in way:
                held = held[step]
            held[last] = shape
            return answer(body)

        setattr(at.fake, endpoint, odd)
        assert isinstance(at.siem.check(), Health)
        update = NotableUpdate("x", status="Closed")
        for ask in (
            lambda: at.siem.fetch_notables(None, limit=5),
            lambda: at.siem.update_notable(at.fake.notables[0]["event_id"], update),
            lambda: at.siem.add_risk(
                NOTABLE, score=95, base_score=80, techniques=(), message="x", case_id="c"
            ),
        ):
            with suppress(ResponseError):
                ask()


def _paths(body: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every field and item of a JSON value."""
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in items:
        yield (name,)
        yield from ((name, *rest) for rest in _paths(value))


@pytest.mark.parametrize(
    "url",
    [
        "http://splunk.corp.example:8089",
        "https://soar:planted-password@splunk.corp.example:8089",
        "https://splunk.corp.example:8089?token=planted-password",
        "file:///etc/passwd",
        "splunk",
        "",
        "https://splunk.corp.example\r\nX: planted-password",
    ],
)
def test_an_address_that_must_not_be_asked_is_refused_and_not_repeated(url: str) -> None:
    for fields in ({"base_url": url}, {"base_url": "https://splunk.corp.example:8089", "hec_url": url}):
        if not url and "hec_url" in fields:
            continue
        with pytest.raises(ValidationError) as refused:
            SplunkSettings(**fields)
        assert "planted-password" not in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"owner": "nobody/../admin"},
        {"app": "search?x"},
        {"notable_index": "notable | delete"},
        {"risk_index": 'risk"'},
        {"sysmon": "index=x | delete"},
        {"sysmon": "index=x [search y]"},
        {"sysmon": 'index="x'},
        {"search_names": ("",)},
        {"search_names": ("x" * 201,)},
        {"search_names": SEARCH_NAMES * 50},
        {"deadline_s": float("nan")},
    ],
)
def test_a_setting_that_would_change_a_query_or_a_path_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SplunkSettings(base_url="https://splunk.corp.example:8089", **fields)


def test_a_search_name_that_no_query_can_hold_is_told_by_name_and_not_by_a_crash() -> None:
    with bench(search_names=("a\0b",)) as at, pytest.raises(InputError, match="NUL"):
        at.siem.fetch_notables(None, limit=5)


def test_no_token_in_reprs_or_errors_of_any_part(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    with bench(hec=True, read_s=0.2) as at:
        at.fake.notables = [notable(1, -60)]
        # Splunk and whatever stands before it may send back what they were sent.
        echo = answer({"messages": [{"type": "ERROR", "text": f"bad token {TOKEN}"}]}, 400)
        at.fake._start = lambda *_: echo  # type: ignore[method-assign]
        at.fake._collect = lambda *_: answer({"text": f"bad {HEC_TOKEN}", "code": 4}, 403)  # type: ignore[method-assign]
        for ask in (
            lambda: at.siem.fetch_notables(None, limit=5),
            lambda: at.siem.notables_of("x"),
            lambda: at.siem.add_risk(
                NOTABLE, score=95, base_score=80, techniques=(), message="m", case_id="c"
            ),
        ):
            with pytest.raises(ConnectorError) as refused:
                ask()
            told.append(f"{refused.value} {refused.value!r} {refused.value.__cause__!r}")
        parts = [at.siem, *vars(at.siem).values(), at.rest, at.jobs]
        told += [f"{part!r} {vars(part) if hasattr(part, '__dict__') else ''}" for part in parts]
    said = "".join(told) + caplog.text
    assert TOKEN not in said
    assert HEC_TOKEN not in said


@pytest.mark.parametrize("sid", ["a\0b", "a\nb", "é", "", "..", 5, None, "x" * 501])
def test_a_job_id_that_is_none_is_a_bad_answer_and_no_fault_of_the_input(sid: object) -> None:
    with bench() as at:
        at.fake._start = lambda *_: answer({"sid": sid}, 201)  # type: ignore[method-assign]
        with pytest.raises(BadResponse, match="no id"):
            at.siem.fetch_notables(None, limit=5)


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_text_that_cannot_be_sent_is_refused_by_name_in_notes_and_saved_searches(text: str) -> None:
    finding = "2008e99d-af14-4fec-89da-b9b17a81820a"
    wanted = Detection(SHIPPED, description=text, message="m", score=80, techniques=())
    with bench() as at:
        deadline = at.clock.deadline()
        saved = at.siem.saved_searches
        for ask in (
            lambda: at.siem._notes.add(finding, text, key=text, deadline=deadline),
            lambda: saved.plan(text, wanted, deadline=deadline),
            lambda: saved.apply(saved.plan("x", wanted, deadline=deadline), wanted, deadline=deadline),
        ):
            with pytest.raises(InputError):
                ask()
        assert not at.fake.notes
        assert not at.fake.saved


def test_check_is_a_finding_and_no_exception_whatever_is_there() -> None:
    with bench() as at:
        bodies: list[object] = [[], {"entry": [{"content": {"capabilities": [None, {}, 5]}}]}, {"entry": {}}]
        for body in bodies:
            given_answer = answer(body)
            at.fake._context = lambda *_, held=given_answer: held  # type: ignore[method-assign]
            assert at.siem.check().state is HealthState.FAILED
        nowhere = at.fake.settings().model_copy(update={"base_url": "nonsense"})
        assert SplunkSiem(at.http, nowhere, SecretStr(TOKEN)).check().state is HealthState.FAILED


def test_rows_that_say_they_are_not_all_are_refused() -> None:
    with pytest.raises(ConnectorError, match="did not see everything"):
        notables.refuse_partial(Rows(({},), False, "sid", "q", partial=True), 5)
