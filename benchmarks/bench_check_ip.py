"""The public check beside `ipaddress.ip_address(text).is_global`, on the same texts in the same process.

Neither side can answer from a cache: ours has none over texts, and `ipaddress` remembers 128 addresses, fewer
than the smallest size.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from actions.check_ip import check_ip, classify

SIZES = (1_000, 10_000, 100_000)
REPEATS = 7
SEED = 20251009

#: Lead bits (value, number of them) of the special IPv6 in the mix, each equally likely: mapped, NAT64,
#: 6to4, Teredo, unique-local, link-local, multicast, documentation.
_SPECIAL_IPV6 = (
    (0xFFFF, 96),
    (0x0064FF9B << 64, 96),
    (0x2002, 16),
    (0x20010000, 32),
    (0xFD, 8),
    (0xFE80 << 48, 64),
    (0xFF02, 16),
    (0x20010DB8, 32),
)
_PRIVATE_IPV4 = ((10, 8), (0xAC1, 12), (0xC0A8, 16), (127, 8))


def _under(rng: random.Random, lead: int, length: int, bits: int) -> int:
    return lead << (bits - length) | rng.getrandbits(bits - length)


def mixed_addresses(size: int) -> list[str]:
    """Return seeded addresses: 40 % IPv4 at random, 10 % private IPv4, 40 % 2000::/3, 10 % special IPv6."""
    rng = random.Random(SEED)
    texts: list[str] = []
    for _ in range(size):
        kind = rng.random()
        if kind < 0.4:
            texts.append(str(IPv4Address(rng.getrandbits(32))))
        elif kind < 0.5:
            texts.append(str(IPv4Address(_under(rng, *rng.choice(_PRIVATE_IPV4), 32))))
        elif kind < 0.9:
            texts.append(str(IPv6Address(_under(rng, 1, 3, 128))))
        else:
            texts.append(str(IPv6Address(_under(rng, *rng.choice(_SPECIAL_IPV6), 128))))
    return texts


def _is_global(text: str) -> bool:
    return ip_address(text).is_global


def _seconds(judge: Callable[[str], object], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        judge(text)
    return time.perf_counter() - start


def run(sizes: Sequence[int]) -> list[dict[str, str | float]]:
    """Time both answers at each size; the best of several rounds in turn with the baseline."""
    figures: list[dict[str, str | float]] = []
    for size in sizes:
        texts = mixed_addresses(size)
        rounds = [
            (_seconds(classify, texts), _seconds(check_ip, texts), _seconds(_is_global, texts))
            for _ in range(REPEATS)
        ]
        classify_s, check_s, baseline_s = (min(column) for column in zip(*rounds, strict=True))
        for name, ours_s, must in (("classify", classify_s, ">= 10"), ("check_ip", check_s, ">= 2")):
            figures.append(
                {
                    "name": f"{name} vs ipaddress is_global",
                    "size": size,
                    "ours_s": ours_s,
                    "baseline_s": baseline_s,
                    "ratio": baseline_s / ours_s,
                    "must": must,
                    "unit": "x as fast",
                }
            )
    return figures


def main() -> int:
    """Print the figures; 1 when one misses what it must reach."""
    missed = 0
    for figure in run(SIZES):
        reached = float(figure["ratio"]) >= float(str(figure["must"]).removeprefix(">= "))
        missed += not reached
        print(
            f"{figure['name']:<34} {figure['size']:>8,} addresses  ours {figure['ours_s']:.4f} s"
            f"  baseline {figure['baseline_s']:.4f} s  {figure['ratio']:6.2f} {figure['unit']}"
            f"  must {figure['must']}  {'ok' if reached else 'MISSED'}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
