"""A Splunk on this machine: search jobs, in version 2 and version 1, over Sysmon's events and over a SIEM.

Requests are held against splunk_openapi.py. Answers follow the REST API reference and splunk-sdk-python. A
search that cannot be parsed is refused with 400; one that is too many with 503, as seen in
https://github.com/hasadna/open-bus/issues/177. What is no search job is answered by splunk_siem.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from openapi_core import OpenAPI

from connectors.edr.sysmon_splunk.settings import SysmonSplunkSettings
from connectors.siem.splunk.settings import SplunkSettings
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.fakes.splunk_answers import answer, fields, refusal, undocumented
from tests.fakes.splunk_openapi import DOCUMENT
from tests.fakes.splunk_siem import SiemSide
from tests.fakes.splunk_spl import Event, NotSpl, Row, run

#: Planted; looked for in everything that comes out.
TOKEN = "planted-splunk-token-0123456789"
HEC_TOKEN = "planted-hec-token-0123456789"

_CHECKER = OpenAPI.from_dict(DOCUMENT)
_JOBS = re.compile(r"/servicesNS/[^/]+/[^/]+/search/(v2/)?jobs(?:/([^/]+)(?:/(results|control))?)?")


class _Job:
    def __init__(
        self, rows: list[Row], polls: int | None, messages: list[tuple[str, str]], *, failed: bool
    ) -> None:
        self.rows = rows
        self.polls = polls
        self.messages = messages
        self.failed = failed
        self.unready = 0


class FakeSplunk(SiemSide, FakeServer):
    """One Splunk. The switches are attributes, those of SiemSide among them; set them at any time.

    Attributes:
        events: Sysmon's, as they are indexed.
        calls: how often each operation was asked: start, state, results, control, and those of SiemSide.
        queries: the SPL that was run.
        forms: of each start.
        cancelled: ids of jobs that were cancelled.
        token: the right one.
        capable: False lacks the capability `search`.
        peer_down: True leaves half of the rows out, with the message that Splunk gives.
        finds_at_most: rows that a job has when it is ended early; None is all.
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
        SiemSide.__init__(self, clock)
        self.events = list(events)
        self.queries: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.cancelled: list[str] = []
        self.token = TOKEN
        self.peer_down = False
        self.finds_at_most: int | None = None
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
        self._jobs: dict[str, _Job] = {}
        FakeServer.__init__(self, decide=self._answer)

    @property
    def capable(self) -> bool:
        return "search" in self.capabilities

    @capable.setter
    def capable(self, able: bool) -> None:
        self.capabilities = [each for each in self.capabilities if each != "search"]
        self.capabilities += ["search"] if able else []

    def settings(self, *, hec: bool = False, **changes: Any) -> SplunkSettings:
        """Settings of a SIEM connector to this Splunk; `hec` names its event collector."""
        return SplunkSettings(**{"base_url": self.url, "hec_url": self.url if hec else "", **changes})

    def edr_settings(self, **changes: Any) -> SysmonSplunkSettings:
        """Settings of the EDR connector to this Splunk."""
        return SysmonSplunkSettings(**{"base_url": self.url, **changes})

    def _answer(self, seen: Seen) -> Answer:
        path = urlsplit(seen.path).path
        collector = path.startswith("/services/collector/")
        wanted = f"Splunk {HEC_TOKEN}" if collector else f"Bearer {self.token}"
        if seen.headers.get("authorization") != wanted:
            return refusal(401, "WARN", "call not properly authenticated")
        found = _JOBS.fullmatch(path)
        if found is None:
            return self.siem_answer(seen)
        if found[1] and self.v1_only:
            return refusal(404, "ERROR", "Not Found")
        refused = undocumented(_CHECKER, seen)
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
        form = fields(given)
        if operation == "start":
            return self._start(form)
        if sid not in self._jobs or self.forget:
            return refusal(404, "FATAL", "Unknown sid.")
        return getattr(self, f"_{operation}")(sid, form)  # type: ignore[no-any-return]

    def _start(self, form: Mapping[str, str]) -> Answer:
        if self.queue_full is None or self.queue_full > 0:
            self.queue_full = None if self.queue_full is None else self.queue_full - 1
            told = "Search not executed: The maximum number of concurrent historical searches for this user"
            return refusal(503, "WARN", f"{told} based on their role quota has been reached.")
        self.queries.append(form["search"])
        self.forms.append(dict(form))
        failed = self.failing > 0
        self.failing -= failed
        try:
            rows = [] if failed else self._rows(form)
        except NotSpl as exc:
            return refusal(400, "FATAL", f"{exc}")
        sid = f"1764000000.{len(self.queries)}"
        messages = list(self.messages)
        if failed:
            told = "Search not executed: too little disk space is left, the disk is full"
            messages, rows = [("FATAL", told)], []
        elif self.peer_down and not form["search"].startswith("| makeresults"):  # that asks no peer
            messages += [("ERROR", "Unable to distribute to peer named idx2")]
            rows = rows[: len(rows) // 2]
        self._jobs[sid] = _Job(rows[: self.finds_at_most], self.polls, messages, failed=failed)
        return answer({"sid": sid}, 201)

    def _rows(self, form: Mapping[str, str]) -> list[Row]:
        rows = self.siem_rows(form)
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
        content = {
            "sid": sid,
            "dispatchState": state,
            "isDone": state == "DONE" or (job.failed and not running),
            "isFailed": job.failed and not running,
            "isFinalized": self.finalized,
            "resultCount": len(job.rows) if not running else 0,
            "messages": [
                {"type": kind, "text": text} for kind, text in (job.messages if not running else [])
            ],
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
