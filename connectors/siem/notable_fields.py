"""Which field of a notable is read from which names, and how a value is read.

CANDIDATES is the whole mapping. Names are compared exactly: `destinationHostName` is CEF for `dest`, while
`DestinationHostname` is Sysmon's reverse look-up of the other end (`dest_host` in the community's add-on).

Sources: the analytic's search (Splunk ESCU, "Detect Regsvcs with Network Connection"), the Common
Information Model, and the CIM-to-CEF map of Splunk's SOAR connector
(https://github.com/splunk-soar-connectors/splunk, splunk_consts.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from connectors.addresses import canonical_ip, shown
from connectors.errors import NotableError

type Fields = Mapping[str, object]

#: Longest text of a field that is read, in characters. Fields that are not read may be longer.
MAX_TEXT = 32 * 1024

#: Most values of one field.
MAX_VALUES = 1000

#: Deepest lists within lists (a JSON text of a list counts as one) in one value.
MAX_NESTING = 4

#: Field -> tiers, best first. The first tier that holds a usable value counts; names in one tier count
#: together. A name in brackets is made by `with_made_names`. Who of them is the machine: roles.py.
CANDIDATES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    # The computer, whatever the add-on: together, so that two different machines make it ambiguous.
    "machine": (("dvc[name]", "Computer", "ComputerName"), ("dvc_nt_host",), ("dvc_dns",)),
    # CEF for dvc, and for whatever a collector calls itself.
    "device": (("deviceHostname",),),
    "source": (
        ("src[name]", "src_host", "src_nt_host", "src_dns", "SourceHostname"),
        ("sourceHostName", "sourceAddress[name]"),
    ),
    # The machine or the peer, as the add-on decides.
    "dest": (
        ("dest",),
        ("destinationHostName", "destinationAddress[name]"),
        ("dest_nt_host", "dest_dns"),
        ("risk_object[system]", "entity[system]"),
    ),
    "peer": (("dest_host", "DestinationHostname", "dest_ip[name]"),),
    "collector": (("orig_host",),),
    "risk_system": (("entity[system]",), ("risk_object[system]",)),
    "user": (
        ("user",),
        ("User",),  # version 2 of the analytic
        ("destinationUserName",),
        ("sourceUserName",),
        ("risk_object[user]", "entity[user]"),
    ),
    "process_name": (
        ("process_name",),
        ("process_path", "process_exec", "Image"),
        ("destinationProcessName",),
        ("sourceProcessName",),
        ("fileName",),
    ),
    "src_ip": (("src_ip",), ("SourceIp",), ("src[ip]",), ("sourceAddress[ip]",)),
    "dest_ip": (("dest_ip",), ("DestinationIp",), ("destinationAddress[ip]",)),
    "dvc_ip": (("dvc[ip]", "dvc_ip"),),
    "dest_port": (("dest_port", "dest_ports"), ("DestinationPort",), ("destinationPort",)),
    "src_port": (("src_port", "src_ports"), ("SourcePort",), ("sourcePort",)),
    "direction": (("direction",), ("Initiated", "initiated"), ("deviceDirection",)),
    "process_guid": (("process_guid", "process_guids"), ("ProcessGuid",)),
    "process_id": (("process_id", "process_ids"), ("ProcessId",)),
    "count": (("count",), ("baseEventCount",)),
    "firstTime": (("firstTime",), ("first_time",), ("startTime",)),
    "lastTime": (("lastTime",), ("last_time",), ("endTime",)),
    "info_min_time": (("info_min_time",),),
    "info_max_time": (("info_max_time",),),
    "event_id": (("event_id",), ("finding_id",), ("container[source_data_identifier]",)),
    "orig_sid": (("orig_sid",), ("sid",)),
    "orig_rid": (("orig_rid",), ("rid",)),
    "search_name": (("search_name",), ("rule_name",), ("rule_title",), ("container[name]",)),
    "generation": (("analytic_generation",),),  # ours: notable_text.py
    "doubtful": (("machine_doubtful",),),  # ours too
    "untold": (("dest_untold",),),  # ours too
    "risk_score": (("risk_score",), ("finding_score",)),
    "risk_message": (("risk_message",),),
    "urgency": (("urgency",),),
    "status": (("status_label",), ("status",)),
    "owner": (("owner",),),
}

#: What the process ran on, as, and to: one of these makes an object a notable.
IDENTITY = ("machine", "device", "dest", "user", "process_name", "src_ip", "dest_ip")

#: Fields of which it is noted that they stood under another name. What the machine was read from is a fact.
_MOVED = ("user", "process_name", "src_ip", "dest_ip")

#: Fields whose values `with_made_names` sorts by kind.
_ADDRESS_OR_NAME = ("destinationAddress", "sourceAddress", "src", "dvc", "dest_ip")
_OBJECT_AND_TYPE = (("risk_object", "risk_object_type"), ("entity", "entity_type"))

_NAMES = frozenset(name for tiers in CANDIDATES.values() for tier in tiers for name in tier)
#: What Enterprise Security writes behind the name of a field, of a machine and of the user.
ASSET_FIELDS = ("priority", "category", "owner", "bunit")
IDENTITY_FIELDS = ("priority", "category", "watchlist", "managedBy", "bunit")

#: The names of these enrichments; whose they are, the peer's or the machine's, says roles.py.
ENRICHED_NAMES = frozenset(
    [f"{field}_{what}" for field in ("dvc", "src", "dest") for what in ASSET_FIELDS]
    + [f"user_{what}" for what in IDENTITY_FIELDS]
)

KNOWN_NAMES = (
    _NAMES | set(_ADDRESS_OR_NAME) | {name for pair in _OBJECT_AND_TYPE for name in pair} | ENRICHED_NAMES
)

#: The names that `dest` is read from.
DEST_NAMES = frozenset(name.partition("[")[0] for tier in CANDIDATES["dest"] for name in tier)

_IDENTITY_NAMES = frozenset(name for key in IDENTITY for tier in CANDIDATES[key] for name in tier)

#: Texts that stand for "no value", in lower case.
_NO_VALUE = frozenset({"", "-", "n/a", "null", "unknown", "<unknown process>", "&lt;unknown process&gt;"})
_UNRESOLVED = re.compile(r"\$[A-Za-z_.]+\$")


class Found(NamedTuple):
    """The values of the first tier that holds any.

    Attributes:
        names: the names they came from.
        values: distinct, in order; text without spaces around it, never empty; bool where JSON had one.
    """

    names: tuple[str, ...]
    values: tuple[str | bool, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The values that are text."""
        return tuple(value for value in self.values if isinstance(value, str))


@dataclass(slots=True)
class Reading:
    """One object being read: its fields, and what was done to read them."""

    fields: Fields
    notes: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def tiers(self, key: str) -> Iterator[Found]:
        """Every tier of a field that holds a value, best first.

        Raises:
            NotableError: a value is over MAX_TEXT, or there are more than MAX_VALUES.
        """
        for tier in CANDIDATES[key]:
            values: dict[str | bool, None] = {}
            names = []
            for name in tier:
                if name not in self.fields:
                    continue
                held, unreadable = values_of(name, self.fields[name])
                if unreadable:
                    self._note_once(f"{name} holds {unreadable}, which was left out.")
                if held:
                    names.append(name)
                    values |= dict.fromkeys(held)
            if values:
                yield Found(tuple(names), tuple(values))

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of the best tier that holds any; the move to another name is remembered."""
        for found in self.tiers(key):
            if found.texts:
                self.note_move(key, found)
                return found.texts
        return ()

    def one(self, key: str) -> str:
        """The text of a field that has one value; of several the first, with a note; "" when missing."""
        values = distinct_ignoring_case(self.texts(key))
        if not values:
            return ""
        if len(values) > 1:
            self.notes.append(f"{key} has {len(values)} values; {shown(values[0])}, the first, is used.")
        return values[0]

    def first(self, key: str) -> str:
        """The first text of a field, without a note; "" when missing."""
        return next((text for found in self.tiers(key) for text in found.texts), "")

    def note_move(self, key: str, found: Found) -> None:
        """Remember that a field of the analytic was read from another name."""
        names = tuple(dict.fromkeys(name.partition("[")[0] for name in found.names))
        if key in _MOVED and names != (key,):
            self.moved.append(f"{key} from {' and '.join(names)}")

    def _note_once(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def values_of(name: str, value: object) -> tuple[list[str | bool], str]:
    """The values in one field, flattened, and what could not be read ("" when all could).

    A list, a JSON text of a list and a text of several lines are multivalues. None, "", "-", "N/A", "null",
    "unknown", and tokens that were never filled in (`$dest$`) are no value.

    Raises:
        NotableError: a text is over MAX_TEXT, or there are more than MAX_VALUES.
    """
    values: list[str | bool] = []
    unreadable = ""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        opened = _open_list(name, item)
        if opened is not None and depth < MAX_NESTING:
            if len(opened) + len(values) + len(waiting) > MAX_VALUES:
                raise NotableError(name, f"has more than {MAX_VALUES} values", "Split the notable")
            waiting.extend((inner, depth + 1) for inner in reversed(opened))
        elif opened is not None:
            unreadable = f"lists nested more than {MAX_NESTING} deep"
        elif isinstance(item, bool):
            values.append(item)
        else:
            text = _scalar_text(item)
            if text is None:
                unreadable = (
                    "an object" if isinstance(item, Mapping) else "something that is no text or number"
                )
            elif not is_no_value(text):
                values.append(text)
    return values, unreadable


def is_no_value(text: str) -> bool:
    """True for texts that stand for a missing value."""
    return text.casefold() in _NO_VALUE or _UNRESOLVED.fullmatch(text) is not None


def distinct_ignoring_case(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values without those that differ from an earlier one in case alone."""
    seen: dict[str, str] = {}
    for value in values:
        seen.setdefault(value.casefold(), value)
    return tuple(seen.values())


def with_made_names(fields: Fields) -> Fields:
    """Add the names in brackets: values sorted by what they are rather than by where they stand.

    `destinationAddress` holds a host name or an address, because Splunk's SOAR connector writes both `dest`
    and `dest_ip` to it and the last one stays; `src` and `dvc` hold either too. A risk object or entity of
    ES 8 is a host where its type says system, and a user where it says user.
    """
    made: dict[str, object] = {}
    for name in _ADDRESS_OR_NAME:
        texts = _texts(name, fields)
        made[f"{name}[ip]"] = [text for text in texts if canonical_ip(text) is not None]
        made[f"{name}[name]"] = [text for text in texts if canonical_ip(text) is None]
    for object_name, type_name in _OBJECT_AND_TYPE:
        objects = _texts(object_name, fields)
        types = [text.casefold() for text in _texts(type_name, fields)]
        if len(set(types)) == 1:
            types = types[:1] * len(objects)
        for kind in ("system", "user"):
            # Types that do not stand one to one beside the objects say nothing about any of them.
            paired = zip(objects, types, strict=True) if len(types) == len(objects) else ()
            made[f"{object_name}[{kind}]"] = [text for text, its_type in paired if its_type == kind]
    return {**fields, **made}


def has_identity(fields: Fields) -> bool:
    """True when a field that says who or what is there; expects `with_made_names`."""
    return any(values_of(name, fields[name])[0] for name in _IDENTITY_NAMES if name in fields)


def _texts(name: str, fields: Fields) -> list[str]:
    values, _ = values_of(name, fields.get(name))
    return [value for value in values if isinstance(value, str)]


def _open_list(name: str, item: object) -> list[object] | None:
    """The members of a multivalue; None when the value is not one.

    Raises:
        NotableError: a text is over MAX_TEXT.
    """
    if isinstance(item, list | tuple):
        return list(item)
    if not isinstance(item, str):
        return None
    if len(item) > MAX_TEXT:
        raise NotableError(name, f"is longer than {MAX_TEXT} characters", "Shorten it, or leave it out")
    text = item.strip()
    if "\n" in text and not text.startswith("["):
        return list(text.split("\n"))
    if text.startswith("[") and text.endswith("]"):
        try:
            read = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        return read if isinstance(read, list) else None
    return None


def _scalar_text(item: object) -> str | None:
    """One value as text: "" for None, None for what is neither text nor a number that can be written."""
    if item is None:
        return ""
    if isinstance(item, str):
        # A lone surrogate is no character: it cannot be written anywhere.
        return item.strip() if item.isascii() or _is_unicode(item) else None
    if isinstance(item, int):
        return str(item) if abs(item) < 2**64 else None
    if isinstance(item, float) and math.isfinite(item):
        return str(int(item)) if item.is_integer() and abs(item) < 2**53 else repr(item)
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
