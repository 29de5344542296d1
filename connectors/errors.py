"""The one error tree. Two families by origin: what a person gave us, and what another system answered.

Attributes steer the program; the text is for a person: cause, effect so far, next step.
No message may hold a secret; text from outside is kept raw here and escaped where it is shown.
"""

from __future__ import annotations

from datetime import datetime


class ResponseError(Exception):
    """Root of every error this project raises on purpose."""


# --- what a person gave us -------------------------------------------------------------------


class InputError(ResponseError):
    """An input cannot be used. Names the field, the problem and what to do.

    Attributes:
        field: the field, option or file the problem is in, as the user knows it.
        problem: one sentence, no trailing stop needed.
        remedy: what to do about it; empty when the problem says it all.
    """

    def __init__(self, field: str, problem: str, remedy: str = "") -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field}: {problem}" + (f". {remedy}" if remedy else ""))


class ConfigError(InputError):
    """A setting is wrong: unknown key, wrong type, contradiction."""


class NotableError(InputError):
    """A notable is unusable. It is kept (dead letter), never dropped."""


class LogUnreadable(InputError):
    """A log file as a whole cannot be read: not a known format, missing, over a cap."""


# --- what another system answered ------------------------------------------------------------


class ConnectorError(ResponseError):
    """Another system did not give what was asked.

    Attributes:
        connector: short name of the connector, such as "sysmon_file" or "defender".
    """

    def __init__(self, connector: str, message: str) -> None:
        self.connector = connector
        self.message = message
        super().__init__(f"{connector}: {message}")


class Transient(ConnectorError):
    """May succeed if asked again."""


class TimedOut(Transient):
    """No answer before the deadline. For a write this means: outcome unknown."""


class NotSent(Transient):
    """Nothing was sent: the request that changes something was never made."""


class RateLimited(Transient):
    """The quota is used up.

    Attributes:
        retry_at: when to ask again (timezone-aware), or None when the vendor did not say.
    """

    def __init__(self, connector: str, message: str, *, retry_at: datetime | None = None) -> None:
        self.retry_at = retry_at
        super().__init__(connector, message)


class AuthRejected(ConnectorError):
    """The credential is missing, wrong or expired."""


class PermissionMissing(ConnectorError):
    """The credential works but lacks a permission.

    Attributes:
        scope: the permission to grant, in the vendor's words.
    """

    def __init__(self, connector: str, message: str, *, scope: str) -> None:
        self.scope = scope
        super().__init__(connector, message)


class Rejected(ConnectorError):
    """The request was understood and refused; asking again will not help."""


class Conflict(Rejected):
    """Another action on the same object is under way or already done."""


class QueryFailed(Rejected):
    """A search ran and failed, or was cancelled by the vendor."""


class BadResponse(ConnectorError):
    """The answer is not what the vendor documents: HTML, truncated JSON, wrong types."""


class NotSupported(ConnectorError):
    """The connector cannot do this at all; it says so beforehand in its capabilities."""


class NotFound(ConnectorError):
    """What was asked for does not exist there.

    Attributes:
        as_of: when the other system said so (timezone-aware), or None for just now.
    """

    def __init__(self, connector: str, message: str, *, as_of: datetime | None = None) -> None:
        self.as_of = as_of
        super().__init__(connector, message)


class HostNotFound(NotFound):
    """No active agent has this name or address."""


class ProcessNotFound(NotFound):
    """No recorded process fits."""


class Ambiguous(ConnectorError):
    """More than one thing fits; none is picked.

    Attributes:
        candidates: a line for each, so that a person can choose.
    """

    def __init__(self, connector: str, message: str, *, candidates: tuple[str, ...]) -> None:
        self.candidates = candidates
        super().__init__(connector, message)


class AmbiguousHost(Ambiguous):
    """More than one agent fits the host name or address."""


class AmbiguousProcess(Ambiguous):
    """More than one process fits the notable."""
