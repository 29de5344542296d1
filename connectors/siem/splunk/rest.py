"""Calls to Splunk's REST interface (management port) with a token, and what its refusals mean.

https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference
https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-user-manual
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pydantic import SecretStr

from connectors.errors import (
    AuthRejected,
    BadResponse,
    Conflict,
    ConnectorError,
    NotFound,
    PermissionMissing,
    Rejected,
)
from connectors.http.call import Call, Refused, Reply
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.query.path import segment
from connectors.query.text import holdable
from connectors.siem.splunk.settings import SplunkPlace

CONNECTOR = "splunk"

#: A page of results: a thousand events of up to 64 kB.
MAX_BODY_BYTES = 64 * 1024 * 1024

#: Of Splunk's messages, so many are kept, each cut at so many characters.
MOST_MESSAGES = 5
LONGEST_MESSAGE = 300

type Form = Mapping[str, str | Sequence[str]]


class Message(NamedTuple):
    """One of Splunk's messages.

    Attributes:
        kind: DEBUG, INFO, WARN, ERROR or FATAL; "" where it does not say.
        text: plain, cut at LONGEST_MESSAGE. Text from outside: it may repeat what was asked or logged.
    """

    kind: str
    text: str


class SplunkRest:
    """Sends calls as one user of one Splunk. Safe to use from many threads at once."""

    def __init__(
        self,
        http: Http,
        settings: SplunkPlace,
        token: SecretStr,
        *,
        source: str = CONNECTOR,
        unsaid: tuple[SecretStr, ...] = (),
    ) -> None:
        """Ask nothing yet.

        Args:
            http: sends everything.
            settings: where Splunk is.
            token: an authentication token of Splunk, sent as Bearer.
            source: who asks, for errors and quota.
            unsaid: secrets besides the token that no answer may tell, such as the event collector's.
        """
        self._http = http
        self._unsaid = unsaid
        #: Scheme, host and port of the management port.
        self.base = settings.base_url.rstrip("/")
        self._namespace = f"servicesNS/{segment(settings.owner)}/{segment(settings.app)}"
        self._secrets = {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}
        self.source = source

    def get(self, path: str, params: Form, deadline: Deadline, *, scope: str = "") -> Reply:
        """Read something, as JSON.

        Args:
            path: below the app's namespace, such as "search/v2/jobs"; from the root with a "/" in front, such
                as "/services/server/info". Its parts are quoted by the caller (connectors.query.path).
            params: parameters besides output_mode.
            deadline: for all attempts.
            scope: the capability that is needed, for the error where it is missing.

        Raises:
            AuthRejected: HTTP 401, the token.
            PermissionMissing: HTTP 403.
            NotFound: HTTP 404.
            ConnectorError: as Http.send.
        """
        call = Call(
            self.source,
            self._url(path),
            params={**params, "output_mode": "json"},
            secret_headers=self._secrets,
            unsaid=self._unsaid,
            max_body_bytes=MAX_BODY_BYTES,
            refused=reader(self.source, scope),
        )
        return self._http.send(call, deadline=deadline)

    def post(
        self,
        path: str,
        form: Form,
        deadline: Deadline,
        *,
        repeatable: bool = False,
        scope: str = "",
        refused: Callable[[Refused], ConnectorError | None] | None = None,
    ) -> Reply:
        """Send a form.

        Args:
            path: as for `get`.
            form: fields besides output_mode.
            deadline: for all attempts.
            repeatable: True where sending it twice does no harm; False for a write, which is sent once.
            scope: as for `get`.
            refused: reads a refusal first; None from it leaves it to the usual meaning.

        Raises:
            InputError: a field holds text that cannot be sent.
            TimedOut: of a write: whether it was carried out is not known.
            ConnectorError: as `get`.
        """
        for name, given in form.items():
            for text in (given,) if isinstance(given, str) else given:
                holdable(name, text)
        call = self._posted(path, scope, refused, repeatable=repeatable)
        return self._http.send(call._replace(form={**form, "output_mode": "json"}), deadline=deadline)

    def post_json(
        self, path: str, body: object, deadline: Deadline, *, repeatable: bool = False, scope: str = ""
    ) -> Reply:
        """As `post`, with a JSON body."""
        call = self._posted(path, scope, None, repeatable=repeatable)
        return self._http.send(call._replace(body=body, params={"output_mode": "json"}), deadline=deadline)

    def post_content(
        self,
        path: str,
        params: Form,
        content: bytes,
        deadline: Deadline,
        *,
        content_type: str = "text/plain; charset=utf-8",
        scope: str = "",
    ) -> Reply:
        """As `post`, with a body that is sent as it is, once: how receivers/simple takes an event."""
        call = self._posted(path, scope, None, repeatable=False)
        return self._http.send(
            call._replace(
                params={**params, "output_mode": "json"}, content=content, content_type=content_type
            ),
            deadline=deadline,
        )

    def _posted(
        self,
        path: str,
        scope: str,
        refused: Callable[[Refused], ConnectorError | None] | None,
        *,
        repeatable: bool,
    ) -> Call:
        usual = reader(self.source, scope)

        def read(answer: Refused) -> ConnectorError | None:
            own = refused(answer) if refused is not None else None
            return own or usual(answer)

        return Call(
            self.source,
            self._url(path),
            "POST",
            secret_headers=self._secrets,
            unsaid=self._unsaid,
            max_body_bytes=MAX_BODY_BYTES,
            repeatable=repeatable,
            refused=read,
        )

    def _url(self, path: str) -> str:
        return f"{self.base}{path}" if path.startswith("/") else f"{self.base}/{self._namespace}/{path}"


def reader(source: str, scope: str = "") -> Callable[[Refused], ConnectorError | None]:
    """What a refusal means; None leaves 429, 5xx and the rest to their default meaning.

    Args:
        source: the connector's name.
        scope: the capability that the call needs; "" where it is not known.
    """

    def read(answer: Refused) -> ConnectorError | None:
        why = because(messages_of(answer.json()))
        match answer.status:
            case 400:
                return Rejected(source, f"Splunk refused the request (HTTP 400){why}")
            case 401:
                return AuthRejected(source, f"the token is wrong, expired or disabled (HTTP 401){why}")
            case 403:
                needed = f"the capability {scope}" if scope else "the capability for it"
                message = f"the token's user may not do this: give its role {needed}{why}"
                return PermissionMissing(source, message, scope=scope or "unknown capability")
            case 404:
                return NotFound(source, f"Splunk does not know it (HTTP 404){why}")
            case 409:
                return Conflict(source, f"it exists already or is in use (HTTP 409){why}")
        return None

    return read


def messages_of(body: object) -> tuple[Message, ...]:
    """Splunk's messages in an answer, the gravest first: `{"messages": [{"type", "text"}]}`."""
    given = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(given, list):
        return ()
    found = []
    for each in given:
        if isinstance(each, dict) and isinstance(each.get("text"), str):
            kind = each.get("type")
            text = plain(each["text"])
            if text:
                found.append(Message(plain(kind).upper() if isinstance(kind, str) else "", text))
    return tuple(sorted(found, key=lambda each: _GRAVITY.get(each.kind, 9))[:MOST_MESSAGES])


_GRAVITY = {"FATAL": 0, "ERROR": 1, "WARN": 2}


def because(messages: Sequence[Message]) -> str:
    """Messages as the end of a sentence: ": ..." or ""."""
    return f": {'; '.join(each.text for each in messages)}" if messages else ""


def plain(text: str) -> str:
    """Printable, on one line, cut at LONGEST_MESSAGE."""
    cut = text[:LONGEST_MESSAGE]
    return "".join(character if character.isprintable() else " " for character in cut).strip()


def record_of(reply: Reply) -> Mapping[str, object]:
    """The JSON object of an answer.

    Raises:
        BadResponse: it is none.
    """
    body = reply.json()
    if not isinstance(body, dict):
        raise BadResponse(reply.source, "an answer that is no record")
    return body


def entry_of(reply: Reply) -> Mapping[str, object]:
    """The content of the one entry of an answer: `{"entry": [{"content": {...}}]}`.

    Raises:
        BadResponse: there is not exactly one.
    """
    entries = record_of(reply).get("entry")
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        raise BadResponse(reply.source, "an answer without its one entry")
    content = entries[0].get("content")
    if not isinstance(content, dict):
        raise BadResponse(reply.source, "an entry without content")
    own = entries[0].get("messages")
    return {"messages": own, **content} if isinstance(own, list) else content


def is_true(value: object, name: str = "a switch", *, source: str = CONNECTOR) -> bool:
    """One of Splunk's booleans: true, 1, "1", "true" or "t" by version; False where it is missing.

    Raises:
        BadResponse: it is none; what it says is not known.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    text = str(value).strip().casefold() if isinstance(value, str | int) else None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise BadResponse(source, f"{name} of an answer is neither true nor false")


_TRUE = frozenset({"1", "true", "t", "yes"})
_FALSE = frozenset({"0", "false", "f", "no", ""})


def sized(value: object) -> int | None:
    """A count, as a number or as digits; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    return value if isinstance(value, int) and value >= 0 else None
