"""An object that may be a notable, and the bounds of an input."""

from __future__ import annotations

from typing import NamedTuple

from connectors.errors import NotableError
from connectors.facts.notable import NotableSource
from connectors.siem.notable_fields import Fields

#: Largest input, in bytes; of a compressed one, what it unpacks to.
MAX_INPUT = 8 * 1024 * 1024

#: Most notables of one input.
MAX_NOTABLES = 10_000

#: The input as a whole, as errors call it.
INPUT = "input"

#: Keys of an ES 8 finding that a notable of ES 7 has not.
_FINDING_NAMES = frozenset({"finding_id", "finding_score", "entity_type", "detection_id"})

KNOWN_SHAPES = (
    "Give an ES notable or finding, Splunk search results as JSON, CSV or XML, a webhook body or the payload"
    " of an alert action, or a SOAR container"
)


class Candidate(NamedTuple):
    """One object that may be a notable.

    Attributes:
        fields: its fields, with what the object around it adds; empty when `problem` is set.
        source: the shape it came in; None where its fields decide (notable or finding).
        raw: the object as given, such that its JSON can be read again on its own.
        preview: True for a row that Splunk sent before the search was done.
        problem: why it cannot be opened.
    """

    fields: Fields
    source: NotableSource | None
    raw: object
    preview: bool = False
    problem: NotableError | None = None

    @property
    def notable_source(self) -> NotableSource:
        """The shape, decided by the fields where the wrapping says nothing."""
        if self.source is not None:
            return self.source
        is_finding = not _FINDING_NAMES.isdisjoint(self.fields)
        return NotableSource.ES_FINDING if is_finding else NotableSource.ES_NOTABLE


class BrokenLine(NamedTuple):
    """A part of a text that cannot be read.

    Attributes:
        text: the part as it came; of a table with the names of its columns, fit to be read again.
        problem: what is wrong with it.
        field: what the problem is with.
        remedy: what to do.
    """

    text: str
    problem: str
    field: str = "line"
    remedy: str = "Give one object a line"

    @property
    def refused(self) -> Candidate:
        """The candidate that says so."""
        return refused(self, self.field, self.problem, self.remedy)


def refused(raw: object, field: str, problem: str, remedy: str = KNOWN_SHAPES) -> Candidate:
    """An object that cannot be opened."""
    return Candidate({}, None, raw, problem=NotableError(field, problem, remedy))
