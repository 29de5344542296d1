"""The HTTP client against servers that drip, hang, flood, redirect and pretend; and its TLS and proxies."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.errors import AuthRejected, BadResponse, Rejected, TimedOut, Transient
from connectors.http.call import Call
from connectors.http.deadline import Deadline
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import KEY, Clock, call, client
from tests.loopback_certificate import served, written_to

OK = Answer(body=b'{"ok": true}')

#: Real seconds: sockets cannot be told another clock.
SHORT_S = 0.25
SOON_S = 1.5


@pytest.mark.parametrize(
    "answer",
    [
        Answer(hold=True),
        Answer(body=b" " * 200, drip_s=0.02),
        Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200, drip_s=0.02),
        Answer(body=b"ffff\r\n" + b" " * 200, headers=(("Transfer-Encoding", "chunked"),), drip_s=0.02),
        Answer(
            body=gzip.compress(bytes(range(256)) * 4), headers=(("Content-Encoding", "gzip"),), drip_s=0.02
        ),
    ],
    ids=["hangs", "drips its body", "drips its headers", "drips a chunk", "drips gzip"],
)
def test_no_server_outlasts_the_deadline(answer: Answer) -> None:
    clock = Clock()
    with FakeServer(answer) as server, client(clock, retries=5) as http:
        started = time.monotonic()
        with pytest.raises(TimedOut, match="before the deadline"):
            http.send(call(server), deadline=Deadline.after(SHORT_S))
        assert SHORT_S * 0.9 <= time.monotonic() - started < SOON_S


def test_a_late_answer_is_asked_for_again() -> None:
    clock = Clock()
    with FakeServer(Answer(hold=True), OK) as server, client(clock, read_s=0.1) as http:
        assert http.send(call(server), deadline=Deadline.after(20)).status == 200
        assert len(server.seen) == 2
        with FakeServer(Answer(hold=True)) as silent, pytest.raises(TimedOut, match="no answer in time"):
            http.send(call(silent), deadline=Deadline.after(20))


def test_a_caller_in_a_hurry_does_not_open_the_breaker() -> None:
    clock = Clock()
    with FakeServer(Answer(hold=True)) as server, client(clock) as http:
        with pytest.raises(TimedOut):
            http.send(call(server), deadline=Deadline.after(0.05))
        assert http.usage(call(server)).failures == 0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b" " * 10_000_000),
        Answer(body=b"", headers=(("Content-Length", "9" * 30),)),
        Answer(body=gzip.compress(b" " * 50_000_000), headers=(("Content-Encoding", "gzip"),)),
        Answer(
            body=b"80000\r\n" + b" " * 0x80000 + b"\r\n0\r\n\r\n", headers=(("Transfer-Encoding", "chunked"),)
        ),
    ],
    ids=["long", "says it is long", "gzip bomb", "long without saying so"],
)
def test_a_body_over_the_cap_is_refused(answer: Answer) -> None:
    clock = Clock()
    with FakeServer(answer) as server, client(clock, max_body_bytes=100_000) as http:
        with pytest.raises(BadResponse, match="larger than 100,000 bytes"):
            http.send(call(server), deadline=clock.deadline())
        assert len(server.seen) == 1


def test_a_body_at_the_cap_is_read() -> None:
    clock = Clock()
    packed = Answer(body=gzip.compress(b" " * 100_000), headers=(("Content-Encoding", "gzip"),))
    with FakeServer(packed) as server, client(clock, max_body_bytes=100_000) as http:
        assert http.send(call(server), deadline=clock.deadline()).body == b" " * 100_000


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"x", "gzip, gzip"), (b"x", "br"), (b"not gzip at all", "gzip")]
)
def test_what_cannot_be_unpacked_is_refused(body: bytes, encoding: str) -> None:
    clock = Clock()
    answer = Answer(body=body, headers=(("Content-Encoding", encoding),))
    with FakeServer(answer) as server, client(clock) as http, pytest.raises(BadResponse, match="packed"):
        http.send(call(server), deadline=clock.deadline())


def move(to: str, status: int = 302) -> Answer:
    return Answer(status, b"moved", headers=(("Location", to),))


def test_redirects_on_the_same_host_are_followed() -> None:
    clock = Clock()
    with FakeServer(move("/b?c=1"), move("d"), move("/e", 308), OK) as server, client(clock) as http:
        assert http.send(call(server), deadline=clock.deadline()).status == 200
        assert [seen.path for seen in server.seen] == ["/ip?ip=198.51.100.7", "/b?c=1", "/d", "/e"]
        assert {seen.headers["x-apikey"] for seen in server.seen} == {KEY}


def test_redirects_are_bounded() -> None:
    clock = Clock()
    with FakeServer(move("/again")) as server, client(clock) as http:
        with pytest.raises(BadResponse, match="more than 3 redirects"):
            http.send(call(server), deadline=clock.deadline())
        assert len(server.seen) == 4


@pytest.mark.parametrize(
    "target",
    [
        "{other}/x?secret=1",
        "//example.com/x",
        "https://127.0.0.1/x",
        "http://user:pw@127.0.0.1:1/x",
        "file:///etc/passwd",
        "http://[::1/x",
        "http://127.0.0.1:99999999/x",
    ],
)
def test_no_redirect_leaves_the_host(target: str) -> None:
    clock = Clock()
    with FakeServer(OK) as other, FakeServer(move(target.format(other=other.url))) as server:
        with client(clock) as http, pytest.raises(BadResponse, match="redirect") as caught:
            http.send(call(server), deadline=clock.deadline())
        assert other.seen == []
        assert "secret=1" not in str(caught.value)
        assert "pw" not in str(caught.value)


def test_a_post_stays_a_post_or_is_refused() -> None:
    clock = Clock()
    with FakeServer(move("/b", 307), OK, move("/c", 302)) as server, client(clock) as http:
        post = Call("a", f"{server.url}/a", method="POST", body={"q": 1})
        http.send(post, deadline=clock.deadline())
        assert [(seen.method, seen.body) for seen in server.seen] == [("POST", b'{"q":1}')] * 2
        with pytest.raises(BadResponse, match="redirected as a GET"):
            http.send(post, deadline=clock.deadline())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "http://192.0.2.1/x",
        "http://localhost.example.com/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "https://user:pw@example.com/x",
        "https://example.com/x#y",
        "https://example.com:0/x",
        "https:///x",
        "example.com/x",
        "https://ex ample.com/x",
        "https://example.com/x\r\nX: y",
        "https://ex\u00e4mple.com/x",
        "",
    ],
)
def test_only_https_and_this_machine_are_asked(url: str) -> None:
    clock = Clock()
    with client(clock) as http:
        with pytest.raises(Rejected) as caught:
            http.send(Call("a", url), deadline=clock.deadline())
        assert "pw" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", f"{KEY}\n", f"{KEY}\r\nX: y", f"{KEY}\u00e4"])
def test_a_key_that_fits_no_header_is_a_matter_of_the_key(key: str) -> None:
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        asked = Call("a", server.url, secret_headers={"Key": SecretStr(key)})
        with pytest.raises(AuthRejected, match="enter it again") as caught:
            http.send(asked, deadline=clock.deadline())
        assert KEY not in str(caught.value)
        assert server.seen == []


@pytest.mark.parametrize(
    "asked",
    [
        Call("a", "http://127.0.0.1:1/", method="TRACE"),
        Call("a", "http://127.0.0.1:1/", "POST", body={}, form={}),
    ],
)
def test_a_call_that_makes_no_sense_is_a_mistake_of_ours(asked: Call) -> None:
    clock = Clock()
    with client(clock) as http, pytest.raises(ValueError, match="one of the known methods"):
        http.send(asked, deadline=clock.deadline())


# --- TLS and proxies -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("cryptography.x509")
    return written_to(tmp_path_factory.mktemp("tls") / "loopback.pem")


def test_a_certificate_of_an_unknown_authority_is_refused(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    clock = Clock()
    with FakeServer(OK, tls=served(certificate)) as server, client(clock) as http:
        with pytest.raises(Transient, match="certificate cannot be verified: self-signed"):
            http.send(call(server), deadline=Deadline.after(10))
        assert server.seen == []
        assert clock.slept == [], "asking again would not help"


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_a_ca_bundle_is_trusted(by: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    settings: dict[str, Any] = {"ca_bundle": certificate} if by == "setting" else {}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate) if by == "environment" else "")
    with FakeServer(OK, tls=served(certificate)) as server, client(clock, **settings) as http:
        for _ in range(2):
            assert http.send(call(server), deadline=Deadline.after(10)).status == 200


def test_the_host_name_must_be_in_the_certificate(certificate: Path) -> None:
    clock = Clock()
    with (
        FakeServer(OK, tls=served(certificate)) as server,
        client(clock, ca_bundle=certificate) as http,
        pytest.raises(Transient, match=r"certificate cannot be verified: .*localhost"),
    ):
        http.send(Call("a", server.url.replace("127.0.0.1", "localhost")), deadline=Deadline.after(10))


def test_a_bundle_that_holds_no_certificate_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    clock = Clock()
    with (
        client(clock, ca_bundle=tmp_path / "empty.pem") as http,
        pytest.raises(Rejected, match="CA bundle cannot be read"),
    ):
        http.send(Call("a", "https://127.0.0.1:1/"), deadline=clock.deadline())


def test_a_dripping_server_does_not_outlast_the_deadline_over_tls(certificate: Path) -> None:
    clock = Clock()
    answer = Answer(body=b" " * 200, drip_s=0.02)
    with (
        FakeServer(answer, tls=served(certificate)) as server,
        client(clock, ca_bundle=certificate) as http,
    ):
        started = time.monotonic()
        with pytest.raises(TimedOut):
            http.send(call(server), deadline=Deadline.after(SHORT_S))
        assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_other_hosts_are_asked_through_the_proxy(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    clock = Clock()
    with FakeServer(Answer(407)) as proxy:
        address = proxy.url.replace("//", f"//user:{KEY}@")
        settings: dict[str, Any] = {"proxies": {"https": address}} if by == "setting" else {}
        if by == "environment":
            monkeypatch.setenv("HTTPS_PROXY", address)
        with client(clock, retries=0, **settings) as http:
            with pytest.raises(Transient, match="proxy") as caught:
                http.send(Call("a", "https://192.0.2.1/x?y=1"), deadline=Deadline.after(10))
            assert KEY not in str(caught.value)
            monkeypatch.setenv("NO_PROXY", "192.0.2.1")
            assert http._load("source").transport._proxies("a", "https://192.0.2.1/x") == {}
    (seen,) = proxy.seen
    assert (seen.method, seen.path) == ("CONNECT", "192.0.2.1:443")
    assert "proxy-authorization" in seen.headers


def test_this_machine_is_never_asked_by_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    with FakeServer(OK) as proxy, FakeServer(OK) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        with client(clock, proxies={"http": proxy.url}) as http:
            http.send(call(server), deadline=clock.deadline())
        assert (len(proxy.seen), len(server.seen)) == (0, 1)


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    clock = Clock()
    with client(clock) as http, pytest.raises(Rejected, match="neither http nor https"):
        http.send(Call("a", "https://192.0.2.1/x"), deadline=Deadline.after(5))


def test_the_netrc_file_changes_no_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    clock = Clock()
    with FakeServer(OK) as server, client(clock) as http:
        http.send(
            Call("a", server.url, secret_headers={"Authorization": SecretStr(KEY)}), deadline=clock.deadline()
        )
        assert server.seen[0].headers["authorization"] == KEY


def test_cookies_are_not_sent_back() -> None:
    clock = Clock()

    def decide(seen: Seen) -> Answer:
        return Answer(headers=(("Set-Cookie", "a=b"),), body=seen.headers.get("cookie", "none").encode())

    with FakeServer(decide=decide) as server, client(clock) as http:
        assert {http.send(call(server), deadline=clock.deadline()).body for _ in range(2)} == {b"none"}
