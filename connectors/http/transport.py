"""One exchange with a source: sent, bounded, read and judged. Loads requests, hence imported late."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3.exceptions as wire
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy, should_bypass_proxies

from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConnectorError,
    NotFound,
    NotSent,
    RateLimited,
    Rejected,
    TimedOut,
)
from connectors.http.accounts import Forbidden
from connectors.http.call import MAX_REFUSED_BYTES, METHODS, NOT_MODIFIED, Call, Refused, Reply
from connectors.http.deadline import Deadline
from connectors.http.deadline_socket import POOL_CLASSES, bounded, tls_context
from connectors.http.failures import Unanswered, explained, of_a_write
from connectors.http.redaction import cleaned, hide_queries_in_logs
from connectors.http.retry_after import retry_at
from connectors.http.settings import HttpSettings
from connectors.http.targets import REDIRECTS, checked_url, is_loopback, redirected

MAX_REDIRECTS = 3

#: Answers without a body, whatever length their headers name (RFC 9110, 15.3.5 and 15.4.5).
_BODILESS = frozenset({204, NOT_MODIFIED})

#: Request headers that a 304 may answer.
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})

#: Only these are unpacked: a chain of encodings multiplies what a small body unpacks to.
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})

_CHUNK = 16 * 1024


class _Adapter(HTTPAdapter):
    """Connections that keep the deadline and always verify."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOL_CLASSES

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = POOL_CLASSES
        return manager

    def build_connection_pool_key_attributes(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, *args, **kwargs)
        tls = {"ssl_context": self._context} if host["scheme"] == "https" else {}
        return host, tls

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context verifies; loading the bundle again for every connection would only cost time."""


class Transport:
    """Sends requests over connections that all threads share.

    Through an adapter of requests, without its Session: that one reads the body of a redirect whole, fails on
    a target that is no URL, keeps cookies, and puts what ~/.netrc says in place of a source's own header.
    """

    def __init__(self, settings: HttpSettings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._adapter: _Adapter | None = None
        self._pid = os.getpid()
        hide_queries_in_logs()

    def exchange(self, call: Call, deadline: Deadline) -> Reply:
        """The answer of a source, if it is one; redirects are followed on the same host, but not for a write.

        Raises:
            NotFound, AuthRejected, RateLimited, Rejected, BadResponse: the source's own answer.
            Unanswered, TimedOut: another attempt may help. Of a write, TimedOut: it may have happened.
            Transient: the certificate cannot be verified.
            NotSent: of a write: that, or there was no connection, or no time.
            ConnectorError: what `call.refused` gave.
        """
        url = checked_url(call.source, call.url)
        for _ in range(MAX_REDIRECTS + 1):
            with bounded(deadline, connect_s=self._settings.connect_s, read_s=self._settings.read_s):
                answer = self._once(call, url, deadline)
            if isinstance(answer, Reply):
                return answer
            if not call.repeatable:
                raise BadResponse(call.source, f"a write was redirected, not followed (HTTP {answer[0]})")
            url = redirected(call.source, call.method, url, *answer)
        raise BadResponse(call.source, f"more than {MAX_REDIRECTS} redirects")

    def close(self) -> None:
        """Close the connections; a later exchange opens new ones."""
        with self._lock:
            adapter, self._adapter = self._adapter, None
        if adapter is not None:
            adapter.close()

    def _once(self, call: Call, url: str, deadline: Deadline) -> Reply | tuple[int, str]:
        """An answer, or the status and target of a redirect."""
        if deadline.passed:
            raise _too_late(call)
        request = _request(call, url, self._settings.user_agent)
        try:
            response = self._connections(call.source).send(
                request,
                stream=True,
                timeout=(self._settings.connect_s, self._settings.read_s),
                proxies=self._proxies(call.source, url),
            )
            try:
                headers = {name.lower(): value for name, value in response.headers.items()}
                if response.status_code in REDIRECTS and "location" in headers:
                    return response.status_code, headers["location"]
                self._judge(call, response, headers)
                bodiless = response.status_code in _BODILESS
                body = b"" if bodiless else self._whole_body(call, response, headers)
            finally:
                # A body that was read to its end has given its connection back; any other is cut off here.
                response.close()
        except (requests.RequestException, wire.HTTPError, OSError) as exc:
            # Not `from exc`: the libraries' texts hold the whole URL.
            failure = explained(call.source, exc, deadline_passed=deadline.passed)
            raise (failure if call.repeatable else of_a_write(failure)) from None
        return Reply(
            response.status_code,
            headers,
            body,
            self._clock(),
            from_cache=False,
            stale=False,
            source=call.source,
        )

    def _judge(self, call: Call, response: requests.Response, headers: dict[str, str]) -> None:
        """Return for an answer; raise what any other status means. No text of the answer is repeated."""
        source, status = call.source, response.status_code
        if 200 <= status <= 299 or (status == NOT_MODIFIED and _is_conditional(call)):
            return
        again = retry_at(headers, self._clock())
        if call.refused is not None and 400 <= status <= 599:
            # Servers repeat what they refuse; the reader's error is shown to people.
            body = cleaned(_first_of_body(response, headers), call.secrets)
            failure = call.refused(Refused(status, headers, body, again))
            if failure is not None:
                raise failure
        if status == 429:
            raise RateLimited(source, "the source's quota is used up (HTTP 429)", retry_at=again)
        if status in {401, 403}:
            rejected = Forbidden if status == 403 else AuthRejected
            raise rejected(source, f"the credential is missing, wrong, expired or not enough (HTTP {status})")
        if status == 404:
            raise NotFound(source, "the source does not know it (HTTP 404)")
        if 400 <= status <= 499:
            raise Rejected(source, f"the source refused the request (HTTP {status})")
        if 500 <= status <= 599:
            broken = Unanswered(source, f"the source failed (HTTP {status})", retry_at=again)
            raise broken if call.repeatable else of_a_write(broken)
        raise BadResponse(source, f"an answer that was not asked for (HTTP {status})")

    def _whole_body(self, call: Call, response: requests.Response, headers: dict[str, str]) -> bytes:
        limit = self._settings.max_body_bytes if call.max_body_bytes is None else call.max_body_bytes
        try:
            return b"".join(_body(call.source, response, headers, limit))
        except BadResponse as exc:
            raise (exc if call.repeatable else of_a_write(exc)) from None

    def _connections(self, source: str) -> _Adapter:
        with self._lock:
            if self._adapter is None or self._pid != os.getpid():
                # After a fork the sockets are the parent's too: they are left alone, and never used here.
                self._pid, self._adapter = os.getpid(), _Adapter(self._verifying(source))
            return self._adapter

    def _verifying(self, source: str) -> ssl.SSLContext:
        named = self._settings.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        try:
            return tls_context(str(named or DEFAULT_CA_BUNDLE_PATH))
        except OSError as exc:
            raise Rejected(
                source, f"the CA bundle cannot be read ({type(exc).__name__}); see the setting ca_bundle"
            ) from exc

    def _proxies(self, source: str, url: str) -> dict[str, str]:
        """The proxy for a URL, by scheme; NO_PROXY of the environment is honoured in any case.

        Raises:
            Rejected: it is not an http or https proxy; others would go round the deadline.
        """
        parts = urlsplit(url)
        if is_loopback(parts):
            return {}  # it may be plain text, which must not leave the machine
        if not self._settings.proxies:
            proxy = select_proxy(url, get_environ_proxies(url))
        elif should_bypass_proxies(url, no_proxy=None):
            proxy = None
        else:
            secret = self._settings.proxies.get("https" if parts.scheme == "https" else "http")
            proxy = secret.get_secret_value() if secret else None
        if not proxy:
            return {}
        if "://" in proxy and not proxy.lower().startswith(("http://", "https://")):
            raise Rejected(source, "the proxy of the environment is neither http nor https")
        return {parts.scheme: proxy}


def _too_late(call: Call) -> ConnectorError:
    """No time is left, and nothing was sent: for a write that is no TimedOut, which leaves it open."""
    message = "no time is left to ask"
    return TimedOut(call.source, message) if call.repeatable else NotSent(call.source, f"not sent: {message}")


def _body(source: str, response: requests.Response, headers: dict[str, str], limit: int) -> Iterator[bytes]:
    """The body, decompressed, in pieces.

    Raises:
        BadResponse: larger than the limit, or packed in another way.
    """
    too_large = BadResponse(source, f"the answer is larger than {limit:,} bytes and was not read")
    if headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        raise BadResponse(source, "the answer is packed in a way that was not asked for")
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise too_large
    size = 0
    while chunk := response.raw.read(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > limit:
            raise too_large
        yield chunk


def _first_of_body(response: requests.Response, headers: dict[str, str]) -> bytes:
    """The first bytes of a refusal; what can be read of them, since the status alone is an answer."""
    body = bytearray()
    if headers.get("content-encoding", "").strip().lower() in _ENCODINGS:
        try:
            while len(body) < MAX_REFUSED_BYTES and (chunk := response.raw.read(_CHUNK, decode_content=True)):
                body += chunk
        except (wire.HTTPError, OSError):
            pass
    return bytes(body[:MAX_REFUSED_BYTES])


def _is_conditional(call: Call) -> bool:
    """Whether a call asks for what has changed only."""
    return any(name.lower() in _CONDITIONS for name in call.headers)


def _request(call: Call, url: str, user_agent: str) -> requests.PreparedRequest:
    has_form = call.form is not None or bool(call.secret_form)
    if call.method not in METHODS or (call.body is not None) + has_form + (call.content is not None) > 1:
        raise ValueError("a call has one of the known methods and one body at most")
    if call.cache_s > 0 and not call.repeatable:
        raise ValueError("the answer to a write is never kept")
    headers = {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip"}
    data: Any = call.content
    if call.content is not None and call.content_type:
        headers["Content-Type"] = call.content_type
    if has_form:
        secrets = {name: secret.get_secret_value() for name, secret in call.secret_form.items()}
        data = {**(call.form or {}), **secrets}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        data = orjson.dumps(call.body)
    headers |= call.headers
    for name, secret in call.secret_headers.items():
        value = secret.get_secret_value()
        if not value or not value.isascii() or not value.isprintable() or value != value.strip():
            raise AuthRejected(
                call.source, f"the value for {name} is empty or fits no header; enter it again"
            )
        headers[name] = value
    # A redirect's target is complete: it gets no parameters again.
    params = dict(call.params) if url == call.url else None
    return requests.Request(call.method, url, headers=headers, params=params, data=data).prepare()
