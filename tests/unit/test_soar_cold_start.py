"""What a new process loads for one `check ip`: no HTTP, no log reader, no report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

REQUEST = json.dumps(
    {
        "asset_id": "7",
        "identifier": "check_ip",
        "container_id": 1,
        "config": {"app_version": "0.1.0", "directory": "regsvcs_response", "main_module": "src.app:app"},
        "parameters": [{"ip": "149.154.167.220"}],
    }
)
CHECK_IP = (
    "from playbooks.hosts.soar.app import app\n"
    f"app.handle({REQUEST!r})\n"
    "(result,) = app.actions_manager.get_action_results()\n"
    "assert result.get_data()[0]['public'] is True\n"
)
TELL = "\nimport sys; sys.stderr.write('\\nLOADED ' + ' '.join(sorted(sys.modules)))"


def loaded(code: str) -> set[str]:
    """The modules a new process has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", code + TELL], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.rpartition("LOADED ")[2].split())


def test_a_cold_check_ip_loads_no_http_and_nothing_it_does_not_need() -> None:
    beyond = loaded(CHECK_IP) - loaded("import soar_sdk.app")
    tops = {name.split(".")[0] for name in beyond}
    # Even an empty App of the SDK would load httpcore, h11 and anyio.
    assert tops <= {"actions", "connectors", "playbooks", "pydantic"}
    ours = {name for name in beyond if name.split(".")[0] in ("actions", "connectors", "playbooks")}
    assert "actions.check_ip" in ours
    for heavy in ("connectors.edr", "connectors.siem", "playbooks.settings", "playbooks.report"):
        assert not any(name.startswith(heavy) for name in ours), heavy
