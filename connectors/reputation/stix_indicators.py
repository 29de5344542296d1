"""The indicators of a TAXII collection, made ready to ask for an address.

Fields of STIX 2.1 objects: type, id, modified, revoked, created_by_ref; of an indicator: pattern,
pattern_type, valid_from, valid_until, confidence (0 to 100), indicator_types, kill_chain_phases, name.
Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from connectors.errors import BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning
from connectors.networks import Network, NetworkMap
from connectors.reputation.authors import author_mentioned, author_on_trusted_server
from connectors.reputation.directions import direction_of
from connectors.reputation.fields import Fields
from connectors.reputation.stix_patterns import networks_in

#: Confidence below which an indicator is suspicion only: "low" ends at 29 on the STIX scale.
MALICIOUS_CONFIDENCE = 30

#: Kill-chain phases of one indicator that are read.
MAX_PHASES = 20


class Indicator(NamedTuple):
    """One indicator.

    Attributes:
        lineage: who made it; "" when it does not say.
        direction: CONTEXT when it does not say.
        valid_from, valid_until: when it holds; None is open.
        modified: when its author last touched it.
    """

    lineage: str
    leaning: Leaning
    direction: EvidenceDirection
    valid_from: datetime | None
    valid_until: datetime | None
    modified: datetime | None

    def holds(self, when: datetime) -> bool:
        """True when it is valid at a moment."""
        begun = self.valid_from is None or self.valid_from <= when
        return begun and (self.valid_until is None or when < self.valid_until)


class Index(NamedTuple):
    """The indicators of a collection by address.

    Attributes:
        by_network: which indicators cover an address.
        indicators: how many are in use.
        not_evaluated: how many have a pattern that is not about single addresses or cannot be read.
    """

    by_network: NetworkMap[Indicator]
    indicators: int
    not_evaluated: int


def build_index(source: str, objects: Iterable[object], *, now: datetime) -> Index:
    """Index STIX objects: the latest version of each counts, and none once it is revoked.

    Args:
        source: the name for errors.
        objects: as they came, in any order.
        now: when they were fetched.
    """
    latest: dict[str, tuple[datetime | None, Fields]] = {}
    names: dict[str, str] = {}
    unreadable = 0
    for each in objects:
        try:
            _sort_in(Fields(source, each), latest, names, now)
        except BadResponse:
            unreadable += 1
    entries: list[tuple[Network, Indicator]] = []
    used = 0
    for modified, item in latest.values():
        try:
            if item.maybe_flag("revoked"):
                continue
            networks = networks_in(item.text("pattern")) if _is_stix(item) else None
            indicator = _read(item, names, modified)
        except BadResponse:
            networks = None
        if networks is None:
            unreadable += 1
            continue
        used += 1
        entries.extend((network, indicator) for network in networks)
    return Index(NetworkMap(entries), used, unreadable)


def _sort_in(
    item: Fields, latest: dict[str, tuple[datetime | None, Fields]], names: dict[str, str], now: datetime
) -> None:
    """Keep an identity's name and the latest version of an indicator; pass over everything else."""
    kind, identifier = item.text("type"), item.text("id")
    if kind == "identity":
        names[identifier] = item.text("name")
    elif kind == "indicator":
        modified = item.maybe_time("modified", now=now)
        kept = latest.get(identifier)
        if kept is None or _later(modified, kept[0]):
            latest[identifier] = (modified, item)


def _later(new: datetime | None, old: datetime | None) -> bool:
    return old is None or (new is not None and new > old)


def _is_stix(item: Fields) -> bool:
    return item.text("pattern_type") in {"stix", ""}


def _read(item: Fields, names: dict[str, str], modified: datetime | None) -> Indicator:
    author = item.text("created_by_ref")
    name = names.get(author, "")
    phases = [phase.text("phase_name") for phase in item.objects("kill_chain_phases")][:MAX_PHASES]
    kinds = [kind for kind in item.entries("indicator_types")[:MAX_PHASES] if isinstance(kind, str)]
    return Indicator(
        lineage=author_mentioned(item.text("name"), name) or author_on_trusted_server(name or author),
        leaning=_leaning(kinds, item.maybe_count("confidence", most=100)),
        direction=direction_of((item.text("name"), *phases)),
        valid_from=item.maybe_moment("valid_from"),
        valid_until=item.maybe_moment("valid_until"),
        modified=modified,
    )


def _leaning(kinds: list[str], confidence: int | None) -> Leaning:
    if "benign" in kinds:
        return Leaning.HARMLESS
    weak = "anomalous-activity" in kinds or (confidence is not None and confidence < MALICIOUS_CONFIDENCE)
    return Leaning.SUSPICIOUS if weak else Leaning.MALICIOUS
