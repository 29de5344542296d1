"""`assess risk`: score and verdict of each case, from the facts of the actions before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actions.ip_facts import IpCheck
from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.siem.notable import ParsedInput
from playbooks.case_findings import CaseFindings, ungathered_cases
from playbooks.case_steps import AssessedCase, assess_case
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import cases_in_words, rejected_in_words, risk_row, worst_of
from playbooks.hosts.soar.answers.given import notables_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import RiskRow, RiskSummary
from playbooks.hosts.soar.params import RiskParams
from playbooks.profiles import of_profiles
from playbooks.report.wording import count
from playbooks.settings import Settings

#: What stands before the sentence in the message of a failed look-up.
_FAILED_LOOKUP = "Action failure in get process lineage: "

#: Addresses of unused checks that a message names.
_UNUSED_NAMED = 3

_NOT_LOOKED_UP = "host and process were not looked up"


def answer(params: RiskParams, asset: Asset) -> Answer[RiskRow, RiskSummary]:
    """Assess each case.

    Raises:
        InputError: neither notable nor process_facts is given, or facts cannot be read.
        ConfigError: the policy is wrong.
    """
    settings = settings_of(asset)
    checks = {each.ip: each for each in unpack(params.ip_facts or "", IpCheck, field="ip_facts")}
    found, rejected, unprofiled = _cases(params, settings)
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
    message = f"{cases_in_words(risks)}.{rejected_in_words(rejected)}{unprofiled}{_unused(checks, cases)}"
    return Answer([risk_row(each) for each in cases], summary, message)


def _unused(checks: Mapping[str, IpCheck], cases: Sequence[AssessedCase]) -> str:
    """A sentence on given checks of addresses that no case talked to; "" if there are none."""
    used = {destination.ip for case in cases for destination in case.facts.destinations}
    others = [ip for ip in checks if ip not in used]
    if not others:
        return ""
    more = len(others) - _UNUSED_NAMED
    named = ", ".join(others[:_UNUSED_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f" ip_facts of {named} were not used: no case here talked to it."


def _cases(params: RiskParams, settings: Settings) -> tuple[tuple[CaseFindings, ...], int, str]:
    """The cases, how many notables could not be used, and a sentence on cases that could not; "" if none."""
    found = unpack(params.process_facts or "", CaseFindings, field="process_facts")
    if found:
        return _with_profile(found)
    if not params.notable:
        raise InputError("process_facts", "neither process_facts nor notable is given", "Give one of them")
    parsed = notables_of(params.notable, settings, profiles=shipped_profiles())
    why = (params.process_problem or "").removeprefix(_FAILED_LOOKUP) or _NOT_LOOKED_UP
    return ungathered_cases(parsed.notables, why), len(parsed.rejected), ""


def _with_profile(found: Sequence[CaseFindings]) -> tuple[tuple[CaseFindings, ...], int, str]:
    """The cases of programs that a profile names.

    Raises:
        InputError: there is none.
    """
    known, errors = [], []
    for each in found:
        parsed = of_profiles(ParsedInput(each.notables, ()), shipped_profiles())
        if parsed.rejected:
            errors.append(parsed.rejected[0].error)
        else:
            known.append(each)
    if not known:
        raise InputError("process_facts", errors[0].problem, errors[0].remedy)
    if not errors:
        return tuple(known), 0, ""
    return tuple(known), 0, f" {count(len(errors), 'case')} not assessed: {errors[0].problem}."
