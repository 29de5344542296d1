"""How long one run goes on asking a SIEM that does not answer, or refuses the account.

Each try may take a minute, and a person waits behind it.
"""

from __future__ import annotations

from collections import Counter

from connectors.errors import AuthRejected, PermissionMissing, ResponseError, Transient

#: After so many writes of a kind in a row that were not answered no further one of it is tried in a run.
MOST_UNANSWERED = 2


class Patience:
    """For all cases of one run. Comments and risk have a count each: they may go by different rights."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        self._unanswered: Counter[str] = Counter()
        self._over: dict[str, str] = {}

    def over(self, step: str) -> str:
        """Why a step is not tried any more, a clause; "" where it is."""
        return self._over.get(step, "")

    def went(self, step: str, error: ResponseError | None) -> None:
        """Take in how a write went; None where it was done."""
        if isinstance(error, Transient):
            self._unanswered[step] += 1
            if self._unanswered[step] >= MOST_UNANSWERED:
                self._over[step] = f"the SIEM does not answer ({error.message.rstrip('.')})"
            return
        self._unanswered[step] = 0
        if isinstance(error, AuthRejected | PermissionMissing):
            self._over[step] = error.message.rstrip(".")
