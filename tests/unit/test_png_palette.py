"""The palette pictures: few colours are kept exactly, many are cut to 256, every filter is understood."""

from __future__ import annotations

import struct
import zlib

import pytest

from scripts.png_palette import with_palette

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int, lines: list[bytes], *, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, len(lines), 8, colour, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def colours(picture: bytes) -> list[list[tuple[int, ...]]]:
    """The pixels of a palette picture, by line."""
    chunks: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at < len(picture):
        length, kind = struct.unpack(">I4s", picture[at : at + 8])
        chunks[kind] = picture[at + 8 : at + 8 + length]
        crc = struct.unpack(">I", picture[at + 8 + length : at + 12 + length])[0]
        assert crc == zlib.crc32(kind + chunks[kind])
        at += length + 12
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    palette, raw = chunks[b"PLTE"], zlib.decompress(chunks[b"IDAT"])
    rows = [raw[number * (width + 1) + 1 : (number + 1) * (width + 1)] for number in range(height)]
    return [[tuple(palette[3 * each : 3 * each + 3]) for each in row] for row in rows]


def test_every_filter_gives_the_same_pixels() -> None:
    lines = [
        bytes([0, 10, 20, 30, 40, 50, 60]),
        bytes([1, 10, 20, 30, 30, 30, 30]),  # from the left
        bytes([2, 0, 0, 0, 0, 0, 0]),  # from above
        bytes([3, 5, 10, 15, 15, 15, 15]),  # from the mean of both
        bytes([4, 0, 0, 0, 0, 0, 0]),  # from the nearest of left, above and corner
    ]
    assert colours(with_palette(png(2, lines))) == [[(10, 20, 30), (40, 50, 60)]] * 5


def test_transparency_is_dropped() -> None:
    picture = with_palette(png(1, [bytes([0, 1, 2, 3, 255])], colour=6))
    assert colours(picture) == [[(1, 2, 3)]]


def test_the_rare_colour_becomes_the_nearest_of_256() -> None:
    greys = b"".join(bytes([each, each, each]) for each in range(256) for _ in range(3))
    line = b"\0" + greys + bytes([100, 100, 101])
    row = colours(with_palette(png(256 * 3 + 1, [line])))[0]
    assert row[-1] == (100, 100, 100)
    assert len(set(row)) == 256


@pytest.mark.parametrize("data", [b"GIF89a", b"", png(1, [bytes([0, 1])], colour=0)])
def test_what_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"PNG|RGB"):
        with_palette(data)
