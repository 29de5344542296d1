"""Whether each reputation source of the asset works: asked side by side, and nobody waits for a slow one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from connectors.errors import InputError
from connectors.facts.health import Health, HealthState
from connectors.http.deadline import Deadline
from connectors.reputation.catalogue import CATALOGUE, describe
from connectors.reputation.offline.feed_settings import BUILT_IN
from playbooks.hosts.soar.asset import Asset
from playbooks.hosts.soar.sources_of_reputation import KEY_FIELDS, reputation_for
from playbooks.report.display import safe_error
from playbooks.report.wording import sentence
from playbooks.settings import Settings
from playbooks.source_checks import check_all

#: Seconds for all checks together: a source gives up by itself after 10 s.
CHECKS_S = 12.0

_LATE = "did not answer in time. Look at the network, the proxy and the address"


def reputation_health(
    asset: Asset, settings: Settings, *, state_folder: Path | None = None, deadline_s: float = CHECKS_S
) -> tuple[tuple[str, Health], ...]:
    """Title and health of each source, the online ones first, then the lists on this machine.

    Lists that were never downloaded make one entry together. A field of the asset that cannot be used makes
    one entry that names it.
    """
    try:
        reputation = reputation_for(asset, settings, state_folder=state_folder)
    except InputError as error:
        failed = Health(connector="reputation", state=HealthState.FAILED, detail=safe_error(error))
        return (("reputation sources", failed),)
    with reputation:
        checked = check_all(reputation.sources, Deadline.after(deadline_s), late=_LATE)
    found = [each.model_copy(update={"detail": sentence(each.detail)}) for each in checked]
    titles = {source.info.name: source.info.title for source in reputation.sources}
    told = [(titles[each.connector], each) for each in found if not _is_missing_feed(each)]
    missing = [titles[each.connector] for each in found if _is_missing_feed(each)]
    return (*told, *_missing_feeds(missing), *_left_out(asset, set(titles)))


def _is_missing_feed(health: Health) -> bool:
    return health.connector in BUILT_IN and health.state is HealthState.NOT_CONFIGURED


def _missing_feeds(titles: Sequence[str]) -> list[tuple[str, Health]]:
    """One entry for all lists without a copy on disk: a dozen that say the same would hide the others."""
    if not titles:
        return []
    detail = (
        f"no copy on disk of {', '.join(titles)}. Run feeds update on this host, and name its folder in the"
        " policy as reputation.feeds.folder"
    )
    return [("lists to download", Health(connector="feeds", state=HealthState.NOT_CONFIGURED, detail=detail))]


def _left_out(asset: Asset, asked: set[str]) -> list[tuple[str, Health]]:
    """Sources that have a key and that the policy does not let ask."""
    with_key = {name for field, names in KEY_FIELDS.items() if getattr(asset, field) for name in names}
    detail = "it has a key, and the policy's reputation.sources.enabled leaves it out"
    return [
        (
            describe(name).title,
            Health(connector=name, state=HealthState.NOT_CONFIGURED, detail=detail),
        )
        for name in CATALOGUE
        if name in with_key - asked
    ]
