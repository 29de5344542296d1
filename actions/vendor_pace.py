"""How often a vendor may be asked: several limits at once, kept exactly, each over any window of time.

Defender: 100 calls a minute and 1,500 an hour for each of its operations, so that isolating, releasing and
reading have limits of their own: https://learn.microsoft.com/defender-endpoint/api/unisolate-machine and
https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple


class Pace(NamedTuple):
    """At most so many calls in any so many seconds."""

    calls: int
    seconds: float


#: What is kept to where a vendor states no limit: a caution.
CAUTION = (Pace(100, 60),)

#: The limits of each connector, for each kind of call.
PACES: Mapping[str, tuple[Pace, ...]] = MappingProxyType({"defender": (Pace(100, 60), Pace(1500, 3600))})

#: Seconds beyond a window until the next call: whether its ends belong to it is the vendor's secret.
MARGIN_S = 0.01

#: Seconds of a pause at least; a clock may be coarser than what is left.
_SHORTEST_S = 0.001


def paces_of(connector: str) -> tuple[Pace, ...]:
    """The limits that a connector's calls keep to."""
    return PACES.get(connector, CAUTION)


class Limiter:
    """Lets calls through as often as every pace allows. For one thread.

    A call counts from the moment at which it has come back: the vendor has counted it by then, however long
    it was on its way, so that the vendor too never sees more than a pace allows.
    """

    def __init__(
        self,
        paces: Sequence[Pace],
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        made: Iterable[float] = (),
    ) -> None:
        """Begin with the calls that were made already.

        Args:
            paces: the limits, all of which are kept; none lets everything through.
            now: seconds of a clock that never runs backwards.
            sleep: waits for a number of seconds; must move the clock.
            made: when calls were made before, in seconds of the clock.

        Raises:
            ValueError: a pace allows no call, or has no length.
        """
        for pace in paces:
            if pace.calls < 1 or pace.seconds <= 0:
                raise ValueError(f"a pace needs calls and seconds, not {pace.calls} in {pace.seconds:g} s")
        self._paces = tuple(paces)
        self._now = now
        self._sleep = sleep
        self._most = max((pace.calls for pace in paces), default=0)
        self._held_until = float("-inf")
        self._made: list[float] = []
        for each in made:
            self.note(each)

    @property
    def longest_s(self) -> float:
        """Seconds of the longest window: what keeping to the paces alone may take."""
        return max((pace.seconds for pace in self._paces), default=0.0)

    def wait_s(self, calls: int = 1) -> float:
        """Seconds until so many calls may be made one right after the other; 0 for at once.

        More calls than a pace allows at all count as what it allows.
        """
        until = self._held_until
        for pace in self._paces:
            first = pace.calls - min(calls, pace.calls) + 1
            if len(self._made) >= first:
                until = max(until, self._made[-first] + pace.seconds + MARGIN_S)
        return max(0.0, until - self._now())

    def wait(self) -> float:
        """Wait until a call may be made. Returns the seconds that were waited."""
        waited = 0.0
        while (pause := self.wait_s()) > 0:
            pause = max(pause, _SHORTEST_S)
            self._sleep(pause)
            waited += pause
        return waited

    def note(self, at: float | None = None) -> None:
        """Count a call, made at `at` or now."""
        insort(self._made, self._now() if at is None else at)
        if len(self._made) > self._most:
            del self._made[0]

    def hold(self, seconds: float) -> None:
        """Let nothing through for so many seconds, because the vendor said so."""
        self._held_until = max(self._held_until, self._now() + seconds)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until a call may be made, and count the one that is made inside, whatever comes of it."""
        self.wait()
        try:
            yield
        finally:
            self.note()
