"""Keep an object as a container with its artifact, once.

The platform refuses a second container of one source_data_identifier and asset, but not a second artifact,
and each artifact starts the playbook: so both are looked up first. The container is looked up by event_id
and asset, the artifact by the analytic's by-fields, so that a second delivery adds nothing, and another
object of the same event adds its artifact to the same container.

Two deliveries at once: both find nothing, both write; the platform gives the second one the container of
the first, and then the artifact is looked up again. Between the platform's making the container and its
artifact lies a moment in which the second delivery may still add the same artifact once more. The playbook
survives that: it knows its own notes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from playbooks.hosts.soar.notable_artifact import Parcel
from playbooks.hosts.soar.soar_rest import EXISTING, Row, get_rows, post_row, whole_number


class Kept(NamedTuple):
    """Where an object is kept.

    Attributes:
        container_id: of the platform.
        already: True when it was there before.
    """

    container_id: int
    already: bool


def keep(soar: SOARClient[Any], parcel: Parcel) -> Kept:
    """Keep a parcel for the asset that runs, and return only when the platform has it.

    Raises:
        ConnectorError: the platform did not take it, or did not say so. To try again is safe.
    """
    asset_id = soar.get_asset_id()
    container_id = _container_of(soar, parcel, asset_id)
    if container_id is None:
        answer = post_row(
            soar,
            "rest/container",
            {
                **parcel.container,
                "asset_id": asset_id,
                "run_automation": False,
                "artifacts": [parcel.artifact],
            },
        )
        existing = EXISTING in answer
        container_id = whole_number(answer, EXISTING if existing else "id")
        if not existing and _took_the_artifact(answer):
            return Kept(container_id, already=False)
    if _holds_artifact(soar, parcel, container_id):
        return Kept(container_id, already=True)
    post_row(soar, "rest/artifact", {**parcel.artifact, "container_id": container_id})
    return Kept(container_id, already=False)


def _container_of(soar: SOARClient[Any], parcel: Parcel, asset_id: str) -> int | None:
    found = get_rows(
        soar,
        "rest/container",
        cap=1,
        _filter_source_data_identifier=_quoted(parcel.container),
        _filter_asset=asset_id,
        sort="id",
        order="asc",
    )
    fitting = _of(found.rows, parcel.container)
    return whole_number(fitting[0], "id") if fitting else None


def _holds_artifact(soar: SOARClient[Any], parcel: Parcel, container_id: int) -> bool:
    found = get_rows(
        soar,
        "rest/artifact",
        cap=1,
        _filter_source_data_identifier=_quoted(parcel.artifact),
        _filter_container_id=container_id,
    )
    return bool(_of(found.rows, parcel.artifact))


def _of(rows: Sequence[Row], body: Row) -> list[Row]:
    """The rows that are what was asked for: a filter the platform does not know would give any."""
    name = "source_data_identifier"
    return [row for row in rows if row.get(name) == body[name]]


def _quoted(body: Row) -> str:
    return json.dumps(body["source_data_identifier"])


def _took_the_artifact(answer: Row) -> bool:
    """False when the answer does not say so: the platform makes a container whose artifact it refused."""
    artifacts = answer.get("artifacts")
    return (
        isinstance(artifacts, list)
        and bool(artifacts)
        and all(
            isinstance(each, dict) and ("id" in each or "existing_artifact_id" in each) for each in artifacts
        )
    )
