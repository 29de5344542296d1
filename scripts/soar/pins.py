"""The pins of requirements/soar.txt as the platform's two architectures see them.

Every marker is judged for the platform, CPython 3.13 on Linux, and for nothing of the machine at hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.check_requirements import HEADER, ROOT, logical_lines

SOAR_REQUIREMENTS = ROOT / "requirements/soar.txt"
PYTHON = (3, 13)

#: Published as source only; the SDK builds it too. Everything else must have wheels.
SOURCE_ONLY = frozenset({"red-black-tree-mod"})

#: Packages of the platform's own Python, never bundled: the SDK's DEPENDENCIES_TO_SKIP, normalised. A test
#: holds the two together. https://docs.splunk.com/Documentation/SOAR/current/DevelopApps/FAQ
PLATFORM_PROVIDED = frozenset(
    {
        "beautifulsoup4",
        "certifi",
        "charset-normalizer",
        "idna",
        "parse",
        "python-dateutil",
        "requests",
        "sh",
        "six",
        "soupsieve",
        "urllib3",
        "xmltodict",
    }
)

# The SDK looks for wheels of these, in this order: soar_sdk/meta/dependencies/package.py.
_MANYLINUX = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


class Architecture(StrEnum):
    """Machines Splunk SOAR runs on, as `platform.machine()` names them."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


class Pin(NamedTuple):
    """One package of the list: normalised name, version, and the sha256 of each of its files."""

    name: str
    version: str
    hashes: frozenset[str]


def platforms(architecture: Architecture) -> list[str]:
    """Platform tags of wheels the SDK bundles for an architecture, best first."""
    return [f"{name}_{architecture}" for name in _MANYLINUX]


def supported_tags(architecture: Architecture) -> list[Tag]:
    """Every wheel tag that runs on the platform's Python on this architecture, most specific first."""
    named = platforms(architecture)
    return [
        *cpython_tags(PYTHON, platforms=named),
        *compatible_tags(PYTHON, interpreter="cp313", platforms=named),
    ]


def environment(architecture: Architecture) -> dict[str, str]:
    """Values of all marker variables on the platform; none is left to the machine at hand."""
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": "3.13.0",
        "os_name": "posix",
        "platform_machine": architecture.value,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.13.0",
        "python_version": "3.13",
        "sys_platform": "linux",
    }


def wanted_somewhere(marker: Marker | None) -> bool:
    """Whether a marker holds on at least one architecture."""
    return marker is None or any(marker.evaluate(environment(each)) for each in Architecture)


def platform_pins(text: str) -> list[Pin]:
    """The pins of a requirement file that hold on the platform, in the file's order.

    Args:
        text: the file, as `uv pip compile --generate-hashes` writes it.

    Raises:
        ValueError: an entry is not pinned to one version, or has no sha256.
    """
    pins = []
    for number, entry in logical_lines(text):
        if not entry or entry == HEADER.strip():
            continue
        written, *options = re.split(r" (?=--)", entry)
        hashes = frozenset(each.removeprefix("--hash=sha256:") for each in options)
        requirement = Requirement(written)
        versions = [each.version for each in requirement.specifier if each.operator == "=="]
        if len(versions) != 1 or not hashes or not all(re.fullmatch("[0-9a-f]{64}", each) for each in hashes):
            raise ValueError(f"line {number} is not pinned and hashed: {written!r}")
        if wanted_somewhere(requirement.marker):
            pins.append(Pin(canonicalize_name(requirement.name), str(Version(versions[0])), hashes))
    return pins


def soar_pins(path: Path = SOAR_REQUIREMENTS) -> list[Pin]:
    """The committed pins.

    Raises:
        OSError: the file cannot be read.
        ValueError: see `platform_pins`.
    """
    return platform_pins(path.read_text(encoding="utf-8"))


def bundled(pins: Iterable[Pin]) -> list[Pin]:
    """Those that go into the package: all but what the platform provides."""
    return [pin for pin in pins if pin.name not in PLATFORM_PROVIDED]


def hashed_lines(pins: Sequence[Pin]) -> str:
    """A requirement file for `pip --require-hashes`."""
    return "".join(
        f"{pin.name}=={pin.version} "
        + " ".join(f"--hash=sha256:{each}" for each in sorted(pin.hashes))
        + "\n"
        for pin in pins
    )
