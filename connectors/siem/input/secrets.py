"""What is kept of an input that makes no notable, without what opens other doors.

Splunk writes the session key of the alert's owner into the payload of an alert action, and the action's own
settings, which hold passwords. A parsed payload loses them by their names. Of a text that cannot be parsed
nobody can say where they end: one that names them is not kept at all.
https://docs.splunk.com/Documentation/Splunk/latest/AdvancedDev/ModAlertsLog
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping

from connectors.siem.input.candidate import MAX_INPUT

#: Of a payload, what opens other doors.
SECRETS = frozenset({"session_key", "configuration"})

_GZIP = b"\x1f\x8b"

#: Bytes that are unpacked at once.
_PART = 64 * 1024

#: Deepest object out of which members are taken; one that is deeper is not kept.
_MAX_DEPTH = 32

#: Most times a text is unpacked, and its escapes are undone: JSON in JSON in gzip in gzip.
_MOST_TIMES = 4

#: A printable character of ASCII as JSON or XML may write it.
_ESCAPE = re.compile(r"\\+u00([2-7][0-9a-f])|&#(?:x0*([2-7][0-9a-f])|0*([0-9]{2,3}));")

#: Of an object whose members of that name are gone: the name as a value, or within a text in a value.
_LEFT = re.compile(r"""session_key|["'<]configuration(?:\\*["'>]|\s[^<>]{0,256}>)""")


def kept_input(raw: bytes) -> bytes:
    """What is kept of a whole input that could not be read: as it came, or that it is not kept."""
    data = raw
    for _ in range(_MOST_TIMES):
        if not data.startswith(_GZIP):
            break
        unpacked = _unpacked(data)
        if unpacked is None:  # it cannot be looked through
            return _not_kept(raw).encode()
        data = unpacked
    # Letters of UTF-16 are those of ASCII beside zeros.
    return _not_kept(raw).encode() if names_secret(data.decode("latin-1")) else raw


def kept_text(text: str) -> str:
    """What is kept of a text that could not be read: as it came, or that it is not kept."""
    return not_kept(text) if names_secret(text) else text


def names_secret(text: str) -> bool:
    """Whether a text names what opens other doors, whatever its escapes."""
    plain = _plain(text)
    return any(each in plain for each in SECRETS)


def without_members(value: object, depth: int = _MAX_DEPTH) -> object:
    """A parsed object without the members of these names at any depth; what is too deep is left out."""
    if isinstance(value, Mapping):
        return {
            name: without_members(each, depth - 1) if depth else None
            for name, each in value.items()
            if not (isinstance(name, str) and name.strip().casefold() in SECRETS)
        }
    if isinstance(value, list | tuple):
        return [without_members(each, depth - 1) if depth else None for each in value]
    return value


def kept_json(value: object, write: Callable[[object], str]) -> str:
    """What is kept of a parsed object, as JSON: without these members, or that it is not kept.

    Args:
        value: the object.
        write: makes JSON of it.
    """
    text = write(value)
    if not names_secret(text):
        return text
    without = write(without_members(value))
    return without if _LEFT.search(_plain(without)) is None else not_kept(text)


def not_kept(text: str) -> str:
    """The line that stands for a text that is not kept."""
    return _not_kept(text.encode("utf-8", "surrogatepass"))


def _not_kept(raw: bytes) -> str:
    # Without the names themselves: a line that is read again is kept as it is.
    digest = hashlib.sha256(raw).hexdigest()
    return f"Not kept: it may hold the session key or the settings of an alert action. SHA-256: {digest}"


def _unpacked(raw: bytes) -> bytes | None:
    """What a gzip file holds, of a cut one what is there; None of a damaged one or of one over MAX_INPUT."""
    parts: list[bytes] = []
    at, room = 0, MAX_INPUT
    while raw.startswith(_GZIP, at):
        reader = zlib.decompressobj(wbits=31)
        while at < len(raw) and not reader.eof:
            part = reader.unconsumed_tail or raw[at : at + _PART]
            at += 0 if reader.unconsumed_tail else len(part)
            try:
                parts.append(reader.decompress(part, room + 1))
            except zlib.error:
                return None
            room -= len(parts[-1])
            if room < 0:
                return None
        if not reader.eof and reader.unconsumed_tail:
            return None
        at -= len(reader.unused_data)
    return b"".join(parts) + raw[at:]


def _plain(text: str) -> str:
    plain = text.replace("\x00", "").casefold()
    for _ in range(_MOST_TIMES):
        if "\\u" not in plain and "&#" not in plain:
            break
        plain = _ESCAPE.sub(_character, plain)
    return plain


def _character(found: re.Match[str]) -> str:
    code = int(found[3]) if found[3] else int(found[1] or found[2], 16)
    return chr(code).casefold() if 0x20 <= code < 0x7F else found[0]
