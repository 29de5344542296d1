"""MISP warninglists, read from the files of the installed package pymispwarninglists, which is not imported.

The package's own search reads all 119 lists and looks for the exact text, so that it misses every range; here
only the lists of type "cidr" are read, once per process, when first asked. The data is CC0.
Source: https://github.com/MISP/misp-warninglists
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import orjson

from connectors.addresses import pack_ip
from connectors.facts.destination_role import DestinationRole
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import (
    EvidenceDirection,
    Reliability,
    SourceAnswer,
    SourceInfo,
    SourceStatus,
)
from connectors.networks import NetworkMap
from connectors.reputation.offline.warninglist_roles import role_of_list

NAME = "misp_warninglists"

INFO = SourceInfo(
    name=NAME,
    title="MISP warninglists",
    reliability=Reliability.B,
    direction=EvidenceDirection.CONTEXT,
    licence="CC0: free for any use.",
    online=False,
    volatile=False,
)

PACKAGE = "pymispwarninglists"

#: Bytes at the end of a list's file in which its type stands: keys are in alphabetical order.
_TAIL_BYTES = 400
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z]+)"')

#: A list's version is the day it was made, YYYYMMDD; older ones count 1, 2, 3.
_DAY = re.compile(r"20\d{6}")


class Warninglist(NamedTuple):
    """One list.

    Attributes:
        slug: name of its folder, such as "cloudflare".
        name: as its authors call it.
        made_on: the day it was made, UTC; None when its version does not tell.
    """

    slug: str
    name: str
    made_on: datetime | None


class Loaded(NamedTuple):
    """The lists that were read.

    Attributes:
        ranges: the lists that hold an address.
        problems: what could not be read, one sentence each.
    """

    lists: tuple[Warninglist, ...]
    ranges: NetworkMap[Warninglist]
    problems: tuple[str, ...]


def package_folder() -> Path | None:
    """The folder of lists in the installed package; None when it is not installed."""
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "data" / "misp-warninglists" / "lists"
        if folder.is_dir():
            return folder
    return None


def load_lists(folder: Path) -> Loaded:
    """Read all lists of type "cidr" below a folder. A list that cannot be read is named, not raised."""
    ranges: NetworkMap[Warninglist] = NetworkMap()
    lists: list[Warninglist] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*/list.json")):
        slug = path.parent.name
        try:
            content = _content_if_cidr(path)
            if content is None:
                continue
            document = orjson.loads(content)
            entries = document["list"]
            texts = [entry for entry in entries if isinstance(entry, str)]
            warninglist = Warninglist(slug, str(document["name"]), _made_on(document.get("version")))
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"warninglist {slug} cannot be read ({type(error).__name__})")
            continue
        refused = ranges.add_texts(texts, warninglist)
        lists.append(warninglist)
        if refused or len(texts) < len(entries):
            count = len(refused) + len(entries) - len(texts)
            problems.append(f"warninglist {slug}: {count} entries are no ranges")
    return Loaded(tuple(lists), ranges, tuple(problems))


def _content_if_cidr(path: Path) -> bytes | None:
    """The file's bytes when the list holds ranges; else it is not read further than its end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        kind = _TYPE.search(file.read())
        if kind is not None and kind[1] != b"cidr":
            return None
        file.seek(0)
        content = file.read()
    if kind is None:
        kind = _TYPE.search(content)
    return content if kind is not None and kind[1] == b"cidr" else None


def _made_on(version: object) -> datetime | None:
    text = str(version)
    if not _DAY.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return None


class WarningLists:
    """The lists as a reputation source. Asking it sends nothing anywhere."""

    info = INFO

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Use the lists of a folder.

        Args:
            folder: holds one folder with a list.json for each list; None = that of the installed package.
            clock: monotonic seconds, for `took_ms`.
        """
        self._folder = folder or package_folder()
        self._clock = clock
        self._loaded: Loaded | None = None
        self._lock = threading.Lock()

    def loaded(self) -> Loaded | None:
        """The lists, read when first asked for; None when there is no folder."""
        if self._folder is None:
            return None
        with self._lock:
            if self._loaded is None:
                self._loaded = load_lists(self._folder)
            return self._loaded

    def check(self) -> Health:
        """Whether there are lists, and which cannot be read."""
        loaded = self.loaded()
        if loaded is None:
            return _health(HealthState.NOT_CONFIGURED, f"The package {PACKAGE} is not installed.")
        if not loaded.lists:
            return _health(HealthState.FAILED, f"No list could be read; install {PACKAGE} anew.")
        problems = f" {'; '.join(loaded.problems)}." if loaded.problems else ""
        return _health(
            HealthState.OK, f"{len(loaded.lists)} lists with {len(loaded.ranges):,} ranges.{problems}"
        )

    def lookup(self, ip: str, *, deadline_s: float, fresh: bool = False) -> tuple[SourceAnswer, ...]:
        """One answer for each list that holds the address; always context, whatever the list."""
        del deadline_s, fresh  # a file on disk answers in microseconds and is not cached
        began = self._clock()
        loaded = self.loaded()
        packed = pack_ip(ip)
        if loaded is None or not loaded.lists:
            status = SourceStatus.NOT_CONFIGURED if loaded is None else SourceStatus.ERROR
            return (_no_finding(ip, status, self.check().detail),)
        if packed is None:
            return (_no_finding(ip, SourceStatus.ERROR, "Not an address."),)
        holding = _each_once(loaded.ranges.covering(packed))
        took_ms = round(1000 * (self._clock() - began))
        if not holding:
            detail = f"On none of {len(loaded.lists)} lists."
            return (_no_finding(ip, SourceStatus.NOT_FOUND, detail, took_ms=took_ms),)
        return tuple(
            SourceAnswer(
                source=f"{NAME}:{warninglist.slug}",
                ip=ip,
                status=SourceStatus.OK,
                direction=EvidenceDirection.CONTEXT,
                reliability=INFO.reliability,
                lineage=f"misp-warninglists/{warninglist.slug}",
                last_seen=warninglist.made_on,
                took_ms=took_ms,
                detail=_detail(warninglist),
            )
            for warninglist in holding
        )

    def roles(self, ip: str) -> tuple[DestinationRole, ...]:
        """The roles of an address by the lists that hold it; empty when none of them has one."""
        loaded, packed = self.loaded(), pack_ip(ip)
        if loaded is None or packed is None:
            return ()
        return tuple(
            role
            for warninglist in _each_once(loaded.ranges.covering(packed))
            if (role := role_on_list(warninglist.slug)) is not None
        )


def role_on_list(slug: str) -> DestinationRole | None:
    """The role that a list gives its addresses; None when it is context only."""
    role = role_of_list(slug)
    if role is None:
        return None
    return DestinationRole(
        kind=role.kind,
        effect=role.effect,
        label=role.label,
        reason=role.reason,
        source=f"misp-warninglists: {slug}",
    )


#: The lists of the installed package, read at most once in a process.
INSTALLED = WarningLists()


def _each_once(lists: Iterable[Warninglist]) -> tuple[Warninglist, ...]:
    return tuple(dict.fromkeys(lists))


def _no_finding(ip: str, status: SourceStatus, detail: str, *, took_ms: int | None = None) -> SourceAnswer:
    """What the lists answer when none of them speaks: of their own grade still, as with a finding."""
    return SourceAnswer(
        source=NAME,
        ip=ip,
        status=status,
        direction=INFO.direction,
        reliability=INFO.reliability,
        took_ms=took_ms,
        detail=detail,
    )


def _detail(warninglist: Warninglist) -> str:
    made = f", of {warninglist.made_on:%Y-%m-%d}" if warninglist.made_on else ""
    role = role_of_list(warninglist.slug)
    meaning = f" Role: {role.label}. {role.reason}" if role else " Context only."
    return f"On the list «{warninglist.name}»{made}.{meaning}"


def _health(state: HealthState, detail: str) -> Health:
    return Health(connector=NAME, state=state, detail=detail)
