"""Search jobs: started, polled until done, read page by page, cancelled when given up.

POST search/v2/jobs gives a sid; GET on it the state (204 while it is not ready); POST on its results a page
(GET before version 2); POST action=cancel on its control stops it. Older Splunk knows search/jobs only.
https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference (search endpoints)
https://github.com/splunk/splunk-sdk-python (splunklib/client.py: Jobs, Job)
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from connectors.clock import utc_now
from connectors.errors import (
    BadResponse,
    ConnectorError,
    NotFound,
    QueryFailed,
    RateLimited,
    Rejected,
    TimedOut,
)
from connectors.http.call import Refused, Reply
from connectors.http.deadline import Deadline
from connectors.query.path import segment
from connectors.siem.splunk.rest import (
    Message,
    SplunkRest,
    because,
    entry_of,
    is_true,
    messages_of,
    record_of,
    sized,
)

_log = logging.getLogger(__name__)

#: Seconds before the first poll; multiplied by `_SLOWER` before each further one, at most `LONGEST_PAUSE_S`.
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 4.0
_SLOWER = 1.6

#: Rows asked for at a time. Splunk gives fewer where its limits.conf says so.
PAGE_ROWS = 1000

#: Seconds without a poll after which Splunk itself cancels a job, for those whose start went unanswered.
AUTO_CANCEL_S = 90

#: Seconds that Splunk keeps a finished job; its default is a day, and jobs count against a disk quota.
KEPT_S = 120

#: Seconds to cancel a job that is given up, when the deadline has passed.
STOP_S = 3.0

#: By index time: events are found whose own time is up to this much after they were indexed (clocks), and
#: any time before.
AHEAD = timedelta(days=1)

#: Asks for Splunk's own time.
NOW = "| makeresults | eval splunk_now=now() | table splunk_now"

#: Times that are taken for Splunk's: a poll of another would find nothing and remember it (2000 to 2400).
_OLDEST_NOW, _NEWEST_NOW = 946_684_800, 13_569_465_600

_EPOCH = datetime.fromtimestamp(0, UTC)

SEARCH = "search"
V2 = "search/v2/jobs"
V1 = "search/jobs"

#: What a Splunk that runs as many searches as it may answers to one more.
_BUSY_STATUS = 503

_SID = re.compile(r"[\x21-\x7e]{1,500}")
_TROUBLE = frozenset({"ERROR", "FATAL"})
_NO_CONTENT = 204


class Rows(NamedTuple):
    """What a search found.

    Attributes:
        rows: as Splunk gave them; a multivalue field is a list of texts.
        truncated: True when there are more than were asked for, or Splunk gave fewer than it said.
        partial: True when Splunk itself says that it is not all: finalized early, or an error on the way,
            such as a search peer that did not answer.
        sid: the job's id, for the record.
        query: what was run.
        messages: Splunk's warnings and errors, as given and cut.
    """

    rows: tuple[dict[str, object], ...]
    truncated: bool
    sid: str
    query: str
    messages: tuple[Message, ...] = ()
    partial: bool = False


class _Busy(Rejected):
    """No search can be started now."""


class SearchJobs:
    """Runs searches. Safe to use from many threads at once."""

    def __init__(
        self,
        rest: SplunkRest,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._jobs = ""  # V2 or V1, once one of them has answered

    def rows(
        self,
        spl: str,
        *,
        earliest: datetime,
        latest: datetime,
        max_rows: int,
        deadline: Deadline,
        index_time: bool = False,
        all_fields: bool = False,
    ) -> Rows:
        """The rows of a search, `max_rows` at most.

        Args:
            spl: begins with "search" or a pipe; text from outside in it is quoted (connectors.query.spl).
            earliest: of the events' time, included.
            latest: of the events' time, not included.
            max_rows: further rows are left out, and `truncated` says so.
            deadline: for all of it; the job is cancelled when it passes.
            index_time: True where earliest and latest are of the time of indexing.
            all_fields: True extracts every field; False only those that the search names, which is quicker.

        Raises:
            QueryFailed: refused, failed or cancelled by Splunk, with its reason.
            TimedOut: not done before the deadline.
            RateLimited: Splunk ran as many searches as it may until the deadline.
            AuthRejected: the token.
            PermissionMissing: the token's user may not search.
            ConnectorError: as Http.send.
        """
        bounded = f"{spl} | head {max_rows + 1}"
        form = {
            "search": bounded,
            "exec_mode": "normal",
            "max_count": str(max_rows + 1),
            "auto_cancel": str(AUTO_CANCEL_S),
            "timeout": str(KEPT_S),
            "adhoc_search_level": "verbose" if all_fields else "fast",
            **_bounds(earliest, latest, index_time=index_time),
        }
        jobs, sid = self._start(form, deadline)
        job = f"{jobs}/{segment(sid)}"
        finished = False
        try:
            state = self._done(job, deadline)
            messages = messages_of(state)
            rows = self._pages(job, sized(state.get("resultCount")), max_rows + 1, deadline)
            finished = True
        finally:
            if not finished:
                self._cancel(job)
        known = sized(state.get("resultCount"))
        cut = len(rows) > max_rows or (known is not None and len(rows) < min(known, max_rows + 1))
        partial = self._flag(state, "isFinalized") or any(each.kind in _TROUBLE for each in messages)
        told = tuple(each for each in messages if each.kind in _TROUBLE or each.kind == "WARN")
        return Rows(tuple(rows[:max_rows]), cut, sid, bounded, told, partial)

    def now(self, deadline: Deadline) -> datetime:
        """Splunk's own time, in whole seconds: that of its search head when the search started.

        Events are dated by the indexers, which keep the search head's time or are not searched well at all;
        this machine's clock may be another, and so may that of a proxy that dates the answers.

        Raises:
            BadResponse: it does not tell.
            ConnectorError: as `rows`.
        """
        # It reads no events; bounds of this machine's clock could be none that Splunk takes.
        found = self.rows(NOW, earliest=_EPOCH, latest=_EPOCH + AHEAD, max_rows=1, deadline=deadline)
        told = found.rows[0].get("splunk_now") if len(found.rows) == 1 else None
        seconds = sized(told.partition(".")[0] if isinstance(told, str) else told)
        if seconds is None or not _OLDEST_NOW <= seconds < _NEWEST_NOW:
            raise BadResponse(self._rest.source, "Splunk does not tell its own time")
        return datetime.fromtimestamp(seconds, UTC)

    # --- start -----------------------------------------------------------------------------------

    def _start(self, form: Mapping[str, str], deadline: Deadline) -> tuple[str, str]:
        """The endpoint that took the search, and the job's id."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return self._started(form, deadline)
            except _Busy as exc:
                if pause >= deadline.left():
                    message = f"{exc.message}; it stayed so until the deadline"
                    raise RateLimited(self._rest.source, message) from exc
            self._sleep(pause)
            pause = min(LONGEST_PAUSE_S, pause * _SLOWER)

    def _started(self, form: Mapping[str, str], deadline: Deadline) -> tuple[str, str]:
        if self._jobs != V1:
            try:
                sid = self._posted(V2, form, deadline)
            except NotFound:
                if self._jobs == V2:
                    raise
            else:
                self._jobs = V2
                return V2, sid
        try:
            sid = self._posted(V1, form, deadline)
        except NotFound as exc:
            message = f"there are no search jobs here: look at base_url, app and owner. {exc.message}"
            raise NotFound(self._rest.source, message) from exc
        self._jobs = V1
        return V1, sid

    def _posted(self, jobs: str, form: Mapping[str, str], deadline: Deadline) -> str:
        # Sent again it starts a second job, which harms nobody and is cancelled by auto_cancel.
        reply = self._rest.post(
            jobs, form, deadline, repeatable=True, scope=SEARCH, refused=self._read_refusal
        )
        sid = record_of(reply).get("sid")
        if not isinstance(sid, str) or sid in {"", ".", ".."} or not _SID.fullmatch(sid):
            raise BadResponse(self._rest.source, "a search was started and has no id")
        return sid

    def _read_refusal(self, answer: Refused) -> ConnectorError | None:
        said = messages_of(answer.json())
        if answer.status == _BUSY_STATUS and said:
            # A proxy's 503 says nothing in Splunk's own form, and is left to the usual attempts.
            return _Busy(self._rest.source, f"no search can be started now{because(said)}")
        if answer.status == 400:
            return QueryFailed(self._rest.source, f"the search was refused{because(said)}")
        return None

    # --- until it is done ------------------------------------------------------------------------

    def _done(self, job: str, deadline: Deadline) -> Mapping[str, object]:
        """The state of the finished job."""
        pause = FIRST_PAUSE_S
        while True:
            self._wait(pause, deadline)
            pause = min(LONGEST_PAUSE_S, pause * _SLOWER)
            reply = self._of_job(lambda: self._rest.get(job, {}, deadline, scope=SEARCH))
            if reply.status == _NO_CONTENT:
                continue
            state = entry_of(reply)
            said = messages_of(state)
            dispatch = state.get("dispatchState")
            fatal = any(each.kind == "FATAL" for each in said)
            if self._flag(state, "isFailed") or dispatch == "FAILED" or fatal:
                raise QueryFailed(self._rest.source, f"the search failed{because(said)}")
            if self._flag(state, "isDone"):
                return state
            if "isDone" not in state and not isinstance(dispatch, str):
                raise BadResponse(self._rest.source, "a search job that does not say whether it is done")

    def _pages(
        self, job: str, expected: int | None, most: int, deadline: Deadline
    ) -> list[dict[str, object]]:
        """Results up to `most`; fewer only where Splunk has no more."""
        rows: list[dict[str, object]] = []
        pause = FIRST_PAUSE_S
        wanted = most if expected is None else min(expected, most)
        while len(rows) < wanted:
            page = {"count": str(min(PAGE_ROWS, wanted - len(rows))), "offset": str(len(rows))}
            reply = self._of_job(lambda page=page: self._page(job, page, deadline))  # type: ignore[misc]
            body = None if reply.status == _NO_CONTENT else record_of(reply)
            if body is None or self._flag(body, "preview"):
                self._wait(pause, deadline)
                pause = min(LONGEST_PAUSE_S, pause * _SLOWER)
                continue
            given = body.get("results")
            if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
                raise BadResponse(self._rest.source, "results that are no list of rows")
            if not given:
                break
            if rows and _begins_again(rows, given, body):
                message = "a page of results repeats the first one, so the others cannot be had"
                raise BadResponse(self._rest.source, message)
            rows += given
        return rows

    def _page(self, job: str, page: Mapping[str, str], deadline: Deadline) -> Reply:
        results = f"{job}/results"
        if job.startswith(V2):
            return self._rest.post(results, page, deadline, repeatable=True, scope=SEARCH)
        return self._rest.get(results, page, deadline, scope=SEARCH)

    def _flag(self, answer: Mapping[str, object], name: str) -> bool:
        return is_true(answer.get(name), name, source=self._rest.source)

    def _of_job(self, asked: Callable[[], Reply]) -> Reply:
        try:
            return asked()
        except NotFound as exc:
            message = f"the job is gone: cancelled or expired. {exc.message}"
            raise QueryFailed(self._rest.source, message) from exc

    def _wait(self, pause: float, deadline: Deadline) -> None:
        wait = min(pause, deadline.left())
        if wait > 0:
            self._sleep(wait)
        if deadline.passed:
            message = "the search was not done before the deadline; it was cancelled"
            raise TimedOut(self._rest.source, message)

    def _cancel(self, job: str) -> None:
        try:
            self._rest.post(
                f"{job}/control",
                {"action": "cancel"},
                Deadline.after(STOP_S, clock=self._monotonic),
                repeatable=True,
                scope=SEARCH,
            )
        except ConnectorError as exc:
            # Splunk does it itself after AUTO_CANCEL_S; what went wrong before is what counts.
            _log.info("a search job was not cancelled: %s", exc)


def _begins_again(
    rows: Sequence[Mapping[str, object]], page: Sequence[object], answer: Mapping[str, object]
) -> bool:
    """Whether a page is not the one after `rows`, but the first one again: the offset was ignored."""
    first = sized(answer.get("init_offset"))
    if first is not None and first != len(rows):
        return True
    # Where all rows are alike, that pages are alike says nothing.
    return list(rows[: len(page)]) == list(page) and rows[0] != rows[-1]


def _bounds(earliest: datetime, latest: datetime, *, index_time: bool) -> dict[str, str]:
    first, last = epoch(earliest), epoch(latest)
    if not index_time:
        return {"earliest_time": first, "latest_time": last}
    return {
        "index_earliest": first,
        "index_latest": last,
        "earliest_time": "0",
        "latest_time": epoch(latest + AHEAD),
    }


def epoch(when: datetime) -> str:
    """Seconds since 1970 with milliseconds, as Splunk takes a time; 0 for one before."""
    return f"{max(0.0, when.timestamp()):.3f}"
