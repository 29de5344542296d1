"""The picture of the visual playbook in the README is that of the playbook."""

from __future__ import annotations

import json

from scripts.playbook_picture import SOURCE, TARGET, picture


def test_the_picture_is_that_of_the_playbook() -> None:
    drawn = picture(json.loads(SOURCE.read_text(encoding="utf-8")))
    assert drawn == TARGET.read_text(encoding="utf-8"), "run `make pictures`"
