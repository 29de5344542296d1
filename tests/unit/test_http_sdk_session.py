"""The vendors' SDKs over our own client: the shapes they need, and nothing that they could switch off."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors.errors import (
    BadResponse,
    Conflict,
    ConnectorError,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.http.call import Refused
from connectors.http.deadline import Deadline
from connectors.http.sdk_session import SdkResponse, SdkSession
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import Clock, client
from tests.loopback_certificate import served, written_to

SECRET = "planted-client-secret-0123"
TOKEN = "planted-access-token-4567"
JSON = (("Content-Type", "application/json"),)
OK = Answer(body=b'{"resources": ["a"], "errors": []}', headers=JSON)


def unread(_answer: Refused) -> None:
    """Every refusal goes to the SDK."""


@contextmanager
def session(
    clock: Clock, *, refuse: Callable[[Refused], ConnectorError | None] = unread, **settings: Any
) -> Iterator[SdkSession]:
    with client(clock, **settings) as http:
        yield SdkSession(http, source="edr", account="client-1", refuse=refuse)


def test_what_an_sdk_asks_and_gets() -> None:
    clock = Clock()
    created = Answer(201, body=b'{"a": "\xc3\xa9"}', headers=(("X-Cs-Region", "eu-1"),))
    with FakeServer(created) as server, session(clock) as sdk:
        reply = sdk.request(
            "get",
            f"{server.url}/devices?sort=a%7Casc&ids=x&ids=y",
            params={"limit": 5, "all": True, "none": None, "filter": "hostname:'A B'", "tags": ["t", 1]},
            headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/xml"},
            json={},
            data={},
            files=[],
            verify=True,
            allow_redirects=False,
            proxies={},
            timeout=(1, 2),
            stream=False,
        )
    asked = parse_qs(server.seen[0].path.partition("?")[2])
    assert asked == {
        "sort": ["a|asc"],
        "ids": ["x", "y"],
        "limit": ["5"],
        "all": ["true"],
        "filter": ["hostname:'A B'"],
        "tags": ["t", "1"],
    }
    assert server.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert server.seen[0].headers["accept"] == "application/xml"
    assert server.seen[0].body == b""
    assert (reply.status_code, reply.ok, reply.text) == (201, True, '{"a": "é"}')
    assert (reply.json(), reply.content) == ({"a": "é"}, b'{"a": "\xc3\xa9"}')
    assert (reply.headers["x-cs-region"], reply.headers.get("X-CS-REGION")) == ("eu-1", "eu-1")
    reply.raise_for_status()
    reply.close()


@pytest.mark.parametrize(
    ("given", "kind", "body"),
    [
        ({"json": {"ids": ["a"]}}, "application/json", b'{"ids":["a"]}'),
        ({"json": {}}, "application/json", b"{}"),
        ({"data": {"a": "b c"}}, "application/x-www-form-urlencoded", b"a=b+c"),
        ({"data": "raw", "headers": {"content-type": "text/plain"}}, "text/plain", b"raw"),
        ({"data": b"\x00\xff", "headers": {"Content-Type": "image/x"}}, "image/x", b"\x00\xff"),
    ],
)
def test_the_bodies_of_an_sdk(given: dict[str, Any], kind: str, body: bytes) -> None:
    clock = Clock()
    with FakeServer(OK) as server, session(clock) as sdk:
        sdk.post(f"{server.url}/", **given)
    assert (server.seen[0].headers["content-type"], server.seen[0].body) == (kind, body)


@pytest.mark.parametrize(
    "given",
    [
        {"verify": False},
        {"verify": 0},
        {"verify": "/tmp/other-bundle.pem"},
        {"proxies": {"https": "http://proxy.example:3128"}},
        {"files": [("file", b"x")]},
    ],
)
def test_what_an_sdk_must_not_do_is_refused(given: dict[str, Any]) -> None:
    clock = Clock()
    with FakeServer(OK) as server, session(clock) as sdk:
        with pytest.raises(Rejected):
            sdk.get(f"{server.url}/", **given)
        assert server.seen == []


@pytest.mark.parametrize(
    ("method", "repeatable", "sent"),
    [("GET", None, 2), ("POST", None, 1), ("POST", True, 2), ("GET", False, 1), ("DELETE", None, 1)],
)
def test_only_what_may_be_repeated_is(method: str, repeatable: bool | None, sent: int) -> None:
    clock = Clock()
    with FakeServer(Answer(drop=True), OK) as server, session(clock) as sdk:
        try:
            with sdk.within(clock.deadline(), repeatable=repeatable):
                sdk.request(method, f"{server.url}/")
        except TimedOut:
            assert sent == 1
        assert len(server.seen) == sent


def test_a_refusal_goes_to_the_sdk_or_becomes_an_error() -> None:
    clock = Clock()
    busy = Answer(409, body=b'{"errors": [{"code": 409, "message": "busy"}]}', headers=JSON)

    def refuse(answer: Refused) -> ConnectorError | None:
        return Conflict("edr", "an action is under way") if answer.status == 409 else None

    with FakeServer(Answer(404, body=b"{}"), busy) as server, session(clock, refuse=refuse) as sdk:
        reply = sdk.get(f"{server.url}/")
        assert (reply.status_code, reply.ok, reply.json()) == (404, False, {})
        with pytest.raises(Rejected):
            reply.raise_for_status()
        with pytest.raises(Conflict):
            sdk.get(f"{server.url}/")


def test_an_error_that_the_sdk_swallowed_is_raised_at_the_end() -> None:
    clock = Clock()

    def swallow(sdk: SdkSession, url: str) -> dict[str, int]:
        try:
            sdk.get(url)
        except ConnectorError:
            return {"status_code": 500}
        return {"status_code": 200}

    def wrap(sdk: SdkSession, url: str) -> None:
        try:
            sdk.get(url)
        except ConnectorError as exc:
            raise KeyError("of the SDK") from exc

    with FakeServer(Answer(body=b"x" * 5000), OK) as server, session(clock, max_body_bytes=1024) as sdk:
        for use in (swallow, wrap):
            with pytest.raises(Transient, match="no time is left"), sdk.within(clock.deadline(0)):
                use(sdk, server.url)
        with pytest.raises(BadResponse), sdk.within(clock.deadline()):
            swallow(sdk, server.url)
        with sdk.within(clock.deadline()):
            assert swallow(sdk, server.url) == {"status_code": 200}
        with pytest.raises(KeyError), sdk.within(clock.deadline()):
            raise KeyError("not ours")


def test_a_failure_that_the_sdk_got_over_is_none() -> None:
    clock = Clock()
    with (
        FakeServer(Answer(body=b"x" * 5000), OK) as server,
        session(clock, max_body_bytes=1024) as sdk,
        sdk.within(clock.deadline()),
    ):
        with pytest.raises(BadResponse):
            sdk.get(server.url)
        assert sdk.get(server.url).status_code == 200


def test_a_deadline_holds_in_its_own_thread_only() -> None:
    clock = Clock()
    told: list[int] = []
    with FakeServer(OK) as server, session(clock) as sdk, session(clock) as other:
        with sdk.within(clock.deadline(0)):
            thread = threading.Thread(target=lambda: told.append(sdk.get(server.url).status_code))
            thread.start()
            thread.join(20)
            assert other.get(server.url).status_code == 200
        assert told == [200]


def test_an_sdk_gets_no_body_that_is_too_large() -> None:
    clock = Clock()
    with FakeServer(Answer(body=b"x" * 5000)) as server, client(clock) as http:
        sdk = SdkSession(http, source="edr", account="a", refuse=unread, max_body_bytes=4000)
        with pytest.raises(BadResponse, match="larger than 4,000"):
            sdk.get(server.url)


def test_a_response_says_nothing_of_its_body() -> None:
    shown = repr(SdkResponse(200, {}, TOKEN.encode()))
    assert shown == "<SdkResponse [200]>"


# --- falconpy --------------------------------------------------------------------------------


def falcon(seen: Seen) -> Answer:
    """As much of Falcon's API as is asked."""
    if seen.path == "/oauth2/token":
        form = parse_qs(seen.body.decode())
        assert form["client_secret"] == [SECRET]
        return Answer(
            201,
            body=json.dumps({"access_token": TOKEN, "expires_in": 1799, "token_type": "bearer"}).encode(),
            headers=JSON,
        )
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"
    if seen.path.startswith("/devices/queries/devices/v1"):
        assert parse_qs(seen.path.partition("?")[2])["filter"] == ["hostname:'WS01'"]
        return Answer(body=b'{"resources": ["0123"], "errors": [], "meta": {}}', headers=JSON)
    if seen.path.startswith("/devices/entities/devices-actions/v2?action_name=contain"):
        return Answer(
            409, body=b'{"errors": [{"code": 409, "message": "busy"}], "resources": []}', headers=JSON
        )
    return Answer(drop=True)


def test_falconpy_over_our_session(caplog: pytest.LogCaptureFixture) -> None:
    from falconpy import Hosts  # noqa: PLC0415

    caplog.set_level(logging.DEBUG)
    clock = Clock()

    def refuse(answer: Refused) -> ConnectorError | None:
        return Conflict("edr", "an action is under way") if answer.status == 409 else None

    with FakeServer(decide=falcon) as server, session(clock, refuse=refuse) as sdk:
        hosts = Hosts(
            client_id="client-1",
            client_secret=SECRET,
            base_url=server.url,
            session=sdk,
            debug=True,
        )
        with sdk.within(clock.deadline()):
            found: Any = hosts.query_devices_by_filter(filter="hostname:'WS01'")
        assert found["status_code"] == 200
        assert found["body"]["resources"] == ["0123"]
        with pytest.raises(Conflict) as failure, sdk.within(clock.deadline(), repeatable=False):
            hosts.perform_action(action_name="contain", ids=["0123"])
        assert failure.value.message == "an action is under way"
        before = len(server.seen)
        with pytest.raises(TimedOut), sdk.within(clock.deadline(), repeatable=False):
            hosts.perform_action(action_name="lift_containment", ids=["0123"])
        assert len(server.seen) == before + 1
        with pytest.raises(Rejected, match="certificates are always verified"), sdk.within(clock.deadline()):
            Hosts(
                client_id="client-1",
                client_secret=SECRET,
                base_url=server.url,
                session=sdk,
                ssl_verify=False,
            ).query_devices_by_filter(filter="hostname:'WS01'")
        assert len(server.seen) == before + 1
        shown = caplog.text + repr(sdk) + repr(failure.value)
        assert SECRET not in shown
        assert TOKEN not in shown


# --- msal ------------------------------------------------------------------------------------


def entra(server_url: list[str], refusals: list[Answer]) -> Callable[[Seen], Answer]:
    """As much of Entra ID as msal asks of an authority without instance discovery."""

    def decide(seen: Seen) -> Answer:
        base = f"{server_url[0]}/tenant"
        if seen.path.startswith("/tenant/v2.0/.well-known/openid-configuration"):
            found = {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
            return Answer(body=json.dumps(found).encode(), headers=JSON)
        assert parse_qs(seen.body.decode())["client_secret"] == [SECRET]
        if refusals:
            return refusals.pop(0)
        body = {"token_type": "Bearer", "expires_in": 3599, "access_token": TOKEN}
        return Answer(body=json.dumps(body).encode(), headers=JSON)

    return decide


def test_msal_over_our_session(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    import msal  # type: ignore[import-untyped]  # noqa: PLC0415

    caplog.set_level(logging.DEBUG)
    clock = Clock()
    where: list[str] = []
    wrong = json.dumps({"error": "invalid_client", "error_description": "AADSTS7000215"}).encode()
    refusals = [Answer(401, body=wrong, headers=JSON)]

    def refuse(answer: Refused) -> ConnectorError | None:
        return RateLimited("edr", "used up", retry_at=answer.retry_at) if answer.status == 429 else None

    # msal insists on https. Its deadline is of real time: the handshake is.
    certificate = written_to(tmp_path / "loopback.pem")
    with (
        FakeServer(decide=entra(where, refusals), tls=served(certificate)) as server,
        session(clock, refuse=refuse, ca_bundle=certificate) as sdk,
    ):
        where.append(server.url)
        with sdk.within(clock.deadline()):
            app = msal.ConfidentialClientApplication(
                "client-1",
                client_credential=SECRET,
                oidc_authority=f"{server.url}/tenant/v2.0",
                http_client=sdk,
            )
            refused = app.acquire_token_for_client(scopes=["https://api.example/.default"])
        assert refused["error"] == "invalid_client"
        with sdk.within(clock.deadline()):
            token = app.acquire_token_for_client(scopes=["https://api.example/.default"])
        assert token["access_token"] == TOKEN
        shown = caplog.text + repr(sdk) + repr(refused)
        assert SECRET not in shown
        assert TOKEN not in shown


def test_outside_a_within_the_session_has_a_deadline_of_its_own() -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        sdk = SdkSession(http, source="edr", account="a", refuse=unread, deadline_s=-1)
        with pytest.raises(TimedOut):
            sdk.get(server.url)
        with sdk.within(Deadline.after(20)):
            assert sdk.get(server.url).status_code == 200


def test_a_session_for_one_server_sends_nothing_to_another() -> None:
    clock = Clock()
    with FakeServer(OK) as own, FakeServer(OK) as other, client(clock) as http:
        sdk = SdkSession(http, source="edr", account="a", refuse=unread, only=f"{own.url}/login")
        assert sdk.get(f"{own.url}/token").status_code == 200
        for url in (f"{other.url}/token", own.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(Rejected):
                sdk.post(url, data={"client_secret": TOKEN})
        assert other.seen == []
        assert len(own.seen) == 1
