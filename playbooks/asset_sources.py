"""The lists of machines and accounts, opened: the tables of Enterprise Security, then CSV files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.environment_secrets import secret_of
from connectors.errors import ConfigError
from connectors.http.client import Http
from connectors.ports import NotRead
from connectors.siem.assets.csv_lists import CsvList, ListKind
from connectors.siem.splunk.asset_tables import SplunkAssetTables
from connectors.siem.splunk.jobs import SearchJobs
from connectors.siem.splunk.rest import SplunkRest
from connectors.siem.splunk.settings import NotablesFrom, SplunkSettings
from playbooks.asset_lists import AssetLists
from playbooks.settings import Settings
from playbooks.siem import TOKEN_VARIABLE


@contextmanager
def asset_lists_of(
    settings: Settings, environ: Mapping[str, str], *, clock: Callable[[], datetime] = utc_now
) -> Iterator[AssetLists]:
    """The lists that the settings name. Nothing is read or sent yet.

    A token of Splunk that is missing or cannot be read costs its tables alone, which are named as not read.

    Args:
        settings: their sections [assets], [identities] and [splunk].
        environ: holds Splunk's token.
        clock: the time.
    """
    token: SecretStr | None = None
    why = f"{TOKEN_VARIABLE} is not set"
    if tables_wanted(settings):
        try:
            token = secret_of(environ, TOKEN_VARIABLE)
        except ConfigError as error:
            why = str(error)
    with opened_lists(settings, token, why_no_token=why, clock=clock) as lists:
        yield lists


@contextmanager
def opened_lists(
    settings: Settings,
    token: SecretStr | None,
    *,
    why_no_token: str,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[AssetLists]:
    """As asset_lists_of, with a token of Splunk.

    Args:
        settings, clock: as asset_lists_of.
        token: None where there is none.
        why_no_token: why, one sentence.
    """
    files = list_files(settings, clock=clock)
    own = tables_wanted(settings)
    if own is None:
        yield AssetLists(files)
        return
    if token is None:
        yield AssetLists(files, (NotRead(SplunkAssetTables.name, why_no_token),))
        return
    with splunk_tables(settings, own, token, clock=clock) as tables:
        yield AssetLists((tables, *files))


def list_files(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> tuple[CsvList, ...]:
    """The files that the settings name; nothing is read yet."""
    named = ((settings.assets.file, ListKind.ASSETS), (settings.identities.file, ListKind.IDENTITIES))
    return tuple(CsvList(path, kind, clock=clock) for path, kind in named if path is not None)


def tables_wanted(settings: Settings) -> SplunkSettings | None:
    """The Splunk whose tables are asked; None where there is none, or none with Enterprise Security."""
    own = settings.splunk
    if own is None or own.notables_from is NotablesFrom.ESCU:
        return None
    return own if settings.assets.splunk or settings.identities.splunk else None


@contextmanager
def splunk_tables(
    settings: Settings,
    own: SplunkSettings,
    token: SecretStr,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[SplunkAssetTables]:
    """The tables of a Splunk. Nothing is sent yet, and no answer is kept."""
    http = Http(own.http, folder=None, clock=clock)
    try:
        yield SplunkAssetTables(
            SearchJobs(SplunkRest(http, own, token), clock=clock),
            deadline_s=own.deadline_s,
            assets=settings.assets.splunk,
            identities=settings.identities.splunk,
        )
    finally:
        http.close()
