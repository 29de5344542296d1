"""Writing to a notable: status by label, urgency, owner, disposition, comment; never over a person.

POST /services/notable_update with ruleUIDs, status, urgency, newOwner, disposition and comment needs the
capability edit_notable_events
(https://help.splunk.com/splunk-enterprise-security-7/api-reference/7.2/notable-event-endpoints/notable-event-api-reference).
The endpoint answers 200 with `success: false` for what it did not do.

A comment is written once: where the notable's reviews hold it already, as after a run that was repeated,
only what is still to be set is written. Status, owner, urgency and disposition are set only where every
review is our own account's, or there is none, and status and owner are as the last one left them (of urgency
and disposition the reviews that are read tell nothing). What our own account alone has set, as its comment
says, is not a person's: our account must not be one that people use too. A disposition other than that of
new notables is left even where no review tells of it.

Findings of ES 8 are judged by the same rules. Pure; notable_write.py and finding_write.py ask and send.
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

#: A notable without a disposition (ansible-collections/splunk.es, plugins/module_utils/splunk_utils.py: 0 is
#: "unassigned").
_NO_DISPOSITION = frozenset({"", "disposition:0"})

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


class Decided(NamedTuple):
    """What is written to a notable or a finding.

    Attributes:
        fields: of each field that is set: the update form's name for it and what is sent.
        comment: the comment; "" where none is written.
        notes: lines that stand after it: which fields were set with it, and what was left; "" for none.
        outcome: what it means.
    """

    fields: Mapping[str, tuple[str, str]]
    comment: str
    notes: str
    outcome: NotableWritten


def decide(
    update: NotableUpdate,
    current: Current | None,
    statuses: Sequence[ReviewStatus],
    history: reviews.History,
    *,
    user: str,
    told: bool,
    unseen: str = "",
) -> Decided:
    """What is written, and what is left because a person has set it.

    Args:
        update: what is asked for.
        current: what the notable has now; None where that could not be looked at.
        statuses: what may be set.
        history: its reviews.
        user: our own account; "" where it is not known.
        told: True where the comment is there, or another run has just written it.
        unseen: why it could not be looked at, a clause.

    Raises:
        InputError: as wanted_of.
    """
    # What it has already needs no writing, whoever set it.
    wanted = {
        name: sent
        for name, sent in wanted_of(update, statuses).items()
        if current is None or getattr(current, name).casefold() != sent[1].casefold()
    }
    left, why = _left(wanted, current, statuses, history, user) if current else (tuple(wanted), unseen)
    because = f"{reviews.LEFT} {', '.join(left)}; {why}." if left else ""
    fields = {name: sent for name, sent in wanted.items() if name not in left}
    if told:
        notes = reviews.told_comment("", tuple(fields), "")
        return Decided(fields, "", notes, NotableWritten(tuple(fields), left, because))
    notes = reviews.told_comment("", tuple(fields), because)
    return Decided(fields, update.comment, notes, NotableWritten(("comment", *fields), left, because))


def form_of(decided: Decided, event_id: str) -> dict[str, str] | None:
    """The form to send; None where all of it is there."""
    if not decided.comment and not decided.fields:
        return None
    parts = (reviews.without_marks(decided.comment), decided.notes)
    comment = "\n".join(part for part in parts if part)
    return {"ruleUIDs": event_id, "comment": comment, **dict(decided.fields.values())}


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
    if changed:
        return tuple(wanted), f"its {changed} is not as the last review left it"
    judged = judgement_of(current, statuses) if "disposition" in wanted else ""
    if judged and not history.has_set(user, "disposition"):
        # No review need tell of it: a triage agent may have judged, or a search.
        return ("disposition",), f"its disposition is {judged[:LONGEST_LABEL]!a}"
    return (), ""


def judgement_of(current: Current, statuses: Sequence[ReviewStatus]) -> str:
    """The disposition that somebody has given; "" where it has none, or the one that new notables have."""
    known = {each.id: each for each in statuses if each.kind is StatusKind.DISPOSITION}
    if current.disposition in _NO_DISPOSITION:
        return ""
    held = known.get(current.disposition)
    if held is None:
        return current.disposition
    return "" if held.default else held.label
