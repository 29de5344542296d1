"""Splunk's answers, as JSON."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from tests.fakes.http_server import Answer, Seen


def answer(body: object, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def refusal(status: int, kind: str, text: str) -> Answer:
    """A refusal, as Splunk writes it."""
    return answer({"messages": [{"type": kind, "text": text}]}, status)


def undocumented(document: OpenAPI, seen: Seen) -> str:
    """Why a request is not as documented; "" when it is."""
    parts = urlsplit(seen.path)
    request = MockRequest(
        "http://splunk",
        seen.method.lower(),
        parts.path,
        args=fields(parts.query),
        headers=dict(seen.headers),
        data=seen.body or None,
        content_type=seen.headers.get("content-type", "").partition(";")[0],
    )
    try:
        document.validate_request(request)
    except OpenAPIError as exc:
        return f"{seen.method} {parts.path}: {type(exc).__name__} {exc.__cause__ or exc}"
    return ""


def fields(text: str) -> dict[str, str]:
    """A query or a form; of a name that stands twice the last counts."""
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
