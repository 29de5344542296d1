"""Which feeds there are: the built-in ones and the lists that the settings name."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from connectors.facts.base import Fact
from connectors.facts.destination_role import DestinationRole, RoleEffect, RoleKind
from connectors.facts.reputation import EvidenceDirection, Leaning, Reliability
from connectors.http.targets import QUERY_IN_URL, USER_IN_URL, url_problem
from connectors.reputation.offline.feed_entries import FeedFormat

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

#: Warninglists that are worth being newer than the installed package: roles that change a verdict.
MISP_LISTS = ("akamai", "cloudflare", "fastly", "microsoft-office365-ip", "sinkholes", "zscaler")


class Feed(Fact):
    """One list of addresses, wherever it comes from.

    Attributes:
        name: short, snake_case; the name of the source and of its file.
        url: where it is downloaded; "" for a list on disk.
        path: the file of a list on disk; None for one that is downloaded.
        leaning: what being listed says, where an entry does not say it itself.
        lineage: the original author, "" when unknown.
        licence: what its terms allow, one sentence.
        min_interval_s: seconds between two downloads, at least.
        retry_s: the same after a download that failed.
        max_age_s: seconds after which a copy is stale.
        warninglist: folder name of the MISP warninglist it is, "" for any other feed.
        role: what every address on it serves as; None when being listed does not tell, or `warninglist` does.
    """

    name: str
    title: str
    url: str = ""
    path: Path | None = None
    format: FeedFormat
    direction: EvidenceDirection
    leaning: Leaning
    reliability: Reliability
    lineage: str
    licence: str
    min_interval_s: int
    retry_s: int = 300
    max_age_s: int
    warninglist: str = ""
    role: DestinationRole | None = None


_HOUR = 3600
_DAY = 24 * _HOUR

_FEEDS = (
    Feed(
        name="feodo",
        title="abuse.ch Feodo Tracker",
        url="https://feodotracker.abuse.ch/downloads/ipblocklist.json",
        format=FeedFormat.FEODO,
        direction=EvidenceDirection.OUTBOUND,
        leaning=Leaning.MALICIOUS,
        reliability=Reliability.A,
        lineage="abuse.ch",
        licence="CC0 by its own page; abuse.ch's terms want a subscription for commercial use: ask abuse.ch.",
        min_interval_s=_HOUR,
        max_age_s=3 * _DAY,
    ),
    Feed(
        name="threatfox_export",
        title="abuse.ch ThreatFox export",
        url="https://threatfox.abuse.ch/export/json/ip-port/recent/",
        format=FeedFormat.THREATFOX,
        direction=EvidenceDirection.OUTBOUND,
        leaning=Leaning.SUSPICIOUS,
        reliability=Reliability.B,
        lineage="abuse.ch",
        licence="abuse.ch's terms: free when not for profit; commercial use may need a subscription.",
        min_interval_s=_HOUR,
        max_age_s=3 * _DAY,
    ),
    # B, not A: DROP judges who controls a block, not each address in it.
    *(
        Feed(
            name=f"spamhaus_drop_v{version}",
            title=f"Spamhaus DROP (IPv{version})",
            url=f"https://www.spamhaus.org/drop/drop_v{version}.json",
            format=FeedFormat.SPAMHAUS_DROP,
            direction=EvidenceDirection.OUTBOUND,
            leaning=Leaning.MALICIOUS,
            reliability=Reliability.B,
            lineage="spamhaus",
            licence="Free under Spamhaus's DROP terms; credit it, keep its copyright line, at most hourly.",
            min_interval_s=_HOUR,
            retry_s=_HOUR,
            max_age_s=3 * _DAY,
        )
        for version in (4, 6)
    ),
    Feed(
        name="ipsum",
        title="ipsum",
        url="https://raw.githubusercontent.com/stamparm/ipsum/master/ipsum.txt",
        format=FeedFormat.IPSUM,
        direction=EvidenceDirection.INBOUND,
        leaning=Leaning.NONE,
        reliability=Reliability.D,
        lineage="",
        licence="A compilation of public lists; its terms are not confirmed.",
        min_interval_s=12 * _HOUR,
        max_age_s=3 * _DAY,
    ),
    Feed(
        name="tor_exits",
        title="Tor exit addresses",
        url="https://check.torproject.org/torbulkexitlist",
        format=FeedFormat.PLAIN,
        direction=EvidenceDirection.CONTEXT,
        leaning=Leaning.NONE,
        reliability=Reliability.A,
        lineage="torproject",
        licence="Published by the Tor Project; no terms of the list are known.",
        min_interval_s=_HOUR,
        max_age_s=2 * _DAY,
        role=DestinationRole(
            kind=RoleKind.TOR_EXIT,
            effect=RoleEffect.NONE,
            label="Tor exit",
            reason="It is a relay of the Tor network: what calls it may be a Tor client.",
            source="feed tor_exits",
        ),
    ),
    *(
        Feed(
            name=f"misp_{slug.replace('-', '_')}",
            title=f"MISP warninglist {slug}",
            url=f"https://raw.githubusercontent.com/MISP/misp-warninglists/main/lists/{slug}/list.json",
            format=FeedFormat.MISP_WARNINGLIST,
            direction=EvidenceDirection.CONTEXT,
            leaning=Leaning.NONE,
            reliability=Reliability.B,
            lineage=f"misp-warninglists/{slug}",
            licence="CC0: free for any use.",
            min_interval_s=12 * _HOUR,
            max_age_s=30 * _DAY,
            warninglist=slug,
        )
        for slug in MISP_LISTS
    ),
)

BUILT_IN: dict[str, Feed] = {feed.name: feed for feed in _FEEDS}


class OwnList(Fact):
    """A list of the user's: downloaded from `url`, or a file at `path`.

    Attributes:
        name: short, snake_case.
        format: how it is written; plain is one address or range on a line.
        direction: whose traffic it is about: outbound (what is called), inbound (who calls in), context.
        leaning: what being listed says. Inbound evidence never goes further than suspicious.
        lineage: its original author; "" when unknown, and then it never counts as independent.
        licence: what its terms allow.
        min_interval_h: hours between two downloads, at least.
        max_age_h: hours after which a copy is stale.
    """

    name: str
    url: str = ""
    path: Path | None = None
    format: FeedFormat = FeedFormat.PLAIN
    direction: EvidenceDirection
    leaning: Leaning = Leaning.SUSPICIOUS
    reliability: Reliability
    lineage: Annotated[str, Field(max_length=80)] = ""
    licence: Annotated[str, Field(max_length=200)] = ""
    min_interval_h: Annotated[int, Field(ge=1, le=24 * 31)] = 24
    max_age_h: Annotated[int, Field(ge=1, le=24 * 366)] = 24 * 7

    @field_validator("name")
    @classmethod
    def _short_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("is a lower-case letter and then letters, digits and _, 40 at most")
        return name

    @field_validator("url")
    @classmethod
    def _https(cls, url: str) -> str:
        if not url:
            return url
        problem = url_problem(url, loopback=False, query=False)
        if problem:
            may_be_secret = problem in {USER_IN_URL, QUERY_IN_URL}
            advice = ": secrets have no place in the settings" if may_be_secret else ""
            raise ValueError(f"{problem}{advice}")
        return url

    @field_validator("leaning")
    @classmethod
    def _never_harmless(cls, leaning: Leaning) -> Leaning:
        if leaning is Leaning.HARMLESS:
            raise ValueError("a list cannot say harmless: use the override list for that")
        return leaning

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.url) == (self.path is not None):
            raise ValueError("give either url or path")
        return self

    def feed(self) -> Feed:
        """The list as a feed."""
        return Feed(
            name=self.name,
            title=self.name,
            url=self.url,
            path=self.path,
            format=self.format,
            direction=self.direction,
            leaning=self.leaning,
            reliability=self.reliability,
            lineage=self.lineage,
            licence=self.licence or "not stated in the settings",
            min_interval_s=self.min_interval_h * _HOUR,
            max_age_s=self.max_age_h * _HOUR,
        )


class FeedSettings(Fact):
    """Lists that are downloaded to disk and read from there.

    Attributes:
        folder: where the copies are kept; None = no feed is downloaded, and only lists on disk are read.
        built_in: names of the built-in feeds to use; empty = none.
        own: further lists.
        max_bytes: a larger feed is refused.
        timeout_s: seconds that one download may take.
    """

    folder: Path | None = None
    built_in: tuple[str, ...] = tuple(BUILT_IN)
    own: tuple[OwnList, ...] = ()
    max_bytes: Annotated[int, Field(ge=1024, le=256 * 1024 * 1024)] = 32 * 1024 * 1024
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0

    @field_validator("built_in")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in BUILT_IN:
                raise ValueError(f"no built-in feed is called {name[:40]!r}; there are {', '.join(BUILT_IN)}")
        return tuple(dict.fromkeys(names))

    @field_validator("own")
    @classmethod
    def _names_differ(cls, lists: tuple[OwnList, ...]) -> tuple[OwnList, ...]:
        names = [own.name for own in lists]
        taken = next((name for name in names if name in BUILT_IN or names.count(name) > 1), None)
        if taken is not None:
            raise ValueError(f"two feeds are called {taken}")
        return lists

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """All feeds to use, the built-in ones first."""
        return (*(BUILT_IN[name] for name in self.built_in), *(own.feed() for own in self.own))


def age_words(age: timedelta) -> str:
    """An age in whole hours or days, for a sentence."""
    hours = int(age.total_seconds() // _HOUR)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"
