"""The shim where the package puts it: src/app.py beside our packages, and never beside another app's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVE = """
import importlib, json, sys
sys.path.insert(0, {parent!r})
app = importlib.import_module("regsvcs_response.src.app").app
app.handle(json.dumps({{
    "asset_id": "7", "identifier": "check_ip", "container_id": 1,
    "config": {{"app_version": "0.1.0", "directory": "regsvcs_response", "main_module": "src.app:app"}},
    "parameters": [{{"ip": "10.0.0.1"}}],
}}))
(result,) = app.actions_manager.get_action_results()
import connectors
view = app.actions_manager.get_action("check_ip").meta.view_handler
context = {{"QS": {{}}, "container": 1, "app": 1, "no_connection": False, "google_maps_key": False}}
html = view("check ip", [({{"total_objects": 1, "total_objects_successful": 1}}, [result])], context)
print("TOLD", json.dumps({{
    "message": result.get_message(), "root": str(app.app_root), "connectors": connectors.__path__[0],
    "view": view.__module__, "shown": "10.0.0.1" in html,
}}))
"""


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's folder as the package has it."""
    folder = tmp_path_factory.mktemp("apps") / "regsvcs_response"
    ignore = shutil.ignore_patterns("__pycache__", "templates")
    for name in ("actions", "connectors", "playbooks"):
        shutil.copytree(ROOT / name, folder / "src" / name, ignore=ignore)
    shutil.move(folder / "src/playbooks/hosts/soar/app.py", folder / "src/app.py")
    shutil.copytree(ROOT / "playbooks/templates", folder / "templates")
    for name in ("", "src/"):
        (folder / f"{name}__init__.py").touch()
    return folder


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def test_it_runs_as_the_package_installs_it(staged: Path, tmp_path: Path) -> None:
    done = run(DRIVE.format(parent=str(staged.parent)), tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.rpartition("TOLD ")[2])
    assert told == {
        "message": "10.0.0.1 is not public (private).",
        "root": str(staged),
        "connectors": str(staged / "src" / "connectors"),
        "view": "regsvcs_response.src.app",
        "shown": True,
    }


def test_it_refuses_the_packages_of_another_app(staged: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "connectors"
    foreign.mkdir()
    (foreign / "__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport connectors\nsys.path.pop(0)\n"
    done = run(code + DRIVE.format(parent=str(staged.parent)), staged)
    assert done.returncode == 1
    assert f"ImportError: the package connectors is already loaded from {foreign}" in done.stderr
