"""What a failure of the HTTP libraries means. Their texts hold whole URLs and are never repeated."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime

import requests
import urllib3.exceptions as wire

from connectors.errors import BadResponse, ConnectorError, NotSent, Rejected, TimedOut, Transient

#: An exception of the libraries has no more causes than this; a longer chain is cut.
_MOST_CAUSES = 50


class Unanswered(Transient):
    """A failure that another attempt may mend.

    Attributes:
        retry_at: when the source wants to be asked again, or None when it did not say.
    """

    def __init__(self, connector: str, message: str, *, retry_at: datetime | None = None) -> None:
        self.retry_at = retry_at
        super().__init__(connector, message)


class Unsent(Unanswered):
    """There was no connection: nothing of the request left."""


class Unconnected(TimedOut):
    """There was no connection in time: nothing of the request left."""


#: The first line of which a cause is one of the kinds says what happened.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[ConnectorError], str], ...] = (
    (
        (requests.exceptions.ProxyError, wire.ProxyError),
        Unsent,
        "the proxy cannot be reached, or refuses",
    ),
    ((wire.NameResolutionError,), Unsent, "the host name cannot be resolved"),
    # Before the timeouts: urllib3 derives it from one.
    ((wire.NewConnectionError,), Unsent, "no connection can be made"),
    ((requests.exceptions.ConnectTimeout, wire.ConnectTimeoutError), Unconnected, "no connection in time"),
    ((requests.Timeout, wire.TimeoutError, TimeoutError), TimedOut, "no answer in time"),
    (
        (requests.exceptions.SSLError, wire.SSLError, ssl.SSLError),
        Unanswered,
        "no secure connection can be made",
    ),
    ((wire.DecodeError,), BadResponse, "the answer cannot be unpacked"),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidSchema,
            wire.LocationParseError,
        ),
        Rejected,
        "the request cannot be made: its URL, a header or the proxy is not valid",
    ),
)


def explained(source: str, exc: BaseException, *, deadline_passed: bool) -> ConnectorError:
    """The error to raise for an exception of requests, urllib3 or the socket."""
    causes = tuple(_causes(exc))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Transient(source, f"the certificate cannot be verified: {cause.verify_message}")
    if deadline_passed:
        return TimedOut(source, "no answer before the deadline")
    for kinds, error, message in _MEANINGS:
        if any(isinstance(cause, kinds) for cause in causes):
            return error(source, message)
    return Unanswered(source, "the connection failed or broke off")


def of_a_write(failure: ConnectorError) -> ConnectorError:
    """What a failure means for a write: TimedOut where it may have been carried out."""
    if isinstance(failure, Unsent | Unconnected) or type(failure) is Transient:
        # There was no connection, or none whose certificate is verified.
        return NotSent(failure.connector, f"not sent: {failure.message}")
    if isinstance(failure, Rejected):
        return failure  # no request could be made of it
    return TimedOut(failure.connector, f"{failure.message}; whether it was carried out is not known")


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """The exception and all it was raised for; the libraries also hide causes in `args` and `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [exc]
    while waiting and len(seen) < _MOST_CAUSES:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
