"""Steps that close gaps: what to read, to find, to collect and to tune."""

from __future__ import annotations

import re
from collections.abc import Iterator

from actions.case_facts import Destination, DestinationVerdict
from actions.destination_roles import is_sinkhole
from actions.indicators.case_view import inbound_only, roles_known
from actions.indicators.finding import named
from actions.ip_facts import IpCategory
from actions.source_words import INJECTION_KINDS, SYSMON_EVENT, SourceKind, source_words
from actions.steps.case import StepCase, cut, in_order, name_of, utc
from actions.windows_paths import system_root
from connectors.facts.destination_role import RoleEffect, RoleKind
from connectors.facts.notable import Direction
from connectors.facts.process import CoverageState, EvidenceKind, GapKind, Process, SignatureState

#: How a step names them.
_IN_WORDS = {
    EvidenceKind.TAMPERING: "tampering with the image",
    EvidenceKind.REMOTE_THREAD: "remote threads",
    EvidenceKind.PROCESS_ACCESS: "write access to the process",
}

#: Ranges in which somebody of the organisation, or of its provider, answers at an address.
_OWNED = frozenset({IpCategory.PRIVATE, IpCategory.SHARED, IpCategory.UNIQUE_LOCAL, IpCategory.LINK_LOCAL})

#: Ways by which data commonly leaves.
_CHANNELS = frozenset({RoleKind.MAIL, RoleKind.FTP})

#: Holes behind which a process may still be found.
_ENDS = (GapKind.PARENT_NOT_RECORDED, GapKind.PARENT_ID_MISSING, GapKind.TARGET_NOT_RECORDED)


def shared_services(case: StepCase) -> Iterator[str]:
    """Addresses that say nothing by themselves."""
    for destination in in_order(case.facts.destinations):
        labels = [role.label for role in roles_known(destination) if role.effect is RoleEffect.CAPS_AT_SHARED]
        if labels or destination.verdict is DestinationVerdict.SUSPICIOUS_SHARED:
            known_as = f" ({labels[0]})" if labels else ""
            yield (
                f"Do not close on the address alone: {name_of(destination)}{known_as} is a shared service."
            )


def sinkholes(case: StepCase) -> Iterator[str]:
    """What was called where names of malware lead."""
    for destination in in_order(case.facts.destinations):
        if is_sinkhole(roles_known(destination)) and not inbound_only(case.view.directions, destination):
            yield (
                f"Find out which name {case.process} on {case.host} looked up for {destination.ip}, a"
                " sinkhole: the name tells which malware it was."
            )


def channels(case: StepCase) -> Iterator[str]:
    """Ports by which data leaves."""
    for destination in in_order(case.facts.destinations):
        for role in roles_known(destination):
            if role.kind in _CHANNELS and not inbound_only(case.view.directions, destination):
                yield (
                    f"Read in the firewall's or the relay's log what {case.host} sent to"
                    f" {name_of(destination)} ({role.label})."
                )


def inbound(case: StepCase) -> Iterator[str]:
    """Who called in."""
    for destination in in_order(case.facts.destinations):
        if inbound_only(case.view.directions, destination):
            yield (
                f"Find out why {case.process} on {case.host} accepts connections: {destination.ip} connected"
                " to it, not the other way round."
            )


def internal(case: StepCase) -> Iterator[str]:
    """What answers at an address that is not public."""
    for destination in in_order(case.facts.destinations):
        check = destination.check
        if check.external or check.external_inside or inbound_only(case.view.directions, destination):
            continue
        if check.category is IpCategory.LOOPBACK:
            yield f"Find out which program of {case.host} {case.process} talks to at {destination.ip}."
        elif check.category in _OWNED and not check.organisation_owned:
            kind = check.registry_row.name if check.registry_row else check.category.value.replace("_", " ")
            yield (
                f"Ask the owner of {destination.ip} (not public: {kind}) what {case.process} on {case.host}"
                " wants there."
            )


def find_process(case: StepCase) -> Iterator[str]:
    """The process itself, where it was not found."""
    if case.facts.lineage is not None or case.facts.not_looked_up:
        return  # a look-up that did not take place is a step of its own
    span = ""
    if case.notable.first_time and case.notable.last_time:
        span = f" between {utc(case.notable.first_time)} and {utc(case.notable.last_time)}"
    yield f"Find {case.notable.process_name} on {case.host}{span} in the EDR: without it nothing is proved."


def find_parent(case: StepCase) -> Iterator[str]:
    """What started it, where the telemetry ends."""
    if system_root(case.view.ancestors[-1:]) is not None:
        return  # the chain reaches the system itself: there is nothing to find above
    for gap in case.facts.lineage.gaps if case.facts.lineage else ():
        if gap.kind not in _ENDS:
            continue
        yield f"Look further back for what started {gap.at} on {case.host}: the telemetry ends there."


def read_command_line(case: StepCase) -> Iterator[str]:
    """Its command line, where that is not known."""
    if case.view.target and case.facts.profile.expects_arguments and case.view.arguments is None:
        yield f"Get the command line of {case.process} on {case.host}: whether it had arguments decides much."


def direction(case: StepCase) -> Iterator[str]:
    """Who opened the connection, where that is not known."""
    guard = next((g for g in case.decision.guards if g.id == "direction_outbound"), None)
    known = {n.direction for n in case.facts.notables} - {Direction.UNKNOWN}
    if guard is not None and guard.value == "unknown" and not known:
        where = "Initiated in Sysmon event 3 on"
        if source_words(case.facts).kind is SourceKind.VENDOR:
            where = "in the firewall's or the proxy's log for"
        yield f"Find out who opened the connection ({where} {case.host})."


def collect(case: StepCase) -> Iterator[str]:
    """Events that would settle whether code was injected."""
    if case.facts.evidence is None:
        return
    missing = [
        kind for kind in INJECTION_KINDS if case.view.evidence.state_of(kind) is CoverageState.NOT_COLLECTED
    ]
    if not missing:
        return
    words = source_words(case.facts)
    if words.kind is SourceKind.VENDOR:
        *before, last = (_IN_WORDS[kind] for kind in missing)
        kinds = f"{', '.join(before)} and {last}" if before else last
        yield (
            f"Look for {kinds} in another source than {words.short}, which recorded none on {case.host}:"
            " injection stays open."
        )
    else:
        events = "/".join(str(SYSMON_EVENT[kind]) for kind in missing)
        yield f"Collect EID {events} on {case.host}: not logged there, so injection stays open."


def unsigned_unknown(case: StepCase) -> Iterator[str]:
    """Signatures, where no event tells."""
    if case.is_bad:
        return
    target = case.view.target
    doubtful: list[Process] = []
    if target is not None and case.view.signature.state is SignatureState.UNKNOWN:
        doubtful.append(target)
    if case.view.parent and case.view.parent.signature.state is SignatureState.UNKNOWN:
        doubtful.append(case.view.parent)
    if doubtful:
        images = cut(", ".join(process.ref.image or named(process) for process in doubtful))
        yield f"Check the signature of {images} on {case.host}: no event tells."


def reputation(case: StepCase) -> Iterator[str]:
    """Addresses of which nobody has said anything."""
    unheard = sorted(
        name_of(d)
        for d in case.facts.destinations
        if d.verdict is DestinationVerdict.UNDETERMINED and d.check.external and not _is_explained(d)
    )
    if unheard:
        yield f"Look {', '.join(unheard)} up by hand: no reputation source has answered."


def _is_explained(destination: Destination) -> bool:
    """True where the role says more than reputation would. A rented machine may be anybody's."""
    return any(
        role.effect is not RoleEffect.NONE or role.kind in {*_CHANNELS, RoleKind.PLATFORM_SERVICE}
        for role in roles_known(destination)
    )


def not_external(case: StepCase) -> Iterator[str]:
    """Destinations that should not have raised the notable."""
    name = re.sub(r"[^a-z0-9]+", "_", case.facts.profile.title.lower()).strip("_") + "_filter"
    for destination in in_order(case.facts.destinations):
        check = destination.check
        if check.organisation_owned:
            yield (
                f"If {destination.ip} is your proxy, read its log for {case.host}: the real destination is"
                f" there. If not, exclude {check.organisation_range or destination.ip} in the macro {name}."
            )
        elif not check.external and not check.external_inside:
            yield _tune(destination, name)


def _tune(destination: Destination, macro: str) -> str:
    check = destination.check
    if check.version == 4 and check.category is IpCategory.PRIVATE:
        return f"Check the analytic's version: the current search leaves {destination.ip} (RFC 1918) out."
    prefix = check.registry_row.prefix if check.registry_row else destination.ip
    kind = check.category.value.replace("_", " ")
    return (
        f"Tune the analytic: its search lets {destination.ip} ({kind}) through; exclude {prefix} in the macro"
        f" {macro}."
    )
