"""Accounts as sources spell them."""

from __future__ import annotations

from typing import NamedTuple


def same_account(one: str, other: str) -> bool:
    r"""Whether two texts may name one account: a domain only counts where both have one of the same kind.

    `ann`, `CORP\ann` and `ann@corp.example` may be one, `CORP\ann` and `OTHER\ann` are two.
    """
    first, second = _parts(one), _parts(other)
    if first.account != second.account:
        return False
    return first.form != second.form or first.domain == second.domain


def has_domain(account: str) -> bool:
    r"""Whether an account stands with its domain as Windows logs it: `CORP\ann`.

    Not `ann@corp.example`: an account's own name may hold an @.
    """
    parts = _parts(account)
    return parts.form == "\\" and bool(parts.domain and parts.account)


def bare_account(account: str) -> str:
    r"""The account without its domain, for looking it up: `CORP\Ann` and `ann@corp.example` give `ann`."""
    return _parts(account).account


class _Account(NamedTuple):
    account: str
    domain: str
    form: str


def _parts(text: str) -> _Account:
    folded = text.strip().casefold()
    domain, form, account = folded.partition("\\")
    if not form:
        account, form, domain = folded.rpartition("@")
    return _Account(account.lstrip("\\"), domain, form) if form else _Account(folded, "", "")
