"""At which site a host is."""

from __future__ import annotations

import pytest

from actions.isolation import IsolationMode
from actions.isolation_policy import IsolationPolicy, SitePolicy
from actions.sites import site_of
from connectors.facts.host import AddressSeen
from tests.case_builders import after, host

POLICY = IsolationPolicy(
    sites=(
        SitePolicy(name="Europe", mode=IsolationMode.OFF, ranges=("10.0.0.0/8", "fd00::/8")),
        SitePolicy(name="Paris", mode=IsolationMode.AUTO, ranges=("10.1.0.0/16", "fd00:1::/32")),
        SitePolicy(name="Rome", mode=IsolationMode.AUTO, ranges=("10.2.0.0/16",)),
        SitePolicy(name="Rome too", mode=IsolationMode.OFF, ranges=("10.2.3.0/24", "10.2.0.0/24")),
        SitePolicy(name="Rome three", mode=IsolationMode.OFF, ranges=("10.2.3.0/24",)),
        SitePolicy(name="Nowhere", mode=IsolationMode.AUTO),
    )
)


@pytest.mark.parametrize(
    ("ips", "site"),
    [
        (("10.1.2.3",), "Paris"),
        (("10.9.2.3",), "Europe"),
        (("fd00:1::7",), "Paris"),
        (("10.1.2.3", "fd00:1::7"), "Paris"),
        (("10.2.0.7",), "Rome too"),
        (("10.2.3.7",), ""),  # two sites have the same range
        (("10.1.2.3", "10.2.9.1"), ""),
        (("10.1.2.3", "fd00:2::7"), ""),
        (("10.1.2.3", "192.168.0.7", "fe80::1"), "Paris"),  # of a tunnel, of a link
        (("192.168.0.7",), ""),
        (("no address",), ""),
        ((), ""),
    ],
)
def test_the_longest_prefix_counts_and_different_sites_are_none(ips: tuple[str, ...], site: str) -> None:
    for order in (ips, ips[::-1]):
        where = host().model_copy(update={"addresses": tuple(AddressSeen(ip=ip) for ip in order)})
        assert site_of(where, POLICY) == site


@pytest.mark.parametrize(
    ("earlier_s", "site"),
    [(-901, "Paris"), (-900, ""), (0, ""), (None, "")],
)
def test_where_a_laptop_was_before_does_not_count(earlier_s: float | None, site: str) -> None:
    before = None if earlier_s is None else after(earlier_s)
    where = host().model_copy(
        update={
            "addresses": (
                AddressSeen(ip="10.2.9.1", last_seen=before),
                AddressSeen(ip="10.1.2.3", last_seen=after(0)),
            )
        }
    )
    assert site_of(where, POLICY) == site


def test_a_policy_without_sites_has_none() -> None:
    assert site_of(host(), IsolationPolicy()) == ""
