"""The notables that a command was given: files and standard input, read and sorted out."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actions.profile import Profile
from connectors.errors import ConnectorError, InputError, NotableError
from connectors.facts.notable import Notable
from connectors.siem.input.alerts import all_rows, results_file_of
from connectors.siem.input.secrets import kept_input
from connectors.siem.notable import ParsedInput, RejectedNotable, notables_from_object
from connectors.siem.notable_input import MAX_INPUT, open_candidates, read_objects
from playbooks.profiles import of_profiles
from playbooks.report.display import visible
from playbooks.settings import Settings

_STDIN = "-"

#: What Splunk writes to the dispatch folder of a search. A payload names the file, and its sender may not be
#: Splunk: no other file of this machine is read for it.
_RESULTS = ("results.csv", "results.csv.gz")


@dataclass(slots=True)
class GivenNotables:
    """What the inputs held.

    Attributes:
        notables: fit to be worked.
        rejected: objects that make no notable of this playbook.
        unread: whole inputs in which no notable could be found.
        too_large: how many inputs are over the limit; only a part of them was read.
        errors: why objects or inputs could not be used, one for each.
        not_found: why notables that were named could not be had of the SIEM, one for each.
        notes: what else there may be that was not read, one sentence each.
    """

    notables: list[Notable] = field(default_factory=list)
    rejected: list[RejectedNotable] = field(default_factory=list)
    unread: list[bytes] = field(default_factory=list)
    too_large: int = 0
    errors: list[NotableError] = field(default_factory=list)
    not_found: list[ConnectorError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: GivenNotables) -> None:
        """Take what another source of notables gave."""
        self.notables.extend(other.notables)
        self.rejected.extend(other.rejected)
        self.unread.extend(other.unread)
        self.too_large += other.too_large
        self.errors.extend(other.errors)
        self.not_found.extend(other.not_found)
        self.notes.extend(other.notes)


def read_notables(names: Sequence[str], settings: Settings, profiles: Sequence[Profile]) -> GivenNotables:
    """Read each input; one that cannot be used does not stop the others.

    Of an alert action's payload the file with all rows is read, where it can be.

    Args:
        names: paths; "-" is standard input.
        settings: how notables are read.
        profiles: the programs whose notables are worked.

    Raises:
        InputError: a file cannot be opened.
    """
    given = GivenNotables()
    for name in names:
        raw = _read(name)
        try:
            parsed = of_profiles(_parsed(name, raw, settings, given.notes), profiles)
        except NotableError as error:
            given.errors.append(
                NotableError(f"--notable {name}", f"{error.field}: {error.problem}", error.remedy)
            )
            if len(raw) > MAX_INPUT:
                given.too_large += 1
            else:
                given.unread.append(kept_input(raw))
            continue
        given.notables.extend(parsed.notables)
        given.rejected.extend(parsed.rejected)
        given.errors.extend(each.error for each in parsed.rejected)
    return given


def _parsed(name: str, raw: bytes, settings: Settings, notes: list[str]) -> ParsedInput:
    """The notables of one input.

    Raises:
        NotableError: the input as a whole cannot be used.
    """
    data = read_objects(raw)
    payloads = data if isinstance(data, list) else [data]
    if not any(results_file_of(each) for each in payloads):
        return notables_from_object(data, settings=settings.notable)
    rows: list[object] = []
    first_rows: list[str] = []
    for payload in payloads:
        path = results_file_of(payload)
        if not path or not isinstance(payload, Mapping):
            rows.append(payload)
            continue
        try:
            held = all_rows(payload, open_candidates(read_objects(_results(Path(path)))))
        except (InputError, OSError, ValueError) as error:
            held, why = [], _reason(error)
        else:
            why = "it holds no row"
        if held:
            rows.extend(held)
        else:
            rows.append(payload)
            first_rows.append(
                f"The results_file of the alert, {visible(path)}, was not read ({why}): only the first row of"
                " the results is here, and there may be more. Give that file itself with --notable."
            )
    parsed = notables_from_object(rows, settings=settings.notable)
    notes.extend(f"--notable {name}: {each}" for each in first_rows)
    if first_rows and len(payloads) == 1:
        told = [each.model_copy(update={"notes": (*each.notes, *first_rows)}) for each in parsed.notables]
        parsed = parsed._replace(notables=tuple(told))
    return parsed


def _results(path: Path) -> bytes:
    """A results file; a device or a pipe in its place is not waited for, and no link is followed.

    Raises:
        OSError: it cannot be read, or is none.
    """
    if path.name not in _RESULTS:
        raise OSError(0, f"it is not named {' or '.join(_RESULTS)}")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no file")
        return file.read(MAX_INPUT + 1)


def _reason(error: InputError | OSError | ValueError) -> str:
    if isinstance(error, InputError):
        return f"{error.field}: {error.problem}"
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else "its path is none"


def _read(name: str) -> bytes:
    if name == _STDIN:
        return sys.stdin.buffer.read(MAX_INPUT + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_INPUT + 1)  # the parser refuses what is larger
    except OSError as error:
        raise InputError(
            "--notable", f"{name} cannot be read ({error.strerror})", "Check the path"
        ) from error
