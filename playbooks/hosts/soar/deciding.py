"""The isolation decision on an asset for investigation: with what host and ledger say, where that matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from actions.isolation import IsolationMode
from connectors.clock import utc_now
from connectors.errors import ResponseError
from connectors.ports import EdrConnector
from playbooks.case import CaseReport
from playbooks.case_steps import AssessedCase, decide_case
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.sources import edr_secret, vendor_edr
from playbooks.settings import Settings

#: Guards about the case alone. Where one stands in the way, nothing is read of the host.
_OF_THE_CASE = frozenset({"mode", "direction_outbound", "score", "verdict", "strong_findings"})

#: A case and the run it belongs to, to its report with host and ledger read; None where they are not.
type DecideAnew = Callable[[AssessedCase, str], CaseReport | None]


def run_id_of(container_id: int) -> str:
    """The run that isolations are counted under: each container is one."""
    return f"container-{container_id}"


@contextmanager
def deciding_anew(
    asset: Asset, settings: Settings, mode: IsolationMode, state_folder: Path | None
) -> Iterator[DecideAnew]:
    """What decides a case on the state of its host and of the ledger. Nothing is written.

    They are read where the policy's mode is not off, the policy names an EDR that this asset may read, and
    nothing about the case itself stands in the way. Where one does not answer, the decision without them
    stands, which isolates nothing.

    Args:
        asset: for investigation.
        settings: its policy.
        mode: the highest that the caller allows.
        state_folder: of the app; None reads nothing.
    """
    name = settings.edr.connector
    off = IsolationMode.OFF in (mode, settings.isolation.mode)
    if off or name is None or asset.sysmon_path or state_folder is None or not edr_secret(asset, name):
        yield _nothing
        return
    with vendor_edr(asset, settings) as edr:
        yield partial(_anew, edr=edr, state_folder=state_folder, settings=settings, mode=mode)


def _nothing(_case: AssessedCase, _run_id: str) -> None:
    return None


def _anew(
    case: AssessedCase,
    run_id: str,
    *,
    edr: EdrConnector,
    state_folder: Path,
    settings: Settings,
    mode: IsolationMode,
) -> CaseReport | None:
    # Not for a case that only has to be decided: they load what isolates.
    from playbooks.hosts.soar.containing import app_ledger
    from playbooks.isolation import decide_anew

    alone = decide_case(case, settings=settings, caller_mode=mode, now=utc_now())
    if any(each.id in _OF_THE_CASE for each in alone.decision.obstacles):
        return None
    try:
        ledger = app_ledger(settings, state_folder)
        return decide_anew(
            case,
            edr=edr,
            ledger=ledger,
            settings=settings,
            caller_mode=mode,
            run_id=run_id,
            clock=utc_now,
        ).report
    except ResponseError:  # what cannot be read is unknown to the guards
        return None


def with_decision(report: CaseReport, anew: CaseReport | None) -> CaseReport:
    """The report with the decision that was made anew, if one was."""
    if anew is None:
        return report
    taken = {"decision": anew.decision, "next_steps": anew.next_steps, "steps": anew.steps}
    return report.model_copy(update=taken)
