"""Text in KQL, the language of Kibana ("kuery").

In quotes only the backslash and the quote mean anything: `*` and `and` are themselves.
Grammar: elastic/kibana, kbn-es-query/src/kuery/grammar/grammar.peggy.
"""

from __future__ import annotations

from connectors.query.text import holdable


def literal(text: str) -> str:
    """The text as a quoted value.

    Raises:
        InputError: the text holds what no query can.
    """
    return '"' + holdable("KQL", text).replace("\\", "\\\\").replace('"', '\\"') + '"'
