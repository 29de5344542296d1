"""Who asks whom: a source, its server and the key. Quota, breaker and refused keys belong to all three.

Two MISP servers share nothing, and a new key starts with a quota of its own.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from urllib.parse import urlsplit

from connectors.errors import AuthRejected
from connectors.http.call import Call

_PORTS = {"http": 80, "https": 443}

#: Bytes of the digest that are written to a file.
_STORED_DIGEST = 2


class Forbidden(AuthRejected):
    """HTTP 403: the credential does not suffice, for this call at least."""


class KeyStopped(AuthRejected):
    """The call was not sent: the source has refused its very key before."""


class Account(NamedTuple):
    """Whom a call asks, as whom.

    Attributes:
        source: short name.
        place: scheme, host and port; "" for what is no URL and is refused later.
        digest: SHA-256 of the secrets, or of `Call.account` where that names it. It stays in memory.
    """

    source: str
    place: str
    digest: bytes

    @property
    def stored(self) -> str:
        """The name that is written to the quota file: it begins with the source and a space.

        Of the digest it has 16 bits. That tells a handful of keys apart, and two that fall together merely
        share a quota; but it does not let a reader of the file confirm a guess of a weak password, as a whole
        digest would, salted or not: of a million guesses some fifteen fit.
        """
        return f"{self.source} {self.place} {self.digest[:_STORED_DIGEST].hex()}"


def account_of(call: Call) -> Account:
    """The account that a call uses: its quota and breaker outlive a token where `Call.account` names it."""
    if call.account:
        return Account(call.source, _place(call.url), hashlib.sha256(call.account.encode()).digest())
    return credential_of(call)


def credential_of(call: Call) -> Account:
    """The account by the very secrets of a call: what a source refused is these, not the next token."""
    digest = hashlib.sha256()
    secrets = [*call.secret_headers.items(), *call.secret_form.items()]
    for name, secret in sorted(secrets, key=lambda item: item[0].lower()):
        value = secret.get_secret_value().encode("utf-8", "surrogatepass")
        # Of equal length each, so that no two sets of secrets run together to the same text.
        digest.update(hashlib.sha256(name.lower().encode()).digest() + hashlib.sha256(value).digest())
    return Account(call.source, _place(call.url), digest.digest())


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname or ''}:{port}"
