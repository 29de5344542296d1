"""The SIEM port over a Splunk: what check() proves, and that no token comes out anywhere."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from pydantic import SecretStr

from connectors.errors import AuthRejected
from connectors.facts.health import HealthState
from connectors.ports import NotableUpdate, SiemConnector
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.settings import NotablesFrom
from tests.fakes.splunk_bench import bench
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN
from tests.unit.test_splunk_notables import notable

READS = {"context", "statuses", "start", "state", "results"}


def test_it_is_a_siem_connector() -> None:
    with bench() as at:
        port: SiemConnector = at.siem
        assert port.name == "splunk"


def test_check_proves_the_capabilities_and_changes_nothing() -> None:
    with bench() as at:
        health = at.siem.check()
        assert (health.state, health.missing_scopes) == (HealthState.OK, ())
        assert set(at.fake.calls) == READS


@pytest.mark.parametrize("lacking", ["edit_notable_events", "edit_tcp"])
def test_check_of_a_token_that_may_only_read_works_and_names_the_missing_capability(lacking: str) -> None:
    with bench() as at:
        at.fake.capabilities.remove(lacking)
        health = at.siem.check()
    assert (health.state, health.missing_scopes) == (HealthState.OK, (lacking,))
    assert f"without {lacking} no" in health.detail


def test_check_of_a_token_that_may_not_search_fails_and_names_all_that_is_missing() -> None:
    with bench() as at:
        at.fake.capabilities = []
        health = at.siem.check()
    assert health.state is HealthState.FAILED
    assert health.missing_scopes == ("search", "edit_notable_events", "edit_tcp")


@pytest.mark.parametrize(
    ("minutes", "told"), [(0, ""), (1, ""), (14, "14 minutes ahead of"), (-20, "20 minutes behind")]
)
def test_check_tells_a_clock_that_is_not_splunks(minutes: int, told: str) -> None:
    with bench() as at:
        siem = at.again(clock=lambda: at.clock() + timedelta(minutes=minutes))
        health = siem.check()
    assert health.state is HealthState.OK
    assert told in health.detail
    assert bool(told) == ("clock" in health.detail)


def test_what_is_not_used_is_not_needed() -> None:
    with bench(hec=True, notables_from=NotablesFrom.ESCU) as at:
        at.fake.capabilities = ["search"]
        assert at.siem.check().state is HealthState.OK
        assert set(at.fake.calls) == {"context", "start", "state", "results"}


def test_check_of_a_wrong_token_or_no_splunk_is_a_finding_and_no_exception() -> None:
    with bench() as at:
        wrong = SplunkSiem(at.http, at.fake.settings(), SecretStr("another-token"), clock=at.clock)
        health = wrong.check()
        assert health.state is HealthState.FAILED
        assert "token" in health.detail
        nowhere = at.fake.settings().model_copy(update={"base_url": "http://127.0.0.1:1"})
        assert SplunkSiem(at.http, nowhere, SecretStr(TOKEN)).check().state is HealthState.FAILED


def test_no_token_comes_out_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with bench(hec=True) as at:
        at.fake.notables = [notable(1, -60, owner="kim")]
        at.siem.fetch_notables(None, limit=5)
        at.siem.update_notable(at.fake.notables[0]["event_id"], NotableUpdate("x", owner="soar"))
        wrong = SplunkSiem(at.http, at.fake.settings(), SecretStr(f"{TOKEN}-wrong"), clock=at.clock)
        with pytest.raises(AuthRejected) as refused:
            wrong.fetch_notables(None, limit=5)
        said = f"{caplog.text}{refused.value}{vars(at.siem)}{vars(at.siem._notes)}{at.siem.check()}"
    assert TOKEN not in said
    assert HEC_TOKEN not in said
