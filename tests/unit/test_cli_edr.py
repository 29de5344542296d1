"""`run`, `lineage` and `doctor` with an EDR in place of a log: each vendor's fake on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import utc_now
from connectors.edr.catalogue import EdrName, EdrSettings
from tests.cli_runs import Invoke, invoking
from tests.edr_backends import BACKENDS, Backend, environ_of
from tests.estate import estate_of


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


def config_of(folder: Path, settings: EdrSettings) -> Path:
    """The settings as the TOML that a user would write."""
    lines = ["[edr]", f'connector = "{settings.connector}"']
    for name, section in settings.model_dump(mode="json", exclude={"connector", "http"}).items():
        if section is not None:
            # The examples are of a day that may be further back than a vendor looks by default.
            section |= {"history_days": 180}
            lines += [f"[edr.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    path = folder / "policy.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def with_secret(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ_of(backend).items():
        monkeypatch.setenv(name, value)


def case_of(text: str) -> Any:
    (case,) = json.loads(text)["cases"]
    return case


over_each = pytest.mark.parametrize("backend", BACKENDS, ids=[each.name.value for each in BACKENDS])


@over_each
def test_run_over_a_notable_gives_the_case_of_the_log(
    backend: Backend, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notable, log = examples / "stealer/notable.json", examples / "stealer/sysmon.xml"
    wanted = case_of(invoke("run", "--notable", notable, "--sysmon", log, "--no-lookup", "--json").out)
    with_secret(backend, monkeypatch)
    with backend.fake(estate_of(log), utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        result = invoke("run", "--notable", notable, "--config", config, "--no-lookup", "--json")
    told = case_of(result.out)
    assert result.code == 0, result.err

    def names(case: Any) -> list[str]:
        return [
            each["ref"]["image"].rpartition("\\")[2].lower() for each in case["facts"]["lineage"]["ancestors"]
        ]

    assert names(told) == names(wanted)
    assert told["risk"]["case_verdict"] == wanted["risk"]["case_verdict"] == "malicious"
    assert told["facts"]["host"]["connector"] == backend.name
    assert backend.isolated(fake) == 0
    assert backend.secret not in result.out + result.err


@over_each
def test_lineage_names_the_tree(
    backend: Backend, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secret(backend, monkeypatch)
    estate = estate_of(examples / "stealer/sysmon.xml")
    at = json.loads((examples / "stealer/notable.json").read_bytes())["firstTime"]
    with backend.fake(estate, utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        options = ("--host", estate.hosts[0].name, "--process", "regsvcs.exe", "--at", f"{at}Z")
        result = invoke("lineage", "--edr", backend.name.value, "--config", config, *options)
    assert result.code == 0, result.err
    assert "regsvcs.exe" in result.out.lower()
    assert "explorer.exe" in result.out.lower()


@over_each
def test_doctor_says_what_works_and_a_wrong_secret_without_telling_it(
    backend: Backend, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        missing = invoke("doctor", "--config", config)
        with_secret(backend, monkeypatch)
        good = invoke("doctor", "--config", config, "--json")
        (name,) = environ_of(backend)
        monkeypatch.setenv(name, "planted-wrong-0123456789")
        bad = invoke("doctor", "--config", config)
    found = {each["name"]: each for each in json.loads(good.out)["checks"]}
    assert (found[backend.name]["state"], good.code) == ("ok", 0)
    assert missing.code == 1
    assert name in missing.out
    assert bad.code == 1
    assert "planted-wrong" not in bad.out + bad.err
    assert backend.isolated(fake) == 0


@over_each
def test_lineage_over_an_edr_that_refuses_names_it_once_and_what_to_do(
    backend: Backend, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret,) = environ_of(backend)
    monkeypatch.setenv(secret, "planted-wrong-0123456789")
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        options = ("--config", config, "--host", "WS01", "--process", "regsvcs.exe")
        result = invoke("lineage", "--edr", backend.name.value, *options)
    assert (result.code, result.out) == (1, "")
    prefix, own = "regsvcs-response: ", result.err.split(": ")[1]
    assert result.err.startswith(prefix)
    assert f"{own}: {own}: " not in result.err
    assert f"[edr.{backend.name.value}]" in result.err
    assert secret in result.err
    assert "planted-wrong" not in result.err


def test_an_edr_that_is_none_and_one_beside_a_log_are_named(invoke: Invoke, examples: Path) -> None:
    notable = examples / "stealer/notable.json"
    wrong = invoke("run", "--notable", notable, "--edr", "falcon")
    assert (wrong.code, "--edr" in wrong.err, "crowdstrike" in wrong.err) == (2, True, True)
    both = invoke("run", "--sysmon", examples / "stealer/sysmon.xml", "--edr", "elastic")
    assert (both.code, "--edr" in both.err) == (2, True)
    bare = invoke("run", "--notable", notable, "--edr", "elastic")
    assert (bare.code, "edr.elastic" in bare.err) == (2, True)


def test_a_dead_edr_costs_the_lineage_and_not_the_case(
    invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = BACKENDS[-1]
    with_secret(backend, monkeypatch)
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
    result = invoke(
        "run", "--notable", examples / "stealer/notable.json", "--config", config, "--no-lookup", "--json"
    )
    case = case_of(result.out)
    assert case["facts"]["lineage"] is None
    assert case["risk"]["score"] == 80
    assert any(each["what"] == "host" for each in case["risk"]["unknowns"])


def test_a_notable_older_than_the_vendor_keeps_is_told_so(
    invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (backend,) = (each for each in BACKENDS if each.name is EdrName.DEFENDER)
    with_secret(backend, monkeypatch)
    with backend.fake(estate_of(examples / "stealer/sysmon.xml"), utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        config.write_text(config.read_text().replace("history_days = 180", "history_days = 1"))
        result = invoke("run", "--notable", examples / "stealer/notable.json", "--config", config, "--json")
    (problem,) = [each for each in case_of(result.out)["risk"]["unknowns"] if each["what"] == "process"]
    assert "over 1 days ago" in problem["why"]


def test_the_help_names_every_edr(invoke: Invoke) -> None:
    for command in ("run", "lineage"):
        shown = invoke(command, "--help").out
        assert [each for each in EdrName if each.value not in shown] == []


@over_each
def test_a_guid_of_sysmon_is_refused_by_an_edr_with_ids_of_its_own(
    backend: Backend, invoke: Invoke, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secret(backend, monkeypatch)
    estate = estate_of(examples / "stealer/sysmon.xml")
    at = json.loads((examples / "stealer/notable.json").read_bytes())["firstTime"]
    guid = "365ABB72-6759-5CD8-0000-0010E2D50F00"
    with backend.fake(estate, utc_now) as fake:
        config = config_of(tmp_path, backend.settings(fake))
        options = ("--config", config, "--host", estate.hosts[0].name, "--guid", guid)
        alone = invoke("lineage", *options)
        named = invoke("lineage", *options, "--process", "regsvcs.exe", "--at", f"{at}Z")
    if backend.sysmon_guids:
        assert alone.code == named.code == 1  # it looks for it, and there is none
        return
    assert (alone.code, alone.out) == (2, "")
    assert "has ids of its own" in alone.err
    assert "--process NAME with --at TIME" in alone.err
    assert named.code == 0, named.err
    assert "does not know Sysmon's ProcessGuids; it was found by name and time" in named.err
