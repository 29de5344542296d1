"""The notable: what the analytic raised, in CIM names."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address

from connectors.facts.asset import AssetFacts, IdentityFacts
from connectors.facts.base import Fact, Instant, Pid, Port


class NotableSource(StrEnum):
    """The shape a notable arrived in."""

    ES_NOTABLE = "es_notable"
    SOAR_ARTIFACT = "soar_artifact"
    ES_FINDING = "es_finding"
    WEBHOOK = "webhook"
    DETECTION = "detection"


class Direction(StrEnum):
    """Who opened the connection. UNKNOWN: the notable does not say (the analytic has no Initiated test)."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    UNKNOWN = "unknown"


class DestMeaning(StrEnum):
    """What a notable's own `dest` is: the add-on that names the fields of Sysmon's events decides it."""

    MACHINE = "machine"
    """The computer, as the community's add-on or a local alias has it."""
    PEER = "peer"
    """The other end, as the add-on that Splunk supports has it: its reverse name, else its address."""
    UNTOLD = "untold"
    """The fields do not tell, or there is no `dest`."""


class MissingField(Fact):
    """A field the notable lacks, and what that costs."""

    field: str
    effect: str


class Notable(Fact):
    """One notable of "Detect Regsvcs with Network Connection" or a sibling. CIM names.

    One notable is one group of the analytic's `stats by`; `generation` says which by-fields those are.

    `dest` has the meaning of the Endpoint data model and of the analytic's risk message, whatever the add-on
    calls the machine: it never holds the peer. What the input itself had there is `dest_given`.

    Attributes:
        source: the shape it arrived in.
        event_id: ES event_id (`<indexer guid>@@notable@@<hash>`), or a stable id made from the fields;
            it deduplicates input.
        search_name: the correlation search that raised it; "" if unknown.
        dest: the machine the process ran on, its name as given, or an address of its own; "" when the
            notable does not tell which it is.
        other_dests: further, different machines the notable names; empty when unambiguous.
        machine_field: the field that `dest` was read from, such as "dvc"; "" when there is none.
        machine_doubtful: True where only the user's domain shows that `dest` is the machine.
        dest_given: what the input had in `dest`; "" when nothing.
        dest_meaning: what that is.
        peer_names: names of the peer that the notable carries; a reverse look-up, never DNS evidence.
        generation: of the analytic, by the number of its version (connectors/siem/generations.py); None
            where the fields do not tell.
        user: with its domain as given; "" if missing.
        process_name: such as regsvcs.exe, as given.
        src_ip, dest_ip: canonical text; None when missing. Inbound: dest_ip is the host itself.
        dest_ports, src_ports: ports seen, ascending; empty when the notable does not say.
        direction: see Direction.
        count: number of events behind it; None when missing.
        first_time, last_time: of those events; None when missing.
        process_guids: Sysmon ProcessGuids behind it, without braces, upper case; empty when it does not say.
        process_ids: the operating system's ids of these processes, ascending; never a key on their own.
        risk_score: the score it already carries; None when missing.
        risk_object: the system that the notable says its own risk stands on, which may be the peer; "" if it
            does not say.
        risk_message: the notable's own message; "" if it has none.
        asset: what the SIEM's asset list says of the machine; None when it says nothing.
        identity: what its identity list says of the user; None when it says nothing.
        urgency, status, owner: as the SIEM has them; "" when missing.
        missing: fields the playbook would have used and what their absence costs.
        notes: what was done to read it (a list collapsed, a field moved), one sentence each.
    """

    source: NotableSource
    event_id: str
    search_name: str = ""
    dest: str
    other_dests: tuple[str, ...] = ()
    machine_field: str = ""
    machine_doubtful: bool = False
    dest_given: str = ""
    dest_meaning: DestMeaning = DestMeaning.UNTOLD
    peer_names: tuple[str, ...] = ()
    generation: int | None = None
    user: str = ""
    process_name: str
    src_ip: str | None = None
    dest_ip: str | None = None
    dest_ports: tuple[Port, ...] = ()
    src_ports: tuple[Port, ...] = ()
    direction: Direction = Direction.UNKNOWN
    count: int | None = None
    first_time: Instant | None = None
    last_time: Instant | None = None
    process_guids: tuple[str, ...] = ()
    process_ids: tuple[Pid, ...] = ()
    risk_score: float | None = None
    risk_object: str = ""
    risk_message: str = ""
    asset: AssetFacts | None = None
    identity: IdentityFacts | None = None
    urgency: str = ""
    status: str = ""
    owner: str = ""
    missing: tuple[MissingField, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def peer_ip(self) -> str | None:
        """The other end: dest_ip, except for an inbound connection, where it is src_ip."""
        return self.src_ip if self.direction is Direction.INBOUND else self.dest_ip

    @property
    def own_ip(self) -> str | None:
        """The machine's own end: src_ip, except for an inbound connection, where it is dest_ip."""
        return self.dest_ip if self.direction is Direction.INBOUND else self.src_ip

    @property
    def machine_label(self) -> str:
        """The machine for a person: its name, else what is known of it."""
        if self.dest:
            return self.dest
        may_be_peer = (
            self.direction is Direction.UNKNOWN and self.own_ip and ip_address(self.own_ip).is_global
        )
        if self.own_ip and not may_be_peer:
            return f"unknown machine ({self.own_ip})"
        if self.dest_given and self.dest_meaning is DestMeaning.UNTOLD:
            return f"unknown machine (dest {self.dest_given})"
        return "unknown machine"
