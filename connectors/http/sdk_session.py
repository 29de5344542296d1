"""What a vendor's SDK needs of a session, over our own HTTP client.

Shapes: falconpy calls `session.request(method, url, params=, headers=, json=, data=, files=, verify=,
allow_redirects=, proxies=, timeout=, stream=)` (falconpy/_util/_functions.py, perform_request); msal calls
`http_client.post(url, params=, headers=, data=)` and `.get(url, params=, headers=)` and reads status_code,
text and headers (msal/oauth2cli/http.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import orjson
from pydantic import SecretStr

from connectors.errors import ConnectorError, Rejected
from connectors.http.call import Call, Refused
from connectors.http.client import Http
from connectors.http.deadline import Deadline

#: Fields of a form that hold a secret (OAuth 2.0, RFC 6749 and 7523).
_SECRET_FIELDS = frozenset(
    {"client_secret", "client_assertion", "assertion", "password", "refresh_token", "token"}
)

#: Headers of an SDK that hold secrets.
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})


class SdkResponse:
    """An answer in the shape of requests.Response; it says nothing of its body when printed."""

    __slots__ = ("content", "headers", "status_code")

    def __init__(self, status_code: int, headers: Mapping[str, str], content: bytes) -> None:
        from requests.structures import CaseInsensitiveDict  # noqa: PLC0415  no SDK comes without requests

        self.status_code = status_code
        self.headers: Mapping[str, str] = CaseInsensitiveDict(headers)
        self.content = content

    def __repr__(self) -> str:
        return f"<SdkResponse [{self.status_code}]>"

    @property
    def ok(self) -> bool:
        """True below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as UTF-8, undecodable bytes replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self, **_: Any) -> Any:
        """The body as JSON.

        Raises:
            json.JSONDecodeError: it is none, as of requests.
        """
        return orjson.loads(self.content)

    def raise_for_status(self) -> None:
        """As of requests.

        Raises:
            Rejected: 400 or above.
        """
        if not self.ok:
            raise Rejected("http", f"the request failed (HTTP {self.status_code})")

    def close(self) -> None:
        """Nothing is open: the body was read whole."""


class _Answered(ConnectorError):
    """Carries a 4xx or 5xx answer past Http to the SDK."""

    def __init__(self, connector: str, answer: Refused) -> None:
        self.answer = answer
        super().__init__(connector, f"HTTP {answer.status}")


class _Exchange:
    """What holds for the SDK's requests inside one `within`, and what became of the last of them."""

    __slots__ = ("deadline", "failure", "repeatable", "session")

    def __init__(self, session: SdkSession, deadline: Deadline, repeatable: bool | None) -> None:
        self.session = session
        self.deadline = deadline
        self.repeatable = repeatable
        self.failure: ConnectorError | None = None


_EXCHANGE: ContextVar[_Exchange | None] = ContextVar("sdk_exchange", default=None)


class SdkSession:
    """A session for an SDK. Safe to use from many threads at once.

    TLS is always verified, proxies are those of the HTTP settings, and the SDK's own timeout is not used: the
    deadline is.
    """

    def __init__(
        self,
        http: Http,
        *,
        source: str,
        account: str,
        refuse: Callable[[Refused], ConnectorError | None],
        deadline_s: float = 60.0,
        max_body_bytes: int | None = None,
        only: str = "",
    ) -> None:
        """Send nothing yet.

        Args:
            http: sends the requests.
            source: the connector's name.
            account: who asks, such as the client id: names quota and breaker. Not a secret.
            refuse: reads a 4xx or 5xx answer; the error it gives is raised, None hands the answer to the SDK.
            deadline_s: seconds for a request outside `within`.
            max_body_bytes: as of Call.
            only: a URL; whatever an answer tells the SDK, nothing goes to another server than its own. "" is
                any that the SDK names.
        """
        self._only = _server(only) if only else None
        self._http = http
        self._source = source
        self._account = account
        self._refuse = refuse
        self._deadline_s = deadline_s
        self._max_body_bytes = max_body_bytes

    @contextmanager
    def within(self, deadline: Deadline, *, repeatable: bool | None = None) -> Iterator[None]:
        """What the SDK does inside happens before the deadline.

        SDKs swallow errors (falconpy makes a dict of them): where the last request inside failed, its
        ConnectorError is raised at the end, whatever the SDK made of it.

        Args:
            deadline: for all requests inside together.
            repeatable: False where a write is among them; None takes a GET for repeatable and nothing else.
        """
        exchange = _Exchange(self, deadline, repeatable)
        mark = _EXCHANGE.set(exchange)
        try:
            yield
        except ConnectorError:
            raise
        except Exception:  # the edge to the SDK: what it raised instead of our error
            if exchange.failure is None:
                raise
        finally:
            _EXCHANGE.reset(mark)
        if exchange.failure is not None:
            raise exchange.failure

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object | None = None,
        data: Mapping[str, Any] | str | bytes | None = None,
        files: object | None = None,
        verify: object = None,
        allow_redirects: bool = True,
        proxies: Mapping[str, str] | None = None,
        timeout: object = None,
        stream: bool = False,
    ) -> SdkResponse:
        """One request, as of requests.Session.

        Raises:
            Rejected: verification switched off, a proxy or a file to send.
            ConnectorError: as Http.send, and what `refuse` gives.
        """
        del allow_redirects, timeout, stream
        exchange = self._exchange()
        exchange.failure = None
        try:
            self._check(verify=verify, proxies=proxies, files=files)
            call = self._call(method.upper(), url, params=params, headers=headers, json=json, data=data)
            if exchange.repeatable is None:
                call = call._replace(repeatable=call.method == "GET")
            else:
                call = call._replace(repeatable=exchange.repeatable)
            reply = self._http.send(call, deadline=exchange.deadline)
        except _Answered as exc:
            return SdkResponse(exc.answer.status, exc.answer.headers, exc.answer.body)
        except ConnectorError as exc:
            exchange.failure = exc
            raise
        return SdkResponse(reply.status, reply.headers, reply.body)

    def get(self, url: str, **kwargs: Any) -> SdkResponse:
        """A GET, as of requests.Session."""
        return self.request("GET", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> SdkResponse:
        """A POST, as of requests.Session."""
        return self.request("POST", url, **kwargs)

    def close(self) -> None:
        """Nothing: the HTTP client belongs to the caller."""

    def _exchange(self) -> _Exchange:
        exchange = _EXCHANGE.get()
        if exchange is None or exchange.session is not self:
            return _Exchange(self, Deadline.after(self._deadline_s), None)
        return exchange

    def _check(self, *, verify: object, proxies: object, files: object) -> None:
        if verify is not None and verify is not True:
            self._reject("certificates are always verified, with the CA bundle of the HTTP settings")
        if proxies:
            self._reject("a proxy is taken from the HTTP settings only")
        if files:
            self._reject("no files are sent")

    def _reject(self, message: str) -> NoReturn:
        raise Rejected(self._source, message)

    def _call(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        json: object | None,
        data: Mapping[str, Any] | str | bytes | None,
    ) -> Call:
        address, asked = _without_query(url)
        if self._only is not None and _server(address) != self._only:
            raise Rejected(self._source, "an answer named another server to ask; nothing was sent there")
        plain = {name: str(value) for name, value in (headers or {}).items()}
        secret = {
            name: SecretStr(plain.pop(name)) for name in tuple(plain) if name.lower() in _SECRET_HEADERS
        }
        call = Call(
            self._source,
            address,
            method,
            params={**asked, **_texts(params)},
            headers=plain,
            secret_headers=secret,
            account=self._account,
            max_body_bytes=self._max_body_bytes,
            refused=self._answered,
        )
        if isinstance(data, Mapping) and data:
            form = {name: str(value) for name, value in data.items()}
            hidden = {name: SecretStr(form.pop(name)) for name in tuple(form) if name in _SECRET_FIELDS}
            # Only true secrets: the rest, such as a scope, may stand in a token, which must not be changed.
            return call._replace(form=form, secret_form=hidden)
        if isinstance(data, str | bytes) and data:
            kind = next((plain.pop(name) for name in tuple(plain) if name.lower() == "content-type"), "")
            content = data.encode() if isinstance(data, str) else data
            return call._replace(content=content, content_type=kind)
        # falconpy gives {} where it has no body.
        if json is not None and (json or method not in {"GET", "DELETE"}):
            return call._replace(body=json)
        return call

    def _answered(self, answer: Refused) -> ConnectorError:
        return self._refuse(answer) or _Answered(self._source, answer)


def _server(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", "", None


def _without_query(url: str) -> tuple[str, dict[str, str | list[str]]]:
    """A URL without its query, and what was asked in it."""
    parts = urlsplit(url)
    asked: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        known = asked.get(name)
        if known is None:
            asked[name] = value
        else:
            asked[name] = [*([known] if isinstance(known, str) else known), value]
    return urlunsplit(parts._replace(query="")), asked


def _texts(params: Mapping[str, Any] | None) -> dict[str, str | list[str]]:
    """Parameters as texts; a list stays one, None is left out, as of requests."""
    texts: dict[str, str | list[str]] = {}
    for name, value in (params or {}).items():
        if isinstance(value, list | tuple):
            texts[name] = [_text(each) for each in value if each is not None]
        elif value is not None:
            texts[name] = _text(value)
    return texts


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
