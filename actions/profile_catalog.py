"""The profiles that ship: one module each in actions/profiles. Listing them imports none."""

from __future__ import annotations

import importlib
import pkgutil

import actions.profiles
from actions.profile import Profile
from connectors.errors import ConfigError


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(actions.profiles.__path__)))


def shipped_profile(name: str) -> Profile:
    """One profile by name.

    Raises:
        ConfigError: no profile of that name ships.
    """
    if name not in profile_names():
        known = ", ".join(profile_names())
        raise ConfigError(
            "profile", f"no profile {name!r}", f"Use one of {known}, or a TOML file of your own"
        )
    profile = importlib.import_module(f"actions.profiles.{name}").PROFILE
    if not isinstance(profile, Profile):
        raise TypeError(f"actions.profiles.{name}.PROFILE is not a Profile")
    return profile


def shipped_profiles() -> tuple[Profile, ...]:
    """All profiles that ship, by name."""
    return tuple(shipped_profile(name) for name in profile_names())
