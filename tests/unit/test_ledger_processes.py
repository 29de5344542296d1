"""Eight processes at once: no host has two orders, no order two callers, and the caps are exact."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.facts.ledger import CapLimits, HostKey, IntentState
from connectors.state import audit
from connectors.state.ledger import Refused, Stale
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from tests.ledger_builders import DAY_S, LEASE_S, WIDE, begun, forked, joined, order, question

PROCESSES = 8

#: Seconds to wait for the others: a busy machine must not fail the test.
WAIT_S = 60.0


def opened(folder: Path) -> SqliteLedger:
    return SqliteLedger(folder / FILE_NAME, wait_s=WAIT_S, breaker_failures=10_000)


def hosts(number: int) -> list[HostKey]:
    return [HostKey("defender", f"agent-{each}") for each in range(number)]


def at_once(work: Callable[[int], int]) -> None:
    """Do this in eight processes that start together; each has to return 0."""
    ready, go = os.pipe()
    children = []
    for number in range(PROCESSES):

        def in_child(number: int = number) -> int:
            os.close(go)
            os.read(ready, 1)  # until the parent closes its end
            return work(number)

        children.append(forked(in_child))
    os.close(ready)
    os.close(go)
    assert [joined(child) for child in children] == [0] * PROCESSES


def say(folder: Path, word: str, subject: str) -> None:
    """Tell the test, in one write that no other process's can be in the middle of."""
    handle = os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, f"{json.dumps([word, subject])}\n".encode())
    os.close(handle)


def said(folder: Path) -> list[tuple[str, str]]:
    return [tuple(json.loads(line)) for line in (folder / "said").read_text().splitlines()]


def overlapping(folder: Path, *, cases: int, machines: int, caps: CapLimits, seed: int) -> None:
    """Each process works through cases on the same hosts, in an order of its own."""

    def work(number: int) -> int:
        ledger, chance = opened(folder), random.Random(seed + number)  # noqa: S311
        turn = chance.sample(hosts(machines), machines)
        for case in range(number, cases, PROCESSES):
            host = turn[case // PROCESSES % machines]
            wanted = order(host=host, run_id=f"run-{case % 5}", case_id=f"case-{case}")
            try:
                intent = ledger.begin(wanted, caps, quiet_s=DAY_S)
            except Refused:
                continue
            say(folder, "begun", wanted.host_id)
            intent = ledger.calling(intent)
            say(folder, "called", wanted.host_id)
            state = chance.choice([IntentState.VERIFIED, IntentState.UNKNOWN])
            ledger.move(intent, state, detail="", by="playbook", lease_s=LEASE_S)
        return 0

    at_once(work)


def check(folder: Path, *, caps: CapLimits) -> Counter[str]:
    """What has to hold afterwards; how often each host was called."""
    ledger = opened(folder)
    calls = Counter(host for word, host in said(folder) if word == "called")
    assert max(calls.values()) == 1  # each ended verified or unknown: the host stays closed
    intents = ledger.intents()
    assert Counter(each.order.host_id for each in intents) == calls
    runs = Counter(each.order.run_id for each in intents)
    assert caps.per_run is not None
    assert max(runs.values()) <= caps.per_run
    assert caps.per_day is not None
    assert len(intents) <= caps.per_day
    verdict = audit.verify(ledger.audit(), head=ledger.head())
    assert verdict.ok, verdict.problem
    events = Counter(line.event for line in ledger.audit())
    assert events["intent_requested"] == events["intent_calling"] == len(intents)
    return calls


@pytest.mark.parametrize("per_day", [7, 1000])
def test_processes_share_hosts_and_caps(per_day: int, tmp_path: Path) -> None:
    caps = CapLimits(per_run=1000, per_hour=1000, per_day=per_day)
    overlapping(tmp_path, cases=80, machines=10, caps=caps, seed=1)
    calls = check(tmp_path, caps=caps)
    assert len(calls) == min(per_day, 10)  # as many as may be, and no more


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(0, 500, 100))
@pytest.mark.parametrize("per_day", [25, 1000])
def test_two_hundred_cases_on_forty_hosts(per_day: int, seed: int, tmp_path: Path) -> None:
    caps = CapLimits(per_run=6, per_hour=1000, per_day=per_day)
    overlapping(tmp_path, cases=200, machines=40, caps=caps, seed=seed)
    check(tmp_path, caps=caps)


def test_one_process_wins_each_call(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    intents = [begun(ledger, order(host=host)) for host in hosts(10)]

    def work(number: int) -> int:
        own = opened(tmp_path)
        for each in [*intents[number:], *intents[:number]]:
            try:
                own.calling(each)
            except Stale:
                continue
            say(tmp_path, "called", each.intent_id)
        return 0

    at_once(work)
    assert sorted(said(tmp_path)) == sorted(("called", each.intent_id) for each in intents)


def test_one_answer_counts_and_one_order_uses_it(tmp_path: Path) -> None:
    def work(number: int) -> int:
        own = opened(tmp_path)
        asked, new = own.ask(question(expires_in_s=3600))
        if new:
            say(tmp_path, "asked", asked.approval_id)
        answer = own.answer(asked.approval_id, approve=True, by=f"person {number}", why="")
        if answer is not None and answer.counted:
            say(tmp_path, "answered", asked.approval_id)
        try:
            own.begin(order(approval_id=asked.approval_id, by_person=True), WIDE, quiet_s=DAY_S)
        except Refused:
            return 0
        say(tmp_path, "begun", asked.approval_id)
        return 0

    at_once(work)
    words = Counter(word for word, _ in said(tmp_path))
    # Whoever comes after the approval was used up may ask anew; its host is taken by then.
    assert words["begun"] == 1
    assert words["asked"] == words["answered"] <= 2
    ledger = opened(tmp_path)
    assert len(ledger.intents()) == 1
    assert [each.used_by for each in ledger.approvals() if each.used_by] == [ledger.intents()[0].intent_id]
    assert audit.verify(ledger.audit(), head=ledger.head()).ok


def test_the_first_use_by_all_at_once_makes_one_ledger(tmp_path: Path) -> None:
    def work(number: int) -> int:
        opened(tmp_path / "new").note("noted", subject=str(number), by="ann", data={})
        return 0

    at_once(work)
    assert sorted(line.subject for line in opened(tmp_path / "new").audit()) == [
        str(n) for n in range(PROCESSES)
    ]
