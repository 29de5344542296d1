"""What was written back to the SIEM, by notable: DIR/written_back.ndjson.

A case that a later notable joins is worked again. Its earlier notables are commented again only where the
findings have changed, and what failed is tried again by the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from connectors.facts.base import Fact, Instant
from connectors.state.line_file import LineFile
from playbooks.hosts.notable_journal import JOINS_FOR

#: The file's name.
RECORD = "written_back.ndjson"


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

    def failed(self) -> frozenset[str]:
        """Notables to which something could not be written in the last days, and has not been since."""
        since = self._clock() - JOINS_FOR
        return frozenset(each.event_id for each in self._last.values() if not each.ok and each.at > since)
