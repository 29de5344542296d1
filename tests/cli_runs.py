"""The command line in a test: run in this process, without the user's keys, settings and data."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from playbooks.hosts.cli import main
from tests.fakes.reputation_servers import IP, VENDORS, Vendor

#: A public address that the fake vendors know in place of their documentation address: Telegram's.
PEER = "149.154.167.220"


class Result(NamedTuple):
    code: int
    out: str
    err: str


Invoke = Callable[..., Result]


def alone(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    """Take the user's keys and settings out of the environment, and name a data folder of the test's."""
    for name in os.environ:
        if name.startswith("REGSVCS_RESPONSE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(data))


def invoking(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], *, data: Path
) -> Invoke:
    """What runs a command and gives its exit code and output."""
    alone(monkeypatch, data)
    # Whatever another test imported may have put handlers there that write to standard output.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    def call(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "argv", ["regsvcs-response", *(str(each) for each in arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stop:
            main()
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Result(code, out.decode(), err.decode())

    return call


def vendor(name: str) -> Vendor:
    """A fake vendor that knows PEER."""
    (like,) = (each for each in VENDORS if each.name == name)

    def asks_about(seen: object) -> str | None:
        about = like.asks_about(seen)  # type: ignore[arg-type]  # what the server saw
        return IP if about == PEER else about

    found = json.loads(json.dumps(like.found).replace(IP, PEER))
    return like._replace(asks_about=asks_about, found=found)


def settings_file(folder: Path, urls: Mapping[str, str], *, more: Iterable[str] = ()) -> Path:
    """Settings that send sources to other addresses."""
    lines = ["[reputation]", f'folder = "{folder / "state"}"', *more, "[reputation.sources.base_urls]"]
    path = folder / "settings.toml"
    path.write_text("\n".join([*lines, *(f'{name} = "{url}"' for name, url in urls.items())]) + "\n")
    return path
