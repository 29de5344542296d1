"""`reputation` and the look-up of `run`, against servers on this machine."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli_runs import PEER, Invoke, invoking, settings_file, vendor
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.fakes.reputation_servers import IP, KEY, VendorServer

COMMAND = [sys.executable, "-c", "from playbooks.hosts.cli import main; main()"]
ROOT = Path(__file__).resolve().parents[2]

KEYED = ("virustotal", "abuseipdb", "otx", "threatfox", "urlhaus")


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


@pytest.fixture
def plant(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the test's, after `invoke` has taken the user's away."""
    for name in KEYED:
        monkeypatch.setenv(f"REGSVCS_RESPONSE_{name.upper()}_KEY", KEY)


@contextmanager
def servers(*names: str) -> Iterator[dict[str, FakeServer]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(VendorServer(vendor(name))) for name in names}


def urls(found: dict[str, FakeServer]) -> dict[str, str]:
    return {name: server.url for name, server in found.items()}


def planted(data: Path) -> dict[str, str]:
    """The environment of a process with one key and a data folder of the test's."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("REGSVCS_")}
    return {**others, "XDG_DATA_HOME": str(data), "REGSVCS_RESPONSE_VIRUSTOTAL_KEY": KEY}


def destination(text: str) -> dict[str, Any]:
    (found,) = json.loads(text)["destinations"]
    assert isinstance(found, dict)
    return found


def statuses(found: dict[str, Any]) -> dict[str, str]:
    return {each["source"]: each["status"] for each in found["answers"]}


class TestReputation:
    @pytest.mark.usefixtures("plant")
    def test_every_source_is_asked_once_and_again_only_when_told(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        with servers(*KEYED) as found:
            config = settings_file(tmp_path, urls(found))
            first = invoke("reputation", PEER, "--config", config, "--json")
            told = destination(first.out)
            assert (first.code, first.err) == (0, "")
            assert {name: statuses(told)[name] for name in KEYED} == dict.fromkeys(KEYED, "ok")
            assert told["roles"][0]["label"] == "Telegram"
            assert told["verdict"] == "suspicious_shared"
            assert all(len(server.seen) == 1 for server in found.values())
            invoke("reputation", PEER, "--config", config)
            assert all(len(server.seen) == 1 for server in found.values())
            invoke("reputation", PEER, "--config", config, "--fresh")
            volatile = {each["name"] for each in json.loads(first.out)["sources"] if each["volatile"]}
            assert {name for name, server in found.items() if len(server.seen) == 2} == volatile & set(KEYED)

    @pytest.mark.usefixtures("plant")
    def test_the_text_names_verdict_sources_votes_and_who_was_not_asked(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        with servers("virustotal", "threatfox") as found:
            more = ['[reputation.sources]\nenabled = ["virustotal", "threatfox", "misp"]']
            config = settings_file(tmp_path, urls(found), more=more)
            short = invoke("reputation", PEER, "--config", config).out
            long = invoke("reputation", PEER, "--config", config, "--explain").out
        flat = " ".join(long.split())
        assert short.startswith(f"{PEER}  suspicious, on a shared service\n")
        assert "VirusTotal" in short
        assert "would change" in short
        assert "grade" in flat
        assert "many share it, so that reports go no further than suspicious" in flat
        assert "MISP: Set base_urls.misp of the reputation sources to its address" in flat
        assert max(map(len, long.splitlines())) <= 100

    def test_nobody_is_asked_about_private_and_own_addresses(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", KEY)
        with servers("virustotal") as found:
            config = settings_file(tmp_path, urls(found))
            config.write_text(f'[organisation]\nranges = ["{PEER}"]\n{config.read_text()}')
            result = invoke("reputation", "10.0.0.1", PEER, "--config", config, "--explain")
            assert result.code == 0
            assert "not public" in result.out
            assert "own address: no third party was asked." in " ".join(result.out.split())
            assert found["virustotal"].seen == []

    def test_without_any_judge_it_ends_with_1_and_says_what_is_missing(self, invoke: Invoke) -> None:
        result = invoke("reputation", "8.8.8.8")
        assert (result.code, result.err) == (1, "")
        assert "No source that can report a bad address is configured" in " ".join(result.out.split())
        assert "public DNS resolver" in result.out

    def test_private_addresses_are_answered(self, invoke: Invoke) -> None:
        result = invoke("reputation", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "2002:808:808::1")
        assert (result.code, result.err) == (0, "")

    @pytest.mark.usefixtures("plant")
    def test_an_address_is_taken_as_our_notes_write_it(self, invoke: Invoke, tmp_path: Path) -> None:
        with servers("threatfox") as found:
            config = settings_file(
                tmp_path, urls(found), more=['[reputation.sources]\nenabled = ["threatfox"]']
            )
            result = invoke("reputation", PEER.replace(".", "[.]"), "--config", config, "--json")
            assert result.code == 0
            assert destination(result.out)["ip"] == PEER
            assert len(found["threatfox"].seen) == 1

    @pytest.mark.parametrize("wrong", ["8.8.8", "", "evil.example", "evil[.]example"])
    def test_a_wrong_address_asks_nobody(self, invoke: Invoke, wrong: str) -> None:
        result = invoke("reputation", "8.8.8.8", wrong)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("regsvcs-response: ip: ")

    def test_failures_are_told_and_the_others_count(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", "wrong-key-0123456789")
        monkeypatch.setenv("REGSVCS_RESPONSE_THREATFOX_KEY", KEY)
        with servers("virustotal", "threatfox") as found:
            config = settings_file(tmp_path, urls(found))
            result = invoke("reputation", PEER, "--config", config)
        assert result.code == 0
        assert "rejected" in result.out
        assert "wrong-key" not in result.out

    def test_a_server_that_hangs_ends_at_the_deadline(self, tmp_path: Path) -> None:
        with FakeServer(Answer(hold=True)) as server:
            more = ["[reputation.policy]\ndeadline_s = 1.0"]
            config = settings_file(tmp_path, {"virustotal": server.url}, more=more)
            done = subprocess.run(
                [*COMMAND, "reputation", PEER, "--config", str(config)],
                cwd=ROOT,
                env=planted(tmp_path),
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert len(server.seen) == 1
        assert (done.returncode, done.stderr) == (1, b"")
        assert b"in time" in done.stdout

    @pytest.mark.usefixtures("plant")
    def test_fresh_tells_what_has_changed_and_of_whom_nothing_was_kept(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        with servers("virustotal", "threatfox") as found:
            only = ['[reputation.sources]\nenabled = ["virustotal", "threatfox"]']
            config = settings_file(tmp_path, urls(found), more=only)
            first = invoke("reputation", PEER, "--config", config, "--fresh")
            assert len(found["threatfox"].seen) == 1
            again = invoke("reputation", PEER, "--config", config, "--fresh")
        assert "No earlier answer is kept: the earlier verdict is not known." in first.out
        assert "Nothing of weight has changed." in again.out
        assert "compared with" not in invoke("reputation", PEER, "--config", config).out

    @pytest.mark.usefixtures("plant")
    def test_a_report_that_is_gone_is_told_with_the_verdict(self, invoke: Invoke, tmp_path: Path) -> None:
        like = vendor("threatfox")
        other: dict[str | None, str] = {}

        def asks_about(seen: Seen) -> str | None:
            about = like.asks_about(seen)
            return other.get(about, about)

        with VendorServer(like._replace(asks_about=asks_about)) as server:
            only = ['[reputation.sources]\nenabled = ["threatfox"]']
            config = settings_file(tmp_path, {"threatfox": server.url}, more=only)
            invoke("reputation", PEER, "--config", config)
            other[IP] = "9.9.9.9"
            told = invoke("reputation", PEER, "--config", config, "--fresh", "--json")
        changes = json.loads(told.out)["changes"][PEER]
        assert (changes["compared"], changes["no_earlier"]) == (["threatfox"], [])
        assert changes["said"][0].startswith("The verdict was ")
        assert any(each.startswith("Gone: ") for each in changes["said"])

    def test_hostile_words_of_a_source_reach_no_terminal(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGSVCS_RESPONSE_OTX_KEY", KEY)
        hostile = "\x1b]0;owned\x07\u202e\r"
        like = vendor("otx")
        body = json.loads(json.dumps(like.found).replace("Remote access", json.dumps(hostile)[1:-1]))
        body["pulse_info"]["pulses"][0]["author"]["username"] = hostile
        with VendorServer(like._replace(found=body)) as server:
            config = settings_file(tmp_path, {"otx": server.url})
            result = invoke("reputation", PEER, "--config", config, "--explain")
        assert len(server.seen) == 1
        assert not set(result.out + result.err) & set("\x1b\x07\u202e\r")

    def test_a_private_address_loads_no_http_stack(self, tmp_path: Path) -> None:
        code = (
            "import sys; sys.argv = ['x', 'reputation', '10.0.0.1']\n"
            "from playbooks.hosts.cli import main\n"
            "try: main()\n"
            "except SystemExit as end: assert end.code == 0, end.code\n"
            "heavy = {'requests', 'urllib3', 'requests_cache', 'tenacity', 'yaml', 'pymispwarninglists'}\n"
            "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=planted(tmp_path), timeout=60)
        assert list(tmp_path.iterdir()) == []


class TestRun:
    @pytest.mark.usefixtures("plant")
    def test_the_peers_are_looked_up_and_no_key_is_anywhere(
        self, invoke: Invoke, tmp_path: Path, examples: Path
    ) -> None:
        log = examples / "stealer/sysmon.xml"
        with servers(*KEYED) as found:
            config = settings_file(tmp_path, urls(found))
            out = tmp_path / "out"
            text = invoke("run", log, "--config", config, "--out", out)
            result = invoke("run", log, "--config", config, "--json")
        assert (text.code, result.code) == (0, 0)
        (case,) = json.loads(result.out)["cases"]
        verdicts = {each["ip"]: each["verdict"] for each in case["facts"]["destinations"]}
        assert verdicts[PEER] == "suspicious_shared"
        assert all(len(server.seen) == 2 for server in found.values())  # two addresses, then the cache
        written = [path for path in tmp_path.rglob("*") if path.is_file() and path != config]
        assert {"http-cache.sqlite", "quota.sqlite"} <= {path.name for path in written}
        for each in (text.out, text.err, result.out, result.err):
            assert KEY not in each
        for path in written:
            assert KEY.encode() not in path.read_bytes()

    @pytest.mark.usefixtures("plant")
    def test_no_lookup_asks_nobody_and_reads_no_list(
        self, invoke: Invoke, tmp_path: Path, examples: Path
    ) -> None:
        with servers(*KEYED) as found:
            config = settings_file(tmp_path, urls(found))
            log = examples / "stealer/sysmon.xml"
            result = invoke("run", log, "--config", config, "--no-lookup", "--json")
            assert [server.seen for server in found.values()] == [[] for _ in found]
        (case,) = json.loads(result.out)["cases"]
        assert [each["answers"] for each in case["facts"]["destinations"]] == [[], []]
        assert not (tmp_path / "state").exists()

    def test_no_lookup_and_fresh_contradict(self, invoke: Invoke, examples: Path) -> None:
        result = invoke("run", examples / "stealer/sysmon.xml", "--no-lookup", "--fresh")
        assert result.code == 2
        assert "--fresh" in result.err

    def test_without_keys_only_lists_on_this_machine_are_read(
        self, invoke: Invoke, tmp_path: Path, examples: Path
    ) -> None:
        result = invoke("run", examples / "stealer/sysmon.xml", "--json")
        assert (result.code, result.err) == (0, "")
        (case,) = json.loads(result.out)["cases"]
        coverage = case["facts"]["destinations"][0]["reputation"]["coverage"]
        assert "virustotal" in coverage["not_configured"]
        assert "iporigin" in coverage["asked"]
        assert not (tmp_path / "data").exists()

    def test_a_key_file_that_cannot_be_read_costs_its_source_alone(
        self, invoke: Invoke, tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGSVCS_RESPONSE_OTX_KEY_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("REGSVCS_RESPONSE_THREATFOX_KEY", KEY)
        log = examples / "stealer/sysmon.xml"
        with servers("threatfox", "otx") as found:
            config = settings_file(tmp_path, urls(found))
            result = invoke("run", log, "--config", config, "--json")
            alone = invoke("reputation", PEER, "--config", config, "--json")
            assert len(found["threatfox"].seen) == 2
            assert found["otx"].seen == []
        assert (result.code, alone.code) == (2, 2)
        (case,) = json.loads(result.out)["cases"]
        for told in (*case["facts"]["destinations"], destination(alone.out)):
            assert statuses(told)["threatfox"] in {"ok", "not_found"}
            (otx,) = (each for each in told["answers"] if each["source"] == "otx")
            assert otx["status"] == "error"
            assert "its key cannot be read: REGSVCS_RESPONSE_OTX_KEY_FILE" in otx["detail"]
        for each in (result, alone):
            assert each.err.startswith("regsvcs-response: REGSVCS_RESPONSE_OTX_KEY_FILE: ")
            assert each.err.count("\n") == 1
        assert invoke("run", log, "--no-lookup").code == 0

    @pytest.mark.usefixtures("plant")
    def test_warnings_go_to_stderr_alone_whatever_a_library_has_set_up(
        self, invoke: Invoke, tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heard: list[logging.LogRecord] = []
        listening = logging.Handler()
        monkeypatch.setattr(listening, "emit", heard.append)
        monkeypatch.setattr(logging.getLogger(), "handlers", [listening])
        (tmp_path / "state").write_text("a file where the folder should be")
        with servers(*KEYED) as found:
            config = settings_file(tmp_path, urls(found))
            result = invoke("run", examples / "stealer/sysmon.xml", "--config", config)
        assert result.err.startswith("answers and quotas are not kept")
        assert [each for each in heard if each.name.startswith("connectors")] == []
        assert logging.getLogger("connectors").propagate

    @pytest.mark.usefixtures("plant")
    def test_a_folder_that_cannot_be_used_costs_one_note(
        self, invoke: Invoke, tmp_path: Path, examples: Path
    ) -> None:
        (tmp_path / "state").write_text("a file where the folder should be")
        with servers(*KEYED) as found:
            config = settings_file(tmp_path, urls(found))
            result = invoke("run", examples / "stealer/sysmon.xml", "--config", config, "--json")
        (case,) = json.loads(result.out)["cases"]
        assert result.code == 0
        assert result.err.count("\n") == 1
        assert result.err.startswith("answers and quotas are not kept for the next run: ")
        verdicts = {each["ip"]: each["verdict"] for each in case["facts"]["destinations"]}
        assert verdicts[PEER] == "suspicious_shared"


@pytest.mark.parametrize(
    "arguments", [["reputation", PEER], ["run", "examples/stealer/sysmon.xml"], ["doctor"]]
)
def test_ctrl_c_ends_at_once_while_a_server_hangs(tmp_path: Path, arguments: list[str]) -> None:
    with FakeServer(Answer(hold=True)) as server:
        config = settings_file(tmp_path, {"virustotal": server.url})
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--config", str(config)],
            cwd=ROOT,
            env=planted(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            give_up = time.monotonic() + 30
            while not server.seen and time.monotonic() < give_up:
                time.sleep(0.02)  # until the process has asked: there is nothing else to wait on
            assert server.seen
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=8)
            assert time.monotonic() - began < 6  # the deadline of the look-up is 20 s, of a check 10 s
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in err
