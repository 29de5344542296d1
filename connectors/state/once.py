"""What was sent to the outside, so that no other run sends it again before it can be found there.

Another system shows what it was sent only after a while, and a process can die between sending and noting
it. So a claim is kept before anything is sent, and what became of it afterwards. A claim ends by itself.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from connectors.clock import utc_now
from connectors.errors import ResponseError
from connectors.state.database import Database, StoreBusy

#: Seconds to wait for other threads and processes.
WAIT_S = 5.0

# EXTRA: what is committed is on the disk, and so is the end of the journal in its folder
# (https://www.sqlite.org/pragma.html#pragma_synchronous).
_SCHEMA = """
PRAGMA synchronous=EXTRA;
CREATE TABLE IF NOT EXISTS once (
    key TEXT PRIMARY KEY, state TEXT NOT NULL, at REAL NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
"""


class Claimed(StrEnum):
    """The answer to a claim."""

    GRANTED = "granted"  # ours: send it
    HELD = "held"  # somebody is sending it, or what became of it is not known
    TAKEN = "taken"  # it was sent and accepted


class _Held(NamedTuple):
    state: Claimed
    at: float
    until: float


class OnceUnusable(ResponseError):
    """What was sent cannot be noted, so nothing may be sent."""


class Once(Protocol):
    """Claims on what is sent once. Safe to use from many threads at once.

    Every method raises OnceUnusable where the claims cannot be read or kept.
    """

    def claim(self, key: str, for_s: float) -> Claimed:
        """Put a claim where there is none, in one step.

        Args:
            key: names what is sent; holds no secret.
            for_s: seconds after which a claim that nobody ended counts no more.
        """
        ...

    def taken(self, key: str, for_s: float) -> None:
        """It was accepted; for so many seconds it may not be found yet."""
        ...

    def unknown(self, key: str, for_s: float) -> None:
        """Whether it was accepted is not known; for so many seconds it is not sent again."""
        ...

    def release(self, key: str) -> None:
        """It was certainly not sent: it may be sent again at once."""
        ...


class MemoryOnce:
    """Claims of one object: what another process sends is not seen."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def claim(self, key: str, for_s: float) -> Claimed:
        """As Once."""
        now = self._clock().timestamp()
        with self._lock:
            kept = {name: _as_of(held, now) for name, held in self._held.items()}
            self._held = {name: held for name, held in kept.items() if held.until > now}
            if key in self._held:
                return self._held[key].state
            self._held[key] = _Held(Claimed.HELD, now, now + for_s)
        return Claimed.GRANTED

    def taken(self, key: str, for_s: float) -> None:
        """As Once."""
        self._put(key, Claimed.TAKEN, for_s)

    def unknown(self, key: str, for_s: float) -> None:
        """As Once."""
        self._put(key, Claimed.HELD, for_s)

    def release(self, key: str) -> None:
        """As Once."""
        with self._lock:
            self._held.pop(key, None)

    def _put(self, key: str, state: Claimed, for_s: float) -> None:
        now = self._clock().timestamp()
        with self._lock:
            self._held[key] = _Held(state, now, now + for_s)


class SqliteOnce:
    """Claims in a file, shared by all processes of a machine."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        """Open nothing yet; the file is open only while a claim is made.

        Args:
            path: the file, made when absent; it has to outlive the processes.
            clock: the time of day.
        """
        self._path = path
        self._clock = clock

    def claim(self, key: str, for_s: float) -> Claimed:
        """As Once."""
        now = self._clock().timestamp()

        def put(connection: sqlite3.Connection) -> Claimed:
            connection.execute("UPDATE once SET until = until - at + ?, at = ? WHERE at > ?", (now, now, now))
            connection.execute("DELETE FROM once WHERE until <= ?", (now,))
            held = connection.execute("SELECT state FROM once WHERE key = ?", (key,)).fetchone()
            if held is not None:
                return Claimed.TAKEN if held[0] == Claimed.TAKEN.value else Claimed.HELD
            _put(connection, key, _Held(Claimed.HELD, now, now + for_s))
            return Claimed.GRANTED

        return self._run(put)

    def taken(self, key: str, for_s: float) -> None:
        """As Once."""
        now = self._clock().timestamp()
        self._run(lambda connection: _put(connection, key, _Held(Claimed.TAKEN, now, now + for_s)))

    def unknown(self, key: str, for_s: float) -> None:
        """As Once."""
        now = self._clock().timestamp()
        self._run(lambda connection: _put(connection, key, _Held(Claimed.HELD, now, now + for_s)))

    def release(self, key: str) -> None:
        """As Once."""
        self._run(lambda connection: connection.execute("DELETE FROM once WHERE key = ?", (key,)))

    def close(self) -> None:
        """Nothing is open between two claims, so nothing is left to close; whoever made it need not know."""

    def _run[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        database = Database(self._path, _SCHEMA)
        try:
            result = database.run(work, wait_s=WAIT_S)
        except StoreBusy as exc:
            raise OnceUnusable(f"what was sent before cannot be looked up: {exc}") from exc
        finally:
            database.close()
        if database.lost:  # it went on in memory, which no other run sees
            raise OnceUnusable(
                f"{self._path} cannot be used, so it could be sent twice. The log says what is wrong; "
                "if the file is damaged, delete it"
            )
        return result


def _as_of(held: _Held, now: float) -> _Held:
    """A clock that was once ahead must not hold a claim for good: it is then made now."""
    return held if held.at <= now else _Held(held.state, now, held.until - held.at + now)


def _put(connection: sqlite3.Connection, key: str, held: _Held) -> None:
    connection.execute(
        "INSERT INTO once (key, state, at, until) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
        "SET state = excluded.state, at = excluded.at, until = excluded.until",
        (key, held.state.value, held.at, held.until),
    )
