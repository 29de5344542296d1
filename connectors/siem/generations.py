"""The generations of the analytic "X with Network Connection" over Sysmon's EID 3, as data.

The analytic has moved, and a customer's Splunk may hold any of its versions, or a clone with fields added.
What a notable holds depends on the version and on the add-on that names the fields of Sysmon's events. A
generation is named by the first version of "Detect Regsvcs with Network Connection" that is of it; its
sibling for Regasm goes the same way under numbers of its own. One that comes later is one more row of
GENERATIONS.

Sources: splunk/security_content, detections/endpoint/detect_regsvcs_with_network_connection.yml at 0872f02a
and 03380447 (versions 1 and 2), b13b314a (version 7) and of 2026-05-13 (version 15); pull requests 3945 and
3946 (scores of 50); data_sources/sysmon_eventid_3.yml for the fields of the add-on that Splunk supports
(Splunkbase 5709), under which `dest` is the remote peer and `dvc` the computer.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from connectors.facts.base import Fact


class AddOn(StrEnum):
    """Which add-on names the fields of Sysmon's events."""

    SUPPORTED = "supported"
    """Splunk's own: `dest` is the peer, `dvc` the computer, and users come without their domain."""
    COMMUNITY = "community"
    """The older one of the community, or a local alias: `dest` is the computer."""


class Naming(Fact):
    """Which fields name whom in a notable, best first.

    Attributes:
        machine: the computer's name.
        peer: the other end's name; its address is dest_ip, for an inbound connection src_ip.
        process: what tells the process, beside its name.
    """

    machine: tuple[str, ...]
    peer: tuple[str, ...] = ()
    process: tuple[str, ...] = ()


class Generation(Fact):
    """One generation of the analytic.

    Attributes:
        number: the version it begins with.
        since: when that version was published, ISO 8601, as far as known.
        excluded: ranges of dest_ip that it leaves out, in the order of the search.
        by: the by-fields of its `stats`, in the order of the search.
        by_also: those of other versions of it, where they differ.
        tells: fields that this generation alone has. Any two of them, or all where there are fewer, tell it.
        lacks: fields that a notable of it never has: with one of them it is a clone of a later one.
        supported, community: who is named by what under either add-on.
        base_score: the score it puts on its risk objects by itself.
        entity: the field whose value is its risk object of the type "system".
    """

    number: int
    since: str
    excluded: tuple[str, ...]
    by: tuple[str, ...]
    by_also: tuple[tuple[str, ...], ...] = ()
    tells: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    supported: Naming
    community: Naming
    base_score: int
    entity: str = "dest"

    def naming(self, add_on: AddOn) -> Naming:
        """Who is named by what under an add-on."""
        return self.supported if add_on is AddOn.SUPPORTED else self.community


_RFC1918 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")

#: Renames Computer, so the add-on makes no difference. Its first range is a slip of the search: /12 for /8.
_COMPUTER = Naming(machine=("dest",), peer=("dest_host",))

VERSION_2 = Generation(
    number=2,
    since="2021-02-16",
    excluded=("10.0.0.0/12", *_RFC1918[1:]),
    by=("dest", "User", "process_name", "src_ip", "dest_host", "dest_ip"),
    # As of 2022-02-18 without the peer's name, and some builds of it name the user as the CIM does.
    by_also=(
        ("dest", "User", "process_name", "src_ip", "dest_ip"),
        ("dest", "user", "process_name", "src_ip", "dest_ip"),
    ),
    tells=("User", "dest_host"),
    lacks=("user", "dvc", "direction"),
    supported=_COMPUTER,
    community=_COMPUTER,
    base_score=80,
)

VERSION_7 = Generation(
    number=7,
    since="2024-09-30",
    excluded=_RFC1918,
    by=("dest", "user", "process_name", "src_ip", "dest_ip"),
    tells=(),
    supported=Naming(machine=(), peer=("dest",)),
    community=Naming(machine=("dest",)),
    base_score=80,
)

VERSION_15 = Generation(
    number=15,
    since="2026-05-13",
    excluded=(
        *_RFC1918,
        *("100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32"),
        *("192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "224.0.0.0/4", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "240.0.0.0/4"),
    ),
    by=(
        *("action", "app", "dest", "dest_ip", "dest_port", "direction", "dvc", "protocol"),
        *("protocol_version", "src", "src_ip", "src_port", "transport", "user", "vendor_product"),
        *("process_name", "process_exec", "process_guid", "process_id"),
    ),
    tells=(
        *("action", "app", "protocol", "protocol_version", "src_port", "transport", "vendor_product"),
        "process_exec",
    ),
    supported=Naming(machine=("dvc", "src"), peer=("dest",), process=("process_guid", "process_id")),
    community=Naming(machine=("dvc", "dest", "src"), process=("process_guid", "process_id")),
    base_score=50,
)

#: All of them, the oldest first.
GENERATIONS = (VERSION_2, VERSION_7, VERSION_15)

#: Their numbers, in the same order.
NUMBERS = tuple(each.number for each in GENERATIONS)


def generation_numbered(number: int | None) -> Generation | None:
    """The generation of a number; None where there is none."""
    return next((each for each in GENERATIONS if each.number == number), None)


def told_generation(present: Collection[str], *, complete: bool) -> Generation | None:
    """The generation whose notable has these fields; None where they do not tell.

    Fields that a clone has added do not count. An empty field counts as absent: `stats by` makes no row
    without one of its by-fields.

    Args:
        present: the names of the fields that hold a value, as the search or the SIEM wrote them.
        complete: False where fields may have been lost on the way (a SOAR artifact keeps those it was told
            to): then what is absent tells nothing.
    """
    names = set(present)
    for each in reversed(GENERATIONS):
        if not names.isdisjoint(each.lacks):
            continue
        if each.tells and len(names.intersection(each.tells)) >= min(2, len(each.tells)):
            return each
    partly = {name for each in GENERATIONS for name in (*each.tells, *each.supported.process)}
    if complete and names.issuperset(VERSION_7.by) and names.isdisjoint(partly | {"dvc", "direction"}):
        return VERSION_7
    return None
