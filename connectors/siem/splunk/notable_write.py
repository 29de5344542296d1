"""Sending an update to a notable: read last, claimed, sent once, and counted only where Splunk confirms it.

What may be written is decided in notable_update.py.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from connectors.errors import BadResponse, Rejected
from connectors.http.deadline import Deadline
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.notable import MAX_EVENT_ID
from connectors.siem.splunk import comment_claims, reviews
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notable_update import current_of, decide, form_of, wanted_of
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, plain, record_of, sized
from connectors.siem.splunk.review_statuses import LONGEST_LABEL, read_statuses
from connectors.state.once import Claimed, Once

_log = logging.getLogger(__name__)

UPDATE = "/services/notable_update"

#: The capability that writing needs.
CAPABILITY = "edit_notable_events"

#: `ruleUIDs` takes several ids with commas between them, so one that has a comma would be another's.
_ONE_ID = re.compile(rf"[^\s,]{{1,{MAX_EVENT_ID}}}")


class Notable(NamedTuple):
    """How the notable that is to be written to is read, as late as possible.

    Attributes:
        row: reads it as it is now (notables.find_row).
        now: the time.
    """

    row: Callable[[], Mapping[str, object]]
    now: datetime


class _Seen(NamedTuple):
    """What the notable has now."""

    row: Mapping[str, object]
    event_id: str
    key: str
    history: reviews.History
    commented: bool

    @property
    def whole(self) -> bool:
        return self.history.whole


def write(
    rest: SplunkRest,
    searches: SearchJobs,
    update: NotableUpdate,
    notable: Notable,
    *,
    once: Once,
    sleep: Callable[[float], None],
    deadline: Deadline,
) -> NotableWritten:
    """Write to a notable, once, and each comment once.

    Where a person has set owner or status or has reviewed it, the comment alone is written and says so.

    Splunk takes an update unconditionally. So the notable and then its reviews are read last, and what a
    person does from the moment that the search for the reviews runs until Splunk has carried out the update
    (less than a second as a rule) is not seen: status, owner and urgency of that moment are written over.
    The reviews in Splunk keep both.

    Args:
        rest: how Splunk is asked.
        searches: how the notable's reviews are read.
        update: what to write.
        notable: where it is read from.
        once: keeps two runs at once from writing one comment twice.
        sleep: waits for a number of seconds.
        deadline: for all calls together.

    Raises:
        InputError: a label is unknown; the known ones are named.
        Rejected: Splunk says that it did not write, or it cannot be noted that it is written.
        BadResponse: the notable's id could stand for others too.
        TimedOut: whether it was written is not known, or another run is writing the same comment.
    """
    statuses = read_statuses(rest, deadline)
    wanted_of(update, statuses)  # what cannot be written is told before anything is searched
    user = reviews.own_name(rest, deadline)

    def look() -> _Seen:
        row = notable.row()
        event_id = _written_id(row)
        key = comment_claims.key_of(rest.base, event_id, update.comment)
        history = reviews.read(searches, event_id, row, now=notable.now, deadline=deadline)
        return _Seen(row, event_id, key, history, history.has_comment(update.comment))

    seen, claimed = comment_claims.claim(look, once, sleep=sleep, deadline=deadline)
    decided = decide(
        update,
        current_of(seen.row),
        statuses,
        seen.history,
        user=user,
        told=claimed is Claimed.TAKEN,
    )
    form = form_of(decided, seen.event_id)
    if form is not None:
        with comment_claims.settling(once, seen.key if claimed is Claimed.GRANTED else ""):
            reply = rest.post(UPDATE, form, deadline, repeatable=False, scope=CAPABILITY)
            check_answer(record_of(reply), seen.event_id)
    if decided.outcome.left:
        shown = ascii(seen.event_id[:LONGEST_LABEL])
        _log.info("%s: notable %s: %s", CONNECTOR, shown, decided.outcome.told)
    return decided.outcome


def _written_id(row: Mapping[str, object]) -> str:
    event_id = row.get("event_id")
    if not isinstance(event_id, str) or not _ONE_ID.fullmatch(event_id) or not event_id.isprintable():
        raise BadResponse(CONNECTOR, "the notable's event_id is not that of one notable, so none was written")
    return event_id


def check_answer(answer: Mapping[str, object], event_id: str) -> None:
    """Accept the answer to an update only where it says that this notable was written.

    Raises:
        Rejected: it was not.
        BadResponse: the answer does not say.
    """
    if not isinstance(answer.get("success"), bool):
        raise BadResponse(CONNECTOR, "the answer to the update does not say whether it was done")
    said = answer.get("message")
    words = f": {plain(said)}" if isinstance(said, str) and plain(said) else ""
    failed, done = (_count(answer, name) for name in ("failure_count", "success_count"))
    if not answer["success"] or failed:
        raise Rejected(CONNECTOR, f"the notable was not updated{words}")
    if done == 0:
        raise Rejected(CONNECTOR, f"the notable was not updated: Splunk counts none{words}")
    details = answer.get("details")
    if isinstance(details, dict) and details.get(event_id):
        raise Rejected(CONNECTOR, f"the notable was not updated: {plain(str(details[event_id]))}")


def _count(answer: Mapping[str, object], name: str) -> int | None:
    """A count of the answer; None where it has none.

    Raises:
        BadResponse: it is no count, so the answer does not say whether it was done.
    """
    if answer.get(name) is None:
        return None
    count = sized(answer[name])
    if count is None:
        raise BadResponse(CONNECTOR, f"the answer's {name} is no count, so it does not say what was done")
    return count
