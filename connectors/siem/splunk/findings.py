"""Findings of Enterprise Security 8: their ids, and notes on them.

A finding is named `uuid@@notable@@time<epoch>`. Notes of a finding or an investigation are read and added at
/servicesNS/nobody/missioncontrol/public/v2/investigations/ID/notes, a finding with `notable_time`
(ansible-collections/splunk.es 5.1, plugins/module_utils/notes.py and plugins/action/splunk_notes.py).
Adding is not idempotent there, so a note carries a mark that is looked for first.

Not built: changing a finding's status, owner or urgency. The sources disagree on the path (the same
collection updates at missioncontrol/v1/investigations, a Terraform provider says that findings cannot be
updated), so it waits for Splunk's own document.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import SecretStr

from connectors.errors import BadResponse, InputError, TimedOut
from connectors.http.call import Call, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import NotableUpdate, NotableWritten
from connectors.query.path import segment
from connectors.query.text import holdable
from connectors.siem.splunk.rest import CONNECTOR, reader, record_of

#: Fields of an update that a finding does not get.
_NOT_WRITTEN = ("status", "urgency", "owner", "disposition")

_INVESTIGATIONS = "/servicesNS/nobody/missioncontrol/public/v2/investigations"

#: Who may write notes, as far as the documentation names it.
SCOPE = "Enterprise Security: edit findings and investigations"

#: Notes that one answer holds at most.
_PAGE = 100

#: Longest note, in characters.
MAX_NOTE = 10_000

_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_FINDING = re.compile(rf"(?P<uuid>{_UUID})@@notable@@time(?P<epoch>[0-9]{{9,11}})")
_INVESTIGATION = re.compile(_UUID)


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


def notes_place(target: str) -> tuple[str, dict[str, str]]:
    """Path and parameters of the notes of a finding or an investigation.

    Raises:
        InputError: it is the id of neither.
    """
    finding = finding_id(target)
    if finding is None and not _INVESTIGATION.fullmatch(target):
        raise InputError("finding", "is no id of a finding or an investigation of ES 8")
    params = {"notable_time": str(finding.notable_time)} if finding else {}
    return f"{_INVESTIGATIONS}/{segment(target)}/notes", params


def marked(content: str, key: str) -> tuple[str, str]:
    """The note with a mark of its own at the end, and the mark."""
    mark = f"[regsvcs-response {hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}]"
    return f"{content[: MAX_NOTE - len(mark) - 1]}\n{mark}", mark


class Notes:
    """Adds notes, each once."""

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

    def update(self, finding: str, update: NotableUpdate, *, deadline: Deadline) -> NotableWritten:
        """The comment of an update as a note, once; its other fields are left and told.

        Raises:
            InputError, NotFound, TimedOut: as `add`.
        """
        added = self.add(finding, update.comment, key=update.comment, deadline=deadline)
        given = update._asdict()
        left = tuple(name for name in _NOT_WRITTEN if given[name] is not None)
        told = f"Left as it is: {', '.join(left)}; how a finding's are set is not confirmed." if left else ""
        return NotableWritten(("comment",) if added else (), left, told)

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
        path, params = notes_place(target)
        text, mark = marked(content, key)
        if self._has(path, params, mark, deadline):
            return False
        call = self._call(path, params, body={"content": text})
        try:
            answer = record_of(self._http.send(call, deadline=deadline))
        except (TimedOut, BadResponse) as exc:
            if not deadline.passed and self._has(path, params, mark, deadline):
                return True
            raise TimedOut(CONNECTOR, f"whether the note was added is not known ({exc.message})") from exc
        if not answer.get("id"):
            raise BadResponse(CONNECTOR, "the answer does not name the note that was added")
        return True

    def _has(self, path: str, params: Mapping[str, str], mark: str, deadline: Deadline) -> bool:
        newest = {**params, "limit": str(_PAGE), "sort": "create_time:-1"}
        return any(
            mark in text for text in _contents(self._http.send(self._call(path, newest), deadline=deadline))
        )

    def _call(self, path: str, params: Mapping[str, str], body: object | None = None) -> Call:
        writes = body is not None
        return Call(
            CONNECTOR,
            f"{self._base_url}{path}",
            method="POST" if writes else "GET",
            params=params,
            secret_headers=self._auth,
            unsaid=self._unsaid,
            body=body,
            repeatable=not writes,
            refused=reader(CONNECTOR, SCOPE),
        )


def _contents(reply: Reply) -> list[str]:
    items = record_of(reply).get("items")
    if not isinstance(items, list):
        raise BadResponse(CONNECTOR, "the notes are not a list")
    return [
        each["content"] for each in items if isinstance(each, dict) and isinstance(each.get("content"), str)
    ]
