"""Sysmon field values, as logged in their many spellings, read into plain types.

Field names and meanings: Sysmon's own schema (`sysmon -s`). Everything here takes what a log may hold and
answers None or "" for what is missing or unreadable; nothing raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from connectors.facts.base import LATEST_INSTANT
from connectors.facts.process import FileHash, Signature, SignatureState

#: Sysmon's own names for a process it could not identify; the second is seen where XML was escaped twice.
UNKNOWN_PROCESS = frozenset({"<unknown process>", "&lt;unknown process&gt;"})

#: Windows did not know these times: FILETIME zero is 1601. Sysmon itself is from 2014.
_EARLIEST_YEAR = 1980

_NULL_GUID = "00000000-0000-0000-0000-000000000000"
_GUID_LENGTH_CAP = 64
#: SHA256 is the longest that Sysmon writes, and it writes four at most.
_HASH_LENGTH_CAP = 160
_HASHES_CAP = 8
#: A certificate's subject; X.520 ends its parts at 64 or 128 characters.
_SIGNER_LENGTH_CAP = 1024


#: Windows ends paths and command lines at 32,767 characters; a longer text was not written by Sysmon.
#: https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw
LONGEST_TEXT = 32_767


def text(value: object) -> str:
    """The value as text, cut at LONGEST_TEXT; "" for None and for Sysmon's "-" (not available)."""
    if isinstance(value, str):
        return "" if value == "-" else value[:LONGEST_TEXT]
    return "" if value is None else str(value)[:LONGEST_TEXT]


def recorded(value: object) -> str | None:
    """The value as `text` has it; None when not recorded. An empty text and "-" are kept: recorded."""
    if value is None:
        return None
    return (value if isinstance(value, str) else str(value))[:LONGEST_TEXT]


def guid(value: object) -> str | None:
    """A ProcessGuid without braces, upper case; None for a null, missing or absurd one."""
    if not isinstance(value, str):
        return None
    bare = value.strip("{} ").upper()
    if not bare or bare in (_NULL_GUID, "-") or len(bare) > _GUID_LENGTH_CAP:
        return None
    return bare


def integer(value: object, *, most: int = 0xFFFFFFFF) -> int | None:
    """A whole number from 0 to `most`, given as a number or as decimal or 0x text; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        if not digits.isascii() or len(digits) > 20:
            return None
        try:
            value = int(digits, 16) if digits[:2].lower() == "0x" else int(digits)
        except ValueError:
            return None
    if isinstance(value, int) and 0 <= value <= most:
        return value
    return None


def boolean(value: object) -> bool | None:
    """True or False given as such or as text; else None."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def port(value: object) -> int | None:
    """A port number; None when missing or out of range."""
    return integer(value, most=65535)


def instant(value: object) -> datetime | None:
    """A time as an aware UTC datetime.

    Accepts Sysmon's UtcTime (`2019-05-12 18:35:05.140`, always UTC) and ISO 8601 with an offset (with any
    number of fraction digits). None for missing, unreadable, a time before 1980 (an unset FILETIME), or one
    that a fact cannot hold (after the year 9000).
    """
    if not isinstance(value, str) or not 19 <= len(value) <= 40:
        return None
    try:
        when = datetime.fromisoformat(value)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return when if when.year >= _EARLIEST_YEAR and when < LATEST_INSTANT else None


def utc_text(value: object) -> str:
    """A UtcTime as logged, "" when `instant` cannot read it: to compare times without parsing each."""
    return text(value) if instant(value) is not None else ""


def earlier(one: str, other: str) -> str:
    """The earlier of two texts of `utc_text`; an unknown one ("") does not count."""
    return min(one, other) if one and other else one or other


def hashes(value: object) -> tuple[FileHash, ...]:
    """`SHA1=..,MD5=..,SHA256=..,IMPHASH=..` as facts; what is not of that form is left out."""
    return _hashes(text(value))


@lru_cache(maxsize=1024)  # one image is started many times
def _hashes(logged: str) -> tuple[FileHash, ...]:
    found = []
    for part in logged.split(","):
        algorithm, equals, digest = part.strip().partition("=")
        if equals and algorithm.isalnum() and digest.isalnum() and len(part) <= _HASH_LENGTH_CAP:
            found.append(FileHash(algorithm=algorithm.upper(), digest=digest.upper()))
    return tuple(found[:_HASHES_CAP])


def signature(data: Mapping[str, object]) -> Signature:
    """The signature that Sysmon EID 7 states: Signed, SignatureStatus and Signature (the signer)."""
    signed = boolean(data.get("Signed"))
    status = text(data.get("SignatureStatus")).strip().lower()
    signer = text(data.get("Signature"))[:_SIGNER_LENGTH_CAP]
    if signed is False:
        return Signature(state=SignatureState.UNSIGNED)
    if signed is True and status == "valid":
        return Signature(state=SignatureState.VALID, signer=signer)
    if signed is True and status and status != "unavailable":
        return Signature(state=SignatureState.INVALID, signer=signer)
    return Signature(state=SignatureState.UNKNOWN, signer=signer)
