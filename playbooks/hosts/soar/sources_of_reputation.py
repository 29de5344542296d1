"""Who is asked about addresses: the policy's sources, with the keys and addresses of the asset's fields.

Keys come from the asset alone. The environment of the platform's process belongs to no asset.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.environment_secrets import MAX_SECRET
from connectors.errors import ConfigError
from connectors.http.targets import url_problem
from connectors.ports import ReputationSource
from connectors.reputation.catalogue import CATALOGUE, NotConfigured
from playbooks.hosts.soar.asset import Asset
from playbooks.reputation import Reputation
from playbooks.settings import Settings

if TYPE_CHECKING:
    from playbooks.reputation_settings import ReputationSettings

#: Field of the asset -> the sources whose key it holds. One account of abuse.ch opens both of its services.
KEY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "virustotal_key": ("virustotal",),
    "abuseipdb_key": ("abuseipdb",),
    "greynoise_key": ("greynoise",),
    "otx_key": ("otx",),
    "abusech_key": ("threatfox", "urlhaus"),
    "misp_key": ("misp",),
    "taxii_key": ("taxii",),
}

#: Field of the asset -> the source whose address it holds.
URL_FIELDS: Mapping[str, str] = {"misp_url": "misp", "taxii_url": "taxii"}

#: Cache, quota and feeds are below the app's state folder, where the platform keeps files of its own.
FOLDER_NAME = "reputation"

#: No folder can be made here: the cache stays in memory, and a source with a limit, which could not be kept
#: across the platform's processes, is not asked.
_NOWHERE = Path(os.devnull) / FOLDER_NAME


def reputation_for(asset: Asset, settings: Settings, *, state_folder: Path | None = None) -> Reputation:
    """The look-up of one action run. Nothing is read, and nobody asked, before something is looked up.

    Args:
        asset: holds keys and addresses.
        settings: the policy; its folder wins over the platform's.
        state_folder: where the platform lets the app keep files; None = nowhere: the cache stays in
            memory, and sources with a limit are not asked. One that cannot be written is as good as none.

    Raises:
        ConfigError: a key or an address cannot be one; the field is named and its value is not.
    """
    merged = reputation_settings(asset, settings, state_folder=state_folder)
    reputation = Reputation(merged, keys_of(asset), clock=utc_now)
    urls = merged.sources.base_urls
    reputation.sources = tuple(_in_words_of_the_asset(each, asset, urls) for each in reputation.sources)
    return reputation


def reputation_settings(
    asset: Asset, settings: Settings, *, state_folder: Path | None = None
) -> ReputationSettings:
    """The policy's settings, with the asset's addresses in place of the policy's and a folder.

    Raises:
        ConfigError: an address cannot be one.
    """
    given = settings.reputation
    urls = dict(given.sources.base_urls)
    for field, source in URL_FIELDS.items():
        url = (getattr(asset, field) or "").strip()
        if url:
            urls[source] = _checked_url(field, url)
    sources = given.sources.model_copy(update={"base_urls": urls})
    update: dict[str, object] = {"sources": sources}
    if given.folder is None and state_folder is not None:
        update["folder"] = state_folder / FOLDER_NAME
    elif given.folder is None:
        update["folder"] = _NOWHERE
        if given.feeds.folder is None:  # there can be no copy of them
            update["feeds"] = given.feeds.model_copy(update={"built_in": ()})
    return given.model_copy(update=update)


def keys_of(asset: Asset) -> Mapping[str, SecretStr]:
    """The keys by source; a source without one is absent.

    Raises:
        ConfigError: a field holds what is no key.
    """
    found: dict[str, SecretStr] = {}
    for field, sources in KEY_FIELDS.items():
        key = (getattr(asset, field) or "").strip()
        if len(key) > MAX_SECRET or not (key.isascii() and (key.isprintable() or not key)):
            raise ConfigError(field, "has characters that no key has, or is too long", "Enter the key alone")
        if key:
            found |= dict.fromkeys(sources, SecretStr(key))
    return found


def missing_fields(source: str, asset: Asset, urls: Mapping[str, str]) -> tuple[str, ...]:
    """The fields of the asset that an online source still needs; empty when it has all."""
    entry = CATALOGUE[source]
    urls_missing = [field for field, of in URL_FIELDS.items() if of == source and source not in urls]
    keys_missing = [field for field, of in KEY_FIELDS.items() if source in of and not getattr(asset, field)]
    return (*(urls_missing if entry.needs_url else ()), *(keys_missing if entry.needs_key else ()))


def _checked_url(field: str, url: str) -> str:
    problem = url_problem(url, loopback=True, query=False)
    if problem:
        raise ConfigError(field, problem, "Write the address alone, such as https://intel.corp.example/")
    return url


def _in_words_of_the_asset(
    source: ReputationSource, asset: Asset, urls: Mapping[str, str]
) -> ReputationSource:
    """The source; what lacks something names the asset's fields and not the command line's variables."""
    if not isinstance(source, NotConfigured):
        return source
    name = source.info.name
    fields = " and ".join(missing_fields(name, asset, urls))
    return NotConfigured(name, f"Fill {fields} on the asset" if fields else "It lacks something")
