"""Bases of every parameter and output model of the SOAR app.

The SDK takes only str, int, float and bool as parameters, and no dict or union in an output. A module that
defines such models must not defer its annotations (`from __future__ import annotations`): the SDK reads them
as objects.
"""

from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator
from soar_sdk.action_results import ActionOutput
from soar_sdk.params import Params

#: Asked of every action that takes facts of another one, characters. Larger is refused, not cut.
MAX_FACTS = 32 * 1024 * 1024

#: Addresses of one look-up at most, and of the peers handed on for one.
MAX_LOOKUPS = 200


def without_empty(given: Any) -> Any:
    """What is given without the fields left empty: the platform hands them over as None or ""."""
    if not isinstance(given, dict):
        return given
    return {name: value for name, value in given.items() if value is not None and value != ""}


class ActionParams(Params):
    """Parameters as a playbook or an analyst hands them over: numbers for text, empty for absent."""

    model_config: ClassVar[ConfigDict] = ConfigDict(coerce_numbers_to_str=True, defer_build=True)

    _empty_is_absent = model_validator(mode="before")(without_empty)


class Output(ActionOutput):
    """One row of an action's data. Built when it is first used: a process runs one action only."""

    model_config: ClassVar[ConfigDict] = ConfigDict(defer_build=True)
