"""The part of Kibana's and Elasticsearch's API that is asked, as an OpenAPI document.

Kibana: after security_solution/docs/openapi/ess/security_solution_endpoint_management_api_2023_10_31 of
elastic/kibana and the routes in security_solution/server/endpoint/routes; pages count from 0 there, and
"unhealthy" is a status although the published list leaves it out. The fake itself checks the header kbn-xsrf.
Elasticsearch: https://www.elastic.co/docs/api/doc/elasticsearch (search, open and close a point in time).
"""

from __future__ import annotations

from typing import Any

_JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}
_ANSWERS = {"200": {"description": "answered", **_JSON}, "default": {"description": "refused", **_JSON}}

_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
_VERSION = {
    "name": "elastic-api-version",
    "in": "header",
    "required": True,
    "schema": {"enum": ["2023-10-31"]},
}
_STATUSES = ["healthy", "offline", "updating", "unhealthy", "inactive", "unenrolled"]


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _get(operation: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "security": _KEY,
            "parameters": [_VERSION, *parameters],
            "responses": _ANSWERS,
        }
    }


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _act(operation: str) -> dict[str, Any]:
    return {
        "post": {
            "operationId": operation,
            "security": _KEY,
            "parameters": [_VERSION],
            "requestBody": _body(
                {
                    "type": "object",
                    "required": ["endpoint_ids"],
                    "additionalProperties": False,
                    "properties": {
                        "endpoint_ids": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "minLength": 1},
                        },
                        "comment": {"type": "string"},
                        "agent_type": {"enum": ["endpoint"]},
                    },
                }
            ),
            "responses": _ANSWERS,
        }
    }


_SEARCH = {
    "type": "object",
    "required": ["query", "size"],
    "additionalProperties": False,
    "properties": {
        "query": {"type": "object"},
        "size": {"type": "integer", "minimum": 0, "maximum": 10_000},
        "sort": {"type": "array", "items": {"type": "object"}},
        "_source": {"type": "array", "items": {"type": "string"}},
        "collapse": {"type": "object", "required": ["field"]},
        "search_after": {"type": "array"},
        "pit": {"type": "object", "required": ["id"]},
    },
}


def _post(operation: str, *parameters: dict[str, Any], body: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation,
        "security": _KEY,
        "parameters": list(parameters),
        "responses": _ANSWERS,
    }
    if body is not None:
        found["requestBody"] = _body(body)
    return {"post": found}


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Elastic Defend, what is asked of it", "version": "2023-10-31"},
    "components": {
        "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"}}
    },
    "paths": {
        "/api/endpoint/metadata": _get(
            "GetEndpointMetadataList",
            _query("page", {"type": "integer", "minimum": 0}),
            _query("pageSize", {"type": "integer", "minimum": 1, "maximum": 100}),
            _query("kuery", {"type": "string", "minLength": 1}),
            _query(
                "hostStatuses",
                {"type": "array", "items": {"enum": _STATUSES}, "minItems": 1},
                required=True,
            ),
        ),
        "/api/endpoint/metadata/{id}": _get("GetEndpointMetadata", _path("id")),
        "/api/endpoint/action_status": _get(
            "EndpointGetActionsStatus",
            _query("agent_ids", {"type": "array", "items": {"type": "string"}, "minItems": 1}, required=True),
        ),
        "/api/endpoint/action/{action_id}": _get("EndpointGetActionsDetails", _path("action_id")),
        "/api/endpoint/action/isolate": _act("EndpointIsolateAction"),
        "/api/endpoint/action/unisolate": _act("EndpointUnisolateAction"),
        "/{index}/_search": _post(
            "search",
            _path("index"),
            _query("ignore_unavailable", {"type": "boolean"}),
            body=_SEARCH,
        ),
        "/{index}/_pit": _post(
            "open-point-in-time",
            _path("index"),
            _query("ignore_unavailable", {"type": "boolean"}),
            _query("keep_alive", {"type": "string", "pattern": "^[0-9]+[sm]$"}, required=True),
            body=None,
        ),
        "/_search": _post("search-pit", body={**_SEARCH, "required": ["query", "size", "pit"]}),
        "/_pit": {
            "delete": {
                "operationId": "close-point-in-time",
                "security": _KEY,
                "requestBody": _body({"type": "object", "required": ["id"]}),
                "responses": _ANSWERS,
            }
        },
    },
}
