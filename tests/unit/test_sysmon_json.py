"""JSON logs: every shape gives the same event, every quirk is read, no broken record stays hidden."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_fields import hashes, signature
from connectors.edr.sysmon_file.elastic_fields import restore_event_data
from connectors.edr.sysmon_file.json_shapes import MISS, shape_of
from connectors.edr.sysmon_file.limits import ReadLimits
from connectors.edr.sysmon_file.sysmon_names import BAD_ID, event_number, utc_text
from connectors.facts.process import SignatureState
from tests import sysmon_samples as samples
from tests.sysmon_reading import read_bytes, told
from tests.sysmon_samples import HOST, LOGGED_AT, lines

SHAPES: dict[str, tuple[Callable[..., bytes], str]] = {
    "evtx_dump": (samples.evtx_json, LOGGED_AT),
    "xmltodict": (samples.xml_as_json, LOGGED_AT),
    "velociraptor": (samples.velociraptor, ""),
    "winlogbeat": (samples.winlogbeat, LOGGED_AT),
    "winlogbeat 6": (samples.winlogbeat6, LOGGED_AT),
    "elastic hit": (samples.elastic_hit, LOGGED_AT),
    "flat": (samples.flat, ""),
    "nxlog": (samples.nxlog, ""),
    "sentinel, XML": (samples.sentinel, ""),
    "sentinel, JSON text": (partial(samples.sentinel, event_data="json"), ""),
    "sentinel, parsed": (partial(samples.sentinel, event_data="pairs"), ""),
    "sentinel, columns": (partial(samples.sentinel, event_data="columns"), ""),
}
shapes = pytest.mark.parametrize(("build", "logged_at"), SHAPES.values(), ids=SHAPES.keys())


@shapes
def test_every_shape_gives_the_same_event(
    tmp_path: Path, build: Callable[..., bytes], logged_at: str
) -> None:
    network, process = samples.network(), samples.process()
    log = lines(build(3, HOST, **network), build(1, HOST, **process), build(10, HOST, **samples.access()))
    events, report = read_bytes(tmp_path, log, frozenset({1, 3}))

    assert [(event.event_id, event.computer, event.logged_at) for event in events] == [
        (3, HOST, logged_at),
        (1, HOST, logged_at),
    ]
    for event, fields in zip(events, (network, process), strict=True):
        assert {name: event.data.get(name) for name in fields} == fields
    assert [event.record for event in events] == [1, 2]
    assert events[0].source == str(tmp_path / "log")
    assert report.sysmon_events == 3
    assert report.problems == []


@shapes
def test_numbers_and_booleans_stay_what_they_are(
    tmp_path: Path, build: Callable[..., bytes], logged_at: str
) -> None:
    if build in {samples.sentinel, samples.nxlog}:
        pytest.skip("this shape holds text only")
    events, _ = read_bytes(
        tmp_path, lines(build(3, HOST, **samples.network(Initiated=True, DestinationPort=80)))
    )
    assert (events[0].data["Initiated"], events[0].data["DestinationPort"]) == (True, 80)


@pytest.mark.parametrize(
    "event_id", [3, 3.0, "3", {"#text": 3}, {"#text": "3", "#attributes": {"Qualifiers": 0}}]
)
@pytest.mark.parametrize("build", [samples.evtx_json, samples.winlogbeat, samples.flat, samples.sentinel])
def test_event_id_in_all_its_spellings(tmp_path: Path, build: Callable[..., bytes], event_id: object) -> None:
    events, report = read_bytes(tmp_path, lines(build(event_id, HOST, **samples.network())))
    assert [event.event_id for event in events] == [3]
    assert report.problems == []


@pytest.mark.parametrize(
    "event_id", [None, True, "", "three", "3.5", 3.5, -3, 70000, [], {}, {"#text": None}, "٣"]
)
@pytest.mark.parametrize("build", [samples.evtx_json, samples.winlogbeat, samples.winlogbeat6, samples.flat])
def test_event_id_that_is_none_is_a_problem(
    tmp_path: Path, build: Callable[..., bytes], event_id: object
) -> None:
    good = build(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, lines(good, build(event_id, HOST, **samples.network()), good))
    assert [event.record for event in events] == [1, 3]
    assert told(report) == [(2, "a Sysmon event without a usable EventID")]
    assert event_number(event_id) == BAD_ID


def test_another_provider_with_the_same_event_id_is_not_sysmon(tmp_path: Path) -> None:
    log = lines(
        samples.other_flat(1),
        samples.evtx_json(1, HOST, **samples.process()).replace(b"Microsoft-Windows-Sysmon", b"Other"),
        samples.winlogbeat(1, HOST, **samples.process()).replace(b"Microsoft-Windows-Sysmon", b"Other"),
        samples.winlogbeat6(1, HOST, **samples.process()).replace(b"Microsoft-Windows-Sysmon", b"Other"),
        samples.sentinel(1, HOST, **samples.process()).replace(b"Microsoft-Windows-Sysmon", b"Other"),
        samples.flat(1, HOST, **samples.process()),
    )
    events, report = read_bytes(tmp_path, log)
    assert [event.record for event in events] == [6]
    assert (report.sysmon_events, report.other_records, report.problems) == (1, 5, [])


def test_the_channel_is_enough_and_case_does_not_matter(tmp_path: Path) -> None:
    record = json.loads(samples.flat(3, HOST, **samples.network()))
    by_channel = json.dumps(record | {"SourceName": ""}).encode()
    by_folded_name = json.dumps(
        record | {"SourceName": "MICROSOFT-windows-sysmon", "Channel": "ForwardedEvents"}
    ).encode()
    events, _ = read_bytes(tmp_path, lines(by_channel, by_folded_name))
    assert len(events) == 2


def test_the_collectors_own_host_and_time_are_never_used(tmp_path: Path) -> None:
    record = json.loads(samples.flat(3, HOST, **samples.network()))
    del record["Hostname"]
    events, _ = read_bytes(tmp_path, lines(json.dumps(record).encode()))
    assert (events[0].computer, events[0].logged_at) == ("", "")


def test_nxlog_process_id_comes_from_the_message(tmp_path: Path) -> None:
    events, _ = read_bytes(tmp_path, lines(samples.nxlog(3, HOST, **samples.network(ProcessId="4944"))))
    assert events[0].data["ProcessId"] == "4944"
    assert "ProcessID" not in events[0].data  # the pid of the Sysmon service


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        "",
        "Network connection detected",
        "X\r\nProcessId: 4944\r\n",
        "X\r\nProcessGuid: {00000000-0000-0000-0000-000000000000}\r\nProcessId: 4944\r\n",
        f"X\r\nProcessGuid: {samples.GUID}\r\nImage: x\r\nProcessId: 4944",
        f"X\r\nCommandLine: ProcessGuid: {samples.GUID}\r\nProcessId: 4944\r\n",
    ],
)
def test_nxlog_process_id_is_not_guessed(tmp_path: Path, message: object) -> None:
    record = json.loads(samples.nxlog(3, HOST, **samples.network())) | {"Message": message}
    events, _ = read_bytes(tmp_path, lines(json.dumps(record).encode()))
    assert "ProcessId" not in events[0].data


def test_nxlog_command_line_cannot_supply_the_process_id(tmp_path: Path) -> None:
    forged = f"cmd\r\nProcessGuid: {samples.GUID}\r\nProcessId: 1\r\n"
    fields = samples.process(CommandLine=forged, ProcessId="4944")
    events, _ = read_bytes(tmp_path, lines(samples.nxlog(1, HOST, **fields)))
    assert events[0].data["ProcessId"] == "4944"


def test_nxlog_event_that_has_its_own_process_id_keeps_it(tmp_path: Path) -> None:
    record = json.loads(samples.nxlog(3, HOST, **samples.network(ProcessId="4944"))) | {"ProcessId": "12"}
    events, _ = read_bytes(tmp_path, lines(json.dumps(record).encode()))
    assert events[0].data["ProcessId"] == "12"


def test_elastic_pipeline_fields_get_their_names_back(tmp_path: Path) -> None:
    network = samples.network(Initiated="false")
    events, report = read_bytes(
        tmp_path,
        lines(samples.elastic_ecs(3, HOST, **network), samples.elastic_ecs(1, HOST, **samples.process())),
    )
    data = events[0].data
    same = ("ProcessGuid", "Image", "User", "Protocol", "Initiated", "SourceIp", "DestinationIp")
    assert {name: data[name] for name in same} == {name: network[name] for name in same}
    assert (data["ProcessId"], data["DestinationPort"]) == (4944, 80)
    assert data["UtcTime"] == "2024-05-14 09:31:07.512"
    assert "DestinationHostname" not in data  # it was "-", and the pipeline drops that
    assert events[1].data["CommandLine"] == samples.process()["CommandLine"]
    assert report.problems == []


IMPHASH = "0D2F4E6A" * 4
DIGESTS = {"sha1": "AB" * 20, "md5": "CD" * 16, "sha256": "EF" * 32}
WRITTEN = f"SHA1={DIGESTS['sha1']},MD5={DIGESTS['md5']},SHA256={DIGESTS['sha256']},IMPHASH={IMPHASH}"


@pytest.mark.parametrize(
    ("event_id", "holder"), [(1, "process"), (7, "file"), (7, "dll")], ids=["creation", "file", "dll"]
)
def test_elastic_hashes_get_their_name_back(event_id: int, holder: str) -> None:
    own = {"entity_id": samples.GUID, "executable": samples.REGSVCS}
    place = {"hash": DIGESTS, "pe": {"imphash": IMPHASH}, "path": samples.REGSVCS}
    record: dict[str, object] = {"process": own, "@timestamp": LOGGED_AT}
    record[holder] = {**(own if holder == "process" else {}), **place}
    data, _ = restore_event_data(record, event_id, {})
    assert data["Hashes"] == WRITTEN
    assert [each.algorithm for each in hashes(data["Hashes"])] == ["SHA1", "MD5", "SHA256", "IMPHASH"]
    if event_id == 7:
        assert data["ImageLoaded"] == samples.REGSVCS
    assert "Hashes" not in restore_event_data(record, 3, {})[0]


@pytest.mark.parametrize(
    ("written", "left", "state"),
    [
        ({"signed": True, "status": "Valid", "subject_name": "Microsoft Windows"}, {}, SignatureState.VALID),
        ({"status": "Valid", "valid": True, "subject_name": "Microsoft Windows"}, {}, SignatureState.VALID),
        ({"status": "Valid", "subject_name": "Microsoft Windows"}, {}, SignatureState.VALID),
        ({"signed": False, "status": "Unavailable"}, {}, SignatureState.UNSIGNED),
        ({"exists": False}, {}, SignatureState.UNSIGNED),
        ({"status": "Unavailable"}, {"Signed": "false"}, SignatureState.UNSIGNED),
        ({"signed": True, "status": "Expired"}, {}, SignatureState.INVALID),
        ({"status": "Expired"}, {"Signed": "true"}, SignatureState.INVALID),
        ({"status": "Expired"}, {}, SignatureState.UNKNOWN),
        ({}, {}, SignatureState.UNKNOWN),
    ],
)
@pytest.mark.parametrize("holder", ["file", "dll"])
def test_elastic_signature_gets_its_names_back(
    holder: str, written: dict[str, object], left: dict[str, object], state: SignatureState
) -> None:
    record = {"process": {"pid": 4}, holder: {"path": samples.REGSVCS, "code_signature": written}}
    data, _ = restore_event_data(record, 7, left)
    assert signature(data).state is state


def test_elastic_original_event_wins_over_ecs_fields() -> None:
    original = samples.xml(3, HOST, **samples.network()).decode()
    record = {"event": {"original": original}, "process": {"executable": "other.exe"}}
    assert restore_event_data(record, 3, {}) == (samples.network(), LOGGED_AT)
    broken = {
        "event": {"original": original[:-9]},
        "process": {"executable": "other.exe"},
        "@timestamp": LOGGED_AT,
    }
    assert restore_event_data(broken, 3, {})[0]["Image"] == "other.exe"


def test_elastic_service_account_is_not_taken_for_the_user() -> None:
    record = {"process": {"pid": 4}, "user": {"name": "SYSTEM", "domain": "NT AUTHORITY"}}
    assert "User" not in restore_event_data(record, 5, {})[0]
    assert restore_event_data(record, 3, {})[0]["User"] == r"NT AUTHORITY\SYSTEM"


def test_winlogbeat_event_without_any_data_is_a_problem(tmp_path: Path) -> None:
    _, report = read_bytes(tmp_path, lines(samples.winlogbeat(3, HOST)))
    assert told(report) == [(1, "a Sysmon event without readable EventData")]


@pytest.mark.parametrize(
    ("event_data", "reason"),
    [
        ("<EventData><Data", "is no well-formed XML: unclosed token"),
        (
            "<!DOCTYPE x [<!ENTITY a 'b'>]><EventData/>",
            "a DOCTYPE is refused: no entity is ever defined or expanded",
        ),
        ("<EventData></EventData>", "a Sysmon event without readable EventData"),
        ("{'a': 1}", "its EventData is neither XML nor JSON"),
        ("7", "a Sysmon event without readable EventData"),
        (None, "a Sysmon event without readable EventData"),
        ([7], "a Sysmon event without readable EventData"),
    ],
)
def test_sentinel_event_data_that_is_none_is_a_problem(
    tmp_path: Path, event_data: object, reason: str
) -> None:
    row = json.loads(samples.sentinel(3, HOST)) | {"EventData": event_data}
    _, report = read_bytes(tmp_path, lines(json.dumps(row).encode()))
    assert told(report) == [(1, reason)]


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ([{"@Name": "Image", "#text": "a.exe"}, {"@Name": "RuleName"}], {"Image": "a.exe", "RuleName": ""}),
        ([{"Name": "Image", "Value": "a.exe"}], {"Image": "a.exe"}),
        ([{"#attributes": {"Name": "Image"}, "#text": "a.exe"}], {"Image": "a.exe"}),
        ({"@Name": "Image", "#text": "a.exe"}, {"Image": "a.exe"}),
    ],
)
def test_event_data_as_named_pairs(tmp_path: Path, pairs: object, fields: dict[str, str]) -> None:
    record = json.loads(samples.evtx_json(3, HOST))
    record["Event"]["EventData"] = {"Data": pairs}
    events, _ = read_bytes(tmp_path, lines(json.dumps(record).encode()))
    assert events[0].data == fields


def test_duplicate_keys_the_last_one_counts(tmp_path: Path) -> None:
    record = samples.flat(1, HOST, **samples.network())
    events, _ = read_bytes(tmp_path, lines(record[:-1] + b',"EventID":3,"Image":"last.exe"}'))
    assert [(event.event_id, event.data["Image"]) for event in events] == [(3, "last.exe")]


# --- broken records --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{"EventID":3,', "is no valid JSON"),
        (b"\x00\x00\x00", "is no valid JSON"),
        (b'{"EventID":3,"SourceName":"\xff"}', "is no valid JSON"),
        (b'{"EventID":3}{"EventID":1}', "is no valid JSON"),
        (b'{"a":NaN}', "is no valid JSON"),
        (b"[" * 100_000, "is no valid JSON"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "is no valid JSON"),
        (b"[1,2]", "is no JSON object"),
        (b"7", "is no JSON object"),
        (b'"text"', "is no JSON object"),
        (b"null", "is no JSON object"),
    ],
    ids=range(11),
)
def test_a_broken_line_is_told_and_the_rest_is_read(tmp_path: Path, broken: bytes, reason: str) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, lines(good, broken, b"", good))
    assert [event.record for event in events] == [1, 4]
    assert report.problem_count == 1
    assert report.problems[0].source == str(tmp_path / "log")
    assert report.problems[0].record == 2
    assert report.problems[0].reason.startswith(reason)


def test_a_log_may_begin_in_the_middle_of_a_record(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, lines(good[200:], good))
    assert [event.record for event in events] == [2]
    assert [problem.record for problem in report.problems] == [1]


def test_a_lone_surrogate_hides_no_event(tmp_path: Path) -> None:
    image = r"C:\\Temp\\\ud800\\\\udc00\\\ud83d\ude00\\RegSvcs.exe"
    line = samples.flat(3, HOST, **samples.network(Image="@")).replace(b"@", image.encode(), 1)
    line = samples.flat(3, HOST, **samples.network(Image="IMAGE")).replace(b"IMAGE", image.encode())
    events, report = read_bytes(tmp_path, lines(line))
    assert events[0].data["Image"] == "C:\\Temp\\\ufffd\\\\udc00\\\U0001f600\\RegSvcs.exe"
    assert report.problems == []


def test_shapes_may_change_within_a_file(tmp_path: Path) -> None:
    builders = [build for build, _ in SHAPES.values()]
    log = lines(*(build(3, HOST, **samples.network()) for build in builders * 2))
    events, report = read_bytes(tmp_path, log)
    assert len(events) == 2 * len(builders)
    assert report.problems == []


def test_json_of_no_known_shape_is_said_once(tmp_path: Path) -> None:
    _, report = read_bytes(tmp_path, lines(b'{"a":1}', b'{"EventID":3}', b"{}"))
    assert told(report) == [(None, "none of its 3 JSON records has a shape of an event log that is known")]
    assert report.other_records == 3


def test_a_stray_record_of_no_known_shape_is_counted(tmp_path: Path) -> None:
    events, report = read_bytes(tmp_path, lines(samples.flat(3, HOST, **samples.network()), b'{"a":1}'))
    assert (len(events), report.other_records, report.problems) == (1, 1, [])


def test_a_line_over_the_cap_is_skipped(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    long = b'{"a":"' + b"x" * 20_000_000 + b'"}'
    events, report = read_bytes(tmp_path, lines(good, long, good), limits=ReadLimits())
    assert [event.record for event in events] == [1, 3]
    assert told(report) == [(2, "a line of more than 16 MiB; it is skipped")]


@pytest.mark.parametrize("size", [1999, 2000, 2001, 5000])
def test_the_cap_on_lines_is_exact(tmp_path: Path, size: int) -> None:
    good = samples.flat(3, HOST, **samples.network())
    padded = b"{" + b" " * (size - len(good)) + good[1:]
    events, report = read_bytes(tmp_path, lines(good, padded, good), limits=ReadLimits(record_bytes=2000))
    assert [event.record for event in events] == ([1, 2, 3] if size <= 2000 else [1, 3])
    assert report.problem_count == (size > 2000)


def test_a_long_last_line_without_a_newline(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, good + b"\n" + b"{" * 9000, limits=ReadLimits(record_bytes=2000))
    assert [event.record for event in events] == [1]
    assert told(report) == [(2, "a line of more than 1.953 KiB; it is skipped")]


# --- one array, values over many lines ---------------------------------------------------------------


def _array(records: list[bytes], indent: int | None) -> bytes:
    return json.dumps([json.loads(record) for record in records], indent=indent).encode()


def _pretty(records: list[bytes]) -> bytes:
    return b"\n".join(json.dumps(json.loads(record), indent=2).encode() for record in records)


def _evtx_dump_default(records: list[bytes]) -> bytes:
    pretty = (json.dumps(json.loads(record), indent=2) for record in records)
    return "".join(f"Record {number}\n{text}\n" for number, text in enumerate(pretty, 1)).encode()


VALUE_TEXTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "array on one line": lambda records: _array(records, None),
    "pretty array": lambda records: _array(records, 2),
    "array, a record a line": lambda records: b"[\n" + b",\n".join(records) + b"\n]\n",
    "pretty values": _pretty,
    "evtx_dump": _evtx_dump_default,
}
value_texts = pytest.mark.parametrize("text_of", VALUE_TEXTS.values(), ids=VALUE_TEXTS.keys())


@value_texts
@pytest.mark.parametrize("count", [1, 2, 700])
def test_values_that_are_no_lines(
    tmp_path: Path, text_of: Callable[[list[bytes]], bytes], count: int
) -> None:
    fields = samples.network(Image='C:\\{"odd"}\\[x].exe')
    records = [samples.evtx_json(3, HOST, **fields | {"SourcePort": str(port)}) for port in range(count)]
    events, report = read_bytes(tmp_path, text_of(records))
    assert [event.data["SourcePort"] for event in events] == [str(port) for port in range(count)]
    assert {event.data["Image"] for event in events} == {fields["Image"]}
    assert (report.problems, report.other_records) == ([], 0)


def test_positions_of_values_are_lines(tmp_path: Path) -> None:
    record = samples.flat(3, HOST, EventType="INFO")
    events, _ = read_bytes(tmp_path, b"[\n" + record + b",\n\n" + record + b"\n]")
    assert [event.record for event in events] == [2, 4]


def test_a_broken_value_does_not_hide_the_next(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    log = b"[\n" + b",\n".join([good, b'{"a": nope}', good, b'{"a": "no end}', good]) + b"\n]"
    events, report = read_bytes(tmp_path, log)
    assert [event.record for event in events] == [2, 4, 6]
    assert [problem.record for problem in report.problems] == [3, 5]


def test_a_value_that_never_closes_is_told(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    log = b"[\n" + b",\n".join([good, b'{"a": {"b": 1}', good, good]) + b"\n]"
    events, report = read_bytes(tmp_path, log)
    assert [event.record for event in events] == [2, 4, 5]
    assert told(report)[0] == (3, "a JSON value that begins here is not closed; it is skipped")


def test_an_array_that_is_cut(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, b"[" + good + b",\n" + good[:-30])
    assert [event.record for event in events] == [1]
    assert told(report) == [(2, "a JSON value that begins here is not closed; it is skipped")]


def test_text_between_values_is_told_once_each(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, b"[" + good + b", 7, true\n," + good + b"]\ngoodbye\n")
    assert len(events) == 2
    assert told(report) == [(1, "text that is no JSON object"), (2, "text that is no JSON object")]


def test_a_value_over_the_cap(tmp_path: Path) -> None:
    good = samples.flat(3, HOST, **samples.network())
    big = b'{"a":"' + b"x" * 9000 + b'"}'
    log = b"[" + b",\n".join([good, big, good]) + b"]"
    events, report = read_bytes(tmp_path, log, limits=ReadLimits(record_bytes=2000))
    assert [event.record for event in events] == [1, 3]
    assert (2, "a JSON value that begins here is bigger than the cap on one record; it is skipped") in told(
        report
    )


def test_endless_openings_end(tmp_path: Path) -> None:
    _, report = read_bytes(tmp_path, b"[" + b"{},{" * 5000)
    assert (1, "too many values that never close; the rest is not read") in told(report)
    assert report.problem_count < 300


# --- properties --------------------------------------------------------------------------------------

_KEYS = [
    "Event",
    "System",
    "EventData",
    "Data",
    "EventID",
    "Provider",
    "#attributes",
    "Name",
    "@Name",
    "#text",
    "winlog",
    "event_id",
    "event_data",
    "provider_name",
    "channel",
    "SourceName",
    "Channel",
    "Hostname",
    "Source",
    "EventLog",
    "Computer",
    "Message",
    "ProcessGuid",
    "_source",
    "source_name",
    "TimeCreated",
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS), inner | st.sampled_from([samples.PROVIDER, samples.CHANNEL]), max_size=4
        )
    ),
    max_leaves=20,
)


@given(value=json_values)
@settings(max_examples=150)
def test_no_json_value_makes_a_probe_raise(value: object) -> None:
    shape = shape_of(value)
    assert shape is None or shape.probe(value) != MISS


@given(value=json_values)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_read_or_told(tmp_path: Path, value: object) -> None:
    good = samples.flat(3, HOST, **samples.network())
    events, report = read_bytes(tmp_path, lines(good, json.dumps(value).encode(), good))
    records = [event.record for event in events]
    assert records in ([1, 3], [1, 2, 3])
    counted = report.sysmon_events + report.other_records + report.problem_count
    assert counted >= 3


@given(data=st.dictionaries(st.sampled_from(sorted(samples.network())), st.text(max_size=30), min_size=1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_each_way_of_cutting(tmp_path: Path, data: dict[str, str]) -> None:
    record = samples.evtx_json(3, HOST, **data)
    if b"\\ud" in record:
        return
    for text_of in (lambda records: lines(*records), *VALUE_TEXTS.values()):
        events, report = read_bytes(tmp_path, text_of([record, record]))
        assert [event.data for event in events] == [data, data]
        assert report.problems == []


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2021-01-14T23:41:40.145335200Z", "2021-01-14T23:41:40.145335200Z"),
        ("2019-05-12T18:35:05Z", "2019-05-12T18:35:05Z"),
        ("2019-05-12 18:35:05.155949", "2019-05-12T18:35:05.155949Z"),
        ("2019-05-12 18:35:05.155949 UTC", "2019-05-12T18:35:05.155949Z"),
        ("2019-05-12T18:35:05+02:00", "2019-05-12T18:35:05+02:00"),
        ("2019-13-12T18:35:05.155949Z", ""),
        ("2019-05-12", ""),
        ("next Tuesday", ""),
        ("", ""),
        (1715679067.5, ""),
        (None, ""),
    ],
)
def test_times_of_the_event_log(text: object, utc: str) -> None:
    assert utc_text(text) == utc
