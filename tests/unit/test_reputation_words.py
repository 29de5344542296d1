"""The words of a reputation: what is not known never reads as clean, and nothing is longer than it may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actions.check_ip import check_ip
from actions.containment_question import ContainmentQuestion
from actions.lookup_reputation import lookup
from actions.reputation_facts import DestinationVerdict
from actions.reputation_policy import ReputationPolicy
from connectors.facts.reputation import EvidenceDirection, Leaning, SourceStatus
from playbooks.report import markdown, terminal, wording
from playbooks.report.content import DestinationBlock, Tone
from playbooks.report.destination_words import destination_blocks, reputation_block
from playbooks.report.prompt import prompt
from playbooks.report.reputation_words import (
    KNOWN_PAGES,
    SOURCES_SHOWN,
    source_rows,
    text_rows,
    verdict_row,
)
from tests.report_cases import HOSTILE, reputed
from tests.reputation_builders import NOW, answer, days_ago, failed, fused, not_found, role
from tests.reputation_builders import SINKHOLE as SINKHOLE_ROLE


def block(title: str) -> DestinationBlock:
    (found,) = (each for each in destination_blocks(reputed().facts) if each.title.startswith(title))
    return found


def rows(found: DestinationBlock) -> dict[str, str]:
    return {row.label: row.text for row in (*found.rows, *found.coverage) if row.label}


@pytest.mark.parametrize("verdict", list(DestinationVerdict))
def test_nothing_that_is_not_known_reads_as_clean(verdict: DestinationVerdict) -> None:
    row = verdict_row(verdict, "why")
    assert row.tone is not Tone.GOOD
    if verdict in (DestinationVerdict.NO_FINDING, DestinationVerdict.UNDETERMINED):
        assert row.tone is Tone.UNKNOWN
        assert "does not clear it" in row.text


@pytest.mark.parametrize("status", [each for each in SourceStatus if each is not SourceStatus.NOT_CONFIGURED])
def test_only_an_answer_is_told_as_one(status: SourceStatus) -> None:
    (row,) = source_rows([answer(status=status, leaning=Leaning.NONE)])
    if status is SourceStatus.OK:
        assert (row.said, row.tone) == ("lists it as context", Tone.PLAIN)
    else:
        assert row.tone is Tone.UNKNOWN
    assert row.weight == ""


def test_a_word_in_favour_clears_nobody() -> None:
    (row,) = source_rows([answer(leaning=Leaning.HARMLESS)])
    assert row.said == "says harmless"
    assert row.tone is Tone.PLAIN


def test_a_source_says_what_when_about_whom_by_whom_and_what_it_counts_for() -> None:
    found = fused(
        answer("threatfox", lineage="Abuse.ch", last_seen=days_ago(2), detail="a control server"),
        answer("urlhaus", lineage="abuse.ch", last_seen=days_ago(3)),
        answer("otx", direction=EvidenceDirection.INBOUND, last_seen=None),
    )
    first, second, third = source_rows(found.answers, found.votes, now=NOW)
    assert (first.source, first.said, first.detail) == ("AlienVault OTX", "says malicious", "")
    assert (first.seen, first.about, first.author) == (
        "",
        "about who calls in (inbound), grade B",
        "author unknown",
    )
    assert (second.source, second.seen) == (
        "abuse.ch ThreatFox",
        "last seen 2026-11-22 08:00:00 UTC (2 d before)",
    )
    assert (second.about, second.author) == ("about what is called (outbound), grade B", "by Abuse.ch")
    assert second.weight.startswith("convicts with a second author: fresh evidence about outbound traffic")
    assert third.weight == "the same vote as abuse.ch ThreatFox's, counted once"
    assert second.detail == "a control server"


def test_a_sighting_of_the_future_is_not_given_an_age() -> None:
    (row,) = source_rows([answer(last_seen=NOW + timedelta(days=400))], now=NOW)
    assert row.seen.endswith("(after this report)")


@pytest.mark.parametrize(
    ("url", "shown", "linked"),
    [
        *((f"https://{host}/x", True, True) for host in sorted(KNOWN_PAGES)),
        ("https://evil.example/x", True, False),
        ("https://www.virustotal.com@evil.example/x", True, False),
        ("https://www.virustotal.com:8443/x", True, False),
        ("https://www.virustotal.com.evil.example/x", True, False),
        ("https://www.virustotal.com/\u202ex", True, False),
        ("https://www.virustotal.com/a b", True, False),
        ("https://[www.virustotal.com/x", True, False),
        ("http://www.virustotal.com/x", False, False),
        ("javascript:alert(1)", False, False),
        ("HTTPS://www.virustotal.com/x", False, False),
        ("https://www.virustotal.com/" + "x" * 300, False, False),
        ("", False, False),
    ],
)
def test_only_pages_of_known_services_become_links(url: str, shown: bool, linked: bool) -> None:
    (row,) = source_rows([answer().model_copy(update={"evidence_url": url})])
    assert bool(row.page) is shown
    assert row.link == (url if linked else "")
    assert "https:" not in row.page
    assert not any("https:" in each.text for each in text_rows(row))


def test_who_is_not_configured_is_one_line_and_said_once() -> None:
    found = reputation_block(
        fused(not_found("a"), *(failed(f"s{n}", SourceStatus.NOT_CONFIGURED) for n in "12"))
    )
    assert [row.text for row in found.coverage if row.label == "not asked"] == [
        "2 feeds not downloaded (`feeds update`)"
    ]
    assert not any("s1" in row.text for row in found.coverage)
    assert [each.source for each in found.sources] == ["a"]


def test_failures_stand_in_one_line_with_their_reasons() -> None:
    found = rows(block("203.0.113.77"))
    assert found["failed"] == (
        "AbuseIPDB (quota used up), MISP (credential rejected), AlienVault OTX (its last answer has expired)"
    )
    assert found["coverage"] == (
        "8 asked; 5 that can report bad addresses answered; 3 reported it;"
        " 1 reported it in an expired answer; 3 failed"
    )
    assert found["changed by"].startswith("Without a new sighting")


def test_nobody_asked_is_said() -> None:
    found = rows(block("198.51.100.30"))
    assert found["coverage"] == "no source was asked"
    assert found["reputation"].startswith("undetermined, which does not clear it: No reputation source")


def test_of_an_address_inside_nothing_would_change_the_verdict() -> None:
    found = rows(block("10.20.0.8"))
    assert found["reputation"].endswith("reputation does not apply.")
    assert "changed by" not in found


def test_an_override_shows_itself_and_what_it_hides() -> None:
    found = block("198.51.100.20")
    assert rows(found)["override"] == (
        "allow 198.51.100.20/32 by SOC lead until 2026-10-20 00:00 UTC: our update mirror;"
        " without it: no finding"
    )
    (verdict,) = (row for row in found.rows if row.label == "reputation")
    assert verdict.text.startswith("allowed by SOC lead (our update mirror); by the sources: no finding: ")
    assert verdict.tone is Tone.WARN


def test_a_role_has_its_reason_and_its_effect() -> None:
    assert rows(block("198.51.100.9"))["role"] == (
        "sinkhole, by misp-warninglists: sinkholes. Names that were taken from malware lead there: what calls"
        " it is probably infected. Effect: probable infection: the address is suspicious at least."
    )


def test_thousands_of_answers_and_roles_stay_bounded() -> None:
    many = [answer(f"feed:{number}", detail="x" * 5000) for number in range(3000)]
    found = reputation_block(fused(*many, *(failed(f"f{n}") for n in range(500))))
    assert len(found.sources) == SOURCES_SHOWN
    assert sum(len(row.text) for row in found.coverage) < 10_000
    assert any("the first 100 answers are shown" in row.text for row in found.coverage)
    report = reputed()
    crowded = report.facts.destinations[0].model_copy(update={"roles": (SINKHOLE_ROLE,) * 3000})
    facts = report.facts.model_copy(update={"destinations": (crowded,)})
    assert len(destination_blocks(facts)[0].rows) < 40


def test_hostile_words_of_a_source_are_shown_and_not_obeyed() -> None:
    said = answer("x", lineage=HOSTILE, detail=HOSTILE).model_copy(
        update={"evidence_url": f"https://{HOSTILE}"}
    )
    found = fused(said, roles=(role(SINKHOLE_ROLE.kind, SINKHOLE_ROLE.effect, HOSTILE),))
    (row,) = source_rows(found.answers, found.votes, now=NOW)
    for text in (row.detail, row.author, row.page, row.weight):
        assert text.isprintable()
        assert len(text) <= wording.SENTENCE_LIMIT + 20
    assert row.link == ""


def test_every_text_report_shows_it() -> None:
    report = reputed()
    texts = (
        " ".join(terminal.render(report, width=140, color=False, unicode=True).split()),
        markdown.render(report).replace("\\", "").replace("[.]", "."),
    )
    for text in texts:
        for part in (
            "malicious: Fresh grade-A evidence about outbound traffic by abuse.ch ThreatFox",
            "1 source without key or address (see `doctor`)",
            "by abuse.ch",
            "AbuseIPDB (quota used up), MISP (credential rejected)",
            "undetermined, which does not clear it",
        ):
            assert part in text
        assert "https://" not in text


def test_the_question_says_what_is_known_of_the_worst_addresses() -> None:
    text = prompt(reputed(), ContainmentQuestion.BY_HAND)
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Reputation of"))
    assert lines[start].startswith("Reputation of 203.0.113[.]77: malicious. Fresh grade-A evidence")
    assert lines[start + 1 : start + 4] == [
        (
            "- 8 asked; 5 that can report bad addresses answered; 3 reported it;"
            " 1 reported it in an expired answer; 3 failed"
        ),
        "- no answer from AbuseIPDB, MISP, AlienVault OTX",
        "- not asked: 1 source without key or address (see 'doctor')",
    ]
    assert lines[start + 5] == "- it serves as sinkhole"
    assert "http" not in text


def test_a_looked_up_address_that_is_not_public_says_what_it_is_and_that_nobody_was_asked() -> None:
    check = check_ip("10.0.0.1")
    (found,) = lookup([check], [], policy=ReputationPolicy()).values()
    block = reputation_block(found)
    rows = {row.label: row.text for row in block.rows}
    assert rows["address"] == "not public: private"
    assert "Private-Use" in rows["registry"]
    assert "undetermined" not in str(block)
    assert [row.text for row in block.coverage] == ["no source was asked"]
