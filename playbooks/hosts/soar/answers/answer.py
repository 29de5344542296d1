"""What an action's module hands to the shim."""

from __future__ import annotations

from typing import Any, NamedTuple

from connectors.errors import ResponseError
from playbooks.hosts.soar.shapes import Output


class Answer[Row: Output, Summary: Output](NamedTuple):
    """Rows, what they come to, and one sentence for a person."""

    rows: list[Row]
    summary: Summary
    message: str


class NotDone(ResponseError):
    """The action did not come to what it is for. It fails, and its rows say how far it came.

    Attributes:
        answer: rows and summary of the failed result; the message is its sentence.
    """

    def __init__(self, answer: Answer[Any, Any]) -> None:
        self.answer = answer
        super().__init__(answer.message)
