"""What is asked of Defender and of the login service, as an OpenAPI document.

Written after
https://learn.microsoft.com/defender-endpoint/api/get-machines, find-machines-by-ip, isolate-machine,
unisolate-machine, get-machineactions-collection and get-machineaction-object,
https://learn.microsoft.com/graph/api/security-security-runhuntingquery and
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

from typing import Any

_OBJECT = {"content": {"application/json": {"schema": {"type": "object"}}}}

_ANSWERS = {"200": {"description": "answered", **_OBJECT}, "default": {"description": "refused", **_OBJECT}}

_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]

_COMMENT = {"type": "string", "minLength": 1}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _body(kind: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }
    return {"required": True, "content": {kind: {"schema": schema}}}


_ID = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"}
_LISTED = [
    _query("$filter", {"type": "string", "minLength": 1}),
    _query("$top", {"type": "integer", "minimum": 1, "maximum": 10000}),
]


def _act(operation: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": operation,
            "security": _BEARER,
            "parameters": [_path("id", _ID)],
            "requestBody": _body("application/json", required, properties),
            "responses": {"201": {"description": "created", **_OBJECT}, "default": _ANSWERS["default"]},
        }
    }


def _get(operation: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "security": _BEARER,
            "parameters": parameters,
            "responses": _ANSWERS,
        }
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Microsoft Defender for Endpoint, what is asked of it", "version": "1"},
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/{tenant}/v2.0/.well-known/openid-configuration": {
            "get": {
                "operationId": "discovery",
                "parameters": [_path("tenant", _ID)],
                "responses": _ANSWERS,
            }
        },
        "/{tenant}/oauth2/v2.0/token": {
            "post": {
                "operationId": "token",
                "parameters": [_path("tenant", _ID)],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {
                                "type": "object",
                                "required": ["grant_type", "client_id", "client_secret", "scope"],
                                "properties": {
                                    "grant_type": {"type": "string", "enum": ["client_credentials"]},
                                    "client_id": {"type": "string"},
                                    "client_secret": {"type": "string"},
                                    "scope": {"type": "string", "pattern": r"^https://[a-z.]+/\.default$"},
                                },
                            }
                        }
                    },
                },
                "responses": _ANSWERS,
            }
        },
        "/api/machines": _get("machines", _LISTED),
        "/api/machines/{function}": _get(
            "findbyip",
            [
                _path(
                    "function",
                    {
                        "type": "string",
                        "pattern": r"^findbyip\(ip='[0-9a-f.:]+',timestamp=[0-9-]{10}T[0-9:]{8}Z\)$",
                    },
                )
            ],
        ),
        "/api/machineactions": _get("machineactions", _LISTED),
        "/api/machineactions/{id}": _get("machineaction", [_path("id", _ID)]),
        "/api/machines/{id}/isolate": _act(
            "isolate",
            ["Comment", "IsolationType"],
            {
                "Comment": _COMMENT,
                "IsolationType": {"type": "string", "enum": ["Full", "Selective", "UnManagedDevice"]},
            },
        ),
        "/api/machines/{id}/unisolate": _act("unisolate", ["Comment"], {"Comment": _COMMENT}),
        "/v1.0/security/runHuntingQuery": {
            "post": {
                "operationId": "hunt",
                "security": _BEARER,
                "requestBody": _body(
                    "application/json",
                    ["Query"],
                    {
                        "Query": {"type": "string", "minLength": 1},
                        "Timespan": {"type": "string", "pattern": "^P[0-9]+D$"},
                    },
                ),
                "responses": _ANSWERS,
            }
        },
    },
}
