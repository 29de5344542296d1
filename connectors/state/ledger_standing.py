"""What the ledger says of one host at one moment, read from its rows."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from connectors.facts.ledger import HostKey, Standing
from connectors.state import ledger_rows as rows
from connectors.state.audit import instant_text
from connectors.state.ledger_schema import ACTIVE_SQL

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


def standing_of(
    db: sqlite3.Connection, host: HostKey, *, run_id: str, site: str, now: datetime, most: int
) -> Standing:
    """What is known of a host. `most` failures in a row open the breaker."""
    since = {"hour": instant_text(now - _HOUR), "day": instant_text(now - _DAY)}
    counts = db.execute(
        f"""
        SELECT coalesce(sum(run_id = :run_id), 0), coalesce(sum(requested_at > :hour), 0),
               coalesce(sum(requested_at > :day), 0), coalesce(sum(requested_at > :day AND site = :site), 0)
        FROM intents
        WHERE kind <> 'release' AND ({ACTIVE_SQL} OR called_at IS NOT NULL)
          AND (run_id = :run_id OR requested_at > :day)
        """,  # noqa: S608  the states are ours
        {**since, "run_id": run_id, "site": site},
    ).fetchone()
    released_at, released_by = _last_release(db, host)
    standing_leases = rows.leases(db, standing=True, host=host)
    active = sorted(rows.intents(db, active=True, host=host), key=lambda each: bool(each.superseded_by))
    switch, breaker = rows.kill_switch(db), rows.read_breaker(db, most=most)
    return rows.fact_of(
        Standing,
        {
            "in_run": counts[0],
            "in_hour": counts[1],
            "in_day": counts[2],
            "at_site_in_day": counts[3],
            "intent": active[0] if active else None,
            "lease": standing_leases[0] if standing_leases else None,
            "last_release_at": released_at,
            "last_release_by": released_by,
            "last_fruitless_at": _last_fruitless(db, host),
            "breaker_open": breaker.open,
            "kill_switch": switch.on,
            "kill_switch_by": switch.by if switch.on else "",
            "kill_switch_why": switch.why if switch.on else "",
        },
    )


def _last_release(db: sqlite3.Connection, host: HostKey) -> tuple[str | None, str]:
    row = db.execute(
        """
        SELECT at, by_whom FROM (
            SELECT ended_at AS at, ended_by AS by_whom FROM leases
            WHERE connector = :connector AND host_id = :host_id AND ended_at IS NOT NULL
            UNION ALL
            SELECT changed_at, ordered_by FROM intents
            WHERE connector = :connector AND host_id = :host_id AND kind = 'release' AND state = 'verified'
        ) ORDER BY at DESC LIMIT 1
        """,
        host._asdict(),
    ).fetchone()
    return (row[0], row[1]) if row else (None, "")


def _last_fruitless(db: sqlite3.Connection, host: HostKey) -> str | None:
    row = db.execute(
        """
        SELECT max(changed_at) FROM intents
        WHERE connector = :connector AND host_id = :host_id AND kind = 'isolate'
          AND state IN ('failed', 'expired') AND called_at IS NOT NULL
        """,
        host._asdict(),
    ).fetchone()
    at: str | None = row[0]
    return at
