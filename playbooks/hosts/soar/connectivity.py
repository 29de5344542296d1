"""`test connectivity`: what each source of the asset is good for, one line each."""

from __future__ import annotations

from pathlib import Path

from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.edr.catalogue import EdrName
from connectors.errors import InputError, ResponseError
from connectors.facts.health import Health
from playbooks.hosts.soar.asset import MIN_SECRET, Asset, Purpose, misplaced_fields, settings_of
from playbooks.hosts.soar.containment_checks import containment_lines
from playbooks.hosts.soar.source_lines import STATES, SourceLine, SourceState
from playbooks.hosts.soar.sources import sysmon_path, vendor_edr
from playbooks.report.display import safe_error
from playbooks.report.wording import count

#: Capabilities of Splunk that only writing needs.
_WRITING = frozenset({"edit_notable_events", "edit_tcp"})


class NotConnected(ResponseError):
    """At least one source is wrong; the text names all that are."""


def source_lines(asset: Asset, state_folder: Path | None = None) -> tuple[SourceLine, ...]:
    """Each source of the asset. Reads the beginning of the logs at most, and changes nothing.

    Reputation sources are asked whether the key is good, never about an address.

    Args:
        asset: what was filled in.
        state_folder: where the platform lets the app keep files; None = nowhere.
    """
    purpose = Purpose(asset.purpose)
    lines = [_policy(asset)]
    if purpose is Purpose.INVESTIGATE:
        lines += [_sysmon(asset), _edr(asset), _splunk(asset), _webhook(asset)]
        lines.append(
            SourceLine("containment", SourceState.NOT_CONFIGURED, "this asset is for investigation only")
        )
        lines += _reputation(asset, state_folder)
    else:
        lines += containment_lines(asset, state_folder)
    lines += [
        SourceLine(
            name, SourceState.WRONG, f"does not belong on an asset of purpose {purpose}; empty it here"
        )
        for name in misplaced_fields(asset)
    ]
    return tuple(lines)


def check_all(lines: tuple[SourceLine, ...]) -> None:
    """Let the test pass only when nothing is wrong.

    Raises:
        NotConnected: something is; all of it is named.
    """
    wrong = [f"{each.name}: {each.detail}" for each in lines if each.state is SourceState.WRONG]
    if wrong:
        raise NotConnected("; ".join(wrong))


def _policy(asset: Asset) -> SourceLine:
    try:
        settings = settings_of(asset)
    except InputError as error:
        return SourceLine("policy", SourceState.WRONG, safe_error(error))
    mode = f"isolation mode {settings.isolation.mode.value}"
    if not asset.policy:
        return SourceLine("policy", SourceState.NOT_CONFIGURED, f"the defaults hold, {mode}")
    ranges = count(len(settings.organisation.ranges), "own range")
    return SourceLine("policy", SourceState.OK, f"{mode}, {ranges}")


def _sysmon(asset: Asset) -> SourceLine:
    from connectors.edr.sysmon_file.event import ReadReport
    from connectors.edr.sysmon_file.reader import read_events, total_bytes

    if not asset.sysmon_path:
        detail = "get process lineage asks the EDR, or needs a vault_id each time"
        return SourceLine("Sysmon logs", SourceState.NOT_CONFIGURED, detail)
    try:
        path = sysmon_path(asset)
        read_events([path], frozenset(), ReadReport())  # checks the paths at the call
        size = total_bytes([path])
    except InputError as error:
        return SourceLine("Sysmon logs", SourceState.WRONG, safe_error(error))
    return SourceLine("Sysmon logs", SourceState.OK, f"{count(size, 'byte')} can be read")


def _edr(asset: Asset) -> SourceLine:
    """Whether the EDR of the policy answers, and which permission it lacks."""
    try:
        settings = settings_of(asset)
    except InputError:  # the policy's own line says it
        return SourceLine("EDR", SourceState.NOT_CONFIGURED, "the policy cannot be read")
    if settings.edr.connector is None:
        if asset.edr_secret:
            detail = "edr_secret is filled, but the policy has no [edr] connector"
            return SourceLine("EDR", SourceState.WRONG, detail)
        return SourceLine("EDR", SourceState.NOT_CONFIGURED, "the policy has no [edr] connector")
    title = EDRS[settings.edr.connector].title
    try:
        with vendor_edr(asset, settings) as edr:
            health = edr.check()
    except InputError as error:
        return SourceLine(title, SourceState.WRONG, safe_error(error))
    return SourceLine(title, STATES[health.state], health.detail)


def _splunk(asset: Asset) -> SourceLine:
    """Whether Splunk answers, and which capability the token's user lacks."""
    from playbooks.hosts.soar.splunk import splunk_for

    try:
        settings = settings_of(asset)
    except InputError:  # the policy's own line says it
        return SourceLine("Splunk", SourceState.NOT_CONFIGURED, "the policy cannot be read")
    if settings.splunk is None:
        given = [name for name in ("splunk_token", "splunk_hec_token") if getattr(asset, name)]
        # Its token is of use without the section where processes are looked up in Splunk.
        read_there = settings.edr.connector is EdrName.SYSMON_SPLUNK
        if given and not (given == ["splunk_token"] and read_there):
            detail = f"{given[0]} is filled, but the policy has no section [splunk]"
            return SourceLine("Splunk", SourceState.WRONG, detail)
        detail = "the policy has no section [splunk]: nothing is polled, and nothing written back"
        return SourceLine("Splunk", SourceState.NOT_CONFIGURED, detail)
    try:
        with splunk_for(asset, settings) as siem:
            health = siem.check()
    except InputError as error:
        return SourceLine("Splunk", SourceState.WRONG, safe_error(error))
    return _splunk_line(health, writing=asset.write_to_splunk)


def _splunk_line(health: Health, *, writing: bool) -> SourceLine:
    """What the token's user lacks for writing is a fault only where a case is to be written."""
    if writing:
        state = SourceState.WRONG if health.missing_scopes else STATES[health.state]
        return SourceLine("Splunk", state, health.detail)
    off = "write_to_splunk is off, so no playbook writes to it"
    if health.missing_scopes and _WRITING.issuperset(health.missing_scopes):
        lacks = ", ".join(health.missing_scopes)
        detail = f"Splunk answers; {off}, and the token's user lacks {lacks} for writing by hand"
        return SourceLine("Splunk", SourceState.OK, detail)
    return SourceLine("Splunk", STATES[health.state], f"{health.detail}; {off}")


def _reputation(asset: Asset, state_folder: Path | None) -> list[SourceLine]:
    from playbooks.hosts.soar.reputation_checks import reputation_health
    from playbooks.settings import Settings

    try:
        settings = settings_of(asset)
    except InputError:  # the policy's own line says it; keys can be tried all the same
        settings = Settings()
    found = reputation_health(asset, settings, state_folder=state_folder)
    return [
        SourceLine(title, STATES[health.state], health.detail.replace("Fill ", "fill ", 1).rstrip("."))
        for title, health in found
    ]


def _webhook(asset: Asset) -> SourceLine:
    if not asset.webhook_secret:
        return SourceLine("webhook", SourceState.NOT_CONFIGURED, "without a secret it refuses everything")
    if len(asset.webhook_secret) < MIN_SECRET:
        detail = f"webhook_secret has fewer than {MIN_SECRET} characters; make a longer one"
        return SourceLine("webhook", SourceState.WRONG, detail)
    detail = f"takes notables into containers labelled {asset.container_label}"
    return SourceLine("webhook", SourceState.OK, detail)
