"""What an indicator function answers, and how its evidence is written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actions.long_text import shortened
from actions.risk import EvidenceItem
from connectors.facts.base import SourceRef
from connectors.facts.process import Process

#: Observations kept per indicator; a loop of thousands of events proves no more than the first ones.
EVIDENCE_KEPT = 20


class Finding(NamedTuple):
    """An indicator that applies.

    Attributes:
        sentence: one plain sentence; claims no more than was seen.
        evidence: the observations, in order of time.
    """

    sentence: str
    evidence: tuple[EvidenceItem, ...]


def finding(sentence: str, evidence: Iterable[EvidenceItem]) -> Finding:
    """A finding with its evidence in one order, without repetitions, and capped with a count of the rest.

    Sentence and observations are cut where log text makes them too long.
    """
    kept = sorted({_bounded(item) for item in evidence}, key=_order)
    if len(kept) > EVIDENCE_KEPT:
        more = EvidenceItem(text=f"and {len(kept) - EVIDENCE_KEPT} more of the same kind")
        kept = [*kept[:EVIDENCE_KEPT], more]
    return Finding(shortened(sentence), tuple(kept))


def named(process: Process) -> str:
    """A process as `RegSvcs.exe (pid 4711)`."""
    pid = process.ref.pid
    name = process.name or "unknown process"
    return name if pid is None else f"{name} (pid {pid})"


def seen(process: Process, text: str) -> EvidenceItem:
    """An observation that stands in the record of a process."""
    return EvidenceItem(text=text, time=process.ref.start_time, source=process.source)


def listed(texts: Iterable[str]) -> str:
    """Distinct texts in one order, joined by commas."""
    return ", ".join(sorted(set(texts)))


def _bounded(item: EvidenceItem) -> EvidenceItem:
    text = shortened(item.text)
    return item if text == item.text else item.model_copy(update={"text": text})


def _order(item: EvidenceItem) -> tuple[float, str, str, int, str]:
    when = float("inf") if item.time is None else item.time.timestamp()
    source = item.source or SourceRef(source="")
    return when, item.text, source.source, source.record or 0, source.event_id
