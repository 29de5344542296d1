"""Settings of what a case writes back, apart from the code that needs the report's renderers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from actions.risk import CaseVerdict
from connectors.facts.base import Fact

type Urgency = Literal["informational", "low", "medium", "high", "critical"]


def _named(value: str) -> str:
    """A label or an id; blank would look like one that is set."""
    if not value.strip() or not value.isprintable():
        raise ValueError(
            "a label of Splunk's dispositions, or an id such as disposition:1; leave it out for none"
        )
    return value.strip()


class WriteBackSettings(Fact):
    """What is written to a notable beside the comment: the section [write_back].

    Attributes:
        status: label of the status that a notable gets which no person has touched; None leaves it.
        owner: who gets a notable that has no owner; None leaves it.
        urgency: by the case's verdict; a verdict without a row leaves it.
        disposition: label or id of the disposition that a notable gets which no person has touched, and none
            has judged, whatever the verdict; None leaves it.
        risk: whether what the case's score exceeds ESCU's by is added to the host's risk.
    """

    status: str | None = None
    owner: str | None = None
    urgency: Mapping[CaseVerdict, Urgency] = {}
    disposition: Annotated[str, Field(max_length=200), AfterValidator(_named)] | None = None
    risk: bool = True
