"""How playbook code is run: in process here, by the platform in SOAR, by a durable engine in the service.

Playbook code is plain functions and knows only this protocol. A step's function is safe to repeat.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

_LOG = logging.getLogger(__name__)

#: Steps run at once in one process.
WORKERS = 8


class Call[T](NamedTuple):
    """One step: a function without arguments that may be run again.

    Attributes:
        step: its name, such as "get_process_lineage".
    """

    step: str
    run: Callable[[], T]


class StepFailed(NamedTuple):
    """A step that raised. The others went on.

    Attributes:
        reason: one sentence for the report, without a traceback.
    """

    step: str
    reason: str


class Steps(Protocol):
    """What playbook code needs of whatever runs it."""

    def parallel[T](self, calls: Sequence[Call[T]]) -> list[T | StepFailed]:
        """Run the calls side by side; results or failures, in the order of the calls."""


class InProcess:
    """Steps on threads of this process. They are daemons: Ctrl-C waits for none of them."""

    def parallel[T](self, calls: Sequence[Call[T]]) -> list[T | StepFailed]:
        """Run the calls side by side; results or failures, in the order of the calls."""
        results: dict[int, T | StepFailed] = {}
        waiting = deque(enumerate(calls))

        def work() -> None:
            while True:
                try:
                    number, call = waiting.popleft()
                except IndexError:
                    return
                outcome = _guarded(call)
                results[number] = outcome

        threads = [
            threading.Thread(target=work, name=f"step {number}", daemon=True)
            for number in range(min(WORKERS, len(calls)))
            if len(calls) > 1  # a single call runs where it is called
        ]
        started: list[threading.Thread] = []
        for thread in threads:
            try:
                thread.start()
            except RuntimeError:  # the system gives no more threads; those there are do the work
                break
            started.append(thread)
        if not started:
            work()
        for thread in started:
            thread.join()
        # A step that ends its own thread, by SystemExit, leaves nothing.
        return [
            results.get(number, StepFailed(call.step, "ended without a result"))
            for number, call in enumerate(calls)
        ]


class _First[A](NamedTuple):
    value: A


class _Second[B](NamedTuple):
    value: B


def pair[A, B](steps: Steps, first: Call[A], second: Call[B]) -> tuple[A | StepFailed, B | StepFailed]:
    """Run two calls of different results side by side; each result or failure with its own type."""

    def one() -> _First[A] | _Second[B]:
        return _First(first.run())

    def two() -> _First[A] | _Second[B]:
        return _Second(second.run())

    left, right = steps.parallel([Call(first.step, one), Call(second.step, two)])
    if isinstance(left, _Second) or isinstance(right, _First):
        raise TypeError("results in another order than the calls")
    return (
        left if isinstance(left, StepFailed) else left.value,
        right if isinstance(right, StepFailed) else right.value,
    )


def _guarded[T](call: Call[T]) -> T | StepFailed:
    try:
        return call.run()
    except Exception as error:  # noqa: BLE001  (the edge: one step must not stop the others)
        _LOG.debug("step %s failed", call.step, exc_info=True)
        return StepFailed(call.step, f"{type(error).__name__}: {error}")
