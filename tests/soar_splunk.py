"""The SOAR app with a Splunk behind it: policy, asset, and notables by the clock of the app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connectors.clock import utc_now
from playbooks.hosts.soar.splunk import ONCE
from tests.fakes.splunk_server import HEC_TOKEN, TOKEN, FakeSplunk
from tests.fakes.splunk_spl import Row
from tests.soar_app import app

GUID = "3F8B0A52-8D6E-4C11-9D3E-5F2A7C1B9E04"
NAME = "ESCU - Detect Regsvcs with Network Connection - Rule"


def policy_of(fake: FakeSplunk, more: str = "", *, splunk: str = "") -> str:
    """A policy that names the Splunk.

    Args:
        fake: where it is.
        more: further sections.
        splunk: further lines of the section.
    """
    return f'[splunk]\nbase_url = "{fake.url}"\n{splunk}\n{more}'


def splunk_asset(
    fake: FakeSplunk, more: str = "", *, splunk: str = "", **fields: object
) -> dict[str, object]:
    """An asset with the Splunk's tokens and policy, that may write to it."""
    policy = policy_of(fake, more, splunk=splunk)
    tokens = {"splunk_token": TOKEN, "splunk_hec_token": HEC_TOKEN}
    return {"policy": policy, **tokens, "write_to_splunk": True, **fields}


def forget_writes() -> None:
    """Remove what the app noted as written: a later fake may have the port of an earlier one."""
    for path in Path(app.actions_manager.get_state_dir()).glob(f"{ONCE}*"):
        path.unlink()


def notable_row(number: int, *, seconds_ago: int = 3600, **changes: Any) -> Row:
    """A row of the macro `notable`, as of a notable that no person has touched."""
    when = utc_now().timestamp() - seconds_ago
    return {
        "event_id": f"{GUID}@@notable@@{number:032x}",
        "_time": when - 5,
        "_indextime": int(when),
        "search_name": NAME,
        "dest": f"WS-{number}",
        "user": r"CORP\sam",
        "process_name": "regsvcs.exe",
        "src_ip": "10.0.0.5",
        "dest_ip": "203.0.113.7",
        "dest_port": ["443", "8443"],
        "count": "2",
        "firstTime": "2026-09-24T07:41:41",
        "lastTime": "2026-09-24T07:44:42",
        "urgency": "high",
        "status": "1",
        "status_label": "New",
        "status_default": "true",
        "owner": "unassigned",
        **changes,
    }
