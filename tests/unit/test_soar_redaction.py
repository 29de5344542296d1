"""Secrets are taken out of what leaves an action in every form, whole or cut."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.redaction import holds_secret
from playbooks.hosts.soar.redaction import MARK, redactor, without_secrets

PASSWORD = "planted/word+0123456789"
ACCOUNT = f"analyst:{PASSWORD}"
KEY = "0f3d" * 16


def basic(account: str) -> str:
    return base64.b64encode(account.encode()).decode()


@pytest.mark.parametrize(
    "told",
    [
        ACCOUNT,
        PASSWORD,
        basic(ACCOUNT),
        basic(PASSWORD),
        basic(f"other:{PASSWORD}"),
        f"Basic {basic(ACCOUNT)}",
        quote(PASSWORD, safe=""),
        quote(PASSWORD, safe="").lower(),
        quote(ACCOUNT),
        base64.urlsafe_b64encode(f"??{PASSWORD}??".encode()).decode(),
        json.dumps({"said": PASSWORD}),
    ],
)
@pytest.mark.parametrize("times", [0, 1, 2])
def test_an_account_is_hidden_in_each_form(told: str, times: int) -> None:
    text = f"the server said {told} to us"
    for _ in range(times):  # facts are JSON inside JSON
        text = json.dumps([text])
    clean = without_secrets(text, [ACCOUNT])
    assert "[secret]" in clean
    assert not holds_secret(clean.encode(), [ACCOUNT])
    for start in range(len(PASSWORD) - 5):
        assert PASSWORD[start : start + 6] not in clean.lower()
    for _ in range(times):
        (clean,) = json.loads(clean)
    assert clean.startswith("the server said ")
    assert clean.endswith(" to us")


def test_the_name_of_an_account_is_hidden_where_it_looks_like_a_key() -> None:
    assert without_secrets("ask an analyst", [ACCOUNT]) == "ask an analyst"
    assert without_secrets(f"for {KEY} here", [f"{KEY}:x"]) == "for [secret] here"


@pytest.mark.parametrize(
    "mark", ["...", "\u2026", " [... 90 characters left out ...] ", "[...90 left out...]"]
)
@pytest.mark.parametrize("kept", range(6, len(KEY)))
def test_a_key_that_was_cut_is_hidden(kept: int, mark: str) -> None:
    assert without_secrets(f"title {KEY[:kept]}{mark}", [KEY]) == f"title [secret]{mark}"


@pytest.mark.parametrize("kept", range(12, len(KEY)))
def test_a_long_beginning_is_hidden_without_a_mark(kept: int) -> None:
    assert without_secrets(f"{KEY[:kept]} (seen today)", [KEY]) == "[secret] (seen today)"


def test_a_short_beginning_is_a_word() -> None:
    assert without_secrets("0f3d0f3d is no key", [KEY]) == "0f3d0f3d is no key"


def test_keys_that_begin_alike_leave_no_end_of_one_behind() -> None:
    keys = ["planted-abusech-0123", "planted-abuseipdb-0123", "planted-abuseipdb-01234567"]
    for key in keys:
        assert without_secrets(f"<{key}>", keys) == "<[secret]>"


@given(
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40), max_size=3
    ),
    st.text(max_size=60),
    st.text(max_size=60),
)
def test_no_secret_survives_and_other_text_does(secrets: list[str], before: str, after: str) -> None:
    clean = redactor(secrets)
    for secret in secrets:
        if secret in MARK:
            continue
        assert not holds_secret(clean(f"{before}{secret}{after}").encode("utf-8", "surrogatepass"), [secret])
    assert redactor([])(before) == before
