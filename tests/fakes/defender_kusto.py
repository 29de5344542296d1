"""The part of Kusto that the Defender connector writes, run over rows in memory.

A reader of its own: what it does not know it refuses, as the vendor refuses a malformed query. Times are
texts with seven decimals, which compare as they should.
https://learn.microsoft.com/kusto/query/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

type Row = dict[str, Any]
type Table = list[Row]
type Value = Callable[[Row], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<time>datetime\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z\))"""
    r"""|(?P<number>\d+)|(?P<word>\$?[A-Za-z_][A-Za-z0-9_]*(?:-expand)?)|(?P<sign>==|=~|<=|\.\.|~|[(),|;=.*]))"""
)
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\]))')


class NotKusto(Exception):
    """The query is malformed, or more than the connector writes."""


def unquoted(token: str) -> str:
    """What a string literal stands for."""
    inner, out, at = token[1:-1], [], 0
    while at < len(inner):
        if inner[at] != "\\":
            out.append(inner[at])
            at += 1
            continue
        found = _ESCAPE.match(inner, at)
        if found is None:
            raise NotKusto(f"unknown escape in {token}")
        out.append(chr(int(found[1], 16)) if found[1] else found[2])
        at = found.end()
    return "".join(out)


def tokens_of(query: str) -> list[tuple[str, str]]:
    """Kind and text of each token."""
    found, at, query = [], 0, query.rstrip()
    while at < len(query):
        token = _TOKEN.match(query, at)
        if token is None or token.lastgroup is None:
            raise NotKusto(f"cannot be read at {query[at : at + 20]!r}")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    return found


def run(query: str, tables: Mapping[str, Table], columns: Iterable[str]) -> Table:
    """The rows of a query.

    Raises:
        NotKusto: it cannot be read, or names a table or column that is not there.
    """
    return _Query(tokens_of(query), tables, columns).run()


class _Query:
    def __init__(
        self, tokens: list[tuple[str, str]], tables: Mapping[str, Table], columns: Iterable[str]
    ) -> None:
        self._tokens = tokens
        self._at = 0
        self._tables = dict(tables)
        self._columns = set(columns)

    def run(self) -> Table:
        while self._take_if("let"):
            name = self._word()
            self._take("=")
            rows = self._tabular()
            self._take(";")
            self._tables[name] = rows
        rows = self._tabular()
        if self._at != len(self._tokens):
            raise NotKusto(f"unexpected {self._peek()!r}")
        return rows

    # --- tokens ---

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise NotKusto("the query ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, text: str) -> None:
        if self._next()[1] != text:
            raise NotKusto(f"{text!r} expected, not {self._tokens[self._at - 1][1]!r}")

    def _take_if(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] in {("word", text), ("sign", text)}:
            self._at += 1
            return True
        return False

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise NotKusto(f"a name expected, not {text!r}")
        return text

    def _number(self) -> int:
        kind, text = self._next()
        if kind != "number":
            raise NotKusto(f"a number expected, not {text!r}")
        return int(text)

    # --- tables ---

    def _tabular(self) -> Table:
        rows = self._source()
        while self._take_if("|"):
            rows = self._operator(rows)
        return rows

    def _source(self) -> Table:
        if self._take_if("("):
            rows = self._tabular()
            self._take(")")
            return rows
        if self._take_if("materialize"):
            self._take("(")
            rows = self._tabular()
            self._take(")")
            return rows
        if self._take_if("print"):
            name, value = self._item()
            return [{name: value({})}]
        if self._take_if("union"):
            rows = list(self._source())
            while self._take_if(","):
                rows += self._source()
            return rows
        return self._table(self._word())

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            raise NotKusto(f"'where' operator: Failed to resolve table expression named '{name}'")
        return self._tables[name]

    def _operator(self, rows: Table) -> Table:
        name = self._word()
        operators: dict[str, Callable[[Table], Table]] = {
            "where": self._where,
            "project": self._project,
            "extend": self._extend,
            "summarize": self._summarize,
            "top": self._top,
            "take": lambda rows: rows[: self._number()],
            "distinct": self._distinct,
            "join": self._join,
            "mv-expand": self._expand,
        }
        if name not in operators:
            raise NotKusto(f"unknown operator {name!r}")
        return operators[name](rows)

    def _where(self, rows: Table) -> Table:
        condition = self._either()
        return [row for row in rows if condition(row)]

    def _items(self) -> list[tuple[str, Value]]:
        items = [self._item()]
        while self._take_if(","):
            items.append(self._item())
        return items

    def _item(self) -> tuple[str, Value]:
        if self._tokens[self._at + 1 : self._at + 2] == [("sign", "=")]:
            name = self._word()
            self._take("=")
            value = self._value()
            self._columns.add(name)
            return name, value
        name = self._peek()
        return name, self._value()

    def _project(self, rows: Table) -> Table:
        items = self._items()
        return [{name: value(row) for name, value in items} for row in rows]

    def _extend(self, rows: Table) -> Table:
        items = self._items()
        return [{**row, **{name: value(row) for name, value in items}} for row in rows]

    def _distinct(self, rows: Table) -> Table:
        names = None if self._take_if("*") else [name for name, _ in self._items()]
        once: dict[Any, Row] = {}
        for row in rows:
            kept = row if names is None else {name: row.get(name) for name in names}
            once.setdefault(repr(sorted(kept.items())), kept)
        return list(once.values())

    def _top(self, rows: Table) -> Table:
        number = self._number()
        self._take("by")
        value = self._value()
        order = self._word()
        if order not in {"asc", "desc"}:
            raise NotKusto("top by asc or desc")
        known = sorted((row for row in rows if value(row) is not None), key=value, reverse=order == "desc")
        return [*known, *(row for row in rows if value(row) is None)][:number]

    def _join(self, rows: Table) -> Table:
        for text in ("kind", "=", "leftsemi"):
            self._take(text)
        right = self._table(self._word())
        self._take("on")
        pairs = [self._pair()]
        while self._take_if(","):
            pairs.append(self._pair())
        keys = {tuple(row.get(name) for _, name in pairs) for row in right}
        return [
            row
            for row in rows
            if (key := tuple(row.get(name) for name, _ in pairs)) in keys and None not in key
        ]

    def _pair(self) -> tuple[str, str]:
        if not self._take_if("$left"):
            name = self._column(self._word())
            return name, name
        self._take(".")
        left = self._column(self._word())
        for text in ("==", "$right", "."):
            self._take(text)
        return left, self._column(self._word())

    def _expand(self, rows: Table) -> Table:
        name, value = self._item()
        for text in ("to", "typeof", "(", "string", ")"):
            self._take(text)
        return [{**row, name: part} for row in rows for part in value(row) or []]

    def _summarize(self, rows: Table) -> Table:
        aggregates = [self._aggregate()]
        while self._take_if(","):
            aggregates.append(self._aggregate())
        self._take("by")
        by = self._items()
        groups: dict[tuple[Any, ...], Table] = {}
        for row in rows:
            groups.setdefault(tuple(value(row) for _, value in by), []).append(row)
        made = []
        for key, group in groups.items():
            row = dict(zip((name for name, _ in by), key, strict=True))
            for aggregate in aggregates:
                row |= aggregate(group)
            made.append(row)
        return made

    def _aggregate(self) -> Callable[[Table], Row]:
        name = None
        if self._tokens[self._at + 1 : self._at + 2] == [("sign", "=")]:
            name = self._word()
            self._columns.add(name)
            self._take("=")
        function = self._word()
        self._take("(")
        arguments = [] if self._peek() == ")" else [self._column(self._word())]
        while self._take_if(","):
            arguments.append(self._column(self._word()))
        self._take(")")
        if function == "count" and name and not arguments:
            return lambda group: {name: len(group)}
        if function in {"min", "max"} and name and len(arguments) == 1:
            best = min if function == "min" else max
            return lambda group: {name: best(_known(group, arguments[0]), default=None)}
        if function in {"arg_min", "arg_max"} and name is None and len(arguments) > 1:
            choose = min if function == "arg_min" else max
            first = arguments[0]
            return lambda group: {
                each: choose(group, key=lambda row: row.get(first) or "").get(each) for each in arguments
            }
        raise NotKusto(f"unknown aggregate {function!r}")

    # --- values ---

    def _either(self) -> Value:
        parts = [self._both()]
        while self._take_if("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _both(self) -> Value:
        parts = [self._comparison()]
        while self._take_if("and"):
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _comparison(self) -> Value:
        if self._take_if("("):
            inner = self._either()
            self._take(")")
            return inner
        left = self._value()
        operator = self._peek()
        if operator in {"==", "=~", "<=", "contains"}:
            self._at += 1
            return _compared(operator, left, self._value())
        if operator == "between":
            self._at += 1
            self._take("(")
            low = self._value()
            self._take("..")
            high = self._value()
            self._take(")")
            return lambda row: left(row) is not None and low(row) <= left(row) <= high(row)
        if operator == "in":
            self._at += 1
            folded = self._take_if("~")
            return self._among(left, _folded if folded else _same)
        return left

    def _among(self, left: Value, form: Callable[[Any], Any]) -> Value:
        self._take("(")
        if self._tokens[self._at][0] == "word":
            rows = self._table(self._word())
            values = {form(next(iter(row.values()))) for row in rows}
        else:
            values = {form(self._value()({}))}
            while self._take_if(","):
                values.add(form(self._value()({})))
        self._take(")")
        return lambda row: left(row) is not None and form(left(row)) in values

    def _value(self) -> Value:
        kind, text = self._next()
        if kind == "text":
            literal = unquoted(text)
            return lambda _: literal
        if kind == "number":
            number = int(text)
            return lambda _: number
        if kind == "time":
            time = text.removeprefix("datetime(").removesuffix(")")
            return lambda _: time
        if kind != "word":
            raise NotKusto(f"a value expected, not {text!r}")
        if self._take_if("("):
            return self._function(text)
        name = self._column(text)
        return lambda row: row.get(name)

    def _function(self, name: str) -> Value:
        arguments = [self._comparison()]
        while self._take_if(","):
            arguments.append(self._comparison())
        self._take(")")
        first = arguments[0]
        match name, len(arguments):
            case "isnotnull", 1:
                return lambda row: first(row) is not None
            case "isnotempty", 1:
                return lambda row: first(row) not in (None, "")
            case "iff", 3:
                return lambda row: arguments[1](row) if first(row) else arguments[2](row)
            case "split", 2:
                return lambda row: (first(row) or "").split(arguments[1](row))
            case "trim", 2:
                return lambda row: arguments[1](row).strip(first(row))
        raise NotKusto(f"unknown function {name!r}")

    def _column(self, name: str) -> str:
        if name not in self._columns:
            raise NotKusto(f"Failed to resolve scalar expression named '{name}'")
        return name


def _compared(operator: str, left: Value, right: Value) -> Value:
    match operator:
        case "==":
            return lambda row: left(row) is not None and left(row) == right(row)
        case "=~":
            return lambda row: left(row) is not None and _folded(left(row)) == _folded(right(row))
        case "<=":
            return lambda row: left(row) is not None and left(row) <= right(row)
    return lambda row: left(row) is not None and _folded(right(row)) in _folded(left(row))


def _known(group: Table, name: str) -> list[Any]:
    return [row[name] for row in group if row.get(name) is not None]


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _same(value: Any) -> Any:
    return value
