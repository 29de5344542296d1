"""From a case to its host: what is asked, ordered and written in each mode, once, and told truly.

The ledger is the real one; the EDR is in memory and records each write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from actions.assess_risk import assess_risk
from actions.containment import ContainmentOutcome, Tools
from actions.isolation import MODE_ORDER, IsolationMode, IsolationVerdict
from actions.isolation_policy import Caps, IsolationPolicy, ProtectedHosts, SitePolicy
from actions.profile_catalog import shipped_profiles
from actions.risk import RiskPolicy
from connectors.errors import AmbiguousHost, ConnectorError, HostNotFound, InputError, TimedOut
from connectors.facts.host import HostRef, HostType
from connectors.facts.isolation import ActionHandle, HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import (
    ApprovalState,
    CapLimits,
    HostKey,
    Intent,
    IntentKind,
    IntentState,
    Order,
)
from connectors.ports import Capability
from connectors.state.ledger import LedgerUnusable
from connectors.state.sqlite_ledger import FILE_NAME, SqliteLedger
from playbooks.case import CaseReport, ContainmentReport
from playbooks.case_steps import AssessedCase, decide_case
from playbooks.decided_anew import decide_anew
from playbooks.isolation import (
    Containing,
    answer_question,
    approved_elsewhere,
    contain_case,
    isolate_by_hand,
)
from playbooks.kept_cases import KeptCases
from playbooks.respond import respond
from playbooks.settings import Settings
from playbooks.steps import InProcess
from tests.case_builders import HOST, HOST_ID, OWN_IP, TELEGRAM_IP, after, host, notable, stealer_case

CASE_ID = "case-0123456789abcdef"
OTHER_ID = "case-00000000000000aa"
KEY = HostKey("defender", HOST_ID)

OFF, SHADOW, APPROVE, AUTO = MODE_ORDER


class Clock:
    def __init__(self) -> None:
        self.now = after(120)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeEdr:
    """One host in memory; an isolation takes hold at once."""

    name = "defender"
    capabilities = frozenset(Capability)
    sysmon_guids = False

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.comments: list[str] = []
        self.state = IsolationState.NOT_ISOLATED
        self.agent: HostRef | ConnectorError = host()
        self.failing: ConnectorError | None = None
        self.changed_at: datetime | None = None

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        self.reads.append(f"resolve {hostname}")
        if isinstance(self.agent, ConnectorError):
            raise self.agent
        return self.agent.model_copy(update={"last_seen": self.clock.now})

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        self.reads.append(f"state {host.host_id}")
        if self.failing is not None:
            raise self.failing
        return IsolationStatus(
            state=self.state, how_known=HowKnown.OBSERVED, as_of=self.clock.now, changed_at=self.changed_at
        )

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        self.writes.append(host.host_id)
        self.comments.append(comment)
        self.state = IsolationState.ISOLATED
        self.clock.sleep(1)
        return ActionHandle(
            connector=self.name, host_id=host.host_id, action_id="a1", accepted_at=self.clock.now
        )

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        raise AssertionError("nothing here releases")


def policy(mode: IsolationMode = APPROVE, **fields: object) -> IsolationPolicy:
    given = {
        "mode": mode,
        "caps": Caps(per_run=2, per_hour=3, per_day=10),
        "protected": ProtectedHosts(priorities=()),
        **fields,
    }
    return IsolationPolicy.model_validate(given)


def settings_of(mode: IsolationMode = APPROVE, **fields: object) -> Settings:
    return Settings(isolation=policy(mode, **fields))


def a_case(case_id: str = CASE_ID, **facts: object) -> AssessedCase:
    found = stealer_case().model_copy(update=facts)
    return AssessedCase(
        case_id=case_id,
        facts=found,
        risk=assess_risk(found, RiskPolicy(), after(120)),
        connector="defender",
        capabilities=tuple(sorted(Capability)),
    )


class Bench:
    """A ledger in a folder, an EDR, and a clock."""

    def __init__(self, folder: Path, ledger: type[SqliteLedger] = SqliteLedger) -> None:
        self.clock = Clock()
        self.edr = FakeEdr(self.clock)
        self.ledger = ledger(folder / FILE_NAME, clock=self.clock)
        self.cases = KeptCases(folder)

    def containing(self, run_id: str = "run-1") -> Containing:
        tools = Tools(edr=self.edr, ledger=self.ledger, sleep=self.clock.sleep, clock=self.clock)  # type: ignore[arg-type]
        return Containing(tools=tools, cases=self.cases, run_id=run_id)

    def contain(
        self,
        settings: Settings | None = None,
        *,
        case: AssessedCase | None = None,
        caller: IsolationMode = AUTO,
        run_id: str = "run-1",
    ) -> CaseReport:
        return contain_case(
            case or a_case(), self.containing(run_id), settings=settings or settings_of(), caller_mode=caller
        )

    def answer(
        self,
        wanted: str = CASE_ID,
        settings: Settings | None = None,
        *,
        approve: bool = True,
        by: str = "ann",
        why: str = "seen",
    ) -> CaseReport:
        return answer_question(
            wanted,
            self.containing("run-2"),
            approve=approve,
            by=by,
            why=why,
            settings=settings or settings_of(),
        )

    def events(self) -> list[str]:
        return [line.event for line in self.ledger.audit()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def contained(report: CaseReport) -> ContainmentReport:
    assert report.containment is not None
    return report.containment


def outcome(report: CaseReport) -> ContainmentOutcome | None:
    result = contained(report).result
    return result.outcome if result is not None else None


def step(report: CaseReport, name: str = "isolate_host") -> tuple[bool, str]:
    (found,) = [each for each in report.steps if each.step == name]
    return found.ok, found.detail


# --- modes ----------------------------------------------------------------------------------------


def test_off_reads_nothing_writes_nothing_and_decides_as_the_case_alone(bench: Bench, tmp_path: Path) -> None:
    case = a_case()
    report = bench.contain(settings_of(OFF), case=case)
    assert report == decide_case(case, settings=settings_of(OFF), caller_mode=AUTO, now=bench.clock.now)
    assert bench.edr.reads == []
    assert list(tmp_path.iterdir()) == []


def test_shadow_reads_the_same_and_leaves_one_note(bench: Bench) -> None:
    report = bench.contain(settings_of(SHADOW))
    assert report.decision.verdict is IsolationVerdict.SHADOW
    assert report.decision.obstacles == ()
    assert contained(report).shadow
    assert bench.edr.reads == [f"resolve {HOST}", f"state {HOST_ID}"]
    assert bench.edr.writes == []
    assert bench.events() == ["shadow_isolation"]
    assert bench.ledger.intents() == []
    assert bench.ledger.approvals() == []


def test_approve_asks_once_with_the_evidence_and_sends_nothing(bench: Bench) -> None:
    report = bench.contain()
    approval = contained(report).approval
    assert approval is not None
    assert approval.question.host == KEY
    assert approval.question.evidence.startswith("Isolate WS01.corp.example?\nAll guards ")
    assert "container" not in approval.question.evidence
    assert approval.expires_at == bench.clock.now + timedelta(minutes=60)
    assert bench.edr.writes == []
    assert step(report)[0]
    assert step(report, "decide_isolation") == (True, "done; nothing is isolated by this step")
    again = bench.contain(run_id="run-9")
    assert contained(again).approval == approval
    assert len(bench.ledger.approvals()) == 1


def test_auto_isolates_once_and_a_second_run_tells_that_it_stands(bench: Bench) -> None:
    report = bench.contain(settings_of(AUTO))
    assert outcome(report) is ContainmentOutcome.ISOLATED
    assert step(report)[0]
    (intent,) = bench.ledger.intents()
    assert (intent.order.by, intent.order.by_person, intent.order.run_id) == ("playbook", False, "run-1")
    assert intent.state is IntentState.VERIFIED
    (comment,) = bench.edr.comments
    for part in (CASE_ID, "run-1", "playbook", "score 100"):
        assert part in comment
    again = bench.contain(settings_of(AUTO), run_id="run-2")
    assert outcome(again) is ContainmentOutcome.OURS_STANDS
    assert {"not_isolated", "no_active_lease"} <= {each.id for each in again.decision.obstacles}
    assert bench.edr.writes == [HOST_ID]


def test_whatever_is_not_live_never_reaches_the_vendor(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for everywhere, site, caller in product(MODE_ORDER, repeat=3):
        lowest = min((everywhere, site, caller), key=MODE_ORDER.index)
        if lowest in (APPROVE, AUTO):
            continue
        paris = SitePolicy(name="Paris", mode=site, ranges=("10.1.0.0/16",))
        settings = settings_of(
            everywhere, sites=(paris,), caps=Caps(per_run=2, per_hour=3, per_day=10, per_site_per_day=2)
        )
        report = bench.contain(settings, caller=caller)
        assert report.decision.effective_mode is lowest
        with pytest.raises(InputError):
            bench.answer(settings=settings)
        if everywhere is not OFF and min((everywhere, site), key=MODE_ORDER.index) in (OFF, SHADOW):
            assert "it has to be approve or auto" in contained(hand(bench, settings)).note
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []
    assert bench.ledger.approvals() == []


def test_a_site_that_is_off_everywhere_costs_no_call(bench: Bench) -> None:
    paris = SitePolicy(name="Paris", mode=OFF, ranges=("10.1.0.0/16",))
    caps = Caps(per_run=1, per_hour=3, per_day=10, per_site_per_day=2)
    bench.contain(settings_of(AUTO, sites=(paris,), caps=caps))
    assert bench.edr.reads == []


def test_the_site_is_that_of_the_address_the_agent_has(bench: Bench) -> None:
    caps = Caps(per_run=1, per_hour=3, per_day=10, per_site_per_day=2)
    paris = SitePolicy(name="Paris", mode=AUTO, ranges=("10.1.0.0/16",))
    rome = SitePolicy(name="Rome", mode=OFF, ranges=("10.2.0.0/16",))
    assert OWN_IP.startswith("10.1.")
    report = bench.contain(settings_of(AUTO, sites=(rome, paris), caps=caps))
    assert outcome(report) is ContainmentOutcome.ISOLATED
    (intent,) = bench.ledger.intents()
    assert intent.order.site == "Paris"


def test_a_connector_that_cannot_isolate_is_not_asked(bench: Bench) -> None:
    bench.edr.capabilities = frozenset({Capability.RESOLVE, Capability.LINEAGE})
    report = bench.contain(settings_of(AUTO))
    assert bench.edr.reads == []
    assert report.containment is None


# --- reading anew ---------------------------------------------------------------------------------


Change = Callable[[Bench], object]

STOPPED: Mapping[str, tuple[Change, str]] = {
    "not found": (lambda b: setattr(b.edr, "agent", HostNotFound("defender", "no host")), "not_isolated"),
    "two of one name": (
        lambda b: setattr(b.edr, "agent", AmbiguousHost("defender", "two", candidates=("a (1)", "b (2)"))),
        "one_host",
    ),
    "another agent": (
        lambda b: setattr(b.edr, "agent", host().model_copy(update={"host_id": "agent-02"})),
        "one_host",
    ),
    "server": (lambda b: setattr(b.edr, "agent", host(host_type=HostType.SERVER)), "host_type"),
    "tagged": (lambda b: setattr(b.edr, "agent", host(tags=("jump-host",))), "not_protected"),
    "no state": (lambda b: setattr(b.edr, "failing", TimedOut("defender", "no answer")), "not_isolated"),
    "isolating": (lambda b: setattr(b.edr, "state", IsolationState.ISOLATING), "not_isolated"),
    "released in the console": (
        lambda b: setattr(b.edr, "changed_at", after(-3600)),
        "not_released_recently",
    ),
    "kill switch": (lambda b: b.ledger.set_kill_switch(on=True, by="eve", why="stop"), "kill_switch"),
    "old": (lambda b: setattr(b.clock, "now", after(3 * 3600)), "connection_fresh"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_is_read_anew_stops_it(bench: Bench, name: str) -> None:
    change, guard = STOPPED[name]
    change(bench)
    report = bench.contain(settings_of(AUTO))
    assert guard in [each.id for each in report.decision.obstacles]
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []


@pytest.mark.parametrize("name", STOPPED)
def test_what_changes_between_question_and_approval_stops_it(bench: Bench, name: str) -> None:
    bench.contain(settings_of(APPROVE, approval_minutes=600))
    change, guard = STOPPED[name]
    change(bench)
    report = bench.answer()
    approval, note = contained(report).approval, contained(report).note
    assert f"{guard}: " in note
    assert "nothing was sent" in note
    assert not step(report)[0]
    assert approval is not None
    assert (approval.state, approval.used_by) == (ApprovalState.APPROVED, "")
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []


def test_a_host_isolated_by_somebody_else_is_told_and_noted(bench: Bench) -> None:
    bench.edr.state = IsolationState.ISOLATED
    report = bench.contain(settings_of(AUTO))
    assert outcome(report) is ContainmentOutcome.ALREADY_ISOLATED
    assert bench.events() == ["already_isolated"]
    assert bench.edr.writes == []


def test_candidates_of_the_case_are_not_resolved_again(bench: Bench) -> None:
    case = a_case(host=None).model_copy(update={"host_candidates": ("a (1)", "b (2)")})
    report = bench.contain(settings_of(AUTO), case=case)
    assert bench.edr.reads == []
    assert "one_host" in [each.id for each in report.decision.obstacles]


def test_a_host_known_from_a_log_is_resolved_by_the_one_who_isolates(bench: Bench) -> None:
    report = bench.contain(settings_of(AUTO), case=a_case(host=host(connector="sysmon_file")))
    assert outcome(report) is ContainmentOutcome.ISOLATED
    by_address = a_case(OTHER_ID, host=None, notables=(notable(TELEGRAM_IP, dest=OWN_IP),))
    bench.edr.reads.clear()
    bench.contain(settings_of(AUTO), case=by_address)
    assert bench.edr.reads == []


class UnusableLedger(SqliteLedger):
    def standing(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        raise LedgerUnusable("the disk is full")


def test_without_a_ledger_nothing_is_isolated_and_it_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, UnusableLedger)
    report = bench.contain(settings_of(AUTO))
    assert step(report, "read_ledger") == (
        False,
        "The ledger cannot be used, and so nothing is isolated: the disk is full.",
    )
    assert "kill_switch" in [each.id for each in report.decision.obstacles]
    assert bench.edr.writes == []


class MuteLedger(SqliteLedger):
    def note(self, *args: object, **kwargs: object) -> None:
        raise LedgerUnusable("the disk is full")

    def approvals(self, **kwargs: object):  # type: ignore[no-untyped-def]
        raise LedgerUnusable("the disk is full")


@pytest.mark.parametrize("mode", [SHADOW, APPROVE])
def test_an_error_of_the_ledger_costs_no_report(tmp_path: Path, mode: IsolationMode) -> None:
    report = Bench(tmp_path, MuteLedger).contain(settings_of(mode))
    assert contained(report).note == "Nothing was ordered: the disk is full."
    assert not step(report)[0]


def test_a_case_that_cannot_be_kept_is_not_asked_about(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "cases").write_text("")
    report = bench.contain()
    assert "Nobody can be asked" in contained(report).note
    assert bench.ledger.approvals() == []
    assert outcome(bench.contain(settings_of(AUTO))) is ContainmentOutcome.ISOLATED


def test_decide_anew_writes_nothing(bench: Bench) -> None:
    decided = decide_anew(
        a_case(),
        edr=bench.edr,  # type: ignore[arg-type]
        ledger=bench.ledger,
        settings=settings_of(AUTO),
        caller_mode=AUTO,
        run_id="run-1",
        clock=bench.clock,
    )
    assert decided.report.decision.verdict is IsolationVerdict.ISOLATE
    assert decided.reading.agent is not None
    assert bench.events() == []


# --- answers --------------------------------------------------------------------------------------


def test_an_approval_isolates_once_and_verifies(bench: Bench) -> None:
    bench.contain()
    report = bench.answer(why="beacon seen")
    assert outcome(report) is ContainmentOutcome.ISOLATED
    (intent,) = bench.ledger.intents()
    approval = contained(report).approval
    assert approval is not None
    assert approval.used_by == intent.intent_id
    assert intent.order.approval_id == approval.approval_id
    assert (intent.order.by, intent.order.by_person, intent.order.run_id) == ("ann", True, "run-1")
    assert "beacon seen" in bench.edr.comments[0]
    (lease,) = bench.ledger.leases()
    assert lease.owner == "ann"
    second = bench.answer(approval.approval_id)
    assert "ann has approved before: this answer changes nothing." in contained(second).note
    assert not step(second)[0]
    assert outcome(bench.contain()) is ContainmentOutcome.OURS_STANDS
    assert bench.edr.writes == [HOST_ID]
    assert len(bench.ledger.approvals()) == 1


def test_declined_and_expired_and_late_and_second_answers_isolate_nothing(bench: Bench) -> None:
    bench.contain()
    with pytest.raises(InputError, match="why"):
        bench.answer(approve=False, why=" ")
    report = bench.answer(approve=False, why="known installer")
    assert contained(report).note == "ann has declined the isolation: known installer."
    assert step(report)[0]
    turned = bench.answer(by="bob")
    assert contained(turned).note.startswith("ann has declined before")
    assert bench.events().count("answer_not_counted") == 1
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []


def test_a_declined_case_is_not_asked_about_again_for_the_quiet_hours(bench: Bench) -> None:
    bench.contain()
    bench.answer(approve=False, why="known installer")
    again = contained(bench.contain())
    assert again.approval is not None
    assert (again.approval.state, again.approval.answered_by) == (ApprovalState.DECLINED, "ann")
    assert "It is asked again after " in again.note
    assert len(bench.ledger.approvals()) == 1


def test_an_expired_question_takes_no_answer(bench: Bench) -> None:
    bench.contain()
    bench.clock.sleep(3600)
    late = bench.answer()
    assert "too late" in contained(late).note
    assert [each.state for each in bench.ledger.approvals()] == [ApprovalState.EXPIRED]
    assert bench.events().count("answer_not_counted") == 1
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []


def test_only_approvers_answer_and_the_attempt_is_recorded(bench: Bench) -> None:
    settings = settings_of(approvers=("Ann", "bob"))
    bench.contain(settings)
    for approve, by in product((True, False), ("eve", "an", " ")):
        with pytest.raises(InputError, match="by"):
            bench.answer(settings=settings, approve=approve, by=by)
    assert bench.events().count("person_refused") == 4
    (approval,) = bench.ledger.approvals()
    assert approval.state is ApprovalState.ASKED
    with pytest.raises(InputError, match="approvers"):
        hand(bench, settings, by="eve")
    assert outcome(bench.answer(settings=settings, by=" ANN ")) is ContainmentOutcome.ISOLATED


def test_two_cases_on_one_host_ask_one_question_and_either_case_answers_it(bench: Bench) -> None:
    first = bench.contain()
    second = bench.contain(case=a_case(OTHER_ID))
    assert contained(second).approval == contained(first).approval
    assert contained(second).note == f"This host is asked about already, for {CASE_ID}."
    assert len(bench.ledger.approvals()) == 1
    report = bench.answer(OTHER_ID)
    assert report.case_id == CASE_ID
    assert outcome(report) is ContainmentOutcome.ISOLATED
    assert bench.edr.writes == [HOST_ID]


def test_a_question_or_case_that_is_not_there_is_named(bench: Bench) -> None:
    bench.contain()
    for wanted, words in (("ask-0", "is no question"), (OTHER_ID, "is not kept")):
        with pytest.raises(InputError, match=words):
            bench.answer(wanted)
    bench.cases.keep(a_case(OTHER_ID, host=None))
    with pytest.raises(InputError, match="is no question"):
        bench.answer(OTHER_ID)
    (bench.cases.folder / f"{CASE_ID}.json").unlink()
    with pytest.raises(InputError, match="is not kept"):
        bench.answer()
    (approval,) = bench.ledger.approvals()
    assert approval.state is ApprovalState.ASKED


class StoppedBetween(SqliteLedger):
    """Somebody sets the kill switch after the order was written down, before the call."""

    def begin(self, order: Order, caps: CapLimits, *, quiet_s: float) -> Intent:
        intent = super().begin(order, caps, quiet_s=quiet_s)
        self.set_kill_switch(on=True, by="eve", why="wrong host")
        return intent


def test_the_kill_switch_set_between_approval_and_call_stops_the_call(tmp_path: Path) -> None:
    bench = Bench(tmp_path, StoppedBetween)
    bench.contain()
    report = bench.answer()
    assert bench.edr.writes == []
    assert outcome(report) is not ContainmentOutcome.ISOLATED
    (intent,) = bench.ledger.intents()
    assert (intent.state, intent.called_at) == (IntentState.FAILED, None)
    assert bench.ledger.leases() == []
    assert not step(report)[0]


@pytest.mark.parametrize("mode", [OFF, SHADOW])
def test_the_mode_must_still_be_live_after_an_approval(bench: Bench, mode: IsolationMode) -> None:
    bench.contain()
    report = bench.answer(settings=settings_of(mode))
    assert "nothing was sent" in contained(report).note
    assert not step(report)[0]
    assert bench.edr.writes == []
    assert bench.ledger.intents() == []


# --- crashes --------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process died."""


def test_killed_after_the_approval_a_run_asks_nobody_anew_and_a_person_can_order_it(bench: Bench) -> None:
    bench.contain()
    (approval,) = bench.ledger.approvals()
    bench.ledger.answer(approval.approval_id, approve=True, by="ann", why="yes")  # and died
    report = bench.contain(case=a_case(OTHER_ID))
    assert "ann has approved the isolation of this host, and it was not carried out" in contained(report).note
    assert len(bench.ledger.approvals()) == 1
    assert bench.edr.writes == []
    assert outcome(hand(bench)) is ContainmentOutcome.ISOLATED
    assert bench.edr.writes == [HOST_ID]


def test_killed_in_the_call_a_later_run_tells_the_truth_and_calls_nobody(bench: Bench) -> None:
    isolate = bench.edr.isolate

    def dies(host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        isolate(host, comment=comment, idempotency_key=idempotency_key)
        raise Killed

    bench.edr.isolate = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        bench.contain(settings_of(AUTO))
    bench.edr.isolate = isolate  # type: ignore[method-assign]
    for case in (a_case(), a_case(OTHER_ID)):
        report = bench.contain(settings_of(AUTO), case=case)
        assert outcome(report) in (ContainmentOutcome.ISOLATED, ContainmentOutcome.OURS_STANDS)
    (intent,) = bench.ledger.intents()
    assert intent.state is IntentState.VERIFIED
    assert bench.edr.writes == [HOST_ID]


# --- approved on a platform, and by hand ----------------------------------------------------------


def on_platform(bench: Bench, *, by: str = "ann", case: AssessedCase | None = None) -> CaseReport:
    return approved_elsewhere(
        case or a_case(), bench.containing("container-7"), by=by, why="prompt", settings=settings_of()
    )


def test_an_approval_on_a_platform_is_recorded_and_isolates_once(bench: Bench) -> None:
    report = on_platform(bench)
    assert outcome(report) is ContainmentOutcome.ISOLATED
    again = on_platform(bench)
    assert "nothing is sent again" in contained(again).note
    assert outcome(again) is ContainmentOutcome.OURS_STANDS
    (approval,) = bench.ledger.approvals()
    assert (approval.state, approval.answered_by) == (ApprovalState.APPROVED, "ann")
    assert bench.edr.writes == [HOST_ID]


def test_an_approval_on_a_platform_answers_the_open_question_and_goes_on_after_a_kill(bench: Bench) -> None:
    bench.contain(run_id="container-7")
    (asked,) = bench.ledger.approvals()
    bench.ledger.answer(asked.approval_id, approve=True, by="ann", why="prompt")  # and died
    report = on_platform(bench)
    assert outcome(report) is ContainmentOutcome.ISOLATED
    (approval,) = bench.ledger.approvals()
    assert approval.used_by
    assert bench.edr.writes == [HOST_ID]


@pytest.mark.parametrize("answer", ["declined", "expired"])
def test_a_prompt_answered_after_another_answer_or_too_late_isolates_nothing(
    bench: Bench, answer: str
) -> None:
    bench.contain(run_id="container-7")
    if answer == "declined":
        bench.answer(approve=False, why="no")
    else:
        bench.clock.sleep(3600)
    report = on_platform(bench)
    assert not step(report)[0]
    assert bench.edr.writes == []
    assert len(bench.ledger.approvals()) == 1


def test_an_approval_on_a_platform_is_not_taken_from_everybody(bench: Bench) -> None:
    with pytest.raises(InputError, match="approvers"):
        approved_elsewhere(
            a_case(), bench.containing(), by="eve", why="", settings=settings_of(approvers=("ann",))
        )
    bench.edr.agent = HostNotFound("defender", "no host")
    report = on_platform(bench, case=a_case(host=None))
    assert "Nothing was sent" in contained(report).note
    assert bench.ledger.approvals() == []
    assert bench.edr.writes == []


def hand(
    bench: Bench,
    settings: Settings | None = None,
    *,
    despite: tuple[str, ...] = (),
    by: str = "ann",
    why: str = "ticket 7",
) -> CaseReport:
    return isolate_by_hand(
        CASE_ID,
        bench.containing("run-3"),
        despite=despite,
        by=by,
        why=why,
        settings=settings or settings_of(),
    )


def test_by_hand_every_guard_in_the_way_has_to_be_named(bench: Bench) -> None:
    bench.edr.agent = host(host_type=HostType.SERVER, tags=("critical",))
    bench.contain()
    assert bench.ledger.approvals() == []
    for despite in ((), ("host_type",), ("host_type", "not_protected", "breaker"), ("servers",)):
        report = hand(bench, despite=despite)
        assert contained(report).note.startswith("Nothing was sent. ")
        assert not step(report)[0]
    assert bench.edr.writes == []
    done = hand(bench, despite=("host_type", "not_protected", "score"))
    assert outcome(done) is ContainmentOutcome.ISOLATED
    (intent,) = bench.ledger.intents()
    assert (intent.order.by, intent.order.by_person) == ("ann", True)
    assert intent.order.reason == "ticket 7 (despite host_type, not_protected)"


def test_by_hand_after_a_release_only_a_person_isolates_again(bench: Bench) -> None:
    bench.edr.changed_at = bench.clock.now - timedelta(hours=1)
    assert bench.contain(settings_of(AUTO)).containment is None
    assert outcome(hand(bench, despite=("not_released_recently",))) is ContainmentOutcome.ISOLATED


def test_by_hand_needs_a_reason_and_a_kept_case(bench: Bench) -> None:
    with pytest.raises(InputError, match="why"):
        hand(bench, why=" ")
    with pytest.raises(InputError, match="is not kept"):
        hand(bench)
    bench.contain(settings_of(SHADOW))
    assert "approve or auto" in contained(hand(bench, settings_of(SHADOW))).note
    assert bench.edr.writes == []


# --- in the playbook ------------------------------------------------------------------------------


def test_respond_tells_what_was_done_and_a_fault_costs_only_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(settings: Settings) -> CaseReport:
        (report,) = respond(
            InProcess(),
            [notable(TELEGRAM_IP)],
            edr=None,
            profiles=shipped_profiles(),
            settings=settings,
            clock=bench.clock,
            caller_mode=AUTO,
            containing=bench.containing(),
        )
        return report

    assert work(settings_of(OFF)).containment is None
    assert not bench.cases.folder.exists()
    report = work(settings_of(AUTO))
    assert bench.cases.get(report.case_id).facts == report.facts
    assert step(report, "get_isolation_status") == (True, "the host is not_isolated (observed)")

    def broken(*args: object, **kwargs: object) -> CaseReport:
        raise KeyError("a secret")

    monkeypatch.setattr("playbooks.isolation.contain_case", broken)
    report = work(settings_of(AUTO))
    assert contained(report).note.startswith("Containment broke off (KeyError).")
    assert "secret" not in report.model_dump_json()
    assert not step(report)[0]


def test_a_release_that_came_to_nothing_leaves_the_host_isolated_in_the_report(bench: Bench) -> None:
    bench.contain()
    assert outcome(bench.answer()) is ContainmentOutcome.ISOLATED
    (intent,) = bench.ledger.intents()
    wanted = intent.order.model_copy(
        update={"kind": IntentKind.RELEASE, "approval_id": "", "by": "bob", "by_person": True}
    )
    none = CapLimits(per_run=None, per_hour=None, per_day=None)
    bench.ledger.calling(bench.ledger.begin(wanted, none, quiet_s=0))
    bench.clock.sleep(4000)
    report = bench.contain()
    assert outcome(report) is ContainmentOutcome.OURS_STANDS
    assert "An earlier order for this host:" in contained(report).note
    assert "is still isolated" in contained(report).note
    assert not [each for each in report.next_steps if "by hand" in each]
