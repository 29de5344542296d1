"""Keep an object, also one that the platform refuses for good: as text, or else by a container that names it.

One object that is refused would otherwise stand before all behind it for ever. A refusal is the object's own
fault only where the platform takes another container; so the last one tried holds no text from outside, and
where that is refused as well, nothing is stepped over.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from connectors.errors import NotableError, Rejected
from connectors.siem.notable_input import json_text
from playbooks.hosts.soar.keep import keep
from playbooks.hosts.soar.notable_artifact import Parcel, rejected_parcel
from playbooks.hosts.soar.soar_rest import PLATFORM


class Form(StrEnum):
    """As what an object is kept."""

    WHOLE = "whole"
    TEXT = "text"
    """The platform refused it, and took its text."""
    MARK = "mark"
    """The platform refused its text as well: a container stands for it, without anything of it."""


class Fate(NamedTuple):
    """What became of one object.

    Attributes:
        form: as what it is kept.
        already: True when that was there before.
        refusal: why the platform refused it; "" when it did not.
    """

    form: Form
    already: bool
    refusal: str = ""


def keep_or_step_over(soar: SOARClient[Any], parcel: Parcel, *, label: str) -> Fate:
    """Keep an object in the fullest form that the platform takes.

    Args:
        soar: the platform.
        parcel: the object.
        label: the label of the containers.

    Raises:
        Rejected: the platform refuses any container, so this object is not at fault.
        ConnectorError: the platform did not take it this time, or did not say so. To try again is safe.
    """
    try:
        return Fate(Form.WHOLE, keep(soar, parcel).already)
    except Rejected as error:
        refusal = error
    try:
        return Fate(Form.TEXT, keep(soar, _as_text(parcel, refusal, label)).already, refusal.message)
    except Rejected:
        pass
    try:
        return Fate(Form.MARK, keep(soar, _mark(parcel, label)).already, refusal.message)
    except Rejected as error:
        raise Rejected(
            PLATFORM,
            f"{error.message}. It also refuses a container that holds nothing of Splunk: check"
            " container_label on the asset",
        ) from error


def _as_text(parcel: Parcel, refusal: Rejected, label: str) -> Parcel:
    problem = NotableError(
        "notable", f"was refused by the platform: {refusal.message}", "Work it by `respond to notable`"
    )
    text = json_text(parcel.artifact["data"])
    return rejected_parcel(text, problem, label=label, identity=f"text of {_identity(parcel)}")


def _mark(parcel: Parcel, label: str) -> Parcel:
    problem = NotableError(
        "notable",
        "was refused by the platform, and its text as well",
        "Its event_id is in the message and the log of the poll; it is still in Splunk",
    )
    return rejected_parcel("", problem, label=label, identity=f"mark of {_identity(parcel)}")


def _identity(parcel: Parcel) -> str:
    """Whose refusal it is, whatever else of it changes: status and owner do."""
    name = "source_data_identifier"
    return json_text([parcel.container[name], parcel.artifact[name]])
