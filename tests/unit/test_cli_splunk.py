"""`run` with a Splunk on this machine: notables in, nothing lost, comments and risk back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import utc_now
from connectors.errors import TimedOut
from connectors.state.folder_lock import locked
from playbooks.hosts.output_folder import OutputFolder
from playbooks.hosts.splunk_intake import CHECKPOINT
from playbooks.hosts.write_back_record import WriteBackRecord
from playbooks.siem import TOKEN_VARIABLE
from tests.cli_runs import Invoke, Result, invoking
from tests.fakes.splunk_server import TOKEN, FakeSplunk

GUID = "4E1B7C0A-5D62-4B7E-9C38-6A0F2D915B11"
#: That of examples/stealer.
STEALER_ID = f"{GUID}@@notable@@c4ca4238a0b923820dcc509a6f75849b"


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


def config_of(folder: Path, url: str, *more: str) -> Path:
    path = folder / "settings.toml"
    http = "[splunk.http]\nretries = 0\nread_s = 5.0\nconnect_s = 2.0"
    path.write_text("\n".join(["[splunk]", f'base_url = "{url}"', *more, http]), encoding="utf-8")
    return path


def notable(number: int = 1, *, ago_s: float = 60.0, **changes: Any) -> dict[str, Any]:
    """A row of the macro `notable`, indexed so many seconds ago."""
    when = time.time() - ago_s
    return {
        "event_id": f"{GUID}@@notable@@{number:032x}",
        "_time": when - 5,
        "_indextime": int(when),
        "search_name": "ESCU - Detect Regsvcs with Network Connection - Rule",
        "dest": "WS01.corp.example",
        "user": r"CORP\user01",
        "process_name": "regsvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": "149.154.167.220",
        "firstTime": "2026-09-24T07:41:41",
        "lastTime": "2026-09-24T07:44:42",
        "urgency": "high",
        "status": "1",
        "status_label": "New",
        "status_default": "true",
        "owner": "unassigned",
        **changes,
    }


def of_stealer(examples: Path, **changes: Any) -> dict[str, Any]:
    """The notable of examples/stealer as Splunk has it."""
    row: dict[str, Any] = json.loads((examples / "stealer/notable.json").read_bytes())
    return notable() | row | {"_time": time.time() - 65, "status_default": "true"} | changes


def clean(result: Result) -> Result:
    """No secret and no traceback anywhere."""
    assert TOKEN not in result.out + result.err
    assert "Traceback" not in result.err
    return result


def cases(result: Result) -> Any:
    return json.loads(result.out)["cases"]


def journal(out: Path) -> list[Any]:
    return [json.loads(line) for line in (out / "notables.ndjson").read_text().splitlines()]


def test_a_notable_by_id_gives_the_case_of_the_file(
    invoke: Invoke, splunk: FakeSplunk, examples: Path, tmp_path: Path
) -> None:
    splunk.notables = [of_stealer(examples)]
    log = examples / "stealer/sysmon.xml"
    options = ("--sysmon", log, "--no-lookup", "--json")
    wanted = cases(invoke("run", "--notable", examples / "stealer/notable.json", *options))
    config = config_of(tmp_path, splunk.url)
    for event_id in (STEALER_ID, "scheduler__x__RMD5aa_at_1795507200_1+3"):
        splunk.notables[0] |= {"orig_sid": "scheduler__x__RMD5aa_at_1795507200_1", "orig_rid": "3"}
        result = clean(invoke("run", "--event-id", event_id, "--config", config, *options))
        assert result.code == 0, result.err
        (found,) = cases(result)
        assert found["case_id"] == wanted[0]["case_id"]
        assert found["risk"]["score"] == wanted[0]["risk"]["score"]
    assert splunk.updates == []
    assert splunk.risk == []


def test_an_id_that_is_not_there_costs_the_others_nothing(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    splunk.notables = [notable(1)]
    config = config_of(tmp_path, splunk.url)
    known, unknown = splunk.notables[0]["event_id"], f"{GUID}@@notable@@{9:032x}"
    result = clean(
        invoke("run", "--event-id", unknown, "--event-id", known, "--config", config, "--no-lookup", "--json")
    )
    assert (result.code, len(cases(result))) == (1, 1)
    assert f"no notable '{unknown}'" in result.err
    assert unknown in json.loads(result.out)["notes"][0]


def test_new_notables_are_worked_once_and_then_there_are_none(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    splunk.notables = [notable(1), notable(2, ago_s=50, dest="WS02")]
    run = ("run", "--new", "--out", tmp_path / "out", "--config", config_of(tmp_path, splunk.url))
    first = clean(invoke(*run, "--no-lookup", "--json"))
    assert (first.code, len(cases(first))) == (0, 2), first.err
    reports = sorted(each.name for each in (tmp_path / "out").glob("case-*.json"))
    assert len(reports) == 2
    index = (tmp_path / "out/index.html").read_bytes()
    second = clean(invoke(*run, "--no-lookup", "--json"))
    assert (second.code, cases(second)) == (0, [])
    assert "no new notable" in second.err
    assert (tmp_path / "out/index.html").read_bytes() == index
    assert [each["notable"]["dest"] for each in journal(tmp_path / "out")] == ["WS01.corp.example", "WS02"]
    assert splunk.updates == []


def test_a_limit_takes_the_rest_in_the_next_run(invoke: Invoke, splunk: FakeSplunk, tmp_path: Path) -> None:
    splunk.notables = [notable(each, ago_s=100 - each, dest=f"WS-{each}") for each in range(1, 4)]
    run = ("run", "--new", "--limit", "2", "--out", tmp_path / "out", "--no-lookup", "--json")
    config = config_of(tmp_path, splunk.url)
    assert [len(cases(invoke(*run, "--config", config))) for _ in range(3)] == [2, 1, 0]


def test_a_later_notable_joins_its_case(invoke: Invoke, splunk: FakeSplunk, tmp_path: Path) -> None:
    run = ("run", "--new", "--out", tmp_path / "out", "--config", config_of(tmp_path, splunk.url))
    splunk.notables = [notable(1), notable(2, dest="WS02")]
    assert invoke(*run, "--no-lookup").code == 0
    splunk.notables.append(notable(3, ago_s=1, dest_ip="203.0.113.9"))
    result = invoke(*run, "--no-lookup", "--json")
    (case,) = cases(result)  # the case of WS02 has nothing new
    assert len(case["facts"]["notables"]) == 2
    assert (
        len(json.loads((tmp_path / "out" / f"{case['case_id']}.json").read_bytes())["facts"]["notables"]) == 2
    )


def test_an_earlier_report_that_knew_more_stays(
    invoke: Invoke, splunk: FakeSplunk, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splunk.notables = [of_stealer(examples)]
    out, log = tmp_path / "out", examples / "stealer/sysmon.xml"
    config = config_of(tmp_path, splunk.url)
    run = ("run", "--event-id", STEALER_ID, "--out", out, "--config", config, "--sysmon", log, "--no-lookup")
    assert invoke(*run).code == 0
    (name,) = (each.stem for each in out.glob("case-*.json"))
    good = (out / f"{name}.json").read_bytes()

    def silent(*_: object, **__: object) -> None:
        raise TimedOut("sysmon_file", "no answer")

    monkeypatch.setattr("connectors.edr.sysmon_file.connector.SysmonFileEdr.get_lineage", silent)
    for _ in range(2):  # also where the one before knew as little
        result = invoke(*run)
        assert result.code == 0, result.err
        assert json.loads((out / f"{name}.json").read_bytes())["facts"]["lineage"] is None
        assert (out / f"{name}.before.json").read_bytes() == good
    assert (out / f"{name}.before.html").exists()


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["journal", "reports", "comment", "checkpoint"])
def test_a_crash_before_the_checkpoint_gives_the_same_notables_again(
    step: str, invoke: Invoke, splunk: FakeSplunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splunk.notables = [notable(1)]
    out = tmp_path / "out"
    run = ("run", "--new", "--write-back", "--out", out, "--config", config_of(tmp_path, splunk.url))

    def crash(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        name = {"journal": "run.respond", "reports": "run_splunk.write_back"}.get(step)
        if step == "comment":
            patched.setattr(WriteBackRecord, "add", crash)
        elif name:
            patched.setattr(f"playbooks.hosts.commands.{name}", crash)
        else:
            patched.setattr(OutputFolder, "keep", crash)
        with pytest.raises(Crash):
            invoke(*run, "--no-lookup")
    assert len(journal(out)) == 1
    assert not (out / CHECKPOINT).exists()
    # Killed in the middle of a line.
    with (out / "notables.ndjson").open("ab") as file:
        file.write(b'{"v":1,"kept_at":"2026-')
    result = clean(invoke(*run, "--no-lookup", "--json"))
    assert (result.code, len(cases(result))) == (0, 1), result.err
    assert "half written" in result.err
    assert len(journal(out)) == 1
    assert len(splunk.updates) == 1  # also where the crash came after the comment


def test_two_runs_at_once_on_one_folder_are_one(invoke: Invoke, splunk: FakeSplunk, tmp_path: Path) -> None:
    splunk.notables = [notable(1)]
    out = tmp_path / "out"
    out.mkdir()
    run = ("run", "--new", "--out", out, "--config", config_of(tmp_path, splunk.url), "--no-lookup", "--json")
    with locked(out):
        held = clean(invoke(*run))
    assert (held.code, held.out) == (2, "")
    assert "in use by another run" in held.err
    assert splunk.queries == []
    assert len(cases(invoke(*run))) == 1  # the file that was locked is no obstacle


def test_what_makes_no_notable_is_kept_and_not_asked_for_again(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    splunk.notables = [
        notable(1, dest="not a host!", src_ip=""),
        notable(2),
        notable(3, process_name="other.exe"),
    ]
    out = tmp_path / "out"
    run = ("run", "--new", "--out", out, "--config", config_of(tmp_path, splunk.url), "--no-lookup", "--json")
    first = clean(invoke(*run))
    assert (first.code, len(cases(first))) == (2, 1)
    assert len(list((out / "rejected").iterdir())) == 2
    second = invoke(*run)
    assert (second.code, cases(second)) == (0, [])


class TestWriteBack:
    def run(self, splunk: FakeSplunk, examples: Path, folder: Path, *more: str) -> tuple[object, ...]:
        config = config_of(folder, splunk.url, *more)
        log = examples / "stealer/sysmon.xml"
        return ("run", "--sysmon", log, "--config", config, "--no-lookup", "--write-back")

    def test_comment_and_risk_once_over_two_runs(
        self, invoke: Invoke, splunk: FakeSplunk, examples: Path, tmp_path: Path
    ) -> None:
        splunk.notables = [of_stealer(examples)]
        run = self.run(splunk, examples, tmp_path)
        first = clean(invoke(*run, "--notable", examples / "stealer/notable.json"))
        assert first.code == 0, first.err
        assert "update_notable: " in first.out
        assert "add_risk: taken by the SIEM" in first.out
        second = clean(invoke(*run, "--event-id", STEALER_ID, "--json"))
        assert second.code == 0, second.err
        (case,) = cases(second)
        assert {each["step"]: each["ok"] for each in case["steps"][-2:]} == {
            "update_notable": True,
            "add_risk": True,
        }
        assert "was added before" in case["steps"][-1]["detail"]
        (risk,) = splunk.risk_rows()
        assert risk["risk_object"] == "WS01.corp.example"
        assert float(risk["risk_score"]) == case["risk"]["score"] - 80
        comment = splunk.updates[0]["comment"]
        assert case["case_id"] in comment
        assert "malicious" in comment.lower()

    def test_a_persons_notable_keeps_owner_and_status(
        self, invoke: Invoke, splunk: FakeSplunk, examples: Path, tmp_path: Path
    ) -> None:
        splunk.notables = [
            of_stealer(examples, owner="ann", status="2", status_label="In Progress", status_default="false")
        ]
        run = self.run(splunk, examples, tmp_path)
        with (tmp_path / "settings.toml").open("a") as file:
            file.write('\n[write_back]\nstatus = "In Progress"\nowner = "soc"\nrisk = false\n')
        result = clean(invoke(*run, "--event-id", STEALER_ID))
        assert result.code == 0, result.err
        assert (splunk.notables[0]["owner"], splunk.notables[0]["status"]) == ("ann", "2")
        assert "Left as it is: owner" in result.out
        assert splunk.risk == []

    def test_a_failed_one_is_told_exit_1_and_tried_again(
        self, invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
    ) -> None:
        splunk.notables = [notable(1)]
        splunk.capabilities.remove("edit_notable_events")
        config = config_of(tmp_path, splunk.url)
        run = ("run", "--new", "--out", tmp_path / "out", "--config", config, "--no-lookup", "--write-back")
        failed = clean(invoke(*run))
        assert failed.code == 1
        assert "not written back: case-" in failed.err
        assert "edit_notable_events" in failed.err
        assert "update_notable: FAILED: " in failed.out
        for kind in ("md", "html"):
            (page,) = (tmp_path / "out").glob(f"case-*.{kind}")
            assert "no result from update_notable" in page.read_text(encoding="utf-8").replace("\\_", "_")
        splunk.capabilities.append("edit_notable_events")
        again = clean(invoke(*run, "--json"))
        assert (again.code, len(cases(again)), len(splunk.updates)) == (0, 1, 1), again.err
        assert cases(clean(invoke(*run, "--json"))) == []

    def test_earlier_notables_are_not_commented_for_the_same_findings(
        self, invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
    ) -> None:
        config = config_of(tmp_path, splunk.url)
        run = ("run", "--new", "--out", tmp_path / "out", "--config", config, "--no-lookup", "--write-back")
        splunk.notables = [notable(1)]
        assert invoke(*run).code == 0
        splunk.notables.append(notable(2, ago_s=1, lastTime="2026-09-24T07:54:42"))
        result = invoke(*run, "--json")
        assert result.code == 0, result.err
        assert len(cases(result)[0]["facts"]["notables"]) == 2
        assert [each["ruleUIDs"] for each in splunk.updates] == [each["event_id"] for each in splunk.notables]

    def test_a_notable_without_an_id_of_splunk_is_told(
        self, invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
    ) -> None:
        path = tmp_path / "notable.json"
        path.write_text(json.dumps({"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": "8.8.4.4"}))
        config = config_of(tmp_path, splunk.url)
        result = clean(invoke("run", "--notable", path, "--config", config, "--no-lookup", "--write-back"))
        assert result.code == 1
        assert "no notable of the case has an id of the SIEM" in result.err
        assert splunk.risk == []


def test_a_dead_server_and_a_wrong_token_say_what_to_do(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with FakeSplunk((), utc_now) as fake:
        config = config_of(tmp_path, fake.url)
        run = ("run", "--new", "--out", out, "--config", config, "--no-lookup")
        monkeypatch.setenv(TOKEN_VARIABLE, "planted-wrong-0123456789")
        wrong = clean(invoke(*run))
    assert (wrong.code, TOKEN_VARIABLE in wrong.err, "planted-wrong" in wrong.err) == (1, True, False)
    dead = clean(invoke(*run))
    assert (dead.code, "splunk.base_url" in dead.err, dead.out) == (1, True, "")
    assert not (out / CHECKPOINT).exists()
    monkeypatch.delenv(TOKEN_VARIABLE)
    missing = clean(invoke(*run))
    assert (missing.code, TOKEN_VARIABLE in missing.err) == (2, True)
    bare = tmp_path / "bare.toml"
    bare.write_text("")
    assert "[splunk]" in clean(invoke("run", "--event-id", "x", "--config", bare)).err


def test_a_checkpoint_that_is_damaged_or_of_another_splunk_is_refused(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    splunk.notables = [notable(1)]
    out = tmp_path / "out"
    run = ("run", "--new", "--out", out, "--config", config_of(tmp_path, splunk.url), "--no-lookup")
    assert invoke(*run).code == 0
    kept = (out / CHECKPOINT).read_text()
    assert TOKEN not in kept
    (out / CHECKPOINT).write_text(kept.replace(splunk.url, "https://another.example"))
    other = clean(invoke(*run))
    assert (other.code, "another Splunk" in other.err) == (2, True)
    (out / CHECKPOINT).write_text(kept[:50])
    damaged = clean(invoke(*run))
    assert (damaged.code, "checkpoint.json: is damaged" in damaged.err) == (2, True)
    assert len(journal(out)) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--new",), "--out"),
        (("--new", "--out", "OUT", "--event-id", "a"), "--event-id"),
        (("--new", "--out", "OUT", "--notable", "-"), "--notable"),
        (("--event-id", "a", "--limit", "3"), "--limit"),
        (("--new", "--out", "OUT", "--limit", "0"), "--limit"),
        (("--event-id", " "), "--event-id"),
        (("--sysmon", "x.xml", "--write-back"), "--write-back"),
        (("--write-back",), "--notable"),
    ],
)
def test_options_that_make_no_sense_together_are_named(
    options: tuple[str, ...], named: str, invoke: Invoke, tmp_path: Path
) -> None:
    given = [str(tmp_path / "out") if each == "OUT" else each for each in options]
    result = invoke("run", *given)
    assert (result.code, result.out) == (2, "")
    assert named in result.err
    assert not (tmp_path / "out").exists()


def test_the_asset_and_identity_tables_are_asked_once_a_run_and_reach_guard_and_head(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    splunk.notables = [
        notable(number, dest=f"WS0{number}", src_ip=f"10.20.4.{number}") for number in (1, 2, 3)
    ]
    splunk.tables["asset_lookup_by_str"] = [{"asset": ["ws01"], "nt_host": "ws01", "priority": "critical"}]
    splunk.tables["identity_lookup_expanded"] = [{"identity": ["user01"], "watchlist": "true"}]
    run = ("run", "--new", "--config", config_of(tmp_path, splunk.url), "--no-lookup")
    result = clean(invoke(*run, "--out", tmp_path / "out", "--json"))
    assert result.code == 0, result.err
    facts = {each["facts"]["notables"][0]["dest"]: each["facts"] for each in cases(result)}
    assert facts["WS01"]["asset"]["priority"] == "critical"
    assert facts["WS02"]["asset"] is None
    assert {each["identities"][0]["watched"] for each in facts.values()} == {True}
    guards = {
        each["facts"]["notables"][0]["dest"]: {
            one["id"]: one["outcome"] for one in each["decision"]["guards"]
        }
        for each in cases(result)
    }
    assert [guards[f"WS0{number}"]["asset_priority"] for number in (1, 2, 3)] == [
        "refuse",
        "unknown",
        "unknown",
    ]
    assert sum("inputlookup" in each for each in splunk.queries) == 1
    del splunk.tables["asset_lookup_by_cidr"]
    text = clean(invoke(*run, "--out", tmp_path / "other")).out
    assert "what stands in the asset and identity tables of Splunk" in text
