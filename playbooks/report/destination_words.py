"""What is known of each peer address: public or not, names, reputation, and who was asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from actions.case_facts import CaseFacts, Destination
from actions.check_ip import check_ip
from actions.indicators.case_view import roles_known
from actions.ip_facts import IpCheck
from actions.reputation_facts import DestinationReputation
from connectors.errors import InputError
from connectors.facts.reputation import SourceStatus
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.content import DestinationBlock, Row, Tone
from playbooks.report.ip_words import embedded_words, registry_words
from playbooks.report.reputation_words import (
    coverage_rows,
    override_rows,
    role_rows,
    source_rows,
    verdict_row,
)

#: Addresses that are shown.
DESTINATIONS_SHOWN = 20

#: Only these are answers; "not found" is one, and clears nothing.
_ANSWERED = {SourceStatus.OK, SourceStatus.NOT_FOUND}


def destination_blocks(facts: CaseFacts, now: datetime | None = None) -> tuple[DestinationBlock, ...]:
    """One per peer address, the first ones of the case.

    Args:
        facts: the case.
        now: the time of the report, for ages where no look-up has a time of its own.
    """
    return tuple(_block(each, now) for each in facts.destinations[:DESTINATIONS_SHOWN])


def reputation_block(found: DestinationReputation) -> DestinationBlock:
    """One address that was looked up by itself; of one that is not public, what the public check found."""
    try:
        check = check_ip(found.ip)
    except InputError:  # facts given by hand: the text is shown, and nothing else is known of it
        check = None
    closed = check if check is not None and not check.public else None
    rows = (
        *((Row("address", _reach(closed), Tone.WARN), *_registry(closed)) if closed is not None else ()),
        verdict_row(found.verdict, found.reason, found, public=closed is None),
        *override_rows(found),
    )
    return DestinationBlock(
        wording.name(found.ip),
        rows,
        source_rows(found.answers, found.votes, now=found.decided_at),
        coverage_rows(found),
    )


def _block(destination: Destination, now: datetime | None) -> DestinationBlock:
    rows = [
        Row("address", _reach(destination.check), Tone.PLAIN if destination.check.external else Tone.WARN),
        *_registry(destination.check),
        _names(destination),
    ]
    known = destination.reputation
    rows.append(
        verdict_row(destination.verdict, destination.verdict_reason, known, public=destination.check.public)
    )
    if known is not None:
        rows += override_rows(known)
    rows += role_rows(roles_known(destination))
    title = wording.endpoint(destination.ip, destination.ports)
    if known is None:
        return DestinationBlock(
            title, tuple(rows), source_rows(destination.answers, now=now), _asked(destination)
        )
    whole = known.model_copy(update={"answers": destination.answers})
    return DestinationBlock(
        title,
        tuple(rows),
        source_rows(whole.answers, whole.votes, now=whole.decided_at),
        coverage_rows(whole),
    )


def _asked(destination: Destination) -> tuple[Row, ...]:
    """Who answered, where there is no more than the answers."""
    if not destination.answers:
        return (Row("coverage", "no reputation source was asked", Tone.UNKNOWN),)
    answered = sum(each.status in _ANSWERED for each in destination.answers)
    return (Row("coverage", f"{answered} of {len(destination.answers)} asked have answered"),)


def _registry(check: IpCheck) -> Iterator[Row]:
    row = check.registry_row
    if row is not None:
        yield Row("registry", registry_words(row))
    elif check.public:
        yield Row("registry", "in no special-purpose range of the IANA registries")
    if check.embedded is not None:
        yield Row("embeds", embedded_words(check.embedded))
    if check.note:
        yield Row("note", wording.sentence(check.note))


def _names(destination: Destination) -> Row:
    if not destination.dns_names:
        return Row("DNS", "no look-up of it by this process is known", Tone.UNKNOWN)
    return Row("DNS", f"{wording.names(destination.dns_names)}, looked up by this process")


def _reach(check: IpCheck) -> str:
    if check.organisation_owned:
        owned = f" ({wording.name(check.organisation_range)})" if check.organisation_range else ""
        return f"the organisation's own{owned}; {wording.CATEGORY[check.category]}"
    if check.public:
        return f"{wording.CATEGORY[check.category]}; outside the organisation"
    return f"not public: {wording.CATEGORY[check.category]}"


def destination_notes(report: CaseReport) -> tuple[Row, ...]:
    """Addresses left out, and every name the process looked up."""
    rows = []
    hidden = len(report.facts.destinations) - DESTINATIONS_SHOWN
    if hidden > 0:
        rows.append(Row("more", f"{wording.count(hidden, 'address', 'addresses')} in the JSON report"))
    evidence = report.facts.evidence
    asked = dict.fromkeys(each.name for each in evidence.dns) if evidence else {}
    if asked:
        rows.append(Row("looked up", wording.names(list(asked))))
    return tuple(rows)
