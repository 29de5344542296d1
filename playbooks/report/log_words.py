"""What is to be known of the logs that were read. Plain sentences, not yet made safe to show."""

from __future__ import annotations

from datetime import timedelta

from connectors.edr.sysmon_file.event import ClockDrift
from playbooks.report.wording import count, duration


def drift(found: ClockDrift) -> str:
    """That a host's UtcTime is off, by how much, and which time counts."""
    way = "behind" if found.most > timedelta() else "ahead of"
    events = count(found.events, "connection or DNS look-up", "connections and DNS look-ups")
    return (
        f"UtcTime of {events} is up to {duration(abs(found.most))} {way} the time of logging;"
        " TimeCreated counts, as in Splunk's _time"
    )


def repeated(events: int) -> str:
    """That events were given more than once."""
    was = "was" if events == 1 else "were"
    return f"{count(events, 'event')} {was} given before (same host, EventRecordID and time), and left out"
