"""Each finding with what was seen and where it stands, and how far each kind of evidence can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from actions.case_facts import Unknown
from actions.risk import Indicator, Strength
from connectors.facts.process import CoverageState, EvidenceKind, Lineage, ProcessEvidence
from playbooks.report import wording
from playbooks.report.content import Row, Tone, UnknownRow

#: Findings, and observations of one finding, that are shown.
FINDINGS_SHOWN, SEEN_SHOWN = 60, 5
UNKNOWNS_SHOWN = 30

_STRENGTH_TONE = {
    Strength.STRONG: Tone.BAD,
    Strength.MEDIUM: Tone.WARN,
    Strength.CONTEXT: Tone.QUIET,
    Strength.MITIGATING: Tone.GOOD,
}

_COVERAGE = {
    CoverageState.OBSERVED: ("recorded on this host, and seen of this process", Tone.PLAIN),
    CoverageState.NONE_OBSERVED: ("recorded on this host, none of this process", Tone.PLAIN),
    CoverageState.NOT_COLLECTED: ("not recorded on this host: unknown, not absent", Tone.UNKNOWN),
    CoverageState.NOT_SUPPORTED: ("the source cannot know it: unknown", Tone.UNKNOWN),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation: what, and file, record, event and time of it ("" if none is known)."""

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding. All text is safe to show."""

    name: str
    strength: str
    tone: Tone
    group: str
    sentence: str
    seen: tuple[Seen, ...]
    more: int


def finding_rows(indicators: Sequence[Indicator], day: date | None) -> tuple[FindingRow, ...]:
    """In the order of the assessment, strong first; times of the day lack their date."""
    return tuple(
        FindingRow(
            name=wording.name(each.id).replace("_", " "),
            strength=wording.STRENGTH[each.strength],
            tone=_STRENGTH_TONE[each.strength],
            group=each.group.value,
            sentence=wording.sentence(each.sentence),
            seen=tuple(
                Seen(wording.path(item.text), wording.position(item.source, item.time, day))
                for item in each.evidence[:SEEN_SHOWN]
            ),
            more=max(0, len(each.evidence) - SEEN_SHOWN),
        )
        for each in indicators[:FINDINGS_SHOWN]
    )


def coverage_rows(evidence: ProcessEvidence | None) -> tuple[Row, ...]:
    """One row for each kind of evidence; one in all where nothing was obtained."""
    if evidence is None:
        return (Row("evidence", "not obtained: nothing can be ruled out", Tone.UNKNOWN),)
    rows = [Row(kind.value.replace("_", " "), *_COVERAGE[evidence.state_of(kind)]) for kind in EvidenceKind]
    if evidence.truncated:
        rows.append(Row("more", "a cap of the look-up cut some of it off", Tone.UNKNOWN))
    return tuple(rows)


def lineage_unknowns(
    problems: Sequence[Unknown], lineage: Lineage | None, evidence: ProcessEvidence | None
) -> tuple[Unknown, ...]:
    """What a look-up left unknown: its problems, the gaps of the lineage, and kinds not recorded."""
    found = list(problems)
    if lineage is not None:
        found += [Unknown(what=f"lineage at {gap.at}", why=gap.detail) for gap in lineage.gaps]
    if evidence is not None:
        for kind in EvidenceKind:
            words, tone = _COVERAGE[evidence.state_of(kind)]
            if tone is Tone.UNKNOWN:
                found.append(Unknown(what=kind.value.replace("_", " "), why=words))
    return tuple(found)


def unknown_rows(unknowns: Sequence[Unknown]) -> tuple[UnknownRow, ...]:
    """Each once, the first ones."""
    once = tuple(dict.fromkeys(unknowns))[:UNKNOWNS_SHOWN]
    return tuple(
        UnknownRow(wording.name(each.what), wording.sentence(each.why), wording.sentence(each.remedy))
        for each in once
    )
