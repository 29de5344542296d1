"""The SIEM that notables come from and cases are written back to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from actions.profile import Profile
from actions.profile_catalog import shipped_profiles
from connectors.clock import utc_now
from connectors.environment_secrets import IN_FILE, secret_of
from connectors.errors import (
    Ambiguous,
    AuthRejected,
    ConfigError,
    ConnectorError,
    InputError,
    NotFound,
    NotSupported,
    PermissionMissing,
    Transient,
)
from connectors.facts.health import Health, HealthState
from connectors.http.client import Http
from connectors.http.deadline import Deadline
from connectors.siem.notable import RejectedNotable
from connectors.siem.splunk.connector import SplunkSiem
from connectors.siem.splunk.rest import CONNECTOR, SplunkRest
from connectors.siem.splunk.review_statuses import StatusKind, chosen, read_statuses
from connectors.siem.splunk.settings import NotablesFrom
from connectors.state.once import SqliteOnce
from playbooks.detection_deployment import analytics_of
from playbooks.settings import Settings

#: The environment variables of Splunk's tokens; VARIABLE_FILE names a file with one.
TOKEN_VARIABLE = "REGSVCS_RESPONSE_SPLUNK_TOKEN"  # noqa: S105  a name, not a secret
HEC_VARIABLE = "REGSVCS_RESPONSE_SPLUNK_HEC_TOKEN"

#: The file that notes what was written to Splunk.
ONCE = "splunk_once.sqlite"


@contextmanager
def splunk_of(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    on_rejected: Callable[[RejectedNotable], None],
    profiles: Sequence[Profile] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[SplunkSiem]:
    """Splunk as the settings name it. Nothing is sent yet, and no answer is kept.

    What is written is noted in the folder of answers and quotas, so that no other run writes it again before
    Splunk shows it.

    Args:
        settings: with the section [splunk].
        environ: holds the tokens.
        on_rejected: keeps what makes no notable.
        profiles: whose analytics are searched for where there is no Enterprise Security; None takes those
            that ship.
        clock: the time.

    Raises:
        ConfigError: the section or a token is missing or wrong.
    """
    own = settings.splunk
    if own is None:
        raise ConfigError("splunk", "is missing", "Add the section [splunk] with base_url to the settings")
    token = secret_of(environ, TOKEN_VARIABLE)
    if token is None:
        raise ConfigError(
            TOKEN_VARIABLE,
            "is not set: an authentication token of Splunk",
            f"Set it, or {TOKEN_VARIABLE}{IN_FILE} to a file",
        )
    hec_token = secret_of(environ, HEC_VARIABLE)
    if own.hec_url and hec_token is None:
        raise ConfigError(HEC_VARIABLE, "is not set, and splunk.hec_url is", "Set it, or empty hec_url")
    http = Http(own.http, folder=None, clock=clock)
    once = SqliteOnce(settings.reputation.place / ONCE, clock=clock)
    try:
        yield SplunkSiem(
            http,
            own,
            token,
            hec_token,
            analytics=analytics_of(shipped_profiles() if profiles is None else profiles),
            reading=settings.notable,
            on_rejected=on_rejected,
            once=once,
            clock=clock,
        )
    finally:
        http.close()
        once.close()


def writes_labels(settings: Settings) -> bool:
    """Whether the section [write_back] sets something whose name Splunk has to know."""
    own = settings.splunk
    return (
        own is not None
        and own.notables_from is NotablesFrom.NOTABLE_MACRO
        and bool(settings.write_back.status)
    )


def check_write_back(
    settings: Settings, environ: Mapping[str, str], *, clock: Callable[[], datetime] = utc_now
) -> Health:
    """Whether Splunk knows the status that [write_back] sets; reads only.

    Whether there is an account of the owner's name is not asked: that takes a capability of its own.

    Raises:
        ConfigError: as splunk_of.
    """
    own, token = settings.splunk, secret_of(environ, TOKEN_VARIABLE)
    if own is None or token is None:
        raise ConfigError("splunk", "is missing, or its token is")
    http = Http(own.http, folder=None, clock=clock)
    state = HealthState.FAILED
    try:
        statuses = read_statuses(SplunkRest(http, own, token), Deadline.after(own.deadline_s))
        chosen(statuses, StatusKind.STATUS, settings.write_back.status or "")
    except InputError as error:
        detail = f"write_back.{error.field}: {error.problem}. {error.remedy}"
    except ConnectorError as error:
        detail = f"write_back.status cannot be checked: {error.message}"
    else:
        state, detail = HealthState.OK, "Splunk knows the status that is set"
    finally:
        http.close()
    return Health(connector=CONNECTOR, state=state, detail=detail)


def remedy_of(error: ConnectorError) -> str:
    """What to do where Splunk did not give what was asked, a sentence; "" where the error says it all."""
    if isinstance(error, AuthRejected):
        return f"Check {TOKEN_VARIABLE}"
    if isinstance(error, PermissionMissing):
        return f"Grant {error.scope} to the role of the token's user"
    if isinstance(error, Transient):
        return "Check splunk.base_url (the management port, often 8089) and the proxy, and try again"
    if isinstance(error, NotFound | Ambiguous | NotSupported):
        return ""
    return "Check the section [splunk]; `doctor` tells what works"


@contextmanager
def told_with_remedy() -> Iterator[None]:
    """Let what Splunk refuses while the block runs end with what to do about it.

    Raises:
        ConnectorError: of the same class, with the remedy.
    """
    try:
        yield
    except ConnectorError as error:
        remedy = remedy_of(error)
        if remedy:
            error.message = f"{error.message.rstrip('.')}. {remedy}"
            error.args = (f"{error.connector}: {error.message}",)
        raise
