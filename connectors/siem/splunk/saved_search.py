"""The analytic as a saved search: what differs from what is there, and writing it.

GET and POST /servicesNS/OWNER/APP/saved/searches[/NAME]
(https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference, saved/searches), with
settings of savedsearches.conf as ESCU ships them (splunk/contentctl, savedsearches_detections.j2). It is
written disabled, as ESCU ships it, and one that is switched on stays so: switching it on or off is a person's
decision, made in Splunk.

The difference is made first and shown. What is then applied is that difference and no other: where the saved
search has changed meanwhile, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from connectors.errors import BadResponse, Conflict, InputError, NotFound
from connectors.http.deadline import Deadline
from connectors.query.path import segment
from connectors.siem.splunk.escu import EscuAnalytic, shipped_spl
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, record_of

#: Below the namespace of owner and app.
PATH = "saved/searches"

#: The capability that a scheduled search needs.
CAPABILITY = "schedule_search"

#: Longest name of a saved search and longest other text of a detection, in characters.
MAX_NAME = 255
MAX_TEXT = 4_000

_CRON = re.compile(r"[0-9*/,-]+(?: [0-9*/,-]+){4}")

#: A time modifier of Splunk: now, 0, seconds since the epoch, or an offset and what it is snapped to.
_TIME = re.compile(
    r"now|[0-9]{1,12}|(?:[+-][0-9]{0,9}[a-z]{1,8})?(?:@[a-z]{1,8}[0-7]?)?(?:[+-][0-9]{1,9}[a-z]{1,8})?"
)

#: Settings that Splunk writes as 0, 1, true or false as it pleases.
_SWITCHES = frozenset(
    {
        *("disabled", "is_scheduled", "is_visible", "realtime_schedule", "alert.digest_mode"),
        *("action.notable", "action.risk", "action.correlationsearch.enabled"),
    }
)
_ON = frozenset({"1", "true", "t", "yes"})
_OFF = frozenset({"0", "false", "f", "no", ""})

#: Settings whose text is JSON; its spacing means nothing.
_JSON = frozenset({"action.risk.param._risk", "action.correlationsearch.annotations"})


class Detection(NamedTuple):
    """What is deployed; the texts are those of the profile.

    Attributes:
        analytic: what is searched for.
        description: shown in Splunk.
        message: of the risk event, with $field$ tokens.
        score: of the risk event.
        techniques: ATT&CK ids.
        cron, earliest, latest: the schedule in Splunk's notation.
        enterprise_security: True adds what ES makes of a result: a notable and risk.
    """

    analytic: EscuAnalytic
    description: str
    message: str
    score: int
    techniques: tuple[str, ...]
    cron: str = "0 * * * *"
    earliest: str = "-70m@m"
    latest: str = "-10m@m"
    enterprise_security: bool = True


class Change(NamedTuple):
    """One setting that differs; `before` is None where there is none."""

    setting: str
    before: str | None
    after: str


class Difference(NamedTuple):
    """What deploying would do.

    Attributes:
        name: of the saved search.
        exists: True when there is one of that name.
        changes: in order of setting; empty when nothing is to be done.
        enabled: True where the one that is there is switched on; it stays so.
    """

    name: str
    exists: bool
    changes: tuple[Change, ...]
    enabled: bool = False


def escu_name(title: str) -> str:
    """How ESCU names the saved search of a detection, and its label (splunk/contentctl)."""
    return f"ESCU - {title} - Rule"


def wanted_settings(detection: Detection) -> dict[str, str]:
    """The settings of the saved search, as ESCU ships them.

    Raises:
        InputError: a text of the detection cannot stand in a saved search; the field is named.
    """
    _checked(detection)
    settings = {
        "search": shipped_spl(detection.analytic),
        "description": detection.description,
        "cron_schedule": detection.cron,
        "dispatch.earliest_time": detection.earliest,
        "dispatch.latest_time": detection.latest,
        "schedule_window": "auto",
        "disabled": "1",
        "is_scheduled": "1",
        "is_visible": "0",
        "realtime_schedule": "0",
        "alert.digest_mode": "1",
        "alert_type": "number of events",
        "alert_comparator": "greater than",
        "alert_threshold": "0",
    }
    if not detection.enterprise_security:
        return settings
    risk = [
        {"risk_object_field": "user", "risk_object_type": "user", "risk_score": detection.score},
        {"risk_object_field": "dest", "risk_object_type": "system", "risk_score": detection.score},
        {"threat_object_field": "process_name", "threat_object_type": "process_name"},
    ]
    annotations = {"mitre_attack": list(detection.techniques)}
    return settings | {
        "actions": "notable,risk",
        "action.correlationsearch.enabled": "1",
        "action.correlationsearch.label": escu_name(detection.analytic.title),
        "action.correlationsearch.annotations": orjson.dumps(annotations).decode(),
        "action.notable": "1",
        "action.notable.param.rule_title": "%name%",
        "action.notable.param.rule_description": "%description%",
        "action.notable.param.nes_fields": "user,dest",
        "action.notable.param.security_domain": "endpoint",
        "action.notable.param.severity": "high",
        "action.risk": "1",
        "action.risk.param._risk_message": detection.message,
        "action.risk.param._risk": orjson.dumps(risk).decode(),
        "action.risk.param._risk_score": "0",
    }


def _checked(detection: Detection) -> None:
    title = detection.analytic.title
    if not title.strip() or not title.isprintable() or len(title) > MAX_NAME:
        raise InputError("title", f"is empty, longer than {MAX_NAME} characters, or not printable")
    if not _CRON.fullmatch(detection.cron):
        raise InputError("cron", f"{detection.cron[:80]!a} is no cron schedule of five fields")
    for field, text in (("earliest", detection.earliest), ("latest", detection.latest)):
        if not text or not _TIME.fullmatch(text):
            raise InputError(
                field,
                f"{text[:80]!a} is no relative time of a scheduled search",
                "Give one such as -70m@m or now; a real-time search (rt) is not deployed",
            )
    texts = (("message", detection.message), ("description", detection.description))
    for field, text in (*texts, *(("techniques", each) for each in detection.techniques)):
        if not text.isprintable() or len(text) > MAX_TEXT:
            raise InputError(field, f"is longer than {MAX_TEXT:,} characters, or not printable on one line")


def checked_name(name: str) -> str:
    """The name of a saved search.

    Raises:
        InputError: it is none.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        problem = f"of the saved search is empty, longer than {MAX_NAME} characters, or not printable"
        raise InputError("name", f"{problem}, or has space at an end")
    return name


def difference(name: str, current: Mapping[str, object] | None, wanted: Mapping[str, str]) -> Difference:
    """What is to be changed. Settings that are not wanted are left alone; pure."""
    enabled = current is not None and _plain("disabled", _text(current.get("disabled")) or "0") == "0"
    changes = []
    for setting in sorted(wanted):
        if enabled and setting == "disabled":
            continue  # whoever switched it on did so in Splunk, and switches it off there
        before = None if current is None else _text(current.get(setting))
        if before is None or _plain(setting, before) != _plain(setting, wanted[setting]):
            changes.append(Change(setting, before, wanted[setting]))
    return Difference(name, current is not None, tuple(changes), enabled)


def shown(difference: Difference) -> str:
    """The difference for a person: a line for each setting; text from outside is escaped."""
    if not difference.changes:
        return f"{difference.name!a}: nothing to change"
    head = "change" if difference.exists else "create, disabled"
    lines = [f"{difference.name!a}: {head}"]
    if difference.enabled:
        lines.append("  it is switched on and stays so: what is written takes effect with its next run")
    for setting, before, after in difference.changes:
        lines += [] if before is None else [f"- {setting} = {before!a}"]
        lines.append(f"+ {setting} = {after!a}")
    return "\n".join(lines)


class SavedSearches:
    """Reads and writes saved searches of one app."""

    def __init__(self, rest: SplunkRest) -> None:
        """Ask nothing yet.

        Args:
            rest: whose app and owner the saved searches are of.
        """
        self._rest = rest

    def read(self, name: str, *, deadline: Deadline) -> Mapping[str, object] | None:
        """The settings of a saved search; None when there is none.

        Raises:
            BadResponse: the answer is not of this saved search.
        """
        try:
            answer = record_of(self._rest.get(f"{PATH}/{segment(name)}", {}, deadline))
        except NotFound:
            return None
        entries = answer.get("entry")
        entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else None
        content = entry.get("content") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or entry.get("name") != name or not isinstance(content, dict):
            raise BadResponse(CONNECTOR, "the answer is not the saved search that was asked for")
        return content

    def plan(self, name: str, wanted: Mapping[str, str], *, deadline: Deadline) -> Difference:
        """What deploying would do; writes nothing.

        Raises:
            InputError: the name is none.
        """
        return difference(name, self.read(checked_name(name), deadline=deadline), wanted)

    def apply(self, planned: Difference, wanted: Mapping[str, str], *, deadline: Deadline) -> None:
        """Write what was planned, and prove that it is there.

        Raises:
            Conflict: the saved search is not as it was when that was planned; nothing was written.
            TimedOut: whether it was written is not known; plan again to see.
            BadResponse: it was written, and what is there differs.
        """
        if self.plan(planned.name, wanted, deadline=deadline) != planned:
            raise Conflict(
                CONNECTOR, "the saved search has changed since the difference was shown; plan again"
            )
        if not planned.changes:
            return
        form = {change.setting: change.after for change in planned.changes}
        path = f"{PATH}/{segment(planned.name)}" if planned.exists else PATH
        named = {} if planned.exists else {"name": planned.name}
        self._rest.post(path, {**named, **form}, deadline, repeatable=False, scope=CAPABILITY)
        left = self.plan(planned.name, wanted, deadline=deadline)
        if left.changes:
            names = ", ".join(change.setting for change in left.changes)
            raise BadResponse(CONNECTOR, f"Splunk took the saved search and kept other settings: {names}")


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else str(value)


def _plain(setting: str, text: str) -> str:
    """A setting's text without what means nothing: spelling of switches, spacing of JSON, end of line."""
    stripped = text.strip()
    if setting in _SWITCHES:
        lower = stripped.casefold()
        return "1" if lower in _ON else "0" if lower in _OFF else stripped
    if setting in _JSON:
        try:
            return orjson.dumps(orjson.loads(stripped), option=orjson.OPT_SORT_KEYS).decode()
        except orjson.JSONDecodeError:
            return stripped
    if setting == "actions":
        return ",".join(sorted(each.strip() for each in stripped.split(",") if each.strip()))
    return stripped.replace("\r\n", "\n")
