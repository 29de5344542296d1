"""Drives the Splunk SOAR app in this process, the way the platform does: JSON in, results out.

Imported at module level only: importing the SDK replaces the handlers of the root logger.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from typing import NamedTuple

#: Where the SDK keeps state files; a folder of this process, gone at its end.
STATE_FOLDER = tempfile.mkdtemp(prefix="soar-state-")
atexit.register(shutil.rmtree, STATE_FOLDER, ignore_errors=True)
os.environ["PHANTOM_HOME"] = STATE_FOLDER

from soar_sdk.shims.phantom.encryption_helper import encryption_helper  # noqa: E402  (reads PHANTOM_HOME)

from playbooks.hosts.soar.app import app  # noqa: E402

__all__ = ["ASSET_ID", "STATE_FOLDER", "ActionAnswer", "app", "encrypted", "run_action"]

#: The asset every run names.
ASSET_ID = "7"


class ActionAnswer(NamedTuple):
    """One result of an action: what the platform shows for one parameter set.

    Attributes:
        status: True for success.
        message: the sentence beside it.
        param: the parameters the result belongs to.
        summary, data: as a playbook reads them.
    """

    status: bool
    message: str
    param: dict[str, object]
    summary: dict[str, object]
    data: list[dict[str, object]]


def run_action(
    action: str,
    parameters: list[dict[str, object]],
    *,
    asset: dict[str, object] | None = None,
    container_id: int = 1,
    session: str = "",
) -> list[ActionAnswer]:
    """Run one action with one or several parameter sets.

    Args:
        action: its name or identifier, such as "check ip".
        parameters: one dict a parameter set; an empty list is one empty set, as for "test connectivity".
        asset: the asset's fields in the clear; the sensitive ones are encrypted here, as the platform does.
        container_id: the container the action runs on.
        session: logs in at the platform with it, so that calls go out (to tests/soar_platform); "" = nobody.

    Returns:
        The results, in the order of the parameter sets.
    """
    request = {
        "asset_id": ASSET_ID,
        "identifier": action.replace(" ", "_"),
        "action": action.replace("_", " "),
        "container_id": container_id,
        "config": {
            "app_version": "0.1.0",
            "directory": "regsvcs_response",
            "main_module": "src.app:app",
            **encrypted(asset or {}),
        },
        "parameters": parameters,
        "user_session_token": session,
    }
    app.actions_manager.get_action_results().clear()
    app.handle(json.dumps(request))
    return [
        ActionAnswer(
            status=result.get_status(),
            message=result.get_message(),
            param=dict(result.get_param()),
            summary=dict(result.get_summary()),
            data=[dict(row) for row in result.get_data()],
        )
        for result in app.actions_manager.get_action_results()
    ]


def encrypted(asset: dict[str, object]) -> dict[str, object]:
    """The asset as the platform stores it: sensitive fields encrypted with the asset's id."""
    secret = app.asset_cls.fields_requiring_decryption()
    return {
        name: encryption_helper.encrypt(value, ASSET_ID)
        if name in secret and isinstance(value, str) and value
        else value
        for name, value in asset.items()
    }
