"""The Splunk of an asset: where it is comes from the policy's section [splunk], its tokens from the asset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from connectors.environment_secrets import MAX_SECRET
from connectors.errors import ConfigError
from connectors.http.client import Http
from connectors.siem.notable import RejectedNotable
from playbooks.hosts.soar.asset import Asset
from playbooks.settings import Settings

if TYPE_CHECKING:
    from connectors.siem.splunk.connector import SplunkSiem

#: Why nothing is read from Splunk or written to it.
NOT_CONFIGURED = "Splunk is not configured: the policy has no section [splunk]"


def _unkept(rejected: RejectedNotable) -> None:
    """For what reads no notables."""


@contextmanager
def splunk_for(
    asset: Asset, settings: Settings, *, on_rejected: Callable[[RejectedNotable], None] = _unkept
) -> Iterator[SplunkSiem]:
    """Splunk with the asset's tokens. Nothing is sent yet, and no answer is kept.

    Args:
        asset: holds the tokens.
        settings: the policy.
        on_rejected: keeps a row that makes no notable.

    Raises:
        ConfigError: the section or a token is missing or wrong; the field is named and its value is not.
    """
    own = settings.splunk
    if own is None:
        raise ConfigError("policy", "has no section [splunk]", "Add it, with base_url")
    token = _token(asset, "splunk_token")
    if token is None:
        raise ConfigError("splunk_token", "is empty", "Fill in an authentication token of Splunk")
    hec_token = _token(asset, "splunk_hec_token") if own.hec_url else None
    if own.hec_url and hec_token is None:
        raise ConfigError(
            "splunk_hec_token", "is empty, and the policy's [splunk] has a hec_url", "Fill it, or take it out"
        )
    from connectors.siem.splunk.connector import SplunkSiem

    http = Http(own.http, folder=None)
    try:
        yield SplunkSiem(http, own, token, hec_token, reading=settings.notable, on_rejected=on_rejected)
    finally:
        http.close()


def _token(asset: Asset, field: str) -> SecretStr | None:
    token = (getattr(asset, field) or "").strip()
    if len(token) > MAX_SECRET or not (token.isascii() and (token.isprintable() or not token)):
        raise ConfigError(field, "has characters that no token has, or is too long", "Enter the token alone")
    return SecretStr(token) if token else None
