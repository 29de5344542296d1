"""What a source asks of the HTTP client and what it gets back. No I/O, and no HTTP library is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import orjson
from pydantic import SecretStr

from connectors.errors import BadResponse, ConnectorError

_NO_TEXTS: Mapping[str, str] = MappingProxyType({})
_NO_SECRETS: Mapping[str, SecretStr] = MappingProxyType({})


METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

#: So much of a refusal's body is read.
MAX_REFUSED_BYTES = 64 * 1024

#: Content types that are named in an error. Any other text may be the source's own, or our key sent back.
_NAMED_TYPES = frozenset({"application/json", "application/xml", "text/html", "text/plain", "text/xml"})

#: The status of "nothing has changed" (RFC 9110, 15.4.5).
NOT_MODIFIED = 304


class Limits(NamedTuple):
    """How often a source may be asked, all processes on one state folder together. None is no limit.

    Attributes:
        per_minute: requests in any 60 seconds.
        per_day: requests in a day of UTC.
    """

    per_minute: int | None = None
    per_day: int | None = None


class Refused(NamedTuple):
    """A 4xx or 5xx answer, for the source's own reading of it.

    Attributes:
        status: 400 to 599.
        headers: names in lower case.
        body: decompressed, its first MAX_REFUSED_BYTES; b"" where it cannot be read. Text from outside.
        retry_at: when the source wants to be asked again; None when it does not say.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    retry_at: datetime | None = None

    def json(self) -> object:
        """The body read as JSON; None when it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class Call(NamedTuple):
    """One question or order to one source.

    Secrets go into `secret_headers` and `secret_form` only: everything else may be named in an error or a
    log line.

    Attributes:
        source: short name of the source, as in its errors; with server and key it names quota and breaker.
        url: absolute, without a query; https, or http to a loopback address.
        method: one of METHODS.
        repeatable: False for a write: it is sent at most once and follows no redirect. Where it may have
            been carried out and no answer says so, the error is TimedOut.
        body: sent as JSON when not None.
        params, form: a sequence is sent as one entry for each of its texts. `form` is a body when not None.
        secret_form: secrets of a form body, as OAuth wants them; with or without `form`.
        content: sent as it is when not None, as `content_type`. Of body, form and content one at most.
        headers: with If-None-Match or If-Modified-Since, a 304 is an answer too.
        account: what names the account in place of the secret headers, where those change: the client id
            of a token that is renewed. A 403 then does not stop the account's other calls.
        max_body_bytes: largest answer that is read, decompressed; None takes that of the settings.
        refused: reads a 4xx or 5xx answer and gives the error to raise at once; None leaves it to the
            default meaning (see Http.send), with further attempts after a 5xx to a repeatable call.
        unsaid: secrets that are not sent with this call and that its answer may not tell either.
        cache_s: seconds for which an answer is good; 0 is never kept.
        cache_not_found: True where a 404 says "not known" of what was asked: it is kept like an answer. Any
            other error is never kept.
        accept: reads a 2xx answer and raises a ConnectorError when it is none, such as a sign-in page. What
            it refuses is never kept and replaces nothing that is.
    """

    source: str
    url: str
    method: str = "GET"
    params: Mapping[str, str | Sequence[str]] = _NO_TEXTS
    headers: Mapping[str, str] = _NO_TEXTS
    secret_headers: Mapping[str, SecretStr] = _NO_SECRETS
    body: object | None = None
    form: Mapping[str, str | Sequence[str]] | None = None
    cache_s: int = 0
    cache_not_found: bool = False
    limits: Limits = Limits()
    accept: Callable[[Reply], object] | None = None
    repeatable: bool = True
    secret_form: Mapping[str, SecretStr] = _NO_SECRETS
    content: bytes | None = None
    content_type: str = ""
    account: str = ""
    max_body_bytes: int | None = None
    refused: Callable[[Refused], ConnectorError | None] | None = None
    unsaid: tuple[SecretStr, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that nothing may tell, as they are: those that are sent, and `unsaid`."""
        given = (*self.secret_headers.values(), *self.secret_form.values(), *self.unsaid)
        return tuple(secret.get_secret_value() for secret in given)


class Reply(NamedTuple):
    """A 2xx answer, or a 304 to a call that asked whether anything has changed.

    Attributes:
        headers: names in lower case.
        body: decompressed; empty for a 204 and a 304.
        retrieved_at: when it was fetched from the source; earlier than the call when `from_cache`.
        stale: True for an expired answer that is given because the source failed.
        failure: why it is stale, one sentence; "" when it is not.
        source: the source it came from.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    retrieved_at: datetime
    from_cache: bool
    stale: bool
    failure: str = ""
    source: str = ""

    def json(self) -> object:
        """The body read as JSON.

        Raises:
            BadResponse: it is not JSON: HTML, cut off, not UTF-8, nested too deeply, empty.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as exc:
            kind = _shown_type(self.headers.get("content-type", ""))
            raise BadResponse(
                self.source or "http",
                f"the answer is not JSON: {len(self.body):,} bytes, {kind}, problem at byte {exc.pos:,}",
            ) from exc


def _shown_type(header: str) -> str:
    kind = header.partition(";")[0].strip().lower()
    if kind in _NAMED_TYPES:
        return kind
    return "of another content type" if kind else "no content type"
