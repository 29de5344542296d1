"""When a Sysmon event happened: one clock for each kind of event, the same wherever a time is wanted.

An event has two times. System/TimeCreated is when it was written to the log, by the system's clock; it is
the `_time` of Splunk's add-on, so that a notable's firstTime and lastTime are of it. EventData/UtcTime is
Sysmon's own. For most events that is the system's clock too, some milliseconds earlier, and a ProcessGuid is
made of it. Connections and DNS look-ups come out of a trace session (ETW), which has a clock of its own that
nobody sets. In 7 of 46 published logs with connections their UtcTime is 50 seconds to 37 hours off, while
that of process creations in the same logs is right to the millisecond. So TimeCreated counts for them, 0.4 to
7.3 seconds after the event itself in all the others, and UtcTime only where a shape of log lacks TimeCreated.
https://learn.microsoft.com/windows/win32/etw/wnode-header (ClientContext)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent

#: Connections and DNS look-ups (Sysmon schema): what Sysmon takes from a trace session.
TRACED_EVENTS = frozenset({3, 22})

#: UtcTime and TimeCreated further apart than this are of two clocks; the longest ordinary delay is 7.3 s.
DRIFT_TOLERANCE = timedelta(seconds=30)

#: How much later than it happened a connection may have been logged, where the clocks agree.
LOGGED_LATE = timedelta(seconds=10)


def event_utc(event: RawEvent) -> str:
    """When it happened, as text in the form of a UtcTime, to compare by; "" if unreadable."""
    if event.event_id in TRACED_EVENTS:
        return _as_utc_time(event.logged_at) or fields.utc_text(event.data.get("UtcTime"))
    return fields.utc_text(event.data.get("UtcTime"))


def event_time(event: RawEvent) -> datetime | None:
    """When it happened; None if unreadable."""
    return fields.instant(event_utc(event))


def drift_of(event: RawEvent) -> timedelta | None:
    """TimeCreated less UtcTime of a connection or DNS look-up; None within the tolerance, or without both."""
    if event.event_id not in TRACED_EVENTS:
        return None
    own = event.data.get("UtcTime")
    logged = event.logged_at
    if not isinstance(own, str) or (own[:10] == logged[:10] and own[11:16] == logged[11:16]):
        return None  # of the same minute: most, and not worth two parsings; or nothing to compare
    happened, written = fields.instant(own), fields.instant(logged)
    if happened is None or written is None or abs(written - happened) <= DRIFT_TOLERANCE:
        return None
    return written - happened


def _as_utc_time(logged_at: str) -> str:
    """TimeCreated in the form of a UtcTime; "" if unreadable."""
    when = fields.instant(logged_at)
    if when is None:
        return ""
    if logged_at.endswith("Z"):
        return f"{logged_at[:10]} {logged_at[11:-1]}"
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
