"""One SQLite file shared by threads and processes, forked ones too. Never the reason for a failed look-up.

Rollback journal, not write-ahead log: the folder may be a network share, and WAL needs shared memory
(https://www.sqlite.org/wal.html). A connection must not be carried over a fork
(https://www.sqlite.org/howtocorrupt.html, 2.6), so it is closed before one and opened again when needed.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from connectors.errors import ResponseError

_log = logging.getLogger(__name__)

#: Primary result codes that pass by themselves (https://www.sqlite.org/rescode.html).
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

#: Seconds that a fork waits for a transaction of another thread.
_FORK_WAIT_S = 10.0


class StoreBusy(ResponseError):
    """Another thread or process held the file for the whole wait. Nothing was changed."""


class StoreClosed(StoreBusy):
    """The file was closed for good. Nothing was changed."""


class Database:
    """A file with one schema, opened when first used.

    A file that cannot be used (a symbolic link, damaged, read-only, disk full, of another schema) is left
    alone: a warning is logged once and this process goes on with an empty database in memory.
    """

    def __init__(self, path: Path | None, schema: str) -> None:
        """Open nothing yet.

        Args:
            path: the file, made with its folders when absent, readable by its owner only; None = in memory.
            schema: SQL statements that may run again, such as CREATE TABLE IF NOT EXISTS.
        """
        self._path = path
        self._schema = schema
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._lost = False
        _databases.add(self)

    @property
    def lost(self) -> bool:
        """True when the file cannot be used, and this process goes on in memory."""
        return self._lost

    def run[T](self, work: Callable[[sqlite3.Connection], T], *, wait_s: float, write: bool = True) -> T:
        """What `work` returns, run in one transaction; it may run twice, the second time in memory.

        Args:
            work: reads and writes through the connection it is given, and commits nothing itself.
            wait_s: seconds to wait for other threads and processes.
            write: True takes the write lock at once, so that what was read still holds when it is written.

        Raises:
            StoreBusy: the wait was not long enough.
            StoreClosed: it was closed.
        """
        give_up = time.monotonic() + wait_s
        if not self._lock.acquire(timeout=max(0.0, wait_s)):
            raise StoreBusy(f"{self._shown()} was in use by another thread for {wait_s:.1f} s")
        try:
            if self._closed:
                raise StoreClosed(f"{self._shown()} is closed")
            try:
                return self._transaction(work, give_up=give_up, write=write)
            except (sqlite3.Error, OSError) as exc:
                if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                    raise StoreBusy(
                        f"{self._shown()} was locked by another process for {wait_s:.1f} s"
                    ) from exc
                if self._path is None:
                    raise
                _log.warning(
                    "%s cannot be used (%s: %s); going on in memory. If it is damaged, delete it",
                    self._path,
                    type(exc).__name__,
                    exc,
                )
                self._disconnect()
                self._path = None
                self._lost = True
                return self._transaction(work, give_up=give_up, write=write)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection for good: a thread that comes late must not open the file again."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def before_fork(self) -> bool:
        """Let no transaction be under way and no file be open; False when one would not end."""
        if not self._lock.acquire(timeout=_FORK_WAIT_S):
            return False
        if self._path is not None:
            self._disconnect()
        return True

    def after_fork_in_parent(self) -> None:
        """Go on; the file is opened again when needed."""
        self._lock.release()

    def after_fork_in_child(self, *, prepared: bool) -> None:
        """Start anew: what is in memory, or in mid-transaction, belongs to the parent."""
        if not prepared and self._connection is not None:
            _inherited.append(self._connection)  # closing it here would touch the parent's transaction
        self._lock = threading.Lock()
        self._connection = None

    def _transaction[T](self, work: Callable[[sqlite3.Connection], T], *, give_up: float, write: bool) -> T:
        connection = self._connection or self._connect(give_up)
        left_ms = max(0, int((give_up - time.monotonic()) * 1000))
        connection.execute(f"PRAGMA busy_timeout={left_ms}")
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _connect(self, give_up: float) -> sqlite3.Connection:
        if self._path is not None:
            make_private_folder(self._path.parent)
            _make_private_file(self._path)
        connection = sqlite3.connect(
            self._path or ":memory:",
            isolation_level=None,
            check_same_thread=False,  # the lock lets one thread in at a time
            timeout=max(0.0, give_up - time.monotonic()),
        )
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _shown(self) -> str:
        return "the database in memory" if self._path is None else str(self._path)


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for its owner alone; leave others as they are.

    Raises:
        OSError: one cannot be made.
    """
    if not folder.is_dir():
        # Path.mkdir gives its mode to the last folder only.
        make_private_folder(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)


def _make_private_file(path: Path) -> None:
    """Make the file when absent. A link would make SQLite write to a file that someone else picked."""
    # 0 on Windows, which has no such flag; there, making a link takes a privilege.
    not_a_link = getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | not_a_link, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("not a regular file")
    finally:
        os.close(handle)


_databases: WeakSet[Database] = WeakSet()
_inherited: list[sqlite3.Connection] = []
_forking: list[tuple[Database, bool]] = []


def _before_fork() -> None:
    _forking[:] = [(database, database.before_fork()) for database in list(_databases)]


def _after_fork_in_parent() -> None:
    for database, prepared in _forking:
        if prepared:
            database.after_fork_in_parent()
    _forking.clear()


def _after_fork_in_child() -> None:
    for database, prepared in _forking:
        database.after_fork_in_child(prepared=prepared)
    _forking.clear()


if sys.platform != "win32":  # there is no fork there
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
