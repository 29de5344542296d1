"""The asset: what an administrator fills in, and the settings and rights that come of it.

Policy and limits are one TOML file, the same as the command line's; what is secret or an address of another
system has a field of its own. Whoever may run actions on the asset for investigation thereby holds nothing
that could isolate a host: credentials for that go to a second asset, of purpose `contain`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import field_validator, model_validator
from soar_sdk.asset import AssetField, BaseAsset, FieldCategory

from connectors.errors import ConfigError
from playbooks.hosts.soar.shapes import without_empty

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
        description="Policy file (TOML): own ranges, limits, when isolation may be proposed, where Splunk and"
        " the EDR are. Without it the defaults hold, and isolation is off. A ca_bundle in it is a path on"
        " this SOAR host that the app's user can read",
    )

    # --- purpose investigate: where processes are looked up
    sysmon_path: str | None = AssetField(
        description="Sysmon logs on this SOAR host: a file or folder, as an absolute path (EVTX, XML, JSON,"
        " archives of these). Leave empty to ask the EDR, or to give a log as vault_id of each action",
    )
    edr_secret: str | None = AssetField(
        sensitive=True,
        description="Secret of the EDR that the policy's section [edr] names: of the CrowdStrike API client,"
        " of the Defender application, the Elastic API key (encoded), or Splunk's token for sysmon_splunk"
        " (empty: splunk_token is used). Give one that may read and not isolate. It is asked where"
        " sysmon_path is empty",
    )

    # --- purpose investigate: where notables come from and cases are written back to
    splunk_token: str | None = AssetField(
        sensitive=True,
        description="Authentication token of the Splunk that the policy's section [splunk] names. Its user"
        " needs the capability search; to be written to, also edit_notable_events and, without an event"
        " collector, edit_tcp. Empty: nothing is polled and nothing written back",
    )
    write_to_splunk: bool = AssetField(
        required=False,
        default=False,
        description="Whether a playbook may write a case to Splunk: comments on its notables, what"
        " [write_back] names, and its risk. Off: polling works all the same, and only a comment that an"
        " analyst gives to update notable by hand is written",
    )
    splunk_hec_token: str | None = AssetField(
        sensitive=True,
        description="Token of Splunk's HTTP Event Collector, where the policy's section [splunk] has a"
        " hec_url",
    )

    # --- purpose investigate: who knows addresses. A source without its key is not asked, and said to be so
    virustotal_key: str | None = AssetField(
        sensitive=True,
        description="API key of VirusTotal. Only public addresses that are not the organisation's own are"
        " sent there. Empty: VirusTotal is not asked. The free key allows 4 look-ups a minute and no"
        " commercial use",
    )
    abuseipdb_key: str | None = AssetField(
        sensitive=True,
        description="API key of AbuseIPDB. It knows addresses that attack others, which says little of where"
        " a process connects to. Empty: AbuseIPDB is not asked",
    )
    greynoise_key: str | None = AssetField(
        sensitive=True,
        description="API key of GreyNoise, of the community or of a subscription (set greynoise_paid in the"
        " policy). Empty: GreyNoise is not asked",
    )
    otx_key: str | None = AssetField(
        sensitive=True,
        description="API key of LevelBlue OTX (AlienVault). Empty: OTX is not asked",
    )
    abusech_key: str | None = AssetField(
        sensitive=True,
        description="Auth-Key of abuse.ch, one for ThreatFox and URLhaus. Both know command and control"
        " servers. Empty: neither is asked",
    )
    misp_url: str | None = AssetField(
        description="Address of your MISP server, such as https://misp.corp.example/ (https, or http on this"
        " machine). Wins over base_urls of the policy. Empty: MISP is not asked",
    )
    misp_key: str | None = AssetField(
        sensitive=True,
        description="Key of a MISP user who may only read. Empty: MISP is not asked",
    )
    taxii_url: str | None = AssetField(
        description="Address of one TAXII 2.1 collection of STIX indicators, down to the collection's id."
        " Wins over base_urls of the policy. Empty: no collection is asked",
    )
    taxii_key: str | None = AssetField(
        sensitive=True,
        description="Credential of the TAXII server: a token, or name:password. Empty: it is asked without"
        " one",
    )

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
        description="Label of the containers that webhook and polling make. Polling takes up to 500 notables"
        " each time, the first time those of the last 24 hours; every 5 minutes is a good interval. What"
        " is polled: search_names in the policy's section [splunk]",
    )

    # --- purpose contain: what isolates and releases
    edr_contain_secret: str | None = AssetField(
        sensitive=True,
        description="Secret with which the EDR of the policy's section [edr] isolates and releases hosts; it"
        " reads hosts and their state too. Give one of its own, on an asset of purpose 'contain' alone, and"
        " set approvers on that asset. Give the asset the policy of the other one",
    )

    _empty_is_absent = model_validator(mode="before")(without_empty)

    @field_validator("purpose")
    @classmethod
    def _known_purpose(cls, given: str) -> str:
        if given not in Purpose:
            raise ValueError(f"must be {' or '.join(Purpose)}")
        return given


#: Field -> the purposes an asset may fill it for. A field without a row belongs on no asset.
PURPOSES_OF: Mapping[str, frozenset[Purpose]] = {
    "purpose": frozenset(Purpose),
    "policy": frozenset(Purpose),
    "sysmon_path": frozenset({Purpose.INVESTIGATE}),
    "edr_secret": frozenset({Purpose.INVESTIGATE}),
    "splunk_token": frozenset({Purpose.INVESTIGATE}),
    "write_to_splunk": frozenset({Purpose.INVESTIGATE}),
    "splunk_hec_token": frozenset({Purpose.INVESTIGATE}),
    **dict.fromkeys(
        (
            "virustotal_key",
            "abuseipdb_key",
            "greynoise_key",
            "otx_key",
            "abusech_key",
            "misp_url",
            "misp_key",
            "taxii_url",
            "taxii_key",
        ),
        frozenset({Purpose.INVESTIGATE}),
    ),
    "webhook_secret": frozenset({Purpose.INVESTIGATE}),
    "container_label": frozenset({Purpose.INVESTIGATE}),
    "edr_contain_secret": frozenset({Purpose.CONTAIN}),
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
    """Fields that do not belong on an asset of this purpose, and hold more than their default."""
    return tuple(
        name
        for name, field in type(asset).model_fields.items()
        if asset.purpose not in PURPOSES_OF.get(name, ())
        and getattr(asset, name) not in (None, field.default)
    )
