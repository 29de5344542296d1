"""Text in CQL, the language of CrowdStrike's Next-Gen SIEM (LogScale).

`field = "..."` takes `*` for a wildcard even inside quotes. Text from outside is therefore compared inside
`test(field == "...")`, where strings are literal.
https://library.humio.com/data-analysis/functions-test.html
https://library.humio.com/crowdstrike-query-language/syntax-datatypes-detail-string.html
"""

from __future__ import annotations

from connectors.query.text import holdable

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})


def literal(text: str) -> str:
    """The text as a string literal: for `test(field == ...)`, never for `field = ...`.

    Raises:
        InputError: the text holds what no query can.
    """
    return '"' + holdable("CQL", text).translate(_ESCAPES) + '"'
