"""What Enterprise Security has written of machine and user onto a notable, beside its fields.

Each field is enriched under its own name: `dvc_priority` is of the machine in `dvc`, `dest_priority` of
whatever is in `dest`, which with the add-on that Splunk supports is the peer. The caller says which prefixes
are the machine's; no other one is looked at.
https://help.splunk.com/splunk-enterprise-security-8/administer/8.1/asset-and-identity-management
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from connectors.facts.asset import AssetFacts, IdentityFacts, highest_priority
from connectors.siem.assets.columns import BadRow, flag_of, priority_of, texts_of
from connectors.siem.notable_fields import ASSET_FIELDS, IDENTITY_FIELDS

#: The prefix of what is said of the user.
USER_PREFIX = "user"


def enrichment_fields(asset: AssetFacts | None, identity: IdentityFacts | None) -> dict[str, object]:
    """The same as fields again, of the machine under `dvc`; empty ones are left out."""
    held: dict[str, object] = {}
    if asset is not None:
        values = (asset.priority, list(asset.categories), asset.owner, asset.business_unit)
        held |= {f"dvc_{what}": value for what, value in zip(ASSET_FIELDS, values, strict=True)}
    if identity is not None:
        watched = None if identity.watched is None else str(identity.watched).lower()
        named = (
            identity.priority,
            list(identity.categories),
            watched,
            identity.manager,
            identity.business_unit,
        )
        held |= {f"{USER_PREFIX}_{what}": value for what, value in zip(IDENTITY_FIELDS, named, strict=True)}
    return {name: value for name, value in held.items() if value}


def asset_of(fields: Mapping[str, object], prefixes: Sequence[str]) -> AssetFacts | None:
    """What the notable itself says of the machine; None where it says nothing.

    Where two prefixes contradict each other, the higher priority counts and a note names both.

    Args:
        fields: of the notable, as the SIEM wrote them.
        prefixes: names of the fields that hold the machine, best first, such as "dvc"; never one that may
            hold the peer.
    """
    found = [each for prefix in dict.fromkeys(prefixes) if (each := _asset(fields, prefix)) is not None]
    if not found:
        return None
    ranked = {each.source: each.priority for each in found if each.priority}
    notes = [note for each in found for note in each.notes]
    if len(set(ranked.values())) > 1:
        said = ", ".join(f"{priority} by {source}" for source, priority in ranked.items())
        notes.append(f"The priority is {said}; the highest counts.")
    return AssetFacts(
        priority=highest_priority(ranked.values()),
        categories=tuple(dict.fromkeys(name for each in found for name in each.categories)),
        owner=next((each.owner for each in found if each.owner), ""),
        business_unit=next((each.business_unit for each in found if each.business_unit), ""),
        source=", ".join(each.source for each in found),
        notes=tuple(notes),
    )


def identity_of(fields: Mapping[str, object], user: str) -> IdentityFacts | None:
    """What the notable itself says of its user; None where it says nothing, or names no user.

    Args:
        fields: as asset_of.
        user: as the notable names it.
    """
    if not user:
        return None
    reading = _Enrichment(fields, USER_PREFIX)
    facts = IdentityFacts(
        account=user,
        priority=reading.of("priority", priority_of, ""),
        categories=reading.texts("category"),
        watched=reading.of("watchlist", lambda values: flag_of(f"{USER_PREFIX}_watchlist", values), None),
        manager=", ".join(reading.texts("managedBy") or reading.texts("managedby")),
        business_unit=", ".join(reading.texts("bunit")),
        source=reading.source,
        notes=tuple(reading.notes),
    )
    return facts if reading.source or reading.notes else None


def _asset(fields: Mapping[str, object], prefix: str) -> AssetFacts | None:
    reading = _Enrichment(fields, prefix)
    facts = AssetFacts(
        priority=reading.of("priority", priority_of, ""),
        categories=reading.texts("category"),
        owner=", ".join(reading.texts("owner")),
        business_unit=", ".join(reading.texts("bunit")),
        source=reading.source,
        notes=tuple(reading.notes),
    )
    return facts if reading.source or reading.notes else None


class _Enrichment:
    """The fields of one prefix being read: which of them held something, and what could not be read."""

    def __init__(self, fields: Mapping[str, object], prefix: str) -> None:
        self._fields = fields
        self._prefix = prefix
        self.read: list[str] = []
        self.notes: list[str] = []

    def of[T](self, name: str, meaning: Callable[[tuple[str, ...]], T], absent: T) -> T:
        """A field's meaning; `absent` where it holds nothing or nothing of its kind, which is noted."""
        field = f"{self._prefix}_{name}"
        try:
            values = texts_of(self._fields, field)
            found = meaning(values) if values else absent
        except BadRow as wrong:
            self.notes.append(f"{field} of the notable was left out: {wrong}.")
            return absent
        if values:
            self.read.append(field)
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """A field's values."""
        return self.of(name, lambda values: values, ())

    @property
    def source(self) -> str:
        """The fields that held something, as in "dvc_priority and dvc_owner of the notable"."""
        return f"{' and '.join(self.read)} of the notable" if self.read else ""
