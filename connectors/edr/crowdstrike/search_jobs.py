"""NG-SIEM searches: started, polled until done, stopped when given up.

POST /humio/api/v1/repositories/{repository}/queryjobs gives an id; GET on it gives the rows and `done`;
DELETE stops it, and so do 90 s without a poll (https://library.humio.com/logscale-api/api-search-query.html).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.falcon import Falcon
from connectors.edr.crowdstrike.reading_proof import doubt
from connectors.edr.crowdstrike.refusals import Scope
from connectors.errors import BadResponse, ConnectorError, NotFound, QueryFailed, Rejected, TimedOut
from connectors.http.deadline import Deadline

_log = logging.getLogger(__name__)

#: Seconds before the first poll; multiplied by `_SLOWER` before each further one, at most `LONGEST_PAUSE_S`.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 4.0
_SLOWER = 1.6

#: Rows of one answer, and of a whole search: no head or tail gives more (queries.MOST_ROWS). What a server
#: that ignores the offset repeats for ever ends here too.
PAGE_ROWS = 500
MOST_ROWS = 10_000

#: Seconds to stop a job that is given up, when the deadline has passed.
STOP_S = 3.0

#: Warnings of a job that are kept, and characters of each.
_MOST_WARNINGS = 3
_LONGEST_WARNING = 200

type Row = Mapping[str, object]


class Found(NamedTuple):
    """What a search found.

    Attributes:
        rows: as Falcon gave them.
        warnings: why it may not be all.
        truncated: True where MOST_ROWS were read, and more may be there.
    """

    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()
    truncated: bool = False


class SearchJobs:
    """Runs searches in one repository."""

    def __init__(
        self,
        falcon: Falcon,
        repository: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._falcon = falcon
        self._repository = repository
        self._sleep = sleep
        self._monotonic = monotonic

    def find(
        self,
        search: str,
        *,
        start: datetime,
        end: datetime,
        fits: Callable[[Row], bool],
        deadline: Deadline,
    ) -> Found:
        """The rows of a search, MOST_ROWS at most.

        Args:
            search: CQL.
            start, end: of the time searched.
            fits: whether a row is one that was asked for. One that is not means that the search was misread.
            deadline: for all of it; the job is stopped when it passes.

        Raises:
            QueryFailed: refused, cancelled, or not read as it was written.
            TimedOut: not done before the deadline.
            ConnectorError: as Falcon.ask.
        """
        job = self._start(search, start=start, end=end, deadline=deadline)
        finished = False
        try:
            answer = self._done(job, deadline)
            finished = True
            rows = _rows(answer)
            why = doubt(search, answer, rows=len(rows))
            if not why and not all(fits(row) for row in rows):
                why = "rows that were not asked for"
            if why:
                raise QueryFailed(CONNECTOR, f"the search cannot be relied on: {why}")
            while rows and len(rows) % PAGE_ROWS == 0 and len(rows) < MOST_ROWS:
                more = _rows(self._poll(job, deadline, offset=len(rows)))
                if not more:
                    break
                if not all(fits(row) for row in more):
                    raise QueryFailed(
                        CONNECTOR, "the search cannot be relied on: rows that were not asked for"
                    )
                rows += more
            cut = len(rows) >= MOST_ROWS
            told = (f"only {MOST_ROWS:,} rows were read",) if cut else ()
            return Found(rows[:MOST_ROWS], (*_warnings(answer), *told), truncated=cut)
        finally:
            if not finished:
                self._stop(job)

    def _start(self, search: str, *, start: datetime, end: datetime, deadline: Deadline) -> str:
        body = {
            "queryString": search,
            "start": int(start.timestamp() * 1000),
            "end": int(end.timestamp() * 1000),
            "isLive": False,
        }
        try:
            answer = self._falcon.ask(
                Scope.SEARCH_WRITE,
                lambda services: services.searches.start_search(repository=self._repository, search=body),
                deadline=deadline,
            )
        except Rejected as exc:
            if type(exc) is not Rejected:
                raise
            raise QueryFailed(CONNECTOR, f"the search was refused: {exc.message}") from exc
        job = answer.get("id")
        if not isinstance(job, str) or not job:
            raise BadResponse(CONNECTOR, "a search was started and has no id")
        return job

    def _done(self, job: str, deadline: Deadline) -> Mapping[str, Any]:
        pause = FIRST_PAUSE_S
        while True:
            wait = min(pause, deadline.left())
            if wait > 0:
                self._sleep(wait)
            if deadline.passed:
                raise TimedOut(CONNECTOR, "the search was not done before the deadline; it was stopped")
            answer = self._poll(job, deadline, offset=0)
            if answer.get("cancelled") is True:
                raise QueryFailed(CONNECTOR, "the search was cancelled by Falcon")
            if answer.get("done") is True:
                return answer
            if "done" not in answer:
                raise BadResponse(CONNECTOR, "the answer of a search does not say whether it is done")
            pause = min(LONGEST_PAUSE_S, pause * _SLOWER)

    def _poll(self, job: str, deadline: Deadline, *, offset: int) -> Mapping[str, Any]:
        page = {"paginationLimit": PAGE_ROWS, "paginationOffset": offset}
        try:
            return self._falcon.ask(
                Scope.SEARCH_READ,
                lambda services: services.searches.get_search_status(
                    repository=self._repository, search_id=job, parameters=page
                ),
                deadline=deadline,
            )
        except NotFound as exc:
            raise QueryFailed(CONNECTOR, "Falcon has dropped the search") from exc

    def _stop(self, job: str) -> None:
        try:
            self._falcon.ask(
                Scope.SEARCH_WRITE,
                lambda services: services.searches.stop_search(repository=self._repository, search_id=job),
                deadline=Deadline.after(STOP_S, clock=self._monotonic),
            )
        except ConnectorError as exc:
            # It ends by itself 90 s after the last poll; what went wrong before is what counts.
            _log.info("a search was not stopped: %s", exc)


def _rows(answer: Mapping[str, Any]) -> tuple[Row, ...]:
    events = answer.get("events")
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise BadResponse(CONNECTOR, "the answer of a search has no list of events")
    return tuple(events)


def _warnings(answer: Mapping[str, Any]) -> tuple[str, ...]:
    meta = answer.get("metaData")
    given = [
        *_listed(answer.get("warnings")),
        *_listed(meta.get("warnings") if isinstance(meta, Mapping) else None),
    ]
    said = (str(each.get("message") or "") if isinstance(each, Mapping) else str(each) for each in given)
    plain = ("".join(c if c.isprintable() else " " for c in text[:_LONGEST_WARNING]) for text in said)
    return tuple(text for text in plain if text.strip())[:_MOST_WARNINGS]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
