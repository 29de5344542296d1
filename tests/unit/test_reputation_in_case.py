"""The look-up in a case: beside telemetry, once for each address, judged with the case's own evidence."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actions.case_facts import DestinationVerdict
from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.facts.health import Health, HealthState
from connectors.facts.notable import Notable
from connectors.facts.reputation import (
    EvidenceDirection,
    Leaning,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from playbooks.case import CaseReport
from playbooks.case_findings import gather_cases
from playbooks.reputation import LookupTime, Reputation
from playbooks.reputation_settings import ReputationSettings
from playbooks.respond import LOOKED_UP_OF_A_CASE, LOOKED_UP_OF_A_RUN, respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.events import REGSVCS, connected, created, event, guid
from tests.unit.test_respond import notable, sysmon

NOW = datetime(2026, 9, 24, 8, 30, tzinfo=UTC)
PEER, FURTHER = "149.154.167.220", "45.9.148.108"


class Feed:
    """A grade-A source about outbound traffic that knows some addresses, and remembers what was asked."""

    def __init__(self, *bad: str, fails: bool = False) -> None:
        self.info = SourceInfo(
            name="feed",
            title="A feed",
            reliability=Reliability.A,
            direction=EvidenceDirection.OUTBOUND,
            licence="Free.",
            online=True,
            volatile=True,
        )
        self.bad = bad
        self.fails = fails
        self.asked: list[str] = []

    def check(self) -> Health:
        return Health(connector="feed", state=HealthState.OK, detail="")

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        self.asked.append(ip)
        listed = ip in self.bad
        status = SourceStatus.OK if listed else SourceStatus.NOT_FOUND
        return (
            SourceAnswer(
                source="feed",
                ip=ip,
                status=SourceStatus.ERROR if self.fails else status,
                leaning=Leaning.MALICIOUS if listed and not self.fails else Leaning.NONE,
                direction=EvidenceDirection.OUTBOUND,
                reliability=Reliability.A,
                lineage="author",
                last_seen=NOW if listed else None,
                retrieved_at=NOW,
            ),
        )


def reputation(tmp_path: Path, *sources: Any) -> Reputation:
    found = Reputation(ReputationSettings(folder=tmp_path), {}, clock=lambda: NOW)
    found.sources = sources
    return found


def work(
    asked: Reputation | None, events: Sequence[Any], notables: Sequence[Notable], **more: Any
) -> tuple[CaseReport, ...]:
    return respond(
        InProcess(),
        notables,
        edr=sysmon(tuple(events)),
        profiles=shipped_profiles(),
        settings=Settings(),
        clock=lambda: NOW,
        reputation=asked,
        **more,
    )


EVENTS = (created(1, None, REGSVCS), connected(1, second=1), connected(1, second=2, dest_ip=FURTHER))


def verdicts(report: CaseReport) -> Mapping[str, DestinationVerdict]:
    return {each.ip: each.verdict for each in report.facts.destinations}


def test_further_peers_are_looked_up_too_and_each_address_once(tmp_path: Path) -> None:
    feed = Feed(FURTHER)
    (report,) = work(reputation(tmp_path, feed), EVENTS, [notable(), notable(event_id="e2")])
    assert sorted(feed.asked) == sorted([PEER, FURTHER])
    assert verdicts(report)[FURTHER] is DestinationVerdict.MALICIOUS
    assert "destination_malicious" in {each.id for each in report.risk.indicators}
    outcome = next(each for each in report.steps if each.step == "lookup_reputation")
    assert outcome.ok
    assert outcome.detail == "1 source asked; of those that can report bad addresses, 1 answered"


def test_the_cases_own_evidence_shows_that_many_share_an_address(tmp_path: Path) -> None:
    feed = Feed(FURTHER)
    named = event(
        22,
        second=1,
        ProcessGuid=guid(1),
        Image=REGSVCS,
        QueryName="api.telegram.org",
        QueryStatus="0",
        QueryResults=f"::ffff:{FURTHER};",
    )
    (report,) = work(reputation(tmp_path, feed), [*EVENTS, named], [notable()])
    assert verdicts(report)[FURTHER] is DestinationVerdict.SUSPICIOUS_SHARED


def test_a_source_that_fails_lowers_nothing_and_is_named(tmp_path: Path) -> None:
    (without,) = work(None, EVENTS, [notable()])
    (failed,) = work(reputation(tmp_path, Feed(fails=True)), EVENTS, [notable()])
    assert failed.risk.score == without.risk.score
    assert failed.risk.case_verdict is without.risk.case_verdict
    assert set(verdicts(failed).values()) == {DestinationVerdict.UNDETERMINED}
    outcome = next(each for each in failed.steps if each.step == "lookup_reputation")
    assert (outcome.ok, outcome.detail.endswith("no answer from feed")) == (False, True)


def test_a_look_up_that_breaks_costs_its_answers_alone(tmp_path: Path) -> None:
    asked = reputation(tmp_path, Feed(PEER))
    asked.look_up = lambda *_, **__: 1 / 0  # type: ignore[method-assign,assignment]  # a bug of ours
    (report,) = work(asked, EVENTS, [notable()])
    assert report.facts.lineage is not None
    assert set(verdicts(report).values()) == {DestinationVerdict.UNDETERMINED}
    assert {each.verdict_reason for each in report.facts.destinations} == {
        "The look-up broke (ZeroDivisionError)."
    }


def test_a_fault_in_judging_costs_the_verdict_alone(tmp_path: Path) -> None:
    asked = reputation(tmp_path, Feed(PEER))
    asked.judged = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]  # a bug of ours
    (report,) = work(asked, EVENTS, [notable()])
    assert report.facts.lineage is not None
    assert {each.verdict_reason for each in report.facts.destinations} == {
        "The look-up broke (ZeroDivisionError)."
    }


def test_look_up_and_telemetry_run_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=5)

    def meeting(*given: Any) -> Any:
        both.wait()
        return gather_cases(*given)

    class Meeting(Feed):
        def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
            if ip == PEER:
                both.wait()
            return super().lookup(ip, deadline_s=deadline_s, fresh=fresh)

    monkeypatch.setattr("playbooks.respond.gather_cases", meeting)
    (report,) = work(reputation(tmp_path, Meeting(PEER)), EVENTS, [notable()])
    assert verdicts(report)[PEER] is not DestinationVerdict.UNDETERMINED


def test_own_and_private_addresses_reach_nobody(tmp_path: Path) -> None:
    feed = Feed(PEER)
    settings = Settings.model_validate({"organisation": {"ranges": [f"{PEER}/32"]}})
    reports = respond(
        InProcess(),
        [notable(), notable(event_id="e2", dest_ip="100.64.0.1")],
        edr=None,
        profiles=shipped_profiles(),
        settings=settings,
        clock=utc_now,
        reputation=reputation(tmp_path, feed),
    )
    assert feed.asked == []
    assert {each.verdict for report in reports for each in report.facts.destinations} == {
        DestinationVerdict.UNDETERMINED
    }


def test_nothing_is_written_before_something_is_asked(tmp_path: Path) -> None:
    with Reputation(ReputationSettings(folder=tmp_path / "not yet"), {}) as asked:
        assert asked.look_up([]) == {}
    assert list(tmp_path.iterdir()) == []


def outcome_of(report: CaseReport) -> str:
    return next(each.detail for each in report.steps if each.step == "lookup_reputation")


def many(number: int, *, start: int = 0) -> list[str]:
    """Public addresses."""
    return [f"45.9.{place // 250}.{place % 250 + 1}" for place in range(start, start + number)]


class TestHowManyAreLookedUp:
    def test_of_a_case_the_notables_own_peer_and_those_with_most_connections(self, tmp_path: Path) -> None:
        feed = Feed()
        peers = many(3 * LOOKED_UP_OF_A_CASE)
        busy = peers[-5:]
        events = [created(1, None, REGSVCS), connected(1, second=1)]
        events += [connected(1, second=2, dest_ip=each) for each in peers]
        events += [connected(1, second=second, dest_ip=each) for each in busy for second in (3, 4)]
        (report,) = work(reputation(tmp_path, feed), events, [notable()])
        assert len(feed.asked) == len(set(feed.asked)) == LOOKED_UP_OF_A_CASE
        assert {PEER, *busy} <= set(feed.asked)
        left = [each for each in report.facts.destinations if each.ip not in feed.asked]
        assert len(left) == 2 * LOOKED_UP_OF_A_CASE + 1
        assert {each.verdict for each in left} == {DestinationVerdict.UNDETERMINED}
        assert all(each.verdict_reason.startswith("Not looked up: more than 50 addresses") for each in left)
        told = [each for each in report.risk.unknowns if each.why.startswith("Not looked up: more than")]
        assert [each.what for each in told] == [f"reputation of {left[0].ip} and {len(left) - 1} more"]
        assert f"{len(left)} addresses not looked up" in outcome_of(report)

    def test_notables_of_one_process_are_one_case(self, tmp_path: Path) -> None:
        feed = Feed()
        peers = many(2 * LOOKED_UP_OF_A_CASE)
        events = [created(1, None, REGSVCS), *(connected(1, second=1, dest_ip=each) for each in peers)]
        notables = [notable(event_id=each, dest_ip=each) for each in peers]
        work(reputation(tmp_path, feed), events, notables)
        assert sorted(feed.asked) == sorted(peers[:LOOKED_UP_OF_A_CASE])

    def test_of_a_run_each_case_gets_its_share(self, tmp_path: Path) -> None:
        feed = Feed()
        cases = 8
        notables = [
            notable(event_id=f"{host}-{ip}", dest=f"WS{host}", dest_ip=ip)
            for host in range(cases)
            for ip in many(LOOKED_UP_OF_A_CASE, start=host * LOOKED_UP_OF_A_CASE)
        ]
        reports = respond(
            InProcess(),
            notables,
            edr=None,
            profiles=shipped_profiles(),
            settings=Settings(),
            clock=lambda: NOW,
            reputation=reputation(tmp_path, feed),
        )
        assert len(feed.asked) == LOOKED_UP_OF_A_RUN
        share = [sum(each.ip in feed.asked for each in one.facts.destinations) for one in reports]
        assert sum(share) == LOOKED_UP_OF_A_RUN
        by_host: dict[str, int] = {}
        for one, number in zip(reports, share, strict=True):
            host = one.facts.notables[0].dest
            by_host[host] = by_host.get(host, 0) + number
        assert set(by_host.values()) == {LOOKED_UP_OF_A_RUN // cases}

    def test_private_ones_take_no_place(self, tmp_path: Path) -> None:
        feed = Feed()
        private = [f"10.0.0.{number}" for number in range(1, 60)]
        notables = [notable(event_id=each, dest_ip=each) for each in [*private, PEER]]
        work(reputation(tmp_path, feed), [created(1, None, REGSVCS)], notables)
        assert feed.asked == [PEER]


class TestWhatTheStepSays:
    def test_nobody_was_asked(self) -> None:
        (report,) = work(None, EVENTS, [notable()])
        assert outcome_of(report) == "no source was asked"

    def test_only_lists_that_describe(self, tmp_path: Path) -> None:
        (report,) = work(Reputation(ReputationSettings(folder=tmp_path), {}), EVENTS, [notable()])
        assert outcome_of(report) == (
            "no source that can report bad addresses is configured;"
            " lists and sources that were asked described the addresses"
        )

    def test_private_addresses_lack_nothing(self, tmp_path: Path) -> None:
        asked = reputation(tmp_path, Feed())
        (report,) = work(asked, (created(1, None, REGSVCS),), [notable(dest_ip="10.0.0.1")])
        (outcome,) = (each for each in report.steps if each.step == "lookup_reputation")
        assert (outcome.ok, outcome.detail) == (True, "no address is one that others are asked about")


def test_both_look_ups_of_a_case_share_one_deadline(tmp_path: Path) -> None:
    now = [0.0]
    given: list[float] = []

    class Slow(Feed):
        def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
            given.append(deadline_s)
            now[0] += deadline_s
            return super().lookup(ip, deadline_s=deadline_s, fresh=fresh)

    class Timed(Reputation):
        def time_for_all(self) -> LookupTime:
            return LookupTime(20, clock=lambda: now[0])

    asked = Timed(ReputationSettings(folder=tmp_path), {}, clock=lambda: NOW)
    asked.sources = (Slow(),)
    work(asked, EVENTS, [notable()])
    assert len(given) == 2
    assert sum(given) <= 20
