"""The HTTP client that every source uses: cache, quota, breaker, attempts under one deadline.

requests, tenacity and requests-cache are loaded when something is sent, not when this module is imported.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from connectors.clock import utc_now
from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    NotSent,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.http.accounts import Account, Forbidden, KeyStopped, account_of, credential_of
from connectors.http.call import NOT_MODIFIED, Call, Reply
from connectors.http.deadline import Deadline
from connectors.http.redaction import cleaned
from connectors.http.settings import HttpSettings
from connectors.state.quota import Breaker, QuotaStore, RefusedBy, Usage

if TYPE_CHECKING:
    import tenacity

    from connectors.http.cache import AnswerCache, Kept
    from connectors.http.transport import Transport

_log = logging.getLogger(__name__)

#: Seconds before the second attempt, doubled before each further one, at most `LONGEST_PAUSE_S`; jittered.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0

#: Seconds to wait for the quota table.
QUOTA_WAIT_S = 2.0

#: A source that was given less than this many seconds to answer is not blamed for being late.
FAIR_CHANCE_S = 1.0

_REFUSED = {
    RefusedBy.SOURCE: "the source asked to be left alone",
    RefusedBy.MINUTE: "our quota for a minute is used up",
    RefusedBy.DAY: "our quota for the day is used up",
    RefusedBy.BREAKER: "the source kept failing and is left alone",
    RefusedBy.TABLE: "not asked: the quota could not be counted in time",
    RefusedBy.FILE: "not asked: the quota file cannot be used, and uncounted the limit could not be kept; "
    "the log names the file and what is wrong",
}


_CLOSED = "not asked: the client is closed"


class _Loaded(NamedTuple):
    transport: Transport
    cache: AnswerCache


class Http:
    """Sends calls. Safe to use from many threads at once, and after a fork."""

    def __init__(
        self,
        settings: HttpSettings,
        *,
        folder: Path | None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """Load and open nothing yet.

        Args:
            settings: how requests are sent.
            folder: where cache and quota are kept, shared by all processes; None = in memory.
            sleep: waits for a number of seconds.
            clock: the time of day.
            rng: jitter of the pauses; None = unpredictable.
            breaker: when a failing source is left alone.
        """
        self._settings = settings
        self._folder = folder
        self._sleep = sleep
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311  spreads pauses, guards nothing
        self._quota = QuotaStore(folder, breaker=breaker, clock=clock)
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._rejected: dict[Account, str] = {}
        self._closed = False

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        """The answer to a call: one from the cache, else the source's, else an expired one marked stale.

        Args:
            call: what to ask.
            deadline: for all attempts and pauses together.
            fresh: True asks the source even when a good answer is kept.

        Raises:
            NotFound: HTTP 404; with the time of a kept one.
            AuthRejected: HTTP 401 or 403, or a key that no header may hold. This client then asks that source
                with that key no more: a wrong key that is sent again and again gets its owner locked out.
                (Not after a 403 where `call.account` is set: such a credential opens several doors.)
            RateLimited: HTTP 429, or our own quota is used up; with the time to ask again.
            Rejected: another 4xx, a URL that may not be asked, or HTTP libraries that are missing or too old.
            TimedOut: no answer before the deadline. Of a write (not `call.repeatable`): it was sent, or part
                of it, and nothing says whether it was carried out; a 5xx says nothing either.
            Transient: no connection, 5xx at every attempt, an unverified certificate, breaker open, or a
                quota that could not be counted. Of a write it is always NotSent.
            BadResponse: too large, not unpackable, redirected elsewhere.
            ConnectorError: what `call.accept` raised for an answer that was just fetched. Its BadResponse is
                a failure of the source, so that an older answer is given instead. Also what `call.refused`
                gave for a 4xx or 5xx.
        """
        transport, cache = self._load(call.source)
        kept = _usable(call, cache.get(call)) if call.cache_s > 0 else None
        if kept is not None and kept.good and not fresh:
            if kept.not_found:
                message = "the source did not know it (HTTP 404, kept)"
                raise NotFound(call.source, message, as_of=kept.reply.retrieved_at)
            return kept.reply
        try:
            reply = self._ask(transport, call, deadline)
            if call.accept is not None and reply.status != NOT_MODIFIED:
                call.accept(reply)
        except AuthRejected as exc:
            self._stop(call, exc)
            if isinstance(exc, Forbidden):
                raise AuthRejected(exc.connector, exc.message) from None
            raise
        except NotFound:
            if call.cache_s > 0 and call.cache_not_found:
                cache.put_not_found(call)
            elif kept is not None:
                cache.forget(call)
            raise
        except (Transient, BadResponse) as exc:
            if kept is None or kept.not_found:
                raise
            _log.info("%s: an older answer is given: %s", call.source, exc.message)
            return kept.reply._replace(stale=True, failure=exc.message)
        if call.cache_s > 0:
            cache.put(call, reply)
        return reply

    def usage(self, call: Call) -> Usage:
        """How much of its quota the account of a call has used, and whether it is left alone."""
        return self._quota.usage(account_of(call).stored)

    def close(self) -> None:
        """Close connections and files for good: a thread that was left behind sends and writes no more."""
        with self._lock:
            self._closed = True
            loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.transport.close()
            loaded.cache.close()
        self._quota.close()

    def _load(self, source: str) -> _Loaded:
        with self._lock:
            if self._closed:
                raise Rejected(source, _CLOSED)
            if self._loaded is None:
                # Loaded here, since they take longer to import than the rest of a look-up without network.
                try:
                    from connectors.http.cache import AnswerCache  # noqa: PLC0415
                    from connectors.http.transport import Transport  # noqa: PLC0415
                except ImportError as exc:  # SOAR brings requests and urllib3 of its own
                    lacking = f"{exc.name or 'one of them'} is missing or too old"
                    raise Rejected(source, f"the HTTP libraries cannot be loaded: {lacking}") from exc

                self._loaded = _Loaded(
                    Transport(self._settings, clock=self._clock), AnswerCache(self._folder, clock=self._clock)
                )
            return self._loaded

    def _ask(self, transport: Transport, call: Call, deadline: Deadline) -> Reply:
        """One answer, with further attempts after failures that may pass; a write has one attempt."""
        if not call.repeatable:
            return self._attempt(transport, call, deadline)
        import tenacity  # noqa: PLC0415

        from connectors.http.failures import Unanswered  # noqa: PLC0415

        def stop(state: tenacity.RetryCallState) -> bool:
            return state.attempt_number > self._settings.retries or state.upcoming_sleep >= deadline.left()

        attempts: tenacity.Retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Unanswered, TimedOut)),
            wait=self._pause,
            stop=stop,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return attempts(self._attempt, transport, call, deadline)
        except Unanswered as exc:
            made = attempts.statistics["attempt_number"]
            raise Transient(call.source, f"{exc.message}; attempts made: {made}") from None

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next attempt: what the source asks for, else doubled and jittered."""
        failure = state.outcome.exception() if state.outcome else None
        asked: datetime | None = getattr(failure, "retry_at", None)
        if asked is not None:
            return max(0.0, (asked - self._clock()).total_seconds())
        longest: float = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1))
        return longest * self._rng.uniform(0.5, 1.0)

    def _attempt(self, transport: Transport, call: Call, deadline: Deadline) -> Reply:
        """One request, counted before it is sent and recorded after it was answered or not."""
        given = deadline.left()
        if given <= 0:
            message = "no time is left to ask"
            if not call.repeatable:
                raise NotSent(call.source, f"not sent: {message}")
            raise TimedOut(call.source, message)
        if self._closed:
            raise Rejected(call.source, _CLOSED)
        account = account_of(call)
        rejected = self._rejected.get(credential_of(call))
        if rejected is not None:
            raise KeyStopped(call.source, f"not asked again with this key: {rejected}")
        refusal = self._quota.admit(account.stored, call.limits, wait_s=min(QUOTA_WAIT_S, given))
        if refusal is not None:
            failed = Transient if call.repeatable else NotSent
            if refusal.by in {RefusedBy.TABLE, RefusedBy.FILE}:
                raise failed(call.source, _REFUSED[refusal.by])
            message = f"{_REFUSED[refusal.by]} until {refusal.until:%Y-%m-%d %H:%M:%S} UTC"
            if refusal.by is RefusedBy.BREAKER:
                raise failed(call.source, message)
            raise RateLimited(call.source, message, retry_at=refusal.until)
        try:
            reply = transport.exchange(call, deadline)
        except RateLimited as exc:
            self._quota.limited(account.stored, exc.retry_at, wait_s=QUOTA_WAIT_S)
            raise
        except Transient as exc:
            self._failed(account, exc, given)
            raise
        except ConnectorError:
            self._quota.answered(account.stored, wait_s=QUOTA_WAIT_S)
            raise
        self._quota.answered(account.stored, wait_s=QUOTA_WAIT_S)
        # A server may send back the key it was sent, in a title, say: what reads the answer must not tell it.
        return reply._replace(body=cleaned(reply.body, call.secrets))

    def _stop(self, call: Call, rejection: AuthRejected) -> None:
        """Ask no more with a key that was refused."""
        one_door = bool(call.account) and isinstance(rejection, Forbidden)
        if not one_door and not isinstance(rejection, KeyStopped):
            self._rejected.setdefault(credential_of(call), rejection.message)

    def _failed(self, account: Account, failure: Transient, given: float) -> None:
        if isinstance(failure, TimedOut) and given < FAIR_CHANCE_S:
            return
        self._quota.failed(account.stored, wait_s=QUOTA_WAIT_S)


def _usable(call: Call, kept: Kept | None) -> Kept | None:
    """What was kept; None when the call's reader refuses it, as a newer version of it may."""
    if kept is not None and not kept.not_found and call.accept is not None:
        try:
            call.accept(kept.reply)
        except ConnectorError:
            return None
    return kept
