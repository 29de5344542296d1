"""A detection profile: which process, which analytic, what is normal for it.

A profile is one module in actions/profiles/ holding `PROFILE`, or a user's TOML file of the same fields.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.facts.base import Fact

Percent = Annotated[int, Field(ge=0, le=100)]


class Schedule(Fact):
    """When the saved search runs and what it looks at, in Splunk's notation."""

    cron: str = "0 * * * *"
    earliest: str = "-70m@m"
    latest: str = "-10m@m"


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
    title: str
    detection_id: str = ""
    process_names: Annotated[tuple[str, ...], Field(min_length=1)]
    message: str = (
        "An instance of $process_name$ contacting a remote destination was identified on endpoint $dest$ "
        "by user $user$. This behavior is not normal for $process_name$."
    )
    impact: Percent = 80
    confidence: Percent = 100
    techniques: tuple[str, ...] = ()
    tactic: str = ""
    original_file_names: tuple[str, ...] = ()
    expected_directories: tuple[str, ...] = ()
    unusual_directories: tuple[str, ...] = ("winsxs",)
    expects_arguments: bool = False
    benign_children: tuple[str, ...] = ("conhost.exe", "werfault.exe", "dw20.exe")
    schedule: Schedule = Schedule()
