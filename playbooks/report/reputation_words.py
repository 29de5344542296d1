"""The reputation of an address in words: the verdict, each source's answer, and who was not heard.

What a source could not say is told as that. Links are given for pages of known services alone: the path of
an answer comes from outside, and a page must not send its reader anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from actions.reputation_facts import (
    DestinationReputation,
    DestinationVerdict,
    Vote,
)
from actions.reputation_wording import (
    STATUS_WORDS,
    VERDICT_WORDS,
    WEIGHT_WORDS,
    asked_words,
    coverage_words,
    not_configured_words,
    seen_when_asked,
    seen_words,
    title_of,
)
from connectors.facts.destination_role import DestinationRole, RoleEffect
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from playbooks.report import wording
from playbooks.report.content import Row, SourceRow, Tone
from playbooks.report.display import defang, is_hidden, visible

#: Answers, sources named in one line, roles, and sentences of one kind that are shown of one address.
SOURCES_SHOWN = 100
NAMES_SHOWN = 100
ROLES_SHOWN = 20
SENTENCES_SHOWN = 12

#: Longest address of a page, characters.
_PAGE_LIMIT = 200

VERDICT_TONE = {
    DestinationVerdict.MALICIOUS: Tone.BAD,
    DestinationVerdict.SUSPICIOUS: Tone.WARN,
    DestinationVerdict.SUSPICIOUS_SHARED: Tone.WARN,
    DestinationVerdict.KNOWN_GOOD_SERVICE: Tone.PLAIN,
    DestinationVerdict.NO_FINDING: Tone.UNKNOWN,
    DestinationVerdict.UNDETERMINED: Tone.UNKNOWN,
}

#: Services whose pages on an address people know.
KNOWN_PAGES = frozenset(
    {
        "www.virustotal.com",
        "www.abuseipdb.com",
        "viz.greynoise.io",
        "otx.alienvault.com",
        "threatfox.abuse.ch",
        "urlhaus.abuse.ch",
        "check.spamhaus.org",
    }
)

_EFFECT = {
    RoleEffect.CAPS_AT_SHARED: "many share it: bad reports make it suspicious, on a shared service, no more",
    RoleEffect.PROBABLE_INFECTION: "probable infection: the address is suspicious at least",
    RoleEffect.NONE: "context only, it changes no verdict",
}

_ABOUT = {
    EvidenceDirection.OUTBOUND: "about what is called (outbound)",
    EvidenceDirection.INBOUND: "about who calls in (inbound)",
    EvidenceDirection.CONTEXT: "direction not said",
}

_SPEAKING = frozenset({SourceStatus.OK, SourceStatus.STALE})
_BAD = frozenset({Leaning.MALICIOUS, Leaning.SUSPICIOUS})


def verdict_row(
    verdict: DestinationVerdict,
    reason: str,
    found: DestinationReputation | None = None,
    *,
    public: bool = True,
) -> Row:
    """The verdict with its reason. One by a person's word stands out.

    Args:
        verdict: the verdict.
        reason: one sentence.
        found: what it rests on; None when the address was not looked up.
        public: False for an address of which no reputation exists.
    """
    if not public and verdict is DestinationVerdict.UNDETERMINED:
        return Row("reputation", wording.sentence(reason), Tone.UNKNOWN)
    overridden = found is not None and bool(found.override)
    words = f"{wording.destination_headline(verdict, found)}: {wording.sentence(reason)}"
    return Row("reputation", words, Tone.WARN if overridden else VERDICT_TONE[verdict])


def override_rows(found: DestinationReputation) -> Iterator[Row]:
    """A person's word that was applied, and those that were not."""
    if found.override:
        without = f"; without it: {VERDICT_WORDS[found.would_be]}" if found.would_be is not None else ""
        yield Row("override", f"{wording.sentence(found.override)}{without}", Tone.WARN)
    for number, each in enumerate(found.overrides_not_applied[:SENTENCES_SHOWN]):
        label = "override" if number == 0 and not found.override else ""
        yield Row(label, wording.sentence(each), Tone.QUIET)


def role_rows(roles: Sequence[DestinationRole]) -> Iterator[Row]:
    """What the address serves as, by what that is known, and what follows."""
    for number, role in enumerate(roles[:ROLES_SHOWN]):
        kind = role.kind.value.replace("_", " ")
        named = wording.name(role.label)
        text = (
            f"{named}{'' if named == kind else f' ({kind})'}, by {wording.sentence(role.source)}. "
            f"{wording.sentence(role.reason)} Effect: {_EFFECT[role.effect]}."
        )
        probable = role.effect is RoleEffect.PROBABLE_INFECTION
        yield Row("role" if number == 0 else "", text, Tone.BAD if probable else Tone.PLAIN)
    if len(roles) > ROLES_SHOWN:
        yield Row("", f"and {len(roles) - ROLES_SHOWN} more in the JSON report", Tone.QUIET)


def source_rows(
    answers: Sequence[SourceAnswer], votes: Sequence[Vote] = (), *, now: datetime | None = None
) -> tuple[SourceRow, ...]:
    """One for each answer: bad reports first, then who did not answer, then the others.

    Args:
        answers: what the sources said; those not configured are told in one line elsewhere.
        votes: what the answers count for.
        now: when the verdict was made; ages are told against it.
    """
    by_voice = {(source, vote.lineage): vote for vote in votes for source in (vote.source, *vote.also)}
    asked = sorted((each for each in answers if each.status is not SourceStatus.NOT_CONFIGURED), key=_order)
    return tuple(
        _source_row(each, by_voice.get((each.source, each.lineage.strip().casefold())), now)
        for each in asked[:SOURCES_SHOWN]
    )


def coverage_rows(found: DestinationReputation) -> tuple[Row, ...]:
    """Who was asked, who answered and who did not, and what would change the verdict."""
    coverage = found.coverage
    withheld = not (coverage.asked or coverage.not_configured or found.override)
    changes = () if withheld else found.would_change  # about an address inside nobody is ever asked
    return (*_coverage(found), *_would_change(changes))


def text_rows(row: SourceRow) -> tuple[Row, ...]:
    """An answer for a medium of lines: its words, then its page."""
    parts = [f"{row.source} {row.said}"]
    parts += [each for each in (row.seen, row.about, row.author, row.asked) if each]
    text = ", ".join(parts)
    if row.weight:
        text += f". Counts as: {row.weight}"
    if row.detail:
        text += f"; {row.detail}"
    page = (Row("", row.page, Tone.QUIET),) if row.page else ()
    return (Row("source", text, row.tone), *page)


def _coverage(found: DestinationReputation) -> Iterator[Row]:
    coverage, answers = found.coverage, len(found.answers)
    heard = bool(coverage.judging)
    yield Row("coverage", coverage_words(found), Tone.PLAIN if heard else Tone.UNKNOWN)
    if coverage.failed:
        failed = _named(
            [f"{title_of(each.source)} ({STATUS_WORDS[each.status]})" for each in coverage.failed]
        )
        yield Row("failed", failed, Tone.UNKNOWN)
    if not_configured := not_configured_words([coverage]):
        yield Row("not asked", not_configured, Tone.QUIET)
    if answers - len(coverage.not_configured) > SOURCES_SHOWN:
        yield Row("", f"the first {SOURCES_SHOWN} answers are shown; the JSON report has all", Tone.QUIET)


def _would_change(sentences: Iterable[str]) -> Iterator[Row]:
    for number, each in enumerate(list(sentences)[:SENTENCES_SHOWN]):
        yield Row("changed by" if number == 0 else "", wording.sentence(each))


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(wording.name(each) for each in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _order(answer: SourceAnswer) -> tuple[int, str, str]:
    bad = answer.status in _SPEAKING and answer.leaning in _BAD
    ranks = {SourceStatus.OK: 2, SourceStatus.STALE: 1, SourceStatus.NOT_FOUND: 3}
    worst = 0 if answer.leaning is Leaning.MALICIOUS else 1
    return (worst - 2 if bad else ranks.get(answer.status, 1)), answer.source, answer.lineage


def _source_row(answer: SourceAnswer, vote: Vote | None, now: datetime | None) -> SourceRow:
    speaks = answer.status in _SPEAKING and answer.leaning is not Leaning.NONE
    page, link = _page(answer.evidence_url)
    return SourceRow(
        source=wording.source_title(answer.source),
        said=_said(answer),
        tone=_tone(answer),
        detail=wording.sentence(answer.detail),
        seen=_seen(answer, now),
        asked=asked_words(answer, now),
        about=f"{_ABOUT[answer.direction]}, grade {answer.reliability.value}" if speaks else "",
        author=_author(answer) if speaks else "",
        weight=_weight(vote, answer) if vote is not None and speaks else "",
        page=page,
        link=link,
    )


def _said(answer: SourceAnswer) -> str:
    if answer.status not in _SPEAKING:
        return wording.SOURCE_STATUS[answer.status]
    says = "lists it as context" if answer.leaning is Leaning.NONE else f"says {answer.leaning.value}"
    if answer.status is SourceStatus.STALE:
        return f"{says}, in an expired answer, since it fails now"
    return says


def _tone(answer: SourceAnswer) -> Tone:
    if answer.status not in _SPEAKING:
        return Tone.UNKNOWN
    if answer.leaning is Leaning.MALICIOUS:
        return Tone.BAD
    if answer.leaning is Leaning.SUSPICIOUS:
        return Tone.WARN
    return Tone.UNKNOWN if answer.status is SourceStatus.STALE else Tone.PLAIN


def _seen(answer: SourceAnswer, now: datetime | None) -> str:
    last_seen = answer.last_seen
    if last_seen is None:
        return ""
    if seen_when_asked(answer):
        return seen_words(answer, now)
    said = f"last seen {wording.moment(last_seen)}"
    if now is None:
        return said
    if last_seen > now:
        return f"{said} (after this report)"
    return f"{said} ({wording.duration(now - last_seen)} before)"


def _author(answer: SourceAnswer) -> str:
    lineage = answer.lineage.strip()
    return f"by {wording.name(lineage)}" if lineage else "author unknown"


def _weight(vote: Vote, answer: SourceAnswer) -> str:
    if vote.source != answer.source:
        return f"the same vote as {wording.source_title(vote.source)}'s, counted once"
    return f"{WEIGHT_WORDS[vote.weight]}: {wording.sentence(vote.reason)}"


def _page(url: str) -> tuple[str, str]:
    """The address of a page as text, and as a link where it may be one."""
    if not url.startswith("https://") or len(url) > _PAGE_LIMIT:
        return "", ""
    shown = defang(url)
    if any(is_hidden(char) or char.isspace() for char in url) or not url.isascii():
        return visible(shown), ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return shown, ""
    # The whole authority: no user name, no port.
    return shown, url if parts.netloc in KNOWN_PAGES else ""
