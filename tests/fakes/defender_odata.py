"""The part of OData filters that the Defender connector writes, read by a reader of its own."""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z]+)|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)|(?P<sign>[(),]))"
)


class NotOData(Exception):
    """The filter is malformed, or more than the connector writes."""


def matches(filter_: str, record: dict[str, Any]) -> bool:
    """Whether a record fits; an empty filter fits all.

    Raises:
        NotOData: it cannot be read.
    """
    if not filter_:
        return True
    reader = _Reader(filter_, record)
    result = reader.either()
    if not reader.ended:
        raise NotOData(f"unexpected text in {filter_!r}")
    return result


class _Reader:
    def __init__(self, text: str, record: dict[str, Any]) -> None:
        self._tokens: list[str] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise NotOData(f"cannot be read at {text[at : at + 20]!r}")
            self._tokens.append(found[0].strip(" \t"))
            at = found.end()
        self._record = record

    @property
    def ended(self) -> bool:
        return not self._tokens

    def _next(self) -> str:
        if not self._tokens:
            raise NotOData("the filter ends too early")
        return self._tokens.pop(0)

    def _take(self, *expected: str) -> None:
        for each in expected:
            if self._next() != each:
                raise NotOData(f"{each!r} expected")

    def _text(self) -> str:
        token = self._next()
        if not token.startswith("'"):
            raise NotOData("a text expected")
        return token[1:-1].replace("''", "'")

    def either(self) -> bool:
        result = self._both()
        while self._tokens[:1] == ["or"]:
            self._next()
            result = self._both() or result
        return result

    def _both(self) -> bool:
        result = self._one()
        while self._tokens[:1] == ["and"]:
            self._next()
            result = self._one() and result
        return result

    def _one(self) -> bool:
        first = self._next()
        if first == "(":
            result = self.either()
            self._take(")")
            return result
        if first == "startswith":
            self._take("(")
            value = self._value(self._next())
            self._take(",")
            start = self._text()
            self._take(")")
            return value.startswith(start)
        value = self._value(first)
        if first == "creationDateTimeUtc":
            self._take("gt")
            return value > self._next()
        self._take("eq")
        return value == self._text()

    def _value(self, name: str) -> str:
        if name not in self._record:
            raise NotOData(f"no property {name!r}")
        return str(self._record[name])
