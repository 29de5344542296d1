"""What is known of each peer address: public or not, names, reputation, and who was asked."""

from __future__ import annotations

from collections.abc import Iterator

from actions.case_facts import Destination, DestinationVerdict
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus
from playbooks.case import CaseReport
from playbooks.report import wording
from playbooks.report.content import DestinationBlock, Row, Tone
from playbooks.report.ip_words import embedded_words, registry_words

#: Addresses, and answers on one of them, that are shown.
DESTINATIONS_SHOWN = 20
_ANSWERS_SHOWN = 30

_DESTINATION_TONE = {
    DestinationVerdict.MALICIOUS: Tone.BAD,
    DestinationVerdict.SUSPICIOUS: Tone.WARN,
    DestinationVerdict.SUSPICIOUS_SHARED: Tone.WARN,
    DestinationVerdict.KNOWN_GOOD_SERVICE: Tone.PLAIN,
    DestinationVerdict.NO_FINDING: Tone.UNKNOWN,
    DestinationVerdict.UNDETERMINED: Tone.UNKNOWN,
}


#: Only these are answers; "not found" is one, and clears nothing.
_ANSWERED = {SourceStatus.OK, SourceStatus.NOT_FOUND}


def destination_blocks(report: CaseReport) -> tuple[DestinationBlock, ...]:
    """One per peer address, the first ones of the case."""
    return tuple(_block(each) for each in report.facts.destinations[:DESTINATIONS_SHOWN])


def _block(destination: Destination) -> DestinationBlock:
    rows = [
        Row("address", _reach(destination), Tone.PLAIN if destination.check.external else Tone.WARN),
        *_registry(destination),
        _names(destination),
    ]
    verdict = wording.DESTINATION_VERDICT[destination.verdict]
    tone = _DESTINATION_TONE[destination.verdict]
    rows.append(Row("reputation", f"{verdict}: {wording.sentence(destination.verdict_reason)}", tone))
    if destination.answers:
        answered = sum(each.status in _ANSWERED for each in destination.answers)
        rows.append(Row("sources", f"{answered} of {len(destination.answers)} asked have answered"))
    rows += [_answer(each) for each in destination.answers[:_ANSWERS_SHOWN]]
    return DestinationBlock(wording.endpoint(destination.ip, destination.ports), tuple(rows))


def _registry(destination: Destination) -> Iterator[Row]:
    check = destination.check
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


def _reach(destination: Destination) -> str:
    check = destination.check
    if check.organisation_owned:
        owned = f" ({wording.name(check.organisation_range)})" if check.organisation_range else ""
        return f"the organisation's own{owned}; {wording.CATEGORY[check.category]}"
    if check.public:
        return f"{wording.CATEGORY[check.category]}; outside the organisation"
    return f"not public: {wording.CATEGORY[check.category]}"


def _answer(answer: SourceAnswer) -> Row:
    answered = answer.status is SourceStatus.OK
    words = wording.SOURCE_STATUS[answer.status]
    tone = Tone.PLAIN if answered else Tone.UNKNOWN
    if answered:
        words = "has nothing on it" if answer.leaning is Leaning.NONE else f"says {answer.leaning.value}"
        seen = f", last seen {wording.moment(answer.last_seen)}" if answer.last_seen else ""
        words += f", reliability {answer.reliability.value}{seen}"
        tone = Tone.BAD if answer.leaning is Leaning.MALICIOUS else Tone.PLAIN
    detail = f" ({wording.sentence(answer.detail)})" if answer.detail else ""
    return Row("source", f"{wording.name(answer.source)} {words}{detail}", tone)


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
