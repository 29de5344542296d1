"""`respond to notable`: the whole playbook up to the decision, in one action. Isolates nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from actions.isolation import IsolationMode
from actions.profile_catalog import shipped_profiles
from actions.risk import RiskAssessment
from connectors.clock import utc_now
from connectors.errors import ResponseError
from connectors.siem.notable import ParsedInput
from playbooks.case_steps import CaseFindings, assess_case, decide_case, ungathered_cases, without_telemetry
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import (
    cases_in_words,
    rejected_in_words,
    response_fields,
    worst_of,
)
from playbooks.hosts.soar.answers.given import gathered, mode_of, notables_of, usable
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.guarded import tell_where
from playbooks.hosts.soar.outputs import ResponseRow, ResponseSummary
from playbooks.hosts.soar.params import ResponseParams
from playbooks.report.display import safe_error
from playbooks.report.wording import count
from playbooks.settings import Settings

#: Failed cases that a message names.
_FAILED_NAMED = 5


def answer(
    params: ResponseParams, soar: SOARClient[Any], asset: Asset
) -> Answer[ResponseRow, ResponseSummary]:
    """Work the notables. A case that fails is worked without its telemetry, and costs the others nothing.

    Without a source of processes it goes on and lists them as unknown.

    Raises:
        InputError: there is no notable that can be used, or the mode is none.
        ResponseError: something unforeseen happened in every case.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    mode = mode_of(params.caller_mode)
    parsed, left_out = _notables(params, soar, settings)
    worked: list[_Worked] = []
    failed: list[str] = []
    lost: list[str] = []
    for found in _findings(params, soar, asset, parsed, settings):
        try:
            worked.append(_work(found, settings, mode))
            continue
        except Exception as error:  # noqa: BLE001  (the edge: one case must not lose the others)
            tell_where(error)
            fault = type(error).__name__
        failed.append(f"{found.case_id} ({fault})")
        try:
            worked.append(_work(without_telemetry(found, fault), settings, mode))
        except Exception as error:  # noqa: BLE001  (the same edge)
            tell_where(error)
            lost.append(found.case_id)
    if not worked:
        raise ResponseError(f"no case could be worked: {_named(failed)}")
    risks = [each.risk for each in worked]
    summary = ResponseSummary(
        cases=len(worked),
        rejected=len(parsed.rejected),
        worst_verdict=worst_of(risks).value,
        highest_score=max(each.score for each in risks),
    )
    message = f"{cases_in_words(risks)}. Nothing was isolated.{rejected_in_words(len(parsed.rejected))}"
    if failed:
        message += f" {count(len(failed), 'case')} failed: {_named(failed)}."
        message += (
            f" {len(lost)} of them without an answer."
            if lost
            else " What is told of it leaves telemetry out."
        )
    return Answer([each.row for each in worked], summary, f"{message} {left_out}".strip())


class _Worked(NamedTuple):
    """A case that was worked to its row."""

    row: ResponseRow
    risk: RiskAssessment


def _work(found: CaseFindings, settings: Settings, mode: IsolationMode) -> _Worked:
    now = utc_now()
    case = assess_case(found, profiles=shipped_profiles(), settings=settings, now=now)
    report = decide_case(case, settings=settings, caller_mode=mode, now=now)
    return _Worked(ResponseRow.model_validate(response_fields(report)), report.risk)


def _named(failed: Sequence[str]) -> str:
    more = len(failed) - _FAILED_NAMED
    named = ", ".join(failed[:_FAILED_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{named}; where it came from is in the app's debug log"


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
    try:
        return gathered(asset, soar, parsed, settings, params.vault_id)
    except ResponseError as error:
        return ungathered_cases(parsed.notables, safe_error(error))
