"""Which machine a notable is about, where its fields do not settle it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from actions.get_process_lineage import LineageSettings, locate_process, search_window
from actions.locate_machine import FoundBy, Machine, locate_machine
from connectors.errors import AmbiguousHost, HostNotFound, QueryFailed, TimedOut
from connectors.facts.host import HostRef
from connectors.facts.notable import DestMeaning, Direction, Notable, NotableSource
from connectors.facts.process import ProcessRef
from connectors.ports import ConnectionClue, MachineSeen, Window
from playbooks.grouping import group_cases

OWN, PEER, GUID = "10.20.4.17", "149.154.167.220", "A1B2C3D4-0000-0000-0000-000000000001"
FAR = "mail.attacker.example"
MACHINE, FOR_PEER, UNTOLD = DestMeaning.MACHINE, DestMeaning.PEER, DestMeaning.UNTOLD


def host(name: str) -> HostRef:
    return HostRef(connector="fake", host_id=name.lower(), hostname=name)


def process(name: str, guid: str | None = None, pid: int = 7) -> ProcessRef:
    return ProcessRef(host_id=name.lower(), guid=guid, pid=pid, image=r"C:\x\regsvcs.exe")


def seen(name: str, guid: str | None = None, direction: Direction = Direction.OUTBOUND) -> MachineSeen:
    return MachineSeen(host(name), (process(name, guid),), direction)


class Fake:
    """An EDR that knows machines by name and address, and connections; it notes what it was asked."""

    name = "fake"

    def __init__(
        self,
        *,
        names: Sequence[str] = (),
        addresses: dict[str, str] | None = None,
        machines: Sequence[MachineSeen] = (),
        sysmon: bool = False,
    ) -> None:
        self.names, self.addresses, self.machines = names, addresses or {}, machines
        self.sysmon_guids = sysmon
        self.asked: list[str] = []
        self.clues: list[ConnectionClue] = []

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        self.asked.append("name" if hostname else "address")
        known = hostname if hostname in self.names else self.addresses.get(ip or "")
        if known is None:
            raise HostNotFound("fake", f"no machine {hostname or ip}")
        return host(known)

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        self.asked.append("connection")
        self.clues.append(clue)
        return self.machines

    def find_process(self, host: HostRef, **asked: object) -> Sequence[ProcessRef]:
        self.asked.append("process")
        return (process(host.hostname),)


def notable(**fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": "e1",
        "dest": "",
        "process_name": "regsvcs.exe",
        "src_ip": OWN,
        "dest_ip": PEER,
        "first_time": datetime(2026, 9, 24, 7, 0, tzinfo=UTC),
    }
    return Notable.model_validate(base | fields)


def locate(edr: Fake, given: Notable) -> Machine:
    window = search_window(given, LineageSettings())
    edr_: Any = edr
    return locate_machine(edr_, given, window)


NAMED = {"dest": "WS01", "machine_field": "dvc", "dest_given": FAR, "dest_meaning": FOR_PEER}
AS_DEST = {
    "dest": "WS01",
    "machine_field": "dest",
    "machine_doubtful": True,
    "dest_given": "WS01",
    "dest_meaning": MACHINE,
}
PEER_ONLY = {"dest_given": FAR, "dest_meaning": FOR_PEER}
MAYBE = {"dest_given": "WS01", "dest_meaning": UNTOLD}


@pytest.mark.parametrize(
    ("fields", "edr", "expected", "asked"),
    [
        pytest.param(NAMED, Fake(names=["WS01"]), ("WS01", FoundBy.NAME), ["name"], id="named"),
        pytest.param(
            {"dest": OWN, "machine_field": "dest"},
            Fake(addresses={OWN: "WS01"}),
            ("WS01", FoundBy.ADDRESS),
            ["address"],
            id="an address of its own",
        ),
        pytest.param(
            PEER_ONLY,
            Fake(machines=[seen("WS01")]),
            ("WS01", FoundBy.CONNECTION),
            ["connection"],
            id="by its connection",
        ),
        pytest.param(
            PEER_ONLY | {"process_guids": (GUID,)},
            Fake(machines=[seen("WS01", GUID)], sysmon=True),
            ("WS01", FoundBy.PROCESS_GUID),
            ["connection"],
            id="by its ProcessGuid",
        ),
        pytest.param(
            PEER_ONLY | {"process_guids": (GUID,), "src_ip": None},
            Fake(machines=[seen("WS01", GUID)], sysmon=True),
            ("WS01", FoundBy.PROCESS_GUID),
            ["connection"],
            id="a ProcessGuid needs no address",
        ),
        pytest.param(
            PEER_ONLY,
            Fake(addresses={OWN: "WS01"}),
            ("WS01", FoundBy.ADDRESS),
            ["connection", "address"],
            id="by who had its address",
        ),
        pytest.param(
            {"direction": Direction.INBOUND, "src_ip": PEER, "dest_ip": OWN},
            Fake(addresses={OWN: "WS01", PEER: "WS99"}),
            ("WS01", FoundBy.ADDRESS),
            ["connection", "address"],
            id="inbound: dest_ip is its own",
        ),
        pytest.param(
            MAYBE | {"src_ip": None},
            Fake(names=["WS01"]),
            ("WS01", FoundBy.DEST),
            ["name"],
            id="a dest that may be it, where nothing else leads on",
        ),
        pytest.param(
            AS_DEST,
            Fake(names=["WS01"], machines=[seen("WS01")]),
            ("WS01", FoundBy.CONNECTION),
            ["connection"],
            id="a dest that only a domain vouches for, by its connection",
        ),
        pytest.param(
            AS_DEST,
            Fake(names=["WS01"]),
            ("WS01", FoundBy.NAME),
            ["connection", "name"],
            id="the same where the connection was not seen",
        ),
        pytest.param(
            NAMED | {"other_dests": ("WS02",), "process_guids": (GUID,)},
            Fake(machines=[seen("WS02", GUID)], sysmon=True),
            ("WS02", FoundBy.PROCESS_GUID),
            ["connection"],
            id="of two named the one with the process",
        ),
    ],
)
def test_the_machine(
    fields: dict[str, object], edr: Fake, expected: tuple[str, FoundBy], asked: list[str]
) -> None:
    machine = locate(edr, notable(**fields))
    assert (machine.host.hostname, machine.by) == expected
    assert edr.asked == asked


@pytest.mark.parametrize(
    ("fields", "edr", "error", "words"),
    [
        pytest.param(
            PEER_ONLY,
            Fake(machines=[seen("WS01"), seen("WS02")]),
            AmbiguousHost,
            "seen on 2 machines",
            id="two victims behind one address",
        ),
        pytest.param(
            PEER_ONLY | {"dest_given": "WS01"},
            Fake(machines=[seen("WS01"), seen("WS02")]),
            AmbiguousHost,
            "seen on 2 machines",
            id="the peer's name picks none",
        ),
        pytest.param(
            NAMED | {"other_dests": ("WS02",)}, Fake(), AmbiguousHost, "names 2 hosts", id="two named"
        ),
        pytest.param(
            NAMED | {"other_dests": ("WS02",), "process_guids": (GUID,)},
            Fake(machines=[seen("WS03", GUID)], sysmon=True),
            AmbiguousHost,
            "names 2 hosts",
            id="two named, and the process ran on a third",
        ),
        pytest.param(NAMED, Fake(), HostNotFound, "no machine WS01", id="dvc is not known"),
        pytest.param(
            NAMED,
            Fake(machines=[seen("WS02")]),
            AmbiguousHost,
            "names WS01, and its connection was seen on WS02",
            id="dvc is not known, and the connection was seen elsewhere",
        ),
        pytest.param(
            MAYBE,
            Fake(machines=[seen("WS01"), seen("WS02")]),
            AmbiguousHost,
            "seen on 2 machines",
            id="a dest that may be the peer's name picks none",
        ),
        pytest.param(
            AS_DEST,
            Fake(machines=[seen("WS02")]),
            AmbiguousHost,
            "names WS01, and its connection was seen on WS02",
            id="a dest that only a domain vouches for",
        ),
        pytest.param(
            AS_DEST, Fake(), HostNotFound, "no machine WS01", id="dest is not known, nor the connection"
        ),
        pytest.param(PEER_ONLY, Fake(), HostNotFound, "is the peer", id="nothing leads on"),
        pytest.param(
            PEER_ONLY | {"src_ip": "93.184.220.29"},
            Fake(addresses={"93.184.220.29": "WS99"}),
            HostNotFound,
            "no address to look it up by",
            id="without a direction a public src_ip may be the peer's",
        ),
        pytest.param(
            PEER_ONLY | {"src_ip": None},
            Fake(names=[FAR]),
            HostNotFound,
            "no address",
            id="the peer is never resolved",
        ),
    ],
)
def test_no_machine(fields: dict[str, object], edr: Fake, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        locate(edr, notable(**fields))
    assert len(edr.asked) <= 2


def test_what_was_seen_of_the_connection_is_used_and_not_asked_again() -> None:
    edr = Fake(machines=[seen("WS01", direction=Direction.INBOUND)])
    edr_: Any = edr
    found = locate_process(edr_, notable(**PEER_ONLY), LineageSettings())
    assert (found.found_by, found.direction) == (FoundBy.CONNECTION, Direction.INBOUND)
    assert found.host == host("WS01")
    assert [each.pid for each in found.processes] == [7]
    assert edr.asked == ["connection"]
    assert edr.clues == [ConnectionClue("regsvcs.exe", OWN, PEER)]


def test_an_edr_that_could_not_look_is_no_answer() -> None:
    class Silent(Fake):
        def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
            raise TimedOut("fake", "no answer")

    edr: Any = Silent(addresses={OWN: "WS01"})
    found = locate_process(edr, notable(**PEER_ONLY), LineageSettings())
    assert (found.host, found.failed) == (None, True)
    assert "no answer" in found.problems[0].why


def test_of_several_processes_the_pid_of_the_notable_tells() -> None:
    class Two(Fake):
        def find_process(self, host: HostRef, **asked: object) -> Sequence[ProcessRef]:
            return (process("WS01", pid=7), process("WS01", pid=8))

    edr: Any = Two(names=["WS01"])
    found = locate_process(edr, notable(**NAMED, process_ids=(8,)), LineageSettings())
    assert [each.pid for each in found.processes] == [8]
    # It picks among what fits otherwise, and never by itself.
    other = locate_process(edr, notable(**NAMED, process_ids=(9,)), LineageSettings())
    assert other.processes == ()
    assert len(other.process_candidates) == 2


def test_a_thousand_notables_of_one_server_cost_a_question_each() -> None:
    edr = Fake(machines=[seen("WS01")])
    edr_: Any = edr
    notables = [notable(**PEER_ONLY, src_ports=(port,)) for port in range(1000)]
    located = [(each, locate_process(edr_, each, LineageSettings())) for each in notables]
    assert len(edr.asked) == 1000
    (draft,) = group_cases(located)
    assert len(draft.notables) == 1  # the same event_id and by-fields: delivered again, and not another one


def test_where_not_everything_could_be_seen_the_address_is_asked() -> None:
    class Cut(Fake):
        def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
            raise QueryFailed("fake", "only a part was kept")

    found = locate(Cut(addresses={OWN: "WS01"}), notable(**PEER_ONLY))
    assert (found.host.hostname, found.by) == ("WS01", FoundBy.ADDRESS)
    with pytest.raises(QueryFailed, match="only a part"):
        locate(Cut(), notable(**PEER_ONLY))
