"""Settings of the Elastic Defend connector. The API key is not among them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connectors.facts.base import Fact


class ElasticSettings(Fact):
    """Where Kibana and Elasticsearch are and how far back is searched.

    Attributes:
        kibana_url: hosts and isolation. The API key needs of Elastic Security "Endpoint List" (read),
            "Response Actions History" (read) and "Host Isolation" (all); isolation a Platinum licence.
        elasticsearch_url: events. The API key needs `read` on logs-endpoint.events.*.
        space: the Kibana space; "" is the default one.
        namespace: of the data streams, as in logs-endpoint.events.process-NAMESPACE; "*" is any.
        history_days: days before a notable in which the start of a process is looked for.
        deadline_s: seconds for one question of ours, with all its calls.
    """

    kibana_url: Annotated[str, Field(min_length=1)]
    elasticsearch_url: Annotated[str, Field(min_length=1)]
    space: Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,100}$")] = ""
    namespace: Annotated[str, Field(pattern=r"^(\*|[a-z0-9_.]{1,100})$")] = "*"
    history_days: Annotated[int, Field(ge=1, le=366)] = 30
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
