"""Which URLs may be asked: one rule for the settings, the asset's fields and each request."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import Rejected
from connectors.http.targets import checked_url, is_loopback, url_problem

LONG = "a." * 126 + "aa"  # 254 characters

#: Refused wherever a URL is given.
NONE = [
    "",
    "lists.example",
    "https://",
    "https://:443/",
    "https://[::1",
    "https://lists.example:99999/",
    "https://lists.example:0/",
    "https://lists.example:x/",
    "https://lists.example/ x",
    "https://lists.example/\x00",
    "https://lists.example\x00.attacker.example/",
    "\x00https://lists.example/",
    "https://lists.example/\n",
    "https://lists\t.example/",
    "https://lists.example/\x7f",
    "https://l\u00efsts.example/",
    "https://lists.example/%00",
    "https://lists.example/a%0d%0aX-Injected:1",
    "https://lists.example/a%0D%0AX-Injected:1",
    "https://lists.example%0a/",
    "https://lists.example/%7f",
    f"https://{LONG}/",
    f"https://{'a' * 64}.example/",
]


@pytest.mark.parametrize("url", NONE)
@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("query", [True, False])
def test_what_is_no_url_is_refused_everywhere(url: str, *, loopback: bool, query: bool) -> None:
    assert url_problem(url, loopback=loopback, query=query) == "is not a URL"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://lists.example/", "must begin with https://"),
        ("ftp://lists.example/", "must begin with https://"),
        ("http://127.0.0.1.attacker.example/", "must begin with https://"),
        ("https://me@lists.example/", "holds a user name or a password"),
        ("https://:word@lists.example/", "holds a user name or a password"),
        ("https://@lists.example/", "holds a user name or a password"),
        ("https://lists.example/#part", "has a fragment"),
    ],
)
@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("query", [True, False])
def test_a_url_with_a_flaw_says_which(url: str, problem: str, *, loopback: bool, query: bool) -> None:
    assert url_problem(url, loopback=loopback, query=query).startswith(problem)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"])
def test_http_goes_to_this_machine_where_the_caller_allows_it(host: str) -> None:
    url = f"http://{host}:8080/path"
    assert url_problem(url, loopback=True, query=False) == ""
    assert url_problem(url, loopback=False, query=False) == "must begin with https://"


def test_a_query_is_the_callers_choice() -> None:
    url = "https://lists.example/a?since=1&word=a%20b"
    assert url_problem(url, loopback=False, query=True) == ""
    assert url_problem(url, loopback=False, query=False) == "has a query"


@pytest.mark.parametrize(
    "url",
    [
        "https://lists.example",
        "HTTPS://LISTS.EXAMPLE./",
        "https://lists.example:8443/a/b%20c/%C3%A9",
        "https://[2001:db8::1]:443/",
        f"https://{LONG[:-1]}/",
        f"https://{'a' * 63}.example/",
    ],
)
def test_a_plain_https_url_has_no_problem(url: str) -> None:
    assert url_problem(url, loopback=False, query=False) == ""


@given(st.text(max_size=80) | st.text(max_size=40).map("https://lists.example/{}".format))
def test_what_is_let_through_can_be_asked_as_it_stands(url: str) -> None:
    problem = url_problem(url, loopback=True, query=True)
    if problem:
        with pytest.raises(Rejected):
            checked_url("source", url)
        return
    parts = urlsplit(checked_url("source", url))
    assert url.isascii()
    assert url.isprintable()
    assert parts.hostname
    assert parts.scheme == "https" or is_loopback(parts)
    assert parts.username is None


@pytest.mark.parametrize("url", [*NONE, "http://lists.example/", "https://me:planted@lists.example/#part"])
def test_a_request_to_another_url_is_refused_without_what_may_be_secret(url: str) -> None:
    with pytest.raises(Rejected) as caught:
        checked_url("source", url)
    assert "planted" not in caught.value.message
    assert caught.value.message.isprintable()
