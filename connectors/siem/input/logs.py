"""Events of a log that were given as notables: they name the same fields, and are none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.siem.notable_fields import Fields

LOG_REMEDY = "Give a Sysmon log with --sysmon"

#: The number of an event, as collectors and Splunk's add-ons call it.
_NUMBERS = ("EventID", "EventCode")

#: Fields of Sysmon's own that no notable of the analytic has.
_SYSMON_FIELDS = frozenset({"Image", "ProcessGuid", "UtcTime", "EventData", "TargetImage", "QueryName"})

#: What a search adds to its rows: a row with one of these is a notable, whatever else it holds.
_RAISED = frozenset(
    {
        *("search_name", "rule_name", "rule_title", "firstTime", "lastTime", "first_time", "last_time"),
        *("count", "risk_score", "finding_id", "finding_score", "detection_id", "orig_sid", "urgency"),
    }
)

#: What tells an event of Sysmon from one of another provider, in its text.
_SYSMON_TEXT = re.compile(r"Microsoft-Windows-Sysmon|\"(?:UtcTime|ProcessGuid|Image)\":", re.IGNORECASE)

_EVENT_XML = re.compile(r"\s*<Event[\s>]")


def is_log_event(item: Fields) -> bool:
    """True for one event of a log: flat, nested as a collector writes it, or with its XML in _raw."""
    if not _RAISED.isdisjoint(item) or "@@" in str(item.get("event_id", ""))[:256]:
        return False
    hit = item.get("_source")  # a hit of Elasticsearch
    if _is_nested(hit if isinstance(hit, Mapping) else item):
        return True
    raw = item.get("_raw")
    if isinstance(raw, str) and _EVENT_XML.match(raw) and is_sysmon(raw):
        return True
    return any(_is_number(item.get(name)) for name in _NUMBERS) and not _SYSMON_FIELDS.isdisjoint(item)


def is_sysmon(text: str) -> bool:
    """True when the JSON or XML of an event of a log is one of Sysmon's."""
    return _SYSMON_TEXT.search(text) is not None


def _is_nested(item: Fields) -> bool:
    event, winlog = item.get("Event", item), item.get("winlog")
    return (
        (isinstance(event, Mapping) and isinstance(event.get("System"), Mapping))
        or (isinstance(winlog, Mapping) and "event_id" in winlog)
        or (isinstance(item.get("event_data"), Mapping) and "event_id" in item)
    )


def _is_number(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5
    )
