"""Which notables the playbook answers: those whose process a detection profile names."""

from __future__ import annotations

import json
from collections.abc import Sequence

from actions.profile import Profile
from connectors.addresses import shown
from connectors.errors import NotableError
from connectors.facts.notable import Notable
from connectors.siem.notable import DERIVED, ParsedInput, RejectedNotable
from connectors.siem.notable_text import fields_of

#: Programs named in the sentence that rejects another one.
_NAMES_LISTED = 8


def of_profiles(parsed: ParsedInput, profiles: Sequence[Profile]) -> ParsedInput:
    """The same input, in which notables of programs without a profile are rejected.

    Another program is not judged as a copy of the one a profile describes. Names are compared without
    regard to case.

    Args:
        parsed: as parse_notables gives it: process names without their path.
        profiles: shipped or given.

    Returns:
        Rejected ones come after those rejected before. Their `raw` holds what was read, in the search's
        names and fit to be read again, not the object as it came; their `position` is 0, not known.
    """
    names = {name.casefold() for profile in profiles for name in profile.process_names}
    known = [each for each in parsed.notables if each.process_name.casefold() in names]
    others = [each for each in parsed.notables if each.process_name.casefold() not in names]
    rejected = (_rejected(each, sorted(names)) for each in _objects(others))
    return ParsedInput(tuple(known), (*parsed.rejected, *rejected))


def _objects(notables: Sequence[Notable]) -> list[list[Notable]]:
    """The notables by the object they were read from, which makes one for each destination address."""
    objects: dict[Notable, list[Notable]] = {}
    for each in notables:
        event_id = "" if each.event_id.startswith(DERIVED) else each.event_id
        same = each.model_copy(update={"event_id": event_id, "dest_ip": None, "missing": ()})
        objects.setdefault(same, []).append(each)
    return list(objects.values())


def _rejected(notables: Sequence[Notable], names: Sequence[str]) -> RejectedNotable:
    listed = ", ".join(names[:_NAMES_LISTED]) + (", ..." if len(names) > _NAMES_LISTED else "")
    error = NotableError(
        "process_name",
        f"{shown(notables[0].process_name)} belongs to no detection profile",
        f"The profiles in use name {listed}; give one of your own that names the program",
    )
    return RejectedNotable(0, _as_text(notables), error)


def _as_text(notables: Sequence[Notable]) -> str:
    """What the notables say, as one JSON object in the names of the search."""
    fields = fields_of(notables)
    if notables[0].event_id.startswith(DERIVED):
        del fields["event_id"]
    return json.dumps(fields)
