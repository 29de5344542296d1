"""`run` over notables in which dest is the peer, as the add-on that Splunk supports writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import utc_now
from tests.cli_runs import Invoke, invoking
from tests.fakes.splunk_server import TOKEN, FakeSplunk

HOST, OWN, PEER = "WS01.corp.example", "10.20.4.17", "149.154.167.220"
FAR = "api.far.example"
GUID = "A1C5D0E2-000F-66F4-000F-000000002B00"

SEVEN: dict[str, object] = {
    "event_id": "4E1B7C0A-5D62-4B7E-9C38-6A0F2D915B11@@notable@@00000000000000000000000000000007",
    "search_name": "ESCU - Detect Regsvcs with Network Connection - Rule",
    "dest": FAR,
    "user": "user01",
    "process_name": "RegSvcs.exe",
    "src_ip": OWN,
    "dest_ip": PEER,
    "firstTime": "2026-09-24T07:41:41",
    "lastTime": "2026-09-24T07:44:42",
}
FIFTEEN = SEVEN | {
    "dvc": HOST,
    "src": HOST,
    "direction": "outbound",
    "process_guid": f"{{{GUID}}}",
    "process_id": "7516",
    "process_exec": "RegSvcs.exe",
    "src_port": "50392",
    "dest_port": "443",
    "transport": "tcp",
    "vendor_product": "Microsoft Sysmon",
    "risk_score": "50",
    "dvc_priority": "low",
    "dest_priority": "critical",
}


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    return invoking(monkeypatch, capfdbinary, data=tmp_path / "data")


def written(tmp_path: Path, fields: dict[str, object], name: str = "notable.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(fields))
    return path


def case_of(invoke: Invoke, *arguments: object) -> dict[str, Any]:
    result = invoke("run", *arguments, "--no-lookup", "--json")
    assert result.code == 0, result.err
    (case,) = json.loads(result.out)["cases"]
    found: dict[str, Any] = case
    return found


def test_a_notable_of_today_gives_the_case_of_its_machine(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    log = examples / "stealer/sysmon.xml"
    case = case_of(invoke, "--notable", written(tmp_path, FIFTEEN), "--sysmon", log)
    before = case_of(invoke, "--notable", examples / "stealer/notable.json", "--sysmon", log)
    assert case["case_id"] == before["case_id"]
    assert case["facts"]["host"]["hostname"] == HOST
    assert case["facts"]["lineage"]["target"]["ref"]["guid"] == GUID
    assert case["risk"]["case_verdict"] == "malicious"
    assert (case["risk"]["base_score"], case["risk"]["score"]) == (50.0, 100.0)
    assert f" was identified on endpoint {HOST} by user user01. " in case["risk"]["message"]
    (notable,) = case["facts"]["notables"]
    assert (notable["generation"], notable["machine_field"], notable["dest_meaning"]) == (15, "dvc", "peer")
    # The peer's priority is nobody's here.
    assert notable["asset"]["priority"] == "low"


def test_the_report_says_what_the_machine_was_taken_from(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    log = examples / "stealer/sysmon.xml"
    message = f"RegSvcs.exe on {FAR} contacting a remote destination"
    fields = FIFTEEN | {"risk_message": message, "risk_object": FAR, "risk_object_type": "system"}
    result = invoke("run", "--notable", written(tmp_path, fields), "--sysmon", log, "--no-lookup")
    text = " ".join(result.out.split())
    assert f"machine from dvc; dest ({FAR}) is the peer" in text
    assert f"ESCU's own risk stands on {FAR}, the peer, as a system; ours is on the machine" in text
    assert f"(the notable's own message: {message})" in text
    assert "generation 15" in text
    bare = invoke("run", "--notable", written(tmp_path, FIFTEEN), "--sysmon", log, "--no-lookup")
    text = " ".join(bare.out.split())
    assert f"as ESCU ships it, its own risk stands on {FAR}, the peer, as a system" in text
    assert "own message" not in text, "there is none"


def test_a_notable_that_names_no_machine_is_found_through_its_connection(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    log = examples / "stealer/sysmon.xml"
    result = invoke("run", "--notable", written(tmp_path, SEVEN), "--sysmon", log, "--no-lookup")
    assert result.code == 0, result.err
    text = " ".join(result.out.split())
    assert f"RegSvcs.exe on {HOST}" in text
    assert "machine found through src_ip, peer and time, by the connection's own event" in text
    case = case_of(invoke, "--notable", written(tmp_path, SEVEN), "--sysmon", log)
    assert case["facts"]["found_by"] == "connection"
    assert case["facts"]["lineage"]["target"]["ref"]["guid"] == GUID


def test_without_telemetry_the_machine_is_not_known_and_the_case_is_replaced_later(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    out = tmp_path / "out"
    notable = written(tmp_path, SEVEN)
    first = case_of(invoke, "--notable", notable, "--out", out)
    assert (first["facts"]["host"], first["facts"]["notables"][0]["dest"]) == (None, "")
    text = (out / f"{first['case_id']}.md").read_text()
    assert "unknown machine" in text
    assert f"Host | {FAR}" not in text
    then = case_of(invoke, "--notable", notable, "--sysmon", examples / "stealer/sysmon.xml", "--out", out)
    assert then["case_id"] != first["case_id"]
    assert then["replaces"] == [first["case_id"]]
    for kind in ("md", "html"):
        assert f"Replaced by {then['case_id']}" in (out / f"{first['case_id']}.{kind}").read_text()
        assert f"takes the place of {first['case_id']}" in (out / f"{then['case_id']}.{kind}").read_text()
    old = json.loads((out / f"{first['case_id']}.json").read_bytes())
    assert old["replaced_by"] == then["case_id"]


def test_a_run_that_knows_less_does_not_take_the_mark_away(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    out = tmp_path / "out"
    notable = written(tmp_path, SEVEN)
    first = case_of(invoke, "--notable", notable, "--out", out)
    then = case_of(invoke, "--notable", notable, "--sysmon", examples / "stealer/sysmon.xml", "--out", out)
    again = case_of(invoke, "--notable", notable, "--out", out)
    assert (again["case_id"], again["replaced_by"]) == (first["case_id"], then["case_id"])


def test_victims_under_one_doubtful_name_are_not_merged(invoke: Invoke, tmp_path: Path) -> None:
    system = SEVEN | {"user": r"NT AUTHORITY\SYSTEM"}
    path = tmp_path / "both.json"
    path.write_text(json.dumps([system, system | {"event_id": "second", "src_ip": "10.20.4.99"}]))
    result = invoke("run", "--notable", path, "--no-lookup", "--json")
    assert len(json.loads(result.out)["cases"]) == 2


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_what_is_no_report_in_the_folder_is_not_read(
    kind: str, invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    out = tmp_path / "out"
    first = case_of(invoke, "--notable", written(tmp_path, SEVEN), "--out", out)
    path = out / f"{first['case_id']}.json"
    path.unlink()
    os.mkfifo(path) if kind == "fifo" else path.symlink_to(written(tmp_path, SEVEN, "elsewhere.json"))
    then = case_of(
        invoke,
        "--notable",
        written(tmp_path, SEVEN),
        "--sysmon",
        examples / "stealer/sysmon.xml",
        "--out",
        out,
    )
    assert then["replaces"] == []


def test_a_case_that_holds_another_notable_too_is_not_replaced(
    invoke: Invoke, tmp_path: Path, examples: Path
) -> None:
    out = tmp_path / "out"
    other = SEVEN | {"event_id": "another", "dest_ip": "93.184.216.34"}
    both = written(tmp_path, SEVEN), written(tmp_path, other, "other.json")
    first = case_of(invoke, "--notable", both[0], "--notable", both[1], "--out", out)
    assert len(first["facts"]["notables"]) == 2
    then = case_of(invoke, "--notable", both[0], "--sysmon", examples / "stealer/sysmon.xml", "--out", out)
    assert then["replaces"] == []
    assert json.loads((out / f"{first['case_id']}.json").read_bytes())["replaced_by"] is None


def test_two_victims_of_one_server_are_two_cases(invoke: Invoke, tmp_path: Path) -> None:
    second = SEVEN | {"event_id": "second", "src_ip": "10.20.4.99"}
    path = tmp_path / "both.json"
    path.write_text(json.dumps([SEVEN, second]))
    result = invoke("run", "--notable", path, "--no-lookup", "--json")
    assert len(json.loads(result.out)["cases"]) == 2


@pytest.mark.parametrize("fields", [SEVEN, FIFTEEN], ids=["version 7", "version 15"])
def test_what_splunk_has_of_the_supported_add_on_is_asked_for(
    fields: dict[str, object],
    invoke: Invoke,
    tmp_path: Path,
    examples: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGSVCS_RESPONSE_SPLUNK_TOKEN", TOKEN)
    settings = tmp_path / "settings.toml"
    log = examples / "stealer/sysmon.xml"
    with FakeSplunk([], utc_now) as splunk:
        settings.write_text(f'[splunk]\nbase_url = "{splunk.url}"\n')
        splunk.notables = [row_of(fields)]
        options = ("--config", settings, "--sysmon", log)
        fetched = case_of(invoke, "--new", "--out", tmp_path / "out", *options)
        by_id = case_of(invoke, "--event-id", str(fields["event_id"]), *options)
    given = case_of(invoke, "--notable", written(tmp_path, fields), "--sysmon", log)
    for case in (fetched, by_id):
        assert case["case_id"] == given["case_id"]
        assert case["facts"]["host"]["hostname"] == HOST
        (read,), (wanted,) = case["facts"]["notables"], given["facts"]["notables"]
        for name in ("dest", "generation", "process_guids", "process_ids", "src_ports", "direction", "asset"):
            assert read[name] == wanted[name], name


def row_of(fields: dict[str, object]) -> dict[str, Any]:
    """The notable as a row of the macro `notable`, indexed a minute ago."""
    when = utc_now().timestamp() - 60
    reviewed = {"status": "1", "status_label": "New", "status_default": "true", "owner": "unassigned"}
    return {**fields, **reviewed, "_time": when - 5, "_indextime": int(when)}
