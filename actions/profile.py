"""A detection profile: which process, which analytic, what is normal for it.

A profile is one module in actions/profiles/ holding `PROFILE`, or a user's TOML file of the same fields.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.facts.base import Fact

#: Text that is shown and sent on one line: no control, format or line-separating character.
Line = Annotated[str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$", max_length=4_000)]

#: A line that is not blank, short enough to be the name of a saved search.
Title = Annotated[
    str, Field(pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*[^\p{C}\p{Z}][^\p{C}\p{Zl}\p{Zp}]*$", max_length=240)
]

Percent = Annotated[int, Field(ge=0, le=100)]


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
