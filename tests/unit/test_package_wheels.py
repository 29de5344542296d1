"""The wheel cache: hashes checked at every use, pip asked only for what is missing, one package built."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.soar import wheels
from scripts.soar.archive import sha256
from scripts.soar.pins import Architecture, Pin
from scripts.soar.wheels import PackageError, built, chosen, fill, lacking, named, verified

X86, ARM = "manylinux_2_28_x86_64", "manylinux_2_28_aarch64"

# Stands for `pip download`: it copies from a folder what pip would take, without looking at hashes.
FAKE_PIP = """
import shutil, sys
from pathlib import Path
index, log = Path(sys.argv[1]), Path(sys.argv[2])
options = dict(each.split("=", 1) for each in sys.argv[3:] if "=" in each)
platforms = [each.split("=")[1] for each in sys.argv if each.startswith("--platform=")]
wanted = [line.split("==")[0] for line in Path(options["--requirement"]).read_text().splitlines()]
with log.open("a") as out:
    out.write(f"{' '.join(wanted)} for {platforms[0] if platforms else 'source'}\\n")
dest = Path(options["--dest"])
dest.mkdir()
for name in wanted:
    files = sorted(index.glob(f"{name}-*"))
    fitting = [f for f in files if f.name.endswith("-any.whl") or any(p in f.name for p in platforms)]
    if not fitting:
        print(f"ERROR: no file for {name}", file=sys.stderr)
        sys.exit(1)
    shutil.copy(fitting[0], dest)
"""


class Index:
    """A folder of wheels, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "index"
        self.files.mkdir()
        self.log = folder / "log"
        self.script = folder / "fake_pip.py"
        self.script.write_text(FAKE_PIP)

    def add(self, name: str, content: bytes) -> str:
        """Publish a file; its sha256."""
        (self.files / name).write_bytes(content)
        return sha256(content)

    def asked(self) -> list[str]:
        """One line per call, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def command(self) -> list[str]:
        return [sys.executable, "-I", str(self.script), str(self.files), str(self.log)]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path)
    monkeypatch.setattr(wheels, "pip_command", made.command)
    return made


@pytest.fixture
def pins(index: Index) -> list[Pin]:
    pure = index.add("pure-1.0-py3-none-any.whl", b"pure")
    fast = {index.add(f"fast-2.0-cp313-cp313-{tag}.whl", tag.encode()) for tag in (X86, ARM)}
    return [Pin("pure", "1.0", frozenset({pure})), Pin("fast", "2.0", frozenset(fast))]


def test_each_architecture_is_asked_only_for_what_is_missing(
    index: Index, pins: list[Pin], tmp_path: Path
) -> None:
    found = fill(tmp_path / "cache", pins)
    assert {name: [file.name for file in files] for name, files in found.items()} == {
        "fast": [f"fast-2.0-cp313-cp313-{ARM}.whl", f"fast-2.0-cp313-cp313-{X86}.whl"],
        "pure": ["pure-1.0-py3-none-any.whl"],
    }
    assert index.asked() == [f"pure fast for {X86}", f"fast for {ARM}"]


def test_a_full_cache_asks_nothing(index: Index, pins: list[Pin], tmp_path: Path) -> None:
    first = fill(tmp_path / "cache", pins)
    index.log.unlink()
    assert fill(tmp_path / "cache", pins) == first
    assert index.asked() == []
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        file.name for files in first.values() for file in files
    )


def test_a_damaged_file_is_fetched_again(index: Index, pins: list[Pin], tmp_path: Path) -> None:
    fill(tmp_path / "cache", pins)
    index.log.unlink()
    damaged = tmp_path / "cache/pure-1.0-py3-none-any.whl"
    damaged.write_bytes(b"pur")
    fill(tmp_path / "cache", pins)
    assert damaged.read_bytes() == b"pure"
    assert index.asked() == [f"pure for {X86}"]


def test_a_file_with_another_hash_is_refused(index: Index, pins: list[Pin], tmp_path: Path) -> None:
    index.add("pure-1.0-py3-none-any.whl", b"swapped")
    with pytest.raises(PackageError, match="does not have a pinned hash: pure"):
        fill(tmp_path / "cache", pins)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_failing_pip_is_named_and_its_words_are_shown(
    index: Index, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PackageError, match="could not fetch all of absent; its reason is above"):
        fill(tmp_path / "cache", [Pin("absent", "1", frozenset({"a" * 64}))])
    assert "ERROR: no file for absent" in capfd.readouterr().err
    assert index.asked() == [f"absent for {X86}"]


def test_files_of_no_pin_are_left_alone(tmp_path: Path) -> None:
    others = ["pure-0.9-py3-none-any.whl", "other-1.0-py3-none-any.whl", "notes.txt"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    assert verified(tmp_path, [Pin("pure", "1.0", frozenset({"a" * 64}))]) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize(
    ("files", "x86", "arm"),
    [
        (["p-1-py3-none-any.whl"], "p-1-py3-none-any.whl", "p-1-py3-none-any.whl"),
        (["p-1-py2.py3-none-any.whl", "p-1.tar.gz"], "p-1-py2.py3-none-any.whl", "p-1-py2.py3-none-any.whl"),
        (
            [f"p-1-cp311-abi3-{X86}.whl", f"p-1-cp313-cp313-{X86}.whl"],
            f"p-1-cp313-cp313-{X86}.whl",
            None,
        ),
        (
            ["p-1-py3-none-any.whl", "p-1-cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"],
            "p-1-py3-none-any.whl",
            "p-1-cp310-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        ),
        ([f"p-1-cp312-cp312-{X86}.whl", "p-1-cp313-cp313t-any.whl"], None, None),
        (["p-1-cp313-cp313-manylinux_2_39_x86_64.whl", "p-1-cp313-cp313-win_amd64.whl"], None, None),
        (["p-1-cp313-cp313-musllinux_1_2_x86_64.whl", "p-1-cp314-abi3-any.whl"], None, None),
    ],
)
def test_the_wheel_of_each_architecture(files: Sequence[str], x86: str | None, arm: str | None) -> None:
    found = {architecture: file.name for architecture, file in chosen([Path(each) for each in files]).items()}
    assert (found.get(Architecture.X86_64), found.get(Architecture.AARCH64)) == (x86, arm)


def test_a_wheel_for_one_architecture_lacks_on_the_other() -> None:
    pin = Pin("p", "1", frozenset())
    found = {"p": [Path(f"p-1-cp313-cp313-{X86}.whl")]}
    assert lacking([pin], found, Architecture.X86_64) == []
    assert lacking([pin], found, Architecture.AARCH64) == [pin]


def test_a_long_list_is_cut(index: Index, tmp_path: Path) -> None:
    pins = [Pin(f"p{number}", "1", frozenset({"a" * 64})) for number in range(8)]
    with pytest.raises(PackageError, match="all of p0, p1, p2, p3, p4 and 3 more;"):
        fill(tmp_path / "cache", pins)


def test_names_of_files() -> None:
    assert named(Path("Red_Black.tree-1.02-py3-none-any.whl")) == ("red-black-tree", "1.2")
    assert named(Path("red-black-tree-mod-1.22.tar.gz")) == ("red-black-tree-mod", "1.22")
    assert named(Path("notes.txt")) is None


def source_archive(path: Path, moment: float) -> Path:
    files = {
        "setup.py": "from setuptools import setup\nsetup(name='tiny', version='1.0', py_modules=['tiny'])\n",
        "tiny.py": "VALUE = 1\n",
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"tiny-1.0/{name}")
            entry.size, entry.mtime = len(text), int(moment)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_a_built_wheel_is_the_same_each_time(tmp_path: Path) -> None:
    digests = []
    for number, mask in enumerate((0o022, 0o077)):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = source_archive(folder / "tiny-1.0.tar.gz", time.time() - number * 1e6)
        before = os.umask(mask)
        try:
            wheel = built(folder / "built", source)
        finally:
            os.umask(before)
        digests.append(sha256(wheel.read_bytes()))
    assert digests[0] == digests[1]
    assert wheel.name == "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("tiny.py") == b"VALUE = 1\n"
        assert not [name for name in archive.namelist() if str(tmp_path).encode() in archive.read(name)]


def test_a_source_that_cannot_be_built_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "bad-1.0.tar.gz"
    text = b"raise SystemExit('no compiler here')"
    with tarfile.open(source, "w:gz") as tar:
        entry = tarfile.TarInfo("bad-1.0/setup.py")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    with pytest.raises(PackageError, match=r"bad-1\.0\.tar\.gz could not be built"):
        built(tmp_path / "built", source)
    assert "no compiler here" in capsys.readouterr().err
    assert list((tmp_path / "built").iterdir()) == []


def test_without_pip_uv_is_asked_and_without_both_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/uv")
    assert wheels.pip_command()[:3] == ["/bin/uv", "tool", "run"]
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(PackageError, match="needs pip or uv"):
        wheels.pip_command()
