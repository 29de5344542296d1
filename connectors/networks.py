"""Address ranges in CIDR notation, and which of many hold an address.

The ranges are cut into flat segments once; a look-up is then one bisection over byte strings, whatever the
number and the nesting of the ranges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from connectors.addresses import canonical_text, pack_ip, shown
from connectors.errors import ConfigError


class Network(NamedTuple):
    """A range: every address whose first `length` bits are those of `packed`.

    Attributes:
        version: 4 or 6.
        packed: its first address, 4 or 16 bytes in network order.
        length: number of leading bits that count, 0..32 or 0..128.
    """

    version: int
    packed: bytes
    length: int

    @property
    def text(self) -> str:
        """Canonical CIDR text."""
        return f"{canonical_text(self.packed)}/{self.length}"

    @property
    def last(self) -> bytes:
        """Its last address."""
        bits = 8 * len(self.packed)
        return (int.from_bytes(self.packed) | ((1 << (bits - self.length)) - 1)).to_bytes(bits // 8)


def parse_network(text: str, *, field: str) -> Network:
    """Read one range, such as `10.0.0.0/8`; an address without a length is a range of one.

    Args:
        text: the range and nothing else.
        field: what to call the setting in an error.

    Raises:
        ConfigError: it is not a range, or has bits set past its length.
    """
    address, slash, digits = text.partition("/")
    packed = pack_ip(address)
    if packed is None:
        raise ConfigError(
            field, f"{shown(text)} is not an address range", "Write it as 10.0.0.0/8 or fd00::/8"
        )
    bits = 8 * len(packed)
    length = _prefix_length(digits, bits) if slash else bits
    if length is None:
        raise ConfigError(
            field,
            f"{shown(text)} has no valid prefix length",
            f"After the slash, give a number from 0 to {bits}",
        )
    host_bits = bits - length
    first = (int.from_bytes(packed) >> host_bits << host_bits).to_bytes(bits // 8)
    network = Network(4 if bits == 32 else 6, first, length)
    if first != packed:
        raise ConfigError(
            field, f"{shown(text)} has bits set past its prefix length", f"Did you mean {network.text}?"
        )
    return network


def _prefix_length(digits: str, most: int) -> int | None:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 3):
        return None
    length = int(digits)
    return length if length <= most and str(length) == digits else None


def cut_into_segments[T](
    entries: Iterable[tuple[Network, T]], *, version: int
) -> tuple[list[bytes], list[tuple[T, ...]]]:
    """Cut the address space of one version where the covering ranges change.

    Returns:
        The first address of each segment, ascending, beginning with the lowest address there is; and beside
        each the values of all ranges that cover it, longest prefix first, equal ones in the order given.
    """
    width = 4 if version == 4 else 16
    end = 1 << (8 * width)
    by_prefix: dict[tuple[bytes, int], list[T]] = {}
    for network, value in entries:
        if network.version == version:
            by_prefix.setdefault((network.packed, network.length), []).append(value)

    starts: list[bytes] = [bytes(width)]
    chains: list[tuple[T, ...]] = [()]
    enclosing: list[tuple[int, tuple[T, ...]]] = [(end, ())]  # (one past the last address, covering values)

    def cut(at: bytes, chain: tuple[T, ...]) -> None:
        if starts[-1] == at:
            chains[-1] = chain
        else:
            starts.append(at)
            chains.append(chain)

    def close_up_to(address: int) -> None:
        while enclosing[-1][0] <= address and len(enclosing) > 1:
            stop, _ = enclosing.pop()
            if stop < end:
                cut(stop.to_bytes(width), enclosing[-1][1])

    for (packed, length), values in sorted(by_prefix.items(), key=itemgetter(0)):
        first = int.from_bytes(packed)
        close_up_to(first)
        chain = (*values, *enclosing[-1][1])
        cut(packed, chain)
        enclosing.append((first + (1 << (8 * width - length)), chain))
    close_up_to(end)
    return starts, chains


class NetworkMap[T]:
    """A value for each of many ranges, of both versions; built once and then only read."""

    __slots__ = ("_by_width", "_size")

    def __init__(self, entries: Iterable[tuple[Network, T]] = ()) -> None:
        kept = list(entries)
        self._size = len(kept)
        self._by_width = {4: cut_into_segments(kept, version=4), 16: cut_into_segments(kept, version=6)}

    def __len__(self) -> int:
        return self._size

    def covering(self, packed: bytes) -> tuple[T, ...]:
        """Return the values of all ranges that hold the address, longest prefix first.

        Args:
            packed: the address as `pack_ip` gives it, 4 or 16 bytes.
        """
        starts, chains = self._by_width[len(packed)]
        return chains[bisect_right(starts, packed) - 1]

    def longest(self, packed: bytes) -> T | None:
        """Return the value of the smallest range that holds the address; None if there is none."""
        chain = self.covering(packed)
        return chain[0] if chain else None
