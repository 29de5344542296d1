"""Takes secrets out of what leaves an action. No code of ours writes one; another's error text may."""

from __future__ import annotations

import json
from collections.abc import Collection

#: What stands in place of a secret.
MARK = "[secret]"

#: Shorter ones are not looked for: they would stand in ordinary words.
MIN_LENGTH = 6


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """The text with each secret replaced, as it is and as JSON writes it, longest first."""
    forms = {form for secret in secrets if len(secret) >= MIN_LENGTH for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MARK)
    return text


def _forms(secret: str) -> set[str]:
    escaped = {json.dumps(secret, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    # Facts are JSON inside JSON once a playbook hands on a list of them.
    return {secret, *escaped, *(json.dumps(each)[1:-1] for each in escaped)}
