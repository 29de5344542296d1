"""How a case speaks of its telemetry: of Sysmon's events by number, of a vendor's agent by its name. Pure.

"Collect Sysmon event 8" helps where Sysmon was read. Of a vendor's agent nobody can switch an event on that
it does not record, so there the remedy is another source.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from actions.case_facts import CaseFacts
from connectors.facts.process import EvidenceKind


class SourceKind(StrEnum):
    """What kind of telemetry was asked."""

    SYSMON = "sysmon"
    """Sysmon's events, in a file or in Splunk."""
    VENDOR = "vendor"
    """The agent of an EDR vendor."""
    NONE = "none"
    """No host was resolved by any source."""


#: The Sysmon event of each kind of evidence.
SYSMON_EVENT: Mapping[EvidenceKind, int] = {
    EvidenceKind.CONNECTION: 3,
    EvidenceKind.DNS: 22,
    EvidenceKind.TAMPERING: 25,
    EvidenceKind.REMOTE_THREAD: 8,
    EvidenceKind.PROCESS_ACCESS: 10,
    EvidenceKind.MODULE: 7,
    EvidenceKind.FILE: 11,
    EvidenceKind.TERMINATION: 5,
}

#: Kinds whose absence leaves an injection open, the most telling first.
INJECTION_KINDS = (EvidenceKind.TAMPERING, EvidenceKind.REMOTE_THREAD, EvidenceKind.PROCESS_ACCESS)

_SYSMON = "sysmon"

#: Connectors by short name: as people call the source in a sentence, and in full.
_NAMES: Mapping[str, tuple[str, str]] = {
    "crowdstrike": ("Falcon", "CrowdStrike Falcon"),
    "defender": ("Defender", "Microsoft Defender for Endpoint"),
    "elastic": ("Elastic Defend", "Elastic Defend"),
    "sysmon_file": ("Sysmon", "Sysmon, from a log file"),
    "sysmon_splunk": ("Sysmon", "Sysmon in Splunk"),
}

#: What else tells where an EDR's agent has recorded nothing of a kind, besides Sysmon.
_BESIDES: Mapping[EvidenceKind, str] = {
    EvidenceKind.CONNECTION: "the firewall's or the proxy's log",
    EvidenceKind.DNS: "the log of the DNS server or the proxy",
    EvidenceKind.TAMPERING: "the memory of the process",
    EvidenceKind.REMOTE_THREAD: "the memory of the process",
    EvidenceKind.PROCESS_ACCESS: "the memory of the process",
    EvidenceKind.MODULE: "the signature of the file on the host",
    EvidenceKind.FILE: "the disk of the host",
    EvidenceKind.TERMINATION: "Windows event 4689",
}


class SourceWords(NamedTuple):
    """The words for one source.

    Attributes:
        short: its name in a sentence; "" for SourceKind.NONE.
        title: its full name; "" for SourceKind.NONE.
    """

    kind: SourceKind
    short: str
    title: str

    def none_recorded(self, kind: EvidenceKind) -> str:
        """Why a kind of evidence is not known that the source did not record."""
        if self.kind is SourceKind.VENDOR:
            return f"{self.short} recorded none on this host in the time searched, which does not rule it out"
        return f"nothing of the kind was logged on this host (Sysmon event {SYSMON_EVENT[kind]})"

    def never(self) -> str:
        """Why a kind of evidence is not known that the source never records."""
        return f"{self.short or 'this source'} can never know it"

    def collect(self, kind: EvidenceKind) -> str:
        """How a kind of evidence could be known."""
        event = f"Sysmon event {SYSMON_EVENT[kind]}"
        if self.kind is SourceKind.VENDOR:
            return f"Ask another source: {_BESIDES[kind]}, or {event}"
        return f"Collect {event}"

    def find_creation(self) -> str:
        """How the creation of a process could be known that was not found."""
        if self.kind is SourceKind.VENDOR:
            return f"Search {self.short} for the creation of the process over a longer time"
        return "Search for the creation event (Sysmon event 1) over a longer time, or in an EDR"

    def find_process(self) -> str:
        """How a process could be found that was not."""
        if self.kind is SourceKind.VENDOR:
            return f"Search {self.short} around that time, or give the host's Sysmon log"
        return "Collect Sysmon event 1 (process creation), or search an EDR around that time"

    def signature(self) -> str:
        """How a signature could be known that no event tells."""
        if self.kind is SourceKind.VENDOR:
            return "Check the signature of the file on the host, or look its hash up"
        return "Collect Sysmon event 7 (image loaded), or look the file's hash up"

    def opener(self) -> str:
        """How it could be known who opened a connection."""
        if self.kind is SourceKind.VENDOR:
            return "Read the firewall's or the proxy's log"
        return "Read Initiated in Sysmon event 3"

    def names_looked_up(self) -> str:
        """How the name behind an address could be known."""
        if self.kind is SourceKind.VENDOR:
            return "Read the log of the DNS server or the proxy"
        return "Collect Sysmon event 22, or read the proxy's log"

    def everything(self) -> str:
        """How it could be known what a process did."""
        if self.kind is SourceKind.VENDOR:
            return f"Repeat the look-up, or search {self.short} for what the process did"
        return "Collect Sysmon events 7, 8, 10, 11, 22 and 25, or ask an EDR"


_NO_SOURCE = SourceWords(SourceKind.NONE, "", "")


def words_for(connector: str) -> SourceWords:
    """The words for a connector's telemetry.

    Args:
        connector: its short name; "" where none was asked. One that is not known here is a vendor's.
    """
    if not connector:
        return _NO_SOURCE
    kind = SourceKind.SYSMON if connector.startswith(_SYSMON) else SourceKind.VENDOR
    short, title = _NAMES.get(connector, (connector, connector))
    return SourceWords(kind, short, title)


def source_words(facts: CaseFacts) -> SourceWords:
    """The words for the telemetry of a case: of the source that resolved its host."""
    return words_for(facts.host.connector if facts.host else "")
