"""A Falcon tenant on this machine: tokens, devices, containment and searches, with the vendor's traps.

Every request is held against crowdstrike_openapi.py. Its answers are written after falconpy's documentation
and the recorded ones in stix-shifter and elastic/integrations.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from tests.fakes.crowdstrike_cql import NotCql, run
from tests.fakes.crowdstrike_events import devices_of, events_of, histories_of
from tests.fakes.crowdstrike_fql import matches
from tests.fakes.crowdstrike_openapi import DOCUMENT
from tests.fakes.http_server import Answer, FakeServer, Seen

CLIENT_ID = "0123456789abcdef0123456789abcdef"
#: Planted; looked for in everything that comes out.
CLIENT_SECRET = "planted-falcon-secret-0123456789"

READ_HOSTS, WRITE_HOSTS = "Hosts: read", "Hosts: write"
READ_SEARCH, WRITE_SEARCH = "NGSIEM: read", "NGSIEM: write"

_SCOPES = {
    "CombinedDevicesByFilter": READ_HOSTS,
    "PostDeviceDetailsV2": READ_HOSTS,
    "QueryGetNetworkAddressHistoryV1": READ_HOSTS,
    "PerformActionV2": WRITE_HOSTS,
    "StartSearchV1": WRITE_SEARCH,
    "GetSearchStatusV1": READ_SEARCH,
    "StopSearchV1": WRITE_SEARCH,
}

_PENDING = {"contain": "containment_pending", "lift_containment": "lift_containment_pending"}
_SETTLED = {"containment_pending": "contained", "lift_containment_pending": "normal"}

_CHECKER = OpenAPI.from_dict(DOCUMENT)

type Body = dict[str, Any]


class FakeCrowdStrike(FakeServer):
    """One tenant. The switches are attributes; set them at any time.

    Attributes:
        calls: how often each operation was asked, by its name in falconpy.
        actions: the containment actions that were accepted.
        searches: the searches that were started.
        stopped: the ids of the jobs that were stopped.
        missing: scopes that the API client lacks.
        secret: the right client secret.
        failures: statuses of the next answers to anything but a token request.
        limited_until: when the quota is free again; None is free.
        settle_after: reads of a device after which an action is done; None never is (stuck).
        polls_until_done: polls after which a search is done; None never is.
        page_devices: devices of one page at most.
        partial_error: an error that an action answers with under a good status.
        reads_as_text: True reads every search as free text: HTTP 200, and other rows or none.
        echo: False leaves the search out of the answer's metadata.
        cancels: True cancels the next searches.
        warnings: what a job's metadata warns of.
        histories: the address history of devices, by their ids.
        history_fails: a status that every question for a history is refused with; None is none.
        refuses_cql: True refuses what is not CQL in plain text.
    """

    def __init__(self, estate: Any, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.devices: list[Body] = devices_of(estate)
        self.events: list[Body] = events_of(estate)
        self.histories: dict[str, list[Body]] = histories_of(estate)
        self.history_fails: int | None = None
        self.calls: Counter[str] = Counter()
        self.actions: list[tuple[str, str]] = []
        self.searches: list[str] = []
        self.stopped: list[str] = []
        self.missing: set[str] = set()
        self.secret = CLIENT_SECRET
        self.failures: list[int] = []
        self.limited_until: datetime | None = None
        self.settle_after: int | None = 1
        self.polls_until_done: int | None = 1
        self.page_devices = 5000
        self.partial_error: Body | None = None
        self.reads_as_text = False
        self.echo = True
        self.cancels = False
        self.warnings: list[Body] = []
        self.refuses_cql = False
        self._tokens: set[str] = set()
        self._issued = 0
        self._reads: Counter[str] = Counter()
        self._jobs: dict[str, Body] = {}
        super().__init__(decide=self._decide_safely)
        handler: Any = self._server.RequestHandlerClass
        if not hasattr(handler, "do_DELETE"):
            handler.do_DELETE = handler.do_POST

    def expire_tokens(self) -> None:
        """The tokens that were issued are good no more."""
        self._tokens.clear()

    def device(self, device_id: str) -> Body:
        return next(each for each in self.devices if each["device_id"] == device_id)

    # --- answering -----------------------------------------------------------------------------

    def _decide_safely(self, seen: Seen) -> Answer:
        try:
            return self._answer(seen)
        except AssertionError as exc:  # shown to the test through the answer
            return _json({"errors": [{"code": 400, "message": f"the fake: {exc}"}], "resources": []}, 400)

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        operation = self._checked(seen, parts.path, query)
        self.calls[operation] += 1
        if operation == "oauth2AccessToken":
            return self._token(seen)
        if seen.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _refused(401, "access denied, invalid bearer token")
        if self.failures:
            return _refused(self.failures.pop(0), "an internal error")
        if self.limited_until is not None and self._clock() < self.limited_until:
            moment = str(int(self.limited_until.timestamp()))
            return _refused(429, "API rate limit exceeded.", {"X-RateLimit-RetryAfter": moment})
        if _SCOPES[operation] in self.missing:
            return _refused(403, "access denied, authorization failed")
        body = json.loads(seen.body) if seen.body else {}
        answers: dict[str, Callable[[], Answer]] = {
            "CombinedDevicesByFilter": lambda: self._combined(query),
            "PostDeviceDetailsV2": lambda: self._details(body["ids"]),
            "QueryGetNetworkAddressHistoryV1": lambda: self._history(body["ids"]),
            "PerformActionV2": lambda: self._act(query["action_name"], body["ids"]),
            "StartSearchV1": lambda: self._start(body),
            "GetSearchStatusV1": lambda: self._poll(parts.path.rpartition("/")[2], query),
            "StopSearchV1": lambda: self._stop(parts.path.rpartition("/")[2]),
        }
        return answers[operation]()

    def _checked(self, seen: Seen, path: str, query: Mapping[str, str]) -> str:
        """The operation of a request that is as the document says."""
        request = MockRequest(
            self.url,
            seen.method,
            path,
            args=dict(query),
            headers=dict(seen.headers),
            data=seen.body,
            content_type=seen.headers.get("content-type", "").partition(";")[0],
        )
        try:
            _CHECKER.validate_request(request)
        except OpenAPIError as exc:
            raise AssertionError(f"{seen.method} {path}: {exc} {exc.__cause__}") from exc
        template = "/humio/api/v1/repositories/{repository}/queryjobs"
        if "/queryjobs" in path:
            path = template if path.endswith("/queryjobs") else f"{template}/{{id}}"
        return str(DOCUMENT["paths"][path][seen.method.lower()]["operationId"])

    def _token(self, seen: Seen) -> Answer:
        form = parse_qs(seen.body.decode())
        if form["client_id"] != [CLIENT_ID] or form["client_secret"] != [self.secret]:
            return _refused(401, "access denied, invalid client")
        self._issued += 1
        token = f"planted-token-{self._issued}"
        self._tokens.add(token)
        return _json({"access_token": token, "expires_in": 1799, "token_type": "bearer"}, 201)

    def _combined(self, query: Mapping[str, str]) -> Answer:
        wanted = query.get("filter")
        found = [each for each in self.devices if wanted is None or matches(wanted, each)]
        first = int(query.get("offset") or 0)
        size = min(int(query.get("limit", "100")), self.page_devices)
        page = found[first : first + size]
        following = str(first + size) if first + size < len(found) else ""
        pagination = {"next": following, "limit": size, "total": len(found)}
        return _json({"meta": {"pagination": pagination}, "resources": page, "errors": []})

    def _details(self, ids: Sequence[str]) -> Answer:
        found = [each for each in self.devices if each["device_id"] in ids]
        answer = _json({"meta": {}, "resources": [dict(each) for each in found], "errors": []})
        for each in found:
            self._reads[each["device_id"]] += 1
            if self.settle_after is not None and self._reads[each["device_id"]] >= self.settle_after:
                each["status"] = _SETTLED.get(each["status"], each["status"])
        return answer

    def _history(self, ids: Sequence[str]) -> Answer:
        if self.history_fails is not None:
            return _refused(self.history_fails, "the history cannot be read")
        found = [
            {"cid": "f" * 32, "device_id": each["device_id"], "history": self.histories[each["device_id"]]}
            for each in self.devices
            if each["device_id"] in ids and each["device_id"] in self.histories
        ]
        return _json({"meta": {}, "resources": found, "errors": []})

    def _act(self, action: str, ids: Sequence[str]) -> Answer:
        (device_id,) = ids
        device = next((each for each in self.devices if each["device_id"] == device_id), None)
        if device is None:
            return _refused(404, "No matching device found")
        if device["status"] in _SETTLED:
            return _refused(409, "Another action on this device is pending")
        if self.partial_error is not None:
            return _json({"meta": {}, "resources": [], "errors": [self.partial_error]}, 202)
        device["status"] = _PENDING[action]
        self._reads[device_id] = 0
        self.actions.append((action, device_id))
        path = f"/devices/entities/devices/v1?ids={device_id}"
        return _json({"meta": {}, "resources": [{"id": device_id, "path": path}], "errors": []}, 202)

    def _start(self, body: Body) -> Answer:
        search = body["queryString"]
        self.searches.append(search)
        within = [each for each in self.events if body["start"] <= each["@timestamp"] <= body["end"]]
        read = " ".join(search.split())
        try:
            rows = run(search, within)
        except NotCql:
            if self.refuses_cql:
                return Answer(400, b"Query could not be parsed\n", (("Content-Type", "text/plain"),))
            rows, read = [], " | ".join(search.split())
        if self.reads_as_text:
            rows, read = [each for each in rows if each.get("nothing")], " | ".join(search.split())
        job = f"P{len(self._jobs) + 1}-fake"
        self._jobs[job] = {"rows": rows, "read": read, "scanned": len(within), "polls": 0}
        return _json({"id": job, "hashedQueryOnView": "0"})

    def _poll(self, job: str, query: Mapping[str, str]) -> Answer:
        if job not in self._jobs:
            return _refused(404, "No query job with that id")
        state = self._jobs[job]
        state["polls"] += 1
        done = self.polls_until_done is not None and state["polls"] >= self.polls_until_done
        first, size = int(query.get("paginationOffset", "0")), int(query.get("paginationLimit", "200"))
        meta: Body = {
            "eventCount": len(state["rows"]),
            "processedEvents": state["scanned"] if self.echo else 0,
            "isAggregate": True,
            "pollAfter": 1000,
            "warnings": self.warnings,
        }
        if self.echo:
            meta["filterQuery"] = {"queryString": state["read"]}
        return _json(
            {
                "cancelled": self.cancels,
                "done": done,
                "events": state["rows"][first : first + size] if done else [],
                "metaData": meta,
            }
        )

    def _stop(self, job: str) -> Answer:
        if self._jobs.pop(job, None) is None:
            return _refused(404, "No query job with that id")
        self.stopped.append(job)
        return Answer(200, b"", (("Content-Type", "application/json"),))


def later(clock: Callable[[], datetime], seconds: float) -> datetime:
    return clock() + timedelta(seconds=seconds)


def _json(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    sent = (("Content-Type", "application/json"), *(headers or {}).items())
    return Answer(status, json.dumps(body).encode(), sent)


def _refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return _json(
        {"meta": {}, "errors": [{"code": status, "message": message}], "resources": []}, status, headers
    )
