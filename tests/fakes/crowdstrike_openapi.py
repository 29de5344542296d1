"""The part of Falcon's API that is asked, as an OpenAPI document.

Written after falconpy's endpoint lists (falconpy/_endpoint/_hosts.py, _ngsiem.py, _oauth2.py), which are made
from https://assets.falcon.crowdstrike.com/support/api/swagger.html, and for searches after
https://library.humio.com/logscale-api/api-search-query.html.
"""

from __future__ import annotations

from typing import Any

_AID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}

_JSON_OBJECT = {"content": {"application/json": {"schema": {"type": "object"}}}}

_ANSWERS = {
    "200": {"description": "answered", **_JSON_OBJECT},
    "default": {"description": "refused", **_JSON_OBJECT},
}

_JOB_PATH = [
    {"name": "repository", "in": "path", "required": True, "schema": {"enum": ["search-all"]}},
    {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
]

_BEARER: list[dict[str, list[str]]] = [{"bearer": []}]


def _body(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema}}}


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _ids(most: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["ids"],
        "additionalProperties": False,
        "properties": {"ids": {"type": "array", "items": _AID, "minItems": 1, "maxItems": most}},
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "CrowdStrike Falcon, what is asked of it", "version": "1"},
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/oauth2/token": {
            "post": {
                "operationId": "oauth2AccessToken",
                "requestBody": _body(
                    {
                        "type": "object",
                        "required": ["client_id", "client_secret"],
                        "properties": {
                            "client_id": {"type": "string", "minLength": 1},
                            "client_secret": {"type": "string", "minLength": 1},
                        },
                    },
                    "application/x-www-form-urlencoded",
                ),
                "responses": _ANSWERS,
            }
        },
        "/devices/combined/devices/v1": {
            "get": {
                "operationId": "CombinedDevicesByFilter",
                "security": _BEARER,
                "parameters": [
                    _query("filter", {"type": "string", "minLength": 1}),
                    _query("limit", {"type": "integer", "minimum": 1, "maximum": 10000}),
                    _query("offset", {"type": "string"}),
                ],
                "responses": _ANSWERS,
            }
        },
        "/devices/combined/devices/network-address-history/v1": {
            "post": {
                "operationId": "QueryGetNetworkAddressHistoryV1",
                "security": _BEARER,
                "requestBody": _body(_ids(5000)),
                "responses": _ANSWERS,
            }
        },
        "/devices/entities/devices/v2": {
            "post": {
                "operationId": "PostDeviceDetailsV2",
                "security": _BEARER,
                "requestBody": _body(_ids(5000)),
                "responses": _ANSWERS,
            }
        },
        "/devices/entities/devices-actions/v2": {
            "post": {
                "operationId": "PerformActionV2",
                "security": _BEARER,
                "parameters": [
                    _query("action_name", {"enum": ["contain", "lift_containment"]}, required=True)
                ],
                "requestBody": _body(_ids(1)),
                "responses": _ANSWERS,
            }
        },
        "/humio/api/v1/repositories/{repository}/queryjobs": {
            "post": {
                "operationId": "StartSearchV1",
                "security": _BEARER,
                "parameters": _JOB_PATH[:1],
                "requestBody": _body(
                    {
                        "type": "object",
                        "required": ["queryString", "start", "end"],
                        "additionalProperties": False,
                        "properties": {
                            "queryString": {"type": "string", "minLength": 1},
                            "start": {"type": "integer", "minimum": 0},
                            "end": {"type": "integer", "minimum": 0},
                            "isLive": {"enum": [False]},
                        },
                    }
                ),
                "responses": _ANSWERS,
            }
        },
        "/humio/api/v1/repositories/{repository}/queryjobs/{id}": {
            "get": {
                "operationId": "GetSearchStatusV1",
                "security": _BEARER,
                "parameters": [
                    *_JOB_PATH,
                    _query("paginationLimit", {"type": "integer", "minimum": 1}),
                    _query("paginationOffset", {"type": "integer", "minimum": 0}),
                ],
                "responses": _ANSWERS,
            },
            "delete": {
                "operationId": "StopSearchV1",
                "security": _BEARER,
                "parameters": _JOB_PATH,
                "responses": _ANSWERS,
            },
        },
    },
}
