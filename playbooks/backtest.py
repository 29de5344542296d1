"""What a policy would have done with cases of the past. Nobody is asked, and nothing is isolated or written.

The cases are decided one after the other, in the order of their moments, by decide_isolation itself. What a
log cannot show is assumed, and every guard that rests on an assumption says on which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from actions.decide_isolation import decide_isolation
from actions.host_addresses import Holding, own_address
from actions.isolation import (
    Guard,
    GuardOutcome,
    IsolationDecision,
    IsolationMode,
    IsolationRequest,
    IsolationVerdict,
    LedgerView,
)
from actions.isolation_policy import IsolationPolicy
from actions.profile import Profile
from actions.sites import site_of
from connectors.facts.asset import AssetFacts, highest_priority
from connectors.facts.host import AddressSeen, HostRef, HostType
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import HostKey
from connectors.ports import Capability
from playbooks.backtest_facts import (
    RESTS_ON,
    Assume,
    BacktestCase,
    BacktestGuard,
    Outcome,
    PolicyResult,
    Terms,
)
from playbooks.case_findings import CaseFindings, without_telemetry
from playbooks.case_steps import AssessedCase, assess_case
from playbooks.settings import Settings
from playbooks.steps import Call, StepFailed, Steps

#: Guards that pass on an assumption even where what is at hand lets them pass.
_ALWAYS_ASSUMED = frozenset({"one_host", "not_protected", "agent_seen", "connection_fresh"})

#: Stands for the EDR where no telemetry was given.
_ANY_EDR = "edr"

#: When a case is decided whose time nobody knows, where no other has one. Its freshness refuses anyway.
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)

_OUTCOMES = {IsolationVerdict.ISOLATE: Outcome.ISOLATE, IsolationVerdict.ASK: Outcome.ASK}


def backtest(
    steps: Steps,
    found: Iterable[CaseFindings],
    *,
    name: str,
    profiles: Sequence[Profile],
    settings: Settings,
    terms: Terms,
) -> PolicyResult:
    """Decide every case as the policy would have.

    Args:
        steps: what runs the assessments; a fault in one case costs that case its telemetry alone.
        found: the cases with what telemetry gave, in any order.
        name: what to call the policy.
        profiles: the profiles a notable may belong to.
        settings: the policy, and how risk is weighed.
        terms: what is assumed.

    Returns:
        The cases in the order in which they were decided; those without a time come last.
    """
    delay = timedelta(seconds=terms.delay_s)
    last = [(each, last_connection(each)) for each in found]
    timed = sorted(
        ((when + delay, each) for each, when in last if when is not None),
        key=lambda pair: (pair[0], pair[1].case_id),
    )
    untimed = sorted((each for each, when in last if when is None), key=lambda each: each.case_id)
    end = timed[-1][0] if timed else _NO_TIME
    live = live_policy(settings.isolation)
    ledger = _Ledger(run_per_case=terms.run_per_case)
    cases: list[BacktestCase] = []
    for moment, each in (*timed, *((None, each) for each in untimed)):
        now = moment or end
        case = _assessed(steps, each, profiles=profiles, settings=settings, now=now)
        cases.append(_decided(case, live, now=now, moment=moment, ledger=ledger, terms=terms))
    return PolicyResult(policy=name, mode=settings.isolation.mode, judged_as=live.mode, cases=tuple(cases))


def last_connection(found: CaseFindings) -> datetime | None:
    """When the last connection of a case was seen; None where nothing says it."""
    times = [each.last_time or each.first_time for each in found.notables]
    if found.evidence is not None:
        times += [each.last_time or each.time for each in found.evidence.connections]
    return max((time for time in times if time is not None), default=None)


def live_policy(policy: IsolationPolicy) -> IsolationPolicy:
    """The policy in the live mode it has or rehearses; sites in `shadow` too. A site that is off stays so."""
    live = policy.judged_as(policy.mode)

    def lifted(mode: IsolationMode) -> IsolationMode:
        return live if mode is IsolationMode.SHADOW else mode

    sites = tuple(each.model_copy(update={"mode": lifted(each.mode)}) for each in policy.sites)
    return policy.model_copy(update={"mode": live, "sites": sites, "other_sites": lifted(policy.other_sites)})


def _assessed(
    steps: Steps, found: CaseFindings, *, profiles: Sequence[Profile], settings: Settings, now: datetime
) -> AssessedCase:
    call = partial(assess_case, profiles=profiles, settings=settings, now=now)
    (case,) = steps.parallel([Call("assess_case", partial(call, found))])
    if not isinstance(case, StepFailed):
        return case
    # The class of the exception alone: its text may hold anything.
    return call(without_telemetry(found, case.reason.partition(":")[0]))


class _Isolated(NamedTuple):
    """An isolation of this backtest."""

    at: datetime
    case_id: str
    host: HostKey
    site: bytes


class _Ledger:
    """The isolations of this backtest, counted as the ledger counts. A lease never releases by itself."""

    def __init__(self, *, run_per_case: bool) -> None:
        self._run_per_case = run_per_case
        self._done: list[_Isolated] = []

    def add(self, host: HostRef, *, at: datetime, case_id: str, site: str) -> None:
        """Note an isolation."""
        self._done.append(_Isolated(at, case_id, _key(host), _site(site)))

    def view(self, host: HostRef | None, *, now: datetime, site: str) -> LedgerView:
        """What a ledger that knows this backtest alone would say."""
        day = [each for each in self._done if each.at > now - timedelta(hours=24)]
        standing = [each for each in self._done if host is not None and each.host == _key(host)]
        lease = f"isolated for {standing[0].case_id} in this backtest" if standing else ""
        return LedgerView(
            in_run=0 if self._run_per_case else len(self._done),
            in_hour=sum(each.at > now - timedelta(hours=1) for each in day),
            in_day=len(day),
            at_site_in_day=sum(each.site == _site(site) for each in day),
            active_lease=lease,
            active_intent="",
            breaker_open=False,
            kill_switch=False,
        )


def _key(host: HostRef) -> HostKey:
    return HostKey(host.connector, host.host_id)


def _site(site: str) -> bytes:
    return site.encode().lower()  # of bytes only A to Z are lowered, as the ledger compares them


def _decided(
    case: AssessedCase,
    policy: IsolationPolicy,
    *,
    now: datetime,
    moment: datetime | None,
    ledger: _Ledger,
    terms: Terms,
) -> BacktestCase:
    host = case.facts.host
    agent = _agent(host, case, now, terms) if host is not None else None
    site = site_of(agent, policy) if agent is not None and policy.sites else ""
    known = IsolationRequest(
        facts=case.facts,
        risk=case.risk,
        caller_mode=IsolationMode.AUTO,
        site=site,
        connector=case.connector,
        capabilities=frozenset(case.capabilities),
        host_candidates=case.host_candidates,
        asset=case.facts.asset,
    )
    assumed = known.model_copy(
        update={
            "connector": case.connector or _ANY_EDR,
            "capabilities": frozenset(Capability),
            "agent": agent,
            "isolation": IsolationStatus(
                state=IsolationState.NOT_ISOLATED, how_known=HowKnown.OBSERVED, as_of=now
            ),
            "asset": _ranked(case.facts.asset, policy, terms),
            "ledger": ledger.view(agent, now=now, site=site),
        }
    )
    decision = decide_isolation(assumed, policy, now)
    outcome = _OUTCOMES.get(decision.verdict, Outcome.NOT)
    if outcome is not Outcome.NOT and agent is not None:
        ledger.add(agent, at=now, case_id=case.case_id, site=site)
    lineage = case.facts.lineage
    return BacktestCase(
        case_id=case.case_id,
        host=host.hostname if host is not None else case.facts.notables[0].machine_label,
        host_id=host.host_id if host is not None else "",
        process=(lineage.target.name if lineage else "") or case.facts.notables[0].process_name,
        peers=tuple(each.ip for each in case.facts.destinations),
        moment=moment,
        site=site,
        score=case.risk.score,
        verdict=case.risk.case_verdict,
        mode=decision.effective_mode,
        outcome=outcome,
        guards=_guards(decision, decide_isolation(known, policy, now), terms),
    )


def _ranked(asset: AssetFacts | None, policy: IsolationPolicy, terms: Terms) -> AssetFacts | None:
    """What lists say of the host, with a priority as assumed where they rank it by none."""
    if Assume.PRIORITY not in terms.assume or (asset is not None and highest_priority((asset.priority,))):
        return asset
    return (asset or AssetFacts()).model_copy(update={"priority": _any_priority(policy)})


def _agent(host: HostRef, case: AssessedCase, now: datetime, terms: Terms) -> HostRef:
    """The host as an EDR is assumed to know it. Only what is not known is filled in."""
    kind = host.host_type
    if kind is HostType.UNKNOWN and Assume.WORKSTATION in terms.assume:
        kind = HostType.WORKSTATION
    seen = list(host.addresses)
    if Assume.ADDRESS in terms.assume:
        for notable in case.facts.notables:
            own, at = own_address(host, notable), notable.last_time or notable.first_time
            if own.ip and at and own.holding in (Holding.NOT_KNOWN, Holding.TIME_UNKNOWN):
                seen.append(AddressSeen(ip=own.ip, first_seen=at, last_seen=at))
    return host.model_copy(update={"last_seen": now, "host_type": kind, "addresses": tuple(seen)})


def _any_priority(policy: IsolationPolicy) -> str:
    """A priority that the policy does not protect."""
    protected = {each.strip().lower() for each in policy.protected.priorities}
    name = "not protected"
    while name in protected:
        name += "-"
    return name


def _guards(decision: IsolationDecision, known: IsolationDecision, terms: Terms) -> tuple[BacktestGuard, ...]:
    """The guards, each with the assumption that made its outcome what it is."""
    return tuple(
        BacktestGuard(**guard.model_dump(), assumption=_rests_on(guard, without, terms))
        for guard, without in zip(decision.guards, known.guards, strict=True)
    )


def _rests_on(guard: Guard, without: Guard, terms: Terms) -> str:
    passes = guard.outcome is GuardOutcome.PASS
    if guard.outcome is without.outcome and not (passes and guard.id in _ALWAYS_ASSUMED):
        return ""
    if guard.id == "cap_per_run" and terms.run_per_case:
        return "run_per_case"
    return RESTS_ON.get(guard.id, "")
