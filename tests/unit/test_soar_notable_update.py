"""`update notable`: what is written to Splunk once, what stays as a person set it, and what is only said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import utc_now
from connectors.facts.notable import NotableSource
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import Outcome
from playbooks.hosts.soar.splunk import ONCE
from tests.estate import estate_of
from tests.fakes.splunk_events import events_of
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN, FakeSplunk
from tests.playbook_runs import notable_of
from tests.report_cases import malicious
from tests.soar_app import ActionAnswer, app, run_action
from tests.soar_platform import Json
from tests.soar_splunk import GUID, forget_writes, notable_row, splunk_asset
from tests.unit.test_soar_views import rendered

#: In the risk index it stands beside what the correlation search gives.
EVENT = f"{GUID}@@notable@@{1:032x}"
WRITE_BACK = '[write_back]\nstatus = "In Progress"\nowner = "soar"\nurgency = { malicious = "critical" }\n'


@pytest.fixture
def splunk() -> Iterator[FakeSplunk]:
    forget_writes()
    with FakeSplunk([], utc_now) as fake:
        fake.notables = [notable_row(1, dest="WS01.corp.example")]
        yield fake


def facts_of(examples: Path, **notable: object) -> str:
    """The facts of a decided case whose notable is the fake's."""
    given = json.dumps({**notable_of("stealer"), "event_id": EVENT, **notable})
    (found,) = run_action(
        "respond to notable",
        [{"notable": given}],
        asset={"sysmon_path": str(examples / "stealer/sysmon.xml")},
    )
    assert found.status, found.message
    return str(found.data[0]["facts"])


@pytest.fixture(scope="module")
def facts(examples: Path) -> str:
    return facts_of(examples)


def written(asset: dict[str, object], **parameters: object) -> ActionAnswer:
    (answer,) = run_action("update notable", [parameters], asset=asset)
    return answer


def outcomes(answer: ActionAnswer) -> list[tuple[object, object]]:
    assert answer.status, answer.message
    return [(row["target"], row["outcome"]) for row in answer.data]


def names(found: object) -> list[str]:
    assert isinstance(found, list)
    return found


def comments(splunk: FakeSplunk) -> list[str]:
    return [each["comment"] for each in splunk.updates]


def test_a_case_gets_its_comment_its_status_and_its_risk_once(splunk: FakeSplunk, facts: str) -> None:
    asset = splunk_asset(splunk, WRITE_BACK)
    answer = written(asset, case_facts=facts)
    assert outcomes(answer) == [("notable", "written"), ("risk", "written")]
    (notable, risk) = answer.data
    assert notable["event_id"] == EVENT
    assert set(names(notable["written"])) == {"comment", "status", "urgency", "owner"}
    assert (risk["case_id"], risk["event_id"]) == (notable["case_id"], "")
    assert answer.summary == {
        "notables": 1,
        "written": 1,
        "already_there": 0,
        "failed": 0,
        "risks_added": 1,
        "configured": True,
    }
    assert answer.message == "1 of 1 notable written to; risk added for 1 case."
    (row,) = splunk.notables
    assert (row["status_label"], row["owner"], row["urgency"]) == ("In Progress", "soar", "critical")
    assert comments(splunk)[0].startswith(
        f"regsvcs-response, case {notable['case_id']}: malicious, score 100"
    )
    (event,) = splunk.risk_rows()
    assert (event["risk_object"], event["risk_score"]) == ("WS01.corp.example", "20")


def test_again_nothing_is_doubled(splunk: FakeSplunk, facts: str) -> None:
    asset = splunk_asset(splunk, WRITE_BACK)
    written(asset, case_facts=facts)
    again = written(asset, case_facts=facts)
    assert outcomes(again) == [("notable", "already_there"), ("risk", "already_there")]
    assert again.message == "0 of 1 notable written to, 1 had it before; risk added for 0 cases."
    assert len(comments(splunk)) == 1
    assert len(splunk.risk) == 1


def test_what_splunk_does_not_show_yet_is_not_doubled_by_another_process(
    splunk: FakeSplunk, facts: str
) -> None:
    asset = splunk_asset(splunk)
    written(asset, case_facts=facts)
    splunk.risk.clear()  # accepted, and not indexed yet
    assert outcomes(written(asset, case_facts=facts))[1] == ("risk", "already_there")
    assert splunk.risk == []
    assert list(Path(app.actions_manager.get_state_dir()).glob(ONCE))


def test_what_a_person_owns_keeps_owner_and_status(splunk: FakeSplunk, facts: str) -> None:
    splunk.notables[0] |= {"owner": "kim"}
    answer = written(splunk_asset(splunk, WRITE_BACK), case_facts=facts)
    notable = answer.data[0]
    assert (notable["written"], set(names(notable["left"]))) == (["comment"], {"status", "urgency", "owner"})
    assert "owned by 'kim'" in str(notable["detail"])
    (row,) = splunk.notables
    assert (row["owner"], row["status_label"], row["urgency"]) == ("kim", "New", "high")


def test_the_risk_a_caller_hands_over_is_not_believed(splunk: FakeSplunk, facts: str) -> None:
    document: Json = json.loads(facts)
    document["facts"]["risk"] |= {"score": 81.0, "message": "forged", "case_verdict": "likely_benign"}
    document["facts"]["next_steps"] = ["Close it."]
    written(splunk_asset(splunk, WRITE_BACK), case_facts=json.dumps(document))
    (event,) = splunk.risk_rows()
    assert event["risk_score"] == "20"
    assert "forged" not in event["risk_message"]
    assert "malicious, score 100" in comments(splunk)[0]
    assert "Close it." not in comments(splunk)[0]
    assert splunk.notables[0]["urgency"] == "critical"


def test_what_is_given_by_hand_wins_over_the_policy(splunk: FakeSplunk, facts: str) -> None:
    given = {"status": "Resolved", "urgency": "low", "owner": "kim", "disposition": "Undetermined"}
    answer = written(splunk_asset(splunk, WRITE_BACK), case_facts=facts, **given)
    assert answer.status, answer.message
    (row,) = splunk.notables
    assert (row["status_label"], row["urgency"], row["owner"]) == ("Resolved", "low", "kim")
    assert row["disposition"] == "disposition:6"


def test_the_disposition_of_the_policy_reaches_notables_and_findings(splunk: FakeSplunk, facts: str) -> None:
    asset = splunk_asset(splunk, f'{WRITE_BACK}disposition = "disposition:1"\n')
    finding = f"2008e99d-af14-4fec-89da-b9b17a81820a@@notable@@time{int(utc_now().timestamp()) - 3600}"
    written(asset, case_facts=facts)
    assert splunk.notables[0]["disposition"] == "disposition:1"
    splunk.notables = [notable_row(1, event_id=finding)]
    answer = written(asset, case_facts=facts.replace(EVENT, finding))
    assert answer.status, answer.message
    assert splunk.changes[0][2]["disposition"] == splunk.notables[0]["disposition"] == "disposition:1"
    assert len(splunk.notes[finding]) == 1


def test_one_notable_by_hand(splunk: FakeSplunk) -> None:
    answer = written(splunk_asset(splunk), event_id=EVENT, comment="Seen on the proxy.", urgency="low")
    assert outcomes(answer) == [("notable", "written")]
    (comment,) = comments(splunk)
    assert comment.startswith("Seen on the proxy.")
    assert splunk.risk == []
    assert splunk.notables[0]["urgency"] == "low"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "event_id: is empty, and there are no case_facts"),
        ({"case_facts": "[]"}, "event_id: is empty"),
        ({"event_id": EVENT}, "comment: is empty"),
        ({"comment": "x"}, "event_id: is empty"),
        ({"case_facts": "{", "event_id": ""}, "case_facts: is not JSON"),
        ({"case_facts": "{}"}, "case_facts: holds no facts of this app. Give facts of the kind case_report"),
        ({"case_facts": '{"kind":"ip_check"}'}, "case_facts: holds facts of the kind ip_check"),
        ({"case_facts": '{"kind":"case_report","version":"1.0","facts":{}}'}, "Field required"),
        ({"event_id": f"{GUID}@@notable@@{9:032x}", "comment": "x"}, "no notable"),
        ({"event_id": EVENT, "comment": "x", "status": "Parked"}, "Known: 'New', 'In Progress'"),
        ({"event_id": EVENT, "comment": "x", "urgency": "urgent"}, "Known: informational, low"),
    ],
)
def test_what_cannot_be_used_is_named(splunk: FakeSplunk, given: dict[str, object], said: str) -> None:
    answer = written(splunk_asset(splunk), **given)
    assert not answer.status
    assert said in answer.message
    assert splunk.updates == []


def test_facts_and_a_comment_by_hand_are_not_taken_together(splunk: FakeSplunk, facts: str) -> None:
    answer = written(splunk_asset(splunk), case_facts=facts, comment="mine")
    assert "comment: is given beside case_facts" in answer.message
    assert splunk.updates == []


def test_without_a_splunk_it_is_a_success_that_claims_no_write(facts: str) -> None:
    answer = written({}, case_facts=facts)
    assert outcomes(answer) == [("notable", "not_configured"), ("risk", "not_configured")]
    assert answer.message == (
        "Splunk is not configured: the policy has no section [splunk]. Nothing was written."
    )
    assert (answer.summary["written"], answer.summary["risks_added"]) == (0, 0)
    assert answer.summary["configured"] is False
    assert all(not row["written"] for row in answer.data)
    assert outcomes(written({}, event_id=EVENT, comment="x")) == [("notable", "not_configured")]
    assert not written({}, case_facts="{").status, "what is given is checked all the same"


def test_a_case_is_written_only_where_the_asset_says_so(splunk: FakeSplunk, facts: str) -> None:
    """The token alone, which polling needs, allows no playbook to write."""
    asset = splunk_asset(splunk, WRITE_BACK)
    del asset["write_to_splunk"]
    answer = written(asset, case_facts=facts)
    assert outcomes(answer) == [("notable", "not_switched_on"), ("risk", "not_switched_on")]
    assert answer.message == (
        "Writing to Splunk is not switched on: write_to_splunk is off on the asset. Nothing was written."
    )
    assert (answer.summary["written"], answer.summary["risks_added"]) == (0, 0)
    assert answer.summary["configured"] is True
    assert not any(row["written"] for row in answer.data)
    given = written(asset, case_facts=facts, status="Resolved")
    assert outcomes(given)[0] == ("notable", "not_switched_on")
    assert (splunk.updates, splunk.risk) == ([], [])
    # By hand it is an analyst's own will.
    assert outcomes(written(asset, event_id=EVENT, comment="Seen.")) == [("notable", "written")]
    assert len(splunk.updates) == 1


def test_a_missing_token_is_a_failure_that_names_it(splunk: FakeSplunk, facts: str) -> None:
    answer = written(splunk_asset(splunk, splunk_token=""), case_facts=facts)
    assert "splunk_token: is empty" in answer.message


def test_a_notable_that_fails_costs_the_risk_nothing(splunk: FakeSplunk, facts: str) -> None:
    splunk.notables.clear()
    answer = written(splunk_asset(splunk), case_facts=facts)
    assert outcomes(answer) == [("notable", "failed"), ("risk", "written")]
    assert answer.summary["failed"] == 1
    assert "no notable" in str(answer.data[0]["detail"])
    assert "1 failed: " in answer.message


def test_where_everything_fails_the_action_fails_in_a_sentence(splunk: FakeSplunk, facts: str) -> None:
    splunk.failing = 100
    answer = written(splunk_asset(splunk), case_facts=facts)
    assert not answer.status
    assert answer.message.startswith(
        f"Action failure in update notable: nothing was written to Splunk: {EVENT}: "
    )
    assert "Traceback" not in answer.message


def test_without_the_policys_risk_none_is_added(splunk: FakeSplunk, facts: str) -> None:
    answer = written(splunk_asset(splunk, "[write_back]\nrisk = false\n"), case_facts=facts)
    assert outcomes(answer) == [("notable", "written")]
    assert splunk.risk == []


def test_by_the_event_collector_with_acknowledgement(splunk: FakeSplunk, facts: str) -> None:
    answer = written(splunk_asset(splunk, splunk=f'hec_url = "{splunk.url}"'), case_facts=facts)
    assert outcomes(answer)[1] == ("risk", "written")
    assert answer.data[1]["detail"] == "added, and proven to be indexed"
    assert len(splunk.collected) == 1


def test_without_enterprise_security_no_notable_is_written_to(splunk: FakeSplunk, facts: str) -> None:
    answer = written(splunk_asset(splunk, splunk='notables_from = "escu"'), case_facts=facts)
    assert outcomes(answer) == [("notable", "not_supported"), ("risk", "written")]
    assert answer.summary["failed"] == 0


def test_a_case_without_an_id_of_splunk_says_so(splunk: FakeSplunk) -> None:
    report = malicious()
    bare = [
        each.model_copy(update={"event_id": "derived:0123", "source": NotableSource.WEBHOOK})
        for each in report.facts.notables
    ]
    facts = report.facts.model_copy(update={"notables": tuple(bare)})
    answer = written(splunk_asset(splunk), case_facts=pack(report.model_copy(update={"facts": facts})))
    assert outcomes(answer)[0] == ("notable", "left_out")
    assert "no notable of the case has an id" in str(answer.data[0]["detail"])
    assert splunk.updates == []


def test_several_cases_have_their_rows(splunk: FakeSplunk, examples: Path, facts: str) -> None:
    other = f"{GUID}@@notable@@{2:032x}"
    splunk.notables.append(notable_row(2))
    second = facts_of(examples, event_id=other, dest="WS02.corp.example", process_name="regasm.exe")
    answer = written(splunk_asset(splunk), case_facts=json.dumps([facts, second]))
    assert [row["event_id"] for row in answer.data if row["target"] == "notable"] == [EVENT, other]
    assert len({row["case_id"] for row in answer.data}) == 2


def test_no_token_leaves_the_action(
    splunk: FakeSplunk, facts: str, capfd: pytest.CaptureFixture[str]
) -> None:
    splunk.update_answer = {"success": False, "message": f"denied for Bearer {TOKEN}"}
    splunk.notables[0]["owner"] = TOKEN
    answer = written(splunk_asset(splunk, WRITE_BACK, splunk=f'hec_url = "{splunk.url}"'), case_facts=facts)
    by_hand = written(splunk_asset(splunk), event_id=EVENT, comment="x")
    out, err = capfd.readouterr()
    told = out + err + json.dumps([answer._asdict(), by_hand._asdict()], default=str)
    assert TOKEN not in told
    assert HEC_TOKEN not in told


def test_test_connectivity_has_a_line_for_splunk(
    splunk: FakeSplunk, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(asset: dict[str, object]) -> tuple[bool, str]:
        (answer,) = run_action("test connectivity", [], asset=asset)
        out, err = capfd.readouterr()
        (line,) = [each for each in (out + err).splitlines() if "Splunk: " in each and "; " in each]
        assert TOKEN not in out + err
        return answer.status, line

    status, line = told(splunk_asset(splunk))
    assert status
    assert "Splunk: ok; Splunk answers" in line
    status, line = told(splunk_asset(splunk, write_to_splunk=False))
    assert status
    assert "that are needed; write_to_splunk is off, so no playbook writes to it" in line
    splunk.capabilities.remove("edit_notable_events")
    status, line = told(splunk_asset(splunk))
    assert not status
    assert "Splunk: wrong; Splunk can be searched; without edit_notable_events no notable" in line
    status, line = told(splunk_asset(splunk, write_to_splunk=False))
    assert status, "to poll, it need not be able to write"
    assert "Splunk: ok; Splunk answers; write_to_splunk is off" in line
    assert "lacks edit_notable_events for writing by hand" in line
    splunk.capabilities.remove("search")
    status, line = told(splunk_asset(splunk, write_to_splunk=False))
    assert not status
    assert "Splunk: wrong; the token's user lacks search" in line
    status, line = told({"splunk_token": TOKEN})
    assert not status
    assert "splunk_token is filled, but the policy has no section [splunk]" in line


def test_every_outcome_has_a_place_in_the_widget() -> None:
    rows: list[dict[str, Any]] = [
        {
            "case_id": "case-0000000000000001",
            "target": target,
            "event_id": "<script>alert(1)</script>",
            "outcome": each.value,
            "written": ["<b>comment</b>"],
            "left": ["status"],
            "detail": '<img src=x onerror="alert(1)">',
        }
        for each in Outcome
        for target in ("notable", "risk")
    ]
    html = rendered("update notable", rows)
    assert all(each.value.replace("_", " ") in html for each in Outcome)
    assert "<script>alert" not in html
    assert "<b>comment" not in html
    assert "<img src=x" not in html
    assert "could not be read" not in html
    assert "1 of the rows could not be read" in rendered("update notable", [{**rows[0], "outcome": "new"}])


def test_one_token_reads_the_processes_and_writes_the_case_back(examples: Path) -> None:
    """Sysmon's events in the same Splunk: edr_secret may stay empty."""
    estate = estate_of(examples / "stealer/sysmon.xml")
    edr = '[edr]\nconnector = "sysmon_splunk"\n[edr.sysmon_splunk]\nbase_url = "{url}"\n'
    given = json.dumps({**notable_of("stealer"), "event_id": EVENT})
    with FakeSplunk(events_of(estate), utc_now) as splunk:
        splunk.notables = [notable_row(1, dest="WS01.corp.example")]
        asset = splunk_asset(splunk, edr.format(url=splunk.url))
        (found,) = run_action("respond to notable", [{"notable": given}], asset=asset)
        assert found.status, found.message
        assert found.data[0]["case_verdict"] == "malicious"
        answer = written(asset, case_facts=found.data[0]["facts"])
        (connected,) = run_action("test connectivity", [], asset=asset)
        without_siem: dict[str, object] = {"policy": edr.format(url=splunk.url), "splunk_token": TOKEN}
        (alone,) = run_action("test connectivity", [], asset=without_siem)
        (nothing,) = run_action("test connectivity", [], asset={**without_siem, "splunk_token": ""})
    assert outcomes(answer) == [("notable", "written"), ("risk", "written")]
    # The log is older than the day that the check looks at; who was asked, and by which token, is the point.
    for each in (connected, alone):
        assert "Sysmon in Splunk: no start of a process" in each.message
        assert "token" not in each.message
    assert "edr_secret: is empty" in nothing.message


@pytest.mark.parametrize("silent", [("update",), ("receive",), ("update", "receive")])
def test_a_splunk_that_does_not_answer_is_not_waited_for_again_and_again(
    splunk: FakeSplunk, facts: str, silent: tuple[str, ...]
) -> None:
    """The playbook asks a person only behind this action: however many cases, two waits of a kind are all."""
    splunk.holds = set(silent)
    splunk.notables = [notable_row(number, dest="WS01.corp.example") for number in range(1, 8)]
    http = "[splunk.http]\nretries = 0\nread_s = 0.2\n"
    asset = splunk_asset(splunk, http, splunk="deadline_s = 2.0\n")
    written(asset, case_facts=json.dumps(several(facts, 7)))
    for kind in ("update", "receive"):
        assert splunk.calls[kind] == (2 if kind in silent else 7), kind


def several(facts: str, number: int) -> list[str]:
    """The facts of so many cases, each with an id and a notable of its own."""
    case_id = json.loads(facts)["facts"]["case_id"]
    assert f"{1:032x}" in facts
    return [
        facts.replace(f"{1:032x}", f"{each:032x}").replace(case_id, f"case-{each:016x}")
        for each in range(1, number + 1)
    ]


def test_a_case_whose_edr_failed_is_left_alone(splunk: FakeSplunk, facts: str) -> None:
    """As the command does it: the next look-up would contradict what was written."""
    document: Json = json.loads(facts)
    document["facts"]["facts"]["not_looked_up"] = "the EDR does not answer"
    asset = splunk_asset(splunk, WRITE_BACK) | {"sysmon_path": "/logs/sysmon.xml"}
    answer = written(asset, case_facts=json.dumps(document))
    assert not answer.status
    assert "the process could not be looked up" in answer.message
    assert (splunk.updates, splunk.risk) == ([], [])
