"""What was written back to the SIEM, by notable: DIR/written_back.ndjson.

A case that a later notable joins is worked again. Its earlier notables are commented again only where the
findings have changed, and what failed is tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from connectors.facts.base import Fact, Instant
from connectors.state.line_file import LineFile
from playbooks.hosts.notable_journal import JOINS_FOR

#: The file's name.
RECORD = "written_back.ndjson"

#: The step of a notable that was in a case which was written back, without anything being written to itself.
_PASSED = "passed"


class _Line(Fact):
    v: Literal[1] = 1
    at: Instant
    step: str
    event_id: str
    findings: str
    ok: bool


class WriteBackRecord:
    """The record of one folder; its lock is the caller's. Read once, when it is opened."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime], tell: Callable[[str], None]) -> None:
        """Read what is there.

        Raises:
            OSError: the file is there and cannot be read or mended.
        """
        self._file = LineFile(folder / RECORD, tell=tell)
        self._clock = clock
        self._last: dict[tuple[str, str], _Line] = {}
        for record in self._file.records():
            try:
                line = _Line.model_validate(record)
            except ValidationError:
                continue  # of another version: at worst something is written once more
            self._last[line.step, line.event_id] = line

    def holds(self, step: str, event_id: str, findings: str) -> bool:
        """Whether the step was done for the notable with the same findings, the last time it was."""
        last = self._last.get((step, event_id))
        return last is not None and last.ok and last.findings == findings

    def add(self, step: str, event_id: str, findings: str, *, ok: bool) -> None:
        """Keep how a step went.

        Raises:
            OSError: it could not be kept.
        """
        line = _Line(at=self._clock(), step=step, event_id=event_id, findings=findings, ok=ok)
        self._file.append([line.model_dump(mode="json")])
        self._last[step, event_id] = line

    def passed(self, event_ids: Iterable[str]) -> None:
        """Keep that the case of these notables was written back; those that have an outcome keep it.

        Raises:
            OSError: it could not be kept.
        """
        known = {each.event_id for each in self._last.values()}
        lines = [
            _Line(at=self._clock(), step=_PASSED, event_id=each, findings="", ok=True)
            for each in dict.fromkeys(event_ids)
            if each not in known
        ]
        self._file.append([each.model_dump(mode="json") for each in lines])
        self._last.update({(each.step, each.event_id): each for each in lines})

    def due(self, event_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the ids to which nothing was written yet, then those where something failed.

        Of the latter those of the last days, the one first that was tried the longest ago.
        """
        since = self._clock() - JOINS_FOR
        known = {each.event_id for each in self._last.values()}
        failed = {each.event_id: each.at for each in self._last.values() if not each.ok and each.at > since}
        asked = dict.fromkeys(event_ids)
        again = sorted((each for each in asked if each in failed), key=lambda each: failed[each])
        return (*(each for each in asked if each not in known), *again)
