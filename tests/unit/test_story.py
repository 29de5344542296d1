"""The case in a line: names what was seen as seen, and what was only said as said."""

from __future__ import annotations

from actions.case_facts import CaseFacts
from actions.describe_destinations import describe_destinations
from actions.organisation_ranges import NONE, OrganisationRanges
from playbooks.report.story import story
from tests.case_builders import (
    OWN_IP,
    TELEGRAM_IP,
    case,
    connection,
    evidence,
    lineage,
    notable,
    process,
    stealer_case,
)


def seen_with(*peers: str, notable_of: str, organisation: OrganisationRanges = NONE) -> CaseFacts:
    notables = (notable(notable_of),)
    seen = evidence(connections=tuple(connection(each) for each in peers))
    return case(
        lineage=lineage(process(user=r"CORP\ann")),
        evidence=seen,
        destinations=describe_destinations(notables, seen, organisation),
        notables=notables,
    )


def test_what_was_seen_is_told_as_seen() -> None:
    assert story(stealer_case()).endswith(
        r"run by CORP\ann, connected to 149.154.167.220:443 (api.telegram.org); 1 connection,"
        " 2026-03-04 10:00:00 to 10:01:00 UTC."
    )


def test_connections_that_do_not_leave_are_counted() -> None:
    facts = seen_with("100.64.12.8", *["127.0.0.1"] * 3, "10.0.0.5", notable_of="100.64.12.8")
    assert story(facts).endswith(
        "connected to 100.64.12.8:443; 1 connection, 2026-03-04 10:00:00 to 10:01:00 UTC,"
        " and 4 with addresses that are not public."
    )


def test_the_organisations_own_and_unreadable_addresses_are_not_called_private() -> None:
    own = OrganisationRanges(("8.8.8.0/24",))
    facts = seen_with(TELEGRAM_IP, "8.8.8.8", "-", notable_of=TELEGRAM_IP, organisation=own)
    assert story(facts).endswith(
        " UTC, and 1 with an address of the organisation's own, 1 with an address that is not readable."
    )


def test_an_inbound_connection_counts_by_its_source() -> None:
    facts = case(
        evidence=evidence(connections=(connection("10.9.9.9", initiated=False), connection())),
    )
    assert OWN_IP not in story(facts)
    assert "and 1 with an address that is not public" in story(facts)


def test_a_peer_that_only_the_notable_names_is_no_sighting() -> None:
    facts = seen_with(TELEGRAM_IP, notable_of="9.9.9.9")
    assert story(facts).endswith(
        "connected to 149.154.167.220:443; 1 connection, 2026-03-04 10:00:30 UTC; the notable also names"
        " 9.9.9.9, port unknown (1 connection, 2026-03-04 10:00:00 to 10:01:00 UTC), not in the telemetry."
    )
    facts = seen_with("10.0.0.5", notable_of="9.9.9.9")
    assert story(facts).endswith(
        "connected, as the notable says and not in the telemetry, to 9.9.9.9, port unknown; 1 connection,"
        " 2026-03-04 10:00:00 to 10:01:00 UTC, and 1 with an address that is not public."
    )


def test_two_users_are_both_named() -> None:
    facts = case(lineage=lineage(process(user=r"CORP\ann")), notables=(notable(user=r"CORP\other"),))
    assert r"run by CORP\ann (the notable names CORP\other)," in story(facts)
