"""The searches of a SIEM connector: what they begin with, and the commands only they have.

The rest of the language is splunk_spl.py.
"""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.splunk_spl import Row, step

ANALYTIC = re.compile(
    r"search \S.* EventID=3 dest_ip!=10\.0\.0\.0/8 dest_ip!=172\.16\.0\.0/12 dest_ip!=192\.168\.0\.0/16 "
    r"process_name=(?P<name>[\w.-]+)"
)
RISK = re.compile(r'search index="risk" source="([^"]*)" response_risk_id="([0-9a-f]*)"')
NOTABLES = frozenset({"search `notable`", 'search index="notable"'})
REVIEWS = "`incident_review`"

_RFC1918 = re.compile(r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.")
#: event_id is there already, few values need no cut, and nobody has exclusions.
_WITHOUT_EFFECT = re.compile(
    r"""eval indexer_guid=replace\(_bkt,"\.\*~\(\.\+\)","\\1"\), event_hash=md5\(_time\._raw\), .*"""
    r"""|eval dest_port=mvindex\(dest_port, 0, 99\), .*|`\w+_filter`"""
)
_BY = ("escu_window", "dest", "user", "process_name", "src_ip", "dest_ip", "escu_machine")
_VALUES = (
    *("dest_port", "src_port", "direction", "Initiated", "process_guid", "ProcessGuid", "process_id"),
    *("ProcessId", "dvc", "Computer", "src", "dest_host"),
)
_STATS = re.compile(
    r"stats count min\(_time\) as firstTime max\(_time\) as lastTime min\(_indextime\) as first_indexed "
    + " ".join(rf"values\({name}\) as {name}" for name in _VALUES)
    + rf" by {', '.join(_BY)}"
)


def found_by_analytic(rows: list[Row], process_name: str) -> list[Row]:
    """Connections of a process to addresses that are not private, as the analytic has it."""
    return [
        row
        for row in rows
        if row["process_name"].lower() == process_name.lower() and not _RFC1918.match(row["dest_ip"])
    ]


def finished(rows: list[Row], commands: list[str], *, texts: bool = True) -> list[Row]:
    """The rows after these commands, as Splunk gives them; with `texts` False, as the next command has them.

    Raises:
        NotSpl: a command is not known.
    """
    for command in commands:
        if _STATS.fullmatch(command):
            rows = _groups(rows)
        elif not _WITHOUT_EFFECT.fullmatch(command):
            rows = step(command, rows)
    return [_texts(row) for row in rows] if texts else rows


def unquoted(literal: str) -> str:
    """The text of an eval string."""
    return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.DOTALL)


def _groups(rows: list[Row]) -> list[Row]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if all(row.get(name) is not None for name in _BY):
            groups.setdefault(tuple(row[name] for name in _BY), []).append(row)
    return [
        {
            **dict(zip(_BY, key, strict=True)),
            "count": len(group),
            "firstTime": min(row["_time"] for row in group),
            "lastTime": max(row["_time"] for row in group),
            "first_indexed": min(row["_indextime"] for row in group),
            **{name: sorted({str(row[name]) for row in group if name in row}) for name in _VALUES},
        }
        for key, group in groups.items()
    ]


def _texts(row: Row) -> Row:
    """Splunk gives every value as text, or a list of texts."""
    shown: Row = {}
    for name, value in row.items():
        if isinstance(value, list):
            if value:
                shown[name] = value[0] if len(value) == 1 else value
        elif value is not None and name != "_visible":
            shown[name] = f"{value:.6f}" if isinstance(value, float) else str(value)
    return shown
