"""What the search for the process of a case came to: the status an action gives, and its words."""

from __future__ import annotations

from enum import StrEnum

from playbooks.case_findings import CaseFindings


class LineageStatus(StrEnum):
    """What the look-up came to."""

    FOUND = "found"
    PROCESS_NOT_FOUND = "process_not_found"
    PROCESS_AMBIGUOUS = "process_ambiguous"
    HOST_NOT_FOUND = "host_not_found"
    HOST_AMBIGUOUS = "host_ambiguous"
    FAILED = "failed"
    """The source did not answer for this case, but for others."""


_IN_WORDS = {
    LineageStatus.FOUND: "process found",
    LineageStatus.PROCESS_NOT_FOUND: "no process fits",
    LineageStatus.PROCESS_AMBIGUOUS: "several processes fit, and none is picked",
    LineageStatus.HOST_NOT_FOUND: "no such host is known",
    LineageStatus.HOST_AMBIGUOUS: "several hosts fit, and none is picked",
    LineageStatus.FAILED: "the source did not answer",
}


def status_of(found: CaseFindings) -> LineageStatus:
    """What the look-up of one case came to."""
    if found.process is not None and (found.lineage is not None or found.evidence is not None):
        return LineageStatus.FOUND
    if found.failed:
        return LineageStatus.FAILED
    if found.host is not None:
        return (
            LineageStatus.PROCESS_AMBIGUOUS if found.process_candidates else LineageStatus.PROCESS_NOT_FOUND
        )
    return LineageStatus.HOST_AMBIGUOUS if found.host_candidates else LineageStatus.HOST_NOT_FOUND


def status_words(found: CaseFindings) -> str:
    """The same in words, without a capital and without a stop."""
    status = status_of(found)
    if status is LineageStatus.FOUND and found.lineage is None:
        return f"{_IN_WORDS[status]}, its lineage not"
    return _IN_WORDS[status]
