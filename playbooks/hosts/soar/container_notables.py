"""The notables of a container: its artifacts read over REST, in any shape the parser takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from connectors.errors import NotableError, NotFound
from connectors.facts.notable import Notable
from connectors.siem.input.secrets import kept_text
from connectors.siem.notable import (
    NotableSettings,
    ParsedInput,
    RejectedNotable,
    notables_from_object,
    parse_notables,
)
from playbooks.hosts.soar.notable_artifact import CASE_LABEL, MADE_IDS, MADE_OF_NOTABLE, REJECTED_LABEL, TEXT
from playbooks.hosts.soar.soar_rest import Row, Rows, get_row, get_rows

#: Most artifacts of one container that are read, the oldest first.
MAX_ARTIFACTS = 10_000


class ContainerNotables(NamedTuple):
    """What the artifacts of a container give.

    Attributes:
        notables, rejected: as in ParsedInput.
        left_out: a sentence on artifacts that were not read; "" when all were.
    """

    notables: tuple[Notable, ...]
    rejected: tuple[RejectedNotable, ...]
    left_out: str = ""

    @property
    def parsed(self) -> ParsedInput:
        """The same, without what was not read."""
        return ParsedInput(self.notables, self.rejected)


def container_notables(
    soar: SOARClient[Any], container_id: int, settings: NotableSettings
) -> ContainerNotables:
    """The notables of a container, the oldest artifact first.

    What this app keeps of its own cases is left out. A text that made no notable when it was kept is read
    again: it may have been mended, or the app may have learnt its shape.

    Args:
        soar: the platform.
        container_id: which container.
        settings: how notables are read.

    Raises:
        NotableError: the container does not exist, or has no artifact that could be a notable.
        ConnectorError: the platform did not give the artifacts.
    """
    try:
        container = get_row(soar, f"rest/container/{container_id}")
    except NotFound as error:
        raise NotableError(
            "container", f"there is no container {container_id}", "Run the action on the container"
        ) from error
    found = get_rows(
        soar,
        "rest/artifact",
        cap=MAX_ARTIFACTS,
        _filter_container_id=container_id,
        sort="id",
        order="asc",
    )
    parsed = [
        _parse(artifact, container, settings)
        for artifact in found.rows
        if str(artifact.get("container", container_id)) == str(container_id)
        and artifact.get("label") != CASE_LABEL
    ]
    if not parsed:
        raise NotableError(
            "container",
            f"container {container_id} has no artifact with a notable",
            "Give the notable as a parameter, or run the action on the container of the notable",
        )
    notables = tuple(notable for each in parsed for notable in each.notables)
    rejected = [one for each in parsed for one in each.rejected]
    numbered = (each._replace(position=number) for number, each in enumerate(rejected, start=1))
    return ContainerNotables(notables, tuple(numbered), _left_out(found))


def _left_out(found: Rows) -> str:
    if not found.truncated:
        return ""
    if found.left_out is None:
        return f"The container has more than {MAX_ARTIFACTS:,} artifacts; the others were not read."
    number = f"{found.left_out:,} artifact{'' if found.left_out == 1 else 's'}"
    return f"{number} of the container {'was' if found.left_out == 1 else 'were'} not read."


def _parse(artifact: Row, container: Row, settings: NotableSettings) -> ParsedInput:
    data = artifact.get("data")
    if artifact.get("label") == REJECTED_LABEL and isinstance(data, Mapping):
        return _parse_text(str(data.get(TEXT, "")), settings)
    named = {"name": container.get("name"), "source_data_identifier": _given_id(container)}
    if _is_own(artifact):
        # The webhook named the container; the SIEM's name of the search stands in the artifact, if anywhere.
        del named["name"]
    own = {"cef": artifact.get("cef")}
    if identifier := _given_id(artifact):
        own["source_data_identifier"] = identifier
    document = {"container": {k: v for k, v in named.items() if v}, "artifacts": [own]}
    return notables_from_object(document, settings=settings)


def _parse_text(text: str, settings: NotableSettings) -> ParsedInput:
    try:
        return parse_notables(text, settings=settings)
    except NotableError as error:
        return ParsedInput((), (RejectedNotable(1, kept_text(text), error),))


def _is_own(artifact: Row) -> bool:
    """Whether the webhook made the artifact."""
    identifier = artifact.get("source_data_identifier")
    return isinstance(identifier, str) and identifier.startswith(MADE_OF_NOTABLE)


def _given_id(row: Row) -> object:
    """The id the SIEM gave; one made by this app is made again from the fields, as the same."""
    identifier = row.get("source_data_identifier")
    return None if isinstance(identifier, str) and identifier.startswith(MADE_IDS) else identifier
