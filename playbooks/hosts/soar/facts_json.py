"""Typed facts as one JSON string, and back: what one action hands to the next.

A string is `{"kind": "case_findings", "version": "1.0", "facts": {...}}`. An action accepts one such
document or a list of them, each as an object or again as a string, since a playbook collects strings.
"""

from __future__ import annotations

import json
from enum import StrEnum

from pydantic import ValidationError

from connectors.errors import InputError
from connectors.facts.base import Fact
from playbooks.hosts.soar.shapes import MAX_FACTS

#: Version of the envelope. The first number changes when facts of an earlier one can no longer be read.
VERSION = "1.0"

#: Documents in one list at most.
MAX_DOCUMENTS = 5000


class OtherVersion(InputError):
    """The facts are of another version of this app, or were changed."""


class Kind(StrEnum):
    """What a string of facts holds, and which action gives it."""

    IP_CHECK = "ip_check"
    """check ip"""
    REPUTATION = "reputation"
    """lookup ip"""
    CASE_FINDINGS = "case_findings"
    """get process lineage"""
    ASSESSED_CASE = "assessed_case"
    """assess risk"""
    CASE_REPORT = "case_report"
    """decide isolation, respond to notable, reenrich case"""


#: By the name of the type: importing the types would load the whole playbook for a `check ip`.
_KINDS = {
    "IpCheck": Kind.IP_CHECK,
    "DestinationReputation": Kind.REPUTATION,
    "CaseFindings": Kind.CASE_FINDINGS,
    "AssessedCase": Kind.ASSESSED_CASE,
    "CaseReport": Kind.CASE_REPORT,
}


def pack(fact: Fact) -> str:
    """The facts as one JSON string, one line, ASCII only: nothing in it can steer a terminal.

    Raises:
        KeyError: no action hands on facts of this type.
    """
    document = {
        "kind": _KINDS[type(fact).__name__].value,
        "version": VERSION,
        "facts": fact.model_dump(mode="json"),
    }
    return json.dumps(document, separators=(",", ":"))


def kind_of(text: str, *, field: str) -> Kind | None:
    """The kind of the first facts in a string; None where there are none of this app.

    Raises:
        InputError: too long, or not JSON.
    """
    if not text.strip():
        return None
    if len(text) > MAX_FACTS:
        raise InputError(field, f"is longer than {MAX_FACTS} characters", "Hand on the facts of fewer cases")
    found = _json(text, field)
    first = next(iter(found), None) if isinstance(found, list) else found
    document = _json(first, field) if isinstance(first, str) else first
    kind = document.get("kind") if isinstance(document, dict) else None
    return Kind(kind) if isinstance(kind, str) and kind in Kind else None


def unpack[F: Fact](text: str, model: type[F], *, field: str) -> list[F]:
    """The facts of a string: one document or a list of them, in order; empty text gives none.

    Args:
        text: as `pack` wrote it, or a JSON list of that.
        model: the type that is expected.
        field: the parameter's name, for the error.

    Raises:
        InputError: too long, not JSON, of another kind or version, or a field is missing or wrong.
    """
    if not text.strip():
        return []
    if len(text) > MAX_FACTS:
        raise InputError(field, f"is longer than {MAX_FACTS} characters", "Hand on the facts of fewer cases")
    found = _json(text, field)
    documents = found if isinstance(found, list) else [found]
    if len(documents) > MAX_DOCUMENTS:
        raise InputError(field, f"holds {len(documents)} facts, more than {MAX_DOCUMENTS}")
    return [
        _one(_json(each, field) if isinstance(each, str) else each, model, field)
        for each in documents
        if each not in (None, "")
    ]


def _json(text: str, field: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            field, "is not JSON", "Give the facts output of the action before, unchanged"
        ) from error


def _one[F: Fact](document: object, model: type[F], field: str) -> F:
    wanted = _KINDS[model.__name__]
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(document, dict) or kind not in Kind:
        raise InputError(field, "holds no facts of this app", f"Give facts of the kind {wanted.value}")
    if kind != wanted:
        raise InputError(field, f"holds facts of the kind {kind}", f"Give facts of the kind {wanted.value}")
    version = str(document.get("version", ""))
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise OtherVersion(field, f"was written in version {version[:20]!r}", f"This app reads {VERSION}")
    try:
        return model.model_validate(document.get("facts"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OtherVersion(
            field, f"{where or 'facts'}: {first['msg']}", "Give the facts output unchanged"
        ) from error
