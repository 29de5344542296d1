"""Steps that Ctrl-C ends at once, whatever another system is waited for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from playbooks.steps import WORKERS, Call, InProcess, StepFailed


class InterruptibleSteps:
    """As InProcess, on daemon threads: an interrupted command waits for none of them."""

    def parallel[T](self, calls: Sequence[Call[T]]) -> list[T | StepFailed]:
        """Run the calls side by side; results or failures, in the order of the calls."""
        alone = InProcess()  # a single call runs where it is called
        if len(calls) == 1:
            return alone.parallel(calls)
        results: dict[int, T | StepFailed] = {}
        waiting = deque(enumerate(calls))

        def work() -> None:
            while True:
                try:
                    number, call = waiting.popleft()
                except IndexError:
                    return
                (results[number],) = alone.parallel([call])

        threads = [
            threading.Thread(target=work, name=f"step {number}", daemon=True)
            for number in range(min(WORKERS, len(calls)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [results[number] for number in range(len(calls))]
