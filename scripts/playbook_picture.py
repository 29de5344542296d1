"""Draws docs/images/playbook.svg: the visual playbook as the editor places its blocks."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "playbooks/splunk_soar/regsvcs_network_connection.json"
TARGET = ROOT / "docs/images/playbook.svg"

#: Size of a block and of the margin around all of them, in the editor's own units.
WIDTH, HEIGHT, MARGIN = 250, 74, 30
#: Blocks stand 340 apart sideways and 180 downwards in the editor; a picture needs less.
SCALE_X, SCALE_Y = 0.85, 0.62
#: Between a row of blocks and the next one.
GAP = 180 * SCALE_Y - HEIGHT

_FILL = {"action": "#e8f1fb", "code": "#f4f4f2", "decision": "#fdf3dc", "prompt": "#fbe9e7"}
_KIND = {
    "start": "",
    "end": "",
    "action": "action",
    "code": "code",
    "decision": "decision",
    "prompt": "prompt",
}


def picture(document: dict[str, Any]) -> str:
    """The playbook of a visual editor's document as SVG; the same document gives the same text."""
    data = document["coa"]["data"]
    places = {key: (node["x"] * SCALE_X, node["y"] * SCALE_Y) for key, node in sorted(data["nodes"].items())}
    left = min(x for x, _ in places.values()) - MARGIN
    top = min(y for _, y in places.values()) - MARGIN
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN - left
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN - top
    parts = [_edge(edge, data["nodes"], places) for edge in data["edges"]]
    parts += [_node(data["nodes"][key], *places[key]) for key in places]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:g} {top:g} {width:g} {height:g}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="15">'
        "<title>The blocks of regsvcs_network_connection</title>"
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" fill="#ffffff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _node(node: dict[str, Any], x: float, y: float) -> str:
    kind = node["type"]
    name = node["data"]["advanced"].get("customName") or {"start": "start", "end": "end"}.get(kind, "")
    fill = _FILL.get(kind, "#ffffff")
    middle = x + WIDTH / 2
    label = f'<text x="{middle:g}" y="{y + 32:g}" text-anchor="middle" fill="#1c1f24">{escape(name)}</text>'
    below = (
        f'<text x="{middle:g}" y="{y + 54:g}" text-anchor="middle" fill="#5a6069" font-size="12">'
        f"{_KIND[kind]}</text>"
    )
    box = (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{fill}" stroke="#9aa3ad"/>'
    )
    return box + label + (below if _KIND[kind] else "")


def _edge(
    edge: dict[str, Any], nodes: dict[str, dict[str, Any]], places: dict[str, tuple[float, float]]
) -> str:
    (x1, y1), (x2, y2) = places[edge["sourceNode"]], places[edge["targetNode"]]
    start, end = (x1 + WIDTH / 2, y1 + HEIGHT), (x2 + WIDTH / 2, y2)
    # A line over several rows stays in its column until it is past their blocks.
    bend = end[1] - GAP / 2
    line = (
        f'<path d="M{start[0]:g} {start[1]:g}V{bend:g}H{end[0]:g}V{end[1]:g}" fill="none" stroke="#7b848e"/>'
    )
    conditions = edge.get("conditions")
    if not conditions:
        return line
    branches = nodes[edge["sourceNode"]]["data"]["conditions"]
    name = branches[conditions[0]["index"]]["customName"]
    return (
        line
        + f'<text x="{end[0] + 6:g}" y="{bend + 15:g}" fill="#5a6069" font-size="12">{escape(name)}</text>'
    )


def main() -> None:
    """Draw the picture."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(picture(json.loads(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
