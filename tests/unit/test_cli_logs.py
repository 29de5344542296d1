"""What the commands say of the logs they are given: of another channel, notables, given twice, a drift."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connectors.errors import LogUnreadable
from playbooks.hosts.given_logs import OF_RUN, naming_notables
from playbooks.settings import Settings
from tests import sysmon_samples as samples
from tests.cli_runs import Invoke, invoking
from tests.sysmon_samples import HOST, lines, zip_of

#: The commands that read logs, but for the log itself.
COMMANDS = (["detect"], ["run", "--no-lookup"], ["lineage", "--host", HOST, "--process", "regsvcs.exe"])
commands = pytest.mark.parametrize("command", COMMANDS, ids=[each[0] for each in COMMANDS])

SYSMON = lines(samples.xml(1, HOST, **samples.process()), samples.xml(3, HOST, **samples.network()))
SECURITY = {
    "xml": samples.other_xml(),
    "json": samples.other_flat(),
    "winlogbeat": json.dumps(
        {"winlog": {"provider_name": "Microsoft-Windows-Security", "event_id": 4624, "channel": "Security"}}
    ).encode(),
}


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    monkeypatch.chdir(tmp_path)
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


@commands
@pytest.mark.parametrize("shape", SECURITY)
def test_a_log_of_another_channel_is_named_and_ends_with_2(
    invoke: Invoke, tmp_path: Path, command: list[str], shape: str
) -> None:
    (tmp_path / "security.log").write_bytes(lines(SECURITY[shape]))
    result = invoke(*command, "security.log")
    assert result.code == 2
    said = "security.log: holds no Sysmon event, only records of the channel 'Security'"
    assert f"no Sysmon log: {said}\n" in result.err
    assert result.err.rstrip().endswith(
        f"regsvcs-response: {said}. Give the log of the channel Microsoft-Windows-Sysmon/Operational"
    )


@commands
def test_a_log_without_any_event_ends_with_2(invoke: Invoke, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "empty.json").write_text("[]\n")
    result = invoke(*command, "empty.json")
    assert (result.code, "empty.json: holds no event" in result.err) == (2, True)


@commands
def test_beside_a_sysmon_log_it_is_named_and_nothing_more(
    invoke: Invoke, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/security.log").write_bytes(lines(SECURITY["xml"]))
    (tmp_path / "logs/sysmon.log").write_bytes(SYSMON)
    result = invoke(*command, "logs")
    assert result.code == 0
    assert "no Sysmon log: logs/security.log: holds no Sysmon event" in result.err


def test_a_hostile_channel_reaches_no_terminal(invoke: Invoke, tmp_path: Path) -> None:
    channel = "\x1b]0;x\x07" + "a" * 5000
    record = {"winlog": {"provider_name": "x", "event_id": 1, "channel": channel}}
    (tmp_path / "security.log").write_bytes(lines(json.dumps(record).encode()))
    result = invoke("detect", "security.log")
    assert result.code == 2
    assert "\x1b" not in result.err
    assert len(result.err) < 1000


@commands
def test_a_packet_capture_beside_a_log_is_never_read_as_one(
    invoke: Invoke, tmp_path: Path, command: list[str]
) -> None:
    capture = b"\n\r\r\n\x1c\0\0\0M<+\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0POST /_bulk\r\n\r\n" + SYSMON
    (tmp_path / "set.zip").write_bytes(zip_of({"a.pcapng": capture, "b.xml": SYSMON}))
    result = invoke(*command, "set.zip")
    assert result.code == 0
    assert "not read: set.zip!a.pcapng: is no Sysmon log of a known format" in result.err
    found = json.loads(invoke("detect", "set.zip", "--json").out)
    assert (found["log"]["sysmon_events"], found["notables"][0]["count"]) == (2, 1)


@commands
def test_a_notable_given_as_a_log_is_told_with_the_option_that_takes_it(
    invoke: Invoke, tmp_path: Path, examples: Path, command: list[str]
) -> None:
    shutil.copy(examples / "stealer/notable.json", tmp_path / "notable.json")
    result = invoke(*command, "notable.json")
    assert result.code == 2
    remedy = "Give it with --notable" if command[0] == "run" else "Give it to `run`, with --notable"
    assert f"notable.json holds notables, and is no Sysmon log. {remedy}\n" in result.err


def test_a_file_that_is_refused_as_a_log_is_looked_into_for_notables(examples: Path) -> None:
    # Such as a table of notables: the reader of logs takes none of its forms.
    for name, field in (
        ("stealer/notable.json", "holds notables, and is no Sysmon log"),
        ("stealer/sysmon.xml", "is of no known format"),
    ):
        path = examples / name
        with pytest.raises(LogUnreadable) as raised, naming_notables([path], Settings(), OF_RUN):
            raise LogUnreadable(str(path), "is of no known format")
        assert raised.value.problem == field


def test_events_given_twice_are_told(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(SYSMON)
    (tmp_path / "b.log").write_bytes(SYSMON)
    result = invoke("detect", "a.log", "b.log", "--json")
    found = json.loads(result.out)
    assert (found["log"]["repeated_events"], found["notables"][0]["count"]) == (2, 1)
    assert "2 events were given before (same host, EventRecordID and time), and left out" in result.err


def test_a_drift_is_told_in_the_log_and_in_the_case(invoke: Invoke, tmp_path: Path) -> None:
    off = samples.network(UtcTime="2024-05-14 00:56:47.512")
    (tmp_path / "a.log").write_bytes(
        lines(samples.xml(1, HOST, **samples.process()), samples.xml(3, HOST, **off))
    )
    result = invoke("run", "--no-lookup", "a.log", "--json")
    assert result.code == 0
    said = "UtcTime of 1 connection or DNS look-up is up to 9 h behind the time of logging"
    assert f"{HOST}: {said}" in result.err
    document = json.loads(result.out)
    (drift,) = document["detection"]["log"]["clock_drifts"]
    assert drift == {"computer": HOST, "events": 1, "most_s": 30860.0}
    (case,) = document["cases"]
    assert case["log_notes"][0]["reason"].startswith(said)
    (connection,) = case["facts"]["evidence"]["connections"]
    assert connection["time"] == case["facts"]["notables"][0]["first_time"] == "2024-05-14T09:31:07.512000Z"


def test_lineage_by_guid_alone_keeps_the_evidence(invoke: Invoke, examples: Path) -> None:
    log = examples / "stealer/sysmon.xml"
    named = json.loads(invoke("lineage", log, "--host", "ws01", "--process", "regsvcs.exe", "--json").out)
    parent = named["lineage"]["ancestors"][1]["ref"]
    by_name = invoke(
        "lineage", log, "--host", "ws01", "--process", "powershell.exe", "--guid", parent["guid"], "--json"
    )
    alone = invoke("lineage", log, "--host", "ws01", "--guid", parent["guid"], "--json")
    assert alone.code == 0
    assert json.loads(alone.out) == json.loads(by_name.out)
    assert json.loads(alone.out)["lineage"]["target"]["ref"] == parent
    assert json.loads(alone.out)["evidence"]["files_written"]
