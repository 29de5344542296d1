"""Settings of what is asked of Splunk. Tokens are not among them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from connectors.facts.base import Fact
from connectors.http.settings import HttpSettings
from connectors.http.targets import url_problem

#: As Splunk's add-ons for Windows and for Sysmon name the events (renderXml = true).
SYSMON = 'sourcetype=XmlWinEventLog source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"'

#: The names ES gives the analytic and its sibling, as ESCU ships them, as a clone is often called, and as
#: `deploy-detection` names ours.
SEARCH_NAMES = (
    "ESCU - Detect Regsvcs with Network Connection - Rule",
    "Detect Regsvcs with Network Connection",
    "regsvcs-response - Detect Regsvcs with Network Connection - Rule",
    "ESCU - Detect Regasm with Network Connection - Rule",
    "Detect Regasm with Network Connection",
    "regsvcs-response - Detect Regasm with Network Connection - Rule",
)

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
_Index = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,79}$")]


def _search_terms(value: str) -> str:
    """Search terms that end where they end: no pipe, and quotes and brackets closed."""
    quoted = False
    depth = 0
    for character in value:
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth < 0 or character in "|[]":
                break
    else:
        if not quoted and not depth and "\\" not in value and value.isprintable() and value.strip():
            return value.strip()
    raise ValueError("search terms only, on one line: no pipe, subsearch or backslash; quotes closed")


def _address(value: str) -> str:
    """An address that may be asked; the error does not repeat it, as it may hold a password."""
    problem = url_problem(value, loopback=True, query=False)
    if problem:
        raise ValueError(f"the address {problem}")
    return value


_Address = Annotated[str, Field(max_length=500), AfterValidator(_address)]


class SplunkPlace(Fact):
    """Where Splunk is and in which app searches run.

    The management port often has a certificate of a private authority: name it in HttpSettings.ca_bundle.

    Attributes:
        base_url: the management port, such as https://splunk.corp.example:8089.
        app: the app whose macros and field extractions count.
        owner: whose knowledge objects count; "nobody" takes the shared ones.
        sysmon: search terms that find Sysmon's events as XML, with the index, such as
            "index=sysmon sourcetype=XmlWinEventLog"; a macro in backticks works too.
        deadline_s: seconds for one question of ours, with all its searches.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a wrong address may hold a password

    base_url: _Address
    app: _Name = "search"
    owner: _Name = "nobody"
    sysmon: Annotated[str, Field(max_length=1000), AfterValidator(_search_terms)] = SYSMON
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class NotablesFrom(StrEnum):
    """Where notables come from."""

    NOTABLE_MACRO = "notable_macro"
    """Enterprise Security, with status and owner."""
    NOTABLE_INDEX = "notable_index"
    """Enterprise Security's index alone; nothing but a comment is ever written to what comes from there."""
    ESCU = "escu"
    """The analytic itself over Sysmon events, without Enterprise Security."""


class SplunkSettings(SplunkPlace):
    """Splunk as a SIEM: the section [splunk].

    Attributes:
        hec_url: the HTTP Event Collector, such as https://splunk.corp.example:8088; "" where it is not used.
        notable_index: where Enterprise Security keeps notables.
        risk_index: where it keeps risk events.
        notables_from: where notables come from.
        search_names: names of the correlation searches that are ours; empty takes every notable.
        http: how requests are sent, with a CA bundle of its own where Splunk has a private one.
    """

    hec_url: Literal[""] | _Address = ""
    notable_index: _Index = "notable"
    risk_index: _Index = "risk"
    notables_from: NotablesFrom = NotablesFrom.NOTABLE_MACRO
    search_names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100)
    ] = SEARCH_NAMES
    http: HttpSettings = HttpSettings()
