"""The EDR connectors there are, listed without importing them: a vendor is loaded when it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import NamedTuple, cast

from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.defender.settings import DefenderSettings
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.sysmon_splunk.settings import SysmonSplunkSettings
from connectors.environment_secrets import IN_FILE, secret_of
from connectors.errors import ConfigError
from connectors.facts.base import Fact
from connectors.http.client import Http
from connectors.http.settings import HttpSettings
from connectors.ports import EdrConnector


class EdrName(StrEnum):
    """The EDR connectors, by their short names."""

    CROWDSTRIKE = "crowdstrike"
    DEFENDER = "defender"
    ELASTIC = "elastic"
    SYSMON_SPLUNK = "sysmon_splunk"


class Entry(NamedTuple):
    """Where a connector is and what it needs.

    Attributes:
        title: as people know it.
        variable: the environment variable that holds its secret; VARIABLE_FILE names a file with it.
        secret: what the secret is.
    """

    module: str
    class_name: str
    title: str
    variable: str
    secret: str


CATALOGUE: Mapping[EdrName, Entry] = {
    EdrName.CROWDSTRIKE: Entry(
        "connectors.edr.crowdstrike.connector",
        "CrowdStrike",
        "CrowdStrike Falcon",
        "REGSVCS_RESPONSE_CROWDSTRIKE_SECRET",
        "the API client's secret",
    ),
    EdrName.DEFENDER: Entry(
        "connectors.edr.defender.connector",
        "Defender",
        "Microsoft Defender for Endpoint",
        "REGSVCS_RESPONSE_DEFENDER_SECRET",
        "the application's client secret",
    ),
    EdrName.ELASTIC: Entry(
        "connectors.edr.elastic.connector",
        "Elastic",
        "Elastic Defend",
        "REGSVCS_RESPONSE_ELASTIC_KEY",
        "the API key, in its encoded form",
    ),
    EdrName.SYSMON_SPLUNK: Entry(
        "connectors.edr.sysmon_splunk.connector",
        "SysmonSplunk",
        "Sysmon in Splunk",
        # The one that the SIEM connector has: it is the same Splunk as a rule.
        "REGSVCS_RESPONSE_SPLUNK_TOKEN",
        "an authentication token of Splunk",
    ),
}


class EdrSettings(Fact):
    """Which EDR is asked, and where each one is. Secrets come from the environment or the SOAR asset.

    Attributes:
        connector: the one that is asked where no Sysmon log is given; None is none.
        crowdstrike, defender, elastic, sysmon_splunk: where each is; None where it is not used.
        http: how requests are sent, with a CA bundle of its own where the EDR has a private one.
    """

    connector: EdrName | None = None
    crowdstrike: CrowdStrikeSettings | None = None
    defender: DefenderSettings | None = None
    elastic: ElasticSettings | None = None
    sysmon_splunk: SysmonSplunkSettings | None = None
    http: HttpSettings = HttpSettings()


def connected(
    name: EdrName,
    settings: EdrSettings,
    http: Http,
    environ: Mapping[str, str],
    *,
    clock: Callable[[], datetime] = utc_now,
) -> EdrConnector:
    """A connector, ready to be asked. Nothing is sent yet.

    Args:
        name: which one.
        settings: where it is.
        http: sends its calls.
        environ: holds its secret.
        clock: the time.

    Raises:
        ConfigError: its section or its secret is missing, or the secret cannot be read.
    """
    entry = CATALOGUE[name]
    own = getattr(settings, name.value)
    if own is None:
        raise ConfigError(
            f"edr.{name.value}", "is missing", f"Add the section [edr.{name.value}] to the settings"
        )
    secret = secret_of(environ, entry.variable)
    if secret is None:
        raise ConfigError(
            entry.variable, f"is not set: {entry.secret}", f"Set it, or {entry.variable}{IN_FILE} to a file"
        )
    return made(name, settings, http, secret, clock=clock)


def made(
    name: EdrName,
    settings: EdrSettings,
    http: Http,
    secret: SecretStr,
    *,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> EdrConnector:
    """As `connected`, with the secret at hand and the section known to be there.

    Args:
        name, settings, http, clock: as `connected`.
        secret: the connector's.
        sleep: waits for a number of seconds between polls.
        monotonic: seconds, for deadlines.
    """
    entry = CATALOGUE[name]
    connector = getattr(import_module(entry.module), entry.class_name)
    own = getattr(settings, name.value)
    return cast("EdrConnector", connector(http, own, secret, clock=clock, sleep=sleep, monotonic=monotonic))
