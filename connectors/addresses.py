"""The one home of IP address text: what is accepted, and how it is written.

Accepted: IPv4 as four decimal parts without leading zeros, and IPv6 in any RFC 4291 spelling (upper case,
`0:0:0:0`, an embedded dotted quad). Refused: zone ids, whitespace, ports, ranges, octal or hexadecimal
IPv4, host names, digits that are not ASCII.

Written: RFC 5952, exactly as `str(ipaddress.ip_address(text))` of Python 3.13. So the dotted quad is kept
for IPv4-mapped addresses alone (`::ffff:10.0.0.1`) and not for `::808:808` or `64:ff9b::a00:1`.

Reading is `socket.inet_pton`, which costs a tenth of `ipaddress.ip_address`. C libraries differ in what
they let through (leading zeros on BSDs, zone ids on macOS), so the library is probed once at import; where
it is lenient, the standard library's `ipaddress` has to accept the text too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from itertools import repeat
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

from connectors.errors import InputError

#: Longest text of an address: six groups of four digits, then a dotted quad.
MAX_TEXT = 45

#: Characters of foreign text that a message repeats at most.
MAX_SHOWN = 64

_MAPPED = bytes(10) + b"\xff\xff"

_MUST_BE_REFUSED = (
    "8.8.8",
    "08.8.8.8",
    "8.8.8.08",
    "0x8.8.8.8",
    " 8.8.8.8",
    "8.8.8.8 ",
    "8.8.8.8\n",
    "::1%1",
    "::1 ",
    "::00001",
    "::08.8.8.8",
    "::8.8.8",
    "1::2:3:4:5:6:7:8",
    "1::2::3",
)


class ParsedIp(NamedTuple):
    """An address that was understood.

    Attributes:
        version: 4 or 6.
        packed: 4 or 16 bytes in network order; they sort like the addresses.
        text: canonical text.
    """

    version: int
    packed: bytes
    text: str


def _c_library_accepts(text: str) -> bool:
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _c_library_is_strict() -> bool:
    return not any(_c_library_accepts(text) for text in _MUST_BE_REFUSED)


_C_LIBRARY_IS_STRICT = _c_library_is_strict()


def _standard_library_accepts(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def pack_ip(text: str) -> bytes | None:
    """Return the address as 4 or 16 bytes in network order; None when the text is not an address."""
    if len(text) > MAX_TEXT:
        return None
    try:
        packed = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in the text
        return None
    if _C_LIBRARY_IS_STRICT or _standard_library_accepts(text):
        return packed
    return None


def pack_ips(texts: Sequence[str]) -> Sequence[bytes | None]:
    """Return what `pack_ip` gives for each text; three times as fast where all of them are IPv4."""
    if _C_LIBRARY_IS_STRICT:
        try:
            return list(map(inet_pton, repeat(AF_INET), texts))
        except (OSError, ValueError):
            pass  # one of them is not IPv4: each has to be looked at
    return list(map(pack_ip, texts))


def canonical_text(packed: bytes) -> str:
    """Return the canonical text of an address of 4 or 16 bytes.

    Raises:
        ValueError: it has another length.
    """
    if len(packed) == 4:
        return inet_ntop(AF_INET, packed)
    text = inet_ntop(AF_INET6, packed)
    if "." not in text:
        return text
    # C libraries also write a quad for the deprecated IPv4-compatible addresses (::8.8.8.8).
    if packed.startswith(_MAPPED):
        return f"::ffff:{inet_ntop(AF_INET, packed[12:])}"
    high, low = int.from_bytes(packed[12:14]), int.from_bytes(packed[14:])
    return f"::{high:x}:{low:x}" if high else f"::{low:x}"


def parse_ip(text: str, *, field: str = "ip") -> ParsedIp:
    """Read one address.

    Args:
        text: the address and nothing else.
        field: what to call the input in an error.

    Raises:
        InputError: it is not an address; says what is wrong with it.
    """
    packed = pack_ip(text)
    if packed is None:
        raise not_an_ip(text, field=field)
    return ParsedIp(4 if len(packed) == 4 else 6, packed, canonical_text(packed))


def canonical_ip(text: str) -> str | None:
    """Return the canonical text of an address from a log; None when it is not an address."""
    packed = pack_ip(text)
    return None if packed is None else canonical_text(packed)


def not_an_ip(text: str, *, field: str = "ip") -> InputError:
    """Return the error that says why this text is not an address."""
    problem, remedy = _diagnose(text)
    return InputError(field, problem, remedy)


def shown(text: str) -> str:
    """Return foreign text as an ASCII literal in quotes, shortened, fit for any message.

    Text outside ASCII is escaped, so that look-alike digits and direction marks show.
    """
    literal = ascii(text[:MAX_SHOWN])
    if len(text) <= MAX_SHOWN and len(literal) <= MAX_SHOWN + 2:
        return literal
    return f"{literal[:-1][: MAX_SHOWN - 2]}...{literal[0]}"


def _has_port_or_brackets(text: str) -> bool:
    return "[" in text or (text.count(":") == 1 and "." in text)


def _has_leading_zero(text: str) -> bool:
    parts = text.rpartition(":")[2].split(".")
    return len(parts) == 4 and any(len(part) > 1 and part[0] == "0" for part in parts)


#: What can be wrong with a text of bearable length: test, problem, remedy. The first that fits is told.
_FLAWS: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (
        lambda text: any(character.isspace() for character in text),
        "contains whitespace",
        "Give the address alone",
    ),
    (lambda text: not text.isascii(), "has characters outside ASCII", "Write the address in ASCII"),
    (lambda text: "%" in text, "has a zone id", "Leave out the part from % on"),
    (lambda text: "/" in text, "is a range or a URL, not one address", "Give one address"),
    (_has_port_or_brackets, "has a port or brackets", "Give the address alone"),
    (_has_leading_zero, "has a leading zero, which some programs read as octal", "Leave the zero out"),
)


def _diagnose(text: str) -> tuple[str, str]:
    """Say what is wrong with a text that is not an address, and what to do."""
    if not text:
        return "is empty", "Give one IPv4 or IPv6 address"
    if len(text) > MAX_TEXT:
        return f"{shown(text)} is {len(text)} characters long", f"An address has at most {MAX_TEXT}"
    for fits, problem, remedy in _FLAWS:
        if fits(text):
            return f"{shown(text)} {problem}", remedy
    return (
        f"{shown(text)} is not an IP address",
        "Give four decimal parts (IPv4) or IPv6; a host name has to be resolved first",
    )
