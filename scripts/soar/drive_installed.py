"""Drives an installed app as the platform does: `python -I drive_installed.py APP EXAMPLE OUT [MODULE ...]`.

It runs with the app's own packages only and imports nothing of this project but the installed copy. APP is
the folder <name>_<appid>; EXAMPLE holds notable.json and a Sysmon log; OUT receives the answers, as JSON.
Each MODULE is imported too: what the app loads only when it asks someone, which this drive never does.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

#: Modules whose place proves that neither the checkout nor its packages were used.
TRACED = (
    *("actions", "connectors", "playbooks", "soar_sdk", "evtx", "pydantic"),
    *("requests_cache", "tenacity", "iporigin"),
)


def load(folder: Path, manifest: dict[str, Any]) -> Any:
    """The App object, imported by the name the platform uses."""
    sys.path.insert(0, str(folder.parent))
    module, _, name = manifest["main_module"].partition(":")
    return getattr(importlib.import_module(f"{folder.name}.{module}"), name)


def answers(
    app: Any,
    manifest: dict[str, Any],
    identifier: str,
    asset: dict[str, str],
    parameters: list[dict[str, str]],
) -> list[dict[str, Any]]:
    """What one action answers: success, message and data of each result."""
    config = {
        "app_version": manifest["app_version"],
        "appname": "-",
        "directory": "installed",
        "main_module": manifest["main_module"],
        **asset,
    }
    app.actions_manager.action_results.clear()
    app.handle(
        json.dumps(
            {
                "asset_id": "1",
                "container_id": 1,
                "identifier": identifier,
                "config": config,
                "parameters": parameters,
            }
        )
    )
    return [
        {"success": each.get_status(), "message": each.get_message(), "data": each.get_data()}
        for each in app.actions_manager.get_action_results()
    ]


def rendered(app: Any, folder: Path, manifest: dict[str, Any], identifier: str) -> str:
    """The widget of the last answer, by the view the manifest names; empty where it names none."""
    action = next(each for each in manifest["actions"] if each["identifier"] == identifier)
    view = action.get("render", {}).get("view")
    if not view:
        return ""
    module, _, name = view.rpartition(".")
    render = getattr(importlib.import_module(f"{folder.name}.{module}"), name)
    context = {"QS": {}, "container": 1, "app": 1, "no_connection": False, "google_maps_key": False}
    totals = {"total_objects": 1, "total_objects_successful": 1}
    return str(render(action["action"], [(totals, app.actions_manager.get_action_results())], context))


def main(app_folder: str, example: str, out: str, *modules: str) -> None:
    """Ask `test connectivity` and `respond to notable`, and write what came back."""
    folder = Path(app_folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    app = load(folder, manifest)
    notable = (Path(example) / "notable.json").read_text(encoding="utf-8")
    log = next(path for path in sorted(Path(example).iterdir()) if path.name.startswith("sysmon"))
    asset = {"sysmon_path": str(log)}
    found = {
        "test_connectivity": answers(app, manifest, "test_connectivity", asset, []),
        "respond_to_notable": answers(app, manifest, "respond_to_notable", asset, [{"notable": notable}]),
    }
    widget = rendered(app, folder, manifest, "respond_to_notable")
    for name in modules:
        importlib.import_module(name)
    places = {name: str(sys.modules[name].__file__) for name in TRACED if name in sys.modules}
    written = {"answers": found, "widget": widget, "places": places}
    Path(out).write_text(json.dumps(written), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
