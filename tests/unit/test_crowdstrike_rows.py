"""Falcon's records as facts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.crowdstrike import activity, devices, rows
from connectors.errors import BadResponse
from connectors.facts.host import HostType
from connectors.facts.isolation import IsolationState
from connectors.facts.process import CoverageState, EvidenceKind, ProcessEvidence, SignatureState

AID = "0123456789abcdef0123456789abcdef"

START: dict[str, Any] = {
    "#event_simpleName": "ProcessRollup2",
    "@timestamp": 1745988596000,
    "aid": AID,
    "TargetProcessId": "8200110794047",
    "ParentProcessId": "3000051703140",
    "SourceProcessId": "9000051703140",
    "RawProcessId": "10603",
    "ProcessStartTime": "1745988595.443",
    "ProcessEndTime": "",
    "ImageFileName": "\\Device\\HarddiskVolume3\\Windows\\System32\\cmd.exe",
    "CommandLine": "cmd.exe /c whoami",
    "ParentBaseFileName": "explorer.exe",
    "UserSid": "S-1-5-21-1-2-3-1001",
    "UserName": "jdoe",
    "LogonDomain": "CORP",
    "IntegrityLevel": "12288",
    "MD5HashData": "9fd1131ff976c9a3212a1db685870aa1",
    "SHA1HashData": "0000000000000000000000000000000000000000",
    "SHA256HashData": "f11655dbd09ebcb3e28ecec2ba71cb95351a0c1d67e498d218bfcbb47b623331",
    "SignInfoFlags": str(1 << 18 | 1 << 15),
}

END: dict[str, Any] = {
    "#event_simpleName": "EndOfProcess",
    "aid": AID,
    "TargetProcessId": "8200110794047",
    "ContextProcessId": "8200110794047",
    "ContextTimeStamp": "1745988600.5",
}


def network(**changes: Any) -> dict[str, Any]:
    return {
        "#event_simpleName": "NetworkConnectIP4",
        "ContextTimeStamp": "1745988597.000",
        "aid": AID,
        "ContextProcessId": "8200110794047",
        "LocalAddressIP4": "10.0.0.5",
        "LocalPort": "54321",
        "RemoteAddressIP4": "203.0.113.9",
        "RemotePort": "443",
        "Protocol": "6",
    } | changes


def test_a_start_and_its_end() -> None:
    (process,) = rows.processes(AID, [END, START])
    assert process.ref.guid == "8200110794047"
    assert process.ref.pid == 10603
    assert process.ref.start_time == datetime(2025, 4, 30, 4, 49, 55, 443000, UTC)
    assert process.name == "cmd.exe"
    assert process.command_line == "cmd.exe /c whoami"
    assert process.user == "CORP\\jdoe"
    assert process.integrity == "High"
    assert process.parent_guid == "3000051703140"  # not SourceProcessId
    assert process.parent_image == "explorer.exe"
    assert [each.algorithm for each in process.hashes] == ["MD5", "SHA256"]  # a hash of zeros is none
    assert process.signature.state is SignatureState.VALID
    assert process.end_time == datetime(2025, 4, 30, 4, 50, 0, 500000, UTC)
    assert process.end_source is not None
    assert process.end_source.event_id == "EndOfProcess"


def test_what_is_not_recorded_is_unknown() -> None:
    bare = {"event_simpleName": "ProcessRollup2", "TargetProcessId": "1", "aid": AID}
    (process,) = rows.processes(AID, [bare])
    assert process.command_line is None
    assert process.ref.pid is None
    assert process.ref.start_time is None
    assert process.parent_guid is None
    assert process.end_time is None
    assert process.original_file_name == process.user == process.integrity == ""
    assert process.signature.state is SignatureState.UNKNOWN


def test_an_empty_command_line_is_recorded() -> None:
    (process,) = rows.processes(AID, [START | {"CommandLine": ""}])
    assert process.command_line == ""


def test_the_real_start_counts_over_the_synthetic_one() -> None:
    synthetic = START | {"#event_simpleName": "SyntheticProcessRollup2", "CommandLine": "made up"}
    for order in ([synthetic, START], [START, synthetic]):
        (process,) = rows.processes(AID, order)
        assert process.command_line == "cmd.exe /c whoami"
    (process,) = rows.processes(AID, [synthetic])
    assert process.command_line == "made up"


def test_an_end_alone_names_no_process() -> None:
    assert rows.processes(AID, [END]) == []


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        (1 << 18, SignatureState.VALID),
        (1 << 18 | 1 << 10, SignatureState.UNKNOWN),  # which of the two counts is documented nowhere
        (1 << 18 | 1 << 11, SignatureState.UNKNOWN),
        (1 << 18 | 1 << 28, SignatureState.UNKNOWN),
        (1 << 18 | 1 << 9, SignatureState.UNKNOWN),
        (8683538, SignatureState.VALID),  # Microsoft's, by catalogue, as recorded
        (1 << 18 | 1 << 29, SignatureState.INVALID),
        (1 << 10, SignatureState.INVALID),
        (1 << 9, SignatureState.UNSIGNED),
        (1 << 17, SignatureState.UNKNOWN),
        (0, SignatureState.UNKNOWN),
        (None, SignatureState.UNKNOWN),
        ("many", SignatureState.UNKNOWN),
    ],
)
def test_signature_flags(flags: object, state: SignatureState) -> None:
    assert rows.signature(flags).state is state


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"UserSid": "S-1-5-18", "UserName": "WS1$"}, "NT AUTHORITY\\SYSTEM"),
        ({"UserSid": "S-1-5-21-1-2-3-500"}, "S-1-5-21-1-2-3-500"),
        ({"UserName": "jdoe"}, "jdoe"),
        ({}, ""),
    ],
)
def test_users(fields: dict[str, str], user: str) -> None:
    assert rows.user(fields) == user


@given(st.one_of(st.text(max_size=40), st.integers(), st.none(), st.floats(allow_nan=True)))
def test_times_never_raise(value: object) -> None:
    when = rows.instant(value)
    assert when is None or when.tzinfo is UTC


def test_seconds_and_milliseconds() -> None:
    assert rows.instant("1745988595.443") == rows.instant("1745988595443")
    assert rows.instant("0") is None


def test_graph_ids() -> None:
    assert rows.graph_process(f"pid:{AID}:103512883608") == (AID, "103512883608")
    for other in ("pid:a:b", "ctg:a:1", "pid::1", "1", "pid:a:1:2"):
        assert rows.graph_process(other) is None


def test_original_names_by_hash() -> None:
    digest = START["SHA256HashData"]
    (process,) = rows.processes(AID, [START])
    names = rows.original_names([{"SHA256HashData": digest, "OriginalFilename": "Cmd.Exe"}])
    assert rows.with_original_name(process, names).original_file_name == "Cmd.Exe"
    contradicting = [{"SHA256HashData": digest, "OriginalFilename": name} for name in ("a.exe", "b.exe")]
    assert rows.with_original_name(process, rows.original_names(contradicting)).original_file_name == ""


# --- what a process did ----------------------------------------------------------------------------


def test_an_outbound_connection() -> None:
    fact = activity.connection(network())
    assert fact is not None
    assert (fact.src_ip, fact.src_port, fact.dest_ip, fact.dest_port) == (
        "10.0.0.5",
        54321,
        "203.0.113.9",
        443,
    )
    assert fact.initiated is True
    assert fact.protocol == "tcp"


def test_of_an_inbound_connection_the_host_is_the_destination() -> None:
    fact = activity.connection(network(**{"#event_simpleName": "NetworkReceiveAcceptIP4"}))
    assert fact is not None
    assert (fact.src_ip, fact.dest_ip, fact.dest_port) == ("203.0.113.9", "10.0.0.5", 54321)
    assert fact.initiated is False


def test_an_ip6_event_can_carry_an_ipv4_address() -> None:
    row = network(**{"#event_simpleName": "NetworkConnectIP6", "LocalAddressIP6": "0:0:0:0:0:0:0:0"})
    del row["LocalAddressIP4"]
    fact = activity.connection(row)
    assert fact is not None
    assert fact.dest_ip == "203.0.113.9"
    assert fact.src_ip == ""  # unspecified is not an address


@pytest.mark.parametrize("name", ["NetworkConnectIP6", "NetworkReceiveAcceptIP6"])
@pytest.mark.parametrize("own", ["2001:DB8:0:0:0:0:0:5", "2001:db8::5%12"])
@pytest.mark.parametrize("missing", [("RemoteAddressIP4",), ()])
def test_an_ip6_event_has_its_own_ipv6_address_whatever_stands_beside_it(
    name: str, own: str, missing: tuple[str, ...]
) -> None:
    row = network(
        **{"#event_simpleName": name, "LocalAddressIP6": own, "RemoteAddressIP6": "2001:db8:0:0:0:0:0:9"}
    )
    for each in missing:
        del row[each]
    assert row["LocalAddressIP4"] == "10.0.0.5"
    fact = activity.connection(row)
    assert fact is not None
    assert {fact.src_ip, fact.dest_ip} == {"2001:db8::5", "2001:db8::9"}
    assert activity.own_end(fact) == "2001:db8::5"


def test_the_own_end_is_of_the_version_of_the_other_one() -> None:
    mixed = {"#event_simpleName": "NetworkConnectIP6", "LocalAddressIP6": "2001:db8::5"}
    fact = activity.connection(network(**mixed))
    assert fact is not None
    assert (fact.src_ip, fact.dest_ip) == ("10.0.0.5", "203.0.113.9")


def test_ipv6_is_canonical_and_short_port_names_are_read() -> None:
    row = network(RemoteAddressIP6="2001:DB8:0:0:0:0:0:7", RPort="8443", LPort="0")
    for name in ("RemoteAddressIP4", "RemotePort", "LocalPort"):
        del row[name]
    fact = activity.connection(row)
    assert fact is not None
    assert (fact.dest_ip, fact.dest_port, fact.src_port) == ("2001:db8::7", 8443, None)


def test_connections_between_the_same_ends_are_one() -> None:
    later = network(ContextTimeStamp="1745988599.000", LocalPort="54322")
    (fact,) = activity.connections([later, network()])
    assert fact.count == 2
    assert fact.src_port == 54321
    assert fact.time is not None
    assert fact.last_time is not None
    assert (fact.last_time - fact.time).total_seconds() == 2


def test_dns_records() -> None:
    row = {
        "#event_simpleName": "DnsRequest",
        "ContextProcessId": "1",
        "DomainName": "cdn.example",
        "IP4Records": "203.0.113.9;14.241.850.329;203.0.113.9;",
        "IP6Records": "2001:db8::7;",
        "QueryStatus": "0",
    }
    (answer,) = activity.dns_answers([row])
    assert answer.addresses == ("203.0.113.9", "2001:db8::7")
    assert answer.status == "0"


def test_absence_is_told_apart() -> None:
    found = activity.evidence([network()], process="8200110794047", images=(), truncated=False)
    states = {
        each.kind: each.state
        for each in activity.coverage(found, has_ended=False, recorded={"DnsRequest", "NetworkConnectIP4"})
    }
    assert states[EvidenceKind.CONNECTION] is CoverageState.OBSERVED
    assert states[EvidenceKind.DNS] is CoverageState.NONE_OBSERVED
    assert states[EvidenceKind.TERMINATION] is CoverageState.NOT_COLLECTED
    assert states[EvidenceKind.TAMPERING] is CoverageState.NOT_SUPPORTED
    assert set(states) == set(EvidenceKind)
    nothing = activity.coverage(ProcessEvidence(), has_ended=False, recorded=())
    assert CoverageState.NONE_OBSERVED not in {each.state for each in nothing}


def test_what_another_process_did_is_not_this_ones() -> None:
    found = activity.evidence([network(ContextProcessId="2")], process="1", images=(), truncated=False)
    assert found.connections == ()


def test_who_wrote_the_image() -> None:
    row = {
        "#event_simpleName": "PeFileWritten",
        "ContextProcessId": "7",
        "TargetFileName": "\\Device\\HarddiskVolume3\\Temp\\A.exe",
    }
    image = "\\Device\\HarddiskVolume3\\temp\\a.exe"
    found = activity.evidence([row], process="1", images=[image], truncated=False)
    assert [each.writer_guid for each in found.image_writers] == ["7"]
    assert found.files_written == ()


# --- hosts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("normal", IsolationState.NOT_ISOLATED),
        ("containment_pending", IsolationState.ISOLATING),
        ("contained", IsolationState.ISOLATED),
        ("lift_containment_pending", IsolationState.RELEASING),
        ("in_progress", IsolationState.UNKNOWN),  # a detection's own status
        (None, IsolationState.UNKNOWN),
    ],
)
def test_isolation(status: object, state: IsolationState) -> None:
    assert devices.isolation({"status": status}) is state


def test_host_types() -> None:
    assert devices.host_type({"product_type_desc": "Domain Controller"}) is HostType.DOMAIN_CONTROLLER
    assert devices.host_type({"product_type": "3"}) is HostType.SERVER
    assert devices.host_type({"product_type_desc": "Pod", "product_type": "1"}) is HostType.UNKNOWN
    assert devices.host_type({}) is HostType.UNKNOWN


def test_the_full_name_needs_a_dns_domain() -> None:
    assert devices.full_name({"hostname": "WS1", "machine_domain": "corp.example"}) == "WS1.corp.example"
    assert devices.full_name({"hostname": "WS1", "machine_domain": "CORP"}) == "WS1"
    assert (
        devices.full_name({"hostname": "ws1.lab.example", "machine_domain": "corp.example"})
        == "ws1.lab.example"
    )


def test_a_device_without_id_is_no_device() -> None:
    with pytest.raises(BadResponse):
        devices.host_ref({"hostname": "WS1"})


def test_the_way_out_is_no_address_of_the_host() -> None:
    host = devices.host_ref(
        {"device_id": AID, "hostname": "WS1", "local_ip": "10.0.0.5", "external_ip": "203.0.113.1"}
    )
    assert [each.ip for each in host.addresses] == ["10.0.0.5"]


def recorded(folder: Path, name: str) -> Any:
    return json.loads((folder / "vendor" / "crowdstrike" / name).read_bytes())


def test_the_recorded_detection(shared_data: Path) -> None:
    (record,) = recorded(shared_data, "detects_process_data_1.json")["results"]
    host = devices.host_ref(record)
    assert host.hostname == "XFESS-LAB3"
    assert host.host_id == "e71b6d8f42584c91babfb9f18bc8f2bf"
    assert host.host_type is HostType.WORKSTATION
    assert [each.ip for each in host.addresses] == ["192.168.80.132"]
    assert host.last_seen == datetime(2021, 3, 27, 20, 37, 49, tzinfo=UTC)
    assert host.tags == ("b6048dee5366448abee6bdb78a40f850",)
    assert host.isolation is IsolationState.UNKNOWN  # the status here is the detection's
    assert rows.graph_process(record["triggering_process_graph_id"]) == (host.host_id, "378184249708")
    assert rows.graph_process(record["parent_process_graph_id"]) == (host.host_id, "378031837869")


def test_the_recorded_search_row(shared_data: Path) -> None:
    row = recorded(shared_data, "alert_logscale_sample_response.json")
    host = devices.host_ref(row["device"])
    assert host.hostname == "CROWDST"
    assert host.host_type is HostType.SERVER
    assert host.isolation is IsolationState.NOT_ISOLATED
    assert host.tags == ("bb1exxxxxxxxxxxxxxxxxxxxxxxxxxb23d",)  # a list of one is a bare text here
    assert rows.event_time(row) == datetime(2023, 11, 15, 14, 48, 56, 377000, UTC)
    assert rows.graph_process(row["behaviors"][0]["triggering_process_graph_id"]) == (
        host.host_id,
        "103512883608",
    )
