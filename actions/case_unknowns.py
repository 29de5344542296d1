"""What is not known of a case, why, and how it could be known. None of it changes a score."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from actions.case_facts import Destination, DestinationVerdict, Unknown
from actions.case_users import users_of
from actions.host_addresses import foreign_addresses, known_as
from actions.indicators.case_view import CaseView, is_creator
from actions.indicators.finding import named
from actions.indicators.injection import is_source_known
from actions.reputation_wording import STATUS_WORDS, title_of
from actions.source_words import SourceWords, source_words
from actions.windows_paths import is_full_path, is_known_image
from connectors.facts.notable import Direction
from connectors.facts.process import CoverageState, EvidenceKind, Process, SignatureState
from connectors.facts.reputation import SourceStatus

#: Per kind of evidence: what it would show.
_KINDS = {
    EvidenceKind.CONNECTION: "network connections of the process",
    EvidenceKind.DNS: "names the process looked up",
    EvidenceKind.TAMPERING: "tampering with the process image",
    EvidenceKind.REMOTE_THREAD: "remote threads in the process",
    EvidenceKind.PROCESS_ACCESS: "write access to the process",
    EvidenceKind.MODULE: "modules and their signatures",
    EvidenceKind.FILE: "files written",
    EvidenceKind.TERMINATION: "when processes ended",
}

_FAILED = frozenset(
    {
        SourceStatus.STALE,
        SourceStatus.RATE_LIMITED,
        SourceStatus.AUTH,
        SourceStatus.ERROR,
        SourceStatus.TIMEOUT,
    }
)

NO_SOURCE_REMEDY = "Set REGSVCS_RESPONSE_VIRUSTOTAL_KEY, or run `feeds update`"

#: A contradiction about the machine itself.
ANOTHER_HOST = "whether the notable is about this host"

#: Of addresses that nobody was asked about, for whatever reason.
UNASKED_REMEDY = "Look those that matter up by hand"


def case_unknowns(view: CaseView) -> tuple[Unknown, ...]:
    """Everything not known, each once: the host and process first, then evidence, then destinations."""
    found: dict[Unknown, None] = {}
    for collect in _COLLECTORS:
        found |= dict.fromkeys(sorted(collect(view), key=_order))
    return tuple(found)


def _order(unknown: Unknown) -> tuple[str, str, str]:
    return unknown.what, unknown.why, unknown.remedy


def _given(view: CaseView) -> Iterator[Unknown]:
    yield from view.facts.problems
    for notable in view.facts.notables:
        for missing in notable.missing:
            yield Unknown(what=f"notable field {missing.field}", why=missing.effect)
    yield from view.facts.lists_not_read


def _user(view: CaseView) -> Iterator[Unknown]:
    users = users_of(view.facts)
    if users.others:
        said = ", ".join(sorted(users.others))
        yield Unknown(what="user", why=f"the notable names {said}, the process's own record {users.own}")


def _host(view: CaseView) -> Iterator[Unknown]:
    if view.facts.host is None and not view.facts.not_looked_up:  # else the problems say it
        label = min(n.machine_label for n in view.facts.notables)
        yield Unknown(
            what="the host",
            why=f"{label} was not resolved to exactly one machine",
            remedy="Look the name and the source address up in the EDR's inventory",
        )


def _address(view: CaseView) -> Iterator[Unknown]:
    """A notable that gives the host an address which is not that host's may be of another machine."""
    host = view.facts.host
    for each in foreign_addresses(host, view.facts.notables):
        if host is not None:
            yield Unknown(
                what=ANOTHER_HOST,
                why=f"the notable says that it had {each.ip}, and {known_as(host, each)} ({host.connector})",
                remedy=f"Find out which machine had {each.ip} then, before {host.hostname} is touched",
            )


def _lineage(view: CaseView) -> Iterator[Unknown]:
    lineage, words = view.facts.lineage, source_words(view.facts)
    if lineage is None:
        if not view.facts.not_looked_up:  # else the problems say it
            yield Unknown(
                what="process lineage",
                why="the process was not found in any telemetry",
                remedy=words.find_process(),
            )
        return
    for gap in lineage.gaps:
        yield Unknown(
            what=f"lineage at {gap.at}",
            why=gap.detail,
            remedy=words.find_creation(),
        )
    if lineage.truncated:
        yield Unknown(what="the rest of the lineage", why="a cap on its size cut it off")


def _process(view: CaseView) -> Iterator[Unknown]:
    target, words = view.target, source_words(view.facts)
    if target is None:
        return
    if view.facts.profile.expects_arguments and view.arguments is None:
        why = "it was not recorded" if target.command_line is None else "it is empty in the record"
        yield Unknown(
            what="command line",
            why=f"{why}, which is not the same as no arguments",
            remedy="Read it from the EDR, or from Windows event 4688 with command lines switched on",
        )
    if not is_full_path(target.ref.image):
        yield Unknown(what="image path", why="the record has no full path", remedy="Read it from the EDR")
    if view.facts.profile.original_file_names and target.original_file_name.strip() in ("", "-"):
        yield Unknown(
            what="OriginalFileName",
            why="the record has none (Sysmon logs it from version 10 on)",
            remedy="Look the file's hash up",
        )
    if view.signature.state is SignatureState.UNKNOWN:
        yield Unknown(what=f"signature of {named(target)}", why="no event says", remedy=words.signature())
    yield from _parent(view.parent, words)


def _parent(parent: Process | None, words: SourceWords) -> Iterator[Unknown]:
    if parent is None or not is_known_image(parent.ref.image):
        yield Unknown(
            what="the parent process",
            why="it was not recorded",
            remedy="Search for the creation of the process over a longer time; a live process list will not"
            " show a parent that has ended",
        )
    elif parent.signature.state is SignatureState.UNKNOWN:
        yield Unknown(what=f"signature of {named(parent)}", why="no event says", remedy=words.signature())


def _evidence(view: CaseView) -> Iterator[Unknown]:
    words = source_words(view.facts)
    if view.facts.evidence is None:
        yield Unknown(
            what="what else the process did",
            why="no evidence was obtained for it",
            remedy=words.everything(),
        )
        return
    for kind, what in _KINDS.items():
        state = view.evidence.state_of(kind)
        if state is CoverageState.NOT_COLLECTED:
            yield Unknown(what=what, why=words.none_recorded(kind), remedy=words.collect(kind))
        elif state is CoverageState.NOT_SUPPORTED:
            yield Unknown(what=what, why=words.never(), remedy="Ask another source")
    if view.evidence.truncated:
        yield Unknown(what="the rest of the evidence", why="a cap on its size cut it off")
    yield from _injection(view)


def _injection(view: CaseView) -> Iterator[Unknown]:
    for thread in view.evidence.remote_threads:
        if not is_source_known(thread):
            yield Unknown(
                what="who started a thread in the process", why="the event does not name the source image"
            )
    for access in view.evidence.accesses:
        if access.granted_access is None:
            yield Unknown(what="rights of a process access", why="the access mask is unreadable")
        elif not is_full_path(access.source_image):
            yield Unknown(what="who opened the process", why="the event does not name the source image")
        elif (
            access.source_is_creator is None
            and is_creator(view, access.source_guid, access.source_image) is None
        ):
            yield Unknown(
                what=f"whether {access.source_image} created the process",
                why="the parent's identity is not recorded, and creators open their children for writing",
            )


def _destinations(view: CaseView) -> Iterator[Unknown]:
    if not view.facts.destinations:
        yield Unknown(what="the destination", why="no usable peer address was given")
    yield from _reputation(view)
    words = source_words(view.facts)
    for destination in view.facts.destinations:
        ip = destination.ip
        if not destination.dns_names:
            yield Unknown(
                what=f"the name behind {ip}",
                why="no look-up by the process gave this address",
                remedy=words.names_looked_up(),
            )
        if not destination.ports:
            yield Unknown(what=f"port at {ip}", why="neither the notable nor an event names it")
        if not set(view.directions.get(ip, ())) - {Direction.UNKNOWN}:
            yield Unknown(
                what=f"who opened the connection with {ip}",
                why="the notable does not say, and no event was found",
                remedy=words.opener(),
            )
        if destination.check.organisation_owned:
            yield Unknown(
                what=f"the real destination behind {ip}",
                why="the address is the organisation's own; if it is a proxy, it hides the peer",
                remedy="Read the proxy's log for this host and time",
            )


def _reputation(view: CaseView) -> Iterator[Unknown]:
    """What a third party could have said. Of a private or own address nobody is asked: nothing is missing."""
    unjudged = False
    unasked: dict[str, list[str]] = {}
    for destination in view.facts.destinations:
        yield from _roles_unread(destination)
        if not (destination.check.external or destination.check.external_inside):
            continue
        failed = _failures(destination)
        if destination.verdict is DestinationVerdict.UNDETERMINED:
            if destination.check.external and destination.reputation is None and not failed:
                unasked.setdefault(destination.verdict_reason, []).append(destination.ip)
            elif failed or not destination.check.sendable or _was_judged(destination):
                yield Unknown(
                    what=f"reputation of {destination.ip}",
                    why=destination.verdict_reason,
                    remedy=_reputation_remedy(destination, failed=bool(failed)),
                )
            else:
                unjudged = True
        for source, status in failed.items():
            yield Unknown(what=f"what {title_of(source)} knows of {destination.ip}", why=STATUS_WORDS[status])
    if unjudged:
        yield Unknown(
            what="reputation of the destinations",
            why="no source that reports bad addresses is configured",
            remedy=NO_SOURCE_REMEDY,
        )
    told = {each.why for each in view.facts.problems}
    for why, ips in unasked.items():
        if why in told:
            continue
        first, *others = sorted(ips)
        more = f" and {len(others):,} more" if others else ""
        yield Unknown(what=f"reputation of {first}{more}", why=why, remedy=UNASKED_REMEDY)


def _was_judged(destination: Destination) -> bool:
    """True when a source that can report bad addresses has answered."""
    return destination.reputation is not None and bool(destination.reputation.coverage.judging)


def _reputation_remedy(destination: Destination, *, failed: bool) -> str:
    if failed:
        return "Look it up again"
    if not destination.check.external:
        return "Look the address inside it up"
    return NO_SOURCE_REMEDY if destination.check.sendable else ""


def _roles_unread(destination: Destination) -> Iterator[Unknown]:
    if destination.reputation is None:
        return
    for source in destination.reputation.coverage.roles_unread:
        yield Unknown(
            what=f"what {title_of(source)} says that {destination.ip} serves as",
            why="its list could not be read; it may know that many share the address",
            remedy="See `doctor`",
        )


def _failures(destination: Destination) -> dict[str, SourceStatus]:
    """Sources that were asked and failed, by name."""
    if destination.reputation is not None:
        failed = destination.reputation.coverage.failed
        return {each.source: each.status for each in failed if each.status in _FAILED}
    return {each.source: each.status for each in destination.answers if each.status in _FAILED}


_COLLECTORS: tuple[Callable[[CaseView], Iterator[Unknown]], ...] = (
    _given,
    _user,
    _host,
    _address,
    _lineage,
    _process,
    _evidence,
    _destinations,
)
