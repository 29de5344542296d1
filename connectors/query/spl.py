"""Text in SPL, the language of Splunk.

A search term (`search field="..."`) takes `*` for a wildcard even inside quotes, and nothing escapes it; it
also ignores case. Text from outside is therefore compared by `| where field="..."`, whose strings are eval's:
there `*`, `|`, `[`, `]`, `%` and `$` are themselves, and macros inside quotes are not expanded.
https://help.splunk.com/splunk-enterprise/search/search-manual/9.4/search-primer/backslashes
https://help.splunk.com/en/splunk-enterprise/manage-knowledge-objects/knowledge-management-manual/10.0/search-macros
"""

from __future__ import annotations

import re

from connectors.errors import InputError
from connectors.query.text import holdable

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:{}-]{0,127}")

#: Host names, addresses, GUIDs and times: nothing in them means anything to a search term.
_PLAIN = re.compile(r"[A-Za-z0-9_.:{}@ -]{1,255}")

#: The same in every script, for the names of people.
_PLAIN_IN_ANY_SCRIPT = re.compile(r"[\w.:{}@ '-]{1,255}")


def literal(text: str) -> str:
    """The text as an eval string: for `where` and `eval`, never for a search term.

    Raises:
        InputError: the text holds what no query can.
    """
    return '"' + holdable("SPL", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def field(name: str) -> str:
    """A field name for `where` and `eval`: in single quotes, for those with dots and braces.

    Raises:
        InputError: it is no plain field name.
    """
    if not _FIELD.fullmatch(name):
        raise InputError("SPL field", "it is no plain field name")
    return f"'{name}'"


def term(name: str, text: str, *, any_script: bool = False) -> str:
    """`name="text"` for a search term, to narrow early what is then compared exactly.

    Args:
        name: of the field.
        text: what it holds.
        any_script: True also takes letters and digits of every script, and an apostrophe.

    Raises:
        InputError: the text is more than a name, an address or a GUID.
    """
    if not _FIELD.fullmatch(name):
        raise InputError("SPL field", "it is no plain field name")
    if not (_PLAIN_IN_ANY_SCRIPT if any_script else _PLAIN).fullmatch(text):
        raise InputError("SPL search term", "it is more than a name, an address or an id")
    return f'{name}="{text}"'
