"""Lookup tables of the fake Splunk: `inputlookup append=T TABLE where FIELD="..." OR ...`.

A table that is not there refuses the search; in the condition `*` is a wildcard, and a multivalue fits where
one of its values does.
https://help.splunk.com/en/splunk-enterprise/search/spl-search-reference/10.0/search-commands/inputlookup
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tests.fakes.splunk_siem_spl import finished
from tests.fakes.splunk_spl import NotSpl, Row

_INPUT = re.compile(r"inputlookup append=T (?P<table>\w+)(?: where \((?P<terms>.*)\))?", re.DOTALL)
_TERM = re.compile(r'(\w+)="([^"\\]*)"')


def looked_up(commands: Sequence[str], tables: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The rows of a search that begins with a lookup table.

    Raises:
        NotSpl: it cannot be parsed, or there is no such table.
    """
    rows: list[Row] = []
    for command in commands:
        found = _INPUT.fullmatch(command)
        if found is None:
            rows = finished(rows, [command], texts=False)
            continue
        if found["table"] not in tables:
            raise NotSpl(
                f"The lookup table '{found['table']}' requires a .csv or KV store lookup definition."
            )
        rows += [dict(row) for row in tables[found["table"]] if _fits(row, found["terms"])]
    return finished(rows, [])


def _fits(row: Row, terms: str | None) -> bool:
    if terms is None:
        return True
    wanted = []
    for each in terms.split(" OR "):
        term = _TERM.fullmatch(each)
        if term is None:
            raise NotSpl(f"Error in 'inputlookup' command: Invalid argument: {each!r}")
        wanted.append(term.groups())
    return any(_holds(row.get(field), text) for field, text in wanted)


def _holds(value: object, text: str) -> bool:
    pattern = re.compile(re.escape(text).replace(r"\*", ".*"), re.DOTALL)
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, str) and pattern.fullmatch(each) for each in values)
