"""What Falcon's refusals mean."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.edr.crowdstrike.refusals import Scope, login_refusal, partial_refusal, refusal
from connectors.errors import (
    AuthRejected,
    BadResponse,
    Conflict,
    ConnectorError,
    NotFound,
    PermissionMissing,
    RateLimited,
    Rejected,
    Transient,
)
from tests.http_clients import START

BODY = orjson.dumps({"errors": [{"code": 1, "message": "said"}], "resources": []})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, AuthRejected),
        (403, PermissionMissing),
        (404, NotFound),
        (409, Conflict),
        (418, Rejected),
        (429, RateLimited),
        (500, Transient),
        (503, Transient),
        (302, BadResponse),
    ],
)
def test_by_status(status: int, kind: type[ConnectorError]) -> None:
    error = refusal(status, {}, BODY, scope=Scope.HOSTS_READ, now=START)
    assert type(error) is kind
    assert error.connector == "crowdstrike"
    assert f"HTTP {status}" in error.message


def test_the_scope_is_named_as_the_console_names_it() -> None:
    error = refusal(403, {}, BODY, scope=Scope.SEARCH_WRITE, now=START)
    assert isinstance(error, PermissionMissing)
    assert error.scope == "NGSIEM: write"


@pytest.mark.parametrize("ahead_s", [0, 60, 3600])
def test_the_quota_header_is_an_epoch(ahead_s: int) -> None:
    moment = START + timedelta(seconds=ahead_s)
    headers = {"x-ratelimit-retryafter": str(int(moment.timestamp()))}
    error = refusal(429, headers, BODY, scope=Scope.HOSTS_READ, now=START)
    assert isinstance(error, RateLimited)
    assert error.retry_at == moment


def test_a_quota_without_a_moment() -> None:
    error = refusal(429, {}, b"", scope=Scope.HOSTS_READ, now=START)
    assert isinstance(error, RateLimited)
    assert error.retry_at is None


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_no_token_is_about_the_client(status: int) -> None:
    assert type(login_refusal(status, {}, BODY, now=START)) is AuthRejected


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (500, Transient)])
def test_no_token_for_now(status: int, kind: type[ConnectorError]) -> None:
    assert type(login_refusal(status, {}, BODY, now=START)) is kind


@pytest.mark.parametrize("body", [{}, {"errors": []}, {"errors": None}, {"resources": [1]}, [], None, "x"])
def test_nothing_is_wrong(body: object) -> None:
    assert partial_refusal(body, scope=Scope.HOSTS_WRITE, now=START) is None


@pytest.mark.parametrize("entry", [{"code": "x"}, {"code": 200, "message": "m"}, "text", None, 7, {}])
def test_an_error_of_any_shape_is_one(entry: object) -> None:
    error = partial_refusal({"errors": [entry]}, scope=Scope.HOSTS_WRITE, now=START)
    assert type(error) is Rejected


@given(st.binary(max_size=200), st.integers(400, 599))
def test_any_body_gives_one_plain_line(body: bytes, status: int) -> None:
    message = refusal(status, {}, body, scope=Scope.HOSTS_READ, now=START).message
    assert message.isprintable()
    assert len(message) < 400


def test_a_page_of_a_proxy_is_not_repeated() -> None:
    assert "html" not in refusal(502, {}, b" <html>down</html>", scope=Scope.HOSTS_READ, now=START).message
