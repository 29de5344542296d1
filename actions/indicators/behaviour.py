"""Indicators from how the process was called and what it started."""

from __future__ import annotations

import re

from actions.indicators.case_view import CaseView
from actions.indicators.finding import Finding, finding, listed, named, seen
from actions.indicators.lineage import creates_scheduled_task
from actions.indicators.places import ARGUMENT_PLACES, place_of
from actions.windows_paths import below_system_root, in_program_files, is_full_path, is_known_image, lower
from connectors.facts.process import Process

#: Endings of files that are no assemblies; loaders disguise one so.
NOT_ASSEMBLIES = (".txt", ".dat", ".jpg")

#: An option with a value: `/tlb:C:\x.tlb`, `-o=C:\x`.
_OPTION = re.compile(r"[/-][A-Za-z]{1,20}[:=](.+)", re.DOTALL)


def no_arguments(view: CaseView) -> Finding | None:
    """Called without arguments, where ordinary use names an assembly."""
    target = view.target
    if target is None or not view.facts.profile.expects_arguments or view.arguments != ():
        return None
    return finding(
        f"{named(target)} was started without arguments, although it does nothing useful without them.",
        [seen(target, f"command line: {target.command_line}")],
    )


def argument_in_writable_place(view: CaseView) -> Finding | None:
    """An argument names a file where any user may write."""
    found = [(place, each) for each in view.arguments or () if (place := _place_of_argument(each))]
    if view.target is None or not found:
        return None
    return finding(
        f"Its arguments name a file in {listed(place for place, _ in found)}.",
        [seen(view.target, f"argument {argument}") for _, argument in found],
    )


def _place_of_argument(argument: str) -> str | None:
    option = _OPTION.fullmatch(argument)
    value = option.group(1) if option else argument
    return None if "://" in value else place_of(value, ARGUMENT_PLACES)


def assembly_without_dll(view: CaseView) -> Finding | None:
    """What it was told to register has the name of a text or a picture."""
    if not view.facts.profile.expects_arguments:  # not a program that is told to register something
        return None
    found = [a for a in plain_arguments(view.arguments or ()) if lower(a).endswith(NOT_ASSEMBLIES)]
    if view.target is None or not found:
        return None
    return finding(
        "It was told to register a file that is not named like an assembly.",
        [seen(view.target, f"argument {argument}") for argument in found],
    )


def plain_arguments(arguments: tuple[str, ...]) -> list[str]:
    """The arguments that are neither options (`/u`, `-u`) nor response files (`@file`)."""
    return [each for each in arguments if not each.startswith(("/", "-", "@"))]


def unexpected_child(view: CaseView) -> Finding | None:
    """It started a program that its ordinary use does not start."""
    found = [each for each in view.children if _is_unexpected(view, each)]
    if view.target is None or not found:
        return None
    return finding(
        f"It started {listed(named(each) for each in found)}.",
        [seen(each, each.command_line or each.ref.image) for each in found],
    )


def _is_unexpected(view: CaseView, child: Process) -> bool:
    image = child.ref.image
    if not is_known_image(image):
        return False
    if lower(child.name) not in view.facts.profile.benign_children:
        return True
    # A benign name is believed of a file that only an administrator could have put there.
    return is_full_path(image) and not _is_installed(view, image)


def _is_installed(view: CaseView, image: str) -> bool:
    if in_program_files(image, view.system_root):
        return True
    below = below_system_root(image, view.system_root)
    folder = None if below is None else below.rpartition("\\")[0]
    return folder in ("system32", "syswow64", *view.facts.profile.expected_directories)


def scheduled_task_by_target(view: CaseView) -> Finding | None:
    """The process itself created a scheduled task."""
    found = [each for each in view.children if creates_scheduled_task(each)]
    if view.target is None or not found:
        return None
    return finding(
        f"{named(view.target)} itself created a scheduled task.",
        [seen(each, each.command_line or named(each)) for each in found],
    )
