"""Search jobs over the fake Splunk: states, pages, refusals, and what is left behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr, ValidationError

from connectors.edr.sysmon_file.event import RawEvent
from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    PermissionMissing,
    QueryFailed,
    RateLimited,
    TimedOut,
    Transient,
)
from connectors.http.deadline import Deadline
from connectors.siem.splunk.jobs import AUTO_CANCEL_S, Rows, SearchJobs
from connectors.siem.splunk.rest import LONGEST_MESSAGE, SplunkRest
from connectors.siem.splunk.settings import SplunkSettings
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.splunk_answers import answer, refusal
from tests.fakes.splunk_events import indexed
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.http_clients import START, Clock, client

ALL = "search (index=sysmon) | eval event=_raw | table event, index"


def logged(count: int) -> list[RawEvent]:
    return [
        RawEvent(
            5, "WS01", f"{START - timedelta(seconds=number + 1):%Y-%m-%dT%H:%M:%S.%fZ}", {"N": number}, "", 0
        )
        for number in range(count)
    ]


class Opened:
    def __init__(self, fake: FakeSplunk, rest: SplunkRest, jobs: SearchJobs, clock: Clock) -> None:
        self.fake, self.rest, self.jobs, self.clock = fake, rest, jobs, clock

    def rows(self, spl: str = ALL, *, max_rows: int = 1000, seconds: float = 20.0, **more: bool) -> Rows:
        return self.jobs.rows(
            spl,
            earliest=START - timedelta(days=1),
            latest=START,
            max_rows=max_rows,
            deadline=self.clock.deadline(seconds),
            **more,
        )


@contextmanager
def opened(count: int = 3, *, token: str = TOKEN, read_s: float = 10.0) -> Iterator[Opened]:
    clock = Clock()
    with (
        FakeSplunk([indexed(each, n) for n, each in enumerate(logged(count))], clock) as fake,
        client(clock, read_s=read_s, retries=0) as http,
    ):
        rest = SplunkRest(http, fake.settings(), SecretStr(token))
        jobs = SearchJobs(rest, clock=clock, sleep=clock.sleep, monotonic=clock.monotonic)
        yield Opened(fake, rest, jobs, clock)


def test_a_search_is_started_polled_and_read() -> None:
    with opened() as case:
        found = case.rows()
        assert len(found.rows) == 3
        assert (found.truncated, found.partial) == (False, False)
        assert found.query == f"{ALL} | head 1001"
        assert case.fake.calls == {"start": 1, "state": 1, "results": 1}
        assert case.fake.cancelled == []
        (form,) = case.fake.forms
        assert form["auto_cancel"] == str(AUTO_CANCEL_S)
        assert form["earliest_time"] == f"{(START - timedelta(days=1)).timestamp():.3f}"


def test_times_can_be_of_indexing() -> None:
    with opened(1) as case:
        case.fake.events = [
            each._replace(time=START.timestamp() - 9e6, indexed=START.timestamp() - 9)
            for each in case.fake.events
        ]
        assert case.rows().rows == ()
        assert len(case.rows(index_time=True).rows) == 1


def test_it_waits_longer_each_time() -> None:
    with opened() as case:
        case.fake.polls = 4
        case.rows()
        assert case.clock.slept == sorted(case.clock.slept)
        assert len(set(case.clock.slept)) == 5


def test_204_is_not_ready() -> None:
    with opened() as case:
        case.fake.unready = 3
        case.fake.results_unready = 2
        assert len(case.rows().rows) == 3
        assert case.fake.calls["state"] == 4
        assert case.fake.calls["results"] == 3


def test_version_1_is_used_where_there_is_no_version_2() -> None:
    with opened() as case:
        case.fake.v1_only = True
        assert len(case.rows().rows) == 3
        before = len(case.fake.seen)
        assert len(case.rows().rows) == 3
        assert len(case.fake.seen) - before == 3  # version 2 is not tried again
        assert case.fake.seen[-1].method == "GET"


def test_a_namespace_without_jobs_says_what_to_look_at() -> None:
    with opened() as case:
        rest = SplunkRest(
            case.rest._http, SplunkSettings(base_url=f"{case.fake.url}/wrong"), SecretStr(TOKEN)
        )
        jobs = SearchJobs(rest, sleep=case.clock.sleep, monotonic=case.clock.monotonic)
        with pytest.raises(NotFound, match="look at base_url, app and owner"):
            jobs.rows(ALL, earliest=START, latest=START, max_rows=1, deadline=case.clock.deadline())


def test_pages_are_followed_however_short_they_are() -> None:
    with opened(25) as case:
        case.fake.page = 10
        found = case.rows()
        assert len({row["event"] for row in found.rows}) == 25
        assert not found.truncated


def test_more_rows_than_asked_for_are_reported() -> None:
    with opened(5) as case:
        assert case.rows(max_rows=5).truncated is False
        found = case.rows(max_rows=4)
        assert (len(found.rows), found.truncated) == (4, True)


def test_rows_that_splunk_counts_and_does_not_give_are_reported() -> None:
    with opened(5) as case:
        case.fake.swallow = 2
        found = case.rows()
        assert (len(found.rows), found.truncated) == (3, True)


@pytest.mark.parametrize("kind", ["ERROR", "WARN"])
def test_an_answer_that_is_not_all_says_so(kind: str) -> None:
    with opened() as case:
        case.fake.messages = [(kind, "[idx2] Search results might be incomplete")]
        found = case.rows()
        assert found.partial is (kind == "ERROR")
        assert [each.text for each in found.messages] == ["[idx2] Search results might be incomplete"]


def test_a_job_that_was_ended_early_says_so() -> None:
    with opened() as case:
        case.fake.finalized = True
        assert case.rows().partial


def test_a_failed_job_gives_its_reason() -> None:
    with opened() as case:
        case.fake.failing = 1
        with pytest.raises(QueryFailed, match="the disk is full"):
            case.rows()
        assert len(case.fake.cancelled) == 1


def test_a_search_that_cannot_be_parsed_is_refused() -> None:
    with opened() as case, pytest.raises(QueryFailed, match="Unknown search command 'nonsense'"):
        case.rows("search (index=sysmon) | nonsense")


def test_a_job_that_is_gone_is_a_failed_query() -> None:
    with opened() as case:
        case.fake.forget = True
        with pytest.raises(QueryFailed, match="the job is gone"):
            case.rows()


def test_a_stuck_job_is_cancelled_at_the_deadline() -> None:
    with opened() as case:
        case.fake.polls = None
        with pytest.raises(TimedOut):
            case.rows(seconds=30)
        assert case.fake.cancelled == ["1764000000.1"]
        assert case.fake.calls["state"] < 20


def test_a_job_is_cancelled_when_the_caller_gives_up() -> None:
    with opened() as case:
        case.fake.polls = None

        def interrupted(seconds: float) -> None:
            if case.fake.calls["state"]:
                raise KeyboardInterrupt
            case.clock.sleep(seconds)

        jobs = SearchJobs(case.rest, sleep=interrupted, monotonic=case.clock.monotonic)
        with pytest.raises(KeyboardInterrupt):
            jobs.rows(ALL, earliest=START, latest=START, max_rows=1, deadline=case.clock.deadline())
        assert len(case.fake.cancelled) == 1


def test_a_full_queue_is_waited_for() -> None:
    with opened() as case:
        case.fake.queue_full = 3
        assert len(case.rows().rows) == 3
        assert case.fake.calls["start"] == 4


def test_a_queue_that_stays_full_is_a_limit_with_splunks_reason() -> None:
    with opened() as case:
        case.fake.queue_full = None
        with pytest.raises(RateLimited, match="maximum number of concurrent historical searches"):
            case.rows(seconds=30)
        case.fake.queue_full = 0
        assert len(case.rows().rows) == 3  # no breaker was opened


def test_a_wrong_token_is_told_apart_from_a_missing_capability() -> None:
    with opened(token="planted-wrong-token") as case, pytest.raises(AuthRejected):
        case.rows()
    with opened() as case:
        case.fake.capable = False
        with pytest.raises(PermissionMissing) as raised:
            case.rows()
        assert raised.value.scope == "search"
        case.fake.capable = True
        assert len(case.rows().rows) == 3  # a 403 does not stop the token


def test_no_secret_in_errors_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for switch in ("capable", "forget", "v1_only"):
        with opened() as case:
            setattr(case.fake, switch, switch != "capable")
            try:
                case.rows()
            except ConnectorError as exc:
                told.append(f"{exc} {exc!r} {exc.__cause__!r}")
            told.append(repr(case.rest) + repr(case.fake.settings()))
    assert TOKEN not in caplog.text + "".join(told)


@pytest.mark.parametrize(
    "bodies",
    [
        (answer({}, 201),),
        (answer({"sid": ".."}, 201),),
        (answer({"sid": "1"}, 201), answer({"entry": []})),
        (answer({"sid": "1"}, 201), answer({"entry": [{"content": {}}]})),
        (
            answer({"sid": "1"}, 201),
            answer({"entry": [{"content": {"isDone": True}}]}),
            answer({"results": [1]}),
        ),
        (Answer(200, b"<html>sign in</html>"),),
    ],
)
def test_answers_that_are_none(bodies: tuple[Answer, ...]) -> None:
    clock = Clock()
    with FakeServer(*bodies, answer({})) as server, client(clock, retries=0) as http:
        rest = SplunkRest(http, SplunkSettings(base_url=server.url), SecretStr(TOKEN))
        jobs = SearchJobs(rest, sleep=clock.sleep, monotonic=clock.monotonic)
        with pytest.raises(BadResponse):
            jobs.rows(ALL, earliest=START, latest=START, max_rows=1, deadline=clock.deadline())


def test_an_older_splunk_writes_booleans_and_counts_as_texts() -> None:
    clock = Clock()
    state = {"isDone": "1", "isFailed": "0", "isFinalized": "0", "resultCount": "1"}
    bodies = (
        answer({"sid": "1"}, 201),
        answer({"entry": [{"content": {**state, "isDone": "0"}}]}),
        answer({"entry": [{"content": state}]}),
        answer({"preview": True, "results": []}),
        answer({"preview": False, "results": [{"a": ["1", "2"]}]}),
    )
    with FakeServer(*bodies) as server, client(clock) as http:
        rest = SplunkRest(http, SplunkSettings(base_url=server.url), SecretStr(TOKEN))
        jobs = SearchJobs(rest, sleep=clock.sleep, monotonic=clock.monotonic)
        found = jobs.rows(ALL, earliest=START, latest=START, max_rows=1, deadline=clock.deadline())
        assert found.rows == ({"a": ["1", "2"]},)
        assert not found.truncated


def test_a_write_without_an_answer_is_unknown_and_sent_once() -> None:
    clock = Clock()
    with FakeServer(Answer(503, b"busy")) as server, client(clock, retries=2) as http:
        rest = SplunkRest(http, SplunkSettings(base_url=server.url), SecretStr(TOKEN))
        with pytest.raises(TimedOut):
            rest.post("/services/notable_update", {"comment": "x"}, clock.deadline())
        assert len(server.seen) == 1
        with pytest.raises(Transient):
            rest.get("/services/server/info", {}, clock.deadline())
        assert len(server.seen) == 4


def test_bodies_and_namespaces() -> None:
    clock = Clock()
    with FakeServer(answer({})) as server, client(clock) as http:
        told = SplunkSettings(base_url=f"{server.url}/", app="SplunkEnterpriseSecuritySuite")
        rest = SplunkRest(http, told, SecretStr(TOKEN))
        deadline: Deadline = clock.deadline()
        rest.get("saved/searches", {"count": "1"}, deadline)
        rest.post_json("/services/notes", {"content": "x"}, deadline)
        rest.post_content("/services/receivers/simple", {"index": "risk"}, b"an event", deadline)
        listed, noted, received = server.seen
    assert (
        listed.path
        == "/servicesNS/nobody/SplunkEnterpriseSecuritySuite/saved/searches?count=1&output_mode=json"
    )
    assert listed.headers["authorization"] == f"Bearer {TOKEN}"
    assert noted.body == b'{"content":"x"}'
    assert received.body == b"an event"
    assert received.headers["content-type"] == "text/plain; charset=utf-8"


def test_messages_are_cut_and_plain() -> None:
    clock = Clock()
    text = "\x1b[31mred\n" + "x" * 5000
    with FakeServer(refusal(400, "ERROR", text)) as server, client(clock) as http:
        rest = SplunkRest(http, SplunkSettings(base_url=server.url), SecretStr(TOKEN))
        with pytest.raises(ConnectorError) as raised:
            rest.get("/services/server/info", {}, clock.deadline())
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize(
    "terms", ["", "index=a | delete", 'index="a', "index=a)", "[search x]", "a\nb", "a\\b"]
)
def test_search_terms_of_the_settings_end_where_they_end(terms: str) -> None:
    with pytest.raises(ValidationError):
        SplunkSettings(base_url="https://splunk.example:8089", sysmon=terms)


def test_search_terms_of_the_settings() -> None:
    for terms in ("`sysmon`", 'index=a (source="x|y" OR source=z)'):
        assert SplunkSettings(base_url="https://splunk.example:8089", sysmon=terms).sysmon == terms
