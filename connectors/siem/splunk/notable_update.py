"""Writing to a notable: status by label, urgency, owner, disposition, comment; never over a person.

POST /services/notable_update with ruleUIDs, status, urgency, newOwner, disposition and comment needs the
capability edit_notable_events
(https://help.splunk.com/splunk-enterprise-security-7/api-reference/7.2/notable-event-endpoints/notable-event-api-reference).
The endpoint answers 200 with `success: false` for what it did not do.

A comment is written once: where the notable's reviews hold it already, as after a run that was repeated, only
what is still to be set is written. What our own account alone has set, as its comment says, is not a
person's: our account must not be one that people use too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.errors import BadResponse, InputError, Rejected
from connectors.http.deadline import Deadline
from connectors.ports import NotableUpdate, NotableWritten
from connectors.query.text import holdable
from connectors.siem.notable import MAX_EVENT_ID
from connectors.siem.splunk import reviews
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, plain, record_of
from connectors.siem.splunk.review_statuses import (
    LONGEST_LABEL,
    ReviewStatus,
    StatusKind,
    chosen,
    read_statuses,
)

_log = logging.getLogger(__name__)

UPDATE = "/services/notable_update"

#: The capability that writing needs.
CAPABILITY = "edit_notable_events"

#: The owner of a notable that no one has taken.
UNASSIGNED = "unassigned"

#: ES's urgencies, from the lowest.
URGENCIES = ("informational", "low", "medium", "high", "critical")

#: Longest comment and longest name of an account, in characters.
MAX_COMMENT = 20_000
MAX_OWNER = 256

#: `ruleUIDs` takes several ids with commas between them, so one that has a comma would be another's.
_ONE_ID = re.compile(rf"[^\s,]{{1,{MAX_EVENT_ID}}}")

#: What a person may have set without taking the notable: no owner and no status tells of it.
_QUIETLY_SET = ("urgency", "disposition")

_YES = frozenset({"1", "true", "t", "yes"})


class Current(NamedTuple):
    """What a notable has now; "" where the row does not say."""

    status: str
    status_label: str
    status_default: str
    urgency: str
    owner: str
    disposition: str


def current_of(row: Mapping[str, object]) -> Current:
    """What a row of the macro `notable` says of the notable's review."""

    def text(name: str) -> str:
        value = row.get(name)
        return value.strip() if isinstance(value, str) else ""

    return Current(*(text(name) for name in Current._fields))


def signs_of_a_person(current: Current, statuses: Sequence[ReviewStatus]) -> tuple[tuple[str, str], ...]:
    """What may show that a person has worked on the notable: field, and why; nothing when nothing does.

    An owner, or a status that new notables do not have. What cannot be read counts as set, with no field: it
    must not be written over.
    """
    if not current.owner or not current.status:
        return (("", "whether a person has set it cannot be read (owner or status is missing)"),)
    signs = []
    if current.owner.casefold() != UNASSIGNED:
        signs.append(("owner", f"it is owned by {current.owner[:LONGEST_LABEL]!a}"))
    defaults = {each.id for each in statuses if each.kind is StatusKind.STATUS and each.default}
    if current.status not in defaults and current.status_default.casefold() not in _YES:
        label = current.status_label or current.status
        signs.append(("status", f"its status is {label[:LONGEST_LABEL]!a}"))
    return tuple(signs)


def wanted_of(update: NotableUpdate, statuses: Sequence[ReviewStatus]) -> dict[str, tuple[str, str]]:
    """Of each field that is asked for: the form's name for it and what is sent.

    Raises:
        InputError: a label, an urgency or an owner is none, or the comment is empty or too long.
    """
    if not update.comment.strip():
        raise InputError("comment", "is empty")
    if len(holdable("comment", update.comment)) > MAX_COMMENT:
        raise InputError("comment", f"is longer than {MAX_COMMENT:,} characters")
    wanted: dict[str, tuple[str, str]] = {}
    if update.status is not None:
        wanted["status"] = ("status", chosen(statuses, StatusKind.STATUS, update.status).id)
    if update.disposition is not None:
        disposition = chosen(statuses, StatusKind.DISPOSITION, update.disposition)
        wanted["disposition"] = ("disposition", disposition.id)
    if update.urgency is not None:
        if update.urgency.casefold() not in URGENCIES:
            raise InputError(
                "urgency", f"{update.urgency[:LONGEST_LABEL]!a} is none", f"Known: {', '.join(URGENCIES)}"
            )
        wanted["urgency"] = ("urgency", update.urgency.casefold())
    if update.owner is not None:
        owner = update.owner
        if not owner.strip() or not owner.isprintable() or len(owner) > MAX_OWNER:
            raise InputError("owner", "is no name of an account")
        wanted["owner"] = ("newOwner", owner)
    return wanted


def form_of(
    update: NotableUpdate,
    current: Current,
    statuses: Sequence[ReviewStatus],
    history: reviews.History,
    *,
    event_id: str,
    user: str,
) -> tuple[dict[str, str] | None, NotableWritten]:
    """What to send, and what it means; None to send where all of it is there.

    Args:
        update: what is asked for.
        current: what the notable has now.
        statuses: what may be set.
        history: its reviews.
        event_id: the notable's.
        user: our own account; "" where it is not known.

    Raises:
        InputError: as wanted_of.
    """
    # What it has already needs no writing, whoever set it.
    wanted = {
        name: sent
        for name, sent in wanted_of(update, statuses).items()
        if getattr(current, name).casefold() != sent[1].casefold()
    }
    left, why = _left(wanted, current, statuses, history, user)
    told = f"{reviews.LEFT} {', '.join(left)}; {why}." if left else ""
    settable = {name: sent for name, sent in wanted.items() if name not in left}
    fields = dict(settable.values())
    if not history.has_comment(update.comment):
        comment = reviews.told_comment(update.comment, tuple(settable), told)
        form = {"ruleUIDs": event_id, "comment": comment, **fields}
        return form, NotableWritten(("comment", *settable), left, told)
    outcome = NotableWritten(tuple(settable), left, told)
    if not settable:
        return None, outcome
    return {
        "ruleUIDs": event_id,
        "comment": reviews.told_comment("", tuple(settable), ""),
        **fields,
    }, outcome


def _left(
    wanted: Mapping[str, object],
    current: Current,
    statuses: Sequence[ReviewStatus],
    history: reviews.History,
    user: str,
) -> tuple[tuple[str, ...], str]:
    """Names of the fields that must not be written, and why."""
    for field, why in signs_of_a_person(current, statuses):
        if not field or not history.was_set_by(user, field, getattr(current, field)):
            return tuple(wanted), why
    quiet = tuple(name for name in wanted if name in _QUIETLY_SET)
    if not history.whole:
        return quiet, "who has set it cannot be read (the reviews)"
    other = history.others(user)
    return (quiet, f"it was reviewed by {other[:LONGEST_LABEL]!a}") if other else ((), "")


def write(
    rest: SplunkRest,
    searches: SearchJobs,
    update: NotableUpdate,
    row: Mapping[str, object],
    *,
    now: datetime,
    deadline: Deadline,
) -> NotableWritten:
    """Write to a notable, once, and each comment once.

    Where a person has set owner or status, the comment alone is written and says so.

    Args:
        rest: how Splunk is asked.
        searches: how the notable's reviews are read.
        update: what to write.
        row: the notable as it is now (notables.find_row), read just before.
        now: the time.
        deadline: for all calls together.

    Raises:
        InputError: a label is unknown; the known ones are named.
        Rejected: Splunk says that it did not write.
        BadResponse: the notable's id could stand for others too.
        TimedOut: whether it was written is not known.
    """
    event_id = row.get("event_id")
    if not isinstance(event_id, str) or not _ONE_ID.fullmatch(event_id) or not event_id.isprintable():
        raise BadResponse(CONNECTOR, "the notable's event_id is not that of one notable, so none was written")
    statuses = read_statuses(rest, deadline)
    wanted_of(update, statuses)  # what cannot be written is told before anything is searched
    history = reviews.read(searches, event_id, row, now=now, deadline=deadline)
    user = reviews.own_name(rest, deadline) if history.reviews else ""
    form, outcome = form_of(update, current_of(row), statuses, history, event_id=event_id, user=user)
    if form is not None:
        reply = rest.post(UPDATE, form, deadline, repeatable=False, scope=CAPABILITY)
        check_answer(record_of(reply), event_id)
    if outcome.left:
        _log.info("%s: notable %s: %s", CONNECTOR, ascii(event_id[:LONGEST_LABEL]), outcome.told)
    return outcome


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
    if not answer["success"] or _count(answer, "failure_count"):
        raise Rejected(CONNECTOR, f"the notable was not updated{words}")
    if "success_count" in answer and _count(answer, "success_count") == 0:
        raise Rejected(CONNECTOR, f"the notable was not updated: Splunk counts none{words}")
    details = answer.get("details")
    if isinstance(details, dict) and details.get(event_id):
        raise Rejected(CONNECTOR, f"the notable was not updated: {plain(str(details[event_id]))}")


def _count(answer: Mapping[str, object], name: str) -> int:
    value = answer.get(name)
    return value if isinstance(value, int) else 0
