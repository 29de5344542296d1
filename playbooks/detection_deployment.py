"""A detection profile as a saved search of Splunk, as ESCU ships the analytic."""

from __future__ import annotations

from collections.abc import Sequence

from actions.profile import Profile
from actions.risk import score_of
from connectors.errors import InputError
from connectors.siem.splunk.escu import EscuAnalytic
from connectors.siem.splunk.saved_search import Detection, escu_name


def saved_search_name(profile: Profile) -> str:
    """The name under which ESCU has the profile's saved search."""
    return escu_name(profile.title)


def detection_of(profile: Profile, *, enterprise_security: bool) -> Detection:
    """What is deployed for a profile. The search needs the macros that ESCU brings.

    Args:
        profile: its message, score, techniques and schedule are taken.
        enterprise_security: False leaves out what only Enterprise Security understands.

    Raises:
        InputError: the profile names more than one program, which one search of ESCU's cannot have.
    """
    if len(profile.process_names) != 1:
        raise InputError(
            "--profile",
            f"{profile.name} names {len(profile.process_names)} programs, and a search of ESCU's has one",
            "Give a profile for each",
        )
    analytic = EscuAnalytic(
        title=profile.title,
        process_name=profile.process_names[0],
        filter_macro=filter_macro_of(profile.title),
    )
    return Detection(
        analytic=analytic,
        description=f"{profile.process_names[0]} has connected to an address outside RFC 1918.",
        message=profile.message,
        score=round(score_of(profile.impact, profile.confidence)),
        techniques=profile.techniques,
        cron=profile.schedule.cron,
        earliest=profile.schedule.earliest,
        latest=profile.schedule.latest,
        enterprise_security=enterprise_security,
    )


def analytics_of(profiles: Sequence[Profile]) -> tuple[EscuAnalytic, ...]:
    """What is searched for where the analytics themselves are the source: one a program of each profile.

    Without ESCU there is no macro with exclusions, so none is named.
    """
    return tuple(
        EscuAnalytic(title=profile.title, process_name=name, filter_macro="")
        for profile in profiles
        for name in profile.process_names
    )


def filter_macro_of(title: str) -> str:
    """The macro with the user's own exclusions: the title in lower case with underscores, and `_filter`.

    splunk/contentctl makes it of the detection's name in this way.
    """
    plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in title.lower())
    return f"{plain}_filter"
