"""Documents of Elastic Defend as facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.elastic import activity, hosts, isolation, rows
from connectors.edr.elastic.isolation import Action, Command, Observed, Pending
from connectors.errors import BadResponse
from connectors.facts.host import HostType
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.process import CoverageState, EvidenceKind, KnownFrom, SignatureState

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
AGENT = "4c9c9cb3-f80f-44d8-9c89-6168243b7f21"

#: After package/endpoint/data_stream/process/sample_event.json of elastic/endpoint-package, cut.
START: dict[str, Any] = {
    "@timestamp": "2026-04-04T18:53:08.6578986Z",
    "_index": ".ds-logs-endpoint.events.process-default-000001",
    "_id": "abc",
    "agent": {"id": AGENT},
    "event": {"action": "start"},
    "process": {
        "entity_id": "NGM5YzljYjMt",
        "pid": 2772,
        "executable": r"C:\Windows\System32\svchost.exe",
        "name": "svchost.exe",
        "command_line": r"C:\Windows\System32\svchost.exe -k WerSvcGroup",
        "working_directory": "C:\\Windows\\system32\\",
        "Ext": {"ancestry": ["NGM5Yz600", "NGM5Yz472"], "token": {"integrity_level_name": "system"}},
        "parent": {
            "entity_id": "NGM5Yz600",
            "pid": 600,
            "executable": r"C:\Windows\System32\services.exe",
            "command_line": "",
        },
        "code_signature": {
            "trusted": True,
            "subject_name": "Microsoft Windows Publisher",
            "exists": True,
            "status": "trusted",
        },
        "pe": {"original_file_name": "svchost.exe", "imphash": "247b9220e5d9b720a82b2c8b5069ad69"},
        "hash": {"md5": "1b280ad032268a636ecfe6f9165431b7", "sha256": "cb19"},
    },
    "user": {"domain": "NT AUTHORITY", "name": "SYSTEM"},
}


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**document, **changes}


def test_a_start_becomes_a_process() -> None:
    (process,) = rows.processes("host", [START])
    assert process.ref.guid == "NGM5YzljYjMt"
    assert process.ref.pid == 2772
    assert process.ref.start_time == datetime(2026, 4, 4, 18, 53, 8, 657898, tzinfo=UTC)
    assert process.known_from is KnownFrom.CREATION
    assert process.user == "NT AUTHORITY\\SYSTEM"
    assert process.integrity == "System"
    assert process.original_file_name == "svchost.exe"
    assert process.signature.state is SignatureState.VALID
    assert {each.algorithm for each in process.hashes} == {"MD5", "SHA256", "IMPHASH"}
    assert all(each.digest == each.digest.upper() for each in process.hashes)
    assert (process.parent_guid, process.parent_pid) == ("NGM5Yz600", 600)
    assert process.parent_command_line is None  # "" is written where it is not known
    assert process.source is not None
    assert process.source.source.endswith("/abc")


def _with_ext(**told: Any) -> dict[str, Any]:
    return changed(START, process={**START["process"], "Ext": {**START["process"]["Ext"], **told}})


WMIC = {"entity_id": "NGM5Yz4242", "pid": 4242, "executable": r"C:\Windows\System32\wbem\WMIC.exe"}


@pytest.mark.parametrize(
    ("told", "pid"),
    [
        (WMIC, 4242),
        ({"name": "WMIC.exe"}, None),
        ({"entity_id": "NGM5Yz600", "pid": 600}, "no other"),
        ({"pid": 600, "executable": r"C:\WINDOWS\system32\services.exe"}, "no other"),
        ({"pid": 601, "executable": r"C:\Windows\System32\services.exe"}, 601),
        ({"pid": 4242}, "no other"),  # a pid alone names nobody
        ({}, "no other"),
        ("WMIC.exe", "no other"),
        (None, "no other"),
    ],
)
def test_an_effective_parent_stands_beside_the_parent_where_it_is_another(told: object, pid: object) -> None:
    (process,) = rows.processes("host", [_with_ext(effective_parent=told)])
    behind = process.effective_parent
    assert ("no other" if behind is None else behind.pid) == pid
    assert (process.parent_guid, process.parent_pid) == ("NGM5Yz600", 600)


@pytest.mark.parametrize(
    ("told", "wanted"), [(True, True), (False, False), (None, None), ("true", None), (1, None)]
)
def test_created_suspended_is_told_or_not_recorded(told: object, wanted: bool | None) -> None:
    (process,) = rows.processes("host", [_with_ext(created_suspended=told)])
    assert process.created_suspended is wanted
    end = changed(START, event={"action": "end"})  # which does not have it
    assert rows.processes("host", [end, _with_ext(created_suspended=told)])[0].created_suspended is wanted


def test_a_process_that_ran_before_the_agent_has_no_start_time() -> None:
    (process,) = rows.processes("host", [changed(START, event={"action": "already_running"})])
    assert process.ref.start_time is None
    assert process.known_from is KnownFrom.CREATION


def test_start_restart_of_the_agent_and_end_are_one_process() -> None:
    running = changed(START, event={"action": "already_running"}, **{"@timestamp": "2026-04-05T00:00:00Z"})
    end = changed(START, event={"action": "end"}, **{"@timestamp": "2026-04-06T00:00:00Z"})
    (process,) = rows.processes("host", [running, end, START])
    assert process.ref.start_time is not None
    assert process.ref.start_time.day == 4
    assert process.end_time == datetime(2026, 4, 6, tzinfo=UTC)


def test_entity_ids_differ_by_case() -> None:
    other = changed(START, process=START["process"] | {"entity_id": "NGM5YzljYjMT"})
    assert len(rows.processes("host", [START, other])) == 2


def test_an_end_alone_tells_the_parent_but_not_the_start() -> None:
    (process,) = rows.processes("host", [changed(START, event={"action": "end"})])
    assert process.ref.start_time is None
    assert process.parent_guid == "NGM5Yz600"


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (None, SignatureState.UNKNOWN),
        ({}, SignatureState.UNKNOWN),
        ({"trusted": True}, SignatureState.UNKNOWN),
        ({"exists": False}, SignatureState.UNSIGNED),
        ({"exists": True}, SignatureState.UNKNOWN),
        ({"exists": True, "trusted": True, "status": "trusted"}, SignatureState.VALID),
        ({"exists": True, "trusted": False, "status": "errorExpired"}, SignatureState.INVALID),
        ({"exists": True, "trusted": True, "status": "errorExpired"}, SignatureState.UNKNOWN),
        ({"exists": True, "trusted": False}, SignatureState.UNKNOWN),
        ([{"exists": False}], SignatureState.UNSIGNED),
        ([{"exists": False}, {"exists": True}], SignatureState.UNKNOWN),
    ],
)
def test_a_signature_is_never_guessed(told: object, state: SignatureState) -> None:
    assert rows.signature(told).state is state


def network(action: str, direction: str = "egress", *, minute: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2026-04-04T18:{minute:02}:00Z",
        "event": {"action": action},
        "process": {"entity_id": "x"},
        "source": {"ip": "192.0.2.10", "port": 50000},
        "destination": {"ip": "198.51.100.7", "port": 443},
        "network": {"transport": "tcp", "direction": direction},
        **changes,
    }


def test_a_disconnect_is_no_second_connection() -> None:
    (only,) = activity.connections(
        [network("connection_attempted"), network("disconnect_received", minute=5)]
    )
    assert only.count == 1
    (ended,) = activity.connections([network("disconnect_received", minute=5)])
    assert ended.dest_ip == "198.51.100.7"


def test_the_same_two_ends_are_one_connection() -> None:
    (only,) = activity.connections([network("connection_attempted", minute=each) for each in (7, 3, 5)])
    assert only.count == 3
    assert only.time is not None
    assert only.last_time is not None
    assert (only.time.minute, only.last_time.minute) == (3, 7)


@pytest.mark.parametrize(
    ("word", "initiated"),
    [("ingress", False), ("incoming", False), ("egress", True), ("", None)],
)
def test_the_direction_is_as_recorded(word: str, initiated: bool | None) -> None:
    fact = activity.connection(network("connection_accepted", word))
    assert fact is not None
    assert fact.initiated is initiated
    assert activity.peer(fact) == ("192.0.2.10" if initiated is False else "198.51.100.7")


def test_a_look_up_without_a_result_is_kept() -> None:
    def look_up(action: str, name: str, ips: object) -> dict[str, Any]:
        dns = {"question": {"name": name}, "resolved_ip": ips, "Ext": {"status": 0}}
        return network(action, dns=dns)

    found = activity.dns_answers(
        [
            look_up("lookup_requested", "a.example", None),
            look_up("lookup_result", "a.example", ["198.51.100.7", "::ffff:198.51.100.8", "no address", 5]),
            look_up("lookup_requested", "b.example", None),
        ]
    )
    assert [(each.name, len(each.addresses)) for each in found] == [("a.example", 2), ("b.example", 0)]


def test_what_was_not_collected_is_unknown_and_not_absent() -> None:
    nothing = activity.evidence([], [], truncated=False)

    def states(recorded: set[str], *, partial: bool = False) -> dict[EvidenceKind, CoverageState]:
        told = activity.coverage(nothing, has_ended=False, recorded=recorded, partial=partial)
        return {each.kind: each.state for each in told}

    assert states({"load"})[EvidenceKind.MODULE] is CoverageState.NONE_OBSERVED
    assert states({"load"})[EvidenceKind.DNS] is CoverageState.NOT_COLLECTED
    assert states({"load"}, partial=True)[EvidenceKind.MODULE] is CoverageState.NOT_COLLECTED
    assert states(set())[EvidenceKind.REMOTE_THREAD] is CoverageState.NOT_SUPPORTED


def record(**host: Any) -> dict[str, Any]:
    return {
        "metadata": {"agent": {"id": AGENT}, "host": host, "@timestamp": "2026-11-24T07:59:00.1234567Z"},
        "host_status": "healthy",
        "last_checkin": "2026-11-24T07:59:30Z",
    }


@pytest.mark.parametrize(
    ("os", "kind"),
    [
        ({"type": "windows", "Ext": {"variant": "Windows 10 Enterprise"}}, HostType.WORKSTATION),
        ({"type": "windows", "Ext": {"variant": "Windows Server 2019 Datacenter"}}, HostType.SERVER),
        ({"family": "windows", "full": "Windows 11 Pro 22H2 (10.0.22621)"}, HostType.WORKSTATION),
        ({"type": "windows"}, HostType.UNKNOWN),
        ({"type": "windows", "Ext": {"variant": "Windows Storage Edition"}}, HostType.UNKNOWN),
        ({"type": "linux", "Ext": {"variant": "Windows 10"}}, HostType.UNKNOWN),
        ({}, HostType.UNKNOWN),
    ],
)
def test_the_type_of_a_host_is_not_guessed(os: dict[str, Any], kind: HostType) -> None:
    assert hosts.host_ref(record(hostname="APP1", os=os)).host_type is kind


def test_a_host_record() -> None:
    ref = hosts.host_ref(
        record(hostname="APP1", name="app1.corp.example", ip=["192.0.2.10", "127.0.0.1", "::1"])
    )
    assert ref.hostname == "app1.corp.example"
    assert [each.ip for each in ref.addresses] == ["192.0.2.10"]
    assert ref.addresses[0].first_seen == ref.addresses[0].last_seen
    assert ref.active is True
    assert ref.isolation is IsolationState.UNKNOWN
    with pytest.raises(BadResponse):
        hosts.host_ref({"metadata": {}})


def test_the_state_counts_and_not_the_configuration() -> None:
    told = record(hostname="APP1")
    told["metadata"]["Endpoint"] = {"configuration": {"isolation": True}, "state": {"isolation": False}}
    assert hosts.host_ref(told).isolation is IsolationState.NOT_ISOLATED


#: Names that the reader looks for, and their values of any kind.
NAMES = (
    *("process", "event", "action", "entity_id", "parent", "host", "ip", "Ext", "ancestry", "hash", "md5"),
    *("dns", "resolved_ip", "source", "destination", "port", "code_signature", "agent", "id", "user"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["process", "event", "source", "dns", "dll", "user"]), JSON))
def test_no_document_breaks_the_reader(row: dict[str, Any]) -> None:
    for action in ("start", "end", "connection_attempted", "lookup_result", "load", "creation"):
        told = row | {"event": {"action": action}}
        rows.processes("host", [told])
        activity.evidence([told], [told], truncated=False)
    rows.ancestry(row)
    rows.processes("host", [row])


# --- isolation -------------------------------------------------------------------------------------

STATES = (IsolationState.ISOLATED, IsolationState.NOT_ISOLATED, IsolationState.UNKNOWN)


def act(command: Command = Command.ISOLATE, **changes: Any) -> Action:
    told: dict[str, Any] = {
        "started_at": NOW,
        "completed": False,
        "successful": False,
        "expired": False,
        "completed_at": None,
        **changes,
    }
    return Action(command, **told)


def after(seen: IsolationState, minutes: float | None, done: Action) -> tuple[IsolationState, HowKnown]:
    moment = None if minutes is None else NOW + timedelta(minutes=minutes)
    found = isolation.by_action(Observed(seen, moment), done, accepted_at=NOW, now=NOW + timedelta(hours=1))
    return found.state, found.how_known


ISOLATED, NOT_ISOLATED = IsolationState.ISOLATED, IsolationState.NOT_ISOLATED
DONE: dict[str, Any] = {"completed": True, "successful": True}


@pytest.mark.parametrize(
    ("seen", "minutes", "done", "state", "how"),
    [
        (ISOLATED, 1, act(**DONE), ISOLATED, HowKnown.OBSERVED),
        (ISOLATED, 1, act(), ISOLATED, HowKnown.OBSERVED),
        (ISOLATED, -1, act(**DONE), IsolationState.ISOLATING, HowKnown.REPORTED),
        (ISOLATED, None, act(**DONE), IsolationState.ISOLATING, HowKnown.REPORTED),
        (NOT_ISOLATED, 1, act(**DONE), IsolationState.ISOLATING, HowKnown.REPORTED),
        (NOT_ISOLATED, 1, act(), IsolationState.ISOLATING, HowKnown.REPORTED),
        (NOT_ISOLATED, 1, act(completed=True), IsolationState.FAILED, HowKnown.REPORTED),
        (NOT_ISOLATED, 1, act(expired=True), IsolationState.FAILED, HowKnown.REPORTED),
        (NOT_ISOLATED, -1, act(Command.UNISOLATE, **DONE), IsolationState.RELEASING, HowKnown.REPORTED),
        (NOT_ISOLATED, 1, act(Command.UNISOLATE, **DONE), NOT_ISOLATED, HowKnown.OBSERVED),
        (ISOLATED, 1, act(Command.UNISOLATE), IsolationState.RELEASING, HowKnown.REPORTED),
        (IsolationState.UNKNOWN, 1, act(**DONE), IsolationState.ISOLATING, HowKnown.REPORTED),
        (ISOLATED, -1, act(started_at=None, **DONE), IsolationState.ISOLATING, HowKnown.REPORTED),
    ],
)
def test_only_a_word_of_the_agent_that_is_younger_than_the_action_is_observed(
    seen: IsolationState, minutes: float | None, done: Action, state: IsolationState, how: HowKnown
) -> None:
    assert after(seen, minutes, done) == (state, how)


@pytest.mark.parametrize(
    ("seen", "waiting", "state", "how"),
    [
        (ISOLATED, Pending(0, 0), ISOLATED, HowKnown.OBSERVED),
        (NOT_ISOLATED, Pending(0, 0), NOT_ISOLATED, HowKnown.OBSERVED),
        (NOT_ISOLATED, Pending(1, 0), IsolationState.ISOLATING, HowKnown.REPORTED),
        (ISOLATED, Pending(1, 0), ISOLATED, HowKnown.OBSERVED),
        (ISOLATED, Pending(0, 2), IsolationState.RELEASING, HowKnown.REPORTED),
        (ISOLATED, Pending(1, 1), IsolationState.UNKNOWN, HowKnown.NOT_KNOWN),
        (ISOLATED, Pending(None, 0), IsolationState.UNKNOWN, HowKnown.NOT_KNOWN),
        (NOT_ISOLATED, Pending(0, None), IsolationState.UNKNOWN, HowKnown.NOT_KNOWN),
        (NOT_ISOLATED, Pending(None, None), IsolationState.UNKNOWN, HowKnown.NOT_KNOWN),
        (IsolationState.UNKNOWN, Pending(0, 0), IsolationState.UNKNOWN, HowKnown.NOT_KNOWN),
    ],
)
def test_the_state_without_an_action_of_ours(
    seen: IsolationState, waiting: Pending, state: IsolationState, how: HowKnown
) -> None:
    found = isolation.by_record(Observed(seen, NOW), waiting, now=NOW)
    assert (found.state, found.how_known) == (state, how)


@pytest.mark.parametrize(
    ("answer", "isolate", "unisolate"),
    [
        ({"data": [{"agent_id": "one", "pending_actions": {}}]}, 0, 0),
        ({"data": {"agent_id": "one", "pending_actions": {"isolate": 2}}}, 2, 0),
        ({"data": [{"agent_id": "one", "pending_actions": {"isolate": "many", "unisolate": 1}}]}, None, 1),
        ({"data": [{"agent_id": "one", "pending_actions": {"isolate": None, "unisolate": -1}}]}, None, None),
        ({"data": [{"agent_id": "one", "pending_actions": {"isolate": True, "unisolate": 0.5}}]}, None, None),
        ({"data": [{"agent_id": "one", "pending_actions": None}]}, None, None),
        ({"data": [{"agent_id": "one"}]}, None, None),
        ({"data": [{"agent_id": "two", "pending_actions": {}}]}, None, None),
        ({"data": []}, None, None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_what_waits_is_known_only_where_kibana_says_it(
    answer: object, isolate: int | None, unisolate: int | None
) -> None:
    assert isolation.pending(answer, "one") == Pending(isolate, unisolate)


def test_an_action_counts_only_for_its_host_and_by_that_host() -> None:
    told = {
        "agents": ["one", "two"],
        "command": "isolate",
        "startedAt": "2026-11-24T08:00:00Z",
        "isCompleted": True,
        "wasSuccessful": True,
        "agentState": {"one": {"isCompleted": True, "wasSuccessful": True}, "two": {"isCompleted": False}},
    }
    one, two = isolation.action(told, "one"), isolation.action(told, "two")
    assert one is not None
    assert one.successful
    assert two is not None
    assert not two.completed
    assert isolation.action(told, "three") is None
    assert isolation.action(told | {"command": "kill-process"}, "one") is None
    assert isolation.action(None, "one") is None
