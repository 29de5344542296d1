"""Reads the filters that the connector writes: `field:'text'`, joined by commas (any of them).

Values are compared with their case. https://developer.crowdstrike.com/api-reference/falcon-query-language/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TERM = re.compile(r"([a-z_]+):'((?:[^'\\]|\\.)*)'(,|$)", re.DOTALL)


def matches(wanted: str, record: Mapping[str, Any]) -> bool:
    """Whether a record is among those of a filter."""
    position = 0
    found = False
    while position < len(wanted):
        term = _TERM.match(wanted, position)
        assert term is not None, f"not FQL at {position}: {wanted[:200]!r}"
        value = re.sub(r"\\(.)", r"\1", term[2], flags=re.DOTALL)
        found = found or record.get(term[1]) == value
        position = term.end()
    return found
