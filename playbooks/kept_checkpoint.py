"""How far notables were fetched, as the command line and the SOAR app keep it."""

from __future__ import annotations

from typing import Literal

from connectors.facts.base import Fact, Instant
from connectors.siem.splunk.settings import NotablesFrom


class KeptCheckpoint(Fact):
    """A checkpoint of one Splunk.

    Attributes:
        v: version of the file.
        base_url, notables_from: whose checkpoint it is; of another Splunk it says nothing.
        token: of the connector.
    """

    v: Literal[1] = 1
    base_url: str
    notables_from: NotablesFrom
    kept_at: Instant
    token: str
