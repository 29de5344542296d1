"""The webhook `notable`: a notable, or a list of them, is kept as containers, and only then answered.

Status: 201 at least one notable was kept, 200 all were there already, 400 none is usable, 401 the secret is
wrong, 403 the asset is for something else, 413 too much at once, 503 at least one could not be kept: send the
body again, which is safe. Of a list, what is usable is kept whatever the rest is. An object that makes no
notable is kept too, as text in a container of its own on which no playbook starts; the answer names it under
`rejected`.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient
from soar_sdk.logging import getLogger
from soar_sdk.webhooks.models import WebhookRequest, WebhookResponse

from connectors.errors import (
    AuthRejected,
    BadResponse,
    ConfigError,
    ConnectorError,
    NotableError,
    NotFound,
    PermissionMissing,
    RateLimited,
    Rejected,
    TimedOut,
    Transient,
)
from connectors.facts.notable import Notable
from connectors.siem.input.secrets import kept_text
from connectors.siem.notable import NotableSettings, notables_from_object
from connectors.siem.notable_input import Candidate, open_candidates, read_objects
from playbooks.hosts.soar.asset import MIN_SECRET, Asset, Purpose, check_purpose, settings_of
from playbooks.hosts.soar.guarded import tell_where
from playbooks.hosts.soar.keep import keep
from playbooks.hosts.soar.notable_artifact import (
    Parcel,
    clean_text,
    notable_parcel,
    rejected_parcel,
    text_of,
)

#: Largest body, bytes of UTF-8.
MAX_BODY = 256 * 1024

#: Most objects in one body: each costs the platform up to four calls while the sender waits.
MAX_OBJECTS = 100

#: The header that carries the secret, in lower case.
SECRET_HEADER = "x-webhook-secret"  # noqa: S105  a name, not a secret

#: Why something could not be kept, the most specific first.
_REASONS: tuple[tuple[type[ConnectorError], str], ...] = (
    (TimedOut, "the platform did not answer in time"),
    (RateLimited, "the platform is asked too often"),
    (Transient, "the platform cannot be reached, or failed"),
    (AuthRejected, "the platform did not accept the session of this app"),
    (PermissionMissing, "this app may not make containers and artifacts on the platform"),
    (BadResponse, "the platform's answer could not be understood"),
    (NotFound, "the platform no longer has the container"),
    (Rejected, "the platform refused it"),
    (ConnectorError, "the platform did not take it"),
)

#: Seconds after which a sender may try again.
RETRY_AFTER_S = 60


class Item(NamedTuple):
    """One object of a body.

    Attributes:
        position: from 1.
        event_id: "" for an unusable one.
        parcel: what is kept.
        error: why it makes no notable; None when it does.
    """

    position: int
    event_id: str
    parcel: Parcel
    error: NotableError | None = None


@dataclass(slots=True)
class _Tally:
    """What became of the items."""

    kept: list[dict[str, object]] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    not_kept: list[dict[str, object]] = field(default_factory=list)
    new: bool = False


def answer(request: WebhookRequest[Asset], soar: SOARClient[Any]) -> WebhookResponse:
    """Keep the notables of a request and say where. Never raises for what the request holds."""
    refused = _refused(request)
    if refused is not None:
        return refused
    body = request.body or ""
    if len(body) > MAX_BODY or len(body.encode("utf-8", "surrogatepass")) > MAX_BODY:
        return _refusal(413, f"the body is larger than {MAX_BODY} bytes. Send fewer notables at once")
    label = request.asset.container_label
    settings, warning = _notable_settings(request.asset)
    try:
        candidates = open_candidates(read_objects(body))
    except NotableError as error:
        if not body.strip():
            return _refusal(400, str(error))
        parcel = rejected_parcel(kept_text(body), error, label=label)
        items = [Item(1, "", parcel, error)]
    else:
        if len(candidates) > MAX_OBJECTS:
            return _refusal(413, f"the body holds {len(candidates)} objects, more than {MAX_OBJECTS}")
        if not candidates:
            return _refusal(400, "input: holds no notable")
        items = [_item(position, each, settings, label) for position, each in enumerate(candidates, start=1)]
    return _response(_keep_all(soar, items), warning)


def _refused(request: WebhookRequest[Asset]) -> WebhookResponse | None:
    """The answer to a request that is not looked at; None where it is."""
    try:
        check_purpose(request.asset, Purpose.INVESTIGATE)
    except ConfigError as error:
        # Named in the log alone: the sender may be a stranger.
        getLogger().warning("webhook: everything is refused. %s", error)
        return _refusal(403, "this asset takes no notables")
    if not _is_authentic(request):
        return _refusal(401, "the header X-Webhook-Secret does not hold the secret of this asset")
    return None


def _is_authentic(request: WebhookRequest[Asset]) -> bool:
    expected = (request.asset.webhook_secret or "").encode("utf-8", "surrogatepass")
    if len(expected) < MIN_SECRET:
        getLogger().warning("webhook: webhook_secret is empty or too short, so everything is refused")
        return False
    # Every one is compared: a dict of headers may hold the name in several spellings.
    given = [value for name, value in request.headers.items() if name.lower() == SECRET_HEADER]
    matches = [hmac.compare_digest(each.encode("utf-8", "surrogatepass"), expected) for each in given]
    return bool(matches) and all(matches)


def _notable_settings(asset: Asset) -> tuple[NotableSettings, str]:
    """How notables are read, and what is wrong with the policy: a broken one must not cost a notable."""
    try:
        return settings_of(asset).notable, ""
    except ConfigError as error:
        return NotableSettings(), f"The policy of the asset cannot be used, so the defaults hold: {error}"


def _item(position: int, candidate: Candidate, settings: NotableSettings, label: str) -> Item:
    parsed = _notables_of(candidate, settings)
    if isinstance(parsed, NotableError):
        return Item(position, "", rejected_parcel(text_of(candidate), parsed, label=label), parsed)
    parcel = notable_parcel(candidate, parsed, label=label)
    return Item(position, min(each.event_id for each in parsed), parcel)


def _notables_of(candidate: Candidate, settings: NotableSettings) -> tuple[Notable, ...] | NotableError:
    if candidate.problem is not None:
        return candidate.problem
    parsed = notables_from_object([candidate.raw], settings=settings)
    if parsed.notables:
        return parsed.notables
    return parsed.rejected[0].error if parsed.rejected else NotableError("input", "holds no notable")


def _keep_all(soar: SOARClient[Any], items: Sequence[Item]) -> _Tally:
    tally = _Tally()
    unreachable = ""
    for item in items:
        named: dict[str, object] = {"position": item.position}
        if item.error is None:
            named["event_id"] = clean_text(item.event_id)
        else:
            named |= {"field": item.error.field, "problem": clean_text(str(item.error))}
        if unreachable:
            tally.not_kept.append({**named, "reason": unreachable})
            continue
        try:
            kept = keep(soar, item.parcel)
        except ConnectorError as error:
            tell_where(error)
            tally.not_kept.append({**named, "reason": _reason(error)})
            # What is refused concerns this object; anything else will be so for the next ones too.
            unreachable = "" if isinstance(error, Rejected) else "not tried: the platform did not answer"
            continue
        where = {**named, "container_id": kept.container_id, "already_kept": kept.already}
        (tally.kept if item.error is None else tally.rejected).append(where)
        tally.new = tally.new or (item.error is None and not kept.already)
    return tally


def _reason(error: ConnectorError) -> str:
    """Why an object was not kept, in our words: the platform's may hold anything, and go to a stranger."""
    return next(words for kind, words in _REASONS if isinstance(error, kind))


def _response(tally: _Tally, warning: str) -> WebhookResponse:
    content: dict[str, object] = {"kept": tally.kept, "rejected": tally.rejected}
    if warning:
        content["warning"] = clean_text(warning)
    if tally.not_kept:
        content |= {"not_kept": tally.not_kept, "error": "not everything was kept. Send the body again"}
        return WebhookResponse.json_response(content, 503, {"Retry-After": str(RETRY_AFTER_S)})
    if not tally.kept:
        content["error"] = tally.rejected[0]["problem"]
        return WebhookResponse.json_response(content, 400)
    return WebhookResponse.json_response(content, 201 if tally.new else 200)


def _refusal(status: int, why: str) -> WebhookResponse:
    return WebhookResponse.json_response({"error": why}, status)
