"""What an action's module hands to the shim."""

from __future__ import annotations

from typing import NamedTuple

from playbooks.hosts.soar.shapes import Output


class Answer[Row: Output, Summary: Output](NamedTuple):
    """Rows, what they come to, and one sentence for a person."""

    rows: list[Row]
    summary: Summary
    message: str
