"""The text of a notable as Splunk ES indexes it (sourcetype stash), read back into fields.

The form is `<epoch>, search_name="...", key="value", ...`: a value escapes `"` and the backslash with a
backslash, and a key that stands twice is a multivalue.
"""

from __future__ import annotations

import re

from connectors.addresses import shown
from connectors.errors import NotableError

_HEAD = re.compile(r"\s*\d+(?:\.\d+)?,\s*(?=[^\s,=\"]+=)")
_KEY_AND_VALUE = r'([^\s,="]+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))'
_PAIR = re.compile(_KEY_AND_VALUE + r"(?:,\s*|\s*\Z)", re.DOTALL)
#: The last pair of a notable behind which another one begins, on a line of its own.
_LAST_PAIR = re.compile(_KEY_AND_VALUE + r"[^\S\n]*\n(?=" + _HEAD.pattern + r")", re.DOTALL)
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


def split_stash(text: str, most: int) -> list[str]:
    """The texts of several notables, one after the other, as an export of raw events has them.

    The pairs are read here too, so that a line within a value never begins a notable. From where they cannot
    be read, the rest is one text.

    Args:
        text: begins as `is_stash` says.
        most: texts at most; the last one then holds the rest.
    """
    texts: list[str] = []
    begun = 0
    while len(texts) < most - 1:
        end = _end_of_stash(text, begun)
        if end == len(text):
            break
        texts.append(text[begun:end].strip())
        begun = end
    return [*texts, text[begun:].strip()]


def _end_of_stash(text: str, begun: int) -> int:
    """Where the notable that begins at a position ends."""
    head = _HEAD.match(text, begun)
    position = head.end() if head else len(text)
    while position < len(text):
        last = _LAST_PAIR.match(text, position)
        if last is not None:
            return last.end()
        pair = _PAIR.match(text, position)
        if pair is None:
            return len(text)
        position = pair.end()
    return len(text)
