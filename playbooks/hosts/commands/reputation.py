"""`reputation`: what is known of addresses given by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from actions.case_facts import Destination, DestinationVerdict
from actions.lookup_reputation import reputation_of as whole
from connectors.facts.reputation import SourceInfo
from playbooks.hosts.commands.check_ip import checked
from playbooks.hosts.commands.reputation_changes import Changes, as_lines, changes_of
from playbooks.hosts.commands.warnings_told import tell_unreadable, warnings_as_notes
from playbooks.hosts.outcome import EXIT_BAD_INPUT, EXIT_FAILED
from playbooks.hosts.terminal_output import screen, write, write_json
from playbooks.reputation import reputation_of
from playbooks.settings import load_settings


def run(*, ips: Sequence[str], explain: bool, fresh: bool, config: Path | None, as_json: bool) -> None:
    """Look every address up; nobody is asked when one of them is wrong.

    With `fresh` the answers in the cache are read first, and what differs from them is told.

    Raises:
        InputError: an address is not an IP address.
        ConfigError: the settings are wrong.
        SystemExit: after all was printed: 2 when a key cannot be read, else 1 when no source gave a usable
            answer about an external address.
    """
    settings = load_settings(config)
    checks = checked(ips, settings.organisation_ranges)
    changes: dict[str, Changes] = {}
    with warnings_as_notes(), reputation_of(settings, os.environ) as reputation:
        unreadable = tell_unreadable(reputation.unreadable)
        before = reputation.kept(checks) if fresh else {}
        # With what was kept: a source that fails now does not lower a verdict.
        known = reputation.look_up(checks, fresh=fresh, before=before)
        destinations = [
            reputation.judged(Destination(ip=check.ip, check=check), known.get(check.ip)) for check in checks
        ]
        infos = {source.info.name: source.info for source in reputation.sources}
        for each in destinations:
            now, then = whole(each), before.get(each.ip)
            if now is not None and then is not None:
                earlier = whole(reputation.judged(Destination(ip=each.ip, check=each.check), then)) or then
                changes[each.ip] = changes_of(earlier, now, infos)
    _show(destinations, infos, changes, explain=explain, as_json=as_json)
    if unreadable:
        raise SystemExit(EXIT_BAD_INPUT)
    if any(_nothing_usable(each) for each in destinations):
        raise SystemExit(EXIT_FAILED)


def _show(
    destinations: Sequence[Destination],
    infos: Mapping[str, SourceInfo],
    changes: Mapping[str, Changes],
    *,
    explain: bool,
    as_json: bool,
) -> None:
    from playbooks.report import reputation_report

    if as_json:
        document = reputation_report.as_document(destinations, infos)
        if changes:
            document["changes"] = {ip: each._asdict() for ip, each in changes.items()}
        write_json(document)
        return
    how = screen()
    write(
        reputation_report.as_text(
            destinations,
            infos,
            explain=explain,
            width=how.width,
            color=how.color,
            unicode=how.unicode,
        )
    )
    if changes:
        write(as_lines(changes, infos, width=how.width))


def _nothing_usable(destination: Destination) -> bool:
    """True when third parties might have been asked and nothing is known all the same."""
    return destination.check.external and destination.verdict is DestinationVerdict.UNDETERMINED
