"""Reputation sources on this machine for the SOAR app: the vendors of tests/fakes about public addresses.

The fakes speak of addresses that are reserved for documentation; nobody is asked about those, so that their
answers are given here about the addresses a test names. Needs a frozen time: the answers have dates.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.fakes.reputation_servers import IP, VENDORS, Vendor

#: The time of a look-up that finds the fakes' reports fresh.
NOW = datetime(2026, 1, 10, 8, 30, tzinfo=UTC)

#: Planted, one a field; looked for in everything that comes out.
KEYS = {
    "virustotal_key": "planted-virustotal-0123456789",
    "abuseipdb_key": "planted-abuseipdb-0123456789",
    "greynoise_key": "planted-greynoise-0123456789",
    "otx_key": "planted-otx-0123456789",
    "abusech_key": "planted-abusech-0123456789",
    "misp_key": "planted-misp-0123456789",
    "taxii_key": "analyst:planted-taxii-0123456789",
}

_FIELD = {"threatfox": "abusech_key", "urlhaus": "abusech_key", "greynoise_community": "greynoise_key"}
_SOURCE = {"greynoise_community": "greynoise"}
_UNUSED = {"greynoise_paid"}


class PublicVendor(FakeServer):
    """A vendor that knows some public addresses; `fails` answers everything with a server's error.

    Attributes:
        asked: the addresses it was asked about, in order.
        strangers: requests without the key of its field.
    """

    def __init__(self, vendor: Vendor, known: Collection[str]) -> None:
        self.asked: list[str] = []
        self.strangers = 0
        self.fails = False
        self._vendor = vendor
        self._known = known
        self._key = KEYS[_FIELD.get(vendor.name, f"{vendor.name}_key")]
        super().__init__(decide=self._answer_about)

    def _answer_about(self, seen: Seen) -> Answer:
        vendor = self._vendor
        if self.fails:
            return Answer(500, f"broken for {self._key}".encode())
        name, _ = vendor.key_header
        # The account of TAXII is told as Basic, whose form is the fake's own business.
        if vendor.name != "taxii" and seen.headers.get(name) != self._key:
            self.strangers += 1
            return Answer(401)
        about = vendor.asks_about(seen)
        if about is None:
            return Answer(200, json.dumps(vendor.checked).encode())
        self.asked.append(about)
        if vendor.name == "taxii":
            return _about(vendor, next(iter(self._known), IP))
        return _about(vendor, about) if about in self._known else vendor.missing


def _about(vendor: Vendor, ip: str) -> Answer:
    text = json.dumps(vendor.found).replace(IP, ip)
    return Answer(200, text.encode(), (("Content-Type", "application/json"),))


class Vendors(dict[str, PublicVendor]):
    """The running servers, by source name."""

    @property
    def policy(self) -> str:
        """TOML that points every source here; servers of one's own are in `fields`."""
        urls = "\n".join(f'{name} = "{_url(name, server)}"' for name, server in self.items())
        return f"[reputation.sources.base_urls]\n{urls}\n[reputation.http]\nretries = 0\n"

    @property
    def fields(self) -> dict[str, object]:
        """The fields of an asset with every key."""
        return {
            **KEYS,
            "misp_url": _url("misp", self["misp"]),
            "taxii_url": _url("taxii", self["taxii"]),
        }

    @property
    def asked(self) -> set[str]:
        """Addresses that any of them was asked about; a collection is fetched whole, and asked about none."""
        return {ip for name, server in self.items() if name != "taxii" for ip in server.asked}


@contextmanager
def vendors(*known: str) -> Iterator[Vendors]:
    """All vendors, running; they report the known addresses and have nothing on any other."""
    with ExitStack() as stack:
        found = Vendors()
        for vendor in VENDORS:
            if vendor.name not in _UNUSED:
                server = stack.enter_context(PublicVendor(vendor, known))
                found[_SOURCE.get(vendor.name, vendor.name)] = server
        yield found


def _url(name: str, server: FakeServer) -> str:
    return {"misp": f"{server.url}/", "taxii": f"{server.url}/api/collections/1/"}.get(name, server.url)
