"""The lists of machines and accounts of an asset's policy: Splunk's tables, with its token, and files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from connectors.environment_secrets import MAX_SECRET
from playbooks.asset_lists import NO_LISTS, AssetLists
from playbooks.hosts.soar.asset import Asset
from playbooks.settings import Settings


@contextmanager
def asset_lists_for(asset: Asset, settings: Settings) -> Iterator[AssetLists]:
    """The lists. Nothing is read or sent yet; a token that is missing costs Splunk's tables alone."""
    if settings.splunk is None and settings.assets.file is None and settings.identities.file is None:
        yield NO_LISTS
        return
    # Not for an asset without lists: it loads what asks Splunk.
    from playbooks.asset_sources import opened_lists

    given = (asset.splunk_token or "").strip()
    usable = bool(given) and len(given) <= MAX_SECRET and given.isascii() and given.isprintable()
    why = "splunk_token has characters that no token has" if given else "splunk_token is empty"
    with opened_lists(settings, SecretStr(given) if usable else None, why_no_token=why) as lists:
        yield lists
