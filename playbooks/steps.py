"""How playbook code is run: in process here, by the platform in SOAR, by a durable engine in the service.

Playbook code is plain functions and knows only this protocol. A step's function is safe to repeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """Steps on threads of this process."""

    def parallel[T](self, calls: Sequence[Call[T]]) -> list[T | StepFailed]:
        """Run the calls side by side; results or failures, in the order of the calls."""
        if len(calls) == 1:
            return [_guarded(calls[0])]
        with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="step") as pool:
            return list(pool.map(_guarded, calls))


def _guarded[T](call: Call[T]) -> T | StepFailed:
    try:
        return call.run()
    except Exception as error:  # noqa: BLE001  (the edge: one step must not stop the others)
        _LOG.debug("step %s failed", call.step, exc_info=True)
        return StepFailed(call.step, f"{type(error).__name__}: {error}")
