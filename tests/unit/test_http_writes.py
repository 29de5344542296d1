"""Calls that change something are sent once at most, and a failure says whether it may have happened."""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from connectors.errors import (
    AuthRejected,
    BadResponse,
    Conflict,
    ConnectorError,
    NotSent,
    PermissionMissing,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.http.call import MAX_REFUSED_BYTES, Call, Refused
from connectors.http.deadline import Deadline
from connectors.state.quota import Breaker
from tests.fakes.http_server import Answer, FakeServer
from tests.http_clients import KEY, START, Clock, client

OK = Answer(body=b'{"id": 1}')


def write(server: FakeServer, **more: Any) -> Call:
    """A write with a planted key."""
    asked = Call(
        "edr",
        f"{server.url}/isolate",
        "POST",
        secret_headers={"Authorization": SecretStr(f"Bearer {KEY}")},
        body={"comment": "case 7"},
        repeatable=False,
    )
    return asked._replace(**more)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(drop=True),
        Answer(raw=b"HTTP/1.1 2"),
        Answer(body=b'{"id"', cut=True),
        Answer(500),
        Answer(503),
        Answer(504),
        Answer(body=b"x" * 5000),
        Answer(headers=(("Content-Encoding", "br"),)),
        Answer(body=b"no gzip", headers=(("Content-Encoding", "gzip"),)),
    ],
    ids=["drop", "half a status", "cut", "500", "503", "504", "large", "packed", "broken gzip"],
)
def test_a_write_whose_outcome_is_unknown_is_sent_once_and_says_so(answer: Answer) -> None:
    clock = Clock()
    with FakeServer(answer, OK) as server, client(clock, retries=5, max_body_bytes=1024) as http:
        with pytest.raises(TimedOut, match="whether it was carried out is not known") as failure:
            http.send(write(server), deadline=clock.deadline())
        assert len(server.seen) == 1
        assert KEY not in str(failure.value)
        assert clock.slept == []


def test_a_write_on_a_connection_that_is_used_again_is_sent_once() -> None:
    clock = Clock()
    with FakeServer(OK, Answer(drop=True), OK) as server, client(clock) as http:
        http.send(write(server), deadline=clock.deadline())
        with pytest.raises(TimedOut):
            http.send(write(server), deadline=clock.deadline())
        assert len(server.seen) == 2


def test_a_write_without_an_answer_is_a_timeout() -> None:
    clock = Clock()
    with FakeServer(Answer(hold=True)) as server, client(clock) as http:
        with pytest.raises(TimedOut, match="not known"):
            http.send(write(server), deadline=Deadline.after(0.1))
        assert len(server.seen) == 1


def test_a_read_after_a_drop_is_sent_again() -> None:
    clock = Clock()
    with FakeServer(Answer(drop=True), OK) as server, client(clock) as http:
        assert http.send(write(server, repeatable=True), deadline=clock.deadline()).json() == {"id": 1}
        assert len(server.seen) == 2


def test_a_write_that_was_never_sent_is_no_timeout() -> None:
    clock = Clock()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    nowhere = Call("edr", f"http://127.0.0.1:{port}/", "POST", repeatable=False)
    with client(clock) as http:
        with pytest.raises(NotSent, match="not sent: no connection can be made"):
            http.send(nowhere, deadline=clock.deadline())
        with pytest.raises(NotSent, match="not sent: no time is left"):
            http.send(nowhere, deadline=clock.deadline(0))


def test_a_write_is_not_sent_while_the_breaker_is_open() -> None:
    clock = Clock()
    with FakeServer(Answer(500), OK) as server, client(clock, breaker=Breaker(1, 30)) as http:
        with pytest.raises(TimedOut):
            http.send(write(server), deadline=clock.deadline())
        with pytest.raises(NotSent, match="left alone"):
            http.send(write(server), deadline=clock.deadline())
        assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_write_is_not_redirected(status: int) -> None:
    clock = Clock()
    moved = Answer(status, headers=(("Location", "/elsewhere"),))
    with FakeServer(moved, OK) as server, client(clock) as http:
        with pytest.raises(BadResponse, match=f"a write was redirected, not followed .HTTP {status}"):
            http.send(write(server), deadline=clock.deadline())
        assert [seen.path for seen in server.seen] == ["/isolate"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_method_and_an_empty_answer(method: str) -> None:
    clock = Clock()
    with FakeServer(Answer(204)) as server, client(clock) as http:
        reply = http.send(
            Call("edr", f"{server.url}/job", method, repeatable=method == "GET"), deadline=clock.deadline()
        )
        assert (reply.status, reply.body) == (204, b"")
        assert server.seen[0].method == method


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_does_not_become_a_get(method: str) -> None:
    clock = Clock()
    moved = Answer(302, headers=(("Location", "/elsewhere"),))
    with (
        FakeServer(moved, OK) as server,
        client(clock) as http,
        pytest.raises(BadResponse, match=f"a {method} was redirected as a GET"),
    ):
        http.send(Call("edr", f"{server.url}/", method), deadline=clock.deadline())


def test_an_answer_to_a_write_is_never_kept() -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http, pytest.raises(ValueError, match="never kept"):
        http.send(write(server, cache_s=60), deadline=clock.deadline())


# --- bodies ----------------------------------------------------------------------------------


def test_the_bodies_that_are_sent() -> None:
    clock = Clock()
    secret = {"client_secret": SecretStr(KEY)}
    with FakeServer(OK) as server, client(clock) as http:
        calls = [
            write(server),
            write(server, body=None, content=b"line one\nline two", content_type="text/plain; charset=utf-8"),
            write(server, body=None, form={"ruleUIDs": ["a", "b"]}, params={"ids": ("x", "y z")}),
            write(server, body=None, form={"grant_type": "client_credentials"}, secret_form=secret),
            write(server, body=None, secret_form=secret),
        ]
        for each in calls:
            http.send(each, deadline=clock.deadline())
    kinds = [seen.headers["content-type"] for seen in server.seen]
    form = "application/x-www-form-urlencoded"
    assert kinds == ["application/json", "text/plain; charset=utf-8", form, form, form]
    assert server.seen[0].body == b'{"comment":"case 7"}'
    assert server.seen[1].body == b"line one\nline two"
    assert (server.seen[2].body, server.seen[2].path) == (b"ruleUIDs=a&ruleUIDs=b", "/isolate?ids=x&ids=y+z")
    assert parse_qs(server.seen[3].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_secret": [KEY],
    }
    assert parse_qs(server.seen[4].body.decode()) == {"client_secret": [KEY]}
    assert KEY not in repr(calls)


@pytest.mark.parametrize(
    "more",
    [
        {"form": {}},
        {"content": b""},
        {"secret_form": {"a": SecretStr("b")}},
        {"body": None, "content": b"", "form": {}},
    ],
)
def test_two_bodies_are_a_mistake_of_ours(more: dict[str, object]) -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http, pytest.raises(ValueError, match="one body at most"):
        http.send(write(server, **more), deadline=clock.deadline())


def test_a_secret_of_a_form_is_neither_read_nor_kept_nor_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    echo = Answer(body=f'{{"echo": "{KEY}"}}'.encode())
    with FakeServer(echo) as server, client(clock, folder=tmp_path) as http:
        asked = write(server, body=None, secret_form={"s": SecretStr(KEY)}, repeatable=True, cache_s=60)
        asked = asked._replace(secret_headers={})
        for _ in range(2):
            assert http.send(asked, deadline=clock.deadline()).json() == {"echo": "[secret]"}
        assert KEY.encode() in server.seen[0].body
    assert KEY not in caplog.text
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_a_refusal_is_read_without_the_secrets_it_repeats() -> None:
    clock = Clock()
    read: list[Refused] = []
    with FakeServer(Answer(400, f'{{"why": "{KEY}"}}'.encode())) as server, client(clock) as http:
        asked = write(server, body=None, secret_form={"s": SecretStr(KEY)}, refused=read.append)
        with pytest.raises(Rejected):
            http.send(asked, deadline=clock.deadline())
    assert [each.json() for each in read] == [{"why": "[secret]"}]


def test_a_call_may_have_a_cap_of_its_own() -> None:
    clock = Clock()
    large = Answer(body=b"[" + b"1," * 5000 + b"1]")
    with FakeServer(large) as server, client(clock, max_body_bytes=2048) as http:
        asked = Call("edr", f"{server.url}/", max_body_bytes=20_000)
        assert len(http.send(asked, deadline=clock.deadline()).body) == 10_003
        for cap in (None, 5000):
            with pytest.raises(BadResponse, match="larger than"):
                http.send(asked._replace(max_body_bytes=cap), deadline=clock.deadline())


# --- refusals --------------------------------------------------------------------------------


def _reading(status: int, error: ConnectorError) -> Callable[[Refused], ConnectorError | None]:
    return lambda answer: error if answer.status == status else None


def test_a_refusal_is_read_by_the_source() -> None:
    clock = Clock()
    body = b'{"error": {"code": "ActiveRequestAlreadyExists", "message": "Action is already in progress"}}'
    read: list[Refused] = []

    def refused(answer: Refused) -> ConnectorError:
        read.append(answer)
        return Conflict("edr", "an action is under way")

    busy = Answer(400, body=body, headers=(("Retry-After", "9"),))
    with FakeServer(busy) as server, client(clock) as http, pytest.raises(Conflict):
        http.send(write(server, refused=refused), deadline=clock.deadline())
    assert read[0].status == 400
    assert read[0].body == body
    assert read[0].headers["retry-after"] == "9"
    assert read[0].retry_at is not None
    assert (read[0].retry_at - START).total_seconds() == 9
    assert isinstance(read[0].json(), dict)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (Answer(400, body=b"x" * 200_000), b"x" * MAX_REFUSED_BYTES),
        (Answer(400, body=gzip.compress(b"why"), headers=(("Content-Encoding", "gzip"),)), b"why"),
        (Answer(400, body=b"not gzip", headers=(("Content-Encoding", "gzip"),)), b""),
        (Answer(400, body=b"odd", headers=(("Content-Encoding", "br"),)), b""),
        (Answer(400, body=b"part", cut=True), b""),
        (Answer(400, body=b""), b""),
    ],
    ids=["long", "gzip", "broken gzip", "packed oddly", "cut", "empty"],
)
def test_what_can_be_read_of_a_refusal(answer: Answer, body: bytes) -> None:
    clock = Clock()
    read: list[Refused] = []

    def refused(answer: Refused) -> None:
        read.append(answer)

    with FakeServer(answer) as server, client(clock) as http:
        asked = write(server, refused=refused)
        with pytest.raises(Rejected, match="HTTP 400"):
            http.send(asked, deadline=clock.deadline())
    assert read[0].body == body
    assert Refused(400, {}, b"<html>").json() is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthRejected), (429, RateLimited), (404, ConnectorError), (409, Rejected), (503, Transient)],
)
def test_what_a_source_does_not_read_has_its_usual_meaning(status: int, error: type[ConnectorError]) -> None:
    clock = Clock()
    with FakeServer(Answer(status)) as server, client(clock) as http, pytest.raises(error):
        http.send(write(server, refused=lambda _answer: None), deadline=clock.deadline())


def test_a_read_is_tried_again_after_a_5xx_that_the_source_leaves_alone() -> None:
    clock = Clock()
    with FakeServer(Answer(503), OK) as server, client(clock) as http:
        asked = write(server, repeatable=True, refused=lambda _answer: None)
        assert http.send(asked, deadline=clock.deadline()).status == 200


def test_a_quota_that_the_source_names_is_kept() -> None:
    clock = Clock()
    again = datetime(2026, 11, 24, 8, 5, tzinfo=UTC)
    refused = _reading(403, RateLimited("edr", "used up", retry_at=again))
    with FakeServer(Answer(403), OK) as server, client(clock) as http:
        for _ in range(2):
            with pytest.raises(RateLimited) as failure:
                http.send(write(server, refused=refused), deadline=clock.deadline())
            assert failure.value.retry_at == again
        assert len(server.seen) == 1


def test_the_quota_form_of_crowdstrike_is_an_epoch() -> None:
    clock = Clock()
    until = int(START.timestamp()) + 90
    used_up = Answer(429, headers=(("X-RateLimit-RetryAfter", str(until)),))
    with FakeServer(used_up) as server, client(clock) as http:
        with pytest.raises(RateLimited) as failure:
            http.send(write(server), deadline=clock.deadline())
        assert len(server.seen) == 1
    assert failure.value.retry_at is not None
    assert (failure.value.retry_at - START).total_seconds() == 90


def test_a_permission_that_one_call_lacks_does_not_stop_the_others() -> None:
    clock = Clock()
    missing = PermissionMissing("edr", "the permission is missing", scope="Hosts: write")
    with FakeServer(Answer(403), OK) as server, client(clock) as http:
        with pytest.raises(PermissionMissing):
            http.send(write(server, refused=_reading(403, missing)), deadline=clock.deadline())
        assert http.send(write(server), deadline=clock.deadline()).status == 200


def test_a_403_of_a_named_account_does_not_stop_its_other_calls() -> None:
    clock = Clock()
    with FakeServer(Answer(403), OK) as server, client(clock) as http:
        with pytest.raises(AuthRejected) as failure:
            http.send(write(server, account="client-1"), deadline=clock.deadline())
        assert type(failure.value) is AuthRejected
        assert http.send(write(server, account="client-1"), deadline=clock.deadline()).status == 200


def test_a_secret_of_a_form_that_was_refused_is_sent_once() -> None:
    clock = Clock()
    with FakeServer(Answer(401), OK) as server, client(clock) as http:
        asked = write(server, body=None, secret_headers={}, secret_form={"client_secret": SecretStr(KEY)})
        for _ in range(2):
            with pytest.raises(AuthRejected):
                http.send(asked._replace(account="client-1"), deadline=clock.deadline())
        assert len(server.seen) == 1
        other = asked._replace(secret_form={"client_secret": SecretStr("another")}, account="client-1")
        assert http.send(other, deadline=clock.deadline()).status == 200
