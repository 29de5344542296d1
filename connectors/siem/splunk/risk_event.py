"""A risk event for a case: what our score adds to the one that is there already. Pure.

ESCU has put its score on user and host when the notable was raised. Only the positive difference is added, on
the host, under a source of our own, with the destination as threat object.

The event is text as ES writes its own risk events (sourcetype stash; connectors/siem/stash.py reads the form
back): `<epoch>, key="value", ...`. It carries an id made of the case, by which it is found again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.addresses import canonical_ip
from connectors.errors import InputError
from connectors.facts.notable import Notable
from connectors.query import spl

#: The name our risk events are known by (source and search_name).
SOURCE = "regsvcs-response"

#: The field that carries the id.
ID_FIELD = "response_risk_id"

_LONGEST_VALUE = 4_000
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

#: Largest score that is taken; the playbook's own goes to 100.
_LARGEST_SCORE = 10_000.0


class RiskEvent(NamedTuple):
    """One event, ready to be sent.

    Attributes:
        id: equal for the same case.
        text: the event.
        host: the risk object.
    """

    id: str
    text: str
    host: str


def risk_id(case_id: str) -> str:
    """The id of the one risk event of a case.

    The host is no part of it: a case is of one host, which its notables may spell in several ways.
    """
    parts = json.dumps([SOURCE, case_id], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def risk_event(
    notable: Notable,
    *,
    score: float,
    message: str,
    case_id: str,
    techniques: Sequence[str],
    base_score: float,
    now: datetime,
) -> RiskEvent | None:
    """The event for a case; None where its score adds nothing.

    Args:
        notable: whose host gets the risk.
        score: of the case, in all.
        message: what is said of it.
        case_id: of the case.
        techniques: ATT&CK ids.
        base_score: what is there already.
        now: when it happens.

    Raises:
        InputError: the case has no id, or a score is none.
    """
    if not case_id.strip():
        raise InputError("case_id", "is empty")
    for name, value in (("score", score), ("base_score", base_score)):
        if not abs(value) <= _LARGEST_SCORE:  # NaN is refused too
            raise InputError(name, f"is no number up to {_LARGEST_SCORE:,.0f}")
    added = round(score - base_score, 2)
    if not added > 0:
        return None
    identity = risk_id(case_id)
    peer = canonical_ip(notable.peer_ip) if notable.peer_ip else None
    pairs = [
        ("search_name", SOURCE),
        (ID_FIELD, identity),
        ("case_id", case_id),
        ("risk_object", notable.dest),
        ("risk_object_type", "system"),
        ("risk_score", f"{added:.2f}".rstrip("0").rstrip(".")),
        ("risk_message", message),
        *(("annotations.mitre_attack", each) for each in techniques),
        *((("threat_object", peer), ("threat_object_type", "ip_address")) if peer else ()),
        ("dest", notable.dest),
        ("user", notable.user),
        ("process_name", notable.process_name),
        ("source_event_id", notable.event_id),
    ]
    return RiskEvent(identity, stash_text(pairs, now), notable.dest)


def stash_text(pairs: list[tuple[str, str]], when: datetime) -> str:
    """One line as ES writes an event: no value can end it, open another key or begin a new event.

    Raises:
        InputError: a key is no plain field name.
    """
    written = []
    for key, value in pairs:
        if not _KEY.fullmatch(key):
            raise InputError("risk event", f"{key[:40]!a} is no plain field name")
        plain = _CONTROL.sub(" ", value)[:_LONGEST_VALUE].strip()
        if plain:
            escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
            written.append(f'{key}="{escaped}"')
    return f"{int(when.timestamp())}, {', '.join(written)}"


def there_query(index: str, identity: str) -> str:
    """SPL that finds the event of an id, if it is there.

    Raises:
        InputError: the index is no plain name.
    """
    return (
        f"search {spl.term('index', index)} {spl.term('source', SOURCE)} {spl.term(ID_FIELD, identity)}"
        f" | where {spl.field(ID_FIELD)}={spl.literal(identity)} | head 1 | table {ID_FIELD}"
    )
