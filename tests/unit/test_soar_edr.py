"""The SOAR actions with a vendor's EDR in place of a log: each fake on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import utc_now
from tests.edr_backends import BACKENDS, Backend
from tests.estate import estate_of
from tests.soar_app import run_action
from tests.unit.test_cli_edr import config_of
from tests.unit.test_soar_actions import one

over_each = pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])


def asset_of(backend: Backend, fake: Any, folder: Path, **fields: object) -> dict[str, object]:
    policy = config_of(folder, backend.settings(fake)).read_text(encoding="utf-8")
    return {"policy": policy, "edr_secret": backend.secret, **fields}


@over_each
def test_lineage_and_response_by_the_edr_of_the_policy(
    backend: Backend, examples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notable = (examples / "stealer/notable.json").read_text(encoding="utf-8")
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        asset = asset_of(backend, fake, tmp_path)
        lineage = one(run_action("get process lineage", [{"notable": notable}], asset=asset))
        response = one(run_action("respond to notable", [{"notable": notable}], asset=asset))
        (connected,) = run_action("test connectivity", [], asset=asset)
    assert json.loads(lineage["facts"])["facts"]["connector"] == backend.name
    assert response["case_verdict"] == "malicious"
    assert connected.status, connected.message
    assert backend.isolated(fake) == 0
    out, err = capfd.readouterr()
    assert backend.secret not in out + err + json.dumps([lineage, response], default=str)


@over_each
def test_a_wrong_or_missing_secret_is_named_and_not_told(
    backend: Backend, examples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = "planted-wrong-secret-0123456789"
    given: list[dict[str, object]] = [{"host": "WS01", "process_name": "regsvcs.exe"}]
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        asset = asset_of(backend, fake, tmp_path)
        (refused,) = run_action("test connectivity", [], asset={**asset, "edr_secret": wrong})
        (missing,) = run_action("get process lineage", given, asset={**asset, "edr_secret": ""})
    assert not refused.status
    assert not missing.status
    assert "edr_secret: is empty" in missing.message
    out, err = capfd.readouterr()
    assert wrong not in refused.message + out + err


def test_a_secret_without_a_connector_is_told() -> None:
    (answer,) = run_action("test connectivity", [], asset={"edr_secret": "some-secret-0123456789"})
    assert not answer.status
    assert "edr_secret is filled, but the policy has no [edr] connector" in answer.message
