"""Archives: the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from scripts.soar.archive import (
    FIXED_TIME_S,
    fixed_time_text,
    repacked_zip,
    sha256,
    tar_gz,
)

FILES = {"app/b.py": b"two", "app/a.py": b"one", "app/ü/x.html": b"<p>"}


def entries(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getmembers()


def test_order_and_time_of_writing_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = tar_gz(FILES)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    old = os.umask(0o077)
    try:
        second = tar_gz(dict(reversed(FILES.items())))
    finally:
        os.umask(old)
    assert sha256(first) == sha256(second)


def test_a_changed_byte_changes_the_archive() -> None:
    assert tar_gz(FILES) != tar_gz({**FILES, "app/a.py": b"onE"})


def test_entries_say_nothing_of_this_machine() -> None:
    found = entries(tar_gz(FILES))
    assert [each.name for each in found] == ["app/a.py", "app/b.py", "app/ü/x.html"]
    about = {(each.mtime, each.mode, each.uid, each.gid, each.uname, each.gname) for each in found}
    assert about == {(FIXED_TIME_S, 0o644, 0, 0, "", "")}


def test_contents_come_back(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_gz(FILES))) as tar:
        tar.extractall(tmp_path, filter="data")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_the_gzip_header_has_neither_name_nor_time() -> None:
    data = tar_gz(FILES)
    assert data[3] == 0
    assert data[4:8] == bytes(4)
    assert gzip.decompress(data)


def zipped(names: list[str], mode: int, moment: tuple[int, int, int, int, int, int], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, moment)
            entry.external_attr = mode << 16
            archive.writestr(entry, name.encode(), compress_type=method)
    return packed.getvalue()


def test_a_repacked_wheel_depends_on_names_and_contents_alone() -> None:
    one = zipped(["b.py", "a.py"], 0o100600, (2020, 1, 1, 0, 0, 0), zipfile.ZIP_DEFLATED)
    other = zipped(["a.py", "d/", "b.py"], 0o100755, (2026, 5, 5, 5, 5, 4), zipfile.ZIP_STORED)
    assert repacked_zip(one) == repacked_zip(other)
    with zipfile.ZipFile(io.BytesIO(repacked_zip(one))) as archive:
        assert archive.namelist() == ["a.py", "b.py"]
        assert archive.read("a.py") == b"a.py"


def test_the_fixed_time_as_the_manifest_writes_it() -> None:
    assert fixed_time_text() == "2026-01-01T00:00:00.000000Z"
