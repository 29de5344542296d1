"""`make package`: dist/regsvcs_response.tgz, the app, and dist/regsvcs_response_playbooks.tgz, for import.

The same sources and pins give the same bytes. The app is then installed in a clean venv and asked.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import soar_sdk.paths

from scripts.check_requirements import ROOT
from scripts.soar.archive import sha256, tar_gz
from scripts.soar.install import manifest_wheels, prove, this_architecture
from scripts.soar.manifest import CACHE, MANIFEST, app_manifest
from scripts.soar.pins import SOURCE_ONLY, Architecture, bundled, soar_pins
from scripts.soar.refused import private_contents, unfit_sources
from scripts.soar.stage import APP, app_files, playbook_files
from scripts.soar.wheels import PackageError, fill

DIST = ROOT / "dist"
EXAMPLE = ROOT / "examples/stealer"

#: The SDK's views extend it; its own build ships it beside an app's templates.
BASE_TEMPLATE = "base/base_template.html"


def packaged(
    files: Mapping[str, bytes], manifest: bytes, wheels: Mapping[str, Sequence[Path]]
) -> dict[str, bytes]:
    """The whole package, under one folder: files, manifest and the wheels it names.

    Args:
        files: path in the package -> content.
        manifest: its manifest.json.
        wheels: name of a bundled package -> its wheels.
    """
    whole = {
        **files,
        f"templates/{BASE_TEMPLATE}": (soar_sdk.paths.SDK_TEMPLATES / BASE_TEMPLATE).read_bytes(),
        "manifest.json": manifest,
    }
    by_name = {path.name: path for paths in wheels.values() for path in paths}
    for name in {name for each in Architecture for name in manifest_wheels(json.loads(manifest), each)}:
        whole[name] = by_name[Path(name).name].read_bytes()
    return {f"{APP}/{name}": content for name, content in whole.items()}


def refuse(found: Iterable[str]) -> None:
    """Stop when a file must not be passed on.

    Args:
        found: one sentence for each.

    Raises:
        PackageError: it names each.
    """
    if sentences := "\n".join(found):
        raise PackageError(f"Nothing was packaged:\n{sentences}")


def refuse_private(files: Mapping[str, bytes]) -> None:
    """Stop when a file of ours holds what must not leave this machine.

    Raises:
        PackageError: it names each.
    """
    refuse(private_contents(files, (ROOT, CACHE, Path.home())))


def write_archive(name: str, files: Mapping[str, bytes]) -> Path:
    """Write an archive to dist/ and say what it is."""
    DIST.mkdir(exist_ok=True)
    path = DIST / name
    data = tar_gz(files)
    path.write_bytes(data)
    print(f"{path.relative_to(ROOT)}  {len(files)} files, {len(data) / 1e6:.1f} MB")
    print(f"  sha256 {sha256(data)}", flush=True)
    return path


def build() -> None:
    """Make both archives, install the app and ask it.

    Raises:
        PackageError: any of it failed.
        OSError: a source cannot be read, or dist/ not be written.
        ValueError: the pins or the playbooks are not in order.
    """
    refuse(unfit_sources(ROOT))
    pins = soar_pins()
    wheels = fill(CACHE, pins)
    kept = {pin.name: wheels[pin.name] for pin in bundled(pins)}
    provided = {name: paths for name, paths in wheels.items() if name not in kept}
    print(f"Wheels: {len(kept)} packages to bundle; every hash is as pinned.", flush=True)

    files, playbooks = app_files(ROOT), playbook_files(ROOT)
    manifest = app_manifest(files, ROOT, kept)
    home_made = {path.name: path.read_bytes() for name in SOURCE_ONLY & kept.keys() for path in kept[name]}
    refuse_private({**files, "manifest.json": manifest, **home_made})
    refuse_private(playbooks)
    if not MANIFEST.exists() or MANIFEST.read_bytes() != manifest:
        print("Note: manifest.json of the checkout is behind; `make manifest` writes it.", file=sys.stderr)
    archive = write_archive(f"{APP}.tgz", packaged(files, manifest, kept))
    write_archive(f"{APP}_playbooks.tgz", playbooks)

    architecture = this_architecture()
    if architecture is None:
        print("Not installed: the bundled wheels need Linux on x86_64 or aarch64.")
        return
    for answer in prove(archive, provided, EXAMPLE, architecture):
        print(f"The installed copy answered `{answer.action}`: {answer.message}")


def main() -> int:
    """Build; 1 with the reason on stderr when it fails."""
    started_s = time.monotonic()
    try:
        build()
    except (PackageError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Done in {time.monotonic() - started_s:.0f} s.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
