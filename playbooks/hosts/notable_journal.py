"""Every notable that was fetched from the SIEM, on the disk before it is worked: DIR/notables.ndjson.

What a case rests on is then there when a later notable joins it, and a crash loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from connectors.facts.base import Fact, Instant
from connectors.facts.notable import Notable, NotableSource
from connectors.state.line_file import LineFile
from playbooks.report.wording import count

#: The file's name.
JOURNAL = "notables.ndjson"

#: For so long a notable joins those of its host and process that were fetched later.
JOINS_FOR = timedelta(days=7)

#: Notables of one host and process that are worked again at most, the newest: each is looked up once more.
MOST_JOINED = 200


class Line(Fact):
    """One line of the journal.

    Attributes:
        v: version of the line.
        kept_at: when it was first fetched.
    """

    v: Literal[1] = 1
    kept_at: Instant
    notable: Notable


class NotableJournal:
    """The journal of one folder; its lock is the caller's. Read once, when it is opened."""

    def __init__(self, folder: Path, *, now: datetime, tell: Callable[[str], None]) -> None:
        """Read what is there.

        Args:
            folder: is there.
            now: the time.
            tell: takes a sentence on what was damaged or left out.

        Raises:
            OSError: the file is there and cannot be read or mended.
        """
        self._file = LineFile(folder / JOURNAL, tell=tell)
        self._tell = tell
        self._now = now
        self._known: set[tuple[str | None, ...]] = set()
        self._recent: list[Notable] = []
        unreadable = 0
        for record in self._file.records():
            try:
                line = Line.model_validate(record)
            except ValidationError:
                unreadable += 1
                continue
            self._known.add(key_of(line.notable))
            if line.kept_at > now - JOINS_FOR:
                self._recent.append(_of_this_version(line.notable))
        if unreadable:
            tell(f"{self._file.path}: {count(unreadable, 'line')} not of this version, left out")

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def append(self, notables: Iterable[Notable]) -> int:
        """Keep those that are not there yet, each once; how many those are.

        Raises:
            OSError: none of them could be kept.
        """
        fresh: dict[tuple[str | None, ...], Notable] = {}
        for each in notables:
            if key_of(each) not in self._known:
                fresh.setdefault(key_of(each), each)
        lines = [Line(kept_at=self._now, notable=each) for each in fresh.values()]
        self._file.append([each.model_dump(mode="json") for each in lines])
        self._known.update(fresh)
        self._recent.extend(fresh.values())
        return len(fresh)

    def joined(self, notables: Sequence[Notable]) -> list[Notable]:
        """The notables with those of the last JOINS_FOR days that may be of their cases, each once."""
        given = {key_of(each) for each in notables}
        found: dict[tuple[str, str], list[Notable]] = {group_of(each): [] for each in notables}
        for each in self._recent:
            if group_of(each) in found and key_of(each) not in given:
                found[group_of(each)].append(each)
        for (host, process), others in found.items():
            if len(others) > MOST_JOINED:
                left = len(others) - MOST_JOINED
                self._tell(f"{left} earlier notables of {process} on {host} were left out of its case")
        return [*notables, *(each for others in found.values() for each in others[-MOST_JOINED:])]

    @property
    def recent(self) -> Sequence[Notable]:
        """The notables that were fetched in the last JOINS_FOR days, the earliest first."""
        return tuple(self._recent)


def _of_this_version(notable: Notable) -> Notable:
    """A notable that an earlier version kept took `dest` for the machine, which may be the peer."""
    if not notable.dest or notable.machine_field or notable.source is NotableSource.DETECTION:
        return notable
    return notable.model_copy(update={"dest_given": notable.dest, "machine_doubtful": True})


def key_of(notable: Notable) -> tuple[str | None, ...]:
    """What tells one notable from another: its id and the by-fields of the analytic."""
    return (
        notable.event_id,
        notable.dest,
        notable.user,
        notable.process_name,
        notable.src_ip,
        notable.dest_ip,
        *(() if notable.dest else (notable.dest_given, *notable.process_guids)),
    )


def group_of(notable: Notable) -> tuple[str, str]:
    """Host and process as far as names tell: notables of one case share it.

    A host is known by its short name, since the domain may be missing in some; one that is not named by its
    own address.
    """
    if not notable.dest:
        return notable.machine_label, notable.process_name.casefold()
    host = notable.dest.casefold()
    if ":" not in host and not host.replace(".", "").isdecimal():
        host = host.partition(".")[0]
    return host, notable.process_name.casefold()
