"""What is asked of Splunk as a SIEM, search jobs aside, as an OpenAPI document.

notable_update and reviewstatuses: splunk-soar-connectors/splunk. Event collector: "About HTTP Event Collector
Indexer Acknowledgment" (help.splunk.com). Saved searches: REST API reference. Findings and notes:
ansible-collections/splunk.es; demisto/content, SplunkPyV2.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

_ANSWERS = {"200": {"description": "answered"}, "default": {"description": "refused"}}
_TEXT = {"type": "string"}
_MODE = {"name": "output_mode", "in": "query", "required": True, "schema": {"enum": ["json"]}}
_CHANNEL = {
    "name": "x-splunk-request-channel",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
}


def _query(*names: str, required: bool = True) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "required": required, "schema": _TEXT} for name in names]


def _path(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]


def _route(operation: str, parameters: list[Any], body: tuple[str, Any] | None = None) -> dict[str, Any]:
    route: dict[str, Any] = {"operationId": operation, "parameters": parameters, "responses": _ANSWERS}
    if body:
        route["requestBody"] = {"required": True, "content": {body[0]: {"schema": body[1]}}}
    return route


def _form(*required: str, more: tuple[str, ...] = (), closed: bool = True) -> tuple[str, Any]:
    names = ["output_mode", *required]
    schema: dict[str, Any] = {
        "type": "object",
        "required": names,
        "properties": dict.fromkeys([*names, *more], _TEXT),
    }
    if closed:
        schema["additionalProperties"] = False
    return "application/x-www-form-urlencoded", schema


def _body(required: dict[str, Any], **more: Any) -> tuple[str, Any]:
    return "application/json", {
        "type": "object",
        "required": list(required),
        "properties": {**required, **more},
        "additionalProperties": False,
    }


_NS = "/servicesNS/{owner}/{app}"
_IN = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in ("owner", "app")]
_PUBLIC = "/servicesNS/nobody/missioncontrol/public/v2"
_NOTES = f"{_PUBLIC}/investigations/{{id}}/notes"
_TIME = _query("notable_time", required=False)
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "What is asked of Splunk as a SIEM", "version": "1"},
    "paths": {
        "/services/authentication/current-context": {"get": _route("context", [_MODE])},
        "/services/alerts/reviewstatuses": {"get": _route("statuses", [_MODE, *_query("count")])},
        "/services/notable_update": {
            "post": _route(
                "update",
                [],
                _form("ruleUIDs", "comment", more=("status", "urgency", "newOwner", "disposition")),
            )
        },
        "/services/receivers/simple": {
            "post": _route(
                "receive", [_MODE, *_query("index", "source", "sourcetype", "host")], ("text/plain", _TEXT)
            )
        },
        "/services/collector/event": {
            "post": _route(
                "collect",
                [_CHANNEL, *_query("channel")],
                _body(
                    {
                        "time": {"type": "integer"},
                        **dict.fromkeys(("host", "source", "sourcetype", "index", "event"), _TEXT),
                    }
                ),
            )
        },
        "/services/collector/ack": {
            "post": _route(
                "ack",
                [_CHANNEL, *_query("channel")],
                _body({"acks": {"type": "array", "items": {"type": "integer"}}}),
            )
        },
        f"{_NS}/saved/searches": {"post": _route("create_saved", _IN, _form("name", "search", closed=False))},
        f"{_NS}/saved/searches/{{name}}": {
            "get": _route("read_saved", [_MODE, *_IN, *_path("name")]),
            "post": _route("update_saved", [*_IN, *_path("name")], _form(closed=False)),
        },
        _NOTES: {
            "get": _route("read_notes", [*_path("id"), *_query("limit", "sort"), *_TIME]),
            "post": _route("add_note", [*_path("id"), *_TIME], _body({"content": _TEXT}, title=_TEXT)),
        },
        f"{_PUBLIC}/findings/{{id}}": {
            "get": _route("read_finding", [*_path("id"), *_query("earliest", "latest", required=False)])
        },
        f"{_PUBLIC}/investigations/{{id}}": {
            "post": _route(
                "change_finding",
                [*_path("id"), *_TIME],
                _body(
                    {},
                    **dict.fromkeys(("owner", "urgency", "status", "disposition"), _TEXT),
                    incident_note={
                        "type": "object",
                        "required": ["content"],
                        "properties": {"content": _TEXT},
                        "additionalProperties": False,
                    },
                ),
            )
        },
    },
}
_PATHS = [
    (re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(path))), methods)
    for path, methods in DOCUMENT["paths"].items()
]


def operation(method: str, path: str) -> tuple[str, list[str]]:
    """The operationId of a request and the parts of its path that the document names; "" for none."""
    for pattern, methods in _PATHS:
        found = pattern.fullmatch(path)
        if found and method.lower() in methods:
            return methods[method.lower()]["operationId"], [unquote(each) for each in found.groups()]
    return "", []
