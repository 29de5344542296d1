"""What has been done to a notable so far: its reviews, each with reviewer, status, owner and comment.

ES keeps every change of status and every comment in the KV store collection incident_review
(https://dev.splunk.com/enterprise/docs/devtools/enterprisesecurity/notableeventsplunkes/usingnotableeventsinsearch)
and reads them by the macro `incident_review`, whose rule_id is the notable's event_id: "View all review
activity" of ES's own Incident Review searches
`| incident_review | search rule_id="..." | fields _time, rule_id, reviewer, urgency, status, owner, comment`,
and demisto/content (SplunkPy.py: get_comments_data) takes comments from there in the same way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.errors import ConnectorError, NotFound, PermissionMissing, QueryFailed
from connectors.http.deadline import Deadline
from connectors.query import spl
from connectors.siem.splunk.checkpoint import moment
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notables import refuse_partial
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, entry_of

_log = logging.getLogger(__name__)

#: Who the token's user is and what it may: content.username, content.capabilities.
CONTEXT = "/services/authentication/current-context"

#: Reviews of one notable that are read, the newest of them.
MOST = 500

#: How far this machine's clock may be behind Splunk's for a search up to now.
CLOCKS = timedelta(days=1)

#: How the lines begin that tell what was set and what was left; they stand after a comment, in that order.
#: A comment's own text never has them (`without_marks`): it quotes logs, which an attacker writes.
SET = "Set:"
LEFT = "Left as it is:"

_SET_LINE = re.compile(rf"{SET} ([a-z]+(?:, [a-z]+)*)\.")
_MARKS = re.compile(r"(Set|Left\s+as\s+it\s+is):", re.IGNORECASE)

_COLUMNS = ("_time", "rule_id", "reviewer", "user", "status", "owner", "comment")


class Review(NamedTuple):
    """One change or comment; "" where the row does not say.

    Attributes:
        reviewer: account that made it.
        status: id that the notable had then.
        owner: account that had it then.
        comment: as written.
    """

    reviewer: str
    status: str
    owner: str
    comment: str


class History(NamedTuple):
    """The reviews of a notable.

    Attributes:
        reviews: the newest first.
        whole: False where some may be missing, or all: it could not be read.
    """

    reviews: tuple[Review, ...] = ()
    whole: bool = True

    def others(self, user: str) -> str:
        """An account other than `user` among the reviewers; "" when there is none.

        A reviewer that the row does not name may be anybody.
        """
        for review in self.reviews:
            if not review.reviewer or review.reviewer.casefold() != user.casefold():
                return review.reviewer or "an account that is not named"
        return ""

    def was_set_by(self, user: str, field: str, value: str) -> bool:
        """Whether `user` has set "status" or "owner" to what it is now, and nobody else touched the notable.

        A review tells the state after it, whoever made that; so it has to say itself that the field was set.
        What the reviews say last has to be what the notable has now; else one is missing.
        """
        if not (self.whole and user and value) or self.others(user):
            return False
        held = [(_of(each, field), field in set_fields(each.comment)) for each in self.reviews]
        latest = next((now for now, _ in held if now), "")
        return latest == value and (value, True) in held

    def has_set(self, user: str, field: str) -> bool:
        """Whether `user` says in a comment that it set the field, and nobody else touched the notable."""
        ours = self.whole and user and not self.others(user)
        return bool(ours) and any(field in set_fields(each.comment) for each in self.reviews)

    def disagrees(self, status: str, owner: str) -> str:
        """Which of "status" and "owner" the newest review has otherwise than the notable now; "" for none.

        Somebody has then changed it since, or a review is missing.
        """
        for field, value in (("status", status), ("owner", owner)):
            latest = next((held for each in self.reviews if (held := _of(each, field))), "")
            if latest and latest.casefold() != value.casefold():
                return field
        return ""

    def has_comment(self, comment: str) -> bool:
        """Whether that comment was written before, whatever was SET and LEFT with it."""
        wanted, ends = _words(without_marks(comment)), (_words(SET), _words(LEFT))
        for review in self.reviews:
            held = _words(review.comment)
            rest = held[len(wanted) :]
            if held[: len(wanted)] == wanted and (not rest or any(rest[: len(end)] == end for end in ends)):
                return True
        return False


def told_comment(comment: str, done: Sequence[str], left: str) -> str:
    """The comment, which fields were set with it, and what was left as it is.

    Args:
        comment: what is said; may be empty.
        done: names of the fields that are set.
        left: sentence that begins with LEFT; "" for nothing.
    """
    names = ", ".join(done)
    parts = (without_marks(comment), f"{SET} {names}." if names else "", left)
    return "\n".join(part for part in parts if part)


def without_marks(comment: str) -> str:
    """The comment with no text in it that could be read as SET or LEFT: "Set :" is none."""
    return _MARKS.sub(r"\1 :", comment)


def set_fields(comment: str) -> frozenset[str]:
    """The fields that a comment of ours says it set: on its last line, LEFT aside."""
    lines = comment.strip().splitlines()
    if lines and lines[-1].startswith(LEFT):
        lines.pop()
    found = _SET_LINE.fullmatch(lines[-1].strip()) if lines else None
    return frozenset(found[1].split(", ")) if found else frozenset()


def _of(review: Review, field: str) -> str:
    return {"status": review.status, "owner": review.owner}.get(field, "")


def reviews_query(event_id: str) -> str:
    """SPL for the reviews of one notable, the newest first.

    Raises:
        InputError: the id cannot stand in a query.
    """
    return (
        f"| `incident_review` | where rule_id={spl.literal(event_id)}"
        f" | table {', '.join(_COLUMNS)} | sort 0 -_time"
    )


def read(
    searches: SearchJobs,
    event_id: str,
    row: Mapping[str, object],
    *,
    now: datetime,
    deadline: Deadline,
) -> History:
    """The reviews of a notable, as far as they can be read.

    Where the token's user may not read them, or the macro is not there, what the notable's own row says of
    its last comment is all there is, and the history is not whole.

    Args:
        searches: runs the search.
        event_id: the notable's, as ES has it.
        row: the notable as it is now (notables.find_row).
        now: the time.
        deadline: for all calls together.

    Raises:
        Transient: it may be readable later; nothing was written yet.
        AuthRejected: the token.
    """
    try:
        # The collection has no time range of its own.
        found = searches.rows(
            reviews_query(event_id),
            earliest=moment(0),
            latest=now + CLOCKS,
            max_rows=MOST,
            deadline=deadline,
        )
        refuse_partial(found, MOST)
    except (QueryFailed, PermissionMissing, NotFound) as exc:
        _log.warning("%s: the reviews of a notable cannot be read: %s", CONNECTOR, ascii(exc.message))
        return History(_last_of(row), whole=False)
    reviews = tuple(_review(each) for each in found.rows if each.get("rule_id") == event_id)
    return History(reviews, whole=not found.truncated)


def own_name(rest: SplunkRest, deadline: Deadline) -> str:
    """The token's user; "" where Splunk does not tell, and then no review is its own."""
    try:
        name = entry_of(rest.get(CONTEXT, {}, deadline)).get("username")
    except ConnectorError as exc:
        _log.warning("%s: who the token's user is cannot be read: %s", CONNECTOR, ascii(exc.message))
        return ""
    return name if isinstance(name, str) else ""


def _review(row: Mapping[str, object]) -> Review:
    names = _texts(row, "reviewer") | _texts(row, "user")
    # Two names in one row, or in one field: it is not known which of them it was.
    reviewer = names.pop() if len(names) == 1 else ""
    return Review(reviewer, _text(row, "status"), _text(row, "owner"), _text(row, "comment"))


def _last_of(row: Mapping[str, object]) -> tuple[Review, ...]:
    """The macro `notable` gives the last comment (splunk/rba, docs/searches/risk_notable_history.md)."""
    comments = row.get("comment")
    given = comments if isinstance(comments, list) else [comments]
    return tuple(Review("", "", "", each) for each in given if isinstance(each, str) and each)


def _texts(row: Mapping[str, object], name: str) -> set[str]:
    value = row.get(name)
    given = value if isinstance(value, list) else [value]
    return {each.strip() for each in given if isinstance(each, str) and each.strip()}


def _text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _words(comment: str) -> tuple[str, ...]:
    """A comment without its spacing, which a form or a lookup may change."""
    return tuple(comment.split())
