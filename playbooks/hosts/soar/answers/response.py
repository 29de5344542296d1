"""`respond to notable`: the whole playbook up to the decision, in one action. Isolates nothing."""

from __future__ import annotations

from typing import Any

from soar_sdk.abstract import SOARClient

from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import ResponseError
from connectors.siem.notable import ParsedInput
from playbooks.case_steps import CaseFindings, assess_case, decide_case, ungathered_cases
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import (
    cases_in_words,
    rejected_in_words,
    response_fields,
    worst_of,
)
from playbooks.hosts.soar.answers.given import gathered, mode_of, notables_of, usable
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.outputs import ResponseRow, ResponseSummary
from playbooks.hosts.soar.params import ResponseParams
from playbooks.report.display import safe_error
from playbooks.settings import Settings


def answer(
    params: ResponseParams, soar: SOARClient[Any], asset: Asset
) -> Answer[ResponseRow, ResponseSummary]:
    """Work the notables. Without a source of processes it goes on and lists them as unknown.

    Raises:
        InputError: there is no notable that can be used, or the mode is none.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    mode = mode_of(params.caller_mode)
    parsed = _notables(params, soar, settings)
    reports = []
    for found in _findings(params, soar, asset, parsed, settings):
        now = utc_now()
        case = assess_case(found, profiles=shipped_profiles(), settings=settings, now=now)
        reports.append(decide_case(case, settings=settings, caller_mode=mode, now=now))
    risks = [each.risk for each in reports]
    summary = ResponseSummary(
        cases=len(reports),
        rejected=len(parsed.rejected),
        worst_verdict=worst_of(risks).value,
        highest_score=max(each.score for each in risks),
    )
    message = f"{cases_in_words(risks)}. Nothing was isolated.{rejected_in_words(len(parsed.rejected))}"
    return Answer([ResponseRow.model_validate(response_fields(each)) for each in reports], summary, message)


def _notables(params: ResponseParams, soar: SOARClient[Any], settings: Settings) -> ParsedInput:
    if params.notable:
        return notables_of(params.notable, settings)
    from playbooks.hosts.soar.container_notables import container_notables

    return usable(container_notables(soar, soar.get_executing_container_id(), settings.notable))


def _findings(
    params: ResponseParams, soar: SOARClient[Any], asset: Asset, parsed: ParsedInput, settings: Settings
) -> tuple[CaseFindings, ...]:
    try:
        return gathered(asset, soar, parsed, settings, params.vault_id)
    except ResponseError as error:
        return ungathered_cases(parsed.notables, safe_error(error))
