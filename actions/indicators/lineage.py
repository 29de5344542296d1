"""Indicators from where the process came from: its parent, its ancestors, and what ran beside it."""

from __future__ import annotations

from datetime import datetime, timedelta

from actions.command_line import arguments_of
from actions.indicators.case_view import CaseView
from actions.indicators.finding import Finding, finding, listed, named, seen
from actions.indicators.known_programs import (
    DOCUMENT_AND_SCRIPT_HOSTS,
    SCHEDULED_TASK_TOOL,
    SHELLS,
    is_shell_or_service,
    names_of,
)
from actions.indicators.places import PARENT_PLACES, place_of
from actions.risk import EvidenceItem
from actions.windows_paths import is_known_image, lower
from connectors.facts.process import Process, SignatureState

#: A parent that ends this soon after it started the process, while the process goes on, did not wait for it.
#: Batch files and installers wait; loaders inject and exit. Seconds rather than minutes: a judgement.
SHORT_LIVED_PARENT = timedelta(seconds=10)


def parent_not_signed(view: CaseView) -> Finding | None:
    """The parent's image has no valid signature."""
    parent = view.parent
    if parent is None or parent.signature.state not in (SignatureState.UNSIGNED, SignatureState.INVALID):
        return None
    state = "unsigned" if parent.signature.state is SignatureState.UNSIGNED else "not validly signed"
    return finding(
        f"Its parent {named(parent)} is {state}.",
        [seen(parent, f"{parent.ref.image}: signature {parent.signature.state.value}")],
    )


def parent_in_writable_place(view: CaseView) -> Finding | None:
    """The parent's image lies where any user may write."""
    parent = view.parent
    if parent is None:
        return None
    place = place_of(parent.ref.image, PARENT_PLACES)
    if place is None:
        return None
    return finding(
        f"Its parent {named(parent)} ran from {place}, where any user may write.",
        [seen(parent, parent.ref.image)],
    )


def document_or_script_ancestor(view: CaseView) -> Finding | None:
    """Office, a script host or AutoIt is among the ancestors."""
    found = [(each, host) for each in view.ancestors if (host := _host_of(each))]
    if not found:
        return None
    return finding(
        f"It descends from {listed(host for _, host in found)}.",
        [seen(each, f"ancestor {named(each)}: {each.ref.image}") for each, _ in found],
    )


def _host_of(process: Process) -> str | None:
    for name in sorted(names_of(process)):
        if name in DOCUMENT_AND_SCRIPT_HOSTS:
            return DOCUMENT_AND_SCRIPT_HOSTS[name]
    return None


def scheduled_task_beside(view: CaseView) -> Finding | None:
    """The parent, neither shell nor service, also created a scheduled task."""
    parent = view.parent
    if (
        parent is None
        or not is_known_image(parent.ref.image)
        or is_shell_or_service(parent, view.system_root)
    ):
        return None
    found = [each for each in view.siblings if creates_scheduled_task(each)]
    if not found:
        return None
    return finding(
        f"Its parent {named(parent)}, neither a shell nor a service, also created a scheduled task.",
        [seen(each, each.command_line or named(each)) for each in found],
    )


def creates_scheduled_task(process: Process) -> bool:
    """True for `schtasks /Create`."""
    if SCHEDULED_TASK_TOOL not in names_of(process):
        return False
    arguments = arguments_of(process.command_line, process.ref.image) or ()
    return any(lower(argument) in ("/create", "-create") for argument in arguments)


def parent_exited(view: CaseView) -> Finding | None:
    """The parent ended within seconds and the process is known to have gone on without it."""
    target, parent = view.target, view.parent
    if target is None or parent is None or parent.end_time is None or target.ref.start_time is None:
        return None
    lived_on = parent.end_time - target.ref.start_time
    last_sign = _last_sign_of_life(view, target)
    if not timedelta(0) <= lived_on <= SHORT_LIVED_PARENT or last_sign is None:
        return None
    if last_sign <= parent.end_time:
        return None
    seconds = lived_on.total_seconds()
    return finding(
        f"Its parent {named(parent)} ended {seconds:.1f} seconds after starting it; the process went on.",
        [
            seen(target, f"{named(target)} started"),
            EvidenceItem(text=f"{named(parent)} ended", time=parent.end_time, source=parent.end_source),
        ],
    )


def _last_sign_of_life(view: CaseView, target: Process) -> datetime | None:
    times = [target.end_time]
    times += [c.last_time or c.time for c in view.evidence.connections]
    times += [d.time for d in view.evidence.dns]
    times += [child.ref.start_time for child in view.children]
    known = [time for time in times if time is not None]
    return max(known) if known else None


def shell_ancestor(view: CaseView) -> Finding | None:
    """A shell is among the ancestors: context, because every batch file and registration has one."""
    found = [each for each in view.ancestors if names_of(each) & SHELLS]
    if not found:
        return None
    return finding(
        f"It descends from a shell: {listed(named(each) for each in found)}.",
        [
            seen(each, f"ancestor {named(each)}: {each.command_line or 'command line not recorded'}")
            for each in found
        ],
    )
