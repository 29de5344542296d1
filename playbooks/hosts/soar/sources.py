"""The EDR that an action asks: Sysmon logs, attached or named by the asset, else a vendor's of the policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from soar_sdk.abstract import SOARClient

from actions.detection import Semantics
from actions.profile_catalog import shipped_profiles
from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.edr.catalogue import EdrName, made
from connectors.edr.sysmon_file.connector import SysmonFileEdr
from connectors.errors import ConfigError, InputError
from connectors.facts.notable import Notable
from connectors.http.client import Http
from connectors.ports import EdrConnector
from playbooks.case import log_notes
from playbooks.case_findings import CaseFindings, gather_cases
from playbooks.hosts.soar.asset import Asset
from playbooks.logs import check_something_was_read, read_logs
from playbooks.settings import Settings
from playbooks.steps import InProcess

#: Unreadable places of logs that are handed on; all are counted.
LOG_NOTES = 50


def edr_for(
    asset: Asset,
    soar: SOARClient[Any],
    notables: Sequence[Notable],
    settings: Settings,
    *,
    until: ExitStack,
    vault_id: str | None = None,
    container_id: int | None = None,
) -> EdrConnector:
    """The EDR that can be asked about these notables. Logs are read here, once a call.

    Args:
        asset: names the logs, unless `vault_id` does; without either the policy names the EDR.
        soar: where attachments are found.
        notables: their process names are looked for beside those of the profiles.
        settings: the organisation's ranges.
        until: connections are closed with it.
        vault_id: an attached log; it is read instead of the asset's.
        container_id: where it must be attached; None = the container the action runs on.

    Raises:
        ConfigError: there is none.
        InputError: the attachment is not there, or a log cannot be read (LogUnreadable).
    """
    if vault_id:
        container = container_id if container_id is not None else soar.get_executing_container_id()
        path = attached_file(soar, vault_id, container)
    elif asset.sysmon_path or settings.edr.connector is None:
        path = sysmon_path(asset)
    else:
        return until.enter_context(vendor_edr(asset, settings))
    run = read_logs(
        [path],
        shipped_profiles(),
        semantics=Semantics.STRICT,
        organisation=settings.organisation_ranges,
        watched=sorted({each.process_name for each in notables}),
        guids={guid for each in notables for guid in each.process_guids},
    )
    check_something_was_read(run.report)
    return run.edr


@contextmanager
def vendor_edr(asset: Asset, settings: Settings) -> Iterator[EdrConnector]:
    """The EDR that the policy names, with the asset's secret. Nothing is sent yet, and no answer is kept.

    Raises:
        ConfigError: the policy names none, lacks its section, or the asset its secret.
    """
    name = _edr_name(settings)
    secret = edr_secret(asset, name)
    if not secret:
        raise ConfigError("edr_secret", "is empty", f"Fill in the secret of {EDRS[name].title}")
    with _connected(name, settings, secret) as edr:
        yield edr


@contextmanager
def containing_edr(asset: Asset, settings: Settings) -> Iterator[EdrConnector]:
    """The same with the secret that may isolate: that of an asset of purpose contain, and no other.

    Raises:
        ConfigError: the policy names none, lacks its section, or the asset its secret.
    """
    name = _edr_name(settings)
    secret = (asset.edr_contain_secret or "").strip()
    if not secret:
        raise ConfigError(
            "edr_contain_secret", "is empty", f"Fill in a secret of {EDRS[name].title} that may isolate"
        )
    with _connected(name, settings, secret) as edr:
        yield edr


def _edr_name(settings: Settings) -> EdrName:
    name = settings.edr.connector
    if name is None:
        raise ConfigError("policy", "names no EDR", "Write [edr] with connector, and the connector's section")
    if getattr(settings.edr, name.value) is None:
        raise ConfigError("policy", f"has no section [edr.{name.value}]", "Add it")
    return name


@contextmanager
def _connected(name: EdrName, settings: Settings, secret: str) -> Iterator[EdrConnector]:
    http = Http(settings.edr.http, folder=None)
    try:
        yield made(name, settings.edr, http, SecretStr(secret))
    finally:
        http.close()


def edr_secret(asset: Asset, name: EdrName) -> str:
    """The secret of an EDR, "" where the asset has none; for Sysmon's events in Splunk its token will do."""
    own = (asset.edr_secret or "").strip()
    return own or ((asset.splunk_token or "").strip() if name is EdrName.SYSMON_SPLUNK else "")


def gathered_from(
    edr: EdrConnector, notables: Sequence[Notable], settings: Settings
) -> tuple[CaseFindings, ...]:
    """What the EDR gives, one a case, and beside it what is to be known of the logs it stands for."""
    found = gather_cases(InProcess(), edr, notables, settings)
    if not isinstance(edr, SysmonFileEdr):
        return found
    count = edr.read.problem_count
    return tuple(
        each.model_copy(
            update={
                "log_notes": log_notes(edr.read, each.host.host_id if each.host else "")[:LOG_NOTES],
                "log_problem_count": count,
            }
        )
        for each in found
    )


def sysmon_path(asset: Asset) -> Path:
    """Where the asset's Sysmon logs are.

    Raises:
        ConfigError: it names none, or none by an absolute path.
    """
    if not asset.sysmon_path:
        raise ConfigError(
            "sysmon_path",
            "no EDR and no Sysmon log is configured",
            "Fill sysmon_path on the asset, write [edr] into the policy, or give the vault_id of a log"
            " attached to the container",
        )
    path = Path(asset.sysmon_path)
    if not path.is_absolute():
        raise ConfigError("sysmon_path", "is no absolute path", "Write it as /opt/phantom/logs/sysmon")
    return path


def attached_file(soar: SOARClient[Any], vault_id: str, container_id: int) -> Path:
    """Where an attachment of the container is stored. Those of other containers are not handed out.

    Raises:
        InputError: none of this vault id is attached, or the vault does not answer.
    """
    remedy = "Attach the log to the container, and give the vault id shown there"
    try:
        found = soar.vault.get_attachment(vault_id=vault_id.strip())
    except Exception as error:  # the edge: SDK and platform raise what they like
        raise InputError("vault_id", f"the vault gave no answer ({type(error).__name__})", remedy) from error
    for each in found:
        if (each.vault_id or "").lower() == vault_id.strip().lower() and each.container_id == container_id:
            return Path(each.path)
    raise InputError("vault_id", f"no such file is attached to container {container_id}", remedy)
