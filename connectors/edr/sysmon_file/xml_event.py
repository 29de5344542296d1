"""One event as XML: whether it is well-formed, and what is in it.

Only expat judges what is XML. No entity is ever expanded: a DOCTYPE is refused, and without one there are
only the five entities of XML itself.
Schema: https://learn.microsoft.com/windows/win32/wes/eventschema-schema
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.parsers import expat

from connectors.edr.sysmon_file.sysmon_names import BrokenRecord, Decoded, record_number, utc_text

DOCTYPE_REFUSED = "a DOCTYPE is refused: no entity is ever defined or expanded"


class XmlEvent(NamedTuple):
    """An event as written; every value is text, "" where it is missing."""

    provider: str
    channel: str
    event_id: str
    computer: str
    system_time: str
    record_id: str
    data: dict[str, str]

    def decoded(self) -> Decoded:
        """What is wanted of it.

        Raises:
            BrokenRecord: it has no fields.
        """
        if not self.data:
            raise BrokenRecord("a Sysmon event without readable EventData")
        return self.computer, utc_text(self.system_time), self.data, record_number(self.record_id)


# --- judging -----------------------------------------------------------------------------------


def all_plain(events: Sequence[bytes]) -> bool:
    """Whether each text, with `</Event>` put after it, is well-formed inside one element, and plain.

    Plain: there is no comment, CDATA section or processing instruction, so that in the text every `<` begins
    a tag and regular expressions can be trusted. All are judged in one go, each in an element of its own,
    which only a balanced text leaves closed.
    """
    odd = False

    def seen(*_: object) -> None:
        nonlocal odd
        odd = True

    parser = expat.ParserCreate("utf-8")
    parser.CommentHandler = parser.StartCdataSectionHandler = parser.ProcessingInstructionHandler = seen
    try:
        # In one call: in three, expat copies the text (12 % slower).
        parser.Parse(b"<all><one>%b</Event></one></all>" % b"</Event></one><one>".join(events), True)
    except expat.ExpatError:
        return False
    return not odd


# --- reading what was judged plain -----------------------------------------------------------------

#: The head of an event as Windows writes it: provider, EventID.
HEAD = re.compile(
    rb"""\s*<Event(?:\s[^<>]*[^<>/])?>\s*<System>\s*<Provider\s+Name=['"]([^'"<>&]*)['"][^<>]*/>\s*"""
    rb"""<EventID(?:\s[^<>]*[^<>/])?>\s*(0|[1-9]\d{0,3}|[1-5]\d{4})\s*</EventID>"""
)
_SYSTEM_TIME = re.compile(r"""<TimeCreated\s+SystemTime=['"]([^'"<>&]*)['"]""")
_RECORD_ID = re.compile(r"<EventRecordID>([^<]*)</EventRecordID>")
_COMPUTER = re.compile(r"<Computer>([^<]*)</Computer>")
_DATA = {
    "'": re.compile(r"<Data Name='([^'<&]*)'(?:>([^<]*)</Data>|\s*/>)"),
    '"': re.compile(r'<Data Name="([^"<&]*)"(?:>([^<]*)</Data>|\s*/>)'),
}
_DATA_QUOTE = re.compile(r"""<Data Name=(['"])""")
_REFERENCE = re.compile(r"&(#x[0-9a-fA-F]+|#[0-9]+|lt|gt|amp|quot|apos);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def read_plain(event: bytes) -> Decoded:
    """An event without its last end tag, judged well-formed and plain, that begins with HEAD.

    Raises:
        BrokenRecord: it has no fields.
    """
    text = event.decode()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # as XML has it (2.11 End-of-Line Handling)
    body = text.find("</System>")
    quote = _DATA_QUOTE.search(text, body)
    pairs = _DATA[quote[1]].findall(text, body) if quote else []
    if body < 0 or not pairs or len(pairs) != text.count("<Data", body) or "</Event " in text:
        return read_event(event.lstrip() + b"</Event>").decoded()
    data = dict(pairs)
    if "&" in text:
        for name, value in pairs:
            if "&" in value:
                data[name] = _REFERENCE.sub(_referenced, value)
    computer, time = _COMPUTER.search(text, 0, body), _SYSTEM_TIME.search(text, 0, body)
    record_id = _RECORD_ID.search(text, 0, body)
    return (
        _REFERENCE.sub(_referenced, computer[1]) if computer else "",
        utc_text(time[1]) if time else "",
        data,
        record_number(record_id[1]) if record_id else None,
    )


def _referenced(found: re.Match[str]) -> str:
    name = found[1]
    if name.startswith("#x"):
        return chr(int(f"0{name[1:]}", 16))
    if name.startswith("#"):
        return chr(int(name[1:]))
    return _ENTITIES[name]


# --- reading anything --------------------------------------------------------------------------------


class _Reader:
    """Gathers System and EventData from expat's callbacks; namespaces and prefixes are left aside."""

    def __init__(self) -> None:
        self.event = XmlEvent("", "", "", "", "", "", {})
        self._path: list[str] = []
        self._text: list[str] = []
        self._name = ""

    def run(self, text: bytes) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text_part
        try:
            parser.Parse(text, True)
        except expat.ExpatError as exc:
            raise BrokenRecord(f"is no well-formed XML: {expat.ErrorString(exc.code)}") from exc

    def _doctype(self, *_: object) -> None:
        raise BrokenRecord(DOCTYPE_REFUSED)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        inside = self._path[-1] if self._path else ""
        self._path.append(name)
        self._text = []
        if inside == "System" and name == "Provider":
            self.event = self.event._replace(provider=attributes.get("Name", ""))
        elif inside == "System" and name == "TimeCreated":
            self.event = self.event._replace(system_time=attributes.get("SystemTime", ""))
        elif inside == "EventData" and name == "Data":
            self._name = attributes.get("Name", "")

    def _end(self, _: str) -> None:
        name = self._path.pop()
        inside = self._path[-1] if self._path else ""
        text = "".join(self._text)
        if inside == "System" and name in _SYSTEM_TEXTS:
            self.event = self.event._replace(**{_SYSTEM_TEXTS[name]: text})  # type: ignore[arg-type]  # text fields
        elif inside == "EventData" and name == "Data" and self._name:
            self.event.data[self._name] = text
        self._text = []

    def _text_part(self, text: str) -> None:
        self._text.append(text)


_SYSTEM_TEXTS = {
    "EventID": "event_id",
    "EventRecordID": "record_id",
    "Channel": "channel",
    "Computer": "computer",
}


def read_event(text: bytes | str) -> XmlEvent:
    """Any event, with a parser.

    Raises:
        BrokenRecord: it is no well-formed XML, or has a DOCTYPE.
    """
    reader = _Reader()
    reader.run(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return reader.event


def event_data_of(text: str) -> dict[str, str]:
    """The named fields of an EventData that stands alone or in a DataItem, as in Azure's Event table.

    Raises:
        BrokenRecord: it is no well-formed XML, has a DOCTYPE, or no field.
    """
    data = read_event(text).data
    if not data:
        raise BrokenRecord("a Sysmon event without readable EventData")
    return data
