"""The ledger's file: private, never followed elsewhere, and never gone on without."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.ledger import IntentState
from connectors.state import audit, ledger_file
from connectors.state.ledger import Ledger, LedgerUnusable, Stale
from connectors.state.ledger_schema import SCHEMA_VERSION
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.http_clients import Clock
from tests.ledger_builders import (
    DAY_S,
    HOST,
    WIDE,
    begun,
    dump,
    forked,
    isolated,
    joined,
    order,
    question,
    tamper,
)

#: Each method of the port, on a ledger that cannot be used.
METHODS: dict[str, Callable[[Ledger], Any]] = {
    "standing": lambda ledger: ledger.standing(HOST),
    "begin": begun,
    "intent": lambda ledger: ledger.intent("iso-1"),
    "intents": lambda ledger: ledger.intents(),
    "leases": lambda ledger: ledger.leases(),
    "ask": lambda ledger: ledger.ask(question()),
    "answer": lambda ledger: ledger.answer("ask-1", approve=True, by="ann", why=""),
    "approvals": lambda ledger: ledger.approvals(),
    "set_kill_switch": lambda ledger: ledger.set_kill_switch(on=True, by="ann", why=""),
    "kill_switch": lambda ledger: ledger.kill_switch(),
    "breaker": lambda ledger: ledger.breaker(),
    "close_breaker": lambda ledger: ledger.close_breaker(by="ann", why=""),
    "note": lambda ledger: ledger.note("noted", subject="", by="ann", data={}),
    "audit": lambda ledger: list(ledger.audit()),
    "head": lambda ledger: ledger.head(),
}


def made(folder: Path, **settings: Any) -> SqliteLedger:
    return SqliteLedger(folder / FILE_NAME, clock=Clock(), **settings)


def test_nothing_is_made_before_it_is_used(tmp_path: Path) -> None:
    made(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_the_file_and_its_folders_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        begun(made(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = (tmp_path / "a" / "b").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == (FILE_NAME, 0o600)


@pytest.mark.parametrize("name", ["a b?c=1#d", "100%41", "ünï", ":memory:", "file:x"])
def test_a_path_means_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    intent = begun(SqliteLedger(Path(name), clock=Clock()))
    assert (tmp_path / name).stat().st_size > 0
    assert SqliteLedger(tmp_path / name, clock=Clock()).intents() == [intent]


def test_the_settings_that_make_a_commit_durable(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    begun(ledger)

    def settings(db: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert ledger._file.run(settings, write=False) == ["delete", 3, 1, 0]


# --- files that are not taken ----------------------------------------------------------------


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(b"")
    path.symlink_to(path.parent / "elsewhere")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _newer(path: Path) -> None:
    begun(SqliteLedger(path, clock=Clock()))
    tamper(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def _older(path: Path) -> None:
    begun(SqliteLedger(path, clock=Clock()))
    tamper(path, "PRAGMA user_version = 0")


def _of_others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE grants (at REAL)")


def _wal(path: Path) -> None:
    begun(SqliteLedger(path, clock=Clock()))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")


def _cut_off(path: Path) -> None:
    begun(SqliteLedger(path, clock=Clock()))
    os.truncate(path, 8192)


def _without_switches(path: Path) -> None:
    begun(SqliteLedger(path, clock=Clock()))
    tamper(path, "DROP TABLE audit", "DELETE FROM switches", "DROP TABLE intents", "DROP TABLE leases")
    tamper(path, "DROP TABLE approvals")


def _noise(path: Path) -> None:
    path.write_bytes(b"noise" * 1000)


BAD_FILES: dict[str, Callable[[Path], None]] = {
    "a link": _link,
    "a link to nowhere": _dangling,
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "noise": _noise,
    "a newer version": _newer,
    "an older version": _older,
    "another program's": _of_others,
    "in WAL mode": _wal,
    "cut off": _cut_off,
    "without its tables": _without_switches,
}


@pytest.mark.parametrize("bad", sorted(BAD_FILES))
def test_a_bad_file_is_refused_and_left_alone(bad: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    BAD_FILES[bad](path)
    others = {each.name for each in tmp_path.iterdir()}
    content = path.read_bytes() if path.is_file() else b""
    ledger = made(tmp_path)
    for name, method in METHODS.items():
        with pytest.raises(LedgerUnusable, match=FILE_NAME):
            method(ledger)
        assert name  # shown when it fails
    assert (path.read_bytes() if path.is_file() else b"") == content
    assert {each.name for each in tmp_path.iterdir()} == others


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(LedgerUnusable, match="see that file and folder can be written"):
        begun(made(tmp_path / "a"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE intents SET state = 'sure'",
        "UPDATE intents SET kind = 'isolatf'",
        "UPDATE intents SET requested_at = 'long ago'",
        "UPDATE intents SET by_person = 'x', deadline_s = 'soon'",
        "UPDATE switches SET kill_at = 'once'",
        "DELETE FROM switches",
    ],
)
def test_a_row_that_makes_no_sense_is_no_fact(change: str, tmp_path: Path) -> None:
    ledger = made(tmp_path)
    begun(ledger)
    tamper(tmp_path / FILE_NAME, change)
    with pytest.raises(LedgerUnusable, match="put a copy"):
        ledger.standing(HOST)
    with pytest.raises(LedgerUnusable, match="put a copy"):
        begun(ledger)


def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    for number in range(40):
        ledger.note("noted", subject=str(number), by="ann", data={"text": "x" * 900})
    path = tmp_path / FILE_NAME
    raw = bytearray(path.read_bytes())
    raw[16384:] = os.urandom(len(raw) - 16384)
    path.write_bytes(raw)
    with pytest.raises(LedgerUnusable):
        list(ledger.audit())
    with pytest.raises(LedgerUnusable):
        begun(ledger)


@contextmanager
def smaller_files(most: int) -> Iterator[None]:
    """Let this process write no file beyond `most` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    whole = dump(tmp_path / FILE_NAME)

    def in_child() -> int:
        refused = 0
        with smaller_files((tmp_path / FILE_NAME).stat().st_size):
            for number in range(40):
                try:
                    ledger.note(
                        "noted", subject=str(number), by="ann", data={"one": "x" * 4_000, "two": "x" * 4_000}
                    )
                except LedgerUnusable as exc:
                    refused += "disk has space" in str(exc)
        return refused

    assert joined(forked(in_child)) == 40
    assert dump(tmp_path / FILE_NAME) == whole
    assert ledger.calling(intent).called_at is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    (tmp_path / FILE_NAME).chmod(0o400)
    with pytest.raises(LedgerUnusable):
        ledger.calling(intent)


def test_a_read_only_file_is_read_but_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    connect = ledger_file._connect

    def read_only(path: Path, *, wait_s: float) -> sqlite3.Connection:
        db = connect(path, wait_s=wait_s)
        db.execute("PRAGMA query_only = ON")
        return db

    monkeypatch.setattr(ledger_file, "_connect", read_only)
    assert ledger.standing(HOST).intent == intent
    with pytest.raises(LedgerUnusable, match="readonly"):
        ledger.calling(intent)


# --- waiting, threads, forks -----------------------------------------------------------------


def test_a_file_in_use_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    ledger = made(tmp_path, wait_s=0.01)
    intent = begun(ledger)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnusable, match="another process"):
            ledger.calling(intent)
        assert ledger.standing(HOST).intent == intent  # readers do not wait for a writer that only prepares
        other.execute("ROLLBACK")
    assert ledger.calling(intent).called_at is not None


def test_a_thread_that_holds_the_ledger_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    ledger = made(tmp_path, wait_s=0.01)
    with ledger._file._lock, pytest.raises(LedgerUnusable, match="another thread"):
        ledger.head()
    assert ledger.head().number == 0


def test_no_lock_of_this_process_is_lost_when_another_ledger_of_it_ends(tmp_path: Path) -> None:
    """Closing a handle drops all POSIX locks of the process on the file; SQLite itself minds that."""
    one, two = made(tmp_path), made(tmp_path, wait_s=0.01)
    begun(one)

    def busy_for_others() -> int:
        other = made(tmp_path, wait_s=0.01)
        try:
            other.set_kill_switch(on=True, by="child", why="")
        except LedgerUnusable:
            return 0
        return 1

    def work(db: sqlite3.Connection) -> int:
        assert two.head().number == 1  # opens and closes the file
        with pytest.raises(LedgerUnusable, match="another process"):
            two.set_kill_switch(on=True, by="two", why="")
        ledger_file._files.discard(one._file)  # a fork waits for no transaction of ours
        return joined(forked(busy_for_others))

    assert one._file.run(work, write=True) == 0
    assert not one.kill_switch().on


def test_threads_share_a_ledger(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    won: list[int] = []
    lost: list[int] = []

    def call(number: int) -> None:
        try:
            ledger.calling(intent)
        except Stale:
            lost.append(number)
        else:
            won.append(number)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_parent_and_child_of_a_fork_go_on(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    begun(ledger)

    def in_child() -> int:
        isolated(ledger, order(host=HOST._replace(host_id="child")))
        return 0

    child = forked(in_child)
    isolated(ledger, order(host=HOST._replace(host_id="parent")))
    assert joined(child) == 0
    states = {intent.order.host_id: intent.state for intent in ledger.intents()}
    assert states == {
        HOST.host_id: IntentState.REQUESTED,
        "child": IntentState.VERIFIED,
        "parent": IntentState.VERIFIED,
    }
    assert audit.verify(ledger.audit(), head=ledger.head()).ok


def test_a_fork_waits_for_a_transaction_of_another_thread(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    begun(ledger)
    inside, go_on = threading.Event(), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        inside.set()
        go_on.wait(5)
        db.execute("UPDATE switches SET breaker_failures = 2")

    thread = threading.Thread(target=lambda: ledger._file.run(slow, write=True))
    thread.start()
    inside.wait(5)
    threading.Timer(0.02, go_on.set).start()
    child = forked(lambda: ledger.breaker().failures)
    assert joined(child) == 2
    thread.join()


# --- what the file itself does not let happen ------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET by_whom = 'x'",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT number + 2, at, by_whom, event, subject, data, before, digest FROM audit",
        "REPLACE INTO audit SELECT * FROM audit WHERE number = 1",
        "DELETE FROM intents",
        "DELETE FROM leases",
        "DELETE FROM switches",
        "UPDATE intents SET state = 'requested', version = version + 1",
        "UPDATE intents SET called_at = NULL, version = version + 1",
        "INSERT INTO intents SELECT * FROM intents",
        "UPDATE intents SET state = 'sure', version = version + 1",
    ],
)
def test_the_tables_forbid_what_must_never_be(statement: str, tmp_path: Path) -> None:
    ledger = made(tmp_path)
    isolated(ledger)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)


def _nothing_refuses(*args: object, **kwargs: object) -> None:
    """In place of the rules."""


def test_a_second_active_intent_of_a_host_cannot_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    monkeypatch.setattr("connectors.state.ledger_rules.refusal", _nothing_refuses)
    with pytest.raises(LedgerUnusable, match="UNIQUE"):
        ledger.begin(order(case_id="case-2"), WIDE, quiet_s=DAY_S)
    assert ledger.intents() == [intent]


def test_a_copy_that_was_put_back_is_used(tmp_path: Path) -> None:
    ledger = made(tmp_path)
    intent = begun(ledger)
    shutil.copy(tmp_path / FILE_NAME, tmp_path / "copy")
    (tmp_path / FILE_NAME).write_bytes(b"damaged")
    with pytest.raises(LedgerUnusable):
        ledger.intents()
    (tmp_path / "copy").replace(tmp_path / FILE_NAME)
    assert ledger.intents() == [intent]
