"""Text in an Elasticsearch query: values of a JSON document, in clauses that do not read them.

`term` and `terms` compare; `query_string`, `wildcard` and `regexp` read their text and are not used.
https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-term-query
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from connectors.query.text import holdable

type Clause = dict[str, object]


def literal(text: str) -> str:
    """The text as a JSON string.

    Raises:
        InputError: the text holds what no query can.
    """
    return orjson.dumps(holdable("Elasticsearch", text)).decode()


def term(field: str, text: str) -> Clause:
    """Field equals text; the field must be of type keyword, or what is compared is its words.

    Raises:
        InputError: the text holds what no query can.
    """
    return {"term": {field: {"value": holdable("Elasticsearch", text)}}}


def terms(field: str, texts: Sequence[str]) -> Clause:
    """Field equals one of the texts.

    Raises:
        InputError: a text holds what no query can.
    """
    return {"terms": {field: [holdable("Elasticsearch", text) for text in texts]}}
