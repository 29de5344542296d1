"""How urgent a case is for the queue of a case management system: by its verdict, machine and users."""

from __future__ import annotations

from enum import StrEnum

from actions.case_facts import CaseFacts
from actions.listed_facts import is_critical, standing_of
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

_RAISED = {Severity.LOW: Severity.MEDIUM, Severity.MEDIUM: Severity.HIGH, Severity.HIGH: Severity.HIGH}


def severity_of(verdict: CaseVerdict, facts: CaseFacts | None = None) -> Severity:
    """The severity of a case of this verdict.

    One step higher where lists rank its machine as critical, or one of its users is privileged or watched.
    What they do not say changes nothing.

    Args:
        verdict: of the case.
        facts: its facts; None where they are not at hand.
    """
    severity = _SEVERITY[verdict]
    if facts is None:
        return severity
    matters = is_critical(facts.asset) or any(standing_of(each) for each in facts.identities)
    return _RAISED[severity] if matters else severity
