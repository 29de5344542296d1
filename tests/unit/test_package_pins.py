"""The pins of the app: markers judged for the platform, hashes read whole, the platform's own left out."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from soar_sdk.meta.dependencies import DEPENDENCIES_TO_BUILD, DEPENDENCIES_TO_SKIP

from scripts.check_requirements import HEADER
from scripts.soar.pins import (
    PLATFORM_PROVIDED,
    SOURCE_ONLY,
    Architecture,
    Pin,
    bundled,
    environment,
    hashed_lines,
    platform_pins,
    soar_pins,
    wanted_somewhere,
)

A, B = "a" * 64, "b" * 64


def entry(pin: str, *hashes: str) -> str:
    return " \\\n    ".join((pin, *(f"--hash=sha256:{each}" for each in hashes))) + "\n"


def test_reads_names_versions_and_all_hashes() -> None:
    text = HEADER + entry("Some_Pkg==1.02", A, B) + entry("other==2", B)
    assert platform_pins(text) == [
        Pin("some-pkg", "1.2", frozenset({A, B})),
        Pin("other", "2", frozenset({B})),
    ]


@pytest.mark.parametrize(
    ("marker", "kept"),
    [
        ("sys_platform == 'win32'", False),
        ("os_name == 'nt' or sys_platform == 'win32'", False),
        ("platform_python_implementation != 'PyPy'", True),
        ("platform_python_implementation != 'PyPy' and sys_platform == 'win32'", False),
        ("platform_machine == 'aarch64'", True),
        ("platform_machine == 'arm64'", False),
        ("python_full_version < '3.14'", True),
        ("python_version >= '3.14'", False),
    ],
)
def test_markers_are_judged_for_the_platform(marker: str, kept: bool) -> None:
    assert bool(platform_pins(entry(f"pkg==1 ; {marker}", A))) is kept
    assert wanted_somewhere(Marker(marker)) is kept


def test_no_marker_variable_is_left_to_this_machine() -> None:
    known = set(environment(Architecture.X86_64))
    text = "os_name sys_platform platform_machine platform_python_implementation platform_release"
    text += " platform_system platform_version python_version python_full_version implementation_name"
    assert known == {*text.split(), "implementation_version", "extra"}


@pytest.mark.parametrize(
    "line",
    ["pkg>=1 --hash=sha256:" + A, "pkg==1", "pkg==1 --hash=md5:abc", "pkg==1 --hash=sha256:" + A[1:]],
)
def test_refuses_what_is_not_pinned_and_hashed(line: str) -> None:
    with pytest.raises(ValueError, match="line 1 is not pinned and hashed"):
        platform_pins(line + "\n")


def test_what_the_platform_provides_is_not_bundled() -> None:
    pins = [Pin("requests", "1", frozenset({A})), Pin("pydantic", "2", frozenset({B}))]
    assert bundled(pins) == [pins[1]]


def test_the_sdk_provides_and_builds_the_same() -> None:
    assert {name.replace("_", "-") for name in DEPENDENCIES_TO_SKIP} == PLATFORM_PROVIDED
    assert {name.replace("_", "-") for name in DEPENDENCIES_TO_BUILD} >= SOURCE_ONLY


def test_lines_for_pip_name_every_hash_in_order() -> None:
    pins = [Pin("pkg", "1", frozenset({B, A}))]
    assert hashed_lines(pins) == f"pkg==1 --hash=sha256:{A} --hash=sha256:{B}\n"


def test_the_committed_pins_hold_the_sdk_and_nothing_of_windows() -> None:
    pins = {pin.name: pin for pin in soar_pins()}
    assert pins["splunk-soar-sdk"].version == "7.0.3"
    assert {"evtx", "orjson", "pydantic", "tzdata", "red-black-tree-mod", "cffi"} <= pins.keys()
    assert not {"colorama", "win-unicode-console"} & pins.keys()
