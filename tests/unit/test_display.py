"""Escaping for display: the one home, tried with everything an attacker can write."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import BaseModel, ValidationError

from connectors.errors import AmbiguousHost, InputError, RateLimited
from playbooks.report.display import MIN_LIMIT, code, defang, fenced, is_hidden, markdown, safe_error, visible
from tests.report_cases import HOSTILE

ANYTHING = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.text(alphabet="`*_[]<>&|~$#!\\-+=.:/@()1wht ps\n", max_size=12),
        st.sampled_from(
            [HOSTILE, "http://", "HTTPS://", "www.", "a@b.example", "](javascript:x)", "\ud800", "``", "\\|"]
        ),
    ),
    max_size=5,
).map("".join)

#: What GFM links by itself, as rendered text (GFM 0.29, section 6.9).
AUTOLINK = re.compile(r"(?i)(?:https?|ftp)://|(?:^|[\s*_~(])www\.|[\w.+-]@[\w-]")

INTERNATIONAL = (
    "Zürich, naïve café, Łódź, Αθήνα, Москва, Việt Nam, e\u0301 decomposed",
    "東京 と 大阪、ｶﾀｶﾅ　全角",
    "서울, กรุงเทพฯ, नमस्ते, தமிழ், العربية, עברית, שָׁלוֹם",
    "😀 € ½ № → │ └─",
    r"C:\Users\jürgen\AppData\Local\Temp\новый файл.exe",
)


PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


# --- visible ---------------------------------------------------------------------------------------


@given(ANYTHING, st.integers(min_value=0, max_value=200))
@hypothesis_settings(max_examples=150)
@example("\u202e\u2066\u200b\x9b\x1b\r\n\x00\x7f\u2028\ufeff\U000e0041\u034f\u3164\ufe0f\ud800\ue000", 200)
def test_visible_shows_no_control_and_keeps_its_limit(text: str, limit: int) -> None:
    shown = visible(text, limit=limit)
    assert {unicodedata.category(char) for char in shown} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    } == set()
    assert len(shown) <= max(limit, MIN_LIMIT)


@given(ANYTHING, st.integers(min_value=MIN_LIMIT, max_value=300))
@hypothesis_settings(max_examples=100)
def test_visible_twice_is_visible_once(text: str, limit: int) -> None:
    shown = visible(text, limit=limit)
    assert visible(shown, limit=limit) == shown


@given(ANYTHING)
@hypothesis_settings(max_examples=50)
def test_ascii_only_is_ascii(text: str) -> None:
    assert visible(text, ascii_only=True).isascii()


@pytest.mark.parametrize("text", INTERNATIONAL)
def test_ordinary_international_text_is_unchanged(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\u3164", "\\u3164"),
        ("\x00\x7f", "\\x00\\x7f"),
        ("", ""),
        ("[red]x[/red] :smile: $dest$", "[red]x[/red] :smile: $dest$"),
    ],
)
def test_hidden_characters_are_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_a_long_text_loses_its_middle_and_says_how_much() -> None:
    shown = visible("a" * 3_000_000 + "b" * 2_000_000, limit=200)
    left_out = re.fullmatch(r"(a+) \[\.\.\. (\d+) characters left out \.\.\.\] (b+)", shown)
    assert left_out is not None
    assert len(left_out[1]) + int(left_out[2]) + len(left_out[3]) == 5_000_000
    assert len(left_out[1]) > len(left_out[3]) > 40


def test_the_count_is_of_characters_and_not_of_their_escapes() -> None:
    shown = visible("\x1b" * 100, limit=MIN_LIMIT)
    assert shown == "\\x1b" * 3 + "[...96 left out...]" + "\\x1b"


def test_blanks_do_not_push_arguments_out_of_sight() -> None:
    assert visible("cmd.exe" + " " * 4000 + "/c evil", limit=80) == "cmd.exe[... 4000 blanks ...]/c evil"
    assert visible("a" + " " * 16 + "b") == "a" + " " * 16 + "b"
    assert visible("a" + " " * 17 + "b", keep_blanks=True) == "a" + " " * 17 + "b"


def test_a_pile_of_combining_marks_is_cut_off() -> None:
    assert visible("a" + "\u0301" * 9) == "a" + "\u0301" * 6 + "\\u0301" * 3


def test_is_hidden_leaves_spaces_of_other_scripts_alone() -> None:
    assert [is_hidden(char) for char in " \u00a0\u3000a"] == [False] * 4
    assert [is_hidden(char) for char in "\n\u200b\u2028\ufe0f"] == [True] * 4


# --- errors ----------------------------------------------------------------------------------------


def test_safe_error_is_one_line_without_controls() -> None:
    exc = InputError("dest_ip", "'\x1b[2Jevil\u202e' is no address", "Give an IPv4\nor IPv6 address")
    assert safe_error(exc) == ("dest_ip: '\\x1b[2Jevil\\u202e' is no address. Give an IPv4; or IPv6 address")


def test_safe_error_names_candidates() -> None:
    names = tuple(f"ws{number}\x07" for number in range(12))
    text = safe_error(AmbiguousHost("edr", "12 agents fit", candidates=names))
    assert text.startswith("edr: 12 agents fit. Candidates: ws0\\x07; ws1\\x07; ")
    assert text.endswith("ws9\\x07; and 2 more")


def test_safe_error_without_words_gives_the_class() -> None:
    assert safe_error(KeyError()) == "KeyError"
    assert safe_error(RateLimited("vt", "quota used up")) == "vt: quota used up"


class _Settings(BaseModel):
    api_key: int


def test_safe_error_does_not_repeat_a_rejected_value() -> None:
    with pytest.raises(ValidationError) as caught:
        _Settings.model_validate({"api_key": "s3cret"})
    text = safe_error(caught.value)
    assert text.startswith("api_key: ")
    assert "s3cret" not in text


# --- defang ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "defanged"),
    [
        ("8.8.8.8", "8.8.8[.]8"),
        ("api.telegram.org", "api.telegram[.]org"),
        ("2001:db8::1", "2001:db8[:]:1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1:2:3:4[:]5"),
        ("fe80::", "fe80[:]:"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0[.]1"),
        ("https://u@a.b.example/x.y?z=1", "hxxps://u[@]a.b[.]example/x.y?z=1"),
        ("HTTP://a.example", "hxxp://a[.]example"),
        ("localhost", "localhost"),
        ("8.8.8[.]8", "8.8.8[.]8"),
        ("a\u202e.example", "a\\u202e[.]example"),
        ("", ""),
    ],
)
def test_defang(raw: str, defanged: str) -> None:
    assert defang(raw) == defanged


@given(st.one_of(st.text(max_size=60), st.ip_addresses().map(str), st.just(HOSTILE)))
@hypothesis_settings(max_examples=100)
def test_defang_twice_is_defang_once(text: str) -> None:
    assert defang(defang(text)) == defang(text)


# --- Markdown --------------------------------------------------------------------------------------


def _defanged(text: str) -> str:
    """What markdown() shows of a text, by other means than it uses."""
    shown = re.sub(r"(?i)\bhttp(s?)(?=://)", r"hxxp\1", visible(text)).replace("://", "[:]//")
    return re.sub(r"(?i)(?:(?<=[\W_])|^)(www)\.", r"\1[.]", shown).replace("@", "[@]")


@given(ANYTHING)
@hypothesis_settings(max_examples=250)
@example("\\ ")
@example("1. x")
@example("    indented")
@example("_www.a.example")
@example("# #")
def test_markdown_renders_as_the_text_and_nothing_else(text: str) -> None:
    for before, after in (("", ""), ("- ", ""), ("> ", ""), ("# ", ""), ("| h |\n| --- |\n| ", " |")):
        rendered = PARSER.render(f"{before}{markdown(text)}{after}")
        assert set(re.findall(r"</?(\w+)", rendered)) <= {
            *("p", "ul", "li", "blockquote", "h1"),
            *("table", "thead", "tbody", "tr", "th", "td"),
        }
    plain = PARSER.render(f"x{markdown(text)}x")
    assert html.unescape(plain) == f"<p>x{_defanged(text)}x</p>\n"


@given(ANYTHING)
@hypothesis_settings(max_examples=150)
def test_markdown_text_is_linked_by_nobody(text: str) -> None:
    (inline,) = (token for token in PARSER.parse(f"x {markdown(text)}") if token.type == "inline")
    shown = "".join(child.content for child in inline.children or ())
    assert AUTOLINK.search(shown) is None


def test_paths_and_snake_case_stay_readable() -> None:
    assert markdown(r"C:\Users\a_b\run.exe by signed_installer_chain") == (
        r"C:\Users\a_b\run.exe by signed_installer_chain"
    )
    assert markdown("149.154.167.220") == "149.154.167.220"


@given(ANYTHING)
@hypothesis_settings(max_examples=150)
def test_code_is_one_code_span_or_plain_text(text: str) -> None:
    for before, after in (("x ", " x"), ("| a | b |\n| --- | --- |\n| ", " | end |")):
        tokens = PARSER.parse(f"{before}{code(text)}{after}")
        children = [child for token in tokens for child in token.children or ()]
        kinds = {child.type for child in children}
        assert kinds <= {"text", "code_inline"}
        spans = [child.content for child in children if child.type == "code_inline"]
        if not text:
            assert (spans, "(empty)" in code(text)) == ([], True)
        elif "|" not in text and visible(text).strip():
            assert spans == [visible(text)]
        if before.startswith("|"):
            assert sum(token.type == "td_open" for token in tokens) == 2
            assert children[-1].content == "end"


@given(st.lists(ANYTHING, max_size=4))
@hypothesis_settings(max_examples=50)
def test_fenced_is_one_code_block(lines: list[str]) -> None:
    tokens = PARSER.parse(f"{fenced(lines)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.splitlines() == [visible(line, limit=8000, keep_blanks=True) for line in lines]
