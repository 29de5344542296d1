"""Whether a vendor can be asked about a text or an id at all. Pure.

What no query can hold is in no host name, image, address or id either: nothing is found, and nothing is sent.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.errors import InputError
from connectors.ports import ConnectionClue
from connectors.query.text import holdable

#: Characters of a host name, an image's path or an id that are asked for.
LONGEST = 32_768


#: Characters of a full host name: RFC 1035, 2.3.4, has 253 without the dot at the end.
LONGEST_HOST_NAME = 255


def can_name_a_host(text: str) -> bool:
    """Whether a text can be looked for as a host name."""
    return len(text) <= LONGEST_HOST_NAME and can_be_asked(text)


def can_be_asked(*texts: str | None) -> bool:
    """False where one of the texts holds a NUL or half of a surrogate pair, or is longer than any path."""
    try:
        for each in texts:
            if len(holdable("a query", each or "")) > LONGEST:
                return False
    except InputError:
        return False
    return True


#: Ids of agents, machines and actions are hexadecimal digits or UUIDs with every vendor. Nothing in one of
#: these means anything in a query, and none is a step in a URL's path.
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}", re.ASCII)


def is_plain_id(text: str) -> bool:
    """Whether a text can be an id that a vendor gave."""
    return _ID.fullmatch(text) is not None


class NamedPair(NamedTuple):
    """A connection as vendors without Sysmon's guids can be asked for it.

    Attributes:
        name: of the process's image, as asked.
        src_ip, dest_ip: canonical, IPv4 out of IPv6's mapped form; src_ip opened the connection.
    """

    name: str
    src_ip: str
    dest_ip: str


def named_pair(clue: ConnectionClue) -> NamedPair | None:
    """What a clue names; None where it lacks the name or an address, or holds what no event has."""
    name = clue.process_name.strip()
    src, dest = (canonical_ip((each or "").strip()) for each in (clue.src_ip, clue.dest_ip))
    if not name or src is None or dest is None or not can_be_asked(name):
        return None
    src_ip, dest_ip = (each.removeprefix("::ffff:") if "." in each else each for each in (src, dest))
    return NamedPair(name, src_ip, dest_ip)
