"""Which notables make one case.

A case is host + ProcessGuid, else host + process name + day: a beacon raises a notable every hour and one
per destination, and there is one question per host, not per notable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from actions.case_facts import Unknown
from actions.get_process_lineage import Located
from connectors.facts.host import HostRef
from connectors.facts.notable import Notable
from connectors.facts.process import ProcessRef


@dataclass(slots=True)
class CaseDraft:
    """A case before anything was gathered for it."""

    case_id: str
    host: HostRef | None
    process: ProcessRef | None
    host_candidates: tuple[str, ...] = ()
    process_candidates: tuple[str, ...] = ()
    notables: list[Notable] = field(default_factory=list)
    problems: list[Unknown] = field(default_factory=list)
    failed: bool = False


def group_cases(located: Iterable[tuple[Notable, Located]]) -> list[CaseDraft]:
    """The cases, in the order of their first notable. A notable of several processes joins several cases."""
    drafts: dict[str, CaseDraft] = {}
    for notable, where in located:
        for process in where.processes or (None,):
            case_id = _case_id(notable, where.host, process)
            draft = drafts.setdefault(
                case_id,
                CaseDraft(case_id, where.host, process, where.host_candidates, where.process_candidates),
            )
            if not any(_same_input(notable, known) for known in draft.notables):
                draft.notables.append(notable)
            draft.failed = draft.failed or where.failed
            draft.problems.extend(each for each in where.problems if each not in draft.problems)
    for draft in drafts.values():
        draft.notables.sort(key=_first_time)
    return list(drafts.values())


def _same_input(one: Notable, other: Notable) -> bool:
    """The same notable delivered twice: its event_id and the by-fields of the analytic agree."""
    return _input_key(one) == _input_key(other)


def _input_key(notable: Notable) -> tuple[str | None, ...]:
    return (
        notable.event_id,
        notable.dest,
        notable.user,
        notable.process_name,
        notable.src_ip,
        notable.dest_ip,
    )


def _case_id(notable: Notable, host: HostRef | None, process: ProcessRef | None) -> str:
    """Stable and safe as a file name: the texts of the notable only go into a hash."""
    machine = (host.host_id if host is not None else notable.dest).lower()
    if process is not None and process.guid is not None:
        parts = [machine, process.guid]
    elif process is not None and process.start_time is not None:
        parts = [machine, str(process.pid), process.start_time.isoformat()]
    else:
        when = notable.first_time or notable.last_time
        parts = [machine, notable.process_name.lower(), when.date().isoformat() if when else "no day"]
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"case-{digest[:16]}"


def _first_time(notable: Notable) -> tuple[bool, float]:
    first = notable.first_time or notable.last_time
    return (first is None, first.timestamp() if first is not None else 0.0)
