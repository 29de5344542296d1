"""Encodings, line ends, and telling one kind of text from another."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.edr.sysmon_file.streams import Peekable, StreamBroken, Utf16Stream
from connectors.edr.sysmon_file.text_lines import TextFormat, line_blocks, text_format
from connectors.errors import LogUnreadable
from tests import sysmon_samples as samples
from tests.sysmon_reading import read_bytes, told
from tests.sysmon_samples import HOST, lines

FIELDS = samples.network(Image="C:\\Benutzer\\Jörg\\例\U0001f600\\RegSvcs.exe")
JSON_LOG = lines(*[samples.flat(3, HOST, **FIELDS)] * 3)
XML_LOG = lines(*[samples.xml(3, HOST, **FIELDS)] * 3)

ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "UTF-8": lambda text: text,
    "UTF-8 with BOM": lambda text: codecs.BOM_UTF8 + text,
    "UTF-16 LE with BOM": lambda text: codecs.BOM_UTF16_LE + text.decode().encode("utf-16-le"),
    "UTF-16 BE with BOM": lambda text: codecs.BOM_UTF16_BE + text.decode().encode("utf-16-be"),
    "UTF-16 LE without BOM": lambda text: text.decode().encode("utf-16-le"),
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "UTF-16, CRLF": lambda text: (
        codecs.BOM_UTF16_LE + text.decode().replace("\n", "\r\n").encode("utf-16-le")
    ),
    "blank lines": lambda text: b"\n \n" + text.replace(b"\n", b"\n\n"),
    "no newline at the end": lambda text: text.rstrip(b"\n"),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("log", [JSON_LOG, XML_LOG], ids=["JSON", "XML"])
def test_encodings(tmp_path: Path, encode: Callable[[bytes], bytes], log: bytes) -> None:
    events, report = read_bytes(tmp_path, encode(log))
    assert [event.data["Image"] for event in events] == [FIELDS["Image"]] * 3
    assert (report.problems, report.other_records) == ([], 0)


def test_an_array_in_utf_16(tmp_path: Path) -> None:
    text = json.dumps([json.loads(samples.flat(3, HOST, **FIELDS))], indent=1)
    events, report = read_bytes(tmp_path, text.encode("utf-16"))
    assert [event.data["Image"] for event in events] == [FIELDS["Image"]]
    assert report.problems == []


@pytest.mark.parametrize("log", [JSON_LOG, XML_LOG], ids=["JSON", "XML"])
def test_utf_16_with_a_lone_surrogate_is_a_broken_record(tmp_path: Path, log: bytes) -> None:
    text = log.decode()
    at = text.index("例", text.index("例") + 1)
    data = codecs.BOM_UTF16_LE + (text[:at] + "\ud800" + text[at + 1 :]).encode("utf-16-le", "surrogatepass")
    events, report = read_bytes(tmp_path, data)
    assert [event.record for event in events] == [1, 3]
    assert [problem.record for problem in report.problems] == [2]


def test_utf_16_that_ends_inside_a_character(tmp_path: Path) -> None:
    events, report = read_bytes(tmp_path, JSON_LOG.decode().encode("utf-16")[:-1])
    assert len(events) == 3
    assert told(report) == [(None, "the UTF-16 text ends inside a character: it is cut")]


def test_utf_16_characters_over_block_borders() -> None:
    class OneByOne:
        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, _size: int) -> bytes:
            block, self.data = self.data[:1], self.data[1:]
            return block

    stream = Utf16Stream(OneByOne("a例\U0001f600b".encode("utf-16-le")), "utf-16-le")
    text = b""
    while block := stream.read(100):
        text += block
    assert text.decode() == "a例\U0001f600b"


#: How a pcapng begins: the section header block, in little endian.
CAPTURE = b"\n\r\r\n\x1c\0\0\0M<+\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"a":1}\n{"b":2}\n', TextFormat.JSON_LINES),
        (b'{"a":1}', TextFormat.JSON_LINES),
        (b"{}\n{}", TextFormat.JSON_LINES),
        (b'{"a":1,\n{"b":2}\n', TextFormat.JSON_LINES),
        (b'"tail":1}\n{"b":2}\n', TextFormat.JSON_LINES),
        (b'\n\n  {"a":1}\n', TextFormat.JSON_LINES),
        (b'{"a":"' + b"x" * 2_000_000, TextFormat.JSON_LINES),
        (b'{\n  "a": 1\n}\n', TextFormat.JSON_VALUES),
        (b'{"Event": {\n    "System": 1\n}}\n', TextFormat.JSON_VALUES),
        (b"{\n}\n", TextFormat.JSON_VALUES),
        (b'Record 1\n{\n  "a": 1\n}\n', TextFormat.JSON_VALUES),
        (b"[]", TextFormat.JSON_VALUES),
        (b'[{"a":1}]', TextFormat.JSON_VALUES),
        (b'[\n{"a":1},\n', TextFormat.JSON_VALUES),
        (b"<Event x='1'>", TextFormat.XML),
        (b"<Events><Event>", TextFormat.XML),
        (b'<?xml version="1.0"?>\n', TextFormat.XML),
        (b"<!DOCTYPE Events>\n", TextFormat.XML),
        (b"LogName=Security\nMessage=a\n<Event>\n", TextFormat.XML),
        (b"text " * 100_000 + b"<Event>", TextFormat.XML),
        (b"", None),
        (b"\n\n", None),
        (b"plain text\n", None),
        (b"[12345] started\n[12346] stopped\n", None),
        (b"{not json}\n", None),
        (b"<html><body>\n", None),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), None),
        (b"a,b,c\n1,2,3\n", None),
        (b"text\n" * 500_000 + b'{"a":1}', None),
        (CAPTURE + b'POST /\r\n\r\n{"a":1}\n{"a":1}\n', None),
        (CAPTURE + b"POST /\r\n\r\n<Event>\n", None),
        (CAPTURE + b"<Event>" * 9, None),
        (CAPTURE + b"\xff" * 20_000 + b'\n{"a":1}\n', None),
        (bytes(5000) + b'\n{"a":1}\n', TextFormat.JSON_LINES),
        (bytes(5000) + b"<Event>\n", TextFormat.XML),
        (b"cut by \x01 and \x1b[0m</Data></Event>\n<Event>\n", TextFormat.XML),
    ],
    ids=range(36),
)
def test_what_kind_of_text(text: bytes, kind: TextFormat | None) -> None:
    stream = Peekable(Chunks([text]))
    assert text_format(stream) is kind
    assert stream.peek(20) == text[:20]  # nothing is consumed


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogUnreadable, match="is no Sysmon log of a known format"):
        read_bytes(tmp_path, b"plain text\n")
    with pytest.raises(LogUnreadable, match="is empty"):
        read_bytes(tmp_path, b"")


class Chunks:
    """A stream in given pieces; an exception among them is raised in its turn."""

    def __init__(self, pieces: list[bytes], end: StreamBroken | None = None) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.end = end

    def read(self, size: int, /) -> bytes:
        if not self.pieces:
            if self.end is not None:
                raise self.end
            return b""
        piece = self.pieces.pop(0)
        if len(piece) > size:
            self.pieces.insert(0, piece[size:])
        return piece[:size]


@given(
    pieces=st.lists(st.binary(max_size=30) | st.sampled_from([b"\n", b"a\nb", b"\n\n"]), max_size=20),
    limit=st.integers(1, 20),
)
@settings(max_examples=100)
def test_lines_are_the_lines_whatever_the_blocks(pieces: list[bytes], limit: int) -> None:
    text = b"".join(pieces)
    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()
    long: list[int] = []
    found: dict[int, bytes] = {}
    for first, block in line_blocks(Peekable(Chunks(pieces)), limit, long.append):
        found.update(enumerate(block, first))
    assert found == {
        number: b"" if len(line) > limit else line
        for number, line in enumerate(expected, 1)
        if len(line) <= limit or number < len(expected) or text.endswith(b"\n")
    }
    assert long == [number for number, line in enumerate(expected, 1) if len(line) > limit]


def test_what_was_read_before_a_defect_comes_first() -> None:
    stream = Peekable(Chunks([b"one\ntw"], StreamBroken("gone")))
    blocks = line_blocks(stream, 100, lambda _: None)
    assert next(blocks) == (1, [b"one"])
    assert next(blocks) == (2, [b"tw"])
    with pytest.raises(StreamBroken, match="gone"):
        next(blocks)


def test_peeking_keeps_what_came_before_a_defect() -> None:
    stream = Peekable(Chunks([b"ab", b"c"], StreamBroken("gone")))
    assert stream.peek(10) == b"abc"
    assert stream.read(2) == b"ab"
    assert stream.read_exactly(5) == b"c"
    with pytest.raises(StreamBroken, match="gone"):
        stream.read(1)
