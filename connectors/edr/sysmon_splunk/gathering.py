"""The searches of one question, and the Sysmon events they gave, read by the reader of Sysmon files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from io import BytesIO

from connectors.edr import sysmon_fields as fields
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.edr.sysmon_file.store import CASE_EVENTS, HostLog, SysmonStore
from connectors.edr.sysmon_file.streams import Peekable
from connectors.edr.sysmon_file.xml_text import read_xml
from connectors.edr.sysmon_splunk.queries import EVENT, INDEX
from connectors.edr.time_bounds import bounded_window
from connectors.errors import BadResponse
from connectors.facts.process import image_name
from connectors.http.deadline import Deadline
from connectors.ports import Window
from connectors.siem.splunk.jobs import Rows, SearchJobs, epoch

#: Sysmon's own time and the event log's differ by milliseconds, a rounded one by a second.
SKEW = timedelta(minutes=1)

#: Hosts' clocks may be ahead.
AHEAD = timedelta(days=1)

#: Characters of a search that are kept for the record; only those with very many ids have more.
LONGEST_QUERY = 4000

_RECORD = re.compile(r"<EventRecordID>\s*([0-9]{1,18})\s*</EventRecordID>")
_INDEX = re.compile(r"[A-Za-z0-9_-]{1,80}")
_END = "</Event>"
_FIELD_END = "</Data>"
_IMAGES = ("Image", "TargetImage", "SourceImage", "ParentImage")
_RECORD_BYTES = ReadLimits().record_bytes


class Gathering:
    """Searches with one deadline; remembers what was asked and each event of one host once.

    Attributes:
        queries: what was asked, with its times.
        events: in the order they were given.
        partial: True when Splunk says that an answer is not all, or gave events that cannot be read or are of
            another host than was asked for.
        cut_events: how many events were cut when they were indexed; their first fields are known.
    """

    def __init__(self, jobs: SearchJobs, deadline: Deadline, source: str, *, computer: str = "") -> None:
        """Search nothing yet.

        Args:
            jobs: runs the searches.
            deadline: for all of them.
            source: the connector's name, for errors.
            computer: the host whose events are wanted; "" takes those of any.
        """
        self._jobs = jobs
        self._computer = computer.lower()
        self._deadline = deadline
        self._source = source
        self._seen: set[str] = set()
        self.queries: list[str] = []
        self.events: list[RawEvent] = []
        self.partial = False
        self.cut_events = 0

    def rows(self, query: str, span: Window, *, most: int) -> Rows:
        """The rows of a search."""
        first, last = epoch(span.start), epoch(span.end)
        shown = query if len(query) <= LONGEST_QUERY else f"{query[:LONGEST_QUERY]} ..."
        self.queries.append(f"{shown} (earliest={first} latest={last})")
        found = self._jobs.rows(
            query, earliest=span.start, latest=span.end, max_rows=most, deadline=self._deadline
        )
        self.partial = self.partial or found.partial
        return found

    def search(self, query: str, span: Window, *, most: int) -> bool:
        """Gather the events of a search; True when there are more than `most`.

        Raises:
            BadResponse: there are events, and none is Sysmon's XML of the host.
        """
        found = self.rows(query, span, most=most)
        read = unreadable = 0
        for row in found.rows:
            # Two events that were indexed as one may be of two hosts: SPL reads the first Computer alone.
            events = [each for each in events_of(row) if self._is_wanted(each)]
            read += bool(events)
            unreadable += not events
            text = row.get(EVENT)
            if isinstance(text, str) and text not in self._seen:
                self._seen.add(text)
                self.events += events
                self.cut_events += bool(events) and _END not in text
        if unreadable and not read:
            message = f"{unreadable} events found, and none can be read as Sysmon's XML of the host"
            remedy = "set renderXml = true at the input, or look at the setting sysmon"
            raise BadResponse(self._source, f"{message}: {remedy}")
        self.partial = self.partial or bool(unreadable)
        return found.truncated

    def _is_wanted(self, event: RawEvent) -> bool:
        return not self._computer or event.computer.lower() == self._computer

    def notes(self) -> tuple[str, ...]:
        """What is to be known of the answers, beside the searches."""
        cut = f"{self.cut_events} events were cut when Splunk indexed them (TRUNCATE)"
        return (
            *(("Splunk says that its answer is not complete",) if self.partial else ()),
            *((cut,) if self.cut_events else ()),
        )

    def log(self, computer: str) -> HostLog:
        """What is gathered of a host, as if it had been read from a file."""
        log = self.store(computer).host(computer)
        if log is None:
            raise BadResponse(self._source, "a host without a name")
        return log

    def store(self, computer: str = "") -> SysmonStore:
        """As `log`, with the host in it even where nothing was found; without one those that were found."""
        store = SysmonStore(images_of(self.events))
        if computer:
            store.add(RawEvent(0, computer, "", {}, "", 0))
        for event in self.events:
            store.add(event)
        return store


def events_of(row: dict[str, object]) -> list[RawEvent]:
    """The Sysmon event of a row, as in a file; its source is the index, its record the event log's.

    Several where Splunk did not break the text between them. A DOCTYPE is refused, so that no entity is ever
    expanded (sysmon_file.xml_event).
    """
    text = row.get(EVENT)
    if not isinstance(text, str):
        return []
    index = row.get(INDEX)
    named = isinstance(index, str) and _INDEX.fullmatch(index)
    source = f"Splunk, index {index}" if named else "Splunk"
    stream = Peekable(BytesIO(_whole(text).encode("utf-8", "replace")))
    found = list(read_xml(stream, source, CASE_EVENTS, ReadReport(), _RECORD_BYTES))
    record = _RECORD.search(text) if len(found) == 1 else None
    return [each._replace(record=int(record[1])) for each in found] if record else found


def _whole(text: str) -> str:
    """An event that was cut at indexing (TRUNCATE in props.conf, 10,000 bytes by default) up to there."""
    at = text.rfind(_FIELD_END)
    if _END in text or at < 0:
        return text
    return f"{text[: at + len(_FIELD_END)]}</EventData>{_END}"


def images_of(events: Iterable[RawEvent]) -> set[str]:
    """The names of all images in events: a search has chosen already, so that all of it is kept."""
    return {image_name(fields.text(event.data.get(field))).lower() for event in events for field in _IMAGES}


def searched(window: Window, *, now: datetime, history: timedelta) -> Window:
    """The part of a window that is searched: not the future, and no longer than `history`."""
    asked = bounded_window(window)
    end = min(asked.end, now + AHEAD) + SKEW
    start = max(asked.start - SKEW, end - history - 2 * SKEW)
    return Window(min(start, end), end)
