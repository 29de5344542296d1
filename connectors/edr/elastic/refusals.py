"""What a refusal of Kibana or Elasticsearch means. Pure.

Kibana: `{"statusCode", "error", "message"}`. A missing privilege and a missing licence give the same 403,
"Endpoint authorization failure" (security_solution/server/endpoint/routes/with_endpoint_authz.ts:
`canIsolateHost` is the privilege and a Platinum licence together), so both are named. Elasticsearch:
`{"error": {"type", "reason", "root_cause"}, "status"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from connectors.errors import Conflict, ConnectorError, PermissionMissing, QueryFailed, Rejected
from connectors.http.call import Refused

CONNECTOR = "elastic"

#: Characters of the vendor's own words that a message repeats.
_LONGEST = 200


class Scope(StrEnum):
    """What the API key's role needs, in the words of Kibana and its licences."""

    HOSTS = "Elastic Security > Endpoint List: read"
    ACTIONS = "Elastic Security > Response Actions History: read, and a Platinum licence"
    SECURITY = "Elastic Security: read"
    ISOLATE = "Elastic Security > Host Isolation: all, and a Platinum licence"
    RELEASE = "Elastic Security > Host Isolation: all"


def of_kibana(scope: Scope) -> Callable[[Refused], ConnectorError | None]:
    """Reads a refusal of a call that needs a scope."""

    def read(refused: Refused) -> ConnectorError | None:
        said = _said_by_kibana(refused)
        if refused.status == 403:
            return PermissionMissing(CONNECTOR, f"not permitted; needed: {scope.value}", scope=scope.value)
        if refused.status == 409:
            return Conflict(CONNECTOR, f"another action on the host is under way{said}")
        if 400 <= refused.status <= 499 and refused.status not in {401, 404, 429}:
            return Rejected(CONNECTOR, f"Kibana refused the request (HTTP {refused.status}){said}")
        return None

    return read


def of_elasticsearch(names: str) -> Callable[[Refused], ConnectorError | None]:
    """Reads a refusal of a search in these data streams."""

    def read(refused: Refused) -> ConnectorError | None:
        if refused.status == 403:
            return no_read(names)
        if 400 <= refused.status <= 499 and refused.status not in {401, 429}:
            said = _said_by_elasticsearch(refused)
            return QueryFailed(CONNECTOR, f"Elasticsearch refused the search (HTTP {refused.status}){said}")
        return None

    return read


def no_read(names: str) -> PermissionMissing:
    """The error for data streams that the API key cannot see, or that do not exist: they look the same."""
    scope = f"Elasticsearch: read on {names}"
    return PermissionMissing(
        CONNECTOR,
        f"there is nothing to search in {names}: the API key lacks `read` on it, or no such event was ever "
        "collected",
        scope=scope,
    )


def _said_by_kibana(refused: Refused) -> str:
    body = refused.json()
    return _quoted(body.get("message")) if isinstance(body, Mapping) else ""


def _said_by_elasticsearch(refused: Refused) -> str:
    body = refused.json()
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return ""
    causes = error.get("root_cause")
    first = causes[0] if isinstance(causes, list) and causes else None
    reason = first.get("reason") if isinstance(first, Mapping) else None
    return _quoted(reason or error.get("reason"))


def _quoted(text: object) -> str:
    if not isinstance(text, str) or not text:
        return ""
    return f": {text[:_LONGEST]!a}"
