"""The asset: what an administrator fills in, and the settings and rights that come of it.

Policy and limits are one TOML file, the same as the command line's; what is secret or an address of another
system has a field of its own. Whoever may run actions on the asset for investigation thereby holds nothing
that could isolate a host: credentials for that go to a second asset, of purpose `contain`.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import field_validator, model_validator
from soar_sdk.asset import AssetField, BaseAsset, FieldCategory

from connectors.errors import ConfigError

if TYPE_CHECKING:
    from playbooks.settings import Settings


#: Characters a webhook secret needs at least.
MIN_SECRET = 16


class Purpose(StrEnum):
    """What an asset is for. Each has its own credentials and approvers."""

    INVESTIGATE = "investigate"
    CONTAIN = "contain"


class Asset(BaseAsset):
    """Fields of the asset form, in its order. All optional: what is absent is said, not guessed."""

    # --- of any purpose
    purpose: str = AssetField(
        required=False,
        default=Purpose.INVESTIGATE.value,
        value_list=[each.value for each in Purpose],
        description="What this asset is for. Credentials that isolate hosts belong on a second asset of"
        " purpose 'contain', with its own approvers",
    )
    policy: str | None = AssetField(
        is_file=True,
        description="Policy file (TOML): own ranges, limits, when isolation may be proposed. Without it the"
        " defaults hold, and isolation is off",
    )

    # --- purpose investigate: where processes are looked up (EDR credentials come here)
    sysmon_path: str | None = AssetField(
        description="Sysmon logs on this SOAR host: a file or folder, as an absolute path (EVTX, XML, JSON,"
        " archives of these). Leave empty to give a log as vault_id of each action",
    )

    # --- purpose investigate: who knows addresses (keys of reputation sources come here)

    # --- purpose investigate: input
    webhook_secret: str | None = AssetField(
        sensitive=True,
        category=FieldCategory.INGEST,
        description="Secret that senders of notables give in the header X-Webhook-Secret, 16 characters or"
        " more. Empty: the webhook refuses everything",
    )
    container_label: str = AssetField(
        required=False,
        default="events",
        category=FieldCategory.INGEST,
        description="Label of the containers that the webhook makes",
    )

    # --- purpose contain (credentials that isolate and release come here)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None and value != ""}

    @field_validator("purpose")
    @classmethod
    def _known_purpose(cls, given: str) -> str:
        if given not in Purpose:
            raise ValueError(f"must be {' or '.join(Purpose)}")
        return given


#: Fields that only an asset of this purpose may fill.
FIELDS_OF = {
    Purpose.INVESTIGATE: ("sysmon_path", "webhook_secret"),
    Purpose.CONTAIN: (),
}


def settings_of(asset: Asset) -> "Settings":
    """The settings in the asset's policy file; the defaults without one.

    Raises:
        ConfigError: it is not TOML, or holds an unknown or wrong setting.
    """
    from playbooks.settings import settings_from_text

    return settings_from_text(asset.policy or "", source="policy")


def check_purpose(asset: Asset, needed: Purpose) -> None:
    """Let an action run only on an asset made for it.

    Raises:
        ConfigError: the asset is of another purpose, or holds what belongs on the other.
    """
    misplaced = misplaced_fields(asset)
    if misplaced:
        raise ConfigError(
            misplaced[0],
            f"does not belong on an asset of purpose {asset.purpose}",
            "Empty it here, and fill it on an asset of its own",
        )
    if asset.purpose != needed:
        raise ConfigError(
            "purpose",
            f"this asset is for '{asset.purpose}', and the action needs one for '{needed}'",
            "Run the action on the other asset",
        )


def misplaced_fields(asset: Asset) -> tuple[str, ...]:
    """Filled fields that belong on an asset of another purpose."""
    return tuple(
        name
        for purpose, names in FIELDS_OF.items()
        if purpose != asset.purpose
        for name in names
        if getattr(asset, name)
    )
