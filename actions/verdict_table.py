"""The case verdict, as a table: ordered, the first row that fits decides.

From bad to good: malicious, suspicious, undetermined, likely_benign. A further bad finding can only move a
case up this list: the rows above ask for bad findings alone, and the one row for likely_benign asks that
there be none. "Independent" means of different groups: several findings about one parent may have one cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from actions.case_facts import DestinationVerdict
from actions.risk import CaseVerdict, Indicator, IndicatorGroup, Strength

#: Verdicts from good to bad.
VERDICT_RANK = {
    CaseVerdict.LIKELY_BENIGN: 0,
    CaseVerdict.UNDETERMINED: 1,
    CaseVerdict.SUSPICIOUS: 2,
    CaseVerdict.MALICIOUS: 3,
}

#: Destination verdicts from good to bad. What nobody could say is worse than what nobody reported.
DESTINATION_RANK = {
    DestinationVerdict.KNOWN_GOOD_SERVICE: 0,
    DestinationVerdict.NO_FINDING: 1,
    DestinationVerdict.UNDETERMINED: 2,
    DestinationVerdict.SUSPICIOUS_SHARED: 3,
    DestinationVerdict.SUSPICIOUS: 4,
    DestinationVerdict.MALICIOUS: 5,
}


class Tally(NamedTuple):
    """What the table looks at.

    Attributes:
        strong_groups: groups with a strong indicator.
        medium: number of medium indicators.
        bad_destination: True when reputation itself is among them, strong or medium.
        mitigated: True when all mitigating indicators are there.
        process_known: True when the process was found in the telemetry.
    """

    strong_groups: frozenset[IndicatorGroup]
    medium: int
    bad_destination: bool
    mitigated: bool
    process_known: bool


class VerdictRow(NamedTuple):
    """One row: the verdict, when it applies, and the sentence that says why."""

    verdict: CaseVerdict
    applies: Callable[[Tally], bool]
    reason: str


VERDICTS: tuple[VerdictRow, ...] = (
    VerdictRow(
        CaseVerdict.MALICIOUS,
        lambda t: IndicatorGroup.DESTINATION in t.strong_groups and len(t.strong_groups) > 1,
        "A strong finding on the host and a malicious destination: two independent kinds of evidence agree.",
    ),
    VerdictRow(
        CaseVerdict.MALICIOUS,
        lambda t: len(t.strong_groups) > 1,
        "Two strong findings of independent kinds: one may have an innocent cause, both together hardly.",
    ),
    VerdictRow(
        CaseVerdict.SUSPICIOUS,
        lambda t: t.strong_groups == {IndicatorGroup.DESTINATION},
        "The destination is malicious by reputation, but nothing strong was found on the host; addresses"
        " change hands.",
    ),
    VerdictRow(
        CaseVerdict.SUSPICIOUS,
        lambda t: len(t.strong_groups) == 1,
        "Strong findings of one kind only; a second, independent kind would make it malicious.",
    ),
    VerdictRow(
        CaseVerdict.SUSPICIOUS,
        lambda t: t.bad_destination,
        "The destination is suspicious by reputation, for a program that rarely has a reason to connect.",
    ),
    VerdictRow(
        CaseVerdict.SUSPICIOUS,
        lambda t: t.medium > 1,
        "Two findings that each may have an innocent cause, but seldom occur together.",
    ),
    VerdictRow(
        CaseVerdict.UNDETERMINED,
        lambda t: t.medium == 1,
        "One finding that may have an innocent cause: too little for suspicion, too much for benign.",
    ),
    VerdictRow(
        CaseVerdict.LIKELY_BENIGN,
        lambda t: t.mitigated,
        "A signed installer chain, a DLL under Program Files and a destination with a plain reason agree, and"
        " nothing speaks against it. Confirm before closing.",
    ),
    VerdictRow(
        CaseVerdict.UNDETERMINED,
        lambda t: not t.process_known,
        "Nothing is known of the process itself: unresolved, which is not benign.",
    ),
    VerdictRow(
        CaseVerdict.UNDETERMINED,
        lambda _: True,
        "Nothing found that proves misuse, and no complete benign cause either; what is unknown is listed.",
    ),
)


def case_verdict(tally: Tally) -> VerdictRow:
    """The first row that applies; the last one always does."""
    return next(row for row in VERDICTS if row.applies(tally))


def tally_of(indicators: Iterable[Indicator], *, mitigated: bool, process_known: bool) -> Tally:
    """Count what the table looks at."""
    counted = tuple(indicators)
    weighty = [i for i in counted if i.strength in (Strength.STRONG, Strength.MEDIUM)]
    return Tally(
        strong_groups=frozenset(i.group for i in counted if i.strength is Strength.STRONG),
        medium=sum(1 for i in counted if i.strength is Strength.MEDIUM),
        bad_destination=any(i.group is IndicatorGroup.DESTINATION for i in weighty),
        mitigated=mitigated,
        process_known=process_known,
    )


def worst_destination(verdicts: Iterable[DestinationVerdict]) -> DestinationVerdict:
    """The worst of the case's destinations; UNDETERMINED when there are none."""
    return max(verdicts, key=DESTINATION_RANK.__getitem__, default=DestinationVerdict.UNDETERMINED)
