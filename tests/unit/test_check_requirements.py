"""The offline check of requirements/*.txt: what it accepts, and everything that must not slip through."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from scripts.check_requirements import HEADER, Pin, check, departures, read_pins, unmet

HASH_A = "--hash=sha256:" + "a" * 64
HASH_B = "--hash=sha256:" + "b" * 64


def entry(pin: str, *hashes: str) -> str:
    return " \\\n    ".join((pin, *hashes)) + "\n"


def test_reads_pins_with_markers_and_several_hashes() -> None:
    text = (
        HEADER
        + entry("Some_Pkg==1.2.3", HASH_A, HASH_B)
        + entry("other==2 ; sys_platform == 'win32'", HASH_A)
    )
    pins, problems = read_pins(text)
    assert pins == [Pin("some-pkg", Version("1.2.3")), Pin("other", Version("2"))]
    assert problems == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://index.corp.example/simple",
        "--extra-index-url=https://index.corp.example/simple",
        "--find-links /opt/wheels",
        "--trusted-host index.corp.example",
        "-r other.txt",
        "# via index.corp.example",
        "-e .",
        "pkg>=1.0",
        "pkg",
        "pkg==1.*",
        "pkg @ https://files.corp.example/pkg-1.0-py3-none-any.whl",
        "./pkg-1.0-py3-none-any.whl",
        entry("pkg>=1.0", HASH_A),
        entry("pkg==1.0 ; nonsense", HASH_A),
        entry("pkg==1.0", HASH_A, "--hash=md5:" + "a" * 32),
        entry("pkg==1.0", "--hash=sha256:abc"),
        entry("pkg==1.0", HASH_A, "--index-url=https://index.corp.example/simple"),
        entry("pkg==1.0", HASH_A + " https://index.corp.example/simple"),
    ],
)
def test_refuses_every_other_line(line: str) -> None:
    good = entry("good==1.0", HASH_A)
    pins, problems = read_pins(good + line + "\n" + good)
    assert pins == [Pin("good", Version("1.0"))] * 2
    assert len(problems) == 1
    assert problems[0].startswith("line 3 ")


def test_a_pin_without_hash_is_named() -> None:
    assert read_pins("pkg==1.0\n") == ([], ["line 1: pkg has no hash"])


def test_a_file_cut_in_an_entry_keeps_what_stands_there() -> None:
    pins, problems = read_pins("pkg==1.0 \\\n    " + HASH_A + " \\")
    assert pins == [Pin("pkg", Version("1.0"))]
    assert problems == []


def test_unmet_names_missing_and_wrong_versions() -> None:
    pins = [Pin("a", Version("1.5")), Pin("b-c", Version("2.0")), Pin("b-c", Version("3.0"))]
    assert unmet([Requirement("A>=1.5"), Requirement("b.c>=2")], pins) == []
    assert unmet([Requirement("a>=2"), Requirement("b_c<3"), Requirement("d")], pins) == [
        "a>=2 is pinned to 1.5",
        "b_c<3 is pinned to 3.0",
        "d is not pinned",
    ]


def test_departures_names_what_the_base_has_otherwise() -> None:
    base = [Pin("a", Version("1")), Pin("b", Version("1"))]
    assert departures(base, base) == []
    assert departures(base, [Pin("a", Version("1")), Pin("b", Version("2"))]) == [
        "b==1 of base.txt is missing"
    ]


PYPROJECT = """
[build-system]
requires = ["backend>=1"]
[project]
dependencies = ["runtime>=1"]
[project.optional-dependencies]
soar = ["kit==3"]
dev = ["tool>=1"]
"""
RUNTIME = entry("runtime==1.1", HASH_A)
KIT = entry("kit==3", HASH_B)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "requirements/base.txt").write_text(RUNTIME)
    (tmp_path / "requirements/soar.txt").write_text(KIT + RUNTIME)
    (tmp_path / "requirements/dev.txt").write_text(
        entry("backend==1.0", HASH_A) + KIT + RUNTIME + entry("tool==2", HASH_B)
    )
    return tmp_path


def test_a_project_in_order_has_no_problem(project: Path) -> None:
    assert check(project) == []


def test_a_new_dependency_is_asked_for_in_every_file(project: Path) -> None:
    text = PYPROJECT.replace('"runtime>=1"', '"runtime>=1", "fresh>=3"')
    (project / "pyproject.toml").write_text(text)
    assert check(project) == [
        "requirements/base.txt: fresh>=3 is not pinned",
        "requirements/soar.txt: fresh>=3 is not pinned",
        "requirements/dev.txt: fresh>=3 is not pinned",
    ]


def test_build_backend_and_tools_are_asked_for_in_dev_alone(project: Path) -> None:
    (project / "requirements/dev.txt").write_text(KIT + RUNTIME)
    assert check(project) == [
        "requirements/dev.txt: tool>=1 is not pinned",
        "requirements/dev.txt: backend>=1 is not pinned",
    ]


def test_the_sdk_is_asked_for_where_the_app_is_built_and_tested(project: Path) -> None:
    (project / "requirements/soar.txt").write_text(RUNTIME)
    (project / "requirements/dev.txt").write_text(
        entry("backend==1.0", HASH_A) + entry("kit==4", HASH_B) + RUNTIME + entry("tool==2", HASH_B)
    )
    assert check(project) == [
        "requirements/soar.txt: kit==3 is not pinned",
        "requirements/dev.txt: kit==3 is pinned to 4",
    ]


def test_the_files_must_agree(project: Path) -> None:
    (project / "requirements/base.txt").write_text(entry("runtime==1.2", HASH_A))
    assert check(project) == [
        "requirements/soar.txt: runtime==1.2 of base.txt is missing",
        "requirements/dev.txt: runtime==1.2 of base.txt is missing",
    ]
