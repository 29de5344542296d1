"""A stand-in for the REST API of Splunk SOAR: containers and artifacts, filters, pages, duplicates.

What it copies of the platform: one container for a source_data_identifier and asset, any number of equal
artifacts, text in filters quoted, a list answer with `count`, `num_pages` and `data`.
Imported at module level only: importing the SDK replaces the handlers of the root logger.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import respx
from soar_sdk.abstract import SOARClientAuth
from soar_sdk.app_client import AppClient

BASE = "https://localhost:9999"
ASSET_ID = "7"

type Json = dict[str, Any]


def soar_client(*, container_id: int = 0) -> AppClient[Any]:
    """A client with a session. Call it inside `Platform.running`."""
    client: AppClient[Any] = AppClient()
    client.update_client(SOARClientAuth(base_url=BASE, user_session_token="session"), ASSET_ID, container_id)
    return client


class Platform:
    """The platform's state, and switches for what may go wrong.

    Attributes:
        requests: method and path of every call, in order.
        fails: called with each request; a response or exception it gives comes instead of the answer.
        duplicate_status: status of the answer for a container that is there.
        artifact_errors: message with which artifacts inside a new container are refused.
    """

    def __init__(self) -> None:
        self.containers: dict[int, Json] = {}
        self.artifacts: dict[int, Json] = {}
        self.requests: list[str] = []
        self.fails: Callable[[httpx.Request], httpx.Response | Exception | None] = lambda _: None
        self.duplicate_status = 400
        self.artifact_error = ""

    @contextmanager
    def running(self) -> Iterator[Platform]:
        """Answer every call of an httpx client to the platform."""
        with respx.mock(base_url=BASE, assert_all_called=False) as router:
            router.get("/login").respond(200, headers={"set-cookie": "csrftoken=token; Path=/"})
            router.route(path__startswith="/rest/").mock(side_effect=self._answer)
            yield self

    def add_container(self, **fields: object) -> int:
        """A container that is there already."""
        number = len(self.containers) + 1
        base = {"name": "Threat", "status": "new", "source_data_identifier": f"sdi-{number}", "asset": 3}
        self.containers[number] = {**base, "id": number, **fields}
        return number

    def add_artifact(self, container: int, cef: object, **fields: object) -> int:
        """An artifact that is there already."""
        number = len(self.artifacts) + 1
        base = {"label": "event", "name": "Field Values", "source_data_identifier": f"artifact-{number}"}
        self.artifacts[number] = {**base, "id": number, "container": container, "cef": cef, **fields}
        return number

    def artifacts_of(self, container: int) -> list[Json]:
        """Those of one container, the oldest first."""
        return [each for each in self.artifacts.values() if each["container"] == container]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        failure = self.fails(request)
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            return failure
        _, _, kind, *rest = request.url.path.split("/")
        rows = self.containers if kind == "container" else self.artifacts
        if request.method == "GET" and rest:
            row = rows.get(int(rest[0]))
            return (
                _ok(row) if row is not None else httpx.Response(404, json={"failed": True, "message": "none"})
            )
        if request.method == "GET":
            return _list(list(rows.values()), request.url.params)
        body = json.loads(request.content)
        return self._new_container(body) if kind == "container" else self._new_artifact(body)

    def _new_container(self, body: Json) -> httpx.Response:
        asset, identifier = int(body["asset_id"]), body["source_data_identifier"]
        for number, each in self.containers.items():
            if (each["asset"], each["source_data_identifier"]) == (asset, identifier):
                answer = {"failed": True, "message": "duplicate", "existing_container_id": number}
                return httpx.Response(self.duplicate_status, json=answer)
        artifacts = body.pop("artifacts", [])
        number = self.add_container(**body, asset=asset)
        if self.artifact_error:
            refused = [{"failed": True, "message": self.artifact_error} for _ in artifacts]
            return _ok({"success": True, "id": number, "artifacts": refused})
        made = [self.add_artifact(number, **each) for each in artifacts]
        return _ok(
            {"success": True, "id": number, "artifacts": [{"success": True, "id": one} for one in made]}
        )

    def _new_artifact(self, body: Json) -> httpx.Response:
        container = body.pop("container_id")
        return _ok({"success": True, "id": self.add_artifact(container, **body)})


def _ok(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def _list(rows: list[Json], params: Mapping[str, str]) -> httpx.Response:
    for name, value in params.items():
        if name.startswith("_filter_"):
            field = {"container_id": "container"}.get(
                name.removeprefix("_filter_"), name.removeprefix("_filter_")
            )
            try:
                wanted = json.loads(value)
            except ValueError:
                return httpx.Response(400, json={"failed": True, "message": f"invalid filter {name}"})
            rows = [row for row in rows if row.get(field) == wanted]
    rows.sort(key=lambda row: int(row["id"]), reverse=params.get("order") == "desc")
    size, page = int(params.get("page_size", 10)), int(params.get("page", 0))
    return _ok(
        {
            "count": len(rows),
            "num_pages": math.ceil(len(rows) / size),
            "data": rows[page * size : (page + 1) * size],
        }
    )
