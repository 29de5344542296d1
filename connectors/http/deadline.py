"""One point in time by which a piece of work must be done, shared by every step of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Deadline(NamedTuple):
    """A moment on a monotonic clock.

    Attributes:
        at: the moment, in seconds of `clock`.
        clock: monotonic seconds.
    """

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Deadline:
        """The moment `seconds` from now; a negative number has already passed."""
        return cls(clock() + seconds, clock)

    def left(self) -> float:
        """Seconds left; 0 when it has passed."""
        return max(0.0, self.at - self.clock())

    @property
    def passed(self) -> bool:
        """True when no time is left."""
        return self.left() <= 0.0
