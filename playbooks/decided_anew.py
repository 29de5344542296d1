"""The isolation decision on a host and a ledger that were just read. It writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from actions.containment import HostReading, ledger_view
from actions.host_state import read_host
from actions.isolation import IsolationMode
from actions.isolation_policy import IsolationPolicy
from actions.sites import site_of
from connectors.addresses import pack_ip
from connectors.facts.ledger import HostKey, Standing
from connectors.ports import Capability, EdrConnector
from connectors.state.ledger import Ledger, LedgerUnusable
from playbooks.case import CaseReport, StepOutcome
from playbooks.case_steps import AssessedCase, decided, request_of
from playbooks.settings import Settings


class DecidedAnew(NamedTuple):
    """A decision on what was just read.

    Attributes:
        reading: the host; empty where nothing was read.
        standing: what the ledger says of it; None where it was not read.
        site: the host's site; "" where it is not known.
    """

    report: CaseReport
    reading: HostReading
    standing: Standing | None = None
    site: str = ""


def decide_anew(
    case: AssessedCase,
    *,
    edr: EdrConnector,
    ledger: Ledger,
    settings: Settings,
    caller_mode: IsolationMode,
    run_id: str,
    clock: Callable[[], datetime],
) -> DecidedAnew:
    """Read host and ledger, and evaluate every guard. It settles nothing and writes nothing.

    Where the mode is off everywhere, or the connector cannot isolate, nothing is read.

    Args:
        case: the case with its risk.
        edr: the connector that would isolate.
        ledger: what was done before.
        settings: the policy.
        caller_mode: the highest mode the caller allows.
        run_id: whose isolations count for the cap per run.
        clock: the time.
    """
    policy = settings.isolation
    request = request_of(case, caller_mode)
    if not _worth_reading(policy, caller_mode, edr):
        return DecidedAnew(decided(case, request, settings=settings, now=clock()), HostReading(None))
    reading = _read(case, edr)
    site = site_of(reading.agent, policy) if reading.agent is not None else ""
    key = host_key(case, edr, reading)
    standing, trouble = _standing(ledger, key, run_id=run_id, site=site)
    request = request.model_copy(
        update={
            "site": site,
            "connector": edr.name,
            "capabilities": edr.capabilities,
            "agent": reading.agent,
            "host_candidates": reading.candidates or case.host_candidates,
            "isolation": reading.status,
            "ledger": ledger_view(standing) if standing is not None else None,
        }
    )
    report = decided(
        case, request, settings=settings, now=clock(), read=(_host_step(reading), _ledger_step(trouble))
    )
    return DecidedAnew(report, reading, standing, site)


def host_key(case: AssessedCase, edr: EdrConnector, reading: HostReading) -> HostKey | None:
    """The machine that a decision is about, for the ledger; None where it is not known."""
    host = reading.agent or case.facts.host
    return HostKey(host.connector, host.host_id) if host is not None and host.connector == edr.name else None


def _worth_reading(policy: IsolationPolicy, caller: IsolationMode, edr: EdrConnector) -> bool:
    sites = {each.mode for each in policy.sites} | {policy.other_sites} if policy.sites else {policy.mode}
    off = IsolationMode.OFF
    return Capability.ISOLATE in edr.capabilities and off not in (policy.mode, caller) and sites != {off}


def _read(case: AssessedCase, edr: EdrConnector) -> HostReading:
    host = case.facts.host
    times = [when for each in case.facts.notables if (when := each.last_time or each.first_time) is not None]
    if host is not None:
        expected = host.host_id if host.connector == edr.name else ""
        return read_host(edr, hostname=host.hostname, host_id=expected, at=times)
    if case.host_candidates:
        return HostReading(None, candidates=case.host_candidates, problem="More than one machine fits.")
    name = case.facts.notables[0].dest
    if not name:
        return HostReading(None, problem="The notable does not name its machine.")
    if pack_ip(name) is not None:
        return HostReading(None, problem="The notable names its host by address alone.")
    return read_host(edr, hostname=name, at=times)


def _standing(ledger: Ledger, key: HostKey | None, *, run_id: str, site: str) -> tuple[Standing | None, str]:
    """What the ledger says of the host, and why it says nothing."""
    if key is None:
        return None, "The host is not known, and so the ledger was not asked about it."
    try:
        return ledger.standing(key, run_id=run_id, site=site), ""
    except LedgerUnusable as error:
        return None, f"The ledger cannot be used, and so nothing is isolated: {str(error).rstrip('.')}."


def _host_step(reading: HostReading) -> StepOutcome:
    status = reading.status
    said = f"{status.state.value} ({status.how_known.value})" if status is not None else ""
    return StepOutcome(
        step="get_isolation_status", ok=not reading.problem, detail=reading.problem or f"the host is {said}"
    )


def _ledger_step(trouble: str) -> StepOutcome:
    return StepOutcome(step="read_ledger", ok=not trouble, detail=trouble or "done")
