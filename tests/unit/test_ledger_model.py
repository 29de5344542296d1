"""Orders in any sequence: the ledger says what a small model over lists says, which counts all anew."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.ledger import (
    ACTIVE_STATES,
    NEXT_STATES,
    CapLimits,
    HostKey,
    Intent,
    IntentKind,
    IntentState,
    Order,
)
from connectors.state import audit
from connectors.state.ledger import Refused, Stale, Why
from connectors.state.sqlite_ledger import SqliteLedger
from tests.http_clients import START, Clock
from tests.ledger_builders import DAY_S, HOUR_S, LEASE_S, order

HOSTS = [HostKey("defender", f"agent-{number}") for number in range(3)]
CAPS = CapLimits(per_run=3, per_hour=3, per_day=4, per_site_per_day=3)
MOST = 2

ISOLATE, RELEASE = IntentKind.ISOLATE, IntentKind.RELEASE
UNKNOWN, FAILED, VERIFIED = IntentState.UNKNOWN, IntentState.FAILED, IntentState.VERIFIED


class Known(NamedTuple):
    """An intent as the model knows it; times in seconds since the start."""

    host: HostKey
    kind: IntentKind
    run_id: str
    site: str
    state: IntentState
    requested: float
    called: bool = False
    changed: float = 0.0
    beside: int | None = None  #: the release that supersedes it

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_STATES


class Model:
    """What is known, as plain lists."""

    def __init__(self) -> None:
        self.intents: list[Known] = []
        self.leased: set[HostKey] = set()
        self.released: dict[HostKey, float] = {}
        self.fruitless_in_a_row = 0
        self.breaker_open = False
        self.killed = False

    def at(self, host: HostKey) -> int | None:
        """Where the active intent of a host is, the release where it supersedes an isolation."""
        found = [
            number
            for number, each in enumerate(self.intents)
            if each.host == host and each.active and each.beside is None
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def counted(self, now: float) -> dict[str, list[Known]]:
        all_ = [each for each in self.intents if each.kind is ISOLATE and (each.active or each.called)]
        day = [each for each in all_ if each.requested > now - DAY_S]
        return {"all": all_, "day": day, "hour": [each for each in day if each.requested > now - HOUR_S]}

    def refusal(self, wanted: Order, now: float) -> Why | None:
        active = self.at(wanted.host)
        if wanted.kind is RELEASE:
            if active is not None:
                given_up = self.intents[active]
                if not (wanted.by_person and given_up.kind is ISOLATE and given_up.state is UNKNOWN):
                    return Why.ACTIVE_INTENT
                return None
            return None if wanted.foreign or wanted.host in self.leased else Why.NOT_OURS
        fruitless = [
            each.changed
            for each in self.intents
            if each.host == wanted.host
            and each.kind is ISOLATE
            and each.called
            and each.state in (FAILED, IntentState.EXPIRED)
        ]
        counted = self.counted(now)
        released = self.released.get(wanted.host)
        for why, stands in (
            (Why.KILL_SWITCH, self.killed),
            (Why.BREAKER, self.breaker_open),
            (Why.ACTIVE_INTENT, active is not None),
            (Why.ACTIVE_LEASE, wanted.host in self.leased),
            (Why.FRUITLESS, not wanted.by_person and any(at > now - DAY_S for at in fruitless)),
            (
                Why.RELEASED_RECENTLY,
                not wanted.by_person and released is not None and released > now - DAY_S,
            ),
            (Why.CAP_PER_RUN, sum(each.run_id == wanted.run_id for each in counted["all"]) >= 3),
            (Why.CAP_PER_HOUR, len(counted["hour"]) >= 3),
            (Why.CAP_PER_DAY, len(counted["day"]) >= 4),
            (Why.CAP_PER_SITE, sum(each.site == wanted.site for each in counted["day"]) >= 3),
        ):
            if stands:
                return why
        return None

    def begin(self, wanted: Order, now: float) -> None:
        active = self.at(wanted.host)
        if active is not None:
            self.intents[active] = self.intents[active]._replace(beside=len(self.intents))
        self.intents.append(
            Known(wanted.host, wanted.kind, wanted.run_id, wanted.site, IntentState.REQUESTED, now)
        )

    def end(self, number: int, state: IntentState, now: float) -> None:
        known = self.intents[number]
        self.intents[number] = known._replace(state=state, changed=now, beside=None)
        for at, each in enumerate(self.intents):
            if each.beside == number and each.active and state not in ACTIVE_STATES:
                over = each._replace(state=FAILED, changed=now) if state is VERIFIED else each
                self.intents[at] = over._replace(beside=None)
        if known.kind is ISOLATE and state is VERIFIED:
            self.fruitless_in_a_row = 0
            self.leased.add(known.host)
        elif known.kind is RELEASE and state is VERIFIED:
            self.leased.discard(known.host)
            self.released[known.host] = max(now, self.released.get(known.host, now))
        elif known.kind is ISOLATE and known.called and known.state is not UNKNOWN and state in NEXT_END:
            self.fruitless_in_a_row += 1
            self.breaker_open |= self.fruitless_in_a_row >= MOST


NEXT_END = (FAILED, IntentState.EXPIRED, UNKNOWN)

host = st.sampled_from(HOSTS)
orders = st.builds(
    lambda of, kind, run, site, by_person, foreign: order(
        kind, host=of, run_id=run, site=site, by_person=by_person, foreign=foreign
    ),
    host,
    st.sampled_from([ISOLATE, ISOLATE, RELEASE]),
    st.sampled_from(["run-a", "run-b"]),
    st.sampled_from(["hq", "north"]),
    st.booleans(),
    st.booleans(),
)
steps = st.one_of(
    orders,
    orders,
    st.tuples(st.just("call"), host),
    st.tuples(st.just("move"), host, st.sampled_from(sorted(IntentState))),
    # A whole life in one step, so that short sequences come far.
    st.tuples(st.just("live"), orders, st.sampled_from([VERIFIED, FAILED, UNKNOWN, IntentState.EXPIRED])),
    st.tuples(st.just("overtake"), host),
    st.tuples(st.just("beside"), host, st.sampled_from([VERIFIED, FAILED, IntentState.EXPIRED])),
    st.tuples(st.just("wait"), st.sampled_from([60.0, HOUR_S, DAY_S, -HOUR_S])),
    st.tuples(st.just("kill"), st.booleans()),
    st.just(("close",)),
)


class Both:
    """The ledger and the model, side by side."""

    def __init__(self, folder: str) -> None:
        self.clock = Clock()
        self.ledger = SqliteLedger(Path(folder) / "l.sqlite", clock=self.clock, breaker_failures=MOST)
        self.model = Model()

    @property
    def now(self) -> float:
        return (self.clock.now - START).total_seconds()

    def active(self, of: HostKey) -> Intent | None:
        return self.ledger.standing(of).intent

    def order(self, wanted: Order) -> bool:
        expected = self.model.refusal(wanted, self.now)
        if expected is not None:
            with pytest.raises(Refused) as refused:
                self.ledger.begin(wanted, CAPS, quiet_s=DAY_S)
            assert refused.value.why is expected
            return False
        self.ledger.begin(wanted, CAPS, quiet_s=DAY_S)
        self.model.begin(wanted, self.now)
        return True

    def call(self, of: HostKey) -> None:
        intent, number = self.active(of), self.model.at(of)
        if intent is None or number is None:
            assert intent is None
            assert number is None
            return
        known = self.model.intents[number]
        may = known.state is IntentState.REQUESTED and not known.called
        stopped = self.model.killed and known.kind is ISOLATE
        if may and not stopped:
            self.ledger.calling(intent)
            self.model.intents[number] = known._replace(called=True)
            return
        with pytest.raises(Refused if may else Stale):
            self.ledger.calling(intent)
        if may:
            self.model.end(number, FAILED, self.now)

    def move(self, of: HostKey, state: IntentState) -> None:
        intent, number = self.active(of), self.model.at(of)
        if intent is None or number is None:
            return
        known = self.model.intents[number]
        proofless = (IntentState.ACCEPTED, IntentState.PENDING, VERIFIED)
        may = state in NEXT_STATES[known.state] and (known.called or state not in proofless)
        if not may:
            with pytest.raises(ValueError, match="cannot"):
                self.ledger.move(intent, state, detail="", by="settle", lease_s=LEASE_S)
            return
        self.ledger.move(intent, state, detail="", by="settle", lease_s=LEASE_S)
        self.model.end(number, state, self.now)

    def beside(self, of: HostKey, state: IntentState) -> None:
        """A reading settles the isolation that a release supersedes."""
        left = [each for each in self.ledger.intents(active=True, host=of) if each.superseded_by]
        known = [
            at
            for at, each in enumerate(self.model.intents)
            if each.host == of and each.active and each.beside is not None
        ]
        assert len(left) == len(known) <= 1
        for intent, number in zip(left, known, strict=True):
            self.ledger.move(intent, state, detail="", by="settle", lease_s=LEASE_S)
            self.model.end(number, state, self.now)

    def step(self, step: Order | Sequence[object]) -> None:
        match step:
            case Order():
                self.order(step)
            case ("call", HostKey() as of):
                self.call(of)
            case ("move", HostKey() as of, IntentState() as state):
                self.move(of, state)
            case ("live", Order() as wanted, IntentState() as state):
                if self.order(wanted):
                    self.call(wanted.host)
                    self.move(wanted.host, state)
            case ("overtake", HostKey() as of):
                if self.order(order(host=of, by_person=True)):
                    self.call(of)
                    self.move(of, UNKNOWN)
                    self.order(order(RELEASE, host=of, by_person=True))
                    self.call(of)
            case ("beside", HostKey() as of, IntentState() as state):
                self.beside(of, state)
            case ("wait", float(seconds)):
                self.clock.advance(seconds)
            case ("kill", bool(on)):
                self.ledger.set_kill_switch(on=on, by="ann", why="")
                self.model.killed = on
            case _:
                self.ledger.close_breaker(by="ann", why="")
                self.model.breaker_open, self.model.fruitless_in_a_row = False, 0

    def agree(self) -> None:
        model, counted = self.model, self.model.counted(self.now)
        for of in HOSTS:
            standing = self.ledger.standing(of, run_id="run-a", site="hq")
            assert (standing.in_run, standing.in_hour, standing.in_day, standing.at_site_in_day) == (
                sum(each.run_id == "run-a" for each in counted["all"]),
                len(counted["hour"]),
                len(counted["day"]),
                sum(each.site == "hq" for each in counted["day"]),
            )
            number = model.at(of)
            assert (standing.intent is None) == (number is None)
            if standing.intent is not None and number is not None:
                assert standing.intent.state is model.intents[number].state
            assert (standing.lease is not None) == (of in model.leased)
            released = model.released.get(of)
            assert standing.last_release_at == (
                None if released is None else START + timedelta(seconds=released)
            )
            assert (standing.breaker_open, standing.kill_switch) == (model.breaker_open, model.killed)
        assert [each.state for each in self.ledger.intents()] == [each.state for each in model.intents]
        assert self.ledger.breaker().failures == model.fruitless_in_a_row
        assert audit.verify(self.ledger.audit(), head=self.ledger.head()).ok


@given(st.lists(steps, max_size=24))
def test_the_ledger_does_what_the_model_does(sequence: list[Order | tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        both = Both(folder)
        for step in sequence:
            both.step(step)
        both.agree()
