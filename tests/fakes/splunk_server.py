"""A Splunk on this machine: search jobs, in version 2 and version 1, over events.

Requests are held against splunk_openapi.py. Answers follow the REST API reference and splunk-sdk-python. A
search that cannot be parsed is refused with 400; one that is too many with 503, as seen in
https://github.com/hasadna/open-bus/issues/177.

Other routes and other searches are mixed in: `routes` by method and path, `searches` before the fake's own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from connectors.edr.sysmon_splunk.settings import SysmonSplunkSettings
from connectors.siem.splunk.settings import SplunkSettings
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.fakes.splunk_openapi import DOCUMENT
from tests.fakes.splunk_spl import Event, NotSpl, Row, run

#: Planted; looked for in everything that comes out.
TOKEN = "planted-splunk-token-0123456789"

_CHECKER = OpenAPI.from_dict(DOCUMENT)
_JOBS = re.compile(r"/servicesNS/[^/]+/[^/]+/search/(v2/)?jobs(?:/([^/]+)(?:/(results|control))?)?")

#: Answers a search with its rows; None leaves it to the next.
type Search = Callable[[Mapping[str, str]], list[Row] | None]


class _Job:
    def __init__(self, rows: list[Row], polls: int | None, *, failed: bool) -> None:
        self.rows = rows
        self.polls = polls
        self.failed = failed
        self.unready = 0


class FakeSplunk(FakeServer):
    """One Splunk. The switches are attributes; set them at any time.

    Attributes:
        events: what is indexed.
        routes: further requests, by (method, path); asked with the parsed request.
        searches: further searches, tried in order before the fake's own.
        calls: how often each operation was asked: start, state, results, control.
        queries: the SPL that was run.
        forms: of each start.
        cancelled: ids of jobs that were cancelled.
        token: the right one.
        capable: False lacks the capability `search`.
        v1_only: True has no version 2.
        queue_full: so many starts are refused; None is all of them.
        unready: states answered with 204 before a job can be seen.
        polls: states of each job in which it runs; None never is done (stuck).
        failing: so many of the next jobs fail.
        results_unready: results answered with 204 after the job is done.
        page: rows of one page at most.
        messages: of each finished job.
        finalized: True ends each job early.
        swallow: rows that are counted and not given.
        forget: True knows no job after its start.
        holds: operations that are never answered.
    """

    def __init__(self, events: Iterable[Event], clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.events = list(events)
        self.routes: dict[tuple[str, str], Callable[[Seen], Answer]] = {}
        self.searches: list[Search] = []
        self.calls: Counter[str] = Counter()
        self.queries: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.cancelled: list[str] = []
        self.token = TOKEN
        self.capable = True
        self.v1_only = False
        self.queue_full: int | None = 0
        self.unready = 0
        self.polls: int | None = 0
        self.failing = 0
        self.results_unready = 0
        self.page = 50_000
        self.messages: list[tuple[str, str]] = []
        self.finalized = False
        self.swallow = 0
        self.forget = False
        self.holds: set[str] = set()
        self._jobs: dict[str, _Job] = {}
        super().__init__(decide=self._answer)

    def settings(self, **changes: Any) -> SplunkSettings:
        """Settings of a SIEM connector to this Splunk."""
        return SplunkSettings(**{"base_url": self.url, **changes})

    def edr_settings(self, **changes: Any) -> SysmonSplunkSettings:
        """Settings of the EDR connector to this Splunk."""
        return SysmonSplunkSettings(**{"base_url": self.url, **changes})

    def _answer(self, seen: Seen) -> Answer:
        parts = urlsplit(seen.path)
        if seen.headers.get("authorization") != f"Bearer {self.token}":
            return refusal(401, "WARN", "call not properly authenticated")
        route = self.routes.get((seen.method, parts.path))
        if route is not None:
            return route(seen)
        found = _JOBS.fullmatch(parts.path)
        if found is None or (found[1] and self.v1_only):
            return refusal(404, "ERROR", "Not Found")
        refused = _checked(seen)
        if refused:
            return refusal(400, "FATAL", refused)
        return self._job(seen, found[2] or "", found[3] or ("state" if found[2] else "start"))

    def _job(self, seen: Seen, sid: str, operation: str) -> Answer:
        self.calls[operation] += 1
        if not self.capable:
            return refusal(403, "ERROR", "insufficient permission to access this resource")
        if operation in self.holds:
            return Answer(hold=True)
        given = seen.body.decode() if seen.method == "POST" else urlsplit(seen.path).query
        form = {name: values[0] for name, values in parse_qs(given, keep_blank_values=True).items()}
        if operation == "start":
            return self._start(form)
        if sid not in self._jobs or self.forget:
            return refusal(404, "FATAL", "Unknown sid.")
        return getattr(self, f"_{operation}")(sid, form)  # type: ignore[no-any-return]

    def _start(self, form: dict[str, str]) -> Answer:
        if self.queue_full is None or self.queue_full > 0:
            self.queue_full = None if self.queue_full is None else self.queue_full - 1
            told = "Search not executed: The maximum number of concurrent historical searches for this user"
            return refusal(503, "WARN", f"{told} based on their role quota has been reached.")
        self.queries.append(form["search"])
        self.forms.append(form)
        failed = self.failing > 0
        self.failing -= failed
        try:
            rows = [] if failed else self._rows(form)
        except NotSpl as exc:
            return refusal(400, "FATAL", f"{exc}")
        sid = f"1764000000.{len(self.queries)}"
        self._jobs[sid] = _Job(rows, self.polls, failed=failed)
        return answer({"sid": sid}, 201)

    def _rows(self, form: Mapping[str, str]) -> list[Row]:
        for search in self.searches:
            rows = search(form)
            if rows is not None:
                return rows
        earliest, latest = float(form["earliest_time"]), float(form["latest_time"])
        first = float(form.get("index_earliest", 0))
        last = float(form.get("index_latest", 1e12))
        seen = [
            each for each in self.events if earliest <= each.time < latest and first <= each.indexed < last
        ]
        return run(form["search"], seen)[: int(form["max_count"])]

    def _state(self, sid: str, form: Mapping[str, str]) -> Answer:
        job = self._jobs[sid]
        if job.unready < self.unready:
            job.unready += 1
            return Answer(204)
        running = job.polls is None or job.polls > 0
        if job.polls:
            job.polls -= 1
        state = "RUNNING" if running else "FAILED" if job.failed else "DONE"
        told = [("FATAL", "Search auto-canceled: the disk is full")] if job.failed else self.messages
        content = {
            "sid": sid,
            "dispatchState": state,
            "isDone": state == "DONE" or (job.failed and not running),
            "isFailed": job.failed and not running,
            "isFinalized": self.finalized,
            "resultCount": len(job.rows) if not running else 0,
            "messages": [{"type": kind, "text": text} for kind, text in (told if not running else [])],
        }
        return answer({"entry": [{"name": "a search", "content": content}]})

    def _results(self, sid: str, form: Mapping[str, str]) -> Answer:
        if self.results_unready:
            self.results_unready -= 1
            return Answer(204)
        rows = self._jobs[sid].rows
        first = int(form.get("offset", 0))
        page = rows[: len(rows) - self.swallow][first : first + min(self.page, int(form.get("count", 100)))]
        return answer({"preview": False, "init_offset": first, "messages": [], "results": page})

    def _control(self, sid: str, form: Mapping[str, str]) -> Answer:
        self.cancelled.append(sid)
        del self._jobs[sid]
        return answer({"messages": [{"type": "INFO", "text": "Search job cancelled."}]})


def answer(body: object, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def refusal(status: int, kind: str, text: str) -> Answer:
    """A refusal, as Splunk writes it."""
    return answer({"messages": [{"type": kind, "text": text}]}, status)


def _checked(seen: Seen) -> str:
    """Why a request is not as documented; "" when it is."""
    parts = urlsplit(seen.path)
    request = MockRequest(
        "http://splunk",
        seen.method.lower(),
        parts.path,
        args={name: values[0] for name, values in parse_qs(parts.query).items()},
        headers=dict(seen.headers),
        data=seen.body or None,
        content_type=seen.headers.get("content-type", "").partition(";")[0],
    )
    try:
        _CHECKER.validate_request(request)
    except OpenAPIError as exc:
        return f"{type(exc).__name__}: {exc.__cause__ or exc}"
    return ""
