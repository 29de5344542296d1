"""Orders, questions and ledgers for the tests of the ledger, and work done in a forked child."""

from __future__ import annotations

import os
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from connectors.facts.ledger import (
    CapLimits,
    HostKey,
    Intent,
    IntentKind,
    IntentState,
    Order,
    Question,
)
from connectors.state.ledger import Ledger

HOST = HostKey("defender", "agent-1")
WIDE = CapLimits(per_run=1000, per_hour=1000, per_day=1000)
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
LEASE_S = 8 * HOUR_S


def order(kind: IntentKind = IntentKind.ISOLATE, *, host: HostKey = HOST, **fields: Any) -> Order:
    """An order that the policy alone decided, unless said otherwise."""
    values: dict[str, Any] = {
        "hostname": "WS-1.corp.example",
        "case_id": "case-1",
        "run_id": "run-1",
        "by": "playbook",
        "by_person": False,
        "reason": "RegSvcs.exe called home",
        "deadline_s": 300.0,
    }
    return Order(kind=kind, connector=host.connector, host_id=host.host_id, **{**values, **fields})


def release(*, host: HostKey = HOST, **fields: Any) -> Order:
    """An order to release, by a person."""
    return order(IntentKind.RELEASE, host=host, **{"by": "ann", "by_person": True, **fields})


def question(*, host: HostKey = HOST, **fields: Any) -> Question:
    """A question about a host, open for ten minutes."""
    values: dict[str, Any] = {
        "hostname": "WS-1.corp.example",
        "case_id": "case-1",
        "run_id": "run-1",
        "evidence": "score 97",
        "expires_in_s": 600.0,
    }
    return Question(connector=host.connector, host_id=host.host_id, **{**values, **fields})


def begun(ledger: Ledger, wanted: Order | None = None, *, caps: CapLimits = WIDE) -> Intent:
    """An intent that was just written down."""
    return ledger.begin(wanted or order(), caps, quiet_s=DAY_S)


def called(ledger: Ledger, wanted: Order | None = None, *, caps: CapLimits = WIDE) -> Intent:
    """An intent whose vendor may have been called."""
    return ledger.calling(begun(ledger, wanted, caps=caps))


def ended(ledger: Ledger, state: IntentState, wanted: Order | None = None) -> Intent:
    """An intent that was called for and has come to a state."""
    return ledger.move(called(ledger, wanted), state, detail="as read", by="playbook", lease_s=LEASE_S)


def isolated(ledger: Ledger, wanted: Order | None = None) -> Intent:
    """A verified isolation."""
    return ended(ledger, IntentState.VERIFIED, wanted)


def dump(path: Path) -> list[str]:
    """All that a ledger's file holds, as SQL, read while nobody of this process has it open."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def tamper(path: Path, *statements: str) -> None:
    """Change a ledger's file from outside, without the triggers that forbid it."""
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            db.execute(statement)
        db.commit()


def forked(work: Callable[[], int]) -> int:
    """Start a child that does this and exits with what it returns; the child's process id.

    A child whose work raises exits with 99 and shows it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test runner has threads; the child uses none
        child = os.fork()
    if child:
        return child
    code = 99
    try:
        code = work()
    except BaseException:  # noqa: BLE001  shown, and told by the exit code
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def joined(child: int) -> int:
    """Wait for a child; its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
