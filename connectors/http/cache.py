"""Answers kept on disk: responses of requests-cache in our own table. Loads it, hence imported late.

The table is ours because the SQLite storage of requests-cache 1.3 waits without end for a locked or read-only
file, carries its connection over a fork, and by default unpickles what it finds
(docs/adr/0009-http-stack.md).
Nothing of a request is kept, and the key is a digest: a secret has no way into the file.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
from requests.structures import CaseInsensitiveDict
from requests_cache.backends.base import BaseCache, BaseStorage
from requests_cache.models.response import CachedResponse
from requests_cache.serializers import json_serializer

from connectors.http.call import Call, Reply
from connectors.http.redaction import UNKEPT_HEADERS, holds_secret
from connectors.state.database import Database, StoreBusy

_log = logging.getLogger(__name__)

FILE_NAME = "http-cache.sqlite"

#: How long after its end an answer may still be given, marked stale, when the source fails.
STALE_FOR = timedelta(days=7)

#: Seconds to wait for the file: an answer is fetched again rather than waited for.
WAIT_S = 0.25

_OK = 200
_NOT_FOUND = 404

#: How far the clocks of two machines on one folder may differ.
_CLOCK_SKEW = timedelta(minutes=5)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers_1 (key TEXT PRIMARY KEY, value TEXT NOT NULL, delete_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS answers_1_delete_at ON answers_1 (delete_at);
"""


class Kept(NamedTuple):
    """An answer from the file; `good` while it has not expired."""

    reply: Reply
    good: bool

    @property
    def not_found(self) -> bool:
        """True for a 404."""
        return self.reply.status == _NOT_FOUND


class _Table(BaseStorage[str, CachedResponse]):
    """The storage that requests-cache writes to (its "custom backend")."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(serializer=json_serializer)
        self._database = database
        self._clock = clock

    def __getitem__(self, key: str) -> CachedResponse:
        def work(sql: sqlite3.Connection) -> tuple[str] | None:
            found: tuple[str] | None = sql.execute(
                "SELECT value FROM answers_1 WHERE key = ?", (key,)
            ).fetchone()
            return found

        row = self._database.run(work, wait_s=WAIT_S, write=False)
        # The storage is typed for what goes in; what is stored is text.
        response = self.deserialize(key, cast("Any", row[0])) if row else None
        if not isinstance(response, CachedResponse):
            raise KeyError(key)
        return response

    def __setitem__(self, key: str, value: CachedResponse) -> None:
        text = self.serialize(value)
        now = self._clock()
        delete_at = ((value.expires or now) + STALE_FOR).timestamp()

        def work(sql: sqlite3.Connection) -> None:
            sql.execute("DELETE FROM answers_1 WHERE delete_at < ?", (now.timestamp(),))
            sql.execute("INSERT OR REPLACE INTO answers_1 VALUES (?, ?, ?)", (key, text, delete_at))

        self._database.run(work, wait_s=WAIT_S)

    def __delitem__(self, key: str) -> None:
        self._database.run(
            lambda sql: sql.execute("DELETE FROM answers_1 WHERE key = ?", (key,)).close(), wait_s=WAIT_S
        )

    def __iter__(self) -> Iterator[str]:
        return iter(
            self._database.run(
                lambda sql: [row[0] for row in sql.execute("SELECT key FROM answers_1")], wait_s=WAIT_S
            )
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        self._database.run(lambda sql: sql.execute("DELETE FROM answers_1").close(), wait_s=WAIT_S)

    def close(self) -> None:
        self._database.close()


class AnswerCache:
    """What sources answered, with the time. No failure of the file reaches the caller: it is logged."""

    def __init__(self, folder: Path | None, *, clock: Callable[[], datetime]) -> None:
        """Open nothing yet.

        Args:
            folder: where the file goes; None = in memory.
            clock: the time of day.
        """
        self._clock = clock
        self._table = _Table(Database(folder / FILE_NAME if folder else None, _SCHEMA), clock)
        self._cache = BaseCache(cache_name="answers")
        self._cache.responses = self._table

    def get(self, call: Call) -> Kept | None:
        """The answer kept for a call; None when there is none that may be given, not even as stale."""
        try:
            response = self._cache.get_response(cache_key(call))
        except StoreBusy as exc:
            _log.warning("an answer of %s is not taken from the cache: %s", call.source, exc)
            return None
        except (ExceptionGroup, RecursionError):  # JSON, but no response (cattrs), or nested too deeply
            _log.warning("an answer of %s in the cache is damaged", call.source)
            return None
        if response is None or not _is_instant(response.created_at):
            return None
        if response.status_code == _NOT_FOUND and not call.cache_not_found:
            return None
        age = self._clock() - response.created_at
        good_for = timedelta(seconds=call.cache_s)
        if age > good_for + STALE_FOR or age < -_CLOCK_SKEW:
            return None
        reply = Reply(
            response.status_code,
            dict(response.headers),
            response.content or b"",
            response.created_at,
            from_cache=True,
            stale=False,
            source=call.source,
        )
        return Kept(reply, good=age < good_for)

    def put(self, call: Call, reply: Reply) -> None:
        """Keep a complete answer (HTTP 200); one that repeats a secret of the call is not kept."""
        if reply.status == _OK and not _repeats_a_secret(call, reply):
            self._put(call, reply)

    def put_not_found(self, call: Call) -> None:
        """Keep that the source answered 404 just now; nothing else of that answer."""
        self._put(
            call, Reply(_NOT_FOUND, {}, b"", self._clock(), from_cache=False, stale=False, source=call.source)
        )

    def _put(self, call: Call, reply: Reply) -> None:
        response = CachedResponse(
            content=reply.body,
            headers=CaseInsensitiveDict(_kept_headers(reply.headers)),
            status_code=reply.status,
            created_at=reply.retrieved_at,
            expires=reply.retrieved_at + timedelta(seconds=call.cache_s),
        )
        try:
            self._table[cache_key(call)] = response
        except StoreBusy as exc:
            _log.warning("an answer of %s is not kept: %s", call.source, exc)

    def forget(self, call: Call) -> None:
        """Drop the answer kept for a call."""
        try:
            del self._table[cache_key(call)]
        except StoreBusy as exc:
            _log.warning("an answer of %s is not dropped: %s", call.source, exc)

    def close(self) -> None:
        """Close the file."""
        self._table.close()


def cache_key(call: Call) -> str:
    """A digest of what is asked: everything but the secrets.

    SHA-256 and not the 64 bits of requests-cache: whoever picks the addresses must not find two with one key.
    """
    asked = [
        call.source,
        call.method,
        call.url,
        sorted(call.params.items()),
        sorted((name.lower(), value) for name, value in call.headers.items()),
        call.body,
        sorted(call.form.items()) if call.form is not None else None,
    ]
    if call.content is not None:
        asked += [call.content_type, hashlib.sha256(call.content).hexdigest()]
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _is_instant(value: object) -> bool:
    """True for a time with an offset; a damaged row may hold anything."""
    return isinstance(value, datetime) and value.tzinfo is not None


def _kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in UNKEPT_HEADERS}


def _repeats_a_secret(call: Call, reply: Reply) -> bool:
    text = "\n".join(f"{name}: {value}" for name, value in _kept_headers(reply.headers).items())
    return holds_secret(reply.body, call.secrets) or holds_secret(text.encode(), call.secrets)
