"""The calls to Kibana: hosts, isolation, and what became of an action.

Routes, privileges and bodies: elastic/kibana, security_solution/server/endpoint/routes/{metadata,actions}
and security_solution/docs/openapi/ess. A request that changes something needs the header kbn-xsrf
(core/packages/http/server-internal: "Request must contain a kbn-xsrf header."); any value will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from connectors.edr.elastic import hosts, isolation, queries, refusals
from connectors.edr.elastic.isolation import Action, Command, Pending
from connectors.edr.elastic.refusals import CONNECTOR, Scope
from connectors.edr.elastic.settings import ElasticSettings
from connectors.errors import BadResponse, HostNotFound, NotFound
from connectors.facts.isolation import IsolationState
from connectors.http.call import Call
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.query.path import segment

#: The version of the public routes (elastic-api-version).
API_VERSION = "2023-10-31"

#: Pages of a search for one host: more is no search for one host.
MOST_PAGES = 5

#: An id that no action has: asking for it shows whether actions may be read.
_NO_ACTION = "00000000-0000-0000-0000-000000000000"

_ISOLATE_SCOPES = {Command.ISOLATE: Scope.ISOLATE, Command.UNISOLATE: Scope.RELEASE}


class Kibana:
    """Asks Kibana with one API key."""

    def __init__(self, http: Http, settings: ElasticSettings, key: SecretStr) -> None:
        """Ask nothing yet."""
        self._http = http
        space = f"/s/{settings.space}" if settings.space else ""
        self._base = f"{settings.kibana_url.rstrip('/')}{space}/api/endpoint"
        self._auth = {"Authorization": SecretStr(f"ApiKey {key.get_secret_value()}")}

    def hosts(self, wanted: str, *, deadline: Deadline) -> list[Mapping[str, Any]]:
        """All enrolled hosts that fit a KQL text (GET metadata, page by page from 0).

        Raises:
            BadResponse: there are more pages than a search for one host can have.
        """
        found: list[Mapping[str, Any]] = []
        for page in range(MOST_PAGES):
            records, total = self._records(wanted, page, deadline)
            found += records
            if total <= (page + 1) * queries.PAGE_HOSTS:
                return found
        raise BadResponse(CONNECTOR, f"more than {MOST_PAGES * queries.PAGE_HOSTS:,} hosts for one name")

    def isolated(self, *, limit: int, deadline: Deadline) -> tuple[list[Mapping[str, Any]], bool]:
        """Hosts whose agent says that it is isolated, and whether these are all (GET metadata, by pages).

        The list changes while it is read, so that pages can overlap: all are those that Kibana counts.
        """
        seen: set[str] = set()
        found: dict[str, Mapping[str, Any]] = {}
        whole = False
        for page in range(limit // queries.PAGE_HOSTS + MOST_PAGES):
            records, total = self._records(queries.ISOLATED_KUERY, page, deadline)
            for each in records:
                seen.add(hosts.agent_id(each))
                if hosts.isolation(each.get("metadata")) is IsolationState.ISOLATED:
                    found.setdefault(hosts.agent_id(each), each)
            whole = len(seen) >= total
            if total <= (page + 1) * queries.PAGE_HOSTS or len(found) > limit:
                break
        return list(found.values())[:limit], whole and len(found) <= limit

    def probe_hosts(self, *, deadline: Deadline) -> None:
        """Read one host, to see whether hosts may be read."""
        self._page("", 0, 1, deadline)

    def host(self, agent_id: str, *, deadline: Deadline) -> Mapping[str, Any]:
        """The record of one host (GET metadata/ID).

        Raises:
            HostNotFound: Kibana does not know it.
        """
        try:
            answer = self._get(f"/metadata/{segment(agent_id)}", {}, Scope.HOSTS, deadline)
        except NotFound as exc:
            raise HostNotFound(CONNECTOR, f"Elastic does not know the agent {agent_id!r}") from exc
        told = answer.get("metadata")
        agent = told.get("agent") if isinstance(told, dict) else None
        if not isinstance(agent, dict) or agent.get("id") != agent_id:
            raise BadResponse(CONNECTOR, "the record is not of the host that was asked for")
        return answer

    def pending(self, agent_id: str, *, deadline: Deadline) -> Pending:
        """What still waits for the agent (GET action_status)."""
        answer = self._get("/action_status", {"agent_ids": [agent_id]}, Scope.SECURITY, deadline)
        return isolation.pending(answer, agent_id)

    def action(self, action_id: str, agent_id: str, *, deadline: Deadline) -> Action | None:
        """An action as far as it concerns this host; None where it does not (GET action/ID)."""
        answer = self._get(f"/action/{segment(action_id)}", {}, Scope.ACTIONS, deadline)
        return isolation.action(answer.get("data"), agent_id)

    def probe_actions(self, *, deadline: Deadline) -> None:
        """Ask for an action that is not there, to see whether actions may be read."""
        try:
            self._get(f"/action/{_NO_ACTION}", {}, Scope.ACTIONS, deadline)
        except NotFound:
            return

    def act(self, command: Command, agent_id: str, comment: str, *, deadline: Deadline) -> str:
        """Order isolation or release of one host, once (POST action/COMMAND), and give the action's id.

        Raises:
            TimedOut: whether it was accepted is not known.
        """
        call = Call(
            CONNECTOR,
            f"{self._base}/action/{command.value}",
            method="POST",
            repeatable=False,
            headers={"kbn-xsrf": "true", "elastic-api-version": API_VERSION},
            secret_headers=self._auth,
            body={"endpoint_ids": [agent_id], "comment": comment, "agent_type": "endpoint"},
            refused=refusals.of_kibana(_ISOLATE_SCOPES[command]),
        )
        answer = self._http.send(call, deadline=deadline).json()
        details = answer.get("data") if isinstance(answer, dict) else None
        action_id = details.get("id") if isinstance(details, dict) else None
        agents = details.get("agents") if isinstance(details, dict) else None
        if not isinstance(action_id, str) or not action_id or agents != [agent_id]:
            raise BadResponse(
                CONNECTOR,
                f"the answer to {command.value} does not name the action and the host; "
                "read the host's state before asking again",
            )
        return action_id

    def _records(self, wanted: str, page: int, deadline: Deadline) -> tuple[list[Mapping[str, Any]], int]:
        """One page of the host list, and how many hosts fit in all."""
        answer = self._page(wanted, page, queries.PAGE_HOSTS, deadline)
        records = answer.get("data")
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            raise BadResponse(CONNECTOR, "the host list is not a list of records")
        total = answer.get("total")
        if not isinstance(total, int):
            raise BadResponse(CONNECTOR, "the host list does not tell how many hosts there are")
        return records, total

    def _page(self, wanted: str, page: int, size: int, deadline: Deadline) -> Mapping[str, Any]:
        params: dict[str, str | Sequence[str]] = {
            "page": str(page),
            "pageSize": str(size),
            "hostStatuses": list(queries.HOST_STATUSES),
        }
        if wanted:
            params["kuery"] = wanted
        return self._get("/metadata", params, Scope.HOSTS, deadline)

    def _get(
        self, path: str, params: Mapping[str, str | Sequence[str]], scope: Scope, deadline: Deadline
    ) -> Mapping[str, Any]:
        call = Call(
            CONNECTOR,
            f"{self._base}{path}",
            params=params,
            headers={"elastic-api-version": API_VERSION},
            secret_headers=self._auth,
            refused=refusals.of_kibana(scope),
        )
        answer = self._http.send(call, deadline=deadline).json()
        if not isinstance(answer, dict):
            raise BadResponse(CONNECTOR, "an answer of Kibana is not an object")
        return answer
