"""Which run writes a comment: each is written once, by two runs at once too.

What is there is read, and the comment claimed; where another run holds the claim, what is there is read
again after a moment.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from connectors.errors import BadResponse, ConnectorError, InputError, Rejected, TimedOut
from connectors.http.deadline import Deadline
from connectors.siem.splunk.rest import CONNECTOR
from connectors.state.once import Claimed, Once, OnceUnusable

_log = logging.getLogger(__name__)

#: Seconds for which a comment that is being written, or was, is not written by another run.
CLAIM_S = 60.0

#: Seconds to wait, one after the other, for another run that is writing the same comment.
_WAITS_S = (0.5, 1.0, 2.0, 4.0)


class Seen(Protocol):
    """What a notable has now."""

    @property
    def key(self) -> str:
        """The claim's name (key_of)."""

    @property
    def commented(self) -> bool:
        """Whether the comment is there."""

    @property
    def whole(self) -> bool:
        """Whether the comment would have been found if it were there."""


def key_of(base_url: str, event_id: str, comment: str) -> str:
    """The name of a claim on one comment to one notable, whatever its spacing.

    Args:
        base_url: of Splunk's management port, without a "/" at the end.
        event_id: the notable's or the finding's.
        comment: as it is asked for.
    """
    parts = f"{base_url} {event_id} {' '.join(comment.split())}"
    return f"comment {hashlib.sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()}"


def claim[S: Seen](
    look: Callable[[], S], once: Once, *, sleep: Callable[[float], None], deadline: Deadline
) -> tuple[S, Claimed]:
    """What is there, and whose the comment is: GRANTED to this run, or TAKEN where it is written.

    Args:
        look: reads what is there.
        once: keeps the claims.
        sleep: waits for a number of seconds.
        deadline: for all of it together.

    Raises:
        Rejected: claims cannot be kept, so nothing may be written.
        TimedOut: another run is writing it, or did and its answer was lost.
    """
    waits = iter(_WAITS_S)
    while True:
        seen = look()
        if seen.commented:
            return seen, Claimed.TAKEN
        claimed = _claim(once, seen.key)
        # Another run has just written it: what it has set is read once more.
        again = claimed is Claimed.TAKEN and seen.whole
        wait = next(waits, None)
        late = wait is None or deadline.left() <= wait
        if claimed is not Claimed.HELD and (late or not again):
            return seen, claimed
        if wait is None or late:
            raise TimedOut(CONNECTOR, "the same comment is being written by another run, or was and is lost")
        sleep(wait)


@contextmanager
def settling(once: Once, key: str) -> Iterator[None]:
    """Note what became of the claim on the comment that is written inside; "" for no claim."""
    try:
        yield
    except (TimedOut, BadResponse):
        raise  # it may have been written: the claim stays until it ends by itself
    except (ConnectorError, InputError):
        if key:
            _noted(lambda: once.release(key))
        raise
    if key:
        _noted(lambda: once.taken(key, CLAIM_S))


def _claim(once: Once, key: str) -> Claimed:
    try:
        return once.claim(key, CLAIM_S)
    except OnceUnusable as exc:
        raise Rejected(CONNECTOR, f"the notable was not updated: {exc}") from exc


def _noted(note: Callable[[], None]) -> None:
    """After the write: that it cannot be noted does not change what was written; the claim holds."""
    try:
        note()
    except OnceUnusable as exc:
        _log.warning("%s: %s", CONNECTOR, ascii(str(exc)))
