"""The actions of the SOAR app, each through app.handle as the platform calls it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actions.ip_facts import IpCheck
from actions.risk import CaseVerdict
from connectors.errors import InputError
from connectors.facts.notable import Notable, NotableSource
from playbooks import respond
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings, gather_cases
from playbooks.case_steps import AssessedCase, assess_case
from playbooks.hosts.soar import sources, sources_of_reputation
from playbooks.hosts.soar.answers import case_rows, decision, process_lineage, response, risk
from playbooks.hosts.soar.answers.case_rows import worst_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.reenrich import CaseState, state_digest
from playbooks.report.display import defang
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.events import REGSVCS, connected, created
from tests.report_cases import malicious
from tests.soar_app import ActionAnswer, app, run_action
from tests.soar_platform import Platform
from tests.unit.test_respond import sysmon

type ReadRows = tuple[Any, ...]

NOTABLE = json.dumps(
    {"dest": "WS01", "process_name": "regsvcs.exe", "dest_ip": "149.154.167.220", "event_id": "e1"}
)
NOW = datetime(2026, 9, 24, 8, 30, tzinfo=UTC)
APPROVE = """
[isolation]
mode = "approve"
[isolation.caps]
per_run = 1
per_hour = 3
per_day = 10
"""
CASES = {"stealer": "sysmon.xml", "installer": "sysmon.ndjson", "local-only": "sysmon.ndjson"}


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One time for all steps, so that ages of facts agree."""
    for module in (risk, decision, response, sources_of_reputation):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)


def notable_of(examples: Path, name: str) -> str:
    return (examples / name / "notable.json").read_text(encoding="utf-8")


def asset_of(examples: Path, name: str, policy: str = "") -> dict[str, object]:
    return {"sysmon_path": str(examples / name / CASES[name]), "policy": policy}


def one(answers: Sequence[ActionAnswer]) -> Any:
    """The one row of the one successful result."""
    (answer,) = answers
    assert answer.status, answer.message
    (row,) = answer.data
    return row


def facts(row: Any, model: Any) -> Any:
    (found,) = unpack(row["facts"], model, field="facts")
    return found


def untimed(report: CaseReport) -> CaseReport:
    """The report without how long each answer took."""
    destinations = tuple(
        each.model_copy(
            update={"answers": tuple(one.model_copy(update={"took_ms": None}) for one in each.answers)}
        )
        for each in report.facts.destinations
    )
    return report.model_copy(update={"facts": report.facts.model_copy(update={"destinations": destinations})})


# --- check ip


def test_check_ip_tells_public_from_private_and_counts() -> None:
    (answer,) = run_action("check ip", [{"ip": "149.154.167.220, ::ffff:10.0.0.1"}])
    assert answer.status
    assert answer.message == "1 of 2 addresses public, 1 outside the organisation."
    assert answer.summary == {"checked": 2, "public": 1, "external": 1}
    public, mapped = answer.data
    assert (public["public"], public["category"], public["registry"]) == (True, "public", "")
    assert (mapped["public"], mapped["category"], mapped["registry"]) == (
        False,
        "private",
        "10.0.0.0/8 Private-Use",
    )
    assert (mapped["embedded_ip"], mapped["embedded_scheme"]) == ("10.0.0.1", "ipv4_mapped")
    assert facts(public, IpCheck).external is True


def test_check_ip_knows_the_organisations_ranges() -> None:
    policy = '[organisation]\nranges = ["149.154.160.0/20"]\n'
    row = one(run_action("check ip", [{"ip": "149.154.167.220"}], asset={"policy": policy}))
    assert (row["public"], row["external"]) == (True, False)
    assert row["note"] == "In the organisation's own range 149.154.160.0/20."


def test_several_parameter_sets_carry_nothing_over() -> None:
    answers = run_action("check ip", [{"ip": "8.8.8.8"}, {"ip": "nonsense"}, {}, {"ip": "10.0.0.1"}])
    assert [each.status for each in answers] == [True, False, False, True]
    refusal = (
        "Action failure in check ip: ip: 'nonsense' is not an IP address. Give four decimal parts (IPv4) or"
        " IPv6; a host name has to be resolved first"
    )
    assert [each.message for each in answers] == [
        "8.8.8.8 is public (public).",
        refusal,
        "Action failure in check ip: ip: is missing, give it a value",
        "10.0.0.1 is not public (private).",
    ]
    assert [each.param for each in answers] == [{"ip": "8.8.8.8"}, {"ip": "nonsense"}, {}, {"ip": "10.0.0.1"}]
    assert [each.summary for each in answers[1:3]] == [{}, {}]
    assert [len(each.data) for each in answers] == [1, 0, 0, 1]


def test_one_bad_address_costs_the_others_nothing() -> None:
    (answer,) = run_action("check ip", [{"ip": "8.8.8.8, no\x1bnsense, 10.0.0.1, evil.example"}])
    assert answer.status
    assert [row["ip"] for row in answer.data] == ["8.8.8.8", "10.0.0.1"]
    assert answer.message == (
        "1 of 2 addresses public, 1 outside the organisation."
        " 2 of 4 could not be judged: 'no\\x1bnsense', 'evil.example'."
    )
    assert answer.summary == {"checked": 2, "public": 1, "external": 1}


def test_several_bad_addresses_and_no_good_one_fail() -> None:
    (answer,) = run_action("check ip", [{"ip": ", ".join("abcdefg")}])
    assert not answer.status
    assert answer.message == (
        "Action failure in check ip: ip: none of 7 is an IP address: 'a', 'b', 'c', 'd', 'e' and 2 more."
        " Give IPv4 or IPv6; a host name has to be resolved first"
    )


def test_check_ip_takes_addresses_as_our_notes_write_them() -> None:
    given = ["149.154.167.220", "2606:4700::1111", "10.0.0.1"]
    written = [defang(each) for each in given]
    assert written == ["149.154.167[.]220", "2606:4700[:]:1111", "10.0.0[.]1"]
    (answer,) = run_action("check ip", [{"ip": ",".join([*written, given[0]])}])
    assert [row["ip"] for row in answer.data] == given
    assert answer.summary["checked"] == 3
    (lineage,) = run_action("get process lineage", [{"host": "WS01", "ip": written[0]}])
    assert not lineage.status


@pytest.mark.parametrize("ip", ["", " , ", ",".join(["10.0.0.1"] * 3 + [f"10.0.{n}.1" for n in range(1001)])])
def test_check_ip_refuses_no_address_and_too_many(ip: str) -> None:
    (answer,) = run_action("check ip", [{"ip": ip}])
    assert not answer.status
    assert answer.message.startswith("Action failure in check ip: ip: ")


# --- get process lineage


def test_the_lineage_of_a_notable(examples: Path) -> None:
    asset = asset_of(examples, "stealer")
    (answer,) = run_action("get process lineage", [{"notable": notable_of(examples, "stealer")}], asset=asset)
    row = one([answer])
    assert (row["host"], row["process"], row["status"], row["pid"]) == (
        "WS01.corp.example",
        "RegSvcs.exe",
        "found",
        7516,
    )
    assert row["lineage"].endswith("EXCEL.EXE > powershell.exe > remit_viewer.exe > RegSvcs.exe")
    assert (row["ancestor_count"], row["child_count"], row["unknowns"]) == (6, 0, [])
    assert answer.message == f"RegSvcs.exe on WS01.corp.example: {row['lineage']}."
    assert facts(row, CaseFindings).process.pid == 7516


def test_host_and_address_are_enough_to_find_the_process(examples: Path) -> None:
    parameters: dict[str, object] = {"host": "ws01", "ip": "149.154.167.220"}
    row = one(run_action("get process lineage", [parameters], asset=asset_of(examples, "stealer")))
    assert (row["status"], row["pid"]) == ("found", 7516)


def test_a_host_that_is_not_in_the_logs_is_a_success_that_says_so(examples: Path) -> None:
    (answer,) = run_action("get process lineage", [{"host": "WS99"}], asset=asset_of(examples, "stealer"))
    row = one([answer])
    assert (row["status"], row["pid"], row["lineage"]) == ("host_not_found", None, "")
    assert answer.message == "RegSvcs.exe on WS99: no such host is known."
    assert row["unknowns"][0].startswith("host: ")


def test_two_processes_that_fit_are_named_and_neither_is_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = (
        created(1, None, REGSVCS),
        created(2, None, REGSVCS),
        connected(1, second=1),
        connected(2, second=1),
    )
    monkeypatch.setattr(sources, "edr_for", lambda *_, **__: sysmon(twins))
    (answer,) = run_action("get process lineage", [{"host": "WS01", "ip": "149.154.167.220"}])
    row = one([answer])
    assert row["status"] == "process_ambiguous"
    assert [each.split(" guid")[0] for each in row["candidates"]] == [
        "RegSvcs.exe pid 1001",
        "RegSvcs.exe pid 1002",
    ]
    assert answer.message.endswith("several processes fit, and none is picked.")


def test_an_attached_log_is_read_instead_of_the_assets(examples: Path) -> None:
    vault = app.soar_client.vault
    vault_id = vault.add_attachment(5, str(examples / "stealer" / "sysmon.xml"), "sysmon.xml")
    parameters: dict[str, object] = {"host": "ws01", "vault_id": f" {vault_id} "}
    try:
        row = one(
            run_action(
                "get process lineage", [parameters], asset=asset_of(examples, "installer"), container_id=5
            )
        )
        (elsewhere,) = run_action("get process lineage", [parameters], container_id=6)
    finally:
        vault.delete_attachment(vault_id=vault_id)
    assert row["status"] == "found"
    assert not elsewhere.status
    assert "vault_id: no such file is attached to container 6" in elsewhere.message


def test_an_attachment_without_a_vault_id_is_not_the_one() -> None:
    nameless = SimpleNamespace(vault_id=None, container_id=1, path="/x")
    named = SimpleNamespace(vault_id="AB", container_id=1, path="/y")
    vault = SimpleNamespace(get_attachment=lambda **_: [nameless, named])
    soar = cast("Any", SimpleNamespace(vault=vault))
    assert sources.attached_file(soar, "ab", 1) == Path("/y")
    vault.get_attachment = lambda **_: [nameless]
    with pytest.raises(InputError, match="no such file is attached to container 1"):
        sources.attached_file(soar, "ab", 1)


@pytest.mark.parametrize(
    ("parameters", "asset", "said"),
    [
        ({}, {}, "host: neither notable nor host is given. Give one of them"),
        ({"host": "WS01"}, {}, "sysmon_path: no EDR and no Sysmon log is configured. Fill sysmon_path"),
        ({"host": "WS01"}, {"sysmon_path": "logs"}, "sysmon_path: is no absolute path"),
        ({"host": "WS01"}, {"sysmon_path": "/nowhere/at/all"}, "/nowhere/at/all: does not exist"),
        ({"host": "WS01", "ip": "evil.example"}, {}, "ip: 'evil.example' is not an IP address"),
        ({"host": "WS01", "vault_id": "0" * 40}, {}, "vault_id: no such file is attached to container 1"),
        ({"notable": "{"}, {}, "notable: "),
        ({"notable": '{"dest": "WS01"}'}, {}, "notable: process_name: "),
        ({"notable": "[]"}, {}, "notable: "),
    ],
)
def test_a_lineage_that_cannot_be_had_says_why(
    parameters: dict[str, object], asset: dict[str, object], said: str
) -> None:
    (answer,) = run_action("get process lineage", [parameters], asset=asset)
    assert not answer.status
    assert answer.message.startswith(f"Action failure in get process lineage: {said}")
    assert answer.data == []


# --- assess risk, decide isolation


def test_a_failed_lookup_is_an_unknown_and_lowers_nothing(examples: Path) -> None:
    notable = notable_of(examples, "stealer")
    (failed,) = run_action("get process lineage", [{"notable": notable}])
    row = one(run_action("assess risk", [{"notable": notable, "process_problem": failed.message}]))
    assert (row["case_verdict"], row["severity"], row["score"]) == ("undetermined", "medium", 80.0)
    assert "host and process" in row["unknowns"]
    (problem,) = facts(row, AssessedCase).facts.problems
    assert problem.why.startswith("sysmon_path: no EDR and no Sysmon log is configured.")


def test_notables_that_cannot_be_used_are_told(examples: Path) -> None:
    notables = [json.loads(notable_of(examples, "stealer")), {"dest": "WS01"}, {"dest": "WS02"}]
    (answer,) = run_action("assess risk", [{"notable": json.dumps(notables)}])
    assert len(answer.data) == 1
    assert answer.message == "1 case: undetermined, score 80. 2 notables could not be used."


@pytest.mark.parametrize("verdicts", list(permutations(CaseVerdict, 2)))
def test_the_worst_of_several_cases(verdicts: tuple[CaseVerdict, ...]) -> None:
    from_the_worst = ["malicious", "suspicious", "undetermined", "likely_benign"]
    risk = malicious().risk
    risks = [risk.model_copy(update={"case_verdict": each}) for each in verdicts]
    assert worst_of(risks).value == next(each for each in from_the_worst if each in verdicts)


def test_lists_of_facts_are_taken(examples: Path) -> None:
    rows = [
        one(
            run_action(
                "get process lineage",
                [{"notable": notable_of(examples, name)}],
                asset=asset_of(examples, name),
            )
        )
        for name in CASES
    ]
    parameters: dict[str, object] = {"process_facts": json.dumps([row["facts"] for row in rows])}
    (answer,) = run_action("assess risk", [parameters])
    assert [row["case_verdict"] for row in answer.data] == ["malicious", "likely_benign", "undetermined"]
    assert [row["severity"] for row in answer.data] == ["high", "low", "medium"]
    assert answer.summary == {"cases": 3, "worst_verdict": "malicious", "highest_score": 100.0}
    assert answer.message == "3 cases; the worst is malicious, the highest score 100."
    decided: dict[str, object] = {"case_facts": json.dumps([row["facts"] for row in answer.data])}
    (answer,) = run_action("decide isolation", [decided], asset={"policy": APPROVE})
    assert [row["question"] for row in answer.data] == ["by_hand", "none", "none"]
    assert answer.summary == {"cases": 3, "questions": 1}
    assert answer.message == "3 cases; 1 needs a person's answer."


def test_the_decision_holds_all_the_playbook_writes(examples: Path, frozen: None) -> None:
    asset = asset_of(examples, "stealer", APPROVE)
    found = one(
        run_action("get process lineage", [{"notable": notable_of(examples, "stealer")}], asset=asset)
    )
    assessed = one(run_action("assess risk", [{"process_facts": found["facts"]}], asset=asset))
    row = one(run_action("decide isolation", [{"case_facts": assessed["facts"]}], asset=asset))
    assert (row["decision"], row["effective_mode"], row["question"]) == ("refuse", "approve", "by_hand")
    assert row["prompt"].startswith("Contain WS01.corp.example by hand?\n")
    case_id = row["case_id"]
    digest = state_digest(CaseState.model_validate_json(row["state"]))
    assert row["note_title"] == f"Regsvcs response: malicious, score 100 ({case_id}, state {digest})"
    assert row["question_title"] == f"malicious, score 100 ({case_id})"
    assert row["host_id"] == "ws01.corp.example"
    assert 1 <= len(row["not_known"]) <= 3
    assert all(f"- {each}" in row["prompt"] for each in row["not_known"])
    assert row["note"].startswith("# Malicious: RegSvcs.exe on WS01.corp.example\n")
    assert "kill_switch" in row["obstacles"]
    refused = {each["id"] for each in row["guards"] if each["outcome"] != "pass"}
    assert set(row["obstacles"]) == refused
    state = CaseState.model_validate_json(row["state"])
    assert (state.case_id, state.score, state.unchanged_rounds) == (row["case_id"], 100, 0)


def test_the_caller_can_lower_the_mode_and_never_raise_it(examples: Path) -> None:
    notable = notable_of(examples, "stealer")
    parameters: list[dict[str, object]] = [
        {"notable": notable, "caller_mode": mode} for mode in ("off", "approve", "auto")
    ]
    off, approve, auto = run_action(
        "respond to notable", parameters, asset=asset_of(examples, "stealer", APPROVE)
    )
    assert one([off])["effective_mode"] == "off"
    assert one([approve])["effective_mode"] == "approve"
    assert auto.message == (
        "Action failure in respond to notable: caller_mode: is no mode. Use one of off, shadow, approve"
    )


@pytest.mark.parametrize(
    ("action", "parameters", "said"),
    [
        ("assess risk", {}, "process_facts: neither process_facts nor notable is given. Give one of them"),
        ("assess risk", {"process_facts": "{"}, "process_facts: is not JSON. Give the facts output"),
        ("assess risk", {"ip_facts": "{}"}, "ip_facts: holds no facts of this app"),
        ("assess risk", {"reputation_facts": "{}"}, "reputation_facts: holds no facts of this app"),
        ("assess risk", {"notable": "no"}, "notable: "),
        ("decide isolation", {}, "case_facts: is missing, give it a value"),
        ("decide isolation", {"case_facts": "[]"}, "case_facts: holds no case. Give the facts output"),
        ("decide isolation", {"case_facts": '{"kind":"case_report"}'}, "case_facts: holds facts of the kind"),
        ("respond to notable", {"notable": '{"a": 1}'}, "notable: "),
        ("reenrich case", {"scope": "everything"}, "scope: is no scope."),
    ],
)
def test_bad_input_names_the_field(action: str, parameters: dict[str, object], said: str) -> None:
    (answer,) = run_action(action, [parameters])
    assert not answer.status
    assert answer.message.startswith(f"Action failure in {action}: {said}")
    assert answer.data == []


def forged(row: Any, **claims: object) -> str:
    document = json.loads(row["facts"])
    document["facts"]["risk"].update(claims)
    return json.dumps(document)


@pytest.mark.parametrize(
    "claims",
    [
        {"score": 0.0, "case_verdict": "likely_benign", "indicators": [], "contributions": []},
        {"score": 1e308},
        {"score": -5.0, "verdict_reason": "Trust me.", "unknowns": []},
    ],
)
def test_what_a_caller_claims_as_risk_counts_for_nothing(
    examples: Path, frozen: None, claims: dict[str, object]
) -> None:
    asset = asset_of(examples, "stealer", APPROVE)
    found = one(
        run_action("get process lineage", [{"notable": notable_of(examples, "stealer")}], asset=asset)
    )
    assessed = one(run_action("assess risk", [{"process_facts": found["facts"]}], asset=asset))
    honest = one(run_action("decide isolation", [{"case_facts": assessed["facts"]}], asset=asset))
    row = one(run_action("decide isolation", [{"case_facts": forged(assessed, **claims)}], asset=asset))
    assert row == honest


@pytest.mark.parametrize("case_id", ["x" * 5000, "case-1", "../case-0123456789abcdef", "# h <b>"])
def test_facts_of_a_case_without_a_case_id_are_refused(case_id: str) -> None:
    assessed = one(run_action("assess risk", [{"notable": NOTABLE}]))
    document = json.loads(assessed["facts"])
    document["facts"]["case_id"] = case_id
    (answer,) = run_action("decide isolation", [{"case_facts": json.dumps(document)}])
    assert not answer.status
    assert answer.message.startswith("Action failure in decide isolation: case_facts: case_id: ")
    assert len(answer.message) < 300


def test_ip_facts_of_an_address_no_case_talked_to_are_named() -> None:
    (checked,) = run_action("check ip", [{"ip": "149.154.167.220, 8.8.8.8, 9.9.9.9, 1.1.1.1, 1.0.0.1"}])
    ip_facts = json.dumps([row["facts"] for row in checked.data])
    (answer,) = run_action("assess risk", [{"notable": NOTABLE, "ip_facts": ip_facts}])
    assert answer.status
    assert answer.message.endswith(
        " ip_facts of 8.8.8.8, 9.9.9.9, 1.1.1.1 and 1 more were not used: no case here talked to it."
    )
    (answer,) = run_action("assess risk", [{"notable": NOTABLE, "ip_facts": checked.data[0]["facts"]}])
    assert "ip_facts" not in answer.message


def with_name(row: Any, name: str) -> str:
    document = json.loads(row["facts"])
    for notable in document["facts"]["notables"]:
        notable["process_name"] = name
    return json.dumps(document)


def test_a_program_without_a_profile_is_not_judged_as_another(examples: Path) -> None:
    known = one(run_action("get process lineage", [{"host": "WS01"}], asset=asset_of(examples, "stealer")))
    other = with_name(known, "explorer.exe")
    (answer,) = run_action("assess risk", [{"process_facts": other}])
    assert not answer.status
    said = "process_facts: 'explorer.exe' belongs to no detection profile. The profiles in use name "
    assert answer.message.startswith(f"Action failure in assess risk: {said}")
    (answer,) = run_action("assess risk", [{"process_facts": json.dumps([other, known["facts"]])}])
    assert answer.status
    assert len(answer.data) == 1
    assert answer.message.endswith(" 1 case not assessed: 'explorer.exe' belongs to no detection profile.")
    notable = {**json.loads(NOTABLE), "process_name": "cmd.exe"}
    for action in ("assess risk", "respond to notable"):
        (answer,) = run_action(action, [{"notable": json.dumps(notable)}])
        said = "notable: process_name: 'cmd.exe' belongs to no detection profile"
        assert answer.message.startswith(f"Action failure in {action}: {said}")
    (answer,) = run_action("assess risk", [{"notable": json.dumps([notable, json.loads(NOTABLE)])}])
    assert answer.message.endswith(" 1 notable could not be used.")


# --- respond to notable


def hosts(number: int) -> str:
    named = ({"dvc": f"WS0{at}", "event_id": f"e{at}"} for at in range(number))
    return json.dumps([{**json.loads(NOTABLE), **each} for each in named])


@pytest.mark.parametrize("again", [False, True])
def test_one_case_that_fails_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    failing: list[str] = []

    def second_fails(found: CaseFindings, **options: Any) -> AssessedCase:
        second = found.notables[0].dest == "WS01"
        if second and (again or not failing):
            failing.append(found.case_id)
            raise OverflowError("secret detail")
        return assess_case(found, **options)

    monkeypatch.setattr(respond, "assess_case", second_fails)
    (answer,) = run_action("respond to notable", [{"notable": hosts(3)}])
    assert answer.status
    told = ["WS00", "WS02"] if again else ["WS00", "WS01", "WS02"]
    assert [row["host"] for row in answer.data] == told
    assert answer.summary["cases"] == len(told)
    how = "1 of them without an answer." if again else "What is told of it leaves telemetry out."
    assert answer.message.endswith(f" 1 case failed: {failing[0]} (OverflowError). {how}")
    assert "secret" not in answer.message + json.dumps(answer.data)
    if not again:
        assert "left out, since the assessment failed with it: OverflowError" in str(answer.data[1]["note"])


def test_when_every_case_fails_the_action_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> Any:
        raise OverflowError("secret detail")

    monkeypatch.setattr(response, "response_fields", fails)
    (answer,) = run_action("respond to notable", [{"notable": hosts(7)}])
    assert (answer.status, answer.data) == (False, [])
    assert answer.message.startswith("Action failure in respond to notable: no case could be worked: case-")
    assert answer.message.count("(OverflowError)") == 5
    assert " and 2 more" in answer.message
    assert "secret" not in answer.message


def long_lines(number: int) -> ReadRows:
    """A process with many children, each with the longest command line Windows takes, of accented letters."""
    children = [
        created(10 + at, 1, "C:\\Windows\\System32\\cmd.exe", CommandLine="\u00e9" * 32_700)
        for at in range(number)
    ]
    return (created(1, None, REGSVCS), connected(1), *children)


def test_the_apps_own_facts_are_never_too_long_for_it(monkeypatch: pytest.MonkeyPatch, frozen: None) -> None:
    edr = sysmon(long_lines(300))
    monkeypatch.setattr(sources, "edr_for", lambda *_, **__: edr)
    (whole,) = run_action("respond to notable", [{"notable": NOTABLE}])
    report = facts(one([whole]), CaseReport)
    assert len(report.facts.lineage.children) > 100
    found = one(run_action("get process lineage", [{"notable": NOTABLE}]))
    looked = run_action("lookup ip", [{"ip": ",".join(found["peers"])}])
    parameters: dict[str, object] = {"process_facts": json.dumps([found["facts"]])}
    parameters["reputation_facts"] = one(looked)["facts"]
    assessed = one(run_action("assess risk", [parameters]))
    decided = one(run_action("decide isolation", [{"case_facts": json.dumps([assessed["facts"]])}]))
    assert decided["case_verdict"] == whole.data[0]["case_verdict"]
    assert untimed(facts(decided, CaseReport)) == untimed(report)


def test_a_log_that_is_partly_unreadable_is_named_in_the_report(examples: Path, tmp_path: Path) -> None:
    log = (examples / "installer" / "sysmon.ndjson").read_text(encoding="utf-8")
    (tmp_path / "sysmon.ndjson").write_text(f"{log}{{not json\n", encoding="utf-8")
    asset: dict[str, object] = {"sysmon_path": str(tmp_path)}
    row = one(run_action("respond to notable", [{"notable": notable_of(examples, "installer")}], asset=asset))
    report = facts(row, CaseReport)
    assert report.log_problem_count == 1
    assert [each.record for each in report.log_notes] == [len(log.splitlines()) + 1]
    assert "What could not be read or done" in row["note"]


def test_respond_works_several_notables_and_counts_the_unusable(examples: Path) -> None:
    notables = [json.loads(notable_of(examples, "stealer")), {"dest": "WS01"}]
    (answer,) = run_action("respond to notable", [{"notable": json.dumps(notables)}])
    assert answer.summary["rejected"] == 1
    assert answer.message == (
        "1 case: undetermined, score 80. Nothing was isolated. 1 notable could not be used."
    )


def test_without_a_notable_the_artifacts_of_the_container_are_read(examples: Path) -> None:
    fields = {
        "dest": "WS01.corp.example",
        "process_name": "RegSvcs.exe",
        "dest_ip": "149.154.167.220",
        "src_ip": "10.20.4.17",
        "user": r"CORP\user01",
    }
    platform = Platform()
    number = platform.add_container()
    platform.add_artifact(number, fields)
    asset = asset_of(examples, "stealer")
    with platform.running():
        row = one(run_action("respond to notable", [{}], asset=asset, container_id=number, session="session"))
        (missing,) = run_action("respond to notable", [{}], container_id=99, session="session")
    assert (row["host"], row["case_verdict"]) == ("WS01.corp.example", "malicious")
    assert not missing.status
    assert missing.message.startswith("Action failure in respond to notable: ")
    assert "unexpected" not in missing.message


# --- reenrich case


def test_a_case_is_looked_at_again_and_its_change_told(examples: Path) -> None:
    notable = {"dest": "WS01", "process_name": "RegSvcs.exe", "dest_ip": "149.154.167.220"}
    platform = Platform()
    number = platform.add_container()
    platform.add_artifact(number, notable)
    with platform.running():
        (answer,) = run_action(
            "reenrich case", [{}], asset=asset_of(examples, "stealer"), container_id=number, session="session"
        )
    row = one([answer])
    assert (row["container_id"], row["changed"], row["stop"]) == (number, True, "")
    assert answer.summary == {"cases": 1, "changed": 1, "stopped": 0}
    assert answer.message.startswith("1 case: 1 changed, 0 stopped.")
    assert not any(each.startswith(("POST", "PUT", "DELETE")) for each in platform.requests)


# --- rows


def test_text_in_rows_is_short_and_visible_while_facts_stay_whole() -> None:
    shout = "a" * 5000 + "\x1b[31m\u202e<script>"
    events = (created(1, None, "C:\\" + shout + ".exe", CommandLine=shout), connected(1, image=shout))
    notable = Notable(
        source=NotableSource.WEBHOOK,
        event_id="e",
        dest="WS01",
        user=shout,
        process_name=shout + ".exe",
        dest_ip="149.154.167.220",
    )
    (found,) = gather_cases(InProcess(), sysmon(events), [notable], Settings())
    row = process_lineage._row(found, Settings()).model_dump()
    for name, value in row.items():
        if isinstance(value, str) and name != "facts":
            assert len(value) <= 2000, name
            assert value.isprintable(), name
    assert facts(row, CaseFindings) == found
    assert "\x1b" not in row["facts"]


def test_long_lists_say_what_they_leave_out() -> None:
    found = case_rows.listed(str(number) for number in range(60))
    assert len(found) == case_rows.LIST_LIMIT + 1
    assert found[-1] == "and 10 more, in the facts"
