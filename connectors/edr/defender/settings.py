"""Settings of the Defender connector. The application's secret is not among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.facts.base import Fact

#: Days that advanced hunting looks back; a tenant that keeps more can be asked for more (Timespan).
#: https://learn.microsoft.com/graph/api/security-security-runhuntingquery
HISTORY_DAYS = 30


class DefenderSettings(Fact):
    """Where Defender for Endpoint is and as which application it is asked.

    The two interfaces want tokens of their own: `api_audience` for `base_url`, `graph_audience` for
    `graph_url`. The defaults are those of the public cloud; a government cloud has others.

    Attributes:
        tenant_id: the directory (tenant) id or its domain.
        client_id: the application (client) id. Application permissions it needs: Machine.Read.All and
            Machine.Isolate of WindowsDefenderATP, ThreatHunting.Read.All of Microsoft Graph.
        base_url: the Defender for Endpoint API; one near the tenant, such as
        https://eu.api.security.microsoft.com,
            is faster.
        graph_url: Microsoft Graph, which runs the hunting queries.
        login_url: where tokens are issued.
        api_audience, graph_audience: whom the tokens are for.
        history_days: how far back hunting queries look.
        deadline_s: seconds for one question of ours, with all its calls.
    """

    tenant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")]
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")]
    base_url: str = "https://api.security.microsoft.com"
    graph_url: str = "https://graph.microsoft.com"
    login_url: str = "https://login.microsoftonline.com"
    api_audience: str = "https://api.securitycenter.microsoft.com"
    graph_audience: str = "https://graph.microsoft.com"
    history_days: Annotated[int, Field(ge=1, le=180)] = HISTORY_DAYS
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
