"""manifest.json: what the SDK makes of an app, and how a check without wheels finds drift."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.soar import manifest
from scripts.soar.manifest import app_manifest, drift
from scripts.soar.pins import Pin
from scripts.soar.stage import write_files
from scripts.soar.wheels import PackageError

SHIM = """
from soar_sdk.abstract import SOARClient
from soar_sdk.app import App
from soar_sdk.asset import BaseAsset
from soar_sdk.webhooks.models import WebhookRequest, WebhookResponse

app = App(name="Tiny", app_type="information", logo="logo.svg", logo_dark="logo_dark.svg",
          product_vendor="v", product_name="p", publisher="p", python_version="3.13", asset_cls=BaseAsset,
          appid="6f1b7c1e-7c5d-4c1e-9a53-2f4c5a0d9b12").enable_webhooks()

@app.webhook("notable", allowed_methods=["POST"])
def notable(request: WebhookRequest, soar: SOARClient) -> WebhookResponse:
    return WebhookResponse.text_response("ok", 200)
"""
PYPROJECT = '[project]\nname = "x"\nversion = "1.5"\ndescription = "d"\nlicense = "Apache-2.0"\n'
WHEELS = {
    "fast": [
        Path("fast-2.0-cp313-cp313-manylinux_2_28_x86_64.whl"),
        Path("fast-2.0-cp313-cp313-manylinux_2_28_aarch64.whl"),
    ],
    "pure": [Path("pure-1.0-py3-none-any.whl")],
}


def files(shim: str) -> dict[str, bytes]:
    return {"src/__init__.py": b"", "src/app.py": shim.encode(), "logo.svg": b"", "logo_dark.svg": b""}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_files(tmp_path, {"pyproject.toml": PYPROJECT.encode()})
    return tmp_path


def test_the_manifest_depends_on_the_app_and_its_wheels_alone(root: Path) -> None:
    first = app_manifest(files(SHIM), root, WHEELS)
    again = app_manifest(files("# one more line\n" * 5 + SHIM), root, dict(reversed(WHEELS.items())))
    assert first == again
    found = json.loads(first)
    assert found["app_version"] == "1.5"
    assert found["package_name"] == "phantom_regsvcs_response"
    assert found["main_module"] == "src.app:app"
    assert found["webhook"]["handler"] == "src.app.app.handle_webhook"
    assert found["webhook"]["routes"] == [
        {"url_pattern": "notable", "allowed_methods": ["POST"], "declaration_path": "src/app.py"}
    ]
    assert found["pip313_dependencies"]["wheel"] == [
        {
            "module": "fast",
            "input_file": "wheels/shared/fast-2.0-cp313-cp313-manylinux_2_28_x86_64.whl",
            "input_file_aarch64": "wheels/shared/fast-2.0-cp313-cp313-manylinux_2_28_aarch64.whl",
        },
        {
            "module": "pure",
            "input_file": "wheels/shared/pure-1.0-py3-none-any.whl",
            "input_file_aarch64": "wheels/shared/pure-1.0-py3-none-any.whl",
        },
    ]
    assert found["pip315_dependencies"]["wheel"] == []
    assert re.findall(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first.decode()) == ["2026-01-01T00:00:00.000000Z"]


def test_an_app_that_cannot_be_imported_is_an_error_with_its_reason(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PackageError, match="could not make the manifest"):
        app_manifest(files("raise RuntimeError('broken shim')"), root, {})
    assert "broken shim" in capfd.readouterr().err


PINS = [
    Pin("fast", "2.0", frozenset({"a"})),
    Pin("pure", "1.0", frozenset({"b"})),
    Pin("requests", "2.3", frozenset({"c"})),
]


@pytest.fixture
def committed() -> dict[str, Any]:
    entries = [
        {
            "module": name,
            "input_file": f"wheels/shared/{paths[0].name}",
            "input_file_aarch64": f"wheels/shared/{paths[-1].name}",
        }
        for name, paths in WHEELS.items()
    ]
    return {"name": "Tiny", "actions": [{"action": "check ip"}], "pip313_dependencies": {"wheel": entries}}


def test_no_drift_although_the_check_has_no_wheels(committed: dict[str, Any]) -> None:
    now = {**committed, "pip313_dependencies": {"wheel": []}}
    assert drift(committed, now, PINS) == []


@pytest.mark.parametrize(
    ("key", "value"), [("name", "Other"), ("actions", [{"action": "check address"}]), ("new_key", True)]
)
def test_every_other_key_counts(committed: dict[str, Any], key: str, value: object) -> None:
    assert drift(committed, {**committed, key: value}, PINS) == [f"{key} differs"]


def test_a_removed_key_counts(committed: dict[str, Any]) -> None:
    now = {key: value for key, value in committed.items() if key != "actions"}
    assert drift(committed, now, PINS) == ["actions differs"]


def test_wheels_are_compared_by_name_and_version(committed: dict[str, Any]) -> None:
    pins = [Pin("fast", "2.1", frozenset({"a"})), Pin("fresh", "1.0", frozenset({"b"})), PINS[1]]
    assert drift(committed, committed, pins) == [
        "fast==2.1 is not listed",
        "fresh==1.0 is not listed",
        "fast==2.0 is not pinned",
    ]


def test_a_wheel_of_one_architecture_left_behind_counts(committed: dict[str, Any]) -> None:
    entry = committed["pip313_dependencies"]["wheel"][0]
    entry["input_file_aarch64"] = "wheels/shared/fast-1.9-cp313-cp313-manylinux_2_28_aarch64.whl"
    assert drift(committed, committed, PINS) == ["fast==1.9 is not pinned"]


def test_a_mistyped_word_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(manifest, "write")
    assert manifest.main(["--chek"]) == 2
    assert "usage: " in capsys.readouterr().err


def test_pins_out_of_order_are_told_in_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(root, {"requirements/soar.txt": b"loose>=1\n"})
    monkeypatch.setattr(manifest, "ROOT", root)
    assert manifest.main(["--check"]) == 1
    assert capsys.readouterr().err == "line 1 is not pinned and hashed: 'loose>=1'\n"
