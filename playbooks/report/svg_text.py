"""Text in a picture: how wide it will be, and where to break or cut it. SVG wraps nothing by itself.

Widths are estimates for the system fonts the page names, on the safe side: a line may end a little early,
and never runs out of its box by more than the box's padding.
"""

from __future__ import annotations

import unicodedata

#: Width of an average character in ems: monospaced fonts have one width, the others were estimated high.
_MONO_EM, _NARROW_EM, _LOWER_EM, _UPPER_EM, _WIDE_EM = 0.61, 0.31, 0.57, 0.74, 1.0
_NARROW = frozenset("iIjlt.,:;!|'`()[]/\\ r-f")
_ELLIPSIS = "\u2026"
#: A long word may be broken after one of these.
_SEPARATORS = frozenset("\\/,;&=?")


def width_of(text: str, size: float, *, mono: bool = False) -> float:
    """Estimated width, pixels.

    Args:
        size: of the font, pixels.
        mono: True for a monospaced font.
    """
    return size * sum(_em(char, mono=mono) for char in text)


def _em(char: str, *, mono: bool) -> float:
    if not char.isascii():
        if unicodedata.combining(char):
            return 0.0
        return 1.25 if mono else _WIDE_EM
    if mono:
        return _MONO_EM
    if char in _NARROW:
        return _NARROW_EM
    return _UPPER_EM if char.isupper() or char in "mwMW@%" else _LOWER_EM


def cut(text: str, room: float, size: float, *, mono: bool = False) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    if width_of(text[: int(room) + 1], size, mono=mono) <= room and len(text) <= room:
        return text
    end = _fits(text, 0, room - width_of(_ELLIPSIS, size, mono=mono), size, mono=mono)
    return text[:end].rstrip() + _ELLIPSIS


def wrap(text: str, room: float, size: float, *, lines: int, mono: bool = False) -> tuple[str, ...]:
    """The text on at most so many lines; what does not fit is cut, and the last line then says so."""
    found: list[str] = []
    start = 0
    while start < len(text):
        if len(found) == lines - 1:
            found.append(cut(text[start:], room, size, mono=mono))
            break
        end = _fits(text, start, room, size, mono=mono)
        if end < len(text):
            end = _break(text, start, end)
        found.append(text[start:end].rstrip())
        start = end
        while text[start : start + 1] == " ":
            start += 1
    return tuple(found)


def _fits(text: str, start: int, room: float, size: float, *, mono: bool) -> int:
    """The end of what fits; at least one character."""
    used = 0.0
    for position in range(start, len(text)):
        used += size * _em(text[position], mono=mono)
        if used > room:
            return max(position, start + 1)
    return len(text)


def _break(text: str, start: int, end: int) -> int:
    """The best place to break before `end`: after a blank, else after a separator, in the second half."""
    half = start + (end - start) // 2
    blank = text.rfind(" ", half, end + 1)
    if blank > start:
        return blank + 1
    found = [position + 1 for position in range(half, end) if text[position] in _SEPARATORS]
    return found[-1] if found else end
