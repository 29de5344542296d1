"""The EDR that a run asks, where no Sysmon log is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from connectors.clock import utc_now
from connectors.edr.catalogue import CATALOGUE, EdrName, connected
from connectors.errors import ConfigError
from connectors.http.client import Http
from connectors.ports import EdrConnector
from playbooks.settings import Settings


def named_edr(name: str, settings: Settings) -> EdrName | None:
    """The connector of an option's value, else the settings' own; None where neither names one.

    Raises:
        ConfigError: there is no such connector.
    """
    if not name:
        return settings.edr.connector
    try:
        return EdrName(name.strip().lower())
    except ValueError as error:
        known = ", ".join(CATALOGUE)
        raise ConfigError("--edr", f"{name!r} is no EDR connector", f"There are {known}") from error


def remedy_of(name: EdrName) -> str:
    """What to do where the EDR fails. The address first: where nobody answers, no secret was looked at."""
    own = f"Check the addresses in [edr.{name.value}] and the proxy"
    return f"{own}; where the credential is refused, {CATALOGUE[name].variable}"


@contextmanager
def edr_of(
    name: EdrName,
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[EdrConnector]:
    """A connector of the settings. Its answers are kept nowhere.

    Raises:
        ConfigError: its section or its secret is missing or wrong.
    """
    http = Http(settings.edr.http, folder=None, clock=clock)
    try:
        yield connected(name, settings.edr, http, environ, clock=clock)
    finally:
        http.close()
