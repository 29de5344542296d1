"""Side by side on threads: every source about every address, until all have answered or time is up.

The threads are daemons and nobody waits for them after the deadline: a source that hangs delays neither the
look-up nor the end of the process. A thread that comes back late asks nothing more.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from queue import Empty, SimpleQueue
from typing import NamedTuple

from connectors.facts.reputation import SourceAnswer, SourceInfo, SourceStatus
from connectors.http.deadline import Deadline
from connectors.ports import ReputationSource

_log = logging.getLogger(__name__)

#: Addresses that one online source is asked about at a time. Sources have quotas for a minute.
AT_ONCE = 4

#: A source is given less than what is left, so that its answer to running out of time, often an expired one
#: that still counts, arrives: this part of what is left, this many seconds at most.
MARGIN_PART = 0.05
MARGIN_S = 0.5


class Task(NamedTuple):
    """One question to one source."""

    source: ReputationSource
    info: SourceInfo
    ip: str


class Arrival(NamedTuple):
    """What came back.

    Attributes:
        at: when, in seconds of the deadline's clock.
    """

    task: Task
    answers: tuple[SourceAnswer, ...]
    at: float


type Arrivals = SimpleQueue[Arrival]

#: Waits for the next arrival, for some seconds at most; None when there was none.
type Receive = Callable[[Arrivals, float], Arrival | None]


def receive_from_queue(arrivals: Arrivals, wait_s: float) -> Arrival | None:
    """The next arrival; None after `wait_s` seconds."""
    try:
        return arrivals.get(timeout=wait_s) if wait_s > 0 else arrivals.get_nowait()
    except Empty:
        return None


def ask_all(
    tasks: Sequence[Task], *, deadline: Deadline, fresh: bool, receive: Receive = receive_from_queue
) -> Mapping[str, tuple[SourceAnswer, ...]]:
    """The answers by address, with at least one of each source asked; what is late counts as TIMEOUT.

    Args:
        tasks: each source and address once.
        deadline: for all of them together.
        fresh: True asks volatile sources past their cache.
        receive: waits for the next answer.
    """
    arrivals: Arrivals = SimpleQueue()
    by_source: dict[str, deque[Task]] = {}
    for task in tasks:
        by_source.setdefault(task.info.name, deque()).append(task)
    for name, waiting in by_source.items():
        _start(name, waiting, arrivals, deadline, fresh=fresh)

    outstanding = {(task.info.name, task.ip): task for task in tasks}
    found: dict[str, list[SourceAnswer]] = {}
    while outstanding:
        arrival = receive(arrivals, deadline.left())
        if arrival is None:
            if deadline.passed:
                break
            continue
        task = arrival.task
        if arrival.at <= deadline.at:
            del outstanding[task.info.name, task.ip]
            found.setdefault(task.ip, []).extend(arrival.answers)
    for task in outstanding.values():
        found.setdefault(task.ip, []).append(
            failure_of(task, SourceStatus.TIMEOUT, "no answer before the deadline of the look-up")
        )
    return {ip: tuple(answers) for ip, answers in found.items()}


def failure_of(task: Task, status: SourceStatus, detail: str) -> SourceAnswer:
    """The answer of a source that gave none."""
    return SourceAnswer(
        source=task.info.name,
        ip=task.ip,
        status=status,
        direction=task.info.direction,
        reliability=task.info.reliability,
        detail=detail,
    )


def _start(name: str, waiting: deque[Task], arrivals: Arrivals, deadline: Deadline, *, fresh: bool) -> None:
    """Start the threads of one source. They share its questions, so that one of them is enough."""
    online = waiting[0].info.online
    questions = tuple(waiting)
    for number in range(min(AT_ONCE if online else 1, len(questions))):
        thread = threading.Thread(
            target=_work, args=(waiting, arrivals, deadline, fresh), name=f"reputation {name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            if number == 0:
                for task in questions:
                    lacking = failure_of(task, SourceStatus.ERROR, "not asked: no thread could be started")
                    arrivals.put(Arrival(task, (lacking,), deadline.clock()))
            return


def _work(waiting: deque[Task], arrivals: Arrivals, deadline: Deadline, fresh: bool) -> None:
    while not deadline.passed:
        try:
            task = waiting.popleft()
        except IndexError:
            return
        answers = _ask(task, deadline, fresh=fresh and task.info.volatile)
        arrivals.put(Arrival(task, answers, deadline.clock()))


def _ask(task: Task, deadline: Deadline, *, fresh: bool) -> tuple[SourceAnswer, ...]:
    """One source's answers about one address, whatever the source does."""
    left = deadline.left()
    given = left - min(MARGIN_S, MARGIN_PART * left)
    try:
        return _about_it(task, task.source.lookup(task.ip, deadline_s=given, fresh=fresh))
    except Exception as error:  # noqa: BLE001  the edge: one source's fault must not end the look-up
        # Only the kind and the place: the text of an unexpected error may hold a secret.
        places = traceback.extract_tb(error.__traceback__)
        _log.warning(
            "%s failed unexpectedly: %s at %s:%s",
            task.info.name,
            type(error).__name__,
            PurePath(places[-1].filename).name,
            places[-1].lineno,
        )
        return (failure_of(task, SourceStatus.ERROR, f"failed unexpectedly ({type(error).__name__})"),)


def _about_it(task: Task, answers: Iterable[SourceAnswer]) -> tuple[SourceAnswer, ...]:
    """The answers that are the source's own and about the address; a failure where there is none."""
    name = task.info.name
    fitting = tuple(
        answer
        for answer in answers
        if answer.ip == task.ip and (answer.source == name or answer.source.startswith(f"{name}:"))
    )
    return fitting or (failure_of(task, SourceStatus.ERROR, "answered nothing about the address"),)
