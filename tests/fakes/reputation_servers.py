"""A loopback server for each vendor: checks that it was asked as the vendor documents, answers as it does.

The bodies are written here after the vendors' documentation, about addresses of RFC 5737 and RFC 3849.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from connectors.facts.reputation import Leaning, SourceStatus
from connectors.ports import ReputationSource
from connectors.reputation.abuseipdb import AbuseIpDb
from connectors.reputation.answering import Sender
from connectors.reputation.greynoise import GreyNoise
from connectors.reputation.misp import Misp
from connectors.reputation.otx import Otx
from connectors.reputation.taxii import ACCEPT, Taxii
from connectors.reputation.threatfox import ThreatFox
from connectors.reputation.urlhaus import UrlHaus
from connectors.reputation.virustotal import VirusTotal
from tests.fakes.http_server import Answer, FakeServer, Seen

IP = "198.51.100.7"
IP6 = "2001:db8::7"
OTHER_IP = "203.0.113.9"

#: Planted; looked for in everything that comes out.
KEY = "planted-key-0123456789abcdef"
ACCOUNT = f"analyst:{KEY}"

type Body = dict[str, object]


class Vendor(NamedTuple):
    """One vendor.

    Attributes:
        name: unique here; a vendor with two interfaces has two.
        key: the planted secret.
        make: the source for a client, a key and the server's address.
        key_header: the header that must carry the key, and its value.
        asks_about: the address that a request is about; None for a check.
        found, missing: what the vendor answers of IP, and of an address it does not know.
        checked: what it answers to the check.
        leaning: of the found answer.
        ipv6: the status of a look-up of IP6, which the server answers like IP.
    """

    name: str
    key: str
    make: Callable[[Sender, SecretStr | None, str], ReputationSource]
    key_header: tuple[str, str]
    asks_about: Callable[[Seen], str | None]
    found: Body
    missing: Answer
    checked: Body
    leaning: Leaning
    ipv6: SourceStatus


def as_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status,
        json.dumps(body).encode(),
        (("Content-Type", "application/json"), *(headers or {}).items()),
    )


class VendorServer(FakeServer):
    """Answers like a vendor; `scripted` answers are given first, one a request."""

    def __init__(self, vendor: Vendor, *scripted: Answer) -> None:
        self._vendor = vendor
        self._scripted = list(scripted)
        super().__init__(decide=self._answer)

    def _answer(self, seen: Seen) -> Answer:
        if self._scripted:
            return self._scripted.pop(0)
        name, value = self._vendor.key_header
        if seen.headers.get(name) != value:
            return as_answer({"error": f"bad key {seen.headers.get(name)}"}, 401)
        about = self._vendor.asks_about(seen)
        if about is None:
            return as_answer(self._vendor.checked)
        return as_answer(self._vendor.found) if about in {IP, IP6} else self._vendor.missing


def _in_path(prefix: str, suffix: str = "") -> Callable[[Seen], str | None]:
    def asks_about(seen: Seen) -> str | None:
        path = unquote(urlsplit(seen.path).path)
        if not (path.startswith(prefix) and path.endswith(suffix)):
            return None
        return path.removeprefix(prefix).removesuffix(suffix)

    return asks_about


def _in_query(seen: Seen) -> str | None:
    parts = urlsplit(seen.path)
    assert parts.path == "/api/v2/check"
    query = parse_qs(parts.query)
    assert query["maxAgeInDays"] == ["90"]
    return None if query["ipAddress"] == ["127.0.0.1"] else query["ipAddress"][0]


def _in_otx_path(seen: Seen) -> str | None:
    if seen.path == "/api/v1/users/me":
        return None
    start, _, rest = unquote(seen.path).removeprefix("/api/v1/indicators/").partition("/")
    about = rest.removesuffix("/general")
    assert start == ("IPv6" if ":" in about else "IPv4")
    return about


def _in_threatfox_body(seen: Seen) -> str | None:
    assert (seen.method, seen.path) == ("POST", "/api/v1/")
    asked = json.loads(seen.body)
    if asked == {"query": "types"}:
        return None
    assert asked["query"] == "search_ioc"
    return str(asked["search_term"])


def _in_urlhaus_form(seen: Seen) -> str | None:
    assert (seen.method, seen.path) == ("POST", "/v1/host/")
    host = parse_qs(seen.body.decode())["host"][0]
    return None if host == "192.0.2.1" else host


def _in_misp_body(seen: Seen) -> str | None:
    if seen.path == "/servers/getVersion":
        return None
    assert (seen.method, seen.path) == ("POST", "/attributes/restSearch")
    asked = json.loads(seen.body)
    assert asked["returnFormat"] == "json"
    assert "ip-dst" in asked["type"]
    return str(asked["value"])


def _taxii(seen: Seen) -> str | None:
    assert seen.headers["accept"] == ACCEPT
    parts = urlsplit(seen.path)
    if parts.path == "/api/collections/1/":
        return None
    assert parts.path == "/api/collections/1/objects/"
    assert parse_qs(parts.query)["match[type]"] == ["indicator,identity"]
    return IP  # the whole collection, whatever the address


def indicator(number: int, pattern: str, **changes: object) -> Body:
    """A STIX 2.1 indicator."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-02T00:00:00.000Z",
        "created_by_ref": "identity--00000000-0000-4000-8000-000000000001",
        "indicator_types": ["malicious-activity"],
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **changes,
    }


IDENTITY: Body = {
    "type": "identity",
    "id": "identity--00000000-0000-4000-8000-000000000001",
    "name": "Example CERT",
    "modified": "2026-01-01T00:00:00Z",
}

VIRUSTOTAL: Body = {
    "data": {
        "id": IP,
        "type": "ip_address",
        "attributes": {
            "last_analysis_stats": {
                "harmless": 60,
                "malicious": 7,
                "suspicious": 1,
                "undetected": 24,
                "timeout": 0,
            },
            "last_analysis_date": 1_767_225_600,
            "last_modification_date": 1_767_312_000,
        },
    }
}

ABUSEIPDB: Body = {
    "data": {
        "ipAddress": IP,
        "isPublic": True,
        "ipVersion": 4,
        "isWhitelisted": None,
        "abuseConfidenceScore": 90,
        "usageType": "Data Center/Web Hosting/Transit",
        "isTor": False,
        "totalReports": 12,
        "numDistinctUsers": 5,
        "lastReportedAt": "2026-01-01T10:00:00+00:00",
    }
}

COMMUNITY: Body = {
    "ip": IP,
    "noise": True,
    "riot": False,
    "classification": "malicious",
    "name": "unknown",
    "link": f"https://viz.greynoise.io/ip/{IP}",
    "last_seen": "2026-01-01",
    "message": "Success",
}

GREYNOISE: Body = {
    "ip": IP,
    "business_service_intelligence": {"found": False, "trust_level": ""},
    "internet_scanner_intelligence": {
        "found": True,
        "classification": "malicious",
        "last_seen": "2026-01-01",
        "last_seen_timestamp": "2026-01-01 10:00:00",
        "spoofable": False,
    },
}

OTX: Body = {
    "indicator": IP,
    "type": "IPv4",
    "validation": [],
    "pulse_info": {
        "count": 1,
        "pulses": [
            {
                "name": "Remote access trojan C2 servers",
                "tags": ["c2"],
                "author": {"username": "AlienVault"},
                "created": "2025-12-01T00:00:00.000000",
                "modified": "2026-01-01T00:00:00.000000",
            }
        ],
    },
}

THREATFOX: Body = {
    "query_status": "ok",
    "data": [
        {
            "id": "1",
            "ioc": f"{IP}:443",
            "ioc_type": "ip:port",
            "threat_type": "botnet_cc",
            "malware": "win.remcos",
            "malware_printable": "Remcos",
            "confidence_level": 100,
            "first_seen": "2025-12-01 00:00:00 UTC",
            "last_seen": "2026-01-01 00:00:00 UTC",
        },
        {
            "id": "2",
            "ioc": f"[{IP6}]:443",
            "ioc_type": "ip:port",
            "threat_type": "botnet_cc",
            "malware_printable": "Remcos",
            "confidence_level": 100,
            "first_seen": "2025-12-01 00:00:00 UTC",
            "last_seen": None,
        },
    ],
}

URLHAUS: Body = {
    "query_status": "ok",
    "urlhaus_reference": f"https://urlhaus.abuse.ch/host/{IP}/",
    "host": IP,
    "firstseen": "2025-12-01 00:00:00 UTC",
    "url_count": "2",
    "urls": [
        {
            "id": "1",
            "url_status": "online",
            "date_added": "2026-01-01 00:00:00 UTC",
            "threat": "malware_download",
        },
        {
            "id": "2",
            "url_status": "offline",
            "date_added": "2025-12-01 00:00:00 UTC",
            "threat": "malware_download",
        },
    ],
}

MISP: Body = {
    "response": {
        "Attribute": [
            {
                "id": "1",
                "type": "ip-dst",
                "category": "Network activity",
                "value": IP,
                "to_ids": True,
                "timestamp": "1767225600",
                "Event": {"id": "9", "info": "Remcos campaign", "Orgc": {"name": "Example CERT"}},
            }
        ]
    }
}

TAXII: Body = {
    "objects": [
        IDENTITY,
        indicator(1, f"[ipv4-addr:value = '{IP}']"),
        indicator(2, "[ipv6-addr:value ISSUBSET '2001:db8::/64']"),
        indicator(3, "[domain-name:value = 'c2.example']"),
    ]
}

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "virustotal",
        KEY,
        lambda http, key, url: VirusTotal(http, key, base_url=url),
        ("x-apikey", KEY),
        _in_path("/api/v3/ip_addresses/"),
        VIRUSTOTAL,
        as_answer({"error": {"code": "NotFoundError"}}, 404),
        {"data": "https://upload.example/"},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
    Vendor(
        "abuseipdb",
        KEY,
        lambda http, key, url: AbuseIpDb(http, key, base_url=url),
        ("key", KEY),
        _in_query,
        ABUSEIPDB,
        as_answer({"data": {"abuseConfidenceScore": 0, "totalReports": 0, "lastReportedAt": None}}),
        {"data": {"ipAddress": "127.0.0.1"}},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
    Vendor(
        "greynoise_community",
        KEY,
        lambda http, key, url: GreyNoise(http, key, base_url=url),
        ("key", KEY),
        _in_path("/v3/community/"),
        COMMUNITY,
        as_answer({"noise": False, "riot": False, "message": "IP not observed"}, 404),
        {"message": "pong", "expiration": "2026-12-31"},
        Leaning.MALICIOUS,
        SourceStatus.ERROR,
    ),
    Vendor(
        "greynoise_paid",
        KEY,
        lambda http, key, url: GreyNoise(http, key, base_url=url, paid=True),
        ("key", KEY),
        _in_path("/v3/ip/"),
        GREYNOISE,
        as_answer(
            {
                "ip": OTHER_IP,
                "business_service_intelligence": {"found": False},
                "internet_scanner_intelligence": {"found": False},
            }
        ),
        {"message": "pong", "expiration": "2026-12-31"},
        Leaning.MALICIOUS,
        SourceStatus.ERROR,
    ),
    Vendor(
        "otx",
        KEY,
        lambda http, key, url: Otx(http, key, base_url=url),
        ("x-otx-api-key", KEY),
        _in_otx_path,
        OTX,
        as_answer({"validation": [], "pulse_info": {"count": 0, "pulses": []}}),
        {"username": "someone"},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
    Vendor(
        "threatfox",
        KEY,
        lambda http, key, url: ThreatFox(http, key, base_url=url),
        ("auth-key", KEY),
        _in_threatfox_body,
        THREATFOX,
        as_answer({"query_status": "no_result", "data": "Your search did not yield any results"}),
        {"query_status": "ok", "data": {}},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
    Vendor(
        "urlhaus",
        KEY,
        lambda http, key, url: UrlHaus(http, key, base_url=url),
        ("auth-key", KEY),
        _in_urlhaus_form,
        URLHAUS,
        as_answer({"query_status": "no_results"}),
        {"query_status": "no_results"},
        Leaning.MALICIOUS,
        SourceStatus.ERROR,
    ),
    Vendor(
        "misp",
        KEY,
        lambda http, key, url: Misp(http, key, base_url=f"{url}/"),
        ("authorization", KEY),
        _in_misp_body,
        MISP,
        as_answer({"response": {"Attribute": []}}),
        {"version": "2.5.0", "perm_sync": False},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
    Vendor(
        "taxii",
        ACCOUNT,
        lambda http, key, url: Taxii(http, key, base_url=f"{url}/api/collections/1/"),
        ("authorization", f"Basic {base64.b64encode(ACCOUNT.encode()).decode()}"),
        _taxii,
        TAXII,
        as_answer(TAXII),
        {"id": "1", "title": "Indicators", "can_read": True, "can_write": False},
        Leaning.MALICIOUS,
        SourceStatus.OK,
    ),
)
