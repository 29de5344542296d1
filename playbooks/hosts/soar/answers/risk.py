"""`assess risk`: score and verdict of each case, from the facts of the actions before."""

from __future__ import annotations

from actions.ip_facts import IpCheck
from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import InputError
from playbooks.case_steps import CaseFindings, assess_case, ungathered_cases
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import cases_in_words, rejected_in_words, risk_row, worst_of
from playbooks.hosts.soar.answers.given import notables_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import RiskRow, RiskSummary
from playbooks.hosts.soar.params import RiskParams
from playbooks.settings import Settings

#: What stands before the sentence in the message of a failed look-up.
_FAILED_LOOKUP = "Action failure in get process lineage: "

_NOT_LOOKED_UP = "host and process were not looked up"


def answer(params: RiskParams, asset: Asset) -> Answer[RiskRow, RiskSummary]:
    """Assess each case.

    Raises:
        InputError: neither notable nor process_facts is given, or facts cannot be read.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    checks = {each.ip: each for each in unpack(params.ip_facts or "", IpCheck, field="ip_facts")}
    found, rejected = _cases(params, settings)
    cases = [
        assess_case(each, profiles=shipped_profiles(), settings=settings, now=utc_now(), checks=checks)
        for each in found
    ]
    risks = [each.risk for each in cases]
    summary = RiskSummary(
        cases=len(cases),
        worst_verdict=worst_of(risks).value,
        highest_score=max(each.score for each in risks),
    )
    message = f"{cases_in_words(risks)}.{rejected_in_words(rejected)}"
    return Answer([risk_row(each) for each in cases], summary, message)


def _cases(params: RiskParams, settings: Settings) -> tuple[tuple[CaseFindings, ...], int]:
    """The cases, and how many notables could not be used."""
    found = unpack(params.process_facts or "", CaseFindings, field="process_facts")
    if found:
        return tuple(found), 0
    if not params.notable:
        raise InputError("process_facts", "neither process_facts nor notable is given", "Give one of them")
    parsed = notables_of(params.notable, settings)
    why = (params.process_problem or "").removeprefix(_FAILED_LOOKUP) or _NOT_LOOKED_UP
    return ungathered_cases(parsed.notables, why), len(parsed.rejected)
