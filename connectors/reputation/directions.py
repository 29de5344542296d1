"""Whose traffic a report is about, by the words of its title and tags. Without such a word it stays context.

Only evidence about outbound traffic can convict a destination, so a report about scanners must not pass for
one: where words of both kinds stand, inbound wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from connectors.facts.reputation import EvidenceDirection

_INBOUND = re.compile(
    r"(?<![a-z0-9])(?:honey ?pot|scan|scanners?|scanning|brute[ -]?force|ssh|telnet"
    r"|rdp|login attempts?|web attacks?|spam|ddos|reconnaissance)(?![a-z0-9])"
)

_OUTBOUND = re.compile(
    r"(?<![a-z0-9])(?:c2|c&c|cnc|c2 server|botnet_cc|command[ -]and[ -]control|command-control|rat|stealer"
    r"|infostealer|loader|payload|beacon|exfiltration)(?![a-z0-9])"
)


def direction_of(texts: Iterable[str]) -> EvidenceDirection:
    """The direction that the words of some texts name."""
    joined = "\n".join(texts).casefold()
    if _INBOUND.search(joined):
        return EvidenceDirection.INBOUND
    if _OUTBOUND.search(joined):
        return EvidenceDirection.OUTBOUND
    return EvidenceDirection.CONTEXT
