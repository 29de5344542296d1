"""Writing to a notable: status by label, urgency, owner, disposition, comment; never over a person.

POST /services/notable_update with ruleUIDs, status, urgency, newOwner, disposition and comment needs the
capability edit_notable_events
(https://help.splunk.com/splunk-enterprise-security-7/api-reference/7.2/notable-event-endpoints/notable-event-api-reference).
Ids of statuses and dispositions come from GET /services/alerts/reviewstatuses
(splunk-soar-connectors/splunk, splunk_connector.py: label, status_type, disabled). The endpoint answers 200
with `success: false` for what it did not do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from connectors.errors import BadResponse, InputError, Rejected
from connectors.http.deadline import Deadline
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, is_true, plain, record_of

_log = logging.getLogger(__name__)

STATUSES = "/services/alerts/reviewstatuses"
UPDATE = "/services/notable_update"

#: The capability that writing needs.
CAPABILITY = "edit_notable_events"

#: The owner of a notable that no one has taken.
UNASSIGNED = "unassigned"

#: ES's urgencies, from the lowest.
URGENCIES = ("informational", "low", "medium", "high", "critical")

#: Characters of Splunk's own words that a message repeats.
_LONGEST = 200

_YES = frozenset({"1", "true", "t", "yes"})


class StatusKind(StrEnum):
    """What a review status is of: `status_type` of the endpoint."""

    STATUS = "notable"
    DISPOSITION = "disposition"


class ReviewStatus(NamedTuple):
    """A status or disposition that may be set.

    Attributes:
        id: what is sent, such as "2" or "disposition:6".
        label: what people read, such as "In Progress".
        default: True for the one that new notables have.
    """

    id: str
    kind: StatusKind
    label: str
    default: bool


class Current(NamedTuple):
    """What a notable has now; "" where the row does not say."""

    status: str
    status_label: str
    status_default: str
    urgency: str
    owner: str
    disposition: str


def read_statuses(rest: SplunkRest, deadline: Deadline) -> tuple[ReviewStatus, ...]:
    """Every enabled status and disposition.

    Raises:
        BadResponse: the answer is no list of statuses.
    """
    entries = record_of(rest.get(STATUSES, {"count": "-1"}, deadline)).get("entry")
    if not isinstance(entries, list):
        raise BadResponse(CONNECTOR, "the review statuses are not a list")
    read = (_status(entry) for entry in entries if isinstance(entry, dict))
    return tuple(each for each in read if each is not None)


def chosen(statuses: Sequence[ReviewStatus], kind: StatusKind, label: str) -> ReviewStatus:
    """The status of a label, in any case.

    Raises:
        InputError: no enabled status has it (the known ones are named), or several have.
    """
    field = "status" if kind is StatusKind.STATUS else "disposition"
    known = [each for each in statuses if each.kind is kind]
    fits = [each for each in known if each.label.casefold() == label.strip().casefold()]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(f"{each.label[:_LONGEST]!a}" for each in known) or "none"
    problem = "stands for several of them" if fits else "is not known to Splunk"
    raise InputError(field, f"{label[:_LONGEST]!a} {problem}", f"Known: {names}")


def current_of(row: Mapping[str, object]) -> Current:
    """What a row of the macro `notable` says of the notable's review."""

    def text(name: str) -> str:
        value = row.get(name)
        return value.strip() if isinstance(value, str) else ""

    return Current(*(text(name) for name in Current._fields))


def set_by_person(current: Current, statuses: Sequence[ReviewStatus]) -> str:
    """What shows that a person has worked on the notable; "" when nothing does.

    An owner, or a status that new notables do not have. What cannot be read counts as set: it must not be
    written over.
    """
    if not current.owner or not current.status:
        return "whether a person has set it cannot be read (owner or status is missing)"
    if current.owner.casefold() != UNASSIGNED:
        return f"it is owned by {current.owner[:_LONGEST]!a}"
    defaults = {each.id for each in statuses if each.kind is StatusKind.STATUS and each.default}
    is_default = current.status in defaults or current.status_default.casefold() in _YES
    if not is_default:
        return f"its status is {(current.status_label or current.status)[:_LONGEST]!a}"
    return ""


def form_of(
    event_id: str, update: NotableUpdate, current: Current, statuses: Sequence[ReviewStatus]
) -> tuple[dict[str, str], NotableWritten]:
    """What to send, and what it means.

    Raises:
        InputError: a label or an urgency is unknown, or the comment is empty.
    """
    if not update.comment.strip():
        raise InputError("comment", "is empty")
    wanted: dict[str, tuple[str, str]] = {}
    if update.status is not None:
        status = chosen(statuses, StatusKind.STATUS, update.status)
        wanted["status"] = ("status", status.id)
    if update.disposition is not None:
        wanted["disposition"] = (
            "disposition",
            chosen(statuses, StatusKind.DISPOSITION, update.disposition).id,
        )
    if update.urgency is not None:
        if update.urgency.casefold() not in URGENCIES:
            raise InputError(
                "urgency", f"{update.urgency[:_LONGEST]!a} is none", f"Known: {', '.join(URGENCIES)}"
            )
        wanted["urgency"] = ("urgency", update.urgency.casefold())
    if update.owner is not None:
        wanted["owner"] = ("newOwner", update.owner)
    # What it has already needs no writing, whoever set it.
    wanted = {name: sent for name, sent in wanted.items() if getattr(current, name) != sent[1]}
    why = set_by_person(current, statuses)
    left = tuple(wanted) if why else ()
    told = f"Left as it is: {', '.join(left)}; {why}." if left else ""
    comment = f"{update.comment}\n{told}" if told else update.comment
    form = {"ruleUIDs": event_id, "comment": comment}
    if not left:
        form |= dict(wanted.values())
    written = ("comment", *(name for name in wanted if name not in left))
    return form, NotableWritten(written, left, told)


def write(
    rest: SplunkRest,
    event_id: str,
    update: NotableUpdate,
    row: Mapping[str, object],
    *,
    deadline: Deadline,
) -> NotableWritten:
    """Write to a notable, once.

    Where a person has set owner or status, the comment alone is written and says so.

    Args:
        rest: how Splunk is asked.
        event_id: the notable's, as ES has it.
        update: what to write.
        row: the notable as it is now (notables.find_row), read just before.
        deadline: for all calls together.

    Raises:
        InputError: a label is unknown; the known ones are named.
        Rejected: Splunk says that it did not write.
        TimedOut: whether it was written is not known.
    """
    statuses = read_statuses(rest, deadline)
    form, outcome = form_of(event_id, update, current_of(row), statuses)
    reply = rest.post(UPDATE, form, deadline, repeatable=False, scope=CAPABILITY)
    check_answer(record_of(reply), event_id)
    if outcome.left:
        _log.info("%s: notable %s: %s", CONNECTOR, ascii(event_id[:_LONGEST]), outcome.told)
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


def _status(entry: Mapping[str, object]) -> ReviewStatus | None:
    """One entry; None for a disabled one and for what is neither status nor disposition."""
    identity, content = entry.get("name"), entry.get("content")
    if not isinstance(identity, str) or not identity or not isinstance(content, dict):
        return None
    label, kind = content.get("label"), content.get("status_type")
    if not isinstance(label, str) or not label or is_true(content.get("disabled")):
        return None
    if kind not in {StatusKind.STATUS.value, StatusKind.DISPOSITION.value}:
        return None
    return ReviewStatus(identity, StatusKind(str(kind)), label, is_true(content.get("default")))
