"""What a destination serves as: by public ranges, by ports and by the names the process itself had resolved.

A role is context and never a verdict. What follows from it is its effect: a service that many share caps bad
reports at "suspicious, shared"; a cloud's range does not; a sinkhole speaks for an infection.
"""

from __future__ import annotations

from collections.abc import Iterable

from actions.case_facts import Destination
from actions.destination_hints import HintKind, hints_with_grounds
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind

#: The weightiest first.
_ORDER = (RoleEffect.PROBABLE_INFECTION, RoleEffect.CAPS_AT_SHARED, RoleEffect.NONE)


def roles_of(
    destination: Destination, by_range: Iterable[DestinationRole] = ()
) -> tuple[DestinationRole, ...]:
    """All roles of a destination, the weightiest first; one for each kind and effect, with all its sources.

    Args:
        destination: its address, ports and DNS names count.
        by_range: what lists of ranges say of the address, the most telling list first.
    """
    ranges = tuple(by_range)
    merged: dict[tuple[RoleKind, RoleEffect], DestinationRole] = {}
    for role in (*_from_own_table(destination), *_weighed(ranges)):
        key = (role.kind, role.effect)
        first = merged.get(key)
        if first is None:
            merged[key] = role
        elif role.source not in first.source.split("; "):
            merged[key] = first.model_copy(update={"source": f"{first.source}; {role.source}"})
    return tuple(sorted(merged.values(), key=lambda role: _ORDER.index(role.effect)))


def with_roles(destination: Destination, by_range: Iterable[DestinationRole] = ()) -> Destination:
    """The destination with its roles."""
    return destination.model_copy(update={"roles": roles_of(destination, by_range)})


def is_shared(roles: Iterable[DestinationRole]) -> bool:
    """True when many use the address: bad reports about it go no further than "suspicious, shared"."""
    return any(role.effect is RoleEffect.CAPS_AT_SHARED for role in roles)


def is_sinkhole(roles: Iterable[DestinationRole]) -> bool:
    """True when what calls the address is probably infected."""
    return any(role.effect is RoleEffect.PROBABLE_INFECTION for role in roles)


def _from_own_table(destination: Destination) -> Iterable[DestinationRole]:
    for hint, grounds in hints_with_grounds(destination):
        shared = hint.kind is HintKind.SHARED_SERVICE
        yield DestinationRole(
            kind=hint.role,
            effect=RoleEffect.CAPS_AT_SHARED if shared else RoleEffect.NONE,
            label=hint.label,
            reason=hint.why,
            source=", ".join(grounds),
        )


def _weighed(by_range: tuple[DestinationRole, ...]) -> Iterable[DestinationRole]:
    """A sinkhole on an address that many share speaks for nothing: only the host name could tell."""
    shared = next((role for role in by_range if role.effect is RoleEffect.CAPS_AT_SHARED), None)
    for role in by_range:
        if shared is None or role.effect is not RoleEffect.PROBABLE_INFECTION:
            yield role
        else:
            reason = (
                f"{role.reason} But the address is also of {shared.label}: only the host name could tell."
            )
            yield role.model_copy(update={"effect": RoleEffect.NONE, "reason": reason})
