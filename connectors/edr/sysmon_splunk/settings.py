"""Settings of the connector to Sysmon's events in Splunk. The token is not among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.siem.splunk.settings import SplunkPlace


class SysmonSplunkSettings(SplunkPlace):
    """Where Sysmon's events are and how far back is searched.

    The token's user needs the capability `search` and the index of the events.

    Attributes:
        history_days: days before a notable in which a host or the start of a process is looked for. A longer
            time costs little: every search but that for a host names an id.
    """

    history_days: Annotated[int, Field(ge=1, le=3660)] = 90
