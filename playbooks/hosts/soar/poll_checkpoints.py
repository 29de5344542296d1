"""How far the notables of each Splunk were taken: one checkpoint a Splunk, in the state of the asset.

A checkpoint says nothing of another Splunk. So each is kept with the address and the source it belongs to,
as the command keeps its own; one whose Splunk is no longer named stays for when it is named again.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from connectors.errors import InputError
from connectors.siem.splunk.settings import SplunkSettings
from playbooks.kept_checkpoint import KeptCheckpoint

#: The name in the asset's state.
STATE = "splunk_checkpoints"

#: Checkpoints of other Splunks that are kept, the newest.
MOST_OTHERS = 3

_TIME = "%Y-%m-%d %H:%M UTC"


class Checkpoints(NamedTuple):
    """What is kept for an asset.

    Attributes:
        own: of the Splunk that the policy names; None when it was never polled.
        others: of other Splunks, the newest first.
    """

    own: KeptCheckpoint | None
    others: tuple[KeptCheckpoint, ...]


def read_checkpoints(state: Mapping[str, Any], splunk: SplunkSettings) -> Checkpoints:
    """What is kept, told apart by whose it is.

    Raises:
        InputError: it is damaged, of the field "checkpoint".
    """
    held = state.get(STATE, [])
    try:
        kept = [KeptCheckpoint.model_validate(each) for each in _listed(held)]
    except (TypeError, ValidationError) as error:
        raise InputError("checkpoint", "cannot be used: it is damaged or of another version") from error
    here = (splunk.base_url.rstrip("/"), splunk.notables_from)
    own = next((each for each in kept if _whose(each) == here), None)
    others = sorted(
        (each for each in kept if _whose(each) != here), key=lambda each: each.kept_at, reverse=True
    )
    return Checkpoints(own, tuple(others))


def keep_checkpoint(
    state: MutableMapping[str, Any], new: KeptCheckpoint, others: Sequence[KeptCheckpoint]
) -> None:
    """Keep how far a poll came, beside the newest of other Splunks."""
    state[STATE] = [each.model_dump(mode="json") for each in (new, *others[:MOST_OTHERS])]


def begun_anew(kept: Checkpoints) -> str:
    """A sentence where another Splunk was polled before and this one was not; "" otherwise."""
    if kept.own is not None or not kept.others:
        return ""
    last = kept.others[0]
    return (
        f"The checkpoint is of another Splunk ({last.notables_from.value} of {last.base_url}, last moved"
        f" {last.kept_at:{_TIME}}), so this one is begun anew, 24 hours back; what is older is not fetched."
        " The other checkpoint stays for when the policy names that Splunk again"
    )


def _whose(kept: KeptCheckpoint) -> tuple[object, ...]:
    return kept.base_url.rstrip("/"), kept.notables_from


def _listed(held: object) -> list[object]:
    if not isinstance(held, list):
        raise TypeError(f"a list is kept, not {type(held).__name__}")
    return held
