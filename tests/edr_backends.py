"""The EDR connectors over their fakes, as one contract suite and the command line want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import SecretStr

from connectors.edr.catalogue import CATALOGUE, EdrName, EdrSettings, made
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.elastic.settings import ElasticSettings
from connectors.ports import EdrConnector
from tests.estate import Estate
from tests.fakes.crowdstrike_server import CLIENT_ID, CLIENT_SECRET, FakeCrowdStrike
from tests.fakes.defender_server import SECRET as DEFENDER_SECRET
from tests.fakes.defender_server import FakeDefender
from tests.fakes.elastic_server import API_KEY, FakeElastic
from tests.http_clients import Clock, client


class Backend(NamedTuple):
    """A vendor's fake and how a connector reaches it.

    Attributes:
        fake: makes the server; its switches differ by vendor.
        settings: of a connector to it.
        secret: the right one.
        isolated: the isolations that the vendor has accepted, host ids as they came.
    """

    name: EdrName
    fake: Callable[[Estate, Callable[[], datetime]], Any]
    settings: Callable[[Any], EdrSettings]
    secret: str
    isolated: Callable[[Any], int]


BACKENDS = (
    Backend(
        EdrName.CROWDSTRIKE,
        FakeCrowdStrike,
        lambda fake: EdrSettings(
            connector=EdrName.CROWDSTRIKE,
            crowdstrike=CrowdStrikeSettings(base_url=fake.url, client_id=CLIENT_ID),
        ),
        CLIENT_SECRET,
        lambda fake: sum(action == "contain" for action, _ in fake.actions),
    ),
    Backend(
        EdrName.DEFENDER,
        FakeDefender,
        lambda fake: EdrSettings(connector=EdrName.DEFENDER, defender=fake.settings()),
        DEFENDER_SECRET,
        lambda fake: sum(each["type"] == "Isolate" for each in fake.actions),
    ),
    Backend(
        EdrName.ELASTIC,
        FakeElastic,
        lambda fake: EdrSettings(
            connector=EdrName.ELASTIC,
            elastic=ElasticSettings(kibana_url=fake.url, elasticsearch_url=fake.url),
        ),
        API_KEY,
        lambda fake: sum(each.command == "isolate" for each in fake.actions),
    ),
)


def environ_of(backend: Backend) -> dict[str, str]:
    """The environment with the connector's secret."""
    return {CATALOGUE[backend.name].variable: backend.secret}


class Running(NamedTuple):
    """A connector over its running fake."""

    edr: EdrConnector
    fake: Any
    clock: Clock


@contextmanager
def running(
    backend: Backend, estate: Estate, *, at: datetime | None = None, secret: str = ""
) -> Iterator[Running]:
    """The fake on loopback and a connector to it, both on one clock.

    Args:
        backend: which.
        estate: what the vendor knows.
        at: the time; None is that of the clock.
        secret: another than the right one.
    """
    clock = Clock()
    if at is not None:
        clock.now = at
    with client(clock) as http, backend.fake(estate, clock) as fake:
        given = SecretStr(secret or backend.secret)
        edr = made(
            backend.name,
            backend.settings(fake),
            http,
            given,
            clock=clock,
            sleep=clock.sleep,
            monotonic=clock.monotonic,
        )
        yield Running(edr, fake, clock)
