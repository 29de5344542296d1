"""Text in FQL, the filter language of CrowdStrike's Falcon APIs.

https://www.falconpy.io/Usage/Falcon-Query-Language.html
"""

from __future__ import annotations

from connectors.errors import InputError
from connectors.query.text import holdable

_UNSAFE = frozenset("*'\\")


def literal(text: str) -> str:
    """The text as a value in single quotes: an operator in front of the quote is one, inside it is text.

    Raises:
        InputError: the text holds what no query can, an asterisk, which is a wildcard inside quotes too, or a
            quote or backslash: how FQL escapes those is not documented. No host name, address or id has one.
    """
    if not _UNSAFE.isdisjoint(text):
        raise InputError("FQL text", "it holds an asterisk, a quote or a backslash")
    return f"'{holdable('FQL', text)}'"
