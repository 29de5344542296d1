"""Bearer tokens that expire: one is fetched for all threads, renewed in time, and once more when refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.errors import ConnectorError, NotSent, TimedOut, Transient
from connectors.http.accounts import KeyStopped
from connectors.http.call import Call, Refused, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.unsent import before_the_write

#: A token is renewed this long before it expires, but never before nine tenths of its time are over.
RENEW_BEFORE = timedelta(seconds=60)
_SHARE_OF_LIFETIME = 10

_UNAUTHORIZED = 401


class Token(NamedTuple):
    """A bearer token.

    Attributes:
        value: what stands after "Bearer ".
        expires_at: timezone-aware.
    """

    value: SecretStr
    expires_at: datetime


class _Held(NamedTuple):
    token: Token
    renew_at: datetime


class BearerToken:
    """Sends calls with a token. Safe to use from many threads at once."""

    def __init__(
        self,
        fetch: Callable[[Deadline], Token],
        clock: Callable[[], datetime] = utc_now,
        *,
        account: str = "",
    ) -> None:
        """Fetch nothing yet.

        Args:
            fetch: asks for a new token, never one from a cache; raises a ConnectorError.
            clock: the time of day.
            account: who asks, such as the client id: names quota and breaker while tokens come and go.
                Not a secret.
        """
        self._fetch = fetch
        self._clock = clock
        self._account = account
        self._lock = threading.Lock()
        self._held: _Held | None = None

    def send(self, http: Http, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """The answer to a call with a token.

        After a 401 the token is renewed and the call repeated, once. A 401 means that the call was not
        carried out, so a write is repeated too.

        Raises:
            NotSent: of a write, for which no token could be had.
            ConnectorError: as Http.send, and what `fetch` raises.
        """
        held = self._current(call, deadline, refused=None)
        statuses: list[int] = []

        def refused(answer: Refused) -> ConnectorError | None:
            statuses.append(answer.status)
            return call.refused(answer) if call.refused is not None else None

        watched = call._replace(refused=refused, account=call.account or self._account)
        try:
            return http.send(_with(watched, held.token), deadline=deadline, fresh=fresh)
        except ConnectorError as exc:
            # KeyStopped: another thread was told meanwhile that this token is no good.
            if not isinstance(exc, KeyStopped) and statuses[-1:] != [_UNAUTHORIZED]:
                raise
        held = self._current(call, deadline, refused=held)
        return http.send(_with(watched, held.token), deadline=deadline, fresh=fresh)

    def _current(self, call: Call, deadline: Deadline, *, refused: _Held | None) -> _Held:
        """The token to use: the held one unless it was refused or is about to expire, else a new one."""
        # Other threads wait for the one that fetches, but no longer than they have.
        if not self._lock.acquire(timeout=max(0.001, deadline.left())):
            raise _untimely(call, "no token in time")
        try:
            held, now = self._held, self._clock()
            if held is not None and held is not refused and now < held.renew_at:
                return held
            with nullcontext() if call.repeatable else before_the_write():
                token = self._token(call, deadline)
            lifetime = max(timedelta(0), token.expires_at - now)
            margin = min(RENEW_BEFORE, lifetime / _SHARE_OF_LIFETIME)
            self._held = _Held(token, token.expires_at - margin)
            return self._held
        finally:
            self._lock.release()

    def _token(self, call: Call, deadline: Deadline) -> Token:
        try:
            return self._fetch(deadline)
        except TimedOut as exc:
            raise _untimely(call, f"no token in time: {exc.message}") from exc


def _untimely(call: Call, message: str) -> Transient:
    """TimedOut for a read; for a write that would mean "perhaps carried out", which it was not."""
    if call.repeatable:
        return TimedOut(call.source, message)
    return NotSent(call.source, f"not sent: {message}")


def _with(call: Call, token: Token) -> Call:
    bearer = SecretStr(f"Bearer {token.value.get_secret_value()}")
    return call._replace(secret_headers={**call.secret_headers, "Authorization": bearer})
