"""What a notable's status and disposition can be: GET /services/alerts/reviewstatuses.

splunk-soar-connectors/splunk, splunk_connector.py: label, status_type, disabled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from connectors.errors import BadResponse, InputError
from connectors.http.deadline import Deadline
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, is_true, record_of

STATUSES = "/services/alerts/reviewstatuses"

#: Characters of a label or an account's name that a message repeats.
LONGEST_LABEL = 200


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
    """The status of a label, in any case; a disposition by its id too, such as "disposition:6".

    Raises:
        InputError: no enabled status has it (the known ones are named), or several have.
    """
    field = "status" if kind is StatusKind.STATUS else "disposition"
    known = [each for each in statuses if each.kind is kind]
    wanted = label.strip().casefold()
    fits = [each for each in known if each.label.casefold() == wanted]
    if not fits and kind is StatusKind.DISPOSITION:
        # An id says what it is; that of a status is a bare number.
        fits = [each for each in known if each.id.casefold() == wanted]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(f"{each.label[:LONGEST_LABEL]!a}" for each in known) or "none"
    problem = "stands for several of them" if fits else "is not known to Splunk"
    raise InputError(field, f"{label[:LONGEST_LABEL]!a} {problem}", f"Known: {names}")


def _status(entry: Mapping[str, object]) -> ReviewStatus | None:
    """One entry; None for a disabled one and for what is neither status nor disposition."""
    identity, content = entry.get("name"), entry.get("content")
    if not isinstance(identity, str) or not identity or not isinstance(content, dict):
        return None
    label, kind = content.get("label"), content.get("status_type")
    if kind is not None and not isinstance(kind, str):
        raise BadResponse(CONNECTOR, "status_type of a review status is no text")
    if not isinstance(label, str) or not label:
        return None
    if kind not in {StatusKind.STATUS.value, StatusKind.DISPOSITION.value}:
        return None
    if is_true(content.get("disabled"), "disabled"):
        return None
    return ReviewStatus(identity, StatusKind(str(kind)), label, is_true(content.get("default"), "default"))
