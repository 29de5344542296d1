"""Who first wrote a piece of evidence. Platforms republish each other, and one author is one vote.

Naming an author makes evidence count as independent, so a name that anyone may choose names nobody: on an
open platform only known accounts have a lineage.
"""

from __future__ import annotations

import re

ABUSE_CH = "abuse.ch"
ABUSEIPDB = "abuseipdb"
ALIENVAULT = "alienvault"
GREYNOISE = "greynoise"

_KNOWN = {
    "abuse.ch": ABUSE_CH,
    "abuse_ch": ABUSE_CH,
    "abuse-ch": ABUSE_CH,
    "abusech": ABUSE_CH,
    "urlhaus": ABUSE_CH,
    "threatfox": ABUSE_CH,
    "feodotracker": ABUSE_CH,
    "feodo tracker": ABUSE_CH,
    "malwarebazaar": ABUSE_CH,
    "sslbl": ABUSE_CH,
    "abuseipdb": ABUSEIPDB,
    "alienvault": ALIENVAULT,
    "alienvault otx": ALIENVAULT,
    "greynoise": GREYNOISE,
}

_MENTION = re.compile(
    r"(?<![a-z0-9])(?:" + "|".join(re.escape(name) for name in sorted(_KNOWN, key=len, reverse=True)) + r")"
    r"(?![a-z0-9])"
)

#: Longest lineage that is kept, characters.
MAX_LINEAGE = 64


def known_author(name: str) -> str:
    """The lineage of a name that is a known author's; "" for any other."""
    return _KNOWN.get(name.strip().casefold(), "")


def author_mentioned(*texts: str) -> str:
    """The known author that a title or tag names, as in "URLhaus feed of today"; "" when none does.

    Use it only where the text's writer is trusted: it can join two votes to one, and give one a lineage.
    """
    for text in texts:
        found = _MENTION.search(text.casefold())
        if found:
            return _KNOWN[found.group()]
    return ""


def author_on_trusted_server(name: str) -> str:
    """The lineage of an organisation on a server whose accounts its operator gives out: its own name."""
    plain = "".join(letter for letter in name.strip().casefold() if letter.isprintable())
    return known_author(plain) or plain[:MAX_LINEAGE]
