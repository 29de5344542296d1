"""The report as a JSON document, and its one-line summary. Loads no terminal library."""

from __future__ import annotations

import json
from dataclasses import dataclass

import orjson

from actions.isolation import IsolationMode, IsolationVerdict
from actions.risk import CaseVerdict
from playbooks.case import CaseReport
from playbooks.report.containment import done_short
from playbooks.report.display import is_hidden
from playbooks.report.story import host_of, process_of
from playbooks.report.talk import talks
from playbooks.report.wording import count, endpoint, name


def to_json(report: CaseReport, *, indent: bool = True) -> bytes:
    """The whole report as UTF-8 JSON with a newline at its end; `CaseReport.model_validate_json` reads it.

    schema_version stands first, all other keys are sorted. Characters that could steer a terminal (C1
    controls, bidi and zero-width characters) stand as JSON escapes, so that the file can be printed.

    Args:
        indent: False gives one line.
    """
    fields = report.model_dump(mode="json")
    version = fields.pop("schema_version")
    document = {"schema_version": version} | {key: _sorted(fields[key]) for key in sorted(fields)}
    try:
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else 0).decode()
    except (
        TypeError
    ):  # an integer beyond 64 bits, such as a made-up access mask: orjson refuses, JSON does not
        separators = None if indent else (",", ":")
        text = json.dumps(document, indent=2 if indent else None, separators=separators, ensure_ascii=False)
    return printable_json(f"{text}\n".encode())


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return value


def printable_json(document: bytes) -> bytes:
    """The same JSON document with every hidden character as an escape, so that a terminal may show it."""
    if document.isascii() and b"\x7f" not in document:
        return document
    text = document.decode()
    hidden = [char for char in set(text) if char != "\n" and is_hidden(char)]
    escapes = {ord(char): "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1] for char in hidden}
    return text.translate(escapes).encode() if escapes else document


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One case in the table that closes a run. All text is safe to show.

    Attributes:
        peer: the first address with its port; how many more there are.
        score: 0 to 100.
        decision: what the isolation decision says, and in which mode.
        done: what was done about the host, in a word or two; "" where nothing may be done.
    """

    host: str
    process: str
    peer: str
    verdict: CaseVerdict
    score: float
    decision: IsolationVerdict
    mode: IsolationMode
    done: str
    case_id: str


def summary_row(report: CaseReport) -> SummaryRow:
    """The case in one line."""
    found = talks(report.facts)
    peer = endpoint(found[0].ip, found[0].ports) if found else "unknown peer"
    if len(found) > 1:
        peer += f" and {count(len(found) - 1, 'more', 'more')}"
    return SummaryRow(
        host=host_of(report.facts),
        process=process_of(report.facts),
        peer=peer,
        verdict=report.risk.case_verdict,
        score=report.risk.score,
        decision=report.decision.verdict,
        mode=report.decision.effective_mode,
        done=done_short(report.containment),
        case_id=name(report.case_id),
    )
