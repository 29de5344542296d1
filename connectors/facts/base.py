"""The base of every fact: frozen, closed, and explicit about where it was seen."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: An instant with an offset. Facts never hold naive times.
Instant = AwareDatetime

#: A TCP or UDP port, 0..65535.
Port = Annotated[int, Field(ge=0, le=65535)]

#: A Windows process id. Reused by the system, hence never a key on its own.
Pid = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]


class Fact(BaseModel):
    """Something that was observed, or is missing. Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SourceRef(Fact):
    """Where a fact was seen, precisely enough to find it again.

    Attributes:
        source: file (and member of an archive), search or endpoint it came from.
        record: position in it: line, record or result number, counted from 1; None if it has none.
        event_id: the Sysmon EventID or the vendor's event type, as text; "" if it has none.
    """

    source: str
    record: int | None = None
    event_id: str = ""
