"""The two interfaces of Defender as calls: the Defender for Endpoint API and hunting over Microsoft Graph.

Each has tokens of its own: one for the other's audience is answered with 403. A write is sent once.
https://learn.microsoft.com/defender-endpoint/api/exposed-apis-list
https://learn.microsoft.com/graph/api/security-security-runhuntingquery
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import SecretStr

from connectors.edr.defender import filters
from connectors.edr.defender.rows import rows_of
from connectors.edr.defender.settings import DefenderSettings
from connectors.edr.defender.tokens import AppTokens
from connectors.errors import (
    BadResponse,
    Conflict,
    ConnectorError,
    HostNotFound,
    InputError,
    NotFound,
    PermissionMissing,
    QueryFailed,
    Rejected,
)
from connectors.http.call import Call, Limits, Refused, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.token import BearerToken
from connectors.query.path import segment

CONNECTOR = "defender"

MACHINE_READ = "Machine.Read.All"
MACHINE_ISOLATE = "Machine.Isolate"
HUNTING_READ = "ThreatHunting.Read.All"

#: https://learn.microsoft.com/defender-endpoint/api/get-machines: 100 calls a minute, 1,500 an hour.
_API_LIMITS = Limits(per_minute=100)

#: https://learn.microsoft.com/defender-xdr/api-advanced-hunting: 45 calls a minute and tenant.
_HUNTING_LIMITS = Limits(per_minute=45)

#: Rows that hunting answers at most; none of the queries here comes near.
HUNTING_ROWS = 100_000

#: A thousand events of each kind with long paths and command lines.
_HUNTING_BYTES = 64 * 1024 * 1024

#: Machines or actions of one answer. A name or a machine has a handful.
PAGE = 1000

#: Records of one answer at most, as
#: https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection has it.
LARGEST_PAGE = 10_000

#: As many actions, each with a comment of ours.
_LIST_BYTES = 64 * 1024 * 1024

_LONGEST_REASON = 300


class Page(NamedTuple):
    """Records of one answer.

    Attributes:
        complete: False when there may be more.
    """

    records: tuple[Mapping[str, object], ...]
    complete: bool


def page_of(ask: Callable[[], Page]) -> Page:
    """A list; an empty one is a 404 with some of them."""
    try:
        return ask()
    except NotFound:
        return Page((), complete=True)


class DefenderApi:
    """Sends the calls. Safe to use from many threads at once."""

    def __init__(
        self,
        http: Http,
        settings: DefenderSettings,
        secret: SecretStr,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._settings = settings

        def tokens(audience: str) -> AppTokens:
            return AppTokens(
                http,
                source=CONNECTOR,
                login_url=settings.login_url,
                tenant_id=settings.tenant_id,
                client_id=settings.client_id,
                audience=audience,
                secret=secret,
                clock=clock,
            )

        self._api_tokens = tokens(settings.api_audience)
        self._graph_tokens = tokens(settings.graph_audience)
        account = settings.client_id
        self._api = BearerToken(self._api_tokens.fetch, clock, account=account)
        self._graph = BearerToken(self._graph_tokens.fetch, clock, account=account)

    @property
    def granted(self) -> frozenset[str] | None:
        """The permissions that the tokens fetched so far carry; None where they do not say so."""
        api, graph = self._api_tokens.roles, self._graph_tokens.roles
        return None if api is None or graph is None else api | graph

    def machines(self, filter_: str, deadline: Deadline) -> Page:
        """Machine records that fit a filter."""
        return self._page("api/machines", {"$filter": filter_, "$top": str(PAGE)}, deadline)

    def any_machine(self, deadline: Deadline) -> Page:
        """One machine record, to see whether that is permitted."""
        return self._page("api/machines", {"$top": "1"}, deadline)

    def machines_with(self, ip: str, at: datetime, deadline: Deadline) -> Page:
        """Machines that had an internal address within 15 minutes of an instant of the last 30 days.

        https://learn.microsoft.com/defender-endpoint/api/find-machines-by-ip
        """
        moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if not all(each in "0123456789abcdef.:" for each in ip):
            raise InputError("ip", "not a canonical address")
        return self._page(f"api/machines/findbyip(ip='{ip}',timestamp={moment})", {}, deadline)

    def actions(self, machine_id: str, deadline: Deadline) -> Page:
        """The isolations and releases of a machine."""
        asked = {"$filter": filters.actions_of(machine_id), "$top": str(PAGE)}
        return self._page("api/machineactions", asked, deadline)

    def actions_since(self, moment: datetime, deadline: Deadline) -> Page:
        """The isolations and releases of all machines that were asked for after an instant."""
        asked = {"$filter": filters.actions_since(moment), "$top": str(LARGEST_PAGE)}
        return self._page("api/machineactions", asked, deadline, size=LARGEST_PAGE)

    def action(self, action_id: str, deadline: Deadline) -> Mapping[str, object]:
        """One action.

        Raises:
            NotFound: there is none.
        """
        reply = self._get(f"api/machineactions/{segment(action_id)}", {}, deadline)
        return _record(reply.json())

    def act(
        self, verb: str, machine_id: str, body: Mapping[str, str], deadline: Deadline
    ) -> Mapping[str, object]:
        """Isolate or release: sent once.

        Args:
            verb: "isolate" or "unisolate".

        Raises:
            Conflict: an action on the machine is under way.
            TimedOut: no answer, so that nobody knows whether it was accepted.
        """
        call = Call(
            CONNECTOR,
            self._url(f"api/machines/{segment(machine_id)}/{verb}"),
            "POST",
            body=dict(body),
            limits=_API_LIMITS,
            repeatable=False,
            refused=_reader(MACHINE_ISOLATE, of_a_host=True),
        )
        return _record(self._api.send(self._http, call, deadline=deadline).json())

    def hunt(self, query: str, deadline: Deadline) -> list[dict[str, object]]:
        """The rows of a hunting query.

        Raises:
            QueryFailed: the query was refused: malformed, too costly, too much to answer.
        """
        call = Call(
            CONNECTOR,
            f"{self._settings.graph_url.rstrip('/')}/v1.0/security/runHuntingQuery",
            "POST",
            # The charset is documented as needed for a query beyond ANSI, such as one with a path in it.
            headers={"Content-Type": "application/json; charset=utf-8"},
            body={"Query": query, "Timespan": f"P{self._settings.history_days}D"},
            limits=_HUNTING_LIMITS,
            max_body_bytes=_HUNTING_BYTES,
            refused=_reader(HUNTING_READ, of_a_query=True),
        )
        answer = _record(self._graph.send(self._http, call, deadline=deadline).json())
        if not isinstance(answer.get("results"), list):
            raise BadResponse(CONNECTOR, "an answer to a hunting query without results")
        rows = rows_of(answer["results"])
        if len(rows) >= HUNTING_ROWS:
            raise QueryFailed(CONNECTOR, f"the answer was cut at {len(rows):,} rows")
        return rows

    def _page(self, path: str, params: Mapping[str, str], deadline: Deadline, *, size: int = PAGE) -> Page:
        answer = _record(self._get(path, params, deadline).json())
        records = answer.get("value")
        if not isinstance(records, list):
            raise BadResponse(CONNECTOR, "a list without value")
        found = tuple(each for each in records if isinstance(each, dict))
        return Page(found, complete="@odata.nextLink" not in answer and len(found) < size)

    def _get(self, path: str, params: Mapping[str, str], deadline: Deadline) -> Reply:
        call = Call(
            CONNECTOR,
            self._url(path),
            params=dict(params),
            limits=_API_LIMITS,
            max_body_bytes=_LIST_BYTES,
            refused=_reader(MACHINE_READ),
        )
        return self._api.send(self._http, call, deadline=deadline)

    def _url(self, path: str) -> str:
        return f"{self._settings.base_url.rstrip('/')}/{path}"


def _reader(
    scope: str, *, of_a_host: bool = False, of_a_query: bool = False
) -> Callable[[Refused], ConnectorError | None]:
    """What a refusal means: `{"error": {"code", "message", "target"}}`. None leaves it to the default.

    https://learn.microsoft.com/defender-endpoint/api/common-errors
    """

    def read(answer: Refused) -> ConnectorError | None:
        code, reason = _reason(answer)
        if answer.status == 403:
            message = (
                f"the application may not do this: grant it {scope}, with the consent of an administrator"
            )
            return PermissionMissing(CONNECTOR, message + _because(code, reason), scope=scope)
        if code == "ActiveRequestAlreadyExists" or answer.status == 409:
            return Conflict(CONNECTOR, "another action on this machine is under way" + _because(code, reason))
        if answer.status == 404 and of_a_host:
            return HostNotFound(CONNECTOR, "the machine is not known" + _because(code, reason))
        if answer.status == 400 and of_a_query:
            return QueryFailed(CONNECTOR, "the hunting query was refused" + _because(code, reason))
        if answer.status in {400, 405, 413, 415, 422}:
            return Rejected(CONNECTOR, f"refused (HTTP {answer.status})" + _because(code, reason))
        return None

    return read


def _reason(answer: Refused) -> tuple[str, str]:
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ""
    code, message = error.get("code"), error.get("message")
    return (
        code[:_LONGEST_REASON] if isinstance(code, str) else "",
        message[:_LONGEST_REASON] if isinstance(message, str) else "",
    )


def _because(code: str, reason: str) -> str:
    said = ": ".join(part for part in (code, reason) if part)
    return f" ({said})" if said else ""


def _record(body: object) -> Mapping[str, object]:
    if not isinstance(body, dict):
        raise BadResponse(CONNECTOR, "an answer that is no record")
    return body
