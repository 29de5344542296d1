"""The stand-in for phantom.rules refuses what the platform does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.phantom_platform import Platform
from tests.fakes.phantom_rules import Run
from tests.playbook_runs import canned

HEAD = "import phantom.rules as phantom\n"
TAIL = "\n@phantom.playbook_block()\ndef on_finish(container, summary):\n    return\n"


def run(folder: Path, line: str, *, before: str = "") -> Platform:
    """Play a playbook whose on_start is one line."""
    path = folder / "playbook.py"
    start = f"@phantom.playbook_block()\ndef on_start(container):\n    {line}\n"
    block = "@phantom.playbook_block()\ndef check(**kwargs):\n    return\n"
    path.write_text(f"{HEAD}{before}{start}{block}{TAIL}")
    platform = canned({"check ip": [{"ip": "8.8.8.8"}], "other": [{"data": 1}]})
    Run(platform, path, platform.add_container([{"cef": {}}])).play()
    return platform


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("phantom.add_notes(container=container)", AttributeError),
        ("phantom.requests.get('x')", AttributeError),
        ("phantom.add_note(container=container, body='x')", TypeError),
        (
            "phantom.add_note(container=container, note_type='private', title='t', content='c')",
            AssertionError,
        ),
        ("phantom.set_severity(container=container, severity='critical')", AssertionError),
        ("phantom.set_status(container=container, status='done')", AssertionError),
        ("phantom.act('check ip', parameters=[], name='check', assets=['regsvcs_response'])", AssertionError),
        ("phantom.act('check ip', parameters=[{}], name='check', assets=['other'])", AssertionError),
        (
            "phantom.act('check ip', parameters=[{}], name='nowhere', assets=['regsvcs_response'])",
            AssertionError,
        ),
        ("phantom.collect2(datapath=['nowhere:action_result.message'])", AssertionError),
        ("phantom.completed(action_names=['nowhere'])", AssertionError),
        ("phantom.decision(conditions=[['1', '==', '1']], conditions_dps=[])", AssertionError),
        ("phantom.save_block_result(key='a:b', value=1)", AssertionError),
        ("phantom.prompt2(message='m', respond_in_mins=1, name='check')", AssertionError),
    ],
)
def test_what_the_platform_does_not_have_raises(tmp_path: Path, line: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run(tmp_path, line)


def test_a_call_at_module_level_raises(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="module level"):
        run(tmp_path, "return", before="phantom.debug('x')\n")


def test_an_output_that_no_row_has_raises(tmp_path: Path) -> None:
    read = "phantom.collect2(datapath=['check:action_result.data.*.nothing'])"
    line = (
        "phantom.act('check ip', parameters=[{}], name='check', assets=['regsvcs_response'], callback=read)"
    )
    block = f"@phantom.playbook_block()\ndef read(**kwargs):\n    {read}\n"

    with pytest.raises(AssertionError, match="no field nothing"):
        run(tmp_path, line, before=block)


def test_what_the_platform_has_is_kept(tmp_path: Path) -> None:
    platform = run(
        tmp_path, "phantom.add_note(container=container, note_type='general', title='t', content='c')"
    )

    assert platform.titles(1) == ["t"]
    assert platform.note(1, "t") == "c"
