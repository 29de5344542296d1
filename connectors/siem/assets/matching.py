"""Which rows of a list are of a machine or an account. Exact, and never by a part of a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connectors.addresses import pack_ip
from connectors.facts.account import bare_account, same_account
from connectors.facts.asset import IdentityFacts
from connectors.facts.host import same_host_name, short_name
from connectors.networks import Network, NetworkMap
from connectors.ports import Listed, ListedAsset, NotRead
from connectors.siem.assets.columns import AssetRow, IdentityRow


class AssetIndex:
    """Rows of an asset list, ready to ask."""

    def __init__(self, rows: Iterable[AssetRow] = ()) -> None:
        self._named: dict[str, list[tuple[str, AssetRow]]] = {}
        self._addressed: dict[str, list[AssetRow]] = {}
        ranges: list[tuple[Network, tuple[Network, AssetRow]]] = []
        for row in rows:
            for name in row.names:
                self._named.setdefault(short_name(name), []).append((name, row))
            for ip in row.addresses:
                self._addressed.setdefault(ip, []).append(row)
            ranges += [(network, (network, row)) for network in row.networks]
        self._ranges = NetworkMap(ranges)

    def rows_of(self, host: str) -> tuple[ListedAsset, ...]:
        """The rows of a host name; of an address those that hold it, else those of the smallest range."""
        packed = pack_ip(host)
        if packed is None:
            named = self._named.get(short_name(host), ())
            return _listed(row for name, row in named if same_host_name(name, host))
        if exact := self._addressed.get(host):
            return _listed(exact)
        covering = self._ranges.covering(packed)
        smallest = max((network.length for network, _ in covering), default=0)
        return _listed((row for network, row in covering if network.length == smallest), by_network=True)


class IdentityIndex:
    """Rows of an identity list, ready to ask."""

    def __init__(self, rows: Iterable[IdentityRow] = ()) -> None:
        self._rows: dict[str, list[tuple[str, IdentityRow]]] = {}
        self._mail: dict[str, list[IdentityRow]] = {}
        for row in rows:
            for account in row.accounts:
                self._rows.setdefault(bare_account(account), []).append((account, row))
            for mail in row.emails:
                self._mail.setdefault(mail.casefold(), []).append(row)

    def rows_of(self, user: str) -> tuple[IdentityFacts, ...]:
        """The rows that may be of an account; an address of mail counts where it is equal to it."""
        bare = bare_account(user)
        if not bare:
            return ()
        fitting = [row for account, row in self._rows.get(bare, ()) if same_account(account, user)]
        fitting += self._mail.get(user.strip().casefold(), ())
        return tuple(dict.fromkeys(row.facts for row in fitting))


def listed(
    assets: AssetIndex,
    identities: IdentityIndex,
    hosts: Sequence[str],
    users: Sequence[str],
    *,
    not_read: Sequence[NotRead] = (),
) -> Listed:
    """What the rows say of these machines and accounts."""
    return Listed(
        {host: rows for host in dict.fromkeys(hosts) if (rows := assets.rows_of(host))},
        {user: facts for user in dict.fromkeys(users) if (facts := identities.rows_of(user))},
        tuple(not_read),
    )


def _listed(rows: Iterable[AssetRow], *, by_network: bool = False) -> tuple[ListedAsset, ...]:
    return tuple(dict.fromkeys(ListedAsset(row.facts, row.names, by_network) for row in rows))
