"""What `status`, `question`, `reconcile` and `run` tell a person to do, over a vendor's fake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.facts.host import HostType
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import ApprovalState, HostKey, IntentKind, IntentState
from connectors.state.sqlite_ledger import FILE_NAME
from tests.cli_isolation_bench import ANALYST, Bench, bench
from tests.estate import EstateHost, host_id_of
from tests.fakes.http_server import Answer
from tests.ledger_builders import begun, called, ended, isolated, order, question, release

WHY = ("--why", "seen by IR")
NAME = "ws03.corp.example"


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    examples: Path,
) -> Iterator[Bench]:
    more = [EstateHost(host_id_of(NAME), NAME, HostType.WORKSTATION)]
    with bench(monkeypatch, capfdbinary, tmp_path, examples, more=more) as made:
        yield made


def key_of(place: Bench, name: str = NAME) -> HostKey:
    with place.edr() as edr:
        host = edr.resolve_host(hostname=name)
    return HostKey(host.connector, host.host_id)


def isolated_by_another(place: Bench) -> None:
    with place.edr() as edr:
        host = edr.resolve_host(hostname=NAME)
        edr.isolate(host, comment="", idempotency_key=NAME)
        while edr.get_isolation(host).state is not IsolationState.ISOLATED:
            place.clock.advance(1)
    place.clock.advance(600)


class TestStatusRead:
    def test_the_host_of_an_unknown_order_is_read_and_ends_with_1(self, place: Bench) -> None:
        place.policy("auto")
        place.fake.settle_after = None
        place.run("--mode", "auto", code=1)
        (intent,) = place.ledger.intents(active=True)
        calls = sum(place.fake.calls.values())
        told = place.json("status")
        assert (told["unfinished_read"], sum(place.fake.calls.values())) == ({}, calls)
        read = place.json("status", "--read", code=1)
        status = read["unfinished_read"][intent.intent_id]["status"]
        assert status["state"] == "isolating"
        shown = place.call("status", "--read")
        assert (shown.code, "The EDR says at this moment: isolating" in shown.out) == (1, True)

    def test_an_unfinished_order_ends_with_1_and_says_why_it_was_not_read(self, place: Bench) -> None:
        other = begun(place.ledger, order())
        intent = called(place.ledger, order(host=key_of(place), hostname=NAME))
        place.fake.failures = [500] * 50
        read = place.json("status", "--read", code=1)
        found = read["unfinished_read"]
        assert set(found) == {other.intent_id, intent.intent_id}
        assert all(each["status"] is None and each["problem"] for each in found.values())
        place.fake.failures = []
        one = place.json("status", "--read", "--edr", "elastic", code=1)["unfinished_read"]
        assert one[intent.intent_id]["status"]["state"] == "not_isolated"
        assert one[other.intent_id]["problem"] == "It is a host of defender, and elastic is asked."

    def test_a_lease_that_is_only_wished_ends_with_1(self, place: Bench) -> None:
        isolated(place.ledger, order(host=key_of(place), hostname=NAME))
        assert place.call("status", "--read").code == 1
        assert place.call("status").code == 0


class TestUnknown:
    def test_status_and_reconcile_say_to_wait_and_offer_both_ends(self, place: Bench) -> None:
        place.policy("auto")
        place.fake.settle_after = None
        place.run("--mode", "auto", code=1)
        (intent,) = place.ledger.intents(active=True)
        for command in ("status", "reconcile"):
            out = place.call(command).out
            assert "may still carry it out: wait, and reconcile again" in out
            for end in ("failed", "verified"):
                close = f"close-intent {intent.intent_id} --as {end} --why TEXT --config {place.config}"
                assert close in out

    def test_where_nothing_may_come_of_it_nobody_waits(self, place: Bench) -> None:
        ended(place.ledger, IntentState.UNKNOWN, order(host=key_of(place), hostname=NAME))
        out = place.call("status").out
        assert ("wait" in out, "regsvcs-response reconcile" in out) == (False, True)


class TestOvertaken:
    def test_a_question_about_an_isolated_host_offers_no_approval(self, place: Bench) -> None:
        key = key_of(place)
        asked, _ = place.ledger.ask(question(host=key))
        assert "approve case-1" in place.call("status").out
        isolated(place.ledger, order(host=key, by="ann", by_person=True))
        for command in ("status", "reconcile", "question"):
            out = place.call(command, *(("case-1",) if command == "question" else ())).out
            assert "its host is isolated already, which ann answers for" in out
            assert ("approve case-1" in out, "decline case-1" in out) == (False, True)
        (told,) = place.json("status")["open_questions"]
        assert (told["approval_id"], "already" in told["meanwhile"]) == (asked.approval_id, True)

    def test_nor_one_about_a_host_that_was_released_meanwhile(self, place: Bench) -> None:
        key = key_of(place)
        isolated(place.ledger, order(host=key))
        ended(place.ledger, IntentState.VERIFIED, release(host=key))
        place.clock.advance(1)
        place.ledger.ask(question(host=key))
        assert "approve case-1" in place.call("status").out
        place.clock.advance(1)
        ended(place.ledger, IntentState.VERIFIED, order(host=key, by="ann", by_person=True))
        place.clock.advance(1)
        ended(place.ledger, IntentState.VERIFIED, release(host=key, by="ben"))
        out = place.call("status").out
        assert ("its host was released by ben" in out, "approve case-1" in out) == (True, False)


class TestQuestion:
    def test_the_evidence_is_shown_by_case_and_by_id_and_run_names_the_command(self, place: Bench) -> None:
        ran = place.call("run", "--notable", place.notable, "--no-lookup")
        (asked,) = place.ledger.approvals()
        case_id = asked.question.case_id
        assert f"regsvcs-response question {case_id} --config {place.config}" in ran.out
        assert len(asked.question.evidence.splitlines()) > 2
        calls = sum(place.fake.calls.values())
        for wanted in (case_id, asked.approval_id):
            shown = place.call("question", wanted)
            assert (shown.code, f"approve {case_id} --why TEXT" in shown.out) == (0, True)
            for line in asked.question.evidence.splitlines():
                assert line in shown.out
        found = place.json("question", case_id)["approval"]
        assert found["question"]["evidence"] == asked.question.evidence
        assert sum(place.fake.calls.values()) == calls

    def test_each_line_is_made_safe_and_an_answer_is_told(self, place: Bench) -> None:
        asked, _ = place.ledger.ask(question(host=key_of(place), evidence="one\x1b[31m\ntwo\u202e"))
        shown = place.call("question", asked.approval_id)
        assert ("\x1b" in shown.out, "\u202e" in shown.out) == (False, False)
        assert shown.out.splitlines()[-2:] == ["one\\x1b[31m", "two\\u202e"]
        place.ledger.answer(asked.approval_id, approve=False, by="ann", why="known")
        shown = place.call("question", "case-1")
        assert ("declined by ann" in shown.out, "approve case-1" in shown.out) == (True, False)

    def test_what_is_no_question_is_bad_input_and_makes_no_ledger(self, place: Bench) -> None:
        for wrong in ("case-0123456789abcdef", "ask-1", "../x", " "):
            result = place.call("question", wrong)
            assert (result.code, result.out) == (2, "")
        assert not (place.folder / "ledger").exists()


class TestLedgerNamed:
    def test_status_names_the_file_and_says_where_it_was_not_there(self, place: Bench) -> None:
        file = place.folder / "ledger" / FILE_NAME
        for command in (("status",), ("status", "--read")):
            result = place.call(*command)
            assert (result.code, f"ledger: {file}, new and empty" in result.out) == (0, True)
        assert place.json("status")["ledger"] == {"file": str(file), "new": True}
        assert not file.parent.exists()
        place.call("kill-switch", "on", *WHY)
        assert f"ledger: {file}\n" in place.call("status").out
        assert place.json("status")["ledger"] == {"file": str(file), "new": False}


class TestOutcome:
    def test_the_json_of_an_answer_tells_what_came_of_it(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        assert place.json("approve", case_id, *WHY)["outcome"] == "isolated"
        late = place.json("approve", case_id, *WHY, code=1)
        assert (late["outcome"], "changes nothing" in late["containment"]["note"]) == ("too_late", True)
        assert place.json("decline", case_id, *WHY, code=1)["outcome"] == "too_late"

    def test_declined_and_not_sent_are_told_too(self, place: Bench) -> None:
        case_id = place.run()["case_id"]
        place.call("kill-switch", "on", *WHY)
        assert place.json("isolate", case_id, "--yes", *WHY, code=1)["outcome"] == "not_sent"
        assert place.json("decline", case_id, *WHY)["outcome"] == "declined"
        (left,) = place.ledger.approvals()
        assert left.state is ApprovalState.DECLINED


class TestUndo:
    def test_only_an_isolation_that_stands_can_be_undone(self, place: Bench) -> None:
        place.policy("auto")
        place.fake.fails = True
        command = ("run", "--notable", place.notable, "--no-lookup", "--mode", "auto")
        failed = place.call(*command)
        assert (failed.code, place.isolated, "to undo this run" in failed.out) == (1, 1, False)


class TestReconcile:
    def test_a_list_that_cannot_be_read_ends_with_1(
        self, place: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert place.call("reconcile").code == 0
        refused = Answer(403, b'{"message": "not allowed"}', (("Content-Type", "application/json"),))
        monkeypatch.setattr(place.fake, "_list", lambda _: refused)
        result = place.call("reconcile")
        assert (result.code, "list of isolated hosts was not read" in result.out) == (1, True)
        found = json.loads(place.call("reconcile", "--json").out)
        assert (found["list_failed"], found["needs_a_person"]) == (True, True)

    def test_a_stray_is_named_with_its_state_and_how_it_is_released(self, place: Bench) -> None:
        isolated_by_another(place)
        result = place.call("reconcile")
        assert (result.code, f"isolated and not ours: {NAME}" in result.out) == (1, True)
        wanted = f"release {NAME} --not-ours --edr elastic --why TEXT --config {place.config}"
        assert wanted in result.out


class TestForeign:
    def test_an_order_that_never_reached_the_vendor_makes_no_isolation_ours(self, place: Bench) -> None:
        begun(place.ledger, order(host=key_of(place), hostname=NAME, run_id="run-x"))
        isolated_by_another(place)
        place.clock.advance(3600)
        refused = place.call("release", NAME, *WHY)
        sent = [each for each in place.fake.actions if each.command == "unisolate"]
        assert (refused.code, sent) == (1, [])
        assert "refused, nothing was sent" in refused.out
        assert "--not-ours" in refused.err
        done = place.json("release", NAME, "--not-ours", *WHY)
        assert done["result"]["outcome"] == "released"
        *_, last = place.ledger.intents()
        assert (last.order.kind, last.order.foreign, last.order.by) == (IntentKind.RELEASE, True, ANALYST)


class TestBadInput:
    def test_a_missing_option_names_no_variable(self, place: Bench) -> None:
        for wrong in (
            ("approve", "case-1"),
            ("lease", "extend", "WS1", "--hours", "900", *WHY),
            ("close-intent", "iso-1", *WHY),
        ):
            result = place.call(*wrong)
            assert (result.code, result.out, "env var" in result.err) == (2, "", False)
            assert result.err.splitlines()[-1].startswith("Error: ")
