"""Whether connectors work: each asked what its `check` documents, side by side on threads.

No address is asked about. Nobody waits for a slow one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from actions.reputation_wording import STATUS_WORDS
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceStatus
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource

type _Checked = tuple[int, Health]


class Check(NamedTuple):
    """Something that can be asked whether it works.

    Attributes:
        name: of the connector.
        run: asks it; without side effects.
    """

    name: str
    run: Callable[[], Health]


def check_all(sources: Sequence[ReputationSource], deadline: Deadline, *, late: str) -> tuple[Health, ...]:
    """What each source says of itself; see run_checks."""
    return run_checks([Check(each.info.name, each.check) for each in sources], deadline, late=late)


def run_checks(checks: Sequence[Check], deadline: Deadline, *, late: str) -> tuple[Health, ...]:
    """What each says of itself, in their order; one that is late or breaks has FAILED.

    The threads are daemons: one that hangs delays neither the others nor the end of the process.

    Args:
        checks: online and on this machine.
        deadline: for all of them together.
        late: the detail of one that has not answered by then.
    """
    arrivals: SimpleQueue[_Checked] = SimpleQueue()
    for number, each in enumerate(checks):
        work = threading.Thread(
            target=_check, args=(number, each, arrivals), name=f"check {each.name}", daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # the system gives no more threads
            lacking = "not asked: no thread could be started. Check again later"
            arrivals.put((number, _failed(each, lacking)))
    found: dict[int, Health] = {}
    while len(found) < len(checks):
        try:
            number, health = arrivals.get(timeout=max(0.001, deadline.left()))
        except Empty:
            if deadline.passed:
                break
            continue
        found[number] = health
    return tuple(found.get(number) or _failed(each, late) for number, each in enumerate(checks))


def _check(number: int, check: Check, arrivals: SimpleQueue[_Checked]) -> None:
    try:
        health = check.run()
    except Exception as error:  # noqa: BLE001  the edge: one connector's fault must not end the others' checks
        # By its class alone: the text of an unexpected error may hold a secret.
        health = _failed(check, f"failed unexpectedly ({type(error).__name__})")
    arrivals.put((number, health.model_copy(update={"detail": in_words(health.detail)})))


def in_words(detail: str) -> str:
    """A detail whose first word is a status, as a failed check begins, with the status as people read it."""
    status, colon, said = detail.partition(": ")
    if colon and status in SourceStatus:
        return f"{STATUS_WORDS[SourceStatus(status)]}: {said}"
    return detail


def _failed(check: Check, detail: str) -> Health:
    return Health(connector=check.name, state=HealthState.FAILED, detail=detail)
