"""So much of SPL as the Sysmon connector writes, run over events; anything else is refused as Splunk does.

Read from Splunk's own description of the language, not from the code that writes it:
https://help.splunk.com/splunk-enterprise/search/search-manual/10.0/search-primer (backslashes, segmentation)
https://help.splunk.com/splunk-enterprise/spl-search-reference/10.0 (eval functions, where, rex, stats, sort)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

type Row = dict[str, Any]
type Value = Callable[[Row], Any]


class NotSpl(Exception):
    """What Splunk would refuse, or what this fake does not know."""


class Event(NamedTuple):
    """One indexed event; `time` and `indexed` in seconds since 1970."""

    raw: str
    time: float
    indexed: float
    meta: Mapping[str, str]


def run(query: str, events: Iterable[Event]) -> list[Row]:
    """The rows of a search.

    Raises:
        NotSpl: it cannot be parsed.
    """
    head, *commands = pipeline(query)
    name, _, terms = head.partition(" ")
    if name != "search":
        raise NotSpl(f"Unknown search command '{name}'")
    fits = _Terms(terms).read()
    rows: list[Row] = [
        {"_raw": each.raw, "_time": each.time, "_indextime": each.indexed, **each.meta}
        for each in events
        if fits(each)
    ]
    rows.sort(key=lambda row: -row["_time"])  # events come latest first
    for command in commands:
        rows = step(command, rows)
    return [{key: _shown(value) for key, value in row.items() if value is not None} for row in rows]


def step(command: str, rows: list[Row]) -> list[Row]:
    """The rows after one command.

    Raises:
        NotSpl: it is not known, or cannot be parsed.
    """
    name, _, rest = command.partition(" ")
    run_it = _COMMANDS.get(name)
    if run_it is None:
        raise NotSpl(f"Unknown search command '{name}'.")
    return run_it(rest.strip(), rows)


def pipeline(query: str, *, macros: bool = False) -> list[str]:
    """The commands: split at pipes outside double quotes, in which a backslash takes the next character.

    Args:
        query: in SPL.
        macros: True leaves macros where they stand; False knows none.
    """
    unknown = "[]" if macros else "[]`"
    commands, current, quoted, at = [], "", False, 0
    while at < len(query):
        character = query[at]
        if quoted and character == "\\":
            current += query[at : at + 2]
            at += 2
            continue
        if character == '"':
            quoted = not quoted
        if not quoted and character in unknown:
            raise NotSpl("Error in 'SearchParser': a subsearch or macro that is not known")
        if not quoted and character == "|":
            commands.append(current.strip())
            current = ""
        else:
            current += character
        at += 1
    if quoted:
        raise NotSpl("Unbalanced quotes.")
    return [*commands, current.strip()]


def _shown(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6f}" if not value.is_integer() else str(int(value))
    return str(value) if not isinstance(value, list) else value


# --- search terms --------------------------------------------------------------------------------

_TERM = re.compile(r'\s*(?:(\()|(\))|([A-Za-z_]+)=("[^"\\]*"|[^\s()"\\]+)|"([^"\\]*)"|(OR)\b)')


class _Terms:
    """Terms side by side are all needed; OR binds tighter, as Splunk has it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Callable[[Event], bool]:
        fits = self._all()
        if self._text[self._at :].strip():
            raise NotSpl(f"Error in 'search' command: {self._text[self._at :]!r}")
        return fits

    def _peek(self) -> re.Match[str] | None:
        return _TERM.match(self._text, self._at)

    def _all(self) -> Callable[[Event], bool]:
        parts = []
        while (found := self._peek()) and not found[2]:
            parts.append(self._any())
        if not parts:
            raise NotSpl("Error in 'search' command: no terms")
        return lambda event: all(part(event) for part in parts)

    def _any(self) -> Callable[[Event], bool]:
        parts = [self._one()]
        while (found := self._peek()) and found[6]:
            self._at = found.end()
            parts.append(self._one())
        return lambda event: any(part(event) for part in parts)

    def _one(self) -> Callable[[Event], bool]:
        found = self._peek()
        if found is None or found[2] or found[6]:
            raise NotSpl(f"Error in 'search' command: {self._text[self._at :]!r}")
        self._at = found.end()
        if found[1]:
            inner = self._all()
            closing = self._peek()
            if closing is None or not closing[2]:
                raise NotSpl("Error in 'search' command: unbalanced parentheses")
            self._at = closing.end()
            return inner
        if found[3]:
            pattern = re.escape(found[4].strip('"')).replace(r"\*", ".*")
            field, whole = found[3], re.compile(pattern, re.IGNORECASE | re.DOTALL)
            return lambda event: bool(whole.fullmatch(event.meta.get(field, "")))
        pattern = re.escape(found[5]).replace(r"\*", r"[^\s]*")
        phrase = re.compile(rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])", re.IGNORECASE)
        return lambda event: bool(phrase.search(event.raw))


# --- expressions of eval and where ---------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(<=|>=|!=|[=<>+*/%(),-]))""",
    re.DOTALL,
)


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotSpl(f"Error in 'eval' command: {text[at:]!r} is malformed")
        at = match.end()
        string, field, number, word, sign = match.groups()
        if string is not None:
            found.append(("text", re.sub(r"\\([\\\"])", r"\1", string)))
        elif field is not None:
            found.append(("field", field))
        elif number is not None:
            found.append(("number", float(number)))
        elif word is not None:
            found.append(("word", word))
        else:
            found.append(("sign", sign))
    return found


def _floor(value: Any) -> Any:
    return None if value is None else float(math.floor(value))


def _number(value: Any, base: Any = 10.0) -> Any:
    try:
        return None if value is None else float(int(value, int(base)))
    except ValueError:
        return None


def _cidrmatch(subnets: Any, ip: Any) -> Any:
    """Of a multivalue those ranges that hold the address; None where none does."""
    given = subnets if isinstance(subnets, list) else [] if subnets is None else [subnets]
    return [each for each in given if ip_address(ip) in ip_network(each, strict=False)] or None


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cidrmatch": _cidrmatch,
    "mvfilter": lambda value: value,
    "isnotnull": lambda value: value is not None,
    "lower": lambda value: None if value is None else str(value).lower(),
    "upper": lambda value: None if value is None else str(value).upper(),
    "in": lambda value, *wanted: value is not None and value in wanted,
    "isnull": lambda value: value is None,
    "coalesce": lambda *values: next((each for each in values if each is not None), None),
    "case": lambda *values: next((values[n + 1] for n in range(0, len(values), 2) if values[n]), None),
    "if": lambda test, yes, no: yes if test else no,
    "floor": _floor,
    "tonumber": _number,
}

_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<=": lambda a, b: bool(a <= b),
    ">=": lambda a, b: bool(a >= b),
    "<": lambda a, b: bool(a < b),
    ">": lambda a, b: bool(a > b),
}

_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
}


class _Expression:
    def __init__(self, tokens: list[tuple[str, Any]]) -> None:
        self._tokens = tokens
        self._at = 0

    def whole(self) -> Value:
        value = self._or()
        if self._at != len(self._tokens):
            raise NotSpl("Error in 'where' command: the expression is malformed")
        return value

    def _next(self) -> tuple[str, Any]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, kind: str, *texts: str) -> str:
        found = self._next()
        if found[0] == kind and (not texts or found[1] in texts):
            self._at += 1
            return str(found[1])
        return ""

    def _or(self) -> Value:
        parts = [self._and()]
        while self._take("word", "OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _and(self) -> Value:
        parts = [self._compared()]
        while self._take("word", "AND"):
            parts.append(self._compared())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _compared(self) -> Value:
        one = self._summed(("+", "-"))
        sign = self._take("sign", *_COMPARED)
        if not sign:
            return one
        other, compare = self._summed(("+", "-")), _COMPARED[sign]

        def test(row: Row) -> bool:
            a, b = one(row), other(row)
            return a is not None and b is not None and compare(a, b)

        return test

    def _summed(self, signs: tuple[str, ...]) -> Value:
        def part() -> Value:
            return self._summed(("*", "/", "%")) if signs == ("+", "-") else self._one()

        value = part()
        while sign := self._take("sign", *signs):
            value = _calculated(_ARITHMETIC[sign], value, part())
        return value

    def _one(self) -> Value:
        kind, text = self._next()
        self._at += 1
        if kind in {"text", "number"}:
            return lambda _: text
        if kind == "field":
            return lambda row: row.get(text)
        if (kind, text) == ("sign", "("):
            value = self._or()
            self._closed()
            return value
        if kind == "word" and self._take("sign", "("):
            if text not in _FUNCTIONS:
                raise NotSpl(f"Error in 'eval' command: The '{text}' function is unsupported or undefined.")
            values = [self._or()]
            while self._take("sign", ","):
                values.append(self._or())
            self._closed()
            function = _FUNCTIONS[text]
            return lambda row: function(*(each(row) for each in values))
        if kind == "word" and text not in {"AND", "OR", "NOT"}:
            return lambda row: row.get(text)
        raise NotSpl("Error in 'eval' command: the expression is malformed")

    def _closed(self) -> None:
        if not self._take("sign", ")"):
            raise NotSpl("Error in 'eval' command: unbalanced parentheses")


def _calculated(do: Callable[[float, float], float], one: Value, other: Value) -> Value:
    def value(row: Row) -> float | None:
        a, b = one(row), other(row)
        return None if a is None or b is None else do(a, b)

    return value


# --- commands ------------------------------------------------------------------------------------

_REX = re.compile(r'field=(\w+) "([^"\\]+)"')
_STAT = re.compile(r"(min|max)\((\w+)\) as (\w+)|(count)")


def _rex(text: str, rows: list[Row]) -> list[Row]:
    found = _REX.fullmatch(text)
    if found is None:
        raise NotSpl("Error in 'rex' command")
    pattern = re.compile(found[2].replace("(?<rr_", "(?P<rr_"))
    for row in rows:
        if match := pattern.search(str(row.get(found[1], ""))):
            row.update(match.groupdict())
    return rows


def _eval(text: str, rows: list[Row]) -> list[Row]:
    tokens = _tokens(text)
    groups: list[list[tuple[str, Any]]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token[1], 0) if token[0] == "sign" else 0
        if token == ("sign", ",") and depth == 0:
            groups.append([])
        else:
            groups[-1].append(token)
    for group in groups:
        if len(group) < 3 or group[0][0] != "word" or group[1] != ("sign", "="):
            raise NotSpl("Error in 'eval' command: an assignment is needed")
        value = _Expression(group[2:]).whole()
        for row in rows:
            row[group[0][1]] = value(row)
    return rows


def _where(text: str, rows: list[Row]) -> list[Row]:
    test = _Expression(_tokens(text)).whole()
    return [row for row in rows if test(row)]


def _sortable(value: Any) -> tuple[int, float, str]:
    try:
        return (0, float(value), "")
    except (TypeError, ValueError):
        return (1, 0.0, str(value))


def _sort(text: str, rows: list[Row]) -> list[Row]:
    limit, _, keys = text.partition(" ")
    if limit != "0":  # without it Splunk keeps 10,000
        raise NotSpl("sort without a 0 in front drops rows")
    for key in reversed([each.strip() for each in keys.split(",")]):
        rows = sorted(rows, key=lambda row: _sortable(row.get(key.lstrip("-"))), reverse=key.startswith("-"))
    return rows


def _head(text: str, rows: list[Row]) -> list[Row]:
    return rows[: int(text)]


def _table(text: str, rows: list[Row]) -> list[Row]:
    fields = [each.strip() for each in text.split(",")]
    return [{field: row.get(field) for field in fields} for row in rows]


def _streamstats(text: str, rows: list[Row]) -> list[Row]:
    found = re.fullmatch(r"count as (\w+) by (\w+)", text)
    if found is None:
        raise NotSpl("Error in 'streamstats' command")
    counts: dict[Any, float] = {}
    for row in rows:
        key = row.get(found[2])
        counts[key] = counts.get(key, 0.0) + 1
        row[found[1]] = counts[key]
    return rows


def _dedup(text: str, rows: list[Row]) -> list[Row]:
    keys = text.split()
    if not keys or not all(re.fullmatch(r"\w+", each) and not each.isdecimal() for each in keys):
        raise NotSpl("Error in 'dedup' command")
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        key = tuple(row.get(each) for each in keys)
        if None not in key:  # without keepempty what lacks a field is dropped
            kept.setdefault(key, row)
    return list(kept.values())


def _stats(text: str, rows: list[Row]) -> list[Row]:
    asked, _, by = text.partition(" by ")
    keys = [each.strip() for each in by.split(",")]
    stats = [_STAT.fullmatch(each.strip()) for each in asked.split(",")]
    if not by or not all(stats):
        raise NotSpl("Error in 'stats' command")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row.get(each) for each in keys)
        if None not in key:  # stats drops what lacks a by-field
            groups.setdefault(key, []).append(row)
    answer = []
    for key, members in sorted(groups.items()):
        row = dict(zip(keys, key, strict=True))
        for stat in stats:
            if stat is not None and stat[4]:
                row["count"] = len(members)
            elif stat is not None:
                values = [each[stat[2]] for each in members if each.get(stat[2]) is not None]
                row[stat[3]] = (min if stat[1] == "min" else max)(values)
        answer.append(row)
    return answer


_COMMANDS: dict[str, Callable[[str, list[Row]], list[Row]]] = {
    "rex": _rex,
    "eval": _eval,
    "where": _where,
    "sort": _sort,
    "head": _head,
    "table": _table,
    "stats": _stats,
    "streamstats": _streamstats,
    "dedup": _dedup,
}
