"""Where a request may go: https, or http to this machine; and redirects on the same host only."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from connectors.errors import BadResponse, Rejected
from connectors.http.redaction import shown_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: The redirects after which a POST stays a POST (RFC 9110, 15.4).
_OF_A_POST = frozenset({307, 308})

_PORTS = {"http": 80, "https": 443}


def is_loopback(parts: SplitResult) -> bool:
    """True for this machine: "localhost", 127.0.0.0/8, ::1."""
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(source: str, url: str) -> str:
    """The URL, if it may be asked: https, or http to this machine; no user and no fragment in it.

    Raises:
        Rejected: it may not.
    """
    try:
        parts = urlsplit(url)
        usable = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise Rejected(source, "the address of the source is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts)):
        raise Rejected(source, f"only https is used, and http to this machine: {shown_url(url)}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise Rejected(source, f"a user, a password or a fragment stands in the URL: {shown_url(url)}")
    return url


def redirected(source: str, method: str, url: str, status: int, location: str) -> str:
    """The target of a redirect, if it stays on the same scheme, host and port: the secrets go along.

    An error does not repeat the target: a source may put the key that it was sent into it.

    Raises:
        BadResponse: it leaves them, is no URL, or would make a GET of a POST.
    """
    try:
        target = urljoin(url, location).partition("#")[0]
        stays = _place(urlsplit(url)) == _place(urlsplit(target))
    except ValueError:
        raise BadResponse(source, "a redirect to something that is not a URL") from None
    if not stays:
        raise BadResponse(source, "a redirect to another host, scheme or port is not followed")
    if method == "POST" and status not in _OF_A_POST:
        raise BadResponse(source, f"a POST was redirected as a GET (HTTP {status})")
    try:
        return checked_url(source, target)
    except Rejected:
        raise BadResponse(source, "a redirect to a URL that may not be asked is not followed") from None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
