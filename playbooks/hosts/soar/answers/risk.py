"""`assess risk`: score and verdict of each case, from the facts of the actions before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from actions.case_facts import Destination
from actions.ip_facts import IpCheck
from actions.lookup_reputation import as_one
from actions.profile_catalog import shipped_profiles
from actions.reputation_facts import DestinationReputation
from connectors.addresses import shown
from connectors.clock import utc_now
from connectors.errors import InputError
from connectors.reputation.fields import CLOCK_TOLERANCE
from connectors.siem.notable import ParsedInput
from playbooks.asset_lists import look_up_cases
from playbooks.case_findings import CaseFindings, ungathered_cases
from playbooks.case_steps import assess_case, destinations_of
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import cases_in_words, rejected_in_words, risk_row, worst_of
from playbooks.hosts.soar.answers.given import notables_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.asset_lists import asset_lists_for
from playbooks.hosts.soar.facts_json import unpack
from playbooks.hosts.soar.outputs import RiskRow, RiskSummary
from playbooks.hosts.soar.params import RiskParams
from playbooks.hosts.soar.sources_of_reputation import reputation_for
from playbooks.profiles import of_profiles
from playbooks.report.wording import count
from playbooks.reputation import Reputation
from playbooks.settings import Settings
from playbooks.steps import InProcess

#: What stands before the sentence in the message of a failed look-up.
_FAILED_LOOKUP = "Action failure in get process lineage: "

#: Addresses of unused checks that a message names.
_UNUSED_NAMED = 3

#: Why an address has no verdict here.
_ADDRESS_UNKNOWN = "not looked up: no reputation_facts were given for it"

_NOT_LOOKED_UP = "host and process were not looked up"


def answer(
    params: RiskParams, asset: Asset, state_folder: Path | None = None
) -> Answer[RiskRow, RiskSummary]:
    """Assess each case. No third party is asked: what is known of addresses comes with the parameters.

    The organisation's own lists of machines and accounts are, as the policy names them.

    Raises:
        InputError: neither notable nor process_facts is given, or facts cannot be read.
        ConfigError: the policy, a key or an address of a source is wrong.
    """
    settings = settings_of(asset)
    checks = {each.ip: each for each in unpack(params.ip_facts or "", IpCheck, field="ip_facts")}
    given = unpack(params.reputation_facts or "", DestinationReputation, field="reputation_facts")
    known = _known(given, now=utc_now())
    found, rejected, unprofiled = _cases(params, settings)
    with (
        reputation_for(asset, settings, state_folder=state_folder) as reputation,
        asset_lists_for(asset, settings) as lists,
    ):
        listed = look_up_cases(InProcess(), lists, found)
        cases = [
            assess_case(
                each,
                profiles=shipped_profiles(),
                settings=settings,
                now=utc_now(),
                destinations=tuple(
                    _with_reputation(destination, known, reputation)
                    for destination in destinations_of(each, settings, checks=checks)
                ),
                listed=listed,
            )
            for each in found
        ]
    risks = [each.risk for each in cases]
    summary = RiskSummary(
        cases=len(cases),
        worst_verdict=worst_of(risks).value,
        highest_score=max(each.score for each in risks),
    )
    peers = [destination for case in cases for destination in case.facts.destinations]
    message = (
        f"{cases_in_words(risks)}.{rejected_in_words(rejected)}{unprofiled}"
        f"{_unused('ip_facts', checks, {each.ip for each in peers})}"
        f"{_unused('reputation_facts', known, {each.check.asked for each in peers})}"
    )
    return Answer([risk_row(each) for each in cases], summary, message)


def _known(given: Sequence[DestinationReputation], *, now: datetime) -> dict[str, DestinationReputation]:
    """The look-ups by address, those of one address as one.

    Raises:
        InputError: one holds answers about another address, or was made in the future.
    """
    by_address: dict[str, list[DestinationReputation]] = {}
    for each in given:
        other = next((answer.ip for answer in each.answers if answer.ip != each.ip), None)
        if other is not None:
            problem = f"holds an answer about another address than {shown(each.ip)}"
            raise InputError("reputation_facts", problem, "Give the facts of `lookup ip` as they are")
        if each.decided_at > now + CLOCK_TOLERANCE:
            problem = f"says that {shown(each.ip)} was looked up in the future"
            raise InputError("reputation_facts", problem, "Check the clocks, or look it up again")
        by_address.setdefault(each.ip, []).append(each)
    return {ip: as_one(found) for ip, found in by_address.items()}


def _with_reputation(
    destination: Destination, known: Mapping[str, DestinationReputation], reputation: Reputation
) -> Destination:
    """The destination judged by what was looked up before, and by lists on this machine."""
    check = destination.check
    # No third party is ever asked about any other: what claims to be its answer is none, and nothing leaves.
    sent = check.external and check.sendable
    found = known.get(check.asked) if sent else reputation.look_up([check])[check.ip]
    judged = reputation.judged(destination, found)
    return judged if found is not None else judged.model_copy(update={"verdict_reason": _ADDRESS_UNKNOWN})


def _unused(field: str, given: Iterable[str], used: set[str]) -> str:
    """A sentence on given facts of addresses that no case talked to; "" if there are none."""
    others = [ip for ip in given if ip not in used]
    if not others:
        return ""
    more = len(others) - _UNUSED_NAMED
    named = ", ".join(others[:_UNUSED_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f" {field} of {named} were not used: no case here talked to it."


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
