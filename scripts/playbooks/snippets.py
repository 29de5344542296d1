"""Custom code that several blocks hold. A block stands alone, so each holds its own copy."""

from __future__ import annotations

#: Shows text from outside in a note. A code span holds no link, markup or HTML; a line end would leave it.
QUOTED = """
    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"
"""

#: Reads the titles of the notes a container has.
TITLES = """
    def titles_of(case):
        notes = phantom.get_notes(container=case) or []
        return {note["data"]["title"] for note in notes if note.get("success")}
"""

#: Raises the severity of a container; leaves one that this playbook does not know.
RAISE = """
    def raise_severity(case, wanted):
        # Only ever raised, and never from a severity of the site's own, which has no place in this order.
        order = ["low", "medium", "high"]
        now = str(case.get("severity", "")).lower()
        if now in order and wanted in order and order.index(wanted) > order.index(now):
            phantom.set_severity(container=case, severity=wanted)
"""
