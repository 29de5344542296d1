"""Kept answers: what is kept, for how long, when a stale one is given, and files that cannot be used."""

from __future__ import annotations

import logging
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    RateLimited,
    Rejected,
    Transient,
)
from connectors.http.cache import FILE_NAME, STALE_FOR, cache_key
from connectors.http.call import Call, Reply
from connectors.state.quota import FILE_NAME as QUOTA_FILE
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import START, Clock, call, client, with_another_key

HOUR_S = 3600


def numbered() -> FakeServer:
    """Answers with how often it was asked."""
    server = FakeServer(decide=lambda _: Answer(body=b'{"n": %d}' % len(server.seen)))
    return server


def test_a_good_answer_is_not_asked_for_again(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server:
        asked = call(server, cache_s=HOUR_S)
        with client(clock, folder=tmp_path) as http:
            first = http.send(asked, deadline=clock.deadline())
            clock.advance(HOUR_S - 1)
        with client(clock, folder=tmp_path) as http:
            second = http.send(asked, deadline=clock.deadline(0))
            assert second == first._replace(from_cache=True)
            assert second.retrieved_at == START
            clock.advance(1)
            third = http.send(asked, deadline=clock.deadline())
            assert (third.from_cache, third.json()) == (False, {"n": 2})


def test_two_servers_share_no_kept_answer(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as one, numbered() as other, client(clock, folder=tmp_path) as http:
        for server in (one, other):
            assert not http.send(call(server, cache_s=HOUR_S), deadline=clock.deadline()).from_cache
        assert (len(one.seen), len(other.seen)) == (1, 1)


@pytest.mark.parametrize(
    "changed",
    [
        "https://other.example/a/b",
        "https://misp.example/a/c",
        "https://misp.example/b",
        "https://misp.example:8443/a/b",
        "http://misp.example/a/b",
    ],
)
def test_each_part_of_the_address_is_in_the_key(changed: str) -> None:
    assert cache_key(Call("misp", "https://misp.example/a/b")) != cache_key(Call("misp", changed))


def test_two_paths_of_one_server_share_no_kept_answer(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        for path in ("/one/search", "/two/search"):
            asked = call(server, path, cache_s=HOUR_S)
            assert not http.send(asked, deadline=clock.deadline()).from_cache
        assert len(server.seen) == 2


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_link_in_place_of_the_file_is_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / FILE_NAME).symlink_to(elsewhere)
    clock = Clock()
    with numbered() as server, client(clock, folder=folder) as http:
        asked = call(server, cache_s=HOUR_S)
        assert [http.send(asked, deadline=clock.deadline()).from_cache for _ in range(2)] == [False, True]
    assert elsewhere.read_bytes() == b""
    assert "cannot be used" in caplog.text


def test_nothing_is_kept_where_nothing_is_good_for_any_time(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        for _ in range(2):
            assert not http.send(call(server), deadline=clock.deadline()).from_cache
        assert len(server.seen) == 2


def test_fresh_goes_past_the_cache_and_renews_it(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        clock.advance(10)
        assert http.send(asked, deadline=clock.deadline(), fresh=True).json() == {"n": 2}
        kept = http.send(asked, deadline=clock.deadline())
        assert (kept.json(), kept.from_cache, kept.retrieved_at) == (
            {"n": 2},
            True,
            START + timedelta(seconds=10),
        )


def test_each_question_has_its_own_answer(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        base = call(server, cache_s=HOUR_S)
        questions = [
            base,
            base._replace(params={"ip": "198.51.100.8"}),
            base._replace(url=server.url + "/other"),
            base._replace(source="other"),
            base._replace(headers={"Accept": "x/y"}),
            base._replace(method="POST", body={"q": "a"}),
            base._replace(method="POST", body={"q": "b"}),
            base._replace(method="POST", form={"q": "a"}),
        ]
        for _ in range(2):
            numbers = [http.send(question, deadline=clock.deadline()).body for question in questions]
            assert len(set(numbers)) == len(questions)
        assert len(server.seen) == len(questions)


def test_the_order_of_parameters_makes_no_other_question_and_a_key_is_none() -> None:
    base = Call("a", "https://example.com", params={"a": "1", "b": "2"}, cache_s=5)
    assert cache_key(base) == cache_key(base._replace(params={"b": "2", "a": "1"}, secret_headers={}))
    body = base._replace(method="POST", body={"a": 1, "b": 2})
    assert cache_key(body) == cache_key(body._replace(body={"b": 2, "a": 1}))


@pytest.mark.parametrize("status", [206, 301, 400, 401, 404, 429, 500])
def test_only_a_complete_answer_is_kept(status: int, tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(status), Answer()) as server, client(clock, folder=tmp_path, retries=0) as http:
        asked = call(server, cache_s=HOUR_S)
        try:
            http.send(asked, deadline=clock.deadline())
        except (AuthRejected, BadResponse, NotFound, Rejected, Transient):
            clock.advance(61)
        assert not http.send(with_another_key(asked), deadline=clock.deadline()).from_cache


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Answer(500), "HTTP 500"),
        (Answer(429), "quota is used up"),
        (Answer(body=b"x" * 2000), "larger than"),
        (Answer(302, headers=(("Location", "https://example.com/"),)), "another host"),
    ],
)
def test_an_expired_answer_is_better_than_a_failure(failure: Answer, said: str, tmp_path: Path) -> None:
    clock = Clock()
    with (
        FakeServer(Answer(body=b'{"n": 1}'), failure) as server,
        client(clock, folder=tmp_path, retries=0, max_body_bytes=1024) as http,
    ):
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        clock.advance(HOUR_S + STALE_FOR.total_seconds())
        stale = http.send(asked, deadline=clock.deadline())
        assert (stale.json(), stale.stale, stale.from_cache, stale.retrieved_at) == (
            {"n": 1},
            True,
            True,
            START,
        )
        assert said in stale.failure
        clock.advance(1)
        with pytest.raises((Transient, BadResponse)):
            http.send(asked, deadline=clock.deadline())


def test_a_source_left_alone_is_a_failure_too(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(), Answer(429)) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=1)
        http.send(asked, deadline=clock.deadline())
        clock.advance(2)
        for _ in range(2):
            assert http.send(asked, deadline=clock.deadline()).stale
        assert len(server.seen) == 2
        with pytest.raises(RateLimited):
            http.send(asked._replace(params={}), deadline=clock.deadline())


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthRejected), (403, AuthRejected), (400, Rejected), (404, NotFound)]
)
def test_an_answer_is_no_failure_even_when_it_is_a_refusal(
    status: int, error: type[Exception], tmp_path: Path
) -> None:
    clock = Clock()
    with (
        FakeServer(Answer(), Answer(status), Answer(500)) as server,
        client(clock, folder=tmp_path, retries=0) as http,
    ):
        asked = call(server, cache_s=1)
        http.send(asked, deadline=clock.deadline())
        clock.advance(2)
        with pytest.raises(error):
            http.send(asked, deadline=clock.deadline())
        if status == 404:
            with pytest.raises(Transient):
                http.send(asked, deadline=clock.deadline())
        else:
            assert http.send(with_another_key(asked), deadline=clock.deadline()).stale


def test_fresh_gives_what_is_kept_marked_when_the_source_fails(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(), Answer(500)) as server, client(clock, folder=tmp_path, retries=0) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        reply = http.send(asked, deadline=clock.deadline(), fresh=True)
        assert (reply.stale, reply.from_cache) == (True, True)


def test_an_answer_from_the_future_is_not_believed(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        clock.advance(-HOUR_S)
        assert http.send(asked, deadline=clock.deadline()).json() == {"n": 2}


def test_without_a_folder_answers_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    with numbered() as server, client(clock) as http:
        asked = call(server, cache_s=HOUR_S)
        assert [http.send(asked, deadline=clock.deadline()).from_cache for _ in range(2)] == [False, True]
    assert list(tmp_path.iterdir()) == []


def test_old_answers_are_deleted(tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        http.send(call(server, "/old", cache_s=1), deadline=clock.deadline())
        clock.advance(2 + STALE_FOR.total_seconds())
        http.send(call(server, "/new", cache_s=1), deadline=clock.deadline())
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        assert connection.execute("SELECT count(*) FROM answers_1").fetchone() == (1,)
    connection.close()


# --- what a reader refuses, and what is not found ----------------------------------------------

PAGE = Answer(body=b"<!DOCTYPE html><title>Sign in</title>", headers=(("Content-Type", "text/html"),))
NO_KEY = Answer(body=b'{"status": "unknown key"}')


def read_number(reply: Reply) -> int:
    body = reply.json()
    assert isinstance(body, dict)
    if "n" not in body:
        raise AuthRejected("source", "the key is not known")
    return int(body["n"])


@pytest.mark.parametrize(("refused", "error"), [(PAGE, BadResponse), (NO_KEY, AuthRejected)])
def test_what_the_reader_refuses_is_not_kept(
    refused: Answer, error: type[ConnectorError], tmp_path: Path
) -> None:
    clock = Clock()
    with FakeServer(refused, Answer(body=b'{"n": 1}')) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)._replace(accept=read_number)
        with pytest.raises(error):
            http.send(asked, deadline=clock.deadline())
        asked = with_another_key(asked)
        assert [http.send(asked, deadline=clock.deadline()).from_cache for _ in range(2)] == [False, True]
        assert len(server.seen) == 2


def test_a_page_in_place_of_an_answer_replaces_no_older_answer(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(body=b'{"n": 1}'), PAGE) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)._replace(accept=read_number)
        http.send(asked, deadline=clock.deadline())
        fresh = http.send(asked, deadline=clock.deadline(), fresh=True)
        assert (read_number(fresh), fresh.stale) == (1, True)
        assert "is not JSON" in fresh.failure
        kept = http.send(asked, deadline=clock.deadline())
        assert (read_number(kept), kept.stale, kept.from_cache) == (1, False, True)
        clock.advance(HOUR_S)
        late = http.send(asked, deadline=clock.deadline())
        assert (read_number(late), late.stale, late.retrieved_at) == (1, True, START)


def test_an_unknown_key_is_told_and_replaces_no_older_answer(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(body=b'{"n": 1}'), NO_KEY) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)._replace(accept=read_number)
        http.send(asked, deadline=clock.deadline())
        with pytest.raises(AuthRejected):
            http.send(asked, deadline=clock.deadline(), fresh=True)
        assert read_number(http.send(asked, deadline=clock.deadline())) == 1


def test_a_kept_answer_that_the_reader_refuses_now_is_asked_for_again(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(PAGE, Answer(body=b'{"n": 1}')) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        assert read_number(http.send(asked._replace(accept=read_number), deadline=clock.deadline())) == 1


def test_not_found_is_kept_where_the_call_says_so(tmp_path: Path) -> None:
    clock = Clock()
    missing = Answer(404, b"secret text of the source")
    with FakeServer(missing, missing, Answer(body=b'{"n": 1}')) as server:
        asked = call(server, cache_s=HOUR_S)._replace(cache_not_found=True)
        for age_s in (0, HOUR_S - 1):
            with client(clock, folder=tmp_path) as http, pytest.raises(NotFound) as caught:
                http.send(asked, deadline=clock.deadline())
            assert caught.value.as_of == (START if age_s else None)
            clock.now = START + timedelta(seconds=HOUR_S - 1)
        assert len(server.seen) == 1
        with client(clock, folder=tmp_path) as http:
            with pytest.raises(NotFound):
                http.send(asked, deadline=clock.deadline(), fresh=True)
            with_others = http.send(asked._replace(cache_not_found=False), deadline=clock.deadline())
            assert with_others.json() == {"n": 1}
            clock.advance(HOUR_S)
            assert http.send(asked, deadline=clock.deadline()).json() == {"n": 1}
    assert b"secret text" not in (tmp_path / FILE_NAME).read_bytes()


def test_an_expired_not_found_is_no_answer(tmp_path: Path) -> None:
    clock = Clock()
    with (
        FakeServer(Answer(404), Answer(500)) as server,
        client(clock, folder=tmp_path, retries=0) as http,
    ):
        asked = call(server, cache_s=HOUR_S)._replace(cache_not_found=True)
        with pytest.raises(NotFound):
            http.send(asked, deadline=clock.deadline())
        clock.advance(HOUR_S)
        with pytest.raises(Transient):
            http.send(asked, deadline=clock.deadline())


def test_not_found_takes_the_place_of_an_older_answer(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(), Answer(404)) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)._replace(cache_not_found=True)
        http.send(asked, deadline=clock.deadline())
        for fresh in (True, False):
            with pytest.raises(NotFound):
                http.send(asked, deadline=clock.deadline(), fresh=fresh)
        assert len(server.seen) == 2


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_no_other_error_is_kept_for_it(status: int, tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(Answer(status), Answer()) as server, client(clock, folder=tmp_path, retries=0) as http:
        asked = call(server, cache_s=HOUR_S)._replace(cache_not_found=True)
        with pytest.raises(ConnectorError):
            http.send(asked, deadline=clock.deadline())
        clock.advance(61)
        assert not http.send(with_another_key(asked), deadline=clock.deadline()).from_cache


# --- files that cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_fails_no_look_up(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (FILE_NAME, QUOTA_FILE):
        (tmp_path / name).write_bytes(content)
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        assert [http.send(asked, deadline=clock.deadline()).from_cache for _ in range(2)] == [False, True]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert FILE_NAME in warnings[0]
    assert (tmp_path / FILE_NAME).read_bytes() == content


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "[]",
        "1",
        '{"status_code": "x"}',
        '{"headers": 5}',
        '{"created_at": 7}',
        -5,
        1.5,
        b"\xff",
        b"\x00{}",
        '{"content": 5}',
        "[" * 100_000,
        '{"created_at": "x"}',
        '{"cookies": 3}',
        '{"history": [1]}',
    ],
)
def test_a_damaged_row_is_no_answer(value: object, tmp_path: Path) -> None:
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        with sqlite3.connect(tmp_path / FILE_NAME) as connection:
            connection.execute("UPDATE answers_1 SET value = ?", (value,))
        connection.close()
        assert http.send(asked, deadline=clock.deadline()).json() == {"n": 2}
        assert http.send(asked, deadline=clock.deadline()).from_cache


def test_a_locked_file_fails_no_look_up_and_holds_none_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.http.cache.WAIT_S", 0.01)
    monkeypatch.setattr("connectors.http.client.QUOTA_WAIT_S", 0.01)
    clock = Clock()
    with numbered() as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=HOUR_S)
        http.send(asked, deadline=clock.deadline())
        others = [sqlite3.connect(tmp_path / name, isolation_level=None) for name in (FILE_NAME, QUOTA_FILE)]
        for other in others:
            other.execute("BEGIN EXCLUSIVE")
        assert http.send(asked, deadline=clock.deadline()).json() == {"n": 2}
        assert {record.levelno for record in caplog.records} == {logging.WARNING}
        for other in others:
            other.execute("ROLLBACK")
            other.close()
        assert http.send(asked, deadline=clock.deadline()).json() == {"n": 1}


def test_what_a_request_held_is_not_in_the_key(tmp_path: Path) -> None:
    clock = Clock()
    seen: list[Seen]
    with numbered() as server, client(clock, folder=tmp_path) as http:
        http.send(call(server, cache_s=HOUR_S), deadline=clock.deadline())
        seen = server.seen
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        ((key, value),) = connection.execute("SELECT key, value FROM answers_1").fetchall()
    connection.close()
    assert len(key) == 64
    assert seen[0].headers["x-apikey"] not in value
    assert "198.51.100.7" not in value
