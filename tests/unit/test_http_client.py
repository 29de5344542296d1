"""The HTTP client: what each answer means, attempts, pauses, quota and breaker."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.http.call import Call, Limits, Reply
from connectors.http.client import FIRST_PAUSE_S, QUOTA_WAIT_S
from connectors.http.deadline import Deadline
from connectors.http.settings import HttpSettings
from connectors.state.quota import FILE_NAME as QUOTA_FILE
from connectors.state.quota import Breaker
from tests.conftest import ROOT
from tests.fakes.http_server import Answer, FakeServer
from tests.http_clients import KEY, START, Clock, call, client, with_another_key

OK = Answer(body=b'{"ok": true}', headers=(("Content-Type", "application/json"),))


def test_importing_the_client_loads_no_http_library() -> None:
    code = (
        "import sys, connectors.http.client as c, connectors.http.settings as s\n"
        "c.Http(s.HttpSettings(), folder=None).close()\n"
        "print([m for m in ('requests', 'requests_cache', 'tenacity', 'urllib3') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_what_is_sent() -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock, user_agent="someone/1") as http:
        reply = http.send(call(server), deadline=clock.deadline())
        assert reply.json() == {"ok": True}
        assert (reply.status, reply.from_cache, reply.stale, reply.failure) == (200, False, False, "")
        assert reply.retrieved_at == START
        assert reply.headers["content-type"] == "application/json"
        (seen,) = server.seen
        assert (seen.method, seen.path) == ("GET", "/ip?ip=198.51.100.7")
        assert seen.headers["x-apikey"] == KEY
        assert seen.headers["user-agent"] == "someone/1"
        assert seen.headers["accept-encoding"] == "gzip"


def test_json_and_forms_are_posted() -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        http.send(Call("a", f"{server.url}/j", method="POST", body={"q": [1]}), deadline=clock.deadline())
        http.send(
            Call("a", f"{server.url}/f", method="POST", form={"host": "a b"}), deadline=clock.deadline()
        )
        assert (server.seen[0].body, server.seen[0].headers["content-type"]) == (
            b'{"q":[1]}',
            "application/json",
        )
        assert server.seen[1].body == b"host=a+b"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthRejected),
        (403, AuthRejected),
        (404, NotFound),
        (400, Rejected),
        (422, Rejected),
        (429, RateLimited),
        (304, BadResponse),
    ],
)
def test_a_refusal_is_final_and_repeats_no_text_of_the_source(
    status: int, error: type[ConnectorError]
) -> None:
    clock = Clock()
    with FakeServer(Answer(status, b"")) as server, client(clock) as http:
        with pytest.raises(error) as caught:
            http.send(call(server), deadline=clock.deadline())
        assert type(caught.value) is error
        assert caught.value.connector == "source"
        assert f"HTTP {status}" in str(caught.value)
        assert len(server.seen) == 1


@pytest.mark.parametrize("name", ["If-None-Match", "if-modified-since"])
def test_nothing_has_changed_is_an_answer_to_who_asked_that(name: str, tmp_path: Path) -> None:
    clock = Clock()
    # The length is that of the whole document, which a 304 does not bring.
    unchanged = Answer(304, b"", headers=(("ETag", '"v1"'), ("Content-Length", "99999999999")))
    with FakeServer(unchanged, OK) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=60)._replace(headers={name: "v1"}, accept=lambda reply: reply.json())
        reply = http.send(asked, deadline=clock.deadline())
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", '"v1"')
        assert http.send(asked, deadline=clock.deadline()).status == 200


def test_libraries_that_are_too_old_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "connectors.http.transport", raising=False)
    monkeypatch.setitem(sys.modules, "requests.adapters", None)
    clock = Clock()
    said = r"cannot be loaded: requests\.adapters is missing or too old"
    with FakeServer(OK) as server, client(clock) as http, pytest.raises(Rejected, match=said):
        http.send(call(server), deadline=clock.deadline())


def test_an_error_page_is_not_repeated() -> None:
    clock = Clock()
    with FakeServer(Answer(400, f"bad key {KEY}".encode())) as server, client(clock) as http:
        with pytest.raises(Rejected) as caught:
            http.send(call(server), deadline=clock.deadline())
        assert "bad key" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_a_failure_that_passes_is_asked_again(status: int) -> None:
    clock = Clock()
    with FakeServer(Answer(status), OK) as server, client(clock) as http:
        assert http.send(call(server), deadline=clock.deadline()).status == 200
        assert len(server.seen) == 2
        (pause,) = clock.slept
        assert FIRST_PAUSE_S / 2 <= pause <= FIRST_PAUSE_S


def test_attempts_are_bounded_and_pauses_grow_with_jitter() -> None:
    slept = []
    for seed in (1, 1, 2):
        clock = Clock()
        with FakeServer(Answer(500)) as server, client(clock, retries=3, seed=seed) as http:
            with pytest.raises(Transient, match=r"HTTP 500\); attempts made: 4"):
                http.send(call(server), deadline=clock.deadline())
            assert len(server.seen) == 4
        slept.append(clock.slept)
    assert slept[0] == slept[1] != slept[2]
    assert all(0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(slept[0]))


def test_no_pause_goes_past_the_deadline() -> None:
    clock = Clock()
    with FakeServer(Answer(500)) as server, client(clock, retries=10) as http:
        with pytest.raises(Transient, match="HTTP 500"):
            http.send(call(server), deadline=clock.deadline(3))
        assert sum(clock.slept) < 3
        assert 1 < len(server.seen) < 10


def test_a_deadline_that_has_passed_asks_nothing() -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        with pytest.raises(TimedOut):
            http.send(call(server), deadline=clock.deadline(0))
        assert server.seen == []


def test_an_unavailable_source_is_asked_again_when_it_wants_to_be() -> None:
    clock = Clock()
    with FakeServer(Answer(503, headers=(("Retry-After", "7"),)), OK) as server, client(clock) as http:
        assert http.send(call(server), deadline=clock.deadline()).status == 200
        assert clock.slept == [7]
        assert len(server.seen) == 2


def test_an_unavailable_source_that_wants_longer_than_the_deadline_is_not_waited_for() -> None:
    clock = Clock()
    with FakeServer(Answer(503, headers=(("Retry-After", "70"),)), OK) as server, client(clock) as http:
        with pytest.raises(Transient, match="HTTP 503"):
            http.send(call(server), deadline=clock.deadline())
        assert clock.slept == []


def test_a_connection_refused_or_cut_is_transient() -> None:
    clock = Clock()
    with FakeServer(OK) as gone:
        pass
    with client(clock, retries=0) as http:
        with pytest.raises(Transient, match="no connection can be made") as caught:
            http.send(call(gone), deadline=clock.deadline())
        assert not isinstance(caught.value, TimedOut)
    with FakeServer(Answer(body=b"{", cut=True), OK) as server, client(clock) as http:
        assert http.send(call(server), deadline=clock.deadline()).status == 200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("Retry-After", "90"),), 90),
        ((("Retry-After", "Tue, 24 Nov 2026 08:01:30 GMT"),), 90),
        ((("Retry-After", str(int(START.timestamp()) + 90)),), 90),
        ((("X-RateLimit-Reset", str(int(START.timestamp()) + 90)),), 90),
        ((("Retry-After", "soon"),), None),
        ((), None),
    ],
)
def test_a_used_up_quota_is_honoured_by_later_calls_and_other_clients(
    headers: tuple[tuple[str, str], ...], seconds: int | None, tmp_path: Path
) -> None:
    clock = Clock()
    with FakeServer(Answer(429, headers=headers), OK) as server:
        with client(clock, folder=tmp_path) as http:
            with pytest.raises(RateLimited) as first:
                http.send(call(server), deadline=clock.deadline())
            assert first.value.retry_at == (START + timedelta(seconds=seconds) if seconds else None)
            with pytest.raises(RateLimited) as second:
                http.send(call(server), deadline=clock.deadline())
            until = START + timedelta(seconds=seconds or 60)
            assert second.value.retry_at == until
        clock.now = until - timedelta(seconds=1)
        with client(clock, folder=tmp_path) as http:
            with pytest.raises(RateLimited):
                http.send(call(server), deadline=clock.deadline())
            assert len(server.seen) == 1
            clock.now = until
            assert http.send(call(server), deadline=clock.deadline()).status == 200
            assert clock.slept == []


def test_our_own_quota_counts_every_attempt() -> None:
    clock = Clock()
    with FakeServer(Answer(500), OK) as server, client(clock) as http:
        limited = call(server, limits=Limits(per_minute=2, per_day=3))
        http.send(limited, deadline=clock.deadline())
        with pytest.raises(
            RateLimited, match="for a minute is used up until 2026-11-24 08:01:00 UTC"
        ) as caught:
            http.send(limited, deadline=clock.deadline())
        assert caught.value.retry_at == START + timedelta(seconds=60)
        clock.advance(61)
        http.send(limited, deadline=clock.deadline())
        clock.advance(61)
        with pytest.raises(RateLimited, match="for the day is used up until 2026-11-25 00:00:00 UTC"):
            http.send(limited, deadline=clock.deadline())
        assert len(server.seen) == 3
        assert http.usage(call(server)).day_used == 3


def test_the_quota_is_waited_for_no_longer_than_the_caller_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    waits: list[float] = []

    def admit(_source: str, _limits: Limits, *, wait_s: float) -> None:
        waits.append(wait_s)

    with FakeServer(OK) as server, client(clock) as http:
        monkeypatch.setattr(http._quota, "admit", admit)
        for seconds in (0.5, 20.0):
            http.send(call(server), deadline=clock.deadline(seconds))
    assert waits == [0.5, QUOTA_WAIT_S]


def test_a_quota_that_cannot_be_counted_is_not_used(tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(per_day=9)
    with FakeServer(OK) as server, client(clock, folder=tmp_path) as http:
        asked = call(server, cache_s=1, limits=limits)
        http.send(asked, deadline=clock.deadline())
        clock.advance(2)
        other = sqlite3.connect(tmp_path / QUOTA_FILE, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        stale = http.send(asked, deadline=clock.deadline(0.01))
        assert (stale.stale, stale.failure) == (True, "not asked: the quota could not be counted in time")
        with pytest.raises(Transient, match="the quota could not be counted"):
            http.send(call(server, limits=limits), deadline=clock.deadline(0.01))
        other.execute("ROLLBACK")
        other.close()
        assert len(server.seen) == 1
        assert http.usage(call(server)).failures == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_key_is_sent_once(status: int) -> None:
    clock = Clock()
    with FakeServer(Answer(status), OK) as server, client(clock) as http:
        said = set()
        for path in ("/a", "/b", "/b"):
            with pytest.raises(AuthRejected) as caught:
                http.send(call(server, path), deadline=clock.deadline())
            said.add(str(caught.value))
        first, again = sorted(said, key=len)
        assert f"HTTP {status}" in first
        assert again == first.replace("source: ", "source: not asked again with this key: ")
        assert len(server.seen) == 1
        assert http.usage(call(server)).day_used == 1
        another = call(server)._replace(source="another")
        assert http.send(another, deadline=clock.deadline()).status == 200
        assert http.send(with_another_key(call(server)), deadline=clock.deadline()).status == 200
        with pytest.raises(AuthRejected):
            http.send(call(server), deadline=clock.deadline())


def test_a_key_that_one_server_rejects_is_sent_to_another() -> None:
    clock = Clock()
    with FakeServer(Answer(401)) as one, FakeServer(OK) as other, client(clock) as http:
        with pytest.raises(AuthRejected):
            http.send(call(one), deadline=clock.deadline())
        assert http.send(call(other), deadline=clock.deadline()).status == 200


@pytest.mark.parametrize("differ", ["server", "key"])
def test_another_server_or_key_has_a_quota_and_a_breaker_of_its_own(differ: str, tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(per_day=1)
    with (
        FakeServer(Answer(500), OK) as one,
        FakeServer(OK) as two,
        client(clock, folder=tmp_path, retries=0, breaker=Breaker(1, 30)) as http,
    ):
        first = call(one, limits=limits)
        other = call(two, limits=limits) if differ == "server" else with_another_key(first)
        with pytest.raises(Transient, match="HTTP 500"):
            http.send(first, deadline=clock.deadline())
        with pytest.raises(Transient, match="left alone"):
            http.send(first, deadline=clock.deadline())
        assert http.send(other, deadline=clock.deadline()).status == 200
        clock.advance(30)
        for used_up in (first, other):
            with pytest.raises(RateLimited, match="for the day is used up"):
                http.send(used_up, deadline=clock.deadline())
        assert len(one.seen) + len(two.seen) == 2


def test_the_same_account_on_another_path_shares_its_quota() -> None:
    clock = Clock()
    limits = Limits(per_day=1)
    with FakeServer(OK) as server, client(clock) as http:
        http.send(call(server, "/a", limits=limits), deadline=clock.deadline())
        with pytest.raises(RateLimited):
            http.send(call(server, "/b", limits=limits), deadline=clock.deadline())


def test_a_quota_file_that_cannot_be_used_stops_what_has_limits_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / QUOTA_FILE).write_bytes(b"not a database" * 100)
    clock = Clock()
    with FakeServer(OK) as server, client(clock, folder=tmp_path) as http:
        for _ in range(2):
            with pytest.raises(Transient, match="not asked: the quota file cannot be used"):
                http.send(call(server, limits=Limits(per_day=9)), deadline=clock.deadline())
        assert server.seen == []
        assert http.send(call(server), deadline=clock.deadline()).status == 200


def test_a_thread_that_comes_after_the_end_sends_and_writes_nothing(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock, folder=tmp_path) as http:

        def accept(_reply: Reply) -> None:
            http.close()  # the run ends while an answer is read
            for path in tmp_path.iterdir():
                path.unlink()

        late = call(server, cache_s=60, limits=Limits(per_day=9))._replace(accept=accept)
        assert http.send(late, deadline=clock.deadline()).status == 200
        with pytest.raises(Rejected, match="the client is closed"):
            http.send(late, deadline=clock.deadline())
        assert len(server.seen) == 1
        assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_begins_after_the_end_is_not_made(tmp_path: Path) -> None:
    clock = Clock()

    def over(_seconds: float) -> None:
        http.close()
        (tmp_path / QUOTA_FILE).unlink()

    with FakeServer(Answer(500), OK) as server, client(clock, folder=tmp_path) as http:
        http._sleep = over
        with pytest.raises(Rejected, match="the client is closed"):
            http.send(call(server), deadline=clock.deadline())
        assert len(server.seen) == 1
        assert not (tmp_path / QUOTA_FILE).exists()


def test_a_key_that_the_reader_finds_rejected_is_sent_once() -> None:
    def refuse(_reply: Reply) -> None:
        raise AuthRejected("source", "the key is not known")

    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        for _ in range(2):
            with pytest.raises(AuthRejected, match="the key is not known"):
                http.send(call(server)._replace(accept=refuse), deadline=clock.deadline())
        assert len(server.seen) == 1


def test_a_source_that_keeps_failing_is_left_alone_and_then_probed() -> None:
    clock = Clock()
    breaker = Breaker(failures=2, open_s=30)
    answers = [Answer(500), Answer(500), Answer(500), OK]
    with FakeServer(*answers) as server, client(clock, retries=0, breaker=breaker) as http:
        for _ in range(2):
            with pytest.raises(Transient, match="HTTP 500"):
                http.send(call(server), deadline=clock.deadline())
        with pytest.raises(Transient, match="left alone until 2026-11-24 08:00:30 UTC") as caught:
            http.send(call(server), deadline=clock.deadline())
        assert not isinstance(caught.value, RateLimited | TimedOut)
        assert len(server.seen) == 2
        clock.advance(30)
        with pytest.raises(Transient, match="HTTP 500"):
            http.send(call(server), deadline=clock.deadline())
        with pytest.raises(Transient, match="left alone"):
            http.send(call(server), deadline=clock.deadline())
        clock.advance(30)
        assert http.send(call(server), deadline=clock.deadline()).status == 200
        assert http.send(call(server), deadline=clock.deadline()).status == 200


def test_refusals_do_not_open_the_breaker() -> None:
    clock = Clock()
    with FakeServer(Answer(404)) as server, client(clock, breaker=Breaker(1, 30)) as http:
        for _ in range(3):
            with pytest.raises(NotFound):
                http.send(call(server), deadline=clock.deadline())
        assert len(server.seen) == 3


def test_many_threads_send_through_one_client(tmp_path: Path) -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock, folder=tmp_path) as http:

        def ask(n: int) -> Reply:
            return http.send(call(server, f"/{n % 10}", cache_s=60), deadline=clock.deadline())

        with ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(ask, range(40)))
        assert {reply.json()["ok"] for reply in replies if isinstance(reply.json(), dict)} == {True}  # type: ignore[index]
        assert 10 <= len(server.seen) <= 40
        assert http.usage(call(server)).day_used == len(server.seen)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_client_works_on_after_a_fork(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from connectors.http.call import Call\n"
        "from connectors.http.client import Http\n"
        "from connectors.http.deadline import Deadline\n"
        "from connectors.http.settings import HttpSettings\n"
        "http = Http(HttpSettings(), folder=Path(sys.argv[1]))\n"
        "def ask(path):\n"
        "    call = Call('a', sys.argv[2] + path, cache_s=60)\n"
        "    return http.send(call, deadline=Deadline.after(10))\n"
        "ask('/before')\n"
        "child = os.fork()\n"
        "good = [ask('/before').from_cache, not ask('/child' if child == 0 else '/parent').from_cache]\n"
        "if child == 0: os._exit(0 if all(good) else 1)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(code, all(good), ask('/child').from_cache)\n"
    )
    with FakeServer(OK) as server:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.split() == ["0", "True", "True"], done.stderr
        connections = {seen.path: seen.connection for seen in server.seen}
        assert len(server.seen) == 3
        assert connections["/before"] == connections["/parent"] != connections["/child"]


def test_a_deadline_counts_down_and_passes() -> None:
    clock = Clock()
    deadline = Deadline.after(2, clock=clock.monotonic)
    assert (deadline.left(), deadline.passed) == (2, False)
    clock.advance(5)
    assert (deadline.left(), deadline.passed) == (0, True)
    assert Deadline.after(-1).passed


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": 1', b"\xff\xfe", b"NaN", b"[" * 100_000])
def test_what_is_not_json_is_a_bad_response(body: bytes) -> None:
    reply = Reply(
        200, {"content-type": "text/html; x"}, body, START, from_cache=False, stale=False, source="a"
    )
    with pytest.raises(BadResponse, match=rf"a: the answer is not JSON: {len(body):,} bytes, text/html"):
        reply.json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"connect_s": 0},
        {"read_s": -1},
        {"retries": 11},
        {"max_body_bytes": 1},
        {"proxies": {"ftp": "http://proxy:1"}},
        {"proxies": {"https": f"socks5://u:{KEY}@proxy:1"}},
        {"ca_bundle": "/nowhere/at/all.pem"},
        {"user_agent": "a\r\nb"},
        {"verify": False},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate(wrong)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)


def test_a_proxy_password_is_not_shown() -> None:
    settings = HttpSettings.model_validate({"proxies": {"https": f"http://u:{KEY}@proxy:1"}})
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()
