"""A case as the indicator functions look at it: the facts, and what is derived from them once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from actions.case_facts import CaseFacts, Destination
from actions.command_line import arguments_of
from actions.destination_hints import HINTS
from actions.destination_roles import roles_of
from actions.risk import RiskPolicy
from actions.windows_paths import is_full_path, is_known_image, normal, system_root
from connectors.facts.destination_role import DestinationRole
from connectors.facts.notable import Direction
from connectors.facts.process import (
    KnownFrom,
    Process,
    ProcessEvidence,
    ProcessRef,
    Signature,
    SignatureState,
)

#: Roles that follow from the own hints, by label.
_HINTED = frozenset(hint.label for hint in HINTS)

#: Worst first: where two sources disagree on an image, the worse word counts.
_SIGNATURE_ORDER = (
    SignatureState.INVALID,
    SignatureState.UNSIGNED,
    SignatureState.VALID,
    SignatureState.UNKNOWN,
)

#: The directions in which connections were seen, by the peer's address.
type Directions = Mapping[str, frozenset[Direction]]


class CaseView(NamedTuple):
    r"""What the indicator functions read.

    Attributes:
        target: the process; None when no lineage was obtained.
        parent: its creator, if only as the target's own record names it; None when unknown.
        ancestors: nearest first, the parent included, and as the last one what the outermost recorded
            process says of its own parent.
        siblings, children: as the lineage has them.
        evidence: empty when none was obtained (then every kind is unknown).
        system_root: such as `c:\windows`; None when the telemetry does not tell.
        arguments: of the target; None when its command line is not known.
        signature: of the target's image, from its own record and from its module loads.
        directions: as directions_by_peer.
    """

    facts: CaseFacts
    policy: RiskPolicy
    target: Process | None
    parent: Process | None
    ancestors: tuple[Process, ...]
    siblings: tuple[Process, ...]
    children: tuple[Process, ...]
    evidence: ProcessEvidence
    system_root: str | None
    arguments: tuple[str, ...] | None
    signature: Signature
    directions: Directions


def view_of(facts: CaseFacts, policy: RiskPolicy) -> CaseView:
    """Derive once what several indicators need."""
    lineage = facts.lineage
    evidence = facts.evidence or ProcessEvidence()
    target = lineage.target if lineage else None
    ancestors = _ancestors(target, lineage.ancestors) if lineage and target else ()
    return CaseView(
        facts=facts,
        policy=policy,
        target=target,
        parent=ancestors[0] if ancestors else None,
        ancestors=ancestors,
        siblings=lineage.siblings if lineage else (),
        children=lineage.children if lineage else (),
        evidence=evidence,
        system_root=system_root(reversed(ancestors)),
        arguments=arguments_of(target.command_line, target.ref.image) if target else None,
        signature=_signature(target, evidence) if target else Signature(),
        directions=directions_by_peer(facts),
    )


def _ancestors(target: Process, recorded: tuple[Process, ...]) -> tuple[Process, ...]:
    outermost = recorded[-1] if recorded else target
    named_parent = _named_parent(outermost)
    return (*recorded, named_parent) if named_parent else recorded


def _named_parent(process: Process) -> Process | None:
    if not is_known_image(process.parent_image):
        return None
    return Process(
        ref=ProcessRef(
            host_id=process.ref.host_id,
            guid=process.parent_guid,
            pid=process.parent_pid,
            image=process.parent_image,
        ),
        known_from=KnownFrom.CHILD,
        command_line=process.parent_command_line,
        source=process.source,
    )


def _signature(target: Process, evidence: ProcessEvidence) -> Signature:
    image = normal(target.ref.image)
    loads = (m.signature for m in evidence.modules if image and normal(m.path) == image)
    return min((target.signature, *loads), key=_signature_order)


def _signature_order(signature: Signature) -> tuple[int, str]:
    return _SIGNATURE_ORDER.index(signature.state), signature.signer


def is_creator(view: CaseView, guid: str | None, image: str) -> bool | None:
    """Whether another process is the one that created the target; None when that cannot be told."""
    target = view.target
    if target is None:
        return None
    if guid is not None and target.parent_guid is not None:
        return guid == target.parent_guid
    if view.parent is None or not (is_full_path(image) and is_full_path(view.parent.ref.image)):
        return None
    # Another image is another process; the same image may be the same process or a second copy.
    return None if normal(image) == normal(view.parent.ref.image) else False


def roles_known(destination: Destination) -> tuple[DestinationRole, ...]:
    """What a destination serves as; by the hints alone where nobody has looked its roles up."""
    return destination.roles or tuple(role for role in roles_of(destination) if role.label in _HINTED)


def directions_by_peer(facts: CaseFacts) -> Directions:
    """The directions in which connections were seen, by the peer's address. Empty for others."""
    found: defaultdict[str, set[Direction]] = defaultdict(set)
    for notable in facts.notables:
        if notable.peer_ip is not None:
            found[notable.peer_ip].add(notable.direction)
    for connection in facts.evidence.connections if facts.evidence else ():
        if connection.initiated is False:
            found[connection.src_ip].add(Direction.INBOUND)
        elif connection.initiated is True:
            found[connection.dest_ip].add(Direction.OUTBOUND)
    return {ip: frozenset(seen) for ip, seen in found.items()}


def inbound_only(seen: Directions, destination: Destination) -> bool:
    """True when this peer is known to have called, and is not known to have been called.

    A notable usually does not say; what the connection events say then decides.
    """
    found = seen.get(destination.ip, frozenset())
    return Direction.INBOUND in found and Direction.OUTBOUND not in found
