"""Reads the searches that the connector writes and runs them over events; anything else is not CQL here.

Written for itself: its quotes are read by rules of its own, so that a mistake in writing them shows.
Syntax: https://library.humio.com/data-analysis/syntax.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

type Event = Mapping[str, Any]
type Stage = Callable[[list[Event]], list[Event]]

_TOKEN = re.compile(
    r"\s*(?:"
    r'(?P<text>"(?:[^"\\]|\\.)*")'
    r"|(?P<regex>/(?:[^/\\\n]|\\.)+/[a-z]*)"
    r"|(?P<number>[0-9]+(?![\w.]))"
    r"|(?P<name>[#@]?[A-Za-z_][\w.]*)"
    r"|(?P<absent>!=\*)"
    r"|(?P<sign>[=|()\[\],])"
    r")"
)

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class NotCql(Exception):
    """The search is not one that is understood."""


class Token(NamedTuple):
    kind: str
    text: str


def run(search: str, events: Sequence[Event]) -> list[Event]:
    """The rows of a search.

    Raises:
        NotCql: it is not understood.
    """
    rows: list[Event] = list(events)
    reader = _Reader(_tokens(search))
    while True:
        rows = reader.stage()(rows)
        if reader.at_end():
            return rows
        reader.expect("|")


def unquoted(text: str) -> str:
    """What a quoted text stands for."""
    assert text[0] == text[-1] == '"'
    found: list[str] = []
    rest = iter(text[1:-1])
    for each in rest:
        if each != "\\":
            found.append(each)
            continue
        escaped = next(rest)
        if escaped == "u":
            found.append(chr(int("".join(next(rest) for _ in range(4)), 16)))
        else:
            found.append(_ESCAPES.get(escaped, escaped))
    return "".join(found)


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression between slashes, with flags."""
    body, _, flags = text[1:].rpartition("/")
    body = re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: re.escape(chr(int(found[1], 16))), body)
    return re.compile(body, re.IGNORECASE if "i" in flags else 0)


def _tokens(search: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    text = search.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise NotCql(f"at {position}")
        found.append(Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def at_end(self) -> bool:
        return self._next >= len(self._tokens)

    def peek(self) -> Token:
        return self._tokens[self._next] if not self.at_end() else Token("end", "")

    def take(self, kind: str) -> str:
        token = self.peek()
        if token.kind != kind:
            raise NotCql(f"{token.text!r} where a {kind} is wanted")
        self._next += 1
        return token.text

    def expect(self, sign: str) -> None:
        if self.take("sign") != sign:
            raise NotCql(f"{sign} is wanted")

    def stage(self) -> Stage:
        token = self.peek()
        functions: dict[str, Callable[[], Stage]] = {
            "head": self._head,
            "tail": self._tail,
            "select": self._select,
            "groupBy": self._group,
        }
        if token.text in functions and self._calls():
            self.take("name")
            self.expect("(")
            stage = functions[token.text]()
            self.expect(")")
            return stage
        test = self._any()
        return lambda events: [each for each in events if test(each)]

    def _calls(self) -> bool:
        following = self._tokens[self._next + 1 : self._next + 2]
        return following == [Token("sign", "(")]

    def _head(self) -> Stage:
        number = int(self.take("number"))
        return lambda events: sorted(events, key=_time)[:number]

    def _tail(self) -> Stage:
        number = int(self.take("number"))
        return lambda events: sorted(events, key=_time)[-number:]

    def _select(self) -> Stage:
        kept = self._names()
        return lambda events: [{name: each[name] for name in kept if name in each} for each in events]

    def _group(self) -> Stage:
        names = self._names()
        if len(names) != 1:
            raise NotCql("one field only")
        self.expect(",")
        self._argument("limit")
        limit = int(self.take("number"))

        def grouped(events: list[Event]) -> list[Event]:
            counts: dict[str, int] = {}
            for each in events:
                if names[0] in each:
                    counts[each[names[0]]] = counts.get(each[names[0]], 0) + 1
            rows: list[Event] = [{names[0]: key, "_count": str(count)} for key, count in counts.items()]
            return rows[:limit]

        return grouped

    def _names(self) -> list[str]:
        self.expect("[")
        found = [self.take("name")]
        while self.peek() == Token("sign", ","):
            self.expect(",")
            found.append(self.take("name"))
        self.expect("]")
        return found

    def _argument(self, name: str) -> None:
        if self.take("name") != name:
            raise NotCql(f"the argument {name} is wanted")
        self.expect("=")

    def _any(self) -> Callable[[Event], bool]:
        tests = [self._all()]
        while self.peek() == Token("name", "or"):
            self.take("name")
            tests.append(self._all())
        return lambda event: any(test(event) for test in tests)

    def _all(self) -> Callable[[Event], bool]:
        tests = [self._one()]
        while (self.peek().kind == "name" and self.peek().text != "or") or self.peek() == Token("sign", "("):
            tests.append(self._one())
        return lambda event: all(test(event) for test in tests)

    def _one(self) -> Callable[[Event], bool]:
        if self.peek() == Token("sign", "("):
            self.expect("(")
            test = self._any()
            self.expect(")")
            return test
        name = self.take("name")
        if name == "in":
            return self._in()
        if self.peek().kind == "absent":
            self.take("absent")
            return lambda event: name not in event
        self.expect("=")
        kind = self.peek().kind
        if kind == "regex":
            wanted = pattern(self.take("regex"))
            return lambda event: wanted.search(str(event.get(name, ""))) is not None
        text = unquoted(self.take("text"))
        return lambda event: event.get(name) == text

    def _in(self) -> Callable[[Event], bool]:
        self.expect("(")
        self._argument("field")
        name = self.take("name")
        self.expect(",")
        self._argument("values")
        self.expect("[")
        values = {unquoted(self.take("text"))}
        while self.peek() == Token("sign", ","):
            self.expect(",")
            values.add(unquoted(self.take("text")))
        self.expect("]")
        self.expect(")")
        return lambda event: event.get(name) in values


def _time(event: Event) -> float:
    return float(event.get("@timestamp", 0))
