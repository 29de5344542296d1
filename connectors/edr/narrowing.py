"""Which of several fitting processes is meant, by account and the host's own address. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.facts.account import same_account
from connectors.facts.process import ProcessRef


class Fitting(NamedTuple):
    """A process that fits what was asked, and what tells it from others.

    Attributes:
        process: which.
        users: its account as the source spells it, every spelling; empty where it is not recorded.
        local_ips: the host's own end of those of its connections that fit; empty where none is recorded.
    """

    process: ProcessRef
    users: Collection[str] = ()
    local_ips: Collection[str] = ()


def narrowed(fitting: Sequence[Fitting], *, user: str | None, local_ip: str | None) -> list[ProcessRef]:
    """Those of the account and with the address, where there are any; else all, in the same order.

    One whose account is not recorded may be of the account. Where account and address each mean another one,
    those of both stay: none is picked.

    Args:
        fitting: every process that fits otherwise.
        user: the account; "" and None do not narrow.
        local_ip: the host's own address, in any spelling; what is no address does not narrow.
    """
    everyone = frozenset(range(len(fitting)))
    of_account = _of_account(fitting, user.strip() if user else "") or everyone
    with_address = _with_address(fitting, canonical_ip(local_ip.strip()) if local_ip else None) or everyone
    kept = of_account & with_address or of_account | with_address
    return [each.process for number, each in enumerate(fitting) if number in kept]


def _of_account(fitting: Sequence[Fitting], user: str) -> frozenset[int]:
    """Which may be of the account; empty where none certainly is."""
    if not user:
        return frozenset()
    known = [[each.strip() for each in one.users if each.strip()] for one in fitting]
    same = {number for number, users in enumerate(known) if any(same_account(user, each) for each in users)}
    return frozenset(same | {number for number, users in enumerate(known) if not users} if same else ())


def _with_address(fitting: Sequence[Fitting], local_ip: str | None) -> frozenset[int]:
    if local_ip is None:
        return frozenset()
    return frozenset(
        number
        for number, each in enumerate(fitting)
        if any(canonical_ip(ip.strip()) == local_ip for ip in each.local_ips)
    )
