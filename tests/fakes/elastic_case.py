"""The connector over the fake, on one clock, and estates to ask about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr

from connectors.edr.elastic.connector import Elastic
from connectors.edr.elastic.settings import ElasticSettings
from connectors.edr.sysmon_file.event import RawEvent
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.process import Connection, Process, ProcessRef
from connectors.ports import Window
from tests.estate import Estate, EstateHost, Happened, host_id_of
from tests.fakes.elastic_documents import entity_id
from tests.fakes.elastic_server import API_KEY, FakeElastic
from tests.http_clients import START, Clock, client

BEGIN = START - timedelta(hours=2)
WINDOW = Window(START - timedelta(hours=1), START)

_NO_EVENT = RawEvent(event_id=0, computer="", logged_at="", source="", record=0, data={})


class Case(NamedTuple):
    """A fake, the connector over it, and their clock."""

    fake: FakeElastic
    edr: Elastic
    clock: Clock

    def host(self, name: str = "APP1") -> HostRef:
        found = self.edr.resolve_host(hostname=name)
        self.fake.calls.clear()
        self.fake.queries.clear()
        return found


@contextmanager
def case(estate: Estate, *, space: str = "", clock: Clock | None = None, **settings: Any) -> Iterator[Case]:
    clock = clock or Clock()
    with FakeElastic(estate, clock) as fake, client(clock) as http:
        fake.space = space
        told = ElasticSettings(kibana_url=fake.url, elasticsearch_url=f"{fake.url}/", space=space, **settings)
        edr = Elastic(http, told, SecretStr(API_KEY), clock=clock, monotonic=clock.monotonic)
        yield Case(fake, edr, clock)


def a_host(name: str, *, unique: str = "", ip: str = "192.0.2.10", **changes: Any) -> EstateHost:
    told: dict[str, Any] = {
        "host_type": HostType.WORKSTATION,
        "addresses": (AddressSeen(ip=ip),),
        "last_seen": START - timedelta(minutes=1),
        **changes,
    }
    return EstateHost(host_id_of(name + unique), name, **told)


def a_process(host: EstateHost, guid: str, parent: str | None, **changes: Any) -> Process:
    told: dict[str, Any] = {
        "command_line": f"{guid}.exe -x",
        "parent_guid": parent,
        "parent_pid": 4 if parent else None,
        "parent_image": rf"C:\Windows\{parent}.exe" if parent else "",
        "user": "CORP\\someone",
        "integrity": "High",
        **{name: value for name, value in changes.items() if name not in {"start", "pid", "image"}},
    }
    ref = ProcessRef(
        host_id=host.host_id,
        guid=guid,
        pid=changes.get("pid", 100),
        start_time=changes.get("start", BEGIN + timedelta(minutes=70)),
        image=changes.get("image", rf"C:\Windows\{guid}.exe"),
    )
    return Process(ref=ref, **told)


def chain(host: EstateHost, length: int) -> tuple[Process, ...]:
    """Processes P0 (the root) to P(length - 1), each the parent of the next, a second apart."""
    found = []
    for each in range(length):
        parent = f"P{each - 1}" if each else None
        started = BEGIN + timedelta(seconds=each)
        found.append(a_process(host, f"P{each}", parent, pid=each, start=started))
    return tuple(found)


def happened(host: EstateHost, guid: str | None, fact: Any, *, image: str = r"C:\Windows\P1.exe") -> Happened:
    return Happened(host.host_id, guid, 100, image, fact, _NO_EVENT)


def connected(
    host: EstateHost,
    guid: str | None,
    ip: str = "198.51.100.7",
    *,
    port: int = 443,
    when: datetime = START - timedelta(minutes=30),
    initiated: bool | None = True,
    image: str = r"C:\Windows\P1.exe",
) -> Happened:
    own = "192.0.2.10"
    fact = Connection(
        time=when.astimezone(UTC),
        src_ip=own if initiated is not False else ip,
        src_port=50000,
        dest_ip=ip if initiated is not False else own,
        dest_port=port,
        protocol="tcp",
        initiated=initiated,
    )
    return happened(host, guid, fact, image=image)


def ref(host: EstateHost, guid: str) -> ProcessRef:
    """A process as the connector names it."""
    return ProcessRef(host_id=host.host_id, guid=entity_id(host.host_id, guid))
