"""How the report names times, addresses, positions and enum values. Everything returned is safe to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from actions.case_facts import DestinationVerdict
from actions.check_ip import IpCategory
from actions.ip_facts import IpCheck
from actions.isolation import IsolationVerdict
from actions.reputation_facts import DestinationReputation
from actions.reputation_wording import STATUS_WORDS, VERDICT_WORDS, title_of
from actions.risk import CaseVerdict, Strength
from connectors.facts.base import SourceRef
from connectors.facts.process import Process, ProcessRef, Signature, SignatureState
from connectors.facts.reputation import SourceStatus
from playbooks.report.display import visible

#: Characters shown of a name (host, user, process), a path, a command line, and a sentence.
NAME_LIMIT = 100
PATH_LIMIT = 260
COMMAND_LIMIT = 320
SENTENCE_LIMIT = 480

#: Names listed one by one.
NAMES_SHOWN = 8

CASE_VERDICT = {
    CaseVerdict.MALICIOUS: "malicious",
    CaseVerdict.SUSPICIOUS: "suspicious",
    CaseVerdict.LIKELY_BENIGN: "likely benign",
    CaseVerdict.UNDETERMINED: "undetermined",
}

#: For a headline, where nothing else says that what is not known clears nobody.
DESTINATION_VERDICT = VERDICT_WORDS | {
    DestinationVerdict.NO_FINDING: "no finding, which does not clear it",
    DestinationVerdict.UNDETERMINED: "undetermined, which does not clear it",
}

#: For a headline, in place of a verdict on an address of which no reputation exists.
NOT_PUBLIC = "not public"

#: What the decision says would happen; nothing of it has been done.
WOULD = {
    IsolationVerdict.REFUSE: "would not isolate",
    IsolationVerdict.SHADOW: "would isolate; shadow mode only records it",
    IsolationVerdict.ASK: "would ask a person to approve isolation",
    IsolationVerdict.ISOLATE: "would isolate",
}

#: The same as an answer to "isolate?" in a table.
WOULD_SHORT = {
    IsolationVerdict.REFUSE: "would not",
    IsolationVerdict.SHADOW: "would",
    IsolationVerdict.ASK: "would ask",
    IsolationVerdict.ISOLATE: "would",
}

SOURCE_STATUS = {
    SourceStatus.OK: "answered",
    SourceStatus.NOT_FOUND: "does not list it",
    SourceStatus.STALE: "answered from too old a copy",
    SourceStatus.RATE_LIMITED: f"did not answer: {STATUS_WORDS[SourceStatus.RATE_LIMITED]}",
    SourceStatus.AUTH: f"did not answer: {STATUS_WORDS[SourceStatus.AUTH]}",
    SourceStatus.ERROR: f"did not answer: {STATUS_WORDS[SourceStatus.ERROR]}",
    SourceStatus.TIMEOUT: "did not answer in time",
    SourceStatus.NOT_CONFIGURED: STATUS_WORDS[SourceStatus.NOT_CONFIGURED],
}

STRENGTH = {
    Strength.STRONG: "strong",
    Strength.MEDIUM: "medium",
    Strength.CONTEXT: "context only",
    Strength.MITIGATING: "mitigating",
}

CATEGORY = {category: category.value.replace("_", " ") for category in IpCategory} | {
    IpCategory.PUBLIC_SPECIAL: "public, special purpose",
    IpCategory.UNIQUE_LOCAL: "unique local (private IPv6)",
    IpCategory.SHARED: "shared address space (carrier NAT)",
}


def reputation_applies(verdict: DestinationVerdict, check: IpCheck) -> bool:
    """False for an address of which no reputation exists, unless a person's word gave it a verdict."""
    return check.public or verdict is not DestinationVerdict.UNDETERMINED


def destination_headline(verdict: DestinationVerdict, found: DestinationReputation | None) -> str:
    """The verdict on an address as it is headlined: a person's word with who spoke and what sources say."""
    if found is not None and found.override_headline:
        return sentence(found.override_headline)
    return DESTINATION_VERDICT[verdict]


def source_title(source: str) -> str:
    """A reputation source as people know it."""
    return name(title_of(source))


def status(of: SourceStatus) -> str:
    """How a reputation source answered, in short words."""
    return STATUS_WORDS[of]


def name(text: str, *, unknown: str = "unknown") -> str:
    """A host, user or process name, or the word for a missing one."""
    return visible(text, limit=NAME_LIMIT) if text else unknown


def names(texts: Sequence[str]) -> str:
    """Several names, the first ones; "" for none."""
    shown = ", ".join(name(each) for each in texts[:NAMES_SHOWN])
    more = len(texts) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def path(text: str) -> str:
    """A file path."""
    return visible(text, limit=PATH_LIMIT)


def sentence(text: str) -> str:
    """A sentence that a step wrote, with log text inside."""
    return visible(text, limit=SENTENCE_LIMIT)


def moment(when: datetime | None) -> str:
    """Date and time, UTC, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when else "time unknown"


def clock(when: datetime, day: date | None) -> str:
    """Time of day, UTC; with the date unless it is the given day."""
    utc = when.astimezone(UTC)
    return utc.strftime("%H:%M:%S" if utc.date() == day else "%Y-%m-%d %H:%M:%S")


def span(first: datetime | None, last: datetime | None) -> str:
    """First and last time in one phrase."""
    if first is None or last is None:
        known = first or last
        return moment(known) if known else "times unknown"
    if first == last:
        return moment(first)
    return f"{moment(first).removesuffix(' UTC')} to {clock(last, first.astimezone(UTC).date())} UTC"


def duration(length: timedelta) -> str:
    """A length of time in its largest sensible unit."""
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def count(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def endpoint(ip: str, ports: tuple[int, ...]) -> str:
    """Address with its port, or with the ports seen."""
    shown = name(ip)
    if not ports:
        return f"{shown}, port unknown"
    if len(ports) == 1:
        return f"[{shown}]:{ports[0]}" if ":" in shown else f"{shown}:{ports[0]}"
    listed = ", ".join(str(port) for port in ports[:8])
    more = f" and {len(ports) - 8} more" if len(ports) > 8 else ""
    return f"{shown} ports {listed}{more}"


def position(source: SourceRef | None, when: datetime | None, day: date | None) -> str:
    """Where and when something was seen, "" when neither is known; times of the day lack their date."""
    parts = []
    if source is not None:
        record = f" #{source.record}" if source.record is not None else ""
        parts.append(f"{visible(source.source, limit=NAME_LIMIT)}{record}")
        if source.event_id:
            parts.append(f"event {visible(source.event_id, limit=NAME_LIMIT)}")
    if when is not None:
        parts.append(f"{clock(when, day)} UTC")
    return ", ".join(parts)


def signature(known: Signature) -> str:
    """The state of a signature; unknown is said, never left out."""
    signer = f" by {name(known.signer)}" if known.signer else ""
    match known.state:
        case SignatureState.VALID:
            return f"signed{signer}"
        case SignatureState.UNSIGNED:
            return "unsigned"
        case SignatureState.INVALID:
            return f"signature invalid{signer}"
        case SignatureState.UNKNOWN:
            return "signature unknown"


def process_label(process: Process) -> str:
    """Name and pid, in the words that a gap's `at` uses."""
    return ref_label(process.ref)


def ref_label(ref: ProcessRef) -> str:
    """As process_label, of a process of which no more is known."""
    return f"{name(ref.name, unknown='unknown process')} (pid {'unknown' if ref.pid is None else ref.pid})"
