"""The ledger's file: found safe, opened for one transaction, closed again. It never goes on without it.

Rollback journal, not write-ahead log: the folder may be a network share (https://www.sqlite.org/wal.html).
One connection a transaction, so that none is carried over a fork. This process opens the file by no other
way: closing any handle on a file drops all POSIX locks that the process has on it, those of a transaction
under way as well (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from weakref import WeakSet

from connectors.state.database import make_private_folder
from connectors.state.ledger import LedgerUnusable
from connectors.state.ledger_schema import NotALedger, create, is_new

#: Primary result codes that pass by themselves (https://www.sqlite.org/rescode.html).
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

#: Seconds that a fork waits for a transaction of another thread.
_FORK_WAIT_S = 10.0


class LedgerFile:
    """Runs transactions on one file, each over a connection of its own."""

    def __init__(self, path: Path, *, wait_s: float) -> None:
        """Open and make nothing yet.

        Args:
            path: made with its folders when first used, readable by its owner only.
            wait_s: seconds that a transaction waits for other threads and processes.
        """
        self._path = path.absolute()
        self._wait_s = wait_s
        self._lock = threading.Lock()
        _files.add(self)

    def run[T](self, work: Callable[[sqlite3.Connection], T], *, write: bool) -> T:
        """What `work` returns, run in one transaction.

        Args:
            work: reads and writes through the connection it is given, and commits nothing itself.
            write: True takes the write lock at once, so that what was read still holds when it is written.

        Raises:
            LedgerUnusable: the file cannot be read or written, or was in use for the whole wait.
        """
        give_up = time.monotonic() + self._wait_s
        if not self._lock.acquire(timeout=self._wait_s):
            raise self._busy("another thread")
        try:
            return self._transaction(work, give_up=give_up, write=write)
        except (sqlite3.Error, OSError, UnicodeEncodeError) as exc:
            raise self._unusable(exc) from exc
        finally:
            self._lock.release()

    def before_fork(self) -> bool:
        """Let no transaction be under way; False when one would not end."""
        return self._lock.acquire(timeout=_FORK_WAIT_S)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start anew: the thread that may have had the lock is not here."""
        self._lock = threading.Lock()

    def _transaction[T](self, work: Callable[[sqlite3.Connection], T], *, give_up: float, write: bool) -> T:
        _make_or_check(self._path)
        db = _connect(self._path, wait_s=max(0.0, give_up - time.monotonic()))
        try:
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            if is_new(db):
                if not write:
                    db.execute("ROLLBACK")
                    db.execute("BEGIN IMMEDIATE")
                if is_new(db):
                    create(db)
            result = work(db)
            db.execute("COMMIT")
            return result
        finally:
            db.close()  # rolls back what is not committed

    def _unusable(self, exc: Exception) -> LedgerUnusable:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _PASSING:
            return self._busy("another process")
        if isinstance(exc, NotALedger):
            return LedgerUnusable(f"the ledger {self._path} cannot be used: {exc}. Nothing was changed")
        if isinstance(exc, UnicodeEncodeError):
            return LedgerUnusable(
                f"the ledger {self._path} cannot take this: a name or an id in it is not valid text. Nothing"
                " was changed"
            )
        return LedgerUnusable(
            f"the ledger {self._path} cannot be used ({type(exc).__name__}: {exc}). Nothing may be isolated"
            " until it can: see that file and folder can be written and the disk has space; if the file is"
            " damaged, keep it and put a copy back"
        )

    def _busy(self, whom: str) -> LedgerUnusable:
        return LedgerUnusable(
            f"the ledger {self._path} was in use by {whom} for {self._wait_s:g} s. Nothing was changed; try"
            " again"
        )


def _connect(path: Path, *, wait_s: float) -> sqlite3.Connection:
    # mode=rw: a file that went away meanwhile is not made anew by SQLite, with a mode of its own.
    db = sqlite3.connect(
        f"file:{quote(os.fsencode(path.as_posix()))}?mode=rw", uri=True, isolation_level=None, timeout=wait_s
    )
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA synchronous=EXTRA")  # the journal's removal, which is the commit, is durable too
        db.execute("PRAGMA trusted_schema=OFF")
        _check_journal(db)
    except BaseException:
        db.close()
        raise
    return db


def _check_journal(db: sqlite3.Connection) -> None:
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    if mode != "delete":
        raise NotALedger(f"its journal mode is {mode}, not delete; set it back with the sqlite3 program")


def _make_or_check(path: Path) -> None:
    """Make the file when absent; check that it is a plain file, without opening it."""
    with _making:  # else a thread could lock the file before the handle that made it is closed
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            make_private_folder(path.parent)
            _make(path)
            mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "not a plain file"
        raise NotALedger(f"it is {kind}; name the file itself")


def _make(path: Path) -> None:
    # O_NOFOLLOW is 0 on Windows, which has no such flag; there, making a link takes a privilege.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError:
        return  # another process was first
    os.close(handle)


_making = threading.Lock()
_files: WeakSet[LedgerFile] = WeakSet()
_forking: list[tuple[LedgerFile, bool]] = []


def _before_fork() -> None:
    _forking[:] = [(file, file.before_fork()) for file in list(_files)]


def _after_fork_in_parent() -> None:
    for file, prepared in _forking:
        if prepared:
            file.after_fork_in_parent()
    _forking.clear()


def _after_fork_in_child() -> None:
    global _making  # noqa: PLW0603  a thread of the parent may have had it
    _making = threading.Lock()
    for file in list(_files):
        file.after_fork_in_child()
    _forking.clear()


if sys.platform != "win32":  # there is no fork there
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
