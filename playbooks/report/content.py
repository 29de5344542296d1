"""What a report consists of, in words: filled by view.py, laid out by terminal.py and markdown.py.

All text in here is safe for a terminal already (display.visible); a renderer adds what its own medium
needs, such as Markdown escapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from actions.isolation import IsolationVerdict
from actions.risk import CaseVerdict
from playbooks.report.iocs import Ioc


class Tone(StrEnum):
    """How a line is to be taken. UNKNOWN never looks like GOOD."""

    PLAIN = "plain"
    BAD = "bad"
    WARN = "warn"
    GOOD = "good"
    UNKNOWN = "unknown"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Row:
    """A label and what belongs to it; an empty label continues the row above.

    Attributes:
        elsewhere: True where a page has a place of its own for it.
    """

    label: str
    text: str
    tone: Tone = Tone.PLAIN
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a list with its particulars."""

    text: str
    tone: Tone = Tone.PLAIN
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """Something not known, why, and how it could be known ("" if it cannot)."""

    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One contribution: its points ("" for none), its finding, why it weighs so, and the evidence."""

    impact: str
    confidence: str
    name: str
    text: str
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard of the isolation decision."""

    outcome: str
    tone: Tone
    name: str
    value: str
    limit: str
    detail: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One answer of one reputation source.

    Attributes:
        said: what it says, or that it does not answer; a failure is told as one.
        detail: in the source's own words; "" if it gave none.
        seen: when the source last saw it, and how long ago; "" if it does not say.
        asked: when the source was asked, or of when its list is; "" when that is not known.
        about: whose traffic the evidence is about, and how reliable the source is; "" without evidence.
        author: who the evidence is by, as votes are counted; "" without evidence.
        weight: what the vote counts for, and why; "" without a vote.
        page: address of a page on it, defanged; "" if there is none.
        link: the same for following; "" unless it is one of a known service.
    """

    source: str
    said: str
    tone: Tone
    detail: str
    seen: str
    asked: str
    about: str
    author: str
    weight: str
    page: str
    link: str


@dataclass(frozen=True, slots=True)
class DestinationBlock:
    """One peer address and what is known of it.

    Attributes:
        rows: the address itself, its verdict and what it serves as.
        sources: one for each answer.
        coverage: who answered and who did not, and what would change the verdict.
    """

    title: str
    rows: tuple[Row, ...]
    sources: tuple[SourceRow, ...] = ()
    coverage: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a host. All text is safe to show.

    Attributes:
        headline: in a few words.
        rows: the details.
    """

    headline: str
    tone: Tone
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The whole report in words. The process tree is laid out by tree.layout.

    Attributes:
        warning: what puts the whole case in doubt, one sentence; "" as a rule.
        done: what was done about the host; None where nothing may be done.
    """

    verdict: str
    verdict_tone: Tone
    subject: str
    warning: str
    score: str
    glance: tuple[Row, ...]
    message: str
    score_rows: tuple[ScoreRow, ...]
    score_total: str
    unweighted: tuple[Item, ...]
    destinations: tuple[DestinationBlock, ...]
    destination_notes: tuple[Row, ...]
    not_seen: str
    unknowns: tuple[UnknownRow, ...]
    unknowns_left_out: int
    would: str
    would_tone: Tone
    mode: str
    decision: str
    done: Done | None
    obstacles: tuple[GuardRow, ...]
    passed: tuple[GuardRow, ...]
    next_steps: tuple[str, ...]
    problems: tuple[Item, ...]
    iocs: tuple[Ioc, ...]


#: Said above the decision, where something was done about the host.
DECIDED_BEFORE = "the decision on what was read right before"

VERDICT_TONE = {
    CaseVerdict.MALICIOUS: Tone.BAD,
    CaseVerdict.SUSPICIOUS: Tone.WARN,
    CaseVerdict.LIKELY_BENIGN: Tone.GOOD,
    CaseVerdict.UNDETERMINED: Tone.UNKNOWN,
}

WOULD_TONE = {
    IsolationVerdict.REFUSE: Tone.PLAIN,
    IsolationVerdict.SHADOW: Tone.WARN,
    IsolationVerdict.ASK: Tone.WARN,
    IsolationVerdict.ISOLATE: Tone.BAD,
}
