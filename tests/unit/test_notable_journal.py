"""The journal of fetched notables: each once, written whole or not at all, mended after a crash."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.notable import Notable, NotableSource
from connectors.state.folder_lock import FolderInUse, locked
from connectors.state.line_file import LineFile
from playbooks.hosts.notable_journal import JOINS_FOR, JOURNAL, MOST_JOINED, NotableJournal, key_of
from playbooks.hosts.unworked import identity_of
from playbooks.hosts.write_back_record import WriteBackRecord
from tests.http_clients import START

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def notable(event_id: str = "a@@notable@@1", dest: str = "WS01", **changes: object) -> Notable:
    fields = {
        "source": NotableSource.ES_NOTABLE,
        "process_name": "regsvcs.exe",
        "machine_field": "dvc",
    } | changes
    return Notable.model_validate({**fields, "event_id": event_id, "dest": dest})


def opened(folder: Path, told: list[str] | None = None, *, after: timedelta = timedelta()) -> NotableJournal:
    return NotableJournal(folder, now=START + after, tell=(told if told is not None else []).append)


def test_each_event_is_kept_once_over_runs_and_read_back(tmp_path: Path) -> None:
    one, two = notable("1", first_time=START, dest_ports=(443,)), notable("2")
    assert opened(tmp_path).append([one, two, one]) == 2
    again = opened(tmp_path)
    assert again.append([two, one]) == 0
    assert again.joined([notable("3")]) == [notable("3"), one, two]
    assert again.recent == (one, two)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("event_id", "2"),
        ("dest", "WS02"),
        ("process_name", "regasm.exe"),
        ("src_ip", "10.20.4.18"),
        ("dest_ip", "8.8.8.8"),
    ],
)
def test_notables_that_differ_in_one_field_are_two(tmp_path: Path, field: str, other: str) -> None:
    """One event makes several notables where it names several hosts, sources or destinations."""
    one = notable("1", src_ip="10.20.4.17", dest_ip="1.1.1.1")
    two = one.model_copy(update={field: other})
    assert identity_of(one) == identity_of(one.model_copy(update={"user": "x", "risk_score": 1.0}))
    assert identity_of(one) != identity_of(two)
    assert key_of(one) != key_of(two)
    assert opened(tmp_path).append([one, two, one]) == 2
    assert opened(tmp_path).recent == (one, two)


def test_a_host_without_an_address_is_another_than_one_with_it() -> None:
    one, two = notable("1"), notable("1", src_ip="10.20.4.17")
    assert identity_of(one) != identity_of(two)
    assert key_of(one) != key_of(two)


def test_earlier_notables_of_the_host_and_process_join_for_a_week(tmp_path: Path) -> None:
    full, other = notable("1", "ws01.corp.example"), notable("2", "WS01", process_name="regasm.exe")
    far, address = notable("3", "WS010"), notable("4", "10.0.0.5")
    opened(tmp_path).append([full, other, far, address])
    journal = opened(tmp_path, after=JOINS_FOR - timedelta(seconds=1))
    assert journal.joined([notable("9")]) == [notable("9"), full]
    assert journal.joined([notable("9", "10.0.0.6")]) == [notable("9", "10.0.0.6")]
    assert opened(tmp_path, after=JOINS_FOR).joined([notable("9")]) == [notable("9")]


def test_a_flood_is_cut_to_the_newest_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    opened(tmp_path).append([notable(str(each)) for each in range(MOST_JOINED + 3)])
    joined = opened(tmp_path, told).joined([notable("new")])
    assert [each.event_id for each in joined[:2]] == ["new", "3"]
    assert len(joined) == MOST_JOINED + 1
    assert told == ["3 earlier notables of regsvcs.exe on ws01 were left out of its case"]


@given(cut=st.integers(min_value=1, max_value=400), text=TEXT)
def test_a_file_cut_anywhere_loses_no_whole_line_and_takes_more(cut: int, text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, told = Path(name), list[str]()
        opened(folder).append([notable("1", user=text)])
        whole = (folder / JOURNAL).read_bytes()
        opened(folder).append([notable("2")])
        both = (folder / JOURNAL).read_bytes()
        left = max(len(whole), len(both) - cut)
        (folder / JOURNAL).write_bytes(both[:left])
        mended = opened(folder, told)
        # Without its newline alone the line is whole.
        kept = left >= len(both) - 1
        assert mended.append([notable("2")]) == (0 if kept else 1)
        assert (folder / JOURNAL).read_bytes().splitlines()[0] + b"\n" == whole
        assert len((folder / JOURNAL).read_bytes().splitlines()) == 2
        assert bool(told) == (not kept and left > len(whole))


def test_a_damaged_line_in_between_is_told_and_left(tmp_path: Path) -> None:
    told: list[str] = []
    opened(tmp_path).append([notable("1")])
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"\0\0\0\n[1]\n" + b'{"v":2}\n')
    opened(tmp_path).append([notable("2")])
    journal = opened(tmp_path, told)
    assert [each.event_id for each in journal.joined([notable("9")])] == ["9", "1", "2"]
    assert [each.partition(": ")[2] for each in told] == [
        "line 2 is damaged and was left out",
        "line 3 is damaged and was left out",
        "1 line not of this version, left out",
    ]


def test_what_cannot_be_written_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).append([notable("1")])
    before = (tmp_path / JOURNAL).read_bytes()

    def full(handle: int, data: bytes | memoryview) -> int:
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return real(handle, data[: len(data) // 2])

    real = os.write
    journal = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("connectors.state.line_file.os.write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append([notable("2"), notable("3")])
    assert (tmp_path / JOURNAL).read_bytes() == before
    assert journal.append([notable("2")]) == 1


def test_a_file_of_one_line_without_newline_is_mended_over_many_steps(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "lines"
    path.write_bytes(b'{"a":1}\n' + b"x" * 300_000)
    assert list(LineFile(path, tell=told.append).records()) == [{"a": 1}]
    assert path.read_bytes() == b'{"a":1}\n'
    assert "300000 bytes" in told[0]


def test_the_lock_is_one_at_a_time_and_its_file_is_no_lock(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(FolderInUse, match="in use by another run"), locked(tmp_path):
        raise AssertionError("locked twice")
    with locked(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    held, go = os.pipe()
    child = os.fork()
    if child == 0:
        lock = locked(tmp_path)
        lock.__enter__()  # held until the process ends
        os.write(go, b"x")
        os.read(os.pipe()[0], 1)  # for ever
        os._exit(0)
    try:
        os.read(held, 1)
        with pytest.raises(FolderInUse), locked(tmp_path):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    with locked(tmp_path):
        pass


def test_the_record_tells_what_was_written_and_what_failed(tmp_path: Path) -> None:
    now, told = [START], list[str]()

    def record() -> WriteBackRecord:
        return WriteBackRecord(tmp_path, clock=lambda: now[0], tell=told.append)

    first = record()
    first.add("update_notable", "1", "same", ok=True)
    first.add("update_notable", "2", "same", ok=False)
    assert record().holds("update_notable", "1", "same")
    assert not record().holds("update_notable", "1", "other")
    assert not record().holds("update_notable", "2", "same")
    assert record().due(["1", "2", "3"]) == ("3", "2"), "what was never written, then what failed"
    record().add("update_notable", "2", "same", ok=True)
    record().passed(["1", "3"])
    assert record().holds("update_notable", "1", "same")
    assert record().due(["1", "2", "3"]) == ()
    first.add("add_risk", "1", "case", ok=False)
    assert record().due(["1", "2", "3"]) == ("1",)
    now[0] += JOINS_FOR
    assert record().due(["1", "2", "3"]) == ()


def test_what_an_earlier_version_took_for_the_machine_may_be_the_peer(tmp_path: Path) -> None:
    opened(tmp_path).append([notable(machine_field="")])
    (read,) = opened(tmp_path).recent
    assert (read.dest, read.dest_given, read.machine_doubtful) == ("WS01", "WS01", True)
