"""Text in Kusto (KQL), the language of Microsoft's hunting.

https://learn.microsoft.com/kusto/query/scalar-data-types/string
Escapes: microsoft/Kusto-Query-Language, grammar/KqlTokens.g4.
"""

from __future__ import annotations

import re

from connectors.query.text import holdable

#: Inside quotes these would end the literal or the line, or are not seen by who reads the query.
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029]')


def literal(text: str) -> str:
    r"""The text as a string literal: `"..."` with `\\`, `\"` and `\u....`; not the verbatim `@"..."`.

    Raises:
        InputError: the text holds what no query can.
    """
    return '"' + _ESCAPED.sub(_escape, holdable("Kusto", text)) + '"'


def _escape(found: re.Match[str]) -> str:
    each = found.group()
    return f"\\{each}" if each in '"\\' else f"\\u{ord(each):04x}"
