"""Whether Falcon read a search as it was written. Pure.

A search that is not CQL need not be refused: words that are not understood are looked for as free text, and
the answer is HTTP 200 with other rows or none (CrowdStrike/falcon-mcp, pull request 539: `| limit 5` is read
as `| limit | 5`). A job's answer holds the search as it was read in `metaData.filterQuery.queryString`
(https://library.humio.com/logscale-api/api-search-polling-metadata.html). Read and written are compared stage
by stage and word by word; spaces, quotes and punctuation may be normalised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r'"(?P<quoted>(?:[^"\\]|\\.)*)"'
    r"|(?P<before>[=~]\s*)/(?P<pattern>(?:[^/\\\n]|\\.)*)/[a-z]*"
    r"|(?P<word>[#@\w.\-:]+)"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<pipe>\|)"
    r"|.",
    re.DOTALL,
)

#: Written or left out without a change of meaning.
_IMPLIED = frozenset({"and", "field", "values", "limit", "function"})

#: Longer texts are not compared.
_LONGEST = 200_000


def doubt(written: str, answer: Mapping[str, object], *, rows: int) -> str:
    """Why an answer without failure still proves nothing; "" where it does.

    Args:
        written: the search that was sent.
        answer: the job's answer when it is done.
        rows: how many rows it has.
    """
    meta = answer.get("metaData")
    meta = meta if isinstance(meta, Mapping) else {}
    echo = meta.get("filterQuery")
    read = echo.get("queryString") if isinstance(echo, Mapping) else None
    if isinstance(read, str) and read.strip():
        return "" if same_search(written, read) else "Falcon read the search as something else"
    if rows:
        return ""
    processed = meta.get("processedEvents")
    if isinstance(processed, (int, float)) and processed > 0:
        return ""
    return "no rows, and nothing shows that the search was understood and events were looked at"


def same_search(written: str, read: str) -> bool:
    """Whether `read` is `written` again, or its first stages: aggregating stages can be left out."""
    if max(len(written), len(read)) > _LONGEST:
        return False
    mine, theirs = stages(written), stages(read)
    return 0 < len(theirs) <= len(mine) and mine[: len(theirs)] == theirs


def stages(search: str) -> list[list[str]]:
    """The words of each stage of a search, without what may be normalised."""
    found: list[list[str]] = [[]]
    depth = 0
    for token in _TOKEN.finditer(search):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "pipe" and depth <= 0:
            found.append([])
        elif kind in {"quoted", "pattern", "word"}:
            word = "".join(each for each in token.group(kind).lower() if each.isalnum())
            if word and not (kind == "word" and word in _IMPLIED):
                found[-1].append(word)
    return found
