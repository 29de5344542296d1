"""The EDR connectors over their fakes, as one contract suite and the command line want them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from pydantic import SecretStr

from connectors.edr.catalogue import CATALOGUE, EdrName, EdrSettings, made
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.sysmon_fields import text
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.facts.host import AddressSeen
from connectors.facts.process import image_name
from connectors.ports import EdrConnector
from tests.estate import Estate, EstateHost
from tests.fakes.crowdstrike_server import CLIENT_ID, CLIENT_SECRET, FakeCrowdStrike
from tests.fakes.defender_server import SECRET as DEFENDER_SECRET
from tests.fakes.defender_server import FakeDefender
from tests.fakes.elastic_server import API_KEY, FakeElastic
from tests.fakes.http_server import Answer, Seen
from tests.fakes.splunk_events import events_of, indexed, xml_of
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.http_clients import Clock, client


class Backend(NamedTuple):
    """A vendor's fake and how a connector reaches it.

    Attributes:
        fake: makes the server; its switches differ by vendor.
        settings: of a connector to it.
        secret: the right one.
        isolated: how many isolations the vendor has accepted.
        sysmon_guids: whether its processes are known by Sysmon's guids.
        ids_apart: whether two agents of one name are two hosts. In Sysmon's events a host is its name.
        tells_retry: whether a refusal for a quota says when to ask again. Splunk, which runs so many searches
            at a time, cannot know.
        server: whether there is a server, which can refuse a secret, fail and be counted; a log is none.
    """

    name: StrEnum
    fake: Callable[[Estate, Callable[[], datetime]], Any]
    settings: Callable[[Any], EdrSettings]
    secret: str
    isolated: Callable[[Any], int]
    sysmon_guids: bool = False
    ids_apart: bool = True
    tells_retry: bool = True
    server: bool = True

    def use_up(self, fake: Any, clock: Clock, seconds: float) -> None:
        """Let the vendor refuse all further questions for so long, for a quota."""
        if not self.tells_retry:
            fake.queue_full = None
        elif hasattr(fake, "limited_s"):
            fake.limited_s = seconds
        else:
            fake.limited_until = clock.now + timedelta(seconds=seconds)


class SysmonInSplunk(FakeSplunk):
    """A Splunk with the Sysmon events of an estate.

    Each host with an agent in contact started a process a moment ago: without an event a host is not known.

    Attributes:
        failures: statuses of the next answers.
    """

    def __init__(self, estate: Estate, clock: Callable[[], datetime]) -> None:
        self.failures: list[int] = []
        told = [(host, when) for host in estate.hosts for when in _heard(host, clock())]
        beats = [_beat(host, when, number) for number, (host, when) in enumerate(told)]
        super().__init__([*events_of(estate), *(indexed(each, each.record) for each in beats)], clock)
        honest = self._answer

        def failing(seen: Seen) -> Answer:
            return Answer(self.failures.pop(0), b"{}") if self.failures else honest(seen)

        self._decide = failing


def _heard(host: EstateHost, now: datetime) -> list[datetime]:
    return [*([host.last_seen] if host.last_seen else []), *([now] if host.active else [])]


def _beat(host: EstateHost, when: datetime, number: int) -> RawEvent:
    """The start of a process that has to do with none of the others."""
    utc = f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    data = {
        "UtcTime": utc,
        "ProcessGuid": f"{{B0B0B0B0-0000-0000-0000-{number:012X}}}",
        "ProcessId": 60_000 + number,
        "Image": r"C:\Windows\System32\sihclient.exe",
        "ParentProcessGuid": "{B0B0B0B0-1111-0000-0000-000000000000}",
        "ParentProcessId": 59_999,
        "ParentImage": r"C:\Windows\System32\svchost.exe",
    }
    logged = f"{utc.replace(' ', 'T')}Z"
    return RawEvent(1, host.name, logged, data, "", number)


def _local(host: EstateHost, address: AddressSeen, when: datetime, number: int) -> RawEvent:
    """A connection that the process of a beat made from one of its host's addresses."""
    started = _beat(host, when, number)
    data = {
        **{name: started.data[name] for name in ("UtcTime", "ProcessGuid", "ProcessId", "Image")},
        "Protocol": "udp",
        "Initiated": True,
        "SourceIp": address.ip,
        "SourcePort": 50_000,
        "DestinationIp": "198.51.100.53",
        "DestinationPort": 53,
    }
    return started._replace(event_id=3, data=data)


class LogName(StrEnum):
    """The connector over files, which the command line takes by their paths and not by this name."""

    SYSMON_FILE = "sysmon_file"


class SysmonLog:
    """A Sysmon log on the disk with the events of an estate; a host tells of itself as in SysmonInSplunk.

    Attributes:
        seen: requests; a log has none.
    """

    def __init__(self, estate: Estate, clock: Callable[[], datetime]) -> None:
        self.seen: list[Seen] = []
        self._clock = clock
        told = [(host, when) for host in estate.hosts for when in _heard(host, clock())]
        beats = [_beat(host, when, number) for number, (host, when) in enumerate(told)]
        held = [
            _local(host, each, when, number)
            for number, host in enumerate(estate.hosts)
            for each in host.addresses
            for when in (each.first_seen, each.last_seen)
            if when is not None
        ]
        self._events = (*estate.sysmon, *beats, *held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def edr(self) -> SysmonFileEdr:
        """The connector over the log, which is written and read."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sysmon.xml"
            path.write_text("\n".join(xml_of(each, number) for number, each in enumerate(self._events, 1)))
            report = ReadReport()
            events = tuple(read_events([path], CASE_EVENTS, report))
        store = SysmonStore(
            {image_name(text(each)).lower() for event in events for each in event.data.values()}
        )
        for event in events:
            store.add(event)
        return SysmonFileEdr(store, report, clock=self._clock)


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
    Backend(
        EdrName.SYSMON_SPLUNK,
        SysmonInSplunk,
        lambda fake: EdrSettings(connector=EdrName.SYSMON_SPLUNK, sysmon_splunk=fake.edr_settings()),
        TOKEN,
        lambda _: 0,
        sysmon_guids=True,
        ids_apart=False,
        tells_retry=False,
    ),
)


#: Beside them the connector over files: it is not chosen by a name, has no secret and no server.
FILE = Backend(
    LogName.SYSMON_FILE,
    SysmonLog,
    lambda _: EdrSettings(),
    "",
    lambda _: 0,
    sysmon_guids=True,
    ids_apart=False,
    server=False,
)


def environ_of(backend: Backend) -> dict[str, str]:
    """The environment with the connector's secret."""
    return {CATALOGUE[EdrName(backend.name)].variable: backend.secret}


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
        if not backend.server:
            yield Running(fake.edr(), fake, clock)
            return
        given = SecretStr(secret or backend.secret)
        edr = made(
            EdrName(backend.name),
            backend.settings(fake),
            http,
            given,
            clock=clock,
            sleep=clock.sleep,
            monotonic=clock.monotonic,
        )
        yield Running(edr, fake, clock)
