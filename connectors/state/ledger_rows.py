"""Facts of the ledger to and from rows. All of its SQL that reads or writes is here; no transaction is."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import ValidationError

from connectors.facts.base import Fact
from connectors.facts.ledger import (
    Approval,
    ApprovalState,
    AuditHead,
    AuditLine,
    Breaker,
    HostKey,
    Intent,
    KillSwitch,
    Lease,
)
from connectors.state.audit import NO_DIGEST, instant_text
from connectors.state.ledger_schema import ACTIVE_SQL, NotALedger

#: Columns whose names are words of SQL: what they are called in the facts.
_ORDER_COLUMNS = {"ordered_by": "by", "is_foreign": "foreign"}
_ORDER_FIELDS = (
    "kind", "connector", "host_id", "hostname", "site", "case_id", "run_id", "ordered_by", "by_person",
    "reason", "approval_id", "deadline_s", "is_foreign",
)  # fmt: skip
_QUESTION_FIELDS = (
    "connector", "host_id", "hostname", "case_id", "run_id", "evidence", "expires_in_s",
)  # fmt: skip

type Value = str | int | float | None


# --- intents and leases ----------------------------------------------------------------------


def insert_intent(db: sqlite3.Connection, intent: Intent) -> None:
    """Write a new intent down."""
    _insert(db, "intents", _intent_row(intent))


def update_intent(db: sqlite3.Connection, intent: Intent) -> None:
    """Write what has changed of an intent; its order never does."""
    row = {name: value for name, value in _intent_row(intent).items() if name not in _ORDER_FIELDS}
    _update(db, "intents", "intent_id", row)


def intent_of(db: sqlite3.Connection, intent_id: str) -> Intent | None:
    """The intent of this id; None where there is none."""
    row = db.execute("SELECT * FROM intents WHERE intent_id = ?", (intent_id,)).fetchone()
    return _intent(row) if row else None


def intents(
    db: sqlite3.Connection,
    *,
    active: bool | None = None,
    host: HostKey | None = None,
    run_id: str | None = None,
) -> list[Intent]:
    """Intents that fit, the oldest first."""
    tests, values = _tests(host=host, run_id=run_id)
    if active is not None:
        tests.append(ACTIVE_SQL if active else f"NOT ({ACTIVE_SQL})")
    return [_intent(row) for row in _select(db, "intents", tests, values)]


def insert_lease(db: sqlite3.Connection, lease: Lease) -> None:
    """Write a new lease down."""
    _insert(db, "leases", _row(lease))


def update_lease(db: sqlite3.Connection, lease: Lease) -> None:
    """Write what has changed of a lease."""
    _update(db, "leases", "intent_id", _row(lease))


def lease_of(db: sqlite3.Connection, intent_id: str) -> Lease | None:
    """The lease that this isolation began; None where there is none."""
    row = db.execute("SELECT * FROM leases WHERE intent_id = ?", (intent_id,)).fetchone()
    return fact_of(Lease, _bare(row)) if row else None


def leases(
    db: sqlite3.Connection,
    *,
    standing: bool | None = None,
    host: HostKey | None = None,
    run_id: str | None = None,
) -> list[Lease]:
    """Leases that fit, the oldest first."""
    tests, values = _tests(host=host, run_id=run_id)
    if standing is not None:
        tests.append(f"ended_at IS {'' if standing else 'NOT '}NULL")
    return [fact_of(Lease, _bare(row)) for row in _select(db, "leases", tests, values)]


# --- approvals -------------------------------------------------------------------------------


def insert_approval(db: sqlite3.Connection, approval: Approval) -> None:
    """Write a new question down."""
    _insert(db, "approvals", _approval_row(approval))


def update_approval(db: sqlite3.Connection, approval: Approval) -> None:
    """Write what has changed of a question; what was asked never does."""
    row = {name: value for name, value in _approval_row(approval).items() if name not in _QUESTION_FIELDS}
    _update(db, "approvals", "approval_id", row)


def approval_of(db: sqlite3.Connection, approval_id: str) -> Approval | None:
    """The question of this id; None where there is none."""
    row = db.execute("SELECT * FROM approvals WHERE approval_id = ?", (approval_id,)).fetchone()
    return _approval(row) if row else None


def approvals(
    db: sqlite3.Connection, *, state: ApprovalState | None = None, host: HostKey | None = None
) -> list[Approval]:
    """Questions that fit, the oldest first."""
    tests, values = _tests(host=host, run_id=None)
    if state is not None:
        tests.append("state = :state")
        values["state"] = state.value
    return [_approval(row) for row in _select(db, "approvals", tests, values)]


# --- switches --------------------------------------------------------------------------------


def kill_switch(db: sqlite3.Connection) -> KillSwitch:
    """Whether all isolation is stopped."""
    row = _one_row(db)
    at = row["kill_at"]
    return KillSwitch(
        on=bool(row["kill_on"]), by=row["kill_by"], why=row["kill_why"], at=_instant(at) if at else None
    )


def write_kill_switch(db: sqlite3.Connection, switch: KillSwitch) -> None:
    """Write whether all isolation is stopped."""
    db.execute(
        "UPDATE switches SET kill_on = ?, kill_by = ?, kill_why = ?, kill_at = ?",
        (int(switch.on), switch.by, switch.why, instant_text(switch.at) if switch.at else None),
    )


def read_breaker(db: sqlite3.Connection, *, most: int) -> Breaker:
    """The breaker, as one that `most` failures open."""
    row = _one_row(db)
    failures = int(row["breaker_failures"])
    return Breaker(failures=failures, most=most, open=bool(row["breaker_open"]) or failures >= most)


def write_breaker(db: sqlite3.Connection, breaker: Breaker) -> None:
    """Write the breaker's count, and whether it is open."""
    db.execute(
        "UPDATE switches SET breaker_failures = ?, breaker_open = ?", (breaker.failures, int(breaker.open))
    )


def _one_row(db: sqlite3.Connection) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM switches").fetchone()
    if row is None:
        raise NotALedger("its switches are missing; put a copy of it back")
    return row


# --- audit -----------------------------------------------------------------------------------


def head(db: sqlite3.Connection) -> AuditHead:
    """Where the audit ends."""
    row = db.execute("SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return fact_of(
        AuditHead, {"number": row[0], "digest": row[1]} if row else {"number": 0, "digest": NO_DIGEST}
    )


def append(db: sqlite3.Connection, line: AuditLine) -> None:
    """Write the next line of the audit."""
    row = line.model_dump()
    _insert(db, "audit", {**row, "at": instant_text(line.at), "by_whom": row["by"]}, leave_out=("by",))


def audit_lines(db: sqlite3.Connection, *, after: int, most: int) -> list[AuditLine]:
    """At most `most` lines of the audit from `after` + 1, in order."""
    rows = db.execute("SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", (after, most))
    return [_audit_line(row) for row in rows]


def _audit_line(row: sqlite3.Row) -> AuditLine:
    values = {**dict(row), "by": row["by_whom"]}
    del values["by_whom"]
    line = fact_of(AuditLine, values)
    if instant_text(line.at) != row["at"]:  # the digest is over the time, not over how it is spelt
        raise NotALedger(
            f"line {line.number} of its audit was changed: its time is not spelt as it is written"
        )
    return line


# --- rows ------------------------------------------------------------------------------------


def _intent_row(intent: Intent) -> dict[str, Value]:
    order = intent.order
    return {
        **_row(order, leave_out=("by", "foreign")),
        "ordered_by": order.by,
        "is_foreign": int(order.foreign),
        **_row(intent, leave_out=("order",)),
    }


def _intent(row: sqlite3.Row) -> Intent:
    values = _bare(row)
    order = {_ORDER_COLUMNS.get(name, name): values.pop(name) for name in _ORDER_FIELDS}
    order["by_person"], order["foreign"] = bool(order["by_person"]), bool(order["foreign"])
    return fact_of(Intent, {**values, "order": order})


def _approval_row(approval: Approval) -> dict[str, Value]:
    return {**_row(approval.question), **_row(approval, leave_out=("question",))}


def _approval(row: sqlite3.Row) -> Approval:
    values = _bare(row)
    question = {name: values.pop(name) for name in _QUESTION_FIELDS}
    return fact_of(Approval, {**values, "question": question})


def _row(fact: Fact, *, leave_out: Sequence[str] = ()) -> dict[str, Value]:
    return {name: _value(value) for name, value in fact if name not in leave_out}


def _value(value: object) -> Value:
    if isinstance(value, datetime):
        return instant_text(value)
    if value is None or isinstance(value, int | float):
        return int(value) if isinstance(value, bool) else value
    return str(value)  # a StrEnum is its text


def _bare(row: sqlite3.Row) -> dict[str, object]:
    values = dict(row)
    del values["seq"]
    return values


def fact_of[F: Fact](kind: type[F], values: Mapping[str, object]) -> F:
    """The fact that these values make.

    Raises:
        NotALedger: they make none: the file was damaged or changed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as exc:
        raise NotALedger(f"a row of it holds no {kind.__name__.lower()}; put a copy of it back") from exc


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (ValueError, TypeError) as exc:
        raise NotALedger("a row of it holds no time where one has to be; put a copy of it back") from exc


# --- SQL; names of tables and columns are ours alone -----------------------------------------


def _insert(
    db: sqlite3.Connection, table: str, row: Mapping[str, Value], *, leave_out: Sequence[str] = ()
) -> None:
    names = [name for name in row if name not in leave_out]
    marks = ", ".join(f":{name}" for name in names)
    db.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", row)  # noqa: S608


def _update(db: sqlite3.Connection, table: str, key: str, row: Mapping[str, Value]) -> None:
    changes = ", ".join(f"{name} = :{name}" for name in row if name != key)
    db.execute(f"UPDATE {table} SET {changes} WHERE {key} = :{key}", row)  # noqa: S608


def _select(
    db: sqlite3.Connection, table: str, tests: Sequence[str], values: Mapping[str, Value]
) -> sqlite3.Cursor:
    where = f" WHERE {' AND '.join(tests)}" if tests else ""
    return db.execute(f"SELECT * FROM {table}{where} ORDER BY seq", values)  # noqa: S608


def _tests(*, host: HostKey | None, run_id: str | None) -> tuple[list[str], dict[str, Value]]:
    tests: list[str] = []
    values: dict[str, Value] = {}
    if host is not None:
        tests += ["connector = :connector", "host_id = :host_id"]
        values |= host._asdict()
    if run_id is not None:
        tests.append("run_id = :run_id")
        values["run_id"] = run_id
    return tests, values
