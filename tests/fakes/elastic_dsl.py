"""A small part of Elasticsearch's query language and of Kibana's KQL, evaluated over documents in memory.

Written after https://www.elastic.co/docs/reference/query-languages/query-dsl and
https://www.elastic.co/docs/explore-analyze/query-filter/languages/kql. Whatever is not understood is refused,
as the vendor refuses a malformed query. Traps that are kept: `term` on a keyword compares with case unless it
is told not to; on an address it takes a range too; KQL compares with case.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

type Document = Mapping[str, Any]

_ADDRESSES = frozenset(
    {"host.ip", "source.ip", "destination.ip", "united.endpoint.host.ip", "dns.resolved_ip"}
)

#: Keywords longer than this are not indexed (ignore_above of the mappings).
_IGNORE_ABOVE = 1024


class Malformed(Exception):
    """A query that is not understood."""


def values(document: Document, field: str) -> list[Any]:
    """All values at a dotted path; arrays are flattened, as in an index."""
    found: list[Any] = [document]
    for name in field.split("."):
        found = [each[name] for each in _flat(found) if isinstance(each, Mapping) and name in each]
    return [each for each in _flat(found) if each is not None and not isinstance(each, Mapping)]


def _flat(found: Iterable[Any]) -> Iterator[Any]:
    for each in found:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each


def matches(query: Mapping[str, Any], document: Document) -> bool:
    """Whether a document fits a query.

    Raises:
        Malformed: the query is not understood.
    """
    (kind, told), *more = query.items()
    if more:
        raise Malformed("a query has one kind")
    match kind:
        case "bool":
            return _bool(told, document)
        case "term":
            return _term(told, document)
        case "terms":
            ((field, wanted),) = told.items()
            if not isinstance(wanted, list):
                raise Malformed("terms wants a list")
            return any(_same(field, each, value) for each in wanted for value in values(document, field))
        case "prefix":
            ((field, how),) = told.items()
            return any(
                str(value).lower().startswith(how["value"].lower())
                if how.get("case_insensitive")
                else str(value).startswith(how["value"])
                for value in values(document, field)
            )
        case "range":
            return _range(told, document)
        case "exists":
            return bool(values(document, told["field"]))
    raise Malformed(f"unknown query [{kind}]")


def _bool(told: Mapping[str, Any], document: Document) -> bool:
    if set(told) - {"filter", "should", "minimum_should_match"}:
        raise Malformed("[bool] with a clause that is not understood")
    # Every clause is read, so that a malformed one is refused whatever the documents are.
    filters = [matches(each, document) for each in told.get("filter", [])]
    should = [matches(each, document) for each in told.get("should", [])]
    wanted = told.get("minimum_should_match", 0 if filters else 1)
    return all(filters) and (not should or sum(should) >= wanted)


def _term(told: Mapping[str, Any], document: Document) -> bool:
    ((field, how),) = told.items()
    wanted, any_case = how["value"], how.get("case_insensitive") is True
    if set(how) - {"value", "case_insensitive"}:
        raise Malformed("[term] with an option that is not understood")
    return any(_same(field, wanted, value, any_case=any_case) for value in values(document, field))


def _same(field: str, wanted: Any, value: Any, *, any_case: bool = False) -> bool:
    if field in _ADDRESSES:
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
        except ValueError as exc:
            raise Malformed(f"'{wanted}' is not an IP string literal.") from exc
    if isinstance(value, str):
        if len(value) > _IGNORE_ABOVE:
            return False
        # Only ASCII letters are compared without case.
        return _lower(value) == _lower(str(wanted)) if any_case else value == wanted
    return bool(value == wanted)


def _lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


def _range(told: Mapping[str, Any], document: Document) -> bool:
    ((field, bounds),) = told.items()
    if set(bounds) - {"gte", "lte"}:
        raise Malformed("[range] with a bound that is not understood")
    return any(
        instant(bounds.get("gte", "1700-01-01T00:00:00Z"))
        <= instant(value)
        <= instant(bounds.get("lte", "2999-01-01T00:00:00Z"))
        for value in values(document, field)
    )


def instant(text: str) -> datetime:
    """A time, of which Elasticsearch keeps milliseconds.

    Raises:
        Malformed: it is none.
    """
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as exc:
        raise Malformed(f"failed to parse date field [{text}]") from exc
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def ordered(documents: Iterable[Document], sort: list[Mapping[str, Any]]) -> list[tuple[list[Any], Document]]:
    """Documents with their sort values, in order; the last value is the place in the index (_shard_doc)."""
    (clause,) = sort or [{"@timestamp": {"order": "asc"}}]
    ((field, how),) = clause.items()
    keyed = [
        ([int(instant(values(each, field)[0]).timestamp() * 1000), place], each)
        for place, each in enumerate(documents)
    ]
    down = how["order"] == "desc"
    return sorted(keyed, key=lambda pair: (-pair[0][0] if down else pair[0][0], pair[0][1]))


def source(document: Document, wanted: list[str] | None) -> dict[str, Any]:
    """The parts of a document that were asked for."""
    if wanted is None:
        return dict(document)
    found: dict[str, Any] = {}
    for field in wanted:
        _copy(document, found, field.split("."))
    return found


def _copy(document: Any, into: dict[str, Any], path: list[str]) -> None:
    name, *rest = path
    if not isinstance(document, Mapping) or name not in document:
        return
    if not rest:
        into[name] = document[name]
        return
    below = into.setdefault(name, {})
    _copy(document[name], below, rest)


_KQL = re.compile(
    r"\s*(?P<field>[A-Za-z@][A-Za-z0-9_.@]*)\s*:\s*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[A-Za-z0-9_.*-]+))\s*(?P<next>or\b|$)',
    re.DOTALL | re.IGNORECASE,
)


def kql(text: str) -> list[tuple[str, str, bool]]:
    """The clauses of `field: "text" or field: text*`: field, text, and whether `*` in it is a wildcard.

    Raises:
        Malformed: it is anything else.
    """
    clauses = []
    place = 0
    while True:
        found = _KQL.match(text, place)
        if found is None:
            raise Malformed("KQLSyntaxError")
        quoted = found["quoted"]
        wanted = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else found["plain"]
        clauses.append((found["field"], wanted, quoted is None))
        place = found.end()
        if not found["next"]:
            if place != len(text):
                raise Malformed("KQLSyntaxError")
            return clauses


def fits_kql(text: str, document: Document) -> bool:
    """Whether a document fits a KQL text.

    Raises:
        Malformed: the text is not understood.
    """
    return any(
        _like(wanted, _spelt(value)) if wild else _same(field, wanted, value)
        for field, wanted, wild in kql(text)
        for value in values(document, field)
    )


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _like(wanted: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), value, re.DOTALL) is not None
