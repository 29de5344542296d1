"""`on poll`: the next notables of Splunk, kept as containers; only then does the checkpoint move on.

What is kept is what the webhook would keep of the same notable: once an event_id. So a poll that fails in
the middle is simply begun again, and a notable that came by webhook as well is there already.

"Poll now" leaves the checkpoint where it is: with it people try an asset out, and may delete what came of
it, which the schedule must still find. It keeps as many containers as were asked for that were not there
before; pressed again, it goes on behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient
from soar_sdk.params import OnPollParams

from connectors.errors import InputError, ResponseError
from connectors.facts.notable import Direction, Notable
from connectors.ports import Checkpoint
from connectors.siem.notable import RejectedNotable
from connectors.siem.notable_input import Candidate
from connectors.siem.splunk.checkpoint import Kind
from connectors.siem.splunk.settings import NotablesFrom
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.keep import keep
from playbooks.hosts.soar.notable_artifact import Parcel, notable_parcel, rejected_parcel
from playbooks.hosts.soar.splunk import splunk_for
from playbooks.report.display import safe_error
from playbooks.report.wording import count
from playbooks.settings import Settings

#: Events of one poll at most: each costs the platform up to four calls. What is left has its turn in the
#: next poll.
MOST_A_POLL = 500

_BEGIN_ANEW = (
    "To begin anew, delete this asset's state file in local_data/app_states on the SOAR host: the next poll"
    " then looks back 24 hours, and doubles nothing"
)


class PollFailed(ResponseError):
    """A poll that did not come to its end; the checkpoint is where it was."""


class Polled(NamedTuple):
    """What a poll came to.

    Attributes:
        new, rejected: what was not there before, of notables and of rows that make none.
        already: what was.
        more: True when the search may have more.
    """

    new: int
    rejected: int
    already: int
    more: bool


def poll(params: OnPollParams, soar: SOARClient[Any], asset: Asset) -> str:
    """Keep the next notables, and say how many, in a sentence.

    Raises:
        ConfigError: the policy has no section [splunk], or a token is missing.
        PollFailed: Splunk or the platform did not do its part. Nothing moved on; the next poll begins where
            this one did, and doubles nothing.
    """
    settings = settings_of(asset)
    manual = params.is_manual_poll()
    state, key = asset.ingest_state, checkpoint_key(settings)
    held = state.get(key)
    rejected: list[RejectedNotable] = []
    kept = 0
    with splunk_for(asset, settings, on_rejected=rejected.append) as siem:
        try:
            since = Checkpoint(held) if isinstance(held, str) else None
            notables, checkpoint = siem.fetch_notables(since, limit=MOST_A_POLL)
        except ResponseError as error:
            raise _failed(error, kept) from error
    parcels = _parcels(notables, rejected, asset.container_label)
    room = int(params.container_count or 0) if manual else len(parcels)
    new = spoiled = 0
    for parcel, unusable in parcels:
        if new + spoiled >= room:
            break
        try:
            was_there = keep(soar, parcel).already
        except ResponseError as error:
            raise _failed(error, kept) from error
        kept += 1
        new += not was_there and not unusable
        spoiled += not was_there and unusable
    if not manual:
        state[key] = checkpoint.token
    more = kept < len(parcels) or len(parcels) >= MOST_A_POLL
    return _sentence(Polled(new, spoiled, kept - new - spoiled, more), manual=manual)


def checkpoint_key(settings: Settings) -> str:
    """Where the checkpoint is kept: what is polled decides, since each has one of its own kind."""
    own = settings.splunk
    escu = own is not None and own.notables_from is NotablesFrom.ESCU
    return f"splunk_{(Kind.ESCU if escu else Kind.NOTABLES).value}"


def candidate_of(notables: Sequence[Notable]) -> Candidate:
    """The fields of one notable of Splunk by their CIM names, as the webhook would be sent them.

    Args:
        notables: all of one event_id; one for each destination address.
    """
    first = notables[0]
    addresses = [each.dest_ip for each in notables if each.dest_ip]
    given: dict[str, object] = {
        "event_id": first.event_id,
        "search_name": first.search_name,
        "dest": [first.dest, *first.other_dests] if first.other_dests else first.dest,
        "user": first.user,
        "process_name": first.process_name,
        "src_ip": first.src_ip,
        "dest_ip": addresses if len(addresses) > 1 else next(iter(addresses), None),
        "dest_port": list(first.dest_ports),
        "direction": None if first.direction is Direction.UNKNOWN else first.direction.value,
        "count": first.count,
        "firstTime": first.first_time.isoformat() if first.first_time else None,
        "lastTime": first.last_time.isoformat() if first.last_time else None,
        "process_guid": list(first.process_guids),
        "risk_score": first.risk_score,
        "urgency": first.urgency,
        "status": first.status,
        "owner": first.owner,
    }
    fields = {name: value for name, value in given.items() if value not in (None, "", [])}
    return Candidate(fields, None, fields)


def _parcels(
    notables: Sequence[Notable], rejected: Sequence[RejectedNotable], label: str
) -> list[tuple[Parcel, bool]]:
    """What is to be kept, and whether it makes no notable."""
    events: dict[str, list[Notable]] = {}
    for each in notables:
        events.setdefault(each.event_id, []).append(each)
    usable = [(notable_parcel(candidate_of(event), event, label=label), False) for event in events.values()]
    return usable + [(rejected_parcel(each.raw, each.error, label=label), True) for each in rejected]


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
    if done.more:
        said += ". There may be more: " + ("poll again" if manual else "the next poll goes on")
    return f"{said}."
