"""What is asked of Splunk's search jobs, as an OpenAPI document.

Written after the REST API reference, search endpoints (help.splunk.com, "REST API Reference Manual"), and
splunk/splunk-sdk-python, splunklib/client.py: results are read with POST in version 2 and GET before.
"""

from __future__ import annotations

from typing import Any

_OBJECT = {"content": {"application/json": {"schema": {"type": "object"}}}}
_ANSWERS = {"200": {"description": "answered", **_OBJECT}, "default": {"description": "other", **_OBJECT}}
_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]

_JSON = {"type": "string", "enum": ["json"]}
_DIGITS = {"type": "string", "pattern": "^[0-9]+$"}
_TIME = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,6})?$"}


def _form(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["output_mode", *required],
        "properties": {"output_mode": _JSON, **properties},
        "additionalProperties": False,
    }
    return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


_NAMESPACE = [_path("owner"), _path("app")]
_JOB = [*_NAMESPACE, _path("sid")]
_MODE = _query("output_mode", _JSON, required=True)

_SEARCH = _form(
    ["search"],
    {
        "search": {"type": "string", "pattern": r"^(search |\|)"},
        "exec_mode": {"type": "string", "enum": ["normal", "blocking", "oneshot"]},
        "earliest_time": _TIME,
        "latest_time": _TIME,
        "index_earliest": _TIME,
        "index_latest": _TIME,
        "max_count": _DIGITS,
        "auto_cancel": _DIGITS,
        "timeout": _DIGITS,
        "adhoc_search_level": {"type": "string", "enum": ["fast", "smart", "verbose"]},
    },
)
_PAGE = {"count": _DIGITS, "offset": _DIGITS}


def _operation(name: str, parameters: list[dict[str, Any]], body: dict[str, Any] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": name,
        "security": _BEARER,
        "parameters": parameters,
        "responses": _ANSWERS,
    }
    return told if body is None else {**told, "requestBody": body}


def _jobs(base: str, *, post: bool) -> dict[str, Any]:
    of = "" if post else "V1"
    root = f"/servicesNS/{{owner}}/{{app}}/{base}"
    page = [_query(name, schema) for name, schema in _PAGE.items()]
    results = (
        {"post": _operation(f"results{of}", _JOB, _form([], _PAGE))}
        if post
        else {"get": _operation(f"results{of}", [*_JOB, _MODE, *page], None)}
    )
    control = _form(["action"], {"action": {"type": "string", "enum": ["cancel", "finalize", "touch"]}})
    return {
        root: {"post": _operation(f"start{of}", _NAMESPACE, _SEARCH)},
        f"{root}/{{sid}}": {"get": _operation(f"state{of}", [*_JOB, _MODE], None)},
        f"{root}/{{sid}}/results": results,
        f"{root}/{{sid}}/control": {"post": _operation(f"control{of}", _JOB, control)},
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Splunk, search jobs", "version": "9"},
    "servers": [{"url": "http://splunk"}],
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {**_jobs("search/v2/jobs", post=True), **_jobs("search/jobs", post=False)},
}
