"""A tenant with Defender on this machine: tokens for two audiences, machines, actions, hunting.

Every request is held against defender_openapi.py. Answers follow the documentation named there.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from connectors.edr.defender.settings import DefenderSettings
from tests.estate import Estate
from tests.fakes.defender_kusto import NotKusto, run
from tests.fakes.defender_odata import NotOData, matches
from tests.fakes.defender_openapi import DOCUMENT
from tests.fakes.defender_tables import COLUMNS, Tables, machine_of, time_text
from tests.fakes.http_server import Answer, FakeServer, Seen

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "66666666-7777-8888-9999-000000000000"
#: Planted; looked for in everything that comes out.
SECRET = "planted-defender-secret-0123456789"

API = "https://api.securitycenter.microsoft.com"
GRAPH = "https://graph.microsoft.com"

_ROLES = {API: ("Machine.Read.All", "Machine.Isolate"), GRAPH: ("ThreatHunting.Read.All",)}
_NEEDS = {
    "machines": "Machine.Read.All",
    "findbyip": "Machine.Read.All",
    "machineactions": "Machine.Read.All",
    "machineaction": "Machine.Read.All",
    "isolate": "Machine.Isolate",
    "unisolate": "Machine.Isolate",
    "hunt": "ThreatHunting.Read.All",
}
_TYPES = {"isolate": "Isolate", "unisolate": "Unisolate"}
_FIND = re.compile(r"findbyip\(ip='([^']+)',timestamp=([^)]+)\)")

_CHECKER = OpenAPI.from_dict(DOCUMENT)

type Body = dict[str, Any]


class FakeDefender(FakeServer):
    """One tenant. The switches are attributes; set them at any time.

    Attributes:
        machines: their records.
        tables: the hunting tables.
        actions: the machine actions.
        calls: how often each operation was asked, by the operationId of the document.
        queries: the hunting queries that were run.
        missing: permissions that the application lacks.
        opaque: True gives tokens that cannot be read.
        secret: the right client secret.
        failures: statuses of the next answers to anything but the login service.
        limited_s: seconds that the quota is used up for; None is free.
        settle_after: reads after which an action is done; None never is (stuck).
        ends_as: the status of an action that is done.
        busy: True has an action under way on every machine.
        lagging: True leaves fresh actions out of lists.
        empty_is_404: True answers an empty list with 404, as documented for machines.
        row_extras: added to each row of hunting, as Graph does.
        page: entries of a list at most.
        holds: operations that are never answered.
    """

    def __init__(self, estate: Estate, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.machines: list[Body] = [machine_of(host) for host in estate.hosts]
        self.tables = Tables(estate).rows
        self.actions: list[Body] = []
        self.calls: Counter[str] = Counter()
        self.queries: list[str] = []
        self.missing: set[str] = set()
        self.opaque = False
        self.secret = SECRET
        self.failures: list[int] = []
        self.limited_s: int | None = None
        self.settle_after: int | None = 1
        self.ends_as = "Succeeded"
        self.busy = False
        self.lagging = False
        self.empty_is_404 = False
        self.row_extras: Body = {"@odata.type": "#microsoft.graph.security.huntingRowResult"}
        self.page = 10_000
        self.holds: set[str] = set()
        self._tokens: dict[str, str] = {}
        self._reads: Counter[str] = Counter()
        super().__init__(decide=self._decide_safely)

    def settings(self, **changes: Any) -> DefenderSettings:
        """Settings of a connector to this tenant."""
        at = {"base_url": self.url, "graph_url": self.url, "login_url": self.url}
        return DefenderSettings(**{"tenant_id": TENANT, "client_id": CLIENT_ID, **at, **changes})

    def expire_tokens(self) -> None:
        """The tokens that were issued are good no more."""
        self._tokens.clear()

    def record(self, kind: str, machine_id: str, *, created: datetime, ended: datetime, **more: Any) -> Body:
        """An action of the past, such as one from the portal."""
        action = {
            **self._action(kind, machine_id, "from the portal"),
            "status": "Succeeded",
            "creationDateTimeUtc": time_text(created),
            "lastUpdateDateTimeUtc": time_text(ended),
            **more,
        }
        self.actions.append(action)
        return action

    # --- answering -----------------------------------------------------------------------------

    def _decide_safely(self, seen: Seen) -> Answer:
        try:
            return self._answer(seen)
        except (AssertionError, NotOData) as exc:
            return _refused(400, "ODataError" if isinstance(exc, NotOData) else "BadRequest", f"{exc}")

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path = unquote(parts.path)
        operation = _checked(seen, path, asked)
        self.calls[operation] += 1
        if operation in self.holds:
            return Answer(hold=True)
        if operation in {"discovery", "token"}:
            return self._discovery(path) if operation == "discovery" else self._token(seen)
        if self.failures:
            return _refused(self.failures.pop(0), "InternalServerError", "")
        if self.limited_s is not None:
            return _refused(429, "TooManyRequests", "quota", (("Retry-After", str(self.limited_s)),))
        refusal = self._unauthorized(seen, operation)
        if refusal is not None:
            return refusal
        return getattr(self, f"_{operation}")(path, asked, seen)  # type: ignore[no-any-return]

    def _unauthorized(self, seen: Seen, operation: str) -> Answer | None:
        audience = self._tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "))
        if audience is None:
            return _refused(401, "Unauthorized", "invalid or expired authorization header")
        if audience != (GRAPH if operation == "hunt" else API) or _NEEDS[operation] in self.missing:
            return _refused(403, "Forbidden", "valid token but insufficient permission for the action")
        return None

    def _discovery(self, path: str) -> Answer:
        tenant = path.split("/")[1]
        if tenant != TENANT:
            return _json({"error": "invalid_tenant", "error_codes": [90002]}, 400)
        # https, as the real ones are: msal refuses any other.
        base = f"{self.url.replace('http://', 'https://')}/{tenant}"
        return _json(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        )

    def _token(self, seen: Seen) -> Answer:
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        if form["client_id"] != CLIENT_ID or form["client_secret"] != self.secret:
            described = f"AADSTS7000215: Invalid client secret provided: {form['client_secret']}"
            body = {"error": "invalid_client", "error_description": described, "error_codes": [7000215]}
            return _json(body, 401)
        audience = form["scope"].removesuffix("/.default")
        roles = [role for role in _ROLES.get(audience, ()) if role not in self.missing]
        number = self.calls["token"]
        token = f"opaque-{number}" if self.opaque else _jwt({"aud": audience, "roles": roles, "n": number})
        self._tokens[token] = audience
        return _json({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def _machines(self, path: str, asked: Body, seen: Seen) -> Answer:
        return self._listed(
            [each for each in self.machines if matches(asked.get("$filter", ""), each)], asked
        )

    def _findbyip(self, path: str, asked: Body, seen: Seen) -> Answer:
        found = _FIND.fullmatch(path.rpartition("/")[2])
        assert found is not None
        ip, at = found[1], datetime.fromisoformat(found[2])
        if at < self._clock() - timedelta(days=30):
            return _refused(400, "InvalidInput", "the timestamp is not in the past 30 days")
        rows = self.tables["DeviceNetworkEvents"]
        near = {
            row["DeviceId"]
            for row in rows
            if row["LocalIP"] == ip
            and abs(datetime.fromisoformat(row["Timestamp"]) - at) <= timedelta(minutes=15)
        }
        return self._listed([each for each in self.machines if each["id"] in near], asked)

    def _listed(self, found: list[Body], asked: Body) -> Answer:
        if not found and self.empty_is_404:
            return _refused(404, "ResourceNotFound", "no machines")
        shown = found[: min(self.page, int(asked.get("$top", "10000")))]
        more = (
            {"@odata.nextLink": f"{self.url}/api/next"} if len(shown) < len(found) and len(shown) > 1 else {}
        )
        return _json({"@odata.context": f"{API}/api/$metadata#Machines", "value": shown, **more})

    def _isolate(self, path: str, asked: Body, seen: Seen) -> Answer:
        return self._act("isolate", path, seen)

    def _unisolate(self, path: str, asked: Body, seen: Seen) -> Answer:
        return self._act("unisolate", path, seen)

    def _act(self, verb: str, path: str, seen: Seen) -> Answer:
        machine_id = path.split("/")[3]
        if all(each["id"] != machine_id for each in self.machines):
            return _refused(404, "ResourceNotFound", f"Machine {machine_id} was not found")
        running = [
            each
            for each in self.actions
            if each["machineId"] == machine_id and each["status"] in {"Pending", "InProgress"}
        ]
        if self.busy or running:
            return _refused(400, "ActiveRequestAlreadyExists", "Action is already in progress")
        action = self._action(_TYPES[verb], machine_id, json.loads(seen.body)["Comment"])
        self.actions.append(action)
        return _json(action, 201)

    def _action(self, kind: str, machine_id: str, comment: str) -> Body:
        now = time_text(self._clock())
        return {
            "id": f"{len(self.actions):08d}-0000-0000-0000-000000000000",
            "type": kind,
            "scope": "Full" if kind == "Isolate" else None,
            "requestor": CLIENT_ID,
            "requestorComment": comment,
            "status": "Pending",
            "machineId": machine_id,
            "creationDateTimeUtc": now,
            "lastUpdateDateTimeUtc": now,
        }

    def _machineactions(self, path: str, asked: Body, seen: Seen) -> Answer:
        self._advance()
        found = [each for each in self.actions if matches(asked.get("$filter", ""), each)]
        if self.lagging:
            found = []
        return self._listed(sorted(found, key=lambda each: each["creationDateTimeUtc"], reverse=True), asked)

    def _machineaction(self, path: str, asked: Body, seen: Seen) -> Answer:
        self._advance()
        wanted = path.rpartition("/")[2]
        for each in self.actions:
            if each["id"] == wanted:
                return _json(each)
        return _refused(404, "ResourceNotFound", "no such action")

    def _advance(self) -> None:
        """Actions go on with every look at them."""
        for each in self.actions:
            if each["status"] not in {"Pending", "InProgress"}:
                continue
            self._reads[each["id"]] += 1
            done = self.settle_after is not None and self._reads[each["id"]] > self.settle_after
            each["status"] = self.ends_as if done else "InProgress"
            each["lastUpdateDateTimeUtc"] = time_text(self._clock())

    def _hunt(self, path: str, asked: Body, seen: Seen) -> Answer:
        body = json.loads(seen.body)
        self.queries.append(body["Query"])
        oldest = time_text(self._clock() - timedelta(days=int(body["Timespan"][1:-1])))
        tables = {
            name: [row for row in rows if (row.get("Timestamp") or "9") >= (oldest or "")]
            for name, rows in self.tables.items()
        }
        try:
            rows = run(body["Query"], tables, COLUMNS)
        except NotKusto as exc:
            return _refused(400, "BadRequest", f"Semantic or syntax error: {exc}")
        return _json({"schema": [], "results": [{**self.row_extras, **_shortened(row)} for row in rows]})


def _checked(seen: Seen, path: str, asked: Body) -> str:
    """The operation of a request, which the document must allow."""
    request = MockRequest(
        "http://fake",
        seen.method.lower(),
        path,
        args=asked,
        headers=dict(seen.headers),
        data=seen.body,
        content_type=seen.headers.get("content-type", "").partition(";")[0],
    )
    try:
        unmarshalled = _CHECKER.unmarshal_request(request)
    except OpenAPIError as exc:
        raise AssertionError(f"{seen.method} {path}: {exc} {exc.__cause__ or ''}") from exc
    del unmarshalled
    for pattern, operations in DOCUMENT["paths"].items():
        form = re.escape(pattern)
        form = re.sub(r"\\\{[a-z]+\\\}", "[^/]+", form)
        if re.fullmatch(form, path) and seen.method.lower() in operations:
            return str(operations[seen.method.lower()]["operationId"])
    raise AssertionError(f"no such operation: {path}")


def _shortened(row: Body) -> Body:
    """Times without trailing zeros, as the interface writes them."""
    return {
        name: f"{value[:-1].rstrip('0').rstrip('.')}Z"
        if isinstance(value, str) and _TIME.fullmatch(value)
        else value
        for name, value in row.items()
    }


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


def _jwt(claims: Body) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "unsigned"])


def _json(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"), *headers))


def _refused(status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    body = {"error": {"code": code, "message": message, "target": "00000000-0000-0000-0000-000000000000"}}
    return _json(body, status, headers)
