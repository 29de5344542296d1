"""Whom a call asks, as whom: what sets two accounts apart, and what of a key may stand in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest
from pydantic import SecretStr

from connectors.http.accounts import account_of
from connectors.http.call import Call

KEY = "planted-key-0123456789"


def call(url: str = "https://one.example/api", **headers: str) -> Call:
    secrets: Mapping[str, SecretStr] = {name: SecretStr(value) for name, value in headers.items()}
    return Call("misp", url, secret_headers=secrets)


@pytest.mark.parametrize(
    "other",
    [
        call("https://two.example/api", key=KEY),
        call("http://one.example/api", key=KEY),
        call("https://one.example:8443/api", key=KEY),
        call(key=KEY + "1"),
        call(secret=KEY),
        call(key=KEY, other=""),
        call(),
    ],
)
def test_another_server_or_key_is_another_account(other: Call) -> None:
    assert account_of(call(key=KEY)) != account_of(other)


@pytest.mark.parametrize(
    "same",
    [
        call("https://one.example/other", key=KEY),
        call("https://one.example:443/api", key=KEY),
        call("HTTPS://ONE.example/api", key=KEY),
        call(KEY=KEY),
    ],
)
def test_path_spelling_and_default_port_change_nothing(same: Call) -> None:
    assert account_of(call(key=KEY)) == account_of(same)


def test_headers_count_in_any_order_and_do_not_run_together() -> None:
    assert account_of(call(a="1", b="2")) == account_of(call(b="2", a="1"))
    assert account_of(call(a="12", b="")) != account_of(call(a="1", b="2"))
    assert account_of(call(a="1", b="2")) != account_of(call(a="2", b="1"))


def test_what_is_no_url_has_no_place() -> None:
    assert account_of(call("https://one.example:99999/")).place == ""


def test_of_the_digest_sixteen_bits_stand_in_the_file() -> None:
    account = account_of(call(key=KEY))
    source, place, digest = account.stored.split(" ")
    assert (source, place) == ("misp", "https://one.example:443")
    assert len(digest) == 4
    assert account.digest.hex().startswith(digest)
    assert hashlib.sha256(KEY.encode()).hexdigest() not in account.stored
