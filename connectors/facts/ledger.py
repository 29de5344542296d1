"""What was ordered for hosts, by whom, and what is known to have come of it. Facts of the ledger."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from connectors.facts.base import Fact, Instant

Count = Annotated[int, Field(ge=0)]


class HostKey(NamedTuple):
    """One machine: a connector's short name and the vendor's agent id. Never a host name."""

    connector: str
    host_id: str


class IntentKind(StrEnum):
    """What is wanted of a host."""

    ISOLATE = "isolate"
    RELEASE = "release"


class IntentState(StrEnum):
    """How far an intent has come."""

    REQUESTED = "requested"
    """Written down. `called_at` tells whether the vendor may have been called."""
    ACCEPTED = "accepted"
    """The vendor took the call; nothing is proved."""
    PENDING = "pending"
    """The vendor says that it is under way."""
    VERIFIED = "verified"
    """The state that was wanted was read at the vendor, observed or reported."""
    FAILED = "failed"
    """Certainly without effect, or the vendor says that it failed."""
    EXPIRED = "expired"
    """The deadline has passed, and the host was read as not in the wanted state with nothing under way."""
    UNKNOWN = "unknown"
    """It cannot be told. The host stays closed to further orders until somebody can."""


#: States of which only one intent per host may be, and an isolation beside the release that supersedes it.
ACTIVE_STATES = frozenset(
    {IntentState.REQUESTED, IntentState.ACCEPTED, IntentState.PENDING, IntentState.UNKNOWN}
)

#: Which state may follow which. Whatever is not here is refused by the ledger.
NEXT_STATES = {
    IntentState.REQUESTED: frozenset(IntentState) - {IntentState.REQUESTED},
    IntentState.ACCEPTED: frozenset(IntentState) - {IntentState.REQUESTED, IntentState.ACCEPTED},
    IntentState.PENDING: frozenset(IntentState)
    - {IntentState.REQUESTED, IntentState.ACCEPTED, IntentState.PENDING},
    IntentState.UNKNOWN: frozenset({IntentState.VERIFIED, IntentState.FAILED, IntentState.EXPIRED}),
    IntentState.VERIFIED: frozenset[IntentState](),
    IntentState.FAILED: frozenset[IntentState](),
    IntentState.EXPIRED: frozenset[IntentState](),
}


class Order(Fact):
    """What somebody wants done to one host, before it is written down.

    Attributes:
        hostname: as the connector spells it; for people, never a key.
        site: the host's site; "" if unknown or not used.
        case_id: the case it is for; "" for an order by hand without one.
        run_id: the run it belongs to; caps and waves count by it.
        by: who wants it: a person's name, or "playbook" where the policy alone decided.
        by_person: whether a person decided, by approval or by hand.
        reason: why, for people; may hold text from logs.
        approval_id: the approval it rests on; "" for none. It is used up by this intent.
        deadline_s: seconds after the call within which the wanted state must be seen.
        foreign: of a release: True names an isolation that is not ours.
    """

    kind: IntentKind
    connector: str
    host_id: Annotated[str, Field(min_length=1)]
    hostname: str
    site: str = ""
    case_id: str = ""
    run_id: str
    by: Annotated[str, Field(min_length=1)]
    by_person: bool
    reason: str
    approval_id: str = ""
    deadline_s: Annotated[float, Field(gt=0, le=86_400)]
    foreign: bool = False

    @property
    def host(self) -> HostKey:
        """The machine."""
        return HostKey(self.connector, self.host_id)


class Intent(Fact):
    """An order that was written down, and how far it has come.

    Attributes:
        intent_id: random, unique; it is the idempotency key of the vendor call.
        version: grows with each change; a change names the version it was made from.
        requested_at: when it was written.
        called_at: written before the vendor is called; None = the vendor was certainly not called.
        action_id: the vendor's id; "" when it gave none or none is known.
        accepted_at: when the vendor answered; None if it did not.
        changed_at: when the state last changed.
        detail: one sentence on the state.
        superseded_by: of an isolation of unknown outcome, the release that was ordered over it: it stands
            beside that one, and ends only when that one is verified or a reading settles it. "" for none.
    """

    intent_id: str
    order: Order
    state: IntentState
    version: Count
    requested_at: Instant
    called_at: Instant | None = None
    action_id: str = ""
    accepted_at: Instant | None = None
    changed_at: Instant
    detail: str = ""
    superseded_by: str = ""

    @property
    def active(self) -> bool:
        """Whether the host is closed to other orders because of it."""
        return self.state in ACTIVE_STATES


class Lease(Fact):
    """An isolation of ours that stands until somebody releases it. It never releases by itself.

    Attributes:
        intent_id: the isolation.
        owner: who answers for it.
        reason: why the host was isolated.
        began_at: when the isolation was verified.
        review_by: when somebody has to look at it again.
        ended_at: None while it stands.
        ended_by: who released the host, or what found it released; "" while it stands.
    """

    intent_id: str
    connector: str
    host_id: str
    hostname: str
    site: str
    case_id: str
    run_id: str
    owner: str
    reason: str
    began_at: Instant
    review_by: Instant
    ended_at: Instant | None = None
    ended_by: str = ""

    @property
    def host(self) -> HostKey:
        """The machine."""
        return HostKey(self.connector, self.host_id)


class CapLimits(Fact):
    """How many isolations may be; None refuses. `per_site_per_day` None = sites are not counted."""

    per_run: int | None
    per_hour: int | None
    per_day: int | None
    per_site_per_day: int | None = None


class Standing(Fact):
    """What the ledger says of one host at one moment.

    Attributes:
        in_run, in_hour, in_day, at_site_in_day: isolations of this run, in the last 60 minutes, in the last
            24 hours, and of those at this site. An intent counts where it is active or the vendor may have
            been called.
        intent: the active intent of the host, of any kind; the release where it supersedes an isolation.
        lease: the isolation of ours that stands.
        last_release_at, last_release_by: of the last release known of this host.
        last_fruitless_at: when an isolation of this host last ended failed or expired although the vendor
            may have been called; None if never. Then only a person orders again (see Refused.FRUITLESS).
        breaker_open: whether too many isolations in a row came to nothing.
        kill_switch: whether somebody has stopped all isolation.
        kill_switch_by, kill_switch_why: who and why; "" where it is not set.
    """

    in_run: Count
    in_hour: Count
    in_day: Count
    at_site_in_day: Count
    intent: Intent | None = None
    lease: Lease | None = None
    last_release_at: Instant | None = None
    last_release_by: str = ""
    last_fruitless_at: Instant | None = None
    breaker_open: bool = False
    kill_switch: bool = False
    kill_switch_by: str = ""
    kill_switch_why: str = ""


class KillSwitch(NamedTuple):
    """Whether somebody has stopped all isolation.

    Attributes:
        by, why, at: of the last change; "" and None where there was none.
    """

    on: bool
    by: str = ""
    why: str = ""
    at: datetime | None = None


class Breaker(NamedTuple):
    """Isolations in a row that came to nothing.

    Attributes:
        failures: since the last verified one, or since a person closed the breaker.
        most: so many open it, as the ledger was set up with.
        open: it stays open until a person closes it.
    """

    failures: int
    most: int
    open: bool


class ApprovalState(StrEnum):
    """What became of a question. Declined is an answer; expired is none."""

    ASKED = "asked"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class Question(Fact):
    """What a person is asked: may this host be isolated?

    Attributes:
        evidence: what the person is shown: plain text, may hold text from logs.
        expires_in_s: seconds after which no answer is taken.
    """

    connector: str
    host_id: Annotated[str, Field(min_length=1)]
    hostname: str
    case_id: str
    run_id: str
    evidence: str
    expires_in_s: Annotated[float, Field(gt=0, le=7 * 86_400)]

    @property
    def host(self) -> HostKey:
        """The machine."""
        return HostKey(self.connector, self.host_id)


class Approval(Fact):
    """A question and its answer.

    Attributes:
        approval_id: random, unique.
        answered_by, why: of the answer that counted; "" while there is none.
        used_by: the intent that rests on it; "" while unused. An approval is good for one intent.
    """

    approval_id: str
    question: Question
    state: ApprovalState
    asked_at: Instant
    expires_at: Instant
    answered_at: Instant | None = None
    answered_by: str = ""
    why: str = ""
    used_by: str = ""


class Answered(NamedTuple):
    """What an answer came to.

    Attributes:
        approval: as it stands now.
        counted: False for a late or second answer: it changed nothing and was recorded.
    """

    approval: Approval
    counted: bool


class AuditLine(Fact):
    """One line of the audit. `digest` covers all other fields and the digest of the line before.

    Attributes:
        number: from 1, without a gap.
        by: who did it.
        event: what happened, snake_case, such as "intent_requested".
        subject: the intent, approval or host it is about.
        data: what was written, a JSON object as canonical text.
        before: digest of the line before; 64 zeros for the first.
    """

    number: Annotated[int, Field(ge=1)]
    at: Instant
    by: str
    event: str
    subject: str
    data: str
    before: str
    digest: str


class AuditHead(Fact):
    """Where the audit ends: what an exported head is compared with. A truncation shows only against it."""

    number: Count
    digest: str
