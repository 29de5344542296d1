"""What a destination is known to be. A role is context: none of them says good or bad by itself."""

from __future__ import annotations

from enum import StrEnum

from connectors.facts.base import Fact


class RoleKind(StrEnum):
    """What an address or a port serves as."""

    IP_CHECK = "ip_check"
    BOT_API = "bot_api"
    MAIL = "mail"
    FTP = "ftp"
    CDN = "cdn"
    RESOLVER = "resolver"
    CLOUD = "cloud"
    SECURITY_EDGE = "security_edge"
    SINKHOLE = "sinkhole"
    TOR_EXIT = "tor_exit"
    VPN = "vpn"
    SAAS = "saas"
    SHARED_HOSTING = "shared_hosting"
    SCANNER = "scanner"
    CRAWLER = "crawler"
    PLATFORM_SERVICE = "platform_service"


class RoleEffect(StrEnum):
    """What follows from a role for the reputation of the address."""

    CAPS_AT_SHARED = "caps_at_shared"
    """Many use the address, for good and bad: reports about it need not be about this traffic."""
    PROBABLE_INFECTION = "probable_infection"
    """Only malware whose name was seized calls there."""
    NONE = "none"
    """Context. A rented machine in a cloud is its tenant's alone, so that a cloud's range caps nothing."""


class DestinationRole(Fact):
    """One role of one destination.

    Attributes:
        label: what it is, as a noun.
        reason: one sentence for the analyst.
        source: where it is known from, such as "misp-warninglists: cloudflare", "port 587" or a DNS name.
    """

    kind: RoleKind
    effect: RoleEffect
    label: str
    reason: str
    source: str
