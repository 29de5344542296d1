"""Tokens of the Microsoft identity platform, by msal over our own HTTP session.

msal is imported when the first token is fetched. It keeps tokens itself; it is told to forget them before
each fetch, since here a token is fetched anew only when the old one runs out or was refused.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import SecretStr

from connectors.errors import AuthRejected, BadResponse, ConnectorError, Transient
from connectors.http.call import Refused
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.http.sdk_session import SdkResponse, SdkSession
from connectors.http.token import Token

_LONGEST_CODE = 40


class _HttpsInName:
    """The session where tokens come from this machine: msal insists on https, which is not needed there."""

    def __init__(self, session: SdkSession) -> None:
        self._session = session

    def get(self, url: str, **kwargs: Any) -> SdkResponse:
        return self._session.get(_plain(url), **kwargs)

    def post(self, url: str, **kwargs: Any) -> SdkResponse:
        return self._session.post(_plain(url), **kwargs)

    def close(self) -> None:
        self._session.close()


class AppTokens:
    """Fetches tokens of one application for one audience. Safe to use from many threads at once."""

    def __init__(
        self,
        http: Http,
        *,
        source: str,
        login_url: str,
        tenant_id: str,
        client_id: str,
        audience: str,
        secret: SecretStr,
        clock: Callable[[], datetime],
    ) -> None:
        """Load and ask nothing yet."""
        self._source = source
        self._authority = f"{login_url.rstrip('/')}/{tenant_id}"
        self._client_id = client_id
        self._scope = f"{audience.rstrip('/')}/.default"
        self._secret = secret
        self._clock = clock
        self._session = SdkSession(
            http, source=source, account=client_id, refuse=_refuse(source), only=login_url
        )
        self._lock = threading.Lock()
        self._app: Any = None
        self._roles: frozenset[str] | None = None

    @property
    def roles(self) -> frozenset[str] | None:
        """The application permissions that the last token carries; None where it does not say so readably."""
        return self._roles

    def fetch(self, deadline: Deadline) -> Token:
        """A new token.

        Raises:
            AuthRejected: the tenant, the application or its secret is not accepted.
            ConnectorError: as Http.send.
        """
        with self._lock, self._session.within(deadline, repeatable=True):
            answer = self._ask()
        value, lifetime = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(value, str) or not value:
            raise AuthRejected(self._source, f"no token is issued: {_why(answer)}")
        if isinstance(lifetime, bool) or not isinstance(lifetime, int | float | str):
            raise BadResponse(self._source, "a token without the time it lasts")
        try:
            expires_at = self._clock() + timedelta(seconds=int(lifetime))
        except (ValueError, OverflowError):
            raise BadResponse(self._source, "a token without the time it lasts") from None
        self._roles = roles_of(value)
        return Token(SecretStr(value), expires_at)

    def _ask(self) -> dict[str, Any]:
        try:
            app = self._application()
            app.remove_tokens_for_client()
            answer = app.acquire_token_for_client(scopes=[self._scope])
        except ValueError as exc:  # msal's word for an authority that does not answer as one
            raise AuthRejected(
                self._source, "no token is issued: the tenant is not known, or the login address is not one"
            ) from exc
        except ConnectorError:
            raise
        except Exception as exc:  # noqa: BLE001  (the edge to msal: it trips over answers of other types)
            message = f"the login service's answer is not what it documents ({type(exc).__name__})"
            raise BadResponse(self._source, message) from None
        return answer if isinstance(answer, dict) else {}

    def _application(self) -> Any:
        if self._app is None:
            import msal  # type: ignore[import-untyped]  # noqa: PLC0415  loaded when a token is wanted

            at_loopback = self._authority.startswith("http://")
            self._app = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=self._secret.get_secret_value(),
                authority=self._authority.replace("http://", "https://", 1),
                # Else msal asks login.microsoftonline.com whether the login address is Microsoft's.
                instance_discovery=False,
                http_client=_HttpsInName(self._session) if at_loopback else self._session,
            )
        return self._app


def roles_of(token: str) -> frozenset[str] | None:
    """The `roles` of a token: the application permissions that were granted.

    Read to say which one is missing, never to decide what is allowed. None where the token is not readable.
    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    if not isinstance(payload, dict) or "aud" not in payload:
        return None
    roles = payload.get("roles", [])
    return frozenset(each for each in roles if isinstance(each, str)) if isinstance(roles, list) else None


def _plain(url: str) -> str:
    return url.replace("https://", "http://", 1)


def _why(answer: dict[str, Any]) -> str:
    """The error's code and AADSTS number; its description may repeat what was sent."""
    code = str(answer.get("error") or "no reason given")[:_LONGEST_CODE]
    numbers = answer.get("error_codes")
    named = (
        [f"AADSTS{number}" for number in numbers[:3] if isinstance(number, int)]
        if isinstance(numbers, list)
        else []
    )
    return ", ".join([code, *named])


def _refuse(source: str) -> Callable[[Refused], ConnectorError | None]:
    """4xx answers of the token endpoint are msal's to read, but for 429; a 5xx is a failure that may pass."""

    def refuse(answer: Refused) -> ConnectorError | None:
        if answer.status == 429 or answer.status >= 500:
            return Transient(source, f"no token is issued now (HTTP {answer.status})")
        return None

    return refuse
