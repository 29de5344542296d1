"""Folders that anyone may write to, as data: loaders drop files there; installed programs lie elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actions.windows_paths import has_folders


class Place(NamedTuple):
    """A folder by name.

    Attributes:
        label: what to call it.
        wanted: names of adjacent folders, lower case.
        at_root: True when the first has to lie right below the drive.
    """

    label: str
    wanted: tuple[str, ...]
    at_root: bool = False


_TEMP = (Place("Temp", ("temp",)), Place("Temp", ("tmp",)))
_PUBLIC = Place("Public", ("users", "public"), at_root=True)

#: For the image of the parent. The last spelling is the 8.3 name that ProgramData has on 64-bit Windows.
PARENT_PLACES = (
    *_TEMP,
    Place("AppData", ("appdata",)),
    _PUBLIC,
    Place("ProgramData", ("programdata",), at_root=True),
    Place("ProgramData", ("progra~3",), at_root=True),
)

#: For the arguments of the process.
ARGUMENT_PLACES = (
    *_TEMP,
    Place("Startup", ("startup",)),
    Place("PerfLogs", ("perflogs",), at_root=True),
    _PUBLIC,
)


def place_of(path: str, places: Iterable[Place]) -> str | None:
    """The label of the first of these places that the file lies in; None for none of them."""
    for place in places:
        if has_folders(path, place.wanted, at_root=place.at_root):
            return place.label
    return None
