"""Secrets from the environment or a file: what is taken, and that no error tells one."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.environment_secrets import MAX_SECRET, secret_of
from connectors.errors import ConfigError

NAME = "REGSVCS_RESPONSE_TEST_SECRET"
SECRET = "planted-secret-0123456789"


def test_neither_is_none_and_an_empty_one_counts_as_not_set() -> None:
    assert secret_of({}, NAME) is None
    assert secret_of({NAME: "  ", f"{NAME}_FILE": ""}, NAME) is None


def test_of_the_variable_and_of_the_file_without_blanks(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    for environ in ({NAME: f" {SECRET} "}, {f"{NAME}_FILE": str(path)}):
        found = secret_of(environ, NAME)
        assert found is not None
        assert found.get_secret_value() == SECRET


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff" + SECRET.encode(), b"a" * (MAX_SECRET + 1)])
def test_a_file_that_holds_none_is_named_without_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        secret_of({f"{NAME}_FILE": str(path)}, NAME)
    assert caught.value.field == f"{NAME}_FILE"
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", [f"{SECRET}\n{SECRET}", f"{SECRET}\u00e9", "a" * (MAX_SECRET + 1)])
def test_a_value_that_fits_no_header_is_refused_without_it(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        secret_of({NAME: value}, NAME)
    assert caught.value.field == NAME
    assert SECRET not in str(caught.value)


def test_both_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both set"):
        secret_of({NAME: SECRET, f"{NAME}_FILE": "x"}, NAME)
    with pytest.raises(ConfigError, match="cannot be read"):
        secret_of({f"{NAME}_FILE": str(tmp_path / "none")}, NAME)
