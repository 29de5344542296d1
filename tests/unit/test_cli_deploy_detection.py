"""`deploy-detection`: the difference first, and then that difference and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.siem.splunk.escu import SHIPPED, shipped_spl
from connectors.siem.splunk.saved_search import SavedSearches, wanted_settings
from playbooks.detection_deployment import detection_of, saved_search_name
from playbooks.siem import TOKEN_VARIABLE
from tests.cli_runs import Invoke, invoking
from tests.fakes.splunk_server import TOKEN, FakeSplunk

NAME = "ESCU - Detect Regsvcs with Network Connection - Rule"


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    call = invoking(monkeypatch, capfdbinary, data=tmp_path / "data")
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    return call


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    with FakeSplunk((), utc_now) as fake:
        yield fake


@pytest.fixture
def config(splunk: FakeSplunk, tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(f'[splunk]\nbase_url = "{splunk.url}"\n[splunk.http]\nretries = 0\n')
    return path


def test_the_difference_is_shown_and_nothing_written(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    result = invoke("deploy-detection", "--config", config)
    assert result.code == 0, result.err
    assert f"'{NAME}': create, disabled" in result.out
    assert "+ cron_schedule = '0 * * * *'" in result.out
    assert "nothing was written" in result.err
    assert splunk.saved == {}
    # For reading each command of the search has a line of its own; the document has it as it is.
    lines = result.out.splitlines()
    assert max(len(each) for each in lines) < 300
    assert any(each.startswith("    | ") for each in lines)
    document = json.loads(invoke("deploy-detection", "--config", config, "--json").out)
    (search,) = (each["after"] for each in document["changes"] if each["setting"] == "search")
    assert search == shipped_spl()


def test_what_was_shown_is_written_disabled_and_then_nothing_is_to_change(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    written = invoke("deploy-detection", "--config", config, "--apply")
    assert (written.code, "written, disabled" in written.err) == (0, True), written.err
    assert splunk.saved[NAME]["disabled"] is True
    assert splunk.saved[NAME]["search"] == shipped_spl()
    again = invoke("deploy-detection", "--config", config, "--apply", "--json")
    document = json.loads(again.out)
    assert (again.code, document["changes"], document["written"]) == (0, [], False)
    assert "nothing was written" in again.err
    splunk.saved[NAME]["cron_schedule"] = "\x1b[31m5 * * * *"
    changed = invoke("deploy-detection", "--config", config)
    assert (changed.code, "\x1b" in changed.out, "- cron_schedule" in changed.out) == (0, False, True)


def test_one_that_has_changed_meanwhile_is_left_alone(
    invoke: Invoke, splunk: FakeSplunk, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = SavedSearches.apply

    def later(self: SavedSearches, *given: Any, **options: Any) -> None:
        splunk.saved[NAME] = {"search": "another's"}
        apply(self, *given, **options)

    monkeypatch.setattr(SavedSearches, "apply", later)
    result = invoke("deploy-detection", "--config", config, "--apply")
    assert result.code == 1
    assert "has changed since the difference was shown" in result.err
    assert splunk.saved[NAME] == {"search": "another's"}


def test_without_es_another_name_and_the_sibling(invoke: Invoke, splunk: FakeSplunk, config: Path) -> None:
    options = ("--profile", "regasm", "--name", "Ours / copy", "--without-es", "--apply", "--json")
    result = invoke("deploy-detection", "--config", config, *options)
    assert (result.code, json.loads(result.out)["written"]) == (0, True), result.err
    held = splunk.saved["Ours / copy"]
    assert "process_name=regasm.exe" in held["search"]
    assert "`detect_regasm_with_network_connection_filter`" in held["search"]
    assert not [each for each in held if each.startswith("action.")]


def test_a_missing_capability_and_a_wrong_profile_are_named(
    invoke: Invoke, splunk: FakeSplunk, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = invoke("deploy-detection", "--config", config, "--profile", "none")
    assert (wrong.code, "none" in wrong.err) == (2, True)
    monkeypatch.setenv(TOKEN_VARIABLE, "planted-wrong-0123456789")
    refused = invoke("deploy-detection", "--config", config)
    assert (refused.code, TOKEN_VARIABLE in refused.err, "planted-wrong" in refused.err) == (1, True, False)


def test_a_shipped_profile_makes_the_analytic_as_escu_ships_it() -> None:
    for profile in shipped_profiles():
        detection = detection_of(profile, enterprise_security=True)
        assert detection.message == profile.message
        assert (detection.score, detection.techniques) == (80, ("T1218", "T1218.009"))
        wanted = wanted_settings(detection)
        assert wanted["disabled"] == "1"
        assert wanted["action.risk.param._risk_message"] == profile.message
    regsvcs = next(each for each in shipped_profiles() if each.name == "regsvcs")
    assert detection_of(regsvcs, enterprise_security=True).analytic == SHIPPED
    assert saved_search_name(regsvcs) == NAME


def test_a_profile_of_two_programs_is_refused() -> None:
    profile = shipped_profiles()[0].model_copy(update={"process_names": ("a.exe", "b.exe")})
    with pytest.raises(InputError, match="--profile"):
        detection_of(profile, enterprise_security=True)
