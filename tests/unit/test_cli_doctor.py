"""`doctor`, against servers on this machine."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from connectors.clock import utc_now
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceAnswer
from connectors.http.deadline import Deadline
from playbooks.hosts.commands import doctor_checks
from playbooks.siem import HEC_VARIABLE, TOKEN_VARIABLE
from playbooks.source_checks import check_all, in_words
from tests.cli_runs import PEER, Invoke, invoking, settings_file, vendor
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.reputation_servers import KEY, VendorServer
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.reputation_builders import info as reputation_info


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


def checks(text: str) -> dict[str, dict[str, str]]:
    return {each["name"]: each for each in json.loads(text)["checks"]}


def test_nothing_configured_is_no_failure_and_each_variable_is_named(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("doctor")
    assert (result.code, result.err) == (0, "")
    for name in ("VIRUSTOTAL", "ABUSEIPDB", "GREYNOISE", "OTX", "THREATFOX", "URLHAUS", "MISP", "TAXII"):
        assert f"REGSVCS_RESPONSE_{name}_KEY" in result.out
    found = checks(invoke("doctor", "--json").out)
    assert {name for name, each in found.items() if each["state"] == "failed"} == set()
    assert found["iporigin"]["state"] == found["misp_warninglists"]["state"] == "ok"
    assert not (tmp_path / "data").exists()


def test_a_key_that_works_one_that_does_not_and_one_that_cannot_be_read(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", KEY)
    monkeypatch.setenv("REGSVCS_RESPONSE_OTX_KEY", "wrong-key-0123456789")
    monkeypatch.setenv("REGSVCS_RESPONSE_URLHAUS_KEY_FILE", str(tmp_path / "none"))
    with VendorServer(vendor("virustotal")) as good, VendorServer(vendor("otx")) as bad:
        config = settings_file(tmp_path, {"virustotal": good.url, "otx": bad.url})
        result = invoke("doctor", "--config", config, "--json")
        text = invoke("doctor", "--config", config)
    found = checks(result.out)
    assert (result.code, text.code) == (1, 1)
    assert {name: found[name]["state"] for name in ("virustotal", "otx", "urlhaus", "threatfox")} == {
        "virustotal": "ok",
        "otx": "failed",
        "urlhaus": "failed",
        "threatfox": "not_configured",
    }
    assert "REGSVCS_RESPONSE_OTX_KEY" in found["otx"]["remedy"]
    assert "REGSVCS_RESPONSE_URLHAUS_KEY_FILE" in found["urlhaus"]["detail"]
    for each in (result.out, result.err, text.out, text.err):
        assert KEY not in each
        assert "wrong-key" not in each


class Waiting:
    """A source whose check ends when it is let go, or raises."""

    def __init__(self, name: str, *, go: threading.Event, error: Exception | None = None) -> None:
        self.info = reputation_info(name)
        self._go = go
        self._error = error

    def check(self) -> Health:
        self._go.wait(20)
        if self._error is not None:
            raise self._error
        return Health(connector=self.info.name, state=HealthState.OK, detail="works")

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        raise AssertionError(ip)


def test_a_source_that_hangs_or_breaks_fails_alone() -> None:
    held, gone = threading.Event(), threading.Event()
    gone.set()
    sources = [
        Waiting("hung", go=held),
        Waiting("good", go=gone),
        Waiting("broken", go=gone, error=ValueError(KEY)),
    ]
    found = check_all(sources, Deadline.after(0.5), late="late")
    held.set()
    assert {each.connector: (each.state, each.detail) for each in found} == {
        "hung": (HealthState.FAILED, "late"),
        "good": (HealthState.OK, "works"),
        "broken": (HealthState.FAILED, "failed unexpectedly (ValueError)"),
    }


def test_a_status_stands_in_words_for_people() -> None:
    assert in_words("auth: refused") == "credential rejected: refused"
    assert in_words("rate_limited: until noon") == "quota used up: until noon"
    assert in_words("works: yes") == "works: yes"
    assert in_words("auth") == "auth"


def test_a_source_that_is_switched_off_is_told(invoke: Invoke, tmp_path: Path) -> None:
    config = settings_file(tmp_path, {}, more=['[reputation.sources]\nenabled = ["otx"]'])
    found = checks(invoke("doctor", "--config", config, "--json").out)
    assert "switched off" in found["virustotal"]["detail"]
    assert "REGSVCS_RESPONSE_OTX_KEY" in found["otx"]["detail"]


def test_wrong_settings_are_the_one_finding(invoke: Invoke, tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[reputation]\nsorces = 1\n")
    result = invoke("doctor", "--config", config, "--json")
    assert result.code == 1
    (only,) = checks(result.out).values()
    assert only["state"] == "failed"
    assert "reputation.sorces" in only["detail"]


def test_a_folder_that_cannot_be_written_fails(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    result = invoke("doctor", "--config", settings_file(tmp_path, {}), "--json")
    found = checks(result.out)
    assert result.code == 1
    assert found["answers and quotas"]["state"] == "failed"
    assert "reputation.folder" in found["answers and quotas"]["remedy"]


@pytest.mark.parametrize("name", ["http-cache.sqlite", "quota.sqlite"])
def test_a_damaged_file_fails_and_is_named(invoke: Invoke, tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / name).write_bytes(b"no database at all " * 400)
    result = invoke("doctor", "--config", settings_file(tmp_path, {}), "--json")
    found = checks(result.out)["answers and quotas"]
    assert (result.code, found["state"]) == (1, "failed")
    assert f"{state / name} cannot be used" in found["detail"]
    assert found["remedy"].startswith("Delete what is named")


def test_files_of_ours_are_fine_and_stay_as_they_are(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", KEY)
    with VendorServer(vendor("virustotal")) as server:
        config = settings_file(tmp_path, {"virustotal": server.url})
        invoke("reputation", PEER, "--config", config)
        kept = (tmp_path / "state" / "http-cache.sqlite").read_bytes()
        result = invoke("doctor", "--config", config, "--json")
    assert checks(result.out)["answers and quotas"]["state"] == "ok"
    assert (tmp_path / "state" / "http-cache.sqlite").read_bytes() == kept


def test_a_quota_that_is_used_up_says_to_wait_and_until_when(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", KEY)
    with FakeServer(Answer(429, b"{}", (("Retry-After", "3600"),))) as server:
        config = settings_file(tmp_path, {"virustotal": server.url})
        found = checks(invoke("doctor", "--config", config, "--json").out)["virustotal"]
    assert found["remedy"].startswith("Wait until then")
    assert "UTC" in found["detail"]


def test_a_list_of_ones_own_that_is_not_there_fails(invoke: Invoke, tmp_path: Path) -> None:
    own = (
        '[[reputation.feeds.own]]\nname = "mine"\n'
        f'path = "{tmp_path / "none.txt"}"\ndirection = "outbound"\nreliability = "B"'
    )
    result = invoke("doctor", "--config", settings_file(tmp_path, {}, more=[own]))
    assert result.code == 1
    assert "none.txt cannot be read" in result.out


class TestSplunk:
    def config(self, folder: Path, url: str, *more: str) -> Path:
        path = folder / "splunk.toml"
        lines = ["[splunk]", f'base_url = "{url}"', *more, "[splunk.http]", "retries = 0"]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    def test_without_a_section_it_is_not_configured(self, invoke: Invoke) -> None:
        found = checks(invoke("doctor", "--json").out)["splunk"]
        assert (found["area"], found["state"]) == ("SIEM", "not_configured")
        assert TOKEN_VARIABLE in found["detail"]

    def test_ok_a_missing_capability_and_a_wrong_token(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FakeSplunk((), utc_now) as fake:
            config = self.config(tmp_path, fake.url)
            unset = invoke("doctor", "--config", config, "--json")
            monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
            good = invoke("doctor", "--config", config, "--json")
            fake.capabilities.remove("edit_notable_events")
            lacking = invoke("doctor", "--config", config, "--json")
            monkeypatch.setenv(TOKEN_VARIABLE, "planted-wrong-0123456789")
            wrong = invoke("doctor", "--config", config)
            assert [*fake.updates, *fake.risk] == []
        states = [checks(each.out)["splunk"]["state"] for each in (unset, good, lacking)]
        # Reading needs no more: a token that may only search is told what it cannot do, and is no failure.
        assert states == ["failed", "ok", "ok"]
        assert [each.code for each in (unset, good, lacking, wrong)] == [1, 0, 0, 1]
        assert TOKEN_VARIABLE in checks(unset.out)["splunk"]["detail"]
        assert "edit_notable_events" in checks(lacking.out)["splunk"]["detail"]
        assert checks(lacking.out)["splunk"]["remedy"] == "Grant edit_notable_events, where that is wanted"
        assert "Splunk " in wrong.out
        assert TOKEN_VARIABLE in wrong.out
        for each in (unset, good, lacking, wrong):
            assert TOKEN not in each.out + each.err
            assert "planted-wrong" not in each.out + each.err

    def test_each_asset_and_identity_list_has_a_row(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        (tmp_path / "people.csv").write_text("identity,priority\nann,low\n", encoding="utf-8")
        with FakeSplunk((), utc_now) as fake:
            config = self.config(tmp_path, fake.url)
            with config.open("a") as file:
                file.write(f"\n[assets]\nfile = '{tmp_path / 'none.csv'}'\n")
                file.write(f"[identities]\nfile = '{tmp_path / 'people.csv'}'\n")
            result = invoke("doctor", "--config", config, "--json")
        found = checks(result.out)
        states = {name: each["state"] for name, each in found.items() if each["area"] == "asset list"}
        assert states == {
            "the asset and identity tables of Splunk": "ok",
            "the list of assets none.csv": "failed",
            "the list of identities people.csv": "ok",
        }
        assert result.code == 1
        assert "1 rows, last written 0 days ago" in found["the list of identities people.csv"]["detail"]

    def test_a_token_that_may_not_search_fails(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        with FakeSplunk((), utc_now) as fake:
            fake.capabilities.remove("search")
            result = invoke("doctor", "--config", self.config(tmp_path, fake.url), "--json")
        found = checks(result.out)["splunk"]
        assert (result.code, found["state"], "search" in found["remedy"]) == (1, "failed", True)

    @pytest.mark.parametrize(
        ("status", "state"), [("In Progress", "ok"), ("in progress", "ok"), ("Being Looked At", "failed")]
    )
    def test_the_status_that_is_written_back_is_one_of_splunks(
        self, status: str, state: str, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        with FakeSplunk((), utc_now) as fake:
            config = self.config(tmp_path, fake.url)
            with config.open("a") as file:
                file.write(f'\n[write_back]\nstatus = "{status}"\n')
            result = invoke("doctor", "--config", config, "--json")
            text = invoke("doctor", "--config", config)
        found = checks(result.out)["write_back"]
        assert (found["state"], result.code) == (state, int(state == "failed"))
        assert ("Known: " in found["detail"]) is (state == "failed")
        assert "[write_back]" in text.out

    def test_where_nobody_answers_the_address_is_named_first(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        monkeypatch.setenv("REGSVCS_RESPONSE_ELASTIC_KEY", KEY)
        config = self.config(tmp_path, "http://127.0.0.1:9")
        lines = [f'{name} = "http://127.0.0.1:9"' for name in ("kibana_url", "elasticsearch_url")]
        more = ["[edr.elastic]", *lines, "[edr.http]", "retries = 0", "[write_back]", 'status = "New"']
        config.write_text("\n".join([config.read_text(), *more]))
        found = checks(invoke("doctor", "--config", config, "--json").out)
        assert found["splunk"]["remedy"].startswith("Check splunk.base_url")
        assert found["elastic"]["remedy"].startswith("Check the addresses in [edr.elastic]")
        assert "REGSVCS_RESPONSE_ELASTIC_KEY" in found["elastic"]["remedy"]
        assert "write_back" not in found, "nothing to say where Splunk cannot be read"

    def test_a_collector_without_its_token_is_named(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        config = self.config(tmp_path, "http://127.0.0.1:9", 'hec_url = "http://127.0.0.1:9"')
        found = checks(invoke("doctor", "--config", config, "--json").out)["splunk"]
        assert HEC_VARIABLE in found["detail"]

    def test_an_edr_and_a_siem_that_hang_cost_one_deadline_and_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arrived = threading.Barrier(2, timeout=20)

        def hang(_: object) -> Health:
            arrived.wait()  # both are asked before either has answered
            raise RuntimeError(KEY)

        monkeypatch.setattr("connectors.siem.splunk.connector.SplunkSiem.check", hang)
        monkeypatch.setattr("connectors.edr.elastic.connector.Elastic.check", hang)
        lines = [f'{name} = "http://127.0.0.1:9"' for name in ("kibana_url", "elasticsearch_url")]
        config = self.config(tmp_path, "http://127.0.0.1:9")
        config.write_text("\n".join([config.read_text(), "[edr.elastic]", *lines]))
        environ = {
            TOKEN_VARIABLE: TOKEN,
            "REGSVCS_RESPONSE_ELASTIC_KEY": KEY,
            "XDG_DATA_HOME": str(tmp_path / "data"),
        }
        found = {each.name: each for each in doctor_checks.examine(config, environ)}
        assert found["splunk"].detail == found["elastic"].detail == "failed unexpectedly (RuntimeError)"
        assert found["iporigin"].state is HealthState.OK

    def test_one_that_never_answers_is_late(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        held = threading.Event()

        def hang(_: object) -> Health:
            held.wait(20)
            raise RuntimeError

        monkeypatch.setattr("connectors.siem.splunk.connector.SplunkSiem.check", hang)
        monkeypatch.setattr(doctor_checks, "DEADLINE_S", 0.3)
        config = self.config(tmp_path, "http://127.0.0.1:9")
        found = {each.name: each for each in doctor_checks.examine(config, {TOKEN_VARIABLE: TOKEN})}
        held.set()
        assert found["splunk"].detail == "no answer within 0.3 seconds"
