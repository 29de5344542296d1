r"""The one home of escaping for display: terminal, error message, Markdown, and defanged indicators.

Text from logs and notables is written by the attacker. What is printed goes through `visible`, what is
written into Markdown through `markdown`, `code` or `fenced`. The result is for reading and not
reversible (a Windows path may hold a literal `\n`); the JSON report keeps the exact text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from connectors.errors import Ambiguous

#: Characters shown of one text unless the caller says otherwise.
DEFAULT_LIMIT = 2000
#: Room that a shortened text needs at least: the count of what was left out and a little of both ends.
MIN_LIMIT = 40
#: Combining marks in a row that are kept. Vocalised and cantillated Hebrew needs five on one letter;
#: more is a pile that covers the lines above and below.
_MARKS_KEPT = 6
#: Candidates of an ambiguous match named in an error message.
_CANDIDATES_SHOWN = 10

#: Blanks in a row that are kept: more than any ordinary text has.
_BLANKS_KEPT = 16
_BLANKS = re.compile(rf"\s{{{_BLANKS_KEPT + 1},}}")
#: Looked for first, since a search for a text is far quicker than a pattern.
_PADDINGS = (
    " " * (_BLANKS_KEPT + 1),
    "\t" * (_BLANKS_KEPT + 1),
    "\n" * (_BLANKS_KEPT + 1),
    "\r\n" * _BLANKS_KEPT,
)

_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Printable by Unicode category, yet invisible: Default_Ignorable_Code_Point of the Unicode Character
#: Database (DerivedCoreProperties.txt) outside the categories Cc, Cf and Cn.
_INVISIBLE = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)


def is_hidden(char: str) -> bool:
    """True for a character that does something, or nothing visible, instead of showing itself.

    Controls (C0, DEL, C1), format characters (bidi, zero-width, tags), line and paragraph separators,
    surrogates, private use, unassigned, and invisible letters. Spaces of any width show themselves.
    """
    if char.isprintable():
        return char in _INVISIBLE
    return unicodedata.category(char) != "Zs"


def visible(
    text: str, *, limit: int = DEFAULT_LIMIT, ascii_only: bool = False, keep_blanks: bool = False
) -> str:
    r"""Text made safe for a terminal: one line, every hidden character as an escape such as \x1b or \u202e.

    Ordinary international text is unchanged. A text longer than the limit loses its middle, and the
    count of characters left out stands there. A long run of blanks, as used to push arguments out of
    sight, is told by its length.

    Args:
        text: raw text, of any length; only the ends of a long one are looked at.
        limit: characters of the result, at most; values below MIN_LIMIT are taken as MIN_LIMIT.
        ascii_only: also escape every character outside ASCII, for a terminal that cannot show it.
        keep_blanks: leave runs of blanks, for lines that are laid out already.
    """
    limit = max(limit, MIN_LIMIT)
    if not keep_blanks and any(padding in text for padding in _PADDINGS):
        text = _BLANKS.sub(lambda run: f"[... {len(run[0])} blanks ...]", text)
    if len(text) <= limit:
        if text.isascii() and text.isprintable():
            return text
        whole = "".join(_pieces(text, ascii_only=ascii_only))
        if len(whole) <= limit:
            return whole
    return _shortened(text, limit, ascii_only=ascii_only)


def _shortened(text: str, limit: int, *, ascii_only: bool) -> str:
    long_mark = limit >= 4 * MIN_LIMIT
    mark = " [... {} characters left out ...] " if long_mark else "[...{} left out...]"
    room = limit - len(mark.format(len(text)))
    head = _fitting(list(_pieces(text[:limit], ascii_only=ascii_only)), room - room // 3)
    tail = _fitting(list(_pieces(text[-limit:], ascii_only=ascii_only))[::-1], room // 3)[::-1]
    left_out = len(text) - len(head) - len(tail)
    return "".join(head) + mark.format(left_out) + "".join(tail)


def _fitting(pieces: list[str], room: int) -> list[str]:
    used = 0
    for number, piece in enumerate(pieces):
        used += len(piece)
        if used > room:
            return pieces[:number]
    return pieces


def _pieces(text: str, *, ascii_only: bool) -> Iterator[str]:
    """Each character as it is shown."""
    marks = 0
    for char in text:
        if char.isascii():
            marks = 0
            yield char if char.isprintable() else _escape(char)
            continue
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        yield _escape(char) if ascii_only or marks > _MARKS_KEPT or is_hidden(char) else char


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe_error(exc: BaseException) -> str:
    """One line for a person: what the error says, safe to print; the class name when it says nothing.

    A pydantic error is told by field and problem alone: its own text would repeat the rejected value,
    which may be a secret.
    """
    if isinstance(exc, ValidationError):
        problems = exc.errors(include_url=False, include_context=False, include_input=False)
        text = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or exc.title}: {problem['msg']}"
            for problem in problems
        )
    else:
        text = "; ".join(line.strip() for line in str(exc).splitlines() if line.strip())
    if isinstance(exc, Ambiguous) and exc.candidates:
        more = len(exc.candidates) - _CANDIDATES_SHOWN
        text += ". Candidates: " + "; ".join(exc.candidates[:_CANDIDATES_SHOWN])
        text += f"; and {more} more" if more > 0 else ""
    return visible(text or type(exc).__name__)


def defang(indicator: str) -> str:
    """An address, host name or URL that no program turns into a link: `8.8.8[.]8`, `hxxps://a[.]example`.

    The last dot is bracketed, of an IPv6 address its last separator (`2001:db8[:]:1`). What is defanged
    already stays as it is.
    """
    text = visible(indicator)
    if "[.]" in text or "[:]" in text:
        return text
    scheme, separator, rest = text.partition("://")
    if separator:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        shown = _defang_host(authority).replace("@", "[@]")
        return re.sub("(?i)http", "hxxp", scheme) + separator + shown + rest[len(authority) :]
    return _defang_host(text)


def _defang_host(host: str) -> str:
    before, dot, after = host.rpartition(".")
    if dot:
        return f"{before}[.]{after}"
    return re.sub(r"(?<!:):(?=:?[^:]*$)", "[:]", host, count=1)


#: Escaped wherever they stand. An underscore between two letters or digits forms no emphasis, and a
#: backslash before a letter escapes nothing (CommonMark 0.31, sections 2.4 and 6.2): paths stay readable.
_MARKDOWN_SPECIAL = re.compile(
    r"[`*\[\]<>&|~$]|\\(?=[!-/:-@\[-`{-~]| ?$)|(?<![^\W_])_|_(?![^\W_])|^[#+\-=:/]|#(?=#* ?$)|^ | $"
)
_LIST_NUMBER = re.compile(r"^(\d{1,9})([.)])(?= |$)")
#: As entities, so that a renderer that knows no backslash escapes is safe too; a table row is split at
#: pipes before anything else is read.
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;", " ": "&#32;"}


def markdown(text: str, *, limit: int = DEFAULT_LIMIT) -> str:
    """Text for one line or table cell of Markdown, in which nothing of it is markup.

    No link, image, HTML, code, table border, list, heading, emphasis or formula can form. What GFM would
    link by itself is defanged (GFM 0.29, section 6.9): `hxxp[:]//`, `www[.]`, `name[@]host`; the last also
    keeps a ticket system from notifying the person.
    """
    shown = visible(text, limit=limit)
    if "://" in shown:
        shown = re.sub(r"(?i)\bhttp(s?)://", r"hxxp\1://", shown).replace("://", "[:]//")
    shown = re.sub(r"(?i)(?<![^\W_])(www)\.", r"\1[.]", shown).replace("@", "[@]")
    return _LIST_NUMBER.sub(r"\1\\\2", _MARKDOWN_SPECIAL.sub(_markdown_escape, shown))


def _markdown_escape(match: re.Match[str]) -> str:
    return _ENTITIES.get(match[0], f"\\{match[0]}")


def code(text: str, *, limit: int = DEFAULT_LIMIT) -> str:
    """Text as Markdown inline code, for one line or table cell.

    A text with a pipe is given as escaped plain text instead: implementations differ on a backslash
    before a pipe in a table row. An empty text is named, since an empty code span does not exist.
    """
    shown = visible(text, limit=limit)
    if not shown:
        return "(empty)"
    if "|" in shown:
        return markdown(shown, limit=limit)
    fence = "`" * (_longest_run(shown) + 1)
    padded = shown[0] in "` " or shown[-1] in "` "
    return f"{fence} {shown} {fence}" if padded and shown.strip() else f"{fence}{shown}{fence}"


def fenced(lines: Iterable[str]) -> str:
    """Lines as a fenced code block; the fence is longer than any run of backticks inside."""
    shown = [visible(line, limit=4 * DEFAULT_LIMIT, keep_blanks=True) for line in lines]
    fence = "`" * max([3, *(_longest_run(line) + 1 for line in shown)])
    return "\n".join((f"{fence}text", *shown, fence))


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
