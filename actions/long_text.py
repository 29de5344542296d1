"""Texts of a log may have 32,767 characters each; what is handed on many times over is cut, visibly."""

from __future__ import annotations

import re

#: Characters kept of a text. Command lines of scripts and installers rarely have more than 2,000.
LONGEST_KEPT = 4096

_BLANKS = re.compile(r"[ \t]{2,}")


def is_long(text: str | None) -> bool:
    """True when `shortened` would cut the text."""
    return text is not None and len(text) > LONGEST_KEPT


def shortened(text: str) -> str:
    """The text; where it is too long its beginning, with a note in brackets of how much is missing.

    Runs of blanks are squeezed first, so that blanks cannot push an argument behind the cut.
    """
    if len(text) <= LONGEST_KEPT:
        return text
    kept = _BLANKS.sub(" ", text)[:LONGEST_KEPT]
    return f"{kept} [cut: {len(text):,} characters in the record]"


def shortened_path(text: str) -> str:
    """The path; where it is too long its beginning and its end, which names the file, with the same note."""
    if len(text) <= LONGEST_KEPT:
        return text
    half = LONGEST_KEPT // 2
    return f"{text[:half]} [cut: {len(text):,} characters in the record] {text[-half:]}"
