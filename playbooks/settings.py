"""Settings: composed of what each module declares, read from one TOML file. Only this module reads TOML.

The file's path comes from `--config`, else from the environment variable REGSVCS_RESPONSE_CONFIG; without
either the defaults hold. Secrets never stand in the file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from actions.get_process_lineage import LineageSettings
from actions.isolation_policy import IsolationPolicy
from actions.organisation_ranges import OrganisationRanges
from actions.profile import Profile
from actions.risk import RiskPolicy
from connectors.edr.catalogue import EdrSettings
from connectors.errors import ConfigError
from connectors.facts.base import Fact
from connectors.siem.assets.settings import AssetListSettings
from connectors.siem.notable import NotableSettings
from connectors.siem.splunk.settings import SplunkSettings
from playbooks.ledger_settings import LedgerSettings
from playbooks.reenrich import ReenrichSettings
from playbooks.reputation_settings import ReputationSettings
from playbooks.write_back_settings import WriteBackSettings

#: Names the settings file when --config does not.
CONFIG_VARIABLE = "REGSVCS_RESPONSE_CONFIG"

#: A settings or profile file larger than this is refused, bytes.
MAX_FILE_BYTES = 1024 * 1024


class OrganisationSettings(Fact):
    """What belongs to the organisation.

    Attributes:
        ranges: public and private ranges it owns, CIDR. Addresses in them are never sent to anyone.
    """

    ranges: tuple[str, ...] = ()


class Settings(Fact):
    """All settings of a run."""

    organisation: OrganisationSettings = OrganisationSettings()
    notable: NotableSettings = NotableSettings()
    lineage: LineageSettings = LineageSettings()
    risk: RiskPolicy = RiskPolicy()
    isolation: IsolationPolicy = Field(default_factory=IsolationPolicy)
    ledger: LedgerSettings = LedgerSettings()
    reputation: ReputationSettings = ReputationSettings()
    reenrich: ReenrichSettings = ReenrichSettings()
    edr: EdrSettings = EdrSettings()
    splunk: SplunkSettings | None = None
    write_back: WriteBackSettings = WriteBackSettings()
    assets: AssetListSettings = AssetListSettings()
    identities: AssetListSettings = AssetListSettings()

    @property
    def organisation_ranges(self) -> OrganisationRanges:
        """The ranges, ready to ask."""
        return OrganisationRanges(self.organisation.ranges)


def load_settings(path: Path | None) -> Settings:
    """The settings of a file, of the file the environment names, or the defaults.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds an unknown or wrong setting.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if path is None and not named:
        return Settings()
    settings = _read_model(path or Path(named or ""), Settings)
    # Compiled here once so that a wrong range is reported before any work.
    OrganisationRanges(settings.organisation.ranges)
    return settings


def settings_from_text(text: str, *, source: str) -> Settings:
    """The settings in a TOML text; empty text gives the defaults.

    Args:
        text: the TOML.
        source: what to call it in an error.

    Raises:
        ConfigError: as load_settings.
    """
    settings = _model_from_text(text, Settings, source)
    OrganisationRanges(settings.organisation.ranges)
    return settings


def load_profile(path: Path) -> Profile:
    """A detection profile of the user's, from TOML.

    Raises:
        ConfigError: as load_settings.
    """
    return _read_model(path, Profile)


def _read_model[M: BaseModel](path: Path, model: type[M]) -> M:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ConfigError(str(path), f"is {size} bytes, more than {MAX_FILE_BYTES}", "Give the TOML file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})", "Check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is not UTF-8 text", "Save it as UTF-8") from error
    return _model_from_text(text, model, str(path))


def _model_from_text[M: BaseModel](text: str, model: type[M], source: str) -> M:
    if len(text) > MAX_FILE_BYTES:
        raise ConfigError(source, f"is longer than {MAX_FILE_BYTES} characters", "Give the TOML file")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(source, "is nested too deeply for a settings file") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or source
        raise ConfigError(name, _sentence(first["type"], first["msg"]), f"Mend it in {source}") from error


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is no setting of this name"
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ")
