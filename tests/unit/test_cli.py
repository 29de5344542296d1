"""The command line as a user meets it: output, exit codes, and hostile input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sysmon_samples as samples
from tests.cli_runs import Invoke, invoking

Json = dict[str, list[dict[str, object]]]


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


class TestCheckIp:
    def test_one_object_per_address_in_order(self, invoke: Invoke) -> None:
        asked = [
            "8.8.8.8",
            "127.0.0.1",
            "100.64.0.1",
            "224.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "192.31.196.1",
            "3fff::1",
            "fe80:0:0:0:0:0:0:1",
        ]
        result = invoke("check-ip", *asked, "--json")
        found = json.loads(result.out)
        assert result.code == 0
        assert [(each["ip"], each["public"], each["category"]) for each in found] == [
            ("8.8.8.8", True, "public"),
            ("127.0.0.1", False, "loopback"),
            ("100.64.0.1", False, "shared"),
            ("224.0.0.1", False, "multicast"),
            ("::ffff:10.0.0.1", False, "private"),
            ("64:ff9b::a00:1", False, "private"),
            ("2002:a00:1::1", False, "transition"),
            ("192.31.196.1", True, "public_special"),
            ("3fff::1", False, "documentation"),
            ("fe80::1", False, "link_local"),
        ]
        assert [each["registry_row"] and each["registry_row"]["prefix"] for each in found[:3]] == [
            None,
            "127.0.0.0/8",
            "100.64.0.0/10",
        ]

    @pytest.mark.parametrize(
        "wrong", ["8.8.8", "8.8.8.8 ", "evil.example", "", "1.1.1.1/32", "\x1b[31m1.1.1.1"]
    )
    def test_a_wrong_address_is_a_sentence_and_exit_2(self, invoke: Invoke, wrong: str) -> None:
        result = invoke("check-ip", "1.1.1.1", wrong)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("regsvcs-response: ip: ")
        assert result.err.count("\n") == 1
        assert "\x1b" not in result.err
        assert "Traceback" not in result.err

    def test_addresses_are_taken_as_our_notes_write_them(self, invoke: Invoke) -> None:
        given = ("8.8.8[.]8", "8[.]8[.]4[.]4", "2001:4860:4860:[:]8888", "::ffff:10.0.0[.]1")
        result = invoke("check-ip", *given, "--json")
        assert (result.code, result.err) == (0, "")
        assert [each["ip"] for each in json.loads(result.out)] == [
            "8.8.8.8",
            "8.8.4.4",
            "2001:4860:4860::8888",
            "::ffff:10.0.0.1",
        ]

    def test_a_defanged_name_is_no_address(self, invoke: Invoke) -> None:
        result = invoke("check-ip", "1.1.1[.]1", "evil[.]example")
        assert (result.code, result.out) == (2, "")

    def test_every_wrong_address_is_named(self, invoke: Invoke) -> None:
        result = invoke("check-ip", "1.2.3", "4.5.6")
        assert result.code == 2
        assert "'1.2.3'" in result.err
        assert "'4.5.6'" in result.err

    def test_organisation_ranges_come_from_the_settings(self, invoke: Invoke, tmp_path: Path) -> None:
        config = tmp_path / "policy.toml"
        config.write_text('[organisation]\nranges = ["8.8.8.0/24"]\n')
        found = json.loads(invoke("check-ip", "8.8.8.8", "--config", config, "--json").out)
        assert found[0]["organisation_owned"] is True
        assert found[0]["organisation_range"] == "8.8.8.0/24"


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ('[organisation]\nranges = ["8.8.8.8/99"]\n', "organisation.ranges"),
            ("[organisation]\nrange = []\n", "organisation.range"),
            ('[isolation]\nmode = "maybe"\n', "isolation.mode"),
            ('[isolation]\nmode = "auto"\n', "isolation"),
            ('[notable]\ntimezone = "Mars/Olympus"\n', "notable.timezone"),
            ("[lineage]\nmax_depth = 0\n", "lineage.max_depth"),
            ("not toml", "policy.toml"),
            ("a = " + "[" * 100_000, "policy.toml"),
            ("x = \xff", "policy.toml"),
        ],
    )
    def test_a_wrong_setting_is_named(self, invoke: Invoke, tmp_path: Path, text: str, named: str) -> None:
        config = tmp_path / "policy.toml"
        config.write_bytes(text.encode("latin-1"))
        result = invoke("check-ip", "1.1.1.1", "--config", config)
        assert (result.code, result.out) == (2, "")
        assert named in result.err
        assert result.err.count("\n") == 1

    def test_a_missing_file_is_named(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("check-ip", "1.1.1.1", "--config", tmp_path / "none.toml")
        assert result.code == 2
        assert "none.toml" in result.err

    def test_the_environment_names_the_file(
        self, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = tmp_path / "p.toml"
        config.write_text('[organisation]\nranges = ["1.1.1.1"]\n')
        monkeypatch.setenv("REGSVCS_RESPONSE_CONFIG", str(config))
        assert json.loads(invoke("check-ip", "1.1.1.1", "--json").out)[0]["organisation_owned"] is True


class TestDetect:
    def log(self, tmp_path: Path) -> Path:
        path = tmp_path / "log.ndjson"
        path.write_bytes(
            samples.lines(
                samples.flat(3, samples.HOST, **samples.network()),
                samples.flat(3, samples.HOST, **samples.network(DestinationIp="127.0.0.1")),
                b"{ broken",
            )
        )
        return path

    def test_json(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("detect", self.log(tmp_path), "--json")
        document = json.loads(result.out)
        (found,) = document["notables"]
        assert result.code == 0
        assert {key: found[key] for key in ("dest", "dest_ip", "process_name", "count", "firstTime")} == {
            "dest": samples.HOST,
            "dest_ip": "208.95.112.1",
            "process_name": "RegSvcs.exe",
            "count": 1,
            "firstTime": "2024-05-14T09:31:05",
        }
        assert found["process_guids"] == [samples.GUID.strip("{}")]
        assert [each["strict"]["reason"] for each in document["not_raised"]] == ["not_public"]
        assert document["log"]["problem_count"] == 1
        assert document["log"]["problems"][0]["record"] == 3
        assert "log.ndjson:3:" in result.err

    def test_escu_raises_what_it_lets_through(self, invoke: Invoke, tmp_path: Path) -> None:
        document = json.loads(invoke("detect", self.log(tmp_path), "--semantics", "escu", "--json").out)
        assert [each["dest_ip"] for each in document["notables"]] == ["127.0.0.1", "208.95.112.1"]

    def test_version_15_raises_less_and_names_the_machine(self, invoke: Invoke, tmp_path: Path) -> None:
        document = json.loads(invoke("detect", self.log(tmp_path), "--semantics", "escu-15", "--json").out)
        assert document["semantics"] == "escu-15"
        (row,) = document["notables"]
        assert (row["dest_ip"], row["dest"], row["generation"]) == ("208.95.112.1", samples.HOST, 15)
        assert (row["dest_meaning"], row["dest_given"] == row["dest"]) == ("peer", False)
        assert [each["escu"]["reason"] for each in document["not_raised"]] == ["excluded"]

    def test_text(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("detect", self.log(tmp_path))
        assert "RegSvcs.exe -> 208.95.112.1" in result.out
        assert "127.0.0.1 is not public (127.0.0.0/8, Loopback) (the shipped search raises it)" in result.out

    def test_a_profile_of_the_users(self, invoke: Invoke, tmp_path: Path) -> None:
        profile = tmp_path / "regsvr32.toml"
        profile.write_text(
            'name = "regsvr32"\ntitle = "t"\nprocess_names = ["regsvr32.exe"]\ngenerations = [15]\n'
        )
        log = tmp_path / "log.ndjson"
        image = r"C:\Windows\System32\regsvr32.exe"
        log.write_bytes(samples.lines(samples.flat(3, samples.HOST, **samples.network(Image=image))))
        document = json.loads(invoke("detect", log, "--profile", profile, "--json").out)
        assert [each["profile"] for each in document["notables"]] == ["regsvr32"]
        assert json.loads(invoke("detect", log, "--json").out)["notables"] == []
        profile.write_text(profile.read_text().replace("15", "8"))
        wrong = invoke("detect", log, "--profile", profile)
        assert (wrong.code, "generations" in wrong.err, "2, 7, 15" in wrong.err) == (2, True, True)

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (["nowhere.evtx"], "nowhere.evtx"),
            (["{log}", "--semantics", "loose"], "Use escu, escu-15 or strict"),
            (["{log}", "--profile", "regsvc"], "profile"),
            (["{log}", "--profile", "none.toml"], "none.toml"),
            ([], "PATH"),
            (["--nonsense"], "nonsense"),
        ],
    )
    def test_wrong_arguments(self, invoke: Invoke, tmp_path: Path, arguments: list[str], named: str) -> None:
        log = str(self.log(tmp_path))
        result = invoke("detect", *(each.replace("{log}", log) for each in arguments))
        assert result.code == 2
        assert named in result.err
        assert "Traceback" not in result.err

    def test_one_name_in_two_profiles_is_refused(self, invoke: Invoke, tmp_path: Path) -> None:
        profile = tmp_path / "mine.toml"
        profile.write_text('name = "mine"\ntitle = "t"\nprocess_names = ["RegSvcs.exe"]\n')
        result = invoke("detect", self.log(tmp_path), "--profile", profile, "--profile", "regsvcs")
        assert result.code == 2
        assert "'mine'" in result.err


class TestRun:
    def test_the_three_examples(self, invoke: Invoke, examples: Path) -> None:
        verdicts = {}
        for name in ("stealer/sysmon.xml", "installer/sysmon.ndjson", "local-only/sysmon.ndjson"):
            document = json.loads(invoke("run", "--sysmon", examples / name, "--json").out)
            verdicts[name] = [case["risk"]["case_verdict"] for case in document["cases"]]
        assert verdicts == {
            "stealer/sysmon.xml": ["malicious"],
            "installer/sysmon.ndjson": ["likely_benign"],
            "local-only/sysmon.ndjson": [],
        }
        assert {each["escu"]["raised"] for each in document["detection"]["not_raised"]} == {True, False}

    @pytest.mark.parametrize(
        ("name", "log", "verdict"),
        [
            ("stealer", "sysmon.xml", "malicious"),
            ("installer", "sysmon.ndjson", "likely_benign"),
            ("local-only", "sysmon.ndjson", "undetermined"),
        ],
    )
    def test_the_notables_with_their_logs(
        self, invoke: Invoke, examples: Path, name: str, log: str, verdict: str
    ) -> None:
        folder = examples / name
        result = invoke("run", "--notable", folder / "notable.json", "--sysmon", folder / log, "--json")
        (case,) = json.loads(result.out)["cases"]
        assert result.code == 0
        assert case["risk"]["case_verdict"] == verdict
        assert case["decision"]["verdict"] == "refuse"
        assert case["facts"]["lineage"]["target"]["ref"]["image"].lower().endswith("regsvcs.exe")

    def test_log_and_notable_of_one_process_are_one_case(self, invoke: Invoke, examples: Path) -> None:
        folder = examples / "stealer"
        by_log = json.loads(invoke("run", "--sysmon", folder / "sysmon.xml", "--json").out)
        by_both = json.loads(
            invoke(
                "run", "--notable", folder / "notable.json", "--sysmon", folder / "sysmon.xml", "--json"
            ).out
        )
        assert by_log["cases"][0]["case_id"] == by_both["cases"][0]["case_id"]

    def test_a_notable_alone_is_worked_and_says_what_is_unknown(self, invoke: Invoke, examples: Path) -> None:
        result = invoke("run", "--notable", examples / "stealer/notable.json")
        assert result.code == 0
        assert "UNDETERMINED" in result.out
        assert "no EDR connector and no log was given" in " ".join(result.out.split())

    def test_text_report_reads_at_a_glance(self, invoke: Invoke, examples: Path) -> None:
        out = invoke("run", examples / "stealer/sysmon.xml").out
        for part in (
            "MALICIOUS",
            "149.154.167.220",
            "remit_viewer.exe",
            "would not isolate",
            "WHAT TO DO NEXT",
        ):
            assert part in out

    def test_out_writes_json_markdown_and_a_page_per_case(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "reports"
        for _ in range(2):
            assert invoke("run", examples / "stealer/sysmon.xml", "--out", out).code == 0
            written = sorted(path.name for path in out.iterdir())
            assert [Path(name).suffix for name in written[:3]] == [".html", ".json", ".md"]
            assert written[3:] == ["index.html"]
        assert json.loads((out / written[1]).read_bytes())["schema_version"] == "1.0"

    def test_rejected_notables_are_kept_and_the_others_worked(self, invoke: Invoke, tmp_path: Path) -> None:
        good = {"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": ["149.154.167.220"], "user": "u"}
        bad = {"dest": "WS02", "process_name": "regsvcs.exe", "dest_ip": "10.0.0.300"}
        result = invoke(
            "run", "--notable", "-", "--out", tmp_path, "--json", stdin=json.dumps([good, bad]).encode()
        )
        document = json.loads(result.out)
        assert result.code == 2
        assert len(document["cases"]) == 1
        assert [each["field"] for each in document["rejected"]] == ["dest_ip"]
        assert "dest_ip" in result.err
        (kept,) = (tmp_path / "rejected").iterdir()
        assert json.loads(kept.read_bytes()) == bad

    @pytest.mark.parametrize(
        ("destination", "outcome"),
        [
            (["149.154.167.220"], True),
            ("10.0.0.300", None),
            (None, "missing"),
            ("10.1.2.3", False),
        ],
    )
    def test_notables_with_odd_destinations(
        self, invoke: Invoke, destination: object, outcome: object
    ) -> None:
        notable = {"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": destination}
        result = invoke("run", "--notable", "-", "--json", stdin=json.dumps(notable).encode())
        document = json.loads(result.out)
        assert "Traceback" not in result.err
        if outcome is None:
            assert result.code == 2
            assert document["rejected"][0]["field"] == "dest_ip"
            return
        assert result.code == 0
        facts = document["cases"][0]["facts"]
        if outcome == "missing":
            assert "dest_ip" in [each["field"] for each in facts["notables"][0]["missing"]]
            assert facts["destinations"] == []
        else:
            assert facts["destinations"][0]["check"]["public"] is outcome

    @pytest.mark.parametrize("raw", [b"", b"{", b"null", b'{"a": 1}', b"\xff\xfe", b"[" * 5000])
    def test_input_that_is_no_notable(self, invoke: Invoke, raw: bytes) -> None:
        result = invoke("run", "--notable", "-", stdin=raw)
        assert result.code == 2
        assert result.err.startswith("regsvcs-response: ")
        assert "Traceback" not in result.err

    def test_an_empty_export_is_no_error_and_says_so(self, invoke: Invoke) -> None:
        result = invoke("run", "--notable", "-", stdin=b"[]")
        assert (result.code, result.err) == (0, "no notable was in the input\n")

    def test_nothing_given(self, invoke: Invoke) -> None:
        result = invoke("run")
        assert result.code == 2
        assert "--notable" in result.err

    def test_hostile_text_reaches_no_terminal_and_no_markdown_as_itself(
        self, invoke: Invoke, tmp_path: Path
    ) -> None:
        hostile = "\x1b]0;owned\x07\x1b[2J\u202e</script><img src=x onerror=alert(1)> [x](javascript:1) `|"
        log = tmp_path / "log.ndjson"
        log.write_bytes(
            samples.lines(
                samples.flat(
                    1, samples.HOST, **samples.process(CommandLine=f'"{samples.REGSVCS}" {hostile}')
                ),
                samples.flat(3, samples.HOST, **samples.network(User=hostile)),
            )
        )
        result = invoke("run", log, "--out", tmp_path / "out")
        assert result.code == 0
        for text in (result.out, result.err):
            assert not set(text) & set("\x1b\x07\u202e\r")
        (markdown,) = (tmp_path / "out").glob("*.md")
        text = markdown.read_text()
        assert not set(text) & set("\x1b\x07\u202e\r")

    def test_the_case_holds_all_external_peers_and_the_user_of_the_process(
        self, invoke: Invoke, examples: Path
    ) -> None:
        notable = {"dest": ["WS01"], "process_name": "RegSvcs.exe", "dest_ip": "149.154.167.220"}
        result = invoke(
            "run", "--notable", "-", "--sysmon", examples / "stealer/sysmon.xml", "--json",
            stdin=json.dumps(notable).encode(),
        )  # fmt: skip
        (case,) = json.loads(result.out)["cases"]
        assert [each["ip"] for each in case["facts"]["destinations"]] == ["149.154.167.220", "208.95.112.1"]
        assert case["facts"]["notables"][0]["user"] == r"CORP\user01"
        assert "by user CORP" in case["risk"]["message"]

    def test_a_log_of_which_nothing_could_be_read_is_bad_input(self, invoke: Invoke, tmp_path: Path) -> None:
        broken = tmp_path / "log"
        broken.write_bytes(b'{"EventID": 3, broken\n' * 3)
        for command in (["run", "--sysmon"], ["detect"]):
            result = invoke(*command, broken)
            assert result.code == 2
            assert "no Sysmon event could be read" in result.err

    def test_a_command_line_longer_than_windows_allows_is_cut(self, invoke: Invoke, tmp_path: Path) -> None:
        log = tmp_path / "log.ndjson"
        log.write_bytes(
            samples.lines(
                samples.flat(1, samples.HOST, **samples.process(CommandLine="/" * 4_000_000)),
                samples.flat(3, samples.HOST, **samples.network()),
            )
        )
        document = json.loads(invoke("run", log, "--json").out)
        assert len(document["cases"][0]["facts"]["lineage"]["target"]["command_line"]) == 32_767

    def test_a_wrong_notable_file_is_named(self, invoke: Invoke, tmp_path: Path) -> None:
        (tmp_path / "b.json").write_text("{bad")
        assert "b.json" in invoke("run", "--notable", tmp_path / "b.json").err

    def test_another_program_is_rejected_and_not_judged_as_a_copy(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        log = examples / "stealer/sysmon.xml"
        other = {"dest": "WS01", "process_name": "explorer.exe", "dest_ip": "149.154.167.220"}
        result = invoke(
            "run", "--notable", "-", "--sysmon", log, "--out", tmp_path, "--json",
            stdin=json.dumps(other).encode(),
        )  # fmt: skip
        document = json.loads(result.out)
        assert (result.code, document["cases"]) == (2, [])
        assert document["rejected"][0]["problem"] == "'explorer.exe' belongs to no detection profile"
        assert "'explorer.exe' belongs to no detection profile" in result.err
        (kept,) = (tmp_path / "rejected").iterdir()
        assert json.loads(kept.read_bytes())["process_name"] == "explorer.exe"
        left = "not worked: 2 detections of the log on WS01.corp.example, beside the notables"
        assert left in document["notes"][0]
        assert left in result.err

    def test_what_the_log_raises_besides_is_said_where_it_is_not_worked(
        self, invoke: Invoke, examples: Path
    ) -> None:
        folder = examples / "stealer"
        logs = [folder / "sysmon.xml", examples / "installer/sysmon.ndjson"]
        result = invoke("run", "--notable", folder / "notable.json", "--sysmon", *logs)
        left = (
            "not worked: 1 detection of the log on WS02.corp.example, beside the notables that were given;"
            " run without --notable to work what the log raises\n"
        )
        assert (result.code, result.err) == (0, left)
        assert result.out.endswith(left)
        alone = invoke("run", "--notable", folder / "notable.json", "--sysmon", logs[0], "--json")
        assert (json.loads(alone.out)["notes"], alone.err) == ([], "")

    def test_an_input_that_is_no_notable_is_kept_whole_and_stops_no_other(
        self, invoke: Invoke, examples: Path, tmp_path: Path
    ) -> None:
        raw = b'{"foo": 1}\n'
        result = invoke(
            "run", "--notable", "-", "--notable", examples / "stealer/notable.json", "--out", tmp_path,
            stdin=raw,
        )  # fmt: skip
        assert result.code == 2
        assert "--notable -: " in result.err
        assert f"1 report written to {tmp_path}\n" in result.err
        (kept,) = (tmp_path / "rejected").iterdir()
        assert kept.read_bytes() == raw

    def test_an_input_over_the_limit_is_not_kept_in_part(self, invoke: Invoke, tmp_path: Path) -> None:
        result = invoke("run", "--notable", "-", "--out", tmp_path, stdin=b" " * (8 * 2**20 + 1))
        assert result.code == 2
        assert "1 input over the limit not kept" in result.err
        assert not (tmp_path / "rejected").exists()

    def test_a_user_that_contradicts_the_process_is_told(self, invoke: Invoke, examples: Path) -> None:
        notable = json.loads((examples / "stealer/notable.json").read_bytes()) | {"user": r"CORP\other"}
        result = invoke(
            "run", "--notable", "-", "--sysmon", examples / "stealer/sysmon.xml", "--json",
            stdin=json.dumps(notable).encode(),
        )  # fmt: skip
        (case,) = json.loads(result.out)["cases"]
        assert r"by user CORP\other." in case["risk"]["message"]
        why = r"the notable names CORP\other, the process's own record CORP\user01"
        assert {"what": "user", "why": why, "remedy": ""} in case["risk"]["unknowns"]
        assert any(r"CORP\other, CORP\user01 on" in step for step in case["next_steps"])

    def test_help_says_what_is_written_and_shows_no_stray_backslash(self, invoke: Invoke) -> None:
        text = " ".join(invoke("run", "--help").out.replace("\u2502", " ").split())
        assert "as a page, as JSON and as Markdown" in text
        assert "strict, the default:" in text
        assert "\\" not in text


class TestLineage:
    def test_by_process_name(self, invoke: Invoke, examples: Path) -> None:
        log = examples / "stealer/sysmon.xml"
        result = invoke("lineage", log, "--host", "ws01", "--process", "regsvcs.exe", "--json")
        document = json.loads(result.out)
        images = [each["ref"]["image"].rpartition("\\")[2] for each in document["lineage"]["ancestors"]]
        assert images == [
            "remit_viewer.exe", "powershell.exe", "EXCEL.EXE", "OUTLOOK.EXE", "explorer.exe", "userinit.exe"
        ]  # fmt: skip
        assert document["evidence"]["tampering"][0]["type"] == "Image is replaced"
        text = invoke("lineage", log, "--host", "WS01.corp.example", "--process", "powershell.exe").out
        assert "remit_viewer.exe" in text
        assert "telemetry ends here" in text

    @pytest.mark.parametrize(
        ("options", "code", "named"),
        [
            (["--host", "WS01"], 2, "--process"),
            (["--process", "regsvcs.exe"], 2, "--host"),
            (["--host", "WS01", "--guid", "{00000000-0000-0000-0000-000000000000}"], 2, "--guid"),
            (["--host", "WS01", "--process", "regsvcs.exe", "--peer", "x"], 2, "--peer"),
            (["--host", "WS01", "--process", "regsvcs.exe", "--at", "noon"], 2, "--at"),
            (["--host", "WS9", "--process", "regsvcs.exe"], 1, "WS9"),
            (["--host", "WS01", "--process", "nothere.exe"], 1, "nothere.exe"),
            (["--host", "WS01", "--process", "conhost.exe"], 1, "conhost.exe pid 7020"),
        ],
    )
    def test_errors(self, invoke: Invoke, examples: Path, options: list[str], code: int, named: str) -> None:
        result = invoke("lineage", examples / "stealer/sysmon.xml", *options)
        assert result.code == code
        assert named in result.err
        assert "Traceback" not in result.err


def test_help_names_every_command(invoke: Invoke) -> None:
    result = invoke("--help")
    assert result.code == 0
    for command in ("run", "detect", "check-ip", "lineage"):
        assert command in result.out
        assert "Examples:" in invoke(command, "--help").out


def test_a_closed_pipe_is_no_error(examples: Path) -> None:
    command = [sys.executable, "-c", "from playbooks.hosts.cli import main; main()"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*command, "run", str(examples / "stealer/sysmon.xml")],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=examples.parent,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0
    assert done.stderr == b""


def test_real_logs_give_the_alerts_and_lineages_their_sources_state(
    invoke: Invoke, shared_data: Path
) -> None:
    stated = json.loads((shared_data / "sysmon/SOURCES.json").read_bytes())["derived"]
    for name, source in stated.items():
        path = shared_data / "sysmon" / name
        found = json.loads(invoke("detect", path, "--json").out)["notables"]
        assert [
            (each["dest_ip"], each["dest_ports"], each["dest"], each["user"], each["process_guids"])
            for each in found
        ] == [
            (each["dest_ip"], [each["dest_port"]], each["host"], each["user"], [each["guid"]])
            for each in source["alerts"]
        ]
        cases = json.loads(invoke("run", path, "--json").out)["cases"]
        for case, alert in zip(cases, source["alerts"], strict=True):
            lineage = case["facts"]["lineage"]
            chain = [lineage["target"], *lineage["ancestors"]]
            recorded = [each for each in chain if each["known_from"] == "creation"]
            assert [
                (each["ref"]["image"], each["ref"]["pid"], each["ref"]["guid"], each["command_line"])
                for each in recorded
            ] == [(each["image"], each["pid"], each["guid"], each["cmd"]) for each in alert["lineage"]]
            assert chain[-1]["ref"]["image"] == alert["root_parent_image"]
            assert "telemetry ends here" in lineage["gaps"][-1]["detail"]


def test_real_logs_without_regsvcs_raise_nothing_and_a_profile_finds_regsvr32(
    invoke: Invoke, shared_data: Path, tmp_path: Path
) -> None:
    names = [
        "panache_sysmon_vs_EDRTestingScript.evtx",
        "exec_sysmon_lobin_regsvr32_sct.evtx",
        "covenant_installutil.zip",
        "T1027_attack_data.tar.gz",
        "certutil_exe_certificate_extraction.raw",
    ]
    logs = [shared_data / "sysmon" / name for name in names]
    document = json.loads(invoke("detect", *logs, "--json").out)
    assert document["notables"] == []
    assert document["log"]["problem_count"] == 0
    assert document["log"]["sysmon_events"] == 122 + 3 + 1116 + 7433 + 20
    profile = tmp_path / "regsvr32.toml"
    profile.write_text('name = "regsvr32"\ntitle = "t"\nprocess_names = ["regsvr32.exe"]\n')
    document = json.loads(invoke("detect", *logs[:2], "--profile", profile, "--json").out)
    assert sorted(each["dest_ip"] for each in document["notables"]) == ["104.20.208.21", "151.101.0.133"]
