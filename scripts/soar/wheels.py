"""The wheels of the pins, in a cache where every file's sha256 is checked at every use.

pip fetches what the cache lacks, once for each architecture; with a full cache nothing asks the network.
The one package published as source only is built here, the same bytes each time.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from scripts.soar.archive import FIXED_TIME_S, repacked_zip, sha256
from scripts.soar.pins import SOURCE_ONLY, Architecture, Pin, hashed_lines, platforms, supported_tags

#: Attempts pip makes for each file.
RETRIES = 8


class PackageError(Exception):
    """The package cannot be made; the text says why and what to do."""


def pip_command() -> list[str]:
    """How pip is called here: .venv's own, or uv's where .venv was made without one.

    Raises:
        PackageError: neither is there.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is None:
        raise PackageError("Packaging needs pip or uv: install one of them and run make again.")
    # Reading what a source archive is called takes setuptools.
    setuptools = f"setuptools=={importlib.metadata.version('setuptools')}"
    return [uv, "tool", "run", "--quiet", "--python", sys.executable, "--with", setuptools, "pip"]


def named(file: Path) -> tuple[str, str] | None:
    """Name and version of a wheel or source archive by its file name; None for any other file."""
    try:
        if file.suffix == ".whl":
            name, version, *_ = parse_wheel_filename(file.name)
        else:
            name, version = parse_sdist_filename(file.name)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None
    return canonicalize_name(name), str(version)


def verified(cache: Path, pins: Iterable[Pin]) -> dict[str, list[Path]]:
    """Files of the cache that a pin names by hash: name of the package -> its files, sorted.

    A file of a pinned version with another hash is damaged or foreign, and is removed.
    """
    by_version = {(pin.name, pin.version): pin for pin in pins}
    found: dict[str, list[Path]] = {}
    for file in sorted(cache.glob("*")):
        pin = by_version.get(named(file) or ("", ""))
        if pin is None:
            continue
        if sha256(file.read_bytes()) in pin.hashes:
            found.setdefault(pin.name, []).append(file)
        else:
            file.unlink()
    return found


def rank(file: Path, architecture: Architecture) -> int | None:
    """How specific a wheel is to an architecture, 0 the most; None when it does not run there."""
    *_, tags = parse_wheel_filename(file.name)
    return next((place for place, tag in enumerate(supported_tags(architecture)) if tag in tags), None)


def chosen(files: Sequence[Path]) -> dict[Architecture, Path]:
    """The most specific wheel for each architecture, as pip and the SDK choose; no other file counts."""
    best: dict[Architecture, Path] = {}
    for architecture in Architecture:
        ranked = [
            (place, file)
            for file in files
            if file.suffix == ".whl" and (place := rank(file, architecture)) is not None
        ]
        if ranked:
            best[architecture] = min(ranked)[1]
    return best


def lacking(
    pins: Iterable[Pin], found: Mapping[str, Sequence[Path]], architecture: Architecture
) -> list[Pin]:
    """Pins without a wheel for an architecture."""
    return [
        pin
        for pin in pins
        if pin.name not in SOURCE_ONLY and architecture not in chosen(found.get(pin.name, ()))
    ]


def fill(cache: Path, pins: Sequence[Pin]) -> dict[str, list[Path]]:
    """Wheels of all pins for both architectures, fetched and built where the cache lacks them.

    Returns:
        Name of the package -> its wheels, sorted.

    Raises:
        PackageError: a file could not be had, its hash is not pinned, or it cannot be built.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for architecture in Architecture:
        missing = lacking(pins, verified(cache, pins), architecture)
        if missing:
            print(f"Fetching wheels for {architecture}: {len(missing)}.", flush=True)
            _download(cache, missing, _wheel_options(architecture))
    found = verified(cache, pins)
    sources = [pin for pin in pins if pin.name in SOURCE_ONLY]
    unfetched = [pin for pin in sources if pin.name not in found]
    if unfetched:
        _download(cache, unfetched, ["--no-binary=:all:", "--no-build-isolation"])
        found = verified(cache, pins)
    for pin in sources:
        found[pin.name] = [built(cache / "built", found[pin.name][0])]
    return {name: sorted(set(chosen(files).values())) for name, files in sorted(found.items())}


def _wheel_options(architecture: Architecture) -> list[str]:
    abis = [f"--abi={abi}" for abi in ("cp313", "abi3", "none")]
    named_platforms = [f"--platform={platform}" for platform in platforms(architecture)]
    return ["--only-binary=:all:", "--implementation=cp", "--python-version=3.13", *abis, *named_platforms]


def _download(cache: Path, pins: Sequence[Pin], options: Sequence[str]) -> None:
    """Fetch files of pins into the cache; each appears there whole and with a pinned hash, or not at all.

    Raises:
        PackageError: pip failed; it has said why on stderr.
    """
    with tempfile.TemporaryDirectory(dir=cache) as work:
        wanted = Path(work) / "wanted.txt"
        wanted.write_text(hashed_lines(pins), encoding="utf-8")
        fetched = Path(work) / "fetched"
        # Twice quiet: errors are shown, but not the warnings on every location pip's configuration names.
        command = [*pip_command(), "download", "-qq", "--no-input", "--no-deps", "--require-hashes"]
        command += [f"--retries={RETRIES}", f"--requirement={wanted}", f"--dest={fetched}", *options]
        if subprocess.run(command, check=False, env=_build_environment()).returncode:
            raise PackageError(f"pip could not fetch all of {_listed(pins)}; its reason is above.")
        accepted = verified(fetched, pins)
        refused = [pin for pin in pins if pin.name not in accepted]
        if refused:
            raise PackageError(f"What was fetched does not have a pinned hash: {_listed(refused)}.")
        for files in accepted.values():
            for file in files:
                file.replace(cache / file.name)


def _listed(pins: Sequence[Pin], most: int = 5) -> str:
    names = ", ".join(pin.name for pin in pins[:most])
    return names if len(pins) <= most else f"{names} and {len(pins) - most} more"


def built(folder: Path, source: Path) -> Path:
    """The wheel of a source archive, built with the pinned setuptools of .venv.

    It is built each time: this costs a second, and a kept one would have no hash to be checked by.

    Raises:
        PackageError: it cannot be built; the reason has been shown on stderr.
    """
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check"]
        unpacked = _unpacked(source, Path(work))
        done = subprocess.run(
            [*command, f"--outdir={work}", str(unpacked)],
            check=False,
            env=_build_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wheels = sorted(Path(work).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            print(done.stdout, file=sys.stderr)
            raise PackageError(f"{source.name} could not be built (the reason is above).")
        target = folder / wheels[0].name
        repacked = Path(work) / "repacked"
        repacked.write_bytes(repacked_zip(wheels[0].read_bytes()))
        repacked.replace(target)
    return target


def _unpacked(source: Path, work: Path) -> Path:
    shutil.unpack_archive(source, work / "source", filter="data")
    (folder,) = (work / "source").iterdir()
    return folder


def _build_environment() -> dict[str, str]:
    return {**os.environ, "SOURCE_DATE_EPOCH": str(FIXED_TIME_S), "PYTHONHASHSEED": "0"}
