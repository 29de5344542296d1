"""The shared SQLite file: transactions, waiting, and what a fork leaves of it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from connectors.state.database import Database, StoreBusy

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT);"


def add(sql: sqlite3.Connection) -> None:
    sql.execute("INSERT INTO notes VALUES ('a')")


def count(sql: sqlite3.Connection) -> int:
    (number,) = sql.execute("SELECT count(*) FROM notes").fetchone()
    return int(number)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_failure_undoes_the_whole_change(in_memory: bool, tmp_path: Path) -> None:
    database = Database(None if in_memory else tmp_path / "a.sqlite", SCHEMA)

    def half(sql: sqlite3.Connection) -> None:
        add(sql)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(half, wait_s=1)
    assert database.run(count, wait_s=1, write=False) == 0
    database.run(add, wait_s=1)
    assert database.run(count, wait_s=1) == 1
    database.close()


def test_no_file_is_open_during_a_fork_and_the_child_opens_its_own(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", SCHEMA)
    database.run(add, wait_s=1)
    assert database.before_fork()
    assert database._connection is None
    with pytest.raises(StoreBusy, match="another thread"):
        database.run(add, wait_s=0.01)
    database.after_fork_in_parent()
    database.run(add, wait_s=1)

    assert database.before_fork()
    database.after_fork_in_child(prepared=True)
    assert database.run(count, wait_s=1) == 2
    database.close()


def test_what_is_in_memory_stays_with_the_parent() -> None:
    database = Database(None, SCHEMA)
    database.run(add, wait_s=1)
    assert database.before_fork()
    database.after_fork_in_parent()
    assert database.run(count, wait_s=1) == 1
    assert database.before_fork()
    held = database._connection
    database.after_fork_in_child(prepared=True)
    assert database.run(count, wait_s=1) == 0
    database.close()
    assert held is not None
    held.close()


def test_a_transaction_of_another_thread_is_waited_for(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", SCHEMA)
    inside, go_on = threading.Event(), threading.Event()

    def slow(sql: sqlite3.Connection) -> None:
        inside.set()
        go_on.wait(10)
        add(sql)

    thread = threading.Thread(target=lambda: database.run(slow, wait_s=10))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(StoreBusy):
        database.run(count, wait_s=0.01)
    go_on.set()
    assert database.run(count, wait_s=10) == 1
    thread.join()
    database.close()


def test_a_file_of_another_schema_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as other:
        other.execute("CREATE TABLE notes (something INTEGER, else_ INTEGER)")
    other.close()
    database = Database(tmp_path / "a.sqlite", SCHEMA)
    database.run(add, wait_s=1)
    assert database.run(count, wait_s=1) == 1
    assert "going on in memory" in caplog.text
    database.close()
