"""Several analytics over plain Splunk: one checkpoint, and each group of each of them once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.profile_catalog import shipped_profiles
from connectors.errors import InputError, QueryFailed
from connectors.ports import Checkpoint
from connectors.siem.splunk import escu, escu_family
from connectors.siem.splunk.checkpoint import Kind, progresses_of, token_of_all
from connectors.siem.splunk.escu import EscuAnalytic
from connectors.siem.splunk.settings import NotablesFrom
from playbooks.detection_deployment import analytics_of
from tests.fakes.splunk_bench import Bench, bench
from tests.unit.test_splunk_escu import HOUR, Poller, event

BOTH = analytics_of(shipped_profiles())
REGASM, REGSVCS = sorted(BOTH, key=lambda each: each.title)


def poller(at: Bench, analytics: Sequence[EscuAnalytic] = BOTH) -> Poller:
    return Poller(at.again(notables_from=NotablesFrom.ESCU, analytics=analytics))


def test_each_shipped_profile_is_an_analytic_without_a_macro_and_each_program_of_one_too() -> None:
    assert {(each.title, each.process_name, each.filter_macro) for each in BOTH} == {
        ("Detect Regsvcs with Network Connection", "regsvcs.exe", ""),
        ("Detect Regasm with Network Connection", "regasm.exe", ""),
    }
    several = shipped_profiles()[0].model_copy(update={"process_names": ("a.exe", "b.exe")})
    assert [each.process_name for each in analytics_of([several])] == ["a.exe", "b.exe"]


def test_both_siblings_raise_under_their_own_names() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(1, -3000), event(2, -3000, process_name="RegAsm.exe")]
        both = poller(at)
        assert [both.poll(), both.poll()] == [2, 0]
    assert {(each.dest, each.search_name) for each in both.got} == {
        ("WS-1", REGSVCS.title),
        ("WS-2", REGASM.title),
    }


def test_every_program_of_a_profile_raises() -> None:
    profile = shipped_profiles()[0].model_copy(update={"process_names": ("regsvcs.exe", "other.exe")})
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(1, -3000), event(1, -3000, process_name="other.exe")]
        one = poller(at, analytics_of([profile]))
        assert [one.poll(), one.poll()] == [2, 0]
    assert len({each.event_id for each in one.got}) == 2


def test_one_that_is_added_later_begins_with_its_own_first_look() -> None:
    """Not with the others' place, where what is there now would be lost; nor does it move the others'."""
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(1, -3000), event(2, -3000, process_name="RegAsm.exe")]
        polling = poller(at, [REGSVCS])
        assert polling.poll() == 1
        at.clock.advance(60)
        polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=BOTH)
        assert [polling.poll(), polling.poll()] == [1, 0]
        assert polling.hosts == ["WS-1", "WS-2"]


def test_one_that_is_left_out_for_a_while_makes_up_for_what_it_missed() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        polling = poller(at)
        polling.poll()
        at.fake.connections = [event(n, n * HOUR, process_name="RegAsm.exe") for n in range(3)]
        polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=[REGSVCS])
        at.clock.advance(4 * HOUR)
        assert polling.poll() == 0
        polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=BOTH)
        assert [polling.poll(), polling.poll()] == [3, 0]


def test_the_limit_is_of_all_together_and_none_is_kept_from_its_turn() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(n, -3600 + n) for n in range(3)]
        at.fake.connections += [event(n, -3600 + n, process_name="RegAsm.exe") for n in range(3)]
        polling = poller(at)
        assert polling.poll(limit=3) == 3
        # The hour ends meanwhile: the first look that was still to come stays that of the hour before.
        at.clock.advance(HOUR)
        assert polling.poll(limit=3) == 3
        assert polling.poll(limit=3) == 0
    assert len({each.event_id for each in polling.got}) == 6


def test_one_that_fails_moves_nothing_on() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(1, -3000), event(2, -3000, process_name="RegAsm.exe")]
        polling = poller(at)
        bad = REGASM._replace(process_name="a | delete")
        polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=[REGSVCS, bad])
        with pytest.raises(InputError, match="process_name"):
            polling.poll()
        assert polling.token is None


def test_what_all_have_given_is_bounded_by_what_a_token_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escu, "MAX_PAGED", 5)
    with bench(notables_from=NotablesFrom.ESCU) as at:
        at.fake.connections = [event(n, -700 + n) for n in range(4)]
        at.fake.connections += [event(n, -700 + n, process_name="RegAsm.exe") for n in range(4)]
        with pytest.raises(QueryFailed, match="none was taken"):
            poller(at).poll()


def test_a_token_of_several_reads_back_and_others_are_refused() -> None:
    with bench(notables_from=NotablesFrom.ESCU) as at:
        polling = poller(at)
        polling.poll()
        assert polling.token is not None
        held = progresses_of(polling.token)
        assert set(held) == {escu_family.key_of(each) for each in BOTH}
        assert progresses_of(token_of_all(held)) == held
        assert all(each.kind is Kind.ESCU for each in held.values())
        for wrong in ("{}", '{"v":1,"kind":"notables"}', '{"v":1,"kind":"escu","polls":{"a":1}}'):
            with pytest.raises(InputError, match="checkpoint"):
                at.siem.fetch_notables(Checkpoint(wrong), limit=1)


@settings(max_examples=12)
@given(st.data())
def test_any_order_of_polls_restarts_and_profiles_gives_each_once(data: st.DataObject) -> None:
    events = [
        event(
            data.draw(st.integers(0, 3)),
            data.draw(st.integers(0, 5 * HOUR)),
            lag_s=data.draw(st.integers(0, 4 * HOUR)),
            process_name=data.draw(st.sampled_from(["RegSvcs.exe", "RegAsm.exe"])),
        )
        for _ in range(data.draw(st.integers(0, 20)))
    ]
    with bench(notables_from=NotablesFrom.ESCU) as at:
        polling = poller(at)
        polling.poll()
        at.fake.connections = events
        for _ in range(8):
            at.clock.advance(data.draw(st.integers(0, 2 * HOUR)))
            chosen = data.draw(st.sampled_from([BOTH, (REGSVCS,), (REGASM,), (REGASM, REGSVCS)]))
            polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=chosen)
            polling.poll(limit=data.draw(st.integers(1, 5)))
        polling.siem = at.again(notables_from=NotablesFrom.ESCU, analytics=BOTH)
        at.clock.advance(12 * HOUR)
        while polling.poll(limit=5):
            pass
    windows = {(each["dest"], each["process_name"], (each["_time"] - 3000) // HOUR) for each in events}
    assert len(polling.got) == len({each.event_id for each in polling.got}) == len(windows)
