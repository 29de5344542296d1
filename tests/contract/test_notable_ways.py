"""Every notable a Splunk raises of a connection leads to its machine, peer and process, over each EDR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest

from actions.get_process_lineage import LineageSettings, Located, locate_process
from connectors.facts.host import same_host_name
from connectors.facts.notable import DestMeaning, Notable
from connectors.ports import Window
from connectors.siem.generations import AddOn, Generation
from connectors.siem.notable import parse_notables
from playbooks.grouping import group_cases
from tests.edr_backends import BACKENDS, FILE, Running, running
from tests.estate import estate_from
from tests.notable_ways import WAYS, Conn, Form, raw_of

SERVER, OTHER_SERVER = "149.154.167.220", "93.184.220.29"
FAR = "mail.attacker.example"
#: Two victims of one server, one of them of two servers, one whom a peer called, one whose peer has no name.
FIRST = Conn(1, "WS01.corp.example", "10.20.4.17", SERVER, FAR)
SECOND = Conn(2, "WS02.corp.example", "10.20.4.18", SERVER, FAR, user=r"CORP\user02", minute=61)
CALLED = Conn(4, "WS04.corp.example", "93.184.216.34", "93.184.215.14", "scan.attacker.example", inbound=True)
NAMELESS = Conn(5, "WS05.corp.example", "10.20.4.21", OTHER_SERVER, "")
CONNS = (FIRST, SECOND, CALLED, NAMELESS)
NOW = datetime.fromisoformat("2026-09-24T09:00:00+00:00")
SETTINGS = LineageSettings()


@pytest.fixture(scope="module", params=(*BACKENDS, FILE), ids=[each.name.value for each in (*BACKENDS, FILE)])
def ready(request: pytest.FixtureRequest) -> Iterator[Running]:
    """One server for all questions: none of them changes anything."""
    events = [each for conn in CONNS for each in conn.events()]
    with running(request.param, estate_from(events), at=NOW) as found:
        yield found


def read(conn: Conn, way: tuple[Generation, AddOn, Form]) -> Notable:
    (notable,) = parse_notables(raw_of(conn, *way)).notables
    return notable


def _exists(conn: Conn, way: tuple[Generation, AddOn, Form]) -> bool:
    """Version 2 and 15 make no row without a name for the peer where they group by one that is missing."""
    return way[0].number != 2 or bool(conn.peer_name)


IDS = [f"{way[0].number}-{way[1].value}-{way[2].value}" for way in WAYS]


@pytest.mark.parametrize("way", WAYS, ids=IDS)
@pytest.mark.parametrize("conn", CONNS, ids=lambda conn: conn.host)
def test_no_form_makes_the_peer_the_machine(conn: Conn, way: tuple[Generation, AddOn, Form]) -> None:
    """From its fields alone: the machine is named or is not known; the peer is named rightly."""
    if not _exists(conn, way):
        return
    notable = read(conn, way)
    generation, add_on, form = way
    assert notable.dest in ("", conn.host)
    assert notable.other_dests == ()
    assert not any(same_host_name(name, conn.host) for name in notable.peer_names)
    told = {notable.generation, generation.number} - {None}
    assert told == {generation.number}
    if form is not Form.CEF and form is not Form.CIM:
        assert notable.generation == generation.number
    if generation.number == 15:
        assert (notable.dest, notable.peer_ip) == (conn.host, conn.peer_ip)
        assert (notable.process_guids, notable.process_ids) == ((conn.guid,), (conn.pid,))
        assert notable.direction is conn.direction
        if add_on is AddOn.SUPPORTED and not conn.inbound and form is not Form.CEF:
            assert notable.dest_meaning is DestMeaning.PEER
    if add_on is AddOn.COMMUNITY and form is not Form.CEF:
        assert notable.dest == conn.host


def distinct(conn: Conn) -> list[Notable]:
    """The notables of all forms, each set of facts that a look-up uses once."""
    found: dict[tuple[object, ...], Notable] = {}
    for way in WAYS:
        if _exists(conn, way):
            notable = read(conn, way)
            key = (
                notable.dest,
                notable.dest_meaning,
                notable.dest_given,
                notable.src_ip,
                notable.user,
                notable.direction,
                notable.process_guids,
            )
            found.setdefault(key, notable)
    return list(found.values())


def pid_of(ready: Running, where: Located) -> int | None:
    """The pid of the process that was found; a network event of Falcon's has none, the process's own has."""
    (process,) = where.processes
    if process.pid is not None or where.host is None:
        return process.pid
    window = Window(NOW - timedelta(hours=3), NOW)
    return ready.edr.get_lineage(where.host, process, window=window).target.ref.pid


def located(ready: Running, notables: Sequence[Notable]) -> list[tuple[Notable, Located]]:
    found = []
    for each in notables:
        ready.clock.now += timedelta(seconds=5)  # no quota a minute is what is tested here
        found.append((each, locate_process(ready.edr, each, SETTINGS)))
    return found


@pytest.mark.parametrize("conn", CONNS, ids=lambda conn: conn.host)
def test_every_form_leads_to_machine_and_process(ready: Running, conn: Conn) -> None:
    notables = distinct(conn)
    assert len(notables) >= 5
    for notable, where in located(ready, notables):
        assert where.host is not None, (notable, where.problems)
        assert same_host_name(where.host.hostname, conn.host), notable
        assert len(where.processes) == 1, (notable, where.problems)
        assert pid_of(ready, where) == conn.pid
        if ready.edr.sysmon_guids:
            assert [each.guid for each in where.processes] == [conn.guid]
        (draft,) = group_cases([(notable, where)])
        assert draft.notables[0].peer_ip == conn.peer_ip or conn.inbound


def test_victims_are_never_merged_and_one_victim_is_one_case(ready: Running) -> None:
    notables = [each for conn in (FIRST, SECOND, NAMELESS) for each in distinct(conn)]
    drafts = group_cases(located(ready, notables))
    assert len(drafts) == 3
    for draft in drafts:
        assert len({each.own_ip for each in draft.notables}) == 1


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_without_telemetry_victims_are_not_merged_either(way: tuple[Generation, AddOn, Form]) -> None:
    first, second = (read(conn, way) for conn in (FIRST, SECOND))
    again = first.model_copy(update={"event_id": "later", "dest_ip": OTHER_SERVER})
    nowhere = Located()
    drafts = group_cases([(each, nowhere) for each in (first, second, again)])
    assert [len(draft.notables) for draft in drafts] == [2, 1]
    for number, draft in enumerate(drafts):
        assert draft.case_id not in drafts[1 - number].earlier_ids
