"""Text in an OData $filter, as of Defender's machine list.

A quote is doubled and nothing else means anything (OData 4.01, URL conventions, 5.1.1.11.1).
"""

from __future__ import annotations

from connectors.query.text import holdable


def literal(text: str) -> str:
    """The text as a string literal.

    Raises:
        InputError: the text holds what no query can.
    """
    return "'" + holdable("OData", text).replace("'", "''") + "'"
