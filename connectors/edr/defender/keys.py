"""What tells one process from another in the hunting tables: its pid and its creation time, on one device.

The tables also have ProcessUniqueId and InitiatingProcessUniqueId, but none for the initiator's parent. Pid
and creation time stand at all three levels of a row, so they alone join them:
https://learn.microsoft.com/defender-xdr/advanced-hunting-deviceprocessevents-table
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from connectors.edr import sysmon_fields as fields

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7})\d*)?(?:Z|\+00:00)", re.ASCII)
_KEY = re.compile(r"(\d{1,10})@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z)", re.ASCII)


class ProcessKey(NamedTuple):
    """One process on one device.

    Attributes:
        pid: the operating system's id.
        created: creation time in UTC with seven decimals, as precise as the tables:
        `2023-03-17T20:23:03.7021445Z`.
    """

    pid: int
    created: str

    @property
    def guid(self) -> str:
        """The key as one text: `37384@2023-03-17T20:23:03.7021445Z`."""
        return f"{self.pid}@{self.created}"

    @property
    def time(self) -> datetime | None:
        """The creation time, in microseconds."""
        return fields.instant(self.created)


def parse_key(guid: str | None) -> ProcessKey | None:
    """The key that `ProcessKey.guid` wrote; None for anything else, such as a Sysmon ProcessGuid."""
    found = _KEY.fullmatch(guid.strip().upper()) if guid is not None and len(guid) <= 64 else None
    if found is None:
        return None
    pid, created = int(found[1]), found[2]
    return ProcessKey(pid, created) if pid <= 0xFFFFFFFF and fields.instant(created) is not None else None


def row_key(row: Mapping[str, object], pid: str, created: str) -> ProcessKey | None:
    """The key in two columns of a row; None where one is missing or unreadable."""
    number, when = fields.integer(row.get(pid)), exact_time(row.get(created))
    return ProcessKey(number, when) if number is not None and when else None


def exact_time(value: object) -> str:
    """A time of the tables with seven decimals (they are cut at trailing zeros there); "" if unreadable."""
    found = _TIME.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if found is None or fields.instant(value) is None:
        return ""
    return f"{found[1]}.{(found[2] or '').ljust(7, '0')}Z"


def kusto_time(when: datetime) -> str:
    """An instant as the tables write it."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
