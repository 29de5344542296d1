"""What makes a record a Sysmon event, whatever the format: provider, channel, EventID, time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

SYSMON_PROVIDER = "Microsoft-Windows-Sysmon"
SYSMON_CHANNEL = "Microsoft-Windows-Sysmon/Operational"

#: What an EventID can be: it has 16 bits.
EVENT_IDS = range(65536)
#: Answers in place of an EventID: another provider's record; a Sysmon event whose EventID is unusable.
OTHER = -1
BAD_ID = -2

#: Computer, time logged ("" when unknown), fields and EventRecordID (None when unknown) of one event.
Decoded = tuple[str, str, Mapping[str, object], int | None]

_PROVIDER_FOLDED = SYSMON_PROVIDER.casefold()
_CHANNEL_FOLDED = SYSMON_CHANNEL.casefold()
_DIGITS = re.compile(r"\s*\d{1,5}\s*", re.ASCII)
_RECORD_DIGITS = re.compile(r"\s*\d{1,20}\s*", re.ASCII)
_UTC_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:?\d\d)?", re.ASCII)


class BrokenRecord(Exception):
    """A record that is meant to be a Sysmon event and cannot be decoded.

    Attributes:
        reason: one sentence for the report.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def is_sysmon(provider: object, channel: object) -> bool:
    """Whether a record is Sysmon's, by provider or channel. Windows compares both without case."""
    return (isinstance(provider, str) and provider.casefold() == _PROVIDER_FOLDED) or (
        isinstance(channel, str) and channel.casefold() == _CHANNEL_FOLDED
    )


def event_number(value: object) -> int:
    """An EventID written as 3, 3.0, "3", {"#text": 3} or {"Value": 3}; BAD_ID when it is none of these."""
    if isinstance(value, dict):
        value = value.get("#text", value.get("Value"))
    if isinstance(value, bool):
        return BAD_ID
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value in EVENT_IDS else BAD_ID


def record_number(value: object) -> int | None:
    """An EventRecordID (64 bits) written as 7, "7", {"#text": 7} or {"Value": 7}; None otherwise."""
    if isinstance(value, dict):
        value = value.get("#text", value.get("Value"))
    if isinstance(value, str) and _RECORD_DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < 1 << 64 else None


def utc_text(value: object) -> str:
    """A time of the event log as ISO 8601 text with an offset, "" when it is no such time.

    TimeCreated is UTC by definition, also where a converter left out the Z
    (https://learn.microsoft.com/windows/win32/wes/eventschema-timecreated-systempropertiestype-element).
    """
    if not isinstance(value, str):
        return ""
    try:
        if value[19:].endswith("Z") and datetime.fromisoformat(value):
            return value  # four times as fast as the pattern
        found = _UTC_TIME.fullmatch(value.removesuffix(" UTC"))
        text = f"{found[1]}T{found[2]}{found[3] or 'Z'}" if found else ""
        return text if text and datetime.fromisoformat(text) else ""
    except ValueError:
        return ""
