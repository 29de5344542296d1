"""What an organisation decides about reputation: how long evidence counts, how long to wait, its own word."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints, field_validator

from connectors.addresses import pack_ip
from connectors.errors import ConfigError
from connectors.facts.base import Fact, Instant
from connectors.networks import Network, parse_network

#: IPv4 written as IPv6, of which the IPv4 inside is what is looked up: a range there would never be met.
_UNWRAPPED = tuple(
    parse_network(cidr, field="reputation_policy") for cidr in ("::ffff:0:0/96", "64:ff9b::/96")
)

#: Widest range of an override, number of leading bits by IP version: a wider one would speak for networks
#: that nobody has looked at.
_WIDEST = {4: 8, 6: 16}

_Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class OverrideDecision(StrEnum):
    """What a person says of an address."""

    ALLOW = "allow"
    DENY = "deny"


class Override(Fact):
    """A person's word on an address or a range. It always shows itself beside what it overrides.

    Attributes:
        target: an address, or a range in CIDR notation; never everything.
        reason: why, for whoever reads the case.
        owner: who answers for it.
        expires: from then on it is reported as expired and not applied.
    """

    target: str
    decision: OverrideDecision
    reason: _Sentence
    owner: _Sentence
    expires: Instant

    @field_validator("target")
    @classmethod
    def _one_place(cls, target: str) -> str:
        try:
            network = parse_network(target, field="target")
        except ConfigError as error:
            raise ValueError(f"{error.problem}. {error.remedy}".rstrip(". ")) from None
        if network.length < _WIDEST[network.version]:
            raise ValueError(
                f"covers too many addresses; at most a /{_WIDEST[network.version]}: name those that are meant"
            )
        if any(outer.packed <= network.packed <= outer.last for outer in _UNWRAPPED if network.version == 6):
            raise ValueError("is IPv4 written as IPv6; name the IPv4 address or range")
        return network.text

    @field_validator("reason", "owner")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("has characters that cannot be shown; write one plain line")
        return text

    @property
    def network(self) -> Network:
        """The range."""
        return parse_network(self.target, field="target")

    @property
    def text(self) -> str:
        """Which it is, for a sentence."""
        return f"{self.decision} {self.target} by {self.owner} until {self.expires:%Y-%m-%d %H:%M %Z}"


class ReputationPolicy(Fact):
    """How answers become a verdict.

    Attributes:
        decay_days: days after its last sighting in which evidence is fresh; older evidence convicts nobody.
        deadline_s: seconds for the whole look-up of a case: all addresses at all sources.
        overrides: allow and deny list. The smallest range wins; of two that are equal, deny does.
    """

    decay_days: Annotated[int, Field(ge=1, le=3650)] = 30
    deadline_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    overrides: tuple[Override, ...] = ()


class OverridesFound(NamedTuple):
    """What the override list says of an address.

    Attributes:
        applied: the one that counts; None if none does.
        not_applied: the others that name the address, one sentence each.
    """

    applied: Override | None
    not_applied: tuple[str, ...]


def overrides_for(ip: str, overrides: Iterable[Override], *, now: datetime) -> OverridesFound:
    """The override that counts for an address, and those that name it but do not."""
    packed = pack_ip(ip)
    naming = sorted(
        {o for o in overrides if packed is not None and _covers(o.network, packed)},
        key=lambda o: (
            -o.network.length,
            o.decision is not OverrideDecision.DENY,
            -o.expires.timestamp(),
            o.owner,
            o.reason,
        ),
    )
    active = [override for override in naming if override.expires > now]
    applied = active[0] if active else None
    return OverridesFound(
        applied,
        tuple(
            f"Not applied, expired: {override.text} ({override.reason})."
            if override.expires <= now
            else f"Not applied, outranked: {override.text} ({override.reason})."
            for override in naming
            if override is not applied
        ),
    )


def _covers(network: Network, packed: bytes) -> bool:
    return len(network.packed) == len(packed) and network.packed <= packed <= network.last
