"""A host read anew: exactly the agent that is meant, or a problem."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.host_state import MOST_TIMES, apart, read_host
from connectors.errors import AmbiguousHost, ConnectorError, HostNotFound, NotSupported, TimedOut
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from tests.case_builders import HOST, HOST_ID, after, host

STATUS = IsolationStatus(state=IsolationState.NOT_ISOLATED, how_known=HowKnown.OBSERVED, as_of=after(0))


class Answering:
    """Answers a look-up by name and a reading of the state, or raises."""

    name = "defender"

    def __init__(self, agent: HostRef | ConnectorError, status: IsolationStatus | ConnectorError) -> None:
        self._agent = agent
        self._status = status
        self.read: list[str] = []

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        if isinstance(self._agent, ConnectorError):
            raise self._agent
        return self._agent

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        self.read.append(host.host_id)
        if isinstance(self._status, ConnectorError):
            raise self._status
        return self._status


@pytest.mark.parametrize("name", [HOST, "ws01", "WS01.CORP.EXAMPLE."])
@pytest.mark.parametrize("host_id", ["", HOST_ID])
def test_the_agent_and_its_state(name: str, host_id: str) -> None:
    edr = Answering(host(), STATUS)
    assert read_host(edr, hostname=name, host_id=host_id) == (host(), (), STATUS, "")  # type: ignore[arg-type]
    assert edr.read == [HOST_ID]


@pytest.mark.parametrize(
    ("agent", "host_id", "words"),
    [
        (
            host().model_copy(update={"host_id": "agent-02"}),
            HOST_ID,
            "was the agent agent-01 and is agent-02",
        ),
        (
            host().model_copy(update={"hostname": "WS010.corp.example"}),
            "",
            "where WS01.corp.example was asked",
        ),
        (
            host().model_copy(update={"hostname": "WS01.other.example"}),
            HOST_ID,
            "where WS01.corp.example was",
        ),
    ],
)
def test_another_machine_is_never_taken(agent: HostRef, host_id: str, words: str) -> None:
    edr = Answering(agent, STATUS)
    reading = read_host(edr, hostname=HOST, host_id=host_id)  # type: ignore[arg-type]
    assert reading.agent is None
    assert reading.status is None
    assert len(reading.candidates) == 2
    assert words in reading.problem
    assert edr.read == []


def test_two_of_one_name_are_both_named_even_where_one_has_the_id() -> None:
    both = ("WS01.a (agent-01)", "WS01.b (agent-02)")
    edr = Answering(AmbiguousHost("defender", "two hosts have this name", candidates=both), STATUS)
    reading = read_host(edr, hostname=HOST, host_id=HOST_ID)  # type: ignore[arg-type]
    assert (reading.agent, reading.candidates) == (None, both)
    assert reading.problem == "defender: two hosts have this name."


@pytest.mark.parametrize("error", [HostNotFound("defender", "no host"), TimedOut("defender", "no answer.")])
def test_a_look_up_that_fails_is_a_problem(error: ConnectorError) -> None:
    reading = read_host(Answering(error, STATUS), hostname=HOST)  # type: ignore[arg-type]
    assert reading.agent is None
    assert reading.problem.startswith("defender: no")
    assert reading.problem.endswith(".")
    assert not reading.problem.endswith("..")


def test_a_state_that_cannot_be_read_leaves_the_agent() -> None:
    edr = Answering(host(), NotSupported("defender", "cannot tell"))
    reading = read_host(edr, hostname=HOST)  # type: ignore[arg-type]
    assert (reading.agent, reading.status) == (host(), None)
    assert reading.problem == "defender: cannot tell."


def test_a_host_without_a_name_is_not_looked_up() -> None:
    assert read_host(Answering(host(), STATUS), hostname="").agent is None  # type: ignore[arg-type]


class Remembering(Answering):
    """Knows the addresses of a host around a time, and at another time perhaps another agent of its name."""

    def __init__(self, others: dict[datetime, HostRef]) -> None:
        super().__init__(host(), STATUS)
        self._others = others
        self.asked: list[datetime | None] = []

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        self.asked.append(at)
        if at in self._others:
            return self._others[at]
        number = len(self.asked)
        seen = AddressSeen(ip=f"10.0.0.{number}", first_seen=at, last_seen=at)
        return host().model_copy(update={"addresses": (seen,)})


def test_addresses_of_each_time_are_joined() -> None:
    edr = Remembering({})
    times = [after(0), after(300), after(7200)]
    reading = read_host(edr, hostname=HOST, at=times)  # type: ignore[arg-type]
    assert edr.asked == [after(7200), after(300)], "times close to each other are one"
    assert reading.agent is not None
    assert [each.ip for each in reading.agent.addresses] == ["10.0.0.1", "10.0.0.2"]


def test_another_agent_at_another_time_is_ambiguous() -> None:
    earlier = host().model_copy(update={"host_id": "agent-02"})
    reading = read_host(Remembering({after(0): earlier}), hostname=HOST, at=[after(0), after(7200)])  # type: ignore[arg-type]
    assert reading.agent is None
    assert reading.candidates == (f"{HOST} ({HOST_ID})", f"{HOST} (agent-02)")


@given(st.lists(st.integers(0, 200_000).map(after), max_size=40))
def test_times_apart(times: list[datetime]) -> None:
    chosen = apart(times)
    assert len(chosen) <= MOST_TIMES
    assert all(one - two > timedelta(minutes=10) for one, two in pairwise(chosen))
    if len(chosen) < MOST_TIMES:
        assert all(
            any(timedelta(0) <= each - when <= timedelta(minutes=10) for each in chosen) for when in times
        )
