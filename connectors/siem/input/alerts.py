"""What an alert sends on: the body of the webhook action, and the payload of an alert action.

Both hold the first row of the results. A payload also names the file with all rows, `results_file`. Splunk
writes the session key of the alert's owner into it, and the action's own settings; neither is kept
(secrets.py).
https://docs.splunk.com/Documentation/Splunk/latest/AdvancedDev/ModAlertsLog
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from connectors.facts.notable import NotableSource
from connectors.siem.input.candidate import Candidate, refused
from connectors.siem.input.secrets import SECRETS
from connectors.siem.notable_fields import Fields

#: Beside "result" these mean a webhook body or a payload; an export row has preview, offset and lastrow.
_ALERT_NAMES = frozenset({"search_name", "sid", "results_link", "results_file"})

#: What a row takes from the body: its owner is the owner of the search, not of the notable.
_ADDED = ("search_name", "sid")


def has_result(item: Fields) -> bool:
    """True for a webhook body, a payload, and a row of an export."""
    return isinstance(item.get("result"), Mapping)


def open_result(item: Fields) -> Iterator[Candidate]:
    """The one row of a body, or of a line of an export."""
    row = cast("Fields", item["result"])
    if _ALERT_NAMES.isdisjoint(item):
        yield Candidate(row, None, _without_secrets(item), preview=item.get("preview") is True)
        return
    yield Candidate({**row, **_added(item, row)}, NotableSource.WEBHOOK, _without_secrets(item))


def is_bare_payload(item: Fields) -> bool:
    """True for a payload without the first row."""
    return not SECRETS.isdisjoint(item) or "results_file" in item


def open_bare_payload(item: Fields) -> Iterator[Candidate]:
    """The refusal, which says what to give."""
    yield refused(
        _without_secrets(item),
        "result",
        "is missing: the payload of an alert action holds the first row there",
        "Give the file that results_file names",
    )


def results_file_of(item: object) -> str:
    """The file with all rows that a payload names, "" for anything else.

    Only a caller that may read files for the sender of the payload opens it.
    """
    path = item.get("results_file") if isinstance(item, Mapping) else None
    return path if isinstance(path, str) else ""


def all_rows(payload: Fields, rows: Iterable[Candidate]) -> list[Candidate]:
    """The rows of a payload's file, each as a body of its own would have it."""
    named = {name: payload[name] for name in _ADDED if name in payload}
    return [
        row
        if row.problem is not None
        else row._replace(
            fields={**row.fields, **_added(payload, row.fields)},
            source=NotableSource.WEBHOOK,
            raw={**named, "result": row.raw},
        )
        for row in rows
    ]


def _added(item: Fields, row: Fields) -> dict[str, object]:
    return {name: item[name] for name in _ADDED if name in item and not row.get(name)}


def _without_secrets(item: Fields) -> Fields:
    if SECRETS.isdisjoint(item):
        return item
    return {name: value for name, value in item.items() if name not in SECRETS}
