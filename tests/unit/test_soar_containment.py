"""The actions of the containment asset: one call, proof, and nothing claimed that was not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connectors.edr.catalogue import EdrName
from connectors.facts.ledger import ApprovalState, IntentState
from playbooks.hosts.soar.asset import Asset, Purpose, check_purpose
from tests.soar_app import ActionAnswer, run_action
from tests.soar_containment import HOST, Bench, bench


@pytest.fixture
def defender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench(monkeypatch) as made:
        yield made


def row(answer: ActionAnswer) -> dict[str, Any]:
    """The one row of an answer, whose message is its sentence."""
    (found,) = answer.data
    assert str(found["sentence"]) in answer.message
    return found


def not_sent(made: Bench, answer: ActionAnswer) -> str:
    """The sentence of an order that was not sent."""
    found = row(answer)
    assert not answer.status
    assert (found["outcome"], found["verified"], found["intent_id"]) == ("not_sent", False, "")
    assert made.isolated == 0
    return str(found["sentence"])


# --- isolate host


@pytest.mark.parametrize("name", [EdrName.DEFENDER, EdrName.CROWDSTRIKE, EdrName.ELASTIC])
def test_a_host_is_isolated_once_and_proved(name: EdrName, monkeypatch: pytest.MonkeyPatch) -> None:
    with bench(monkeypatch, name) as made:
        decided = made.decided()
        assert (decided["decision"], decided["question"], decided["obstacles"]) == ("ask", "isolate", [])
        assert made.isolated == 0

        first = made.isolate()
        again = made.isolate()
        other_container = made.isolate(container_id=2)

        assert first.status, first.message
        found = row(first)
        assert (found["outcome"], found["verified"], found["state"]) == ("isolated", True, "isolated")
        assert found["how_known"] in ("observed", "reported")
        assert (found["ordered_by"], found["owner"], found["ours"]) == ("ic01", "ic01", True)
        assert first.summary == {"hosts": 1, "verified": 1, "outcome": "isolated"}
        (intent,) = made.ledger.intents()
        assert (intent.intent_id, intent.state) == (found["intent_id"], IntentState.VERIFIED)
        assert (intent.order.run_id, intent.order.by_person) == ("container-1", True)
        for answer in (again, other_container):
            assert answer.status, answer.message
            assert (row(answer)["outcome"], row(answer)["ours"]) == ("ours_stands", True)
        assert made.isolated == 1


def test_what_is_never_proved_fails_and_is_not_sent_again(defender: Bench) -> None:
    defender.fake.settle_after = None
    first = defender.isolate()
    again = defender.isolate()

    for answer in (first, again):
        assert not answer.status
        assert row(answer)["outcome"] in ("unknown", "refused")
        assert not row(answer)["verified"]
        assert "is isolated is not known" in answer.message
    assert defender.isolated == 1

    defender.fake.settle_after = 1
    defender.clock.advance(600)
    status = defender.run("get isolation status", case_id=str(row(first)["case_id"]))
    assert (row(status)["outcome"], row(status)["verified"]) == ("isolated", True)
    assert row(defender.isolate())["outcome"] == "ours_stands"
    assert defender.isolated == 1


def test_an_isolation_that_the_vendor_refuses_fails_and_says_why(defender: Bench) -> None:
    defender.fake.missing = {"Machine.Isolate"}
    answer = defender.isolate()
    assert not answer.status
    assert (row(answer)["outcome"], row(answer)["verified"]) == ("failed", False)
    assert "Machine.Isolate" in answer.message
    assert defender.isolated == 0


def test_the_kill_switch_stops_an_isolation_and_no_release(defender: Bench) -> None:
    assert defender.isolate().status
    defender.ledger.set_kill_switch(on=True, by="boss", why="outage")
    released = defender.run("release host", host=HOST, released_by="ana", why="clean")
    assert row(released)["outcome"] == "released"

    refused = defender.isolate(container_id=2)
    assert not refused.status
    assert row(refused)["outcome"] == "refused"
    assert "kill_switch" in row(refused)["obstacles"]
    assert defender.isolated == 1


def test_without_a_name_only_the_mode_auto_isolates(defender: Bench) -> None:
    asked = defender.isolate(approved_by="", caller_mode="auto")
    assert not asked.status
    assert "give approved_by and why" in asked.message
    assert (defender.isolated, list(defender.ledger.approvals())) == (0, [])

    defender.mode = "auto"
    lower = defender.isolate(approved_by="", caller_mode="approve")
    assert (lower.status, defender.isolated) == (False, 0)

    decided = defender.isolate(approved_by="", caller_mode="auto")
    assert decided.status, decided.message
    assert (row(decided)["ordered_by"], defender.isolated) == ("playbook", 1)
    again = defender.isolate(approved_by="", caller_mode="auto")
    assert (again.status, row(again)["outcome"], defender.isolated) == (True, "ours_stands", 1)


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_off_and_shadow_isolate_nothing_whoever_approved_it(defender: Bench, mode: str) -> None:
    assert not defender.isolate(caller_mode=mode).status
    defender.mode = mode
    assert not defender.isolate().status
    assert not defender.isolate(approved_by="", caller_mode="auto").status
    assert defender.isolated == 0


def test_only_an_approver_of_the_policy_approves(defender: Bench) -> None:
    defender.more = 'approvers = ["boss"]'
    assert "is not among isolation.approvers" in not_sent(defender, defender.isolate())
    assert defender.isolate(approved_by="Boss").status
    (approval,) = defender.ledger.approvals()
    assert (approval.state, approval.answered_by) == (ApprovalState.APPROVED, "Boss")
    assert defender.isolated == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"host": "WS02.corp.example"}, "but case_facts are about"),
        ({"host": "WS1"}, "but case_facts are about"),
        ({"case_facts": "[]"}, "holds no case"),
        ({"case_facts": "facts"}, "is not JSON"),
        ({"case_facts": '{"kind": "ip_check"}'}, "holds facts of the kind ip_check"),
        ({"caller_mode": "yes"}, "is no mode"),
    ],
)
def test_facts_that_cannot_be_used_send_nothing(
    defender: Bench, parameters: dict[str, Any], said: str
) -> None:
    assert said in not_sent(defender, defender.isolate(**parameters))


def test_facts_of_several_cases_send_nothing(defender: Bench) -> None:
    facts = str(defender.decided()["facts"])
    sentence = not_sent(defender, defender.isolate(case_facts=json.dumps([facts, facts])))
    assert "holds 2 cases" in sentence


def test_a_risk_that_was_handed_over_counts_nothing(defender: Bench) -> None:
    facts = json.loads(str(defender.decided()["facts"]))
    facts["facts"]["facts"]["evidence"] = None
    facts["facts"]["facts"]["lineage"] = None
    answer = defender.isolate(case_facts=json.dumps(facts))
    assert row(answer)["outcome"] == "refused"
    assert {"score", "strong_findings"} & set(row(answer)["obstacles"])
    assert defender.isolated == 0


# --- assets and secrets


def test_each_asset_runs_its_own_actions_alone(defender: Bench) -> None:
    contain: dict[str, object] = {"purpose": "contain", "edr_contain_secret": defender.backend.secret}
    facts = {"host": HOST, "case_facts": str(defender.decided()["facts"]), "approved_by": "ic01"}
    investigate: dict[str, object] = {"policy": defender.policy, "edr_secret": defender.backend.secret}
    wrong: dict[str, object] = {**investigate, "edr_contain_secret": defender.backend.secret}
    given: dict[str, dict[str, object]] = {
        "isolate host": {**facts},
        "release host": {"host": HOST, "released_by": "ana", "why": "clean", "not_ours": True},
        "get isolation status": {},
    }
    for action, parameters in given.items():
        for asset, said in (
            (investigate, "purpose: this asset is for 'investigate'"),
            (wrong, "does not belong"),
        ):
            (answer,) = run_action(action, [parameters], asset=asset)
            assert not answer.status
            assert said in answer.message, action
    (answer,) = run_action("check ip", [{"ip": "8.8.8.8"}], asset=contain)
    assert "this asset is for 'contain'" in answer.message
    assert defender.isolated == 0
    assert defender.fake.calls["unisolate"] == 0


def test_the_secret_that_isolates_belongs_on_one_asset() -> None:
    check_purpose(
        Asset.model_validate({"purpose": "contain", "edr_contain_secret": "s" * 16}), Purpose.CONTAIN
    )
    for field, purpose in (("edr_contain_secret", "investigate"), ("edr_secret", "contain")):
        asset = Asset.model_validate({"purpose": purpose, field: "s" * 16})
        with pytest.raises(Exception, match=f"{field}: does not belong on an asset of purpose {purpose}"):
            check_purpose(asset, Purpose(purpose))


def test_a_containment_asset_that_lacks_something_sends_nothing(defender: Bench) -> None:
    defender.contain = {"edr_contain_secret": ""}
    assert "edr_contain_secret: is empty" in not_sent(defender, defender.isolate())
    defender.contain = {"policy": ""}
    assert "names no EDR" in not_sent(defender, defender.isolate())
    defender.contain = {"policy": "[isolation"}
    assert "is not TOML" in not_sent(defender, defender.isolate())


def test_no_secret_is_in_any_output(defender: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    secret = defender.backend.secret
    told = [defender.isolate(why=f"the key is {secret}"), defender.run("get isolation status")]
    told.append(defender.run("release host", host=HOST, released_by=secret, why=secret))
    told.append(defender.isolate(container_id=2, approved_by=secret))
    defender.fake.expire_tokens()
    defender.fake.secret = "another"
    told += [defender.isolate(container_id=3), defender.run("get isolation status", host=HOST)]
    out, err = capfd.readouterr()
    # The parameters of a set that succeeds are the platform's own, and it shows them as they were typed.
    shown = [each._replace(param={} if each.status else each.param)._asdict() for each in told]
    assert secret not in json.dumps(shown, default=str) + out + err
    assert secret not in "".join(line.model_dump_json() for line in defender.ledger.audit())
    assert all(secret not in each["requestorComment"] for each in defender.fake.actions)
    assert [each.status for each in told[:3]] == [True, True, True]
    assert "[secret]" in row(told[2])["ordered_by"]
    assert not told[4].status


# --- release host


def test_ours_is_released_by_its_case_or_its_order(defender: Bench) -> None:
    first = row(defender.isolate())
    released = defender.run("release host", case_id=first["case_id"], released_by="ana", why="clean")
    assert released.status, released.message
    assert (row(released)["outcome"], row(released)["state"]) == ("released", "not_isolated")
    assert row(released)["verified"]
    (lease,) = defender.ledger.leases(standing=False)
    assert (lease.intent_id, lease.ended_by) == (first["intent_id"], "ana")
    again = defender.run("release host", intent_id=first["intent_id"], released_by="ana", why="clean")
    assert "no isolation by this app stands for it" in again.message
    assert defender.fake.calls["unisolate"] == 1

    defender.clock.advance(25 * 3600)
    refused = defender.isolate(container_id=2)
    assert "connection_fresh" in row(refused)["obstacles"]


def test_what_others_isolated_is_released_only_where_that_is_said(defender: Bench) -> None:
    (machine,) = defender.fake.machines
    now = defender.clock()
    defender.fake.record(
        "Isolate", machine["id"], created=now - timedelta(hours=1), ended=now - timedelta(minutes=50)
    )
    already = defender.isolate()
    assert already.status, already.message
    assert (row(already)["outcome"], row(already)["ours"]) == ("already_isolated", False)
    assert not defender.ledger.intents()

    refused = defender.run("release host", host=HOST, released_by="ana", why="clean")
    assert not refused.status
    assert "no isolation by this app stands for it" in refused.message
    assert defender.fake.calls["unisolate"] == 0

    told = defender.run("release host", host=HOST, released_by="ana", why="clean", not_ours=True)
    assert told.status, told.message
    assert (row(told)["outcome"], defender.fake.calls["unisolate"]) == ("released", 1)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "no host, case or order is given"),
        ({"host": "WS99", "not_ours": True}, "WS99"),
        ({"case_id": "case-0000000000000000", "not_ours": True}, "no isolation by this app stands"),
        ({"intent_id": "iso-none"}, "is no order in this app's ledger"),
        ({"host": HOST, "released_by": " "}, "released_by: is empty"),
    ],
)
def test_a_release_of_no_one_host_sends_nothing(
    defender: Bench, parameters: dict[str, Any], said: str
) -> None:
    answer = defender.run("release host", **{"released_by": "ana", "why": "clean", **parameters})
    assert not answer.status
    assert said in answer.message
    assert defender.fake.calls["unisolate"] == 0


# --- get isolation status


def test_the_status_tells_of_what_stands_of_others_and_of_what_failed(defender: Bench) -> None:
    assert defender.run("get isolation status").message == (
        "No isolation by this app stands, and no order is unfinished."
    )
    free = row(defender.run("get isolation status", host="ws01"))
    assert (free["outcome"], free["verified"], free["ours"]) == ("not_isolated", True, False)
    unknown = row(defender.run("get isolation status", host="WS99"))
    assert (unknown["outcome"], unknown["verified"]) == ("unknown", False)

    defender.fake.missing = {"Machine.Isolate"}
    failed = row(defender.isolate())
    told = row(defender.run("get isolation status", case_id=failed["case_id"]))
    assert (told["outcome"], told["verified"], told["intent_id"]) == ("failed", False, failed["intent_id"])

    defender.fake.missing = set()
    isolated = row(defender.isolate(container_id=2))
    for parameters in (
        {},
        {"host": "WS01"},
        {"intent_id": isolated["intent_id"]},
        {"case_id": isolated["case_id"]},
    ):
        found = row(defender.run("get isolation status", **parameters))
        assert (found["outcome"], found["verified"], found["owner"]) == ("ours_stands", True, "ic01")

    defender.fake.failures = [500] * 20
    lost = row(defender.run("get isolation status"))
    assert (lost["outcome"], lost["verified"], lost["state"]) == ("unknown", False, "")
    assert defender.isolated == 1


# --- test connectivity, and the decision


def test_connectivity_of_a_containment_asset(defender: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    def told(**fields: object) -> tuple[bool, str]:
        asset = {
            "purpose": "contain",
            "policy": defender.policy,
            "edr_contain_secret": defender.backend.secret,
        }
        (answer,) = run_action("test connectivity", [], asset={**asset, **fields})
        out, err = capfd.readouterr()
        return answer.status, out + err + answer.message

    status, said = told()
    assert status, said
    assert "policy: ok; isolation mode approve" in said
    assert "containment: ok; Microsoft Defender for Endpoint can isolate, verify and release" in said
    assert "ledger: ok; 0 isolations of this app stand" in said

    defender.isolate()
    defender.ledger.set_kill_switch(on=True, by="boss", why="outage")
    _, said = told()
    assert "ledger: ok; 1 isolation of this app stands; the kill switch is set by boss" in said

    status, said = told(edr_contain_secret="")
    assert not status
    assert "edr_contain_secret: is empty" in said

    defender.fake.missing = {"Machine.Isolate"}
    defender.fake.expire_tokens()
    status, said = told()
    assert not status
    assert "Machine.Isolate" in said

    (defender.folder / "ledger" / "ledger.sqlite").write_bytes(b"no database")
    status, said = told()
    assert not status
    assert "nothing is isolated" in said


def test_a_vendor_or_a_ledger_that_does_not_answer_isolates_nothing(defender: Bench) -> None:
    facts = str(defender.decided()["facts"])
    (defender.folder / "ledger").mkdir(exist_ok=True)
    (defender.folder / "ledger" / "ledger.sqlite").write_bytes(b"no database")
    decided = defender.decided()
    assert (decided["decision"], decided["question"]) == ("refuse", "by_hand")
    answer = defender.isolate(case_facts=facts)
    assert not answer.status
    assert " is isolated" not in answer.message
    assert defender.isolated == 0


def test_a_case_that_leads_nowhere_costs_no_question_to_the_vendor(defender: Bench) -> None:
    defender.mode, before = "off", defender.fake.calls["machineactions"]
    assert defender.decided()["question"] == "none"
    defender.mode, defender.more = "approve", "min_score = 100\nkill_switch = true"
    assert defender.decided()["question"] == "none"
    reads = defender.fake.calls["machineactions"]
    assert reads > before
    defender.more = ""
    (answer,) = run_action(
        "decide isolation",
        [
            {
                "case_facts": defender.run(
                    "assess risk", notable='{"dest": "WS01", "process_name": "regsvcs.exe"}'
                ).data[0]["facts"]
            }
        ],
        asset={"policy": defender.policy, "edr_secret": defender.backend.secret},
    )
    assert answer.status, answer.message
    assert "strong_findings" in str(answer.data[0]["obstacles"])
    assert defender.fake.calls["machineactions"] == reads
