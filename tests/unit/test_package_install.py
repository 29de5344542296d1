"""The proof of an installed copy: what it accepts, and everything it must not take for a working install."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.check_requirements import ROOT
from scripts.soar.archive import tar_gz
from scripts.soar.install import DRIVER, Answer, judged, manifest_wheels
from scripts.soar.package import packaged, refuse_private, write_archive
from scripts.soar.pins import Architecture
from scripts.soar.wheels import PackageError

PLACE = Path("/tmp/installed-x")
MANIFEST = {
    "pip313_dependencies": {
        "wheel": [
            {
                "module": "a",
                "input_file": "wheels/shared/a-x86.whl",
                "input_file_aarch64": "wheels/shared/a-arm.whl",
            },
            {"module": "b", "input_file": "wheels/shared/b.whl", "input_file_aarch64": "wheels/shared/b.whl"},
        ]
    }
}


@pytest.fixture
def found() -> dict[str, Any]:
    return {
        "places": {"connectors": f"{PLACE}/apps/app_1/src/connectors/__init__.py"},
        "widget": "<div>WS01</div>",
        "answers": {
            "test_connectivity": [{"success": True, "message": "ok", "data": []}],
            "respond_to_notable": [{"success": True, "message": "1 case.", "data": [{"host": "WS01"}]}],
        },
    }


def test_the_answers_of_a_working_copy(found: dict[str, Any]) -> None:
    assert judged(found, PLACE) == [
        Answer("test connectivity", "ok"),
        Answer("respond to notable", "1 case."),
    ]


def changed(found: dict[str, Any], *path: str | int, value: object) -> dict[str, Any]:
    made: Any = copy.deepcopy(found)
    target = made
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    result: dict[str, Any] = made
    return result


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("places", "connectors"), "/srv/checkout/connectors/__init__.py", "from elsewhere: connectors"),
        (("places", "evtx"), f"{PLACE}-other/evtx/__init__.py", "from elsewhere: evtx"),
        (("places",), {}, "from elsewhere"),
        (("answers", "respond_to_notable"), [], "failed at `respond to notable`: nothing"),
        (("answers", "test_connectivity", 0, "success"), False, "failed at `test connectivity`: ok"),
        (("answers", "respond_to_notable", 0, "data"), [], "without data"),
        (("widget",), "", "does not show its case, but: nothing"),
        (("widget",), "<p>WS02</p>", "does not show its case, but: WS02"),
        (("widget",), "<b>View Function Error</b> no WS01", "but: View Function Error no WS01"),
    ],
)
def test_what_is_not_a_working_copy(
    found: dict[str, Any], path: tuple[str | int, ...], value: object, said: str
) -> None:
    with pytest.raises(PackageError, match=said):
        judged(changed(found, *path, value=value), PLACE)


def test_wheels_are_those_the_manifest_names_for_the_machine() -> None:
    assert manifest_wheels(MANIFEST, Architecture.X86_64) == [
        "wheels/shared/a-x86.whl",
        "wheels/shared/b.whl",
    ]
    assert manifest_wheels(MANIFEST, Architecture.AARCH64) == [
        "wheels/shared/a-arm.whl",
        "wheels/shared/b.whl",
    ]


def test_the_package_holds_the_wheels_the_manifest_names_and_no_other(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a-x86.whl", "a-arm.whl", "b.whl", "stray.whl")]
    for path in paths:
        path.write_bytes(path.name.encode())
    whole = packaged({"src/app.py": b"app"}, json.dumps(MANIFEST).encode(), {"a": paths[:2], "b": paths[2:]})
    assert sorted(whole) == [
        "regsvcs_response/manifest.json",
        "regsvcs_response/src/app.py",
        "regsvcs_response/templates/base/base_template.html",
        "regsvcs_response/wheels/shared/a-arm.whl",
        "regsvcs_response/wheels/shared/a-x86.whl",
        "regsvcs_response/wheels/shared/b.whl",
    ]
    assert whole["regsvcs_response/wheels/shared/a-arm.whl"] == b"a-arm.whl"


def test_a_file_that_names_the_checkout_stops_the_package() -> None:
    with pytest.raises(PackageError, match=r"Nothing was packaged:\nsrc/a\.py: holds a path of this machine"):
        refuse_private({"src/a.py": f"x = '{ROOT}'".encode()})


def test_an_archive_is_written_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.soar.package.DIST", tmp_path / "dist")
    monkeypatch.setattr("scripts.soar.package.ROOT", tmp_path)
    path = write_archive("x.tgz", {"a": b"1"})
    assert path.read_bytes() == tar_gz({"a": b"1"})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "dist/x.tgz  1 files, 0.0 MB"
    assert second.startswith("  sha256 ")


def test_the_driver_asks_the_copy_it_is_given_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "apps/tiny_1"
    (folder / "src").mkdir(parents=True)
    (folder / "src/__init__.py").touch()
    (folder / "src/app.py").write_text(TINY_APP)
    actions = [
        {
            "action": "respond to notable",
            "identifier": "respond_to_notable",
            "render": {"view": "src.app.render"},
        }
    ]
    manifest = {"app_version": "1", "main_module": "src.app:app", "actions": actions}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    example = tmp_path / "example"
    example.mkdir()
    (example / "notable.json").write_text("{}")
    (example / "sysmon.xml").touch()
    out = tmp_path / "out.json"
    command = [sys.executable, "-I", str(DRIVER), str(folder), str(example), str(out)]
    (folder / "src/late.py").write_text("open('late.txt', 'w').close()")
    subprocess.run([*command, "tiny_1.src.late"], check=True, cwd=tmp_path, timeout=30)
    assert (tmp_path / "late.txt").exists()
    found = json.loads(out.read_text())
    assert found["answers"]["test_connectivity"] == [{"success": True, "message": "[]", "data": []}]
    (answered,) = found["answers"]["respond_to_notable"]
    assert answered["message"] == '[{"notable": "{}"}]'
    assert answered["data"] == [str(example / "sysmon.xml")]
    assert found["widget"] == "<p>respond to notable: 1</p>"
    assert found["places"] == {}


TINY_APP = """
import json

class Result:
    def __init__(self, message, data): self.message, self.data = message, data
    def get_status(self): return True
    def get_message(self): return self.message
    def get_data(self): return self.data

class Manager:
    action_results = []
    def get_action_results(self): return list(self.action_results)

class App:
    actions_manager = Manager()
    def handle(self, text):
        asked = json.loads(text)
        data = [asked["config"]["sysmon_path"]] if asked["parameters"] else []
        self.actions_manager.action_results.append(Result(json.dumps(asked["parameters"]), data))

def render(action, results, context):
    return f"<p>{action}: {len(results[0][1])}</p>"

app = App()
"""
