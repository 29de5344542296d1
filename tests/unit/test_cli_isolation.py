"""`run --mode`, `approve`, `decline`, `isolate`, `close-intent` and `doctor` over a vendor's fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.edr.catalogue import EdrName
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import ApprovalState, IntentState
from playbooks.hosts.commands import isolate, isolation_tools
from tests.cli_isolation_bench import ANALYST, Bench, bench
from tests.ledger_builders import tamper

WHY = ("--why", "the user did not do this")


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    examples: Path,
) -> Iterator[Bench]:
    with bench(monkeypatch, capfdbinary, tmp_path, examples) as made:
        yield made


class TestRun:
    def test_off_is_the_default_and_makes_no_ledger(self, place: Bench) -> None:
        place.policy("off")
        case = place.run()
        assert (case["containment"], place.isolated) == (None, 0)
        assert not (place.folder / "ledger").exists()
        place.policy("auto")
        assert place.run("--mode", "off")["containment"] is None
        assert not (place.folder / "ledger").exists()

    def test_approve_asks_once_and_says_how_to_answer(self, place: Bench) -> None:
        result = place.call("run", "--notable", place.notable, "--no-lookup")
        assert result.code == 0, result.err
        (question,) = place.ledger.approvals(state=ApprovalState.ASKED)
        case_id = question.question.case_id
        assert f"regsvcs-response approve {case_id} --why TEXT --config {place.config}" in result.out
        assert f"regsvcs-response decline {case_id} --why TEXT" in result.out
        assert place.run()["containment"]["approval"]["approval_id"] == question.approval_id
        assert (len(place.ledger.approvals()), place.isolated) == (1, 0)

    def test_shadow_sends_nothing_and_writes_it_down(self, place: Bench) -> None:
        result = place.call("run", "--notable", place.notable, "--no-lookup", "--mode", "shadow")
        assert (result.code, "mode shadow: 1 isolation only written down" in result.out) == (0, True)
        assert (place.isolated, [*place.ledger.intents(), *place.ledger.approvals()]) == (0, [])
        assert place.events() == ["shadow_isolation"]

    def test_auto_isolates_once_and_the_caller_holds_it_lower(self, place: Bench) -> None:
        place.policy("auto")
        assert place.run()["containment"]["approval"]["state"] == "asked"
        done = place.run("--mode", "auto")["containment"]["result"]
        assert (done["outcome"], place.isolated) == ("isolated", 1)
        again = place.run("--mode", "auto")["containment"]["result"]
        assert (again["outcome"], place.isolated) == ("ours_stands", 1)
        (lease,) = place.ledger.leases()
        assert lease.owner == "playbook"

    def test_auto_tells_how_the_run_is_undone(self, place: Bench) -> None:
        place.policy("auto")
        result = place.call("run", "--notable", place.notable, "--no-lookup", "--mode", "auto")
        (intent,) = place.ledger.intents()
        assert f"regsvcs-response release --run {intent.order.run_id} --why TEXT" in result.out

    def test_an_isolation_that_is_not_known_ends_with_1(self, place: Bench) -> None:
        place.policy("auto")
        place.fake.settle_after = None
        done = place.run("--mode", "auto", code=1)["containment"]["result"]
        assert (done["outcome"], place.isolated) == ("unknown", 1)
        (intent,) = place.ledger.intents()
        assert intent.state is IntentState.UNKNOWN

    def test_over_a_log_nothing_is_isolated_and_that_is_said_once(self, place: Bench, examples: Path) -> None:
        place.policy("auto")
        log = examples / "stealer/sysmon.xml"
        result = place.call("run", "--sysmon", log, "--no-lookup", "--mode", "auto", "--json")
        assert (result.code, place.isolated) == (0, 0)
        assert result.err.count("nothing was asked or isolated") == 1
        assert not (place.folder / "ledger").exists()
        place.policy("off")
        assert place.call("run", "--sysmon", log, "--no-lookup", "--json").err == ""

    def test_a_mode_that_is_none_is_bad_input(self, place: Bench) -> None:
        result = place.call("run", "--notable", place.notable, "--mode", "live")
        assert (result.code, "--mode" in result.err, "shadow" in result.err) == (2, True, True)

    def test_a_ledger_that_cannot_be_used_isolates_nothing_and_ends_with_1(self, place: Bench) -> None:
        place.policy("auto")
        (place.folder / "ledger").mkdir()
        (place.folder / "ledger/ledger.sqlite").write_text("no database")
        case = place.run("--mode", "auto", code=1)
        assert place.isolated == 0
        assert case["risk"]["case_verdict"] == "malicious"

    def test_an_interrupt_on_the_way_says_who_reads_what_became_of_it(
        self, place: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.policy("auto")
        place.fake.settle_after = None

        def interrupted(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(isolation_tools, "_pause", interrupted)
        result = place.call("run", "--notable", place.notable, "--no-lookup", "--mode", "auto")
        assert (result.code, place.isolated) == (130, 1)
        assert "regsvcs-response reconcile" in result.err
        assert "WS01" in result.err


class TestAnswer:
    def test_approve_isolates_once_verifies_and_a_second_one_is_too_late(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        done = place.json("approve", case_id, *WHY)
        found = done["containment"]
        assert (found["result"]["outcome"], place.isolated) == ("isolated", 1)
        assert found["approval"]["answered_by"] == ANALYST
        (lease,) = place.ledger.leases()
        assert (lease.owner, lease.case_id) == (ANALYST, case_id)
        late = place.call("approve", case_id, *WHY)
        assert (late.code, place.isolated) == (1, 1)
        assert "this answer changes nothing" in late.out
        declined = place.call("decline", case_id, *WHY)
        assert (declined.code, "this answer changes nothing" in declined.out) == (1, True)
        assert len(place.ledger.leases()) == 1

    def test_decline_sends_nothing_and_cannot_be_approved_later(self, place: Bench) -> None:
        place.run()
        (question,) = place.ledger.approvals()
        declined = place.call("decline", question.approval_id, "--why", "a known installer")
        assert (declined.code, f"{ANALYST} has declined" in declined.out) == (0, True)
        again = place.call("decline", question.approval_id, "--why", "as I said")
        assert again.code == 1
        late = place.call("approve", question.question.case_id, *WHY)
        assert (late.code, place.isolated, list(place.ledger.intents())) == (1, 0, [])

    def test_an_expired_question_takes_no_answer(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        place.clock.advance(60 * 60 + 1)
        late = place.call("approve", case_id, *WHY)
        assert (late.code, "too late" in late.out, place.isolated) == (1, True, 0)
        (question,) = place.ledger.approvals()
        assert question.state is ApprovalState.EXPIRED

    def test_a_kill_switch_between_question_and_answer_stands_in_the_way(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        assert place.call("kill-switch", "on", "--why", "an outage").code == 0
        result = place.call("approve", case_id, *WHY)
        assert (result.code, "kill_switch" in result.out, place.isolated) == (1, True, 0)

    def test_only_approvers_answer(self, place: Bench) -> None:
        place.policy("approve", 'approvers = ["someone.else"]')
        case_id = place.run()["case_id"]
        result = place.call("approve", case_id, *WHY)
        assert (result.code, "isolation.approvers" in result.err, place.isolated) == (2, True, 0)
        (question,) = place.ledger.approvals()
        assert question.state is ApprovalState.ASKED

    def test_what_is_no_question_and_no_reason_are_bad_input(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        for wrong in (("case-0123456789abcdef", *WHY), ("ask-1", *WHY), (case_id, "--why", " "), (case_id,)):
            result = place.call("approve", *wrong)
            assert (result.code, result.out) == (2, "")
        assert place.isolated == 0

    def test_an_interrupt_is_told_and_reconcile_reads_what_became_of_it(
        self, place: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case_id = place.run()["case_id"]
        place.fake.settle_after = None

        def interrupted(_: float) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(isolation_tools, "_pause", interrupted)
            result = place.call("approve", case_id, *WHY)
        assert (result.code, "reconcile" in result.err, place.isolated) == (130, True, 1)
        place.fake.settle_after = 1
        while place.read("WS01") is not IsolationState.ISOLATED:
            place.clock.advance(1)
        (settled,) = place.json("reconcile")["settled"]
        assert (settled["after"], place.isolated) == ("verified", 1)
        (lease,) = place.ledger.leases()
        assert lease.owner == ANALYST

    def test_a_lost_answer_is_told_as_not_known(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        place.fake.settle_after = None
        result = place.call("approve", case_id, *WHY)
        assert (result.code, "not known" in result.out, place.isolated) == (1, True, 1)


class TestIsolate:
    def test_it_asks_and_without_a_terminal_it_needs_yes(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        result = place.call("isolate", case_id, *WHY)
        assert (result.code, "--yes" in result.err, place.isolated) == (2, True, 0)
        done = place.json("isolate", case_id, "--yes", *WHY)
        assert (done["containment"]["result"]["outcome"], place.isolated) == ("isolated", 1)

    def test_at_a_terminal_only_yes_goes_on(self, place: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        case_id = place.run()["case_id"]
        monkeypatch.setattr(isolate, "_at_a_terminal", lambda: True)
        command = ("isolate", case_id, *WHY, "--config", place.config)
        for answer in (b"", b"\n", b"n\n", b"yes please\n"):
            result = place.invoke(*command, stdin=answer)
            assert (result.code, place.isolated) == (1, 0)
            assert "Isolate WS01.corp.example" in result.err
            assert f"as {ANALYST}? [y/N]" in result.err
        assert place.invoke(*command, stdin=b"y\n").code == 0
        assert place.isolated == 1

    def test_a_guard_of_the_judgement_is_named_to_decide_against_it(self, place: Bench) -> None:
        place.policy("approve", "[isolation.freshness]\nconnection_minutes = 2")
        case_id = place.run()["case_id"]
        place.clock.advance(90)
        refused = place.call("isolate", case_id, "--yes", *WHY)
        assert (refused.code, "connection_fresh" in refused.out, place.isolated) == (1, True, 0)
        done = place.call("isolate", case_id, "--yes", "--despite", "connection_fresh", *WHY)
        assert (done.code, place.isolated) == (0, 1), done.out
        (lease,) = place.ledger.leases()
        assert "despite connection_fresh" in lease.reason

    def test_other_guards_always_hold(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        for guard in ("kill_switch", "one_host", "no_such_guard"):
            result = place.call("isolate", case_id, "--yes", "--despite", guard, *WHY)
            assert (result.code, "--despite" in result.err, place.isolated) == (2, True, 0)

    def test_a_case_that_is_not_kept_is_bad_input(self, place: Bench) -> None:
        for wrong in ("case-0123456789abcdef", "../../etc/passwd"):
            assert place.call("isolate", wrong, "--yes", *WHY).code == 2


@pytest.mark.parametrize("name", [EdrName.CROWDSTRIKE, EdrName.DEFENDER, EdrName.ELASTIC])
def test_each_vendor_proves_every_guard_and_isolates_and_releases_once(
    name: EdrName,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    examples: Path,
) -> None:
    with bench(monkeypatch, capfdbinary, tmp_path, examples, name=name) as place:
        asked = place.run()
        assert [each["id"] for each in asked["decision"]["guards"] if each["outcome"] != "pass"] == []
        assert asked["containment"]["approval"]["state"] == "asked"
        case_id = asked["case_id"]
        done = place.json("approve", case_id, *WHY)
        assert (done["containment"]["result"]["outcome"], place.isolated) == ("isolated", 1)
        released = place.json("release", "ws01", "--why", "cleaned")
        assert released["result"]["outcome"] == "released"
        assert (list(place.ledger.leases()), place.isolated) == ([], 1)
        assert place.json("audit", "verify")["ok"] is True


class TestCloseIntent:
    def test_a_person_closes_it_as_failed_where_nothing_is_proved(self, place: Bench) -> None:
        intent_id = self._unknown(place)
        place.fake.failures = [500] * 50
        assert place.call("close-intent", intent_id, "--as", "verified", *WHY).code == 1
        assert place.ledger.intents(active=True)
        closed = place.json("close-intent", intent_id, "--as", "failed", *WHY)
        assert (closed["by_person"], closed["intent"]["state"]) == (True, "failed")
        assert (list(place.ledger.intents(active=True)), place.isolated) == ([], 1)

    def test_what_the_edr_proves_counts_and_no_word_against_it(self, place: Bench) -> None:
        intent_id = self._unknown(place)
        place.fake.settle_after = 1
        while place.read("WS01") is not IsolationState.ISOLATED:
            place.clock.advance(1)
        result = place.call("close-intent", intent_id, "--as", "failed", *WHY)
        assert (result.code, "has ended verified" in result.out) == (1, True)
        assert len(place.ledger.leases()) == 1

    def test_while_the_edr_has_it_under_way_it_has_not_failed(self, place: Bench) -> None:
        intent_id = self._unknown(place)
        result = place.call("close-intent", intent_id, "--as", "failed", *WHY)
        assert (result.code, "Release the host instead" in result.out) == (1, True)
        assert place.ledger.intents(active=True)

    def test_only_an_unknown_one_and_only_by_an_approver(self, place: Bench) -> None:
        intent_id = self._unknown(place)
        assert place.call("close-intent", "iso-1", "--as", "failed", *WHY).code == 2
        assert place.call("close-intent", intent_id, "--as", "released", *WHY).code == 2
        place.policy("auto", 'approvers = ["someone.else"]')
        assert place.call("close-intent", intent_id, "--as", "failed", *WHY).code == 2
        assert place.ledger.intents(active=True)

    @staticmethod
    def _unknown(place: Bench) -> str:
        place.policy("auto")
        place.fake.settle_after = None
        place.run("--mode", "auto", code=1)
        (intent,) = place.ledger.intents(active=True)
        assert intent.state is IntentState.UNKNOWN
        return intent.intent_id


class TestDoctor:
    def test_it_tells_the_ledger_and_whether_the_edr_can(self, place: Bench) -> None:
        place.policy("auto")
        fresh = {each["name"]: each for each in place.json("doctor")["checks"]}
        assert "made when it is first needed" in fresh["ledger"]["detail"]
        assert (fresh["containment"]["state"], "can isolate" in fresh["containment"]["detail"]) == (
            "ok",
            True,
        )
        assert not (place.folder / "ledger").exists()
        place.run("--mode", "auto")
        place.call("kill-switch", "on", "--why", "x")
        place.clock.advance(25 * 3600)
        found = {each["name"]: each for each in place.json("doctor")["checks"]}
        detail = found["ledger"]["detail"]
        assert "1 due for review" in detail
        assert "kill switch is set by ana.lyst" in detail
        assert "the audit is intact" in detail

    @pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no file")
    def test_a_ledger_that_cannot_be_made_fails(self, place: Bench) -> None:
        place.policy("auto")
        ledger = str(place.folder / "ledger")
        for wrong in ("/proc/nope/ledger", str(place.notable / "ledger")):
            text = place.config.read_text()
            place.config.write_text(text.replace(ledger, wrong))
            found = {each["name"]: each for each in place.json("doctor", code=1)["checks"]}
            assert (found["ledger"]["state"], "cannot be made" in found["ledger"]["detail"]) == (
                "failed",
                True,
            )
            place.config.write_text(text)
        before = sorted(place.folder.iterdir())
        place.json("doctor")
        assert sorted(place.folder.iterdir()) == before

    def test_a_broken_audit_fails_and_mode_off_asks_nothing(self, place: Bench) -> None:
        place.policy("auto")
        place.run("--mode", "auto")
        tamper(place.folder / "ledger/ledger.sqlite", "UPDATE audit SET by_whom = 'x' WHERE number = 2")
        found = {each["name"]: each for each in place.json("doctor", code=1)["checks"]}
        assert (found["ledger"]["state"], "line 2 was changed" in found["ledger"]["detail"]) == (
            "failed",
            True,
        )
        place.policy("off")
        assert "ledger" not in {each["name"] for each in place.json("doctor")["checks"]}
