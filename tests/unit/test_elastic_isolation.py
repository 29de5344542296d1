"""Isolation by Kibana over the fake: one order, and nothing is isolated before the agent itself says so."""

from __future__ import annotations

import json

import pytest

from connectors.edr.elastic import kibana as kibana_module
from connectors.edr.elastic.isolation import Pending
from connectors.errors import (
    BadResponse,
    Conflict,
    HostNotFound,
    NotSent,
    PermissionMissing,
    Rejected,
    TimedOut,
)
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.http.call import Call
from connectors.ports import Capability
from tests.estate import Estate
from tests.fakes.elastic_case import WINDOW, Case, a_host, a_process, case, ref
from tests.fakes.elastic_documents import agent_id
from tests.fakes.elastic_server import ACTIONS, API_KEY, HOSTS, ISOLATE
from tests.fakes.http_server import Answer

APP1, APP2 = a_host("APP1"), a_host("APP2", ip="192.0.2.12")
ESTATE = Estate((APP1, APP2), (a_process(APP1, "x", None),))


def state(it: Case, *given: object) -> tuple[IsolationState, HowKnown]:
    found = it.edr.get_isolation(*given)  # type: ignore[arg-type]
    return found.state, found.how_known


def test_from_an_order_to_the_word_of_the_agent_and_back() -> None:
    with case(ESTATE) as it:
        host = it.host()
        handle = it.edr.isolate(
            host, comment="Regsvcs talks to 198.51.100.7", idempotency_key="case-1/isolate"
        )
        assert handle.host_id == agent_id(APP1.host_id)
        (action,) = it.fake.actions
        assert (action.command, action.comment) == (
            "isolate",
            "Regsvcs talks to 198.51.100.7 [case-1/isolate]",
        )
        assert it.fake.calls == {"EndpointGetActionsStatus": 1, "EndpointIsolateAction": 1}
        it.fake.settle_after = 2
        it.clock.advance(60)
        assert state(it, host, handle) == (IsolationState.ISOLATING, HowKnown.REPORTED)
        for _ in range(3):
            it.clock.advance(5)
            last = state(it, host, handle)
        assert last == (IsolationState.ISOLATED, HowKnown.OBSERVED)
        assert state(it, host) == (IsolationState.ISOLATED, HowKnown.OBSERVED)
        back = it.edr.release(host, comment="over", idempotency_key="case-1/release")
        assert it.fake.actions[1].command == "unisolate"
        for _ in range(5):
            it.clock.advance(5)
            last = state(it, host, back)
        assert last == (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED)


def test_done_by_the_action_is_not_yet_seen_at_the_agent() -> None:
    with case(ESTATE) as it:
        host = it.host()
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        it.fake.lag = 1000
        for _ in range(5):
            it.clock.advance(5)
            found = it.edr.get_isolation(host, handle)
        assert (found.state, found.how_known) == (IsolationState.ISOLATING, HowKnown.REPORTED)
        assert "does not show it yet" in found.detail


def test_an_old_word_of_the_agent_does_not_count_for_a_new_action() -> None:
    """Released long ago, says the record; the release asked for now still waits."""
    with case(ESTATE) as it:
        host = it.host()
        it.fake.settle_after = None
        handle = it.edr.release(host, comment="c", idempotency_key="k")
        it.clock.advance(600)
        assert state(it, host, handle) == (IsolationState.RELEASING, HowKnown.REPORTED)


@pytest.mark.parametrize("what", ["fails", "expired"])
def test_an_action_that_comes_to_nothing_has_failed(what: str) -> None:
    with case(ESTATE) as it:
        host = it.host()
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        setattr(it.fake, what, True)
        it.fake.settle_after = 0 if what == "fails" else None
        for _ in range(3):
            found = state(it, host, handle)
        assert found == (IsolationState.FAILED, HowKnown.REPORTED)


def test_a_stuck_action_is_never_a_success() -> None:
    with case(ESTATE) as it:
        host = it.host()
        it.fake.settle_after = None
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        for _ in range(50):
            it.clock.advance(60)
            assert state(it, host, handle) == (IsolationState.ISOLATING, HowKnown.REPORTED)
        assert state(it, host) == (IsolationState.ISOLATING, HowKnown.REPORTED)


def test_kibana_would_take_a_second_order_so_the_connector_refuses_it() -> None:
    with case(ESTATE) as it:
        host = it.host()
        it.fake.settle_after = None
        it.edr.isolate(host, comment="c", idempotency_key="k")
        for order in (it.edr.isolate, it.edr.release):
            with pytest.raises(Conflict, match="isolation already waits"):
                order(host, comment="c", idempotency_key="k2")
        assert len(it.fake.actions) == 1
        it.edr.isolate(it.host("APP2"), comment="c", idempotency_key="k3")


def test_without_platinum_the_permission_is_named_and_nothing_is_done() -> None:
    with case(ESTATE) as it:
        host = it.host()
        it.fake.licensed = False
        with pytest.raises(PermissionMissing) as caught:
            it.edr.isolate(host, comment="c", idempotency_key="k")
        assert "Platinum" in caught.value.scope
        assert "Host Isolation" in caught.value.scope
        assert not it.fake.actions
        it.edr.release(host, comment="c", idempotency_key="k")  # needs no licence


def test_the_other_calls_go_on_after_a_403() -> None:
    with case(ESTATE) as it:
        host = it.host()
        it.fake.missing = {ISOLATE}
        with pytest.raises(PermissionMissing):
            it.edr.release(host, comment="c", idempotency_key="k")
        assert state(it, host) == (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED)


def test_where_actions_may_not_be_read_the_record_and_what_waits_still_tell() -> None:
    with case(ESTATE) as it:
        host = it.host()
        it.fake.settle_after = 2
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        it.fake.missing = {ACTIONS}
        assert state(it, host, handle) == (IsolationState.ISOLATING, HowKnown.REPORTED)
        for _ in range(4):
            it.clock.advance(5)
            found = state(it, host, handle)
        assert found == (IsolationState.ISOLATED, HowKnown.OBSERVED)


def test_a_handle_counts_only_for_its_own_host() -> None:
    with case(ESTATE) as it:
        one, two = it.host(), it.host("APP2")
        handle = it.edr.isolate(one, comment="c", idempotency_key="k")
        assert state(it, two, handle) == (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED)
        stolen = handle.model_copy(update={"host_id": two.host_id})
        assert state(it, two, stolen) == (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED)


def test_a_write_is_sent_once_and_without_an_answer_its_outcome_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with case(ESTATE) as it:
        host = it.host()
        act = it.fake._act

        def then_fail(command: str, body: dict[str, object]) -> Answer:
            act(command, body)
            return Answer(502)

        monkeypatch.setattr(it.fake, "_act", then_fail)
        with pytest.raises(TimedOut):
            it.edr.isolate(host, comment="c", idempotency_key="k")
        assert it.fake.calls["EndpointIsolateAction"] == 1
        assert len(it.fake.actions) == 1
        # The state tells what became of it.
        assert state(it, host)[0] in {IsolationState.ISOLATING, IsolationState.ISOLATED}


def test_when_the_question_before_it_fails_the_order_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """TimedOut would say that the outcome is unknown."""
    with case(ESTATE) as it:
        host = it.host()

        def late(*given: object, **named: object) -> None:
            raise TimedOut("elastic", "no answer before the deadline")

        monkeypatch.setattr(kibana_module.Kibana, "pending", late)
        for order in (it.edr.isolate, it.edr.release):
            with pytest.raises(NotSent, match="not sent"):
                order(host, comment="c", idempotency_key="k")
        assert not it.fake.actions


@pytest.mark.parametrize("answer", [Answer(503), Answer(200, b"<html>"), Answer(200, b"[]")])
def test_a_question_before_it_that_is_not_answered_sends_no_order(
    monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    with case(ESTATE) as it:
        host = it.host()
        monkeypatch.setattr(it.fake, "_status", lambda _: answer)
        for order in (it.edr.isolate, it.edr.release):
            with pytest.raises(NotSent):
                order(host, comment="c", idempotency_key="k")
        assert not {"EndpointIsolateAction", "EndpointUnisolateAction"} & set(it.fake.calls)


def test_a_release_by_somebody_else_shows_beside_the_handle_of_our_isolation() -> None:
    """Not at once: a record that was written before an action can arrive after it."""
    with case(ESTATE) as it:
        host = it.host()
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        for _ in range(3):
            it.clock.advance(5)
            last = state(it, host, handle)
        assert last == (IsolationState.ISOLATED, HowKnown.OBSERVED)
        it.edr.release(host, comment="IR", idempotency_key="theirs")
        for _ in range(3):
            it.clock.advance(5)
            last = state(it, host, handle)
        assert last == (IsolationState.ISOLATING, HowKnown.REPORTED)
        it.clock.advance(3600)
        record = it.fake.record(host.host_id)
        assert record is not None
        record["metadata"]["event"] = dict.fromkeys(("created", "ingested"), it.clock.now.isoformat())
        assert state(it, host, handle) == (IsolationState.NOT_ISOLATED, HowKnown.OBSERVED)


def test_of_a_host_without_a_record_no_state_is_told() -> None:
    with case(ESTATE) as it:
        host = it.host()
        handle = it.edr.isolate(host, comment="c", idempotency_key="k")
        it.fake.records.clear()
        for given in (None, handle):
            with pytest.raises(HostNotFound):
                it.edr.get_isolation(host, given)


def test_what_waits_is_unknown_and_so_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with case(ESTATE) as it:
        host = it.host()
        monkeypatch.setattr("connectors.edr.elastic.isolation.pending", lambda *_: Pending(None, None))
        assert state(it, host)[0] is IsolationState.UNKNOWN
        with pytest.raises(NotSent, match="not sent"):
            it.edr.isolate(host, comment="c", idempotency_key="k")
        assert not it.fake.actions


def test_without_the_header_kibana_takes_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with case(ESTATE) as it:
        host = it.host()

        def without(*given: object, **named: object) -> Call:
            call = Call(*given, **named)  # type: ignore[arg-type]
            return call._replace(
                headers={each: text for each, text in call.headers.items() if each != "kbn-xsrf"}
            )

        monkeypatch.setattr(kibana_module, "Call", without)
        with pytest.raises(Rejected, match="kbn-xsrf"):
            it.edr.isolate(host, comment="c", idempotency_key="k")


@pytest.mark.parametrize("body", [b"{}", b'{"data": {"id": "a", "agents": ["other"]}}', b"[]", b"<html>"])
def test_an_answer_that_does_not_name_action_and_host_is_none(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with case(ESTATE) as it:
        host = it.host()
        monkeypatch.setattr(it.fake, "_act", lambda *_: Answer(200, body))
        with pytest.raises(BadResponse):
            it.edr.isolate(host, comment="c", idempotency_key="k")


def test_a_host_that_is_gone_or_another_connectors_is_refused() -> None:
    with case(ESTATE) as it:
        host = it.host()
        gone = host.model_copy(update={"host_id": "../../status"})
        foreign = host.model_copy(update={"connector": "crowdstrike"})
        with pytest.raises(HostNotFound):
            it.edr.get_isolation(gone)
        with pytest.raises(HostNotFound):
            it.edr.isolate(foreign, comment="c", idempotency_key="k")
        assert not it.fake.actions
        it.fake.missing = {HOSTS}
        with pytest.raises(PermissionMissing):
            it.edr.get_isolation(host)


def test_the_record_of_another_host_is_not_this_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with case(ESTATE) as it:
        host = it.host()
        other = it.fake.record(agent_id(APP2.host_id))
        monkeypatch.setattr(it.fake, "_host", lambda _: Answer(200, json.dumps(other).encode()))
        with pytest.raises(BadResponse):
            it.edr.get_isolation(host)


def test_the_key_stands_in_no_error_and_no_fact() -> None:
    with case(ESTATE) as it:
        host = it.host()
        texts = [repr(host), repr(it.edr.check())]
        it.fake.key = "another"
        for ask in (
            lambda: it.edr.isolate(host, comment="c", idempotency_key="k"),
            lambda: it.edr.get_isolation(host),
            lambda: it.edr.get_lineage(host, ref(APP1, "x"), window=WINDOW),
        ):
            with pytest.raises(Exception, match="elastic") as caught:
                ask()
            texts += [repr(caught.value), str(caught.value)]
        assert not any(API_KEY in text for text in texts)


def test_everything_is_a_capability() -> None:
    with case(ESTATE) as it:
        assert it.edr.capabilities == frozenset(Capability)
        assert it.edr.name == "elastic"
