"""Settings of the CrowdStrike connector. The API client's secret is not among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.facts.base import Fact


class CrowdStrikeSettings(Fact):
    """Where Falcon is and how far back it is asked.

    Attributes:
        base_url: the API of the cloud region, such as https://api.eu-1.crowdstrike.com.
        client_id: the API client's id. Scopes it needs: "Hosts: read" and "Hosts: write", "NGSIEM: read" and
            "NGSIEM: write" (a search is started with a POST).
        repository: the NG-SIEM repository or view that is searched; search-all holds every event.
        history_days: days before the notable in which an ancestor's start is looked for. Falcon keeps events
            for as many days as the subscription says; more than that finds nothing.
        deadline_s: seconds for one question of ours, with all its calls.
    """

    base_url: str = "https://api.crowdstrike.com"
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")] = "search-all"
    history_days: Annotated[int, Field(ge=1, le=366)] = 30
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
