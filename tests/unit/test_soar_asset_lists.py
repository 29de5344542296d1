"""Asset and identity lists in the app: of the policy's Splunk, and of a file it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.clock import utc_now
from tests.fakes.splunk_server import FakeSplunk
from tests.soar_app import run_action
from tests.soar_splunk import splunk_asset

NOTABLE = json.dumps(
    {
        "dest": "WS01",
        "user": r"CORP\ann",
        "process_name": "regsvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": "149.154.167.220",
        "dest_priority": "low",
    }
)


def test_the_tables_reach_risk_decision_and_severity(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("identity,category\nann,privileged\n", encoding="utf-8")
    with FakeSplunk((), utc_now) as fake:
        fake.tables["asset_lookup_by_str"] = [{"asset": ["ws01"], "nt_host": "ws01", "priority": "critical"}]
        asset = splunk_asset(fake, f"[identities]\nfile = '{people}'\n")
        (risk,) = run_action("assess risk", [{"notable": NOTABLE}], asset=asset)
        assert risk.status, risk.message
        assert risk.data[0]["severity"] == "high"
        (decision,) = run_action("decide isolation", [{"case_facts": risk.data[0]["facts"]}], asset=asset)
        (response,) = run_action("respond to notable", [{"notable": NOTABLE}], asset=asset)
        searches = len(fake.queries)
    assert searches == 2  # one an action that looks
    for answer in (decision, response):
        assert answer.status, answer.message
        (guard,) = [each for each in answer.data[0]["guards"] if each["id"] == "asset_priority"]  # type: ignore[attr-defined]
        assert (guard["outcome"], guard["value"]) == ("refuse", "critical")
        assert "a privileged account" in str(answer.data[0]["next_steps"])
        assert "| Asset | critical" in str(answer.data[0]["note"])


@pytest.mark.parametrize("token", ["", "planted\ttoken"])
def test_without_a_token_the_tables_are_unknown_and_nothing_fails(token: str) -> None:
    with FakeSplunk((), utc_now) as fake:
        asset = splunk_asset(fake, splunk_token=token)
        (risk,) = run_action("assess risk", [{"notable": NOTABLE}], asset=asset)
    assert risk.status, risk.message
    assert fake.queries == []
    assert "what stands in the asset and identity tables of Splunk" in str(risk.data[0]["unknowns"])
    assert "planted" not in str(risk)
