"""What a refusal of Falcon means. Pure.

Body: `{"errors": [{"code", "message"}], "resources"}`; a search that is not CQL is refused in plain text
(CrowdStrike/falconpy, issue 1498). `X-RateLimit-RetryAfter` is a moment in epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import orjson

from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.errors import (
    AuthRejected,
    BadResponse,
    Conflict,
    ConnectorError,
    NotFound,
    PermissionMissing,
    RateLimited,
    Rejected,
    Transient,
)
from connectors.http.retry_after import read_moment

RETRY_AFTER = "x-ratelimit-retryafter"

#: Characters of Falcon's own words that a message repeats.
_LONGEST = 200


type _Plain = type[AuthRejected | NotFound | Conflict | Rejected | Transient | BadResponse]

_MEANINGS: Mapping[int, tuple[_Plain, str]] = {
    401: (AuthRejected, "the token was refused"),
    404: (NotFound, "Falcon does not know it"),
    409: (Conflict, "another action on it is under way"),
}

#: By the first digit of the status; 0 is any other.
_OTHERS: Mapping[int, tuple[_Plain, str]] = {
    4: (Rejected, "Falcon refused the request"),
    5: (Transient, "Falcon failed"),
    0: (BadResponse, "an answer that was not asked for"),
}


class Scope(StrEnum):
    """API scopes, as the Falcon console names them."""

    HOSTS_READ = "Hosts: read"
    HOSTS_WRITE = "Hosts: write"
    SEARCH_READ = "NGSIEM: read"
    SEARCH_WRITE = "NGSIEM: write"


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, scope: Scope, now: datetime
) -> ConnectorError:
    """The error for an answer that is none.

    Args:
        headers: names in lower case.
        scope: what the call needs.
        now: timezone-aware.
    """
    said = _said(body)
    if status == 403:
        message = f"the API client lacks the scope {scope.value!r} (HTTP 403){said}"
        return PermissionMissing(CONNECTOR, message, scope=scope.value)
    if status == 429:
        again = read_moment(headers.get(RETRY_AFTER) or headers.get("retry-after", ""), now)
        return RateLimited(CONNECTOR, f"the API client's quota is used up (HTTP 429){said}", retry_at=again)
    kind, meaning = _MEANINGS.get(status, _OTHERS[status // 100 if status // 100 in _OTHERS else 0])
    return kind(CONNECTOR, f"{meaning} (HTTP {status}){said}")


def login_refusal(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> ConnectorError:
    """The error for a token that was not issued: any 4xx but 429 is about the API client itself."""
    if 400 <= status <= 499 and status != 429:
        message = (
            f"no token was issued: the API client's id or secret is refused (HTTP {status}){_said(body)}"
        )
        return AuthRejected(CONNECTOR, message)
    return refusal(status, headers, body, scope=Scope.HOSTS_READ, now=now)


def partial_refusal(body: object, *, scope: Scope, now: datetime) -> ConnectorError | None:
    """The error that stands inside an answer with a good status; None where there is none."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if not isinstance(errors, list) or not errors:
        return None
    first = errors[0]
    code = first.get("code") if isinstance(first, Mapping) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else 400
    return refusal(status, {}, orjson.dumps({"errors": [_plain(first)]}), scope=scope, now=now)


def _plain(entry: object) -> dict[str, str]:
    message = entry.get("message") if isinstance(entry, Mapping) else entry
    return {"message": str(message)[:1000]}


def _said(body: bytes) -> str:
    """Falcon's own words, cut and on one line, to be put after a message."""
    text = ""
    try:
        read = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        text = body[:1000].decode("utf-8", "replace")
        if text.lstrip().startswith("<"):
            text = ""  # a page of a proxy
    else:
        errors = read.get("errors") if isinstance(read, dict) else None
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            text = str(errors[0].get("message") or "")
    words = " ".join("".join(each if each.isprintable() else " " for each in text[:1000]).split())
    return f": {words[:_LONGEST]}" if words else ""
