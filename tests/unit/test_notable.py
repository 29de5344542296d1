"""Notables of every shape, and what each field is read from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from connectors.errors import NotableError
from connectors.facts.notable import DestMeaning, Direction, Notable, NotableSource
from connectors.siem.notable import NotableSettings, ParsedInput, notables_from_object, parse_notables
from connectors.siem.notable_text import fields_of

EVENT_ID = "5E6DE97D-B137-47AB-8905-8C4F42998937@@notable@@e4f07602f507975e9f7ba47c4ae0c417"
SEARCH = "Endpoint - Detect Regsvcs with Network Connection - Rule"
GUID = "365ABB72-3D4A-5CEB-0000-0010FA93FD00"

ROW: dict[str, object] = {
    "dest": "WS01.corp.example",
    "user": "CORP\\amira",
    "process_name": "regsvcs.exe",
    "src_ip": "10.1.2.3",
    "dest_ip": "149.154.167.220",
    "count": "3",
    "firstTime": "2026-03-02T10:00:00",
    "lastTime": "2026-03-02T10:30:00",
}
NOTABLE = ROW | {
    "event_id": EVENT_ID,
    "search_name": SEARCH,
    "risk_score": "80",
    "urgency": "high",
    "status": "1",
    "status_label": "New",
    "owner": "unassigned",
}
CEF: dict[str, object] = {
    "destinationHostName": "WS01.corp.example",
    "destinationUserName": "CORP\\amira",
    "destinationProcessName": "C:\\Windows\\Microsoft.NET\\Framework\\v4.0.30319\\RegSvcs.exe",
    "sourceAddress": "10.1.2.3",
    "destinationAddress": "149.154.167.220",
    "destinationPort": 443,
}


def only(data: object, **settings: str) -> Notable:
    """The one notable of an input that has one."""
    parsed = notables_from_object(data, settings=NotableSettings(**settings))
    assert [str(each.error) for each in parsed.rejected] == []
    (notable,) = parsed.notables
    return notable


def refusal(data: object) -> NotableError:
    """The error of the one object of an input that makes no notable."""
    parsed = notables_from_object(data)
    assert parsed.notables == ()
    (rejected,) = parsed.rejected
    return rejected.error


def without(fields: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in names}


# --- shapes ----------------------------------------------------------------------------------


def test_a_notable_of_enterprise_security_is_read_whole() -> None:
    assert only(NOTABLE) == Notable(
        source=NotableSource.ES_NOTABLE,
        event_id=EVENT_ID,
        search_name=SEARCH,
        dest="WS01.corp.example",
        machine_field="dest",
        machine_doubtful=True,
        dest_given="WS01.corp.example",
        dest_meaning=DestMeaning.MACHINE,
        generation=7,
        user="CORP\\amira",
        process_name="regsvcs.exe",
        src_ip="10.1.2.3",
        dest_ip="149.154.167.220",
        count=3,
        first_time=datetime(2026, 3, 2, 10, 0, tzinfo=UTC),
        last_time=datetime(2026, 3, 2, 10, 30, tzinfo=UTC),
        risk_score=80.0,
        urgency="high",
        status="New",
        owner="unassigned",
    )


@pytest.mark.parametrize(
    ("data", "source"),
    [
        pytest.param(NOTABLE, NotableSource.ES_NOTABLE, id="object"),
        pytest.param([NOTABLE], NotableSource.ES_NOTABLE, id="array"),
        pytest.param({"result": NOTABLE}, NotableSource.ES_NOTABLE, id="export row"),
        pytest.param({"results": [NOTABLE]}, NotableSource.ES_NOTABLE, id="export"),
        pytest.param(
            {"preview": False, "offset": 0, "lastrow": True, "result": NOTABLE},
            NotableSource.ES_NOTABLE,
            id="last export row",
        ),
        pytest.param(
            {"search_name": "x", "sid": "scheduler__1", "owner": "svc", "result": NOTABLE},
            NotableSource.WEBHOOK,
            id="webhook",
        ),
        pytest.param({"artifacts": [{"cef": NOTABLE}]}, NotableSource.SOAR_ARTIFACT, id="container"),
        pytest.param(
            {"container": {"id": 7}, "artifacts": [{"cef": NOTABLE}]},
            NotableSource.SOAR_ARTIFACT,
            id="container beside its artifacts",
        ),
        pytest.param({"cef": NOTABLE, "container": 7}, NotableSource.SOAR_ARTIFACT, id="artifact"),
        pytest.param({"cef": json.dumps(NOTABLE)}, NotableSource.SOAR_ARTIFACT, id="artifact, cef as text"),
        pytest.param(NOTABLE | {"finding_score": 80}, NotableSource.ES_FINDING, id="finding"),
    ],
)
def test_every_shape_gives_the_same_notable(data: object, source: NotableSource) -> None:
    # What an artifact lacks may have been lost on the way, so it tells no generation.
    generation = None if source is NotableSource.SOAR_ARTIFACT else 7
    expected = {"source": source, "generation": generation}
    assert only(data) == only(NOTABLE).model_copy(update=expected)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(json.dumps(NOTABLE), id="text"),
        pytest.param(json.dumps(NOTABLE, indent=2).encode(), id="spread over lines"),
        pytest.param("\ufeff" + json.dumps(NOTABLE), id="byte order mark"),
        pytest.param(json.dumps(NOTABLE).encode("utf-16"), id="utf-16"),
        pytest.param("\n" + json.dumps(NOTABLE) + "\r\n\r\n", id="one line"),
    ],
)
def test_bytes_and_text_are_read(raw: bytes | str) -> None:
    assert parse_notables(raw).notables == (only(NOTABLE),)


def test_json_lines_keep_their_order_and_their_broken_line() -> None:
    lines = [json.dumps({"result": NOTABLE | {"dest": "WS01"}}), '{"dest": "WS0', json.dumps(NOTABLE), "7"]
    parsed = parse_notables("\n".join(lines))
    assert [notable.dest for notable in parsed.notables] == ["WS01", "WS01.corp.example"]
    assert [(each.position, each.raw, each.error.field) for each in parsed.rejected] == [
        (2, '{"dest": "WS0', "line"),
        (4, "7", "input"),
    ]


def test_broken_json_over_several_lines_is_not_taken_for_json_lines() -> None:
    cut = json.dumps([NOTABLE, NOTABLE], indent=2).replace('"count": "3"', '"count": ', 1)
    for text in (cut, f"[\n  {json.dumps(NOTABLE)}\n  {json.dumps(NOTABLE)}\n]"):
        with pytest.raises(NotableError, match="is no JSON") as caught:
            parse_notables(text)
        assert caught.value.field == "input"


@pytest.mark.parametrize(
    "data", [[], {"results": []}, {"preview": False, "lastrow": True}, {"preview": False, "results": []}]
)
def test_an_export_without_rows_holds_nothing(data: object) -> None:
    assert notables_from_object(data) == ParsedInput((), ())


def test_rows_sent_before_the_search_was_done_give_way_to_the_final_ones() -> None:
    early = {"preview": True, "offset": 0, "result": ROW | {"count": "1"}}
    final = {"preview": False, "offset": 0, "result": ROW}
    assert [notable.count for notable in notables_from_object([early, final]).notables] == [3]
    assert refusal([early]).field == "preview"
    assert refusal({"preview": True, "results": [ROW]}).field == "preview"


@pytest.mark.parametrize(
    "raw",
    ["", "  \n", "null", "5", '"x"', "{}", '{"foo": 1}', "{", "NaN", b"\xff\xfe\x00", b"\x80", "\ud800"],
)
def test_what_is_no_notable_at_all_raises(raw: bytes | str) -> None:
    with pytest.raises(NotableError) as caught:
        parse_notables(raw)
    assert caught.value.field == "input"
    assert caught.value.remedy


def test_one_bad_object_does_not_cost_the_others() -> None:
    bad = without(NOTABLE, "dest", "src_ip")
    parsed = notables_from_object([bad, NOTABLE, 5, [NOTABLE], {}])
    assert [notable.dest for notable in parsed.notables] == ["WS01.corp.example"]
    assert [(each.position, each.error.field) for each in parsed.rejected] == [
        (1, "dest"),
        (3, "input"),
        (4, "input"),
        (5, "dest"),
    ]
    assert json.loads(parsed.rejected[0].raw) == bad
    assert parsed.rejected[0].error.__traceback__ is None  # it would keep the whole input alive


# --- SOAR and CEF ----------------------------------------------------------------------------


def test_cef_names_are_read() -> None:
    notable = only({"cef": CEF})
    assert (notable.dest, notable.user, notable.process_name) == (
        "WS01.corp.example",
        "CORP\\amira",
        "RegSvcs.exe",
    )
    assert (notable.src_ip, notable.dest_ip, notable.dest_ports) == ("10.1.2.3", "149.154.167.220", (443,))
    assert (notable.machine_field, notable.generation) == ("destinationHostName", None)


def test_cim_names_come_before_cef_names() -> None:
    other = {"destinationHostName": "OTHER", "destinationUserName": "x", "sourceAddress": "10.9.9.9"}
    assert only({"cef": NOTABLE | other | {"destinationAddress": "8.8.8.8"}}).model_copy(
        update={"source": NotableSource.ES_NOTABLE, "generation": 7}
    ) == only(NOTABLE)


def test_a_host_name_in_destination_address_is_the_host() -> None:
    """Splunk's connector maps dest and dest_ip to one name, and dest came last."""
    notable = only({"cef": without(CEF, "destinationHostName") | {"destinationAddress": "WS01"}})
    assert (notable.dest, notable.dest_ip) == ("WS01", None)
    assert notable.machine_field == "destinationAddress"
    assert [missing.field for missing in notable.missing] == ["dest_ip", "firstTime", "lastTime", "event_id"]


def test_an_address_in_destination_address_is_never_the_host() -> None:
    """The same map, and dest_ip came last: what dest held is lost, and the machine is not guessed."""
    notable = only({"cef": without(CEF, "destinationHostName")})
    assert (notable.dest, notable.dest_given, notable.src_ip) == ("", "", "10.1.2.3")
    assert refusal({"cef": without(CEF, "destinationHostName", "sourceAddress")}).field == "dest"


def test_both_in_destination_address_are_told_apart() -> None:
    notable = only(
        {"cef": without(CEF, "destinationHostName") | {"destinationAddress": ["WS01", "149.154.167.220"]}}
    )
    assert (notable.dest, notable.dest_ip) == ("WS01", "149.154.167.220")


def test_two_hosts_in_cef_names_are_two_hosts() -> None:
    notable = only({"cef": CEF | {"deviceHostname": "COLLECTOR"}})
    assert (notable.dest, notable.other_dests) == ("WS01.corp.example", ("COLLECTOR",))


def test_the_container_fills_what_the_artifact_lacks() -> None:
    artifact = {"cef": ROW, "source_data_identifier": "of the artifact", "name": "Field Values"}
    container = {"source_data_identifier": EVENT_ID, "name": f"Splunk Log Entry: {SEARCH}"}
    for data in ({"container": container, "artifacts": [artifact]}, container | {"artifacts": [artifact]}):
        notable = only(data)
        assert (notable.event_id, notable.search_name) == (EVENT_ID, f"Splunk Log Entry: {SEARCH}")
    assert only(artifact).event_id == "of the artifact"
    assert only({"container": container, "artifacts": [{"cef": NOTABLE}]}).search_name == SEARCH


def test_every_artifact_is_answered() -> None:
    container = {"source_data_identifier": "s", "name": "n", "label": "events"}
    artifacts = [{"cef": NOTABLE}, {"cef": {"fileHash": "00"}}, {"cef": 5}, {"cef": "{"}, 5]
    parsed = notables_from_object({"container": container, "artifacts": artifacts})
    assert len(parsed.notables) == 1
    assert [each.error.field for each in parsed.rejected] == ["dest", "cef", "cef", "artifacts"]
    again = json.loads(parsed.rejected[0].raw)
    assert again == {"container": {"source_data_identifier": "s", "name": "n"}, "artifacts": [artifacts[1]]}
    assert refusal({"artifacts": []}).field == "artifacts"


# --- webhook and finding ---------------------------------------------------------------------


def test_a_webhook_body_adds_the_name_of_the_search_alone() -> None:
    body = {"search_name": SEARCH, "sid": "scheduler__admin_1", "owner": "svc-search", "result": ROW}
    notable = only(body)
    assert (notable.search_name, notable.owner) == (SEARCH, "")
    assert only(body | {"result": ROW | {"search_name": None}}).search_name == SEARCH
    assert notable.event_id != only(body | {"sid": "scheduler__admin_2"}).event_id


def test_a_finding_names_the_host_as_its_entity() -> None:
    finding = without(NOTABLE, "dest", "event_id") | {
        "finding_id": "2008e99d-af14-4fec-89da-b9b17a81820a@@notable@@time1768225865",
        "entity": "WS07",
        "entity_type": "system",
        "finding_score": 64,
        "risk_score": "",
    }
    notable = only(finding)
    assert notable.source is NotableSource.ES_FINDING
    assert (notable.dest, notable.user, notable.risk_score) == ("WS07", "CORP\\amira", 64.0)
    assert notable.event_id.endswith("@@time1768225865")
    assert (notable.machine_field, notable.risk_object) == ("entity", "WS07")
    assert only(finding | {"entity_type": "user"}).dest == ""
    assert only(without(finding, "user") | {"dest": "A", "entity_type": "user"}).user == "WS07"


def test_risk_objects_are_paired_with_their_types() -> None:
    bare = without(NOTABLE, "dest", "user")
    both = bare | {"risk_object": ["CORP\\amira", "WS07"], "risk_object_type": ["user", "system"]}
    assert (only(both).dest, only(both).user) == ("WS07", "CORP\\amira")
    hosts = only(bare | {"risk_object": ["WS07", "WS08"], "risk_object_type": "system"})
    # No domain shows that they are machines and not the peer.
    assert (hosts.dest, hosts.dest_given) == ("", "WS07")
    two = {"risk_object": ["WS07", "WS08"], "risk_object_type": "system"}
    hosts = only(bare | two | {"user": "CORP\\amira"})
    assert (hosts.dest, hosts.other_dests) == ("WS07", ("WS08",))
    unpaired = bare | {"risk_object": ["a", "b", "c"], "risk_object_type": ["user", "system"]}
    assert refusal(without(unpaired, "src_ip")).field == "dest"


# --- the host --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dest", "expected", "others"),
    [
        ("WS01", "WS01", ()),
        ("  WS01 ", "WS01", ()),
        (["WS01"], "WS01", ()),
        ('["WS01"]', "WS01", ()),
        ([["WS01"], "ws01", None, ""], "WS01", ()),
        ("WS01\nWS01", "WS01", ()),
        (["WS01", "ws01.corp.example"], "ws01.corp.example", ()),
        (["ws01.corp.example.", "WS01"], "ws01.corp.example.", ()),
        (["10.1.2.3", "WS01"], "WS01", ()),
        (["WS1", "WS10"], "WS1", ("WS10",)),
        (["WS01", "DC01", "dc01.corp.example"], "WS01", ("dc01.corp.example",)),
        (["ws1", "ws1.a.example", "ws1.b.example"], "ws1.a.example", ("ws1.b.example",)),
        # An address names no machine: it may be the text of a reverse name.
        ("10.1.2.3", "", ()),
        (["FE80:0:0:0:0:0:0:1", "fe80::1"], "", ()),
        (["10.1.2.3", "10.1.2.4"], "", ()),
        ("BÜRO-01", "BÜRO-01", ()),
        (4711, "4711", ()),
    ],
)
def test_host(dest: object, expected: str, others: tuple[str, ...]) -> None:
    notable = only(NOTABLE | {"dest": dest})
    assert (notable.dest, notable.other_dests) == (expected, others)


@pytest.mark.parametrize(
    ("dest", "word"),
    [
        (["WS01", "WS02"], "2 different hosts"),
        ([{"a": 1}, "WS01"], "holds an object"),
        (["WS01", "not a host"], "is no host name and was left out"),
    ],
)
def test_what_was_done_to_the_host_is_noted(dest: object, word: str) -> None:
    assert any(word in note for note in only(NOTABLE | {"dest": dest}).notes)


@pytest.mark.parametrize(
    "dest",
    [
        "WS01 | delete",
        'WS01" OR "1"="1',
        "WS\x1b[2J01",
        "WS\x0001",
        "..",
        "-rf",
        "a..b",
        ".ws",
        "a/b",
        "a\\b",
        "x" * 256,
        "10.0.0.300",
        "8.8.8.08",
        "WS-\u212a",  # KELVIN SIGN, in lower case an ASCII k
        "<script>",
        "WS01\u202e",
    ],
)
def test_what_looks_like_no_host_is_left_out_and_loses_no_notable(dest: object) -> None:
    """Whoever owns the peer's address chooses its reverse name; a strange one must not stop the notable."""
    notable = only(NOTABLE | {"dest": dest})
    assert (notable.dest, notable.dest_given, notable.peer_names) == ("", "", ())
    assert any("is no host name and was left out" in note for note in notable.notes)
    assert not any("\x1b" in note for note in notable.notes)
    error = refusal(without(NOTABLE, "src_ip") | {"dest": dest})
    assert error.field == "dest"
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "dest",
    [None, "", " ", "-", "unknown", "N/A", "$dest$", [], [None, ""], {"a": 1}, True, float("nan"), "[]"],
)
def test_a_notable_that_leads_to_no_machine_is_refused(dest: object) -> None:
    assert refusal(without(NOTABLE, "src_ip") | {"dest": dest}).field == "dest"
    assert only(NOTABLE | {"dest": dest}).dest == ""


def test_old_names_are_read() -> None:
    old = without(NOTABLE, "dest", "user") | {"Computer": "WS01.corp.example", "User": "CORP\\amira"}
    notable = only(old)
    assert (notable.dest, notable.user) == ("WS01.corp.example", "CORP\\amira")
    assert notable.machine_field == "Computer"
    assert notable.notes == ("Read from other names: user from User.",)


@pytest.mark.parametrize("name", ["dest_host", "DestinationHostname", "host", "src_host"])
def test_names_that_are_not_the_host_are_not_used(name: str) -> None:
    assert only(without(NOTABLE, "dest") | {name: "api.telegram.org"}).dest == ""
    assert only(NOTABLE | {name: "api.telegram.org"}).dest == "WS01.corp.example"


# --- the addresses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dest_ip", "expected"),
    [
        ("149.154.167.220", "149.154.167.220"),
        (" 149.154.167.220\n", "149.154.167.220"),
        (["149.154.167.220"], "149.154.167.220"),
        ('["149.154.167.220"]', "149.154.167.220"),
        (["149.154.167.220", "149.154.167.220"], "149.154.167.220"),
        (["api.telegram.org", "149.154.167.220"], "149.154.167.220"),
        ("10.0.0.1", "10.0.0.1"),
        ("FE80:0:0:0:0:0:0:1", "fe80::1"),
        ("::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
        (None, None),
        ("-", None),
        ([], None),
        ({"a": 1}, None),
    ],
)
def test_destination_address(dest_ip: object, expected: str | None) -> None:
    notable = only(NOTABLE | {"dest_ip": dest_ip})
    assert notable.dest_ip == expected
    assert [missing.field for missing in notable.missing] == ([] if expected else ["dest_ip"])


@pytest.mark.parametrize(
    "dest_ip",
    [
        "149.154.167.220:443",
        "8.8.8",
        "fe80::1%3",
        "1.1.1.1, 8.8.8.8",
        ["a,", "b|"],
        7,
        "\x1b[2J",
    ],
)
def test_a_destination_that_is_no_address_is_refused(dest_ip: object) -> None:
    error = refusal(NOTABLE | {"dest_ip": dest_ip})
    assert error.field == "dest_ip"
    assert "\x1b" not in str(error)


def test_a_host_name_as_destination_is_a_name_of_the_peer() -> None:
    notable = only(NOTABLE | {"dest_ip": "api.telegram.org"})
    assert (notable.dest_ip, notable.peer_names) == (None, ("api.telegram.org",))
    assert "dest_ip" in [each.field for each in notable.missing]


def test_a_host_name_as_destination_gives_way_to_an_address_elsewhere() -> None:
    notable = only(NOTABLE | {"dest_ip": "api.telegram.org", "DestinationIp": "149.154.167.220"})
    assert notable.dest_ip == "149.154.167.220"
    assert any("dest_ip 'api.telegram.org' is not an address" in note for note in notable.notes)


def test_every_destination_is_a_notable_of_its_own() -> None:
    parsed = notables_from_object(
        NOTABLE | {"dest_ip": ["149.154.167.220", "208.95.112.1", "149.154.167.220"]}
    )
    assert [(notable.event_id, notable.dest_ip) for notable in parsed.notables] == [
        (EVENT_ID, "149.154.167.220"),
        (EVENT_ID, "208.95.112.1"),
    ]
    derived = notables_from_object(ROW | {"dest_ip": ["149.154.167.220", "208.95.112.1"]})
    assert len({notable.event_id for notable in derived.notables}) == 2


@pytest.mark.parametrize(
    ("fields", "expected", "noted"),
    [
        ({"src_ip": "WS01"}, None, True),
        ({"src_ip": ["10.1.2.3", "10.1.2.4"]}, "10.1.2.3", True),
        ({"src_ip": None, "SourceIp": "10.1.2.9"}, "10.1.2.9", True),
        ({"src_ip": None, "src": "10.1.2.9"}, "10.1.2.9", True),
        ({"src_ip": None}, None, False),
    ],
)
def test_source_address(fields: dict[str, object], expected: str | None, noted: bool) -> None:
    notable = only(NOTABLE | fields)
    assert notable.src_ip == expected
    assert bool(notable.notes) is noted
    assert any(missing.field == "src_ip" for missing in notable.missing) is (expected is None)


# --- the process, the user, the rest -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"process_name": ["regsvcs.exe"]}, "regsvcs.exe"),
        ({"process_name": "C:\\Windows\\Microsoft.NET\\x\\RegSvcs.exe"}, "RegSvcs.exe"),
        ({"process_name": ["regsvcs.exe", "RegSvcs.exe"]}, "regsvcs.exe"),
        ({"process_name": ["regasm.exe", "regsvcs.exe"]}, "regasm.exe"),
        ({"process_name": None, "Image": "C:\\x\\RegAsm.exe"}, "RegAsm.exe"),
        ({"process_name": None, "fileName": "regasm.exe"}, "regasm.exe"),
        ({"process_name": None, "fileName": "invoice.pdf"}, "regsvcs.exe"),
        ({"process_name": "<unknown process>"}, "regsvcs.exe"),
        ({"process_name": "", "search_name": "detect_REGASM_with_network"}, "regasm.exe"),
    ],
)
def test_process_name(fields: dict[str, object], expected: str) -> None:
    assert only(NOTABLE | fields).process_name == expected


def test_a_process_name_from_the_search_is_noted() -> None:
    notable = only(without(NOTABLE, "process_name"))
    assert notable.notes == ("process_name is missing; regsvcs.exe is taken from the name of the search.",)


@pytest.mark.parametrize(
    "search", [None, "Brute Force", "Suspicious Regsvcs Regasm Activity", "unregsvcsed", "a\x1b[2J"]
)
def test_a_process_that_nothing_names_is_refused(search: object) -> None:
    error = refusal(NOTABLE | {"process_name": None, "search_name": search})
    assert error.field == "process_name"
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("user", "expected", "missing"),
    [
        (["CORP\\amira", "corp\\AMIRA"], "CORP\\amira", False),
        (["CORP\\amira", "NT AUTHORITY\\SYSTEM"], "CORP\\amira", False),
        ("a\x1b[31m<b>", "a\x1b[31m<b>", False),
        ("unknown", "", True),
        (None, "", True),
        ("$user$", "", True),
        ("WS01$", "WS01$", False),
    ],
)
def test_user(user: object, expected: str, missing: bool) -> None:
    notable = only(NOTABLE | {"user": user})
    assert notable.user == expected
    assert [each.field for each in notable.missing] == (["user"] if missing else [])


def test_several_users_are_noted() -> None:
    assert "user has 2 values" in only(NOTABLE | {"user": ["a", "b"]}).notes[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Direction.UNKNOWN),
        ({"direction": "outbound"}, Direction.OUTBOUND),
        ({"Initiated": True}, Direction.OUTBOUND),
        ({"Initiated": "false"}, Direction.INBOUND),
        ({"deviceDirection": 0}, Direction.INBOUND),
        ({"Initiated": [True, False]}, Direction.UNKNOWN),
        ({"Initiated": True, "direction": "inbound"}, Direction.UNKNOWN),
        ({"direction": "sideways"}, Direction.UNKNOWN),
        ({"direction": ["outbound", "sideways"]}, Direction.UNKNOWN),
    ],
)
def test_direction(fields: dict[str, object], expected: Direction) -> None:
    assert only(NOTABLE | fields).direction is expected


def test_ports_and_guids() -> None:
    notable = only(
        NOTABLE
        | {
            "dest_port": ["443", 80, 443, "70000", "-1", "x", 4.5],
            "process_guid": [f"{{{GUID.lower()}}}", GUID, "{00000000-0000-0000-0000-000000000000}", "1234"],
        }
    )
    assert (notable.dest_ports, notable.process_guids) == ((80, 443), (GUID,))
    assert len(notable.notes) == 5


@pytest.mark.parametrize(
    ("value", "count", "score"),
    [
        ("3", 3, 3.0),
        (3.0, 3, 3.0),
        ("25.5", None, 25.5),
        ("-1", None, None),
        ("NaN", None, None),
        (float("inf"), None, None),
        (1e300, None, None),
        (2**63, None, None),
        (10**400, None, None),
        ("1e5", None, None),
        ("\u0663", None, None),  # ARABIC-INDIC DIGIT THREE
        (None, None, None),
    ],
)
def test_numbers(value: object, count: int | None, score: float | None) -> None:
    notable = only(NOTABLE | {"count": value, "risk_score": value})
    assert (notable.count, notable.risk_score) == (count, score)


# --- the id ----------------------------------------------------------------------------------


def test_an_id_is_derived_from_the_fields() -> None:
    first = only(ROW)
    assert first.event_id.startswith("derived:")
    assert len(first.event_id) == len("derived:") + 64
    assert [missing.field for missing in first.missing] == ["event_id"]
    same = dict(reversed(ROW.items())) | {"dest": ["ws01.CORP.example"], "count": 3, "urgency": "high"}
    assert only(same).event_id == first.event_id


@pytest.mark.parametrize(
    "change",
    [
        {"dest": "WS02"},
        {"user": "x"},
        {"process_name": "regasm.exe"},
        {"src_ip": "10.1.2.4"},
        {"dest_ip": "1.1.1.1"},
        {"count": 4},
        {"firstTime": "2026-03-02T10:00:01"},
        {"lastTime": "2026-03-02T10:30:01"},
        {"search_name": SEARCH},
        {"orig_sid": "1"},
        {"orig_rid": "1"},
    ],
)
def test_a_derived_id_differs_when_a_field_does(change: dict[str, object]) -> None:
    assert only(ROW | change).event_id != only(ROW).event_id


def test_an_id_that_is_given_is_not_mixed_with_the_job() -> None:
    assert only(NOTABLE | {"orig_sid": "1", "orig_rid": "2"}).event_id == EVENT_ID


def test_the_number_of_a_windows_event_is_no_id() -> None:
    notable = only(ROW | {"event_id": 3})
    assert notable.event_id.startswith("derived:")
    assert any("number of a Windows event" in note for note in notable.notes)
    assert only({"source_data_identifier": "4711", "artifacts": [{"cef": ROW}]}).event_id == "4711"


def test_a_derived_id_does_not_depend_on_the_order_of_hosts() -> None:
    ids = {only(ROW | {"dest": hosts}).event_id for hosts in (["A", "B"], ["B", "A"])}
    assert len(ids) == 1


# --- settings and real files -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../../etc/passwd", "/etc/passwd", "Africa", "a\0b"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        NotableSettings(timezone=name)


def test_the_time_zone_is_used() -> None:
    notable = only(NOTABLE, timezone="Europe/Berlin")
    assert notable.first_time == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_a_real_notable_of_another_search_is_refused_by_name(shared_data: Path) -> None:
    raw = (shared_data / "notables" / "es7_notable.json").read_bytes()
    (rejected,) = parse_notables(raw).rejected
    assert rejected.error.field == "process_name"
    assert "Root sucess" in rejected.error.problem
    assert json.loads(rejected.raw) == json.loads(raw)
    placeholder = json.loads(raw) | {"process_name": "regsvcs.exe"}
    usable = placeholder | {"dest": "WS01", "dest_ip": "149.154.167.220"}
    notable = only(usable)
    assert notable.event_id == EVENT_ID
    assert (notable.status, notable.owner, notable.urgency) == ("New", "unassigned", "informational")
    assert notable.risk_score is None
    # Its bounds lie in the year 2286.
    assert (notable.first_time, notable.last_time) == (None, None)


def test_a_real_note_about_findings_is_no_notable(shared_data: Path) -> None:
    with pytest.raises(NotableError, match="no field of a notable"):
        parse_notables((shared_data / "notables" / "es8_finding_api_notes.json").read_bytes())


def test_the_text_of_a_real_notable_is_read(shared_data: Path) -> None:
    raw = json.loads((shared_data / "notables" / "es7_notable.json").read_bytes())["_raw"]
    assert refusal({"_raw": raw}).field == "process_name"
    assert "Root sucess" in refusal({"_raw": raw}).problem


@pytest.mark.parametrize(
    ("fields", "generation"),
    [
        ({"User": "CORP\\amira", "dest_host": "far.example"}, 2),
        ({"User": "CORP\\amira"}, None),
        ({"dest_host": "far.example"}, None),
        ({"user": "amira", "User": "CORP\\amira", "dest_host": "far.example"}, None),
        ({"user": "amira"}, 7),
        ({"user": "amira", "dvc": "WS01"}, None),
        ({"user": "amira", "process_guid": "x"}, None),
        ({"user": "amira", "transport": "tcp"}, None),
        ({"user": "amira", "transport": "tcp", "process_exec": "x"}, 15),
    ],
)
def test_a_generation_is_told_by_two_fields_of_its_own(
    fields: dict[str, object], generation: int | None
) -> None:
    assert only(without(NOTABLE, "user") | fields).generation == generation


def test_a_clone_with_the_fields_of_version_2_makes_no_machine_of_the_peer() -> None:
    far = {"dest": "far.example", "dest_host": "far.example", "user": "amira", "User": "CORP\\amira"}
    assert only(NOTABLE | far).dest == ""


def test_what_is_handed_on_as_fields_stays_untold() -> None:
    far = {"dest": "far.example", "dest_host": "far.example", "direction": "outbound"}
    notable = only(NOTABLE | far)
    again = only(fields_of([notable]))
    assert (notable.dest, again.dest) == ("", "")
    assert again.dest_meaning is notable.dest_meaning is DestMeaning.UNTOLD
