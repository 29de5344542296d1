"""Text of a log as plain prose for systems that may render it: one line, and nothing in it is live."""

from __future__ import annotations

import re
from collections.abc import Callable

from actions.case_facts import CaseFacts
from playbooks.report.display import visible
from playbooks.report.iocs import defanging

#: Characters of one line; the report beside it has the whole text.
LINE_LIMIT = 300

#: What opens or closes a tag, a link, an image or code, and what stands in its place.
_LOOK_ALIKES = str.maketrans("<>[]`", "\u2039\u203a()'")


def safe_prose(facts: CaseFacts) -> Callable[[str], str]:
    """Makes a text of the log one safe line, in which nothing is a link, an image, a tag or code."""
    defanged = defanging(facts)

    def safe(text: str) -> str:
        # The brackets of the log go first: those that are left were put there by defanging.
        shown = defanged(visible(text, limit=LINE_LIMIT).translate(_LOOK_ALIKES))
        shown = re.sub(r"(?i)http(s?)://", r"hxxp\1://", shown).replace("://", "[:]//")
        shown = re.sub(r"(?i)(?<![^\W_])(www)\.", r"\1[.]", shown).replace("@", "[@]")
        # A bracket at the beginning could define a link, one before a parenthesis or bracket be one.
        shown = re.sub(r"^\[(.)\]", r"(\1)", shown)
        return re.sub(r"\](?=[(\[])", "] ", shown)

    return safe
