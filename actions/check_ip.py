"""Is this address public? Which registry row says so, and what does it embed?

The rule is docs/adr/0002: the longest matching row of the IANA special-purpose registries decides, not
`ipaddress.is_global`, which differs from the registries between Python releases.

1. IPv4-mapped (::ffff:0:0/96) and NAT64 (64:ff9b::/96) addresses are judged by the IPv4 inside; the row
   reported is then the row of that IPv4.
2. Multicast is not public.
3. The longest matching row decides. Public is only what it calls globally reachable; "N/A" (6to4, Teredo)
   and terminated rows are not.
4. Without a row, IPv4 and 2000::/3 are public, and all other IPv6 is not.

6to4 and Teredo keep their own row and are not public. Their embedded IPv4 is judged beside, because
traffic to it may leave all the same. 64:ff9b:1::/48 (RFC 8215) may hold an IPv4 too, but each operator
chooses where; none is reported.

An ISATAP interface id (RFC 5214) changes no judgement: who owns the outer address chooses it freely. But an
IPv4 in it that is not public or is the organisation's own is told, so that it is sent to nobody.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from pydantic import TypeAdapter

from actions.iana_registry import IPV4_ROWS, IPV6_ROWS, Row
from actions.ip_facts import EmbeddedIpv4, EmbeddedScheme, IpCategory, IpCheck, RegistryRow
from actions.organisation_ranges import NONE, OrganisationRanges
from connectors.addresses import canonical_text, not_an_ip, pack_ip
from connectors.networks import Network, cut_into_segments, parse_network

__all__ = [
    "NONE",
    "Classification",
    "EmbeddedIpv4",
    "EmbeddedScheme",
    "IpCategory",
    "IpCheck",
    "OrganisationRanges",
    "RegistryRow",
    "check_ip",
    "classify",
]


class Classification(NamedTuple):
    """The judgement shared by all addresses of one segment; one object per rule, never one per address.

    Attributes:
        public, category, registry_row, note: as in IpCheck.
        embeds: how addresses of this segment hold an IPv4 address; None if they do not.
    """

    public: bool
    category: IpCategory
    registry_row: RegistryRow | None = None
    note: str = ""
    embeds: EmbeddedScheme | None = None


_PUBLIC = Classification(public=True, category=IpCategory.PUBLIC)
_MULTICAST = Classification(public=False, category=IpCategory.MULTICAST)
_NOT_GLOBAL_UNICAST = Classification(
    public=False,
    category=IpCategory.RESERVED,
    note="Outside 2000::/3, the only IPv6 space assigned for global unicast.",
)
# https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_AZURE_PLATFORM = Classification(
    public=True,
    category=IpCategory.PUBLIC,
    note="Azure's platform address (DNS, DHCP, health probes): public in the registry, the platform itself"
    " inside an Azure virtual network.",
)

#: Beside the registries: (prefix, judgement).
_BESIDE = (
    ("224.0.0.0/4", _MULTICAST),
    ("168.63.129.16/32", _AZURE_PLATFORM),
    ("ff00::/8", _MULTICAST),
    ("2000::/3", _PUBLIC),
)
_EMBEDS = {
    "::ffff:0:0/96": EmbeddedScheme.IPV4_MAPPED,
    "64:ff9b::/96": EmbeddedScheme.NAT64,
    "2001::/32": EmbeddedScheme.TEREDO,
    "2002::/16": EmbeddedScheme.SIX_TO_FOUR,
}
_NOTES = {
    "64:ff9b:1::/48": "Local-use NAT64: may carry an IPv4 address, at a place only its operator knows.",
}
#: Bytes 9 to 11 of an ISATAP address, after a byte that is 0 but for its u and g bits: RFC 5214, section 6.1.
_ISATAP = bytes.fromhex("005efe")
_NOT_UG = 0xFC
_UNWRAPPED = frozenset({EmbeddedScheme.IPV4_MAPPED, EmbeddedScheme.NAT64})
_LEAVES = "Not public by itself, but its traffic may leave to the public IPv4 address inside."


def _of_row(row: Row) -> Classification:
    return Classification(
        public=row.reachable is True,
        category=row.category,
        registry_row=row.as_fact(),
        note=_NOTES.get(row.prefix, ""),
        embeds=_EMBEDS.get(row.prefix),
    )


def _rules() -> Iterator[tuple[Network, Classification]]:
    for prefix, judgement in _BESIDE:
        yield parse_network(prefix, field="check_ip"), judgement
    for row in (*IPV4_ROWS, *IPV6_ROWS):
        yield parse_network(row.prefix, field="iana_registry"), _of_row(row)


def _segments(version: int, otherwise: Classification) -> tuple[list[bytes], list[Classification]]:
    starts, chains = cut_into_segments(_rules(), version=version)
    return starts, [chain[0] if chain else otherwise for chain in chains]


_V4_STARTS, _V4_JUDGEMENTS = _segments(4, _PUBLIC)
_V6_STARTS, _V6_JUDGEMENTS = _segments(6, _NOT_GLOBAL_UNICAST)


def _segment(packed: bytes) -> Classification:
    if len(packed) == 4:
        return _V4_JUDGEMENTS[bisect_right(_V4_STARTS, packed) - 1]
    return _V6_JUDGEMENTS[bisect_right(_V6_STARTS, packed) - 1]


def classify(text: str, *, field: str = "ip") -> Classification:
    """Judge one address at the least cost, for filters over many events.

    Args:
        text: the address and nothing else.
        field: what to call the input in an error.

    Returns:
        The object shared by all addresses with the same judgement; for mapped and NAT64 addresses that of
        the IPv4 inside.

    Raises:
        InputError: it is not an address.
    """
    packed = pack_ip(text)
    if packed is None:
        raise not_an_ip(text, field=field)
    found = _segment(packed)
    return _segment(packed[12:]) if found.embeds in _UNWRAPPED else found


# The validator itself: called through the model's own __init__ it costs a third more.
_as_fact = cast("Callable[[dict[str, object]], IpCheck]", TypeAdapter(IpCheck).validator.validate_python)


def check_ip(text: str, *, organisation: OrganisationRanges = NONE, field: str = "ip") -> IpCheck:
    """Judge one address and say why.

    Args:
        text: the address and nothing else; IPv6 in any spelling.
        organisation: ranges that count as the organisation's own. For mapped and NAT64 addresses the IPv4
            inside is looked up; for 6to4 and Teredo the address itself, then the IPv4 inside.
        field: what to call the input in an error.

    Raises:
        InputError: it is not an address.
    """
    packed = pack_ip(text)
    if packed is None:
        raise not_an_ip(text, field=field)
    found = _segment(packed)
    if found.embeds is None:
        # IPv4 has one accepted spelling, which is the canonical one.
        fields = _fields(text, 4, found) if len(packed) == 4 else _fields(canonical_text(packed), 6, found)
        looked_up: tuple[bytes, ...] = (packed,)
    else:
        fields, looked_up = _fields_embedding(packed, found, found.embeds)
    if organisation is not NONE:
        own = next((held for address in looked_up if (held := organisation.holding(address))), None)
        fields["organisation_owned"] = own is not None
        fields["organisation_range"] = own
    if len(packed) == 16 and packed[9:12] == _ISATAP and packed[8] & _NOT_UG == 0:
        inner = packed[12:]
        if not _segment(inner).public or organisation.holding(inner) is not None:
            fields["confidential_ipv4"] = canonical_text(inner)
    return _as_fact(fields)


def _fields(ip: str, version: int, found: Classification) -> dict[str, object]:
    return {
        "ip": ip,
        "version": version,
        "public": found.public,
        "category": found.category,
        "registry_row": found.registry_row,
        "note": found.note,
    }


def _fields_embedding(
    packed: bytes, outer: Classification, scheme: EmbeddedScheme
) -> tuple[dict[str, object], tuple[bytes, ...]]:
    """Return the fields of an address with an IPv4 inside, and the addresses to look up as our own."""
    inner = _embedded_v4(scheme, packed)
    judged = _segment(inner)
    decides = scheme in _UNWRAPPED
    fields = _fields(canonical_text(packed), 6, judged if decides else outer)
    fields["embedded"] = {
        "scheme": scheme,
        "ip": canonical_text(inner),
        "public": judged.public,
        "category": judged.category,
        "decides": decides,
    }
    if decides:
        return fields, (inner,)
    if judged.public:
        fields["note"] = _LEAVES
    return fields, (packed, inner)


def _embedded_v4(scheme: EmbeddedScheme, packed: bytes) -> bytes:
    """Return the IPv4 inside: RFC 4291 2.5.5.2, RFC 6052 2.2, RFC 3056 2, RFC 4380 4 (bits inverted)."""
    if scheme is EmbeddedScheme.SIX_TO_FOUR:
        return packed[2:6]
    if scheme is EmbeddedScheme.TEREDO:
        return (int.from_bytes(packed[12:]) ^ 0xFFFFFFFF).to_bytes(4)
    return packed[12:]
