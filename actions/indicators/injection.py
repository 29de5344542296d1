"""Indicators that code was put into the process from outside. Their absence proves nothing."""

from __future__ import annotations

from actions.indicators.case_view import CaseView, is_creator
from actions.indicators.finding import Finding, finding, listed, named, seen
from actions.indicators.known_programs import CSRSS, OPENS_EVERY_PROCESS
from actions.risk import EvidenceItem
from actions.windows_paths import below_system_root, file_name, is_full_path, is_known_image, lower, normal
from connectors.facts.process import ProcessAccess, RemoteThread, image_name

#: Rights needed to write into another process: PROCESS_VM_OPERATION and PROCESS_VM_WRITE.
#: https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights
WRITE_RIGHTS = 0x0008 | 0x0020


def tampering(view: CaseView) -> Finding | None:
    """Sysmon saw that the image in memory is not the file on disk."""
    events = view.evidence.tampering
    if not events:
        return None
    kinds = listed(event.type or "type not recorded" for event in events)
    return finding(
        f"Sysmon reported tampering with the process ({kinds}).",
        [EvidenceItem(text=f"tampering: {e.type}", time=e.time, source=e.source) for e in events],
    )


def created_suspended(view: CaseView) -> Finding | None:
    """It was created without running yet, as a process that is hollowed is."""
    target = view.target
    if target is None or target.created_suspended is not True:
        return None
    return finding(
        f"{named(target)} was created suspended, as a process is whose code is to be replaced.",
        [seen(target, "created suspended")],
    )


def remote_thread(view: CaseView) -> Finding | None:
    """Another process, not csrss, started a thread in it."""
    events = [event for event in view.evidence.remote_threads if _is_foreign_thread(view, event)]
    if not events:
        return None
    return finding(
        f"Another process started a thread in it: {listed(image_name(e.source_image) for e in events)}.",
        [
            EvidenceItem(
                text=f"thread from {e.source_image}, start {e.start_module or 'unknown'}!"
                f"{e.start_function or 'unknown'}",
                time=e.time,
                source=e.source,
            )
            for e in events
        ],
    )


def is_source_known(event: RemoteThread) -> bool:
    """False where the event does not say who did it; a bare "csrss.exe" may be csrss or may not."""
    image = event.source_image
    return is_known_image(image) and (is_full_path(image) or lower(image) != file_name(CSRSS))


def _is_foreign_thread(view: CaseView, event: RemoteThread) -> bool:
    if not is_source_known(event) or _is_itself(view, event.source_guid):
        return False
    return below_system_root(event.source_image, view.system_root) != CSRSS


def write_access(view: CaseView) -> Finding | None:
    """A process that has no business there could write into it."""
    events = [event for event in view.evidence.accesses if _is_foreign_write(view, event)]
    if not events:
        return None
    return finding(
        f"Another process could write into it: {listed(image_name(e.source_image) for e in events)}.",
        [
            EvidenceItem(
                text=f"access {e.granted_access or 0:#x} by {e.source_image}", time=e.time, source=e.source
            )
            for e in events
        ],
    )


def _is_foreign_write(view: CaseView, event: ProcessAccess) -> bool:
    granted = event.granted_access
    if granted is None or granted & WRITE_RIGHTS != WRITE_RIGHTS or not is_full_path(event.source_image):
        return False
    if _is_itself(view, event.source_guid) or access_by_creator(view, event) is not False:
        return False
    below = below_system_root(event.source_image, view.system_root)
    return below not in OPENS_EVERY_PROCESS and not _is_security_agent(view, event.source_image)


def access_by_creator(view: CaseView, event: ProcessAccess) -> bool | None:
    """Whether the opener created the process; None when that cannot be told."""
    if event.source_is_creator is not None:
        return event.source_is_creator
    return is_creator(view, event.source_guid, event.source_image)


def _is_itself(view: CaseView, guid: str | None) -> bool:
    return guid is not None and view.target is not None and guid == view.target.ref.guid


def _is_security_agent(view: CaseView, image: str) -> bool:
    parts = normal(image).split("\\")
    for path in view.policy.security_agents:
        wanted = normal(path).split("\\")
        if len(wanted) == len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=True)):
            return True
    return False
