"""What a look-up of addresses gave: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from actions.case_facts import Destination, DestinationVerdict
from actions.reputation_facts import DestinationReputation, Vote
from actions.reputation_wording import (
    VERDICT_WORDS,
    WEIGHT_WORDS,
    asked_words,
    base_name,
    coverage_words,
    not_configured_words,
    seen_words,
    title_of,
)
from connectors.facts.destination_role import RoleEffect
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceInfo, SourceStatus
from playbooks.report import wording
from playbooks.report.display import visible
from playbooks.report.ip_words import registry_words
from playbooks.report.page import Page

#: Version of the JSON document; see playbooks/case.py.
SCHEMA_VERSION: Literal["1.0"] = "1.0"

_LABEL_WIDTH = 16
_INDENT = "  "

#: Widest columns of the table of sources.
_TITLE_COLUMN = 34
_AUTHOR_COLUMN = 32

#: Statuses that say nothing of the address, of which the detail is always shown.
_NO_ANSWER = frozenset(SourceStatus) - {SourceStatus.OK, SourceStatus.NOT_FOUND}

_SPOKE = frozenset({SourceStatus.OK, SourceStatus.STALE})

_EFFECT = {
    RoleEffect.CAPS_AT_SHARED: "many share it, so that reports go no further than suspicious",
    RoleEffect.PROBABLE_INFECTION: "what calls it is probably infected",
    RoleEffect.NONE: "context",
}

_VERDICT_STYLE = {
    DestinationVerdict.MALICIOUS: "bold red",
    DestinationVerdict.SUSPICIOUS: "yellow",
    DestinationVerdict.SUSPICIOUS_SHARED: "yellow",
    DestinationVerdict.KNOWN_GOOD_SERVICE: "",
    DestinationVerdict.NO_FINDING: "magenta",
    DestinationVerdict.UNDETERMINED: "magenta",
}

_LEANING_STYLE = {Leaning.MALICIOUS: "bold red", Leaning.SUSPICIOUS: "yellow"}

_HEADER = ("Source", "Status", "Said", "Seen", "Asked", "Direction", "Author")


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the table of sources, and what stands below it."""

    cells: tuple[str, ...]
    style: str
    detail: str


def as_document(
    destinations: Sequence[Destination], infos: Mapping[str, SourceInfo] | None = None
) -> dict[str, object]:
    """The JSON document of a look-up.

    Args:
        destinations: looked up, or not when nobody was to be asked.
        infos: the sources there are, by name.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "destinations": [each.model_dump(mode="json") for each in destinations],
        "sources": [info.model_dump(mode="json") for _, info in sorted((infos or {}).items())],
    }


def as_text(
    destinations: Sequence[Destination],
    infos: Mapping[str, SourceInfo],
    *,
    explain: bool,
    width: int,
    color: bool,
    unicode: bool,
) -> str:
    """Each address with its verdict and what it rests on, with a newline at the end.

    Args:
        destinations: as `as_document`.
        infos: the sources there are, by name.
        explain: True adds votes with their weight, roles with their reason, each source's own words, and who
            was not asked.
        width: columns of the screen.
        color: with ANSI colours, else plain text.
        unicode: False writes pure ASCII.
    """
    page = Page(width=width, color=color, unicode=unicode)
    for number, each in enumerate(destinations):
        if number:
            page.blank()
        _destination(page, each, infos, explain=explain)
    _not_asked(page, destinations, infos, explain=explain)
    return page.text()


def _destination(
    page: Page, destination: Destination, infos: Mapping[str, SourceInfo], *, explain: bool
) -> None:
    reputation = destination.reputation
    applies = wording.reputation_applies(destination.verdict, destination.check)
    verdict = wording.destination_headline(destination.verdict, reputation) if applies else wording.NOT_PUBLIC
    style = (
        "yellow" if reputation is not None and reputation.override else _VERDICT_STYLE[destination.verdict]
    )
    page.hang(f"{wording.name(destination.ip)}  ", verdict, style)
    _row(page, "why", destination.verdict_reason)
    _particulars(page, destination)
    _roles(page, destination, explain=explain)
    if reputation is None:
        return
    if reputation.coverage.asked:
        _table(page, destination.answers, infos, explain=explain, now=reputation.decided_at)
    if explain and applies:
        _votes(page, reputation, destination.answers, infos)
    if applies:
        _coverage(page, reputation)
    if explain and destination.check.public and reputation.coverage.not_asked:
        _row(page, "withheld", f"not asked: {_titles(reputation.coverage.not_asked, infos)}")
    for text in reputation.would_change:
        _row(page, "would change", text)


def _particulars(page: Page, destination: Destination) -> None:
    reputation = destination.reputation
    if destination.check.registry_row is not None:
        _row(page, "registry", registry_words(destination.check.registry_row))
    if destination.check.note:
        _row(page, "note", destination.check.note)
    if reputation is None:
        return
    if reputation.ip != destination.ip:
        _row(page, "asked about", f"{reputation.ip}, which the address holds")
    for text in (reputation.override, *reputation.overrides_not_applied):
        if text:
            _row(page, "override", text)


def _roles(page: Page, destination: Destination, *, explain: bool) -> None:
    for role in destination.roles:
        source = f" ({role.source}; {_EFFECT[role.effect]})" if explain else ""
        _row(page, "serves as", f"{role.label}{source}")
        if explain:
            page.hang(" " * (_LABEL_WIDTH + len(_INDENT)), visible(role.reason), "dim")


def _row(page: Page, label: str, text: str, style: str = "") -> None:
    page.hang(f"{_INDENT}{label:<{_LABEL_WIDTH}}", visible(text), style, lead_style="bold")


def _table(
    page: Page,
    answers: Sequence[SourceAnswer],
    infos: Mapping[str, SourceInfo],
    *,
    explain: bool,
    now: datetime,
) -> None:
    lines = [
        _line(each, infos, explain=explain, now=now)
        for each in answers
        if each.status is not SourceStatus.NOT_CONFIGURED
    ]
    columns = [max(len(line.cells[place]) for line in lines) for place in range(len(_HEADER))]
    columns = [max(size, len(title)) for size, title in zip(columns, _HEADER, strict=True)]
    # Where the author finds no room beside the others it stands below.
    beside = sum(columns) + 2 * len(columns) <= page.width
    shown = len(columns) if beside else len(columns) - 1
    page.hang(_INDENT, _aligned(_HEADER[:shown], columns[:shown]), "bold")
    for line in lines:
        page.hang(_INDENT, _aligned(line.cells[:shown], columns[:shown]), line.style)
        # A source that is its own author is not named twice.
        own = line.cells[-1] == "-" or line.cells[-1].casefold() in line.cells[0].casefold()
        author = "" if beside or own else f"Author: {line.cells[-1]}."
        below = " ".join(filter(None, (author, line.detail)))
        if below:
            page.hang(_INDENT * 3, below, "dim")


def _aligned(cells: Sequence[str], columns: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{size}}" for cell, size in zip(cells, columns, strict=True)).rstrip()


def _line(answer: SourceAnswer, infos: Mapping[str, SourceInfo], *, explain: bool, now: datetime) -> _Line:
    silent = answer.status in _NO_ANSWER
    said = "-"
    if answer.status in _SPOKE and answer.direction is EvidenceDirection.CONTEXT:
        said = "context" if answer.leaning is Leaning.NONE else answer.leaning.value
    elif answer.status in _SPOKE:
        said = "nothing bad" if answer.leaning is Leaning.NONE else answer.leaning.value
    cells = (
        visible(title_of(answer.source, infos), limit=_TITLE_COLUMN + 6),
        wording.status(answer.status),
        said,
        (seen_words(answer, now) or "-") if answer.status in _SPOKE else "-",
        asked_words(answer, now).removeprefix("asked ") or "-",
        f"{answer.direction.value}, {answer.reliability.value}",
        visible(answer.lineage, limit=_AUTHOR_COLUMN + 8) if answer.lineage else "-",
    )
    style = _LEANING_STYLE.get(answer.leaning, "") if answer.status in _SPOKE else ""
    parts = [answer.detail, answer.evidence_url if explain else ""]
    detail = visible(" ".join(filter(None, parts))) if explain or silent else ""
    return _Line(cells, "magenta" if silent else style, detail)


def _votes(
    page: Page,
    reputation: DestinationReputation,
    answers: Sequence[SourceAnswer],
    infos: Mapping[str, SourceInfo],
) -> None:
    for vote in reputation.votes:
        given = next((each for each in answers if _is_of(each, vote)), None)
        seen = seen_words(given, reputation.decided_at) if given is not None else ""
        _row(page, "vote", _vote(vote, infos, seen or "not known when seen"))
    if not reputation.votes:
        _row(page, "vote", "none: no source that answered says good or bad of it")
    if reputation.would_be is not None:
        _row(page, "without it", f"by the sources it is {VERDICT_WORDS[reputation.would_be]}")


def _is_of(answer: SourceAnswer, vote: Vote) -> bool:
    return answer.source == vote.source and answer.last_seen == vote.last_seen and answer.status in _SPOKE


def _vote(vote: Vote, infos: Mapping[str, SourceInfo], seen: str) -> str:
    title = title_of(vote.source, infos)
    own = vote.lineage in title.casefold()
    called = title if vote.lineage and own else f"{vote.lineage or 'author unknown'}, by {title}"
    also = f", also by {', '.join(title_of(each, infos) for each in vote.also)}" if vote.also else ""
    particulars = f"{vote.direction.value}, grade {vote.reliability.value}"
    said = f"{WEIGHT_WORDS[vote.weight]}: {called}{also} says {vote.leaning.value}"
    return f"{said} ({particulars}, {seen}): {vote.reason}"


def _coverage(page: Page, found: DestinationReputation) -> None:
    if not found.coverage.asked and not found.coverage.not_configured:
        _row(page, "asked", "nobody")
        return
    _row(page, "coverage", coverage_words(found))


def _not_asked(
    page: Page, destinations: Sequence[Destination], infos: Mapping[str, SourceInfo], *, explain: bool
) -> None:
    """Who is not set up, which is the same for all addresses: once, at the end."""
    known = [each.reputation for each in destinations if each.reputation is not None]
    words = not_configured_words([each.coverage for each in known])
    if not words:
        return
    page.blank()
    page.hang("", f"Not asked: {words}.")
    if explain:
        for title, why in _not_configured([each for d in destinations for each in d.answers], infos):
            page.hang(_INDENT, visible(f"{title}: {why}"), "dim")


def _not_configured(
    answers: Sequence[SourceAnswer], infos: Mapping[str, SourceInfo]
) -> Iterator[tuple[str, str]]:
    """Why, each reason once with all sources it holds for."""
    by_reason: dict[str, dict[str, None]] = {}
    for each in answers:
        if each.status is SourceStatus.NOT_CONFIGURED:
            by_reason.setdefault(each.detail, {})[base_name(each.source)] = None
    for why, names in by_reason.items():
        yield _titles(list(names), infos), why


def _titles(names: Sequence[str], infos: Mapping[str, SourceInfo]) -> str:
    return ", ".join(title_of(name, infos) for name in names)
