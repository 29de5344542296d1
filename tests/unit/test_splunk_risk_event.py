"""Risk events: the difference alone, once a case, and nothing is sent twice on a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.errors import (
    AuthRejected,
    InputError,
    PermissionMissing,
    QueryFailed,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.facts.notable import Direction, Notable, NotableSource
from connectors.ports import RiskWritten
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.risk_event import RiskEvent, risk_event, stash_text, there_query
from connectors.siem.splunk.risk_sending import SETTLES_S
from connectors.siem.splunk.settings import NotablesFrom
from connectors.siem.stash import parse_stash
from connectors.state.once import SqliteOnce
from tests.fakes.splunk_answers import answer
from tests.fakes.splunk_bench import Bench, bench
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN
from tests.fakes.splunk_spl import pipeline
from tests.http_clients import START

NOTABLE = Notable(
    source=NotableSource.ES_NOTABLE,
    event_id="5E6DE97D@@notable@@e4f0",
    dest="WS-1",
    user=r"CORP\sam",
    process_name="regsvcs.exe",
    src_ip="10.0.0.5",
    dest_ip="203.0.113.7",
)
HOSTILE = st.text(
    alphabet=st.sampled_from("\"\\|[]`$*%(){}=, \n\r\t\0\u2028\u2029\x85'") | st.characters(), max_size=80
)


def made(**changes: Any) -> RiskEvent | None:
    asked: dict[str, Any] = {
        "score": 95,
        "message": "regsvcs.exe without arguments",
        "case_id": "case-1",
        "techniques": ("T1218", "T1218.009"),
        "base_score": 80,
        "now": START,
    }
    return risk_event(changes.pop("notable", NOTABLE), **asked | changes)


@pytest.fixture(params=[False, True], ids=["receivers", "collector"])
def at(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(hec=request.param, read_s=0.2) as ready:
        yield ready


def add(siem: SplunkSiem, **changes: Any) -> RiskWritten:
    asked: dict[str, Any] = {
        "score": 95,
        "base_score": 80,
        "techniques": ("T1218", "T1218.009"),
        "message": "malicious",
        "case_id": "case-1",
    }
    return siem.add_risk(changes.pop("notable", NOTABLE), **asked | changes)


# --- the event -----------------------------------------------------------------------------------


def test_the_event_says_what_was_added_to_whom_and_why() -> None:
    event = made()
    assert event is not None
    assert parse_stash(event.text) == {
        "search_name": "regsvcs-response",
        "response_risk_id": event.id,
        "case_id": "case-1",
        "risk_object": "WS-1",
        "risk_object_type": "system",
        "risk_score": "15",
        "risk_message": "regsvcs.exe without arguments",
        "annotations.mitre_attack": ["T1218", "T1218.009"],
        "threat_object": "203.0.113.7",
        "threat_object_type": "ip_address",
        "dest": "WS-1",
        "user": r"CORP\sam",
        "process_name": "regsvcs.exe",
        "source_event_id": "5E6DE97D@@notable@@e4f0",
    }
    assert event.text.startswith(f"{int(START.timestamp())}, ")


@pytest.mark.parametrize("score", [0, 49, 80, 79.999, 80.001, -5])
def test_a_score_that_exceeds_nothing_adds_nothing(score: float) -> None:
    assert made(score=score) is None


def test_inbound_the_peer_is_the_threat() -> None:
    inbound = NOTABLE.model_copy(update={"direction": Direction.INBOUND, "src_ip": "198.51.100.9"})
    event = made(notable=inbound)
    assert event is not None
    assert parse_stash(event.text)["threat_object"] == "198.51.100.9"


def test_without_a_peer_there_is_no_threat_object() -> None:
    event = made(notable=NOTABLE.model_copy(update={"dest_ip": None}))
    assert event is not None
    assert "threat_object" not in event.text


def test_the_id_is_that_of_the_case_whatever_else_changes() -> None:
    """Also the spelling of its host, which the first of its notables decides."""
    elsewhere = NOTABLE.model_copy(update={"dest": "WS-1.corp.example"})
    one, other = made(score=90, message="x"), made(score=100, now=START.replace(year=2027), notable=elsewhere)
    assert one is not None
    assert other is not None
    assert one.id == other.id
    another = made(case_id="case-2")
    assert another is not None
    assert another.id != one.id
    with pytest.raises(InputError, match="case_id"):
        made(case_id=" ")


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_makes_another_field_or_another_event(message: str, user: str, case_id: str) -> None:
    if not case_id.strip():
        case_id = "c"
    event = made(message=message, case_id=case_id, notable=NOTABLE.model_copy(update={"user": user}))
    assert event is not None
    assert len(event.text.splitlines()) == 1
    event.text.encode()
    read = parse_stash(event.text)
    plain = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
    assert read.get("risk_message", "") == plain.sub(" ", message).strip()
    assert read.get("user", "") == plain.sub(" ", user).strip()
    assert read["risk_score"] == "15"
    assert set(read) - {"user", "risk_message", "case_id"} == set(parse_stash(made_text())) - {
        "user",
        "risk_message",
        "case_id",
    }


def made_text() -> str:
    event = made()
    assert event is not None
    return event.text


def test_a_key_that_is_no_field_name_is_refused() -> None:
    with pytest.raises(InputError, match="field name"):
        stash_text([('a="b', "c")], START)


def test_the_search_for_it_holds_nothing_but_the_id() -> None:
    assert pipeline(there_query("risk", "ab12"))[0] == (
        'search index="risk" source="regsvcs-response" response_risk_id="ab12"'
    )
    with pytest.raises(InputError):
        there_query('risk" | delete', "ab12")


# --- sending -------------------------------------------------------------------------------------


def test_it_is_sent_once_a_case(at: Bench) -> None:
    assert add(at.siem) in {RiskWritten.INDEXED, RiskWritten.ACCEPTED}
    assert add(at.siem, score=100, message="more") is RiskWritten.ALREADY_THERE
    assert add(at.again(hec=bool(at.fake.collected))) is RiskWritten.ALREADY_THERE
    (row,) = at.fake.risk_rows()
    assert (row["source"], row["risk_score"], row["case_id"]) == ("regsvcs-response", "15", "case-1")


def test_it_is_sent_once_even_before_it_can_be_found(at: Bench) -> None:
    at.fake.risk_lag_s = 120
    add(at.siem)
    assert add(at.siem) is RiskWritten.ALREADY_THERE
    at.clock.advance(SETTLES_S + 1)
    assert add(at.siem) is RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1


def test_an_acknowledgement_that_cannot_be_asked_for_is_not_a_failure_to_send() -> None:
    with bench(hec=True) as at:
        at.fake._ack = lambda *_: answer({"text": "Server is busy", "code": 9}, 503)  # type: ignore[method-assign]
        assert add(at.siem) is RiskWritten.INDEXED
        assert at.fake.calls["collect"] == 1


def test_a_short_deadline_still_leaves_time_to_send() -> None:
    with bench() as at:
        siem = SplunkSiem(
            at.http,
            at.fake.settings(deadline_s=5),
            SecretStr(TOKEN),
            clock=at.clock,
            sleep=at.clock.sleep,
            monotonic=at.clock.monotonic,
        )
        assert add(siem) is RiskWritten.ACCEPTED


def shared(at: Bench, folder: Path, **options: Any) -> SplunkSiem:
    """A connector of another process, which knows what was sent before."""
    return at.again(once=SqliteOnce(folder / "once.db", clock=at.clock), **options)


def test_other_processes_do_not_send_it_again_before_it_can_be_found(at: Bench, tmp_path: Path) -> None:
    at.fake.risk_lag_s = 45
    told = []
    for _ in range(8):
        told.append(add(shared(at, tmp_path)))
        at.clock.advance(10)
    assert told == [told[0], *[RiskWritten.ALREADY_THERE] * 7]
    assert told[0] is not RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1


def test_a_process_that_died_while_sending_is_searched_for_and_not_sent_again_at_once(
    at: Bench, tmp_path: Path
) -> None:
    once = SqliteOnce(tmp_path / "once.db", clock=at.clock)
    event = made()
    assert event is not None
    once.claim(at.siem._risk._key(event), SETTLES_S)  # and nothing more was heard of it
    with pytest.raises(TimedOut, match="not sent again yet"):
        add(shared(at, tmp_path))
    assert not at.fake.risk
    at.clock.advance(SETTLES_S)
    assert add(shared(at, tmp_path)) is not RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1


def test_of_a_process_that_died_after_sending_the_event_is_found(at: Bench, tmp_path: Path) -> None:
    add(at.siem)
    event = made()
    assert event is not None
    SqliteOnce(tmp_path / "once.db", clock=at.clock).claim(at.siem._risk._key(event), SETTLES_S)
    assert add(shared(at, tmp_path)) is RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1


def test_what_was_refused_may_be_sent_at_once_again(at: Bench, tmp_path: Path) -> None:
    at.fake.failing = 1
    with pytest.raises(QueryFailed):
        add(shared(at, tmp_path))
    assert add(shared(at, tmp_path)) is not RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1


def test_nothing_is_sent_where_it_cannot_be_noted(at: Bench, tmp_path: Path) -> None:
    (tmp_path / "once.db").write_bytes(b"no database" * 100)
    for _ in range(2):
        with pytest.raises(Rejected, match=r"no risk event was sent: .*once\.db cannot be used"):
            add(shared(at, tmp_path))
    assert not at.fake.risk


def test_another_case_adds_another(at: Bench) -> None:
    add(at.siem)
    add(at.siem, case_id="case-2")
    assert len(at.fake.risk) == 2


def test_nothing_is_asked_or_sent_where_nothing_is_added(at: Bench) -> None:
    assert add(at.siem, score=80) is RiskWritten.NOTHING_TO_ADD
    assert not at.fake.calls


def test_where_no_escu_gives_a_score_all_of_it_is_added() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        add(at.siem)
    assert at.fake.risk_rows()[0]["risk_score"] == "95"


def test_receivers_simple_gets_index_source_sourcetype_and_host() -> None:
    with bench() as at:
        assert add(at.siem) is RiskWritten.ACCEPTED
    assert at.fake.received == [
        {
            "index": "risk",
            "source": "regsvcs-response",
            "sourcetype": "stash",
            "host": "WS-1",
            "output_mode": "json",
        }
    ]


def test_the_collector_is_asked_until_the_indexer_acknowledges() -> None:
    with bench(hec=True) as at:
        at.fake.ack_after = 3
        assert add(at.siem) is RiskWritten.INDEXED
        assert (at.fake.calls["collect"], at.fake.calls["ack"]) == (1, 3)
        assert len(at.fake.channels) == 1
        assert {name: at.fake.collected[0][name] for name in ("index", "source", "sourcetype", "host")} == {
            "index": "risk",
            "source": "regsvcs-response",
            "sourcetype": "stash",
            "host": "WS-1",
        }


def test_a_token_without_acknowledgement_is_taken_at_its_word() -> None:
    with bench(hec=True) as at:
        at.fake.acknowledges = False
        assert add(at.siem) is RiskWritten.ACCEPTED
        assert at.fake.calls["ack"] == 0


def test_an_acknowledgement_that_does_not_come_is_looked_up() -> None:
    with bench(hec=True) as at:
        at.fake.ack_after = 10_000
        assert add(at.siem) is RiskWritten.INDEXED  # by the search
        assert at.fake.calls["collect"] == 1


def test_an_unanswered_event_that_arrived_is_found_and_not_sent_again(at: Bench) -> None:
    at.fake.lose = {"receive", "collect"}
    assert add(at.siem) is RiskWritten.INDEXED
    assert add(at.siem) is RiskWritten.ALREADY_THERE
    assert len(at.fake.risk) == 1
    assert at.fake.calls["receive"] + at.fake.calls["collect"] == 1


def test_an_unanswered_event_that_cannot_be_found_is_unknown_and_waits(at: Bench) -> None:
    at.fake.holds = {"receive", "collect"}
    with pytest.raises(TimedOut, match="not known"):
        add(at.siem)
    at.fake.holds = set()
    with pytest.raises(TimedOut, match="not sent again yet"):
        add(at.siem)
    assert not at.fake.risk
    at.clock.advance(SETTLES_S + 1)
    assert add(at.siem) in {RiskWritten.INDEXED, RiskWritten.ACCEPTED}
    assert len(at.fake.risk) == 1


def test_where_the_search_for_it_fails_nothing_is_sent(at: Bench) -> None:
    at.fake.failing = 1
    with pytest.raises(QueryFailed):
        add(at.siem)
    at.fake.peer_down = True
    with pytest.raises(QueryFailed, match="did not see everything"):
        add(at.siem)
    assert not at.fake.risk


def test_an_answer_that_cannot_be_read_is_no_proof_of_either() -> None:
    with bench(hec=True) as at:
        at.fake._collect = lambda *_: answer({"text": "?", "code": 99})  # type: ignore[method-assign]
        with pytest.raises(TimedOut, match="cannot be found"):
            add(at.siem)


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (400, {"text": "Incorrect index", "code": 7}, Rejected, r"Incorrect index \(code 7\)"),
        (403, {"text": "Invalid token", "code": 4}, AuthRejected, "Invalid token"),
        (503, {"text": "Server is busy", "code": 9}, Transient, "not taken"),
    ],
)
def test_refusals_of_the_collector_are_told_and_nothing_is_unknown(
    status: int, body: dict[str, Any], error: type[Exception], says: str
) -> None:
    with bench(hec=True) as at:
        at.fake._collect = lambda *_: answer(body, status)  # type: ignore[method-assign]
        with pytest.raises(error, match=says) as refused:
            add(at.siem)
        assert not isinstance(refused.value, TimedOut)
    assert HEC_TOKEN not in str(refused.value)


def test_a_missing_capability_is_named() -> None:
    with bench() as at:
        at.fake.capabilities.remove("edit_tcp")
        with pytest.raises(PermissionMissing) as refused:
            add(at.siem)
    assert refused.value.scope == "edit_tcp"
    assert TOKEN not in str(refused.value)


def test_a_collector_without_its_token_is_refused_beforehand() -> None:
    with bench() as at, pytest.raises(InputError, match="hec_url"):
        SplunkSiem(at.http, at.fake.settings(hec=True), SecretStr(TOKEN))
