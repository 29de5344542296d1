"""Steps for a machine and for users that the organisation's lists set apart from others."""

from __future__ import annotations

from collections.abc import Iterator

from actions.listed_facts import is_critical, standing_of
from actions.risk import CaseVerdict
from actions.steps.case import StepCase, cut


def critical_machine(case: StepCase) -> Iterator[str]:
    """Who has to know before a machine that matters is taken off the network."""
    asset = case.facts.asset
    if asset is None or not is_critical(asset) or case.risk.case_verdict is CaseVerdict.LIKELY_BENIGN:
        return
    owner = f"{cut(asset.owner)}, who answers for {case.host}" if asset.owner else f"the owner of {case.host}"
    yield f"Tell {owner}, which is ranked critical, before it is isolated or restarted."


def standing_users(case: StepCase) -> Iterator[str]:
    """Whose account comes before those of others."""
    if case.risk.case_verdict is CaseVerdict.LIKELY_BENIGN:
        return
    for each in case.facts.identities:
        words = standing_of(each)
        if not words:
            continue
        user = cut(each.account)
        if case.is_bad:
            yield (
                f"Reset {user} first and check where else the account was used: it is {' and '.join(words)}."
            )
        else:
            yield f"Work this case before others: {user}, who ran the process, is {' and '.join(words)}."
