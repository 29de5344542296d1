"""Searches in Elasticsearch: whole answers, or a word on what is missing of them.

An answer of HTTP 200 may hold less than there is: `timed_out`, `_shards.failed`, `_clusters` that were
skipped. And a wildcard that matches nothing the API key may read is not refused: it is searched in no
shard at all (https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search).

Pages: https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results. One page needs
no point in time; where it is full, one is opened, read from the start with search_after, and closed whatever
happens.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from pydantic import SecretStr

from connectors.edr.elastic import queries, refusals
from connectors.edr.elastic.queries import Body, Question
from connectors.edr.elastic.settings import ElasticSettings
from connectors.errors import BadResponse, ConnectorError, QueryFailed
from connectors.http.call import Call
from connectors.http.client import Http
from connectors.http.deadline import Deadline

_log = logging.getLogger(__name__)

type Row = Mapping[str, Any]

#: Rows of one page; Elasticsearch gives 10,000 at most (index.max_result_window).
PAGE_ROWS = 1000

#: Largest page that is read, in bytes.
MOST_BYTES = 32 * 1024 * 1024

#: How long Elasticsearch keeps a point in time that is not used, and seconds to close one.
KEEP_ALIVE = "1m"
_CLOSING_S = 5.0

#: Searches are recorded up to this length.
_LONGEST_RECORD = 2000


class Found(NamedTuple):
    """What a search gave.

    Attributes:
        rows: the documents, each with `_index` and `_id`.
        truncated: True when there are more than were asked for.
        partial: why something may be missing that fits; "" when the answer is whole.
        shards: how many were searched; 0 is nothing to search in.
        record: the search, for the record.
    """

    rows: tuple[Row, ...]
    truncated: bool
    partial: str
    shards: int
    record: str


class Search:
    """Asks Elasticsearch with one API key."""

    def __init__(self, http: Http, settings: ElasticSettings, key: SecretStr) -> None:
        """Ask nothing yet."""
        self._http = http
        self._base = settings.elasticsearch_url.rstrip("/")
        self._namespace = settings.namespace
        self._auth = {"Authorization": SecretStr(f"ApiKey {key.get_secret_value()}")}

    def whole(self, question: Question, *, deadline: Deadline) -> Found:
        """All that fits, as far as `question.most`.

        Raises:
            QueryFailed: the answer is not whole.
            PermissionMissing: there is nothing to search in.
        """
        found = self.find(question, deadline=deadline)
        if found.partial:
            raise QueryFailed(refusals.CONNECTOR, f"the answer is not whole: {found.partial}")
        if not found.shards:
            raise refusals.no_read(self.names(question))
        return found

    def find(self, question: Question, *, deadline: Deadline) -> Found:
        """What fits, perhaps not all: see Found.

        Raises:
            QueryFailed: the search was refused, or not whole and without a row: that is not "none".
        """
        names = self.names(question)
        size = min(question.most, PAGE_ROWS)
        answer = self._ask(f"/{names}/_search", names, {**question.body, "size": size}, deadline)
        rows = _rows(answer)
        pages: list[Body] = [answer]
        truncated = False
        if question.most and len(rows) >= size:
            if "collapse" in question.body:
                truncated = True  # the total counts documents, not groups
            elif size == question.most:
                total = _total(answer)
                truncated = total is None or total > len(rows)
            else:
                rows, pages, truncated = self._pages(names, question, deadline)
        partial = next((why for why in map(_missing, pages) if why), "")
        if partial and not rows:
            raise QueryFailed(refusals.CONNECTOR, f"the answer is not whole: {partial}")
        record = f"{names} {orjson.dumps(question.body['query']).decode()}"
        if len(record) > _LONGEST_RECORD:
            record = f"{record[:_LONGEST_RECORD]}..."
        notes = [f"[{partial}]"] if partial else []
        notes += [f"[first {len(rows):,} only]"] if truncated else []
        return Found(tuple(rows), truncated, partial, _shards(answer), " ".join([record, *notes]))

    def names(self, question: Question) -> str:
        """The data streams that a question is about."""
        return queries.indices(question.kinds, self._namespace)

    def _pages(
        self, names: str, question: Question, deadline: Deadline
    ) -> tuple[list[Row], list[Body], bool]:
        """All pages from one point in time, which is closed in the end."""
        opened = self._ask(f"/{names}/_pit", names, None, deadline, {"keep_alive": KEEP_ALIVE})
        pit = _pit_id(opened, "id")
        rows: list[Row] = []
        pages: list[Body] = []
        after: object = None
        try:
            while len(rows) <= question.most:
                body: Body = {
                    **question.body,
                    "size": PAGE_ROWS,
                    "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
                }
                if after is not None:
                    body["search_after"] = after
                answer = self._ask("/_search", names, body, deadline)
                page = _rows(answer)
                # Each answer may bring another id; the latest is the one that counts.
                pit = _pit_id(answer, "pit_id") if "pit_id" in answer else pit
                rows += page
                # Of a page only what it says of itself is still needed.
                pages.append({name: value for name, value in answer.items() if name != "hits"})
                if len(page) < PAGE_ROWS:
                    break
                after = answer["hits"]["hits"][-1].get("sort")
                if not isinstance(after, list):
                    raise BadResponse(refusals.CONNECTOR, "a page without the place where the next begins")
        finally:
            self._close(pit, names, Deadline.after(_CLOSING_S, clock=deadline.clock))
        return rows[: question.most], pages, len(rows) > question.most

    def _close(self, pit: str, names: str, deadline: Deadline) -> None:
        """Close a point in time. It would end by itself; a failure to close it changes no answer."""
        call = Call(
            refusals.CONNECTOR,
            f"{self._base}/_pit",
            method="DELETE",
            body={"id": pit},
            secret_headers=self._auth,
            refused=refusals.of_elasticsearch(names),
        )
        try:
            self._http.send(call, deadline=deadline)
        except ConnectorError as exc:
            _log.info("elastic: a point in time was not closed: %s", exc.message)

    def _ask(
        self,
        path: str,
        names: str,
        body: Body | None,
        deadline: Deadline,
        params: Mapping[str, str] | None = None,
    ) -> Body:
        in_names = path.startswith(f"/{names}/")
        call = Call(
            refusals.CONNECTOR,
            f"{self._base}{path}",
            method="POST",
            params={**({"ignore_unavailable": "true"} if in_names else {}), **(params or {})},
            body=body,
            secret_headers=self._auth,
            max_body_bytes=MOST_BYTES,
            refused=refusals.of_elasticsearch(names),
        )
        answer = self._http.send(call, deadline=deadline).json()
        if not isinstance(answer, dict):
            raise BadResponse(refusals.CONNECTOR, "the answer to a search is not an object")
        return answer


def _rows(answer: Body) -> list[Row]:
    hits = answer.get("hits")
    listed = hits.get("hits") if isinstance(hits, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BadResponse(refusals.CONNECTOR, "the answer to a search has no hits")
    rows: list[Row] = []
    for each in listed:
        source = each.get("_source")
        if not isinstance(source, dict):
            raise BadResponse(refusals.CONNECTOR, "a hit without a document")
        rows.append({**source, "_index": each.get("_index"), "_id": each.get("_id")})
    return rows


def _total(answer: Body) -> int | None:
    total = answer["hits"].get("total")
    value = total.get("value") if isinstance(total, dict) else total
    return value if isinstance(value, int) else None


def _shards(answer: Body) -> int:
    shards = answer.get("_shards")
    total = shards.get("total") if isinstance(shards, dict) else None
    if not isinstance(total, int):
        raise BadResponse(refusals.CONNECTOR, "the answer to a search does not tell its shards")
    return total


def _missing(answer: Body) -> str:
    """Why an answer is not whole; "" when it is. Shards that are skipped cannot hold what is asked for."""
    if answer.get("timed_out"):
        return "the search timed out"
    shards = answer.get("_shards")
    failed = shards.get("failed") if isinstance(shards, dict) else None
    if failed:
        return f"{failed} of {shards.get('total')} shards failed" if isinstance(shards, dict) else ""
    clusters = answer.get("_clusters")
    if isinstance(clusters, dict):
        out = sum(
            value
            for name in ("skipped", "failed", "partial")
            if isinstance(value := clusters.get(name), int) and value > 0
        )
        if out:
            return f"{out} of {clusters.get('total')} clusters did not answer in full"
    return ""


def _pit_id(answer: Body, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise BadResponse(refusals.CONNECTOR, "no id of a point in time")
    return value
