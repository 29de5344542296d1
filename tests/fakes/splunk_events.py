"""Sysmon's events as Splunk indexes them with renderXml = true."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from tests.estate import Estate
from tests.fakes.splunk_spl import Event

META = {
    "index": "sysmon",
    "sourcetype": "XmlWinEventLog",
    "source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
    # The forwarder of a collector: not the host that logged the event.
    "host": "WEC01",
}


def xml_of(event: RawEvent, record: int) -> str:
    """The event as Windows renders it."""
    data = "".join(
        f"<Data Name='{name}'>{escape(_text(value))}</Data>"
        for name, value in event.data.items()
        if value is not None
    )
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385f-c22a-43e0-bf4c-06f5698ffbd9}'/>"
        f"<EventID>{event.event_id}</EventID><Version>5</Version><Level>4</Level>"
        f"<TimeCreated SystemTime='{event.logged_at or event.data.get('UtcTime')}'/>"
        f"<EventRecordID>{record}</EventRecordID>"
        "<Execution ProcessID='3316' ThreadID='4528'/>"
        "<Channel>Microsoft-Windows-Sysmon/Operational</Channel>"
        f"<Computer>{escape(event.computer)}</Computer><Security UserID='S-1-5-18'/></System>"
        f"<EventData>{data}</EventData></Event>"
    )


def indexed(event: RawEvent, record: int = 1, *, meta: Mapping[str, str] = META) -> Event:
    """The event as it is in an index."""
    when = fields.instant(event.logged_at) or fields.instant(event.data.get("UtcTime"))
    seconds = when.timestamp() if when is not None else 0.0
    return Event(xml_of(event, record), seconds, seconds + 2, meta)


def events_of(estate: Estate) -> list[Event]:
    """All of an estate."""
    return [indexed(event, 88_000 + number) for number, event in enumerate(estate.sysmon)]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
