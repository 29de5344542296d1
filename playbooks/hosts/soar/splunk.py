"""The Splunk of an asset: where it is comes from the policy's section [splunk], its tokens from the asset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from actions.profile_catalog import shipped_profiles
from connectors.environment_secrets import MAX_SECRET
from connectors.errors import ConfigError
from connectors.http.client import Http
from connectors.siem.notable import RejectedNotable
from playbooks.hosts.soar.asset import Asset
from playbooks.settings import Settings

if TYPE_CHECKING:
    from connectors.siem.splunk.connector import SplunkSiem
    from connectors.siem.splunk.settings import SplunkSettings

#: The file that notes what was written to Splunk, in the app's folder of state: of all its assets.
ONCE = "splunk_once.sqlite"

#: Why nothing is read from Splunk or written to it.
NOT_CONFIGURED = "Splunk is not configured: the policy has no section [splunk]"
NOT_SWITCHED_ON = "Writing to Splunk is not switched on: write_to_splunk is off on the asset"


def _unkept(rejected: RejectedNotable) -> None:
    """For what reads no notables."""


def section_of(settings: Settings) -> SplunkSettings:
    """The policy's section [splunk].

    Raises:
        ConfigError: there is none.
    """
    if settings.splunk is None:
        raise ConfigError("policy", "has no section [splunk]", "Add it, with base_url")
    return settings.splunk


@contextmanager
def splunk_for(
    asset: Asset,
    settings: Settings,
    state_folder: Path | None = None,
    *,
    on_rejected: Callable[[RejectedNotable], None] = _unkept,
) -> Iterator[SplunkSiem]:
    """Splunk with the asset's tokens. Nothing is sent yet, and no answer is kept.

    Args:
        asset: holds the tokens.
        settings: the policy.
        state_folder: where the platform lets the app keep files: what was written is noted there, so that no
            other process writes it again before Splunk shows it. None = this process alone knows.
        on_rejected: keeps a row that makes no notable.

    Raises:
        ConfigError: the section or a token is missing or wrong; the field is named and its value is not.
    """
    own = section_of(settings)
    token = _token(asset, "splunk_token")
    if token is None:
        raise ConfigError("splunk_token", "is empty", "Fill in an authentication token of Splunk")
    hec_token = _token(asset, "splunk_hec_token") if own.hec_url else None
    if own.hec_url and hec_token is None:
        raise ConfigError(
            "splunk_hec_token", "is empty, and the policy's [splunk] has a hec_url", "Fill it, or take it out"
        )
    from connectors.siem.splunk.connector import SplunkSiem
    from connectors.state.once import SqliteOnce
    from playbooks.detection_deployment import analytics_of

    once = SqliteOnce(state_folder / ONCE) if state_folder is not None else None
    http = Http(own.http, folder=None)
    try:
        yield SplunkSiem(
            http,
            own,
            token,
            hec_token,
            analytics=analytics_of(shipped_profiles()),
            reading=settings.notable,
            on_rejected=on_rejected,
            once=once,
        )
    finally:
        http.close()


def _token(asset: Asset, field: str) -> SecretStr | None:
    token = (getattr(asset, field) or "").strip()
    if len(token) > MAX_SECRET or not (token.isascii() and (token.isprintable() or not token)):
        raise ConfigError(field, "has characters that no token has, or is too long", "Enter the token alone")
    return SecretStr(token) if token else None
