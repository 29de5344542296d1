"""Findings of Enterprise Security 8: their ids, the interface they are asked through, and notes on them.

A finding is named `uuid@@notable@@time<epoch>`. All of it stands below
/servicesNS/nobody/missioncontrol/public/v2: `findings/ID` is read, `investigations/ID` changed, and
`investigations/ID/notes` read and added to (ansible-collections/splunk.es 5.1, plugins/module_utils/notes.py
and plugins/action/splunk_notes.py; demisto/content, Packs/SplunkPy/Integrations/SplunkPyV2/SplunkPyV2.py:
add_investigation_note). A finding is looked up around `notable_time`, an epoch or the word "now"; where it is
unknown with its own time, both ask once more with "now".

Adding a note is not idempotent there, so a note carries a mark that is looked for first. Changing a finding
is in finding_write.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import SecretStr

from connectors.errors import BadResponse, ConnectorError, InputError, NotFound, TimedOut
from connectors.http.call import Call, Refused, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.query.path import segment
from connectors.query.text import holdable
from connectors.siem.splunk.rest import CONNECTOR, reader, record_of

_PUBLIC = "/servicesNS/nobody/missioncontrol/public/v2"

#: The time of a finding that is unknown with its own.
NOW = "now"

#: Title of a note.
TITLE = "regsvcs-response"

#: Who may read and write findings, as far as the documentation names it.
SCOPE = "Enterprise Security: edit findings and investigations"

#: Notes that one answer holds at most.
MOST_NOTES = 100

#: Longest note, in characters.
MAX_NOTE = 10_000

_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_FINDING = re.compile(rf"(?P<uuid>{_UUID})@@notable@@time(?P<epoch>[0-9]{{9,11}})")
_INVESTIGATION = re.compile(_UUID)
_MARK = re.compile(r"\n\[regsvcs-response [0-9a-f]{24}\]\s*\Z")


class FindingId(NamedTuple):
    """The parts of a finding's id.

    Attributes:
        text: the whole id.
        uuid: of the finding.
        notable_time: seconds since the epoch.
    """

    text: str
    uuid: str
    notable_time: int


def finding_id(text: str) -> FindingId | None:
    """The parts of a finding's id; None for any other text, such as an event_id of ES 7."""
    read = _FINDING.fullmatch(text)
    return FindingId(text, read["uuid"], int(read["epoch"])) if read else None


def finding_place(finding: FindingId) -> str:
    """Path at which a finding is read."""
    return f"{_PUBLIC}/findings/{segment(finding.text)}"


def investigation_place(target: str) -> str:
    """Path at which a finding or an investigation is changed.

    Raises:
        InputError: it is the id of neither.
    """
    if finding_id(target) is None and not _INVESTIGATION.fullmatch(target):
        raise InputError("finding", "is no id of a finding or an investigation of ES 8")
    return f"{_PUBLIC}/investigations/{segment(target)}"


def notes_place(target: str) -> str:
    """Path of the notes of a finding or an investigation.

    Raises:
        InputError: as investigation_place.
    """
    return f"{investigation_place(target)}/notes"


def with_time[T](target: str, ask: Callable[[Mapping[str, str]], T]) -> T:
    """What is answered with the finding's own time, else with "now"; an investigation has none.

    Args:
        target: id of a finding or an investigation.
        ask: asks with these parameters.

    Raises:
        NotFound: it is not known either way.
    """
    finding = finding_id(target)
    if finding is None:
        return ask({})
    try:
        return ask({"notable_time": str(finding.notable_time)})
    except NotFound:
        return ask({"notable_time": NOW})


def marked(content: str, key: str, ending: str = "") -> tuple[str, str]:
    """The note with a mark of its own at the end, and the mark.

    Args:
        content: what it says; cut where it is too long.
        key: what makes the note one and the same.
        ending: lines before the mark that are never cut; "" for none.
    """
    mark = f"[regsvcs-response {hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}]"
    tail = "".join(f"\n{each}" for each in (ending, mark) if each)
    return f"{content[: MAX_NOTE - len(tail)]}{tail}".lstrip("\n"), mark


def unmarked(note: str) -> str | None:
    """A note of ours without its mark; None for one of somebody else."""
    # A note of nothing but lines that are never cut begins with no line feed.
    found = _MARK.search(f"\n{note}")
    return f"\n{note}"[1 : found.start()].rstrip() if found else None


class MissionControl:
    """The interface of ES 8, as one user. Safe to use from many threads at once."""

    def __init__(
        self, http: Http, base_url: str, token: SecretStr, *, unsaid: tuple[SecretStr, ...] = ()
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends.
            base_url: the management port.
            token: of the account.
            unsaid: secrets besides the token that no answer may tell.
        """
        self._unsaid = unsaid
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._auth = {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}

    def get(self, path: str, params: Mapping[str, str], deadline: Deadline) -> Reply:
        """Read something.

        Raises:
            AuthRejected, PermissionMissing, NotFound, ConnectorError: as SplunkRest.get.
        """
        return self._http.send(self._call(path, params, reader(CONNECTOR, SCOPE)), deadline=deadline)

    def post(
        self,
        path: str,
        params: Mapping[str, str],
        body: Mapping[str, object],
        deadline: Deadline,
        *,
        refused: Callable[[Refused], ConnectorError | None] | None = None,
    ) -> Reply:
        """Send a JSON body, once.

        Args:
            path: from the root.
            params: of the query.
            body: what is sent.
            deadline: for the attempt.
            refused: reads a refusal first; None from it leaves it to the usual meaning.

        Raises:
            TimedOut: whether it was carried out is not known.
            AuthRejected, PermissionMissing, NotFound, ConnectorError: as SplunkRest.post.
        """
        usual = reader(CONNECTOR, SCOPE)

        def read(answer: Refused) -> ConnectorError | None:
            own = refused(answer) if refused is not None else None
            return own or usual(answer)

        call = self._call(path, params, read)
        return self._http.send(
            call._replace(method="POST", body=dict(body), repeatable=False), deadline=deadline
        )

    def _call(
        self, path: str, params: Mapping[str, str], refused: Callable[[Refused], ConnectorError | None]
    ) -> Call:
        return Call(
            CONNECTOR,
            f"{self._base_url}{path}",
            params=params,
            secret_headers=self._auth,
            unsaid=self._unsaid,
            refused=refused,
        )


class Notes:
    """Reads notes, and adds them, each once."""

    def __init__(self, control: MissionControl) -> None:
        """Ask nothing yet."""
        self._control = control

    def add(self, target: str, content: str, *, key: str, deadline: Deadline) -> bool:
        """Add a note, unless one with the same key is among the newest; False when it was there.

        Args:
            target: id of a finding or an investigation.
            content: what it says.
            key: what makes the note one and the same, such as case and verdict.
            deadline: for all calls together.

        Raises:
            InputError: the target is no such id, or the note is empty or cannot be sent.
            NotFound: there is no such finding.
            TimedOut: whether it was added is not known.
        """
        if not holdable("note", content).strip():
            raise InputError("note", "is empty")
        text, mark = marked(content, key)
        if any(mark in each for each in self.newest(target, deadline)):
            return False
        self.post(target, text, mark, deadline)
        return True

    def post(self, target: str, text: str, mark: str, deadline: Deadline) -> None:
        """Add a note; where no answer says that it was added, it is looked for by its mark.

        Raises:
            InputError: the target is no id of a finding or an investigation.
            NotFound: there is no such finding.
            TimedOut: whether it was added is not known.
        """
        path, body = notes_place(target), {"title": TITLE, "content": text}
        try:
            reply = with_time(target, lambda params: self._control.post(path, params, body, deadline))
            answer = record_of(reply)
        except (TimedOut, BadResponse) as exc:
            if not deadline.passed and any(mark in each for each in self.newest(target, deadline)):
                return
            raise TimedOut(CONNECTOR, f"whether the note was added is not known ({exc.message})") from exc
        if not answer.get("id"):
            raise BadResponse(CONNECTOR, "the answer does not name the note that was added")

    def newest(self, target: str, deadline: Deadline) -> tuple[str, ...]:
        """The newest notes, MOST_NOTES at most.

        Raises:
            InputError: the target is no id of a finding or an investigation.
            NotFound: there is no such finding.
            BadResponse: the answer is no list of notes.
        """
        path, asked = notes_place(target), {"limit": str(MOST_NOTES), "sort": "create_time:-1"}
        return _contents(
            with_time(target, lambda params: self._control.get(path, {**params, **asked}, deadline))
        )


def _contents(reply: Reply) -> tuple[str, ...]:
    items = record_of(reply).get("items")
    if not isinstance(items, list):
        raise BadResponse(CONNECTOR, "the notes are not a list")
    # One whose text cannot be read is somebody's all the same.
    return tuple(
        text if isinstance(each, dict) and isinstance(text := each.get("content"), str) else ""
        for each in items
    )
