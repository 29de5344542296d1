"""Makes a PNG of at most 256 colours of an RGB one, a third of its size: the repository stays small."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def with_palette(png: bytes) -> bytes:
    """The same picture with its weightiest colours; each other colour becomes the nearest of them.

    Raises:
        ValueError: not a PNG of 8 bits a channel, RGB or RGBA, not interlaced.
    """
    width, height, size, raw = _read(png)
    pixels = [bytes(row) for row in _unfiltered(raw, width * size, height, size)]
    colours = [[row[at : at + 3] for at in range(0, len(row), size)] for row in pixels]
    counted = Counter(colour for row in colours for colour in row)
    palette = sorted(counted, key=lambda colour: (-_weight(colour, counted[colour]), colour))[:_COLOURS]
    place = {colour: number for number, colour in enumerate(palette)}
    for colour in counted:
        if colour not in place:
            place[colour] = min(range(len(palette)), key=lambda each: _distance(palette[each], colour))
    lines = b"".join(b"\0" + bytes(place[colour] for colour in row) for row in colours)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _weight(colour: bytes, count: int) -> float:
    """How much a colour is needed: a strong one is missed more than one of many greys."""
    spread = max(colour) - min(colour)
    return count * (1 + spread**2 / 256)


def _read(png: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, bytes a pixel, and the filtered lines."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("this is not a PNG")
    chunks = dict[bytes, bytes]()
    at = len(_SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += length + 12
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if depth != 8 or colour not in (2, 6) or interlaced:
        raise ValueError("only RGB and RGBA of 8 bits a channel, not interlaced, can be read")
    return width, height, 3 if colour == 2 else 4, zlib.decompress(chunks[b"IDAT"])


def _unfiltered(raw: bytes, length: int, height: int, size: int) -> Iterator[bytearray]:
    """The lines without their filters (PNG, third edition, section 9)."""
    above = bytearray(length)
    for number in range(height):
        start = number * (length + 1)
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + length])
        for at in range(length) if kind else ():
            left = line[at - size] if at >= size else 0
            corner = above[at - size] if at >= size else 0
            guess = (0, left, above[at], (left + above[at]) // 2, 0)[kind]
            if kind == 4:
                guess = _paeth(left, above[at], corner)
            line[at] = (line[at] + guess) & 0xFF
        yield line
        above = line


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
