"""What `doctor` finds out of EDRs and the SIEM. What is optional and missing is told, and is no failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from connectors.edr.catalogue import CATALOGUE as EDRS
from connectors.edr.catalogue import EdrName
from connectors.errors import ConfigError
from connectors.facts.health import Health, HealthState
from connectors.ports import Capability
from playbooks.asset_sources import asset_lists_of
from playbooks.edr import edr_of, remedy_of
from playbooks.hosts.commands.doctor_finding import Area, Finding
from playbooks.settings import Settings
from playbooks.siem import TOKEN_VARIABLE, check_write_back, splunk_of, writes_labels
from playbooks.source_checks import Check

#: Names among the checks: a reputation source may have the same short name.
_SIEM = "siem splunk"
_WRITE_BACK = "siem write_back"

type _Opened = Check | ConfigError


class ConnectorChecks:
    """The EDRs and the SIEM of the settings, open until the stack is closed."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], opened: ExitStack) -> None:
        """Ask nothing yet.

        Args:
            settings: which there are.
            environ: holds their secrets.
            opened: what closes them.
        """
        self._edrs: dict[EdrName, _Opened] = {}
        self._can: dict[EdrName, frozenset[Capability]] = {}
        for each in _named_edrs(settings):
            try:
                edr = opened.enter_context(edr_of(each, settings, environ))
            except ConfigError as error:
                self._edrs[each] = error
            else:
                self._edrs[each], self._can[each] = Check(_key(each), edr.check), edr.capabilities
        self._siem = _opened_siem(settings, environ, opened)
        self._write_back: Check | None = None
        if isinstance(self._siem, Check) and writes_labels(settings):
            self._write_back = Check(_WRITE_BACK, lambda: check_write_back(settings, environ))
        self._lists = _opened_lists(settings, environ, opened)

    @property
    def checks(self) -> list[Check]:
        """What is to be asked."""
        opened = (*self._edrs.values(), self._siem, self._write_back, *self._lists.values())
        return [each for each in opened if isinstance(each, Check)]

    def can(self, name: EdrName) -> frozenset[Capability]:
        """What an EDR can do; nothing where it cannot be asked."""
        return self._can.get(name, frozenset())

    def edr_health(self, name: EdrName, health: Mapping[str, Health]) -> Health | None:
        """What an EDR answered; None where it was not asked."""
        return health.get(_key(name))

    def findings(self, health: Mapping[str, Health]) -> Iterator[Finding]:
        """What came of it.

        Args:
            health: by the names of the checks.
        """
        if not self._edrs:
            detail = f"none has a section in the settings: [edr.NAME], NAME one of {', '.join(EDRS)}"
            yield Finding(area=Area.EDR, name="EDR", state=HealthState.NOT_CONFIGURED, detail=detail)
        for name, edr in self._edrs.items():
            yield _edr(name, edr, health)
        yield _siem(self._siem, health)
        if self._write_back is not None:
            yield from _labels(health[_WRITE_BACK], health[_SIEM])
        for listed, check in self._lists.items():
            yield _list(listed, health[check.name])


def _named_edrs(settings: Settings) -> list[EdrName]:
    """Each EDR that has a section, and the one that the settings name."""
    named = [each for each in EDRS if getattr(settings.edr, each.value) is not None]
    if settings.edr.connector is not None and settings.edr.connector not in named:
        named.append(settings.edr.connector)
    return named


def _opened_siem(settings: Settings, environ: Mapping[str, str], opened: ExitStack) -> _Opened | None:
    """What asks the SIEM, open until `opened` is closed; why it cannot be asked; None where there is none."""
    if settings.splunk is None:
        return None
    try:
        siem = opened.enter_context(splunk_of(settings, environ, on_rejected=lambda _: None))
    except ConfigError as error:
        return error
    return Check(_SIEM, siem.check)


def _opened_lists(settings: Settings, environ: Mapping[str, str], opened: ExitStack) -> dict[str, Check]:
    """What asks each asset and identity list, by its name; Splunk's row says why its tables are not asked."""
    lists = opened.enter_context(asset_lists_of(settings, environ))
    return {each.name: Check(f"list {each.name}", each.check) for each in lists.sources}


def _list(name: str, health: Health) -> Finding:
    remedy = "Mend what is named: until then nothing that the list ranks there is known"
    failed = health.state is HealthState.FAILED
    return Finding(
        area=Area.ASSETS, name=name, state=health.state, detail=health.detail, remedy=remedy if failed else ""
    )


def _key(name: EdrName) -> str:
    return f"edr {name.value}"


def _edr(name: EdrName, edr: _Opened, health: Mapping[str, Health]) -> Finding:
    if isinstance(edr, ConfigError):
        return Finding(area=Area.EDR, name=name.value, state=HealthState.FAILED, detail=str(edr))
    return _answered(Area.EDR, name.value, health[_key(name)], remedy_of(name))


def _siem(siem: _Opened | None, health: Mapping[str, Health]) -> Finding:
    if siem is None:
        detail = f"no section [splunk] in the settings; its token is in {TOKEN_VARIABLE}"
        return Finding(area=Area.SIEM, name="splunk", state=HealthState.NOT_CONFIGURED, detail=detail)
    if isinstance(siem, ConfigError):
        return Finding(area=Area.SIEM, name="splunk", state=HealthState.FAILED, detail=str(siem))
    remedy = (
        "Check splunk.base_url (the management port, often 8089) and the proxy; where the token is refused, "
        f"{TOKEN_VARIABLE}"
    )
    return _answered(Area.SIEM, "splunk", health[_SIEM], remedy)


def _answered(area: Area, name: str, health: Health, remedy: str) -> Finding:
    """A connector fails where it cannot be read; what is missing beside that is told."""
    failed = health.state is HealthState.FAILED
    if health.missing_scopes:
        grant = f"Grant {', '.join(health.missing_scopes)}"
        remedy = grant if failed else f"{grant}, where that is wanted"
    elif not failed:
        remedy = ""
    return Finding(area=area, name=name, state=health.state, detail=health.detail, remedy=remedy)


def _labels(found: Health, splunk: Health) -> Iterator[Finding]:
    """Whether Splunk knows what [write_back] sets; nothing where Splunk itself cannot be read."""
    if splunk.state is not HealthState.FAILED:
        yield Finding(area=Area.SIEM, name="write_back", state=found.state, detail=found.detail)
