"""The tables of the ledger in SQLite, and the check that a file holds them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from connectors.facts.ledger import ACTIVE_STATES, ApprovalState, IntentKind, IntentState

#: Written into the file's header, so that another program's database is not taken for a ledger: "RgLd".
APPLICATION_ID = 0x52674C64

#: Grows with each change of the tables. A file of another version is refused.
SCHEMA_VERSION = 1


def _listed(values: Iterable[str]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in sorted(values)) + ")"


#: That an intent is active. A state that is none closes the host, and makes the ledger unusable when read.
ACTIVE_SQL = f"state NOT IN {_listed(frozenset(IntentState) - ACTIVE_STATES)}"

_TABLES = (
    f"""
    CREATE TABLE intents (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        intent_id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN {_listed(IntentKind)}),
        connector TEXT NOT NULL,
        host_id TEXT NOT NULL,
        hostname TEXT NOT NULL,
        site TEXT NOT NULL COLLATE NOCASE,
        case_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        ordered_by TEXT NOT NULL,
        by_person INTEGER NOT NULL,
        reason TEXT NOT NULL,
        approval_id TEXT NOT NULL,
        deadline_s REAL NOT NULL,
        is_foreign INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN {_listed(IntentState)}),
        version INTEGER NOT NULL,
        requested_at TEXT NOT NULL,
        called_at TEXT,
        action_id TEXT NOT NULL,
        accepted_at TEXT,
        changed_at TEXT NOT NULL,
        detail TEXT NOT NULL,
        superseded_by TEXT NOT NULL
            CHECK (superseded_by = '' OR (kind = 'isolate' AND state IN ('unknown', 'failed')))
    )
    """,
    # An isolation of unknown outcome may stand beside the one release that was ordered over it.
    f"""
    CREATE UNIQUE INDEX one_active_intent ON intents (connector, host_id)
    WHERE superseded_by = '' AND {ACTIVE_SQL}
    """,
    f"""
    CREATE UNIQUE INDEX one_superseded_intent ON intents (connector, host_id)
    WHERE superseded_by <> '' AND {ACTIVE_SQL}
    """,
    "CREATE INDEX intents_of_host ON intents (connector, host_id)",
    "CREATE INDEX intents_of_run ON intents (run_id)",
    "CREATE INDEX intents_by_time ON intents (requested_at)",
    """
    CREATE TABLE leases (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        intent_id TEXT NOT NULL UNIQUE REFERENCES intents (intent_id),
        connector TEXT NOT NULL,
        host_id TEXT NOT NULL,
        hostname TEXT NOT NULL,
        site TEXT NOT NULL,
        case_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        reason TEXT NOT NULL,
        began_at TEXT NOT NULL,
        review_by TEXT NOT NULL,
        ended_at TEXT,
        ended_by TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX one_standing_lease ON leases (connector, host_id) WHERE ended_at IS NULL",
    "CREATE INDEX leases_of_host ON leases (connector, host_id)",
    f"""
    CREATE TABLE approvals (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        approval_id TEXT NOT NULL UNIQUE,
        connector TEXT NOT NULL,
        host_id TEXT NOT NULL,
        hostname TEXT NOT NULL,
        case_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        evidence TEXT NOT NULL,
        expires_in_s REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN {_listed(ApprovalState)}),
        asked_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        answered_at TEXT,
        answered_by TEXT NOT NULL,
        why TEXT NOT NULL,
        used_by TEXT NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX one_open_question ON approvals (connector, host_id) WHERE state = 'asked'",
    """
    CREATE TABLE switches (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        kill_on INTEGER NOT NULL,
        kill_by TEXT NOT NULL,
        kill_why TEXT NOT NULL,
        kill_at TEXT,
        breaker_failures INTEGER NOT NULL,
        breaker_open INTEGER NOT NULL
    )
    """,
    "INSERT INTO switches VALUES (1, 0, '', '', NULL, 0, 0)",
    """
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        by_whom TEXT NOT NULL,
        event TEXT NOT NULL,
        subject TEXT NOT NULL,
        data TEXT NOT NULL,
        before TEXT NOT NULL,
        digest TEXT NOT NULL
    )
    """,
)


def _forbid(table: str, change: str, why: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{why}'); END"
    )


_TRIGGERS = (
    _forbid("audit", "UPDATE", "the audit is append-only"),
    _forbid("audit", "DELETE", "the audit is append-only"),
    """
    CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit has no gap'); END
    """,
    """
    CREATE TRIGGER intents_step_by_step BEFORE UPDATE ON intents
    WHEN OLD.state IN ('verified', 'failed', 'expired') OR NEW.version <> OLD.version + 1
        OR (OLD.called_at IS NOT NULL AND NEW.called_at IS NOT OLD.called_at)
    BEGIN SELECT RAISE(ABORT, 'an intent that has ended, or a call, is never changed'); END
    """,
    _forbid("intents", "DELETE", "an intent is never deleted"),
    _forbid("leases", "DELETE", "a lease is never deleted"),
    _forbid("approvals", "DELETE", "an approval is never deleted"),
    _forbid("switches", "DELETE", "the switches are never deleted"),
)


class NotALedger(sqlite3.DatabaseError):
    """The file, or a row in it, is not what this version writes. Says what to do."""


def is_new(connection: sqlite3.Connection) -> bool:
    """Whether the file holds nothing at all yet.

    Raises:
        NotALedger: it holds something else, or a ledger of another version.
    """
    application, version = _number(connection, "application_id"), _number(connection, "user_version")
    if application == APPLICATION_ID:
        if version != SCHEMA_VERSION:
            raise NotALedger(
                f"it is of version {version}, and this program reads version {SCHEMA_VERSION}; use the"
                " program that wrote it"
            )
        return False
    if application or version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise NotALedger("it is a database of another program; name another file")
    return True


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, within the transaction that is under way."""
    for statement in (*_TABLES, *_TRIGGERS):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
