"""From bytes to text: encodings, gzip, and files that are no text at all."""

from __future__ import annotations

import gzip
import io
import zlib

from connectors.errors import NotableError
from connectors.siem.input.candidate import INPUT, KNOWN_SHAPES, MAX_INPUT

_GZIP = b"\x1f\x8b"

#: What else files begin with -> what they are, and what to do.
_NO_TEXT: tuple[tuple[bytes, str, str], ...] = (
    (b"ElfFile\0", "is a Windows event log (EVTX), not a notable", "Give a Sysmon log with --sysmon"),
    (b"PK\x03\x04", "is a zip archive", "Unpack it; a Sysmon log in an archive goes to --sysmon as it is"),
    (_GZIP, "is compressed twice", "Unpack it once"),
)


def decoded(raw: bytes | str) -> str:
    """The text of an input: UTF-8, or UTF-16 with a byte order mark, plain or compressed with gzip.

    Raises:
        NotableError: over MAX_INPUT, packed or unpacked; a damaged gzip file; no Unicode text; empty.
    """
    if len(raw) > MAX_INPUT:
        raise _too_large()
    text = raw if isinstance(raw, str) else _text(_unpacked(raw))
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise NotableError(INPUT, "is empty", KNOWN_SHAPES)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise NotableError(
            INPUT, f"has no valid character at position {exc.start}", "Save it as UTF-8"
        ) from exc
    if size > MAX_INPUT:
        raise _too_large()
    return text


def _unpacked(raw: bytes) -> bytes:
    if not raw.startswith(_GZIP):
        return raw
    try:
        # Bounded: what a bomb would unpack to beyond the limit is never made.
        data = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MAX_INPUT + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise NotableError(INPUT, "is a gzip file that is cut or damaged", "Copy or export it again") from exc
    if len(data) > MAX_INPUT:
        raise _too_large(" unpacked")
    return data


def _text(data: bytes) -> str:
    for magic, problem, remedy in _NO_TEXT:
        if data.startswith(magic):
            raise NotableError(INPUT, problem, remedy)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise NotableError(
            INPUT, f"is no {encoding.upper()} text: byte {exc.start + 1} does not fit", "Save it as UTF-8"
        ) from exc


def _too_large(how: str = "") -> NotableError:
    return NotableError(INPUT, f"is larger than {MAX_INPUT // 2**20} MiB{how}", "Split it into several files")
