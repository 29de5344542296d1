"""Run as a program: processes, forked from one that has the table open and started anew, ask for one quota.

    python -m tests.quota_grants FOLDER LIMIT ATTEMPTS fork|once

"once" is one process; "fork" forks four children off one that has already asked. Prints the number granted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from connectors.http.call import Limits
from connectors.state.quota import QuotaStore

CHILDREN = 4
SOURCE = "someone"


def grants(store: QuotaStore, limit: int, attempts: int) -> int:
    """How many of the attempts were granted; at most 255, to fit an exit code."""
    limits = Limits(per_day=limit)
    return sum(store.admit(SOURCE, limits, wait_s=30) is None for _ in range(attempts))


def main(folder: str, limit: str, attempts: str, how: str) -> int:
    """Ask, and print how often it was granted."""
    store = QuotaStore(Path(folder))
    granted = grants(store, int(limit), 1)
    if how == "fork":
        children = []
        for _ in range(CHILDREN):
            child = os.fork()
            if child == 0:
                os._exit(grants(store, int(limit), int(attempts)))
            children.append(child)
        granted += sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    else:
        granted += grants(store, int(limit), int(attempts) - 1)
    sys.stdout.write(f"{granted}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
