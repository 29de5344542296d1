"""Writing to a notable: status by label, urgency, owner, disposition, comment; never over a person.

POST /services/notable_update with ruleUIDs, status, urgency, newOwner, disposition and comment needs the
capability edit_notable_events
(https://help.splunk.com/splunk-enterprise-security-7/api-reference/7.2/notable-event-endpoints/notable-event-api-reference).
The endpoint answers 200 with `success: false` for what it did not do.

A comment is written once: where the notable's reviews hold it already, as after a run that was repeated,
only what is still to be set is written. Status, owner, urgency and disposition are set only where every
review is our own account's, or there is none, and status and owner are as the last one left them (of urgency
and disposition the reviews that are read tell nothing). What our own account alone has set, as its comment
says, is not a person's: our account must not be one that people use too.

Pure; notable_write.py asks and sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.errors import InputError
from connectors.ports import NotableUpdate, NotableWritten
from connectors.query.text import holdable
from connectors.siem.splunk import reviews
from connectors.siem.splunk.review_statuses import (
    LONGEST_LABEL,
    ReviewStatus,
    StatusKind,
    chosen,
)

#: The owner of a notable that no one has taken.
UNASSIGNED = "unassigned"

#: ES's urgencies, from the lowest.
URGENCIES = ("informational", "low", "medium", "high", "critical")

#: Longest comment and longest name of an account, in characters.
MAX_COMMENT = 20_000
MAX_OWNER = 256

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
    told: bool,
) -> tuple[dict[str, str] | None, NotableWritten]:
    """What to send, and what it means; None to send where all of it is there.

    Args:
        update: what is asked for.
        current: what the notable has now.
        statuses: what may be set.
        history: its reviews.
        event_id: the notable's.
        user: our own account; "" where it is not known.
        told: True where the comment is there, or another run has just written it.

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
    because = f"{reviews.LEFT} {', '.join(left)}; {why}." if left else ""
    settable = {name: sent for name, sent in wanted.items() if name not in left}
    fields = dict(settable.values())
    if not told:
        comment = reviews.told_comment(update.comment, tuple(settable), because)
        form = {"ruleUIDs": event_id, "comment": comment, **fields}
        return form, NotableWritten(("comment", *settable), left, because)
    outcome = NotableWritten(tuple(settable), left, because)
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
    """Names of the fields that must not be written, and why: all of them, once a person may be at work."""
    for field, why in signs_of_a_person(current, statuses):
        if not field or not history.was_set_by(user, field, getattr(current, field)):
            return tuple(wanted), why
    other = history.others(user)
    if other:
        # Also where it was put back as it was: that was a person's decision too.
        return tuple(wanted), f"it was reviewed by {other[:LONGEST_LABEL]!a}"
    if not history.whole:
        return tuple(wanted), "who has set it cannot be read (the reviews)"
    changed = history.disagrees(current.status, current.owner)
    return (tuple(wanted), f"its {changed} is not as the last review left it") if changed else ((), "")
