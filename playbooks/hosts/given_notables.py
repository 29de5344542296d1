"""The notables that a command was given: files and standard input, read and sorted out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actions.profile import Profile
from connectors.errors import ConnectorError, InputError, NotableError
from connectors.facts.notable import Notable
from connectors.siem.notable import RejectedNotable, parse_notables
from connectors.siem.notable_input import MAX_INPUT
from playbooks.profiles import of_profiles
from playbooks.settings import Settings

_STDIN = "-"


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
    """

    notables: list[Notable] = field(default_factory=list)
    rejected: list[RejectedNotable] = field(default_factory=list)
    unread: list[bytes] = field(default_factory=list)
    too_large: int = 0
    errors: list[NotableError] = field(default_factory=list)
    not_found: list[ConnectorError] = field(default_factory=list)

    def add(self, other: GivenNotables) -> None:
        """Take what another source of notables gave."""
        self.notables.extend(other.notables)
        self.rejected.extend(other.rejected)
        self.unread.extend(other.unread)
        self.too_large += other.too_large
        self.errors.extend(other.errors)
        self.not_found.extend(other.not_found)


def read_notables(names: Sequence[str], settings: Settings, profiles: Sequence[Profile]) -> GivenNotables:
    """Read each input; one that cannot be used does not stop the others.

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
            parsed = of_profiles(parse_notables(raw, settings=settings.notable), profiles)
        except NotableError as error:
            given.errors.append(
                NotableError(f"--notable {name}", f"{error.field}: {error.problem}", error.remedy)
            )
            if len(raw) > MAX_INPUT:
                given.too_large += 1
            else:
                given.unread.append(raw)
            continue
        given.notables.extend(parsed.notables)
        given.rejected.extend(parsed.rejected)
        given.errors.extend(each.error for each in parsed.rejected)
    return given


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
