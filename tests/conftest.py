"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from connectors.edr.crowdstrike import search_jobs as falcon_jobs
from connectors.http import client
from connectors.siem.splunk import jobs as splunk_jobs
from connectors.siem.splunk import risk_sending

#: Set by `make soak`, which also runs what is marked `soak`: long loads, thousands of kills.
SOAK = "REGSVCS_RESPONSE_SOAK"

settings.register_profile("default", deadline=None, derandomize=True, max_examples=20)
#: `make soak`: other examples each time, and many more of them.
settings.register_profile("soak", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("soak" if os.environ.get(SOAK) else "default")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real logs and vendor answers kept beside the checkout; the test is skipped where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real logs (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    """The examples that ship with the project."""
    return ROOT / "examples"


#: Tests of whole commands, actions and playbooks, which have no clock to inject.
_ON_THE_REAL_CLOCK = ("test_cli_", "test_soar_", "test_playbook_")


@pytest.fixture(autouse=True)
def _short_pauses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the clock is the real one, let nobody wait between polls and attempts."""
    if request.module.__name__.rpartition(".")[2].startswith(_ON_THE_REAL_CLOCK):
        for module, name in (
            (falcon_jobs, "FIRST_PAUSE_S"),
            (splunk_jobs, "FIRST_PAUSE_S"),
            (risk_sending, "_FIRST_PAUSE_S"),
            (client, "FIRST_PAUSE_S"),
        ):
            monkeypatch.setattr(module, name, 0.001)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long loads to `make soak`."""
    if os.environ.get(SOAK):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
