"""`make demo` sends nothing: its commands get neither keys nor settings of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import demo
from tests.cli_runs import PEER, settings_file, vendor
from tests.fakes.reputation_servers import KEY, VendorServer


def test_the_commands_of_the_demo_ask_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with VendorServer(vendor("virustotal")) as server:
        config = settings_file(tmp_path, {"virustotal": server.url})
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        monkeypatch.setenv("REGSVCS_RESPONSE_VIRUSTOTAL_KEY", KEY)
        monkeypatch.setenv("REGSVCS_RESPONSE_CONFIG", str(config))
        command = [sys.executable, "-c", "from playbooks.hosts.cli import main; main()"]
        asked = {}
        for name, environ in (("user", dict(os.environ)), ("demo", demo.offline())):
            subprocess.run(
                [*command, "reputation", PEER],
                cwd=demo.ROOT,
                env=environ,
                check=False,
                timeout=60,
                stdout=subprocess.DEVNULL,
            )
            asked[name] = len(server.seen)
    assert asked == {"user": 1, "demo": 1}
    assert KEY not in demo.offline().values()
