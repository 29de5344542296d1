"""How people read a reputation: the names of sources, statuses and verdicts. Pure; every renderer uses these.

No value of an enum stands in a sentence: "rate_limited" is for programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from actions.reputation_facts import DestinationReputation, DestinationVerdict, LookupCoverage, VoteWeight
from connectors.facts.reputation import Leaning, SourceAnswer, SourceInfo, SourceStatus

#: Sources that are asked at an address of theirs, by name. A report has no SourceInfo of a source that was
#: asked on another day, and must not load a connector to learn a title; a test compares this with them.
ASKED_TITLES: Mapping[str, str] = {
    "virustotal": "VirusTotal",
    "abuseipdb": "AbuseIPDB",
    "greynoise": "GreyNoise",
    "otx": "AlienVault OTX",
    "threatfox": "abuse.ch ThreatFox",
    "urlhaus": "abuse.ch URLhaus",
    "misp": "MISP",
    "taxii": "TAXII collection",
}

#: Lists that come with a package.
PACKAGE_TITLES: Mapping[str, str] = {"iporigin": "iporigin", "misp_warninglists": "MISP warninglists"}

#: Lists that `feeds update` downloads. One of the organisation's own is called by its name.
FEED_TITLES: Mapping[str, str] = {
    "feodo": "abuse.ch Feodo Tracker",
    "threatfox_export": "abuse.ch ThreatFox export",
    "spamhaus_drop_v4": "Spamhaus DROP (IPv4)",
    "spamhaus_drop_v6": "Spamhaus DROP (IPv6)",
    "ipsum": "ipsum",
    "tor_exits": "Tor exit addresses",
    "misp_akamai": "MISP warninglist akamai",
    "misp_cloudflare": "MISP warninglist cloudflare",
    "misp_fastly": "MISP warninglist fastly",
    "misp_microsoft_office365_ip": "MISP warninglist microsoft-office365-ip",
    "misp_sinkholes": "MISP warninglist sinkholes",
    "misp_zscaler": "MISP warninglist zscaler",
}

_TITLES = {**ASKED_TITLES, **PACKAGE_TITLES, **FEED_TITLES}

VERDICT_WORDS = {
    DestinationVerdict.MALICIOUS: "malicious",
    DestinationVerdict.SUSPICIOUS: "suspicious",
    DestinationVerdict.SUSPICIOUS_SHARED: "suspicious, on a shared service",
    DestinationVerdict.KNOWN_GOOD_SERVICE: "known good service",
    DestinationVerdict.NO_FINDING: "no finding",
    DestinationVerdict.UNDETERMINED: "undetermined",
}

STATUS_WORDS = {
    SourceStatus.OK: "answered",
    SourceStatus.NOT_FOUND: "not listed",
    SourceStatus.STALE: "its last answer has expired",
    SourceStatus.RATE_LIMITED: "quota used up",
    SourceStatus.AUTH: "credential rejected",
    SourceStatus.ERROR: "error",
    SourceStatus.TIMEOUT: "no answer in time",
    SourceStatus.NOT_CONFIGURED: "not configured",
}

WEIGHT_WORDS = {
    VoteWeight.CONVICTS: "convicts by itself",
    VoteWeight.CORROBORATES: "convicts with a second author",
    VoteWeight.SUSPICION: "suspicion",
    VoteWeight.NONE: "no weight",
}

#: An answer older than this when the verdict was made was kept from an earlier question.
_OF_NOW = timedelta(minutes=2)

_NO_INFOS: Mapping[str, SourceInfo] = {}


def base_name(source: str) -> str:
    """The source's own name, without the list of it that answered."""
    return source.partition(":")[0]


def title_of(source: str, infos: Mapping[str, SourceInfo] = _NO_INFOS) -> str:
    """A source as people know it, with the list of it that answered."""
    base, colon, part = source.partition(":")
    info = infos.get(base)
    return f"{info.title if info else _TITLES.get(base, base)}{colon and f' ({part})'}"


def day(when: datetime) -> str:
    """A day in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d}"


def seen_when_asked(answer: SourceAnswer) -> bool:
    """True when the time of the sighting is only that of the question or of the copy."""
    return answer.last_seen is not None and answer.last_seen == answer.retrieved_at


def seen_words(answer: SourceAnswer, now: datetime | None = None) -> str:
    """When it was seen last, short; "" when the source does not say.

    Args:
        answer: of a source.
        now: when the verdict was made; None when that is not known.
    """
    if answer.last_seen is None:
        return ""
    if not seen_when_asked(answer):
        return day(answer.last_seen)
    if base_name(answer.source) not in ASKED_TITLES:
        return f"listed on {day(answer.last_seen)}"
    is_now = now is not None and now - answer.last_seen <= _OF_NOW
    return "online now" if is_now else f"online when asked, {day(answer.last_seen)}"


def asked_words(answer: SourceAnswer, now: datetime | None) -> str:
    """When the source was asked, or of when the list is; "" when that is not known."""
    if answer.retrieved_at is None or now is None:
        return ""
    if base_name(answer.source) not in ASKED_TITLES:
        return f"copy of {day(answer.retrieved_at)}"
    age = now - answer.retrieved_at
    return "asked now" if age <= _OF_NOW else f"asked {age_words(age)} ago, kept"


def age_words(age: timedelta) -> str:
    """An age in its largest sensible unit."""
    seconds = age.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def coverage_words(found: DestinationReputation) -> str:
    """Who answered, who of them reported the address, and how many failed, in one clause."""
    coverage = found.coverage
    if not coverage.asked:
        return "no source was asked"
    able = len(coverage.judging)
    parts = [
        f"{len(coverage.asked)} asked",
        f"{able or 'none'} that can report bad addresses answered",
        *_reports(found),
    ]
    if coverage.failed:
        parts.append(f"{len(coverage.failed)} failed")
    return "; ".join(parts)


def _reports(found: DestinationReputation) -> list[str]:
    reporting = {
        base_name(source)
        for vote in found.votes
        if vote.leaning is not Leaning.HARMLESS
        for source in (vote.source, *vote.also)
    }
    answered = set(found.coverage.answered)
    of_now = len(reporting & answered)
    expired = len(reporting - answered)
    said = []
    if found.coverage.judging:
        said.append(f"{of_now or 'none'} reported it")
    if expired:
        said.append(f"{expired} reported it in an expired answer")
    return said


def not_configured_words(coverages: Sequence[LookupCoverage]) -> str:
    """How many sources are not set up, and the commands that tell more, once for all; "" if all are."""
    names = {name for each in coverages for name in each.not_configured}
    keys = len(names & ASKED_TITLES.keys())
    packages = len(names & PACKAGE_TITLES.keys())
    feeds = len(names) - keys - packages
    parts = []
    if keys:
        parts.append(f"{_counted(keys, 'source')} without key or address (see `doctor`)")
    if feeds:
        parts.append(f"{_counted(feeds, 'feed')} not downloaded (`feeds update`)")
    if packages:
        parts.append(f"{_counted(packages, 'list')} not installed (see `doctor`)")
    return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
