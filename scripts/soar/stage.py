"""What the app's package holds: our modules under src/, templates, logos, README and licence.

The platform and the SDK want this shape: src/app.py holds the App; modules find each other since it puts
src/ on the path; templates/ lies beside src/, where views look for it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

APP = "regsvcs_response"
MAIN_MODULE = "src.app:app"
SHIM = "playbooks/hosts/soar/app.py"
LAYERS = ("actions", "connectors", "playbooks")
PLAYBOOKS = "playbooks/splunk_soar"
TEMPLATES = "playbooks/templates"

#: What the app never imports: the command line, its terminal report and backtest, and what has its own place.
LEFT_OUT = (
    "playbooks/hosts",
    PLAYBOOKS,
    TEMPLATES,
    "playbooks/backtest.py",
    "playbooks/backtest_facts.py",
    "playbooks/report/backtest_document.py",
    "playbooks/report/backtest_page.py",
    "playbooks/report/backtest_terminal.py",
    "playbooks/report/backtest_words.py",
    "playbooks/report/page.py",
    "playbooks/report/reputation_report.py",
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
    files = {name: (root / source).read_bytes() for name, source in app_sources(root).items()}
    return {**files, "src/__init__.py": b""}


def app_sources(root: Path) -> dict[str, str]:
    """Where the files of the package come from: path in the package -> path in the checkout.

    Modules are *.py and templates *.html; other files and symbolic links are passed over.
    """
    sources = {**DOCUMENTS, "src/app.py": SHIM}
    for layer in LAYERS:
        modules = _files(root, layer, "*.py")
        sources |= {f"src/{name}": name for name in modules if name != SHIM and not is_left_out(name)}
    templates = _files(root, TEMPLATES, "*.html")
    return sources | {f"templates/{name.removeprefix(f'{TEMPLATES}/')}": name for name in templates}


def _files(root: Path, folder: str, pattern: str) -> Iterator[str]:
    for path in sorted((root / folder).rglob(pattern)):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(root).as_posix()


def is_left_out(name: str) -> bool:
    """Whether the app never imports what has this path in the checkout."""
    return _within(name, LEFT_OUT) and not _within(name, KEPT)


def _within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def playbook_files(root: Path) -> dict[str, bytes]:
    """The playbooks as the platform imports them: NAME.py and NAME.json, without a folder.

    Raises:
        ValueError: there is no playbook, or one lacks its other half.
    """
    return {name: (root / source).read_bytes() for name, source in playbook_sources(root).items()}


def playbook_sources(root: Path) -> dict[str, str]:
    """Where the files of the playbooks come from: path in their archive -> path in the checkout.

    Raises:
        ValueError: there is no playbook, or one lacks its other half.
    """
    found = {
        path.name: f"{PLAYBOOKS}/{path.name}"
        for path in sorted((root / PLAYBOOKS).glob("*"))
        if path.suffix in {".py", ".json"} and path.stem != "__init__"
    }
    if not found:
        raise ValueError(f"{PLAYBOOKS} holds no playbook")
    for name in found:
        other = name.removesuffix(".py") + ".json" if name.endswith(".py") else f"{Path(name).stem}.py"
        if other not in found:
            raise ValueError(f"the playbook {name} has no {other} beside it")
    return found


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files under a folder, which is made where it is missing."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
