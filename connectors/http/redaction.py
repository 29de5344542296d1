"""What of a request may be shown: never a header's value, a query or a body."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, urlsplit

#: Headers of an answer that are never kept.
UNKEPT_HEADERS = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "proxy-authenticate"})

#: A shorter text is no secret worth looking for: it would be found everywhere.
_SHORTEST_SECRET = 6

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
    """Whether one of the secrets stands in the text: as it is, URL-encoded or in base64."""
    return any(form in text for secret in secrets for form in _forms(secret))


def _forms(secret: str) -> set[bytes]:
    if len(secret) < _SHORTEST_SECRET:
        return set()
    raw = secret.encode("utf-8", "surrogatepass")
    encoded = base64.b64encode(raw).rstrip(b"=")
    # The last character of the base64 depends on what follows the secret.
    return {raw, quote(raw, safe="").encode(), quote_plus(raw).encode(), encoded[:-1]}


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
