"""Instants that can be reckoned with and written in every vendor's form. Pure.

A caller may ask from the first to the last instant that a datetime holds: taking a day from the one or moving
the other to UTC overflows, and no vendor takes a year 1. Nothing was recorded outside these bounds.
"""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.ports import Window

#: Searches take milliseconds since 1970; a day more, for a host's or a caller's offset.
FIRST = datetime(1970, 1, 2, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)


def bounded(when: datetime) -> datetime:
    """The instant, or the nearest one that can be reckoned with.

    Args:
        when: timezone-aware.
    """
    return min(max(when, FIRST), LAST)


def bounded_window(window: Window) -> Window:
    """The part of a window that can be reckoned with."""
    return Window(bounded(window.start), bounded(window.end))
