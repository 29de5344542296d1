"""Which notables make one case.

A case is host + ProcessGuid, else host + process name + day: a beacon raises a notable every hour and one
per destination, and there is one question per host, not per notable. The peer is no part of it: two victims
of one server are two cases, one victim of two servers is one.

A notable whose machine is not known is of a case of another kind: own address + user + process name + day.
Once its machine is known it joins the case of that machine, whose `earlier_ids` are those it may have had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from actions.case_facts import Unknown
from actions.get_process_lineage import Located
from actions.locate_machine import FoundBy, is_internal
from connectors.facts.host import HostRef
from connectors.facts.notable import Direction, Notable
from connectors.facts.process import ProcessRef


@dataclass(slots=True)
class CaseDraft:
    """A case before anything was gathered for it.

    Attributes:
        found_by: how its machine became known, the surest way of its notables.
        earlier_ids: ids under which its notables stand where less is known of machine and process; none of
            another case of the same run.
        inputs: what tells its notables apart.
    """

    case_id: str
    host: HostRef | None
    process: ProcessRef | None
    found_by: FoundBy | None = None
    host_candidates: tuple[str, ...] = ()
    process_candidates: tuple[str, ...] = ()
    notables: list[Notable] = field(default_factory=list)
    problems: list[Unknown] = field(default_factory=list)
    failed: bool = False
    earlier_ids: dict[str, None] = field(default_factory=dict)
    inputs: set[tuple[str | None, ...]] = field(default_factory=set)


def group_cases(located: Iterable[tuple[Notable, Located]]) -> list[CaseDraft]:
    """The cases, in the order of their first notable. A notable of several processes joins several cases."""
    drafts: dict[str, CaseDraft] = {}
    for notable, where in located:
        for process in where.processes or (None,):
            case_id = _case_id(notable, where.host, process)
            draft = drafts.setdefault(
                case_id,
                CaseDraft(
                    case_id,
                    where.host,
                    process,
                    where.found_by,
                    where.host_candidates,
                    where.process_candidates,
                ),
            )
            draft.earlier_ids.update(dict.fromkeys(_ids_before(notable, where.host, but=case_id)))
            key = _input_key(notable)
            if key not in draft.inputs:
                draft.inputs.add(key)
                draft.notables.append(_with_direction(notable, where))
            draft.failed = draft.failed or where.failed
            draft.found_by = _best(draft.found_by, where.found_by)
            draft.problems.extend(each for each in where.problems if each not in draft.problems)
    for draft in drafts.values():
        draft.notables.sort(key=_first_time)
        draft.earlier_ids = {each: None for each in draft.earlier_ids if each not in drafts}
    return list(drafts.values())


def _best(one: FoundBy | None, other: FoundBy | None) -> FoundBy | None:
    """The surer of two ways to the same machine, whichever notable came first."""
    ranks = list(FoundBy)
    return min((each for each in (one, other) if each is not None), key=ranks.index, default=None)


def _with_direction(notable: Notable, where: Located) -> Notable:
    """The notable with the direction of its connection, where only the search for its machine has told it."""
    if notable.direction is not Direction.UNKNOWN or where.direction is Direction.UNKNOWN:
        return notable
    return notable.model_copy(update={"direction": where.direction})


def _input_key(notable: Notable) -> tuple[str | None, ...]:
    """Equal for the same notable delivered twice: its event_id and the by-fields of the analytic agree."""
    return (
        notable.event_id,
        notable.dest,
        notable.user,
        notable.process_name,
        notable.src_ip,
        notable.dest_ip,
        *notable.process_guids,
    )


def _case_id(notable: Notable, host: HostRef | None, process: ProcessRef | None) -> str:
    """Stable and safe as a file name: the texts of the notable only go into a hash."""
    machine = host.host_id if host is not None else notable.dest
    if not machine:
        return _id_of(*_parts_without_machine(notable))
    if host is None and notable.machine_doubtful:
        # The name may be the peer's, so it alone must not join the victims of one server.
        return _id_of(machine.lower(), *_parts_without_machine(notable))
    machine = machine.lower()
    if process is not None and process.guid is not None:
        return _id_of(machine, process.guid)
    if process is not None and process.start_time is not None:
        return _id_of(machine, str(process.pid), process.start_time.isoformat())
    return _id_of(machine, notable.process_name.lower(), _day(notable))


def _ids_before(notable: Notable, host: HostRef | None, *, but: str) -> list[str]:
    """The ids of the cases this notable may have been of before its host or its process was known."""
    ids = [_case_id(notable, known, None) for known in (host, None)]
    if host is not None and not notable.dest:
        ids.append(_id_of(*_parts_without_machine(notable)))
    return [each for each in dict.fromkeys(ids) if each != but]


def _parts_without_machine(notable: Notable) -> list[str]:
    """What tells the machines of notables apart that name none, as far as that can be told.

    Without a direction the own end is not known where both addresses may be it; both count then. Where no own
    address is known each notable is a case of its own.
    """
    own = [notable.own_ip or ""]
    if notable.direction is Direction.UNKNOWN and not (own[0] and is_internal(own[0])):
        own = sorted([notable.src_ip or "", notable.dest_ip or ""])
    if not all(own):  # what is left may be the peer alone
        own = [notable.event_id, notable.dest_given.casefold()]
    user, process = notable.user.casefold(), notable.process_name.casefold()
    return ["machine not known", *own, user, process, _day(notable)]


def _day(notable: Notable) -> str:
    when = notable.first_time or notable.last_time
    return when.date().isoformat() if when else "no day"


def _id_of(*parts: str) -> str:
    digest = hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"case-{digest[:16]}"


def _first_time(notable: Notable) -> tuple[bool, float]:
    first = notable.first_time or notable.last_time
    return (first is None, first.timestamp() if first is not None else 0.0)
