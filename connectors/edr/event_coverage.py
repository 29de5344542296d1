"""What the absence of evidence means, by the names of the events a vendor sends. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connectors.facts.process import Coverage, CoverageState, EvidenceKind


def coverage_by_events(
    events_of: Mapping[EvidenceKind, Collection[str]],
    observed: Mapping[EvidenceKind, bool],
    recorded: Collection[str],
    *,
    partial: bool = False,
) -> tuple[Coverage, ...]:
    """One entry for each kind of evidence.

    Args:
        events_of: the events that tell of a kind; a kind without an entry can never be known.
        observed: whether there is evidence of a kind, for each that has an entry.
        recorded: the events that the host sent at all in the time searched.
        partial: True where part of the source did not answer: what was not seen is then unknown.
    """
    states: list[Coverage] = []
    for kind in EvidenceKind:
        if kind not in events_of:
            state = CoverageState.NOT_SUPPORTED
        elif observed[kind]:
            state = CoverageState.OBSERVED
        elif not partial and any(name in recorded for name in events_of[kind]):
            state = CoverageState.NONE_OBSERVED
        else:
            state = CoverageState.NOT_COLLECTED
        states.append(Coverage(kind=kind, state=state))
    return tuple(states)
