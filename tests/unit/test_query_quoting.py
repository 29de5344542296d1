"""Text from outside in queries: a reader of each language gets exactly the text back, and nothing else.

The readers here are written from the languages' grammars (cited at each), not from the code that quotes.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.errors import InputError
from connectors.query import cql, es, fql, kuery, kusto, odata, path, spl

#: Strings of the corpus, per language.
CORPUS = 10_000

#: What means something in one of the languages, and pieces of attacks on each.
_PIECES = (
    *"\"'\\*?%_~!<>=:;,.|&^$#@`()[]{}/+- \t\n\r\x0b\x0c\x1b\x7f\x85",
    *"\u2028\u2029\u00a0\ufeff\u202e\u00e9\U0001f600",
    *(
        "\\\\",
        '\\"',
        "\\'",
        "''",
        '""',
        "```",
        "~~~",
        "//",
        "/*",
        "*/",
        "--",
        "\\u0022",
        "\\x22",
        "\\042",
        "%22",
    ),
    *("%27", "%2e%2e%2f", "..", "../", "and", " or ", "NOT", "true", "null", "@", 'h"', "$token$", "`macro`"),
    '" | delete | search "',
    "'+hostname:*'*",
    '") OR (1==1',
    '" or host.name : *',
    "' or 1 eq 1 or '",
    '"; .drop table X //',
    "[search index=_audit]",
    '"}},{"match_all":{}}',
    "@kuery-cursor@",
    "?_charset=&x#y",
    *("a", "Z", "0", "WS01", "corp.example", "C:\\Windows\\System32\\", '"C:\\a b\\c.exe" -x', "{", "}}"),
)


class Unread(Exception):
    """What follows is no literal of the language."""


class Language(NamedTuple):
    """How text goes into a query and comes out.

    Attributes:
        literal: under test.
        read: the text of a literal at a position, and where it ends.
        refused: characters that it refuses besides NUL and halves of surrogate pairs.
        around: what stands before and behind in a query.
    """

    literal: Callable[[str], str]
    read: Callable[[str, int], tuple[str, int]]
    refused: frozenset[str]
    around: tuple[str, str]


def _read_spl(query: str, at: int) -> tuple[str, int]:
    """A string of eval: `\\"` and `\\\\` are escapes, any other backslash is one."""
    if query[at] != '"':
        raise Unread
    text, at = "", at + 1
    while query[at] != '"':
        if query[at] == "\\" and query[at + 1] in '"\\':
            at += 1
        text, at = text + query[at], at + 1
    return text, at + 1


def _read_kusto(query: str, at: int) -> tuple[str, int]:
    """A string literal (Kusto-Query-Language, grammar/KqlTokens.g4): on one line, with its escapes."""
    if query[at] != '"' or (at and query[at - 1] in "@hH"):
        raise Unread
    simple = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
    text, at = "", at + 1
    while query[at] != '"':
        each = query[at]
        if each in "\r\n\x85\u2028\u2029":
            raise Unread
        if each != "\\":
            text, at = text + each, at + 1
        elif query[at + 1] == "u":
            text, at = text + chr(int(query[at + 2 : at + 6], 16)), at + 6
        elif query[at + 1] in "'\"\\":
            text, at = text + query[at + 1], at + 2
        elif query[at + 1] in simple:
            text, at = text + simple[query[at + 1]], at + 2
        else:
            raise Unread
    return text, at + 1


def _read_cql(query: str, at: int) -> tuple[str, int]:
    """A quoted string (library.humio.com, syntax-datatypes-detail-string): the backslash escapes."""
    if query[at] != '"':
        raise Unread
    named = {"n": "\n", "t": "\t", "r": "\r"}
    text, at = "", at + 1
    while query[at] != '"':
        if query[at] == "\n":
            raise Unread
        if query[at] == "\\":
            at += 1
            text += named.get(query[at], query[at])
        else:
            text += query[at]
        at += 1
    return text, at + 1


def _read_fql(query: str, at: int) -> tuple[str, int]:
    """A value in single quotes behind a colon: no operator before the quote, no wildcard in it."""
    if query[at] != "'" or query[at - 1] != ":":
        raise Unread
    end = query.index("'", at + 1)
    text = query[at + 1 : end]
    if "*" in text or "\\" in text:
        raise Unread
    return text, end + 1


def _read_kuery(query: str, at: int) -> tuple[str, int]:
    """QuotedString of kbn-es-query/src/kuery/grammar/grammar.peggy, its alternatives in their order."""
    if query[at] != '"':
        raise Unread
    text, at = "", at + 1
    while query[at] != '"':
        two = query[at : at + 2]
        if two in {"\\t", "\\r", "\\n"}:
            text, at = text + {"t": "\t", "r": "\r", "n": "\n"}[two[1]], at + 2
        elif found := re.compile(r"\\u([0-9a-fA-F]{4})").match(query, at):
            text, at = text + chr(int(found[1], 16)), at + 6
        elif two in {"\\\\", '\\"'}:
            text, at = text + two[1], at + 2
        else:
            text, at = text + query[at], at + 1
    return text, at + 1


def _read_odata(query: str, at: int) -> tuple[str, int]:
    """A string literal (OData ABNF, `string`): a quote is doubled."""
    if query[at] != "'":
        raise Unread
    text, at = "", at + 1
    while True:
        end = query.index("'", at)
        text += query[at:end]
        if query[end + 1 : end + 2] != "'":
            return text, end + 1
        text, at = text + "'", end + 2


def _read_json(query: str, at: int) -> tuple[str, int]:
    value, end = json.JSONDecoder().raw_decode(query, at)
    assert isinstance(value, str)
    return value, end


NOTHING: frozenset[str] = frozenset()
LANGUAGES = {
    "spl": Language(spl.literal, _read_spl, NOTHING, ("| where 'Image'=", ' AND user="x" | head 5')),
    "kusto": Language(kusto.literal, _read_kusto, NOTHING, ("T | where A == ", ' and B == "x" | take 5')),
    "cql": Language(cql.literal, _read_cql, NOTHING, ("test(aid == ", ') | test(b == "x") | tail(5)')),
    "fql": Language(fql.literal, _read_fql, frozenset("'\\*"), ("hostname:", "+platform_name:'Windows'")),
    "kuery": Language(kuery.literal, _read_kuery, NOTHING, ("host.name : ", ' and b : "x"')),
    "odata": Language(odata.literal, _read_odata, NOTHING, ("computerDnsName eq ", " and b eq 'x'")),
    "es": Language(es.literal, _read_json, NOTHING, ('{"term":{"a":', "}}")),
}


def held(language: Language, text: str) -> None:
    """The text comes back whole, and what stands around it is as it was; or it is refused for a reason."""
    refused = "\0" in text or bool(re.search("[\ud800-\udfff]", text)) or bool(set(text) & language.refused)
    if refused:
        with pytest.raises(InputError):
            language.literal(text)
        return
    before, behind = language.around
    query = before + language.literal(text) + behind
    assert language.read(query, len(before)) == (text, len(query) - len(behind))


def hostile(seed: str, refused: frozenset[str] = NOTHING) -> list[str]:
    """As many strings of pieces as the corpus has, the same in every run, none with a refused character."""
    rng = random.Random(seed)  # noqa: S311  a fixed corpus
    pieces = [piece for piece in _PIECES if not set(piece) & refused]
    strings = ["", *pieces, *(a + b for a in pieces for b in ('"', "\\", "'") if b not in refused)]
    while len(strings) < CORPUS:
        strings.append("".join(rng.choices(pieces, k=rng.randint(1, 12))))
    return strings


@pytest.mark.parametrize("name", LANGUAGES)
def test_ten_thousand_hostile_strings_come_back_as_they_were(name: str) -> None:
    language = LANGUAGES[name]
    before, behind = language.around
    strings = hostile(name, language.refused)
    assert len(strings) == CORPUS
    for text in strings:
        query = before + language.literal(text) + behind
        assert language.read(query, len(before)) == (text, len(query) - len(behind)), text


@pytest.mark.parametrize("name", LANGUAGES)
def test_hostile_strings_are_held_or_refused(name: str) -> None:
    for text in hostile(name)[:2000]:
        held(LANGUAGES[name], text)


@pytest.mark.parametrize("name", LANGUAGES)
@settings(max_examples=500)
@given(text=st.text() | st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
@example(text="\0")
@example(text="\ud83d")
@example(text="\udc00\ud800")
def test_any_text_comes_back_as_it_was(name: str, text: str) -> None:
    held(LANGUAGES[name], text)


@pytest.mark.parametrize("name", LANGUAGES)
@settings(max_examples=200)
@given(texts=st.lists(st.lists(st.sampled_from(_PIECES), max_size=4).map("".join), max_size=4))
def test_many_texts_in_one_query_stay_apart(name: str, texts: list[str]) -> None:
    language = LANGUAGES[name]
    texts = [text for text in texts if not set(text) & language.refused]
    before, _ = language.around
    query = "".join(before + language.literal(text) + " , " for text in texts)
    at = 0
    for text in texts:
        assert query.startswith(before, at)
        read, at = language.read(query, at + len(before))
        assert read == text
        assert query.startswith(" , ", at)
        at += 3
    assert at == len(query)


def test_the_literals_look_as_they_should() -> None:
    text = 'C:\\a "b"\n*'
    assert spl.literal(text) == '"C:\\\\a \\"b\\"\n*"'
    assert kusto.literal(text) == '"C:\\\\a \\"b\\"\\u000a*"'
    assert cql.literal(text) == '"C:\\\\a \\"b\\"\\n*"'
    assert kuery.literal(text) == '"C:\\\\a \\"b\\"\n*"'
    assert odata.literal("o'b\\*") == "'o''b\\*'"
    assert fql.literal(">WS-01 ~!") == "'>WS-01 ~!'"


# --- SPL's search terms ----------------------------------------------------------------------


def test_a_search_term_takes_names_addresses_and_ids_only() -> None:
    assert spl.term("host", "WS01.corp.example") == 'host="WS01.corp.example"'
    assert spl.term("ProcessGuid", "{B7220F41-0002-66F4}") == 'ProcessGuid="{B7220F41-0002-66F4}"'
    assert spl.term("dest_ip", "2001:db8::1") == 'dest_ip="2001:db8::1"'


@pytest.mark.parametrize(
    "text", ["", "*", "WS*", 'a"b', "a\\b", "a|b", "[search x]", "`m`", "$t$", "a\nb", "é", "x" * 256, "a=b"]
)
def test_a_search_term_refuses_what_it_would_read(text: str) -> None:
    with pytest.raises(InputError):
        spl.term("host", text)


@settings(max_examples=500)
@given(text=st.text() | st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join))
def test_a_search_term_holds_nothing_that_means_anything(text: str) -> None:
    try:
        term = spl.term("host", text)
    except InputError:
        return
    assert term == f'host="{text}"'
    assert not set(text) & set("*\"\\|[]`$=<>()'\n\r\t,")


@pytest.mark.parametrize("name", ["Image", "process.name", "data{}.x", "_time", "a-b", "sourcetype"])
def test_a_field_of_spl(name: str) -> None:
    assert spl.field(name) == f"'{name}'"


@pytest.mark.parametrize("name", ["", "a b", "a'b", "a*", "1a", "a|b", "a=b", "é", "a" * 200])
def test_what_is_no_field_of_spl(name: str) -> None:
    with pytest.raises(InputError):
        spl.field(name)
    with pytest.raises(InputError):
        spl.term(name, "x")


# --- Elasticsearch and paths -----------------------------------------------------------------


def test_clauses_of_elasticsearch_compare_and_do_not_read() -> None:
    assert es.term("host.id", "a*") == {"term": {"host.id": {"value": "a*"}}}
    assert es.terms("process.entity_id", ["a", "b OR c"]) == {"terms": {"process.entity_id": ["a", "b OR c"]}}
    with pytest.raises(InputError):
        es.term("a", "\0")
    with pytest.raises(InputError):
        es.terms("a", ["b", "\ud800"])


def _of_path(text: str) -> None:
    try:
        segment = path.segment(text)
    except InputError:
        assert text in {"", ".", ".."} or "\0" in text or re.search("[\ud800-\udfff]", text)
        return
    assert re.fullmatch(r"[A-Za-z0-9._~%-]+", segment)
    # As the HTTP library sends it.
    sent = requests.Request("GET", f"https://edr.example/api/machines/{segment}/isolate").prepare().url
    parts = urlsplit(sent or "")
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "edr.example", "", "")
    steps = str(parts.path).split("/")
    assert (steps[:3], steps[4:]) == (["", "api", "machines"], ["isolate"])
    assert unquote(steps[3], errors="strict") == text


def test_hostile_strings_in_a_path() -> None:
    for text in hostile("path")[:2000]:
        _of_path(text)


@settings(max_examples=300)
@given(text=st.text() | st.lists(st.sampled_from(_PIECES), max_size=6).map("".join))
@example(text=".")
@example(text="..")
def test_any_text_in_a_path(text: str) -> None:
    _of_path(text)
