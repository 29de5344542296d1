"""What being on a MISP warninglist means, list by list. A list that is not named here is context only.

An entry of a warninglist is never "benign": the lists say what an address is, not what it was used for. A
role caps a verdict only where every address of the list really serves many; a list that an attacker can get
on by renting a machine or by running a service does not cap, however well known its owner:

- `public-dns-v4` names any open resolver that answered, 62,745 of them, rented and hijacked machines too;
- `github` has the ranges its build machines run in, which are Azure's and anyone's;
- `vpn-ipv4` and `vpn-ipv6` are whole ranges of data centres;
- `smtp-sending-ips` has mail relays in clouds among ranges of anyone's.

`amazon-aws` holds CloudFront's edges too and does not tell them apart: they count as cloud.
"""

from __future__ import annotations

from typing import NamedTuple

from connectors.facts.destination_role import RoleEffect, RoleKind

_SHARED = RoleEffect.CAPS_AT_SHARED
_CONTEXT = RoleEffect.NONE

#: The cloud's own ranges are given to whoever rents.
_CLOUD_REASON = "Whoever rents a machine there has the address alone."
_CDN_REASON = "Its edges serve the sites of many customers from one address: the host name decides."
_SCANNER_REASON = "It scans the internet for research or sale; as a destination that is unusual."
_CRAWLER_REASON = "It fetches web pages; as a destination that is unusual."
_EDGE_REASON = "Customers' traffic leaves through it: the real destination is in its log."


class ListRole(NamedTuple):
    """The role of every address on a list."""

    kind: RoleKind
    effect: RoleEffect
    label: str
    reason: str


def _cloud(label: str) -> ListRole:
    return ListRole(RoleKind.CLOUD, _CONTEXT, label, _CLOUD_REASON)


def _cdn(label: str) -> ListRole:
    return ListRole(RoleKind.CDN, _SHARED, f"{label} CDN", _CDN_REASON)


def _scanner(label: str) -> ListRole:
    return ListRole(RoleKind.SCANNER, _CONTEXT, label, _SCANNER_REASON)


_OFFICE = ListRole(
    RoleKind.SAAS,
    _SHARED,
    "Microsoft 365",
    "All customers of Microsoft 365 share it; some use it to host and to send out malware.",
)
_BLOCK_PAGE = ListRole(
    RoleKind.SECURITY_EDGE,
    _SHARED,
    "Cisco Umbrella block page",
    "The resolver answered with it in place of a name that the policy blocks: the name decides.",
)
_OPEN_RESOLVER = ListRole(
    RoleKind.RESOLVER,
    _CONTEXT,
    "open DNS resolver",
    "It answered DNS queries of anyone when the list was made; that does not say whose it is.",
)
_RENTED = ListRole(
    RoleKind.VPN,
    _CONTEXT,
    "VPN provider or data centre",
    "The range belongs to a VPN provider or a data centre: not a home line, and nothing more.",
)

#: By the name of the list's folder.
LIST_ROLES: dict[str, ListRole] = {
    "akamai": _cdn("Akamai"),
    "cloudflare": _cdn("Cloudflare"),
    "fastly": _cdn("Fastly"),
    "stackpath": _cdn("StackPath"),
    "amazon-aws": _cloud("Amazon AWS"),
    "google-gcp": _cloud("Google Cloud"),
    "microsoft-azure": _cloud("Microsoft Azure"),
    "microsoft-azure-china": _cloud("Microsoft Azure China"),
    "microsoft-azure-germany": _cloud("Microsoft Azure Germany"),
    "microsoft-azure-us-gov": _cloud("Microsoft Azure US Government"),
    "microsoft-office365-ip": _OFFICE,
    "microsoft-office365-cn": _OFFICE,
    "zscaler": ListRole(RoleKind.SECURITY_EDGE, _SHARED, "Zscaler", _EDGE_REASON),
    "umbrella-blockpage-v4": _BLOCK_PAGE,
    "umbrella-blockpage-v6": _BLOCK_PAGE,
    "public-dns-v4": _OPEN_RESOLVER,
    "public-dns-v6": _OPEN_RESOLVER,
    "google-gmail-sending-ips": ListRole(
        RoleKind.MAIL, _SHARED, "Gmail", "Google's front ends serve all users of its services."
    ),
    "smtp-receiving-ips": ListRole(
        RoleKind.MAIL, _SHARED, "mail provider", "It receives mail for many domains from one address."
    ),
    "smtp-sending-ips": ListRole(
        RoleKind.MAIL,
        _CONTEXT,
        "range a mail provider sends from",
        "A mail provider has named the range as its own; machines of others may stand in it.",
    ),
    "ovh-cluster": ListRole(
        RoleKind.SHARED_HOSTING,
        _SHARED,
        "OVH web hosting",
        "It serves the sites of many customers from one address: the host name decides.",
    ),
    "parking-domain": ListRole(
        RoleKind.SHARED_HOSTING,
        _SHARED,
        "domain parking",
        "It answers for many names that are for sale or lapsed; malware's old names among them.",
    ),
    "sinkholes": ListRole(
        RoleKind.SINKHOLE,
        RoleEffect.PROBABLE_INFECTION,
        "sinkhole",
        "Names that were taken from malware lead there: what calls it is probably infected.",
    ),
    "vpn-ipv4": _RENTED,
    "vpn-ipv6": _RENTED,
    "check-host-net": _scanner("check-host.net"),
    "modat-scanner": _scanner("Modat"),
    "onyphe-scanner": _scanner("Onyphe"),
    "shadowserver": _scanner("Shadowserver"),
    "tenable-cloud-ipv4": _scanner("Tenable"),
    "tenable-cloud-ipv6": _scanner("Tenable"),
    "googlebot": ListRole(RoleKind.CRAWLER, _CONTEXT, "Googlebot", _CRAWLER_REASON),
    "openai-gptbot": ListRole(RoleKind.CRAWLER, _CONTEXT, "OpenAI GPTBot", _CRAWLER_REASON),
}

#: Ends of the names of the lists of one scanner each; the longest first.
_SCANNER_ENDINGS = ("-nt-scanning", "-scanning")


def role_of_list(slug: str) -> ListRole | None:
    """The role of a list, by the name of its folder; None when the list is context only."""
    if slug in LIST_ROLES:
        return LIST_ROLES[slug]
    ending = next((ending for ending in _SCANNER_ENDINGS if slug.endswith(ending)), None)
    if ending is None:
        return None
    return _scanner(slug.removesuffix(ending).replace("-", " ").capitalize())
