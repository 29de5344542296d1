"""Planted keys: none may be found in a file, a log line, an error or a repr."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.errors import ConnectorError
from connectors.http.call import Call
from connectors.http.redaction import cleaned, holds_secret, shown_url
from tests.fakes.http_server import Answer, FakeServer, Seen
from tests.http_clients import KEY, Clock, client

SECRETS = {
    "x-apikey": f"{KEY}-virustotal",
    "Key": f"{KEY}-abuseipdb",
    "X-OTX-API-KEY": f"{KEY}/otx+==",
    "Auth-Key": f"{KEY}-abusech",
    "Authorization": f"Basic {KEY}-misp",
    "X-Anything": f"{KEY}-other",
}
QUERY = "secret-of-a-query"


def test_after_a_run_with_planted_keys_none_is_found_anywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    texts: list[str] = []

    def decide(seen: Seen) -> Answer:
        """Every kind of answer, each with the keys in its body and headers."""
        echo = json.dumps(dict(seen.headers)).encode()
        headers: tuple[tuple[str, str], ...] = (
            ("X-Echo", seen.headers["x-apikey"]),
            ("Set-Cookie", f"k={seen.headers['key']}"),
        )
        status = {"/404": 404, "/401": 401, "/429": 429, "/500": 500, "/302": 302}.get(
            seen.path.partition("?")[0], 200
        )
        if seen.path.startswith("/302"):
            headers = (*headers, ("Location", f"https://example.com/?k={seen.headers['key']}"))
        if seen.path.startswith("/quiet"):
            return Answer(headers=headers[1:])
        return Answer(status, echo, headers=headers)

    with FakeServer(decide=decide) as server, client(clock, folder=tmp_path, retries=1) as http:
        for source, path in enumerate(("/echo", "/quiet", "/404", "/401", "/429", "/500", "/302")):
            asked = Call(
                f"source{source}",
                server.url + path,
                params={"apikey": QUERY},
                secret_headers={name: SecretStr(value) for name, value in SECRETS.items()},
                cache_s=60,
            )
            texts.append(repr(asked))
            try:
                reply = http.send(asked, deadline=clock.deadline())
                again = http.send(asked, deadline=clock.deadline())
                assert again.from_cache == (path == "/quiet")
                assert not holds_secret(reply.body, SECRETS.values())
                assert reply.status == 200
            except ConnectorError as exc:
                texts.append("".join(traceback.format_exception(exc)))
                texts.append(repr(exc))
        texts += [repr(http), repr(http._settings)]
    assert QUERY in texts[0], "a parameter is no secret: secrets go into secret_headers"
    texts = [text for text in texts if not text.startswith("Call(")]
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    shown = "\n".join([*texts, logged])
    stored = b"\n".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    unpacked = b"\n".join(
        base64.b64decode(text[: len(text) // 4 * 4]) for text in re.findall(rb"[A-Za-z0-9+/]{8,}", stored)
    )
    for secret in (KEY, QUERY, *SECRETS.values()):
        assert secret not in shown
        assert not holds_secret(shown.encode(), [secret])
        assert not holds_secret(stored, [secret])
        assert secret.encode() not in unpacked


def test_a_call_shows_no_secret() -> None:
    asked = Call("a", "https://example.com", secret_headers={"k": SecretStr(KEY)})
    assert KEY not in repr(asked)
    assert KEY not in str(asked)


PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=6, max_size=40)


@given(PRINTABLE, st.binary(max_size=5))
def test_a_secret_is_found_in_each_of_its_forms(secret: str, around: bytes) -> None:
    raw = secret.encode()
    in_json = json.dumps(secret)[1:-1].encode()
    quoted = quote(secret, safe="").encode()
    for form in (raw, quoted, base64.b64encode(raw), in_json, in_json.replace(b"/", b"\\/")):
        assert holds_secret(around + form + around, [secret])
    assert holds_secret(base64.b64encode(around + raw + around), [secret])
    assert holds_secret(base64.urlsafe_b64encode(around + raw + around), [secret])


@given(PRINTABLE, st.binary(max_size=5))
def test_a_cleaned_text_holds_no_form_of_a_secret(secret: str, around: bytes) -> None:
    raw = secret.encode()
    for form in (raw, quote(secret, safe="").encode(), base64.b64encode(around + raw + around)):
        assert not holds_secret(cleaned(around + form + b" " + form + around, [secret]), [secret])
    assert cleaned(around, [secret]) == around or holds_secret(around, [secret])


def escaped(text: str, which: list[bool]) -> str:
    """JSON's text of a string with some of its characters as \\uXXXX."""
    signs = zip(text, itertools.cycle(which), strict=False)
    return "".join(f"\\u{ord(sign):04x}" if odd else json.dumps(sign)[1:-1] for sign, odd in signs)


@given(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=6, max_size=40),
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.text(max_size=8),
)
def test_a_secret_that_json_escapes_is_cleaned_and_nothing_else_is_changed(
    secret: str, which: list[bool], around: str
) -> None:
    for _ in range(2):
        text = f'["{escaped(secret, which)}", {json.dumps(around)}]'.encode()
        assert holds_secret(text, [secret])
        read = json.loads(cleaned(text, [secret]))
        assert secret not in read[0]
        assert secret in around or read[1] == around
        which = [not each for each in which]


def test_a_backslash_that_is_text_stays_text() -> None:
    text = json.dumps(["\\u0041 is no A", KEY]).encode()
    assert json.loads(cleaned(text, [KEY])) == ["\\u0041 is no A", "[secret]"]


def test_no_answer_tells_another_secret_of_the_connector() -> None:
    other = "planted-other-0123456789"
    body = ("[" + json.dumps(escaped(other, [True])).replace("\\\\", "\\") + "]").encode()
    with FakeServer(decide=lambda _: Answer(200, body)) as server, client(Clock()) as http:
        asked = Call("a", f"{server.url}/x", unsaid=(SecretStr(other),))
        assert http.send(asked, deadline=Clock().deadline()).json() == ["[secret]"]
        assert other not in repr(asked)


def test_a_key_in_a_title_does_not_reach_the_reader() -> None:
    def decide(seen: Seen) -> Answer:
        return Answer(body=json.dumps({"title": f"hello {seen.headers['key']}"}).encode())

    clock = Clock()
    with FakeServer(decide=decide) as server, client(clock) as http:
        asked = Call("misp", server.url + "/", secret_headers={"Key": SecretStr(KEY)})
        assert http.send(asked, deadline=clock.deadline()).json() == {"title": "hello [secret]"}


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {KEY}",
        f"analyst:{KEY}",
        f"Basic {base64.b64encode(f'analyst:{KEY}'.encode()).decode()}",
    ],
)
def test_the_key_is_found_without_its_scheme_and_account(header: str) -> None:
    assert holds_secret(b'{"you sent": "' + KEY.encode() + b'"}', [header])
    assert holds_secret(base64.b64encode(KEY.encode()), [header])
    assert not holds_secret(b"Bearer Basic analyst", [header])


def test_an_answer_that_repeats_the_bare_token_is_kept_without_it(tmp_path: Path) -> None:
    clock = Clock()
    with (
        FakeServer(Answer(body=b'"' + KEY.encode() + b'"')) as server,
        client(clock, folder=tmp_path) as http,
    ):
        headers = {"Authorization": SecretStr(f"Bearer {KEY}")}
        asked = Call("source", f"{server.url}/quiet", secret_headers=headers, cache_s=60)
        kept = [http.send(asked, deadline=clock.deadline()) for _ in range(2)]
        assert [(each.body, each.from_cache) for each in kept] == [
            (b'"[secret]"', False),
            (b'"[secret]"', True),
        ]
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_short_texts_are_no_secrets() -> None:
    assert not holds_secret(b"a text", ["", "a"])


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@example.com:8443/a/b?k=v#f", "https://example.com:8443/a/b"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://[::1/x", "(not a URL)"),
        ("https://example.com/\x1b[31m\u202e", r"https://example.com/\x1b[31m\u202e"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@given(st.text(max_size=300))
def test_any_text_is_shown_as_printable_ascii(url: str) -> None:
    shown = shown_url(url)
    assert shown.isascii()
    assert shown.isprintable()
