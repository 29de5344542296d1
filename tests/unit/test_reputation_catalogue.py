"""The catalogue: what is configured, what is missing, and where keys come from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from connectors.errors import ConfigError
from connectors.facts.health import HealthState
from connectors.facts.reputation import EvidenceDirection, Reliability, SourceStatus
from connectors.http.call import Call, Reply
from connectors.http.deadline import Deadline
from connectors.reputation.catalogue import (
    CATALOGUE,
    NotConfigured,
    ReputationSourcesSettings,
    configured,
    describe,
    keys_from_environment,
    variable_of,
)
from tests.conftest import ROOT
from tests.fakes.reputation_servers import IP, KEY


class Nobody:
    """A client that must not be asked."""

    def send(self, call: Call, *, deadline: Deadline, fresh: bool = False) -> Reply:
        raise AssertionError(f"asked {call.source}")


def names(*, missing: bool, settings: ReputationSourcesSettings, keys: dict[str, SecretStr]) -> list[str]:
    return [
        source.info.name
        for source in configured(settings, Nobody(), keys)
        if isinstance(source, NotConfigured) is missing
    ]


def test_without_keys_every_source_is_there_and_says_what_is_missing() -> None:
    sources = configured(ReputationSourcesSettings(), Nobody(), {})
    assert [source.info.name for source in sources] == list(CATALOGUE)
    for source in sources:
        (answer,) = source.lookup(IP, deadline_s=1.0)
        assert answer.status is SourceStatus.NOT_CONFIGURED
        health = source.check()
        assert health.state is HealthState.NOT_CONFIGURED
        assert health.detail == answer.detail
        assert health.detail.startswith("Set ")


def test_a_key_configures_its_source() -> None:
    keys = {"virustotal": SecretStr(KEY), "misp": SecretStr(KEY)}
    settings = ReputationSourcesSettings()
    assert names(missing=False, settings=settings, keys=keys) == ["virustotal"]  # misp has no address
    with_urls = ReputationSourcesSettings(
        base_urls={"misp": "https://misp.example.org", "taxii": "https://taxii.example.org/c/1/"}
    )
    assert names(missing=False, settings=with_urls, keys=keys) == ["virustotal", "misp", "taxii"]


def test_only_enabled_sources_are_there() -> None:
    settings = ReputationSourcesSettings(enabled=("otx", "virustotal"))
    keys = {"virustotal": SecretStr(KEY), "abuseipdb": SecretStr(KEY)}
    assert names(missing=False, settings=settings, keys=keys) == ["virustotal"]
    assert names(missing=True, settings=settings, keys=keys) == ["otx"]
    assert configured(ReputationSourcesSettings(enabled=()), Nobody(), keys) == ()


def test_settings_reach_the_source() -> None:
    settings = ReputationSourcesSettings(
        enabled=("taxii",),
        base_urls={"taxii": "http://127.0.0.1:8/c/"},
        taxii_direction=EvidenceDirection.OUTBOUND,
        taxii_reliability=Reliability.A,
    )
    (source,) = configured(settings, Nobody(), {})
    assert (source.info.direction, source.info.reliability) == (EvidenceDirection.OUTBOUND, Reliability.A)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://misp.example.org", "must begin with https://"),
        ("ftp://misp.example.org", "must begin with https://"),
        ("http://127.0.0.1.attacker.example", "must begin with https://"),
        ("https://user:pass@misp.example.org", "holds a user name"),
        ("https://misp.example.org/?key=x", "has a query"),
        ("https://misp.example.org/#x", "has a fragment"),
        ("misp.example.org", "is not a URL"),
        ("https://", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://misp.example.org:99999", "is not a URL"),
        ("https://misp.example.org/ x", "is not a URL"),
        ("https://misp.example.org:0/", "is not a URL"),
        ("https://misp.example.org/\x00", "is not a URL"),
        ("https://misp.example.org/%00", "is not a URL"),
    ],
)
def test_unsafe_addresses_are_refused(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ReputationSourcesSettings(base_urls={"misp": url})


@pytest.mark.parametrize(
    "url",
    ["https://misp.example.org:8443/misp/", "http://127.0.0.1:80", "http://[::1]:80", "http://127.0.0.2"],
)
def test_safe_addresses(url: str) -> None:
    assert ReputationSourcesSettings(base_urls={"misp": url}).base_urls == {"misp": url}


def test_unknown_names_are_refused() -> None:
    wrong = (
        r"names 'virustotl', which is no source; did you mean virustotal\? There are virustotal, abuseipdb"
    )
    with pytest.raises(ValidationError, match=wrong):
        ReputationSourcesSettings(enabled=("otx", "virustotl"))
    with pytest.raises(
        ValidationError, match="names 'x', which is no source; there are virustotal, abuseipdb"
    ):
        ReputationSourcesSettings(base_urls={"x": "https://x.example"})


def test_keys_come_from_variables_and_files(tmp_path: Path) -> None:
    file = tmp_path / "otx"
    file.write_text(f"{KEY}\n")
    environ = {
        "REGSVCS_RESPONSE_VIRUSTOTAL_KEY": f" {KEY} ",
        "REGSVCS_RESPONSE_OTX_KEY_FILE": str(file),
        "REGSVCS_RESPONSE_ABUSEIPDB_KEY": "",
        "REGSVCS_RESPONSE_CONFIG": "x",
    }
    keys = keys_from_environment(environ)
    assert {name: key.get_secret_value() for name, key in keys.items()} == {"virustotal": KEY, "otx": KEY}
    assert KEY not in repr(keys)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "names an empty file"),
        (b"two\nlines-of-planted", "has characters that no secret has"),
        (b"planted\x00", "has characters that no secret has"),
        (b"planted\xff", "is not plain text"),
        (b"planted" * 2_000, "is too long"),
    ],
)
def test_bad_key_files_are_named_without_their_content(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        keys_from_environment({"REGSVCS_RESPONSE_OTX_KEY_FILE": str(file)})
    assert caught.value.field == "REGSVCS_RESPONSE_OTX_KEY_FILE"
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_missing_file_and_both_variables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        keys_from_environment({"REGSVCS_RESPONSE_OTX_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match="are both set"):
        keys_from_environment({"REGSVCS_RESPONSE_OTX_KEY": "x", "REGSVCS_RESPONSE_OTX_KEY_FILE": "y"})


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_entry_describes_itself(name: str) -> None:
    info = describe(name)
    assert info.name == name
    assert info.licence.endswith(".")
    assert variable_of(name) == f"REGSVCS_RESPONSE_{name.upper()}_KEY"


def test_no_vendor_and_no_http_library_is_imported_until_it_is_used() -> None:
    program = (
        "import sys, connectors.reputation.catalogue\n"
        "print([m for m in sys.modules if m in ('requests', 'requests_cache', 'tenacity')\n"
        "       or m in {e.module for e in connectors.reputation.catalogue.CATALOGUE.values()}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.strip() == "[]"
