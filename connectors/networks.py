"""Address ranges in CIDR notation, and which of many hold an address.

Two ways: `cut_into_segments` for few ranges that are asked of every address there is, `NetworkMap` for the
others.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from struct import unpack
from typing import NamedTuple

from connectors.addresses import canonical_text, pack_ip, pack_ips, shown
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
    """A value for each of many ranges, of both versions.

    One table for each prefix length there is; a look-up asks each of them, some 25 in real IPv4 lists. Flat
    segments are asked twice as fast, but a list of 100,000 ranges that is asked a few times is built here in
    a third of the time and of the memory.
    """

    __slots__ = ("_ordered", "_size", "_tables")

    def __init__(self, entries: Iterable[tuple[Network, T]] = ()) -> None:
        self._size = 0
        # By bytes of an address, then by the number of bits that do not count, then by the bits that do.
        self._tables: dict[int, dict[int, dict[int, tuple[T, ...]]]] = {4: {}, 16: {}}
        for network, value in entries:
            free_bits = 8 * len(network.packed) - network.length
            table = self._tables[len(network.packed)].setdefault(free_bits, {})
            key = int.from_bytes(network.packed) >> free_bits
            table[key] = (*table.get(key, ()), value)
            self._size += 1
        self._arrange()

    def __len__(self) -> int:
        return self._size

    def add_texts(self, texts: Iterable[str], value: T) -> list[str]:
        """Give many ranges one value, fast and leniently: bits set past a prefix length do not count.

        A range that stands in `texts` more than once gets the value once.

        Returns:
            The texts that are no range; all others were added.
        """
        refused: list[str] = []
        by_ending: dict[str, list[str]] = {}
        for text in texts:
            address, slash, digits = text.partition("/")
            by_ending.setdefault(slash + digits, []).append(address)
        for ending, addresses in by_ending.items():
            packed = pack_ips(addresses)
            refused += [address + ending for address, ip in zip(addresses, packed, strict=True) if ip is None]
            for width in (4, 16):
                found = [ip for ip in packed if ip is not None and len(ip) == width]
                length = _prefix_length(ending[1:], 8 * width) if ending else 8 * width
                if length is None:
                    refused += [canonical_text(ip) + ending for ip in found]
                elif found:
                    self._put(found, width=width, free_bits=8 * width - length, values=(value,))
        self._arrange()
        return refused

    def _put(self, found: list[bytes], *, width: int, free_bits: int, values: tuple[T, ...]) -> None:
        table = self._tables[width].setdefault(free_bits, {})
        if width == 4:
            numbers: Iterable[int] = unpack(f">{len(found)}I", b"".join(found))
        else:
            numbers = map(int.from_bytes, found)
        fresh = dict.fromkeys([number >> free_bits for number in numbers] if free_bits else numbers, values)
        for key in table.keys() & fresh.keys():
            fresh[key] = table[key] + values
        table.update(fresh)
        self._size += len(fresh)

    def _arrange(self) -> None:
        # Bound methods: a third of a look-up's time would go into finding them.
        self._ordered = {
            width: [(free_bits, tables[free_bits].get) for free_bits in sorted(tables)]
            for width, tables in self._tables.items()
        }

    def covering(self, packed: bytes) -> tuple[T, ...]:
        """Return the values of all ranges that hold the address, longest prefix first.

        Args:
            packed: the address as `pack_ip` gives it, 4 or 16 bytes.
        """
        address = int.from_bytes(packed)
        found: tuple[T, ...] = ()
        for free_bits, values_of in self._ordered[len(packed)]:
            if values := values_of(address >> free_bits):
                found += values
        return found

    def longest(self, packed: bytes) -> T | None:
        """Return the value of the smallest range that holds the address; None if there is none."""
        covering = self.covering(packed)
        return covering[0] if covering else None
