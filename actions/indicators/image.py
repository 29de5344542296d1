"""Indicators from the process's own image: whether it is what its name says."""

from __future__ import annotations

from actions.indicators.case_view import CaseView
from actions.indicators.finding import Finding, finding, named, seen
from actions.windows_paths import below_system_root, is_full_path, lower
from connectors.facts.process import SignatureState


def original_name_differs(view: CaseView) -> Finding | None:
    """The version resource names another program: a masquerade under the expected name."""
    target = view.target
    expected = view.facts.profile.original_file_names
    if target is None or not expected:
        return None
    original = target.original_file_name.strip()
    if original in ("", "-") or lower(original) in {lower(name) for name in expected}:
        return None
    return finding(
        f"{named(target)} is another program under this name: its OriginalFileName is {original}.",
        [seen(target, f"OriginalFileName {original}, expected {' or '.join(expected)}")],
    )


def image_not_signed(view: CaseView) -> Finding | None:
    """The image has no valid signature; Microsoft signs the genuine one."""
    target = view.target
    if target is None or view.signature.state not in (SignatureState.UNSIGNED, SignatureState.INVALID):
        return None
    state = "is unsigned" if view.signature.state is SignatureState.UNSIGNED else "has an invalid signature"
    return finding(
        f"The image of {named(target)} {state}.",
        [seen(target, f"{target.ref.image}: signature {view.signature.state.value}")],
    )


def image_path_unexpected(view: CaseView) -> Finding | None:
    """The image lies neither where the genuine one is installed nor in a known odd place."""
    directory = _directory(view)
    target = view.target
    if target is None or directory is None or _is_unusual(view, directory):
        return None
    if directory in view.facts.profile.expected_directories:
        return None
    return finding(
        f"{named(target)} ran from a folder where the genuine program is not installed.",
        [seen(target, target.ref.image)],
    )


def image_in_unusual_place(view: CaseView) -> Finding | None:
    """The image is a copy in the component store: Windows keeps one there, nobody runs it from there."""
    directory = _directory(view)
    target = view.target
    if target is None or directory is None or not _is_unusual(view, directory):
        return None
    return finding(
        f"{named(target)} ran from a copy that is kept in Windows but not meant to be run.",
        [seen(target, target.ref.image)],
    )


def _directory(view: CaseView) -> str | None:
    """The image's folder below SystemRoot, "" for any folder elsewhere; None when that is not known."""
    target = view.target
    if target is None or not view.facts.profile.expected_directories or not is_full_path(target.ref.image):
        return None
    below = below_system_root(target.ref.image, view.system_root)
    return "" if below is None else below.rpartition("\\")[0]


def _is_unusual(view: CaseView, directory: str) -> bool:
    return any(
        directory == unusual or directory.startswith(unusual + "\\")
        for unusual in view.facts.profile.unusual_directories
    )
