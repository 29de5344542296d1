"""All covering prefixes of an address in many CIDRs, beside netaddr.IPSet saying only whether one covers it.

Both sides start from the same text of an address. IPSet merges ranges, so that it cannot say which of them
cover an address; its membership test is the least it has to do for this.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import netaddr  # type: ignore[import-untyped]  # has no types

from benchmarks.rows import Row
from connectors.addresses import canonical_text, pack_ip, parse_ip
from connectors.networks import Network, NetworkMap

SEED = 20251009
REPEATS = 9
LOOKUPS = 5_000

#: Prefix lengths as real lists have them: routed blocks, and many single addresses.
_LENGTHS_V4 = (8, 12, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 24, 24, 25, 26, 27, 28, 29, 30, 31, 32, 32, 32)
_LENGTHS_V6 = (29, 32, 32, 36, 40, 44, 48, 48, 56, 64, 128)

#: Share of IPv4, as in the lists that are read: nine tenths and more.
_SHARE_V4 = 0.9


def mixed_networks(size: int) -> list[Network]:
    """Return seeded ranges; they nest, touch and repeat."""
    rng = random.Random(SEED)
    networks: list[Network] = []
    for _ in range(size):
        if rng.random() < _SHARE_V4:
            networks.append(_network(rng.choice(_LENGTHS_V4), rng.getrandbits(32), 4))
        else:
            networks.append(_network(rng.choice(_LENGTHS_V6), 1 << 125 | rng.getrandbits(125), 16))
    return networks


def _network(length: int, value: int, width: int) -> Network:
    free_bits = 8 * width - length
    return Network(4 if width == 4 else 6, (value >> free_bits << free_bits).to_bytes(width), length)


def asked_addresses(networks: Sequence[Network]) -> list[str]:
    """Return seeded addresses: half inside one of the ranges, half anywhere."""
    rng = random.Random(SEED + 1)
    texts: list[str] = []
    for turn in range(LOOKUPS):
        network = rng.choice(networks)
        bits = 8 * len(network.packed)
        if turn % 2:
            value = int.from_bytes(network.packed) | rng.getrandbits(bits) >> network.length
        else:
            value = rng.getrandbits(32) if bits == 32 else 1 << 125 | rng.getrandbits(125)
        texts.append(canonical_text(value.to_bytes(bits // 8)))
    return texts


def run(sizes: Sequence[int]) -> list[Row]:
    """Time both answers at each size; the best of several rounds in turn with the baseline."""
    rows: list[Row] = []
    for size in sizes:
        networks = mixed_networks(size)
        ours = NetworkMap((network, index) for index, network in enumerate(networks))
        baseline = netaddr.IPSet([network.text for network in networks])
        texts = asked_addresses(networks)

        assert all(bool(ours.covering(parse_ip(text).packed)) == (text in baseline) for text in texts)
        rounds = [(_all_covering_s(ours, texts), _membership_s(baseline, texts)) for _ in range(REPEATS)]
        ours_s, baseline_s = (min(column) for column in zip(*rounds, strict=True))
        rows.append(
            {
                "name": "all covering prefixes vs netaddr.IPSet membership",
                "size": size,
                "ours_s": ours_s,
                "baseline_s": baseline_s,
                "ratio": baseline_s / ours_s,
                "must": ">= 8",
                "unit": "x as fast",
            }
        )
    return rows


def _all_covering_s(held: NetworkMap[int], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        packed = pack_ip(text)
        if packed is not None:
            held.covering(packed)
    return time.perf_counter() - start


def _membership_s(held: netaddr.IPSet, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        _ = text in held
    return time.perf_counter() - start
