"""What no query language can hold as text."""

from __future__ import annotations

from connectors.errors import InputError


def holdable(language: str, text: str) -> str:
    """The text itself.

    Raises:
        InputError: it holds a NUL, at which some parsers end the query, or half of a surrogate pair, which
            cannot be sent.
    """
    if "\0" in text:
        raise InputError(f"{language} text", "it holds a NUL character")
    if any("\ud800" <= each <= "\udfff" for each in text):
        raise InputError(f"{language} text", "it holds half of a surrogate pair")
    return text
