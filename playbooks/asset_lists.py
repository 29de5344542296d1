"""What the organisation's lists say of the machines and accounts of a run, all lists together.

A notable's own enrichment counts first (actions/listed_facts.py), then the lists in their order. A list that
cannot be looked at is named as not read; it stops nothing and clears nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from actions.case_users import users_of
from actions.describe_destinations import with_direction
from actions.listed_facts import NOTHING_LISTED, host_names, own_addresses, people
from connectors.errors import ConnectorError
from connectors.facts.asset import IdentityFacts
from connectors.facts.notable import Notable
from connectors.ports import AssetSource, Listed, ListedAsset, NotRead
from playbooks.case_findings import CaseFindings
from playbooks.steps import Call, StepFailed, Steps


class Asked(NamedTuple):
    """What lists were asked, so that nothing is asked twice.

    Attributes:
        listed: what they said.
        hosts, users: who was asked about.
    """

    listed: Listed = NOTHING_LISTED
    hosts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()


NOTHING_ASKED = Asked()


class AssetLists(NamedTuple):
    """All lists of a run.

    Attributes:
        sources: those that can be asked, the best first.
        not_opened: those that are set up and cannot.
    """

    sources: tuple[AssetSource, ...] = ()
    not_opened: tuple[NotRead, ...] = ()


NO_LISTS = AssetLists()


def look_up_notables(steps: Steps, lists: AssetLists, notables: Iterable[Notable]) -> Asked:
    """What the lists say of the machines and users of notables; one question a list for all of them."""
    hosts: dict[str, None] = {}
    users: dict[str, None] = {}
    for each in notables:
        # Which end an address is may be known later only; what is asked for nothing is used for nothing.
        hosts |= dict.fromkeys([*host_names((each,), None), *([each.own_ip] if each.own_ip else [])])
        users |= dict.fromkeys(people([each.user] if each.user else []))
    return _asked(steps, lists, hosts, users, NOTHING_ASKED)


def look_up_cases(
    steps: Steps, lists: AssetLists, cases: Iterable[CaseFindings], before: Asked = NOTHING_ASKED
) -> Listed:
    """What the lists say once telemetry has named machines and users; only new ones are asked about.

    Args:
        steps: what runs the questions.
        lists: who is asked.
        cases: with what telemetry gave.
        before: what was asked already.
    """
    hosts: dict[str, None] = {}
    users: dict[str, None] = {}
    for each in cases:
        notables = tuple(with_direction(notable, each.evidence) for notable in each.notables)
        hosts |= dict.fromkeys([*host_names(notables, each.host), *own_addresses(notables, each.host)])
        users |= dict.fromkeys(people(users_of(each).all))
    return _asked(steps, lists, hosts, users, before).listed


def with_broken(listed: Listed, fault: StepFailed) -> Listed:
    """What was told before a fault of ours, with that fault as something not read."""
    broken = NotRead(
        "the asset and identity lists", f"looking there broke ({fault.reason.partition(':')[0]})"
    )
    return listed._replace(not_read=(*listed.not_read, broken))


def _asked(
    steps: Steps, lists: AssetLists, hosts: Iterable[str], users: Iterable[str], before: Asked
) -> Asked:
    new_hosts = tuple(each for each in hosts if each not in before.hosts)
    new_users = tuple(each for each in users if each not in before.users)
    if not (new_hosts or new_users) or lists == NO_LISTS:
        return before
    answers = steps.parallel(
        [Call("look_up_lists", partial(_answer, each, new_hosts, new_users)) for each in lists.sources]
    )
    found = [
        # By its class alone: the text of an unexpected error may hold anything.
        _unread(source, f"it failed ({answer.reason.partition(':')[0]})")
        if isinstance(answer, StepFailed)
        else answer
        for source, answer in zip(lists.sources, answers, strict=True)
    ]
    listed = _joined([before.listed, *found, Listed({}, {}, lists.not_opened)])
    return Asked(listed, before.hosts.union(new_hosts), before.users.union(new_users))


def _answer(source: AssetSource, hosts: tuple[str, ...], users: tuple[str, ...]) -> Listed:
    try:
        return source.facts_of(hosts, users)
    except ConnectorError as error:
        return _unread(source, error.message)


def _unread(source: AssetSource, why: str) -> Listed:
    return Listed({}, {}, (NotRead(source.name, why, "See `doctor`, or look machine and user up by hand"),))


def _joined(found: Sequence[Listed]) -> Listed:
    """Several answers as one, the rows of the first first."""
    assets: dict[str, tuple[ListedAsset, ...]] = {}
    identities: dict[str, tuple[IdentityFacts, ...]] = {}
    for each in found:
        for host, rows in each.assets.items():
            assets[host] = (*assets.get(host, ()), *rows)
        for user, facts in each.identities.items():
            identities[user] = (*identities.get(user, ()), *facts)
    not_read = dict.fromkeys(part for each in found for part in each.not_read)
    return Listed(assets, identities, tuple(not_read))
