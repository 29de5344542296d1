"""The door to the readers: paths, folders, progress, real logs, and any bytes at all."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.bench_readers import run
from connectors.edr.sysmon_file.event import PROBLEMS_KEPT, ReadReport
from connectors.edr.sysmon_file.reader import read_events, total_bytes
from connectors.errors import LogUnreadable
from tests import sysmon_samples as samples
from tests.sysmon_reading import EVERY_EVENT, read_bytes, read_path, told
from tests.sysmon_samples import HOST, gzip, lines, zip_of

GOOD = lines(samples.flat(3, HOST, **samples.network()))
SYSMON = "sysmon"


# --- paths -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [lambda paths: read_events(paths, EVERY_EVENT, ReadReport()), total_bytes])
def test_paths_are_checked_at_the_call(tmp_path: Path, read: object) -> None:
    assert callable(read)
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for paths, problem in (
        ([], "no file or folder was given"),
        ([tmp_path / "absent"], "does not exist"),
        ([tmp_path / "empty"], "the folder holds no file"),
        ([tmp_path / "pipe"], "is neither a file nor a folder"),
        ([tmp_path / "nul\0byte"], "cannot be read: "),
    ):
        with pytest.raises(LogUnreadable) as raised:
            read(paths)
        assert raised.value.problem.startswith(problem)
        assert raised.value.field == (str(paths[0]) if paths else "log")


def test_a_named_file_is_looked_at_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(GOOD)
    (tmp_path / "bad").write_bytes(b"plain text\n")
    report = ReadReport()
    with pytest.raises(LogUnreadable) as raised:
        read_events([tmp_path / "good", tmp_path / "bad"], EVERY_EVENT, report)
    assert raised.value.field == str(tmp_path / "bad")
    assert (report.sources, report.bytes_read) == ([], 0)


def test_a_folder_is_read_in_order_and_without_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(GOOD)
    folder = tmp_path / "logs"
    (folder / "b").mkdir(parents=True)
    for name in ("c.json", "b/2.json", "b/10.json", "a.json"):
        (folder / name).write_bytes(GOOD)
    (folder / "d.txt").write_bytes(b"plain text\n")
    (folder / "e.txt").write_bytes(b"")
    (folder / "link").symlink_to(outside / "secret")
    (folder / "links").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    events, report = read_path(folder)
    assert report.sources == [str(folder / name) for name in ("a.json", "b/10.json", "b/2.json", "c.json")]
    assert [event.source for event in events] == report.sources
    assert {(Path(problem.source).name, problem.reason) for problem in report.problems} == {
        ("d.txt", "is no Sysmon log of a known format"),
        ("e.txt", "is empty"),
        ("link", "is a symbolic link and is not followed"),
        ("links", "is a symbolic link and is not followed"),
        ("pipe", "is no regular file and is not read"),
    }


def test_a_link_that_a_person_names_is_followed(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(GOOD)
    (tmp_path / "link").symlink_to(tmp_path / "log")
    events, report = read_path(tmp_path / "link")
    assert (len(events), report.sources) == (1, [str(tmp_path / "link")])


def test_a_file_that_vanishes_is_a_problem(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(GOOD)
    report = ReadReport()
    events = read_events([tmp_path], EVERY_EVENT, report)
    (tmp_path / "a").unlink()
    (tmp_path / "a").symlink_to(tmp_path / "b")
    assert len(list(events)) == 1
    assert [Path(problem.source).name for problem in report.problems] == ["a"]


def test_a_file_name_that_is_no_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.json"))
    path.write_bytes(GOOD)
    events, report = read_path(path)
    assert events[0].source.endswith("caf\ufffd.json")
    assert report.sources == [events[0].source]


def test_several_paths_and_their_order(tmp_path: Path) -> None:
    (tmp_path / "z").write_bytes(GOOD)
    (tmp_path / "a").write_bytes(gzip(GOOD * 2))
    report = ReadReport()
    events = list(read_events([tmp_path / "z", tmp_path / "a"], EVERY_EVENT, report))
    assert [event.source for event in events] == [str(tmp_path / "z")] + [str(tmp_path / "a")] * 2


@pytest.mark.parametrize("pack", [lambda log: log, gzip, lambda log: zip_of({"a": log, "b": b"x", "c": log})])
def test_progress_adds_up_to_the_size(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    log = lines(*samples.records(samples.flat, 2000))
    (tmp_path / "a").write_bytes(pack(log))
    (tmp_path / "b").write_bytes(pack(log))
    report = ReadReport()
    steps: list[int] = []
    list(read_events([tmp_path], frozenset({3}), report, progress=steps.append))
    assert sum(steps) == report.bytes_read == total_bytes([tmp_path])
    assert min(steps) > 0


def test_a_reading_that_is_given_up_leaves_the_counts(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(GOOD * 10)
    report = ReadReport()
    events = read_events([tmp_path / "log"], EVERY_EVENT, report)
    next(iter(events))
    del events
    assert report.sysmon_events == 1


def test_problems_are_bounded(tmp_path: Path) -> None:
    _, report = read_bytes(tmp_path, GOOD + b"{broken\n" * 3000 + GOOD)
    assert (len(report.problems), report.problem_count) == (PROBLEMS_KEPT, 3000)


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    peaks = []
    for build in (samples.flat, samples.xml):
        text = lines(*samples.records(build, 1000))
        for times in (5, 50):
            path.write_bytes(text * times)
            tracemalloc.start()
            for _ in read_events([path], frozenset({1, 3, 5}), ReadReport()):
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert max(peaks) < 6_000_000
    assert peaks[1] < peaks[0] * 1.2
    assert peaks[3] < peaks[2] * 1.2


def test_the_benchmark_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.bench_readers.evtx_source", lambda: None)
    rows = run([200])
    assert [(row["name"], row["size"]) for row in rows] == [
        ("read ndjson vs bare orjson", 200),
        ("read XML vs bare ElementTree", 200),
    ]
    assert all(row["ratio"] == row["ours_s"] / row["baseline_s"] for row in rows)


# --- real logs ---------------------------------------------------------------------------------------


def _counts(shared_data: Path) -> list[tuple[str, dict[str, object]]]:
    listed = json.loads((shared_data / SYSMON / "SOURCES.json").read_text())
    return [(entry["file"], part) for entry in listed["files"] for part in entry.get("contents", [])]


def test_real_logs_are_read_whole(shared_data: Path) -> None:
    parts = _counts(shared_data)
    assert len(parts) >= 4
    for name, part in parts:
        events, report = read_path(shared_data / SYSMON / name)
        by_id = [event.event_id for event in events]
        assert (report.sysmon_events, report.problems) == (part["sysmon"], []), name
        assert (by_id.count(1), by_id.count(3)) == (part["eid1"], part["eid3"]), name
        assert len({event.computer for event in events}) == part["hosts"], name
        assert report.sources[0].endswith(str(part["member"])), name


def test_the_real_xml_text_is_read_whole(shared_data: Path) -> None:
    events, report = read_path(shared_data / SYSMON / "certutil_exe_certificate_extraction.raw")
    assert [event.event_id for event in events] == [1] * 20
    assert (report.sysmon_events, report.other_records, report.problems) == (20, 24, [])
    first = events[0]
    assert (first.record, first.computer) == (1, "win-dc-791937.attackrange.local")
    assert first.logged_at == "2021-01-14T23:41:40.145335200Z"
    assert first.data["Product"] == "Microsoft® Windows® Operating System"


def test_the_derived_logs_hold_their_alerts(shared_data: Path) -> None:
    listed = json.loads((shared_data / SYSMON / "SOURCES.json").read_text())["derived"]
    for name, expected in listed.items():
        events, report = read_path(shared_data / SYSMON / name)
        assert (len(events), report.problems) == (expected["events"], [])
        (connection,) = [event for event in events if event.event_id == 3]
        (alert,) = expected["alerts"]
        data = connection.data
        assert connection.computer == alert["host"]
        assert [data["DestinationIp"], data["DestinationPort"], data["ProcessGuid"], data["User"]] == [
            alert["dest_ip"],
            alert["dest_port"],
            alert["guid"],
            alert["user"],
        ]


def test_every_nxlog_connection_has_its_process_id(shared_data: Path) -> None:
    events, _ = read_path(shared_data / SYSMON / "T1027_attack_data.tar.gz")
    connections = [event for event in events if event.event_id == 3]
    assert len(connections) == 21
    for event in connections:
        assert f"\r\nProcessId: {event.data['ProcessId']}\r\n" in str(event.data["Message"])


def test_a_flat_log_names_the_host_not_the_collector(shared_data: Path) -> None:
    events, _ = read_path(shared_data / SYSMON / "covenant_installutil.zip")
    assert {event.computer for event in events} == {
        "WORKSTATION5.theshire.local",
        "WORKSTATION6.theshire.local",
    }


# --- anything at all -----------------------------------------------------------------------------------

MAGIC = [
    b"ElfFile\0",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"<Event ",
    b"{",
    b"[",
    b"\xff\xfe",
    b"\xfe\xff",
]


@given(
    pieces=st.lists(
        st.binary(max_size=40)
        | st.sampled_from(
            [*MAGIC, b"\n", b"</Event>", b'{"EventID":3}\n', b"<!DOCTYPE x>", b"\0" * 512, GOOD]
        )
        | st.integers(0, 5000).map(bytes),
        max_size=12,
    )
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_told_or_refused(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(pieces))
    try:
        events, report = read_path(path)
    except LogUnreadable:
        return
    assert len(events) <= report.sysmon_events
    assert report.bytes_read == path.stat().st_size
    assert all(problem.reason for problem in report.problems)


@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=5),
    log=st.sampled_from(
        [
            lines(*samples.records(samples.flat, 6)),
            lines(*samples.records(samples.xml, 6)),
            b"[" + b",".join(samples.records(samples.winlogbeat, 6)) + b"]",
            lines(*samples.records(samples.sentinel, 6)),
            lines(*samples.records(samples.evtx_json, 6)).decode().encode("utf-16"),
        ]
    ),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_a_text_is_read_or_told(
    tmp_path: Path, changes: list[tuple[float, bytes]], log: bytes
) -> None:
    data = bytearray(log)
    for share, new in changes:
        at = int(share * len(data))
        data[at : at + len(new)] = new
    try:
        events, report = read_bytes(tmp_path, bytes(data))
    except LogUnreadable:
        return
    assert len(events) + report.other_records + report.problem_count >= (1 if changes else 6)
    if not changes:
        assert told(report) == []
