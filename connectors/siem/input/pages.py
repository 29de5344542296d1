"""Lists of objects in an envelope: pages of SOAR and of Enterprise Security, investigations, results.

SOAR's REST interface answers `{"count": n, "num_pages": m, "data": [artifact, ...]}`, and an action's result
has its rows in `data` too. Enterprise Security 8 lists findings in `items`. An investigation of Mission
Control holds those it was made of in `consolidated_findings`: a list of them, or one object in which each
field has the values of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from connectors.facts.notable import NotableSource
from connectors.siem.input.candidate import Candidate, refused
from connectors.siem.notable_fields import CANDIDATES, Fields

_CONSOLIDATED = "consolidated_findings"

#: A list under these names is a page, unless the object has a notable's own fields.
_LISTS = ("data", "items")
_NOTABLE_NAMES = frozenset(
    name
    for key in ("machine", "dest", "process_name", "src_ip", "dest_ip")
    for tier in CANDIDATES[key]
    for name in tier
)

#: What a SOAR container has, and nothing else here.
_CONTAINER_NAMES = frozenset({"artifact_count", "container_type", "container_update_time"})


def has_results(item: Fields) -> bool:
    """True for search results as a list of objects."""
    return isinstance(item.get("results"), list)


def open_results(item: Fields) -> Iterator[Candidate]:
    """One candidate a row."""
    preview = item.get("preview") is True
    for row in cast("list[object]", item["results"]):
        if isinstance(row, Mapping):
            yield Candidate(row, None, row, preview=preview)
        else:
            yield refused(row, "results", "holds something that is not an object")


def has_findings(item: Fields) -> bool:
    """True for an investigation with its findings."""
    held = item.get(_CONSOLIDATED)
    return isinstance(held, list | Mapping) and bool(held)


def open_findings(item: Fields) -> Iterator[Candidate]:
    """One candidate a finding."""
    held = item[_CONSOLIDATED]
    for finding in held if isinstance(held, list) else [held]:
        if isinstance(finding, Mapping):
            kept = {_CONSOLIDATED: [finding]}
            yield Candidate(finding, NotableSource.ES_FINDING, kept)
        else:
            yield refused(finding, _CONSOLIDATED, "holds something that is not an object")


def is_page(item: Fields) -> bool:
    """True for an envelope around a list."""
    return _NOTABLE_NAMES.isdisjoint(item) and any(isinstance(item.get(name), list) for name in _LISTS)


def open_page(item: Fields) -> Iterator[object]:
    """What it holds, each to be opened."""
    for name in _LISTS:
        held = item.get(name)
        if isinstance(held, list):
            yield from held


def is_bare_container(item: Fields) -> bool:
    """True for a SOAR container without its artifacts."""
    return not _CONTAINER_NAMES.isdisjoint(item) and _NOTABLE_NAMES.isdisjoint(item)


def open_bare_container(item: Fields) -> Iterator[Candidate]:
    """The refusal, which says what to give."""
    yield refused(
        item,
        "container",
        "comes without its artifacts, which hold the notable",
        "Give its artifacts too: rest/container/ID/artifacts",
    )
