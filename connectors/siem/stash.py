"""The text of a notable as Splunk ES indexes it (sourcetype stash), read back into fields.

The form is `<epoch>, search_name="...", key="value", ...`: a value escapes `"` and the backslash with a
backslash, and a key that stands twice is a multivalue.
"""

from __future__ import annotations

import re

from connectors.addresses import shown
from connectors.errors import NotableError

_HEAD = re.compile(r"\s*\d+(?:\.\d+)?,\s*(?=[^\s,=\"]+=)")
_PAIR = re.compile(r'([^\s,="]+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))(?:,\s*|\s*\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\([\"\\])")


def is_stash(text: str) -> bool:
    """True when the text starts as ES writes a notable."""
    return _HEAD.match(text) is not None


def parse_stash(text: str) -> dict[str, object]:
    """Read the fields. One value is a str, several are a list of str, in the order of the text.

    The pairs are read one after the other and never searched for, so a value cannot pose as a key.

    Raises:
        NotableError: the text is not of that form, or is cut.
    """
    head = _HEAD.match(text)
    if head is None:
        raise NotableError(
            "_raw",
            "is not the text of an ES notable",
            "Give the notable's fields, or the log itself as a log",
        )
    fields: dict[str, list[str]] = {}
    position = head.end()
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            rest = shown(text[position : position + 40])
            raise NotableError(
                "_raw",
                f"cannot be read from character {position + 1} on: {rest}",
                "Export the notable's fields, or the whole of _raw",
            )
        key, quoted, bare = pair.groups()
        value = bare if quoted is None else _ESCAPED.sub(r"\1", quoted)
        fields.setdefault(key, []).append(value)
        position = pair.end()
    return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}
