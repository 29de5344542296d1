"""How urgent a case is for the queue of a case management system, by its verdict."""

from __future__ import annotations

from enum import StrEnum

from actions.risk import CaseVerdict


class Severity(StrEnum):
    """As case management names it, from low to high."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_SEVERITY = {
    CaseVerdict.MALICIOUS: Severity.HIGH,
    CaseVerdict.SUSPICIOUS: Severity.MEDIUM,
    # What could not be judged is not harmless.
    CaseVerdict.UNDETERMINED: Severity.MEDIUM,
    CaseVerdict.LIKELY_BENIGN: Severity.LOW,
}


def severity_of(verdict: CaseVerdict) -> Severity:
    """The severity of a case of this verdict."""
    return _SEVERITY[verdict]
