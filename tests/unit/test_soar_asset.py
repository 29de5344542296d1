"""The asset: its form, its purpose, its policy, and what test connectivity says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from soar_sdk.asset import AssetField

from connectors.errors import ConfigError
from playbooks.hosts.soar.asset import (
    PURPOSES_OF,
    Asset,
    Purpose,
    check_purpose,
    misplaced_fields,
    settings_of,
)
from playbooks.hosts.soar.sources_of_reputation import KEY_FIELDS
from tests.soar_app import app, run_action

ACTIONS: dict[str, dict[str, object]] = {
    "check ip": {"ip": "8.8.8.8"},
    "lookup ip": {"ip": "8.8.8.8"},
    "get process lineage": {"host": "WS01"},
    "assess risk": {"notable": "{}"},
    "decide isolation": {"case_facts": "{}"},
    "respond to notable": {"notable": "{}"},
    "reenrich case": {},
}


#: The actions of the containment asset: type, and whether it reads alone.
CONTAINMENT = {
    "isolate host": ("contain", False),
    "release host": ("correct", False),
    "get isolation status": ("investigate", True),
}


def asset_of(**fields: object) -> Asset:
    return Asset.model_validate(fields)


def test_the_form_is_explained_and_nothing_is_demanded() -> None:
    form: dict[str, Any] = dict(Asset.to_json_schema())
    assert {name: each["data_type"] for name, each in form.items()} == {
        "purpose": "string",
        "policy": "file",
        "sysmon_path": "string",
        "edr_secret": "password",
        "splunk_token": "password",
        "write_to_splunk": "boolean",
        "splunk_hec_token": "password",
        "virustotal_key": "password",
        "abuseipdb_key": "password",
        "greynoise_key": "password",
        "otx_key": "password",
        "abusech_key": "password",
        "misp_url": "string",
        "misp_key": "password",
        "taxii_url": "string",
        "taxii_key": "password",
        "webhook_secret": "password",
        "container_label": "string",
        "edr_contain_secret": "password",
    }
    assert not any(each["required"] for each in form.values())
    assert all(len(each["description"]) > 30 for each in form.values())
    assert form["purpose"]["value_list"] == ["investigate", "contain"]


def test_empty_fields_are_absent() -> None:
    asset = asset_of(purpose="", policy=None, sysmon_path="", container_label=None)
    assert asset == asset_of()
    assert (asset.purpose, asset.container_label, asset.sysmon_path) == ("investigate", "events", None)


def test_the_policy_is_the_command_lines_toml() -> None:
    settings = settings_of(asset_of(policy="[isolation]\nmin_score = 95\n"))
    assert settings.isolation.min_score == 95
    assert settings_of(asset_of()).isolation.mode == "off"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("[isolation", "policy: is not TOML"),
        ("[isolation]\nmod = 1", "isolation.mod: is no setting of this name. Mend it in policy"),
        ('[organisation]\nranges = ["10.0.0.0/99"]', "'10.0.0.0/99'"),
    ],
)
def test_a_wrong_policy_fails_each_action_with_its_place(policy: str, said: str) -> None:
    for action, parameters in ACTIONS.items():
        (answer,) = run_action(action, [parameters], asset={"policy": policy})
        assert not answer.status
        assert said in answer.message, action


# --- purpose


@pytest.mark.parametrize("action", ACTIONS)
def test_an_asset_for_containment_runs_no_investigation(action: str) -> None:
    (answer,) = run_action(action, [ACTIONS[action]], asset={"purpose": "contain"})
    assert answer.message == (
        f"Action failure in {action}: purpose: this asset is for 'contain', and the action needs one for"
        " 'investigate'. Run the action on the other asset"
    )


def test_what_belongs_on_the_other_asset_stops_every_action() -> None:
    asset = asset_of(purpose="contain", webhook_secret="s" * 16)
    for purpose in Purpose:
        with pytest.raises(
            ConfigError, match="webhook_secret: does not belong on an asset of purpose contain"
        ):
            check_purpose(asset, purpose)
    check_purpose(asset_of(purpose="contain"), Purpose.CONTAIN)


class LaterAsset(Asset):
    """An asset with a field more."""

    later_key: str | None = AssetField(sensitive=True, description="Credentials that isolate hosts")


def test_every_field_says_on_which_assets_it_belongs() -> None:
    assert set(PURPOSES_OF) == set(Asset.model_fields)
    assert all(PURPOSES_OF.values())


def test_a_secret_belongs_on_assets_of_one_purpose() -> None:
    """So a credential for containment can never stand on an asset for investigation."""
    secrets = Asset.fields_requiring_decryption()
    assert secrets == {
        "webhook_secret",
        "edr_secret",
        "edr_contain_secret",
        "splunk_token",
        "splunk_hec_token",
        *KEY_FIELDS,
    }
    assert all(len(PURPOSES_OF[name]) == 1 for name in secrets)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_field_without_a_row_belongs_on_no_asset(purpose: Purpose) -> None:
    asset = LaterAsset.model_validate({"purpose": purpose, "later_key": "s" * 16})
    assert misplaced_fields(asset) == ("later_key",)
    with pytest.raises(ConfigError, match="later_key: does not belong"):
        check_purpose(asset, purpose)
    check_purpose(LaterAsset.model_validate({"purpose": purpose}), purpose)


def test_what_isolates_stands_on_no_asset_for_investigation(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {**PURPOSES_OF, "later_key": frozenset({Purpose.CONTAIN})}
    monkeypatch.setattr("playbooks.hosts.soar.asset.PURPOSES_OF", rows)
    check_purpose(LaterAsset.model_validate({"purpose": "contain", "later_key": "s" * 16}), Purpose.CONTAIN)
    with pytest.raises(ConfigError, match="later_key: does not belong on an asset of purpose investigate"):
        check_purpose(LaterAsset.model_validate({"later_key": "s" * 16}), Purpose.INVESTIGATE)


# --- test connectivity


def told(capfd: pytest.CaptureFixture[str], **asset: object) -> tuple[bool, str, list[str]]:
    """Status, message, and the lines shown as progress."""
    (answer,) = run_action("test connectivity", [], asset=asset)
    out, err = capfd.readouterr()
    lines = [line.removesuffix("\x1b[0m").removeprefix("\x1b[0m") for line in (out + err).splitlines()]
    return answer.status, answer.message, [line for line in lines if "; " in line]


NO_SPLUNK = "the policy has no section [splunk]: nothing is polled, and nothing written back"


def test_an_empty_asset_is_connected_and_says_what_it_lacks(capfd: pytest.CaptureFixture[str]) -> None:
    status, message, lines = told(capfd)
    assert (status, message) == (True, "Test connectivity successful")
    assert lines[:14] == [
        "policy: not configured; the defaults hold, isolation mode off",
        "Sysmon logs: not configured; get process lineage asks the EDR, or needs a vault_id each time",
        "EDR: not configured; the policy has no [edr] connector",
        f"Splunk: not configured; {NO_SPLUNK}",
        "webhook: not configured; without a secret it refuses everything",
        "containment: not configured; this asset is for investigation only",
        "VirusTotal: not configured; fill virustotal_key on the asset",
        "AbuseIPDB: not configured; fill abuseipdb_key on the asset",
        "GreyNoise: not configured; fill greynoise_key on the asset",
        "AlienVault OTX: not configured; fill otx_key on the asset",
        "abuse.ch ThreatFox: not configured; fill abusech_key on the asset",
        "abuse.ch URLhaus: not configured; fill abusech_key on the asset",
        "MISP: not configured; fill misp_url and misp_key on the asset",
        "TAXII collection: not configured; fill taxii_url on the asset",
    ]
    assert [line.partition(":")[0] for line in lines[14:]] == [
        "iporigin",
        "MISP warninglists",
        "lists to download",
    ]


def test_a_full_asset_is_ok_everywhere(capfd: pytest.CaptureFixture[str], examples: Path) -> None:
    log = examples / "stealer" / "sysmon.xml"
    status, _, lines = told(
        capfd,
        policy='[organisation]\nranges = ["192.0.2.0/24"]\n',
        sysmon_path=str(log),
        webhook_secret="a secret of the tests",
        container_label="regsvcs",
    )
    assert status
    assert [*lines[:3], lines[4]] == [
        "policy: ok; isolation mode off, 1 own range",
        f"Sysmon logs: ok; {log.stat().st_size} bytes can be read",
        "EDR: not configured; the policy has no [edr] connector",
        "webhook: ok; takes notables into containers labelled regsvcs",
    ]


def test_all_that_is_wrong_is_named_at_once(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("no log at all", encoding="utf-8")
    status, message, lines = told(
        capfd,
        policy="[nonsense]",
        sysmon_path=str(tmp_path / "log.txt"),
        webhook_secret="short-one",
    )
    assert not status
    assert message.startswith("Action failure in test connectivity: policy: nonsense: is no setting of this")
    assert "; Sysmon logs: " in message
    assert "is no Sysmon log of a known format" in message
    assert "; webhook: webhook_secret has fewer than 16 characters" in message
    assert "short-one" not in message + "".join(lines)
    assert [line.split("; ")[0] for line in lines[:6]] == [
        "policy: wrong",
        "Sysmon logs: wrong",
        "EDR: not configured",
        "Splunk: not configured",
        "webhook: wrong",
        "containment: not configured",
    ]


def test_a_containment_asset_names_what_does_not_belong(capfd: pytest.CaptureFixture[str]) -> None:
    status, message, lines = told(capfd, purpose="contain", sysmon_path="/var/log/sysmon")
    assert not status
    assert message == (
        "Action failure in test connectivity: EDR: policy: names no EDR. Write [edr] with connector, and the"
        " connector's section; sysmon_path: does not belong on an asset of purpose contain; empty it here"
    )
    assert "ledger: ok; 0 isolations of this app stand" in lines


# --- what the app declares


def test_each_action_says_what_it_is_for_and_changes_nothing() -> None:
    actions = {each.action: each for each in app.actions_manager.get_actions_meta_list()}
    assert set(actions) == {*ACTIONS, *CONTAINMENT, "test connectivity", "update notable", "on poll"}
    for name in ACTIONS:
        meta = actions[name]
        assert meta.identifier == name.replace(" ", "_")
        assert (meta.type, meta.read_only) == ("investigate", True)
        assert 30 < len(meta.description) < 110, name
        assert len(meta.verbose) > 150, name
        assert all(field.description for field in meta.parameters.model_fields.values()), name


def test_the_one_action_that_writes_says_so_and_runs_alone() -> None:
    actions = {each.action: each for each in app.actions_manager.get_actions_meta_list()}
    meta = actions["update notable"]
    assert (meta.type, meta.read_only, meta.identifier) == ("generic", False, "update_notable")
    assert meta.model_dump()["lock"] == {"enabled": True, "concurrency": False, "timeout": 600}
    form = meta.parameters._to_json_schema()
    assert not any(each["required"] for each in form.values())
    assert actions["on poll"].type == "ingest"


def test_the_actions_that_contain_say_so_and_run_one_at_a_time_for_a_host() -> None:
    actions = {each.action: each for each in app.actions_manager.get_actions_meta_list()}
    for name, declared in CONTAINMENT.items():
        meta = actions[name]
        assert (meta.type, meta.read_only) == declared
        assert (30 < len(meta.description) < 110, len(meta.verbose) > 150) == (True, True), name
        assert all(field.description for field in meta.parameters.model_fields.values()), name
        lock = meta.model_dump().get("lock") or {}
        assert (lock.get("data_path"), lock.get("timeout")) == (
            (None, None) if meta.read_only else ("parameters.host", 3900)
        )
    required = {
        (name, field)
        for name in CONTAINMENT
        for field, form in actions[name].parameters._to_json_schema().items()
        if form["required"]
    }
    assert required == {
        ("isolate host", "host"),
        ("isolate host", "case_facts"),
        ("release host", "released_by"),
        ("release host", "why"),
    }


def test_only_what_an_action_cannot_do_without_is_required() -> None:
    actions = {each.action: each for each in app.actions_manager.get_actions_meta_list()}
    required = {
        (name, field)
        for name in ACTIONS
        for field, form in actions[name].parameters._to_json_schema().items()
        if form["required"]
    }
    assert required == {("check ip", "ip"), ("lookup ip", "ip"), ("decide isolation", "case_facts")}
