"""What one reputation source said of one address. Fusion is an action's decision, not a source's."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant


class SourceStatus(StrEnum):
    """How a source answered. Only OK and NOT_FOUND are answers; none of the others means "clean"."""

    OK = "ok"
    NOT_FOUND = "not_found"
    STALE = "stale"
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    ERROR = "error"
    TIMEOUT = "timeout"
    NOT_CONFIGURED = "not_configured"


class Leaning(StrEnum):
    """Which way a source's evidence points."""

    MALICIOUS = "malicious"
    SUSPICIOUS = "suspicious"
    HARMLESS = "harmless"
    NONE = "none"


class EvidenceDirection(StrEnum):
    """Whose traffic the evidence is about. Inbound (scanners) alone says little of a destination."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    CONTEXT = "context"


class Reliability(StrEnum):
    """Admiralty grade of a source, A best."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


class SourceInfo(Fact):
    """What is true of a source whatever it answers.

    Attributes:
        name: short, snake_case, such as "virustotal".
        title: as people know it.
        reliability: Admiralty grade of the source.
        direction: whose traffic its evidence is usually about.
        licence: what its terms allow, one sentence.
        online: True when asking it sends the address to a third party.
        volatile: True when its answer changes within hours, so that a second look asks anew.
    """

    name: str
    title: str
    reliability: Reliability
    direction: EvidenceDirection
    licence: str
    online: bool
    volatile: bool


class SourceAnswer(Fact):
    """One source's answer for one address.

    Attributes:
        ip: the address asked for, canonical.
        lineage: the original author of the evidence, "" when unknown (then never independent).
        last_seen: when the source last saw it; the base of decay.
        retrieved_at: when the answer was fetched; older than the call when it came from a cache.
        took_ms: time to answer, milliseconds.
        evidence_url: a page that a person can open; "" if none.
        detail: one sentence.
    """

    source: str
    ip: str
    status: SourceStatus
    leaning: Leaning = Leaning.NONE
    direction: EvidenceDirection = EvidenceDirection.CONTEXT
    reliability: Reliability = Reliability.F
    lineage: str = ""
    last_seen: Instant | None = None
    retrieved_at: Instant | None = None
    took_ms: int | None = None
    evidence_url: str = ""
    detail: str = ""
