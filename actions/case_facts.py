"""What is known of a case before anything is decided: the input of assess_risk and decide_isolation."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import Field

from actions.check_ip import IpCheck
from actions.locate_machine import FoundBy
from actions.profile import Profile
from actions.reputation_facts import DestinationReputation, DestinationVerdict
from connectors.facts.asset import AssetFacts, IdentityFacts
from connectors.facts.base import Fact
from connectors.facts.destination_role import DestinationRole
from connectors.facts.host import HostRef
from connectors.facts.notable import Notable
from connectors.facts.process import Lineage, ProcessEvidence
from connectors.facts.reputation import SourceAnswer

__all__ = ["CaseFacts", "Destination", "DestinationVerdict", "NamedCase", "Unknown"]


class Destination(Fact):
    """The other end of the case's connections, one per peer address.

    Attributes:
        ip: canonical text.
        check: the public check.
        verdict: the reputation verdict; UNDETERMINED when no source answered.
        verdict_reason: one sentence; where it was not looked up, why not.
        answers: each source's answer; empty when no source is configured.
        dns_names: names the process itself had resolved to this address (EID 22), in time order.
        ports: peer ports seen, ascending.
        roles: what the address is known to serve as, and by what.
        reputation: what the verdict rests on, without the answers, which are in `answers`; None when it was
            not looked up.
    """

    ip: str
    check: IpCheck
    verdict: DestinationVerdict = DestinationVerdict.UNDETERMINED
    verdict_reason: str = "not looked up"
    answers: tuple[SourceAnswer, ...] = ()
    dns_names: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    roles: tuple[DestinationRole, ...] = ()
    reputation: DestinationReputation | None = None


class Unknown(Fact):
    """Something that is not known. It changes no score and is always listed.

    Attributes:
        what: the thing, in a few words.
        why: why it is not known.
        remedy: how it could be known; "" if it cannot.
    """

    what: str
    why: str
    remedy: str = ""


class NamedCase(Protocol):
    """What a case takes its names from: CaseFacts, and what was found before them."""

    @property
    def notables(self) -> tuple[Notable, ...]:
        """At least one, the earliest first."""

    @property
    def host(self) -> HostRef | None:
        """None when it is not exactly one."""

    @property
    def lineage(self) -> Lineage | None:
        """None when it was not obtained."""


class CaseFacts(Fact):
    """Everything gathered for one case (one host and one process).

    Attributes:
        notables: at least one; the earliest first. All have the same process_name.
        destinations: one per peer address.
        host: the resolved host; None when it could not be resolved to exactly one.
        found_by: how that became known; None where it is not.
        lineage, evidence: None when not obtained.
        problems: what could not be gathered, and why, as unknowns.
        not_looked_up: why no source has answered for host or process: none was given, or it failed; ""
            where one has answered, whatever it found. The problems hold it too.
        asset: what the organisation's lists say of the machine; None where they say nothing.
        identities: what they say of the case's users, of whom they say anything.
        lists_not_read: what of these lists could not be looked at.
    """

    profile: Profile
    notables: Annotated[tuple[Notable, ...], Field(min_length=1)]
    destinations: tuple[Destination, ...] = ()
    host: HostRef | None = None
    found_by: FoundBy | None = None
    lineage: Lineage | None = None
    evidence: ProcessEvidence | None = None
    problems: tuple[Unknown, ...] = ()
    not_looked_up: str = ""
    asset: AssetFacts | None = None
    identities: tuple[IdentityFacts, ...] = ()
    lists_not_read: tuple[Unknown, ...] = ()
