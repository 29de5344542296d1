"""`deploy-detection`: the difference first, and then that difference and no other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.siem.generations import VERSION_15
from connectors.siem.splunk.escu import SHIPPED, shipped_spl
from connectors.siem.splunk.saved_search import SavedSearches, wanted_settings
from playbooks.detection_deployment import detection_of, saved_search_name
from playbooks.hosts.commands.deploy_detection import _at_pipes
from playbooks.siem import TOKEN_VARIABLE
from tests.cli_runs import Invoke, invoking
from tests.fakes.splunk_server import TOKEN, FakeSplunk

ESCU = "ESCU - Detect Regsvcs with Network Connection - Rule"
NAME = "regsvcs-response - Detect Regsvcs with Network Connection - Rule"
SEARCH_15 = shipped_spl(SHIPPED, VERSION_15)


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
    assert max(len(each) for each in lines) < 600
    assert any(each.startswith("    | ") for each in lines)
    document = json.loads(invoke("deploy-detection", "--config", config, "--json").out)
    (search,) = (each["after"] for each in document["changes"] if each["setting"] == "search")
    assert search == SEARCH_15
    assert (document["generation"], document["installed_generation"]) == (15, None)
    assert (document["existing_generation"], document["refused"]) == (None, "")
    assert f"'{ESCU}': not seen in Splunk" in result.out


def test_what_was_shown_is_written_disabled_and_then_nothing_is_to_change(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    written = invoke("deploy-detection", "--config", config, "--apply")
    assert (written.code, "written, disabled" in written.err) == (0, True), written.err
    assert splunk.saved[NAME]["disabled"] is True
    assert splunk.saved[NAME]["search"] == SEARCH_15
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


def test_escus_own_is_shown_beside_the_clone_and_never_written(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    profile = next(each for each in shipped_profiles() if each.name == "regsvcs")
    seven = wanted_settings(detection_of(profile, enterprise_security=True, generation=7), ESCU)
    its = {**seven, "disabled": False, "action.correlationsearch.metadata": '{"detection_version": "7"}'}
    splunk.saved[ESCU] = dict(its)
    written = invoke("deploy-detection", "--config", config, "--apply")
    assert written.code == 0, written.err
    assert (
        f"compared with '{ESCU}': generation 7, version 7 by its metadata; it is switched on" in written.out
    )
    assert splunk.saved[ESCU] == its
    assert '"risk_object_field":"dvc"' in splunk.saved[NAME]["action.risk.param._risk"]
    document = json.loads(invoke("deploy-detection", "--config", config, "--json").out)
    assert (document["installed_generation"], document["installed_version"]) == (7, 7)
    assert (document["installed_enabled"], document["existing_generation"]) == (True, 15)
    assert "search" in {each["setting"] for each in document["installed_changes"]}
    refused = invoke("deploy-detection", "--config", config, "--name", ESCU, "--apply")
    assert (refused.code, "a name of ESCU's own" in refused.err) == (2, True), refused.err
    assert splunk.saved[ESCU] == its


def test_a_clone_that_is_newer_or_was_changed_is_left_as_it_is(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    invoke("deploy-detection", "--config", config, "--apply")
    older = ("deploy-detection", "--config", config, "--generation", 7)
    shown = invoke(*older, "--json")
    document = json.loads(shown.out)
    assert (shown.code, document["generation"], document["existing_generation"]) == (0, 7, 15)
    assert ("newer than 7" in document["refused"], "--apply writes nothing" in shown.err) == (True, True)
    result = invoke(*older, "--apply")
    assert (result.code, "newer than 7" in result.err) == (1, True), result.err
    splunk.saved[NAME]["search"] += " | where count>3"
    changed = invoke("deploy-detection", "--config", config, "--apply")
    assert (changed.code, "no generation" in changed.err) == (1, True), changed.err
    assert splunk.saved[NAME]["search"].endswith("where count>3")
    document = json.loads(invoke("deploy-detection", "--config", config, "--json").out)
    assert document["existing_generation"] == "unknown"


def test_a_generation_can_be_asked_for_by_its_number(
    invoke: Invoke, splunk: FakeSplunk, config: Path
) -> None:
    options = ("deploy-detection", "--config", config, "--apply")
    assert invoke(*options, "--generation", 7).code == 0
    assert splunk.saved[NAME]["search"] == shipped_spl()
    newer = invoke(*options)
    assert newer.code == 0, newer.err
    assert splunk.saved[NAME]["search"] == SEARCH_15
    for number in (2, 9):
        wrong = invoke(*options, "--generation", number)
        assert (wrong.code, "Use 7 or 15" in wrong.err) == (2, True), wrong.err


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
        assert (detection.score, detection.techniques) == (50, ("T1218", "T1218.009"))
        wanted = wanted_settings(detection)
        assert wanted["disabled"] == "1"
        assert wanted["action.risk.param._risk_message"] == profile.message.replace("$dest$", "$dvc$")
        old = detection_of(profile, enterprise_security=True, generation=7)
        assert (old.score, wanted_settings(old)["action.risk.param._risk_message"]) == (80, profile.message)
    regsvcs = next(each for each in shipped_profiles() if each.name == "regsvcs")
    assert detection_of(regsvcs, enterprise_security=True).analytic == SHIPPED
    assert saved_search_name(regsvcs) == NAME


def test_a_profile_of_two_programs_is_refused() -> None:
    profile = shipped_profiles()[0].model_copy(update={"process_names": ("a.exe", "b.exe")})
    with pytest.raises(InputError, match="--profile"):
        detection_of(profile, enterprise_security=True)


def test_blanks_before_no_pipe_are_looked_at_once() -> None:
    begun = time.process_time()
    assert len(_at_pipes(f"- search = '{' ' * 200_000}x'")) == 1
    assert time.process_time() - begun < 2
    assert _at_pipes(f"{'x' * 200}   | stats a|b") == ["x" * 200, "    | stats a|b"]
