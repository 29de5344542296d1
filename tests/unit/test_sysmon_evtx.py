"""Native event logs, on real ones: whole, cut, damaged, and with a package that fails."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from evtx import PyEvtxParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_file import evtx_chunk
from connectors.edr.sysmon_file.json_shapes import EVTX_SHAPE
from connectors.errors import LogUnreadable
from tests import sysmon_samples as samples
from tests.sysmon_reading import read_bytes, told
from tests.sysmon_samples import HOST, LOGGED_AT, zip_of

HEADER, CHUNK = 4096, 65536
FIRST, SECOND = HEADER, HEADER + CHUNK


class Log(bytes):
    """Bytes that hypothesis does not print out."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@pytest.fixture(scope="module")
def panache(shared_data: Path) -> bytes:
    """Four chunks in use (38, 42, 39 and 3 records) and room for thirteen more."""
    return Log((shared_data / "sysmon" / "panache_sysmon_vs_EDRTestingScript.evtx").read_bytes())


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def test_a_whole_log(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, panache)
    assert [event.record for event in events] == list(range(1, 123))
    assert (report.sysmon_events, report.other_records, report.problems) == (122, 0, [])
    first = events[0]
    assert (first.event_id, first.computer, first.logged_at) == (
        1,
        "MSEDGEWIN10",
        "2019-07-29T21:32:55.583667Z",
    )
    assert first.data["Image"] == r"C:\Windows\System32\consent.exe"
    assert first.data["ProcessId"] == 6424


def test_only_wanted_events(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, panache, frozenset({3}))
    assert (len(events), {event.event_id for event in events}, report.sysmon_events) == (8, {3}, 122)


def test_in_an_archive(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, zip_of({"logs/a.evtx": panache}))
    assert (len(events), report.problems) == (122, [])
    assert events[0].source == f"{tmp_path / 'log'}!logs/a.evtx"


def test_cut_inside_the_second_chunk(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, panache[: SECOND + 30_000])
    assert [event.record for event in events] == list(range(1, 56))
    assert told(report) == [
        (None, "chunk 2 is cut after 30000 of 65536 bytes"),
        (None, "chunk 2 says it has 42 records; 17 are there"),
        (None, "2 of 4 chunks are missing: the file is cut and their records are lost"),
    ]


@pytest.mark.parametrize(("chunks", "read", "missing"), [(3, 119, 1), (2, 80, 2), (1, 38, 3), (0, 0, 4)])
def test_cut_between_chunks(tmp_path: Path, panache: bytes, chunks: int, read: int, missing: int) -> None:
    events, report = read_bytes(tmp_path, panache[: HEADER + chunks * CHUNK])
    assert len(events) == read
    assert told(report) == [
        (None, f"{missing} of 4 chunks are missing: the file is cut and their records are lost")
    ]


def test_cut_inside_the_header(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, panache[:100])
    assert events == []
    assert told(report) == [(None, "the EVTX file is cut inside its header; nothing of it can be read")]


def test_a_broken_record_is_told_with_its_number(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, changed(panache, SECOND + 20_000, b"\xff" * 40))
    assert len(events) == 120
    assert [problem.record for problem in report.problems if problem.record] == [49, 59]
    assert (None, "chunk 2 has a wrong checksum: its records may be damaged or missing") in told(report)
    assert [event.record for event in events][47:59] == [48, *range(50, 59), 60, 61]


def test_a_wrong_checksum_alone_costs_no_record(tmp_path: Path, panache: bytes) -> None:
    wrong = changed(panache, SECOND + 52, b"\0\0\0\0")
    header = wrong[SECOND : SECOND + 120] + wrong[SECOND + 128 : SECOND + 512]
    wrong = changed(wrong, SECOND + 124, struct.pack("<I", zlib.crc32(header)))
    events, report = read_bytes(tmp_path, wrong)
    assert len(events) == 122
    assert told(report) == [(None, "chunk 2 has a wrong checksum: its records may be damaged or missing")]
    events, report = read_bytes(tmp_path, changed(panache, SECOND + 124, b"\0\0\0\0"))
    assert len(events) == 122
    assert told(report) == [(None, "the header of chunk 2 has a wrong checksum: its records may be damaged")]


def test_a_chunk_that_keeps_no_checksum(tmp_path: Path, panache: bytes) -> None:
    without = changed(changed(panache, SECOND + 120, b"\4"), SECOND + 52, b"\0\0\0\0")
    events, report = read_bytes(tmp_path, without)
    assert (len(events), report.problems) == (122, [])


def test_a_chunk_without_its_signature_is_skipped(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, changed(panache, SECOND, b"XXXXXXXX"))
    assert len(events) == 80
    assert told(report) == [(None, "chunk 2 is damaged: it has no signature; it is skipped")]


def test_a_wrong_file_header_does_not_matter(tmp_path: Path, panache: bytes) -> None:
    events, report = read_bytes(tmp_path, changed(panache, 8, b"\xee" * 34))
    assert (len(events), report.problems) == (122, [])


def test_a_circle_in_the_table_of_names_does_not_hold_the_reader(tmp_path: Path, panache: bytes) -> None:
    """The package alone never comes back from this."""
    circle = changed(panache, FIRST + 128 + 4 * 8, struct.pack("<I", 1671))
    circle = changed(circle, FIRST + 1671, struct.pack("<I", 1671))
    events, report = read_bytes(tmp_path, circle)
    assert len(events) >= 122 - 38
    assert report.problem_count


class PanicException(BaseException):
    """Stands for the exception of the same name that pyo3 raises when Rust code panics."""


def test_a_panic_of_the_package_costs_one_chunk(
    tmp_path: Path, panache: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PyEvtxParser
    second = panache[SECOND : SECOND + 64]  # its numbers of records

    class Panicking:
        def __init__(self, file, **options):  # type: ignore[no-untyped-def]  # stands in for the package's class
            self.panics = second in file.getvalue()
            self.parser = real(file, **options)

        def records_json(self):  # type: ignore[no-untyped-def]  # as above
            for count, record in enumerate(self.parser.records_json()):
                if self.panics and count == 5:
                    raise PanicException("index out of bounds")
                yield record

    monkeypatch.setattr(evtx_chunk, "PyEvtxParser", Panicking)
    events, report = read_bytes(tmp_path, panache)
    assert len(events) == 38 + 5 + 39 + 3
    assert (None, "chunk 2 could not be read to its end: index out of bounds") in told(report)
    assert (None, "chunk 2 says it has 42 records; 5 are there") in told(report)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_a_person_or_the_interpreter_raises_goes_through(
    tmp_path: Path, panache: bytes, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    def parser(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(evtx_chunk, "PyEvtxParser", parser)
    with pytest.raises(raised):
        read_bytes(tmp_path, panache)


def only_record(monkeypatch: pytest.MonkeyPatch, record: str) -> None:
    """Make the package give this one record for every chunk."""

    class One:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def records_json(self) -> list[dict[str, str]]:
            return [{"data": record}]

    monkeypatch.setattr(evtx_chunk, "PyEvtxParser", One)


def test_the_quick_way_gives_what_a_whole_parse_gives(tmp_path: Path, panache: bytes) -> None:
    texts: list[str] = []
    for at in range(HEADER, HEADER + 4 * CHUNK, CHUNK):
        texts += evtx_chunk.read_chunk(panache[at : at + CHUNK], 1).texts
    events, _ = read_bytes(tmp_path, panache)
    assert len(events) == len(texts)
    for event, text in zip(events, texts, strict=True):
        record = json.loads(text)
        assert event.event_id == EVTX_SHAPE.probe(record)
        assert (*event[1:4], event.record_id) == EVTX_SHAPE.build(record, event.event_id)


USUAL = samples.evtx_json(3, HOST, **samples.network(CommandLine='"x" "Computer":"fake"')).decode()
USUAL = USUAL.replace('{"Event":{', '{"Event":{"#attributes":{"xmlns":"u"},')


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("", ""), (HOST, LOGGED_AT)),
        ((f'"Computer":"{HOST}"', r'"Computer":"a\"b"'), ('a"b', LOGGED_AT)),
        ((LOGGED_AT, "2024-05-14T09:31:07"), (HOST, "2024-05-14T09:31:07Z")),
        ((LOGGED_AT, "soon"), (HOST, "")),
        (('"Version":5', r'"Version":"\"SystemTime\":\"2000-01-01T00:00:00Z\""'), (HOST, LOGGED_AT)),
        (("}}", '},"RenderingInfo":{"Level":"Information"}}'), (HOST, LOGGED_AT)),
        ((f'"Computer":"{HOST}",', ""), ("", LOGGED_AT)),
    ],
)
def test_texts_that_the_quick_way_must_not_misread(
    tmp_path: Path,
    panache: bytes,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    expected: tuple[str, str],
) -> None:
    old, new = change
    head, middle, tail = USUAL.rpartition(old) if old else (USUAL, "", "")
    only_record(monkeypatch, head + (new if middle else "") + tail)
    events, _ = read_bytes(tmp_path, panache[:SECOND])
    assert [(event.computer, event.logged_at) for event in events] == [expected]
    assert events[0].data == samples.network(CommandLine='"x" "Computer":"fake"')


SYSMON = '{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":%s}}}'


@pytest.mark.parametrize(
    "case",
    [
        ('{"Event":{"System":{"Provider":{"#attributes":{"Name":"X"}},"EventID":3}}}', (0, 1), None),
        (SYSMON % -1, (0, 0), "an event without a usable EventID"),
        (SYSMON % 70000, (0, 0), "an event without a usable EventID"),
        (SYSMON % 3, (1, 0), "a Sysmon event without readable EventData"),
        (SYSMON % 10, (1, 0), None),
        ('{"Event":null}', (0, 0), "an event without a usable EventID"),
        ("{", (0, 0), "the evtx package made bad JSON of it: unexpected end of data"),
    ],
)
def test_records_that_are_not_as_usual(
    tmp_path: Path,
    panache: bytes,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, tuple[int, int], str | None],
) -> None:
    record, counts, problem = case

    only_record(monkeypatch, record)
    events, report = read_bytes(tmp_path, panache[:SECOND], frozenset({3}))
    assert (events, report.sysmon_events, report.other_records) == ([], *counts)
    assert [reason for number, reason in told(report) if number == 1] == ([problem] if problem else [])


@given(
    cut=st.integers(HEADER, HEADER + 2 * CHUNK),
    changes=st.lists(st.tuples(st.integers(0, 2 * CHUNK), st.binary(min_size=1, max_size=8)), max_size=6),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_read_or_told(
    tmp_path: Path, panache: bytes, cut: int, changes: list[tuple[int, bytes]]
) -> None:
    data = panache[:cut]
    for at, new in changes:
        data = changed(data, at, new)[:cut]
    try:
        events, report = read_bytes(tmp_path, data)
    except LogUnreadable:
        assert not data.startswith(b"ElfFile\0")
        return
    assert len(events) <= 122
    assert len(events) == 122 or report.problem_count
