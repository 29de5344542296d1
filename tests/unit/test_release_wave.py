"""A wave of releases: within the vendor's limits, taken up again after a death, each host reported."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.containment import Tools
from actions.release_wave import MOST_TRIES, WaveProgress, release_wave
from actions.vendor_pace import Pace, paces_of
from actions.wave_history import calls_before
from actions.wave_report import WaveOutcome, WaveReport, wave_report
from connectors.edr.catalogue import EdrName
from connectors.errors import PermissionMissing, RateLimited, Rejected, TimedOut
from connectors.facts.isolation import HowKnown, IsolationState
from connectors.facts.ledger import IntentKind, IntentState, Lease
from connectors.state.ledger import LedgerUnusable
from connectors.state.sqlite_ledger import SqliteLedger
from tests.edr_backends import BACKENDS, running
from tests.estate import Estate, EstateHost
from tests.wave_bench import POLICY, RUN, WIDE, Bench, bench_of, isolate_order, isolated

DEFENDER = paces_of("defender")


class Died(BaseException):
    """The process is gone."""


def _wave(bench: Bench, leases: list[Lease] | None = None, **more: Any) -> WaveReport:
    standing = bench.ledger.leases(run_id=RUN) if leases is None else leases
    given: dict[str, Any] = {"policy": POLICY, "by": "ann", "why": "a mistake", "run_id": RUN}
    given |= {"paces": bench.vendor.paces or None, "monotonic": bench.clock.monotonic}
    return release_wave(standing, bench.tools, **{**given, **more})


def _outcomes(report: WaveReport) -> dict[str, WaveOutcome]:
    return {each.host_id: each.outcome for each in report.hosts}


def _sentence(report: WaveReport, host_id: str) -> str:
    return next(each.sentence for each in report.hosts if each.host_id == host_id)


def _all_released(bench: Bench, report: WaveReport, count: int) -> None:
    """Every host is reported once and was released exactly once, and no call went over a limit."""
    assert len(report.hosts) == count
    assert report.complete
    assert len({each.host_id for each in report.hosts}) == count
    assert {each.released for each in bench.vendor.machines.values()} == {1}
    assert bench.vendor.writes.over == 0
    assert bench.vendor.reads.over == 0
    assert set(bench.vendor.keys.values()) == {1}
    assert bench.ledger.leases() == []
    assert list(bench.ledger.intents(active=True)) == []


def test_2000_releases_keep_to_defenders_limits() -> None:
    bench = bench_of(paces=DEFENDER)
    isolated(bench, 2000)
    bench.vendor.call_s = 0.2
    report = _wave(bench)
    _all_released(bench, report, 2000)
    assert report.counts[WaveOutcome.RELEASED_NOW] == 2000
    # Two readings a host are the least there can be: 4,000 of them take over two hours at 1,500 an hour.
    assert 2 * 3600 < bench.clock.monotonic() < 3.2 * 3600
    assert bench.vendor.writes.calls == 2000


@pytest.mark.soak
def test_2000_releases_over_a_ledger_in_a_file(tmp_path: Path) -> None:
    bench = bench_of(lambda clock: SqliteLedger(tmp_path / "ledger.sqlite", clock=clock), DEFENDER)
    isolated(bench, 2000)
    report = _wave(bench)
    _all_released(bench, report, 2000)


@pytest.mark.parametrize("dies_at", [1, 2, 3, 4, 37, 150, 161, 162, 163, 164, 350])
def test_a_wave_killed_at_a_write_is_taken_up_where_it_was(dies_at: int) -> None:
    bench = bench_of(paces=(Pace(20, 60),))
    isolated(bench, 120, age_s=7200)
    done_before = bench.ledger.writes

    def death(number: int) -> None:
        if number - done_before == dies_at:
            raise Died

    bench.ledger.before_write = death
    with pytest.raises(Died):
        _wave(bench)
    bench.ledger.before_write = lambda _: None
    so_far = wave_report(bench.ledger, RUN)
    assert len(so_far.hosts) == 120
    assert not so_far.complete
    known = Counter(_outcomes(so_far).values())
    assert known[WaveOutcome.RELEASED_NOW] == 120 - len(bench.ledger.leases())
    bench.clock.advance(0.001)
    report = _wave(bench)
    _all_released(bench, report, 120)
    assert report.counts[WaveOutcome.RELEASED_BEFORE] == known[WaveOutcome.RELEASED_NOW]


@pytest.mark.parametrize("dies_at", [1, 2, 60])
def test_a_wave_killed_at_a_call_is_taken_up_and_calls_nobody_twice(dies_at: int) -> None:
    bench = bench_of(paces=(Pace(20, 60),))
    isolated(bench, 70)
    calls = 0

    def death() -> None:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            raise Died

    bench.vendor.before_call = death
    with pytest.raises(Died):
        _wave(bench)
    report = _wave(bench)
    # The one that was about to be called: whether it was cannot be told from here, and it is not sent again.
    left = [each for each in report.hosts if each.outcome is not WaveOutcome.RELEASED_BEFORE]
    assert len(report.hosts) == 70
    assert max(each.released for each in bench.vendor.machines.values()) == 1
    assert [each.outcome for each in left if each.outcome is not WaveOutcome.RELEASED_NOW] == [
        WaveOutcome.FAILED
    ]
    assert bench.vendor.writes.over == 0
    assert bench.vendor.reads.over == 0
    # It came to nothing for certain, so that another run sends it.
    _all_released(bench, _wave(bench), 70)


def test_interrupted_it_raises_and_the_ledger_tells_how_far_it_came() -> None:
    bench = bench_of()
    isolated(bench, 5)

    def stop(told: WaveProgress) -> None:
        if told.done == 0 and told.underway == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _wave(bench, progress=stop)
    outcomes = Counter(_outcomes(wave_report(bench.ledger, RUN)).values())
    assert outcomes == {WaveOutcome.UNKNOWN: 3, WaveOutcome.NOT_TRIED: 2}
    assert "sent and is not proved" in _sentence(wave_report(bench.ledger, RUN), "m0")


def test_every_host_of_the_run_is_reported_whatever_became_of_it() -> None:
    bench = bench_of()
    isolated(bench, 8)
    machines = bench.vendor.machines
    machines["m1"].unreadable = TimedOut("defender", "no answer")
    machines["m2"].refuses = [PermissionMissing("defender", "may not", scope="Machine.Isolate")]
    machines["m3"].settles_s = None
    machines["m4"].state, machines["m4"].changed_at = IsolationState.NOT_ISOLATED, bench.clock.now
    machines["m5"].refuses = [Rejected("defender", "no")]
    _release_by_hand(bench, "m6")
    unknown = bench.ledger.calling(bench.ledger.begin(isolate_order(8), WIDE, quiet_s=1.0))
    bench.ledger.move(unknown, IntentState.UNKNOWN, detail="lost", by="playbook")
    fruitless = bench.ledger.calling(bench.ledger.begin(isolate_order(9), WIDE, quiet_s=1.0))
    bench.ledger.move(fruitless, IntentState.EXPIRED, detail="unchanged", by="playbook")
    leases = [each for each in bench.ledger.leases(run_id=RUN) if each.host_id != "m7"]
    bench.clock.advance(1)
    report = _wave(bench, leases)
    assert _outcomes(report) == {
        "m0": WaveOutcome.RELEASED_NOW,
        "m1": WaveOutcome.FAILED,
        "m2": WaveOutcome.FAILED,
        "m3": WaveOutcome.UNKNOWN,
        "m4": WaveOutcome.NOT_ISOLATED,
        "m5": WaveOutcome.FAILED,
        "m6": WaveOutcome.RELEASED_BEFORE,
        "m7": WaveOutcome.NOT_TRIED,
        "m8": WaveOutcome.UNKNOWN,
        "m9": WaveOutcome.NOT_ISOLATED,
    }
    assert all(each.sentence for each in report.hosts)
    assert "bob" in _sentence(report, "m6")
    assert "reconcile" in _sentence(report, "m8")
    assert "may not" in _sentence(report, "m2")
    assert "expired" in _sentence(report, "m9")
    assert not report.complete
    assert sum(report.counts.values()) == 10
    assert set(report.counts) == set(WaveOutcome)
    # Without what this process knows: nothing is claimed that the ledger does not hold.
    from_ledger = _outcomes(wave_report(bench.ledger, RUN))
    assert from_ledger.pop("m1") is WaveOutcome.NOT_TRIED
    assert from_ledger == {host: told for host, told in _outcomes(report).items() if host != "m1"}


@pytest.mark.parametrize("by_this_run", [False, True])
def test_a_host_whose_release_was_refused_over_an_unknown_isolation_is_not_called_free(
    by_this_run: bool, tmp_path: Path
) -> None:
    bench = bench_of(lambda clock: SqliteLedger(tmp_path / "ledger.sqlite", clock=clock))
    ledger = bench.ledger
    called = ledger.calling(ledger.begin(isolate_order(0), WIDE, quiet_s=1.0))
    ledger.move(called, IntentState.UNKNOWN, detail="queued", by="playbook")
    own = {} if by_this_run else {"run_id": "run-by-hand"}
    asked = isolate_order(0, by="bob", by_person=True, **own).model_copy(update={"kind": IntentKind.RELEASE})

    def told() -> tuple[WaveOutcome, str]:
        (host,) = wave_report(ledger, RUN).hosts
        assert host.outcome is _wave(bench, []).hosts[0].outcome
        return host.outcome, host.sentence

    for end in (IntentState.FAILED, IntentState.EXPIRED):
        over = ledger.calling(ledger.begin(asked, WIDE, quiet_s=1.0))
        assert told()[0] is WaveOutcome.UNKNOWN
        ledger.move(over, end, detail="an isolation already waits", by="bob")
        outcome, sentence = told()
        assert outcome is WaveOutcome.UNKNOWN
        assert sentence.startswith("Its isolation is unknown")
        assert ("already waits" in sentence) is by_this_run
    over = ledger.calling(ledger.begin(asked, WIDE, quiet_s=1.0))
    ledger.move(over, IntentState.VERIFIED, detail="seen", by="bob")
    (host,) = wave_report(ledger, RUN).hosts
    assert host.outcome is (WaveOutcome.RELEASED_NOW if by_this_run else WaveOutcome.RELEASED_BEFORE)
    assert host.release_id == over.intent_id
    assert wave_report(ledger, RUN).complete


def _release_by_hand(bench: Bench, host_id: str) -> None:
    """A release of one host by a person, in a run of its own."""
    number = int(host_id[1:])
    order = isolate_order(number, by="bob", by_person=True, run_id="run-by-hand")
    asked = order.model_copy(update={"kind": IntentKind.RELEASE})
    called = bench.ledger.calling(bench.ledger.begin(asked, WIDE, quiet_s=1.0))
    bench.ledger.move(called, IntentState.VERIFIED, detail="seen", by="bob")
    bench.vendor.machine(host_id).state = IsolationState.NOT_ISOLATED


def test_a_host_isolated_again_in_the_run_is_reported_by_what_stands() -> None:
    bench = bench_of()
    isolated(bench, 1)
    _release_by_hand(bench, "m0")
    again = isolate_order(0, by="ann", by_person=True)
    called = bench.ledger.calling(bench.ledger.begin(again, WIDE, quiet_s=1.0))
    assert _outcomes(wave_report(bench.ledger, RUN)) == {"m0": WaveOutcome.UNKNOWN}
    bench.ledger.move(called, IntentState.VERIFIED, detail="seen", by="ann", lease_s=3600.0)
    assert _outcomes(wave_report(bench.ledger, RUN)) == {"m0": WaveOutcome.NOT_TRIED}


def test_a_reading_that_is_no_proof_does_not_end_a_lease() -> None:
    bench = bench_of()
    isolated(bench, 2, age_s=30)
    lagging, wished = bench.vendor.machines["m0"], bench.vendor.machines["m1"]
    lagging.state = wished.state = IsolationState.NOT_ISOLATED
    wished.how_known = HowKnown.DESIRED
    _wave(bench)
    assert {each.host_id for each in bench.ledger.leases()} >= {"m1"}


def test_a_quota_that_is_used_up_is_waited_for_and_the_host_is_sent_again() -> None:
    bench = bench_of()
    isolated(bench, 2)
    until = bench.clock.now + timedelta(seconds=90)
    bench.vendor.limited = [RateLimited("defender", "later", retry_at=until)]
    report = _wave(bench)
    _all_released(bench, report, 2)
    assert bench.clock.now >= until
    called = [each.called_at for each in bench.ledger.intents() if each.order.kind is IntentKind.RELEASE]
    assert sum(each is not None and each < until for each in called) == 1


def test_a_vendor_that_says_no_time_is_given_a_minute() -> None:
    bench = bench_of()
    isolated(bench, 1)
    begun = bench.clock.monotonic()
    bench.vendor.limited = [RateLimited("defender", "later")]
    _all_released(bench, _wave(bench), 1)
    assert bench.clock.monotonic() - begun >= 60


def test_a_vendor_that_refuses_for_ever_fails_the_host_and_ends_the_wave() -> None:
    bench = bench_of()
    isolated(bench, 1)
    bench.vendor.limited = [RateLimited("defender", "later") for _ in range(50)]
    report = _wave(bench)
    assert report.counts[WaveOutcome.FAILED] == 1
    assert len(bench.vendor.limited) == 50 - MOST_TRIES


def test_a_wait_of_many_hours_stops_the_wave_and_says_so() -> None:
    bench = bench_of()
    isolated(bench, 3)
    later = RateLimited("defender", "tomorrow", retry_at=bench.clock.now + timedelta(hours=20))
    bench.vendor.limited = [later]
    begun = bench.clock.monotonic()
    report = _wave(bench)
    assert "quota is used up" in report.stopped
    assert "1200 minutes" in report.stopped
    assert bench.clock.monotonic() - begun < 60
    assert report.counts[WaveOutcome.NOT_TRIED] == 2
    assert report.counts[WaveOutcome.FAILED] == 1
    bench.clock.advance(20 * 3600)
    _all_released(bench, _wave(bench), 3)


def test_a_host_of_another_connector_is_refused_and_stops_nobody() -> None:
    bench = bench_of()
    isolated(bench, 1)
    order = isolate_order(1, connector="elastic")
    called = bench.ledger.calling(bench.ledger.begin(order, WIDE, quiet_s=1.0))
    bench.ledger.move(called, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=3600.0)
    report = _wave(bench)
    assert _outcomes(report) == {"m0": WaveOutcome.RELEASED_NOW, "m1": WaveOutcome.FAILED}
    assert "elastic" in _sentence(report, "m1")
    assert "m1" not in bench.vendor.machines


def test_a_ledger_that_cannot_be_written_lets_nothing_be_sent() -> None:
    bench = bench_of()
    isolated(bench, 2)

    def fail(_: int) -> None:
        raise LedgerUnusable("the disk is full")

    bench.ledger.before_write = fail
    report = _wave(bench)
    assert bench.vendor.writes.calls == 0
    assert report.counts[WaveOutcome.FAILED] == 2
    assert "disk is full" in _sentence(report, "m0")


def test_the_order_says_who_why_and_which_run() -> None:
    bench = bench_of()
    isolated(bench, 1)
    _wave(bench)
    (release,) = [each for each in bench.ledger.intents() if each.order.kind is IntentKind.RELEASE]
    assert (release.order.by, release.order.by_person, release.order.reason) == ("ann", True, "a mistake")
    assert release.order.run_id == RUN
    assert not release.order.foreign
    assert all(part in bench.vendor.comments[0] for part in ("case-0", RUN, "ann", "a mistake"))


def test_progress_tells_each_host_and_each_longer_pause() -> None:
    bench = bench_of(paces=(Pace(4, 60),))
    isolated(bench, 6)
    told: list[WaveProgress] = []
    _wave(bench, progress=told.append)
    assert told[-1].done == told[-1].total == 6
    assert told[-1].underway == 0
    assert [each.done for each in told] == sorted(each.done for each in told)
    pauses = [each for each in told if each.wait_s]
    assert pauses
    assert all(each.wait_s >= 5 and "limits" in each.sentence for each in pauses)
    assert {each.hostname for each in told if each.hostname} == {f"m{n}.corp.example" for n in range(6)}


def test_a_wave_over_nothing_reports_nothing() -> None:
    report = _wave(bench_of())
    assert report.hosts == ()
    assert report.complete


def test_the_report_is_stable_json() -> None:
    bench = bench_of()
    isolated(bench, 1)
    report = _wave(bench)
    (host,) = report.model_dump(mode="json")["hosts"]
    assert set(host) == {
        "connector",
        "host_id",
        "hostname",
        "outcome",
        "sentence",
        "isolation_id",
        "release_id",
    }
    assert WaveReport.model_validate_json(report.model_dump_json()) == report


def test_readings_of_a_killed_attempt_count_as_late_as_they_can_have_been() -> None:
    bench = bench_of(paces=(Pace(10, 60),))
    isolated(bench, 30, age_s=7200)
    sent = 0

    def stop(told: WaveProgress) -> None:
        nonlocal sent
        sent += told.sentence == "The release was sent."
        if sent == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _wave(bench, progress=stop)
    _wave(bench)
    assert bench.vendor.writes.over == 0
    assert bench.vendor.reads.over == 0


def _sqlite(folder: Path) -> Any:
    return lambda clock: SqliteLedger(folder / "ledger.sqlite", clock=clock)


def test_no_more_is_sent_than_can_be_read_before_its_deadline() -> None:
    bench = bench_of(paces=(Pace(30, 3600),))
    isolated(bench, 40)
    _all_released(bench, _wave(bench), 40)
    sent = [each for each in bench.ledger.intents() if each.order.kind is IntentKind.RELEASE]
    assert max((each.changed_at - each.called_at).total_seconds() for each in sent) < POLICY.deadline_s


def test_what_an_earlier_attempt_did_is_counted_from_the_ledger() -> None:
    bench = bench_of()
    isolated(bench, 3)
    _wave(bench)
    bench.clock.advance(100)
    now = bench.clock.monotonic()
    writes, reads = calls_before(bench.tools, RUN, DEFENDER, now=now)
    assert len(writes) == 3
    assert all(100 < now - each <= 106 for each in writes)
    assert len(reads) >= bench.vendor.reads.calls
    bench.clock.advance(3600)
    assert calls_before(bench.tools, RUN, DEFENDER, now=now + 3600) == ([], [now + 3600])


def test_the_real_ledger_tells_the_same(tmp_path: Path) -> None:
    bench = bench_of(_sqlite(tmp_path), (Pace(20, 60),))
    isolated(bench, 6, age_s=7200)
    bench.vendor.machines["m2"].settles_s = None
    report = _wave(bench)
    assert report.counts[WaveOutcome.RELEASED_NOW] == 5
    assert report.counts[WaveOutcome.UNKNOWN] == 1
    assert _outcomes(wave_report(bench.ledger, RUN)) == _outcomes(report)


def test_twelve_hosts_over_the_fake_defender(tmp_path: Path) -> None:
    estate = Estate(tuple(EstateHost(f"{n:032x}", f"WS{n:02}.corp.example") for n in range(12)), (), ())
    backend = next(each for each in BACKENDS if each.name is EdrName.DEFENDER)
    with running(backend, estate) as up:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite", clock=up.clock)
        tools = Tools(edr=up.edr, ledger=ledger, sleep=up.clock.sleep, clock=up.clock)
        for number, machine in enumerate(up.fake.machines):
            up.fake.record("Isolate", machine["id"], created=up.clock.now, ended=up.clock.now)
            order = isolate_order(number, host_id=machine["id"], hostname=machine["computerDnsName"])
            called = ledger.calling(ledger.begin(order, WIDE, quiet_s=1.0))
            ledger.move(called, IntentState.VERIFIED, detail="seen", by="playbook", lease_s=86_400.0)
        up.clock.advance(600)
        leases = ledger.leases(run_id=RUN)
        report = release_wave(
            leases, tools, policy=POLICY, by="ann", why="a mistake", run_id=RUN, monotonic=up.clock.monotonic
        )
        assert report.counts[WaveOutcome.RELEASED_NOW] == len(report.hosts) == 12
        assert up.fake.calls["unisolate"] == 12
        assert up.fake.calls["isolate"] == 0
        assert ledger.leases() == []
        # Run again, it finds nothing to do.
        again = release_wave(
            ledger.leases(run_id=RUN), tools, policy=POLICY, by="ann", why="a mistake", run_id=RUN
        )
        assert again.complete
        assert up.fake.calls["unisolate"] == 12
