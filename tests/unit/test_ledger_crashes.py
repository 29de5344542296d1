"""The process dies before each SQL statement of each change, and after the last: all is there, or nothing."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.ledger import HostKey, IntentState
from connectors.state import audit, ledger_file
from connectors.state.ledger import Refused
from connectors.state.sqlite_ledger import SqliteLedger
from tests.http_clients import Clock
from tests.ledger_builders import (
    DAY_S,
    HOST,
    HOUR_S,
    LEASE_S,
    WIDE,
    begun,
    called,
    dump,
    ended,
    forked,
    isolated,
    joined,
    order,
    question,
    release,
)

type Change = Callable[[], object]

#: Exit code of a child that was killed; one that has come to its end says how many statements it ran.
KILLED = 77

OTHER = HostKey("defender", "agent-2")
GONE = HostKey("defender", "agent-3")


class Dying:
    """A connection whose process ends right before its n-th statement; it counts them."""

    def __init__(self, db: sqlite3.Connection, *, before: int) -> None:
        self._db = db
        self._before = before
        self.statements = 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self.statements += 1
        if self.statements == self._before:
            os._exit(KILLED)
        return self._db.execute(*args)

    def close(self) -> None:
        self._db.close()


def run_until(change: Change, *, before: int) -> int:
    """Do a change in a child that dies before a statement; 0 lets it live. Its exit code."""

    def in_child() -> int:
        connections: list[Dying] = []
        connect = ledger_file._connect

        def dying(path: Path, *, wait_s: float) -> Dying:
            connections.append(Dying(connect(path, wait_s=wait_s), before=before))
            return connections[-1]

        ledger_file._connect = dying  # type: ignore[assignment]
        with contextlib.suppress(Refused):  # which is written as well
            change()
        (one,) = connections  # one transaction: it is all or nothing
        return one.statements

    return joined(forked(in_child))


def a_begin(ledger: SqliteLedger, clock: Clock) -> Change:
    return lambda: begun(ledger)


def a_begin_with_an_approval(ledger: SqliteLedger, clock: Clock) -> Change:
    asked, _ = ledger.ask(question())
    ledger.answer(asked.approval_id, approve=True, by="ann", why="")
    return lambda: begun(ledger, order(approval_id=asked.approval_id))


def a_refused_begin(ledger: SqliteLedger, clock: Clock) -> Change:
    begun(ledger)
    return lambda: begun(ledger)


def a_release_in_place_of_an_isolation(ledger: SqliteLedger, clock: Clock) -> Change:
    ended(ledger, IntentState.UNKNOWN)
    return lambda: begun(ledger, release(foreign=True))


def a_call(ledger: SqliteLedger, clock: Clock) -> Change:
    intent = begun(ledger)
    return lambda: ledger.calling(intent)


def a_call_that_is_stopped(ledger: SqliteLedger, clock: Clock) -> Change:
    intent = begun(ledger)
    ledger.set_kill_switch(on=True, by="ann", why="")
    return lambda: ledger.calling(intent)


def an_acceptance(ledger: SqliteLedger, clock: Clock) -> Change:
    intent = called(ledger)
    return lambda: ledger.move(intent, IntentState.ACCEPTED, detail="taken", by="playbook", action_id="m-1")


def a_proof(ledger: SqliteLedger, clock: Clock) -> Change:
    intent = called(ledger)
    return lambda: ledger.move(intent, IntentState.VERIFIED, detail="", by="playbook", lease_s=LEASE_S)


def a_failure_that_opens_the_breaker(ledger: SqliteLedger, clock: Clock) -> Change:
    for host in (OTHER, GONE):
        ended(ledger, IntentState.FAILED, order(host=host))
    intent = called(ledger)
    return lambda: ledger.move(intent, IntentState.FAILED, detail="", by="playbook")


def a_proved_release(ledger: SqliteLedger, clock: Clock) -> Change:
    isolated(ledger)
    intent = called(ledger, release())
    return lambda: ledger.move(intent, IntentState.VERIFIED, detail="", by="ann")


def a_proved_release_in_place_of_an_isolation(ledger: SqliteLedger, clock: Clock) -> Change:
    ended(ledger, IntentState.UNKNOWN)
    intent = called(ledger, release())
    return lambda: ledger.move(intent, IntentState.VERIFIED, detail="", by="ann")


def a_release_that_leaves_an_isolation_unknown(ledger: SqliteLedger, clock: Clock) -> Change:
    ended(ledger, IntentState.UNKNOWN)
    intent = called(ledger, release())
    return lambda: ledger.move(intent, IntentState.FAILED, detail="busy", by="ann")


def a_question(ledger: SqliteLedger, clock: Clock) -> Change:
    for host in (HOST, OTHER):
        ledger.ask(question(host=host))
    clock.advance(HOUR_S)  # both expire in the same transaction
    return lambda: ledger.ask(question())


def an_answer(ledger: SqliteLedger, clock: Clock) -> Change:
    asked, _ = ledger.ask(question())
    return lambda: ledger.answer(asked.approval_id, approve=True, by="ann", why="seen it")


def a_late_answer(ledger: SqliteLedger, clock: Clock) -> Change:
    asked, _ = ledger.ask(question())
    clock.advance(HOUR_S)
    return lambda: ledger.answer(asked.approval_id, approve=True, by="ann", why="seen it")


def an_end_of_a_lease(ledger: SqliteLedger, clock: Clock) -> Change:
    isolated(ledger)
    (lease,) = ledger.leases()
    return lambda: ledger.end_lease(lease, by="reconcile", why="found released")


def a_kill_switch(ledger: SqliteLedger, clock: Clock) -> Change:
    return lambda: ledger.set_kill_switch(on=True, by="ann", why="")


CHANGES = [
    a_begin,
    a_begin_with_an_approval,
    a_refused_begin,
    a_release_in_place_of_an_isolation,
    a_call,
    a_call_that_is_stopped,
    an_acceptance,
    a_proof,
    a_failure_that_opens_the_breaker,
    a_proved_release,
    a_proved_release_in_place_of_an_isolation,
    a_release_that_leaves_an_isolation_unknown,
    a_question,
    an_answer,
    a_late_answer,
    an_end_of_a_lease,
    a_kill_switch,
]


def read(ledger: SqliteLedger, path: Path) -> list[str]:
    """All that the file holds after a restart; opening it takes back what a dead process left half done."""
    verdict = audit.verify(ledger.audit(), head=ledger.head())
    assert verdict.ok, verdict.problem
    return dump(path)


def put_back(kept: Path, path: Path) -> None:
    """The file as it was, without the journal of a process that died."""
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
    shutil.copy(kept, path)


def predictable_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a change that is made twice, each time in a child of its own, write the same."""
    numbers = itertools.count()
    monkeypatch.setattr(secrets, "token_hex", lambda size: f"{next(numbers):0{2 * size}x}")


@pytest.mark.parametrize("prepare", CHANGES, ids=lambda each: each.__name__)
def test_a_change_is_whole_or_not_at_all(
    prepare: Callable[[SqliteLedger, Clock], Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictable_ids(monkeypatch)
    path, kept = tmp_path / "state" / "ledger.sqlite", tmp_path / "kept"
    clock = Clock()
    ledger = SqliteLedger(path, clock=clock)
    change = prepare(ledger, clock)
    before = read(ledger, path)
    shutil.copy(path, kept)
    statements = run_until(change, before=0)
    after = read(ledger, path)
    assert after != before
    assert 3 < statements < KILLED
    for number in range(1, statements + 1):
        put_back(kept, path)
        assert run_until(change, before=number) == KILLED
        assert read(ledger, path) == before  # the last statement is the commit
    put_back(kept, path)
    assert run_until(change, before=statements + 1) == statements
    assert read(ledger, path) == after


def test_the_first_use_dies_and_the_next_makes_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    ledger = SqliteLedger(path, clock=Clock())
    statements = run_until(lambda: begun(ledger), before=0)
    for number in range(1, statements + 1):
        shutil.rmtree(path.parent)
        assert run_until(lambda: begun(ledger), before=number) == KILLED
        assert ledger.intents() == []
        assert read(ledger, path)
        assert ledger.begin(order(), WIDE, quiet_s=DAY_S).active


def test_a_process_that_dies_in_mid_commit_is_taken_back(tmp_path: Path) -> None:
    """A journal that is whole and a file that is half written: what a death within the commit leaves."""
    path = tmp_path / "state" / "ledger.sqlite"
    ledger = SqliteLedger(path, clock=Clock())
    begun(ledger)
    before = dump(path)

    def in_child() -> int:
        def half(db: sqlite3.Connection) -> None:
            db.execute("PRAGMA cache_size = 1")  # pages are written out before the commit
            db.execute("UPDATE switches SET kill_on = 1")
            for number in range(200):
                db.execute(
                    "INSERT INTO audit VALUES (?, '', '', '', '', ?, '', '')", (number + 2, "x" * 3_000)
                )
            os._exit(KILLED)

        ledger._file.run(half, write=True)
        return 0

    size = path.stat().st_size
    assert joined(forked(in_child)) == KILLED
    assert path.stat().st_size > size  # it was indeed half written
    assert path.with_name(path.name + "-journal").stat().st_size > 0
    assert not ledger.kill_switch().on
    assert read(ledger, path) == before
