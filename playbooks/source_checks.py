"""Whether reputation sources work: each asked what its `check` documents, side by side on threads.

No address is asked about. Nobody waits for a slow source.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from actions.reputation_wording import STATUS_WORDS
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceStatus
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource

type _Checked = tuple[int, Health]


def check_all(sources: Sequence[ReputationSource], deadline: Deadline, *, late: str) -> tuple[Health, ...]:
    """What each source says of itself, in their order; one that is late or breaks has FAILED.

    The threads are daemons: a source that hangs delays neither the others nor the end of the process.

    Args:
        sources: online and on this machine.
        deadline: for all of them together.
        late: the detail of one that has not answered by then.
    """
    arrivals: SimpleQueue[_Checked] = SimpleQueue()
    for number, source in enumerate(sources):
        work = threading.Thread(
            target=_check, args=(number, source, arrivals), name=f"check {source.info.name}", daemon=True
        )
        try:
            work.start()
        except RuntimeError:  # the system gives no more threads
            lacking = "not asked: no thread could be started. Check again later"
            arrivals.put((number, _failed(source, lacking)))
    found: dict[int, Health] = {}
    while len(found) < len(sources):
        try:
            number, health = arrivals.get(timeout=max(0.001, deadline.left()))
        except Empty:
            if deadline.passed:
                break
            continue
        found[number] = health
    return tuple(found.get(number) or _failed(source, late) for number, source in enumerate(sources))


def _check(number: int, source: ReputationSource, arrivals: SimpleQueue[_Checked]) -> None:
    try:
        health = source.check()
    except Exception as error:  # noqa: BLE001  the edge: one source's fault must not end the others' checks
        # By its class alone: the text of an unexpected error may hold a secret.
        health = _failed(source, f"failed unexpectedly ({type(error).__name__})")
    arrivals.put((number, health.model_copy(update={"detail": in_words(health.detail)})))


def in_words(detail: str) -> str:
    """A detail whose first word is a status, as a failed check begins, with the status as people read it."""
    status, colon, said = detail.partition(": ")
    if colon and status in SourceStatus:
        return f"{STATUS_WORDS[SourceStatus(status)]}: {said}"
    return detail


def _failed(source: ReputationSource, detail: str) -> Health:
    return Health(connector=source.info.name, state=HealthState.FAILED, detail=detail)
