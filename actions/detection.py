"""What detection answers: the notables, and what each reading of the analytic decided and why."""

from __future__ import annotations

from enum import StrEnum

from actions.check_ip import IpCategory
from connectors.facts.base import Fact
from connectors.facts.notable import Notable
from connectors.siem.generations import VERSION_7, VERSION_15, Generation


class Semantics(StrEnum):
    """Which reading of the analytic raises."""

    ESCU = "escu"
    """The SPL as shipped in version 7, with what it lets through and what `stats by` drops."""
    ESCU_15 = "escu-15"
    """The same of version 15, over the fields of the add-on that Splunk supports."""
    STRICT = "strict"
    """A true public check of the peer, by direction, IPv6 included."""

    @property
    def generation(self) -> Generation | None:
        """The generation of the analytic that it reads; None for the strict reading, which is of none."""
        return {Semantics.ESCU: VERSION_7, Semantics.ESCU_15: VERSION_15}.get(self)


class EscuReason(StrEnum):
    """Why the shipped SPL does or does not raise."""

    RAISED = "raised"
    RFC1918 = "rfc1918"
    EXCLUDED = "excluded"
    """dest_ip is in another range that the generation excludes."""
    FIELD_MISSING = "field_missing"
    NAME_NOT_LOGGED = "name_not_logged"


class StrictReason(StrEnum):
    """Why the strict reading does or does not raise."""

    PUBLIC = "public"
    PUBLIC_EMBEDDED = "public_embedded"
    """6to4 or Teredo around a public IPv4 address."""
    NOT_PUBLIC = "not_public"
    ORGANISATION_OWNED = "organisation_owned"
    PEER_UNREADABLE = "peer_unreadable"
    HOST_MISSING = "host_missing"


class EscuJudgement(Fact):
    """What the shipped SPL does with these events.

    Attributes:
        generation: the SPL's, by its number.
    """

    generation: int
    raised: bool
    reason: EscuReason
    detail: str


class StrictJudgement(Fact):
    """What the strict reading does with these events.

    Attributes:
        category: of the peer address; None when it is unreadable.
    """

    raised: bool
    reason: StrictReason
    category: IpCategory | None
    detail: str


class Alert(Fact):
    """One row of the reading's `stats`: events of a watched process that are alike in its by-fields.

    Attributes:
        profile: name of the profile whose process it is.
        escu: of the chosen reading's generation; of version 7 beside the strict one.
        resolved: True when Sysmon had lost the process name and ProcessGuid gave it back.
    """

    profile: str
    notable: Notable
    escu: EscuJudgement
    strict: StrictJudgement
    resolved: bool = False


class DetectionCounts(Fact):
    """How many events led where.

    Attributes:
        connections: EID 3 read, of any process.
        matched: of a watched process.
        not_raised: matched, but not raised by the chosen reading.
        unknown_process: EID 3 whose process Sysmon could not name, all told.
        unknown_resolved: of those, named through ProcessGuid as a watched process.
        unknown_unresolved: of those, not raised because nothing tells the process; a different, known
            process counts here too when its creation is not among what was read.
    """

    connections: int = 0
    matched: int = 0
    not_raised: int = 0
    unknown_process: int = 0
    unknown_resolved: int = 0
    unknown_unresolved: int = 0


class Detection(Fact):
    """Result of a detection run.

    Attributes:
        profiles: names of the profiles looked for.
        raised: by the chosen reading, in order of first time.
        not_raised: watched processes' connections that it did not raise, in the same order.
    """

    semantics: Semantics
    profiles: tuple[str, ...]
    raised: tuple[Alert, ...] = ()
    not_raised: tuple[Alert, ...] = ()
    counts: DetectionCounts = DetectionCounts()
