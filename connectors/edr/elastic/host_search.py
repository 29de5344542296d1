"""Which agent is meant by a name or an address, asked of the events and of Kibana's host list.

Kibana's list compares names with case and knows present addresses only, so the events are asked first which
agents had the name or the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from connectors.addresses import canonical_ip
from connectors.edr.askable import can_name_a_host
from connectors.edr.elastic import hosts, queries, rows
from connectors.edr.elastic.kibana import Kibana
from connectors.edr.elastic.queries import Question, Span
from connectors.edr.elastic.refusals import CONNECTOR
from connectors.edr.elastic.search import Search
from connectors.edr.one_host import ADDRESS_SLACK, Candidate, one_host
from connectors.errors import BadResponse, ConnectorError, HostNotFound
from connectors.facts.host import AddressSeen, HostRef
from connectors.http.deadline import Deadline

#: Agents that may share a name or an address in the time searched.
MOST_AGENTS = 100

#: Addresses of a host are read from its events this long before and after a notable.
ADDRESS_SPAN = timedelta(minutes=30)
MOST_ADDRESS_EVENTS = 500

type Seen = Mapping[str, tuple[AddressSeen, ...]]


class HostSearch:
    """The search for one host."""

    def __init__(self, kibana: Kibana, search: Search, *, now: datetime, deadline: Deadline) -> None:
        """Ask nothing yet.

        Args:
            kibana: has the host list.
            search: has the events.
            now: timezone-aware.
            deadline: for all of it.
        """
        self._kibana = kibana
        self._search = search
        self._now = now
        self._deadline = deadline

    def named(self, name: str, past: Span, *, at: datetime | None) -> HostRef:
        """The agent of a name.

        Args:
            name: FQDN or short.
            past: the time of events that are searched.
            at: when it had the name; the addresses around that time come along.

        Raises:
            HostNotFound, AmbiguousHost: as one_host.
        """
        asked = name.strip()
        if not can_name_a_host(asked):
            raise HostNotFound(CONNECTOR, f"no host {asked!r}: no host has such a name")
        seen = self._agents(queries.agents_named(asked, past, most=MOST_AGENTS))
        return self._one(asked, queries.hosts_kuery(names=[asked], agent_ids=seen), seen, at)

    def with_address(self, ip: str, *, at: datetime | None) -> HostRef:
        """The agent that had an address at a time, as its events or its record say; None is now.

        Raises:
            HostNotFound, AmbiguousHost: as one_host.
        """
        asked = canonical_ip(ip.strip()) or ""
        if not asked:
            raise HostNotFound(CONNECTOR, "neither a host name nor an address was given")
        moment = at or self._now
        span = Span(moment - ADDRESS_SLACK, moment + ADDRESS_SLACK)
        seen = self._agents(queries.agents_with_address(asked, span, most=MOST_AGENTS))
        return self._one(asked, queries.hosts_kuery(ip=asked, agent_ids=seen), seen, at)

    def _one(self, asked: str, wanted: str, seen: Seen, at: datetime | None) -> HostRef:
        candidates = []
        for record in self._kibana.hosts(wanted, deadline=self._deadline):
            # The record has present addresses only; an event tells when the agent had the one asked for.
            own = seen.get(hosts.agent_id(record), ())
            ref = hosts.host_ref(record, [each for each in own if each.ip == asked])
            candidates.append(Candidate(ref, active=ref.active is True))
        found = one_host(CONNECTOR, asked, candidates, at=at, now=self._now)
        return self._with_addresses(found, at) if at is not None else found

    def _agents(self, question: Question) -> Seen:
        """The agents of a search that gives one event of each, with the addresses of that event.

        Raises:
            BadResponse: there are more than a search for one host can have.
        """
        found = self._search.whole(question, deadline=self._deadline)
        if found.truncated:
            raise BadResponse(CONNECTOR, f"{MOST_AGENTS} agents or more for one host")
        return {
            agent: hosts.addresses(rows.at(row, "host.ip"), rows.when(row))
            for row in found.rows
            if (agent := rows.text(row, "agent.id")) and agent.isprintable()
        }

    def _with_addresses(self, host: HostRef, at: datetime) -> HostRef:
        """The host with the addresses that its events around that time carry; without, those it has.

        Where they cannot be read it is the host all the same.
        """
        span = Span(at - ADDRESS_SPAN, at + ADDRESS_SPAN)
        question = queries.addresses_of(host.host_id, span, most=MOST_ADDRESS_EVENTS)
        try:
            found = self._search.find(question, deadline=self._deadline)
        except ConnectorError:
            return host
        own = (row for row in found.rows if rows.text(row, "agent.id") == host.host_id)
        known = dict.fromkeys((*host.addresses, *hosts.addresses_over_time(own)))
        return host.model_copy(update={"addresses": tuple(known)})
