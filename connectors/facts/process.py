"""Processes, their lineage, and what else was seen of them."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact, Instant, Pid, Port, SourceRef


class SignatureState(StrEnum):
    """What is known of an image's Authenticode signature. UNKNOWN is not "unsigned"."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    INVALID = "invalid"
    UNKNOWN = "unknown"


class Signature(Fact):
    """Signature of an image file, from Sysmon EID 7 (Signed, SignatureStatus, Signature) or an EDR.

    Attributes:
        state: valid, unsigned, invalid (expired, revoked, bad digest) or unknown.
        signer: the certificate's subject as the source gives it; "" if unknown.
    """

    state: SignatureState = SignatureState.UNKNOWN
    signer: str = ""


class FileHash(Fact):
    """A file hash: algorithm and hex digest, both upper case."""

    algorithm: str
    digest: str


class KnownFrom(StrEnum):
    """How a process is known."""

    CREATION = "creation"
    """Its own creation event (Sysmon EID 1) was read."""
    CHILD = "child"
    """Only from the Parent* fields of a child: image, command line, pid; nothing above it."""
    ACTIVITY = "activity"
    """Only from something it did (a connection): image and pid; no command line, no parent."""


class ProcessRef(Fact):
    """One process on one host. Its key is (host, guid), else (host, pid, start time); never the pid alone.

    Attributes:
        host_id: the HostRef's host_id.
        guid: Sysmon ProcessGuid without braces, upper case, or the vendor's process id; None if unknown.
        pid: the operating system's id; None if unknown.
        start_time: creation time; None if unknown.
        image: full path as logged; "" if unknown.
    """

    host_id: str
    guid: str | None = None
    pid: Pid | None = None
    start_time: Instant | None = None
    image: str = ""

    @property
    def name(self) -> str:
        """Last part of the image path, as logged."""
        return image_name(self.image)


class Process(Fact):
    """A process and what its source says of it. None and "" mean: not recorded.

    Attributes:
        ref: identity.
        known_from: how much of it is known, and why not more.
        command_line: None when not recorded, which is unknown and not "no arguments".
        current_directory, user, integrity: as logged; user with its domain.
        original_file_name: from the version resource; "" or "-" when the source has none.
        hashes: as logged; MD5, SHA1, SHA256, IMPHASH.
        signature: of the image.
        parent_guid, parent_pid, parent_image, parent_command_line: as the process's own record says.
        effective_parent: who had the parent start it, such as a remote caller of WMI, where the source names
            another than the parent; never in place of the parent. None when not recorded.
        created_suspended: whether it was created without running yet, as a hollowed process is and some that
            are debugged or put in a job; None when not recorded.
        end_time: termination; None when not recorded (it may still run).
        end_source: where the termination stands; None when not recorded.
        source: where its record stands.
    """

    ref: ProcessRef
    known_from: KnownFrom = KnownFrom.CREATION
    command_line: str | None = None
    current_directory: str = ""
    user: str = ""
    integrity: str = ""
    original_file_name: str = ""
    hashes: tuple[FileHash, ...] = ()
    signature: Signature = Signature()
    parent_guid: str | None = None
    parent_pid: Pid | None = None
    parent_image: str = ""
    parent_command_line: str | None = None
    effective_parent: ProcessRef | None = None
    created_suspended: bool | None = None
    end_time: Instant | None = None
    end_source: SourceRef | None = None
    source: SourceRef | None = None

    @property
    def name(self) -> str:
        """Last part of the image path, as logged."""
        return self.ref.name


class GapKind(StrEnum):
    """Why a lineage does not go further or is not certain."""

    PARENT_NOT_RECORDED = "parent_not_recorded"
    PARENT_ID_MISSING = "parent_id_missing"
    PARENT_BY_PID = "parent_by_pid"
    TARGET_NOT_RECORDED = "target_not_recorded"
    CYCLE = "cycle"
    DEPTH_CAP = "depth_cap"
    NODE_CAP = "node_cap"


class Gap(Fact):
    """One hole in a lineage, named.

    Attributes:
        kind: which.
        at: the process below the hole, as "name (pid n)".
        detail: one sentence for the analyst.
    """

    kind: GapKind
    at: str
    detail: str


class Lineage(Fact):
    """A process, where it came from and what it started.

    Attributes:
        target: the process itself.
        ancestors: nearest first, up to the root or to where telemetry ends.
        siblings: other children of the target's parent, oldest first.
        children: what the target started, oldest first.
        truncated: True when a cap (max_depth, max_nodes) cut something off.
        gaps: every hole, named.
        source_queries: what was read or asked, for the record.
    """

    target: Process
    ancestors: tuple[Process, ...] = ()
    siblings: tuple[Process, ...] = ()
    children: tuple[Process, ...] = ()
    truncated: bool = False
    gaps: tuple[Gap, ...] = ()
    source_queries: tuple[str, ...] = ()


class Connection(Fact):
    """Network connections of the process between the same two ends (Sysmon EID 3).

    Attributes:
        time, last_time: first and last event, UTC.
        count: number of events.
        src_ip, dest_ip: canonical text where parseable, else as logged. Inbound: dest_ip is the host itself.
        src_port: of the first event.
        initiated: True outbound, False inbound, None not recorded.
        source: of the first event.
    """

    time: Instant | None = None
    last_time: Instant | None = None
    count: int = 1
    src_ip: str = ""
    src_port: Port | None = None
    dest_ip: str = ""
    dest_port: Port | None = None
    protocol: str = ""
    initiated: bool | None = None
    source: SourceRef | None = None


class DnsAnswer(Fact):
    """A DNS look-up of the process (Sysmon EID 22). DestinationHostname of EID 3 is never used here.

    Attributes:
        name: the name asked for.
        addresses: canonical addresses in the answer.
        status: Windows DNS status, "0" is success.
    """

    time: Instant | None = None
    name: str
    addresses: tuple[str, ...] = ()
    status: str = ""
    source: SourceRef | None = None


class Tampering(Fact):
    """Sysmon EID 25: the image in memory was replaced or is locked for access."""

    time: Instant | None = None
    type: str = ""
    source: SourceRef | None = None


class RemoteThread(Fact):
    """Sysmon EID 8: another process started a thread in this one.

    Attributes:
        source_image: full path of the process that did it.
        source_guid: its ProcessGuid, None if unknown.
    """

    time: Instant | None = None
    source_image: str = ""
    source_guid: str | None = None
    start_module: str = ""
    start_function: str = ""
    source: SourceRef | None = None


class ProcessAccess(Fact):
    """Sysmon EID 10: another process opened a handle to this one.

    Attributes:
        granted_access: the access mask (bit field of the Windows process access rights); None if unreadable.
        source_is_creator: True when the opener is the process's own parent; None if unknown.
    """

    time: Instant | None = None
    source_image: str = ""
    source_guid: str | None = None
    granted_access: int | None = None
    source_is_creator: bool | None = None
    source: SourceRef | None = None


class ModuleLoad(Fact):
    """Sysmon EID 7: a module was loaded into the process."""

    time: Instant | None = None
    path: str = ""
    signature: Signature = Signature()
    hashes: tuple[FileHash, ...] = ()
    source: SourceRef | None = None


class FileWritten(Fact):
    """Sysmon EID 11: a file was created.

    Attributes:
        path: the file.
        writer_image: full path of the process that wrote it.
        writer_guid: its ProcessGuid, None if unknown.
    """

    time: Instant | None = None
    path: str = ""
    writer_image: str = ""
    writer_guid: str | None = None
    source: SourceRef | None = None


class EvidenceKind(StrEnum):
    """The kinds of evidence a source may or may not be able to know."""

    CONNECTION = "connection"
    DNS = "dns"
    TAMPERING = "tampering"
    REMOTE_THREAD = "remote_thread"
    PROCESS_ACCESS = "process_access"
    MODULE = "module"
    FILE = "file"
    TERMINATION = "termination"


class CoverageState(StrEnum):
    """What the absence of evidence means."""

    OBSERVED = "observed"
    """There is evidence of this kind for the process."""
    NONE_OBSERVED = "none_observed"
    """The source records this kind on this host; nothing was recorded for the process."""
    NOT_COLLECTED = "not_collected"
    """Nothing of this kind was recorded on this host at all: unknown, not absent."""
    NOT_SUPPORTED = "not_supported"
    """The source can never know this kind."""


class Coverage(Fact):
    """How far one kind of evidence can be relied on."""

    kind: EvidenceKind
    state: CoverageState


class ProcessEvidence(Fact):
    """What was seen of one process besides its creation. Tuples are in time order.

    Attributes:
        files_written: by the process.
        image_writers: EID 11 events that wrote the images of the process's ancestors or its arguments.
        coverage: one entry per EvidenceKind: which kinds this source can know.
        truncated: True when a cap cut something off.
    """

    connections: tuple[Connection, ...] = ()
    dns: tuple[DnsAnswer, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    remote_threads: tuple[RemoteThread, ...] = ()
    accesses: tuple[ProcessAccess, ...] = ()
    modules: tuple[ModuleLoad, ...] = ()
    files_written: tuple[FileWritten, ...] = ()
    image_writers: tuple[FileWritten, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    truncated: bool = False

    def state_of(self, kind: EvidenceKind) -> CoverageState:
        """The coverage of one kind; NOT_COLLECTED when the source did not say."""
        for entry in self.coverage:
            if entry.kind is kind:
                return entry.state
        return CoverageState.NOT_COLLECTED


def image_name(image: str) -> str:
    r"""Last part of a Windows path, as logged: `C:\Windows\cmd.exe` -> `cmd.exe`."""
    return image.replace("/", "\\").rpartition("\\")[2]
