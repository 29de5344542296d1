"""What every online source keeps to: whatever the vendor does, a look-up ends in a status."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.clock import utc_now
from connectors.facts.health import HealthState
from connectors.facts.reputation import Leaning, SourceAnswer, SourceStatus
from connectors.http.client import Http
from connectors.http.settings import HttpSettings
from connectors.ports import ReputationSource
from connectors.reputation.answering import MAX_DETAIL
from tests.fakes.http_server import Answer
from tests.fakes.reputation_servers import IP, IP6, KEY, OTHER_IP, VENDORS, Vendor, VendorServer, as_answer

DEADLINE_S = 20.0

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


class Asked:
    """One source with its server and its client."""

    def __init__(self, vendor: Vendor, server: VendorServer, http: Http, source: ReputationSource) -> None:
        self.vendor = vendor
        self.server = server
        self.http = http
        self.source = source

    def one(self, ip: str = IP, *, deadline_s: float = DEADLINE_S, fresh: bool = False) -> SourceAnswer:
        answers = self.source.lookup(ip, deadline_s=deadline_s, fresh=fresh)
        assert len(answers) == 1
        (answer,) = answers
        assert answer.source == self.source.info.name
        assert answer.ip == ip
        assert answer.took_ms is not None
        assert 0 < len(answer.detail) <= MAX_DETAIL
        return answer


class MovableClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@contextmanager
def asked(
    vendor: Vendor,
    *scripted: Answer,
    key: str | None = "",
    folder: Path | None = None,
    clock: MovableClock | None = None,
) -> Iterator[Asked]:
    http = Http(HttpSettings(), folder=folder, sleep=lambda _: None, clock=clock or utc_now)
    secret = None if key is None else SecretStr(key or vendor.key)
    try:
        with VendorServer(vendor, *scripted) as server:
            yield Asked(vendor, server, http, vendor.make(http, secret, server.url))
    finally:
        http.close()


def about(vendor: Vendor, ip: str) -> Answer:
    """The vendor's answer to a look-up that finds something, about any address."""
    return as_answer(json.loads(json.dumps(vendor.found).replace(IP, ip)))


@every_vendor
def test_an_answer_about_another_address_counts_for_nothing(vendor: Vendor) -> None:
    with asked(vendor, *[about(vendor, "203.0.113.9")] * 3) as it:
        answer = it.one()
    assert answer.status in {SourceStatus.ERROR, SourceStatus.NOT_FOUND}
    assert answer.leaning is Leaning.NONE


@every_vendor
def test_found(vendor: Vendor) -> None:
    with asked(vendor) as it:
        answer = it.one()
    assert answer.status is SourceStatus.OK
    assert answer.leaning is vendor.leaning
    assert answer.last_seen is not None
    assert answer.retrieved_at is not None
    assert answer.last_seen <= answer.retrieved_at
    assert IP in answer.evidence_url or not answer.evidence_url


@every_vendor
def test_not_found(vendor: Vendor) -> None:
    with asked(vendor) as it:
        answer = it.one(OTHER_IP)
    assert answer.status is SourceStatus.NOT_FOUND
    assert answer.leaning == "none"
    assert answer.lineage == ""


@every_vendor
def test_a_wrong_key_is_sent_once(vendor: Vendor) -> None:
    with asked(vendor, key="another-key-entirely") as it:
        first, second = it.one(IP), it.one(OTHER_IP)
        assert (first.status, second.status) == (SourceStatus.AUTH, SourceStatus.AUTH)
        assert second.detail.startswith("not asked again with this key: ")
        assert len(it.server.seen) == 1


@every_vendor
def test_ipv6(vendor: Vendor) -> None:
    with asked(vendor, about(vendor, IP6)) as it:
        answer = it.one(IP6)
        sent = len(it.server.seen)
    assert answer.status is vendor.ipv6
    if answer.status is SourceStatus.ERROR:
        assert answer.detail.startswith("not asked: ")
        assert sent == 0


@every_vendor
@pytest.mark.parametrize("status", [401, 403])
def test_a_bad_key(vendor: Vendor, status: int) -> None:
    with asked(vendor, as_answer({"error": f"no such key: {KEY}"}, status)) as it:
        assert it.one().status is SourceStatus.AUTH


@every_vendor
def test_a_wrong_key_is_refused_by_the_server(vendor: Vendor) -> None:
    with asked(vendor, key="another-key-entirely") as it:
        assert it.one().status is SourceStatus.AUTH
        assert it.source.check().state is HealthState.FAILED


def _retry_after() -> dict[str, dict[str, str]]:
    later = utc_now() + timedelta(minutes=30)
    return {
        "seconds": {"Retry-After": "1800"},
        "date": {"Retry-After": later.strftime("%a, %d %b %Y %H:%M:%S GMT")},
        "epoch": {"Retry-After": str(int(later.timestamp()))},
        "reset": {"X-RateLimit-Reset": str(int(later.timestamp()))},
        "nothing": {},
        "nonsense": {"Retry-After": "soon"},
    }


@every_vendor
@pytest.mark.parametrize("form", ["seconds", "date", "epoch", "reset", "nothing", "nonsense"])
def test_rate_limited(vendor: Vendor, form: str) -> None:
    with asked(vendor, as_answer({"message": "slow down"}, 429, _retry_after()[form])) as it:
        answer = it.one()
    assert answer.status is SourceStatus.RATE_LIMITED
    if form not in {"nothing", "nonsense"}:
        assert "ask again after " in answer.detail


@every_vendor
def test_a_failure_and_then_an_answer(vendor: Vendor) -> None:
    with asked(vendor, as_answer({}, 500)) as it:
        assert it.one().status is SourceStatus.OK
        assert len(it.server.seen) == 2


@every_vendor
def test_failures_without_end(vendor: Vendor) -> None:
    with asked(vendor, *[as_answer({}, 503)] * 9) as it:
        assert it.one().status is SourceStatus.ERROR


@every_vendor
def test_no_answer_before_the_deadline(vendor: Vendor) -> None:
    with asked(vendor, Answer(hold=True), Answer(hold=True)) as it:
        assert it.one(deadline_s=0.1).status is SourceStatus.TIMEOUT


@every_vendor
def test_no_time_at_all(vendor: Vendor) -> None:
    with asked(vendor) as it:
        assert it.one(deadline_s=0.0).status is SourceStatus.TIMEOUT
        assert not it.server.seen


HTML = Answer(200, b"<!DOCTYPE html><title>Sign in</title>", (("Content-Type", "text/html"),))

GARBAGE = {
    "cut_off_json": Answer(200, b'{"data": {"attributes": {"last', (("Content-Type", "application/json"),)),
    "html": HTML,
    "empty": Answer(200, b""),
    "list": as_answer([1, 2]),
    "number": as_answer(7),
    "null": as_answer(None),
    "not_a_number": Answer(200, b'{"data": NaN}'),
    "deep": Answer(200, b"[" * 100_000),
    "wrong_types": as_answer(
        {
            "data": {
                "attributes": {"last_analysis_stats": {"malicious": "many"}},
                "abuseConfidenceScore": [],
            },
            "noise": "yes",
            "riot": 0,
            "business_service_intelligence": "x",
            "internet_scanner_intelligence": {"found": "true"},
            "pulse_info": {"count": -1},
            "query_status": 5,
            "response": {"Attribute": "none"},
            "objects": {"0": {}},
        }
    ),
    "extreme": as_answer(
        {
            "data": {
                "attributes": {"last_analysis_stats": {"malicious": 10**30}},
                "abuseConfidenceScore": 10**30,
            },
            "noise": True,
            "riot": False,
            "last_seen": 10**30,
            "internet_scanner_intelligence": {"found": True, "last_seen": -(10**30)},
            "pulse_info": {"count": 10**30},
            "query_status": "x" * 5_000,
            "response": 10**30,
            "objects": 10**30,
        }
    ),
    "ten_megabytes": Answer(200, b'{"data": "' + b"x" * (10 * 1024 * 1024) + b'"}'),
}


@every_vendor
@pytest.mark.parametrize("kind", list(GARBAGE))
def test_what_is_not_an_answer_is_an_error(vendor: Vendor, kind: str) -> None:
    with asked(vendor, GARBAGE[kind]) as it:
        answer = it.one()
    assert answer.status is SourceStatus.ERROR
    assert answer.leaning == "none"
    assert answer.lineage == ""


@every_vendor
def test_a_body_that_breaks_off(vendor: Vendor) -> None:
    with asked(vendor, *[Answer(200, b'{"data":', cut=True)] * 9) as it:
        assert it.one().status is SourceStatus.ERROR


@every_vendor
def test_a_redirect_to_another_host_is_not_followed(vendor: Vendor) -> None:
    with asked(vendor, Answer(302, b"", (("Location", "https://attacker.example/"),))) as it:
        assert it.one().status is SourceStatus.ERROR
        assert len(it.server.seen) == 1


@every_vendor
def test_a_second_look_is_answered_from_the_cache_and_a_fresh_one_is_not(vendor: Vendor) -> None:
    with asked(vendor) as it:
        first, second = it.one(), it.one()
        assert len(it.server.seen) == 1
        assert second.retrieved_at == first.retrieved_at
        it.one(fresh=True)
        assert len(it.server.seen) == 2


@every_vendor
def test_a_page_that_is_no_answer_is_not_kept(vendor: Vendor) -> None:
    with asked(vendor, HTML) as it:
        assert it.one().status is SourceStatus.ERROR
        assert it.one().status is SourceStatus.OK


@every_vendor
def test_a_page_that_is_no_answer_leaves_the_kept_answer(vendor: Vendor) -> None:
    with asked(vendor, as_answer(vendor.found), HTML) as it:
        it.one()
        marked = it.one(fresh=True)
        assert (marked.status, marked.leaning) == (SourceStatus.STALE, vendor.leaning)
        if vendor.name != "taxii":  # it would rather read the collection again than go by a stale one
            assert it.one().status is SourceStatus.OK
            assert len(it.server.seen) == 2


@every_vendor
def test_not_found_is_asked_once(vendor: Vendor, tmp_path: Path) -> None:
    with asked(vendor, folder=tmp_path) as it:
        first = it.one(OTHER_IP)
        second = it.one(OTHER_IP)
        assert (first.status, second.status) == (SourceStatus.NOT_FOUND, SourceStatus.NOT_FOUND)
        assert second.retrieved_at is not None
        assert first.retrieved_at is not None
        assert abs(second.retrieved_at - first.retrieved_at) < timedelta(seconds=1)
        assert len(it.server.seen) == 1


@every_vendor
def test_an_expired_answer_is_marked(vendor: Vendor) -> None:
    clock = MovableClock()
    with asked(vendor, as_answer(vendor.found), *[as_answer({}, 500)] * 9, clock=clock) as it:
        assert it.one().status is SourceStatus.OK
        clock.ahead = timedelta(days=2)
        answer = it.one(fresh=True)
    assert answer.status is SourceStatus.STALE
    assert answer.leaning is vendor.leaning
    assert "expired answer" in answer.detail


@every_vendor
@pytest.mark.parametrize(
    "ip",
    ["", "198.051.100.7", "198.51.100.7/../../users", "2001:DB8::7", "example.org", "198.51.100.7\r\nX: y"],
)
def test_only_canonical_addresses_reach_a_url(vendor: Vendor, ip: str) -> None:
    with asked(vendor) as it:
        (answer,) = it.source.lookup(ip, deadline_s=DEADLINE_S)
        assert answer.status is SourceStatus.ERROR
        assert not it.server.seen


@every_vendor
def test_without_a_key(vendor: Vendor) -> None:
    with asked(vendor, key=None) as it:
        answer = it.one()
        health = it.source.check()
        if vendor.name == "taxii":  # open collections need none; this one is not open
            assert answer.status is SourceStatus.AUTH
            assert health.state is HealthState.FAILED
        else:
            assert answer.status is SourceStatus.NOT_CONFIGURED
            assert health.state is HealthState.NOT_CONFIGURED
            assert not it.server.seen


@every_vendor
def test_check_proves_the_key_and_names_no_address_of_a_case(vendor: Vendor) -> None:
    with asked(vendor) as it:
        health = it.source.check()
        assert health.state is HealthState.OK, health
        assert health.connector == it.source.info.name
        (seen,) = it.server.seen
        assert vendor.asks_about(seen) is None


@every_vendor
@pytest.mark.parametrize("kind", ["html", "list", "empty", "ten_megabytes"])
def test_check_reports_garbage(vendor: Vendor, kind: str) -> None:
    with asked(vendor, GARBAGE[kind]) as it:
        assert it.source.check().state is HealthState.FAILED


@every_vendor
def test_planted_keys_appear_nowhere(
    vendor: Vendor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    leaks = [
        as_answer({"error": f"key {vendor.key} {vendor.key_header[1]} unknown"}, 401),
        as_answer({"error": vendor.key}, 429, {"Retry-After": vendor.key}),
        as_answer({"error": vendor.key}, 400),
        Answer(200, f"<html>{vendor.key}".encode(), (("Content-Type", f"text/{vendor.key}"),)),
        Answer(302, b"", (("Location", f"https://attacker.example/{vendor.key}"),)),
    ]
    said: list[str] = []
    for leak in [None, *leaks]:
        with asked(vendor, *([leak, leak] if leak else []), folder=tmp_path) as it:
            said += [repr(it.source), repr(it.source.info), repr(vars(it.source))]
            said += [
                each.model_dump_json() for each in it.source.lookup(IP, deadline_s=DEADLINE_S, fresh=True)
            ]
            said += [it.source.check().model_dump_json()]
    said += [record.getMessage() + str(record.args) + str(record.exc_info) for record in caplog.records]
    encoded = base64.b64encode(vendor.key.encode()).decode()
    for text in said:
        assert KEY not in text
        assert encoded not in text
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes()
            assert encoded.encode() not in file.read_bytes()


def test_the_recorded_time_is_in_utc() -> None:
    with asked(VENDORS[0]) as it:
        answer = it.one()
    assert answer.last_seen == datetime(2026, 1, 1, tzinfo=UTC)
