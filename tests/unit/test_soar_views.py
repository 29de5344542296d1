"""The views of the SOAR app, rendered from results as the platform hands them over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from soar_sdk.action_results import ActionResult

from actions.ip_facts import IpCheck
from playbooks.hosts.soar import app as shim
from playbooks.hosts.soar import facts_json
from playbooks.hosts.soar.containment_outputs import ContainmentRow
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import IpCheckRow, ReenrichRow
from playbooks.hosts.soar.shown import shown, shown_changes
from tests.report_cases import hostile
from tests.soar_app import run_action
from tests.unit.test_playbook_questions import contained

type Row = dict[str, object]

VIEWS: dict[str, Callable[..., str]] = {
    "check ip": shim.render_check_ip,
    "lookup ip": shim.render_lookup_ip,
    "get process lineage": shim.render_process_lineage,
    "assess risk": shim.render_risk,
    "decide isolation": shim.render_decision,
    "respond to notable": shim.render_case,
    "reenrich case": shim.render_changes,
    "update notable": shim.render_write_back,
    "isolate host": shim.render_isolation,
    "release host": shim.render_release,
    "get isolation status": shim.render_isolation_status,
}


def rendered(action: str, rows: Sequence[Row]) -> str:
    """The widget's HTML for one successful result with these rows."""
    result = ActionResult(True, "done", {})
    for row in rows:
        result.add_data(row)
    context: dict[str, Any] = {
        "QS": {},
        "container": 1,
        "app": 1,
        "no_connection": False,
        "google_maps_key": False,
    }
    totals = {"total_objects": 1, "total_objects_successful": 1}
    html: str = VIEWS[action](action, [(totals, [result])], context)
    assert context["prerender"] is True
    assert "View Function Error" not in html, html
    assert "Template Rendering Failed" not in html, html
    return html


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    """Rows of each action for one case."""
    examples = Path(__file__).resolve().parent.parent.parent / "examples" / "stealer"
    notable = (examples / "notable.json").read_text(encoding="utf-8")
    asset: dict[str, object] = {"sysmon_path": str(examples / "sysmon.xml")}
    found: dict[str, list[Row]] = {}

    def run(action: str, **parameters: object) -> Any:
        (answer,) = run_action(action, [parameters], asset=asset)
        assert answer.status, answer.message
        found[action] = answer.data
        return answer.data[0]["facts"]

    run("check ip", ip="149.154.167.220")
    run("lookup ip", ip="149.154.167.220")
    lineage = run("get process lineage", notable=notable)
    decided = run("decide isolation", case_facts=run("assess risk", process_facts=lineage))
    (written,) = run_action("update notable", [{"case_facts": decided}], asset=asset)
    found["update notable"] = written.data
    run("respond to notable", notable=notable)
    changed = {"container_id": 17, "changed": True, "changes": ["score: 80 before, 100 now"], "stop": ""}
    found["reenrich case"] = [found["decide isolation"][0] | changed]
    for action in ("isolate host", "release host", "get isolation status"):
        row = contained("isolated", host="WS01.corp.example", case_id="case-1", obstacles=["mode"])
        blank: Row = dict.fromkeys(ContainmentRow.model_fields, "")
        found[action] = [blank | row]
    return found


@pytest.mark.parametrize("action", VIEWS)
def test_each_action_is_shown_with_its_case(rows: dict[str, list[Row]], action: str) -> None:
    html = rendered(action, rows[action])
    shows = {"update notable": "Splunk is not configured"}
    shows |= dict.fromkeys(("check ip", "lookup ip"), "149.154.167")
    assert shows.get(action, "WS01.corp.example") in html


def test_what_changed_is_shown_with_its_container(rows: dict[str, list[Row]]) -> None:
    html = rendered("reenrich case", rows["reenrich case"])
    assert "score: 80 before, 100 now" in html
    assert "17" in html


@pytest.mark.parametrize("action", VIEWS)
def test_no_rows_and_rows_of_another_version_do_not_break_it(action: str) -> None:
    rendered(action, [])
    rendered(action, [{"facts": '{"kind":"ip_check","version":"9.0","facts":{}}'}])
    rendered(action, [{}])


TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)")


@pytest.mark.parametrize("when", ["1602-01-01T00:00:00Z", "9000-12-31T23:59:59Z"])
def test_the_earliest_and_latest_times_make_no_error_page(rows: dict[str, list[Row]], when: str) -> None:
    for action in ("get process lineage", "assess risk", "decide isolation", "respond to notable"):
        facts = TIME.sub(when, str(rows[action][0]["facts"]))
        html = rendered(action, [{"facts": facts}])
        assert "of the rows could not be read" not in html, action
    lineage = TIME.sub(when, str(rows["get process lineage"][0]["facts"]))
    (assessed,) = run_action("assess risk", [{"process_facts": lineage}])
    (decided,) = run_action("decide isolation", [{"case_facts": assessed.data[0]["facts"]}])
    assert decided.status, decided.message
    assert when[:4] in rendered("decide isolation", decided.data)


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
def test_times_beyond_are_unreadable_and_no_error_page(rows: dict[str, list[Row]], when: str) -> None:
    for action in ("get process lineage", "assess risk", "decide isolation", "respond to notable"):
        facts = TIME.sub(when, str(rows[action][0]["facts"]))
        assert "1 of the rows could not be read: another version" in rendered(action, [{"facts": facts}])


@pytest.mark.parametrize("action", ["decide isolation", "respond to notable"])
def test_text_of_the_log_is_text(action: str) -> None:
    html = rendered(action, [{"facts": pack(hostile())}])
    assert "<script>alert" not in html
    assert "<img" not in html.replace('<img src="logo', "")


def test_rows_that_cannot_be_read_are_counted() -> None:
    check = IpCheck(ip="8.8.8.8", version=4, public=True, category="public", registry_row=None)
    readable, old, empty = (
        IpCheckRow.model_validate({"facts": pack(check)}),
        IpCheckRow.model_validate({"facts": json.dumps({"kind": "ip_check", "version": "9.0"})}),
        IpCheckRow.model_validate({}),
    )
    told = shown([readable, old, empty], IpCheck, lambda checks: {"ips": [each.ip for each in checks]})
    old_app = "another version of the app may have written them"
    assert told == {"ips": ["8.8.8.8"], "unreadable": 2, "unreadable_why": old_app}
    row = ReenrichRow.model_validate({"container_id": 17, "facts": "{}"})
    told = shown_changes([row])
    assert (told["unreadable"], told["unreadable_why"]) == (1, old_app)


def test_why_rows_cannot_be_read_is_told_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_json, "MAX_FACTS", 100)
    rows: list[Row] = [{"facts": "x" * 101}, {"facts": "{"}, {"facts": "x" * 101}]
    html = rendered("decide isolation", rows)
    why = "the text of their facts is longer than 100 characters; the text of their facts is not JSON"
    assert f"3 of the rows could not be read: {why}." in html
    assert "another version" not in html


def test_what_was_not_read_is_not_shown_as_isolated(rows: dict[str, list[Row]]) -> None:
    (row,) = rows["isolate host"]
    assert "isolated, not verified" not in rendered("isolate host", [row])
    assert 'class="rr-good"' in rendered("isolate host", [row])
    html = rendered("isolate host", [row | {"verified": False, "sentence": "<script>alert(1)</script>"}])
    assert "isolated, not verified" in html
    assert 'class="rr-good"' not in html
    assert "<script>alert" not in html
    assert "rr-warn" in rendered("isolate host", [row | {"outcome": "unknown", "verified": False}])


def test_a_case_that_was_not_looked_at_is_shown_by_its_id() -> None:
    closed = {"case_id": "case-1", "case_verdict": "malicious", "score": 100, "container_id": 17}
    row = ReenrichRow.model_validate(closed | {"stop": "the case is closed", "facts": "", "changed": False})
    told = shown_changes([row])
    assert told["unreadable"] == 0
    (case,) = told["cases"]
    assert (case.subject, case.state, case.stop) == ("case-1", "not looked at", "the case is closed")
