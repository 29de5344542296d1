"""What the app's package holds: our modules under src/, templates, logos, README and licence.

The platform and the SDK want this shape: src/app.py holds the App; modules find each other since it puts
src/ on the path; templates/ lies beside src/, where views look for it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

APP = "regsvcs_response"
MAIN_MODULE = "src.app:app"
SHIM = "playbooks/hosts/soar/app.py"
LAYERS = ("actions", "connectors", "playbooks")

#: What the app never imports: the command line and its terminal report, and what has its own place.
LEFT_OUT = (
    "playbooks/hosts",
    "playbooks/splunk_soar",
    "playbooks/templates",
    "playbooks/report/page.py",
    "playbooks/report/terminal.py",
)
#: Exceptions to LEFT_OUT.
KEPT = ("playbooks/hosts/__init__.py", "playbooks/hosts/soar")

#: Path in the package -> path in the checkout.
DOCUMENTS = {
    "LICENSE": "LICENSE",
    "README.md": "packaging/README.md",
    "logo.svg": "packaging/logo.svg",
    "logo_dark.svg": "packaging/logo_dark.svg",
}


class Project(NamedTuple):
    """What the manifest says that pyproject.toml knows."""

    version: str
    description: str
    license: str


def read_project(root: Path) -> Project:
    """The project's own words.

    Raises:
        OSError: pyproject.toml cannot be read.
        KeyError: a value is missing.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Project(project["version"], project["description"], project["license"])


def app_pyproject(project: Project) -> str:
    """The pyproject.toml the SDK reads the manifest's first keys from; it is not shipped."""
    values = {"name": APP, **project._asdict(), "requires-python": ">=3.13,<3.14"}
    lines = "".join(f"{key} = {_toml_string(value)}\n" for key, value in values.items())
    return f'[project]\n{lines}\n[tool.soar.app]\nmain_module = "{MAIN_MODULE}"\n'


def _toml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def app_files(root: Path) -> dict[str, bytes]:
    """The package without wheels and manifest: path in the package -> content.

    Raises:
        OSError: a file that must be there is not.
    """
    files = {name: (root / source).read_bytes() for name, source in DOCUMENTS.items()}
    files["src/__init__.py"] = b""
    files["src/app.py"] = (root / SHIM).read_bytes()
    for source in _modules(root):
        files[f"src/{source}"] = (root / source).read_bytes()
    templates = root / "playbooks/templates"
    for path in sorted(templates.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files[f"templates/{path.relative_to(templates).as_posix()}"] = path.read_bytes()
    return files


def _modules(root: Path) -> Iterator[str]:
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name != SHIM and not _left_out(name):
                yield name


def _left_out(name: str) -> bool:
    return _within(name, LEFT_OUT) and not _within(name, KEPT)


def _within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def playbook_files(root: Path) -> dict[str, bytes]:
    """The playbooks as the platform imports them: NAME.py and NAME.json, without a folder.

    Raises:
        ValueError: there is no playbook, or one lacks its other half.
    """
    folder = root / "playbooks/splunk_soar"
    found = {
        path.name: path.read_bytes()
        for path in sorted(folder.glob("*"))
        if path.suffix in {".py", ".json"} and path.stem != "__init__"
    }
    if not found:
        raise ValueError(f"{folder.name} holds no playbook")
    for name in found:
        other = name.removesuffix(".py") + ".json" if name.endswith(".py") else f"{Path(name).stem}.py"
        if other not in found:
            raise ValueError(f"the playbook {name} has no {other} beside it")
    return found


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files under a folder, which is made where it is missing."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
