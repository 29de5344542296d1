"""Where the organisation's lists of machines and accounts are: the sections [assets] and [identities]."""

from __future__ import annotations

from pathlib import Path

from connectors.facts.base import Fact


class AssetListSettings(Fact):
    """Lists of machines, or of accounts.

    Attributes:
        file: a CSV with the columns of Enterprise Security's own table; None where there is none.
        splunk: False leaves the tables of Enterprise Security alone; they are asked where [splunk] is set.
    """

    file: Path | None = None
    splunk: bool = True
