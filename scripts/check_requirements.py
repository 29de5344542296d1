"""Checks, without a network, that requirements/*.txt are what pyproject.toml asks for.

Every dependency of the project has an entry that is pinned to one version, hashed, and satisfies the
specifier; the base file's versions hold in every other file; and no line names an index, a host or a path.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent

#: Each requirement file and the extras of the project it holds. The first is the base of all others.
REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "base.txt": (),
    "soar.txt": ("soar",),
    "dev.txt": ("dev", "soar"),
}

#: The only comment a requirement file may hold.
HEADER = "# Pinned by `make lock` from pyproject.toml. Do not edit.\n"

# Nothing else than these two shapes may stand in a file: a URL, an option or a path has no place to hide.
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[0-9][A-Za-z0-9.!+_-]*)(?P<marker> ; [^\\]+)?"
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Pin(NamedTuple):
    """One entry of a requirement file."""

    name: str
    version: Version


def read_pins(text: str) -> tuple[list[Pin], list[str]]:
    """The pins of a requirement file, and what is wrong with its lines.

    Args:
        text: the file, as `uv pip compile --generate-hashes` writes it.

    Returns:
        Pins in the file's order, names normalised; and one sentence per problem.
    """
    pins: list[Pin] = []
    problems: list[str] = []
    for number, entry in logical_lines(text):
        if not entry or entry == HEADER.strip():
            continue
        pin, *hashes = re.split(r" (?=--)", entry)
        match = _PIN.fullmatch(pin)
        if match is None or not _is_requirement(pin) or not all(_HASH.fullmatch(item) for item in hashes):
            problems.append(f"line {number} is not a pinned, hashed requirement: {entry[:60]!r}")
        elif not hashes:
            problems.append(f"line {number}: {match['name']} has no hash")
        else:
            pins.append(Pin(canonicalize_name(match["name"]), Version(match["version"])))
    return pins, problems


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with continuations joined by one space, each with the number of its first line."""
    held: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        held.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            yield number - len(held) + 1, " ".join(held)
            held = []
    if held:
        yield text.count("\n") + 1, " ".join(held)


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def unmet(wanted: Sequence[Requirement], pins: Sequence[Pin]) -> list[str]:
    """One sentence for each requirement that no pin, or a pin of another version, answers."""
    problems = []
    for requirement in wanted:
        found = [pin.version for pin in pins if pin.name == canonicalize_name(requirement.name)]
        if not found:
            problems.append(f"{requirement} is not pinned")
        problems.extend(
            f"{requirement} is pinned to {version}"
            for version in found
            if not requirement.specifier.contains(version, prereleases=True)
        )
    return problems


def departures(base: Sequence[Pin], pins: Sequence[Pin]) -> list[str]:
    """One sentence for each pin of the base file that does not stand in another file the same way."""
    return [
        f"{pin.name}=={pin.version} of {next(iter(REQUIREMENTS))} is missing"
        for pin in base
        if pin not in pins
    ]


def check(root: Path) -> list[str]:
    """Everything wrong with the requirement files under `root`; empty when all is well.

    Raises:
        OSError: pyproject.toml or a requirement file cannot be read.
        tomllib.TOMLDecodeError: pyproject.toml is not TOML.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    base: list[Pin] | None = None
    problems: list[str] = []
    for name, extras in REQUIREMENTS.items():
        pins, found = read_pins((root / "requirements" / name).read_text(encoding="utf-8"))
        wanted = list(project["project"]["dependencies"])
        for extra in extras:
            wanted += project["project"]["optional-dependencies"][extra]
        if "dev" in extras:
            wanted += project["build-system"]["requires"]
        found += unmet([Requirement(text) for text in wanted], pins)
        base = pins if base is None else base
        found += departures(base, pins)
        problems += [f"requirements/{name}: {text}" for text in found]
    return problems


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    problems = check(ROOT)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("`make lock` writes the files again.", file=sys.stderr)
        return 1
    print("Requirements match pyproject.toml.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
