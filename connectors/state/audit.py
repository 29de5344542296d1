"""The audit as a chain of lines: how a line is digested, exported and verified. Pure.

Each digest covers its line and the digest of the line before. What that proves: within a copy that is
verified from its first line, no byte was changed, and no line was deleted, put in, repeated or moved, unless
all digests after it were computed anew. What it does not prove: who wrote a line, that a line tells the
truth, or that nobody who may write the file made a new chain from some line on, or cut lines off the end.
Only a head that was kept somewhere else shows these last two, for the lines up to that head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import ValidationError

from connectors.errors import InputError
from connectors.facts.ledger import AuditHead, AuditLine

#: The `before` of the first line.
NO_DIGEST = "0" * 64

#: Characters kept of a text from outside.
MOST_TEXT = 4_000
_CUT = " [cut]"


class AuditVerdict(NamedTuple):
    """What a verification came to.

    Attributes:
        lines: how many lines from the first are in order.
        problem: what is wrong, one sentence; "" where nothing is.
        head: of the last line that is in order.
    """

    ok: bool
    lines: int
    problem: str
    head: AuditHead


def canonical(value: object) -> str:
    """JSON with one spelling for one value: sorted keys, no spaces, ASCII.

    Raises:
        ValueError, TypeError: it cannot be written as JSON.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def instant_text(instant: datetime) -> str:
    """An instant as text that sorts like the time: ISO 8601, UTC, microseconds.

    Raises:
        ValueError: it has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def kept_text(text: str, *, most: int = MOST_TEXT) -> str:
    """A text from outside as it can be stored: without lone surrogates, and not longer than `most`."""
    clean = text.encode("utf-8", "ignore").decode("utf-8")
    return clean if len(clean) <= most else clean[: most - len(_CUT)] + _CUT


def digest_of(line: AuditLine) -> str:
    """The digest that a line must have: SHA-256 over all its other fields, as hexadecimal text."""
    fields = _fields(line)
    del fields["digest"]
    return hashlib.sha256(canonical(fields).encode("ascii")).hexdigest()


def next_line(head: AuditHead, *, at: datetime, by: str, event: str, subject: str, data: object) -> AuditLine:
    """The line that follows a head."""
    line = AuditLine(
        number=head.number + 1,
        at=at,
        by=kept_text(by),
        event=kept_text(event),
        subject=kept_text(subject),
        data=canonical(data),
        before=head.digest,
        digest="",
    )
    return line.model_copy(update={"digest": digest_of(line)})


def verify(lines: Iterable[AuditLine], *, head: AuditHead | None = None) -> AuditVerdict:
    """Whether lines, from the first on, are an unbroken chain.

    Args:
        lines: the whole audit, in the order in which it is kept.
        head: one that was kept elsewhere; the chain must pass through it.
    """
    last = AuditHead(number=0, digest=NO_DIGEST)
    passed = head is None or head == last
    for line in lines:
        problem = _problem(line, last)
        if not problem and head is not None and line.number == head.number:
            passed = line.digest == head.digest
            if not passed:
                problem = _written_anew(head)
        if problem:
            return AuditVerdict(ok=False, lines=last.number, problem=problem, head=last)
        last = AuditHead(number=line.number, digest=line.digest)
    problem = "" if passed or head is None else _cut_off(last, head)
    return AuditVerdict(ok=not problem, lines=last.number, problem=problem, head=last)


def export_line(line: AuditLine) -> str:
    """A line of the audit as one line of JSON, without a line end."""
    return canonical(_fields(line))


def read_export(lines: Iterable[str]) -> Iterator[AuditLine]:
    """The audit lines of an export.

    Raises:
        InputError: a line is not as `export_line` writes it; names it.
    """
    for number, text in enumerate(lines, start=1):
        bare = text.rstrip("\r\n")
        field = f"line {number}"
        try:
            line = AuditLine.model_validate_json(bare)
        except ValidationError as exc:
            raise InputError(field, "is not a line of an exported audit") from exc
        if export_line(line) != bare:
            raise InputError(field, "is not spelt as the export writes it; it was changed after the export")
        yield line


def _fields(line: AuditLine) -> dict[str, object]:
    return {**line.model_dump(), "at": instant_text(line.at)}


def _problem(line: AuditLine, last: AuditHead) -> str:
    expected = last.number + 1
    if line.number != expected:
        return (
            f"line {expected} should follow line {last.number}, but line {line.number} does: a line was"
            " deleted, repeated, put in or moved"
        )
    if line.before != last.digest:
        return f"line {line.number} does not follow the line before it: one of the two was changed"
    if line.digest != digest_of(line):
        return f"line {line.number} was changed: its digest does not fit what it says"
    return ""


def _written_anew(head: AuditHead) -> str:
    return f"line {head.number} is not the one that the head was taken of: the audit was written anew"


def _cut_off(last: AuditHead, head: AuditHead) -> str:
    if head.number > last.number:
        return (
            f"the audit ends at line {last.number}, but the head was taken at line {head.number}: lines were"
            " cut off its end"
        )
    return _written_anew(head)
