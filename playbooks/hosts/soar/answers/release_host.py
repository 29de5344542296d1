"""`release host`: ends the isolation of one host, and proves it. Others' isolations stay, unless named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from soar_sdk.abstract import SOARClient

from actions.containment import Tools
from actions.host_state import read_host
from actions.release_host import release_host
from connectors.errors import InputError
from connectors.facts.ledger import HostKey, IntentKind, Order
from playbooks.containment_reasons import comment_of
from playbooks.hosts.soar.answers.answer import Answer
from playbooks.hosts.soar.answers.contained_case import done_or_failed, row_of_result
from playbooks.hosts.soar.answers.ledger_hosts import Known, Wanted, ends_an_isolation, one_known, wanted
from playbooks.hosts.soar.answers.standing_host import row_of_intent
from playbooks.hosts.soar.asset import Asset, settings_of
from playbooks.hosts.soar.containing import containing
from playbooks.hosts.soar.containment_outputs import ContainmentRow, ContainmentSummary
from playbooks.hosts.soar.deciding import run_id_of
from playbooks.hosts.soar.guarded import secrets_of
from playbooks.hosts.soar.params import ReleaseParams
from playbooks.hosts.soar.redaction import redactor
from playbooks.settings import Settings


def answer(
    params: ReleaseParams, soar: SOARClient[Any], asset: Asset, state_folder: Path
) -> Answer[ContainmentRow, ContainmentSummary]:
    """Release a host, and read its state until that is proved or the policy's deadline is over.

    Raises:
        InputError: nothing was given, several hosts fit, or none of this app does and not_ours is off.
        ConfigError: the policy, its EDR or the secret is missing or wrong.
        LedgerUnusable: the ledger cannot be read or written; nothing was sent.
        NotDone: the host was not released, or that is not proved; the row says how far it came.
    """
    settings = settings_of(asset)
    run_id = run_id_of(soar.get_executing_container_id())
    # What is typed goes to the ledger and to the vendor, and may repeat a secret.
    clean = redactor(secrets_of(asset))
    by, why = clean(params.released_by.strip()), clean(params.why.strip())
    if not by:
        raise InputError("released_by", "is empty", "Say who wants it")
    with containing(asset, settings, state_folder, run_id=run_id) as found:
        return done_or_failed(_released(params, found.tools, settings, run_id, by=by, why=why))


def _released(
    params: ReleaseParams, tools: Tools, settings: Settings, run_id: str, *, by: str, why: str
) -> ContainmentRow:
    asked = wanted(params.host, params.case_id, params.intent_id)
    known = one_known(tools.ledger, asked)
    if known is not None and known.intent is not None and known.intent.order.kind is IntentKind.RELEASE:
        return row_of_intent(known.intent, tools, settings, wait=True)
    target = _target(known, asked, params, tools)
    order = Order(
        kind=IntentKind.RELEASE,
        connector=target.host.connector,
        host_id=target.host.host_id,
        hostname=target.hostname,
        site=target.site,
        case_id=target.case_id,
        run_id=run_id,
        by=by,
        by_person=True,
        reason=why,
        deadline_s=settings.isolation.deadline_s,
        foreign=target.foreign,
    )
    comment = comment_of(order)
    return row_of_result(release_host(order, tools, policy=settings.isolation, comment=comment))


class _Target(NamedTuple):
    """The host that is meant. `foreign`: whether it is released although no isolation of ours stands."""

    host: HostKey
    hostname: str
    site: str = ""
    case_id: str = ""
    foreign: bool = False


def _target(known: Known | None, asked: Wanted, params: ReleaseParams, tools: Tools) -> _Target:
    """The host that is meant.

    Raises:
        InputError: it is none of this app's, and not_ours is off or its name does not stand for one machine.
    """
    if known is not None and ends_an_isolation(known):
        # An isolation that is not certain is of ours as well: a person may end it.
        foreign = params.not_ours or known.lease is None
        return _Target(known.host, known.hostname, known.site, known.case_id, foreign)
    if not params.not_ours or not asked.host:
        raise InputError(
            "host",
            "no isolation by this app stands for it",
            "Somebody else isolated it, or nobody: run get isolation status. With host and not_ours it is"
            " released all the same",
        )
    reading = read_host(tools.edr, hostname=asked.host)
    agent = reading.agent
    if agent is None:
        named = f": {', '.join(reading.candidates[:5])}" if reading.candidates else ""
        raise InputError("host", f"{reading.problem.rstrip('.') or 'stands for no one machine'}{named}")
    host = HostKey(agent.connector, agent.host_id)
    return _Target(host, agent.hostname, case_id=asked.case_id, foreign=True)
