"""`isolate host`: isolates the host of one case once, and proves it; without proof it fails and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soar_sdk.abstract import SOARClient

from actions.containment import ContainmentOutcome
from actions.isolation import IsolationMode, IsolationVerdict
from connectors.errors import InputError
from playbooks.case_steps import AssessedCase
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.contained_case import (
    blank_row,
    done_or_failed,
    one_case,
    row_of_report,
)
from playbooks.hosts.soar.answers.given import mode_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.containing import containing
from playbooks.hosts.soar.containment_outputs import ContainmentRow, ContainmentSummary
from playbooks.hosts.soar.deciding import run_id_of
from playbooks.hosts.soar.guarded import secrets_of
from playbooks.hosts.soar.params import IsolateParams
from playbooks.hosts.soar.redaction import redactor
from playbooks.isolation import Containing, approved_elsewhere, contain_case, decide_anew
from playbooks.report.display import safe_error
from playbooks.settings import Settings

#: What stands for a reason that was not given.
_NO_REASON = "approved on the platform; no reason was given"

_LIVE = (IsolationMode.APPROVE, IsolationMode.AUTO)


def answer(
    params: IsolateParams, soar: SOARClient[Any], asset: Asset, state_folder: Path
) -> Answer[ContainmentRow, ContainmentSummary]:
    """Isolate the host of a case, and read its state until that is proved or the policy's deadline is over.

    Raises:
        LedgerUnusable: the ledger cannot be read or written.
        NotDone: the host was not isolated, or that is not proved; the row says how far it came.
    """
    # What is typed goes to the ledger and to the vendor, and may repeat a secret.
    clean = redactor(secrets_of(asset))
    by, why = clean((params.approved_by or "").strip()), clean((params.why or "").strip())
    try:
        settings = settings_of(asset)
        mode = mode_of(params.caller_mode, auto=True)
        case = one_case(params.case_facts, params.host, settings)
        run_id = run_id_of(soar.get_executing_container_id())
        with containing(asset, settings, state_folder, run_id=run_id) as tools:
            row = _contained(case, tools, settings, mode, by=by, why=why or _NO_REASON)
    except InputError as error:  # of what was given: raised before anything is sent
        row = blank_row(host=params.host, outcome=ContainmentOutcome.NOT_SENT, sentence=safe_error(error))
    return done_or_failed(row)


def _contained(
    case: AssessedCase,
    containing: Containing,
    settings: Settings,
    mode: IsolationMode,
    *,
    by: str,
    why: str,
) -> ContainmentRow:
    if by and mode in _LIVE:
        return row_of_report(approved_elsewhere(case, containing, by=by, why=why, settings=settings))
    tools = containing.tools
    found = decide_anew(
        case,
        edr=tools.edr,
        ledger=tools.ledger,
        settings=settings,
        caller_mode=mode,
        run_id=containing.run_id,
        clock=tools.clock,
    )
    if found.report.decision.verdict is not IsolationVerdict.ASK:
        return row_of_report(contain_case(case, containing, settings=settings, caller_mode=mode))
    # The platform asks, and not the ledger, whose question nobody could answer here.
    row = row_of_report(found.report)
    row.sentence += " It was not isolated: give approved_by and why."
    return row
