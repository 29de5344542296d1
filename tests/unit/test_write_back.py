"""What a case writes back: each notable a comment, its risk once, and one that fails costs no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from actions.case_facts import Unknown
from actions.risk import CaseVerdict
from connectors.errors import (
    AuthRejected,
    ConfigError,
    ConnectorError,
    InputError,
    NotFound,
    NotSupported,
    PermissionMissing,
    TimedOut,
)
from connectors.facts.health import Health
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import Checkpoint, NotableUpdate, NotableWritten, RiskWritten
from playbooks.case import CaseReport
from playbooks.report.notable_comment import comment
from playbooks.settings import settings_from_text
from playbooks.write_back import MOST_NOTABLES, findings_of, rows_of, update_of, write_back
from playbooks.write_back_patience import Patience
from playbooks.write_back_rows import COMMENT, RISK, Became
from playbooks.write_back_settings import WriteBackSettings
from tests.report_cases import malicious

SETTINGS = WriteBackSettings(
    status="In Progress", owner="soc", urgency={CaseVerdict.MALICIOUS: "critical"}, risk=True
)


class Siem:
    """A SIEM that keeps what it is told, and fails where it should."""

    name = "siem"

    def __init__(self, failing: dict[str, ConnectorError] | None = None) -> None:
        self.failing = failing or {}
        self.updates: list[tuple[str, NotableUpdate]] = []
        self.risks: list[tuple[str, float, str]] = []

    def check(self) -> Health:
        raise AssertionError

    def fetch_notables(self, since: Checkpoint | None, *, limit: int) -> tuple[Sequence[Notable], Checkpoint]:
        raise AssertionError

    def notables_of(self, event_id: str) -> Sequence[Notable]:
        raise AssertionError

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        if event_id in self.failing:
            raise self.failing[event_id]
        self.updates.append((event_id, update))
        return NotableWritten(
            ("comment", "status"), ("owner",), "Left as it is: owner; it is owned by 'ann'."
        )

    def add_risk(
        self,
        notable: Notable,
        *,
        score: float,
        base_score: float,
        techniques: Sequence[str],
        message: str,
        case_id: str,
    ) -> RiskWritten:
        if "risk" in self.failing:
            raise self.failing["risk"]
        self.risks.append((notable.event_id, score, case_id))
        return RiskWritten.INDEXED


class Record:
    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], tuple[str, bool]] = {}

    def holds(self, step: str, event_id: str, findings: str) -> bool:
        return self.lines.get((step, event_id)) == (findings, True)

    def add(self, step: str, event_id: str, findings: str, *, ok: bool) -> None:
        self.lines[step, event_id] = (findings, ok)


def case_of(*event_ids: str, source: NotableSource = NotableSource.ES_NOTABLE) -> CaseReport:
    report = malicious()
    like = report.facts.notables[0]
    notables = tuple(like.model_copy(update={"event_id": each, "source": source}) for each in event_ids)
    return report.model_copy(update={"facts": report.facts.model_copy(update={"notables": notables})})


def told(report: CaseReport) -> list[tuple[str, bool, str]]:
    return [(each.step, each.ok, each.detail) for each in report.steps[len(malicious().steps) :]]


def test_each_notable_once_with_the_settings_of_the_verdict_and_the_risk() -> None:
    siem, report = Siem(), case_of("1", "2", "1")
    written = write_back(siem, report, SETTINGS)
    update = NotableUpdate(comment(report), status="In Progress", urgency="critical", owner="soc")
    assert siem.updates == [("1", update), ("2", update)]
    assert update_of(report, WriteBackSettings()) == NotableUpdate(comment(report))
    judged = update_of(report, WriteBackSettings(disposition=" Undetermined "))
    assert judged == NotableUpdate(comment(report), disposition="Undetermined")
    assert siem.risks == [("1", report.risk.score, report.case_id)]
    done = "written: comment, status. Left as it is: owner; it is owned by 'ann'."
    assert told(written) == [
        (COMMENT, True, f"1: {done}"),
        (COMMENT, True, f"2: {done}"),
        (RISK, True, "added, and proven to be indexed"),
    ]


def test_one_that_fails_costs_the_others_nothing() -> None:
    lacking = NotFound("siem", "may not write")
    siem = Siem({"1": lacking, "risk": TimedOut("siem", "whether it arrived is not known")})
    assert told(write_back(siem, case_of("1", "2"), SETTINGS))[::2] == [
        (COMMENT, False, "1: may not write"),
        (RISK, False, "whether it arrived is not known"),
    ]
    assert [each for each, _ in siem.updates] == ["2"]


def test_a_siem_that_does_not_answer_is_not_asked_for_every_notable() -> None:
    names = [str(each) for each in range(9)]
    siem, record = Siem({each: TimedOut("siem", "no answer") for each in names[3:]}), Record()
    outcomes = told(write_back(siem, case_of(*names), WriteBackSettings(risk=False), written=record))
    assert [each for each, _ in siem.updates] == names[:3]
    assert len(outcomes) == 6
    assert outcomes[-1] == (
        COMMENT,
        False,
        "4 further notables not tried: the SIEM does not answer (no answer)",
    )
    assert {name for (_, name), (_, ok) in record.lines.items() if not ok} == set(names[3:])


def test_a_case_of_many_notables_is_bounded_and_says_so() -> None:
    siem = Siem()
    outcomes = told(write_back(siem, case_of(*(str(each) for each in range(MOST_NOTABLES + 7))), SETTINGS))
    assert len(siem.updates) == MOST_NOTABLES
    assert outcomes[-2] == (COMMENT, True, "7 further notables of the case left without a comment")


@pytest.mark.parametrize(
    ("event_id", "source", "ok", "risks"),
    [
        ("derived:1", NotableSource.WEBHOOK, False, 0),
        ("detected:1", NotableSource.DETECTION, False, 0),
        ("escu:1", NotableSource.DETECTION, True, 1),
    ],
)
def test_what_the_siem_does_not_know_is_not_written_to(
    event_id: str, source: NotableSource, ok: bool, risks: int
) -> None:
    siem = Siem()
    outcomes = told(write_back(siem, case_of(event_id, source=source), SETTINGS))
    assert siem.updates == []
    assert outcomes[0][:2] == (COMMENT, ok)
    assert len(siem.risks) == risks


def test_without_risk_none_is_added() -> None:
    siem = Siem()
    write_back(siem, case_of("1"), WriteBackSettings(risk=False))
    assert siem.risks == []


@pytest.mark.parametrize("value", ['""', '" "', '"a\\nb"', "6", f'"{"x" * 201}"'])
def test_a_disposition_that_is_none_is_told_by_its_name(value: str) -> None:
    text = "[write_back]\ndisposition = "
    assert settings_from_text(f'{text}"disposition:1"', source="x").write_back.disposition == "disposition:1"
    with pytest.raises(ConfigError, match=r"write_back\.disposition"):
        settings_from_text(f"{text}{value}", source="x")


def test_a_disposition_that_the_siem_does_not_know_costs_no_comment() -> None:
    class Known(Siem):
        def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
            if update.disposition is not None:
                raise InputError("disposition", "'evil' is not known to Splunk", "Known: 'Undetermined'")
            return super().update_notable(event_id, update)

    settings = WriteBackSettings(disposition="evil", risk=False)
    siem = Known()
    ((_, ok, detail),) = told(write_back(siem, case_of("1"), settings))
    assert (len(siem.updates), ok) == (1, False)
    assert "Known: 'Undetermined'" in detail


def test_the_same_findings_are_written_once_and_others_again() -> None:
    siem, record = Siem({"2": NotSupported("siem", "no")}), Record()
    report = case_of("1", "2")
    write_back(siem, report, SETTINGS, written=record)
    siem.failing.clear()
    again = told(write_back(siem, report, SETTINGS, written=record))
    assert [each for each, _ in siem.updates] == ["1", "2"]
    assert again[0] == (COMMENT, True, "1 notable of the case left: commented on these findings before")
    changed = report.model_copy(
        update={"risk": report.risk.model_copy(update={"case_verdict": CaseVerdict.SUSPICIOUS})}
    )
    assert findings_of(changed) != findings_of(report)
    write_back(siem, changed, SETTINGS, written=record)
    assert [each for each, _ in siem.updates] == ["1", "2", "1", "2"]


@pytest.mark.parametrize(
    "refusal", [AuthRejected("siem", "token refused"), PermissionMissing("siem", "no right", scope="edit")]
)
def test_a_refused_account_ends_the_writes_of_its_kind_over_all_cases(refusal: ConnectorError) -> None:
    """Comments and risk may go by different tokens, so one that is refused does not end the other."""
    siem, patience = Siem({"1": refusal}), Patience()
    first = rows_of(siem, case_of("1", "2"), SETTINGS, patience=patience)
    second = rows_of(siem, case_of("3"), SETTINGS, patience=patience)
    assert [each.became for each in first] == [Became.FAILED, Became.NOT_TRIED, Became.WRITTEN]
    assert [each.became for each in second] == [Became.NOT_TRIED, Became.WRITTEN]
    assert refusal.message in second[0].told
    assert siem.updates == []


class Asked(Siem):
    """Counts what it is asked, whatever comes of it."""

    def __init__(self, *silent: str) -> None:
        super().__init__()
        self.silent = silent
        self.asked: Counter[str] = Counter()

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        self.asked[COMMENT] += 1
        if COMMENT in self.silent:
            raise TimedOut("siem", "no answer")
        return super().update_notable(event_id, update)

    def add_risk(self, notable: Notable, **asked: Any) -> RiskWritten:
        self.asked[RISK] += 1
        if RISK in self.silent:
            raise TimedOut("siem", "no answer")
        return super().add_risk(notable, **asked)


@pytest.mark.parametrize("silent", [(COMMENT,), (RISK,), (COMMENT, RISK)])
@pytest.mark.parametrize("notables", [1, 3])
def test_two_in_a_row_without_an_answer_end_the_writes_of_their_kind_over_all_cases(
    silent: tuple[str, ...], notables: int
) -> None:
    """However many cases; that the other kind is answered in between changes nothing."""
    siem, patience = Asked(*silent), Patience()
    names = [[f"{case}.{number}" for number in range(notables)] for case in range(12)]
    rows = [rows_of(siem, case_of(*each), SETTINGS, patience=patience) for each in names]
    for kind, wanted in ((COMMENT, 12 * notables), (RISK, 12)):
        assert siem.asked[kind] == (2 if kind in silent else wanted)
        last = [each for each in rows[-1] if each.step == kind]
        assert {each.became for each in last} == {
            Became.NOT_TRIED if kind in silent else Became.WRITTEN,
        }
        assert all(each.ok for each in last) is (kind not in silent)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    siem, patience = Siem({"1": TimedOut("siem", "no"), "3": TimedOut("siem", "no")}), Patience()
    rows = rows_of(siem, case_of("1", "2", "3", "4"), WriteBackSettings(risk=False), patience=patience)
    assert [each.ok for each in rows] == [False, True, False, True]


def test_findings_change_with_the_score_and_the_unknowns() -> None:
    report = case_of("1")
    known = findings_of(report)
    assert report.risk.unknowns, "the test is void"

    def changed(**fields: object) -> str:
        return findings_of(report.model_copy(update={"risk": report.risk.model_copy(update=fields)}))

    assert changed(score=report.risk.score - 1) != known
    assert changed(unknowns=()) != known
    assert changed(unknowns=report.risk.unknowns[1:]) != known
    assert changed(unknowns=(*report.risk.unknowns, Unknown(what="the moon", why="cloudy"))) != known
    assert changed(indicators=report.risk.indicators[1:]) != known
    # The same, said in another order or in other words, is no new finding.
    assert changed(unknowns=(*report.risk.unknowns[::-1], report.risk.unknowns[0])) == known
    reworded = [each.model_copy(update={"why": "otherwise"}) for each in report.risk.unknowns]
    assert changed(unknowns=tuple(reworded)) == known


def test_the_case_says_what_is_there_and_its_techniques() -> None:
    report, given = case_of("1"), dict[str, object]()

    class Kept(Siem):
        def add_risk(self, notable: Notable, **asked: object) -> RiskWritten:
            given.update(asked)
            return RiskWritten.INDEXED

    write_back(Kept(), report, SETTINGS)
    assert given["techniques"] == report.facts.profile.techniques
    assert given["base_score"] == report.risk.base_score
