"""A case over Falcon tells the same story as the Sysmon log with the same facts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.edr.crowdstrike.connector import CrowdStrike
from connectors.edr.crowdstrike.settings import CrowdStrikeSettings
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import ReadReport
from connectors.edr.sysmon_file.reader import read_events
from connectors.edr.sysmon_file.store import CASE_EVENTS, SysmonStore
from connectors.facts.process import CoverageState, EvidenceKind, KnownFrom, Process, image_name
from connectors.ports import Window
from tests.estate import estate_of
from tests.fakes.crowdstrike_events import device_path
from tests.fakes.crowdstrike_server import CLIENT_ID, CLIENT_SECRET, FakeCrowdStrike
from tests.http_clients import Clock, client

LOGS = ("installer/sysmon.ndjson", "local-only/sysmon.ndjson", "stealer/sysmon.xml")
NAME = "regsvcs.exe"
DAY = timedelta(days=1)


def file_edr(log: Path) -> SysmonFileEdr:
    report = ReadReport()
    store = SysmonStore({NAME})
    for event in read_events([log], CASE_EVENTS, report):
        store.add(event)
    return SysmonFileEdr(store, report, clock=utc_now)


def told(process: Process, *, dressed: bool) -> tuple[object, ...]:
    """What both sources know of a process; Falcon has paths as the kernel has them."""
    image = device_path(process.ref.image) if dressed else process.ref.image
    digests = {each.algorithm: each.digest for each in process.hashes}
    return (
        image,
        process.ref.pid,
        process.command_line,
        process.user,
        process.integrity,
        process.original_file_name if "SHA256" in digests else "",
        digests.get("SHA256"),
        process.end_time,
    )


@pytest.mark.parametrize("log", LOGS)
def test_the_same_story(examples: Path, log: str) -> None:
    estate = estate_of(examples / log)
    (host,) = estate.hosts
    last = max(each.ref.start_time for each in estate.processes if each.ref.start_time is not None)
    window = Window(last - DAY, last + DAY)
    clock = Clock()
    clock.now = last + DAY
    there = file_edr(examples / log)
    home = there.resolve_host(hostname=host.name)
    (known,) = there.find_process(home, name=NAME, window=window)
    wanted = there.get_lineage(home, known, window=window)
    seen = there.get_process_evidence(home, known, window=window)
    with client(clock) as http, FakeCrowdStrike(estate, clock) as fake:
        settings = CrowdStrikeSettings(base_url=fake.url, client_id=CLIENT_ID)
        edr = CrowdStrike(
            http,
            settings,
            SecretStr(CLIENT_SECRET),
            clock=clock,
            sleep=clock.sleep,
            monotonic=clock.monotonic,
        )
        agent = edr.resolve_host(hostname=host.name)
        (ref,) = edr.find_process(agent, name=NAME, window=window)
        lineage = edr.get_lineage(agent, ref, window=window)
        evidence = edr.get_process_evidence(agent, ref, window=window)
        peers = {each.dest_ip for each in seen.connections if each.initiated}
        for peer in peers:
            assert edr.find_process(agent, name=NAME, remote_ip=peer, window=window) == [ref]

    def recorded(chain: tuple[Process, ...]) -> list[Process]:
        return [each for each in chain if each.known_from is KnownFrom.CREATION]

    for mine, theirs in (
        ((lineage.target, *lineage.ancestors), (wanted.target, *wanted.ancestors)),
        (lineage.children, wanted.children),
        (lineage.siblings, wanted.siblings),
    ):
        assert [each.name for each in mine] == [each.name for each in theirs]
        assert [told(each, dressed=False) for each in recorded(mine)] == [
            told(each, dressed=True) for each in recorded(theirs)
        ]
    assert [each.kind for each in lineage.gaps] == [each.kind for each in wanted.gaps]
    ends = [(each.dest_ip, each.dest_port, each.count, each.initiated) for each in evidence.connections]
    assert sorted(ends, key=str) == sorted(
        ((each.dest_ip, each.dest_port, each.count, each.initiated) for each in seen.connections), key=str
    )
    assert {(each.name, each.addresses) for each in evidence.dns} == {
        (each.name, each.addresses) for each in seen.dns
    }
    programs = [each for each in seen.image_writers if each.path.lower().endswith(".exe")]
    assert {image_name(each.path) for each in evidence.image_writers} == {
        image_name(each.path) for each in programs
    }
    for kind in (EvidenceKind.CONNECTION, EvidenceKind.DNS, EvidenceKind.TERMINATION):
        if seen.state_of(kind) is CoverageState.OBSERVED:
            assert evidence.state_of(kind) is CoverageState.OBSERVED
