"""An address that many share is shared in every spelling that reaches the same machine."""

from __future__ import annotations

import pytest

from actions.case_facts import Destination
from actions.check_ip import check_ip
from actions.destination_roles import is_shared, roles_of


@pytest.mark.parametrize(
    ("ip", "same"),
    [
        ("149.154.167.220", "::ffff:149.154.167.220"),
        ("149.154.167.220", "64:ff9b::959a:a7dc"),
        ("1.1.1.1", "::ffff:1.1.1.1"),
        ("8.8.8.8", "64:ff9b::808:808"),
    ],
)
def test_mapped_and_nat64_addresses_have_the_roles_of_the_ipv4_inside(ip: str, same: str) -> None:
    plain, other = (
        roles_of(Destination(ip=check.ip, check=check)) for check in (check_ip(ip), check_ip(same))
    )
    assert is_shared(plain)
    assert other == plain
