"""Indicators of a benign cause. They count only all together, and only where nothing speaks against it."""

from __future__ import annotations

from actions.destination_hints import has_plain_reason
from actions.indicators.behaviour import plain_arguments
from actions.indicators.case_view import CaseView, inbound_only
from actions.indicators.finding import Finding, finding, listed, named, seen
from actions.indicators.known_programs import MSIEXEC
from actions.risk import EvidenceItem
from actions.windows_paths import below_system_root, in_program_files, is_elevated, is_full_path, lower
from connectors.facts.process import Process, SignatureState


def signed_installer_chain(view: CaseView) -> Finding | None:
    """From an installer down to the process, everything is validly signed and has installers' rights.

    Registering a component needs administrative rights; a chain without them is no installation.
    """
    target = view.target
    if target is None or view.signature.state is not SignatureState.VALID or not is_elevated(target):
        return None
    chain: list[Process] = []
    for ancestor in view.ancestors:
        if ancestor.signature.state is not SignatureState.VALID:
            return None
        chain.append(ancestor)
        if _is_installer(view, ancestor):
            return finding(
                f"A chain of signed programs led to it from the installer {named(ancestor)}.",
                [_signed(target, view.signature.signer)]
                + [_signed(each, each.signature.signer) for each in chain],
            )
    return None


def _is_installer(view: CaseView, process: Process) -> bool:
    image = process.ref.image
    return below_system_root(image, view.system_root) in MSIEXEC or in_program_files(image, view.system_root)


def _signed(process: Process, signer: str) -> EvidenceItem:
    rights = process.integrity or process.user or "rights not recorded"
    return seen(process, f"{named(process)} signed by {signer or 'a signer not named'}, {rights}")


def program_files_dll(view: CaseView) -> Finding | None:
    """All it was told to register is a DLL of an installed program."""
    plain = plain_arguments(view.arguments or ())
    if view.target is None or not plain or not all(_is_installed_dll(view, each) for each in plain):
        return None
    return finding(
        "It was told to register a DLL under Program Files.",
        [seen(view.target, f"argument {argument}") for argument in plain],
    )


def _is_installed_dll(view: CaseView, argument: str) -> bool:
    return (
        is_full_path(argument)
        and lower(argument).endswith(".dll")
        and in_program_files(argument, view.system_root)
    )


def plain_destination(view: CaseView) -> Finding | None:
    """Every peer has a plain reason: certificate status or updates. One without it is enough to say no."""
    destinations = view.facts.destinations
    known = {d.ip for d in destinations}
    peers = {c.src_ip if c.initiated is False else c.dest_ip for c in view.evidence.connections}
    if not destinations or not peers <= known:
        return None
    if not all(has_plain_reason(d) and not inbound_only(view.directions, d) for d in destinations):
        return None
    return finding(
        f"Its only destinations are certificate or update services: {listed(_names(view))}.",
        [EvidenceItem(text=f"{d.ip} as {listed(d.dns_names)}") for d in destinations],
    )


def _names(view: CaseView) -> list[str]:
    return [name for d in view.facts.destinations for name in d.dns_names]
