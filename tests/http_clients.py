"""HTTP clients for tests: their clock stands still until it is moved, and their pauses take no time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connectors.http.call import Call, Limits
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.settings import HttpSettings
from connectors.state.quota import Breaker
from tests.fakes.http_server import FakeServer

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
KEY = "planted-key-0123456789"
UNLIMITED = Limits()


class Clock:
    """The time of day and a monotonic clock in one; a pause moves it and is remembered."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def deadline(self, seconds: float = 20.0) -> Deadline:
        return Deadline.after(seconds, clock=self.monotonic)


@contextmanager
def client(
    clock: Clock,
    *,
    folder: Path | None = None,
    breaker: Breaker | None = None,
    seed: int = 1,
    **settings: Any,
) -> Iterator[Http]:
    """A client on the clock, closed at the end."""
    http = Http(
        HttpSettings(**settings),
        folder=folder,
        sleep=clock.sleep,
        clock=clock,
        rng=random.Random(seed),  # noqa: S311  seeded jitter
        breaker=breaker,
    )
    try:
        yield http
    finally:
        http.close()


def with_another_key(asked: Call) -> Call:
    """The same question with another key: its answer is kept in the same place."""
    return asked._replace(secret_headers={"x-apikey": SecretStr(f"another-{KEY}")})


def call(server: FakeServer, path: str = "/ip", *, cache_s: int = 0, limits: Limits = UNLIMITED) -> Call:
    """A GET with a planted key and a parameter."""
    return Call(
        "source",
        f"{server.url}{path}",
        params={"ip": "198.51.100.7"},
        secret_headers={"x-apikey": SecretStr(KEY)},
        cache_s=cache_s,
        limits=limits,
    )
