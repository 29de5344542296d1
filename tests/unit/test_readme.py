"""What README promises and a test can hold: its settings are settings, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from playbooks.settings import settings_from_text

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = sorted(set(re.findall(r"\]\((?!https?:|#)([^)#]+)", README)))


def test_the_settings_shown_are_settings() -> None:
    shown = README.partition("## Settings\n")[2].partition("\n## ")[0]
    text = "\n".join(line[4:] for line in shown.splitlines() if line.startswith("    "))
    settings = settings_from_text(text, source="README.md")
    assert settings.isolation.mode == "shadow"
    assert settings.isolation.caps.per_hour == 3
    assert [each.name for each in settings.reputation.feeds.own] == ["corp_blocklist"]
    assert settings.reputation.policy.overrides[0].owner == "soc"


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).exists()


def test_links_are_found_at_all() -> None:
    assert "docs/architecture.md" in LINKS
