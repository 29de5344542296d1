"""Proves that the archive works where it is installed: extracted, its own wheels in a clean venv, and asked.

This is what the platform does with it: the folder is named <name>_<appid>, the wheels are those the manifest
names for the machine, and the platform brings a few packages of its own. No index is asked.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.soar.pins import Architecture
from scripts.soar.stage import APP
from scripts.soar.wheels import PackageError, chosen, pip_command

DRIVER = Path(__file__).with_name("drive_installed.py")

#: What the app imports only when a reputation source is asked.
LATE_MODULES = ("connectors.http.transport", "connectors.http.cache", "tenacity", "iporigin")

#: Title of the SDK's page for a view that failed: soar_sdk/templates/base/error.html.
_SDK_ERROR = "View Function Error"


class Answer(NamedTuple):
    """What the installed copy said to one action."""

    action: str
    message: str


def this_architecture() -> Architecture | None:
    """The platform's architecture this machine has; None when it could not run the platform's wheels."""
    if sys.platform != "linux" or platform.machine() not in set(Architecture):
        return None
    return Architecture(platform.machine())


def manifest_wheels(manifest: Mapping[str, Any], architecture: Architecture) -> list[str]:
    """Paths of the wheels to install, as the manifest names them for an architecture."""
    key = "input_file_aarch64" if architecture is Architecture.AARCH64 else "input_file"
    return [entry[key] for entry in manifest["pip313_dependencies"]["wheel"]]


def prove(
    archive: Path, provided: Mapping[str, Sequence[Path]], example: Path, architecture: Architecture
) -> list[Answer]:
    """Install the archive in a folder of its own outside the checkout, and ask it.

    Args:
        archive: the app's .tgz.
        provided: package the platform brings -> its wheels.
        example: a folder with notable.json and a Sysmon log.
        architecture: of this machine.

    Raises:
        PackageError: it does not install, a package is missing, or an action did not answer with success.
    """
    with tempfile.TemporaryDirectory(prefix="installed-") as work:
        place = Path(work).resolve()
        folder, manifest = _extract(archive, place / "apps")
        python = _clean_venv(place / "venv")
        wheels = [folder / name for name in manifest_wheels(manifest, architecture)]
        wheels += [chosen(paths)[architecture] for paths in provided.values()]
        _pip(python, place, "install", "--no-deps", "--no-index", "--no-compile", *map(str, wheels))
        _pip(python, place, "check")
        shutil.copytree(example, place / "example")
        shutil.copyfile(DRIVER, place / DRIVER.name)
        found = _drive(python, place, folder)
        return judged(found, place)


def _extract(archive: Path, apps: Path) -> tuple[Path, dict[str, Any]]:
    with tarfile.open(archive) as tar:
        tar.extractall(apps, filter="data")
    manifest = json.loads((apps / APP / "manifest.json").read_text(encoding="utf-8"))
    folder = (apps / APP).rename(apps / f"{APP}_{manifest['appid']}")
    return folder, manifest


def _clean_venv(folder: Path) -> Path:
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin/python"


def _pip(python: Path, place: Path, *arguments: str) -> None:
    # --python stands before the command: pip then works on that venv, which needs no pip of its own.
    command = [*pip_command(), "--python", str(python), *arguments]
    done = _run(command, place, _pip_environment())
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise PackageError(f"pip {arguments[0]} failed on the installed copy (the reason is above).")


def _drive(python: Path, place: Path, folder: Path) -> dict[str, Any]:
    out = place / "answers.json"
    command = [str(python), "-I", str(place / DRIVER.name), str(folder), str(place / "example"), str(out)]
    command += LATE_MODULES
    done = _run(command, place, _platform_environment(place))
    if done.returncode or not out.exists():
        print(done.stdout, file=sys.stderr)
        raise PackageError("The installed copy could not be driven (the reason is above).")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _run(
    command: Sequence[str], place: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _pip_environment() -> dict[str, str]:
    """No setting of the user's pip reaches the install, and no index is asked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}


def _platform_environment(place: Path) -> dict[str, str]:
    """Nothing of this machine but where its programs are."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": str(place), "PHANTOM_HOME": str(place / "phantom"), "LC_ALL": "C.UTF-8"}


def judged(found: Mapping[str, Any], place: Path) -> list[Answer]:
    """The answers, when all are what an installed copy must give.

    Args:
        found: what drive_installed.py wrote.
        place: the folder everything must have been loaded from.

    Raises:
        PackageError: an action failed or gave nothing, its widget shows none of it, or a module came from
            elsewhere.
    """
    strangers = [f"{name} ({path})" for name, path in found["places"].items() if not _inside(path, place)]
    if strangers or not found["places"]:
        raise PackageError(f"The installed copy used modules from elsewhere: {', '.join(strangers)}")
    answers = []
    for action, results in found["answers"].items():
        name = action.replace("_", " ")
        if not results or not all(result["success"] for result in results):
            said = "; ".join(str(result["message"]) for result in results) or "nothing"
            raise PackageError(f"The installed copy failed at `{name}`: {said}")
        answers.append(Answer(name, _joined(result["message"] for result in results)))
    rows = [row for result in found["answers"]["respond_to_notable"] for row in result["data"]]
    if not rows:
        raise PackageError("The installed copy answered `respond to notable` without data.")
    # The SDK answers an error in a view with a page of its own that says so.
    if _SDK_ERROR in found["widget"] or not all(row["host"] in found["widget"] for row in rows):
        said = " ".join(re.sub(r"<[^>]*>", " ", found["widget"]).split()) or "nothing"
        raise PackageError(f"The widget of `respond to notable` does not show its case, but: {said[-500:]}")
    return answers


def _inside(path: str, place: Path) -> bool:
    return Path(path).is_relative_to(place)


def _joined(messages: Iterable[object]) -> str:
    return " ".join(str(message) for message in messages)
