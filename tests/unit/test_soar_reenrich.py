"""Cases looked at again: which, in what order, compared with what, and what a failure costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from soar_sdk.app_client import AppClient

from actions.case_facts import DestinationVerdict
from actions.isolation import IsolationVerdict
from actions.risk import CaseVerdict
from connectors.errors import ConfigError, InputError, Transient
from connectors.facts.notable import Notable
from connectors.siem.notable import parse_notables
from playbooks.case import CaseReport
from playbooks.case_findings import ungathered_cases
from playbooks.hosts.soar import case_states, container_notables, reenrich_case, sources
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.case_states import known_cases, matched
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import ReenrichRow
from playbooks.hosts.soar.params import ReenrichParams
from playbooks.hosts.soar.reenrich_case import Round, reenrich_round
from playbooks.reenrich import CaseState, DestinationState, ReenrichSettings, compare, state_text
from tests.playbook_runs import APPROVE
from tests.report_cases import malicious, undetermined
from tests.soar_app import run_action
from tests.soar_platform import Platform, soar_client

type Client = AppClient[Any]

NOW = datetime.now(UTC)
OPEN = ReenrichParams(scope="open cases")
THIS = ReenrichParams()
EMPTY = Asset.model_validate({})


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform().running() as running:
        yield running


@pytest.fixture(scope="module")
def client() -> Client:
    with Platform().running():
        return soar_client(container_id=1)


@pytest.fixture
def stealer(examples: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((examples / "stealer" / "notable.json").read_text())
    return found


@pytest.fixture
def asset(examples: Path) -> Asset:
    return Asset.model_validate({"sysmon_path": str(examples.resolve() / "stealer")})


def _at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def case(number: int) -> str:
    return f"case-{number:016x}"


def state(**fields: object) -> CaseState:
    looked_at = fields.get("looked_at", NOW - timedelta(hours=1))
    assert isinstance(looked_at, datetime)
    base: dict[str, object] = {
        "case_id": case(0),
        "first_at": looked_at - timedelta(hours=1),
        "looked_at": looked_at,
        "case_verdict": CaseVerdict.UNDETERMINED,
        "score": 80.0,
        "decision": IsolationVerdict.REFUSE,
    }
    return CaseState.model_validate({**base, **fields})


def forged(**fields: object) -> dict[str, object]:
    """A state that this app did not write."""
    return {"regsvcsState": json.dumps({**json.loads(state_text(state())), **fields})}


def keep_state(platform: Platform, container: int, kept: CaseState | str) -> int:
    text = kept if isinstance(kept, str) else state_text(kept)
    return platform.add_artifact(container, {"regsvcsState": text}, label="regsvcs_case")


def keep_rows(platform: Platform, rows: list[ReenrichRow]) -> None:
    """What the playbook does after a round."""
    for row in rows:
        if row.state:
            keep_state(platform, row.container_id, row.state)


def rounds_only(found: Round) -> list[ReenrichRow]:
    assert found.notes == ()
    return found.rows


class TestThisContainer:
    def test_first_look_and_the_next(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        (first,) = rounds_only(reenrich_round(THIS, client, asset))
        assert (first.container_id, first.changed, first.changes, first.stop) == (1, True, [], "")
        assert first.case_verdict == "malicious"
        (report,) = unpack(first.facts, CaseReport, field="facts")
        assert first.case_id == report.case_id
        keep_rows(platform, [first])
        (second,) = rounds_only(reenrich_round(THIS, client, asset))
        assert (second.changed, second.changes, second.stop) == (False, [], "")
        assert json.loads(second.state)["unchanged_rounds"] == 1
        assert json.loads(second.state)["first_at"] == json.loads(first.state)["first_at"]

    def test_rounds_are_counted_to_the_end(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        policy = asset.model_copy(update={"policy": "[reenrich]\nmax_unchanged_rounds = 2\n"})
        stops = []
        for _ in range(3):
            rows = rounds_only(reenrich_round(THIS, client, policy))
            keep_rows(platform, rows)
            stops += [row.stop for row in rows]
        assert stops == ["", "", "nothing changed in 2 rounds"]
        assert reenrich_round(OPEN, client, policy).rows == []

    def test_a_closed_container_is_looked_at_when_asked_for(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(status="Closed"), stealer)
        (row,) = rounds_only(reenrich_round(THIS, client, EMPTY))
        assert row.stop == "the case is closed"
        assert row.facts

    def test_it_has_no_notable(self, client: Client, platform: Platform) -> None:
        platform.add_container()
        with pytest.raises(InputError, match="container 1 has no artifact with a notable"):
            reenrich_round(THIS, client, EMPTY)

    def test_wrong_parameters_and_policy(self, client: Client, platform: Platform) -> None:
        with pytest.raises(InputError, match=r"scope: is no scope\. Use one of this container, open cases"):
            reenrich_round(ReenrichParams(scope="all"), client, EMPTY)
        with pytest.raises(InputError, match="caller_mode: is no mode"):
            reenrich_round(ReenrichParams(caller_mode="auto"), client, EMPTY)
        with pytest.raises(ConfigError, match="policy"):
            reenrich_round(THIS, client, Asset.model_validate({"policy": "="}))


class TestNothingIsLowered:
    """A log that was there at the first look is not there any more."""

    def test_a_case_whose_log_is_gone_keeps_its_verdict_and_name(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        (seen,) = reenrich_round(THIS, client, asset).rows
        keep_rows(platform, [seen])
        (blind,) = rounds_only(reenrich_round(THIS, client, EMPTY))
        assert blind.case_id == seen.case_id
        assert (blind.case_verdict, blind.score, blind.severity) == ("malicious", 100.0, "high")
        assert (blind.changed, blind.stop) == (False, "")
        assert blind.changes[0].startswith("not compared: known at the last look and not now: ")
        assert "host and process" in blind.changes[0]
        keep_rows(platform, [blind])
        (again,) = rounds_only(reenrich_round(THIS, client, asset))
        assert (again.case_id, again.changed, again.changes) == (seen.case_id, False, [])

    def test_a_case_whose_process_is_found_at_last_goes_on_under_its_new_name(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        (blind,) = reenrich_round(THIS, client, EMPTY).rows
        assert (blind.case_verdict, blind.changed) == ("undetermined", True)
        keep_rows(platform, [blind])
        (found,) = rounds_only(reenrich_round(THIS, client, asset))
        assert found.case_id != blind.case_id
        assert found.changed
        assert "verdict: undetermined before, malicious now" in found.changes
        assert json.loads(found.state)["first_at"] == json.loads(blind.state)["first_at"]
        keep_rows(platform, [found])
        (again,) = rounds_only(reenrich_round(THIS, client, asset))
        assert (again.case_id, again.changed) == (found.case_id, False)

    def test_why_there_is_no_telemetry_stands_in_the_report(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        (row,) = reenrich_round(THIS, client, Asset.model_validate({"sysmon_path": "/no/such/log"})).rows
        (report,) = unpack(row.facts, CaseReport, field="facts")
        assert "/no/such/log" in report.facts.problems[0].why


class TestOpenCases:
    def test_without_any_there_is_nothing_to_do(self, client: Client, platform: Platform) -> None:
        assert reenrich_round(OPEN, client, EMPTY) == ([], ())
        assert platform.requests == ["GET /rest/artifact"]

    def test_each_open_container_is_looked_at_the_longest_unseen_first(
        self,
        client: Client,
        platform: Platform,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for hours in (1, 3, 2):
            number = platform.add_container()
            platform.add_artifact(number, stealer)
            keep_state(platform, number, state(looked_at=NOW - timedelta(hours=hours)))
        assert [row.container_id for row in reenrich_round(OPEN, client, EMPTY).rows] == [2, 3, 1]
        monkeypatch.setattr(reenrich_case, "MAX_CONTAINERS", 2)
        found = reenrich_round(OPEN, client, EMPTY)
        assert [row.container_id for row in found.rows] == [2, 3]
        assert found.notes == ("1 container had no turn in this round and will be first in the next.",)

    def test_closed_gone_and_finished_ones(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        closed, resolved, finished, old = (
            platform.add_container(status=status) for status in ("closed", "Resolved", "open", "open")
        )
        for number in (closed, resolved, 99):
            keep_state(platform, number, state(case_verdict=CaseVerdict.SUSPICIOUS))
        keep_state(platform, finished, state(unchanged_rounds=10))
        keep_state(platform, old, state(first_at=NOW - timedelta(days=15)))
        rows = rounds_only(reenrich_round(OPEN, client, EMPTY))
        assert [(row.container_id, row.stop) for row in rows] == [
            (closed, "the case is closed"),
            (resolved, "the case is closed"),
            (99, "its container is gone"),
        ]
        for row in rows:
            assert (row.changed, row.changes, row.state, row.facts) == (False, [], "", "")
            assert (row.case_id, row.case_verdict, row.severity) == (case(0), "suspicious", "medium")
            assert row.question == "none"
        assert not any("GET /rest/container/3" in each for each in platform.requests)

    def test_one_that_fails_costs_the_others_nothing(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        numbers = [platform.add_container() for _ in range(3)]
        for number in numbers:
            platform.add_artifact(number, stealer if number != 2 else {"fileName": "x"})
            keep_state(
                platform, number, state(case_id=case(number), looked_at=NOW - timedelta(hours=9 - number))
            )

        def fails(request: httpx.Request) -> httpx.Response | None:
            return httpx.Response(500) if request.url.path == "/rest/container/3" else None

        platform.fails = fails
        rows = {row.container_id: row for row in rounds_only(reenrich_round(OPEN, client, EMPTY))}
        assert sorted(rows) == numbers
        assert rows[1].facts
        assert rows[2].changes[0].startswith("not looked at: dest: is missing")
        assert rows[3].changes == ["not looked at: soar: the platform answered 500"]
        for number in (2, 3):
            assert (rows[number].changed, rows[number].stop, rows[number].facts) == (False, "", "")
            kept = json.loads(rows[number].state)
            assert kept["case_id"] == case(number)
            assert kept["unchanged_rounds"] == 0
            assert datetime.fromisoformat(kept["looked_at"]) >= NOW
        keep_rows(platform, list(rows.values()))
        platform.fails = lambda _: None
        assert {row.container_id for row in reenrich_round(OPEN, client, EMPTY).rows} == {1, 2, 3}

    @pytest.mark.parametrize("works", [True, False])
    def test_the_last_look_says_so_once(
        self,
        client: Client,
        platform: Platform,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
        *,
        works: bool,
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer if works else {"fileName": "x"})
        (report,) = ungathered_cases(parse_notables(json.dumps(stealer)).notables, "why")
        keep_state(platform, number, state(case_id=report.case_id, first_at=NOW, looked_at=NOW))
        stops = []
        for hours in (1, 14 * 24 - 1, 14 * 24 + 1, 14 * 24 + 2):
            monkeypatch.setattr(reenrich_case, "utc_now", partial(_at, hours))
            rows = rounds_only(reenrich_round(OPEN, client, EMPTY))
            keep_rows(platform, rows)
            stops.append([row.stop for row in rows])
        assert stops == [[""], [""], ["14 days are over"], []]

    def test_closed_ones_take_no_ones_turn_and_are_forgotten(
        self,
        client: Client,
        platform: Platform,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for status in ("closed", "closed", "open", "open"):
            number = platform.add_container(status=status)
            platform.add_artifact(number, stealer)
            keep_state(platform, number, state(looked_at=NOW - timedelta(hours=5 - number)))
        monkeypatch.setattr(reenrich_case, "MAX_CONTAINERS", 1)
        found = reenrich_round(OPEN, client, EMPTY)
        assert [row.container_id for row in found.rows] == [1, 2, 3]
        assert found.notes == ("1 container had no turn in this round and will be first in the next.",)
        monkeypatch.setattr(reenrich_case, "MAX_ASKED", 1)
        assert [row.container_id for row in reenrich_round(OPEN, client, EMPTY).rows] == [1]
        monkeypatch.setattr(reenrich_case, "utc_now", partial(_at, 15 * 24))
        assert reenrich_round(OPEN, client, EMPTY).rows == []

    def test_time_outs_do_not_add_up(
        self, client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(4):
            keep_state(platform, platform.add_container(), state())
        monkeypatch.setattr(reenrich_case, "MAX_CONTAINERS", 2)
        platform.fails = lambda request: (
            httpx.ReadTimeout("slow") if request.url.path.startswith("/rest/container/") else None
        )
        found = reenrich_round(OPEN, client, EMPTY)
        assert [row.container_id for row in found.rows] == [1, 2]
        assert found.notes[0].startswith("2 containers had no turn")

    def test_a_platform_that_is_down_is_an_error(self, client: Client, platform: Platform) -> None:
        platform.fails = lambda _: httpx.ConnectError("refused")
        with pytest.raises(Transient, match="soar: the platform cannot be reached"):
            reenrich_round(OPEN, client, EMPTY)

    def test_the_logs_are_read_once_a_round(
        self,
        client: Client,
        platform: Platform,
        asset: Asset,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[int] = []
        real = sources.edr_for

        def counted(*args: Any, **kwargs: Any) -> Any:
            asked.append(len(args[2]))
            return real(*args, **kwargs)

        monkeypatch.setattr(sources, "edr_for", counted)
        for _ in range(3):
            number = platform.add_container()
            platform.add_artifact(number, stealer)
            keep_state(platform, number, state())
        rows = reenrich_round(OPEN, client, asset).rows
        assert [row.case_verdict for row in rows] == ["malicious"] * 3
        assert asked == [3]

    def test_a_bug_on_one_container_costs_the_others_nothing(
        self,
        client: Client,
        platform: Platform,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for dest in ("poison", "WS01.corp.example"):
            number = platform.add_container()
            platform.add_artifact(number, {**stealer, "dest": dest})
            keep_state(platform, number, state())
        real = ungathered_cases

        def breaks(notables: Sequence[Notable], why: str) -> object:
            if notables[0].dest == "poison":
                raise ZeroDivisionError("bug")
            return real(notables, why)

        monkeypatch.setattr(reenrich_case, "ungathered_cases", breaks)
        first, second = rounds_only(reenrich_round(OPEN, client, EMPTY))
        assert first.changes == ["not looked at: ZeroDivisionError: bug"]
        assert second.facts

    def test_a_finished_case_beside_one_that_goes_on(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer)
        platform.add_artifact(number, {**stealer, "event_id": "other", "dest": "WS02"})
        for row in reenrich_round(THIS, client, asset).rows:
            kept = CaseState.model_validate(json.loads(row.state))
            finished = kept.model_copy(update={"unchanged_rounds": 10})
            keep_state(platform, number, finished if row.case_verdict == "malicious" else kept)
        (row,) = rounds_only(reenrich_round(OPEN, client, asset))
        assert row.case_verdict == "undetermined"

    def test_a_container_was_seen_when_its_newest_case_was(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        for hours in ((1, 9), (5, 6)):
            number = platform.add_container()
            platform.add_artifact(number, stealer)
            for each in hours:
                kept = state(case_id=case(each), looked_at=NOW - timedelta(hours=each))
                keep_state(platform, number, kept)
        assert [row.container_id for row in reenrich_round(OPEN, client, EMPTY).rows] == [2, 1]

    def test_nothing_is_written(self, client: Client, platform: Platform, stealer: dict[str, object]) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer)
        keep_state(platform, number, state())
        reenrich_round(OPEN, client, EMPTY)
        assert {each.partition(" ")[0] for each in platform.requests} == {"GET"}


class TestStates:
    def test_the_newest_of_each_case_by_number(self, client: Client, platform: Platform) -> None:
        one, other = platform.add_container(), platform.add_container()
        for score in (10.0, 20.0):
            keep_state(platform, one, state(case_id=case(10), score=score))
        keep_state(platform, one, state(case_id=case(11), score=30))
        keep_state(platform, other, state(case_id=case(10), score=40))
        found = known_cases(client, now=NOW)
        assert {
            number: [(s.case_id, s.score) for s in kept] for number, kept in found.of_container.items()
        } == {
            one: [(case(10), 20.0), (case(11), 30.0)],
            other: [(case(10), 40.0)],
        }
        assert list(known_cases(client, now=NOW, container_id=other).of_container) == [other]

    @pytest.mark.parametrize(
        "cef",
        [
            None,
            {},
            {"regsvcsState": 7},
            {"regsvcsState": "{"},
            {"regsvcsState": "[" * 100_000},
            {"regsvcsState": "{}"},
            {"regsvcsState": state_text(state()).replace('"score":80.0', '"score":NaN')},
            {"regsvcsState": state_text(state()).replace('"case_id"', '"extra":1,"case_id"')},
            forged(looked_at="9999-12-31T23:59:59Z"),
            forged(looked_at=_at(1).isoformat()),
            forged(first_at=NOW.isoformat()),
            forged(first_at="0001-01-01T00:00:00+12:00"),
            forged(unchanged_rounds=2**63),
            forged(unchanged_rounds=100_001),
            forged(score=101),
            forged(score=-1),
            forged(case_id="x) # <img src=x>"),
            forged(case_id=case(0) + "\n"),
        ],
    )
    def test_what_is_no_state_is_said_and_hides_no_other(
        self, client: Client, platform: Platform, cef: object
    ) -> None:
        number = platform.add_container(status="closed")
        platform.add_artifact(number, cef, label="regsvcs_case")
        keep_state(platform, number, state())
        platform.add_artifact(number, cef, label="regsvcs_case")
        found = reenrich_round(OPEN, client, EMPTY)
        assert [row.case_id for row in found.rows] == [case(0)]
        assert found.notes == (
            "2 artifacts with a case's state cannot be used: 3 (container 1), 1 (container 1).",
        )

    def test_unusable_states_of_many_are_counted_and_a_few_named(
        self, client: Client, platform: Platform
    ) -> None:
        number = platform.add_container()
        for _ in range(7):
            platform.add_artifact(number, forged(score=1e308), label="regsvcs_case")
        found = reenrich_round(OPEN, client, EMPTY)
        named = ", ".join(f"{artifact} (container 1)" for artifact in (7, 6, 5, 4, 3))
        assert found == (
            [],
            (f"7 artifacts with a case's state cannot be used: {named} and 2 more.",),
        )

    def test_a_state_of_another_container_names_nothing_and_stops_nothing(
        self, client: Client, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), stealer)
        (seen,) = rounds_only(reenrich_round(THIS, client, asset))
        other = CaseState.model_validate_json(seen.state)
        keep_state(platform, 2, other.model_copy(update={"unchanged_rounds": 10}))
        keep_state(platform, 2, other.model_copy(update={"case_id": case(7), "unknowns": ()}))
        (blind,) = rounds_only(reenrich_round(THIS, client, EMPTY))
        assert (blind.changed, blind.changes, blind.stop) == (True, [], "")
        assert blind.case_id not in (case(7), seen.case_id)

    def test_filters_that_the_platform_ignores(self, client: Client, platform: Platform) -> None:
        one, other = platform.add_container(), platform.add_container()
        keep_state(platform, one, state(case_id=case(10)))
        keep_state(platform, other, state(case_id=case(11)))
        platform.add_artifact(one, {"regsvcsState": state_text(state(case_id=case(12)))}, label="event")
        rows = list(platform.artifacts.values())
        platform.fails = lambda _: httpx.Response(200, json={"num_pages": 1, "data": rows})
        found = known_cases(client, now=NOW, container_id=one)
        assert {number: [each.case_id for each in kept] for number, kept in found.of_container.items()} == {
            one: [case(10)]
        }

    def test_a_text_too_long_is_not_parsed(
        self, client: Client, platform: Platform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep_state(platform, platform.add_container(), state())
        monkeypatch.setattr(case_states, "MAX_TEXT", len(state_text(state())) - 1)
        assert known_cases(client, now=NOW) == ({}, ("1 (container 1)",), False)

    def test_its_text_is_ascii_and_reads_back(self) -> None:
        made = state(unknowns=("who is \u202e\ud800\x00",))
        assert state_text(made).isascii()
        assert CaseState.model_validate(json.loads(state_text(made))) == made


class TestMatching:
    """Which state a report continues."""

    LOST = ("process lineage",)

    def of(self, report: CaseReport, **fields: object) -> CaseState:
        return compare(report, None, ReenrichSettings()).state.model_copy(update=fields)

    def test_its_own(self) -> None:
        report = malicious()
        assert matched([report], [state(), self.of(report)]) == ((report, self.of(report)),)

    def test_none(self) -> None:
        assert matched([malicious()], []) == ((malicious(), None),)
        assert matched([], [state()]) == ()

    def test_another_case_of_the_container_is_not_taken(self) -> None:
        known = self.of(malicious(), case_id=case(20))
        assert matched([malicious()], [known]) == ((malicious(), None),)

    def test_a_case_without_a_process_whose_process_was_found(self) -> None:
        older = self.of(malicious(), case_id=case(21), unknowns=self.LOST, looked_at=NOW - timedelta(days=1))
        newer = self.of(malicious(), case_id=case(22), unknowns=self.LOST, looked_at=NOW, score=1.0)
        ((report, previous),) = matched([malicious()], [older, newer])
        assert report == malicious()
        assert previous == newer.model_copy(update={"case_id": malicious().case_id})

    def test_a_case_whose_process_is_lost_keeps_its_name(self) -> None:
        known = self.of(malicious(), case_id=case(23))
        facts = malicious().facts.model_copy(update={"lineage": None})
        blind = malicious().model_copy(update={"facts": facts, "case_id": case(30)})
        assert matched([blind], [known]) == ((blind.model_copy(update={"case_id": case(23)}), known),)

    def test_other_destinations_are_another_case(self) -> None:
        elsewhere = (DestinationState(ip="9.9.9.9", verdict=DestinationVerdict.UNDETERMINED),)
        known = self.of(malicious(), case_id=case(23), unknowns=self.LOST, destinations=elsewhere)
        assert matched([malicious()], [known]) == ((malicious(), None),)
        assert matched([undetermined()], [state()]) == ((undetermined(), None),)


class TestMessages:
    def test_artifacts_that_were_not_read_are_told(
        self,
        client: Client,
        platform: Platform,
        stealer: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(container_notables, "MAX_ARTIFACTS", 1)
        number = platform.add_container()
        for _ in range(3):
            platform.add_artifact(number, stealer)
        assert reenrich_round(THIS, client, EMPTY).notes == (
            "Container 1: 2 artifacts of the container were not read.",
        )
        (answer,) = run_action("respond to notable", [{}], container_id=number)
        assert answer.message.endswith("Nothing was isolated. 2 artifacts of the container were not read.")

    def test_a_program_without_a_profile_is_not_looked_at(
        self, client: Client, platform: Platform, stealer: dict[str, object]
    ) -> None:
        platform.add_artifact(platform.add_container(), {**stealer, "process_name": "explorer.exe"})
        with pytest.raises(InputError, match=r"'explorer.exe' belongs to no detection profile"):
            reenrich_round(THIS, client, EMPTY)


class TestThroughTheApp:
    def test_rows_summary_and_message(
        self, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer)
        keep_state(platform, number, "{")
        fields: dict[str, object] = {"sysmon_path": asset.sysmon_path}
        (answer,) = run_action("reenrich case", [{}], asset=fields, container_id=number)
        assert answer.status, answer.message
        assert answer.summary == {"cases": 1, "changed": 1, "stopped": 0}
        assert answer.message == (
            "1 case: 1 changed, 0 stopped. 1 artifact with a case's state cannot be used: 2 (container 1)."
        )
        assert answer.data[0]["container_id"] == number

    def test_a_platform_that_is_down_is_one_sentence(self, platform: Platform) -> None:
        platform.fails = lambda _: httpx.ReadTimeout("secret detail")
        (answer,) = run_action("reenrich case", [{"scope": "open cases"}])
        assert (answer.status, answer.message) == (
            False,
            "Action failure in reenrich case: soar: the platform did not answer in time",
        )

    def test_respond_to_notable_reads_the_artifacts(
        self, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer)
        fields: dict[str, object] = {"sysmon_path": asset.sysmon_path}
        (answer,) = run_action("respond to notable", [{}], asset=fields, container_id=number)
        assert answer.status, answer.message
        assert answer.data[0]["case_verdict"] == "malicious"
        (missing,) = run_action("respond to notable", [{}], asset=fields, container_id=99)
        assert not missing.status
        assert "there is no container 99" in missing.message

    def test_the_caller_lowers_the_mode(
        self, platform: Platform, asset: Asset, stealer: dict[str, object]
    ) -> None:
        number = platform.add_container()
        platform.add_artifact(number, stealer)
        fields: dict[str, object] = {"sysmon_path": asset.sysmon_path, "policy": APPROVE}
        modes: list[dict[str, object]] = [{"caller_mode": mode} for mode in ("off", "approve", "auto")]
        off, approve, auto = run_action("reenrich case", modes, asset=fields, container_id=number)
        assert [each.data[0]["effective_mode"] for each in (off, approve)] == ["off", "approve"]
        assert auto.message.startswith("Action failure in reenrich case: caller_mode: is no mode.")
