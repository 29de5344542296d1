"""`run --new` without Enterprise Security: the analytics themselves over Splunk's Sysmon events."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from playbooks.siem import TOKEN_VARIABLE
from tests.cli_runs import Invoke, invoking
from tests.fakes.splunk_server import TOKEN, FakeSplunk
from tests.unit.test_cli_splunk import cases, clean, config_of

#: What Splunk's clock says; the run of 08:00 looks at 06:50 to 07:50.
NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
OWN = """
name = "other"
title = "Detect Other with Network Connection"
process_names = ["other.exe", "another.exe"]
"""


@pytest.fixture
def invoke(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Invoke:
    call = invoking(monkeypatch, capfdbinary, data=tmp_path / "data")
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    return call


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    with FakeSplunk((), lambda: NOW) as fake:
        fake.connections = [
            connection(dest, name)
            for dest, name in {
                "WS-1": "RegSvcs.exe",
                "WS-2": "RegAsm.exe",
                "WS-3": "other.exe",
                "WS-4": "another.exe",
            }.items()
        ]
        yield fake


def connection(dest: str, process_name: str) -> dict[str, Any]:
    when = (NOW - timedelta(minutes=40)).timestamp()
    return {
        "_time": when,
        "_indextime": int(when) + 30,
        "dest": dest,
        "user": r"CORP\user01",
        "process_name": process_name,
        "src_ip": "10.20.4.17",
        "dest_ip": "149.154.167.220",
        "dest_port": 443,
        "ProcessGuid": "{5E6DE97D-B137-47AB-8905-8C4F42998937}",
        "Initiated": "true",
    }


def escu_run(splunk: FakeSplunk, folder: Path, *more: object) -> tuple[object, ...]:
    config = config_of(folder, splunk.url, 'notables_from = "escu"')
    return ("run", "--new", "--out", folder / "out", "--config", config, "--no-lookup", "--json", *more)


def hosts(found: list[dict[str, Any]]) -> set[str]:
    return {each["facts"]["notables"][0]["dest"] for each in found}


def test_both_siblings_are_found_once(invoke: Invoke, splunk: FakeSplunk, tmp_path: Path) -> None:
    first = clean(invoke(*escu_run(splunk, tmp_path)))
    assert first.code == 0, first.err
    assert hosts(cases(first)) == {"WS-1", "WS-2"}
    second = clean(invoke(*escu_run(splunk, tmp_path)))
    assert (second.code, cases(second)) == (0, [])
    assert "found nothing new" in second.err


def test_the_profiles_that_are_chosen_are_searched_for(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text(OWN, encoding="utf-8")
    result = clean(invoke(*escu_run(splunk, tmp_path, "--profile", "regasm")))
    assert hosts(cases(result)) == {"WS-2"}, result.err
    result = clean(invoke(*escu_run(splunk, tmp_path, "--profile", "regasm", "--profile", own)))
    assert hosts(cases(result)) == {"WS-3", "WS-4"}, result.err


def test_the_risk_is_all_of_the_score_and_there_is_nothing_to_comment_on(
    invoke: Invoke, splunk: FakeSplunk, tmp_path: Path
) -> None:
    result = clean(invoke(*escu_run(splunk, tmp_path, "--profile", "regsvcs", "--write-back")))
    assert result.code == 0, result.err
    (case,) = cases(result)
    (risk,) = splunk.risk_rows()
    assert float(risk["risk_score"]) == case["risk"]["score"]
    assert splunk.updates == []
