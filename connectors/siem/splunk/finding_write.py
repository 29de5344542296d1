"""Writing to a finding of ES 8: what a notable gets, by the same rules; its comment is a note.

- Read: GET public/v2/findings/ID answers the finding's fields, from 24 hours back unless `earliest` says
  otherwise, and 404 for an older one (ansible-collections/splunk.es 5.1:
  plugins/action/splunk_finding_info.py, plugins/module_utils/finding.py: get_earliest_from_ref_id).
- Changed: POST public/v2/investigations/ID?notable_time=EPOCH with owner, urgency, status, disposition, and
  once more with "now" where the finding is unknown with its own time (demisto/content,
  Packs/SplunkPy/Integrations/SplunkPyV2/SplunkPyV2.py: update_investigation_or_finding).
- Since ES 8.4 a tenant may demand a note with each change: error MC_0206, and then `incident_note` goes into
  the same request (https://github.com/demisto/content/pull/45811).

What a person has set is told from the finding, from its reviews (reviews.py; the macro `notable` takes the
status of findings from them too), and from notes that are not ours. Where the finding cannot be looked at,
the note alone is written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from connectors.errors import (
    BadResponse,
    ConnectorError,
    NotFound,
    PermissionMissing,
    Rejected,
)
from connectors.http.call import Refused
from connectors.http.deadline import Deadline
from connectors.ports import NotableUpdate, NotableWritten
from connectors.siem.splunk import comment_claims, reviews
from connectors.siem.splunk.findings import (
    MOST_NOTES,
    FindingId,
    MissionControl,
    Notes,
    finding_place,
    investigation_place,
    marked,
    unmarked,
    with_time,
)
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.notable_update import Current, current_of, decide, wanted_of
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, because, messages_of, record_of
from connectors.siem.splunk.review_statuses import (
    LONGEST_LABEL,
    ReviewStatus,
    StatusKind,
    read_statuses,
)
from connectors.state.once import Claimed, Once

_log = logging.getLogger(__name__)

#: Seconds before the time in a finding's id from which on it is looked for: its own time may have a fraction,
#: or have been rounded.
EARLIER_S = 3600

#: "A note is required for this update action".
_NOTE_DEMANDED = re.compile(rb"\bMC_0206\b")

#: Fields of a finding that are numbers in some answers.
_NUMBERS = frozenset({"status", "status_default"})

#: No status has an id of so many digits.
_MOST_ID = 1_000_000


class NoteDemanded(Rejected):
    """The tenant demands a note with each change; nothing was changed."""


class Finding(NamedTuple):
    """How the finding that is to be written to is named and read.

    Attributes:
        id: the finding's.
        readable: False where its fields are not to be read, so that nothing but the note is written.
        now: the time.
    """

    id: FindingId
    readable: bool
    now: datetime


class _Seen(NamedTuple):
    """What the finding has now; `current` is None where it was not looked at, and `unseen` says why."""

    key: str
    commented: bool
    whole: bool
    current: Current | None
    unseen: str
    history: reviews.History


def write(
    rest: SplunkRest,
    searches: SearchJobs,
    control: MissionControl,
    update: NotableUpdate,
    finding: Finding,
    *,
    once: Once,
    sleep: Callable[[float], None],
    deadline: Deadline,
) -> NotableWritten:
    """Write to a finding, once, and its comment once, as a note.

    Where a person may have set something, or the finding cannot be looked at, the note alone is written and
    says so. As for a notable, what a person does between the last look and the write is written over.

    Args:
        rest: how Splunk is asked for review statuses.
        searches: how the finding's reviews are read.
        control: how it is read and written.
        update: what to write.
        finding: which.
        once: keeps two runs at once from writing one note twice.
        sleep: waits for a number of seconds.
        deadline: for all calls together.

    Raises:
        NotFound: there is no such finding.
        InputError: a label is unknown; the known ones are named.
        TimedOut: whether it was written is not known, or another run is writing the same note.
        ConnectorError: it was refused; what was written before says the error.
    """
    asked = any(value is not None for name, value in update._asdict().items() if name != "comment")
    statuses = read_statuses(rest, deadline) if asked else ()
    wanted_of(update, statuses)  # what cannot be written is told before anything is searched
    user = reviews.own_name(rest, deadline) if asked else ""
    notes, name = Notes(control), finding.id.text
    key = comment_claims.key_of(rest.base, name, update.comment)
    _, mark = marked("", update.comment)

    def look() -> _Seen:
        held = notes.newest(name, deadline)
        current, unseen, history = None, "", reviews.History()
        if asked and not finding.readable:
            unseen = "notables are read from the index alone, which does not tell what a person has set"
        elif asked:
            current, unseen = _looked_at(control, finding.id, statuses, deadline)
        commented = any(mark in each for each in held)
        if current is not None:
            read = reviews.read(searches, name, {}, now=finding.now, deadline=deadline)
            history = with_notes(read, held, user)
            commented = commented or read.has_comment(update.comment)
        return _Seen(key, commented, len(held) < MOST_NOTES, current, unseen, history)

    seen, claimed = comment_claims.claim(look, once, sleep=sleep, deadline=deadline)
    told = claimed is Claimed.TAKEN
    decided = decide(update, seen.current, statuses, seen.history, user=user, told=told, unseen=seen.unseen)
    outcome = decided.outcome
    fields = {field: value for field, (_, value) in decided.fields.items()}
    # A note that only says what was set is another one than the comment's.
    saying = f"{update.comment}\n{decided.notes}" if told else update.comment
    text, mark = marked(reviews.without_marks(decided.comment), saying, decided.notes)
    with comment_claims.settling(once, key if claimed is Claimed.GRANTED else ""):
        noted = bool(fields) and _change(control, name, fields, text, deadline)
        if not noted and (decided.comment or fields):
            with _telling(fields):
                notes.post(name, text, mark, deadline)
    if outcome.left:
        _log.info("%s: finding %s: %s", CONNECTOR, ascii(name[:LONGEST_LABEL]), outcome.told)
    return outcome


def current_of_finding(row: Mapping[str, object], statuses: Sequence[ReviewStatus]) -> Current:
    """What a finding's answer says of its review: as a notable's row, with numbers or labels for ids too."""
    texts = {
        name: str(value) if name in _NUMBERS and isinstance(value, int) and 0 <= value < _MOST_ID else value
        for name, value in row.items()
    }
    current = current_of(texts)
    return current._replace(
        status=_id_of(statuses, StatusKind.STATUS, current.status),
        disposition=_id_of(statuses, StatusKind.DISPOSITION, current.disposition),
    )


def with_notes(history: reviews.History, notes: Sequence[str], user: str) -> reviews.History:
    """The reviews, with what the notes tell beside them.

    A review of a finding has no comment, so our notes say which fields `user` has set. A note without our
    mark is somebody's who has worked on it. Where there may be more notes than were read, not all is known.
    """
    ours = [text for each in notes if (text := unmarked(each)) is not None]
    done = frozenset[str]().union(*(reviews.set_fields(each) for each in ours))

    def with_fields(review: reviews.Review) -> reviews.Review:
        if not user or review.reviewer.casefold() != user.casefold():
            return review
        names = sorted(done | reviews.set_fields(review.comment))
        return review._replace(comment=reviews.told_comment("", names, ""))

    own = tuple(with_fields(each) for each in history.reviews)
    others = (reviews.Review("", "", "", ""),) if len(ours) < len(notes) else ()
    return reviews.History((*own, *others), whole=history.whole and len(notes) < MOST_NOTES)


def _looked_at(
    control: MissionControl, finding: FindingId, statuses: Sequence[ReviewStatus], deadline: Deadline
) -> tuple[Current | None, str]:
    """What the finding has now; None where that cannot be looked at, and why, a clause.

    Raises:
        Transient, AuthRejected: it may be readable later; nothing was written yet.
    """
    since = {"earliest": str(finding.notable_time - EARLIER_S)}
    error: ConnectorError
    try:
        row = _named(record_of(control.get(finding_place(finding), since, deadline)), finding)
    except NotFound as exc:
        error, why = exc, "Splunk does not show it where findings are read (HTTP 404)"
    except PermissionMissing as exc:
        error, why = exc, "the token's user may not read findings"
    except (BadResponse, Rejected) as exc:
        error, why = exc, "the answer to reading it is not understood"
    else:
        return current_of_finding(row, statuses), ""
    _log.warning("%s: a finding cannot be looked at: %s", CONNECTOR, ascii(error.message))
    return None, f"what a person has set could not be looked at ({why})"


def _named(row: Mapping[str, object], finding: FindingId) -> Mapping[str, object]:
    """The answer, where it says that it is that finding.

    Raises:
        BadResponse: it is another one, or does not say.
    """
    named = [row[name] for name in ("finding_id", "event_id") if row.get(name)]
    if not named or any(each != finding.text for each in named):
        raise BadResponse(CONNECTOR, "the answer is not that finding, or does not say which it is")
    return row


def _change(
    control: MissionControl, name: str, fields: Mapping[str, str], note: str, deadline: Deadline
) -> bool:
    """Set the fields; True where the tenant demanded the note with them, so that it is written too."""
    path = investigation_place(name)

    def change(params: Mapping[str, str]) -> bool:
        try:
            _check(control.post(path, params, fields, deadline, refused=_demanded).json())
        except NoteDemanded:
            body = {**fields, "incident_note": {"content": note}}
            _check(control.post(path, params, body, deadline, refused=_demanded).json())
            return True
        return False

    return with_time(name, change)


@contextmanager
def _telling(done: Collection[str]) -> Iterator[None]:
    """Where the note fails, its error says what was set before."""
    try:
        yield
    except ConnectorError as exc:
        if done:
            exc.message = f"{', '.join(done)} set, but the comment: {exc.message}"
            exc.args = (f"{exc.connector}: {exc.message}",)
        raise


def _check(answer: object) -> None:
    """Refuse an answer that says it was not done; what a good one holds beside that is not documented."""
    if isinstance(answer, dict) and answer.get("success") is False:
        raise Rejected(CONNECTOR, f"the finding was not updated{because(messages_of(answer))}")


def _demanded(answer: Refused) -> ConnectorError | None:
    if not _NOTE_DEMANDED.search(answer.body):
        return None
    why = "Splunk demands a note with each change of a finding (MC_0206), and did not take ours"
    return NoteDemanded(CONNECTOR, f"{why}{because(messages_of(answer.json()))}")


def _id_of(statuses: Sequence[ReviewStatus], kind: StatusKind, value: str) -> str:
    """The id of a status that is named by its label; any other text as it is."""
    known = [each for each in statuses if each.kind is kind]
    if any(each.id == value for each in known):
        return value
    fits = [each.id for each in known if each.label.casefold() == value.casefold()]
    return fits[0] if len(fits) == 1 else value
