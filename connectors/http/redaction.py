"""What of a request may be shown: never a header's value, a query or a body."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, urlsplit

#: Headers of an answer that are never kept.
UNKEPT_HEADERS = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})

#: A shorter text is no secret worth looking for: it would be found everywhere.
_SHORTEST_SECRET = 6

#: What stands in place of a secret; it may stand in a JSON string.
_MARK = b"[secret]"

#: An escape of a JSON string; 1 is the number of a printable ASCII character.
_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9a-fA-F])|.)", re.DOTALL)

_QUERY = re.compile(r"\?[^\s\"']*")


def shown_url(url: str) -> str:
    """Scheme, host, port and path of a URL, printable, without user, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not a URL)"
    host = f"[{host}]" if ":" in host else host
    return ascii(f"{parts.scheme}://{host}{port}{parts.path}"[:200])[1:-1]


def holds_secret(text: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of the secrets stands in the text: as it is, URL-encoded, in a JSON string or in base64.

    Of "Bearer <token>", "Basic <base64>" and "user:password" the bare parts are looked for as well.
    """
    spelt = _spelt(text)
    return any(form in text or form in spelt for form in secret_forms(secrets))


def cleaned(text: bytes, secrets: Iterable[str]) -> bytes:
    """The text with every form of the secrets that `holds_secret` finds replaced, the longest first.

    Where a secret shows only once the escapes of a JSON string are read, they are read in the whole text.
    """
    forms = secret_forms(secrets)
    spelt = _spelt(text)
    if spelt != text and any(form in spelt for form in forms):
        text = spelt
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, _MARK)
    return text


def _spelt(text: bytes) -> bytes:
    """JSON with the ASCII characters that its strings escape by number written plainly: it means the same."""
    return _ESCAPE.sub(_plainly, text) if b"\\u00" in text else text


def _plainly(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        return escape[0]
    character = bytes([int(escape[1], 16)])
    return b"\\" + character if character in b'"\\' else character


def secret_forms(secrets: Iterable[str]) -> set[bytes]:
    """What `holds_secret` looks for: each secret and the bare parts in it, in every form."""
    parts = {part for secret in secrets for part in _parts(secret)}
    return {form for part in parts for form in _forms(part)}


def _parts(secret: str) -> set[str]:
    """A header's value, what follows its scheme, and the password in there."""
    after_scheme = secret.strip().partition(" ")[2].strip() or secret.strip()
    accounts = {after_scheme, _decoded(after_scheme)}
    return {secret, *accounts, *(each.partition(":")[2] for each in accounts)}


def _decoded(text: str) -> str:
    """What base64 stands for; "" when it is none, or not text."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _forms(secret: str) -> set[bytes]:
    if len(secret) < _SHORTEST_SECRET:
        return set()
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = {quote(raw, safe="").encode(), quote(raw).encode(), quote_plus(raw).encode()}
    in_json = {
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass"),
    }
    slashed = {form.replace(b"/", rb"\/") for form in in_json}
    lower = {re.sub(rb"%[0-9A-F]{2}", lambda found: found.group().lower(), form) for form in quoted}
    encoded = {form for before in range(3) for form in _base64(raw, before)}
    return {raw, *quoted, *lower, *in_json, *slashed, *encoded}


def _base64(raw: bytes, before: int) -> set[bytes]:
    """What base64 makes of it behind so many bytes (modulo 3), less the characters that neighbours decide."""
    text = base64.b64encode(bytes(before) + raw).rstrip(b"=")
    inner = text[(0, 2, 3)[before] : len(text) - (1 if (before + len(raw)) % 3 else 0)]
    return {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}


class _WithoutQuery(logging.Filter):
    """Takes the query out of what the HTTP libraries log at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = _QUERY.sub("?(redacted)", record.getMessage())
        record.args = ()
        return True


_WITHOUT_QUERY = _WithoutQuery()


def hide_queries_in_logs() -> None:
    """Make the loggers of the HTTP libraries show no query; may be called again."""
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_WITHOUT_QUERY)
