"""`respond to notable`: the whole playbook up to the decision, in one action. Isolates nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from soar_sdk.abstract import SOARClient

from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import ResponseError
from connectors.siem.notable import ParsedInput
from playbooks.asset_lists import look_up_notables
from playbooks.case import CaseReport
from playbooks.case_findings import CaseFindings, ungathered_cases
from playbooks.hosts.soar import sources
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import (
    cases_in_words,
    rejected_in_words,
    response_fields,
    worst_of,
)
from playbooks.hosts.soar.answers.contained_case import as_assessed
from playbooks.hosts.soar.answers.given import mode_of, notables_of, usable
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.asset_lists import asset_lists_for
from playbooks.hosts.soar.deciding import deciding_anew, run_id_of, with_decision
from playbooks.hosts.soar.outputs import ResponseRow, ResponseSummary
from playbooks.hosts.soar.params import ResponseParams
from playbooks.hosts.soar.sources_of_reputation import reputation_for
from playbooks.report.display import safe_error
from playbooks.report.wording import count
from playbooks.respond import CaseFault, Reported, look_up_peers, report_cases, side_by_side
from playbooks.settings import Settings
from playbooks.steps import Call, InProcess, StepFailed

#: Failed cases that a message names.
_FAILED_NAMED = 5


def answer(
    params: ResponseParams, soar: SOARClient[Any], asset: Asset, state_folder: Path | None = None
) -> Answer[ResponseRow, ResponseSummary]:
    """Work the notables. A case that fails is worked without its telemetry, and costs the others nothing.

    Without a source of processes it goes on and lists them as unknown.

    Raises:
        InputError: there is no notable that can be used, or the mode is none.
        ResponseError: something unforeseen happened in every case.
        ConfigError: the policy, a key or an address of a source is wrong.
    """
    settings = settings_of(asset)
    mode = mode_of(params.caller_mode)
    parsed, left_out = _notables(params, soar, settings)
    steps = InProcess()
    with (
        reputation_for(asset, settings, state_folder=state_folder) as reputation,
        asset_lists_for(asset, settings) as lists,
    ):
        time = reputation.time_for_all()
        found, known, asked = side_by_side(
            steps,
            Call("gather_cases", partial(_findings, params, soar, asset, parsed, settings)),
            Call(
                "lookup_reputation", partial(look_up_peers, parsed.notables, settings, reputation, time=time)
            ),
            Call("look_up_lists", partial(look_up_notables, steps, lists, parsed.notables)),
        )
        done = report_cases(
            steps,
            found,
            profiles=shipped_profiles(),
            settings=settings,
            clock=utc_now,
            caller_mode=mode,
            reputation=reputation,
            known=known,
            time=time,
            lists=lists,
            asked=asked,
        )
    with deciding_anew(asset, settings, mode, state_folder) as decide:
        run_id = run_id_of(soar.get_executing_container_id())
        reports = [with_decision(each, decide(as_assessed(each), run_id)) for each in done.reports]
    rows, faults = _rows(done._replace(reports=tuple(reports)))
    if not rows:
        raise ResponseError(f"no case could be worked: {_named(faults)}")
    shown = {row.case_id for row in rows}
    risks = [each.risk for each in done.reports if each.case_id in shown]
    summary = ResponseSummary(
        cases=len(rows),
        rejected=len(parsed.rejected),
        worst_verdict=worst_of(risks).value,
        highest_score=max(each.score for each in risks),
    )
    message = f"{cases_in_words(risks)}. Nothing was isolated.{rejected_in_words(len(parsed.rejected))}"
    if faults:
        lost = sum(not fault.reported for fault in faults)
        message += f" {count(len(faults), 'case')} failed: {_named(faults)}."
        message += (
            f" {lost} of them without an answer." if lost else " What is told of it leaves telemetry out."
        )
    return Answer(rows, summary, f"{message} {left_out}".strip())


def _rows(done: Reported) -> tuple[list[ResponseRow], list[CaseFault]]:
    """The rows, and all faults: what cannot be shown of one case costs the others nothing either."""
    rows: list[ResponseRow] = []
    faults = list(done.faults)
    for report in done.reports:
        (row,) = InProcess().parallel([Call("row", partial(_row, report))])
        if isinstance(row, StepFailed):
            faults.append(CaseFault(report.case_id, row.reason.partition(":")[0], reported=False))
        else:
            rows.append(row)
    return rows, faults


def _row(report: CaseReport) -> ResponseRow:
    return ResponseRow.model_validate(response_fields(report))


def _named(faults: Sequence[CaseFault]) -> str:
    more = len(faults) - _FAILED_NAMED
    named = ", ".join(f"{each.case_id} ({each.reason})" for each in faults[:_FAILED_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _notables(params: ResponseParams, soar: SOARClient[Any], settings: Settings) -> tuple[ParsedInput, str]:
    """The notables, and a sentence on what was not read; "" if nothing."""
    profiles = shipped_profiles()
    if params.notable:
        return notables_of(params.notable, settings, profiles=profiles), ""
    from playbooks.hosts.soar.container_notables import container_notables

    found = container_notables(soar, soar.get_executing_container_id(), settings.notable)
    return usable(found.parsed, profiles=profiles), found.left_out


def _findings(
    params: ResponseParams, soar: SOARClient[Any], asset: Asset, parsed: ParsedInput, settings: Settings
) -> tuple[CaseFindings, ...]:
    with ExitStack() as until:
        try:
            edr = sources.edr_for(
                asset, soar, parsed.notables, settings, until=until, vault_id=params.vault_id
            )
        except ResponseError as error:
            return ungathered_cases(parsed.notables, safe_error(error))
        return sources.gathered_from(edr, parsed.notables, settings)
