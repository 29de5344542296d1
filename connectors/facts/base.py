"""The base of every fact: frozen, closed, and explicit about where it was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: The years a time of a fact may lie in: far enough from the ends of what datetime holds (years 1 to 9999)
#: that adding or taking a tolerance, or changing the zone, cannot overflow. FILETIME zero is 1601.
EARLIEST_INSTANT = datetime(1602, 1, 1, tzinfo=UTC)
LATEST_INSTANT = datetime(9001, 1, 1, tzinfo=UTC)

#: An instant with an offset, in the years 1602 to 9000. Facts never hold naive times.
Instant = Annotated[AwareDatetime, Field(ge=EARLIEST_INSTANT, lt=LATEST_INSTANT)]

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
