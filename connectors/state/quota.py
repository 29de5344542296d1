"""How often a source may be asked, and whether it may be asked now: quota and breaker in one table.

The rules are pure functions of a row, the limits and the time; `QuotaStore` applies them in one transaction,
so that they are exact over all threads and processes that share the file.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from connectors.clock import utc_now
from connectors.http.call import Limits
from connectors.state.database import Database, StoreBusy, StoreClosed

_log = logging.getLogger(__name__)

FILE_NAME = "quota.sqlite"

_MINUTE_S = 60.0
_DAY_S = 86_400.0

#: Seconds a source is left alone after a 429 that does not say how long.
UNSAID_WAIT_S = 60.0

#: Longest that a source can ask to be left alone: a broken header must not silence it for longer than a day.
LONGEST_WAIT_S = _DAY_S

#: No time is later than the end of the year 9999, in seconds since 1970 UTC.
_LAST_TIME = 253_402_300_799.0

#: No honest count is larger; one more still fits into SQLite's integer.
_MOST = 10**12

_SCHEMA = """
CREATE TABLE IF NOT EXISTS source_use_1 (
    source TEXT PRIMARY KEY,
    recent TEXT NOT NULL,
    day INTEGER NOT NULL,
    day_used INTEGER NOT NULL,
    blocked_until REAL NOT NULL,
    failures INTEGER NOT NULL,
    open_until REAL NOT NULL
);
"""


class Breaker(NamedTuple):
    """When a source that keeps failing is left alone.

    Attributes:
        failures: transient failures in a row that open it.
        open_s: seconds until one probe is let through.
    """

    failures: int = 5
    open_s: float = 60.0


class Usage(NamedTuple):
    """What is remembered of one source. Times are seconds since 1970 UTC.

    Attributes:
        recent: when it was asked within the last minute.
        day: the day of UTC that `day_used` counts, in days since 1970.
        blocked_until: the source asked not to be asked before.
        failures: transient failures since the last answer.
        open_until: the breaker lets nothing through before.
    """

    recent: tuple[float, ...] = ()
    day: int = 0
    day_used: int = 0
    blocked_until: float = 0.0
    failures: int = 0
    open_until: float = 0.0


class RefusedBy(StrEnum):
    """Why a source is not asked."""

    SOURCE = "source"
    MINUTE = "minute"
    DAY = "day"
    BREAKER = "breaker"
    TABLE = "table"
    FILE = "file"


class Refusal(NamedTuple):
    """The source is not asked, and when it may be; of TABLE and FILE, that is now: nothing is known."""

    by: RefusedBy
    until: datetime


def admit(usage: Usage, limits: Limits, breaker: Breaker, now: float) -> tuple[Usage, Refusal | None]:
    """The usage after one more request, or the same usage and why there may be none.

    A time further ahead than any rule sets one comes from a clock that was wrong, and counts for nothing.
    """
    if now < usage.blocked_until <= now + LONGEST_WAIT_S:
        return usage, _refusal(RefusedBy.SOURCE, usage.blocked_until)
    tripped = usage.failures >= breaker.failures
    if tripped and now < usage.open_until <= now + breaker.open_s:
        return usage, _refusal(RefusedBy.BREAKER, usage.open_until)
    recent = tuple(at for at in usage.recent if now - _MINUTE_S < at <= now)
    if limits.per_minute is not None and len(recent) >= limits.per_minute:
        oldest = recent[-limits.per_minute] if limits.per_minute > 0 else now
        return usage, _refusal(RefusedBy.MINUTE, oldest + _MINUTE_S)
    day = int(now // _DAY_S)
    used = usage.day_used if usage.day == day else 0
    if limits.per_day is not None and used >= limits.per_day:
        return usage, _refusal(RefusedBy.DAY, (day + 1) * _DAY_S)
    asked = usage._replace(
        recent=(*recent, now) if limits.per_minute is not None else (), day=day, day_used=used + 1
    )
    # The probe keeps the others out for as long as the breaker stays open; if it dies, the next one follows.
    return (asked._replace(open_until=now + breaker.open_s) if tripped else asked), None


def after_answer(usage: Usage) -> Usage:
    """The source answered, whatever it said: the breaker closes."""
    return usage._replace(failures=0, open_until=0.0)


def after_failure(usage: Usage, breaker: Breaker, now: float) -> Usage:
    """One more transient failure; the breaker opens, or stays open, when they are enough."""
    failures = usage.failures + 1
    return usage._replace(
        failures=failures, open_until=now + breaker.open_s if failures >= breaker.failures else 0.0
    )


def after_limit(usage: Usage, retry_at: float | None, now: float) -> Usage:
    """The source asked to be left alone until `retry_at`; None when it did not say for how long."""
    until = now + UNSAID_WAIT_S if retry_at is None else max(0.0, min(retry_at, now + LONGEST_WAIT_S))
    return after_answer(usage)._replace(blocked_until=until)


def _refusal(by: RefusedBy, until: float) -> Refusal:
    return Refusal(by, datetime.fromtimestamp(until, UTC))


class QuotaStore:
    """The table. When it cannot be reached or used, a source with limits is not asked: a limit is a promise.

    A row is of an account: a source, its server and its key (connectors.http.accounts), so that a second
    server or a new key does not inherit what the other has used up.
    """

    def __init__(
        self, folder: Path | None, *, breaker: Breaker | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Open nothing yet.

        Args:
            folder: where the file goes, shared by all processes; None = in memory, for this process alone.
            breaker: when a failing source is left alone.
            clock: the time of day; it must be one that all processes share.
        """
        self._database = Database(folder / FILE_NAME if folder else None, _SCHEMA)
        self._breaker = breaker or Breaker()
        self._clock = clock

    def admit(self, account: str, limits: Limits, *, wait_s: float) -> Refusal | None:
        """Count one request, or say why there may be none. Waits at most `wait_s` for the table.

        An account without limits is asked even when the table cannot be reached or used.
        """
        limited = limits.per_minute is not None or limits.per_day is not None

        def change(usage: Usage, now: float) -> tuple[Usage, Refusal | None]:
            return admit(usage, limits, self._breaker, now)

        try:
            refusal = self._database.run(self._work(account, change), wait_s=wait_s)
        except StoreBusy as exc:
            if limited:
                _log.warning("%s is not asked: %s", _source_of(account), exc)
                return Refusal(RefusedBy.TABLE, self._clock())
            _log.warning("%s goes uncounted: %s", _source_of(account), exc)
            return None
        # In memory each process would count from nothing, and a limit for a day would be one for a run.
        if limited and self._database.lost:
            return Refusal(RefusedBy.FILE, self._clock())
        return refusal

    def answered(self, account: str, *, wait_s: float) -> None:
        """The source answered."""
        self._change(account, lambda usage, _: (after_answer(usage), None), wait_s)

    def failed(self, account: str, *, wait_s: float) -> None:
        """The source did not answer."""
        self._change(account, lambda usage, now: (after_failure(usage, self._breaker, now), None), wait_s)

    def limited(self, account: str, retry_at: datetime | None, *, wait_s: float) -> None:
        """The source is not to be asked before `retry_at`."""
        until = retry_at.timestamp() if retry_at else None
        self._change(account, lambda usage, now: (after_limit(usage, until, now), None), wait_s)

    def usage(self, account: str, *, wait_s: float = 1.0) -> Usage:
        """What is remembered of a source; nothing when the table cannot be reached in time."""
        try:
            return self._database.run(lambda sql: _read(sql, account), wait_s=wait_s, write=False)
        except StoreBusy as exc:
            _log.warning("quota of %s not read: %s", _source_of(account), exc)
            return Usage()

    def close(self) -> None:
        """Close the file for good."""
        self._database.close()

    def _change(
        self, account: str, change: Callable[[Usage, float], tuple[Usage, Refusal | None]], wait_s: float
    ) -> None:
        try:
            self._database.run(self._work(account, change), wait_s=wait_s)
        except StoreClosed:
            # A source that answered after the look-up was over: nothing that a person could do about it.
            _log.debug("what %s did after the end is not remembered", _source_of(account))
        except StoreBusy as exc:
            _log.warning("what %s did is not remembered: %s", _source_of(account), exc)

    def _work(
        self, account: str, change: Callable[[Usage, float], tuple[Usage, Refusal | None]]
    ) -> Callable[[sqlite3.Connection], Refusal | None]:
        def work(sql: sqlite3.Connection) -> Refusal | None:
            before = _read(sql, account)
            after, refusal = change(before, self._clock().timestamp())
            if after != before:
                _write(sql, account, after)
            return refusal

        return work


def _read(sql: sqlite3.Connection, account: str) -> Usage:
    row = sql.execute(
        "SELECT recent, day, day_used, blocked_until, failures, open_until"
        " FROM source_use_1 WHERE source = ?",
        (account,),
    ).fetchone()
    return _usage_of(row) if row else Usage()


def _source_of(account: str) -> str:
    """What of an account's name is shown: the rest is a piece of a digest of its key."""
    return account.partition(" ")[0]


def _usage_of(row: tuple[object, ...]) -> Usage:
    """A row as read; SQLite keeps any type in any column.

    Raises:
        sqlite3.DatabaseError: this table was not written by us. Reading it as nothing used would lift the
            limits, so that the whole file counts as damaged.
    """
    recent, day, day_used, blocked_until, failures, open_until = row
    return Usage(
        _times(recent),
        _whole(day),
        _whole(day_used),
        _time(blocked_until),
        _whole(failures),
        _time(open_until),
    )


def _times(text: object) -> tuple[float, ...]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise _damaged()
    return tuple(_time(at) for at in found)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise _damaged()
    return value


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_TIME:
        raise _damaged()
    return float(value)


def _damaged() -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError("a row of it holds something that is no time or count")


def _write(sql: sqlite3.Connection, account: str, usage: Usage) -> None:
    sql.execute(
        "INSERT OR REPLACE INTO source_use_1 VALUES (?, ?, ?, ?, ?, ?, ?)",
        (account, json.dumps(usage.recent), *usage[1:]),
    )
