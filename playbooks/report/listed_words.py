"""What the organisation's lists say of machine and users, in the head of a report; else nothing."""

from __future__ import annotations

from collections.abc import Iterator

from actions.case_facts import CaseFacts
from actions.listed_facts import is_critical, standing_of
from connectors.facts.asset import AssetFacts, IdentityFacts
from playbooks.report import wording
from playbooks.report.content import Row, Tone

#: Categories named at most.
_CATEGORIES_NAMED = 8


def asset_rows(facts: CaseFacts) -> Iterator[Row]:
    """The machine, in one line, and what contradicts that."""
    if facts.asset is None:
        return
    tone = Tone.WARN if is_critical(facts.asset) else Tone.PLAIN
    yield Row("Asset", f"{_asset(facts.asset)} ({_source(facts.asset)})", tone)
    yield from (Row("", wording.sentence(note), Tone.WARN) for note in facts.asset.notes)


def identity_rows(facts: CaseFacts) -> Iterator[Row]:
    """Each user of whom something is known, in one line, and what contradicts that."""
    for number, each in enumerate(facts.identities):
        tone = Tone.WARN if standing_of(each) else Tone.PLAIN
        said = f"{wording.name(each.account)}: {_identity(each)} ({_source(each)})"
        yield Row("Identity" if number == 0 else "", said, tone)
        yield from (Row("", wording.sentence(note), Tone.WARN) for note in each.notes)


def _asset(asset: AssetFacts) -> str:
    return _joined(
        wording.name(asset.priority.lower()) if asset.priority else "priority unknown",
        f"owner {wording.name(asset.owner)}" if asset.owner else "",
        f"unit {wording.name(asset.business_unit)}" if asset.business_unit else "",
        _categories(asset.categories),
    )


def _identity(identity: IdentityFacts) -> str:
    watched = {True: "on a watch list", False: "on no watch list", None: ""}[identity.watched]
    return _joined(
        f"priority {wording.name(identity.priority.lower())}" if identity.priority else "priority unknown",
        watched,
        _categories(identity.categories),
        f"manager {wording.name(identity.manager)}" if identity.manager else "",
        f"unit {wording.name(identity.business_unit)}" if identity.business_unit else "",
    )


def _categories(categories: tuple[str, ...]) -> str:
    if not categories:
        return ""
    more = len(categories) - _CATEGORIES_NAMED
    named = ", ".join(wording.name(each) for each in categories[:_CATEGORIES_NAMED])
    word = "category" if len(categories) == 1 else "categories"
    return f"{word} {named}{f' and {more} more' if more > 0 else ''}"


def _source(facts: AssetFacts | IdentityFacts) -> str:
    return wording.sentence(facts.source) if facts.source else "source unknown"


def _joined(*parts: str) -> str:
    return ", ".join(each for each in parts if each)
