"""Text in the path of a URL."""

from __future__ import annotations

from urllib.parse import quote

from connectors.errors import InputError
from connectors.query.text import holdable


def segment(text: str) -> str:
    """The text as one segment of a path: everything but letters, digits and `-._~` percent-encoded.

    Raises:
        InputError: it is empty or a step in a path ("." or ".."), which no encoding keeps from being one.
    """
    if text in {"", ".", ".."}:
        raise InputError("URL path", "it is empty or a step to another folder")
    return quote(holdable("URL", text), safe="")
