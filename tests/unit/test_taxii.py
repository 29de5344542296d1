"""TAXII: pages, bounds, versions and validity of indicators."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from connectors.errors import BadResponse, ConnectorError, TimedOut, Transient
from connectors.facts.reputation import EvidenceDirection, Leaning, Reliability, SourceAnswer, SourceStatus
from connectors.http.call import Call, Reply
from connectors.http.deadline import Deadline
from connectors.reputation import taxii_pages
from connectors.reputation.stix_indicators import build_index
from connectors.reputation.taxii import CACHE_S, Taxii
from tests.fakes.reputation_servers import IDENTITY, IP, IP6, OTHER_IP, indicator

NOW = datetime(2026, 1, 3, tzinfo=UTC)
URL = "https://taxii.example.org/api/collections/1/"
ABOUT_IP = f"[ipv4-addr:value = '{IP}']"


class Pages:
    """A client that gives the next page, or raises the next error."""

    def __init__(self, *pages: object, header: str = "") -> None:
        self._pages = list(pages)
        self._headers = {"x-taxii-date-added-last": header} if header else {}
        self.calls: list[Call] = []

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        self.calls.append(call)
        page = self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]
        if isinstance(page, ConnectorError):
            raise page
        return Reply(200, self._headers, json.dumps(page).encode(), NOW, False, False)


def page(*objects: object, **changes: object) -> dict[str, object]:
    return {"objects": list(objects), **changes}


def look(http: Pages, ip: str = IP, **changes: object) -> tuple[SourceAnswer, ...]:
    source = Taxii(http, None, base_url=URL, clock=lambda: NOW, **changes)  # type: ignore[arg-type]  # kinds vary
    return source.lookup(ip, deadline_s=5.0)


def covering(objects: Iterable[object], ip: str = IP) -> tuple[SourceAnswer, ...]:
    return look(Pages(page(*objects)), ip)


def test_an_indicator_by_a_named_author() -> None:
    (answer,) = covering([indicator(1, ABOUT_IP), IDENTITY])
    assert answer.leaning is Leaning.MALICIOUS
    assert (answer.lineage, answer.direction) == ("example cert", EvidenceDirection.CONTEXT)
    assert answer.last_seen == datetime(2026, 1, 2, tzinfo=UTC)
    assert answer.detail == "1 indicator, 1 valid now"


def test_an_author_without_a_name_is_known_by_its_id_and_a_feed_by_its_maker() -> None:
    (unnamed,) = covering([indicator(1, ABOUT_IP)])
    assert unnamed.lineage.startswith("identity--")
    (fed,) = covering([indicator(1, ABOUT_IP, name="ThreatFox: Remcos")])
    assert fed.lineage == "abuse.ch"
    (nobody,) = covering([indicator(1, ABOUT_IP, created_by_ref=None)])
    assert nobody.lineage == ""


def test_the_settings_say_direction_and_grade_where_the_indicator_does_not() -> None:
    phases = [{"kill_chain_name": "x", "phase_name": "reconnaissance"}]
    objects = [indicator(1, ABOUT_IP), indicator(2, ABOUT_IP, kill_chain_phases=phases)]
    answers = look(Pages(page(*objects)), direction=EvidenceDirection.OUTBOUND, reliability=Reliability.A)
    assert [answer.direction for answer in answers] == [
        EvidenceDirection.INBOUND,
        EvidenceDirection.OUTBOUND,
    ]
    assert {answer.reliability for answer in answers} == {Reliability.A}


@pytest.mark.parametrize(
    ("changes", "leaning"),
    [
        ({"confidence": 30}, Leaning.MALICIOUS),
        ({"confidence": 29}, Leaning.SUSPICIOUS),
        ({"indicator_types": ["anomalous-activity"]}, Leaning.SUSPICIOUS),
        ({"indicator_types": ["benign"]}, Leaning.HARMLESS),
        ({"indicator_types": None}, Leaning.MALICIOUS),
        ({"valid_until": "2026-01-03T00:00:00Z"}, Leaning.NONE),
        ({"valid_until": "2026-01-03T00:00:01Z"}, Leaning.MALICIOUS),
        ({"valid_from": "2026-02-01T00:00:00Z"}, Leaning.NONE),
    ],
)
def test_leanings(changes: dict[str, object], leaning: Leaning) -> None:
    (answer,) = covering([indicator(1, ABOUT_IP, **changes)])
    assert answer.status is SourceStatus.OK
    assert answer.leaning is leaning


@pytest.mark.parametrize("reverse", [False, True])
def test_the_latest_version_counts_in_any_order(*, reverse: bool) -> None:
    objects = [
        indicator(1, ABOUT_IP),
        indicator(1, ABOUT_IP, modified="2026-01-02T12:00:00.000Z", revoked=True),
        indicator(2, f"[ipv4-addr:value = '{OTHER_IP}']"),
        indicator(2, ABOUT_IP, modified="2026-01-02T12:00:00.000Z"),
    ]
    (answer,) = covering(reversed(objects) if reverse else objects)
    assert answer.detail == "1 indicator, 1 valid now"


def test_what_is_not_evaluated_is_counted() -> None:
    objects = [
        indicator(1, "[file:name = 'x']"),
        indicator(2, "rule x {}", pattern_type="yara"),
        indicator(3, ABOUT_IP, confidence=10**30),
        indicator(4, ABOUT_IP, modified="9999-01-01T00:00:00Z"),
        "x",
        {"type": 5},
        {"type": "malware", "id": "malware--1"},
        indicator(5, "[ipv6-addr:value ISSUBSET '2001:db8::/32']"),
    ]
    index = build_index("taxii", objects, now=NOW)
    assert (index.indicators, index.not_evaluated) == (1, 6)
    (answer,) = covering(objects, IP6)
    assert answer.detail == "1 indicator, 1 valid now; 6 not evaluated"


def test_all_pages_are_read() -> None:
    http = Pages(page(more=True, next="t1"), page(indicator(1, ABOUT_IP), more=True, next="t2"), page())
    assert look(http)[0].status is SourceStatus.OK
    assert [call.params.get("next") for call in http.calls] == [None, "t1", "t2"]
    assert {call.url for call in http.calls} == {f"{URL}objects/"}
    assert all(call.cache_s == CACHE_S for call in http.calls)


def test_without_a_token_the_reading_goes_on_by_date() -> None:
    http = Pages(page(more=True), page(), header="2026-01-01T00:00:00.000Z")
    assert look(http)[0].status is SourceStatus.NOT_FOUND
    assert http.calls[1].params["added_after"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("again", [page(more=True, next="t1"), page(more=True)])
def test_a_server_that_never_ends_is_left(again: dict[str, object]) -> None:
    (answer,) = look(Pages(page(more=True, next="t1"), again))
    assert answer.status is SourceStatus.ERROR
    assert "the server names no page after 2 pages" in answer.detail


def test_the_bounds_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxii_pages, "MAX_PAGES", 2)
    pages = [page(indicator(n, ABOUT_IP), more=True, next=f"t{n}") for n in (1, 2, 3)]
    (answer,) = look(Pages(*pages))
    assert answer.status is SourceStatus.OK
    assert answer.detail == ("2 indicators, 2 valid now; only the first 2 pages of the collection were read")
    (other,) = look(Pages(*pages), OTHER_IP)
    assert other.status is SourceStatus.ERROR


def test_the_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxii_pages, "MAX_BYTES", 10)
    http = Pages(page(more=True, next="t1"), page(more=True, next="t2"))
    look(http)
    assert len(http.calls) == 1


def test_a_reading_that_fails_half_way_still_convicts_but_never_clears() -> None:
    first = page(indicator(1, ABOUT_IP), more=True, next="t1")
    (found,) = look(Pages(first, TimedOut("taxii", "no time")))
    assert (found.status, found.leaning) == (SourceStatus.OK, Leaning.MALICIOUS)
    assert "the reading ended after 1 page" in found.detail
    assert look(Pages(first, TimedOut("taxii", "no time")), OTHER_IP)[0].status is SourceStatus.TIMEOUT
    assert look(Pages(first, Transient("taxii", "down")), OTHER_IP)[0].status is SourceStatus.ERROR
    assert look(Pages(TimedOut("taxii", "no time")))[0].status is SourceStatus.TIMEOUT


def test_a_collection_is_read_once_for_many_addresses_until_it_expires() -> None:
    http = Pages(page(indicator(1, ABOUT_IP)))
    now = [NOW]
    source = Taxii(http, None, base_url=URL, clock=lambda: now[0])
    for _ in range(3):
        source.lookup(OTHER_IP, deadline_s=1.0)
    assert len(http.calls) == 1
    now[0] += timedelta(seconds=CACHE_S + 1)
    source.lookup(OTHER_IP, deadline_s=1.0)
    assert len(http.calls) == 2


@pytest.mark.parametrize(
    ("key", "header"),
    [(None, None), ("user:pass", "Basic dXNlcjpwYXNz"), ("token", "Bearer token")],
)
def test_authorization(key: str | None, header: str | None) -> None:
    http = Pages(page())
    Taxii(http, SecretStr(key) if key else None, base_url=URL).lookup(IP, deadline_s=1.0)
    sent = http.calls[0].secret_headers.get("Authorization")
    assert (sent.get_secret_value() if sent else None) == header


def test_the_address_never_leaves() -> None:
    http = Pages(page())
    look(http)
    assert IP not in repr(http.calls)


@pytest.mark.parametrize("envelope", [{"objects": {}}, {"more": "yes"}, [], {"more": True, "next": 5}])
def test_bad_envelopes(envelope: object) -> None:
    with pytest.raises(BadResponse):
        taxii_pages.page_of(Reply(200, {}, json.dumps(envelope).encode(), NOW, False, False))


def test_an_account_that_may_not_read() -> None:
    health = Taxii(Pages({"can_read": False}), None, base_url=URL).check()
    assert health.state == "failed"
    assert "may not read" in health.detail
