"""Which online sources there are, which of them are configured, and where their keys come from.

No vendor's module is imported until its source is configured or asked for its description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, NamedTuple, cast

from pydantic import AfterValidator, Field, SecretStr

from connectors.addresses import shown
from connectors.clock import utc_now
from connectors.environment_secrets import secret_of
from connectors.facts.base import Fact
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import (
    EvidenceDirection,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from connectors.http.targets import USER_IN_URL, url_problem
from connectors.ports import ReputationSource
from connectors.reputation.answering import Sender

#: A source's key is in the variable PREFIX + NAME + KEY, or in the file that PREFIX + NAME + KEY_FILE names.
PREFIX = "REGSVCS_RESPONSE_"
KEY = "_KEY"
KEY_FILE = "_KEY_FILE"


class Entry(NamedTuple):
    """One source.

    Attributes:
        module: where it is, imported on use.
        class_name: its class there; the module's INFO describes it.
        needs_key: True when it answers nobody without a key.
        needs_url: True when there is no address to ask by default.
        settings: the settings of ReputationSourcesSettings handed to it, as argument -> setting.
    """

    module: str
    class_name: str
    needs_key: bool = True
    needs_url: bool = False
    settings: Mapping[str, str] = {}


CATALOGUE: Mapping[str, Entry] = {
    "virustotal": Entry("connectors.reputation.virustotal", "VirusTotal"),
    "abuseipdb": Entry("connectors.reputation.abuseipdb", "AbuseIpDb"),
    "greynoise": Entry("connectors.reputation.greynoise", "GreyNoise", settings={"paid": "greynoise_paid"}),
    "otx": Entry("connectors.reputation.otx", "Otx"),
    "threatfox": Entry("connectors.reputation.threatfox", "ThreatFox"),
    "urlhaus": Entry("connectors.reputation.urlhaus", "UrlHaus"),
    "misp": Entry("connectors.reputation.misp", "Misp", needs_url=True),
    "taxii": Entry(
        "connectors.reputation.taxii",
        "Taxii",
        needs_key=False,
        needs_url=True,
        settings={"direction": "taxii_direction", "reliability": "taxii_reliability"},
    ),
}


def _known_names(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    unknown = next((name for name in names or () if name not in CATALOGUE), None)
    if unknown is not None:
        # Shortened: the comparison takes time by length.
        near = get_close_matches(unknown[:40].lower(), CATALOGUE)
        there_are = f"did you mean {' or '.join(near)}? There are" if near else "there are"
        raise ValueError(f"names {shown(unknown)}, which is no source; {there_are} {', '.join(CATALOGUE)}")
    return names


def _safe_urls(urls: dict[str, str]) -> dict[str, str]:
    _known_names(tuple(urls))
    for name, url in urls.items():
        problem = url_problem(url, loopback=True, query=False)
        if problem:
            advice = "; put the key into the environment" if problem == USER_IN_URL else ""
            raise ValueError(f"{name}: {problem}{advice}")
    return urls


class ReputationSourcesSettings(Fact):
    """Which online sources are asked.

    Attributes:
        enabled: names of sources; None is all that have what they need.
        base_urls: addresses by source: needed for misp (the server) and taxii (the collection), for the
            others only in place of the vendor's own. https, or http to this machine.
        greynoise_paid: True when the GreyNoise key has a subscription.
        taxii_direction: what the collection's indicators are about where they do not say: "outbound" lets
            them convict a destination.
        taxii_reliability: the grade given to the collection.
    """

    enabled: Annotated[tuple[str, ...] | None, AfterValidator(_known_names)] = None
    base_urls: Annotated[dict[str, str], AfterValidator(_safe_urls)] = Field(default_factory=dict)
    greynoise_paid: bool = False
    taxii_direction: EvidenceDirection = EvidenceDirection.CONTEXT
    taxii_reliability: Reliability = Reliability.C


class NotConfigured:
    """Stands for a source that lacks its key or address; asks nobody."""

    def __init__(self, name: str, missing: str) -> None:
        self._name = name
        self._missing = missing

    @property
    def info(self) -> SourceInfo:
        """What is true of the source."""
        return describe(self._name)

    def check(self) -> Health:
        """What is missing."""
        return Health(connector=self._name, state=HealthState.NOT_CONFIGURED, detail=self._missing)

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """One answer: not configured."""
        del deadline_s, fresh
        info = self.info
        return (
            SourceAnswer(
                source=self._name,
                ip=ip,
                status=SourceStatus.NOT_CONFIGURED,
                direction=info.direction,
                reliability=info.reliability,
                took_ms=0,
                detail=self._missing,
            ),
        )


def configured(
    settings: ReputationSourcesSettings,
    http: Sender,
    keys: Mapping[str, SecretStr],
    *,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[ReputationSource, ...]:
    """The sources, in the catalogue's order; what lacks a key or an address is there as NotConfigured.

    Args:
        settings: which, and where.
        http: the client they share.
        keys: secrets by source name, as keys_from_environment gives them.
        clock: the time.
    """
    wanted = CATALOGUE if settings.enabled is None else settings.enabled
    return tuple(_source(name, settings, http, keys.get(name), clock) for name in CATALOGUE if name in wanted)


def describe(name: str) -> SourceInfo:
    """What is true of a source of the catalogue, configured or not."""
    return cast("SourceInfo", import_module(CATALOGUE[name].module).INFO)


def keys_from_environment(environ: Mapping[str, str]) -> Mapping[str, SecretStr]:
    """The keys of all sources, by name; a source without one is absent.

    Args:
        environ: such as os.environ. An empty variable counts as not set.

    Raises:
        ConfigError: both variables of a source are set, a file cannot be read, or a key has a character that
            no key has. The key itself is never in the text.
    """
    found = {name: secret_of(environ, variable_of(name)) for name in CATALOGUE}
    return {name: key for name, key in found.items() if key is not None}


def variable_of(name: str) -> str:
    """The environment variable that holds a source's key."""
    return f"{PREFIX}{name.upper()}{KEY}"


def _source(
    name: str,
    settings: ReputationSourcesSettings,
    http: Sender,
    key: SecretStr | None,
    clock: Callable[[], datetime],
) -> ReputationSource:
    entry = CATALOGUE[name]
    url = settings.base_urls.get(name)
    if entry.needs_url and url is None:
        return NotConfigured(name, f"Set base_urls.{name} of the reputation sources to its address")
    if entry.needs_key and key is None:
        return NotConfigured(name, f"Set {variable_of(name)} or {variable_of(name)}_FILE")
    arguments = {argument: getattr(settings, setting) for argument, setting in entry.settings.items()}
    if url is not None:
        arguments["base_url"] = url
    made = getattr(import_module(entry.module), entry.class_name)(http, key, clock=clock, **arguments)
    return cast("ReputationSource", made)
