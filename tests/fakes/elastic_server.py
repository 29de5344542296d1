"""Kibana and Elasticsearch on this machine: hosts, isolation, actions and events, with the vendor's traps.

Every request is held against elastic_openapi.py. What is answered is written after elastic/kibana
(security_solution/server/endpoint) and Elasticsearch's documentation.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from tests.estate import Estate
from tests.fakes import elastic_dsl as dsl
from tests.fakes.elastic_documents import documents_of, records_of, stamp
from tests.fakes.elastic_openapi import DOCUMENT
from tests.fakes.http_server import Answer, FakeServer, Seen

#: Planted; looked for in everything that comes out.
API_KEY = "planted-elastic-key-0123456789=="

HOSTS, ACTIONS, ISOLATE, EVENTS = "hosts", "actions", "isolate", "events"

_CHECKER = OpenAPI.from_dict(DOCUMENT)
_NEEDS = {
    "GetEndpointMetadataList": HOSTS,
    "GetEndpointMetadata": HOSTS,
    "EndpointGetActionsDetails": ACTIONS,
    "EndpointIsolateAction": ISOLATE,
    "EndpointUnisolateAction": ISOLATE,
}
_UNLICENSED = frozenset({"EndpointIsolateAction", "EndpointGetActionsDetails"})

type Body = dict[str, Any]


@dataclass
class _Action:
    action_id: str
    command: str
    agent_id: str
    comment: str
    started_at: datetime
    ticks: int = 0
    completed_at: datetime | None = None
    shown: bool = False


class FakeElastic(FakeServer):
    """One cluster with its Kibana. The switches are attributes; set them at any time.

    Attributes:
        records: what the host list holds.
        documents: the events.
        calls: how often each operation was asked, by its name in the document.
        actions: the isolations and releases that were accepted.
        queries: the bodies of the searches; kueries: the KQL of the host list.
        open_points: points in time that are not closed.
        key: the right API key.
        missing: of HOSTS, ACTIONS, ISOLATE and EVENTS what the key may not do.
        licensed: False is a licence below Platinum.
        space: the space that the paths must name.
        failures: statuses of the next answers.
        limited_until: when the quota is free again; None is free.
        settle_after: reads after which the agent has done an action; None never has (stuck).
        lag: further reads after which its own record shows it.
        fails: True: the agent reports that it could not.
        expired: True: actions that are not done count as expired.
        failed_shards, timed_out, skipped_clusters: what is missing of every search; `hides` says which rows.
        skipped_shards: shards that need not be looked at, which is no failure.
        most_of_a_page: hosts of one page at most.
        points_expire: True forgets a point in time after its first page.
    """

    def __init__(self, estate: Estate, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.records: list[Body] = records_of(estate)
        self.documents: list[Body] = documents_of(estate)
        self.calls: Counter[str] = Counter()
        self.actions: list[_Action] = []
        self.queries: list[Body] = []
        self.kueries: list[str] = []
        self.open_points: dict[str, str] = {}
        self.key = API_KEY
        self.missing: set[str] = set()
        self.licensed = True
        self.space = ""
        self.failures: list[int] = []
        self.limited_until: datetime | None = None
        self.settle_after: int | None = 1
        self.lag = 0
        self.fails = False
        self.expired = False
        self.failed_shards = 0
        self.skipped_shards = 0
        self.timed_out = False
        self.skipped_clusters = 0
        self.hides: Callable[[Body], bool] = lambda _: False
        self.most_of_a_page = 100
        self.points_expire = False
        self._points = 0
        super().__init__(decide=self._decide_safely)
        handler: Any = self._server.RequestHandlerClass
        if not hasattr(handler, "do_DELETE"):
            handler.do_DELETE = handler.do_POST

    def record(self, agent_id: str) -> Body | None:
        return next((each for each in self.records if each["metadata"]["agent"]["id"] == agent_id), None)

    # --- answering -----------------------------------------------------------------------------

    def _decide_safely(self, seen: Seen) -> Answer:
        try:
            return self._answer(seen)
        except AssertionError as exc:  # shown to the test through the answer
            return _kibana_error(400, f"the fake: {exc}")

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.path)
        path = parts.path
        if "/api/" in path:
            prefix = f"/s/{self.space}" if self.space else ""
            assert path.startswith(f"{prefix}/api/"), f"not in the space {self.space!r}: {path}"
            path = path.removeprefix(prefix)
        query = parse_qs(parts.query, keep_blank_values=True)
        operation, captured = self._checked(seen, path, query)
        self.calls[operation] += 1
        refused = self._refused(seen, operation, of_kibana=path.startswith("/api/"))
        if refused is not None:
            return refused
        body = json.loads(seen.body) if seen.body else {}
        answers: dict[str, Callable[[], Answer]] = {
            "GetEndpointMetadataList": lambda: self._list(query),
            "GetEndpointMetadata": lambda: self._host(captured),
            "EndpointGetActionsStatus": lambda: self._status(query["agent_ids"]),
            "EndpointGetActionsDetails": lambda: self._details(captured),
            "EndpointIsolateAction": lambda: self._act("isolate", body),
            "EndpointUnisolateAction": lambda: self._act("unisolate", body),
            "open-point-in-time": lambda: self._open(captured),
            "close-point-in-time": lambda: self._close_point(body["id"]),
            "search": lambda: self._search(captured, body),
            "search-pit": lambda: self._search_point(body),
        }
        return answers[operation]()

    def _refused(self, seen: Seen, operation: str, *, of_kibana: bool) -> Answer | None:
        refuse = _kibana_error if of_kibana else _es_error
        if seen.headers.get("authorization") != f"ApiKey {self.key}":
            return refuse(401, f"unable to authenticate {seen.headers.get('authorization')}")
        if self.failures:
            return refuse(self.failures.pop(0), "it failed")
        if self.limited_until is not None and self._clock() < self.limited_until:
            left = int((self.limited_until - self._clock()).total_seconds())
            return _json({}, 429, {"Retry-After": str(left)})
        if of_kibana and seen.method != "GET" and "kbn-xsrf" not in seen.headers:
            return refuse(400, "Request must contain a kbn-xsrf header.")
        unlicensed = not self.licensed and operation in _UNLICENSED
        if _NEEDS.get(operation) in self.missing or unlicensed:
            return refuse(403, "Endpoint authorization failure")
        return None

    def _open(self, names: str) -> Answer:
        self._points += 1
        self.open_points[f"point{self._points}"] = names
        shards = {"total": 3, "successful": 3, "failed": 0}
        return _json({"id": f"point{self._points}.0", "_shards": shards})

    def _close_point(self, point: str) -> Answer:
        known = self.open_points.pop(point.partition(".")[0], None)
        return _json({"succeeded": True, "num_freed": 1}, 200 if known is not None else 404)

    def _checked(self, seen: Seen, path: str, query: Mapping[str, list[str]]) -> tuple[str, str]:
        """The operation of a request that is as the document says, and what its path holds."""
        request = MockRequest(
            self.url,
            seen.method,
            path,
            args=dict(query),
            headers=dict(seen.headers),
            data=seen.body or None,
            content_type=seen.headers.get("content-type", "").partition(";")[0],
        )
        try:
            _CHECKER.validate_request(request)
        except OpenAPIError as exc:
            raise AssertionError(f"{seen.method} {path}: {exc} {exc.__cause__}") from exc
        for template in sorted(DOCUMENT["paths"], key=lambda each: each.count("{")):
            pattern = re.sub(r"\{\w+\}", "([^/]+)", template)
            found = re.fullmatch(pattern, path)
            if found is not None:
                told = DOCUMENT["paths"][template][seen.method.lower()]
                return str(told["operationId"]), unquote(found[1]) if found.groups() else ""
        raise AssertionError(f"no such path: {path}")

    # --- Kibana --------------------------------------------------------------------------------

    def _list(self, query: Mapping[str, list[str]]) -> Answer:
        kuery = query.get("kuery", [""])[0]
        if kuery:
            self.kueries.append(kuery)
        try:
            found = [
                each
                for each in self.records
                if each["host_status"] in query["hostStatuses"]
                and (not kuery or dsl.fits_kql(kuery, {"united": {"endpoint": each["metadata"]}}))
            ]
            if kuery:
                dsl.kql(kuery)
        except dsl.Malformed as exc:
            return _kibana_error(500, str(exc))  # an unreadable KQL text is not caught by the route
        size = min(int(query.get("pageSize", ["10"])[0]), self.most_of_a_page)
        page = int(query.get("page", ["0"])[0])
        shown = found[page * size : (page + 1) * size]
        return _json({"data": shown, "total": len(found), "page": page, "pageSize": size})

    def _host(self, agent_id: str) -> Answer:
        record = self.record(agent_id)
        if record is None:
            return _kibana_error(404, f"Endpoint with id {agent_id} not found")
        if record["host_status"] == "unenrolled":
            return _kibana_error(400, f"Endpoint with id {agent_id} is unenrolled")
        self._tick(agent_id)
        return _json(record)

    def _status(self, agent_ids: list[str]) -> Answer:
        entries = []
        for agent_id in agent_ids:
            waiting = Counter(
                each.command
                for each in self.actions
                if each.agent_id == agent_id and each.completed_at is None
            )
            entries.append({"agent_id": agent_id, "pending_actions": {} if self.expired else dict(waiting)})
        return _json({"data": entries})

    def _details(self, action_id: str) -> Answer:
        action = next((each for each in self.actions if each.action_id == action_id), None)
        if action is None:
            return _kibana_error(404, f"Action with id '{action_id}' not found.")
        self._tick(action.agent_id)
        return _json({"data": self._told(action)})

    def _told(self, action: _Action) -> Body:
        done = action.completed_at is not None
        state: Body = {"isCompleted": done, "wasSuccessful": done and not self.fails}
        if action.completed_at is not None:
            state["completedAt"] = stamp(action.completed_at)
        return {
            "id": action.action_id,
            "agents": [action.agent_id],
            "agentType": "endpoint",
            "command": action.command,
            "comment": action.comment,
            "startedAt": stamp(action.started_at),
            "isExpired": self.expired and not done,
            "agentState": {action.agent_id: state},
            **state,
        }

    def _act(self, command: str, body: Body) -> Answer:
        (agent_id,) = body["endpoint_ids"]
        if self.record(agent_id) is None:
            return _kibana_error(404, f"Endpoint with id {agent_id} not found")
        action_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(len(self.actions))))
        action = _Action(action_id, command, agent_id, body.get("comment", ""), self._clock())
        self.actions.append(action)
        return _json({"action": action.action_id, "data": self._told(action)})

    def _tick(self, agent_id: str) -> None:
        """The agent comes by once more."""
        record = self.record(agent_id)
        for action in self.actions:
            if action.agent_id != agent_id or self.settle_after is None or action.shown:
                continue
            action.ticks += 1
            if action.ticks > self.settle_after and action.completed_at is None:
                action.completed_at = self._clock()
            if action.ticks > self.settle_after + self.lag and not self.fails and record is not None:
                action.shown = True
                metadata = record["metadata"]
                metadata["Endpoint"]["state"]["isolation"] = action.command == "isolate"
                metadata["event"] = {"created": stamp(self._clock()), "ingested": stamp(self._clock())}

    # --- Elasticsearch -------------------------------------------------------------------------

    def _search(self, names: str, body: Body) -> Answer:
        self.queries.append(body)
        return self._found(names, body)

    def _search_point(self, body: Body) -> Answer:
        self.queries.append(body)
        name, _, number = body["pit"]["id"].partition(".")
        names = self.open_points.get(name)
        if names is None:
            return _es_error(404, "No search context found", "search_context_missing_exception")
        if self.points_expire:
            self.open_points.pop(name)
        answer = self._found(names, {each: value for each, value in body.items() if each != "pit"})
        told = json.loads(answer.body)
        told["pit_id"] = f"{name}.{int(number) + 1}"
        return _json(told, answer.status)

    def _found(self, names: str, body: Body) -> Answer:
        patterns = names.split(",")
        within = [
            each
            for each in self.documents
            if any(
                fnmatchcase(f"logs-{each['data_stream']['dataset']}-default", pattern) for pattern in patterns
            )
        ]
        shards = 3
        if EVENTS in self.missing or not within:
            within, shards = [], 0  # a wildcard that matches nothing that may be read is no error
        try:
            fitting = [each for each in within if dsl.matches(body["query"], each)]
            dsl.matches(body["query"], {})
            keyed = dsl.ordered(fitting, body.get("sort", []))
        except (dsl.Malformed, KeyError, TypeError, ValueError) as exc:
            return _es_error(400, str(exc), "parsing_exception")
        total = len(keyed)
        after = body.get("search_after")
        if after is not None:
            places = [key for key, _ in keyed]
            keyed = keyed[places.index(after) + 1 :]
        if self.failed_shards or self.timed_out or self.skipped_clusters:
            keyed = [(key, each) for key, each in keyed if not self.hides(dict(each))]
        if "collapse" in body:
            first: dict[Any, tuple[list[Any], dsl.Document]] = {}
            for key, each in keyed:
                value = next(iter(dsl.values(each, body["collapse"]["field"])), None)
                first.setdefault(value, (key, each))
            keyed = list(first.values())
        hits = [
            {
                "_index": f".ds-logs-{each['data_stream']['dataset']}-default-000001",
                "_id": each["event"]["id"],
                "_source": dsl.source(each, body.get("_source")),
                "sort": key,
            }
            for key, each in keyed[: body["size"]]
        ]
        answer: Body = {
            "timed_out": self.timed_out,
            "_shards": {
                "total": shards,
                "successful": max(0, shards - self.failed_shards),
                "skipped": self.skipped_shards,
                "failed": self.failed_shards if shards else 0,
            },
            "hits": {"total": {"value": total, "relation": "eq"}, "hits": hits},
        }
        if self.skipped_clusters:
            answer["_clusters"] = {"total": 2, "successful": 1, "skipped": self.skipped_clusters}
        return _json(answer)


def _json(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    extra = tuple((headers or {}).items())
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"), *extra))


def _kibana_error(status: int, message: str) -> Answer:
    return _json({"statusCode": status, "error": "refused", "message": message}, status)


def _es_error(status: int, reason: str, kind: str = "search_phase_execution_exception") -> Answer:
    cause = {"type": kind, "reason": reason}
    return _json({"error": {"root_cause": [cause], **cause}, "status": status}, status)
