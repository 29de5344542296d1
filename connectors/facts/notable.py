"""The notable: what the analytic raised, in CIM names."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant, Port


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


class MissingField(Fact):
    """A field the notable lacks, and what that costs."""

    field: str
    effect: str


class Notable(Fact):
    """One notable of "Detect Regsvcs with Network Connection" or a sibling. CIM names.

    One notable is one (dest, user, process_name, src_ip, dest_ip), as the analytic's `stats by` makes it.

    Attributes:
        source: the shape it arrived in.
        event_id: ES event_id (`<indexer guid>@@notable@@<hash>`), or a stable id made from the fields;
            it deduplicates input.
        search_name: the correlation search that raised it; "" if unknown.
        dest: host name as given: the machine the process ran on.
        other_dests: further, different host names the notable carries; empty when unambiguous.
        user: with its domain as given; "" if missing.
        process_name: such as regsvcs.exe, as given.
        src_ip, dest_ip: canonical text; None when missing. Inbound: dest_ip is the host itself.
        dest_ports: ports seen, ascending; empty when the notable does not say.
        direction: see Direction.
        count: number of events behind it; None when missing.
        first_time, last_time: of those events; None when missing.
        process_guids: Sysmon ProcessGuids behind it, without braces, upper case; empty when it does not say.
        risk_score: the score it already carries; None when missing.
        urgency, status, owner: as the SIEM has them; "" when missing.
        missing: fields the playbook would have used and what their absence costs.
        notes: what was done to read it (a list collapsed, a field moved), one sentence each.
    """

    source: NotableSource
    event_id: str
    search_name: str = ""
    dest: str
    other_dests: tuple[str, ...] = ()
    user: str = ""
    process_name: str
    src_ip: str | None = None
    dest_ip: str | None = None
    dest_ports: tuple[Port, ...] = ()
    direction: Direction = Direction.UNKNOWN
    count: int | None = None
    first_time: Instant | None = None
    last_time: Instant | None = None
    process_guids: tuple[str, ...] = ()
    risk_score: float | None = None
    urgency: str = ""
    status: str = ""
    owner: str = ""
    missing: tuple[MissingField, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def peer_ip(self) -> str | None:
        """The other end: dest_ip, except for an inbound connection, where it is src_ip."""
        return self.src_ip if self.direction is Direction.INBOUND else self.dest_ip
