"""`release` of one host and of a run, `status` and `reconcile` over a vendor's fake, by the real commands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.facts.host import HostRef, HostType
from connectors.facts.isolation import IsolationState
from connectors.facts.ledger import HostKey, IntentKind, IntentState
from playbooks.hosts.commands import isolation_tools
from tests.cli_isolation_bench import ANALYST, Bench, bench
from tests.estate import EstateHost, host_id_of
from tests.ledger_builders import ended, isolated, order

WHY = ("--why", "a wrong threshold")
RUN = "run-20260924T074100Z-1a2b"
NAMES = (
    "ws02.corp.example",
    "ws02.lab.example",
    "ws03.corp.example",
    "ws04.corp.example",
    "ws05.corp.example",
)


@pytest.fixture
def place(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
    examples: Path,
) -> Iterator[Bench]:
    more = [EstateHost(host_id_of(each), each, HostType.WORKSTATION) for each in NAMES]
    with bench(monkeypatch, capfdbinary, tmp_path, examples, more=more) as made:
        yield made


def agent(place: Bench, name: str) -> HostRef:
    with place.edr() as edr:
        return edr.resolve_host(hostname=name)


def contained(place: Bench, *names: str, ours: bool = True, run_id: str = RUN) -> list[HostRef]:
    """Hosts that are isolated at the vendor, and, where they are ours, in the ledger."""
    found = []
    with place.edr() as edr:
        for name in names:
            host = edr.resolve_host(hostname=name)
            edr.isolate(host, comment="", idempotency_key=name)
            while edr.get_isolation(host).state is not IsolationState.ISOLATED:
                place.clock.advance(1)
            if ours:
                key = HostKey(host.connector, host.host_id)
                isolated(
                    place.ledger, order(host=key, hostname=host.hostname, run_id=run_id, case_id="case-1")
                )
            found.append(host)
    place.clock.advance(600)
    return found


def released(place: Bench) -> int:
    return sum(each.command == "unisolate" for each in place.fake.actions)


class TestRelease:
    def test_by_name_case_agent_and_order(self, place: Bench) -> None:
        hosts = contained(place, *NAMES[2:])
        lease = place.ledger.leases()[1]
        for target in ("ws03", lease.intent_id, hosts[2].host_id):
            found = place.json("release", target, *WHY)["result"]
            assert found["outcome"] == "released"
        assert (list(place.ledger.leases()), released(place)) == ([], 3)
        *_, last = place.ledger.intents()
        assert (last.order.by, last.order.by_person, last.order.kind) == (ANALYST, True, IntentKind.RELEASE)

    def test_an_ambiguous_name_is_refused_with_its_candidates(self, place: Bench) -> None:
        hosts = contained(place, *NAMES[:2])
        result = place.call("release", "WS02", *WHY)
        assert (result.code, released(place)) == (2, 0)
        for each in hosts:
            assert each.host_id in result.err
        assert place.call("release", "case-1", *WHY).code == 2
        assert place.call("release", "ws02.lab.example", *WHY).code == 0
        (left,) = place.ledger.leases()
        assert left.hostname == "ws02.corp.example"

    def test_what_is_not_ours_is_left_unless_named(self, place: Bench) -> None:
        contained(place, "ws03.corp.example", ours=False)
        result = place.call("release", "ws03", *WHY)
        assert (result.code, "--not-ours" in result.err, released(place)) == (2, True, 0)
        done = place.json("release", "ws03", "--not-ours", *WHY)
        assert (done["result"]["outcome"], released(place)) == ("released", 1)

    def test_a_name_of_two_machines_is_never_released_as_not_ours(self, place: Bench) -> None:
        contained(place, *NAMES[:2], ours=False)
        result = place.call("release", "ws02", "--not-ours", *WHY)
        assert (result.code, released(place)) == (1, 0)
        assert "Candidates" in result.err

    def test_a_kill_switch_stops_no_release(self, place: Bench) -> None:
        contained(place, "ws03.corp.example")
        place.call("kill-switch", "on", "--why", "x")
        assert place.call("release", "ws03", *WHY).code == 0

    def test_a_release_that_is_not_seen_ends_with_1_and_is_followed_and_not_sent_again(
        self, place: Bench
    ) -> None:
        contained(place, "ws03.corp.example")
        place.fake.settle_after = None
        result = place.call("release", "ws03", *WHY)
        assert (result.code, released(place)) == (1, 1)
        place.fake.settle_after = 1
        while place.read("ws03.corp.example") is not IsolationState.NOT_ISOLATED:
            place.clock.advance(1)
        again = place.call("release", "ws03", *WHY)
        assert (again.code, released(place)) == (0, 1), again.out
        assert not place.ledger.leases()

    def test_an_isolation_of_unknown_outcome_can_be_released(self, place: Bench) -> None:
        (host,) = contained(place, "ws03.corp.example", ours=False)
        key = HostKey(host.connector, host.host_id)
        ended(place.ledger, IntentState.UNKNOWN, order(host=key, hostname=host.hostname, run_id=RUN))
        assert place.call("release", "ws03", *WHY).code == 0
        assert released(place) == 1
        assert not place.ledger.intents(active=True)

    def test_bad_input_sends_nothing(self, place: Bench) -> None:
        contained(place, "ws03.corp.example")
        for wrong in (
            (),
            ("ws03",),
            ("ws03", "--run", RUN, *WHY),
            ("--run", RUN, "--not-ours", *WHY),
            ("nobody", *WHY),
            ("--run", "run-0", *WHY),
        ):
            result = place.call("release", *wrong)
            assert (result.code, result.out, released(place)) == (2, "", 0)


class TestRun:
    def test_every_host_of_the_run_is_released_and_no_other(self, place: Bench) -> None:
        contained(place, *NAMES[:3])
        contained(place, "ws05.corp.example", run_id="run-other")
        result = place.call("release", "--run", RUN, *WHY)
        assert (result.code, released(place)) == (0, 3), result.err
        assert "3 hosts: 3 released" in result.out
        assert "3 of 3 hosts done" in result.err
        (left,) = place.ledger.leases()
        assert left.hostname == "ws05.corp.example"
        again = place.json("release", "--run", RUN, *WHY)
        assert (again["complete"], len(again["hosts"]), released(place)) == (True, 3, 3)

    def test_interrupted_it_goes_on_where_it_was_and_sends_nothing_twice(
        self, place: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contained(place, *NAMES)
        with monkeypatch.context() as patched:

            def interrupted(_: float) -> None:
                raise KeyboardInterrupt

            patched.setattr(isolation_tools, "_pause", interrupted)
            result = place.call("release", "--run", RUN, *WHY)
        assert result.code == 130
        assert "the same command goes on" in result.err
        assert f"--run {RUN}" in result.err
        assert place.ledger.leases()
        done = place.json("release", "--run", RUN, *WHY)
        assert done["complete"] is True
        assert {each["hostname"] for each in done["hosts"]} == set(NAMES)
        assert (released(place), list(place.ledger.leases())) == (len(NAMES), [])

    def test_a_host_that_stays_isolated_ends_with_1_and_is_named(self, place: Bench) -> None:
        contained(place, *NAMES[2:4])
        place.fake.fails = True
        found = place.json("release", "--run", RUN, *WHY, code=1)
        assert found["complete"] is False
        assert {each["outcome"] for each in found["hosts"]} == {"failed"}
        assert len(place.ledger.leases()) == 2


class TestStatus:
    def test_it_lists_what_stands_by_the_ledger_and_reads_where_asked(self, place: Bench) -> None:
        contained(place, "ws03.corp.example", "ws04.corp.example")
        calls = sum(place.fake.calls.values())
        shown = place.call("status")
        assert (shown.code, sum(place.fake.calls.values())) == (0, calls)
        assert "ws03.corp.example" in shown.out
        assert "isolated (ledger)" in shown.out
        read = place.call("status", "--read")
        assert (read.code, "isolated (observed)" in read.out) == (0, True)
        released_by_another(place, "ws04.corp.example")
        assert place.call("status", "--read").code == 1
        assert len(place.ledger.leases()) == 2

    def test_an_edr_without_a_secret_is_told_for_each_host(
        self, place: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contained(place, "ws03.corp.example")
        for name in [each for each in os.environ if each.startswith("REGSVCS_RESPONSE_")]:
            monkeypatch.delenv(name)
        result = place.call("status", "--read")
        assert (result.code, "REGSVCS_RESPONSE_ELASTIC" in result.out) == (1, True)
        assert place.call("status").code == 0

    def test_what_is_not_finished_or_asked_is_told_with_what_to_do(self, place: Bench) -> None:
        assert "no isolation of ours stands" in place.call("status").out
        case_id = place.run()["case_id"]
        host = agent(place, "ws03.corp.example")
        key = HostKey(host.connector, host.host_id)
        intent = ended(place.ledger, IntentState.UNKNOWN, order(host=key, hostname="ws03\x1b[31m"))
        result = place.call("status")
        assert intent.intent_id in result.out
        assert "close-intent" in result.out
        assert f"approve {case_id}" in result.out
        assert "\x1b" not in result.out
        found = place.json("status")
        assert [each["intent_id"] for each in found["unfinished"]] == [intent.intent_id]


class TestReconcile:
    def test_all_in_order_is_said(self, place: Bench) -> None:
        contained(place, "ws03.corp.example")
        result = place.call("reconcile")
        assert (result.code, "agree" in result.out) == (0, True), result.out

    def test_strays_both_ways_are_told_and_nothing_is_sent(self, place: Bench) -> None:
        contained(place, "ws03.corp.example")
        contained(place, "ws04.corp.example", ours=False)
        released_by_another(place, "ws03.corp.example")
        sent = len(place.fake.actions)
        result = place.call("reconcile")
        assert result.code == 1
        assert "isolated and not ours: ws04.corp.example" in result.out
        assert "released by somebody else: ws03.corp.example" in result.out
        assert (list(place.ledger.leases()), len(place.fake.actions)) == ([], sent)
        (stray,) = place.json("reconcile", code=1)["strays"]
        assert stray["hostname"] == "ws04.corp.example"

    def test_an_order_whose_run_died_is_settled_by_reading(self, place: Bench) -> None:
        (host,) = contained(place, "ws03.corp.example", ours=False)
        key = HostKey(host.connector, host.host_id)
        ended(place.ledger, IntentState.UNKNOWN, order(host=key, hostname=host.hostname))
        sent = len(place.fake.actions)
        place.clock.advance(5)
        found = json.loads(place.call("reconcile", "--json").out)
        assert [each["kind"] for each in found["settled"]] == ["isolate"]
        assert len(place.fake.actions) == sent


def released_by_another(place: Bench, name: str) -> None:
    """Release a host past the ledger."""
    with place.edr() as edr:
        host = edr.resolve_host(hostname=name)
        edr.release(host, comment="", idempotency_key=f"{name} back")
        while edr.get_isolation(host).state is not IsolationState.NOT_ISOLATED:
            place.clock.advance(1)
    place.clock.advance(600)
