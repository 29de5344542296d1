"""The neutral estate of the fakes holds what the log holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.facts.host import HostType
from connectors.facts.process import Connection, DnsAnswer, ModuleLoad, Tampering
from tests.estate import EstateHost, estate_of, host_id_of


def test_the_estate_of_an_example(examples: Path) -> None:
    estate = estate_of(examples / "stealer" / "sysmon.xml")
    (host,) = estate.hosts
    assert (host.name, host.host_id) == ("WS01.corp.example", host_id_of("ws01.CORP.example"))
    assert estate.named("ws01") == (host,)
    assert estate.named("ws0") == ()
    names = {each.name for each in estate.on(host.host_id)}
    assert "RegSvcs.exe" in names or "regsvcs.exe" in {name.lower() for name in names}
    target = next(each for each in estate.processes if each.name.lower() == "regsvcs.exe")
    assert target.ref.guid is not None
    assert estate.process(host.host_id, target.ref.guid) is target
    assert target.parent_guid is not None
    assert target in estate.children(host.host_id, target.parent_guid)
    connections = estate.of(Connection, host.host_id, target.ref.guid)
    assert connections
    assert all(each.raw.event_id == 3 and each.guid == target.ref.guid for each in connections)
    for kind in (DnsAnswer, ModuleLoad, Tampering):
        assert estate.of(kind, host.host_id)
    assert len(estate.sysmon) >= len(estate.processes) + len(estate.events)


def test_an_estate_is_changed_by_making_another(examples: Path) -> None:
    estate = estate_of(examples / "installer" / "sysmon.ndjson")
    (host,) = estate.hosts
    more = estate.with_hosts(EstateHost("b", "APP10"), EstateHost("a", "APP1", HostType.SERVER))
    assert [each.host_id for each in more.named("APP1")] == ["a"]
    left = more.with_host_as("a", active=False, tags=("lab",))
    assert left.host("a") == EstateHost("a", "APP1", HostType.SERVER, tags=("lab",), active=False)
    assert estate.hosts == (host,)
    with pytest.raises(KeyError):
        estate.with_host_as("nobody", active=False)
    one = estate.processes[0]
    assert estate.with_processes(one).processes[-1] is one
