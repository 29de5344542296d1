"""`lookup ip`: what reputation sources know of addresses, fused into one verdict each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from actions.ip_facts import IpCheck
from actions.reputation_facts import DestinationReputation, DestinationVerdict
from actions.verdict_table import DESTINATION_RANK
from connectors.facts.destination_role import DestinationRole
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.case_rows import listed
from playbooks.hosts.soar.answers.check_ip import judged_addresses
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.facts_json import pack
from playbooks.hosts.soar.outputs import LookupRow, LookupSummary
from playbooks.hosts.soar.params import LookupIpParams
from playbooks.hosts.soar.shapes import MAX_LOOKUPS
from playbooks.hosts.soar.sources_of_reputation import reputation_for
from playbooks.report import wording

_BAD = frozenset(
    {DestinationVerdict.MALICIOUS, DestinationVerdict.SUSPICIOUS, DestinationVerdict.SUSPICIOUS_SHARED}
)

#: Sources without an answer that a message names.
_FAILED_NAMED = 5


def answer(
    params: LookupIpParams, asset: Asset, state_folder: Path | None = None
) -> Answer[LookupRow, LookupSummary]:
    """Look each address up at all sources at once. A source that fails is named in the row.

    Nobody is asked about a private address, and no third party about the organisation's own.

    Raises:
        InputError: no address is given, or none of what is given is one.
        ConfigError: the policy, a key or an address of a source is wrong.
    """
    settings = settings_of(asset)
    checks, unusable = judged_addresses(params.ip, lambda: settings.organisation_ranges, limit=MAX_LOOKUPS)
    with reputation_for(asset, settings, state_folder=state_folder) as reputation:
        found = reputation.look_up(list(checks.values()), fresh=params.fresh)
        roles = {ip: reputation.roles(each.asked) for ip, each in checks.items() if each.public}
    rows = [_row(each, found[ip], roles.get(ip, ())) for ip, each in checks.items()]
    verdicts = [each.verdict for each in found.values()]
    summary = LookupSummary(
        looked_up=len(rows),
        malicious=verdicts.count(DestinationVerdict.MALICIOUS),
        suspicious=sum(each in _BAD for each in verdicts) - verdicts.count(DestinationVerdict.MALICIOUS),
        undetermined=verdicts.count(DestinationVerdict.UNDETERMINED),
        worst_verdict=max(verdicts, key=DESTINATION_RANK.__getitem__).value,
    )
    message = f"{_message(checks, found)}{_no_answer(list(found.values()))}{unusable}"
    return Answer(rows, summary, message)


def _row(check: IpCheck, found: DestinationReputation, roles: Sequence[DestinationRole]) -> LookupRow:
    coverage = found.coverage
    return LookupRow(
        ip=check.ip,
        verdict=found.verdict.value,
        reason=wording.sentence(found.reason),
        asked=list(coverage.asked),
        answered=list(coverage.answered),
        failed=listed(
            f"{wording.source_title(each.source)}: {wording.status(each.status)}" for each in coverage.failed
        ),
        not_configured=list(coverage.not_configured),
        roles=listed(wording.sentence(f"{each.label} ({each.source})") for each in roles),
        would_change=listed(wording.sentence(each) for each in found.would_change),
        override=wording.sentence(found.override),
        evidence=listed(
            _evidence(each)
            for each in found.answers
            if each.leaning is not Leaning.NONE and each.status in {SourceStatus.OK, SourceStatus.STALE}
        ),
        facts=pack(found),
    )


def _evidence(answer: SourceAnswer) -> str:
    """Who says what, and when it was seen last: an expired answer says that it is one."""
    seen = f"seen {answer.last_seen:%Y-%m-%d}" if answer.last_seen is not None else "not known when seen"
    expired = ", an expired answer" if answer.status is SourceStatus.STALE else ""
    said = answer.detail.rstrip(".") or answer.leaning.value
    return wording.sentence(f"{wording.source_title(answer.source)}: {said} ({seen}{expired})")


def _message(checks: Mapping[str, IpCheck], found: Mapping[str, DestinationReputation]) -> str:
    judged = {ip: each for ip, each in found.items() if wording.reputation_applies(each.verdict, checks[ip])}
    if len(found) == 1:
        ((ip, only),) = found.items()
        verdict = wording.destination_headline(only.verdict, only) if judged else wording.NOT_PUBLIC
        return f"{ip}: {verdict}. {wording.sentence(only.reason)}"
    left = len(found) - len(judged)
    if not judged:
        return f"None of {left} addresses is public: nobody was asked."
    bad = sum(each.verdict in _BAD for each in judged.values())
    worst = max(judged.values(), key=lambda each: DESTINATION_RANK[each.verdict])
    counted = f"{bad} of {wording.count(len(judged), 'address', 'addresses')} malicious or suspicious"
    unasked = f" {left} more {'is' if left == 1 else 'are'} not public: nobody was asked." if left else ""
    return f"{counted}; the worst is {wording.destination_headline(worst.verdict, worst)}.{unasked}"


def _no_answer(found: Sequence[DestinationReputation]) -> str:
    """A sentence on sources that gave none; "" when all did. None of them means that an address is clean."""
    failures = {failure.source for each in found for failure in each.coverage.failed}
    names = sorted((wording.source_title(each) for each in failures), key=str.casefold)
    if not names:
        return ""
    more = len(names) - _FAILED_NAMED
    return f" No answer from {', '.join(names[:_FAILED_NAMED])}" + (f" and {more} more." if more > 0 else ".")
