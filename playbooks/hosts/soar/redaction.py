"""Takes secrets out of what leaves an action. No code of ours writes one; another's text may repeat one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from itertools import takewhile
from typing import Any

from connectors.http.redaction import secret_forms

#: What stands in place of a secret.
MARK = "[secret]"

#: Shorter ones are not looked for: they would stand in ordinary words.
MIN_LENGTH = 6

#: A beginning of a secret is one too, from this length on: text is shortened on its way here.
_BEGINNING = 12

#: Where a text was cut, a beginning of `MIN_LENGTH` is enough.
_CUT = re.compile(r" ?\[?(?:\.\.\.|\u2026)")

#: The name of an account from this length on, with a digit in it, is a key; a shorter one is a word.
_NAME_LENGTH = 16


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text with each secret replaced: see `redactor`."""
    return redactor(secrets)(text)


def redactor(secrets: Collection[str]) -> Callable[[str], str]:
    """What replaces each secret in a text.

    Each is looked for as it is, percent-encoded, in base64 and as JSON writes it, also inside JSON; of a
    name:password the password as well, and the name where it looks like a key. So is what is left of one
    that was cut.
    """
    forms = _forms(secrets)

    def clean(text: str) -> str:
        spans = sorted(span for form in forms for span in _found(text, form))
        return _replaced(text, spans) if spans else text

    return clean


def clean_values(told: Any, clean: Callable[[str], str]) -> Any:
    """Read JSON with each text in it cleaned. Names stay: a password may be the name of a field."""
    if isinstance(told, str):
        return clean(told)
    if isinstance(told, list):
        return [clean_values(each, clean) for each in told]
    if isinstance(told, dict):
        return {name: clean_values(each, clean) for name, each in told.items()}
    return told


def _forms(secrets: Collection[str]) -> frozenset[str]:
    names = {secret.partition(":")[0] for secret in secrets if ":" in secret}
    keys = {name for name in names if len(name) >= _NAME_LENGTH and any(map(str.isdigit, name))}
    forms = {form.decode("utf-8", "surrogatepass") for form in secret_forms({*secrets, *keys})}
    # Facts are JSON inside JSON once a playbook hands on a list of them.
    in_json = {json.dumps(form)[1:-1] for form in forms}
    return frozenset(forms | in_json)


def _found(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Where the form, or a beginning of it, stands: from, to."""
    anchor = form[:MIN_LENGTH]
    start = text.find(anchor)
    while start >= 0:
        pairs = zip(form, text[start : start + len(form)], strict=False)
        end = start + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if end - start >= min(len(form), _BEGINNING) or _CUT.match(text, end):
            yield start, end
        start = text.find(anchor, start + 1)


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with a mark for each run of spans that overlap or touch; they are sorted."""
    parts, kept, run_end = [], 0, -1
    for start, end in spans:
        if start > run_end:
            parts += [text[kept:start], MARK]
        run_end = kept = max(run_end, end)
    return "".join([*parts, text[kept:]])
