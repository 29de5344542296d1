"""The asset and identity tables of Enterprise Security: one search for all machines and users of a run.

Asked as others ask them: `inputlookup append=T TABLE where KEY="..."`, by_str before by_cidr
(https://github.com/demisto/content, Packs/SplunkPy, enrichment of notables). The condition only narrows: the
rows are compared exactly here, by the rules of every other list.
https://help.splunk.com/en/splunk-enterprise/search/spl-search-reference/10.0/search-commands/inputlookup
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from connectors.addresses import canonical_ip, shown
from connectors.errors import ConnectorError, InputError, QueryFailed
from connectors.facts.account import bare_account
from connectors.facts.health import Health, HealthState
from connectors.facts.host import short_name
from connectors.http.deadline import Deadline
from connectors.ports import Listed, NotRead
from connectors.query import spl
from connectors.siem.assets.columns import (
    ASSET_COLUMNS,
    IDENTITY_COLUMNS,
    AssetRow,
    BadRow,
    IdentityRow,
    asset_row,
    identity_row,
    texts_of,
)
from connectors.siem.assets.matching import AssetIndex, IdentityIndex, listed
from connectors.siem.splunk.jobs import Rows, SearchJobs
from connectors.siem.splunk.rest import CONNECTOR, because

BY_STR = "asset_lookup_by_str"
BY_CIDR = "asset_lookup_by_cidr"
IDENTITIES = "identity_lookup_expanded"

#: Hosts and users of one search, and searches of one question at most.
ASKED_AT_ONCE = 250
MAX_SEARCHES = 8

#: Rows of one search at most: some for each that is asked for.
MAX_ROWS = 5_000

#: The field that says which table a row is of.
_TABLE = "rr_table"

#: The tables have no time; the bounds are those of a search that reads no events.
_EARLIEST = datetime.fromtimestamp(0, UTC)
_LATEST = _EARLIEST + timedelta(days=1)

_COLUMNS = tuple(dict.fromkeys((_TABLE, *ASSET_COLUMNS, *IDENTITY_COLUMNS)))

#: Rows that are named of those that cannot be used.
_NAMED = 3


class SplunkAssetTables:
    """The tables of one Splunk, as one user. Safe to use from many threads at once."""

    name = "the asset and identity tables of Splunk"

    def __init__(
        self,
        jobs: SearchJobs,
        *,
        deadline_s: float,
        assets: bool = True,
        identities: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            jobs: runs the search.
            deadline_s: seconds for one question with all its searches.
            assets, identities: which tables are asked.
            monotonic: seconds for the deadline.
        """
        self._jobs = jobs
        self._deadline_s = deadline_s
        self._assets = assets
        self._identities = identities
        self._monotonic = monotonic

    def check(self) -> Health:
        """Whether the tables can be read, and their rows; Splunk does not tell how old they are."""
        tables = [BY_STR, BY_CIDR] * self._assets + [IDENTITIES] * self._identities
        spelled = [f"inputlookup append=T {each} | {_marked(each)}" for each in tables]
        query = f"| {' | '.join(spelled)} | stats count by {_TABLE}"
        try:
            found = self._search(query, Deadline.after(self._deadline_s, clock=self._monotonic))
        except ConnectorError as exc:
            return Health(connector=CONNECTOR, state=HealthState.FAILED, detail=exc.message)
        rows = {str(row.get(_TABLE)): str(row.get("count")) for row in found.rows}
        said = ", ".join(f"{each} {rows.get(each, '0')} rows" for each in tables)
        return Health(connector=CONNECTOR, state=HealthState.OK, detail=said)

    def facts_of(self, hosts: Sequence[str], users: Sequence[str]) -> Listed:
        """The rows that fit; hosts and users that cannot be asked for are named as not read.

        Raises:
            ConnectorError: a search failed, or Splunk did not see everything.
        """
        not_read: list[NotRead] = []
        machines = list(_askable(hosts, not_read)) if self._assets else []
        people = list(_askable(users, not_read, bare_account)) if self._identities else []
        asked = [*((True, each) for each in machines), *((False, each) for each in people)]
        most = ASKED_AT_ONCE * MAX_SEARCHES
        if len(asked) > most:
            what = f"{self.name} on {len(asked) - most:,} hosts and users"
            not_read.append(NotRead(what, f"more than {most:,} are not asked for in one run"))
            asked = asked[:most]
        deadline = Deadline.after(self._deadline_s, clock=self._monotonic)
        rows: list[dict[str, object]] = []
        for first in range(0, len(asked), ASKED_AT_ONCE):
            batch = asked[first : first + ASKED_AT_ONCE]
            query = table_query(
                [each for of_host, each in batch if of_host], [each for of_host, each in batch if not of_host]
            )
            rows += self._search(query, deadline).rows
        assets, identities, bad = _read(rows)
        return listed(
            AssetIndex(assets), IdentityIndex(identities), machines, people, not_read=(*not_read, *bad)
        )

    def _search(self, query: str, deadline: Deadline) -> Rows:
        """The rows.

        Raises:
            ConnectorError: not all of them could be had: what is missing would be taken for not listed.
        """
        found = self._jobs.rows(
            query, earliest=_EARLIEST, latest=_LATEST, max_rows=MAX_ROWS, deadline=deadline
        )
        if found.partial or found.truncated:
            raise QueryFailed(CONNECTOR, f"the search did not see every row{because(found.messages)}")
        return found


def table_query(hosts: Sequence[str], users: Sequence[str]) -> str:
    """SPL for the rows of these machines and users.

    Args:
        hosts: names and addresses; at least one host or user.
        users: accounts.

    Raises:
        InputError: one of them cannot stand in a query.
    """
    parts: list[str] = []
    addresses = [each for each in hosts if canonical_ip(each) is not None]
    if hosts:
        keys = dict.fromkeys(key for each in hosts for key in _spellings(each, short_name))
        parts += [f"inputlookup append=T {BY_STR} where ({_any('asset', keys)})", _marked(BY_STR)]
    if addresses:
        inside = " OR ".join(
            f"isnotnull(mvfilter(cidrmatch(asset, {spl.literal(each)})))" for each in dict.fromkeys(addresses)
        )
        parts += [f"inputlookup append=T {BY_CIDR}", _marked(BY_CIDR)]
        parts.append(f"where {_TABLE}={spl.literal(BY_STR)} OR {inside}")
    if users:
        keys = dict.fromkeys(key for each in users for key in _spellings(each, bare_account))
        by_mail = [each for each in keys if "@" in each]
        named = _any("identity", keys) + (f" OR {_any('email', by_mail)}" if by_mail else "")
        parts += [f"inputlookup append=T {IDENTITIES} where ({named})", _marked(IDENTITIES)]
    return f"| {' | '.join(parts)} | table {', '.join(_COLUMNS)}"


def _marked(table: str) -> str:
    return f"eval {_TABLE}=coalesce({_TABLE}, {spl.literal(table)})"


def _any(field: str, keys: Sequence[str] | Mapping[str, None]) -> str:
    return " OR ".join(spl.term(field, key, any_script=True) for key in keys)


def _spellings(name: str, short: Callable[[str], str]) -> Iterator[str]:
    """A name as it is, in lower case as Enterprise Security keeps keys, and without its domain."""
    if canonical_ip(name) is not None:
        yield name
        return
    for each in (name.strip().rstrip("."), name.strip().rstrip(".").lower(), short(name)):
        # The domain before a backslash is left out: a term has no escape for it, and the rows are compared.
        if "\\" not in each:
            yield each


def _askable(
    names: Sequence[str], not_read: list[NotRead], short: Callable[[str], str] = short_name
) -> Iterator[str]:
    """The names that a search can be made of; the others are noted."""
    for name in dict.fromkeys(names):
        try:
            for each in _spellings(name, short):
                spl.term("asset", each, any_script=True)
        except InputError as error:
            not_read.append(
                NotRead(f"{SplunkAssetTables.name} on {shown(name)}", f"the name {error.problem}")
            )
        else:
            yield name


def _read(
    rows: Sequence[Mapping[str, object]],
) -> tuple[list[AssetRow], list[IdentityRow], tuple[NotRead, ...]]:
    """The rows by their kind, and those that cannot be used."""
    assets: list[AssetRow] = []
    identities: list[IdentityRow] = []
    bad: dict[str, str] = {}
    for row in rows:
        table = str(row.get(_TABLE))
        values = partial(texts_of, row)
        try:
            if table == IDENTITIES:
                identities.append(identity_row(values, table))
            elif table in (BY_STR, BY_CIDR):
                assets.append(asset_row(values, table))
        except BadRow as wrong:
            key = row.get("identity" if table == IDENTITIES else "asset")
            bad[f"{table}, row of {shown(str(key))}"] = str(wrong)
    unread = tuple(
        NotRead(what, why, "Mend it in the asset list") for what, why in list(bad.items())[:_NAMED]
    )
    if (more := len(bad) - _NAMED) > 0:
        unread += (NotRead(f"{more:,} further rows of {SplunkAssetTables.name}", "they cannot be read"),)
    return assets, identities, unread
