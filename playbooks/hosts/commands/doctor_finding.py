"""One thing that `doctor` checked, and what it is about."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact
from connectors.facts.health import HealthState


class Area(StrEnum):
    """What a finding is about."""

    SETTINGS = "settings"
    FOLDER = "folder"
    ONLINE = "online source"
    OFFLINE = "list on this machine"
    EDR = "EDR"
    SIEM = "SIEM"
    ISOLATION = "isolation"
    ASSETS = "asset list"


class Finding(Fact):
    """One thing that was checked.

    Attributes:
        name: short, such as the name of a source.
        detail: what works, what is missing, or what fails.
        remedy: what to do about a failure, or about what is missing; "" when the detail says it all.
    """

    area: Area
    name: str
    state: HealthState
    detail: str
    remedy: str = ""
