"""Ports: what the playbook needs of other systems. One module a vendor implements one of these.

Sources of the interface: the vendors' SDKs and documentation.
Every method may raise a ConnectorError; the docstrings name the ones a caller must expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from connectors.facts.asset import AssetFacts, IdentityFacts
from connectors.facts.health import Health
from connectors.facts.host import HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.facts.reputation import SourceAnswer, SourceInfo


class Window(NamedTuple):
    """A closed time span, both ends timezone-aware. Callers widen it for clock skew."""

    start: datetime
    end: datetime

    def holds(self, when: datetime) -> bool:
        """True when `when` lies inside, ends included."""
        return self.start <= when <= self.end


class Capability(StrEnum):
    """What a connector can do. What it cannot, it refuses by name (NotSupported)."""

    RESOLVE = "resolve"
    LINEAGE = "lineage"
    EVIDENCE = "evidence"
    ISOLATE = "isolate"
    VERIFY = "verify"
    RELEASE = "release"


class IsolatedHosts(NamedTuple):
    """The hosts that a vendor says are isolated, being isolated or being released.

    Attributes:
        hosts: each once; `isolation` says which of the three, or UNKNOWN where that is not certain.
        complete: False where there are or may be more than these: it was cut, or could not all be read.
    """

    hosts: tuple[HostRef, ...]
    complete: bool


#: Machines of one connection that are named: more than one is ambiguous, however many there are.
MACHINES_NAMED = 10


class ConnectionClue(NamedTuple):
    """What is known of a connection whose machine is not. Addresses as the event has them.

    Attributes:
        process_name: such as regsvcs.exe; compared without regard to case.
        src_ip, dest_ip: canonical text; who of the two is the machine is for the source to tell.
        guids: Sysmon ProcessGuids behind it; each is of one machine alone.
    """

    process_name: str
    src_ip: str | None
    dest_ip: str | None
    guids: tuple[str, ...] = ()


class MachineSeen(NamedTuple):
    """A machine on which a connection was seen.

    Attributes:
        host: as `resolve_host` gives it.
        processes: whose connection it is, best evidence first.
        direction: as this machine saw it; UNKNOWN where its events do not say, or say both.
        peer_names: what the source calls the peer, a reverse look-up and no DNS evidence; mostly empty.
    """

    host: HostRef
    processes: tuple[ProcessRef, ...]
    direction: Direction
    peer_names: tuple[str, ...] = ()


class EdrConnector(Protocol):
    """Endpoint telemetry and containment."""

    @property
    def name(self) -> str:
        """Short name, such as "sysmon_file" or "defender"."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this connector can do."""

    @property
    def sysmon_guids(self) -> bool:
        """Whether its processes are known by Sysmon's ProcessGuid; a vendor's agent has ids of its own."""

    def check(self) -> Health:
        """Whether it works; no side effects."""

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """Exactly one host. Exact match only; never picks one of several.

        Raises:
            HostNotFound: none fits.
            AmbiguousHost: several fit; the candidates are named.
        """

    def find_process(
        self,
        host: HostRef,
        *,
        guid: str | None = None,
        pid: int | None = None,
        name: str | None = None,
        remote_ip: str | None = None,
        remote_port: int | None = None,
        local_ip: str | None = None,
        user: str | None = None,
        window: Window,
    ) -> Sequence[ProcessRef]:
        """Every process that fits, best evidence first; empty when none does. A pid never suffices.

        Args:
            host: as `resolve_host` gives it.
            guid: the connector's own id of a process; settles it alone.
            pid, name, remote_ip, remote_port: each has to fit.
            local_ip, user: the host's own address, and the account. They tell apart what else fits, and leave
                all of it where they do not (edr.narrowing).
            window: in which it was at work.
        """

    def find_machines(self, clue: ConnectionClue, *, window: Window) -> Sequence[MachineSeen]:
        """Every machine on which the connection was seen, each once; empty where it was seen on none.

        By the clue's guids where the connector knows them; else, and where that finds none, by process and
        both addresses. The addresses are compared as logged: a connection of dest_ip to src_ip is another
        one. Without both of them nothing is found.

        Args:
            clue: what is known of the connection.
            window: in which it was made; does not narrow what a guid settles.

        Returns:
            MACHINES_NAMED at most: of several none is the one, so that the others would add nothing.

        Raises:
            ConnectorError: it could not look, or not through all of it.
        """

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """Ancestors to the root, siblings and children; caps reported, holes named.

        Raises:
            ProcessNotFound: the process is not recorded at all.
        """

    def get_process_evidence(self, host: HostRef, process: ProcessRef, *, window: Window) -> ProcessEvidence:
        """What else was seen of the process, with coverage."""

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for isolation. A handle means accepted, never isolated.

        Raises:
            NotSupported, Conflict, NotSent (certainly not done), TimedOut (outcome unknown: read the state
            first).
        """

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of isolation; same contract as isolate."""

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """The state now, by the strongest evidence the vendor gives."""

    def isolated_hosts(self, *, limit: int) -> IsolatedHosts:
        """Every host that the vendor says is isolated or being isolated; whoever ordered it.

        One whose release is under way is among them: it is isolated until that is done.

        Args:
            limit: hosts at most, 1 or more.

        Raises:
            NotSupported: the connector cannot tell.
        """


class ReputationSource(Protocol):
    """One source of knowledge about addresses."""

    @property
    def info(self) -> SourceInfo:
        """What is true of the source whatever it answers."""

    def check(self) -> Health:
        """Key valid, quota left; no side effects."""

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """What the source says of one address: at least one answer, one for each author it names.

        A failure is a status, not an exception. Only public addresses that are not the organisation's own are
        asked about; the caller sees to that.

        Args:
            ip: canonical text.
            deadline_s: seconds this call may take.
            fresh: True bypasses the cache.
        """


class ListedAsset(NamedTuple):
    """A row of an asset list that fits a host name or an address.

    Attributes:
        facts: what the row says.
        names: the host names in it, as it spells them; empty for a row of addresses alone.
        by_network: True where only a range in it holds the address.
    """

    facts: AssetFacts
    names: tuple[str, ...] = ()
    by_network: bool = False


class NotRead(NamedTuple):
    """A part of a list that could not be looked at: what stands there is unknown, and never "nothing".

    Attributes:
        what: the part, in a few words.
        why: one sentence.
        remedy: what to do about it; "" where the reason says it.
    """

    what: str
    why: str
    remedy: str = ""


class Listed(NamedTuple):
    """What lists say of machines and accounts.

    Attributes:
        assets: the rows that fit, by host name or address as asked; one without a row is missing here.
        identities: the same by account.
        not_read: what could not be looked at.
    """

    assets: Mapping[str, tuple[ListedAsset, ...]]
    identities: Mapping[str, tuple[IdentityFacts, ...]]
    not_read: tuple[NotRead, ...] = ()


class AssetSource(Protocol):
    """The organisation's lists of machines and accounts."""

    @property
    def name(self) -> str:
        """As people know it, such as "the asset tables of Splunk"."""

    def check(self) -> Health:
        """Readable, how many rows and how old; no side effects."""

    def facts_of(self, hosts: Sequence[str], users: Sequence[str]) -> Listed:
        """Every row that fits, by exact match and never by a part of a name.

        Args:
            hosts: host names, short or with their domain, and addresses as canonical text.
            users: accounts, with or without their domain.

        Raises:
            ConnectorError: it could not be asked.
        """


class Checkpoint(NamedTuple):
    """How far notables were read; opaque to the caller."""

    token: str


class NotableUpdate(NamedTuple):
    """What to write to a notable. None leaves a field alone; labels are the SIEM's own."""

    comment: str
    status: str | None = None
    urgency: str | None = None
    owner: str | None = None
    disposition: str | None = None


class NotableWritten(NamedTuple):
    """What became of an update.

    Attributes:
        written: names of the fields that were written, the comment among them; empty where all of it was
            there before.
        left: names of the fields that were asked for and left as a person has set them.
        told: why they were left, one sentence; "" when none was.
    """

    written: tuple[str, ...]
    left: tuple[str, ...] = ()
    told: str = ""


class RiskWritten(StrEnum):
    """What became of a risk event."""

    NOTHING_TO_ADD = "nothing_to_add"
    """The score does not exceed the one that is there."""
    ALREADY_THERE = "already_there"
    INDEXED = "indexed"
    """Acknowledged by the indexer, or found by a search."""
    ACCEPTED = "accepted"
    """Taken by the SIEM; not proven to be indexed."""


class SiemConnector(Protocol):
    """Notables in, findings and risk back."""

    @property
    def name(self) -> str:
        """Short name, such as "splunk"."""

    def check(self) -> Health:
        """Reachable, permitted; no side effects."""

    def fetch_notables(self, since: Checkpoint | None, *, limit: int) -> tuple[Sequence[Notable], Checkpoint]:
        """The next notables and where to go on; loses none and repeats none."""

    def notables_of(self, event_id: str) -> Sequence[Notable]:
        """The notables of one event: one for each destination that it names, in most cases a single one.

        Raises:
            NotFound: there is none.
            Ambiguous: the id stands for several events.
            NotableError: it is there and unusable.
        """

    def update_notable(self, event_id: str, update: NotableUpdate) -> NotableWritten:
        """Write to a notable; where a person has set it, the comment alone, which says so.

        Raises:
            NotFound: there is no such notable.
            InputError: a label is unknown; the known ones are named.
            TimedOut: whether it was written is not known.
        """

    def add_risk(
        self,
        notable: Notable,
        *,
        score: float,
        base_score: float,
        techniques: Sequence[str],
        message: str,
        case_id: str,
    ) -> RiskWritten:
        """Add, once a case, what its score exceeds the one that is there by.

        The destination is the threat object.

        Args:
            notable: whose host gets the risk.
            score: of the case, in all.
            base_score: what the notable's own search has put on the host, where the SIEM raised it; a SIEM
                that knows that nothing was put there takes 0 in its place.
            techniques: ATT&CK ids.
            message: what is said of the case.
            case_id: of the case, whatever its notables call the host.

        Raises:
            TimedOut: whether it arrived is not known; asked again, it is searched for before it is sent.
        """
