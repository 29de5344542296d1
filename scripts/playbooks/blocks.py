"""The kinds of blocks a playbook is described with. A description is data; nothing here writes a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class ActionType(StrEnum):
    """What the platform calls the kind of an action."""

    INVESTIGATE = "investigate"
    GENERIC = "generic"
    CONTAIN = "contain"


#: The assets of the app, by the kind of action that runs on them.
ASSETS = {
    ActionType.INVESTIGATE: "regsvcs_response",
    ActionType.GENERIC: "regsvcs_response",
    ActionType.CONTAIN: "regsvcs_containment",
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """What every block has.

    Attributes:
        name: the function's name, lower case with underscores; the canvas shows it with blanks.
        about: one line on what it is for: a comment in the code, and the block's note on the canvas.
        to: the blocks it calls; empty where the playbook ends.
        waits: the actions that have to be complete, failed ones included, before it runs; for a block that
            several others call.
        skipped: the actions before it that a decision may leave out. The editor has to know them: saving
            the playbook there writes the join anew, and it would wait for an action that never runs.
    """

    name: str
    about: str
    to: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Action(Block):
    """Runs an action of the app.

    Attributes:
        action: the action's name, such as "check ip".
        type: as the app declares it.
        on: picks the asset; None = the type does.
        parameters: parameter -> datapath, or a text as it stands. A datapath into the data of an action gives
            one parameter set a row.
        required: the parameters without which the action cannot run.
        code: custom code between building the parameters and the call.
    """

    action: str
    parameters: Mapping[str, str]
    type: ActionType = ActionType.INVESTIGATE
    on: ActionType | None = None
    required: tuple[str, ...] = ()
    code: str = ""

    @property
    def asset(self) -> str:
        """The name of the asset it runs on: what looks things up holds nothing that could isolate a host."""
        return ASSETS[self.on or self.type]


@dataclass(frozen=True, kw_only=True)
class Code(Block):
    """Custom code.

    Attributes:
        inputs: datapaths into the data of actions and the outputs of code, collected before the code. An
            action that failed has no data; status and message the code collects by itself.
        outputs: names; the code sets `<block>__<name>`, which is kept as JSON.
        code: the text, indented as it stands in the function.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    code: str


class Branch(NamedTuple):
    """One branch of a decision.

    Attributes:
        label: what the canvas calls it.
        to: the blocks it calls.
        rows: comparisons (datapath, operator, value); empty for the branch that is taken when no other is.
        logic: "and" or "or", between the rows.
    """

    label: str
    to: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...] = ()
    logic: str = "and"


@dataclass(frozen=True, kw_only=True)
class Decision(Block):
    """Takes the first branch that holds.

    Attributes:
        branches: in the order they are tried; `to` of the block itself stays empty.
    """

    branches: tuple[Branch, ...]


@dataclass(frozen=True, kw_only=True)
class Prompt(Block):
    """Asks people of a role, and goes on when one has answered or the time is over.

    Attributes:
        role: whose members are asked.
        message: a template; {0} stands for the first of `parameters`.
        parameters: datapaths.
        choice: the question to be answered with one of `choices`.
        choices: the answers offered.
        comment: the question answered in words; it may stay empty.
        minutes: how long an answer is awaited.
    """

    role: str
    message: str
    parameters: tuple[str, ...]
    choice: str
    choices: tuple[str, ...]
    comment: str
    minutes: int


@dataclass(frozen=True, kw_only=True)
class Playbook:
    """A playbook: one description, from which both files are written.

    Attributes:
        name: of both files.
        description: shown in the list of playbooks.
        label: the containers it is for.
        start: the block that is run first.
        blocks: in the order they stand in the .py.
    """

    name: str
    description: str
    label: str
    start: str
    blocks: tuple[Block, ...]
    tags: tuple[str, ...] = field(default=("T1218.009", "regsvcs"))


def targets(block: Block) -> list[tuple[str, int | None]]:
    """The blocks a block calls, with the branch of a decision that calls them."""
    if isinstance(block, Decision):
        return [(name, index) for index, branch in enumerate(block.branches) for name in branch.to]
    return [(name, None) for name in block.to]
