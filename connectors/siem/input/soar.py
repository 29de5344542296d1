"""Splunk SOAR: artifacts, alone or in their container, and what of the container an artifact needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import orjson

from connectors.facts.notable import NotableSource
from connectors.siem.input.candidate import Candidate, refused
from connectors.siem.notable_fields import Fields

#: Longest container field that is repeated in the kept text of a rejected artifact, in characters.
_CONTAINER_TEXT = 1024


def has_artifacts(item: Fields) -> bool:
    """True for a container with its artifacts."""
    return isinstance(item.get("artifacts"), list)


def open_container(item: Fields) -> Iterator[Candidate]:
    """One candidate an artifact."""
    inner = item.get("container")
    container = inner if isinstance(inner, Mapping) else item
    artifacts = cast("list[object]", item["artifacts"])
    if not artifacts:
        yield refused(item, "artifacts", "is empty")
    for artifact in artifacts:
        if isinstance(artifact, Mapping):
            yield _artifact(artifact, container)
        else:
            yield refused(artifact, "artifacts", "holds something that is not an object")


def is_artifact(item: Fields) -> bool:
    """True for an artifact."""
    return "cef" in item


def open_artifact(item: Fields) -> Iterator[Candidate]:
    """The artifact, with its container where that stands in it."""
    yield _artifact(item, item.get("container"))


def _artifact(artifact: Fields, container: object) -> Candidate:
    kept: dict[str, object] = {}
    added: dict[str, object] = {}
    if isinstance(container, Mapping):
        for name in ("source_data_identifier", "name"):
            if name in container:
                added[f"container[{name}]"] = container[name]
                if isinstance(container[name], str) and len(container[name]) <= _CONTAINER_TEXT:
                    kept[name] = container[name]
    if "source_data_identifier" in artifact:
        added.setdefault("container[source_data_identifier]", artifact["source_data_identifier"])
    raw = {"container": kept, "artifacts": [artifact]} if kept else artifact
    cef = artifact.get("cef")
    if isinstance(cef, str):
        try:
            cef = orjson.loads(cef)
        except orjson.JSONDecodeError:
            return refused(raw, "cef", "is a text that is no JSON")
    if not isinstance(cef, Mapping):
        return refused(raw, "cef", "is missing or not an object")
    return Candidate({**cef, **added}, NotableSource.SOAR_ARTIFACT, raw)
