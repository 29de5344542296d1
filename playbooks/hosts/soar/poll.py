"""`on poll`: the next notables of Splunk, kept as containers; only then does the checkpoint move on.

What is kept is what the webhook would keep of the same notable: once an event_id. So a poll that fails in
the middle is simply begun again, and a notable that came by webhook as well is there already.

What the platform refuses for good is kept as text, or else named: it would stop all behind it for ever. Only
where the platform does not answer, or takes nothing at all, does a poll fail and the checkpoint stay.

"Poll now" leaves the checkpoint where it is: with it people try an asset out, and may delete what came of
it, which the schedule must still find. It keeps as many containers as were asked for that were not there
before; pressed again, it goes on behind them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient
from soar_sdk.logging import getLogger
from soar_sdk.params import OnPollParams

from connectors.clock import utc_now
from connectors.errors import InputError, ResponseError
from connectors.facts.notable import Notable
from connectors.ports import Checkpoint
from connectors.siem.notable import RejectedNotable
from connectors.siem.notable_input import Candidate
from connectors.siem.notable_text import fields_of
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.guarded import secrets_of
from playbooks.hosts.soar.keep_refused import Fate, Form, keep_or_step_over
from playbooks.hosts.soar.notable_artifact import Parcel, notable_parcel, rejected_parcel
from playbooks.hosts.soar.poll_checkpoints import begun_anew, keep_checkpoint, read_checkpoints
from playbooks.hosts.soar.redaction import without_secrets
from playbooks.hosts.soar.splunk import section_of, splunk_for
from playbooks.kept_checkpoint import KeptCheckpoint
from playbooks.report.display import safe_error, visible
from playbooks.report.wording import count

#: Events of one poll at most: each costs the platform up to four calls. What is left has its turn in the
#: next poll.
MOST_A_POLL = 500

#: Refused notables that a message names.
_NAMED = 5

#: Characters of an event_id and of a reason in a message.
_ID_LIMIT = 200
_REASON_LIMIT = 200

_BEGIN_ANEW = (
    "To begin anew, delete this asset's state file in local_data/app_states on the SOAR host: the next poll"
    " then looks back 24 hours, and doubles nothing"
)


class PollFailed(ResponseError):
    """A poll that did not come to its end; the checkpoint is where it was."""


class Polled(NamedTuple):
    """What a poll came to.

    Attributes:
        new: notables that were not there before.
        already: what was there before, as whatever it is kept.
        rejected: rows that make no notable, kept now.
        refused: reasons of the platform for notables of which it took only the text now.
        marked: event_id and reason of those whose text it refused as well.
        more: True when the search may have more.
    """

    new: int
    already: int
    rejected: int
    refused: Sequence[str]
    marked: Sequence[tuple[str, str]]
    more: bool


class _Item(NamedTuple):
    """What is to be kept: `event_id` is "" for a row that makes no notable."""

    parcel: Parcel
    event_id: str


def poll(params: OnPollParams, soar: SOARClient[Any], asset: Asset) -> str:
    """Keep the next notables, and say how many, in a sentence.

    Raises:
        ConfigError: the policy has no section [splunk], or a token is missing.
        PollFailed: Splunk or the platform did not do its part. Nothing moved on; the next poll begins where
            this one did, and doubles nothing.
    """
    settings = settings_of(asset)
    manual = params.is_manual_poll()
    state, splunk = asset.ingest_state, section_of(settings)
    rejected: list[RejectedNotable] = []
    with splunk_for(asset, settings, on_rejected=rejected.append) as siem:
        try:
            held = read_checkpoints(state, splunk)
            since = Checkpoint(held.own.token) if held.own else None
            notables, checkpoint = siem.fetch_notables(since, limit=MOST_A_POLL)
        except ResponseError as error:
            raise _failed(error, 0) from error
    items = _items(notables, rejected, asset.container_label)
    room = int(params.container_count or 0) if manual else len(items)
    fates: list[tuple[_Item, Fate]] = []
    for item in items:
        if sum(not fate.already for _, fate in fates) >= room:
            break
        try:
            fate = keep_or_step_over(soar, item.parcel, label=asset.container_label)
        except ResponseError as error:
            raise _failed(error, len(fates)) from error
        _log_refusal(item, fate, secrets_of(asset))
        fates.append((item, fate))
    if not manual:
        new = KeptCheckpoint(
            base_url=splunk.base_url,
            notables_from=splunk.notables_from,
            kept_at=utc_now(),
            token=checkpoint.token,
        )
        keep_checkpoint(state, new, held.others)
    more = len(fates) < len(items) or len(items) >= MOST_A_POLL
    said = _sentence(_polled(fates, more=more), manual=manual)
    anew = begun_anew(held)
    return f"{said} {anew}." if anew else said


def candidate_of(notables: Sequence[Notable]) -> Candidate:
    """The fields of one notable of Splunk by their CIM names, as the webhook would be sent them.

    Args:
        notables: all of one event_id; one for each destination address.
    """
    fields = fields_of(notables)
    return Candidate(fields, None, fields)


def _items(notables: Sequence[Notable], rejected: Sequence[RejectedNotable], label: str) -> list[_Item]:
    events: dict[str, list[Notable]] = {}
    for each in notables:
        events.setdefault(each.event_id, []).append(each)
    usable = [
        _Item(notable_parcel(candidate_of(event), event, label=label), event_id)
        for event_id, event in events.items()
    ]
    return usable + [_Item(rejected_parcel(each.raw, each.error, label=label), "") for each in rejected]


def _polled(fates: Sequence[tuple[_Item, Fate]], *, more: bool) -> Polled:
    now = [(item, fate) for item, fate in fates if not fate.already]
    whole = [item for item, fate in now if fate.form is Form.WHOLE]
    new = sum(bool(item.event_id) for item in whole)
    return Polled(
        new=new,
        already=len(fates) - len(now),
        rejected=len(whole) - new,
        refused=[fate.refusal for _, fate in now if fate.form is Form.TEXT],
        marked=[(item.event_id, fate.refusal) for item, fate in now if fate.form is Form.MARK],
        more=more,
    )


def _log_refusal(item: _Item, fate: Fate, secrets: Collection[str]) -> None:
    if fate.form is Form.WHOLE:
        return
    kept = "as text" if fate.form is Form.TEXT else "by a mark alone"
    name = visible(item.event_id, limit=_ID_LIMIT) or "a row that makes no notable"
    said = f"kept {kept}, since the platform refused it: {name}: {visible(fate.refusal)}"
    getLogger().warning("%s", without_secrets(said, secrets))


def _failed(error: ResponseError, kept: int) -> PollFailed:
    done = f" {count(kept, 'notable')} of this poll {'is' if kept == 1 else 'are'} kept." if kept else ""
    if isinstance(error, InputError) and error.field == "checkpoint":
        return PollFailed(f"the checkpoint {error.problem}. {_BEGIN_ANEW}")
    said = safe_error(error).rstrip(".")
    return PollFailed(f"{said}.{done} The checkpoint stays, so the next poll gives the same notables again")


def _sentence(done: Polled, *, manual: bool) -> str:
    said = f"{count(done.new, 'new notable')} kept, {done.already} there already"
    if done.rejected:
        said += (
            f", {count(done.rejected, 'row')} kept that make{'s' if done.rejected == 1 else ''} no notable"
        )
    if done.refused:
        number = count(len(done.refused), "notable")
        said += f", {number} kept as text, since the platform refused {_them(done.refused)}"
        said += f" ({visible(done.refused[0], limit=_REASON_LIMIT)})"
    if done.marked:
        number = count(len(done.marked), "notable")
        said += f", {number} not kept, since the platform refused {_them(done.marked)} and the text as well"
        said += f"; still in Splunk: {_named(done.marked)}"
    if done.more:
        said += ". There may be more: " + ("poll again" if manual else "the next poll goes on")
    return f"{said}."


def _named(marked: Sequence[tuple[str, str]]) -> str:
    named = [
        f"{visible(event_id, limit=_ID_LIMIT) or 'a row that makes no notable'}"
        f" ({visible(reason, limit=_REASON_LIMIT)})"
        for event_id, reason in marked[:_NAMED]
    ]
    more = len(marked) - _NAMED
    return ", ".join(named) + (f" and {more} more, which the app's log names" if more > 0 else "")


def _them(several: Sequence[object]) -> str:
    return "it" if len(several) == 1 else "them"
