"""What the widgets of isolate host, release host and get isolation status show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from playbooks.report import wording
from playbooks.report.widgets import ADDRESSES_SHOWN

#: Outcomes that leave open what is true, and those that a rule or a person brought about.
_OPEN = frozenset({"unknown", "pending"})
_QUIET = frozenset({"refused", "not_sent"})


class ContainedHost(NamedTuple):
    """One host, as the action's row has it; "" where nothing is known."""

    host: str
    case_id: str
    outcome: str
    verified: bool
    ours: bool
    state: str
    how_known: str
    as_of: str
    intent_id: str
    ordered_by: str
    owner: str
    review_by: str
    obstacles: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class ContainedRow:
    """The same as it is shown. All text is safe to show."""

    host: str
    case_id: str
    outcome: str
    tone: str
    sentence: str
    state: str
    order: str
    lease: str
    obstacles: str


def containment_widget(hosts: Sequence[ContainedHost]) -> dict[str, object]:
    """For widget_containment.html."""
    return {
        "hosts": [_row(each) for each in hosts[:ADDRESSES_SHOWN]],
        "left_out": max(0, len(hosts) - ADDRESSES_SHOWN),
    }


def _row(host: ContainedHost) -> ContainedRow:
    words = host.outcome.replace("_", " ")
    return ContainedRow(
        host=wording.name(host.host),
        case_id=wording.name(host.case_id, unknown=""),
        outcome=wording.name(words if host.verified else f"{words}, not verified"),
        tone=_tone(host),
        sentence=wording.sentence(host.sentence),
        state=_state(host),
        order=_order(host),
        lease=_lease(host),
        obstacles=", ".join(wording.name(each) for each in host.obstacles),
    )


def _tone(host: ContainedHost) -> str:
    if host.verified:
        return "good"
    if host.outcome in _OPEN:
        return "warn"
    return "unknown" if host.outcome in _QUIET else "bad"


def _state(host: ContainedHost) -> str:
    if not host.state:
        return "not read"
    state, known = host.state.replace("_", " "), host.how_known.replace("_", " ")
    return wording.name(f"{state} ({known}), read {host.as_of}")


def _order(host: ContainedHost) -> str:
    if not host.intent_id:
        return ""
    by = f", by {wording.name(host.ordered_by)}" if host.ordered_by else ""
    return f"{wording.name(host.intent_id)}{by}"


def _lease(host: ContainedHost) -> str:
    if not host.owner:
        return ""
    return f"{wording.name(host.owner)} answers for it; review by {wording.name(host.review_by)}"
