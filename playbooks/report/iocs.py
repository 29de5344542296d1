r"""Which addresses, names, files and hashes of a case are worth searching for elsewhere.

Being listed is not a verdict. A program of Windows or from Program Files is left out unless its signature
is missing or broken: blocking the hash of powershell.exe or of the genuine RegSvcs.exe harms everyone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from actions.case_facts import CaseFacts, Destination, DestinationVerdict
from actions.indicators.places import PARENT_PLACES, place_of
from actions.windows_paths import below_system_root, in_program_files
from connectors.facts.process import FileHash, Process, Signature, SignatureState, image_name
from playbooks.report.display import defang, visible
from playbooks.report.wording import name

#: Shown of each kind; the JSON report has all.
PER_KIND = 20
#: Addresses and names looked for in prose, each; a case has seldom more than a few.
_DEFANGED_PER_KIND = 500
#: Longest text given for copying; what is longer, or holds hidden characters, is only in the JSON report.
_COPY_LIMIT = 400
#: Characters of a path that are looked at to judge where it lies; longer ones are no installed program's.
_PATH_JUDGED = 1000
_HASHES_BEST_FIRST = ("SHA256", "SHA1", "MD5")
_SHARED = {DestinationVerdict.SUSPICIOUS_SHARED, DestinationVerdict.KNOWN_GOOD_SERVICE}


class IocKind(StrEnum):
    """Kinds, in the order they are shown."""

    IP = "ip"
    DOMAIN = "domain"
    SHA256 = "sha256"
    SHA1 = "sha1"
    MD5 = "md5"
    PATH = "path"


class Ioc(NamedTuple):
    """One observable, safe to show.

    Attributes:
        raw: for copying.
        defanged: for prose; the same as raw for hashes and paths.
        note: what to know before using it; "" if nothing.
    """

    kind: IocKind
    raw: str
    defanged: str
    note: str = ""


def iocs(facts: CaseFacts, *, per_kind: int = PER_KIND) -> tuple[Ioc, ...]:
    """The observables of a case, without repetition, by kind; of each kind the first few."""
    found: dict[tuple[IocKind, str], Ioc] = {}
    for ioc in (*_addresses(facts), *_domains(facts), *_files(facts)):
        found.setdefault((ioc.kind, ioc.raw.lower()), ioc)
    by_kind = ((ioc for ioc in found.values() if ioc.kind is kind) for kind in IocKind)
    return tuple(ioc for group in by_kind for ioc in islice(group, per_kind))


def defanging(facts: CaseFacts) -> Callable[[str], str]:
    """Defangs the case's own addresses and names wherever they stand in a text."""
    found = iocs(facts, per_kind=_DEFANGED_PER_KIND)
    network = {each.raw.lower(): each.defanged for each in found if each.raw != each.defanged}
    if not network:
        return lambda text: text
    longest_first = sorted(network, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    return lambda text: pattern.sub(lambda match: network[match[0].lower()], text)


def _ioc(kind: IocKind, text: str, note: str = "") -> Ioc:
    raw = visible(text, limit=_COPY_LIMIT)
    if raw != text:
        note = f"{note}, " if note else ""
        note += "not exact: see the JSON report"
    network = kind in (IocKind.IP, IocKind.DOMAIN)
    return Ioc(kind, raw, defang(raw) if network else raw, note)


def _shared_note(destination: Destination) -> str:
    return "shared service: search, do not block" if destination.verdict in _SHARED else ""


def _addresses(facts: CaseFacts) -> Iterator[Ioc]:
    for destination in facts.destinations:
        if destination.check.external:
            yield _ioc(IocKind.IP, destination.ip, _shared_note(destination))


def _domains(facts: CaseFacts) -> Iterator[Ioc]:
    for destination in facts.destinations:
        for domain in destination.dns_names:
            yield _ioc(IocKind.DOMAIN, domain, _shared_note(destination))
    for answer in facts.evidence.dns if facts.evidence else ():
        yield _ioc(IocKind.DOMAIN, answer.name, "looked up, no connection seen")


def _files(facts: CaseFacts) -> Iterator[Ioc]:
    lineage, evidence = facts.lineage, facts.evidence
    if lineage is not None:
        processes = (lineage.target, *lineage.ancestors, *lineage.siblings, *lineage.children)
        for process in processes:
            yield from _process(process)
    if evidence is not None:
        for module in evidence.modules:
            if _worth_listing(module.path, module.signature):
                yield from _file(module.path, module.hashes)
        for written in (*evidence.image_writers, *evidence.files_written):
            yield from _file(written.path, ())


def _process(process: Process) -> Iterator[Ioc]:
    if _worth_listing(process.ref.image, process.signature):
        yield from _file(process.ref.image, process.hashes)


def _file(path: str, hashes: Iterable[FileHash]) -> Iterator[Ioc]:
    best = _best_hash(hashes)
    if best is not None:
        yield _ioc(IocKind(best.algorithm.lower()), best.digest.lower(), name(image_name(path)))
    if path:
        yield _ioc(IocKind.PATH, path)


def _best_hash(hashes: Iterable[FileHash]) -> FileHash | None:
    by_algorithm = {each.algorithm.upper(): each for each in hashes if each.digest}
    return next((by_algorithm[each] for each in _HASHES_BEST_FIRST if each in by_algorithm), None)


def _worth_listing(path: str, signature: Signature) -> bool:
    if signature.state in (SignatureState.UNSIGNED, SignatureState.INVALID):
        return True
    return bool(path) and not _installed(path)


def _installed(path: str) -> bool:
    """True under Windows or Program Files of any drive, except in folders that anyone may write to."""
    start = path[:_PATH_JUDGED]
    if place_of(start, PARENT_PLACES) is not None:
        return False
    return below_system_root(start, None) is not None or in_program_files(start, None)
