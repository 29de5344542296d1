"""The .py of a playbook, in the form the visual editor writes, so that it can be opened there and saved."""

from __future__ import annotations

import json
from collections.abc import Sequence

from scripts.playbooks.blocks import Action, Block, Branch, Code, Decision, Playbook, Prompt

_ARGUMENTS = (
    "action=None, success=None, container=None, results=None, handle=None, filtered_artifacts=None,"
    " filtered_results=None, custom_function=None, loop_state_json=None, **kwargs"
)
_PASSED = "action=action, success=success, container=container, results=results, handle=handle"
_FILTERED = "filtered_artifacts=filtered_artifacts, filtered_results=filtered_results"
_BAR = f"    {'#' * 80}\n"

#: The editor writes it into every action block.
_CALLED = (
    "    # phantom.debug('Action: {0} {1}'.format(action['name'],"
    " ('SUCCEEDED' if success else 'FAILED')))\n\n"
)

#: What the editor puts where no custom code was written.
NO_CODE = "\n    # Write your custom code here...\n\n"


def python(playbook: Playbook) -> str:
    """The whole file."""
    joined = {block.name for block in playbook.blocks if block.waits}
    start = (
        f'"""\n{playbook.description}\n"""\n\n\n'
        "import phantom.rules as phantom\nimport json\nfrom datetime import datetime, timedelta\n\n\n"
        "@phantom.playbook_block()\ndef on_start(container):\n    phantom.debug('on_start() called')\n\n"
        f"    # call '{playbook.start}' block\n    {playbook.start}(container=container)\n\n    return\n\n"
    )
    parts = [start]
    for block in playbook.blocks:
        if block.waits:
            parts.append(_join(block))
        parts.append(_block(block, joined))
    parts.append(
        "@phantom.playbook_block()\ndef on_finish(container, summary):\n"
        f'    phantom.debug("on_finish() called")\n\n{_custom(NO_CODE)}    return\n'
    )
    return "".join(parts)


def user_code(block: Block) -> str | None:
    """The custom code of a block as the .json keeps it; None where there is none."""
    return f"\n{block.code.strip(chr(10))}\n\n" if isinstance(block, Action | Code) and block.code else None


def _block(block: Block, joined: set[str]) -> str:
    head = _head(block.name)
    match block:
        case Action():
            return head + _CALLED + _about(block) + _action(block, joined)
        case Code():
            return head + _about(block) + _code(block, joined)
        case Decision():
            return head + _about(block) + _decision(block, joined)
        case Prompt():
            return head + _about(block) + _prompt(block, joined)
    raise TypeError(f"{block.name}: no kind of block")


def _head(name: str) -> str:
    return f'@phantom.playbook_block()\ndef {name}({_ARGUMENTS}):\n    phantom.debug("{name}() called")\n\n'


def _about(block: Block) -> str:
    return f"{_BAR}    # {block.about}\n{_BAR}\n"


def _custom(code: str) -> str:
    return f"{_BAR}    ## Custom Code Start\n{_BAR}{code}{_BAR}    ## Custom Code End\n{_BAR}\n"


def _enter(name: str, joined: set[str]) -> str:
    return f"join_{name}" if name in joined else name


def _join(block: Block) -> str:
    name = block.name
    return (
        _head(f"join_{name}") + "    # if the joined function has already been called, do nothing\n"
        f'    if phantom.get_run_data(key="join_{name}_called"):\n        return\n\n'
        f"    if phantom.completed(action_names={json.dumps(list(block.waits))}):\n"
        "        # save the state that the joined function has now been called\n"
        f'        phantom.save_block_result(key="join_{name}_called", value="{name}")\n\n'
        f'        # call connected block "{name}"\n'
        f"        {name}(container=container, handle=handle)\n\n    return\n\n\n"
    )


# --- what is collected before a block's code ---------------------------------------------------------------


def _block_of(datapath: str) -> str:
    return datapath.partition(":")[0]


def _is_result(datapath: str) -> bool:
    return ":action_result." in datapath


def _run_data(datapath: str) -> str:
    block, _, name = datapath.split(":")
    return (
        f"    {block}__{name} = json.loads(_ if (_ := phantom.get_run_data("
        f'key="{block}:{name}")) != "" else "null")  # pylint: disable=used-before-assignment\n'
    )


def _collected(datapaths: Sequence[str]) -> str:
    """The lines that collect the inputs of a code block, and name each as the editor does."""
    sources = list(dict.fromkeys(_block_of(path) for path in datapaths if ":custom_function:" not in path))
    collects, names = "", ""
    for source in sources:
        paths = [p for p in datapaths if _block_of(p) == source and ":custom_function:" not in p]
        listed = ",".join(f'"{path}"' for path in paths)
        data = f"{source}_result_data"
        collects += (
            f"    {data} = phantom.collect2(container=container, datapath=[{listed}],"
            " action_results=results)\n"
        )
        names += "".join(
            f"    {_variable(path, index)} = [item[{index}] for item in {data}]\n"
            for index, path in enumerate(paths)
        )
    run_data = "".join(_run_data(path) for path in datapaths if ":custom_function:" in path)
    return "".join(f"{part}\n" for part in (collects + run_data, names) if part)


def _variable(datapath: str, index: int) -> str:
    return f"{_block_of(datapath)}_result_item_{index}"


# --- the kinds of blocks -----------------------------------------------------------------------------------


def _action(block: Action, joined: set[str]) -> str:
    rows = [path for path in block.parameters.values() if _is_result(path)]
    collected = ""
    if rows:
        source = _block_of(rows[0])
        paths = ",".join(
            f'"{path}"' for path in (*rows, f"{source}:action_result.parameter.context.artifact_id")
        )
        collected = (
            f"    {source}_result_data = phantom.collect2(container=container, datapath=[{paths}],"
            " action_results=results)\n"
        )
    collected += "".join(_run_data(p) for p in block.parameters.values() if ":custom_function:" in p)
    return (
        f"{collected}\n" * bool(collected)
        + "    parameters = []\n\n"
        + (_sets_of_rows(block, rows) if rows else _one_set(block))
        + _custom(user_code(block) or NO_CODE)
        + f'    phantom.act("{block.action}", parameters=parameters, name="{block.name}",'
        f' assets=["{block.asset}"]{_callback(block, joined)})\n\n    return\n\n\n'
        + _callback_def(block, joined)
    )


def _literal_or_variable(path: str) -> str:
    if ":custom_function:" not in path:
        return json.dumps(path)
    block, _, name = path.split(":")
    return f"{block}__{name}"


def _one_set(block: Action) -> str:
    fields = {name: _literal_or_variable(path) for name, path in block.parameters.items()}
    needed = [fields[name] for name in block.required if ":custom_function:" in block.parameters[name]]
    pad = "        " if needed else "    "
    test = f"    if {' and '.join(f'{each} is not None' for each in needed)}:\n" if needed else ""
    lines = "".join(f'{pad}    "{name}": {value},\n' for name, value in fields.items())
    return f"{test}{pad}parameters.append({{\n{lines}{pad}}})\n\n"


def _sets_of_rows(block: Action, rows: Sequence[str]) -> str:
    """One parameter set for each row of an earlier action."""
    source = _block_of(rows[0])
    item = f"{source}_result_item"
    values = {
        name: f"{item}[{rows.index(path)}]" if path in rows else _literal_or_variable(path)
        for name, path in block.parameters.items()
    }
    needed = " and ".join(f"{values[name]} is not None" for name in block.required)
    lines = "".join(f'                "{name}": {value},\n' for name, value in values.items())
    return (
        f"    # build parameters list for '{block.name}' call\n"
        f"    for {item} in {source}_result_data:\n        if {needed}:\n            parameters.append({{\n"
        f"{lines}                \"context\": {{'artifact_id': {item}[{len(rows)}]}},\n            }})\n\n"
    )


def _callback(block: Block, joined: set[str]) -> str:
    if not block.to:
        return ""
    return f", callback={_enter(block.to[0], joined) if len(block.to) == 1 else f'{block.name}_callback'}"


def _callback_def(block: Block, joined: set[str]) -> str:
    """The editor's own function between an action and several blocks."""
    if len(block.to) < 2:
        return ""
    calls = "".join(f"    {_enter(name, joined)}({_PASSED}, {_FILTERED})\n" for name in block.to)
    return f"{_head(f'{block.name}_callback')}    \n{calls}\n\n    return\n\n\n"


def _code(block: Code, joined: set[str]) -> str:
    unset = "".join(f"    {block.name}__{name} = None\n" for name in block.outputs)
    kept = "".join(
        f'    phantom.save_block_result(key="{block.name}:{name}", value=json.dumps({block.name}__{name}))\n'
        for name in block.outputs
    )
    calls = "".join(f"    {_enter(name, joined)}(container=container)\n" for name in block.to)
    return (
        _collected(block.inputs)
        + f"{unset}\n" * bool(unset)
        + _custom(user_code(block) or NO_CODE)
        + f"{kept}\n" * bool(kept)
        + f"{calls}\n" * bool(calls)
        + "    return\n\n\n"
    )


def _decision(block: Decision, joined: set[str]) -> str:
    return "".join(_branch(block, index, joined) for index in range(len(block.branches))) + "    return\n\n\n"


def _branch(block: Decision, index: int, joined: set[str]) -> str:
    branch, number = block.branches[index], index + 1
    pad = "        " if branch.rows else "    "
    calls = "".join(f"{pad}{_enter(name, joined)}({_PASSED})\n" for name in branch.to)
    if not branch.rows:
        return f"    # check for 'else' condition {number}\n{calls}\n"
    word = "elif" if index else "if"
    return (
        f"    # check for '{word}' condition {number}\n    found_match_{number} = phantom.decision(\n"
        f"        container=container,\n{_logic(branch)}        conditions=[\n{_rows(branch)}\n        ],\n"
        f"        conditions_dps=[\n{_rows(branch)}\n        ],\n"
        f'        name="{block.name}:condition_{number}",\n        delimiter=None)\n\n'
        f"    # call connected blocks if condition {number} matched\n    if found_match_{number}:\n"
        f"{calls}        return\n\n"
    )


def _logic(branch: Branch) -> str:
    return f'        logical_operator="{branch.logic}",\n' if len(branch.rows) > 1 else ""


def _rows(branch: Branch) -> str:
    return ",\n".join(f"            {json.dumps(list(row))}" for row in branch.rows)


def _prompt(block: Prompt, joined: set[str]) -> str:
    listed = ",\n".join(f'        "{path}"' for path in block.parameters)
    choices = ",\n".join(f"                    {json.dumps(each)}" for each in block.choices)
    message = block.message.replace("\n", "\\n")
    return (
        "    # set approver and message variables for phantom.prompt call\n\n"
        f'    user = None\n    role = {json.dumps(block.role)}\n    message = """{message}"""\n\n'
        f"    # parameter list for template variable replacement\n    parameters = [\n{listed}\n    ]\n\n"
        "    # responses\n    response_types = [\n"
        f'        {{\n            "prompt": {json.dumps(block.choice)},\n            "options": {{\n'
        '                "type": "list",\n                "required": True,\n                "choices": [\n'
        f"{choices}\n                ],\n            }},\n        }},\n"
        f'        {{\n            "prompt": {json.dumps(block.comment)},\n            "options": {{\n'
        '                "type": "message",\n                "required": False,\n            },\n        }\n'
        "    ]\n\n"
        "    phantom.prompt2(container=container, user=user, role=role, message=message,"
        f' respond_in_mins={block.minutes}, name="{block.name}", parameters=parameters,'
        f" response_types=response_types{_callback(block, joined)})\n\n    return\n\n\n"
        + _callback_def(block, joined)
    )
