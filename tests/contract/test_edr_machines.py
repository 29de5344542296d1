"""On which machines a connection was seen, and which process is meant: the same over each vendor's fake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from connectors.edr.catalogue import EdrName
from connectors.edr.sysmon_file.event import RawEvent
from connectors.errors import AuthRejected, ConnectorError, Transient
from connectors.facts.notable import Direction
from connectors.ports import MACHINES_NAMED, ConnectionClue, EdrConnector, MachineSeen, Window
from tests.edr_backends import BACKENDS, FILE, Backend, Running, running
from tests.estate import Estate, estate_from
from tests.events import REGSVCS, connected, utc, with_data

EVERY = (*BACKENDS, FILE)
NAME = "regsvcs.exe"
CURL = r"C:\Windows\System32\curl.exe"
PEER = "198.51.100.7"
TWIN = "192.168.1.10"
NOBODY = "{00000000-0000-0000-0000-000000000000}"
MINUTE = 60.0
NOW = datetime.fromisoformat("2026-09-24T09:00:00+00:00")


def _guid(number: int) -> str:
    """The ProcessGuid of the process of a machine: its first part is the machine's."""
    return f"{{A1C5{number:04X}-0001-66F4-0000-000000002B00}}"


def _victim(
    number: int,
    host: str,
    src_ip: str,
    dest_ip: str = PEER,
    *,
    minute: float = 60,
    image: str = REGSVCS,
    inbound: bool = False,
    user: str = r"CORP\user01",
) -> list[RawEvent]:
    """A process that was started and connected a minute later."""
    told: dict[str, object] = {"ProcessGuid": _guid(number), "ProcessId": 4000 + number, "User": user}
    data = {"ParentProcessGuid": NOBODY, "CommandLine": image, "Image": image, **told}
    start = with_data(1, data, second=(minute - 1) * MINUTE, host=host)
    ends: dict[str, object] = {"SourceIp": src_ip, "DestinationIp": dest_ip, "Initiated": not inbound}
    return [start, connected(number, second=minute * MINUTE, host=host, Image=image, **told, **ends)]


EVENTS = [
    *_victim(1, "WS01.corp.example", "10.0.0.11"),
    *_victim(2, "WS02.corp.example", "10.0.0.12", minute=61),
    *_victim(3, "HOME1.corp.example", TWIN),
    *_victim(4, "HOME2.corp.example", TWIN, minute=70),
    *_victim(5, "APP1.corp.example", "10.0.1.1"),
    *_victim(6, "APP10.corp.example", "10.0.1.10"),
    *_victim(7, "SRV01.corp.example", "203.0.113.9", "10.0.0.31", inbound=True),
    *_victim(8, "WS03.corp.example", "10.0.0.13", image=CURL),
    *_victim(9, "TS01.corp.example", "10.0.0.41", user=r"CORP\ann"),
    *_victim(10, "TS01.corp.example", "10.0.0.42", user=r"CORP\bob"),
    *_victim(11, "TS01.corp.example", "10.0.0.43", image=CURL, user=r"CORP\eve"),
    *(
        each
        for number in range(20, 20 + MACHINES_NAMED + 2)
        for each in _victim(number, f"LAB{number}.corp.example", "10.9.9.9")
    ),
]


@pytest.fixture(scope="module")
def estate() -> Estate:
    return estate_from(EVENTS)


@pytest.fixture(scope="module", params=EVERY, ids=[each.name.value for each in EVERY])
def server(request: pytest.FixtureRequest, estate: Estate) -> Iterator[Running]:
    """One server for all questions: none of them changes anything."""
    with running(request.param, estate, at=NOW) as found:
        yield found


@pytest.fixture
def ready(server: Running) -> Running:
    """The server a minute later, when what a minute may ask for is free again."""
    server.clock.now += timedelta(seconds=61)
    return server


def _window(first: float = 0, last: float = 120) -> Window:
    return Window(*(datetime.fromisoformat(f"{utc(each * MINUTE)}+00:00") for each in (first, last)))


def _clue(src_ip: str | None, dest_ip: str | None = PEER, *guids: int, name: str = NAME) -> ConnectionClue:
    return ConnectionClue(name, src_ip, dest_ip, tuple(_guid(each).strip("{}") for each in guids))


def _names(found: object) -> list[str]:
    assert isinstance(found, list | tuple)
    return sorted(each.host.hostname.lower().partition(".")[0] for each in found)


def _asked(edr: EdrConnector, clue: ConnectionClue, window: Window | None = None) -> list[MachineSeen]:
    return list(edr.find_machines(clue, window=window or _window()))


def test_the_machine_is_the_one_that_resolve_host_gives(ready: Running) -> None:
    (machine,) = _asked(ready.edr, _clue("10.0.0.11"))
    named = ready.edr.resolve_host(hostname="WS01.corp.example")
    assert (machine.host.connector, machine.host.host_id) == (ready.edr.name, named.host_id)
    assert machine.host.hostname == named.hostname
    assert machine.direction is Direction.OUTBOUND
    (process,) = machine.processes
    assert (process.host_id, process.name.lower()) == (named.host_id, NAME)
    # Falcon's network events have no pid: its own id of the process leads to the start, which has.
    assert process.pid == (None if ready.edr.name == EdrName.CROWDSTRIKE else 4001)
    assert process.guid is not None
    lineage = ready.edr.get_lineage(machine.host, process, window=_window())
    assert lineage.target.ref.pid == 4001


@pytest.mark.parametrize(
    ("src_ip", "machines"),
    [
        ("10.0.0.11", ["ws01"]),
        ("10.0.0.12", ["ws02"]),
        (TWIN, ["home1", "home2"]),
        ("10.0.1.1", ["app1"]),
        ("10.0.1.10", ["app10"]),
        ("10.0.1.100", []),
        ("10.0.0.1", []),
        ("10.0.0.13", []),  # of another process
    ],
)
def test_two_victims_of_one_server_are_told_apart_by_their_own_address(
    ready: Running, src_ip: str, machines: list[str]
) -> None:
    assert _names(_asked(ready.edr, _clue(src_ip))) == machines


def test_an_inbound_connection_is_that_of_the_machine_it_came_to(ready: Running) -> None:
    (machine,) = _asked(ready.edr, _clue("203.0.113.9", "10.0.0.31"))
    assert _names([machine]) == ["srv01"]
    assert machine.direction is Direction.INBOUND


@pytest.mark.parametrize(
    "clue",
    [
        _clue("10.0.0.31", "203.0.113.9"),
        _clue(PEER, "10.0.0.11"),
        _clue("10.0.0.11", "203.0.113.9"),
        _clue("10.0.0.11", "10.0.0.11"),
        _clue(PEER, PEER),
        _clue("10.0.0.11", name="regasm.exe"),
        _clue("10.0.0.11", name="egsvcs.exe"),
        _clue("10.0.0.11", name=""),
        _clue("10.0.0.11", None),
        _clue(None),
        _clue(None, None),
    ],
)
def test_nothing_is_an_answer(ready: Running, clue: ConnectionClue) -> None:
    """Also where the ends are turned round, or one of them is not known."""
    assert _asked(ready.edr, clue) == []


def test_the_case_of_a_process_name_does_not_matter(ready: Running) -> None:
    for name in ("REGSVCS.EXE", "RegSvcs.exe"):
        assert _names(_asked(ready.edr, _clue("10.0.0.12", name=name))) == ["ws02"]


def test_the_time_tells_two_machines_of_one_address_apart(ready: Running) -> None:
    assert _names(_asked(ready.edr, _clue(TWIN), _window(59, 61))) == ["home1"]
    assert _names(_asked(ready.edr, _clue(TWIN), _window(69, 71))) == ["home2"]
    assert _asked(ready.edr, _clue(TWIN), _window(63, 67)) == []


def test_a_process_guid_settles_it_where_it_is_known(ready: Running) -> None:
    found = _asked(ready.edr, _clue(TWIN, PEER, 4))
    if not ready.edr.sysmon_guids:
        assert _names(found) == ["home1", "home2"]
        return
    (machine,) = found
    assert _names(found) == ["home2"]
    assert [each.pid for each in machine.processes] == [4004]
    assert machine.direction is Direction.OUTBOUND
    for alone in (_clue(None, None, 4), _clue(None, PEER, 4), _clue("10.0.0.11", PEER, 4)):
        assert _names(_asked(ready.edr, alone)) == ["home2"]
    assert _names(_asked(ready.edr, _clue(None, None, 1, 2))) == ["ws01", "ws02"]
    # An hour before it was started, too: a guid is of one process alone.
    assert _names(_asked(ready.edr, _clue(None, None, 4), _window(0, 1))) == ["home2"]


def test_a_guid_that_does_not_fit_leaves_it_to_the_addresses(ready: Running) -> None:
    for guid in (8, 99):  # of another process, and of none
        assert _names(_asked(ready.edr, _clue("10.0.0.12", PEER, guid))) == ["ws02"]
        assert _asked(ready.edr, _clue(None, PEER, guid)) == []


def test_many_machines_are_as_ambiguous_as_ten(ready: Running) -> None:
    found = _asked(ready.edr, _clue("10.9.9.9"))
    assert 2 <= len(found) <= MACHINES_NAMED
    assert len(set(_names(found))) == len(found)
    assert all(name.startswith("lab") for name in _names(found))


HOSTILE = (
    '" | delete | search "',
    "*",
    '10.0.0.11" OR "1"="1',
    "10.0.0.11\r\nX: 1",
    "\\",
    "'",
    "\0",
    "\ud800",
    "\u202e",
    "[search *]",
    "`macro`",
    "x" * 40_000,
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_finds_no_machine_or_is_refused(ready: Running, text: str) -> None:
    for clue in (
        ConnectionClue(text, "10.0.0.11", PEER),
        ConnectionClue(NAME, text, PEER),
        ConnectionClue(NAME, "10.0.0.11", text),
        ConnectionClue(NAME, None, None, (text,)),
        ConnectionClue(f"{NAME}{text}", "10.0.0.11", PEER),
    ):
        try:
            found = _asked(ready.edr, clue)
        except ConnectorError:
            continue
        assert found == [], clue


def test_an_extreme_window_is_no_reason_to_fail(ready: Running) -> None:
    for window in (
        Window(datetime.min.replace(tzinfo=NOW.tzinfo), datetime.max.replace(tzinfo=NOW.tzinfo)),
        Window(datetime.min.replace(tzinfo=NOW.tzinfo), datetime.min.replace(tzinfo=NOW.tzinfo)),
    ):
        try:
            found = _asked(ready.edr, _clue("10.0.0.11"), window)
        except ConnectorError:
            continue
        assert _names(found) in ([], ["ws01"])


# --- could not look ----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])
def test_what_could_not_be_asked_is_an_error_and_not_empty(backend: Backend, estate: Estate) -> None:
    with running(backend, estate, at=NOW) as found:
        found.fake.failures = [500] * 20
        with pytest.raises(Transient):
            _asked(found.edr, _clue("10.0.0.11"))
    wrong = "planted-wrong-secret-0123456789"
    with running(backend, estate, at=NOW, secret=wrong) as found, pytest.raises(AuthRejected):
        _asked(found.edr, _clue("10.0.0.11"))


@pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])
def test_it_costs_the_same_however_many_machines_there_are(backend: Backend, estate: Estate) -> None:
    def calls(among: Estate) -> int:
        with running(backend, among, at=NOW) as found:
            assert _names(_asked(found.edr, _clue("10.0.0.11"))) == ["ws01"]
            return len(found.fake.seen)

    assert calls(estate) == calls(estate_from(EVENTS[:2])) > 0


# --- which process -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "pids"),
    [
        ({}, [4009, 4010]),
        ({"user": r"CORP\ann"}, [4009]),
        ({"user": "BOB"}, [4010]),
        ({"user": "bob "}, [4010]),
        ({"user": r"CORP\carol"}, [4009, 4010]),
        ({"user": r"CORP\eve"}, [4009, 4010]),  # of another process
        ({"user": ""}, [4009, 4010]),
        ({"local_ip": "10.0.0.41"}, [4009]),
        ({"local_ip": "10.0.0.42"}, [4010]),
        ({"local_ip": "10.0.0.43"}, [4009, 4010]),
        ({"local_ip": "10.0.0.4"}, [4009, 4010]),
        ({"local_ip": PEER}, [4009, 4010]),
        ({"local_ip": "TS01"}, [4009, 4010]),
        ({"user": "ann", "local_ip": "10.0.0.41"}, [4009]),
        ({"user": "carol", "local_ip": "10.0.0.42"}, [4010]),
        ({"user": "ann", "local_ip": "10.0.0.42"}, [4009, 4010]),  # they disagree: none is picked
    ],
)
def test_account_and_own_address_tell_processes_apart_and_never_empty_an_answer(
    ready: Running, told: dict[str, str], pids: list[int]
) -> None:
    host = ready.edr.resolve_host(hostname="TS01.corp.example")
    found = ready.edr.find_process(host, name=NAME, remote_ip=PEER, window=_window(), **told)  # type: ignore[arg-type]  # texts alone
    assert sorted(each.pid or 0 for each in found) == pids


def test_the_account_tells_processes_apart_also_without_a_connection(ready: Running) -> None:
    host = ready.edr.resolve_host(hostname="TS01.corp.example")
    alive = Window(NOW - timedelta(minutes=30), NOW - timedelta(minutes=20))  # long after the connections
    for user, pids in (("ann", [4009]), ("carol", [4009, 4010])):
        found = ready.edr.find_process(host, name=NAME, user=user, local_ip="10.0.0.41", window=alive)
        assert sorted(each.pid or 0 for each in found) == pids


def test_neither_of_them_finds_what_does_not_fit(ready: Running) -> None:
    host = ready.edr.resolve_host(hostname="TS01.corp.example")
    for told in ({"remote_ip": "203.0.113.77"}, {"name": "regasm.exe"}, {"pid": 1}):
        asked = {"name": NAME, "remote_ip": PEER, **told}
        found = ready.edr.find_process(
            host,
            user="ann",
            local_ip="10.0.0.41",
            window=_window(),
            **asked,  # type: ignore[arg-type]  # one mapping for all
        )
        assert list(found) == []
