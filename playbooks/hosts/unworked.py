"""Notables that a run took and could not work to the end: DIR/unworked.ndjson.

The checkpoint has moved past them, so the runs after it take them from the journal, until they were worked or
the journal no longer joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from connectors.facts.base import Fact, Instant
from connectors.facts.notable import Notable
from connectors.state.line_file import LineFile

#: The file's name.
RECORD = "unworked.ndjson"


class Unworked(StrEnum):
    """Why a notable is to be worked again."""

    NO_REPORT = "no_report"
    """A fault of ours: no report holds it."""
    NOT_LOOKED_UP = "not_looked_up"
    """The EDR failed; that it knows no such host is an answer and no failure."""


class Identity(NamedTuple):
    """What a notable and its copy in a report share: fields that no step of the playbook rewrites.

    The user and the direction are not among them: where a notable lacks them, a report has those of the
    process's own record.
    """

    event_id: str
    dest: str
    process_name: str
    src_ip: str | None
    dest_ip: str | None


def identity_of(notable: Notable) -> Identity:
    """The same for the notable as it was fetched and as a report has it."""
    return Identity(notable.event_id, notable.dest, notable.process_name, notable.src_ip, notable.dest_ip)


class _Line(Fact):
    """One line: why it waits since then; None where it waits no longer."""

    v: Literal[1] = 1
    at: Instant
    notable: Identity
    why: Unworked | None


class UnworkedRecord:
    """The record of one folder; its lock is the caller's. Read once, when it is opened."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], tell: Callable[[str], None]) -> None:
        """Read what is there.

        Raises:
            OSError: the file is there and cannot be read or mended.
        """
        self._file = LineFile(folder / RECORD, tell=tell)
        self._clock = clock
        self._waiting: dict[Identity, _Line] = {}
        for record in self._file.records():
            try:
                self._hold(_Line.model_validate(record))
            except ValidationError as error:
                tell(f"{self._file.path}: a line is not of this version, left out ({error.error_count()})")

    @property
    def waiting(self) -> tuple[Identity, ...]:
        """Those to be worked again, the one first whose last try is the longest ago."""
        return tuple(sorted(self._waiting, key=lambda each: self._waiting[each].at))

    def keep(self, outcomes: Mapping[Identity, Unworked], *, ended: Iterable[Identity]) -> None:
        """Keep what became of notables, all of it or nothing.

        Args:
            outcomes: those that could not be worked, and why.
            ended: those that were worked, or are given up.

        Raises:
            OSError: it could not be kept.
        """
        now = self._clock()
        lines = [_Line(at=now, notable=each, why=why) for each, why in outcomes.items()]
        lines += [
            _Line(at=now, notable=each, why=None)
            for each in ended
            if each in self._waiting and each not in outcomes
        ]
        self._file.append([each.model_dump(mode="json") for each in lines])
        for line in lines:
            self._hold(line)

    def _hold(self, line: _Line) -> None:
        self._waiting.pop(line.notable, None)
        if line.why is not None:
            self._waiting[line.notable] = line
