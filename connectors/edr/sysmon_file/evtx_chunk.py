"""One chunk of an EVTX file through the Rust package `evtx`: the named edge to code that may fail in any way.

A circle in a chunk's table of names makes evtx 0.14.0 run for ever. Both tables of a chunk (names and
templates) are only a cache of what the records point to, so they are emptied beforehand: the records come out
the same, at the same speed, and in 650,000 logs damaged at random nothing hung or crashed.
Format: https://github.com/libyal/libevtx/blob/main/documentation/Windows%20XML%20Event%20Log%20(EVTX).asciidoc
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import NamedTuple

from evtx import PyEvtxParser

FILE_MAGIC = b"ElfFile\0"
FILE_HEADER_BYTES = 4096
CHUNK_MAGIC = b"ElfChnk\0"
CHUNK_BYTES = 65536

_TABLES = slice(128, 512)
_EMPTY_TABLES = bytes(512 - 128)
_FLAG_NO_CHECKSUM = 4
#: A record takes 24 bytes at least.
_MOST_RECORDS = CHUNK_BYTES // 24
_REASON_CHARACTERS = 300


def _own_header() -> bytes:
    front = struct.pack("<8s3QI4H76x", FILE_MAGIC, 0, 0, 1, 128, 1, 3, FILE_HEADER_BYTES, 1)
    return (front + struct.pack("<2I", 0, zlib.crc32(front))).ljust(FILE_HEADER_BYTES, b"\0")


_OWN_HEADER = _own_header()


class ChunkRecords(NamedTuple):
    """What could be read of a chunk.

    Attributes:
        texts: its records as JSON, in order; "" for one that failed.
        broken: why it failed, by position in `texts`.
        defects: what is wrong with the chunk as a whole, one sentence each.
    """

    texts: list[str]
    broken: dict[int, str]
    defects: list[str]


def read_chunk(chunk: bytes, slot: int) -> ChunkRecords:
    """All that can be read of one chunk, cut or damaged as it may be.

    Args:
        chunk: up to CHUNK_BYTES, beginning with CHUNK_MAGIC.
        slot: its number in the file, from 1, for the sentences.
    """
    defects: list[str] = []
    if len(chunk) < CHUNK_BYTES:
        defects.append(f"chunk {slot} is cut after {len(chunk)} of {CHUNK_BYTES} bytes")
        texts, broken, stopped = _records(chunk.ljust(CHUNK_BYTES, b"\0"), check=False)
    else:
        if not _header_is_right(chunk):
            defects.append(f"the header of chunk {slot} has a wrong checksum: its records may be damaged")
        # The package sums 20 times faster than zlib, but gives nothing of a chunk whose sum is wrong.
        texts, broken, stopped = _records(chunk, check=True)
        if broken or stopped or not texts:
            if not _content_is_right(chunk):
                defects.append(f"chunk {slot} has a wrong checksum: its records may be damaged or missing")
            texts, broken, stopped = _records(chunk, check=False)
    if stopped:
        defects.append(f"chunk {slot} could not be read to its end: {stopped}")
    stated = _stated_records(chunk)
    if len(texts) < stated <= _MOST_RECORDS:
        defects.append(f"chunk {slot} says it has {stated} records; {len(texts)} are there")
    return ChunkRecords(texts, broken, defects)


def _records(chunk: bytes, *, check: bool) -> tuple[list[str], dict[int, str], str]:
    """Texts, broken ones, and why the package gave up on the chunk ("" if it did not)."""
    texts: list[str] = []
    broken: dict[int, str] = {}
    file = io.BytesIO(_as_file(chunk))
    try:
        records = PyEvtxParser(file, number_of_threads=1, validate_checksums=check).records_json()
        while len(broken) < _MOST_RECORDS:
            try:
                for record in records:
                    # Not extend: what came before an error must be kept. The stub is wrong: it is a dict.
                    texts.append(record["data"])  # type: ignore[index]  # noqa: PERF401
            except RuntimeError as exc:
                broken[len(texts)] = f"the record is broken: {_short(exc)}"
                texts.append("")
            else:
                return texts, broken, ""
    # A panic of the Rust code arrives as pyo3's PanicException, which derives from BaseException and cannot
    # be imported; what a person or the interpreter raises goes through.
    except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as exc:  # noqa: BLE001
        return texts, broken, _short(exc)
    return texts, broken, "too many broken records"


def _as_file(chunk: bytes) -> bytes:
    """A whole file of this chunk alone, its tables empty and the sum over its header set right."""
    header_sum = zlib.crc32(_EMPTY_TABLES, zlib.crc32(chunk[:120]))
    own = (_OWN_HEADER, chunk[:124], header_sum.to_bytes(4, "little"), _EMPTY_TABLES)
    return b"".join((*own, memoryview(chunk)[_TABLES.stop :]))


def _header_is_right(chunk: bytes) -> bool:
    flags, stated = struct.unpack_from("<2I", chunk, 120)
    actual = zlib.crc32(chunk[_TABLES], zlib.crc32(chunk[:120]))
    return bool(flags & _FLAG_NO_CHECKSUM or actual == stated)


def _content_is_right(chunk: bytes) -> bool:
    free_at, stated = struct.unpack_from("<2I", chunk, 48)
    (flags,) = struct.unpack_from("<I", chunk, 120)
    return bool(flags & _FLAG_NO_CHECKSUM or zlib.crc32(chunk[_TABLES.stop : free_at]) == stated)


def _stated_records(chunk: bytes) -> int:
    if len(chunk) < 24:
        return 0
    first, last = struct.unpack_from("<2Q", chunk, 8)
    return int(last) - int(first) + 1


def _short(exc: BaseException) -> str:
    return str(exc)[:_REASON_CHARACTERS] or type(exc).__name__
