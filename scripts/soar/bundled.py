"""docs/bundled-packages.md: each package the app bundles, its licence, its wheels, and who needs it.

All of it is read from the wheels' own metadata (https://packaging.python.org/specifications/core-metadata/).
"""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from email.message import Message
from email.parser import HeaderParser
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.soar.pins import Architecture, environment
from scripts.soar.wheels import chosen

DOCUMENT = "docs/bundled-packages.md"
UNKNOWN = "not stated"
#: A License field longer than this is the licence's text, not its name.
_MAX_NAME = 60


class Family(StrEnum):
    """Licences by what they ask of whoever passes the archive on, strictest first."""

    GPL = "GPL"
    LGPL = "LGPL"
    MPL = "MPL"
    PERMISSIVE = "permissive"


class Package(NamedTuple):
    """One bundled package."""

    name: str
    version: str
    licence: str
    wheels: Mapping[Architecture, str]
    needed_by: tuple[str, ...]
    has_text: bool


def licence(metadata: Message) -> str:
    """The licence a wheel states: its expression, else its classifiers, else a short License field."""
    if expression := metadata.get("License-Expression"):
        return str(expression).strip()
    prefix = "License :: "
    classified = [
        text.removeprefix(prefix).removeprefix("OSI Approved :: ").strip()
        for text in metadata.get_all("Classifier", [])
        if text.startswith(prefix) and text != "License :: OSI Approved"
    ]
    if classified:
        return ", ".join(classified)
    lines = str(metadata.get("License") or "").strip().splitlines()
    return lines[0].strip() if lines and len(lines[0]) <= _MAX_NAME else UNKNOWN


def family(text: str) -> Family:
    """The strictest family a licence's name speaks of."""
    lowered = text.lower()
    if re.search(r"\blgpl|lesser general public", lowered):
        return Family.LGPL
    if re.search(r"\ba?gpl|general public licen[cs]e", lowered):
        return Family.GPL
    if re.search(r"\bmpl|mozilla public", lowered):
        return Family.MPL
    return Family.PERMISSIVE


def wheel_metadata(path: Path) -> Message:
    """The METADATA of a wheel.

    Raises:
        ValueError: there is none, or several.
    """
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        if len(names) != 1:
            raise ValueError(f"{path.name} has {len(names)} METADATA files, not one")
        return HeaderParser().parsestr(wheel.read(names[0]).decode("utf-8"))


def has_licence_text(path: Path) -> bool:
    """Whether a wheel holds a file that is called a licence."""
    with zipfile.ZipFile(path) as wheel:
        return any(re.search(r"licen[cs]e|copying", name, re.IGNORECASE) for name in wheel.namelist())


def requirements(metadata: Message, extras: Iterable[str]) -> list[Requirement]:
    """What a package with these extras needs on the platform."""
    found = []
    for text in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(
            marker.evaluate({**environment(architecture), "extra": extra})
            for architecture in Architecture
            for extra in ("", *extras)
        ):
            found.append(requirement)
    return found


def needed_by(roots: Mapping[str, Sequence[str]], metadata: Mapping[str, Message]) -> dict[str, list[str]]:
    """Package -> those that need it directly.

    Args:
        roots: who needs packages from outside, such as this project -> its requirements.
        metadata: package -> its METADATA.
    """
    found: dict[str, list[str]] = {}
    waiting = [(who, Requirement(text)) for who, texts in roots.items() for text in texts]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        who, requirement = waiting.pop(0)
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if name not in metadata:
            continue
        if who not in found.setdefault(name, []):
            found[name].append(who)
        if (name, extras) not in seen:
            seen.add((name, extras))
            waiting += [(name, each) for each in requirements(metadata[name], sorted(extras))]
    return found


def project_roots(root: Path) -> dict[str, list[str]]:
    """Who asks for packages first: the playbook's own modules, and the app for the SDK.

    Raises:
        OSError: pyproject.toml cannot be read.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "this project": project["dependencies"],
        "the app (SDK)": project["optional-dependencies"]["soar"],
    }


def packages(root: Path, wheels: Mapping[str, Sequence[Path]]) -> list[Package]:
    """Everything bundled, by strictness of its licence and then by name.

    Args:
        root: the checkout.
        wheels: name of a bundled package -> its wheels.
    """
    metadata = {name: wheel_metadata(paths[0]) for name, paths in wheels.items()}
    users = needed_by(project_roots(root), metadata)
    found = [
        Package(
            name,
            str(metadata[name]["Version"]),
            licence(metadata[name]),
            {architecture: path.name for architecture, path in chosen(paths).items()},
            tuple(users.get(name, ())),
            has_licence_text(paths[0]),
        )
        for name, paths in wheels.items()
    ]
    order = list(Family)
    return sorted(found, key=lambda each: (order.index(family(each.licence)), each.name))


_HEAD = """\
# Bundled packages

Generated by `make manifest` from the metadata of the wheels. Do not edit.

The app's archive bundles these {count} packages, so that the platform installs it without a network.
Versions and hashes are pinned in requirements/soar.txt. Packages of the platform's own Python (requests,
urllib3 and others) are not bundled.

Copyleft licences come first:

{copyleft}

Each wheel is passed on as published; `red-black-tree-mod` has no published wheel and is built from its
source. Wheels without a licence text inside: {textless}. This project imports none of the GPL and LGPL
packages: they come with the SDK. "Needed by" names who asks for a package directly.
"""


def document(root: Path, wheels: Mapping[str, Sequence[Path]]) -> str:
    """The text of docs/bundled-packages.md."""
    listed = packages(root, wheels)
    by_family = {each: [item for item in listed if family(item.licence) is each] for each in Family}
    strict = [
        f"- {each.value}: {', '.join(f'`{item.name}`' for item in by_family[each])}"
        for each in Family
        if each is not Family.PERMISSIVE and by_family[each]
    ]
    textless = ", ".join(f"`{item.name}`" for item in listed if not item.has_text)
    text = _HEAD.format(
        count=len(listed), copyleft="\n".join(strict) or "- none", textless=textless or "none"
    )
    for heading, families in (
        ("Copyleft", (Family.GPL, Family.LGPL, Family.MPL)),
        ("Permissive", (Family.PERMISSIVE,)),
    ):
        rows = [_row(item) for each in families for item in by_family[each]]
        if rows:
            text += f"\n## {heading}\n\n| package | version | licence | needed by | wheels |\n"
            text += "|---|---|---|---|---|\n" + "".join(rows)
    return text


def _row(package: Package) -> str:
    files = dict.fromkeys(package.wheels.values())
    wheels = "<br>".join(f"`{file}`" for file in files)
    users = ", ".join(package.needed_by) or UNKNOWN
    return f"| {package.name} | {package.version} | {package.licence} | {users} | {wheels} |\n"


def listed_versions(text: str) -> dict[str, str]:
    """Package -> version, as a text made by `document` lists them."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([^ |]+) \| [^|]+ \| [^|]+ \| `", text, re.MULTILINE)
    return dict(rows)
