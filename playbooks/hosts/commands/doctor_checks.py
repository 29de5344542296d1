"""What `doctor` finds out: settings, folders, keys and every source, each with what to do about it.

No address is sent. A source is asked what its `check` documents, and that call counts for its quota like any
other: where a key is set, the file of quotas is made in the folder. Nothing else is changed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from pydantic import SecretStr

from actions.reputation_wording import STATUS_WORDS
from connectors.clock import utc_now
from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.edr.catalogue import EdrName
from connectors.errors import ConfigError
from connectors.facts.health import Health, HealthState
from connectors.facts.reputation import SourceStatus
from connectors.http.deadline import Deadline
from connectors.reputation.catalogue import (
    CATALOGUE,
    describe,
    variable_of,
)
from playbooks.hosts.commands.doctor_connectors import ConnectorChecks
from playbooks.hosts.commands.doctor_finding import Area, Finding
from playbooks.hosts.commands.doctor_isolation import isolation_findings
from playbooks.hosts.commands.writable import can_be_written
from playbooks.report.wording import source_title
from playbooks.reputation import Reputation, readable_keys
from playbooks.settings import CONFIG_VARIABLE, Settings, load_settings
from playbooks.source_checks import Check, run_checks

#: Seconds for all sources, EDRs and the SIEM together; a source gives up after
#: connectors.reputation.answering.CHECK_S by itself.
DEADLINE_S = 15.0

#: In the detail of a check: the source was not asked, and it says until when.
_WAITING = (f"{STATUS_WORDS[SourceStatus.RATE_LIMITED]}:", "left alone until")


def examine(config: Path | None, environ: Mapping[str, str]) -> tuple[Finding, ...]:
    """Check everything. With wrong settings nothing else is checked: it could ask the wrong place.

    Args:
        config: the settings file; None = the one that the environment names, else the defaults.
        environ: such as os.environ.
    """
    try:
        settings = load_settings(config)
    except ConfigError as error:
        return (Finding(area=Area.SETTINGS, name="settings", state=HealthState.FAILED, detail=str(error)),)
    keys, wrong = readable_keys(environ)
    with ExitStack() as opened, Reputation(settings.reputation, keys) as reputation:
        # One whose key cannot be read would be called "not configured".
        sources = [each for each in reputation.sources if each.info.name not in wrong]
        folders = _folders(settings)
        connectors = ConnectorChecks(settings, environ, opened)
        # All side by side: an EDR that does not answer delays no other.
        checks = [*(Check(each.info.name, each.check) for each in sources), *connectors.checks]
        checked = run_checks(
            checks, Deadline.after(DEADLINE_S), late=f"no answer within {DEADLINE_S:g} seconds"
        )
        health = {check.name: found for check, found in zip(checks, checked, strict=True)}
        isolation = isolation_findings(settings, connectors, health)
    return (
        _settings(settings, config, environ),
        *folders,
        *connectors.findings(health),
        *isolation,
        *(_online(name, settings, keys, wrong, health) for name in CATALOGUE),
        *(
            _offline(each.info.name, health[each.info.name])
            for each in sources
            if each.info.name not in CATALOGUE
        ),
    )


def _settings(settings: Settings, config: Path | None, environ: Mapping[str, str]) -> Finding:
    place = str(config or environ.get(CONFIG_VARIABLE) or "")
    overrides = settings.reputation.policy.overrides
    detail = f"read from {place}" if place else "no file is named; the defaults hold"
    now = utc_now()
    expired = sum(each.expires <= now for each in overrides)
    if overrides:
        detail += f"; {len(overrides)} overrides, {expired} of them expired"
    return Finding(area=Area.SETTINGS, name="settings", state=HealthState.OK, detail=detail)


def _folders(settings: Settings) -> tuple[Finding, ...]:
    place = settings.reputation.place
    found = [_folder("answers and quotas", place, "reputation.folder")]
    feeds = settings.reputation.feeds_in_place.folder
    if feeds is not None:
        found.append(_folder("feeds", feeds, "reputation.feeds.folder"))
    return tuple(found)


def _folder(name: str, path: Path, setting: str) -> Finding:
    """Whether a folder can be written; nothing is left in it."""
    nearest = next((each for each in (path, *path.absolute().parents) if os.path.lexists(each)), path)
    # Files first: a file in it that cannot be written is as bad.
    inside = [each for each in (path / "quota.sqlite", path / "http-cache.sqlite") if os.path.lexists(each)]
    bad = next((each for each in inside if not os.access(each, os.R_OK | os.W_OK)), None)
    damaged = {} if bad else {each: why for each in inside if (why := _damage(each))}
    if damaged:
        return Finding(
            area=Area.FOLDER,
            name=name,
            state=HealthState.FAILED,
            detail="; ".join(f"{each} cannot be used ({why})" for each, why in damaged.items()),
            remedy="Delete what is named; it is made again, and only kept answers and counts are lost",
        )
    if bad is None and can_be_written(nearest):
        made = "" if nearest == path else "; made when it is first needed"
        return Finding(area=Area.FOLDER, name=name, state=HealthState.OK, detail=f"{path}{made}")
    return Finding(
        area=Area.FOLDER,
        name=name,
        state=HealthState.FAILED,
        detail=f"{path} cannot be written ({bad or nearest})",
        remedy=f"Let this user write it, or name another one in {setting}",
    )


def _damage(path: Path) -> str:
    """Why a database of ours cannot be used; "" when it can, or another process is just writing it."""
    if path.stat().st_size == 0:
        return ""  # made, and not written yet
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as sql:
            (found,) = sql.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return "" if busy else str(error)
    except (sqlite3.Error, OSError) as error:
        return str(error)
    return "" if found == "ok" else str(found).replace("\n", " ")


def _online(
    name: str,
    settings: Settings,
    keys: Mapping[str, SecretStr],
    wrong: Mapping[str, ConfigError],
    health: Mapping[str, Health],
) -> Finding:
    if name in wrong:
        return Finding(area=Area.ONLINE, name=name, state=HealthState.FAILED, detail=str(wrong[name]))
    sources = settings.reputation.sources
    found = health.get(name)
    if found is None:
        detail = "switched off: it is not in reputation.sources.enabled"
        return Finding(area=Area.ONLINE, name=name, state=HealthState.NOT_CONFIGURED, detail=detail)
    detail = found.detail
    if found.state is HealthState.NOT_CONFIGURED and name not in keys and variable_of(name) not in detail:
        word = "and" if CATALOGUE[name].needs_key else "and, where it asks for one,"
        detail = f"{detail}, {word} {variable_of(name)} or {variable_of(name)}_FILE"
    place = f"reputation.sources.base_urls.{name}" if name in sources.base_urls else "the network"
    remedy = f"Check {variable_of(name)} and {place}, then the proxy"
    if any(said in detail for said in _WAITING):
        remedy = "Wait until then: neither the key nor the network is at fault"
    return Finding(
        area=Area.ONLINE,
        name=name,
        state=found.state,
        detail=detail,
        remedy=remedy if found.state is HealthState.FAILED else "",
    )


def _offline(name: str, health: Health) -> Finding:
    remedy = "Run regsvcs-response feeds update, or mend the file where it is a list of yours"
    installed = {"iporigin", "misp_warninglists"}
    if health.state is HealthState.OK or name in installed:
        remedy = ""
    return Finding(
        area=Area.OFFLINE,
        name=name,
        state=health.state,
        detail=health.detail,
        remedy=remedy if health.state is HealthState.FAILED else "",
    )


def title_of(finding: Finding) -> str:
    """What was checked, as people know it."""
    if finding.area is Area.EDR and finding.name in EDRS:
        return EDRS[EdrName(finding.name)].title
    if finding.area is Area.ONLINE:
        return describe(finding.name).title
    if finding.area is Area.SIEM:
        return "Splunk" if finding.name == "splunk" else "[write_back]"
    return source_title(finding.name) if finding.area is Area.OFFLINE else finding.name
