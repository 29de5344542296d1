"""Custom code that several blocks hold. A block stands alone, so each holds its own copy."""

from __future__ import annotations

from playbooks.hosts.soar.notable_artifact import CASE_ID, CASE_LABEL, CASE_STATE

#: Characters of a title at most; the platform takes a few more. Of a part that others are put before: fewer.
TITLE_LIMIT = 250
PART_LIMIT = 200

#: Shows text from outside in a note. A code span holds no link, markup or HTML; a line end would leave it.
QUOTED = """
    def quoted(text, limit=300):
        # In a code span nothing from outside is a link or markup; a line end or a backtick would end it.
        shown = "".join(c if c.isprintable() else " " for c in str(text or "")).replace("`", "'")
        shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
        return f"`{shown.strip() or 'unknown'}`"
"""

#: Shows the name of a host where no code span keeps it from being markup: in a prompt and in a pin.
PLAIN_HOST = """
    def plain_host(text):
        name = "".join(c if c.isascii() and (c.isalnum() or c in "._:-") else "_" for c in str(text or ""))
        return name[:255] or "unknown"
"""

#: Reads the notes a container has. A title of the platform's own notes may be missing.
NOTES = """
    def notes_of(case):
        # (id, title), the oldest first
        notes = [note["data"] for note in phantom.get_notes(container=case) or [] if note.get("success")]
        return sorted((note["id"], str(note["title"] or "")) for note in notes)
"""

#: Reads the status of a container now: the one a block is handed is that of the beginning of the run.
STATUS = """
    def status_of(case):
        return str((phantom.get_container(case["id"]) or case).get("status", "")).lower()
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

#: Keeps the state of a case for re-enrichment; gives whether the platform took it, and its message.
KEEP_STATE = f"""
    def keep_state(case, case_id, state):
        # Severity low: an artifact raises that of its container.
        success, message, _ = phantom.add_artifact(
            container=case,
            raw_data={{}},
            cef_data={{"{CASE_ID}": case_id, "{CASE_STATE}": state}},
            label="{CASE_LABEL}",
            name="Regsvcs case state",
            severity="low",
            run_automation=False,
        )
        return success, message
"""

#: What a container's status is called when a person has ended the case.
ENDED = '("closed", "resolved")'
