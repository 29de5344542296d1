"""What goes into the app's package, and that it is whole: what a packaged module imports is packaged."""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from soar_sdk.app import App

from playbooks.hosts.soar import webhook
from scripts.check_requirements import ROOT
from scripts.soar.bundled import project_roots
from scripts.soar.pins import PLATFORM_PROVIDED, bundled, soar_pins
from scripts.soar.refused import private_contents
from scripts.soar.stage import (
    LAYERS,
    Project,
    app_files,
    app_pyproject,
    playbook_files,
    read_project,
    write_files,
)

#: Packages whose import name is not their own.
IMPORTED_AS = {
    "soar_sdk": "splunk-soar-sdk",
    "requests_cache": "requests-cache",
    "falconpy": "crowdstrike-falconpy",
}


def fill(root: Path, *names: str) -> None:
    write_files(root, {name: name.encode() for name in names})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    fill(
        tmp_path,
        "LICENSE",
        "packaging/README.md",
        "packaging/logo.svg",
        "packaging/logo_dark.svg",
        "connectors/__init__.py",
        "connectors/table.csv",
        "actions/check_ip.py",
        "actions/__pycache__/check_ip.cpython-313.pyc",
        "playbooks/respond.py",
        "playbooks/report/view.py",
        "playbooks/report/terminal.py",
        "playbooks/hosts/__init__.py",
        "playbooks/hosts/cli.py",
        "playbooks/hosts/soar_notes.py",
        "playbooks/hosts/commands/run.py",
        "playbooks/hosts/soar/__init__.py",
        "playbooks/hosts/soar/app.py",
        "playbooks/hosts/soar/asset.py",
        "playbooks/splunk_soar/flow.py",
        "playbooks/splunk_soar/flow.json",
        "playbooks/templates/widget.html",
        "playbooks/templates/parts/row.html",
        "tests/unit/test_x.py",
    )
    return tmp_path


def test_each_file_has_its_place_and_the_rest_stays(checkout: Path) -> None:
    files = app_files(checkout)
    assert sorted(files) == [
        "LICENSE",
        "README.md",
        "logo.svg",
        "logo_dark.svg",
        "src/__init__.py",
        "src/actions/check_ip.py",
        "src/app.py",
        "src/connectors/__init__.py",
        "src/playbooks/hosts/__init__.py",
        "src/playbooks/hosts/soar/__init__.py",
        "src/playbooks/hosts/soar/asset.py",
        "src/playbooks/report/view.py",
        "src/playbooks/respond.py",
        "templates/parts/row.html",
        "templates/widget.html",
    ]
    assert files["src/app.py"] == b"playbooks/hosts/soar/app.py"
    assert files["README.md"] == b"packaging/README.md"


def test_a_missing_logo_is_an_error(checkout: Path) -> None:
    (checkout / "packaging/logo.svg").unlink()
    with pytest.raises(FileNotFoundError, match=r"logo\.svg"):
        app_files(checkout)


def test_playbooks_are_flat_pairs(checkout: Path) -> None:
    fill(checkout, "playbooks/splunk_soar/__init__.py", "playbooks/splunk_soar/notes.txt")
    assert sorted(playbook_files(checkout)) == ["flow.json", "flow.py"]


@pytest.mark.parametrize(("alone", "lacking"), [("other.py", "other.json"), ("other.json", "other.py")])
def test_half_a_playbook_is_refused(checkout: Path, alone: str, lacking: str) -> None:
    fill(checkout, f"playbooks/splunk_soar/{alone}")
    with pytest.raises(ValueError, match=f"{alone} has no {lacking}"):
        playbook_files(checkout)


def test_no_playbook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no playbook"):
        playbook_files(tmp_path)


def test_the_generated_pyproject_is_toml_with_one_python() -> None:
    text = app_pyproject(Project("1.2", 'says "hi" to C:\\x', "Apache-2.0"))
    assert tomllib.loads(text) == {
        "project": {
            "name": "regsvcs_response",
            "version": "1.2",
            "description": 'says "hi" to C:\\x',
            "license": "Apache-2.0",
            "requires-python": ">=3.13,<3.14",
        },
        "tool": {"soar": {"app": {"main_module": "src.app:app"}}},
    }


def test_the_project_s_words_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert read_project(ROOT) == (project["version"], project["description"], project["license"])


def imports(text: bytes) -> Iterator[str]:
    """Every module an import names, also inside functions; `from a import b` names `a` and `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_every_import_of_ours_is_packaged() -> None:
    files = app_files(ROOT)
    present = {
        name.removeprefix("src/").removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for name in files
        if name.startswith("src/")
    }
    there = {
        path.relative_to(ROOT).as_posix().removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
    }
    lost = {
        f"{name} -> {module}"
        for name, content in files.items()
        if name.endswith(".py")
        for module in imports(content)
        if module in there - present
    }
    assert lost == set()


def test_every_import_of_others_is_declared_and_bundled_or_of_the_platform() -> None:
    declared = {Requirement(text).name for texts in project_roots(ROOT).values() for text in texts}
    there = declared & ({pin.name for pin in bundled(soar_pins())} | PLATFORM_PROVIDED)
    strangers = {
        f"{name} -> {module}"
        for name, content in app_files(ROOT).items()
        if name.endswith(".py")
        for module in (each.split(".")[0] for each in imports(content))
        if module not in {*LAYERS, *sys.stdlib_module_names, "__future__"}
        and IMPORTED_AS.get(module, module) not in there
    }
    assert strangers == set()


def test_the_command_line_s_packages_are_not_imported() -> None:
    used = {
        module.split(".")[0]
        for name, content in app_files(ROOT).items()
        if name.endswith(".py")
        for module in imports(content)
    }
    assert not used & {"rich", "typer", "click"}


def test_nothing_private_is_in_the_real_package() -> None:
    files = app_files(ROOT)
    assert len(files) > 100
    assert private_contents(files, (ROOT, Path.home())) == []
    assert not [name for name in files if name.split("/")[-1].startswith(("test_", "conftest"))]
    assert not [name for name in files if name.startswith("src/playbooks/templates")]


def readme_rows() -> dict[str, set[str]]:
    """Section of the app's README -> first cells of its table."""
    sections = (ROOT / "packaging/README.md").read_text().split("\n## ")[1:]
    return {
        section.splitlines()[0]: set(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE))
        for section in sections
    }


def test_the_app_s_readme_names_every_action_field_and_status() -> None:
    manifest = json.loads((ROOT / "manifest.json").read_text())
    rows = readme_rows()
    assert rows["Actions"] == {"action", *(action["action"] for action in manifest["actions"])}
    assert rows["Asset"] == {"field", *manifest["configuration"]}
    answered = set(re.findall(r"\b[2-5]\d\d\b", str(webhook.__doc__)))
    # Of the asset's purpose, and of an asset that cannot be read: the shim and the guard answer these.
    assert rows["Webhook"] == {"status", "403", "500", *answered}


def test_the_app_s_readme_names_both_playbooks() -> None:
    readme = (ROOT / "packaging/README.md").read_text()
    for name in playbook_files(ROOT):
        if name.endswith(".json"):
            (label,) = json.loads((ROOT / "playbooks/splunk_soar" / name).read_text())["labels"]
            assert f"- `{name.removesuffix('.json')}` (label `{label}`)" in readme


def test_the_webhook_s_address_is_as_the_sdk_builds_it() -> None:
    """Asked of the SDK itself, with a platform that names neither port nor folder."""
    manifest = json.loads((ROOT / "manifest.json").read_text())
    app: Any = SimpleNamespace(
        soar_client=SimpleNamespace(
            get=lambda _path: SimpleNamespace(status_code=404, json=lambda: {"base_url": "https://<soar>/"}),
            get_asset_id=lambda: "<asset id>",
        ),
        actions_manager=SimpleNamespace(get_config=dict, get_app_json=dict),
        app_meta_info=manifest,
    )
    app._get_webhook_port = functools.partial(App._get_webhook_port, app)
    (route,) = manifest["webhook"]["routes"]
    url = App.get_webhook_url(app, route["url_pattern"])
    assert url in (ROOT / "packaging/README.md").read_text()


def test_logos_are_small_and_load_nothing() -> None:
    for name in ("logo.svg", "logo_dark.svg"):
        text = (ROOT / "packaging" / name).read_text()
        assert len(text) < 2000
        assert not re.search(r"href|script|<image|style=|url\(", text)
