"""A detection profile: which process, which analytic, what is normal for it.

A profile is one module in actions/profiles/ holding `PROFILE`, or a user's TOML file of the same fields.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from connectors.facts.base import Fact
from connectors.siem.generations import NUMBERS, generation_numbered

#: Text that is shown and sent on one line: no control, format or line-separating character.
Line = Annotated[str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$", max_length=4_000)]

#: A line that is not blank, short enough to be the name of a saved search.
Title = Annotated[
    str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*[^\p{C}\p{Z}][^\p{C}\p{Zl}\p{Zp}]*$", max_length=240)
]

Percent = Annotated[int, Field(ge=0, le=100)]


def _known_generations(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if not numbers or set(numbers) - set(NUMBERS):
        raise ValueError(f"must be some of {', '.join(str(each) for each in NUMBERS)}")
    return tuple(sorted(set(numbers)))


#: Numbers of connectors/siem/generations.py, ascending.
GenerationNumbers = Annotated[tuple[int, ...], AfterValidator(_known_generations)]


class Schedule(Fact):
    """When the saved search runs and what it looks at, in Splunk's notation."""

    cron: Line = "0 * * * *"
    earliest: Line = "-70m@m"
    latest: Line = "-10m@m"


class Profile(Fact):
    """One analytic of the family "X with Network Connection".

    Attributes:
        name: short name, such as "regsvcs".
        title: the correlation search's name.
        detection_id: the ESCU detection's UUID; "" for a user's own.
        process_names: image names it looks for, lower case.
        message: ESCU's risk message with $process_name$, $dest$ and $user$.
        generations: of the analytic, by their numbers in connectors/siem/generations.py; the last is what a
            new saved search is made of.
        impact, confidence: percent; score = impact x confidence / 100.
        techniques: ATT&CK technique ids.
        tactic: ATT&CK tactic.
        original_file_names: OriginalFileName values of the genuine binary; empty = not checked.
        expected_directories: where the genuine binary lives, relative to SystemRoot, lower case, without
            leading or trailing backslash; empty = not checked.
        unusual_directories: such as WinSxS copies: odd, not wrong. Prefixes, relative to SystemRoot.
        expects_arguments: True when the genuine use always has arguments.
        benign_children: image names it may start in ordinary use, lower case.
        schedule: of the saved search.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    title: Title
    detection_id: str = ""
    process_names: Annotated[tuple[str, ...], Field(min_length=1)]
    message: Line = (
        "An instance of $process_name$ contacting a remote destination was identified on endpoint $dest$ "
        "by user $user$. This behavior is not normal for $process_name$."
    )
    generations: GenerationNumbers = NUMBERS
    impact: Percent = 80
    confidence: Percent = 100
    techniques: tuple[Line, ...] = ()
    tactic: Line = ""
    original_file_names: tuple[str, ...] = ()
    expected_directories: tuple[str, ...] = ()
    unusual_directories: tuple[str, ...] = ("winsxs",)
    expects_arguments: bool = False
    benign_children: tuple[str, ...] = ("conhost.exe", "werfault.exe", "dw20.exe")
    schedule: Schedule = Schedule()

    def base_score(self, generation: int | None) -> float:
        """The score that the analytic puts on its risk objects by itself.

        Impact x confidence, as versions up to 7 have it. Of ESCU's own detections a later generation has a
        score of its own; a user's own (without a detection_id) has that of its profile in any form.

        Args:
            generation: by its number; None where the notable does not tell.
        """
        row = generation_numbered(generation) if self.detection_id else None
        if row is None or row.number not in self.generations:
            return self.impact * self.confidence / 100
        return float(row.base_score)
