"""Whether a process that a vendor recorded fits what was asked. Pure."""

from __future__ import annotations

from connectors.facts.process import Process, ProcessRef, image_name
from connectors.ports import Window


def is_named(process: ProcessRef, name: str | None) -> bool:
    """Whether its image has this name, in any case; None fits all."""
    return name is None or image_name(process.image).lower() == name.strip().lower()


def was_alive(process: Process, window: Window) -> bool:
    """Whether it ran in the window; an unknown time does not exclude."""
    started, ended = process.ref.start_time, process.end_time
    return not (started is not None and started > window.end) and not (
        ended is not None and ended < window.start
    )
