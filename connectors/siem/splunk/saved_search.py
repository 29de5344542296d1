"""The analytic as a saved search: what differs from what is there, and writing it.

GET and POST /servicesNS/OWNER/APP/saved/searches[/NAME]
(https://help.splunk.com/en/splunk-enterprise/leverage-rest-apis/rest-api-reference, saved/searches), with
settings of savedsearches.conf as ESCU ships them (splunk/contentctl, savedsearches_detections.j2). It is
written disabled, as ESCU ships it, and one that is switched on stays so: switching it on or off is a person's
decision, made in Splunk.

ESCU's own saved search is read and never written: what is written is a clone under a name of ours, whose risk
stands on the machine. ESCU updates its own, and its text says which generation of the analytic it is.

The difference is made first and shown. What is then applied is that difference and no other: where the saved
search has changed meanwhile, nothing is written. Nor is one replaced that is of a newer generation, or of
none that is known here: somebody has worked on it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from connectors.errors import BadResponse, Conflict, InputError, NotFound
from connectors.http.deadline import Deadline
from connectors.query.path import segment
from connectors.siem.generations import GENERATIONS, VERSION_15, Generation
from connectors.siem.splunk.escu import EscuAnalytic, shipped_spl
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest, record_of

#: Below the namespace of owner and app.
PATH = "saved/searches"

#: The capability that a scheduled search needs.
CAPABILITY = "schedule_search"

#: Longest name of a saved search and longest other text of a detection, in characters.
MAX_NAME = 255
MAX_TEXT = 4_000

#: Longest text of a saved search in Splunk that is read or printed, in characters; ESCU has a few thousand.
MAX_SEARCH = 64 * 1024

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


#: ESCU's names, which its updates write to, in any case.
_ESCU_NAME = re.compile(r"ESCU\s*-.*-\s*Rule", re.IGNORECASE)

#: Settings whose difference from ESCU's own saved search says nothing.
_OF_ONES_OWN = frozenset({"disabled", "action.correlationsearch.label"})

#: A command of a search: up to a pipe that is in no quotes. A quote that is never closed takes the rest: were
#: it skipped, each quote behind it would be looked at to the end again.
_COMMAND = re.compile(r'(?:[^|"]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_RANGES = re.compile(r"(?:^| )NOT dest_ip IN \( ([^()]*) \)")
_BY = re.compile(r" by ", re.IGNORECASE)
_RANGE = re.compile(r"(?:^|(?<= ))dest_ip!=(\S+)")

#: Longest version of a detection that is read, in digits.
_VERSION_DIGITS = 6


class Detection(NamedTuple):
    """What is deployed; the texts are those of the profile.

    Attributes:
        analytic: what is searched for.
        generation: whose text the search has.
        description: shown in Splunk.
        message: of the risk event, with $field$ tokens; $dest$ is the machine.
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
    generation: Generation = VERSION_15
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
        generation: of the one that is there, by its number; None where there is none, or none is known.
        refused: why nothing is written; "" where it may be.
    """

    name: str
    exists: bool
    changes: tuple[Change, ...]
    enabled: bool = False
    generation: int | None = None
    refused: str = ""


class Recognised(NamedTuple):
    """Which generation of the analytic a search is, by its text.

    Attributes:
        generation: by its number; None where the text is of none.
        ranges_of, by_of: the latest generation that excludes the same ranges, or groups by the same fields.
    """

    generation: int | None
    ranges_of: int | None = None
    by_of: int | None = None


class Installed(NamedTuple):
    """ESCU's own saved search.

    Attributes:
        name: of the saved search.
        exists: False where there is none that the token's user can see.
        recognised: which generation it is.
        version: of the detection, as its metadata says; None where they do not.
        enabled: True where it is switched on.
        changes: from it to what is wanted.
    """

    name: str
    exists: bool
    recognised: Recognised = Recognised(None)
    version: int | None = None
    enabled: bool = False
    changes: tuple[Change, ...] = ()


def escu_name(title: str) -> str:
    """How ESCU names the saved search of a detection, and its label (splunk/contentctl)."""
    return f"ESCU - {title} - Rule"


def own_name(title: str) -> str:
    """How our clone of it is named."""
    return f"regsvcs-response - {title} - Rule"


def machine_field(generation: Generation) -> str:
    """The by-field that names the machine: under the add-on that Splunk supports, where there is one."""
    return (generation.supported.machine or generation.community.machine)[0]


def recognised(search: str, analytic: EscuAnalytic) -> Recognised:
    """Which generation of an analytic a search is.

    Blanks, commas, quotes and the order of terms, ranges and by-fields mean nothing; anything else does. One
    longer than MAX_SEARCH is of none.
    """
    if len(search) > MAX_SEARCH:
        return Recognised(None)
    found = _read(search)
    ranges_of = by_of = whole = None
    for generation in GENERATIONS:
        shipped = _read(shipped_spl(analytic, generation))
        same_ranges = found.ranges == shipped.ranges
        same_by = found.by in {shipped.by, *map(frozenset, generation.by_also)}
        ranges_of = generation.number if same_ranges else ranges_of
        by_of = generation.number if same_by else by_of
        if same_ranges and same_by and (found.terms, found.commands) == (shipped.terms, shipped.commands):
            whole = generation.number
    return Recognised(whole, ranges_of, by_of)


class _Read(NamedTuple):
    terms: tuple[str, ...]
    ranges: frozenset[str]
    commands: tuple[str, ...]
    by: frozenset[str]


def _read(search: str) -> _Read:
    """A search in parts that compare: terms, excluded ranges, by-fields, and the commands without those."""
    first, *rest = [_spaced(each) for each in _COMMAND.findall(search)] or [""]
    ranges = {each for listed in _RANGES.findall(first) for each in listed.split()}
    first = _RANGES.sub(" ", first)
    ranges.update(_RANGE.findall(first))
    terms = sorted(_term(each) for each in _RANGE.sub(" ", first).removeprefix("search ").split())
    commands, by = [], frozenset[str]()
    for each in rest:
        before, *after = _BY.split(each, maxsplit=1)
        grouped = bool(after) and before.startswith("stats ")
        if grouped:
            by |= frozenset(after[0].split())
        commands.append(before if grouped else each)
    return _Read(tuple(terms), frozenset(ranges), tuple(commands), by)


def _spaced(command: str) -> str:
    """A command without quotes and commas, with one blank between its words."""
    plain = re.sub(r"([()])", r" \1 ", command.replace('"', "").replace(",", " "))
    return re.sub(r" ?(!?=) ?", r"\1", " ".join(plain.split()))


def _term(term: str) -> str:
    """A search term: Splunk compares values without regard to case, and names of fields with."""
    name, sign, value = term.partition("=")
    return f"{name}{sign}{value.casefold()}"


def wanted_settings(detection: Detection, name: str = "") -> dict[str, str]:
    """The settings of the saved search, as ESCU ships them, with the risk on the machine.

    Args:
        detection: what is deployed.
        name: of the saved search; that of our clone unless given.

    Raises:
        InputError: a text of the detection cannot stand in a saved search; the field is named.
    """
    _checked(detection)
    settings = {
        "search": shipped_spl(detection.analytic, detection.generation),
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
    machine = machine_field(detection.generation)
    risk = [
        {"risk_object_field": "user", "risk_object_type": "user", "risk_score": detection.score},
        {"risk_object_field": machine, "risk_object_type": "system", "risk_score": detection.score},
        {"threat_object_field": "process_name", "threat_object_type": "process_name"},
    ]
    annotations = {"mitre_attack": list(detection.techniques)}
    return settings | {
        "actions": "notable,risk",
        "action.correlationsearch.enabled": "1",
        "action.correlationsearch.label": name or own_name(detection.analytic.title),
        "action.correlationsearch.annotations": orjson.dumps(annotations).decode(),
        "action.notable": "1",
        "action.notable.param.rule_title": "%name%",
        "action.notable.param.rule_description": "%description%",
        "action.notable.param.nes_fields": f"user,{machine}",
        "action.notable.param.security_domain": "endpoint",
        "action.notable.param.severity": "high",
        "action.risk": "1",
        "action.risk.param._risk_message": detection.message.replace("$dest$", f"${machine}$"),
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
    """The name of a saved search that may be written.

    Raises:
        InputError: it is none, or one of ESCU's.
    """
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > MAX_NAME:
        problem = f"of the saved search is empty, longer than {MAX_NAME} characters, or not printable"
        raise InputError("name", f"{problem}, or has space at an end")
    if _ESCU_NAME.fullmatch(name):
        raise InputError(
            "name",
            f"{name[:80]!a} is a name of ESCU's own, whose updates write to it",
            "Give another, or none: then the clone is 'regsvcs-response - TITLE - Rule'",
        )
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


def planned_difference(name: str, current: Mapping[str, object] | None, detection: Detection) -> Difference:
    """What deploying would do to the saved search that is there, and whether it may; pure.

    Raises:
        InputError: a text of the detection cannot stand in a saved search.
    """
    found = difference(name, current, wanted_settings(detection, name))
    if current is None:
        return found
    there = recognised(_text(current.get("search")) or "", detection.analytic).generation
    refused = ""
    if there is None:
        refused = "its search is of no generation of this analytic that is known here"
    elif there > detection.generation.number:
        refused = f"it is of generation {there}, newer than {detection.generation.number}"
    return found._replace(generation=there, refused=refused)


def installed_search(name: str, current: Mapping[str, object] | None, detection: Detection) -> Installed:
    """What ESCU's own saved search is, and how the wanted one differs from it; pure.

    Raises:
        InputError: a text of the detection cannot stand in a saved search.
    """
    if current is None:
        return Installed(name, exists=False)
    found = difference(name, current, wanted_settings(detection))
    changes = tuple(each for each in found.changes if each.setting not in _OF_ONES_OWN)
    its = recognised(_text(current.get("search")) or "", detection.analytic)
    return Installed(name, True, its, _detection_version(current), found.enabled, changes)


def _detection_version(current: Mapping[str, object]) -> int | None:
    """The version in the metadata that ESCU writes beside its searches (splunk/contentctl)."""
    try:
        metadata = orjson.loads(_text(current.get("action.correlationsearch.metadata")) or "{}")
    except orjson.JSONDecodeError:
        return None
    told = str(metadata.get("detection_version", "")) if isinstance(metadata, dict) else ""
    return int(told) if told.isascii() and told.isdigit() and len(told) <= _VERSION_DIGITS else None


def installed_text(installed: Installed) -> str:
    """ESCU's own for a person, as `shown`."""
    if not installed.exists:
        return f"{installed.name!a}: not seen in Splunk by this token's user"
    its = installed.recognised
    if its.generation is not None:
        text = f"generation {its.generation}"
    else:
        parts = (("excluded ranges", its.ranges_of), ("by-fields", its.by_of))
        of = [f"{what} of {'none known' if number is None else number}" for what, number in parts]
        text = f"unknown generation ({', '.join(of)})"
    version = "" if installed.version is None else f", version {installed.version} by its metadata"
    switch = "on: with both switched on everything raises twice" if installed.enabled else "off"
    lines = [f"compared with {installed.name!a}: {text}{version}; it is switched {switch}"]
    return "\n".join([*lines, *_change_lines(installed.changes)])


def shown(difference: Difference) -> str:
    """The difference for a person: a line for each setting; text from outside is escaped."""
    if not difference.changes:
        return f"{difference.name!a}: nothing to change"
    head = "change" if difference.exists else "create, disabled"
    if difference.refused:
        head = f"left as it is: {difference.refused}"
    lines = [f"{difference.name!a}: {head}"]
    if difference.enabled:
        lines.append("  it is switched on and stays so: what is written takes effect with its next run")
    return "\n".join([*lines, *_change_lines(difference.changes)])


def cut_text(text: str) -> str:
    """A text from Splunk for printing, cut at MAX_SEARCH with its whole length."""
    if len(text) <= MAX_SEARCH:
        return text
    return f"{text[:MAX_SEARCH]}... (cut: {len(text):,} characters)"


def _change_lines(changes: Sequence[Change]) -> list[str]:
    lines = []
    for setting, before, after in changes:
        lines += [] if before is None else [f"- {setting} = {cut_text(before)!a}"]
        lines.append(f"+ {setting} = {after!a}")
    return lines


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

    def installed(self, detection: Detection, *, deadline: Deadline) -> Installed:
        """ESCU's own saved search of the detection; writes nothing.

        Raises:
            InputError: a text of the detection cannot stand in a saved search.
        """
        name = escu_name(detection.analytic.title)
        return installed_search(name, self.read(name, deadline=deadline), detection)

    def plan(self, name: str, detection: Detection, *, deadline: Deadline) -> Difference:
        """What deploying would do; writes nothing.

        Raises:
            InputError: the name is none or one of ESCU's, or a text of the detection cannot stand in a saved
                search.
        """
        return planned_difference(name, self.read(checked_name(name), deadline=deadline), detection)

    def apply(self, planned: Difference, detection: Detection, *, deadline: Deadline) -> None:
        """Write what was planned, and prove that it is there.

        Raises:
            Conflict: the saved search is not as it was when that was planned, or is one that is not replaced;
                nothing was written.
            TimedOut: whether it was written is not known; plan again to see.
            BadResponse: it was written, and what is there differs.
        """
        if self.plan(planned.name, detection, deadline=deadline) != planned:
            raise Conflict(
                CONNECTOR, "the saved search has changed since the difference was shown; plan again"
            )
        if not planned.changes:
            return
        if planned.refused:
            raise Conflict(CONNECTOR, f"the saved search was not replaced: {planned.refused}")
        form = {change.setting: change.after for change in planned.changes}
        path = f"{PATH}/{segment(planned.name)}" if planned.exists else PATH
        named = {} if planned.exists else {"name": planned.name}
        self._rest.post(path, {**named, **form}, deadline, repeatable=False, scope=CAPABILITY)
        left = self.plan(planned.name, detection, deadline=deadline)
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
