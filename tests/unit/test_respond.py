"""The playbook end to end in process: what fails is named, stops nothing, and lowers nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from pydantic import ValidationError

from actions.assess_risk import assess_risk
from actions.case_facts import CaseFacts
from actions.profile_catalog import shipped_profiles
from actions.risk import CaseVerdict, RiskAssessment
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.edr.sysmon_file.event import RawEvent, ReadReport
from connectors.edr.sysmon_file.store import SysmonStore
from connectors.errors import InputError, TimedOut
from connectors.facts.notable import Notable, NotableSource
from connectors.ports import EdrConnector
from connectors.siem.notable import RejectedNotable, parse_notables
from playbooks.case import CaseReport
from playbooks.hosts.output_folder import OutputFolder
from playbooks.report.document import to_json
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import Call, InProcess, StepFailed, pair
from tests.events import HOST, REGSVCS, bare, connected, created, event, guid

NOW = datetime(2026, 9, 24, 8, tzinfo=UTC)
OFFICE = r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE"
MALICIOUS = (
    created(1, None, OFFICE),
    created(3, 1, REGSVCS, second=1, CommandLine=f'"{REGSVCS}"', ParentImage=OFFICE),
    event(25, second=2, ProcessGuid=guid(3), Image=REGSVCS, Type="Image is replaced"),
    connected(3, second=3),
)


def sysmon(events: Sequence[RawEvent]) -> SysmonFileEdr:
    store = SysmonStore(["regsvcs.exe"])
    for each in events:
        store.add(each)
    return SysmonFileEdr(store, ReadReport(), clock=lambda: NOW)


def notable(**fields: object) -> Notable:
    base: dict[str, object] = {
        "source": NotableSource.ES_NOTABLE,
        "event_id": "e1",
        "dest": HOST,
        "user": r"CORP\user01",
        "process_name": "RegSvcs.exe",
        "src_ip": "10.20.4.17",
        "dest_ip": "149.154.167.220",
        "first_time": datetime(2026, 9, 24, 7, tzinfo=UTC),
        "last_time": datetime(2026, 9, 24, 7, tzinfo=UTC),
    }
    return Notable.model_validate({**base, **fields})


def work(notables: Sequence[Notable], edr: EdrConnector | None) -> tuple[CaseReport, ...]:
    return respond(
        InProcess(), notables, edr=edr, profiles=shipped_profiles(), settings=Settings(), clock=lambda: NOW
    )


def test_a_malicious_case_from_notable_to_report() -> None:
    (report,) = work([notable()], sysmon(MALICIOUS))
    assert report.risk.case_verdict is CaseVerdict.MALICIOUS
    assert report.risk.score == 100
    assert report.risk.message.startswith(
        "An instance of RegSvcs.exe contacting a remote destination was identified on endpoint "
        r"WS01.corp.example by user CORP\user01. This behavior is not normal for RegSvcs.exe."
    )
    assert [each.ip for each in report.facts.destinations] == ["149.154.167.220"]
    assert report.facts.destinations[0].ports == (443,)
    assert report.facts.notables[0].direction == "outbound"
    assert {each.step for each in report.steps if not each.ok} == {"lookup_reputation"}
    assert "connector_capable" in [guard.id for guard in report.decision.obstacles]
    assert CaseReport.model_validate_json(to_json(report)) == report


def test_a_beacon_is_one_case_and_the_order_of_notables_changes_nothing() -> None:
    beacon = [
        notable(event_id=f"e{hour}", last_time=datetime(2026, 9, 24, 7, hour, tzinfo=UTC))
        for hour in range(4)
    ]
    (one,) = work(beacon, sysmon(MALICIOUS))
    (other,) = work([*reversed(beacon), beacon[0]], sysmon(MALICIOUS))
    assert len(one.facts.notables) == 4
    assert one.case_id == other.case_id
    assert one.risk == other.risk


def test_a_connector_that_breaks_costs_evidence_not_the_case() -> None:
    class Broken(SysmonFileEdr):
        def get_process_evidence(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
            raise ZeroDivisionError("a bug in a vendor's library")

    store = SysmonStore(["regsvcs.exe"])
    for each in MALICIOUS:
        store.add(each)
    (report,) = work([notable()], Broken(store, ReadReport()))
    assert report.risk.case_verdict is not CaseVerdict.LIKELY_BENIGN
    assert any("ZeroDivisionError" in each.why for each in report.facts.problems)
    assert report.risk.score >= 80


def test_a_fault_in_one_assessment_costs_its_telemetry_and_no_other_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = [*MALICIOUS, created(4, None, REGSVCS, second=5), connected(4, second=6)]
    notables = [notable(process_guids=(bare(3),)), notable(event_id="e2", process_guids=(bare(4),))]

    def picky(facts: CaseFacts, *rest: object) -> RiskAssessment:
        if facts.lineage is not None and facts.lineage.target.ref.guid == bare(3):
            raise KeyError("a bug of ours")
        return assess_risk(facts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("playbooks.case_steps.assess_risk", picky)
    broken, other = work(notables, sysmon(events))
    assert broken.risk.case_verdict is CaseVerdict.UNDETERMINED
    assert broken.facts.lineage is None
    assert broken.facts.not_looked_up.endswith("the assessment failed with it: KeyError")
    assert other.facts.lineage is not None
    assert other.facts.lineage.target.ref.guid == bare(4)


def test_what_was_not_looked_up_is_known_to_the_report() -> None:
    (alone,) = work([notable()], None)
    assert alone.facts.not_looked_up == "no EDR connector and no log was given"
    (absent,) = work([notable(dest="WS99")], sysmon(MALICIOUS))
    assert absent.facts.host is None
    assert absent.facts.not_looked_up == ""

    class Silent(SysmonFileEdr):
        def resolve_host(self, *, hostname=None, ip=None, at=None):  # type: ignore[no-untyped-def]
            raise TimedOut("sysmon_file", "no answer in time")

    (failed,) = work([notable()], Silent(SysmonStore(["regsvcs.exe"]), ReadReport()))
    assert failed.facts.not_looked_up == "sysmon_file: no answer in time"
    old = failed.model_dump(mode="json")
    del old["facts"]["not_looked_up"]
    assert CaseReport.model_validate(old).facts.not_looked_up == ""


@pytest.mark.parametrize("wrong", ["", "case-1", "../x", "case-0123456789ABCDEF", "case-0123456789abcdef\n"])
def test_an_id_that_is_none_is_refused(wrong: str) -> None:
    (report,) = work([notable()], None)
    with pytest.raises(ValidationError, match="case_id"):
        CaseReport.model_validate({**report.model_dump(mode="json"), "case_id": wrong})


def test_every_notable_is_worked_even_when_one_cannot_be_located() -> None:
    class Picky(SysmonFileEdr):
        def resolve_host(self, *, hostname=None, ip=None, at=None):  # type: ignore[no-untyped-def]
            if hostname == "BAD":
                raise RuntimeError("no")
            return super().resolve_host(hostname=hostname, ip=ip, at=at)

    store = SysmonStore(["regsvcs.exe"])
    for each in MALICIOUS:
        store.add(each)
    reports = work([notable(dest="BAD", event_id="x"), notable()], Picky(store, ReadReport()))
    assert [report.risk.case_verdict for report in reports] == [
        CaseVerdict.UNDETERMINED,
        CaseVerdict.MALICIOUS,
    ]


def test_ambiguous_host_names_the_candidates_to_the_guard() -> None:
    edr = sysmon([created(1, None, host="WS1.a.example"), created(2, None, host="WS1.b.example")])
    (report,) = work([notable(dest="WS1")], edr)
    assert report.facts.host is None
    guard = next(each for each in report.decision.guards if each.id == "one_host")
    assert guard.outcome == "refuse"
    assert "WS1.a.example" in guard.value + guard.detail


def test_inbound_peer_is_the_source() -> None:
    events = [
        created(3, None, REGSVCS),
        connected(3, "10.20.4.17", initiated=False, SourceIp="8.8.8.8", second=1),
    ]
    (report,) = work([notable(src_ip="8.8.8.8", dest_ip="10.20.4.17")], sysmon(events))
    assert [each.ip for each in report.facts.destinations] == ["8.8.8.8"]
    assert "direction_outbound" in [guard.id for guard in report.decision.obstacles]


def test_steps_run_side_by_side_and_keep_their_order() -> None:
    gate = threading.Barrier(3, timeout=10)

    def meet(number: int) -> int:
        gate.wait()
        return number

    calls = [Call("meet", partial(meet, number)) for number in range(3)]
    assert InProcess().parallel(calls) == [0, 1, 2]


def test_a_failed_step_is_a_value() -> None:
    def boom() -> int:
        raise KeyError("secret path")

    found = InProcess().parallel([Call("boom", boom), Call("fine", lambda: 1)])
    assert found[1] == 1
    assert isinstance(found[0], StepFailed)
    assert found[0].step == "boom"
    assert InProcess().parallel([]) == []


class TestOutputFolder:
    def test_a_file_is_whole_or_absent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (report,) = work([notable()], sysmon(MALICIOUS))
        folder = OutputFolder(tmp_path)
        folder.write([report])
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            folder.write([report.model_copy(update={"next_steps": ("other",)})])
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_rejected_notables_are_kept_once_each_under_a_hash(self, tmp_path: Path) -> None:
        raw = b'[{"dest": "../../x", "process_name": "regsvcs.exe", "dest_ip": "nope"}]'
        rejected: Sequence[RejectedNotable] = parse_notables(raw).rejected
        folder = OutputFolder(tmp_path)
        folder.keep_rejected([*rejected, *rejected])
        (kept,) = (tmp_path / "rejected").iterdir()
        assert kept.name.removeprefix("notable-").removesuffix(".json").isalnum()

    def test_a_path_that_is_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("")
        with pytest.raises(InputError, match="--out"):
            OutputFolder(tmp_path / "taken")


def test_guids_of_two_processes_make_two_cases() -> None:
    events = [*MALICIOUS, created(4, None, REGSVCS, second=5), connected(4, second=6)]
    reports = work([notable(process_guids=(bare(3), bare(4)))], sysmon(events))
    assert len({report.case_id for report in reports}) == 2


class TestPair:
    def test_each_result_has_its_own_place_and_a_failure_costs_itself_alone(self) -> None:
        def boom() -> str:
            raise KeyError("x")

        assert pair(InProcess(), Call("one", lambda: 1), Call("two", lambda: "b")) == (1, "b")
        one, two = pair(InProcess(), Call("one", lambda: 1), Call("two", boom))
        assert one == 1
        assert two == StepFailed("two", "KeyError: 'x'")

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_step_that_ends_its_thread_leaves_a_failure(self) -> None:
        def leave() -> int:
            raise SystemExit(3)

        found = InProcess().parallel([Call("leaves", leave), Call("fine", lambda: 1)])
        assert found == [StepFailed("leaves", "ended without a result"), 1]

    def test_where_no_thread_starts_the_caller_does_the_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none_left(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", none_left)
        assert InProcess().parallel([Call("one", lambda: 1), Call("two", lambda: 2)]) == [1, 2]
