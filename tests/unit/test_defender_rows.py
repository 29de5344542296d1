"""Defender's rows and records as facts: the vendor's bodies, its traps, and text that nobody vouches for."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.defender.evidence_rows import evidence_of
from connectors.edr.defender.isolation import MachineAction, machine_action, status_of
from connectors.edr.defender.keys import ProcessKey, exact_time, kusto_time, parse_key
from connectors.edr.defender.machines import host_ref, is_agent
from connectors.edr.defender.rows import (
    created_process,
    found_processes,
    found_ref,
    initiating_process,
    path_of,
    rows_of,
    signature,
    signatures,
)
from connectors.errors import BadResponse
from connectors.facts.host import HostType
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.process import CoverageState, EvidenceKind, KnownFrom, SignatureState

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


# Bounds without a zone, as hypothesis wants them.
FIRST, LAST = datetime(1990, 1, 1), datetime(2100, 12, 31)  # noqa: DTZ001
TIMES = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@pytest.fixture
def bodies(shared_data: Path) -> Path:
    return shared_data / "vendor" / "defender"


def loaded(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


# --- the vendor's bodies -----------------------------------------------------------------------


def test_a_process_event_holds_three_generations(bodies: Path) -> None:
    row = loaded(bodies, "hunting_device_process_event")["DeviceProcessEvents"]
    process = created_process("m", row, {}, 1)
    parent = initiating_process("m", row, {}, 1)
    assert process is not None
    assert parent is not None
    assert process.ref.guid == "37384@2023-03-17T20:23:03.7021445Z"
    assert process.ref.image == r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"
    assert (process.user, process.integrity) == ("asd\\username", "Low")
    assert process.original_file_name == "msedge.exe"
    assert [each.algorithm for each in process.hashes] == ["SHA1", "SHA256", "MD5"]
    # The time of the initiator has six decimals there: its trailing zero is cut.
    assert process.parent_guid == parent.ref.guid == "400@2023-03-17T20:23:03.4411790Z"
    assert parent.known_from is KnownFrom.CHILD
    assert parent.command_line == '"msedge.exe" -- "https://test.com/login/login.asp"'
    assert (parent.parent_guid, parent.parent_image) == ("30972@2023-03-17T20:23:03.1696537Z", "iexplore.exe")
    assert parent.signature.state is SignatureState.UNKNOWN


def test_a_network_event_is_a_connection_of_its_initiator(bodies: Path) -> None:
    row = loaded(bodies, "hunting_device_network_event")["DeviceNetworkEvents"]
    found = evidence_of([{**row, "Row": "connection", "LastSeen": row["Timestamp"], "Events": 1}])
    connection = found.connections[0]
    assert (connection.src_ip, connection.src_port) == ("9.9.9.1", 60773)
    assert (connection.dest_ip, connection.dest_port, connection.protocol) == ("9.9.9.9", 443, "tcp")
    assert connection.initiated is True


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("Tcp", "tcp"),
        ("TcpV4", "tcp"),
        ("TcpV6", "tcp"),
        ("UdpV4", "udp"),
        ("udpv6", "udp"),
        ("Icmp", "icmp"),
        ("IcmpV4", "icmp"),
        ("IcmpV6", "icmpv6"),
        ("Unknown", "unknown"),
        (None, ""),
    ],
)
def test_a_protocol_is_in_sysmons_words(told: object, wanted: str) -> None:
    row = {"Row": "connection", "ActionType": "ConnectionSuccess", "Protocol": told}
    assert [each.protocol for each in evidence_of([row]).connections] == [wanted]


def test_machine_records(bodies: Path) -> None:
    first, second = (host_ref(each) for each in loaded(bodies, "search_machines")["value"])
    assert (first.host_id, first.hostname, first.host_type) == (
        "abc123def456",
        "desktop-win10",
        HostType.WORKSTATION,
    )
    assert [each.ip for each in first.addresses] == ["10.0.0.50"], "the external address is not its own"
    assert first.tags == ("Production", "Windows10")
    assert first.active is True
    assert second.last_seen == datetime(2024, 5, 21, 9, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("isolate_machine", IsolationState.ISOLATING),
        ("unisolate_machine", IsolationState.RELEASING),
        ("get_machine_action", IsolationState.ISOLATED),
    ],
)
def test_machine_actions(bodies: Path, name: str, state: IsolationState) -> None:
    action = machine_action(loaded(bodies, name))
    assert action is not None
    status = status_of([action], machine_id="1234", action_id="", complete=True, now=NOW)
    assert (status.state, status.how_known) == (state, HowKnown.REPORTED)


# --- keys --------------------------------------------------------------------------------------


@given(st.integers(0, 0xFFFFFFFF), TIMES, st.integers(0, 9))
def test_a_key_reads_back(pid: int, when: datetime, tick: int) -> None:
    key = ProcessKey(pid, f"{when:%Y-%m-%dT%H:%M:%S.%f}{tick}Z")
    assert parse_key(key.guid) == key
    assert exact_time(f"{key.created[:-1].rstrip('0').rstrip('.')}Z") == key.created
    assert kusto_time(when)[:-2] == key.created[:-2]


@pytest.mark.parametrize(
    "guid",
    [
        None,
        "",
        "365ABB72-1C25-5CE9-0000-0010C5B80000",
        "4@2023-03-17T20:23:03Z",
        "4@2023-03-17T20:23:03.7021445",
        "99999999999@2023-03-17T20:23:03.7021445Z",
        "4@2023-99-17T20:23:03.7021445Z",
        "4@2023-03-17T20:23:03.7021445Z) or (1 == 1",
        "٤@2023-03-17T20:23:03.7021445Z",
    ],
)
def test_what_is_no_key(guid: str | None) -> None:
    assert parse_key(guid) is None


def test_two_processes_within_a_microsecond_stay_two() -> None:
    rows = [
        {"ProcessId": 4, "ProcessCreationTime": f"2026-01-01T00:00:00.123456{tick}Z", "FileName": "a.exe"}
        for tick in (1, 2)
    ]
    assert len({found.guid for row in rows if (found := found_ref("m", row)) is not None}) == 2


# --- rows --------------------------------------------------------------------------------------


def test_odata_entries_are_taken_out() -> None:
    rows = [{"@odata.type": "#row", "A@odata.type": "#Int64", "A": 1}, "no row", None]
    assert rows_of(rows) == [{"A": 1}]
    assert rows_of({"results": []}) == []


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        (r"C:\Windows\cmd.exe", "cmd.exe", r"C:\Windows\cmd.exe"),
        (r"c:\windows\cmd.exe", "CMD.EXE", r"c:\windows\cmd.exe"),
        (r"C:\Windows", "cmd.exe", r"C:\Windows\cmd.exe"),
        ("C:\\Windows\\", "cmd.exe", r"C:\Windows\cmd.exe"),
        (None, "cmd.exe", "cmd.exe"),
        (r"C:\Windows\cmd.exe", None, r"C:\Windows\cmd.exe"),
        (None, None, ""),
    ],
)
def test_a_folder_path_with_or_without_the_name(folder: object, name: object, path: str) -> None:
    assert path_of(folder, name) == path


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"IsSigned": True, "IsTrusted": True, "Signer": "S"}, SignatureState.VALID),
        ({"IsSigned": 1, "IsTrusted": 0, "Signer": "S"}, SignatureState.INVALID),
        ({"IsSigned": False, "IsTrusted": False}, SignatureState.UNSIGNED),
        ({"IsSigned": True}, SignatureState.UNKNOWN),
        ({}, SignatureState.UNKNOWN),
        ({"IsSigned": "yes", "IsTrusted": 7}, SignatureState.UNKNOWN),
    ],
)
def test_signatures(row: dict[str, object], state: SignatureState) -> None:
    assert signature(row).state is state
    known = signatures([{**row, "Row": "certificate", "SHA1": "ab"}, {"Row": "process", "SHA1": "cd"}])
    assert set(known) == {"AB"}


def test_a_command_line_that_is_not_recorded_is_unknown() -> None:
    row = {"ProcessId": 1, "ProcessCreationTime": "2026-01-01T00:00:00Z", "FileName": "a.exe"}
    for missing in ({}, {"ProcessCommandLine": ""}, {"ProcessCommandLine": None}):
        process = created_process("m", {**row, **missing}, {}, 1)
        assert process is not None
        assert process.command_line is None
    process = created_process("m", {**row, "ProcessCommandLine": '"a.exe"'}, {}, 1)
    assert process is not None
    assert process.command_line == '"a.exe"'


def test_a_process_of_the_name_that_was_found_refs_comes_before_one_that_only_may_have_been() -> None:
    def row(pid: int, day: int, found: str) -> dict[str, object]:
        return {
            "Found": found,
            "ProcessId": pid,
            "ProcessCreationTime": f"2026-01-{day:02d}T00:00:00Z",
            "FileName": "regsvcs.exe",
        }

    start = "2026-01-10T00:00:00.0000000Z"
    earlier, inside = row(1, 1, "created"), row(2, 10, "created")
    assert [each.process.pid for each in found_processes("m", [earlier, inside], start=start)] == [2]
    assert [each.process.pid for each in found_processes("m", [earlier], start=start)] == [1]
    busy = [earlier, row(3, 2, "created"), row(1, 1, "active")]
    assert [each.process.pid for each in found_processes("m", busy, start=start)] == [1]
    assert found_processes("m", [row(0, 10, "active")], start=start) == []


# --- evidence ----------------------------------------------------------------------------------


def test_an_inbound_connection_has_the_host_as_its_destination() -> None:
    row = {
        "Row": "connection",
        "ActionType": "InboundConnectionAccepted",
        "RemoteIP": "::ffff:198.51.100.7",
        "RemotePort": 50000,
        "LocalIP": "10.0.0.5",
        "LocalPort": 443,
        "Events": 3,
    }
    connection = evidence_of([row]).connections[0]
    assert (connection.src_ip, connection.src_port) == ("198.51.100.7", 50000), "not in IPv6's mapped form"
    assert (connection.dest_ip, connection.dest_port) == ("10.0.0.5", 443)
    assert (connection.initiated, connection.count) == (False, 3)


@pytest.mark.parametrize(
    "result",
    [
        [
            {"Result": "198.51.100.7", "DnsQueryType": "A"},
            {"Result": "alias.example", "DnsQueryType": "CNAME"},
        ],
        '[{"Result":"198.51.100.7"},{"Result":"::ffff:198.51.100.7"}]',
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_a_dns_answer_is_a_list_or_a_list_as_text(result: object, *, as_text: bool) -> None:
    details: object = {"DnsQueryString": "c2.example", "DnsQueryResult": result}
    row = {
        "Row": "event",
        "ActionType": "DnsQueryResponse",
        "AdditionalFields": json.dumps(details) if as_text else details,
    }
    answer = evidence_of([row]).dns[0]
    assert (answer.name, answer.addresses, answer.status) == ("c2.example", ("198.51.100.7",), "")


def test_a_handle_that_cannot_write_is_left_out() -> None:
    def handle(access: object) -> dict[str, object]:
        details = json.dumps({"DesiredAccess": access})
        return {"Row": "event", "ActionType": "OpenProcessApiCall", "AdditionalFields": details}

    found = evidence_of([handle(0x1000), handle(0x1FFFFF), handle(None)]).accesses
    granted = [each.granted_access for each in found]
    assert granted == [0x1FFFFF, None], "an unreadable mask is unknown, not harmless"


def test_coverage_says_what_absence_means() -> None:
    covers = [{"Row": "covers", "Covers": kind} for kind in ("connection", "dns", "process_access")]
    evidence = evidence_of([*covers, {"Row": "module", "FileName": "a.dll"}])
    states = {each.kind: each.state for each in evidence.coverage}
    assert states == {
        EvidenceKind.CONNECTION: CoverageState.NONE_OBSERVED,
        EvidenceKind.DNS: CoverageState.NONE_OBSERVED,
        EvidenceKind.TAMPERING: CoverageState.NOT_SUPPORTED,
        EvidenceKind.REMOTE_THREAD: CoverageState.NOT_COLLECTED,
        EvidenceKind.PROCESS_ACCESS: CoverageState.NOT_COLLECTED,
        EvidenceKind.MODULE: CoverageState.OBSERVED,
        EvidenceKind.FILE: CoverageState.NOT_COLLECTED,
        EvidenceKind.TERMINATION: CoverageState.NOT_SUPPORTED,
    }


def test_more_events_than_are_kept_are_said() -> None:
    rows = [{"Row": "module", "FileName": f"{n}.dll"} for n in range(1001)]
    evidence = evidence_of(rows)
    assert (len(evidence.modules), evidence.truncated) == (1000, True)
    assert not evidence_of(rows[:1000]).truncated


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "ActionType",
                        "AdditionalFields",
                        "RemoteIP",
                        "RemotePort",
                        "LocalPort",
                        "Events",
                        "FileName",
                    ),
                    *(
                        "FolderPath",
                        "Timestamp",
                        "ProcessId",
                        "ProcessCreationTime",
                        "SHA1",
                        "IsSigned",
                        "Signer",
                    ),
                    *(
                        "InitiatingProcessId",
                        "InitiatingProcessCreationTime",
                        "AccountName",
                        "ProcessCommandLine",
                    ),
                ]
            ),
            JSON_VALUES,
        ),
        max_size=3,
    ),
    st.sampled_from(["creation", "connection", "event", "module", "file", "writer", "certificate", "covers"]),
    st.sampled_from(["DnsQueryResponse", "CreateRemoteThreadApiCall", "OpenProcessApiCall"]),
)
def test_no_row_breaks_the_reading(rows: list[dict[str, Any]], kind: str, action: str) -> None:
    given_rows = [{"ActionType": action, **row, "Row": kind} for row in rows]
    evidence_of(given_rows)
    for row in given_rows:
        created_process("m", row, signatures(given_rows), 1)
        initiating_process("m", row, {}, 1)


# --- machines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "kind"),
    [
        ("Windows10", HostType.WORKSTATION),
        ("Windows11", HostType.WORKSTATION),
        ("WindowsServer2019", HostType.SERVER),
        ("WindowsServer2012R2", HostType.SERVER),
        ("Windows10WVD", HostType.UNKNOWN),
        ("Linux", HostType.UNKNOWN),
        ("", HostType.UNKNOWN),
        (None, HostType.UNKNOWN),
    ],
)
def test_host_types(platform: object, kind: HostType) -> None:
    assert host_ref({"id": "m", "osPlatform": platform}).host_type is kind


@pytest.mark.parametrize(
    ("health", "active"), [("Active", True), ("NoSensorData", False), ("Unknown", None), (None, None)]
)
def test_health(health: object, active: bool | None) -> None:
    assert host_ref({"id": "m", "healthStatus": health}).active is active


def test_what_is_no_agent() -> None:
    assert is_agent({})
    assert is_agent({"onboardingStatus": "Onboarded", "mergedIntoMachineId": None})
    assert not is_agent({"onboardingStatus": "CanBeOnboarded"})
    assert not is_agent({"onboardingStatus": "Onboarded", "mergedIntoMachineId": "other"})


def test_a_machine_without_id_is_no_answer() -> None:
    with pytest.raises(BadResponse):
        host_ref({"computerDnsName": "a"})


@given(
    st.dictionaries(
        st.sampled_from(["computerDnsName", "ipAddresses", "machineTags", "lastSeen"]), JSON_VALUES
    )
)
def test_no_machine_record_breaks_the_reading(record: dict[str, Any]) -> None:
    host_ref({**record, "id": "m"})


# --- isolation ---------------------------------------------------------------------------------


def action(kind: str, status: str, asked: int, ended: int, **more: object) -> MachineAction:
    record = {
        "id": f"{kind}-{asked}",
        "type": kind,
        "status": status,
        "machineId": "m",
        "creationDateTimeUtc": (NOW + timedelta(minutes=asked)).isoformat(),
        "lastUpdateDateTimeUtc": (NOW + timedelta(minutes=ended)).isoformat(),
        **more,
    }
    found = machine_action(record)
    assert found is not None
    return found


ISOLATED = action("Isolate", "Succeeded", 0, 1)
RELEASED = action("Unisolate", "Succeeded", 2, 3)


@pytest.mark.parametrize(
    ("actions", "action_id", "state"),
    [
        ([], "", IsolationState.NOT_ISOLATED),
        ([], "x", IsolationState.UNKNOWN),
        ([ISOLATED], "", IsolationState.ISOLATED),
        ([ISOLATED, RELEASED], "", IsolationState.NOT_ISOLATED),
        ([RELEASED, ISOLATED], "Isolate-0", IsolationState.NOT_ISOLATED),
        ([ISOLATED], "x", IsolationState.UNKNOWN),
        ([ISOLATED, action("Unisolate", "Pending", 2, 2)], "", IsolationState.RELEASING),
        ([action("Isolate", "InProgress", 0, 0)], "Isolate-0", IsolationState.ISOLATING),
        ([ISOLATED, action("Unisolate", "Failed", 2, 3)], "", IsolationState.ISOLATED),
        ([ISOLATED, action("Unisolate", "TimeOut", 2, 3)], "Unisolate-2", IsolationState.FAILED),
        ([action("Isolate", "Cancelled", 0, 1)], "Isolate-0", IsolationState.FAILED),
        ([action("Isolate", "Failed", 0, 1)], "", IsolationState.NOT_ISOLATED),
        (
            [action("Isolate", "Failed", 0, 1), action("Isolate", "Succeeded", 2, 3)],
            "Isolate-0",
            IsolationState.ISOLATED,
        ),
        ([action("Isolate", "Surprising", 0, 1)], "", IsolationState.UNKNOWN),
        # Asked for first and done last: the machine is isolated (seen with Defender).
        ([action("Isolate", "Succeeded", 0, 9), RELEASED], "", IsolationState.ISOLATED),
        # A release has an isolation before it, whoever has forgotten it.
        ([action("Unisolate", "Failed", 2, 3)], "", IsolationState.UNKNOWN),
        ([ISOLATED._replace(machine_id="other")], "", IsolationState.NOT_ISOLATED),
        ([ISOLATED._replace(machine_id="other")], "Isolate-0", IsolationState.UNKNOWN),
    ],
)
def test_the_state_by_the_recorded_actions(
    actions: list[MachineAction], action_id: str, state: IsolationState
) -> None:
    for order in (actions, actions[::-1]):
        status = status_of(order, machine_id="m", action_id=action_id, complete=True, now=NOW)
        assert status.state is state
        known = HowKnown.NOT_KNOWN if state is IsolationState.UNKNOWN else HowKnown.REPORTED
        assert status.how_known is known


@pytest.mark.parametrize("actions", [[], [action("Isolate", "Failed", 0, 1)]])
def test_that_nothing_is_recorded_proves_nothing_where_an_action_is_known_of(
    actions: list[MachineAction],
) -> None:
    found = status_of(actions, machine_id="m", action_id="", acted=True, complete=True, now=NOW)
    assert found.state is IsolationState.UNKNOWN


def test_what_is_recorded_counts_where_an_action_without_id_is_known_of() -> None:
    found = status_of([RELEASED], machine_id="m", action_id="", acted=True, complete=True, now=NOW)
    assert found.state is IsolationState.NOT_ISOLATED


def test_a_list_that_was_cut_proves_nothing() -> None:
    for actions in ([], [ISOLATED], [RELEASED]):
        status = status_of(actions, machine_id="m", action_id="", complete=False, now=NOW)
        assert status.state is IsolationState.UNKNOWN


def test_selective_isolation_is_named() -> None:
    found = status_of(
        [ISOLATED._replace(scope="Selective")], machine_id="m", action_id="", complete=True, now=NOW
    )
    assert found.detail.startswith("selective isolation")


def test_both_spellings_of_the_last_update() -> None:
    record = {"type": "Isolate", "machineId": "m", "lastUpdateTimeUtc": "2026-01-01T00:00:00Z"}
    found = machine_action(record)
    assert found is not None
    assert found.updated == datetime(2026, 1, 1, tzinfo=UTC)
    assert machine_action({"type": "RunAntiVirusScan"}) is None
