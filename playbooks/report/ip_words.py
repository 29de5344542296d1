"""What the public check says of an address, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actions.ip_facts import EmbeddedIpv4, IpCheck, RegistryRow
from playbooks.report import wording
from playbooks.report.content import Row, Tone

_REACH = {True: "globally reachable", False: "not globally reachable", None: "reach not stated"}


@dataclass(frozen=True, slots=True)
class IpRow:
    """One address. All text is safe to show."""

    ip: str
    answer: str
    tone: Tone
    rows: tuple[Row, ...]


def ip_row(check: IpCheck) -> IpRow:
    """The answer and what it rests on."""
    if check.external:
        answer, tone = "public, outside the organisation", Tone.PLAIN
    elif check.public:
        answer, tone = "public, the organisation's own", Tone.WARN
    else:
        answer, tone = f"not public: {wording.CATEGORY[check.category]}", Tone.WARN
    return IpRow(wording.name(check.ip), answer, tone, tuple(_rows(check)))


def registry_words(row: RegistryRow) -> str:
    """A row of the IANA special-purpose registries."""
    text = f"{row.prefix} {row.name} ({row.rfc}), {_REACH[row.globally_reachable]}"
    return wording.sentence(f"{text}; registry of {row.registry_date}")


def embedded_words(inside: EmbeddedIpv4) -> str:
    """An IPv4 address inside an IPv6 address, and whether it decides."""
    weight = "decides" if inside.decides else "does not decide"
    text = f"{inside.ip} ({inside.scheme.value}), {wording.CATEGORY[inside.category]}, which {weight}"
    return wording.sentence(text)


def _rows(check: IpCheck) -> Iterator[Row]:
    if check.public:
        yield Row("Kind", wording.CATEGORY[check.category])
    if check.organisation_owned:
        yield Row("Organisation", wording.name(check.organisation_range or "", unknown="its own range"))
    row = check.registry_row
    if row is None:
        yield Row("Registry", "no row of the IANA special-purpose registries decides it")
    else:
        yield Row("Registry", registry_words(row))
    if check.embedded is not None:
        yield Row("Holds", embedded_words(check.embedded))
    if check.external_inside:
        yield Row("Beware", "its traffic may leave the organisation all the same", Tone.WARN)
    if check.note:
        yield Row("Note", wording.sentence(check.note))
