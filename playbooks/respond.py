"""The playbook: from notables to case reports, in the order of docs/architecture.md.

notable -> locate host and process -> group into cases -> evidence and lineage -> public check and names
-> risk -> isolation decision -> report. What another system does not answer becomes an unknown in the
report; it never stops the others and never lowers a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from actions.case_facts import Destination, Unknown
from actions.check_ip import IpCheck, check_ip
from actions.isolation import IsolationMode
from actions.profile import Profile
from actions.reputation_facts import DestinationReputation
from connectors.errors import ResponseError
from connectors.facts.notable import Notable
from connectors.ports import EdrConnector
from playbooks.asset_lists import (
    NO_LISTS,
    NOTHING_ASKED,
    Asked,
    AssetLists,
    look_up_cases,
    look_up_notables,
    with_broken,
)
from playbooks.case import CaseReport, ContainmentReport, StepOutcome
from playbooks.case_findings import CaseFindings, gather_cases, without_telemetry
from playbooks.case_steps import AssessedCase, assess_case, decide_case, destinations_of
from playbooks.reputation import LookupTime, Reputation
from playbooks.settings import Settings
from playbooks.steps import Call, StepFailed, Steps, pair

if TYPE_CHECKING:
    from playbooks.isolation import Containing

_NOTHING_KNOWN: Mapping[str, DestinationReputation] = {}

#: Addresses of others that are looked up of one case at most. A process that scans or floods connects to
#: thousands; the first few dozen show what it talks to, and a free quota of VirusTotal is 500 a day.
LOOKED_UP_OF_A_CASE = 50

#: The same of one run, so that one noisy log does not leave the rest of the day without answers.
LOOKED_UP_OF_A_RUN = 200

_LEFT_OUT = (
    f"Not looked up: more than {LOOKED_UP_OF_A_CASE} addresses of a case or {LOOKED_UP_OF_A_RUN} of a run"
    " would use up the quotas of sources."
)


def respond(
    steps: Steps,
    notables: Sequence[Notable],
    *,
    edr: EdrConnector | None,
    profiles: Sequence[Profile],
    settings: Settings,
    clock: Callable[[], datetime],
    caller_mode: IsolationMode = IsolationMode.APPROVE,
    reputation: Reputation | None = None,
    fresh: bool = False,
    containing: Containing | None = None,
    lists: AssetLists = NO_LISTS,
) -> tuple[CaseReport, ...]:
    """Work the notables up to the isolation decision, and, where `containing` is given, carry it out.

    Args:
        steps: what runs the steps.
        notables: any number; later ones of the same process join its case.
        edr: where processes are looked up; None when there is none.
        profiles: the profiles a notable may belong to; the first is used for a process name of none.
        settings: policy and limits.
        clock: the time.
        caller_mode: the highest isolation mode the caller allows.
        reputation: who is asked about addresses; None when nobody is. The notables' peers are looked up while
            telemetry is gathered, and further peers after it.
        fresh: True asks volatile sources past their cache.
        containing: what isolating needs; None asks nobody and isolates nothing, whatever is decided.
        lists: who is asked about machines and accounts, while telemetry is gathered.

    Returns:
        One report per case, in the order of their first notable. Where a fault of ours stops an assessment,
        the report of that case leaves out its telemetry and says so.

    Raises:
        ResponseError: a case could not be worked even so.
    """
    time = reputation.time_for_all() if reputation is not None else None
    gather = Call("gather_cases", partial(gather_cases, steps, edr, notables, settings))
    look_up = Call(
        "lookup_reputation",
        partial(look_up_peers, notables, settings, reputation, fresh=fresh, time=time),
    )
    ask_lists = Call("look_up_lists", partial(look_up_notables, steps, lists, notables))
    found, known, asked = side_by_side(steps, gather, look_up, ask_lists)
    done = report_cases(
        steps,
        found,
        profiles=profiles,
        settings=settings,
        clock=clock,
        caller_mode=caller_mode,
        reputation=reputation,
        known=known,
        fresh=fresh,
        time=time,
        containing=containing,
        lists=lists,
        asked=asked,
    )
    lost = [fault for fault in done.faults if not fault.reported]
    if lost:
        raise ResponseError(f"{lost[0].case_id} could not be worked: {lost[0].reason}")
    return done.reports


def side_by_side(
    steps: Steps,
    gather: Call[tuple[CaseFindings, ...]],
    look_up: Call[Mapping[str, DestinationReputation]],
    ask_lists: Call[Asked],
) -> tuple[tuple[CaseFindings, ...], Mapping[str, DestinationReputation], Asked]:
    """Run all three at once. A look-up that breaks costs its answers alone.

    Raises:
        ResponseError: nothing was gathered.
    """
    beside = Call("look_up", partial(pair, steps, look_up, ask_lists))
    both = pair(steps, gather, beside)
    found, looked = both
    if isinstance(found, StepFailed):
        raise ResponseError(f"the cases could not be gathered: {found.reason.partition(':')[0]}")
    if isinstance(looked, StepFailed):
        return found, {}, NOTHING_ASKED
    known, asked = looked
    return (
        found,
        {} if isinstance(known, StepFailed) else known,
        NOTHING_ASKED if isinstance(asked, StepFailed) else asked,
    )


def look_up_peers(
    notables: Sequence[Notable],
    settings: Settings,
    reputation: Reputation | None,
    *,
    fresh: bool = False,
    before: Mapping[str, DestinationReputation] = _NOTHING_KNOWN,
    time: LookupTime | None = None,
) -> Mapping[str, DestinationReputation]:
    """What sources know of the peers that notables name, by canonical address; of at most so many.

    Which notables are one case is not known yet: those of one process name on one host share its number here,
    and what it leaves out is looked up after grouping, as far as the numbers allow.

    Args:
        notables, settings, reputation, fresh: as respond.
        before: an earlier look-up, by canonical address.
        time: the seconds that this look-up and the one after grouping have together; None gives each its own.
    """
    if reputation is None:
        return {}
    peers: dict[tuple[str, str], dict[str, None]] = {}
    for each in notables:
        if each.peer_ip is not None:
            host = (each.machine_label.casefold(), each.process_name.casefold())
            peers.setdefault(host, {}).setdefault(each.peer_ip)
    checks = {
        ip: check_ip(ip, organisation=settings.organisation_ranges) for ips in peers.values() for ip in ips
    }
    candidates = _ranked([[checks[ip] for ip in ips if checks[ip].external] for ips in peers.values()])
    chosen = dict.fromkeys(candidates[:LOOKED_UP_OF_A_RUN])
    others = [check for check in checks.values() if not check.external]
    asked = [*others, *(checks[ip] for ip in chosen)]
    return reputation.look_up(asked, fresh=fresh, before=before, shared=time, last=time is None)


def _ranked(groups: Sequence[Sequence[IpCheck]]) -> list[str]:
    """The first addresses of all groups, then the second ones, and so on; each once."""
    ranked = [
        (rank, check.ip) for checks in groups for rank, check in enumerate(checks[:LOOKED_UP_OF_A_CASE])
    ]
    return list(dict.fromkeys(ip for _, ip in sorted(ranked, key=lambda each: each[0])))


class CaseFault(NamedTuple):
    """A fault of ours while a case was assessed.

    Attributes:
        reported: True when the case has a report that leaves out its telemetry; False when it has none.
    """

    case_id: str
    reason: str
    reported: bool


class Reported(NamedTuple):
    """The reports of cases, and what went wrong on the way."""

    reports: tuple[CaseReport, ...]
    faults: tuple[CaseFault, ...] = ()


def report_cases(
    steps: Steps,
    found: Iterable[CaseFindings],
    *,
    profiles: Sequence[Profile],
    settings: Settings,
    clock: Callable[[], datetime],
    caller_mode: IsolationMode,
    reputation: Reputation | None = None,
    known: Mapping[str, DestinationReputation] = _NOTHING_KNOWN,
    fresh: bool = False,
    before: Mapping[str, DestinationReputation] = _NOTHING_KNOWN,
    time: LookupTime | None = None,
    containing: Containing | None = None,
    lists: AssetLists = NO_LISTS,
    asked: Asked = NOTHING_ASKED,
) -> Reported:
    """Assess and decide what was gathered: the second half of `respond`, with the same arguments.

    A fault in one case costs the others nothing.

    Args:
        known: what was looked up already, by canonical address; further peers are looked up here, those of
            all cases at once, up to LOOKED_UP_OF_A_CASE and LOOKED_UP_OF_A_RUN.
        before, time: as look_up_peers.
        containing, lists: as respond.
        asked: what lists were asked already; further machines and users are asked about here, all at once.
    """
    found = tuple(found)
    looked, told = pair(
        steps,
        Call(
            "lookup_reputation",
            partial(
                _look_up_further,
                found,
                settings,
                reputation,
                known,
                fresh=fresh,
                before=before,
                time=time,
            ),
        ),
        Call("look_up_lists", partial(look_up_cases, steps, lists, found, asked)),
    )
    listed = with_broken(asked.listed, told) if isinstance(told, StepFailed) else told
    broken = looked if isinstance(looked, StepFailed) else None
    reputations, left = (known, frozenset[str]()) if isinstance(looked, StepFailed) else looked

    def worked(case: CaseFindings) -> _Worked:
        now = clock()
        destinations = destinations_of(case, settings)
        if reputation is not None:
            destinations = tuple(
                _judged(steps, reputation, each, reputations.get(each.ip), broken) for each in destinations
            )
        destinations, unknowns = _telling(destinations, left)
        assessed = assess_case(
            case,
            profiles=profiles,
            settings=settings,
            now=now,
            destinations=destinations,
            unknowns=unknowns,
            listed=listed,
        )
        return _Worked(assessed, decide_case(assessed, settings=settings, caller_mode=caller_mode, now=now))

    reports: list[CaseReport] = []
    faults: list[CaseFault] = []
    for case in found:
        (done,) = steps.parallel([Call("assess_case", partial(worked, case))])
        if isinstance(done, StepFailed):
            # The class of the exception alone: its text may hold anything.
            reason = done.reason.partition(":")[0]
            without = without_telemetry(case, reason)
            (done,) = steps.parallel([Call("assess_case", partial(worked, without))])
            faults.append(CaseFault(case.case_id, reason, reported=not isinstance(done, StepFailed)))
        if not isinstance(done, StepFailed):
            reports.append(_contained(steps, done, containing, settings=settings, caller_mode=caller_mode))
    return Reported(tuple(reports), tuple(faults))


class _Worked(NamedTuple):
    """A case with the report of what its facts alone decide."""

    case: AssessedCase
    report: CaseReport


def _contained(
    steps: Steps,
    worked: _Worked,
    containing: Containing | None,
    *,
    settings: Settings,
    caller_mode: IsolationMode,
) -> CaseReport:
    """The report after host and ledger were read and the decision was carried out, where that may be.

    A fault of ours costs the containment alone, and is named.
    """
    if containing is None or settings.isolation.mode is IsolationMode.OFF:
        return worked.report
    from playbooks.isolation import contain_case  # noqa: PLC0415  not for a run that isolates nothing

    contain = partial(contain_case, worked.case, containing, settings=settings, caller_mode=caller_mode)
    (done,) = steps.parallel([Call("isolate_host", contain)])
    if not isinstance(done, StepFailed):
        return done
    note = (
        f"Containment broke off ({done.reason.partition(':')[0]}). What was ordered before stands in the"
        " ledger; look at the status of the host."
    )
    return worked.report.model_copy(
        update={
            "steps": (*worked.report.steps, StepOutcome(step="isolate_host", ok=False, detail=note)),
            "containment": ContainmentReport(note=note),
        }
    )


def _judged(
    steps: Steps,
    reputation: Reputation,
    destination: Destination,
    known: DestinationReputation | None,
    broken: StepFailed | None,
) -> Destination:
    """The destination with its verdict. A fault of ours costs the verdict alone, and is named."""
    (judged,) = steps.parallel([Call("judge", partial(reputation.judged, destination, known))])
    fault = judged if isinstance(judged, StepFailed) else broken if known is None else None
    found = destination if isinstance(judged, StepFailed) else judged
    if fault is None:
        return found
    why = f"The look-up broke ({fault.reason.partition(':')[0]})."
    return found.model_copy(update={"verdict_reason": why})


class _Looked(NamedTuple):
    """What is known after all look-ups, and the external addresses left out for their number."""

    known: Mapping[str, DestinationReputation]
    left: frozenset[str]


def _look_up_further(
    found: Sequence[CaseFindings],
    settings: Settings,
    reputation: Reputation | None,
    known: Mapping[str, DestinationReputation],
    *,
    fresh: bool,
    before: Mapping[str, DestinationReputation],
    time: LookupTime | None,
) -> _Looked:
    """What is known, and what sources say of the peers that telemetry added, up to the numbers above.

    The notables' own peers come first, then those with the most connections.
    """
    if reputation is None:
        return _Looked(known, frozenset())
    own: list[list[IpCheck]] = []
    further: list[list[IpCheck]] = []
    unasked: dict[str, IpCheck] = {}
    external: set[str] = {ip for ip in known if _is_external(ip, settings)}
    spent = len(external)
    for case in found:
        checks = [each.check for each in destinations_of(case, settings)]
        room = LOOKED_UP_OF_A_CASE - sum(check.ip in external for check in checks)
        new = [check for check in checks if check.ip not in known]
        unasked.update((check.ip, check) for check in new)
        chosen = _by_weight(case, [check for check in new if check.external])[: max(0, room)]
        named = {each.peer_ip for each in case.notables}
        own.append([check for check in chosen if check.ip in named])
        further.append([check for check in chosen if check.ip not in named])
    wanted = dict.fromkeys([*_ranked(own), *_ranked(further)])
    taken = set(list(wanted)[: max(0, LOOKED_UP_OF_A_RUN - spent)])
    asked = [check for check in unasked.values() if check.ip in taken or not check.external]
    left = frozenset(ip for ip, check in unasked.items() if check.external and ip not in taken)
    looked = reputation.look_up(asked, fresh=fresh, before=before, shared=time)
    return _Looked({**known, **looked}, left)


def _by_weight(case: CaseFindings, checks: Sequence[IpCheck]) -> list[IpCheck]:
    """The notables' own peers in their order, then the others, those with the most connections first."""
    named = {each.peer_ip for each in case.notables}
    connections = case.evidence.connections if case.evidence is not None else ()
    seen: Counter[str] = Counter()
    for each in connections:
        seen[each.src_ip if each.initiated is False else each.dest_ip] += each.count
    return sorted(checks, key=lambda check: (0, 0) if check.ip in named else (1, -seen[check.ip]))


def _is_external(ip: str, settings: Settings) -> bool:
    return check_ip(ip, organisation=settings.organisation_ranges).external


def _telling(
    destinations: Sequence[Destination], left: frozenset[str]
) -> tuple[tuple[Destination, ...], tuple[Unknown, ...]]:
    """The destinations with the reason of those left out, and that as one thing not known."""
    out = [each.ip for each in destinations if each.ip in left]
    if not out:
        return tuple(destinations), ()
    told = tuple(
        each.model_copy(update={"verdict_reason": _LEFT_OUT}) if each.ip in left else each
        for each in destinations
    )
    more = f" and {len(out) - 1:,} more" if len(out) > 1 else ""
    what = f"reputation of {out[0]}{more}"
    return told, (Unknown(what=what, why=_LEFT_OUT, remedy="Look those that matter up by hand"),)
