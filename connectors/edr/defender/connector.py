"""Microsoft Defender for Endpoint as an EDR.

Machines and isolation come from the Defender for Endpoint API, processes from hunting over Microsoft Graph.
The state of an isolation is REPORTED: the outcome of the last action, since a machine record does not say it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import SecretStr

from connectors.addresses import canonical_ip
from connectors.clock import utc_now
from connectors.edr.defender import filters, queries
from connectors.edr.defender.api import (
    CONNECTOR,
    HUNTING_READ,
    MACHINE_ISOLATE,
    MACHINE_READ,
    DefenderApi,
    Page,
)
from connectors.edr.defender.evidence_rows import address, evidence_of
from connectors.edr.defender.isolation import ActionType, machine_action, status_of
from connectors.edr.defender.keys import ProcessKey, kusto_time, parse_key
from connectors.edr.defender.machines import host_ref, is_agent
from connectors.edr.defender.records import DefenderRecords
from connectors.edr.defender.rows import found_ref, found_refs
from connectors.edr.defender.settings import DefenderSettings
from connectors.edr.lineage_walk import walk
from connectors.edr.one_host import Candidate, one_host
from connectors.errors import (
    BadResponse,
    ConnectorError,
    HostNotFound,
    InputError,
    NotFound,
    PermissionMissing,
    ProcessNotFound,
    QueryFailed,
    Rejected,
)
from connectors.facts.health import Health, HealthState
from connectors.facts.host import AddressSeen, HostRef
from connectors.facts.isolation import ActionHandle, IsolationStatus
from connectors.facts.process import Lineage, ProcessEvidence, ProcessRef
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.ports import Capability, Window
from connectors.query.text import holdable

#: Defender tells which machine had an address only this far back, and within so long of the instant.
#: https://learn.microsoft.com/defender-endpoint/api/find-machines-by-ip
ADDRESS_HISTORY = timedelta(days=30)
ADDRESS_SPAN = timedelta(minutes=15)

#: The longest comment of an action that is sent; no limit is documented.
LONGEST_COMMENT = 1000

_SCOPES = (MACHINE_READ, MACHINE_ISOLATE, HUNTING_READ)


#: A machine's id: 40 hex digits with Microsoft, and no part of a URL that could mean another path.
_MACHINE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Defender:
    """The EDR port over Microsoft Defender for Endpoint."""

    name = CONNECTOR
    sysmon_guids = False
    capabilities = frozenset(Capability)

    def __init__(
        self,
        http: Http,
        settings: DefenderSettings,
        secret: SecretStr,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load and ask nothing yet.

        Args:
            http: sends the calls.
            settings: where and as whom.
            secret: the application's client secret.
            clock: the time of day.
            sleep: not needed here: no answer of Defender has to be waited for with further calls.
            monotonic: seconds, for deadlines.
        """
        del sleep
        self._api = DefenderApi(http, settings, secret, clock=clock)
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic

    def check(self) -> Health:
        """Ask for one machine and one hunting row; what may be done to a machine stands in the token."""
        missing: list[str] = []
        problems: list[str] = []
        deadline = self._deadline()
        for probe in (
            lambda: self._api.any_machine(deadline),
            lambda: self._api.hunt(queries.PROBE, deadline),
        ):
            try:
                probe()
            except PermissionMissing as exc:
                missing.append(exc.scope)
            except NotFound:
                continue  # the list of a tenant without recent machines is a 404
            except ConnectorError as exc:
                problems.append(exc.message)
        granted = self._api.granted
        if granted is not None:
            missing += [each for each in _SCOPES if each not in granted and each not in _implied(granted)]
        missing = list(dict.fromkeys(missing))
        if missing:
            problems.insert(0, f"the application lacks {', '.join(missing)}")
        if problems:
            return Health(
                connector=self.name,
                state=HealthState.FAILED,
                detail="; ".join(dict.fromkeys(problems)),
                missing_scopes=tuple(missing),
            )
        unread = "" if granted is not None else "; whether it may isolate cannot be read from its token"
        return Health(
            connector=self.name, state=HealthState.OK, detail=f"machines and hunting can be read{unread}"
        )

    def resolve_host(
        self, *, hostname: str | None = None, ip: str | None = None, at: datetime | None = None
    ) -> HostRef:
        """The one machine with an agent of this name or, without one, of this internal address at that time.

        Raises:
            HostNotFound: none fits; of an address also when it is no address, or longer ago than is known.
            AmbiguousHost: several do.
        """
        now = self._clock()
        if hostname and not _can_be_asked(hostname):
            raise HostNotFound(self.name, f"no host {hostname!r}: no host has such a name")
        if hostname:
            named = self._candidates(self._named(hostname))
            return one_host(self.name, hostname, named, at=at, now=now)
        wanted = canonical_ip(ip.strip()) if ip else None
        if wanted is None:
            raise HostNotFound(self.name, "no host without a name or an address")
        when = min(at or now, now)
        if when <= now - ADDRESS_HISTORY:
            days = ADDRESS_HISTORY.days
            raise HostNotFound(self.name, f"which host had {wanted} more than {days} days ago is not known")
        page = self._page(lambda: self._api.machines_with(wanted, when, self._deadline()))
        had = AddressSeen(ip=wanted, first_seen=when - ADDRESS_SPAN, last_seen=when + ADDRESS_SPAN)
        records = [
            # That it had the address then is what was asked; it may have another one by now.
            each._replace(host=each.host.model_copy(update={"addresses": (had, *each.host.addresses)}))
            for each in self._candidates(page)
        ]
        host = one_host(self.name, wanted, records, at=when, now=now)
        return host.model_copy(update={"addresses": tuple(dict.fromkeys(host.addresses))})

    def find_process(
        self,
        host: HostRef,
        *,
        guid: str | None = None,
        pid: int | None = None,
        name: str | None = None,
        remote_ip: str | None = None,
        remote_port: int | None = None,
        window: Window,
    ) -> Sequence[ProcessRef]:
        """Processes that fit: by key; else those whose connections fit; else those of the name.

        `guid` is the key of this connector (pid and creation time); a Sysmon ProcessGuid is not known here
        and fits nothing. Without a connection, processes of the name that did something in the window, else
        all that were created before it: Defender does not record when a process ended.
        """
        if guid is not None:
            return self._with_key(host, guid)
        if not (_can_be_asked(name) and _can_be_asked(remote_ip)):
            return ()
        if window.end < self._clock() - timedelta(days=self._settings.history_days):
            raise QueryFailed(
                self.name,
                f"the time asked for is over {self._settings.history_days} days ago, further back than"
                " hunting looks; see the setting history_days",
            )
        if remote_ip is not None or remote_port is not None:
            query = queries.connected(
                host.host_id,
                addresses=_spellings(remote_ip) if remote_ip is not None else (),
                port=remote_port,
                name=name,
                pid=pid,
                window=window,
            )
            found = found_refs(host.host_id, self._hunt(query))
            if found or remote_ip is not None:
                return found
        if name is None:
            return ()
        rows = self._hunt(queries.named(host.host_id, name=name, pid=pid, window=window))
        return found_refs(host.host_id, rows, start=kusto_time(window.start))

    def get_lineage(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002  (the device's whole recorded past is asked: ancestors are old)
        max_depth: int = 20,
        max_nodes: int = 500,
    ) -> Lineage:
        """Ancestors, siblings and children; one query for each eight generations.

        Raises:
            ProcessNotFound: it is not recorded at all.
        """
        self._key(process)
        records = DefenderRecords(self._hunter(), host.host_id, relatives=max_nodes + 1)
        lineage = walk(records, process, max_depth=max_depth, max_nodes=max_nodes, recorder="Defender")
        if lineage is None:
            raise ProcessNotFound(self.name, "neither the process's creation nor its activity is recorded")
        return lineage

    def get_process_evidence(
        self,
        host: HostRef,
        process: ProcessRef,
        *,
        window: Window,  # noqa: ARG002  (its whole life is asked)
    ) -> ProcessEvidence:
        """Everything else recorded of the process, in one query.

        Raises:
            ProcessNotFound: the process has no key of this connector.
        """
        image = process.image if _can_be_asked(process.image) else ""
        return evidence_of(self._hunt(queries.evidence(host.host_id, self._key(process), image)))

    def isolate(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for full isolation; sent once.

        Raises:
            Conflict: an action on the machine is under way.
            TimedOut: outcome unknown; the state has to be read.
            HostNotFound, PermissionMissing, RateLimited, ConnectorError.
        """
        body = {"Comment": _comment(comment, idempotency_key), "IsolationType": "Full"}
        return self._act("isolate", host, body, ActionType.ISOLATE)

    def release(self, host: HostRef, *, comment: str, idempotency_key: str) -> ActionHandle:
        """Ask for the end of isolation; same contract as isolate."""
        body = {"Comment": _comment(comment, idempotency_key)}
        return self._act("unisolate", host, body, ActionType.UNISOLATE)

    def get_isolation(self, host: HostRef, handle: ActionHandle | None = None) -> IsolationStatus:
        """The state by the recorded actions: REPORTED at best.

        With a handle, the outcome of its action; one that was given for another machine tells nothing.
        """
        deadline = self._deadline()
        machine_id = self._own(host)
        page = self._page(lambda: self._api.actions(machine_id, deadline))
        records: list[Mapping[str, object]] = list(page.records)
        meant = handle is not None and handle.host_id == host.host_id and handle.connector == self.name
        action_id = handle.action_id if handle is not None and meant else ""
        if action_id and all(record.get("id") != action_id for record in records):
            # The list can lag behind what was just accepted.
            with suppress(NotFound):
                records.append(self._api.action(action_id, deadline))
        actions = [action for record in records if (action := machine_action(record)) is not None]
        return status_of(
            actions,
            machine_id=host.host_id,
            action_id=action_id,
            complete=page.complete,
            now=self._clock(),
        )

    def _act(self, verb: str, host: HostRef, body: Mapping[str, str], kind: ActionType) -> ActionHandle:
        record = self._api.act(verb, self._own(host), body, self._deadline())
        action = machine_action(record)
        if (
            action is None
            or action.type is not kind
            or action.machine_id != host.host_id
            or not action.action_id
        ):
            # Accepted, but as something else: whoever reads the state next must not take it for this one.
            raise BadResponse(self.name, f"the answer to {verb} is not that action of that machine")
        return ActionHandle(
            connector=self.name,
            host_id=host.host_id,
            action_id=action.action_id,
            accepted_at=self._clock(),
        )

    def _own(self, host: HostRef) -> str:
        """The machine's id. That no action is recorded of an unknown machine would prove nothing."""
        if host.connector != self.name or not _MACHINE_ID.fullmatch(host.host_id):
            raise HostNotFound(self.name, "the host was not resolved by this connector")
        return host.host_id

    def _named(self, hostname: str) -> Page:
        return self._page(lambda: self._api.machines(filters.machines_named(hostname), self._deadline()))

    def _page(self, ask: Callable[[], Page]) -> Page:
        """A list; an empty one is a 404 with some of them."""
        try:
            return ask()
        except NotFound:
            return Page((), complete=True)

    def _candidates(self, page: Page) -> list[Candidate]:
        if not page.complete:
            raise Rejected(self.name, f"more than {len(page.records)} machines fit, which no name should")
        hosts = [host_ref(record) for record in page.records if is_agent(record)]
        return [Candidate(host, host.active is True) for host in hosts]

    def _with_key(self, host: HostRef, guid: str) -> Sequence[ProcessRef]:
        key = parse_key(guid)
        if key is None:
            return ()
        found = [
            ref
            for row in self._hunt(queries.known(host.host_id, key))
            if (ref := found_ref(host.host_id, row)) is not None and ref.guid == key.guid
        ]
        return found[:1]

    def _key(self, process: ProcessRef) -> ProcessKey:
        key = parse_key(process.guid)
        if key is None:
            raise ProcessNotFound(
                self.name,
                "Defender knows a process by its pid and creation time, and this one has no such key",
            )
        return key

    def _hunter(self) -> Callable[[str], list[dict[str, object]]]:
        deadline = self._deadline()
        return lambda query: self._api.hunt(query, deadline)

    def _hunt(self, query: str) -> list[dict[str, object]]:
        return self._hunter()(query)

    def _deadline(self) -> Deadline:
        return Deadline.after(self._settings.deadline_s, clock=self._monotonic)


def _implied(granted: frozenset[str]) -> frozenset[str]:
    """Permissions that others include: who may write machine information may read it."""
    return frozenset({MACHINE_READ}) if "Machine.ReadWrite.All" in granted else frozenset()


def _can_be_asked(text: str | None) -> bool:
    """False for what no query can hold, such as a NUL; no name, path or address holds it either."""
    try:
        holdable("hunting", text or "")
    except InputError:
        return False
    return True


def _spellings(ip: str) -> tuple[str, ...]:
    """An address as the tables may write it: IPv4 also in IPv6's mapped form (FourToSixMapping)."""
    plain = address(ip.strip())
    return (plain, f"::ffff:{plain}") if "." in plain and ":" not in plain else (plain,)


def _comment(comment: str, idempotency_key: str) -> str:
    """The comment with the key that tells whose the action is; without control characters."""
    text = "".join(each if each.isprintable() else " " for each in comment)
    ending = f" [{idempotency_key}]"
    return text[: LONGEST_COMMENT - len(ending)] + ending
