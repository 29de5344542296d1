"""Settings of the reputation look-up: composed of what its parts declare."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path

from actions.reputation_policy import ReputationPolicy
from connectors.facts.base import Fact
from connectors.http.settings import HttpSettings
from connectors.reputation.catalogue import ReputationSourcesSettings
from connectors.reputation.offline.feed_settings import FeedSettings

#: Folder of cache, quota and feeds below the user's data folder, where the settings name none.
FOLDER_NAME = "regsvcs-response"


class ReputationSettings(Fact):
    """Who is asked about addresses, how, and how the answers count.

    Attributes:
        sources: online sources; their keys come from the environment or the SOAR asset, never from here.
        feeds: lists downloaded by `feeds update`, and lists of one's own.
        policy: deadline, decay, overrides.
        http: how requests are sent.
        folder: where cache, quota and feeds are kept; None is the user's data folder.
    """

    sources: ReputationSourcesSettings = ReputationSourcesSettings()
    feeds: FeedSettings = FeedSettings()
    policy: ReputationPolicy = ReputationPolicy()
    http: HttpSettings = HttpSettings()
    folder: Path | None = None

    @property
    def place(self) -> Path:
        """The folder in use; it need not exist."""
        return self.folder or user_data_path(FOLDER_NAME, appauthor=False)

    @property
    def feeds_in_place(self) -> FeedSettings:
        """The feeds' settings with a folder."""
        if self.feeds.folder is not None:
            return self.feeds
        return self.feeds.model_copy(update={"folder": self.place / "feeds"})
