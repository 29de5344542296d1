"""Where a request may go: https, or http to this machine; and redirects on the same host only."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from connectors.errors import BadResponse, Rejected
from connectors.http.redaction import shown_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: The redirects after which a method stays what it is (RFC 9110, 15.4).
_SAME_METHOD = frozenset({307, 308})

_PORTS = {"http": 80, "https": 443}

#: Problems that a caller has something to add to.
NOT_A_URL = "is not a URL"
USER_IN_URL = "holds a user name or a password"
QUERY_IN_URL = "has a query"

#: Control characters in their percent form: a server, or a proxy before it, may read them as they are.
_ENCODED_CONTROL = re.compile("%(?:[01][0-9a-f]|7f)", re.IGNORECASE)

#: Characters (RFC 1035, 2.3.4, less the length bytes).
_LONGEST_HOST = 253
_LONGEST_LABEL = 63


def is_loopback(parts: SplitResult) -> bool:
    """True for this machine: "localhost", 127.0.0.0/8, ::1."""
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def url_problem(url: str, *, loopback: bool, query: bool) -> str:
    """What keeps a URL from being asked, as the rest of a sentence; "" when nothing does.

    The one rule for settings, fields of an asset and requests. The text never repeats the URL, which may
    hold a secret.

    Args:
        url: given by a person or by a redirect.
        loopback: True allows http to this machine.
        query: True allows a query.
    """
    try:
        parts = urlsplit(url)
        usable = _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return NOT_A_URL
    # urlsplit drops some control characters, so that the text itself is looked at.
    if not usable or not url.isascii() or not url.isprintable() or " " in url or _ENCODED_CONTROL.search(url):
        return NOT_A_URL
    if parts.scheme != "https" and not (loopback and parts.scheme == "http" and is_loopback(parts)):
        return "must begin with https://" + (" (http:// only to this machine)" if loopback else "")
    if parts.username is not None or parts.password is not None:
        return USER_IN_URL
    if parts.query and not query:
        return QUERY_IN_URL
    return "has a fragment" if parts.fragment else ""


def _is_host(host: str) -> bool:
    labels = host.removesuffix(".")
    return 0 < len(labels) <= _LONGEST_HOST and all(len(each) <= _LONGEST_LABEL for each in labels.split("."))


def checked_url(source: str, url: str) -> str:
    """The URL, if it may be asked: https, or http to this machine; no user and no fragment in it.

    Raises:
        Rejected: it may not.
    """
    problem = url_problem(url, loopback=True, query=True)
    if problem:
        where = "" if problem == NOT_A_URL else f": {shown_url(url)}"
        raise Rejected(source, f"the address of the source {problem}{where}")
    return url


def redirected(source: str, method: str, url: str, status: int, location: str) -> str:
    """The target of a redirect, if it stays on the same scheme, host and port: the secrets go along.

    An error does not repeat the target: a source may put the key that it was sent into it.

    Raises:
        BadResponse: it leaves them, is no URL, or would make a GET of another method.
    """
    try:
        target = urljoin(url, location).partition("#")[0]
        stays = _place(urlsplit(url)) == _place(urlsplit(target))
    except ValueError:
        raise BadResponse(source, "a redirect to something that is not a URL") from None
    if not stays:
        raise BadResponse(source, "a redirect to another host, scheme or port is not followed")
    if method != "GET" and status not in _SAME_METHOD:
        raise BadResponse(source, f"a {method} was redirected as a GET (HTTP {status})")
    try:
        return checked_url(source, target)
    except Rejected:
        raise BadResponse(source, "a redirect to a URL that may not be asked is not followed") from None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
