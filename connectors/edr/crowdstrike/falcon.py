"""falconpy on our HTTP client: what it is asked goes through Http, and what it swallows is raised.

falconpy answers a refusal, a broken connection and a wrong argument alike with a dictionary, so its answers
are not read: the session that it sends with keeps the reply, or the error, of the last request of each
thread. falconpy is imported on first use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson
from pydantic import SecretStr

from connectors.edr.crowdstrike.devices import CONNECTOR
from connectors.edr.crowdstrike.refusals import Scope, login_refusal, partial_refusal, refusal
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.errors import AuthRejected, BadResponse, ConnectorError, Rejected, TimedOut, Transient
from connectors.http.call import Refused
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.sdk_session import SdkResponse, SdkSession
from connectors.unsent import before_the_write

if TYPE_CHECKING:
    from falconpy import OAuth2


#: A page of events with the longest command lines that Windows has.
MAX_BODY_BYTES = 32 * 1024 * 1024


class Services(NamedTuple):
    """The parts of falconpy that are used; they share one token.

    Attributes:
        auth: the token.
        hosts, searches: falconpy's Hosts and NGSIEM. Its type stubs lack keywords that its code takes.
    """

    auth: OAuth2
    hosts: Any
    searches: Any


class Answered(NamedTuple):
    """One reply as it came over the wire; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Falcon:
    """One API client of one cloud region. Safe to use from many threads."""

    def __init__(
        self, http: Http, settings: CrowdStrikeSettings, secret: SecretStr, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._clock = clock
        self._session = _Recording(
            SdkSession(
                http,
                source=CONNECTOR,
                account=settings.client_id,
                refuse=self._refused,
                max_body_bytes=MAX_BODY_BYTES,
            )
        )
        self._lock = threading.Lock()
        self._services: Services | None = None
        self._locked_out: AuthRejected | None = None

    def ask(
        self,
        scope: Scope,
        operation: Callable[[Services], object],
        *,
        deadline: Deadline,
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """The answer of one operation, a JSON object; {} for an empty body.

        A 401 means that the operation was not carried out: the token is renewed once and it is asked again,
        even if it is a write.

        Args:
            scope: what the operation needs.
            operation: the call on falconpy; its own answer is not used.
            deadline: for all of it.
            repeatable: False for a write, which is sent once.

        Raises:
            AuthRejected, PermissionMissing, NotFound, Conflict, RateLimited, Rejected: Falcon refused.
            NotSent: a write, for which no token was issued, or which could not be sent.
            TimedOut: no answer before the deadline; for a write the outcome is unknown.
            Transient: Falcon failed or cannot be reached.
            BadResponse: the answer is no JSON object.
        """
        services = self._ready(deadline, renew=None, repeatable=repeatable)
        used = services.auth.token_value
        answered = self._session.answer_of(lambda: operation(services), deadline, repeatable=repeatable)
        if answered.status == 401:
            services = self._ready(deadline, renew=used, repeatable=repeatable)
            answered = self._session.answer_of(lambda: operation(services), deadline, repeatable=repeatable)
        if answered.status >= 500 and not repeatable:
            message = f"Falcon failed (HTTP {answered.status}); whether it was carried out is not known"
            raise TimedOut(CONNECTOR, message)
        if not 200 <= answered.status <= 299:
            raise refusal(*answered, scope=scope, now=self._clock())
        body = _json(answered)
        wrong = partial_refusal(body, scope=scope, now=self._clock())
        if wrong is not None:
            raise wrong
        return body

    def sign_in(self, *, deadline: Deadline) -> None:
        """See that a token is issued.

        Raises:
            AuthRejected: the id or the secret is wrong.
        """
        self._signed_in(deadline, renew=None)

    def _ready(self, deadline: Deadline, *, renew: str | None, repeatable: bool) -> Services:
        """As _signed_in; where a write waits for it, a failure is NotSent."""
        with nullcontext() if repeatable else before_the_write():
            return self._signed_in(deadline, renew=renew)

    def _signed_in(self, deadline: Deadline, *, renew: str | None) -> Services:
        """The services with a token that has not expired and is not `renew`; one thread fetches it for all.

        Raises:
            AuthRejected: the id or the secret is wrong.
            Transient: no token in time. Never TimedOut, which of a write would say that it may have happened.
        """
        with self._lock:
            auth = self._services.auth if self._services is not None else self._load()
            if self._services is not None and not auth.token_expired() and auth.token_value != renew:
                return self._services
            if self._locked_out is not None:
                raise self._locked_out
            try:
                answered = self._session.answer_of(auth.login, deadline, repeatable=True)
            except TimedOut as exc:
                raise Transient(CONNECTOR, f"not asked: no token was issued: {exc.message}") from exc
            if answered.status not in {200, 201} or not auth.token_value:
                error = login_refusal(*answered, now=self._clock())
                if isinstance(error, AuthRejected):
                    # A wrong secret that is sent again and again gets its owner locked out.
                    self._locked_out = AuthRejected(CONNECTOR, f"not asked again: {error.message}")
                raise error
            if self._services is None:
                self._services = _services(auth)
            return self._services

    def _refused(self, answer: Refused) -> ConnectorError | None:
        """What Http has to know of a refusal: a quota, and what another attempt may mend."""
        if answer.status == 429:
            return refusal(
                answer.status, answer.headers, answer.body, scope=Scope.HOSTS_READ, now=self._clock()
            )
        if answer.status >= 500 and self._session.repeatable:
            from connectors.http.failures import Unanswered  # noqa: PLC0415  loads the HTTP libraries

            return Unanswered(CONNECTOR, f"Falcon failed (HTTP {answer.status})", retry_at=answer.retry_at)
        return None

    def _load(self) -> OAuth2:
        try:
            from falconpy import OAuth2  # noqa: PLC0415
        except ImportError as exc:
            raise Rejected(CONNECTOR, "falconpy is not installed; install crowdstrike-falconpy") from exc
        return OAuth2(
            client_id=self._settings.client_id,
            client_secret=self._secret.get_secret_value(),
            base_url=self._settings.base_url.rstrip("/"),
            session=cast("Any", self._session),
        )


def _services(auth: OAuth2) -> Services:
    """The services over a token that was issued: without one, each would ask for its own when it is made."""
    from falconpy import NGSIEM, Hosts  # noqa: PLC0415

    return Services(auth, Hosts(auth_object=auth), NGSIEM(auth_object=auth))


class _Recording:
    """The session that falconpy sends with; keeps, a thread each, how the last request ended."""

    def __init__(self, session: SdkSession) -> None:
        self._session = session
        self._kept = threading.local()

    @property
    def repeatable(self) -> bool:
        """Whether what this thread is asking may be asked more than once."""
        return bool(getattr(self._kept, "repeatable", False))

    def request(self, method: str, url: str, **arguments: Any) -> SdkResponse:
        """What falconpy calls in place of requests.Session.request."""
        self._kept.ended = None
        try:
            response = self._session.request(method, url, **arguments)
        except ConnectorError as exc:
            self._kept.ended = exc
            raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._kept.ended = Answered(response.status_code, headers, response.content)
        return response

    def answer_of(self, run: Callable[[], object], deadline: Deadline, *, repeatable: bool) -> Answered:
        """How the last request of a run ended.

        Raises:
            ConnectorError: that of the request, or falconpy refused to send one.
        """
        self._kept.ended, self._kept.repeatable = None, repeatable
        failure: Exception | None = None
        with self._session.within(deadline, repeatable=repeatable):
            try:
                run()
            except Exception as exc:  # noqa: BLE001  the edge of the SDK: the reply counts, if there is one
                failure = exc
        ended = self._kept.ended
        if isinstance(ended, ConnectorError):
            raise ended
        if ended is None:
            kind = f" ({type(failure).__name__})" if failure is not None else ""
            raise Rejected(CONNECTOR, f"falconpy did not send the request{kind}") from failure
        answered: Answered = ended
        return answered


def _json(answered: Answered) -> dict[str, Any]:
    if not answered.body.strip():
        return {}
    try:
        read = orjson.loads(answered.body)
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, dict):
        kind = answered.headers.get("content-type", "").partition(";")[0].strip()[:60] or "no content type"
        raise BadResponse(CONNECTOR, f"the answer is no JSON object: {len(answered.body):,} bytes, {kind}")
    return read
