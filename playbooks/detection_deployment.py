"""A detection profile as a saved search of Splunk: a clone of ESCU's analytic, its risk on the machine."""

from __future__ import annotations

from collections.abc import Sequence

from actions.profile import Profile
from connectors.errors import InputError
from connectors.siem.generations import VERSION_7, Generation, generation_numbered
from connectors.siem.splunk.escu import EscuAnalytic
from connectors.siem.splunk.saved_search import Detection, own_name


def saved_search_name(profile: Profile) -> str:
    """The name of our clone of the profile's saved search."""
    return own_name(profile.title)


def deployable_generations(profile: Profile) -> tuple[int, ...]:
    """The generations that a clone can be of, ascending: version 2 leaves out a /12 where it means 10/8."""
    return tuple(each for each in profile.generations if each >= VERSION_7.number)


def detection_of(profile: Profile, *, enterprise_security: bool, generation: int | None = None) -> Detection:
    """What is deployed for a profile. The search needs the macros that ESCU brings.

    Args:
        profile: its message, score, techniques and schedule are taken.
        enterprise_security: False leaves out what only Enterprise Security understands.
        generation: whose search it is, by its number; the profile's latest unless given.

    Raises:
        InputError: the profile names more than one program, which one search of ESCU's cannot have, or has
            no such generation.
    """
    chosen = _generation(profile, generation)
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
        description=f"{profile.process_names[0]} has connected to an address outside {_left_out(chosen)}.",
        message=profile.message,
        score=round(profile.base_score(chosen.number)),
        techniques=profile.techniques,
        generation=chosen,
        cron=profile.schedule.cron,
        earliest=profile.schedule.earliest,
        latest=profile.schedule.latest,
        enterprise_security=enterprise_security,
    )


def _generation(profile: Profile, number: int | None) -> Generation:
    choices = deployable_generations(profile)
    if number is None and choices:
        number = choices[-1]
    row = generation_numbered(number)
    if row is None or row.number not in choices:
        known = " or ".join(str(each) for each in choices) or "a profile that has a later one"
        raise InputError(
            "--generation", f"{number} is none that {profile.name} can be deployed as", f"Use {known}"
        )
    return row


def _left_out(generation: Generation) -> str:
    if generation.excluded == VERSION_7.excluded:
        return "RFC 1918"
    return f"the {len(generation.excluded)} private and reserved IPv4 ranges of version {generation.number}"


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
