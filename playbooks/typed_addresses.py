"""Addresses as people type them or copy them from our notes."""

from __future__ import annotations


def as_typed(given: str) -> str:
    """The address without the brackets that keep it from being a link: `8.8.8[.]8`, `2001:db8[:]:1`.

    What is no address stays none: nothing else is read in.
    """
    return given.replace("[.]", ".").replace("[:]", ":")
