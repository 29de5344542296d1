"""`make manifest`: writes manifest.json and docs/bundled-packages.md; --check compares, without a network.

The committed manifest is the package's own, byte for byte. A check has no wheels, so it compares their
names and versions with requirements/soar.txt, and everything else with what the app says now.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from scripts.check_requirements import ROOT
from scripts.soar.bundled import DOCUMENT, document, listed_versions
from scripts.soar.pins import Pin, bundled, soar_pins
from scripts.soar.stage import APP, app_files, app_pyproject, read_project, write_files
from scripts.soar.wheels import PackageError, fill, named

MANIFEST = ROOT / "manifest.json"
CACHE = ROOT / ".cache/wheels"

#: Keys that name wheels; they are known only when the wheels are there.
_WHEELS = "pip313_dependencies"


def app_manifest(files: Mapping[str, bytes], root: Path, wheels: Mapping[str, Sequence[Path]]) -> bytes:
    """The manifest.json of a package.

    Args:
        files: the package, path -> content; see `stage.app_files`.
        root: the checkout, for pyproject.toml.
        wheels: name of a bundled package -> its wheels; none when only the rest of the manifest is asked for.

    Raises:
        PackageError: the SDK could not make it; it has said why on stderr.
    """
    with tempfile.TemporaryDirectory() as work:
        # The SDK imports the stage as a package, so its name must be one.
        stage = Path(work) / APP
        write_files(stage, files)
        (stage / "pyproject.toml").write_text(app_pyproject(read_project(root)), encoding="utf-8")
        listed = [
            (name, (named(paths[0]) or ("", ""))[1], [path.name for path in paths])
            for name, paths in sorted(wheels.items())
        ]
        given, out = Path(work) / "wheels.json", Path(work) / "manifest.json"
        given.write_text(json.dumps(listed), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "scripts.soar.sdk_manifest", str(stage), str(given), str(out)],
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if done.returncode:
            raise PackageError("The SDK could not make the manifest (the reason is above).")
        return out.read_bytes()


def drift(committed: Mapping[str, Any], now: Mapping[str, Any], pins: Sequence[Pin]) -> list[str]:
    """One sentence for each difference between manifest.json and what it would be now."""
    found = [
        f"{key} differs"
        for key in sorted(committed.keys() | now.keys())
        if key != _WHEELS and committed.get(key) != now.get(key)
    ]
    wanted = {(pin.name, pin.version) for pin in bundled(pins)}
    entries = committed.get(_WHEELS, {}).get("wheel", [])
    listed = {version for entry in entries for version in _wheel_versions(entry)}
    found += [f"{name}=={version} is not listed" for name, version in sorted(wanted - listed)]
    found += [f"{name}=={version} is not pinned" for name, version in sorted(listed - wanted)]
    return found


def _wheel_versions(entry: Mapping[str, str]) -> set[tuple[str, str]]:
    """Name and version of the wheels one entry of the manifest names."""
    files = [entry.get("input_file", ""), entry.get("input_file_aarch64", "")]
    module = canonicalize_name(entry.get("module", ""))
    return {named(Path(file)) or (module, "unknown") for file in files}


def check(root: Path) -> list[str]:
    """Everything in which manifest.json and docs/bundled-packages.md are behind; needs no network.

    Raises:
        OSError: a file cannot be read.
        PackageError: see `app_manifest`.
    """
    pins = soar_pins(root / "requirements/soar.txt")
    now = json.loads(app_manifest(app_files(root), root, {}))
    committed = json.loads((root / MANIFEST.name).read_text(encoding="utf-8"))
    found = [f"{MANIFEST.name}: {text}" for text in drift(committed, now, pins)]
    path = root / DOCUMENT
    listed = listed_versions(path.read_text(encoding="utf-8"))
    if listed != {pin.name: pin.version for pin in bundled(pins)}:
        found.append(f"{DOCUMENT}: its packages are not those of requirements/soar.txt")
    return found


def write(root: Path) -> None:
    """Write manifest.json and docs/bundled-packages.md; fetches the wheels the cache lacks.

    Raises:
        PackageError: wheels or manifest could not be had.
    """
    pins = soar_pins(root / "requirements/soar.txt")
    wheels = fill(CACHE, pins)
    kept = {pin.name: wheels[pin.name] for pin in bundled(pins)}
    (root / MANIFEST.name).write_bytes(app_manifest(app_files(root), root, kept))
    (root / DOCUMENT).write_text(document(root, kept), encoding="utf-8")
    print(f"wrote {MANIFEST.name} and {DOCUMENT}")


def main(arguments: Sequence[str]) -> int:
    """Write, or with --check compare; 1 when something is wrong."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m scripts.soar.manifest [--check]", file=sys.stderr)
        return 2
    try:
        if not arguments:
            write(ROOT)
            return 0
        problems = check(ROOT)
    except (PackageError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("`make manifest` writes both files again.", file=sys.stderr)
        return 1
    print("manifest.json and docs/bundled-packages.md are as the app and its pins say.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
