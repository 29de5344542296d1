"""The shapes in which collectors write a Sysmon event as a JSON object.

A shape is two functions. `probe` is called for every record and only says what it is; `build` decodes the
few that are wanted. Sysmon's own field names are kept. Sources of the shapes:
evtx_dump https://github.com/omerbenamram/evtx;
winlogbeat https://www.elastic.co/docs/reference/beats/winlogbeat/exported-fields-winlog;
NXLog https://docs.nxlog.co/refman/current/im/msvistalog.html, which Mordor's flat ndjson passes on;
Azure https://learn.microsoft.com/azure/azure-monitor/reference/tables/event.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import orjson

from connectors.edr.sysmon_file.elastic_fields import restore_event_data
from connectors.edr.sysmon_file.sysmon_names import (
    BAD_ID,
    EVENT_IDS,
    OTHER,
    BrokenRecord,
    Decoded,
    event_number,
    is_sysmon,
    record_number,
    utc_text,
)
from connectors.edr.sysmon_file.sysmon_names import SYSMON_PROVIDER as SYSMON
from connectors.edr.sysmon_file.xml_event import event_data_of

#: What `probe` gives for a record of another shape.
MISS = -3

Record = dict[str, object]


class Shape(NamedTuple):
    """How one collector writes a record.

    Attributes:
        probe: the EventID of a Sysmon event, else OTHER (another provider's), BAD_ID (Sysmon without a
            usable EventID) or MISS. Takes any parsed JSON value; never raises.
        build: decodes a record, given the EventID that `probe` found. Raises BrokenRecord.
    """

    probe: Callable[[object], int]
    build: Callable[[Record, int], Decoded]


def shape_of(record: object) -> Shape | None:
    """The first shape that knows this record."""
    shapes = _IN_ELASTIC_HIT if "_source" in _mapping(record) else _DIRECT
    return next((shape for shape in shapes if shape.probe(record) != MISS), None)


def channel_of(record: object) -> str:
    """The channel, or log, that a record says it is of, in any shape; "" where it does not say."""
    outer = _mapping(record)
    outer = _mapping(outer.get("_source")) or outer
    for holder in (outer, _mapping(outer.get("winlog")), _system_of(outer)):
        channel = _text(_first(holder, "Channel", "channel", "log_name", "EventLog"))
        if channel:
            return channel
    return ""


# --- fields ----------------------------------------------------------------------------------


def _mapping(value: object) -> Record:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _first(record: Record, *names: str) -> object:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def _named_pairs(items: list[object]) -> Record:
    """Fields from `<Data Name="...">` elements as XML-to-JSON converters write them."""
    fields: Record = {}
    for item in items:
        pair = _mapping(item)
        name = _first(pair, "@Name", "Name") or _mapping(pair.get("#attributes")).get("Name")
        if isinstance(name, str):
            fields[name] = pair.get("#text", pair.get("Value", ""))
    return fields


def _event_data(value: object) -> Record:
    """The fields of an EventData in any of its forms.

    Raises:
        BrokenRecord: there are none in it.
    """
    if isinstance(value, str):
        if value.lstrip()[:1] == "<":
            return dict(event_data_of(value))
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as exc:
            raise BrokenRecord("its EventData is neither XML nor JSON") from exc
    if isinstance(value, dict):
        inner = value.get("Data", value.get("EventData"))
        if isinstance(inner, dict) and len(value) <= 2:
            return _named_pairs([inner]) or inner
        if not isinstance(inner, list):
            return value
        value = inner
    if isinstance(value, list):
        fields = _named_pairs(value)
        if fields or not value:
            return fields
    raise BrokenRecord("a Sysmon event without readable EventData")


def _identify(provider: object, channel: object, event_id: object) -> int:
    if not is_sysmon(provider, channel):
        return OTHER
    return event_number(event_id)


# --- evtx_dump, and what converts the XML one to one -------------------------------------------


def _evtx_probe(record: object) -> int:
    try:
        system = record["Event"]["System"]  # type: ignore[index]  # whatever it is, the errors are caught
        if system["Provider"]["#attributes"]["Name"] == SYSMON:
            event_id = system["EventID"]
            return event_id if event_id.__class__ is int and event_id in EVENT_IDS else event_number(event_id)
    except (KeyError, TypeError, IndexError):
        pass
    system = _system_of(record)
    if "EventID" not in system:
        return MISS
    return _identify(_attribute(system, "Provider", "Name"), system.get("Channel"), system["EventID"])


def _system_of(record: object) -> Record:
    outer = _mapping(record)
    return _mapping(_mapping(outer.get("Event", outer)).get("System"))


def _attribute(system: Record, element: str, name: str) -> object:
    """An attribute as evtx_dump, evtx_dump with separate attributes, xmltodict or Velociraptor write it."""
    value = _mapping(system.get(element))
    for holder in (_mapping(value.get("#attributes")), _mapping(system.get(f"{element}_attributes")), value):
        found = _first(holder, name, f"@{name}")
        if found is not None:
            return found
    return None


def _evtx_build(record: Record, _event_id: int) -> Decoded:
    event = _mapping(record.get("Event", record))
    system = _mapping(event["System"])
    when = _attribute(system, "TimeCreated", "SystemTime")
    data = _event_data(event.get("EventData"))
    return _text(system.get("Computer")), utc_text(when), data, record_number(system.get("EventRecordID"))


# --- winlogbeat and Elastic --------------------------------------------------------------------


def _winlog_probe(record: object) -> int:
    try:
        winlog = record["winlog"]  # type: ignore[index]  # whatever it is, the errors are caught
        if winlog["provider_name"] == SYSMON:
            event_id = winlog["event_id"]
            return event_id if event_id.__class__ is int and event_id in EVENT_IDS else event_number(event_id)
    except (KeyError, TypeError, IndexError):
        pass
    winlog = _mapping(_mapping(record).get("winlog"))
    if "event_id" not in winlog:
        return MISS
    return _identify(winlog.get("provider_name"), winlog.get("channel"), winlog["event_id"])


def _winlog_build(record: Record, event_id: int) -> Decoded:
    winlog = _mapping(record["winlog"])
    data = _mapping(winlog.get("event_data"))
    created = ""
    if "UtcTime" not in data:
        data, created = restore_event_data(record, event_id, data)
    if not data:
        raise BrokenRecord("a Sysmon event without readable EventData")
    number = record_number(winlog.get("record_id"))
    logged_at = created or utc_text(record.get("@timestamp"))
    return _text(winlog.get("computer_name")), logged_at, data, number


def _winlogbeat6_probe(record: object) -> int:
    outer = _mapping(record)
    if "event_id" not in outer or not ("event_data" in outer or "source_name" in outer):
        return MISS
    return _identify(outer.get("source_name"), outer.get("log_name"), outer["event_id"])


def _winlogbeat6_build(record: Record, _event_id: int) -> Decoded:
    data = _event_data(record.get("event_data"))
    number = record_number(record.get("record_number"))
    return _text(record.get("computer_name")), utc_text(record.get("@timestamp")), data, number


# --- NXLog and flat ndjson ---------------------------------------------------------------------

# The two lines that stand together at the head of every Sysmon message, before anything a process chose.
_MESSAGE_PROCESS = re.compile(r"(?:^|\n)ProcessGuid: (\{[^}\s]{36}\})\r?\nProcessId: (\d{1,10})\r?(?:\n|$)")


def _flat_probe(record: object) -> int:
    try:
        provider = record["SourceName"]  # type: ignore[index]  # whatever it is, the errors are caught
        event_id = record["EventID"]  # type: ignore[index]
    except (KeyError, TypeError, IndexError):
        return MISS
    if provider == SYSMON:
        return event_id if event_id.__class__ is int and event_id in EVENT_IDS else event_number(event_id)
    return _identify(provider, _mapping(record).get("Channel"), event_id)


def _flat_build(record: Record, _event_id: int) -> Decoded:
    # NXLog's ProcessID is the pid of the Sysmon service; it took the place of the event's ProcessId.
    record.pop("ProcessID", None)
    if "ProcessId" not in record and "ProcessGuid" in record:
        process_id = _process_id_in_message(record)
        if process_id:
            record["ProcessId"] = process_id
    # `host` and @timestamp are the collector's, EventTime is local time without an offset: none is used.
    return _text(record.get("Hostname")), "", record, record_number(record.get("RecordNumber"))


def _process_id_in_message(record: Record) -> str:
    found = _MESSAGE_PROCESS.search(_text(record.get("Message")))
    if found is None or found[1].casefold() != _text(record["ProcessGuid"]).casefold():
        return ""
    return found[2]


# --- Azure Sentinel and other tables -----------------------------------------------------------

_PROVIDER_COLUMNS = ("Source", "Provider", "ProviderName", "SourceName")
_CHANNEL_COLUMNS = ("EventLog", "Channel")
_HOST_COLUMNS = ("Computer", "Hostname", "ComputerName")
_RECORD_COLUMNS = ("EventRecordID", "EventRecordId", "RecordNumber")
_PARSED_COLUMNS = ("UtcTime", "ProcessGuid", "ProcessId", "Image")


def _row_probe(record: object) -> int:
    row = _mapping(record)
    provider, channel = _first(row, *_PROVIDER_COLUMNS), _first(row, *_CHANNEL_COLUMNS)
    if "EventID" not in row or (provider is None and channel is None):
        return MISS
    return _identify(provider, channel, row["EventID"])


def _row_build(record: Record, _event_id: int) -> Decoded:
    # TimeGenerated is when the row was taken in, or nearly; it is not used.
    data = record.get("EventData")
    if data in (None, "") and any(column in record for column in _PARSED_COLUMNS):
        data = record
    number = record_number(_first(record, *_RECORD_COLUMNS))
    return _text(_first(record, *_HOST_COLUMNS)), "", _event_data(data), number


# --- the list ------------------------------------------------------------------------------------


def _in_elastic_hit(shape: Shape) -> Shape:
    """The shape inside a search hit of Elasticsearch."""

    def probe(record: object) -> int:
        return shape.probe(_mapping(record).get("_source"))

    def build(record: Record, event_id: int) -> Decoded:
        return shape.build(_mapping(record["_source"]), event_id)

    return Shape(probe, build)


_DIRECT = (
    Shape(_flat_probe, _flat_build),
    Shape(_winlog_probe, _winlog_build),
    Shape(_evtx_probe, _evtx_build),
    Shape(_winlogbeat6_probe, _winlogbeat6_build),
    Shape(_row_probe, _row_build),
)
_IN_ELASTIC_HIT = tuple(_in_elastic_hit(shape) for shape in _DIRECT)

EVTX_SHAPE = _DIRECT[2]
assert BAD_ID != MISS != OTHER  # noqa: S101  the three answers must differ
