"""Tokens: one for all threads, renewed before they expire and after a 401, never in a text."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.errors import AuthRejected, Conflict, NotSent, PermissionMissing, TimedOut
from connectors.http.call import Call, Limits, Refused
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.token import BearerToken, Token
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import Clock, client

OK = Answer(body=b'{"id": 1}')


class Issuer:
    """Gives out tokens and knows which of them are good."""

    def __init__(self, clock: Clock, *, lifetime_s: float = 1800) -> None:
        self.clock = clock
        self.lifetime_s = lifetime_s
        self.issued: list[str] = []
        self.revoked: set[str] = set()
        self.late = False

    def fetch(self, deadline: Deadline) -> Token:
        if self.late:
            raise TimedOut("edr", "no answer in time")
        assert deadline.left() > 0
        value = f"token-{len(self.issued)}-planted-secret"
        self.issued.append(value)
        return Token(SecretStr(value), self.clock() + timedelta(seconds=self.lifetime_s))

    def decide(self, seen: Seen) -> Answer:
        value = seen.headers["authorization"].removeprefix("Bearer ")
        return OK if value in self.issued and value not in self.revoked else Answer(401)


def asked(server: FakeServer, **more: Any) -> Call:
    return Call("edr", f"{server.url}/read")._replace(**more)


def test_one_token_serves_until_it_is_about_to_expire() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock, account="client-1")
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        for _ in range(3):
            token.send(http, asked(server), deadline=clock.deadline())
        clock.advance(1800 - 61)
        token.send(http, asked(server), deadline=clock.deadline())
        assert len(issuer.issued) == 1
        clock.advance(1)
        token.send(http, asked(server), deadline=clock.deadline())
        assert len(issuer.issued) == 2
    used = [seen.headers["authorization"] for seen in server.seen]
    assert used == [*(4 * [f"Bearer {issuer.issued[0]}"]), f"Bearer {issuer.issued[1]}"]


def test_a_token_of_few_seconds_is_used_for_most_of_them() -> None:
    clock = Clock()
    issuer = Issuer(clock, lifetime_s=20)
    token = BearerToken(issuer.fetch, clock)
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        for seconds, issued in ((0, 1), (17, 1), (1, 2)):
            clock.advance(seconds)
            token.send(http, asked(server), deadline=clock.deadline())
            assert len(issuer.issued) == issued


@pytest.mark.parametrize("repeatable", [True, False])
def test_after_a_401_the_token_is_renewed_and_the_call_repeated_once(repeatable: bool) -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        token.send(http, asked(server), deadline=clock.deadline())
        issuer.revoked.add(issuer.issued[0])
        call = asked(server, method="POST", body={"a": 1}, repeatable=repeatable)
        assert token.send(http, call, deadline=clock.deadline()).status == 200
        assert len(issuer.issued) == 2
        assert len(server.seen) == 3
        assert token.send(http, call, deadline=clock.deadline()).status == 200
        assert len(issuer.issued) == 2


def test_a_second_401_is_final() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)
    with FakeServer(Answer(401)) as server, client(clock) as http:
        with pytest.raises(AuthRejected):
            token.send(http, asked(server), deadline=clock.deadline())
        assert (len(issuer.issued), len(server.seen)) == (2, 2)


def test_a_401_that_the_source_reads_renews_all_the_same() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)
    read: list[int] = []

    def refused(answer: Refused) -> PermissionMissing:
        read.append(answer.status)
        return PermissionMissing("edr", "no", scope="x")

    with FakeServer(Answer(401), OK) as server, client(clock) as http:
        assert token.send(http, asked(server, refused=refused), deadline=clock.deadline()).status == 200
    assert read == [401]


@pytest.mark.parametrize("answer", [Answer(403), Answer(409), Answer(drop=True), Answer(500)])
def test_nothing_else_repeats_a_write(answer: Answer) -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)

    def refused(refusal: Refused) -> Conflict | None:
        return Conflict("edr", "busy") if refusal.status == 409 else None

    with FakeServer(answer, OK) as server, client(clock) as http:
        with pytest.raises((AuthRejected, Conflict, TimedOut)):
            token.send(
                http,
                asked(server, method="POST", repeatable=False, refused=refused),
                deadline=clock.deadline(),
            )
        assert (len(server.seen), len(issuer.issued)) == (1, 1)


def test_many_threads_fetch_one_token_and_renew_it_once() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)
    count = 12
    failures: list[BaseException] = []

    def together(http: Http, server: FakeServer) -> None:
        start = threading.Barrier(count)

        def work() -> None:
            try:
                start.wait(10)
                assert token.send(http, asked(server), deadline=Deadline.after(20)).status == 200
            except BaseException as exc:  # noqa: BLE001  told in the test's own thread
                failures.append(exc)

        threads = [threading.Thread(target=work) for _ in range(count)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)

    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        together(http, server)
        assert (failures, len(issuer.issued)) == ([], 1)
        issuer.revoked.add(issuer.issued[0])
        together(http, server)
        assert (failures, len(issuer.issued)) == ([], 2)


def test_a_token_that_another_thread_saw_refused_is_replaced_and_not_given_up() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    one, other = BearerToken(issuer.fetch, clock), BearerToken(issuer.fetch, clock)
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        one.send(http, asked(server), deadline=clock.deadline())
        issuer.revoked.add(issuer.issued[0])
        one.send(http, asked(server), deadline=clock.deadline())
        # As if it had taken the token just before: the client knows meanwhile that it is refused.
        other._held = one._held._replace(  # type: ignore[union-attr]
            token=Token(SecretStr(issuer.issued[0]), clock() + timedelta(hours=1))
        )
        before = len(server.seen)
        assert other.send(http, asked(server), deadline=clock.deadline()).status == 200
        assert len(server.seen) == before + 1


def test_an_expired_token_does_not_stop_the_renewed_one_nor_use_up_another_quota() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock, account="client-1")
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        call = asked(server, limits=Limits(per_day=10))
        token.send(http, call, deadline=clock.deadline())
        for _ in range(3):
            issuer.revoked.add(issuer.issued[-1])
            token.send(http, call, deadline=clock.deadline())
        assert http.usage(call._replace(account="client-1")).day_used == len(server.seen) == 7


def test_a_write_without_a_token_was_not_sent() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    issuer.late = True
    token = BearerToken(issuer.fetch, clock)
    with FakeServer(OK) as server, client(clock) as http:
        with pytest.raises(TimedOut):
            token.send(http, asked(server), deadline=clock.deadline())
        with pytest.raises(NotSent, match="not sent: no token in time"):
            token.send(http, asked(server, method="POST", repeatable=False), deadline=clock.deadline())
        assert server.seen == []
        issuer.late = False
        assert token.send(http, asked(server), deadline=clock.deadline()).status == 200


def test_a_thread_waits_for_a_token_no_longer_than_it_has() -> None:
    clock = Clock()
    issuer = Issuer(clock)
    begun, go_on = threading.Event(), threading.Event()

    def slow(deadline: Deadline) -> Token:
        begun.set()
        assert go_on.wait(20)
        return issuer.fetch(deadline)

    token = BearerToken(slow, clock)
    with FakeServer(decide=issuer.decide) as server, client(clock) as http:
        first = threading.Thread(
            target=lambda: token.send(http, asked(server), deadline=Deadline.after(20)), daemon=True
        )
        first.start()
        assert begun.wait(10)
        with pytest.raises(TimedOut, match="no token in time"):
            token.send(http, asked(server), deadline=clock.deadline(0))
        go_on.set()
        first.join(20)
        assert len(server.seen) == 1


def test_no_token_stands_in_a_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    issuer = Issuer(clock)
    token = BearerToken(issuer.fetch, clock)
    with FakeServer(Answer(401)) as server, client(clock) as http, pytest.raises(AuthRejected) as failure:
        token.send(http, asked(server), deadline=clock.deadline())
    shown = [caplog.text, str(failure.value), repr(failure.value), repr(token), repr(token._held)]
    assert all("planted-secret" not in text for text in shown)
