"""What is said of an order to isolate or release a host. Pure; claims no more than was read.

Names and messages stand as they came: they are escaped where they are shown.
"""

from __future__ import annotations

from datetime import UTC, datetime

from actions.containment_step import Finding, Reading, ends_at
from connectors.errors import Conflict, ConnectorError
from connectors.facts.isolation import HowKnown, IsolationState, IsolationStatus
from connectors.facts.ledger import Intent, IntentKind, IntentState, Lease, Order

_DONE = {IntentKind.ISOLATE: "isolated", IntentKind.RELEASE: "released"}
_NOUN = {IntentKind.ISOLATE: "isolation", IntentKind.RELEASE: "release"}
#: How the host is where the order had no effect.
_AS_BEFORE = {IntentKind.ISOLATE: "not isolated", IntentKind.RELEASE: "still isolated"}
_OPPOSITE = {IntentKind.ISOLATE: "a release", IntentKind.RELEASE: "an isolation"}
_PROVED = {HowKnown.OBSERVED: "its agent says so", HowKnown.REPORTED: "{connector} reports it done"}

_CLOSED = "The host stays closed to other orders until its state settles it or a person decides."

_LOOK = "Run `reconcile` once that works again: it reads the host's state and goes on with the order."


def moment(when: datetime) -> str:
    """A time for people."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clause(text: object) -> str:
    """A message as part of a sentence: without the stop at its end."""
    return str(text).strip().rstrip(".")


def state_words(status: IsolationStatus) -> str:
    """A state and how it is known."""
    told = f"{status.state.value.replace('_', ' ')} ({status.how_known.value.replace('_', ' ')})"
    return f"{told}: {clause(status.detail)}" if status.detail else told


# --- after a call ----------------------------------------------------------------------------


def accepted(order: Order) -> str:
    """The vendor took the call."""
    return f"{order.connector} took the order to {order.kind.value} {order.hostname}; nothing is proved yet."


def under_way(order: Order) -> str:
    """The vendor says that it is under way."""
    return f"{order.connector} has the {_NOUN[order.kind]} of {order.hostname} under way."


def concluded(intent: Intent, finding: Finding, reading: Reading, *, lost: str) -> str:
    """How an intent stands after a reading.

    Args:
        lost: why the vendor's answer to the call is not known; "" where it is.
    """
    status = reading.status
    if status is None:
        return _unknown(intent, finding, reading, lost=lost)
    if finding is Finding.SEEN:
        return _proved(intent, status, lost=lost)
    if finding is Finding.VENDOR_FAILED:
        return _vendor_failed(intent.order, status)
    if finding in (Finding.WENT_BACK, Finding.UNCHANGED):
        return _as_before(intent, status, finding, lost=lost)
    return _unknown(intent, finding, reading, lost=lost)


def _proved(intent: Intent, status: IsolationStatus, *, lost: str) -> str:
    order = intent.order
    how = _PROVED.get(status.how_known, status.how_known.value).format(connector=order.connector)
    done = "isolated" if order.kind is IntentKind.ISOLATE else "released, and read as not isolated"
    told = f"{order.hostname} is {done}: {how}, read at {moment(status.as_of)}. Ordered by {order.by}."
    if lost:
        told += f" The answer to the call was lost ({clause(lost)}); the state was read instead."
    if status.as_of > ends_at(intent):
        told += f" It was seen only after the deadline of {order.deadline_s:g} s."
    return told


def _vendor_failed(order: Order, status: IsolationStatus) -> str:
    why = f": {clause(status.detail)}" if status.detail else ""
    return f"{order.hostname} was not {_DONE[order.kind]}: {order.connector} says that it failed{why}."


def _as_before(intent: Intent, status: IsolationStatus, finding: Finding, *, lost: str) -> str:
    order = intent.order
    begun = f"{order.hostname} is {_AS_BEFORE[order.kind]}, read at {moment(status.as_of)}"
    if finding is Finding.WENT_BACK:
        return (
            f"{begun}: the {_NOUN[order.kind]} was under way, and nothing is under way any more. Somebody"
            f" reversed it meanwhile, or {order.connector} gave it up."
        )
    answered = f"; the answer to the call was lost ({clause(lost)})" if lost else ""
    return (
        f"{begun}: the deadline of {order.deadline_s:g} s after the call has passed, and {order.connector}"
        f" shows nothing under way{answered}."
    )


def _unknown(intent: Intent, finding: Finding, reading: Reading, *, lost: str) -> str:
    order = intent.order
    answered = f", and the answer was lost ({clause(lost)})" if lost else ""
    why = _why_unknown(order, finding, reading)
    return (
        f"Whether {order.hostname} is {_DONE[order.kind]} is not known: {order.connector} was"
        f" called{answered}; the deadline of {order.deadline_s:g} s has passed, and {why}. {order.connector}"
        f" may still carry it out. {_CLOSED}"
    )


def _why_unknown(order: Order, finding: Finding, reading: Reading) -> str:
    status = reading.status
    if status is None:
        return f"its state cannot be read ({clause(reading.problem)})"
    told = state_words(status)
    if finding is Finding.UNDER_WAY:
        return f"{order.connector} still has it under way, as for a host that is offline ({told})"
    if finding is Finding.OTHER_UNDER_WAY:
        return f"{order.connector} has {_OPPOSITE[order.kind]} under way ({told})"
    return f"what {order.connector} says proves nothing ({told})"


def refused_by_vendor(order: Order, error: ConnectorError) -> str:
    """The vendor certainly did nothing."""
    known = "another action on the host is under way, and " if isinstance(error, Conflict) else ""
    return (
        f"{order.hostname} was not {_DONE[order.kind]}: {known}{order.connector} did not take the order"
        f" ({clause(error.message)})."
    )


def broke_off(order: Order, error: BaseException) -> str:
    """A defect of this program while an order was at work. The error's own text may hold anything."""
    return (
        f"Whether {order.hostname} is {_DONE[order.kind]} is not known: {order.connector} was called, and"
        f" this program broke off ({type(error).__name__})."
    )


def unnoted(intent: Intent, problem: str, status: IsolationStatus | None) -> str:
    """The vendor was called and the ledger could not note what came of it."""
    order = intent.order
    read = f" Last read: {state_words(status)}." if status is not None else ""
    return (
        f"{order.connector} was called to {order.kind.value} {order.hostname}, and the ledger could not note"
        f" what came of it ({clause(problem)}). Nothing is claimed.{read} {_LOOK}"
    )


# --- without a call --------------------------------------------------------------------------


def nothing_sent(order: Order, why: object) -> str:
    """No call was made."""
    return f"Nothing was sent to {order.kind.value} {order.hostname}: {clause(why)}."


def not_called(order: Order) -> str:
    """The run that had the order died or gave up before the call."""
    return nothing_sent(order, "the vendor was not called; the run that had the order ended before")


def call_not_known(order: Order, problem: object) -> str:
    """The ledger cannot be written, and so nobody can be kept from calling."""
    return (
        f"Whether {order.connector} was called to {order.kind.value} {order.hostname} is not known: the"
        f" ledger cannot be used ({clause(problem)}). {_LOOK}"
    )


def unreadable(order: Order, problem: str) -> str:
    """The state could not be read before the call."""
    return nothing_sent(order, f"its state cannot be read ({clause(problem)})")


def not_fit(order: Order, status: IsolationStatus) -> str:
    """The state that was read before the call does not allow it."""
    if status.state in (IsolationState.ISOLATING, IsolationState.RELEASING):
        return nothing_sent(order, f"another action on it is under way, {state_words(status)}")
    return nothing_sent(order, f"whether it is isolated is not certain, {state_words(status)}")


def already_isolated(order: Order, status: IsolationStatus) -> str:
    """It was isolated before, and not by us."""
    return (
        f"{order.hostname} is isolated already, and not by an order in this ledger; nothing was sent. Read as"
        f" {state_words(status)}."
    )


def ours_stands(order: Order, lease: Lease) -> str:
    """It is isolated by an earlier order of ours."""
    return (
        f"{order.hostname} is isolated by an earlier order, {lease.intent_id}, which {lease.owner} answers"
        f" for; review by {moment(lease.review_by)}. Nothing was sent."
    )


def not_isolated(
    order: Order, status: IsolationStatus, *, ended: Lease | None, settled: str = "", unnoted: str = ""
) -> str:
    """A release of what is not isolated.

    Args:
        ended: the lease that was ended because of it; None where none stood.
        settled: what an unfinished isolation of the host has come to; "" where there was none.
        unnoted: why the lease could not be ended; "" where it could.
    """
    told = f"{order.hostname} is not isolated; nothing was sent. Read as {state_words(status)}."
    if ended is not None:
        told += f" Somebody else has released it; the lease of {ended.owner} is ended."
    if settled:
        told += f" {settled}"
    if unnoted:
        told += f" The ledger still says otherwise: {clause(unnoted)}."
    return told


# --- by the ledger alone ---------------------------------------------------------------------


def as_the_ledger_says(intent: Intent) -> str:
    """An intent that somebody else has, or that has ended."""
    order = intent.order
    if not intent.active:
        done = "" if intent.state is IntentState.VERIFIED else "not "
        return intent.detail or (
            f"{order.hostname} was {done}{_DONE[order.kind]}: {intent.intent_id} ended {intent.state.value}"
            f" at {moment(intent.changed_at)}."
        )
    if intent.state is IntentState.UNKNOWN:
        detail = f": {clause(intent.detail)}" if intent.detail else ""
        return f"The outcome of {_by_whom(intent)} is not known{detail}."
    return f"Another run is at {_by_whom(intent)}; its outcome is not known yet."


def _by_whom(intent: Intent) -> str:
    order = intent.order
    return (
        f"the {_NOUN[order.kind]} of {order.hostname} ({intent.intent_id}, ordered by {order.by} at"
        f" {moment(intent.requested_at)})"
    )


def called_after_end(intent: Intent) -> str:
    """The vendor was called by a run that was held up, after its order had been ended."""
    host = intent.order.hostname
    return (
        f"The vendor was called for {host} after this order had been ended ({intent.state.value}). Whether"
        f" {host} is isolated is not known: look at it, and run reconcile."
    )
