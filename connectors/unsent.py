"""What comes before a write is sent: where it fails, nothing was changed, and the error says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import BadResponse, NotSent, RateLimited, Transient


@contextmanager
def before_the_write() -> Iterator[None]:
    """For the token and the questions that a write needs, and never for the write itself.

    A refusal and a quota stay what they are: they say by themselves that nothing was done.

    Raises:
        NotSent: for a failure or an answer that is none, which of a write would leave open what became of it.
    """
    try:
        yield
    except (NotSent, RateLimited):
        raise
    except (Transient, BadResponse) as exc:
        raise NotSent(exc.connector, f"not sent: {exc.message}") from exc
