"""What the fake Splunk is filled with: Sysmon's events as Splunk indexes them with renderXml = true, the
network connections among them by the names of the CIM, and notables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from xml.sax.saxutils import escape

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent
from connectors.siem.notable import DERIVED, notables_from_object
from connectors.siem.notable_input import open_candidates
from connectors.siem.splunk.notables import FIELDS as NOTABLE_FIELDS
from tests.estate import Estate
from tests.fakes.splunk_spl import Event, Row

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


def connections_of(estate: Estate) -> list[Row]:
    """Its network connections by the names of the CIM, for FakeSplunk.connections (the analytic's)."""
    rows = []
    for event in estate.sysmon:
        data = event.data
        when = fields.instant(data.get("UtcTime")) or fields.instant(event.logged_at)
        if event.event_id != 3 or when is None:
            continue
        rows.append(
            {
                "_time": when.timestamp(),
                "_indextime": int(when.timestamp()) + 2,
                "dest": event.computer,
                "user": _text(data.get("User")),
                "process_name": _text(data.get("Image")).rpartition("\\")[2],
                "src_ip": _text(data.get("SourceIp")),
                "dest_ip": _text(data.get("DestinationIp")),
                "dest_port": _text(data.get("DestinationPort")),
                "ProcessGuid": _text(data.get("ProcessGuid")),
                "Initiated": _text(data.get("Initiated")),
            }
        )
    return rows


def notable_rows(given: object) -> list[Row]:
    """Rows of the macro `notable`, for FakeSplunk.notables.

    Args:
        given: what an examples/*/notable.json holds, in any of the shapes that the playbook reads: a notable
            keeps its fields; of a webhook body and a SOAR container a notable with the same facts is made.
    """
    rows: list[Row] = []
    for candidate in open_candidates(given):
        held = dict(candidate.fields)
        (notable, *_) = notables_from_object(candidate.raw).notables
        when = fields.instant(held.get("_time")) or notable.last_time or notable.first_time
        event_id = notable.event_id
        if event_id.startswith(DERIVED):
            made = hashlib.md5(event_id.encode(), usedforsecurity=False).hexdigest()
            event_id = f"4E1B7C0A-5D62-4B7E-9C38-6A0F2D915B11@@notable@@{made}"
        seconds = when.timestamp() if when is not None else 0.0
        facts = {
            "dest": notable.dest,
            "user": notable.user,
            "process_name": notable.process_name,
            "src_ip": notable.src_ip,
            "dest_ip": notable.dest_ip,
            "search_name": notable.search_name,
        }
        new = {"status": "1", "status_label": "New", "status_default": "true", "owner": "unassigned"}
        rows.append(
            {
                **new,
                **{name: value for name, value in facts.items() if value},
                **{name: value for name, value in held.items() if name in NOTABLE_FIELDS},
                "event_id": event_id,
                "_time": seconds,
                "_indextime": int(seconds) + 5,
            }
        )
    return rows
