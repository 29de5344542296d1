"""Notables out of Splunk Enterprise Security: the next ones, or one by its id.

ES has no interface to read notables; they are searched, and the macro `notable` adds status, owner and
event_id (https://help.splunk.com/splunk-enterprise-security-7/api-reference/7.2/notable-event-endpoints/notable-event-api-reference).
Where the macro is not to be used the index is read, and event_id is made as ES makes it
(splunk/rba, docs: `event_hash=md5(_time._raw)`); status and owner are then unknown.

Text from outside is compared by `where` and nowhere else (connectors/query/spl.py says why).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.errors import Ambiguous, BadResponse, InputError, NotableError, NotFound, QueryFailed
from connectors.facts.notable import Notable
from connectors.http.deadline import Deadline
from connectors.query import spl
from connectors.siem.notable import (
    DERIVED,
    MAX_EVENT_ID,
    NotableSettings,
    RejectedNotable,
    notables_from_object,
)
from connectors.siem.notable_fields import ENRICHED_NAMES
from connectors.siem.splunk import checkpoint
from connectors.siem.splunk.checkpoint import Kind, Progress, moment, seconds
from connectors.siem.splunk.jobs import Rows, SearchJobs
from connectors.siem.splunk.rest import CONNECTOR, because
from connectors.siem.splunk.settings import SEARCH_NAMES

#: What a row has: the analytic's result, what ES adds, and the text to fall back on.
FIELDS = (
    *("event_id", "indexed", "search_name", "rule_name", "rule_title"),
    *("dvc", "dvc_nt_host", "dvc_dns", "dvc_ip", "Computer", "orig_host"),
    *("dest", "dest_host", "dest_nt_host", "dest_dns", "src", "src_host", "src_nt_host", "src_dns"),
    *("user", "User", "process_name", "process_exec", "process_path", "process_guid", "process_id"),
    *("src_ip", "dest_ip", "src_port", "dest_port", "direction", "count"),
    *("action", "app", "protocol", "protocol_version", "transport", "vendor_product"),
    *sorted(ENRICHED_NAMES),
    *("firstTime", "lastTime", "info_min_time", "info_max_time", "orig_sid", "orig_rid"),
    *("risk_score", "urgency", "status", "status_label", "status_default", "owner", "disposition"),
    *(
        "finding_id",
        "finding_score",
        "entity",
        "entity_type",
        "risk_object",
        "risk_object_type",
        "risk_message",
    ),
    "_raw",
)

#: What the macro adds from the review; in the index itself it is that of the first moment, and out of date.
_REVIEWED = frozenset({"status", "status_label", "status_default", "owner", "disposition"})

_MADE_ID = (
    'eval indexer_guid=replace(_bkt,".*~(.+)","\\1"), event_hash=md5(_time._raw), '
    'event_id=coalesce(event_id, indexer_guid."@@".index."@@".event_hash)'
)

#: SID+RID, as Splunk's SOAR add-on names a notable before it has an event_id
#: (splunk-soar-connectors/splunk, splunk_consts.py: SPLUNK_RID_SID_NOTABLE_QUERY).
_SID_RID = re.compile(r"(?P<sid>[A-Za-z0-9_.:@-]{1,255})\+(?P<rid>[0-9]{1,18}(?:\.[0-9]{1,18})?)")

#: A finding of ES 8 tells its time in its id.
_FINDING = re.compile(r"[0-9A-Fa-f-]{36}@@notable@@time(?P<epoch>[0-9]{9,11})")

#: What of a row stays as it is, whatever is done to the notable.
_LASTING = ("indexed", "event_id", "search_name", "orig_sid", "orig_rid", "_raw")

#: Kinds of messages after which rows may be missing.
_TROUBLE = frozenset({"ERROR", "FATAL"})

#: Most events of one page.
MAX_LIMIT = 5_000

#: Rows of one notable at most, and of the notables that one result of a search made.
_FEW = 10

#: Characters of an id that an error repeats.
_SHOWN = 160


class NotableStore(NamedTuple):
    """Where notables are and which are ours.

    Attributes:
        index_name: the index of notables.
        macro: True reads through ES's macro `notable`, which adds status and owner.
        search_names: names of the correlation searches; empty takes every notable.
        history: how far back one notable is looked for.
        first_look: how far back the first poll looks.
        overlap: how far each poll looks back; longer than an event needs to become searchable, and than
            the clocks of Splunk's indexers and its search head differ.
        reading: how times are read.
    """

    index_name: str = "notable"
    macro: bool = True
    search_names: tuple[str, ...] = SEARCH_NAMES
    history: timedelta = timedelta(days=90)
    first_look: timedelta = timedelta(hours=24)
    overlap: timedelta = timedelta(minutes=15)
    reading: NotableSettings = NotableSettings()


class Page(NamedTuple):
    """The next notables.

    Attributes:
        notables: in order of index time; an event with several destinations makes several.
        rejected: rows that make no notable, to be kept aside; they are not given again.
        progress: where to go on.
    """

    notables: tuple[Notable, ...]
    rejected: tuple[RejectedNotable, ...]
    progress: Progress


def poll_query(store: NotableStore, since: int, until: int) -> str:
    """SPL for the notables indexed from `since` on and before `until`, oldest first.

    Raises:
        InputError: the index or a search name cannot stand in a query.
    """
    named = ""
    if store.search_names:
        names = " OR ".join(f"search_name={spl.literal(name)}" for name in store.search_names)
        named = f" | where {names}"
    return (
        f"{_base(store)} | eval indexed=_indextime | where indexed>={since} AND indexed<{until}{named}"
        f" | table {_columns(store)} | sort 0 indexed, event_id"
    )


def by_id_query(store: NotableStore, event_id: str) -> str:
    """SPL for the notable of an event_id.

    Raises:
        InputError: the id cannot stand in a query.
    """
    return _lookup(store, f"event_id={spl.literal(event_id)}")


def by_job_query(store: NotableStore, sid: str, rid: str) -> str:
    """SPL for the notables that a search job (SID) made of one of its results (RID).

    Raises:
        InputError: an id cannot stand in a query.
    """
    job = f"(orig_sid={spl.literal(sid)} OR sid={spl.literal(sid)})"
    return _lookup(store, f"{job} AND (orig_rid={spl.literal(rid)} OR rid={spl.literal(rid)})")


def fetch(
    searches: SearchJobs,
    store: NotableStore,
    progress: Progress | None,
    *,
    limit: int,
    now: datetime,
    deadline: Deadline,
) -> Page:
    """The next notables; at most `limit` events of the index.

    Nothing moves on where the search fails: the same progress gives the same page again. Events that are
    indexed late are found while their index time lies inside the overlap. A row that is none of a notable
    (without an event_id, or with several) is rejected once and stops no other.

    Args:
        searches: runs the search.
        store: where notables are.
        progress: how far the last poll came; None for the first.
        limit: events at most.
        now: Splunk's own time (SearchJobs.now): index times are of its clock and not of this machine's.
        deadline: for all calls together.

    Raises:
        ConnectorError: the search failed, or did not see everything.
        InputError: the limit is below 1 or above MAX_LIMIT, or the progress lies ahead of Splunk's clock.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InputError("limit", f"is not between 1 and {MAX_LIMIT:,}")
    until = int(now.timestamp())
    overlap_s = int(store.overlap.total_seconds())
    since = progress.since if progress else until - int(store.first_look.total_seconds())
    seen = progress.seen if progress else {}
    if progress is not None:
        checkpoint.refuse_future(progress, until)
    if since >= until:  # Splunk's clock was set back a little
        return Page((), (), progress or Progress(Kind.NOTABLES, until, since, {}))
    most = limit + len(seen)
    found = searches.rows(
        poll_query(store, since, until),
        earliest=moment(since),
        latest=moment(until),
        max_rows=most,
        deadline=deadline,
        index_time=True,
    )
    refuse_partial(found, most)
    dated = _dated(found.rows, since, until, cut=found.truncated)
    fresh = [(each, when, row) for each, when, row in dated if checkpoint.digest(each) not in seen]
    taken = fresh[:limit]
    whole = len(taken) == len(fresh) and not found.truncated
    notables, rejected = _read([row for _, _, row in taken], store.reading)
    after = checkpoint.advanced(
        progress,
        kind=Kind.NOTABLES,
        given=[(each, when) for each, when, _ in taken],
        # All before `until` was given; else the last second may hold more.
        indexed=until if whole else taken[-1][1],
        overlap_s=overlap_s,
    )
    # No need to look back further than this look began.
    return Page(notables, rejected, after._replace(since=max(after.since, since)))


def refuse_long(event_id: str) -> None:
    """Refuse an id that is that of no notable, before anything is asked.

    Raises:
        InputError: it is too long.
    """
    if len(event_id) > MAX_EVENT_ID:
        raise InputError("event_id", f"is longer than {MAX_EVENT_ID:,} characters")


def find_row(
    searches: SearchJobs, store: NotableStore, event_id: str, *, now: datetime, deadline: Deadline
) -> Mapping[str, object]:
    """The row of one notable, by event_id, finding id or SID+RID.

    Raises:
        NotFound: there is none in the time that is looked through.
        QueryFailed: not everything could be searched.
        Ambiguous: a SID+RID made several notables.
        InputError: no query can hold the id.
    """
    refuse_long(event_id)
    if event_id.startswith(DERIVED):
        raise NotFound(CONNECTOR, "the notable came without an id of Splunk, so it cannot be found there")
    job = _SID_RID.fullmatch(event_id)
    query = by_job_query(store, job["sid"], job["rid"]) if job else by_id_query(store, event_id)
    earliest, latest = _span(store, event_id, now)
    found = searches.rows(query, earliest=earliest, latest=latest, max_rows=_FEW, deadline=deadline)
    refuse_partial(found, _FEW)
    rows = {each: row for row in found.rows if isinstance(each := row.get("event_id"), str) and each}
    if job:
        rows = {each: row for each, row in rows.items() if _made_by(row, job["sid"], job["rid"])}
    else:
        rows = {each: row for each, row in rows.items() if each == event_id}
    if not rows:
        days = store.history.days
        raise NotFound(CONNECTOR, f"no notable {event_id[:_SHOWN]!a} in the last {days} days")
    if len(rows) > 1:
        raise Ambiguous(
            CONNECTOR,
            f"{event_id[:_SHOWN]!a} made {len(rows)} notables",
            candidates=tuple(each[:_SHOWN] for each in rows),
        )
    return next(iter(rows.values()))


def of_event(
    searches: SearchJobs, store: NotableStore, event_id: str, *, now: datetime, deadline: Deadline
) -> tuple[Notable, ...]:
    """The notables of one event, by event_id, finding id or SID+RID.

    Raises:
        NotFound: there is none.
        Ambiguous: a SID+RID made several events.
        NotableError: it is there and unusable.
    """
    row = find_row(searches, store, event_id, now=now, deadline=deadline)
    notables, rejected = _read([row], store.reading)
    if rejected:
        raise rejected[0].error
    return notables


def refuse_partial(found: Rows, most: int) -> None:
    """Refuse rows that lack some for another reason than that no more than `most` were asked for.

    A search peer that did not answer, or a search that was finalized, leaves out rows anywhere: what is
    missing would be taken for what does not exist.

    Raises:
        QueryFailed: rows are missing.
    """
    grave = [each for each in found.messages if each.kind in _TROUBLE]
    if grave or found.partial or (found.truncated and len(found.rows) < most):
        raise QueryFailed(
            CONNECTOR, f"the search did not see everything, so nothing was taken{because(grave)}"
        )


def _base(store: NotableStore) -> str:
    if store.macro:
        return "search `notable`"
    return f"search {spl.term('index', store.index_name)} | {_MADE_ID}"


def _columns(store: NotableStore) -> str:
    return ", ".join(name for name in FIELDS if store.macro or name not in _REVIEWED)


def _lookup(store: NotableStore, condition: str) -> str:
    # The last comment: for notable_update, where the reviews cannot be read.
    # sid and rid: the row has to say itself that it is the one that was asked for.
    more = ", sid, rid" + (", comment" if store.macro else "")
    return f"{_base(store)} | where {condition} | eval indexed=_indextime | table {_columns(store)}{more}"


def _made_by(row: Mapping[str, object], sid: str, rid: str) -> bool:
    """Whether a row says itself that this result of this search job made it."""

    def says(names: tuple[str, str], wanted: str) -> bool:
        values = (row.get(name) for name in names)
        return any(wanted in (each if isinstance(each, list) else [each]) for each in values)

    return says(("orig_sid", "sid"), sid) and says(("orig_rid", "rid"), rid)


def _span(store: NotableStore, event_id: str, now: datetime) -> tuple[datetime, datetime]:
    """The span of event time to look through; narrow where the id tells the time."""
    finding = _FINDING.fullmatch(event_id)
    if finding:
        when = moment(int(finding["epoch"]))
        return when - timedelta(hours=1), when + timedelta(hours=1)
    return now - store.history, now + timedelta(days=1)  # this machine's clock may be behind


def _dated(
    rows: Sequence[Mapping[str, object]], since: int, until: int, *, cut: bool
) -> list[tuple[str, int, Mapping[str, object]]]:
    """Identity, index time and row, oldest first, each identity once.

    Raises:
        BadResponse: a row has no index time, or one that was not asked for, so that it could be neither given
            nor left out safely; or rows were cut off that are older than some that were not.
    """
    dated: dict[str, tuple[str, int, Mapping[str, object]]] = {}
    for row in rows:
        indexed = seconds(row.get("indexed"))
        if indexed is None:
            raise BadResponse(CONNECTOR, "a notable has no index time")
        if not since <= indexed < until:
            raise BadResponse(CONNECTOR, "a notable's index time lies outside of what was searched")
        identity = _identity(row)
        dated.setdefault(identity, (identity, indexed, row))
    times = [when for _, when, _ in dated.values()]
    if cut and times != sorted(times):
        raise BadResponse(CONNECTOR, "notables were cut off and are not in order of index time")
    return sorted(dated.values(), key=lambda each: (each[1], each[0]))


def _identity(row: Mapping[str, object]) -> str:
    """What a row is remembered by: its event_id; where that is none, what a review does not change."""
    if _has_id(row):
        return str(row["event_id"])
    lasting = [row.get(name) for name in _LASTING]
    return f"row:{json.dumps(lasting)}"


def _has_id(row: Mapping[str, object]) -> bool:
    event_id = row.get("event_id")
    return isinstance(event_id, str) and bool(event_id)


def _read(
    rows: Sequence[Mapping[str, object]], reading: NotableSettings
) -> tuple[tuple[Notable, ...], tuple[RejectedNotable, ...]]:
    """Rows as notables, by the parser of every other input; one bad row does not spoil the rest."""
    notables: list[Notable] = []
    rejected: list[RejectedNotable] = []
    for position, row in enumerate(rows, start=1):
        # Only what was asked for: a field named like a wrapping must not be opened.
        kept = {name: row[name] for name in FIELDS if name in row and name != "indexed"}
        if not _has_id(row):
            # An id that stands in the event's text would be no proof of which notable of the index it is.
            raw = json.dumps(kept)
            error = NotableError(
                "event_id", "is missing, or the notable has several of it", "Look at the notable"
            )
            rejected.append(RejectedNotable(position, raw, error))
            continue
        parsed = notables_from_object([kept], settings=reading)
        notables.extend(parsed.notables)
        rejected.extend(each._replace(position=position) for each in parsed.rejected)
    return tuple(notables), tuple(rejected)
