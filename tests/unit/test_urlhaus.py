"""URLhaus: malware URLs on the address, online or not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.errors import AuthRejected, BadResponse
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceAnswer, SourceStatus
from connectors.reputation.urlhaus import read_urlhaus
from tests.fakes.reputation_servers import IP

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def url(status: str = "offline", **changes: object) -> dict[str, object]:
    return {"url_status": status, "date_added": "2025-12-01 00:00:00 UTC", **changes}


def read(*urls: object, **changes: object) -> SourceAnswer:
    body = {"query_status": "ok", "url_count": str(len(urls)), "urls": list(urls), **changes}
    (answer,) = read_urlhaus(body, IP, NOW)
    return answer


def test_online_is_seen_now_and_offline_when_it_was_added() -> None:
    online = read(url("online"), url())
    assert (online.leaning, online.last_seen) == (Leaning.MALICIOUS, NOW)
    assert online.detail == "2 URLs gave out malware; 1 of 2 read are online now"
    offline = read(url(), url("unknown", date_added="2025-12-02 00:00:00 UTC"))
    assert (offline.leaning, offline.last_seen) == (Leaning.SUSPICIOUS, datetime(2025, 12, 2, tzinfo=UTC))
    assert offline.direction is EvidenceDirection.OUTBOUND
    assert offline.lineage == "abuse.ch"


def test_a_hostile_entry_does_not_silence_the_others() -> None:
    assert read(url("online"), 5, url(date_added=[])).leaning is Leaning.MALICIOUS


def test_none_is_not_found() -> None:
    assert read(url_count="0").status is SourceStatus.NOT_FOUND
    (missing,) = read_urlhaus({"query_status": "no_results"}, IP, NOW)
    assert missing.status is SourceStatus.NOT_FOUND


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query_status": "invalid_host"},
        {"query_status": "ok", "url_count": "many"},
        {"query_status": "ok", "url_count": 3, "urls": [1]},
        {"query_status": "ok", "urls": {}},
    ],
)
def test_bad_answers(body: object) -> None:
    with pytest.raises(BadResponse):
        read_urlhaus(body, IP, NOW)


def test_an_unknown_key() -> None:
    with pytest.raises(AuthRejected):
        read_urlhaus({"query_status": "unknown_auth_key"}, IP, NOW)
